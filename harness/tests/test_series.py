# SPDX-License-Identifier: GPL-2.0-only
"""The series engine on a kernel of a few files: each defect once, blamed on the right patch, and none invented."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import fake_archive
import fake_series
import pytest
from engines import drain
from fake_series import commit, edit
from ppiov import toolchain
from ppiov.errors import PpiovError
from ppiov.events import Event, Note, StageBegun, StageEnded, StageProgress
from ppiov.results import RunState
from ppiov.series import builder, engine, kept
from ppiov.series import check as checks
from ppiov.series import results as stored
from ppiov.series.check import Check, passed, plain
from ppiov.series.checks import build, lint
from ppiov.series.engine import SeriesRequest
from ppiov.series.patch import Patch
from ppiov.series.place import Options, Place
from ppiov.series.results import CheckResult, Relation, SeriesRun, Verdict
from ppiov.store import Store

Fails = dict[tuple[int, str], str]


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_archive.need("make", "git", "gcc", "perl")
    monkeypatch.setattr(toolchain, "find", lambda _source, additions=(): fake_series.TOOLS["llvm" in additions])
    monkeypatch.setattr(build, "_BUILDERS", {})
    build._tools.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return fake_series.repository(tmp_path / "my work: net+next" / "linux@home")


def check(top: Path, what: str = "v1..HEAD", **wanted: object) -> tuple[list[Event], SeriesRun]:
    wanted.setdefault("without", ("build_clang", "build_32bit"))
    request = SeriesRequest(what, tree=top, results_dir=top.parent / "results", **wanted)  # type: ignore[arg-type]
    return drain(engine.run(request))


def fails(run: SeriesRun) -> set[tuple[int, str]]:
    """(patch, check) of all that fails."""
    return {(patch.number, c.name) for patch in run.patches for c in patch.checks if c.verdict is Verdict.FAIL}


def of(run: SeriesRun, number: int, name: str) -> CheckResult:
    return next(c for c in run.patches[number - 1].checks if c.name == name)


def whole(run: SeriesRun, name: str) -> CheckResult:
    return next(c for c in run.checks if c.name == name)


def test_nothing_is_said_against_a_clean_series(top: Path) -> None:
    fake_series.clean_series(top)
    _, run = check(top)
    assert run.passed
    assert {c.verdict for patch in run.patches for c in patch.checks} == {Verdict.PASS, Verdict.SKIP}
    assert of(run, 1, "build_gcc").line == "1 object"
    assert of(run, 3, "build_gcc").line == "2 objects"  # both files that include the header
    assert whole(run, "bisectable").verdict is Verdict.PASS


def no_signoff(top: Path) -> None:
    edit(top, "net/core/other.c", "return 4;", "return 5;")
    commit(top, "net: other: return five", "Say why.")


def new_error(top: Path) -> None:
    edit(top, "net/core/other.c", "return 4;", "return 5 /* PLANTED_ERROR */;")
    commit(top, "net: other: return five")


def warning_for_warning(top: Path) -> None:
    edit(top, "net/core/foo.c", "\tint old_unused;\n", "\tint new_unused;\n")
    commit(top, "net: foo: rename what is unused")


def undocumented(top: Path) -> None:
    edit(top, "net/core/other.c", "int other", "/* UNDOCUMENTED arg */\nint other")
    commit(top, "net: other: document")


def inline(top: Path) -> None:
    edit(top, "net/core/other.c", "int other", "static inline int helper(void)\n{\n\treturn 1;\n}\n\nint other")
    commit(top, "net: other: add a helper")


def lost_selftest(top: Path) -> None:
    (top / "tools/testing/selftests/net/new.sh").write_text("#!/bin/sh\necho ok\n")
    commit(top, "selftests: net: add a test")


def bad_fixes(top: Path) -> None:
    edit(top, "net/core/other.c", "return 4;", "return 5;")
    short = fake_series.git(top, "rev-parse", "--short=12", "v1").strip()
    commit(
        top,
        "net: other: return five",
        f'Say why.\n\nFixes: {short} ("net: another subject")\n{fake_series.SIGNED[10:]}',
    )


def bad_shell(top: Path) -> None:
    (top / "tools/testing/selftests/net/old.sh").write_text("#!/bin/sh\necho $1 ok\n")
    commit(top, "selftests: net: say more")


@pytest.mark.parametrize(
    ("plant", "name", "says"),
    [
        (no_signoff, "signoff", "no Signed-off-by"),
        (new_error, "checkpatch", "1 error"),
        (warning_for_warning, "build_gcc", "1 new warning"),
        (undocumented, "kdoc", "1 new warning"),
        (inline, "source_inline", "1 more inline in .c files"),
        (lost_selftest, "check_selftest", "new.sh is in no Makefile"),
        (bad_fixes, "verify_fixes", 'the subject of that commit is "net: begin"'),
        (bad_shell, "shellcheck", "1 new finding"),
    ],
)
def test_a_planted_defect_is_found_and_nothing_else(
    top: Path, plant: Callable[[Path], None], name: str, says: str
) -> None:
    if name == "shellcheck":
        fake_archive.need("shellcheck")
    fake_series.clean_series(top)
    plant(top)
    _, run = check(top)
    assert fails(run) == {(4, name)}
    assert says in of(run, 4, name).line
    assert not run.passed
    assert [(found, patch.number) for found, patch in run.first_bad()] == [(name, 4)]


def test_an_inline_that_is_forced_is_only_asked_about(top: Path) -> None:
    for number, added in enumerate(("static __always_inline int a(void)", "static int inline b(void)", "/* inline */")):
        edit(top, "net/core/other.c", "int other", f"{added}\n\nint other")
        commit(top, f"net: other: {number}")
    _, run = check(top, checks=("source_inline",), without=())
    said = [of(run, number, "source_inline") for number in (1, 2, 3)]
    assert [one.verdict for one in said] == [Verdict.WARN, Verdict.FAIL, Verdict.PASS]
    assert said[0].line == "1 more __always_inline in .c files"


def test_what_checkpatch_asks_and_the_tree_answers(top: Path) -> None:
    """A long line that a generator has made, and whether MAINTAINERS names a new file; a typo is only a question."""
    generated = "/* YNL-GEN kernel source */\nint LONG_x;\n"
    for name, text in (("net/core/nl-gen.c", generated), ("net/core/new.h", "/* TYPO_ */\n")):
        (top / name).write_text(text)
        commit(top, f"net: add {name}")
    (top / "net/core/new.h").write_text("/* TYPO_ */\nint LONG_y;\n")
    commit(top, "net: a long line")
    (top / "lost.h").write_text("int z;\n")
    commit(top, "lost: in nobody's care")
    _, run = check(top, checks=("checkpatch",), without=())
    said = [of(run, number, "checkpatch") for number in (1, 2, 3, 4)]
    assert [one.verdict for one in said] == [Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.FAIL]
    assert re.fullmatch(r"CHECK: TYPO_SPELLING: net/core/new\.h:\d+: 'tyop' may be misspelled", said[1].details[0])
    assert said[2].details[0].startswith("WARNING: LONG_LINE: net/core/new.h:")
    assert said[3].details == ("WARNING: FILE_PATH_CHANGES: does MAINTAINERS need updating?",)


def test_a_selftest_that_a_wildcard_takes_is_not_lost(top: Path) -> None:
    (top / "tools/testing/selftests/net/Makefile").write_text("TEST_PROGS := old.sh $(wildcard new_*.sh)\n")
    for name in ("new_one.sh", "one.sh"):
        (top / "tools/testing/selftests/net" / name).write_text("#!/bin/sh\necho ok\n")
        commit(top, f"selftests: net: add {name}")
    _, run = check(top, checks=("check_selftest",), without=())
    assert fails(run) == {(2, "check_selftest")}


def test_what_breaks_in_the_middle_and_is_repaired_at_the_end(top: Path) -> None:
    edit(top, "include/net/foo.h", "int foo(int one);", "int foo(int one, int two);")
    commit(top, "net: foo: take two")
    edit(top, "net/core/other.c", "return 3;", "return 4;")
    commit(top, "net: other: return four")
    edit(top, "net/core/user.c", "int user", "/* as before */\nint user")
    commit(top, "net: user: comment")
    edit(top, "net/core/foo.c", "int foo(int one)\n", "int foo(int one, int two)\n")
    edit(top, "net/core/user.c", "foo(1)", "foo(1, 2)")
    commit(top, "net: foo: finish")
    _, run = check(top)
    assert fails(run) == {(1, "build_gcc")}
    assert of(run, 1, "build_gcc").line.startswith("does not build: net/core/")
    assert of(run, 2, "build_gcc").verdict is Verdict.PASS
    assert of(run, 3, "build_gcc").verdict is Verdict.WARN
    assert of(run, 3, "build_gcc").relation is Relation.AS_BEFORE
    assert of(run, 4, "build_gcc").relation is Relation.FIXED
    assert whole(run, "bisectable").line == "build_gcc: patch 1 does not build, patch 4 repairs it"


@pytest.mark.parametrize("everything", [False, True])
def test_the_whole_tree_is_built_on_request_and_says_how_far_it_is(top: Path, everything: bool) -> None:
    """What a patch breaks two headers away is only found so."""
    edit(top, "include/net/foo.h", "int foo(int one);", "int foo(int one);\nint bar(int one);")
    commit(top, "net: foo: declare bar, but not as it is")
    seen, run = check(top, options=Options("allmodconfig", includers=0, whole_tree=everything))
    assert fails(run) == ({(1, "build_gcc")} if everything else set())
    if everything:
        assert of(run, 1, "build_gcc").line.startswith("does not build: net/core/foo.c")
        begun = [event for event in seen if isinstance(event, StageBegun) and event.key == "make-build_gcc"]
        assert [(event.total, event.unit) for event in begun] == [(None, "objects")] * 2
        assert max(e.done for e in seen if isinstance(e, StageProgress) and e.key == "make-build_gcc") == 3


def test_what_a_makefile_above_its_own_compiled_is_not_in_the_configuration(tmp_path: Path) -> None:
    """Make's pattern fits a folder that is not configured, without the folder's flags; others have no makefile."""
    use = builder.Builder(
        SimpleNamespace(folder=tmp_path),  # type: ignore[arg-type]  # of its place, a builder asks for no more
        build.FLAVOURS[0],
        "lab",
        fake_series.TOOLS[False],
    )
    source = tmp_path / "source"
    modules = {
        "drivers/net/new/pool.o": "drivers/net/pool",  # above
        "drivers/net/old/pool.o": "drivers/net/old/pool",
        "drivers/net/part.o": "drivers/net/whole",  # of a module of several
        "drivers/net/far/part.o": "drivers/net/whole",  # that has its files in other folders, too
        "drivers/net/bare/one.o": "drivers/net/one",  # obj-y += bare/one.o
        "drivers/net/new/broken.o": None,
    }
    for name, module in modules.items():
        path = use.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if "/bare/" not in name:
            (source / name).with_name("Makefile").touch()
        if module:
            path.with_name(f".{path.name}.cmd").write_text(f"gcc -DKBUILD_MODFILE='\"{module}\"' -c -o {name}\n")
    assert [name for name in modules if use._strayed(name, source)] == ["drivers/net/new/pool.o"]


def test_what_does_not_apply_stops_what_is_behind_it(top: Path) -> None:
    fake_series.clean_series(top)
    box = top.parent / "series.mbox"
    box.write_text(fake_series.mails(top, "v1..HEAD").replace("-\treturn 3;", "-\treturn 33;"))
    _, run = check(top, str(box), base="v1")
    assert fails(run) == {(2, "apply")}
    assert "net/core/other.c" in of(run, 2, "apply").line
    assert [c.verdict for c in run.patches[2].checks] == [Verdict.NOT_RUN]
    assert whole(run, "cover_letter").verdict is Verdict.FAIL


def test_the_second_time_nothing_is_looked_at_again(top: Path) -> None:
    fake_series.clean_series(top)
    _, one = check(top)
    again, two = check(top)
    assert [e.note for e in again if isinstance(e, StageEnded) and e.key.startswith("series-")] == [
        "as kept from before"
    ] * 2
    assert not any(isinstance(e, StageProgress) and e.key.startswith("make-") for e in again)
    assert [p.checks for p in one.patches] == [p.checks for p in two.patches]


def test_after_a_rebase_only_the_changed_patch_is_checked_again(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_series.clean_series(top)
    check(top, without=("build_gcc", "build_clang", "build_32bit"))
    fake_series.git(top, "checkout", "--quiet", "-b", "again", "v1")
    edit(top, "tools/testing/selftests/net/old.sh", "ok", "fine")
    commit(top, "selftests: net: elsewhere")
    fake_series.git(top, "tag", "v2")
    fake_series.git(top, "cherry-pick", "main~2", "main~1")
    edit(top, "include/net/foo.h", "int foo(int one);", "int foo(int one);\nint baz(void);")
    commit(top, "net: foo: declare baz()")
    asked: list[tuple[str, int]] = []
    real = kept.put

    def put(store: Store, key: str, result: CheckResult) -> None:
        asked.append((result.name, len(asked)))
        real(store, key, result)

    monkeypatch.setattr(kept, "put", put)
    check(top, "v2..HEAD", without=("build_gcc", "build_clang", "build_32bit", "verify_fixes"))
    assert len(asked) == len({name for name, _ in asked})  # each check once: for the changed patch


def test_what_this_machine_lacks_is_no_verdict_to_keep(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_archive.need("shellcheck")
    bad_shell(top)
    with monkeypatch.context() as patched:
        patched.setattr(lint, "find_program", lambda _: None)
        _, run = check(top, checks=("shellcheck",))
    assert of(run, 1, "shellcheck").line == "shellcheck is missing: apt install shellcheck"
    _, run = check(top, checks=("shellcheck",))
    assert fails(run) == {(1, "shellcheck")}


def test_a_check_of_another_project_is_run_and_its_fault_is_told(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_patch: Patch, _place: Place) -> CheckResult:
        raise ValueError("oh")

    fake_series.clean_series(top)
    other = {
        "length": Check("length", "short", plain(lambda p, _: passed(f"{len(p.added())} lines"))),
        "broken": Check("broken", "breaks", plain(broken)),
    }
    monkeypatch.setattr(checks, "available", lambda: other)
    _, run = check(top, without=())
    assert [of(run, n, "length").line for n in (1, 2, 3)] == ["1 lines", "1 lines", "1 lines"]
    assert of(run, 2, "broken").line == "the check itself failed: ValueError: oh"


def test_a_kept_verdict_is_the_same_in_the_reports(top: Path) -> None:
    fake_series.clean_series(top)
    _, one = check(top)
    loaded = stored.load(top.parent / "results" / one.id)
    assert loaded == one


def snapshot(top: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below ``top``, git's own included. git itself notes when it meets an object that is there."""
    return {
        str(p.relative_to(top)): (0 if "objects" in p.parts else p.stat().st_mtime_ns, p.read_bytes())
        for p in sorted(top.rglob("*"))
        if p.is_file()
    }


