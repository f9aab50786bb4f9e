# SPDX-License-Identifier: GPL-2.0-only
"""A real kernel tree: the source package's, with a handful of commits on top, built and booted commit by commit."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ppiov import kernel_source
from ppiov.bisect.engine import bisect
from ppiov.bisect.oracle import GUEST, Oracle
from ppiov.bisect.request import BisectRequest
from ppiov.drive import drive
from ppiov.render.plain import PlainRenderer
from ppiov.store import Store

pytestmark = [pytest.mark.lab, pytest.mark.long]

# What each commit does: a file, what stands there, and what is to stand there.
COMMITS = (
    ("net/core/sock.c", "", "/* nothing */\n"),
    ("net/core/dev.c", "", "/* nothing */\n"),
    ("net/core/skbuff.c", "", "/* nothing */\n"),
    ("net/core/net_namespace.c", "sysctl_somaxconn = SOMAXCONN;", "sysctl_somaxconn = SOMAXCONN / 2;"),
    ("net/core/stream.c", "", "/* nothing */\n"),
    ("net/core/datagram.c", "", "/* nothing */\n"),
)
CULPRIT = 4  # counted from 1
SCRIPT = '#!/bin/sh\ntest "$(cat /proc/sys/net/core/somaxconn)" -ge 4096\n'


def git(repository: Path, *words: str, work: Path | None = None, given: str | None = None) -> str:
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
    place = ["--git-dir", str(repository), *(["--work-tree", str(work)] if work else [])]
    done = subprocess.run(
        ["git", *place, *words], check=True, capture_output=True, text=True, input=given, env={**os.environ, **who}
    )
    return done.stdout.strip()


_WHO = {"NAME": "A U Thor", "EMAIL": "author@example.org", "DATE": "1700000000 +0000"}


def tree(repository: Path, source: Path) -> list[str]:
    """A bare repository of ``source``, which stays as it is, with COMMITS on top; the commits, the source's first."""
    git(repository, "init", "--quiet", "--bare", str(repository))
    git(repository, "config", "core.compression", "0")  # of all that, adding 1.6 GB would take the most time
    git(repository, "add", "--force", "--all", ".", work=source)
    made = [git(repository, "commit-tree", "-m", "the source package", git(repository, "write-tree"))]
    for name, old, new in COMMITS:
        text = (source / name).read_text()
        assert old in text
        changed = text.replace(old, new) if old else text + new
        blob = git(repository, "hash-object", "-w", "--stdin", given=changed)
        git(repository, "update-index", "--cacheinfo", f"100644,{blob},{name}")
        made.append(
            git(repository, "commit-tree", "-p", made[-1], "-m", f"change {name}", git(repository, "write-tree"))
        )
    git(repository, "update-ref", "refs/heads/main", made[-1])
    return made


def test_the_commit_of_a_kernel_tree(tmp_path: Path) -> None:
    renderer = PlainRenderer(sys.stdout)
    source = drive(kernel_source.whole("7.3", store=Store()), renderer).path
    commits = tree(tmp_path / "linux.git", source)
    script = tmp_path / "somaxconn.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    request = BisectRequest(
        *(commits[0], "main", Oracle(GUEST, script=script)),
        tree=str(tmp_path / "linux.git"),
        results_dir=tmp_path / "results",
    )
    story = drive(bisect(request), renderer)
    ((line, change),) = story.changes
    assert line.history.points[change.last].id == commits[CULPRIT] and change.one
    assert len(line.readings) <= math.ceil(math.log2(len(COMMITS))) + 2
    # The constant is 4096 before and 2048 after, in the functions that the compiler has put it into, and nowhere else.
    assert 1 <= len(story.functions) <= 3
    for function in story.functions:
        assert re.match(r"vmlinux: \w*net\w* \(\d+ instr", function) and re.search(r"^-  .*1000$", function, re.M)
        assert re.search(r"^\+  .*800$", function, re.M) and "0xffffffff8" not in function
