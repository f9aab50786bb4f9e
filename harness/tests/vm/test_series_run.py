# SPDX-License-Identifier: GPL-2.0-only
"""Series on a real kernel tree, the source package's: each patch is read, built, booted, tested and measured.

PPIOV_SERIES_TREE names a repository that was made so before, whose kernels may be in the store already.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from ppiov import kernel_source, suites
from ppiov.drive import drive
from ppiov.render.plain import PlainRenderer
from ppiov.results import Outcome
from ppiov.series import engine
from ppiov.series.place import Options
from ppiov.series.results import Relation, SeriesRun, Verdict
from ppiov.series.stages import Wanted
from ppiov.store import Store

pytestmark = [pytest.mark.lab, pytest.mark.long]

_WHO = {"NAME": "A U Thor", "EMAIL": "author@example.org", "DATE": "1700000000 +0000"}
SIGNED = f"Signed-off-by: {_WHO['NAME']} <{_WHO['EMAIL']}>\n"
MAIN = "refs/heads/main"  # the source package, and nothing else
TESTS = "(plain_read or payload_lands) and not ppiov"  # what meets the planted fault, and what does not


@dataclass(frozen=True)
class Step:
    """A patch: what it replaces, each once, and what then comes of it."""

    subject: str
    changes: tuple[tuple[str, str, str], ...]  # file, what stands there, what is to stand there
    trailers: str = SIGNED


CLEAN = Step(
    "net: datagram: say less about these routines",
    (("net/core/datagram.c", "Generic datagram handling routines.", "Datagram handling routines."),),
)
_DECLARED = (
    "extern int gen_pool_add_owner(struct gen_pool *, unsigned long, phys_addr_t,\n\t\t\t     size_t, int, void *"
)
API = Step(
    "genalloc: let who adds a chunk choose the flags",
    (
        ("include/linux/genalloc.h", f"{_DECLARED});", f"{_DECLARED}, gfp_t);"),
        (
            "include/linux/genalloc.h",
            "(pool, addr, phys, size, nid, NULL)",
            "(pool, addr, phys, size, nid, NULL, GFP_KERNEL)",
        ),
        ("include/linux/genalloc.h", "#include <linux/types.h>", "#include <linux/gfp.h>\n#include <linux/types.h>"),
        ("lib/genalloc.c", "size_t size, int nid, void *owner)", "size_t size, int nid, void *owner, gfp_t gfp)"),
        (
            "lib/genalloc.c",
            "chunk = vzalloc_node(nbytes, nid);",
            "chunk = __vmalloc_node(nbytes, 1, gfp | __GFP_ZERO, nid,\n\t\t\t       __builtin_return_address(0));",
        ),
        ("net/core/devmem.c", "(&dev->dev),\n\t\t\t\t\t owner);", "(&dev->dev),\n\t\t\t\t\t owner, GFP_KERNEL);"),
    ),
)
ADAPTED = (
    "kernel/pool/provider_dmabuf.c",
    "-1, run->len, nid, chunk);",
    "-1, run->len, nid, chunk,\n\t\t\t\t  GFP_KERNEL);",
)
_REFUSED = "with the MSG_SOCK_DEVMEM flag.\n\t\t\t\t\t */\n\t\t\t\t\tif (!copied)\n\t\t\t\t\t\tcopied = -EFAULT;"
WRONG = Step(
    "net: tcp: device memory without its flag is an invalid argument",
    (("net/ipv4/tcp.c", _REFUSED, _REFUSED.replace("EFAULT", "EINVAL")),),
)
SLOWER = Step(
    "net: page_pool: take a breath before a buffer is taken from the cache",
    (("net/core/page_pool.c", "\t\t/* Fast-path */\n", '\t\t/* Fast-path */\n\t\tasm volatile("nop");\n'),),
)
_MADE = "\tif (pool != NULL) {\n\t\tspin_lock_init(&pool->lock);\n"
# Once for each pool: kmemleak misses what a stale word somewhere points at, and that of boot it has missed.
_LOST = "\t\tstatic unsigned int made;\n\n\t\tif (kmalloc(128, GFP_KERNEL))\n\t\t\tmade++;\n"
LEAKS = Step(
    "genalloc: count the pools",
    (("lib/genalloc.c", _MADE, _MADE.replace("{\n", "{\n" + _LOST)),),
)
DEFECTS = (API, WRONG, SLOWER)  # the first is well, with modules that fit it
_WRITE_SPACE = "\tstruct socket_wq *wq;\n\n\tif (__sk_stream_is_writeable(sk, 1)"
UNUSED = Step(
    "net: stream: something that nobody uses",
    (("net/core/stream.c", _WRITE_SPACE, _WRITE_SPACE.replace("\n\n", "\n\tint old_unused;\n\n")),),
)
_TAKES = "int call_netevent_notifiers(unsigned long val, void *v)"
# What is found without a guest, on top of UNUSED; the last of it does not apply.
UNREAD = (
    CLEAN,
    Step(
        "net: stream: say that it is for stream sockets",
        (("net/core/stream.c", "Generic stream handling routines.", "Handling routines for stream sockets."),),
        'Fixes: 31986690 ("net: something that is no commit")\n',
    ),
    Step("net: stream: rename what nobody uses", (("net/core/stream.c", "int old_unused;", "int new_unused;"),)),
    Step(
        "net: netevent: an int will do",
        (
            ("include/net/netevent.h", f"{_TAKES};", f"{_TAKES.replace('long ', 'int ')};"),
            ("net/core/netevent.c", "call all netevent notifier blocks", "call all notifier blocks"),
        ),
    ),
    Step(
        "net: gro_cells: say what it is",
        (("net/core/gro_cells.c", "struct gro_cell {", "/* Of one CPU. */\nstruct gro_cell {"),),
    ),
    Step(
        "net: netevent: the other half",
        (("net/core/netevent.c", f"{_TAKES}\n", f"{_TAKES.replace('long ', 'int ')}\n"),),
    ),
    Step(
        "net: netevent: a brace",
        (
            (
                "net/core/netevent.c",
                "\treturn atomic_notifier_call_chain(&netevent_notif_chain, val, v);",
                "\treturn atomic_notifier_call_chain(&netevent_notif_chain,val, v);",
            ),
        ),
    ),
    Step(
        "net: timestamping: less is more",
        (("net/core/timestamping.c", "PTP 1588 clock support - support for", "Support for"),),
    ),
)


def git(repository: Path, *words: str, work: Path | None = None, given: str | None = None) -> str:
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
    place = ["--git-dir", str(repository), *(["--work-tree", str(work)] if work else [])]
    done = subprocess.run(
        ["git", *place, *words], check=True, capture_output=True, text=True, input=given, env={**os.environ, **who}
    )
    return done.stdout.removesuffix("\n")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with one commit, the source package's files, which stay where they are."""
    if named := os.environ.get("PPIOV_SERIES_TREE"):
        return Path(named)
    repository = tmp_path_factory.mktemp("series") / "linux.git"
    source = drive(kernel_source.whole("7.3", store=Store()), PlainRenderer(sys.stdout)).path
    git(repository, "init", "--quiet", "--bare", str(repository))
    git(repository, "add", "--force", "--all", ".", work=source)
    first = git(repository, "commit-tree", "-m", "the source package", git(repository, "write-tree"))
    git(repository, "update-ref", MAIN, first)
    return repository