def test_the_users_tree_stays_as_it_is(top: Path) -> None:
    fake_series.clean_series(top)
    (top / "net/core/other.c").write_text("int not_committed;\n")
    before = snapshot(top)
    told, run = check(top)
    box = top.parent / "series.mbox"
    box.write_text(fake_series.mails(top, "v1..HEAD"))
    check(top, str(box), base="v1")
    assert snapshot(top) == before
    assert any(isinstance(e, Note) and "no commit has: not checked" in e.text for e in told)
    assert run.passed


@pytest.mark.parametrize("stop", ["configure", "make-build_gcc", "series-checks"])
def test_an_interrupted_series_is_saved_and_says_so(top: Path, stop: str) -> None:
    fake_series.clean_series(top)
    before = snapshot(top)
    request = SeriesRequest(
        "v1..HEAD", tree=top, results_dir=top.parent / "results", without=("build_clang", "build_32bit")
    )
    work = engine.run(request)
    for event in work:
        if getattr(event, "key", "").startswith(stop):
            break
    with pytest.raises((KeyboardInterrupt, StopIteration)):
        work.throw(KeyboardInterrupt)
        while True:
            next(work)
    run = stored.load((top.parent / "results" / "latest").resolve())
    assert run.state is RunState.INTERRUPTED
    assert any(c.verdict is Verdict.NOT_RUN for patch in run.patches for c in patch.checks)
    report = (top.parent / "results" / "latest" / "report.txt").read_text()
    assert report.startswith("INTERRUPTED with ")
    assert snapshot(top) == before
    _, after = check(top)  # and the next one does all of it
    assert after.passed


def test_what_was_cut_short_in_the_scratch_is_mended(top: Path) -> None:
    fake_series.clean_series(top)
    _, run = check(top, checks=("build_gcc",), without=())
    (scratch,) = (Store().root / "series").iterdir()
    (scratch / "source/net/core/other.c").write_text("half a file")
    (scratch / "source/.git/index.lock").touch()
    (scratch / "unsettled").touch()
    _, again = check(top, checks=("build_gcc",), without=(), anew=True)
    assert again.passed and run.passed
    assert not (scratch / "unsettled").exists()
    assert any(tool.startswith("gcc") for tool in again.tools)


def test_a_missing_configuration_is_a_sentence(top: Path) -> None:
    fake_series.clean_series(top)
    with pytest.raises(PpiovError, match=r"\.config cannot be read \(No such file or directory\): name a \.config"):
        check(top, options=Options(config=str(top / ".config")))
