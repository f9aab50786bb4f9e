# SPDX-License-Identifier: GPL-2.0-only
"""One run of make: its output in a log, its compiled files as progress, its failure as one sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppiov import child
from ppiov.errors import BuildFailed
from ppiov.events import Event, StageProgress
from ppiov.store import Store

# gcc, sparse and kernel-doc say "file:line: warning:"; modpost says "WARNING: modpost:"
_WARNING = re.compile(r"^\S+:\d+(:\d+)?: (warning|error): |^WARNING: ")  # sparse says "error", and make goes on
_ERROR = re.compile(r"^\S+:\d+(:\d+)?: (fatal )?error: |^ERROR: |: not found$|: undefined reference to |: \*\*\* ")
_COMPILING = re.compile(r"^\s*CC(\s+\[M\])?\s+\S+(?<!\.mod)\.o$|^\S*(gcc|cc|clang)\S* .*\.c\b")

# An outer make must not lend this one its jobs, variables or directory messages. The kernel's makefiles unset LC_ALL,
# and warnings are compared: the user's language and gcc's typographic quotes would make others of them.
MAKE_ENV = {
    **{"MAKEFLAGS": "", "MFLAGS": "", "MAKELEVEL": "", "MAKEOVERRIDES": ""},
    **{"LANG": "C", "LANGUAGE": "", "LC_CTYPE": "C", "LC_MESSAGES": "C"},
}


@dataclass(frozen=True, slots=True)
class Make:
    """One run of make: its output goes to ``log``, its compiled files become progress."""

    stage: str
    key: str
    title: str
    work: Path
    log: Path
    store: Store

    def run(
        self, command: Sequence[str | Path], env: Mapping[str, str] | None = None
    ) -> Generator[Event, None, list[str]]:
        """Run ``command`` on all CPUs that this process may use; returns the warnings. Raises BuildFailed, DiskFull."""
        compiled = 0
        lines: list[str] = []
        command = [*command, f"-j{len(os.sched_getaffinity(0))}"]
        with (
            self.log.open("a") as log,
            child.child(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**MAKE_ENV, **(env or {})}
            ) as process,
        ):
            assert process.stdout is not None  # it was asked for
            for raw in process.stdout:
                line = raw.decode(errors="replace").replace(f"{self.work}/", "").rstrip("\n")
                log.write(line + "\n")
                lines.append(line)
                if _COMPILING.match(line):
                    compiled += 1
                    yield StageProgress(self.stage, compiled)
        if process.returncode == 0:
            return [line for line in lines if _WARNING.match(line)]
        if any("No space left on device" in line for line in lines):
            raise self.store.full(self.title, self.work)
        raise self.failed(next((line.strip() for line in lines if _ERROR.search(line)), f"code {process.returncode}"))

    def failed(self, why: str) -> BuildFailed:
        """The error, after the log was put where it stays."""
        kept = self.store.dir("logs") / f"{self.stage}-{self.key}.log"
        shutil.copyfile(self.log, kept)
        return BuildFailed(f"failed to {self.title}: {why}; log: {kept}")