def branch(tree: Path, name: str, steps: Sequence[Step], base: str = MAIN) -> str:
    """The steps as commits on top of the source package; the range."""
    at = git(tree, "rev-parse", base)
    git(tree, "read-tree", at)
    for step in steps:
        for file, old, new in step.changes:
            text = git(tree, "cat-file", "blob", f":{file}") + "\n"
            assert text.count(old) == 1, f"{file} has {text.count(old)} times what {step.subject!r} replaces"
            blob = git(tree, "hash-object", "-w", "--stdin", given=text.replace(old, new))
            git(tree, "update-index", "--cacheinfo", f"100644,{blob},{file}")
        message = f"{step.subject}\n\nFor a test.\n\n{step.trailers}"
        at = git(tree, "commit-tree", "-p", at, "-m", message, git(tree, "write-tree"))
    git(tree, "update-ref", f"refs/heads/{name}", at)
    return f"{base}..{name}"


def checked(
    tree: Path, results: Path, what: str, wanted: Wanted, checks: tuple[str, ...] = ("signoff",), base: str = ""
) -> SeriesRun:
    """The series as ``ppiov series`` checks it; by default with next to no checks besides what runs in guests."""
    own = not what
    request = engine.SeriesRequest(
        what=what,
        own=own,
        base=MAIN if own else base,
        tree=tree,
        checks=checks,
        options=Options(config="lab", includers=2),
        wanted=wanted,
        results_dir=results,
    )
    return drive(engine.run(request), PlainRenderer(sys.stdout))


def test_what_is_read_and_built(tree: Path, tmp_path: Path) -> None:
    """Eight mails, six with a defect each, two of which are of one change: each is found, and nothing else is."""
    branch(tree, "warned", (UNUSED,))
    what = branch(tree, "unread", UNREAD, "warned")
    box = tmp_path / "series.mbox"
    mails = git(tree, "format-patch", "--stdout", "--subject-prefix=PATCH net-next", what) + "\n"
    assert mails.count("- * PTP 1588") == 1
    box.write_text(mails.replace("- * PTP 1588", "- * PTP 1589"))
    run = checked(tree, tmp_path / "results", str(box), Wanted(), (), "warned")
    found = {(p.number, c.name): c.line for p in run.patches for c in p.checks if c.verdict is Verdict.FAIL}
    builds = [name for name in ("build_gcc", "build_clang", "build_32bit") if next(stage(run, name))[1] is Verdict.PASS]
    assert set(found) == {
        *((2, "signoff"), (2, "verify_fixes"), (2, "checkpatch"), (7, "checkpatch"), (8, "apply")),
        *((number, name) for number in (3, 4) for name in builds),
    }, found
    assert "1 new warning: net/core/stream.c" in found[3, "build_gcc"] and "new_unused" in found[3, "build_gcc"]
    assert found[4, "build_gcc"].startswith("does not build: net/core/netevent.c")
    assert found[8, "apply"].startswith("does not apply") and "timestamping.c" in found[8, "apply"]
    whole = {check.name: check for check in run.checks}
    assert "build_gcc: patch 4 does not build, patch 6 repairs it" in whole["bisectable"].details
    assert {name for name, check in whole.items() if check.verdict is Verdict.FAIL} == {"bisectable", "cover_letter"}


def stage(run: SeriesRun, name: str) -> Iterator[tuple[int, Verdict, Relation, str]]:
    for patch in run.patches:
        for check in patch.checks:
            if check.name == name:
                yield patch.number, check.verdict, check.relation, check.line


def test_our_modules_in_the_kernels_tree(tree: Path, tmp_path: Path) -> None:
    """``--self``: no check fails, and what was built in the tree, =m and =y, boots and passes what the modules pass."""
    tests = "payload_lands_in_the_dmabuf or vlan or test_closed_unread or bind_unbind_rebind or unload"
    inside(checked(tree, tmp_path / "results", "", Wanted(("traffic",), tests, inside=True), checks=()), "traffic")


def test_our_unit_tests_in_the_kernels_tree(tree: Path, tmp_path: Path) -> None:
    """The same of the KUnit suites; on kernels with KUnit, which share no object with those of the other tests."""
    inside(checked(tree, tmp_path / "results", "", Wanted(("kunit",), inside=True)), "kunit")


def inside(run: SeriesRun, suite: str) -> None:
    assert run.passed, [(p.number, c.name, c.line) for p in run.patches for c in p.checks if c.verdict is Verdict.FAIL]
    for name in (suite, f"{suite}=y"):
        result = next(check for check in run.patches[-1].checks if check.name == name)
        # what loads and unloads is skipped where there is nothing to load, and that is said
        lost = [c for c in result.changes if c.relation is Relation.NEW and c.after is not Outcome.SKIP]
        assert result.verdict is Verdict.PASS or (name.endswith("=y") and result.verdict is Verdict.WARN), result.line
        assert not lost and result.runs, result.line


def adapted(folder: Path) -> Path:
    """A patch for the modules, with which they fit the changed API."""
    file, old, new = ADAPTED
    text = (suites.find_source() / file).read_text()
    assert text.count(old) == 1
    for side, content in (("a", text), ("b", text.replace(old, new))):
        (folder / side / file).parent.mkdir(parents=True)
        (folder / side / file).write_text(content)
    made = subprocess.run(
        ["git", "diff", "--no-index", "--no-prefix", f"a/{file}", f"b/{file}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    patch = folder / "adapted.patch"
    patch.write_text(made.stdout)
    return patch


def test_each_defect_is_blamed_on_its_patch(tree: Path, tmp_path: Path) -> None:
    """Boots but fails a test, and slower by 1%: each on the patch that does it, and nothing on the others."""
    wanted = Wanted(
        suites=("traffic",),
        expression=TESTS,
        bench=("core.direct",),
        each=True,
        modules=(f"1={adapted(tmp_path)}",),
        confirm=2,
    )
    run = checked(tree, tmp_path / "results", branch(tree, "defects", DEFECTS), wanted)
    good, bad, older = Verdict.PASS, Verdict.FAIL, Verdict.WARN
    traffic, bench = list(stage(run, "traffic")), list(stage(run, "bench"))
    assert [found[1] for found in traffic] == [good, bad, older], traffic
    assert "plain_read" in traffic[1][3] and traffic[1][2] is Relation.NEW
    assert traffic[2][3].startswith("as with patch 2: ")
    assert [found[1] for found in bench] == [good, good, bad], bench
    assert bench[2][3].startswith("slower: core.direct, +")
    assert {name: patch.number for name, patch in run.first_bad()} == {"traffic": 2, "bench": 3}


def test_a_leak_is_blamed_on_its_patch(tree: Path, tmp_path: Path) -> None:
    """On kernels with kmemleak; every test passes, and the kernel complains."""
    what = branch(tree, "leaks", (CLEAN, LEAKS))
    wanted = Wanted(suites=("traffic",), expression=TESTS, each=True, additions=("kmemleak",), confirm=1)
    run = checked(tree, tmp_path / "results", what, wanted)
    (_, clean, _, _), (_, leaks, relation, line) = stage(run, "traffic")
    assert (clean, leaks, relation) == (Verdict.PASS, Verdict.FAIL, Relation.NEW), line
    assert line.startswith("new: ") and "kmemleak" in line, line


def test_modules_that_were_not_adapted_make_no_patch_fail(tree: Path, tmp_path: Path) -> None:
    """On the kernels of the test above, which saves building another."""
    wanted = Wanted(suites=("boot",), additions=("kmemleak",))
    run = checked(tree, tmp_path / "results", branch(tree, "unadapted", (API,)), wanted)
    ((number, verdict, _, line),) = stage(run, "boot")
    assert (number, verdict) == (1, Verdict.SKIP)
    assert line.startswith("untestable: ppnic needs adapting (--module): "), line
