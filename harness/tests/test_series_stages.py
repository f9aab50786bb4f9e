# SPDX-License-Identifier: GPL-2.0-only
"""What is run for a series is judged by the base: new, fixed, as before or flaky."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_archive
import fake_series
import pytest
import sample
from engines import drain
from ppiov.errors import BadRequest, BuildFailed, Interrupted, UnknownName
from ppiov.events import Event, Note
from ppiov.results import Boot, Figure, Outcome, Round, Run, RunState, Splat, TestResult
from ppiov.run import RunRequest
from ppiov.series import adapted, benched, relative, scratch, source, stages
from ppiov.series.adapted import Adapted
from ppiov.series.patch import Patch
from ppiov.series.place import Place
from ppiov.series.results import CheckResult, Relation, Verdict
from ppiov.series.stages import Stages, Wanted
from ppiov.spec import KernelSpec
from ppiov.store import Store

WARN = Splat("warn", "WARNING at net/core/page_pool.c", "warn:page_pool", "text")
BOOTED = Boot("tcg", 4.0, 1, "done")


def test(name: str, outcome: Outcome, *, rounds: Sequence[Outcome] = (), splats: tuple[Splat, ...] = ()) -> TestResult:
    told = tuple(Round(one, 1.0, 0) for one in rounds)
    return TestResult(name, "traffic", outcome, 1.0, reason="why" if not outcome.ok else "", rounds=told, splats=splats)


test.__test__ = False  # type: ignore[attr-defined]


def run_of(
    *tests: TestResult, id: str = "a-run", state: RunState = RunState.COMPLETE, boots: tuple[Boot, ...] = (BOOTED,)
) -> Run:
    whole = sample.passing()
    return replace(
        whole,
        id=id,
        tests=tests,
        state=state,
        boots=boots,
        boot_splats=(),
        reason="" if state is RunState.COMPLETE else "why",
    )


@pytest.mark.parametrize(
    ("before", "after", "relation"),
    [
        (Outcome.PASS, Outcome.FAIL, Relation.NEW),
        (Outcome.SKIP, Outcome.CRASH, Relation.NEW),
        (None, Outcome.FAIL, Relation.NEW),
        (Outcome.FAIL, Outcome.PASS, Relation.FIXED),
        (Outcome.HANG, Outcome.FAIL, Relation.AS_BEFORE),
        (Outcome.PASS, Outcome.SKIP, Relation.NEW),
        (Outcome.FLAKY, Outcome.PASS, Relation.FLAKY),
        (Outcome.PASS, Outcome.FLAKY, Relation.FLAKY),
        (Outcome.PASS, None, Relation.NONE),
        (Outcome.PASS, Outcome.PASS, None),
        (None, Outcome.PASS, None),
        (Outcome.SKIP, Outcome.SKIP, None),
        (Outcome.PASS, Outcome.NOT_RUN, None),
    ],
)
def test_how_a_test_is_related_to_the_base(
    before: Outcome | None, after: Outcome | None, relation: Relation | None
) -> None:
    sides = [run_of(*([test("one", side)] if side else [])) for side in (before, after)]
    found = relative.changes(*sides)
    assert [change.relation for change in found] == ([] if relation is None else [relation])


def test_a_flake_has_counts() -> None:
    rounds = (Outcome.PASS, Outcome.FAIL, Outcome.PASS)
    before, after = run_of(test("one", Outcome.PASS)), run_of(test("one", Outcome.FLAKY, rounds=rounds))
    assert relative.changes(before, after)[0].note == "base: pass, once; patch: passed 2 of 3"
    result = relative.judged("traffic", before, after, relative.changes(before, after))
    assert (result.verdict, result.relation) == (Verdict.WARN, Relation.FLAKY)


def test_complaints_of_the_kernel_are_compared_by_what_they_are() -> None:
    quiet, loud = run_of(test("one", Outcome.PASS)), run_of(test("one", Outcome.PASS, splats=(WARN,)))
    moved = run_of(test("one", Outcome.PASS, splats=(replace(WARN, text="at another address"),)))
    assert [c.relation for c in relative.changes(quiet, loud)] == [Relation.NEW]
    assert [c.relation for c in relative.changes(loud, quiet)] == [Relation.FIXED]
    assert [c.relation for c in relative.changes(loud, moved)] == [Relation.AS_BEFORE]
    result = relative.judged("traffic", quiet, loud, relative.changes(quiet, loud))
    assert (result.verdict, result.line) == (Verdict.FAIL, "new: kernel: WARNING at net/core/page_pool.c: splat")


def test_a_complaint_and_the_test_that_met_it_are_one_thing() -> None:
    quiet = run_of(test("one", Outcome.PASS), test("two", Outcome.PASS))
    loud = run_of(test("one", Outcome.SPLAT, splats=(WARN,)), test("two", Outcome.PASS))
    line = "new: kernel: WARNING at net/core/page_pool.c: splat"
    assert relative.judged("traffic", quiet, loud, relative.changes(quiet, loud)).line == line
    worse = run_of(test("one", Outcome.SPLAT, splats=(WARN,)), test("two", Outcome.FAIL))
    assert relative.judged("traffic", quiet, worse, relative.changes(quiet, worse)).line == "new: two: fail and 1 more"


@dataclass
class Fake:
    """The run engine: what each commit's kernel does, and what was asked of it."""

    commits: dict[str, Run | Exception]
    again: dict[str, Run] = field(default_factory=dict)  # what a repetition shows
    kernels: dict[str, Exception] = field(default_factory=dict)  # that don't build
    asked: list[RunRequest] = field(default_factory=list)

    def run(self, request: RunRequest) -> Generator[Event, None, Run]:
        yield from ()
        self.asked.append(request)
        commit = request.kernel.rev or ""
        found = self.again[commit] if request.repeat > 1 else self.commits[commit]
        if isinstance(found, Exception):
            raise found
        return found

    def build(self, spec: KernelSpec) -> Generator[Event, None, object]:
        yield from ()
        if error := self.kernels.get(spec.rev or ""):
            raise error
        return spec


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    fake_archive.need("git")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    top = fake_series.repository(tmp_path / "linux")
    fake_series.clean_series(top)
    repository = scratch.open_for(top, Store())
    _, series = drain(source.read("v1..HEAD", repository))
    return Place(repository, series, Store())


def stage(place: Place, fake: Fake, **wanted: object) -> dict[int, CheckResult]:
    asked = Stages(Wanted(suites=("traffic",), **wanted), place, Path("results"), fake.run, build=fake.build)  # type: ignore[arg-type]
    found: dict[int, CheckResult] = {}

    def add(patch: Patch, result: CheckResult) -> None:
        found[patch.number] = result

    drain(asked.run(place.series.patches, add))
    return found


def commits(place: Place) -> list[str]:
    return [place.series.base, *(patch.commit for patch in place.series.patches)]


GOOD = run_of(test("one", Outcome.PASS), id="good")
BAD = run_of(test("one", Outcome.FAIL), id="bad")


def test_the_patch_that_breaks_a_test_is_named_and_the_one_behind_it_is_not_asked_to_repair(place: Place) -> None:
    base, one, two, three = commits(place)
    steady = run_of(test("one", Outcome.FAIL, rounds=[Outcome.FAIL] * 3))
    fake = Fake(
        {base: GOOD, one: GOOD, two: BAD, three: GOOD},
        {base: run_of(test("one", Outcome.PASS, rounds=[Outcome.PASS] * 3)), two: steady},
    )
    found = stage(place, fake, each=True)
    assert [found[n].verdict for n in (1, 2, 3)] == [Verdict.PASS, Verdict.FAIL, Verdict.PASS]
    assert found[2].runs == ("bad", "good")
    assert found[2].details == ("new: one: pass -> fail (failed 4 of 4 times; on the base, 0 of 4: why)",)
    assert len([request for request in fake.asked if request.kernel.rev == base and request.repeat == 1]) == 1


def test_what_is_bad_since_an_earlier_patch_is_that_ones_fault(place: Place) -> None:
    base, one, two, three = commits(place)
    steady = run_of(test("one", Outcome.FAIL, rounds=[Outcome.FAIL] * 3))
    worse = run_of(test("one", Outcome.FAIL, splats=(WARN,)), id="worse")
    rounds = run_of(test("one", Outcome.PASS, rounds=[Outcome.PASS] * 3))
    found = stage(place, Fake({base: GOOD, one: BAD, two: BAD, three: worse}, {base: rounds, one: steady}), each=True)
    assert [found[n].verdict for n in (1, 2, 3)] == [Verdict.FAIL, Verdict.WARN, Verdict.FAIL]
    assert (found[2].line, found[2].relation) == ("as with patch 1: one", Relation.AS_BEFORE)
    assert found[2].details == ("since patch 1: one: pass -> fail (why)",)
    assert found[3].line == "new: kernel: WARNING at net/core/page_pool.c: splat"
    assert found[3].details[0].startswith("since patch 1: one: "), "the first, not the one before"


def test_what_was_repaired_and_breaks_again_is_blamed_again(place: Place) -> None:
    base, one, two, three = commits(place)
    steady = run_of(test("one", Outcome.FAIL, rounds=[Outcome.FAIL] * 3))
    rounds = run_of(test("one", Outcome.PASS, rounds=[Outcome.PASS] * 3))
    fake = Fake({base: GOOD, one: BAD, two: GOOD, three: BAD}, {base: rounds, one: steady, three: steady})
    found = stage(place, fake, each=True)
    assert [found[n].verdict for n in (1, 2, 3)] == [Verdict.FAIL, Verdict.PASS, Verdict.FAIL]


class Queue:
    """Jobs done one after the other, from the last to the first; what was asked for is remembered."""

    def __init__(self) -> None:
        self.asked: list[list[stages.Unit]] = []

    def run(
        self, engine: Any, arguments: Sequence[Any], done: Callable[[int, Any], None] | None = None
    ) -> Generator[Event, None, list[Any]]:
        self.asked.append(list(arguments))
        results: dict[int, Any] = {}
        for number in reversed(range(len(arguments))):
            results[number] = yield from engine(arguments[number])
            if done:
                done(number, results[number])
        return [results[number] for number in range(len(arguments))]


def test_jobs_are_done_ahead_and_judged_alike(place: Place) -> None:
    """The verdicts are those of one run after the other; what is wanted twice is run once."""
    base, one, two, three = commits(place)
    steady = run_of(test("one", Outcome.FAIL, rounds=[Outcome.FAIL] * 3))
    rounds = run_of(test("one", Outcome.PASS, rounds=[Outcome.PASS] * 3))
    ends: dict[str, Run | Exception] = {base: GOOD, one: GOOD, two: BAD, three: BuildFailed("failed to build ppnic")}
    again = {base: rounds, two: steady}
    alone = stage(place, Fake(dict(ends), dict(again)), each=True)
    queue = Queue()
    wanted = Wanted(suites=("traffic", "boot"), each=True, jobs=2)
    fake = Fake(dict(ends), dict(again))
    asked = Stages(wanted, place, Path("results"), fake.run, build=fake.build, jobs=queue)
    found: dict[tuple[int, str], CheckResult] = {}
    drain(asked.run(place.series.patches, lambda patch, result: found.update({(patch.number, result.name): result})))
    assert {n: found[n, "traffic"] for n in (1, 2, 3)} == alone
    first, *more = queue.asked
    assert [(unit.name, unit.commit) for unit in first] == [
        (name, commit) for commit in (base, one, two, three) for name in ("traffic", "boot")
    ]
    assert [(unit.commit, unit.tests, unit.rounds) for unit in more[0]] == [(base, ("one",), 3), (two, ("one",), 3)]
    assert all(request.jobs == 1 for request in fake.asked), "the guests at a time are those of all runs together"


def test_what_was_done_before_an_interruption_is_judged(place: Place) -> None:
    """What would have to be run again is not, and what had not been run has no verdict."""
    base, one, two, three = commits(place)
    fake = Fake({base: GOOD, one: BAD, two: GOOD, three: BAD})

    class Stopped(Queue):
        def run(self, engine: Any, arguments: Sequence[Any], done: Any = None) -> Generator[Event, None, list[Any]]:
            yield from super().run(engine, [*arguments][:3], done)
            raise KeyboardInterrupt

    asked = Stages(Wanted(suites=("traffic",), each=True), place, Path("results"), fake.run, build=fake.build)
    asked.jobs = Stopped()
    found: dict[int, CheckResult] = {}
    with pytest.raises(KeyboardInterrupt):
        drain(asked.run(place.series.patches, lambda patch, result: found.update({patch.number: result})))
    assert {n: result.verdict for n, result in found.items()} == {1: Verdict.NOT_RUN, 2: Verdict.PASS}
    assert found[1].line == "interrupted before one, which is new, was run again"
    assert len(fake.asked) == 3


@pytest.mark.parametrize(
    ("meter", "scheduler", "ahead"),
    [("cycles", None, {"boot"}), ("cycles", "tcp://x", {"boot", "bench"}), ("insns", None, {"boot", "bench"})],
)
def test_a_clock_wants_the_machine_for_itself(
    place: Place, monkeypatch: pytest.MonkeyPatch, meter: str, scheduler: str | None, ahead: set[str]
) -> None:
    queue, fake = Queue(), Fake(dict.fromkeys(commits(place), GOOD))

    def bench(*_: object, **__: object) -> Generator[Event, None, Run]:
        yield from ()
        return GOOD

    monkeypatch.setattr(benched, "judged", lambda *_: CheckResult("bench", Verdict.PASS, ""))
    wanted = Wanted(suites=("boot",), bench=(), meter=meter, scheduler=scheduler, jobs=2)
    asked = Stages(wanted, place, Path("results"), fake.run, bench, fake.build, queue)
    found: list[str] = []
    drain(asked.run(place.series.patches[-1:], lambda _, result: found.append(result.name)))
    assert {unit.name for unit in queue.asked[0]} == ahead
    assert found == ["boot", "bench"]


def test_a_series_that_brings_the_modules_is_run_with_them_as_modules_and_built_in(place: Place) -> None:
    base, *_, last = commits(place)
    queue, fake = Queue(), Fake({base: GOOD, last: GOOD})
    found: list[str] = []
    wanted = Wanted(suites=("kunit",), inside=True)
    asked = Stages(wanted, place, Path("results"), fake.run, build=fake.build, jobs=queue)
    drain(asked.run(place.series.patches[-1:], lambda _, result: found.append(result.name)))
    assert found == ["kunit", "kunit=y"]
    kernels = [(unit.commit, unit.spec.additions) for unit in queue.asked[0]]
    assert kernels == [(base, ("kunit",)), (last, ("kunit", "ppiov-m")), (last, ("kunit", "ppiov-y"))]
    assert {request.suites for request in fake.asked} == {("kunit",)}


def stand_in(request: RunRequest) -> Generator[Event, None, Run]:
    """A run engine that can be sent to a worker: the kernel's commit decides."""
    yield Note(f"pid {os.getpid()}")
    return replace(GOOD, id=request.kernel.rev or "")


def no_build(spec: KernelSpec) -> Generator[Event, None, object]:
    yield from ()
    return spec


@pytest.mark.parametrize("where", ["jobs", "scheduler"])
def test_on_a_cluster(place: Place, where: str) -> None:
    """Real workers, of this machine and behind the address of a scheduler."""
    from distributed import LocalCluster

    with ExitStack() as stack:
        scheduler = None
        if where == "scheduler":
            elsewhere: Any = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0")  # type: ignore[no-untyped-call]
            scheduler = stack.enter_context(elsewhere).scheduler_address
        wanted = Wanted(suites=("boot",), each=True, jobs=2 if where == "jobs" else 1, scheduler=scheduler)
        found: dict[int, CheckResult] = {}
        asked = Stages(wanted, place, Path("results"), stand_in, build=no_build)
        told, _ = drain(asked.run(place.series.patches, lambda patch, result: found.update({patch.number: result})))
    base, *others = commits(place)
    assert [found[n].runs for n in (1, 2, 3)] == [(commit, base) for commit in others]
    assert {result.verdict for result in found.values()} == {Verdict.PASS}
    said = dict(event.text.split(": pid ") for event in told if isinstance(event, Note) and ": pid " in event.text)
    assert set(said) == {"boot on the base", *(f"boot on patch {n}" for n in (1, 2, 3))}, (
        "each line says what it is about"
    )
    assert str(os.getpid()) not in said.values()


def test_what_fails_by_chance_is_flaky(place: Place) -> None:
    base, *_, last = commits(place)
    mixed = run_of(test("one", Outcome.FLAKY, rounds=(Outcome.FAIL, Outcome.PASS, Outcome.PASS)))
    found = stage(place, Fake({base: GOOD, last: BAD}, {base: GOOD, last: mixed}))
    assert (found[3].verdict, found[3].relation) == (Verdict.WARN, Relation.FLAKY)
    assert "failed 2 of 4 times" in found[3].details[0]
    assert {found[1].verdict, found[2].verdict} == {Verdict.SKIP}


@pytest.mark.parametrize(
    ("rounds", "relation", "counts"),
    [
        ((Outcome.SKIP,) * 3, Relation.NEW, "skipped 4 of 4 times; on the base, 0 of 4: skipped now"),
        ((Outcome.PASS, Outcome.SKIP, Outcome.PASS), Relation.FLAKY, "skipped 2 of 4 times; on the base, 0 of 4"),
    ],
)
def test_what_is_skipped_each_time_is_no_flake(rounds: tuple[Outcome, ...], relation: Relation, counts: str) -> None:
    good, lost = run_of(test("one", Outcome.PASS)), run_of(test("one", Outcome.SKIP))
    again = run_of(test("one", Outcome.PASS, rounds=(Outcome.PASS,) * 3)), run_of(test("one", rounds[0], rounds=rounds))
    (change,) = relative.confirmed(relative.changes(good, lost), *again)
    assert change.relation is relation
    assert change.note.startswith(counts)
    assert relative.judged("traffic", good, lost, (change,)).verdict is Verdict.WARN


def test_modules_that_do_not_build_are_never_the_patchs_fault(place: Place) -> None:
    base, *_, last = commits(place)
    found = stage(place, Fake({base: GOOD, last: BuildFailed("failed to build ppnic: too few arguments")}))
    assert found[3].verdict is Verdict.SKIP
    assert found[3].line.startswith("untestable: ppnic needs adapting")


def test_a_kernel_that_does_not_build_or_boot_is(place: Place) -> None:
    base, *_, last = commits(place)
    found = stage(place, Fake({base: GOOD}, kernels={last: BuildFailed("failed to build linux@x: error")}))
    assert (found[3].verdict, found[3].line[:25]) == (Verdict.FAIL, "the kernel does not build")
    dead = run_of(test("one", Outcome.NOT_RUN), state=RunState.ABORTED, boots=(Boot("tcg", None, 3, "panic"),))
    found = stage(place, Fake({base: GOOD, last: dead}))
    assert (found[3].verdict, found[3].line) == (Verdict.FAIL, "does not boot: why")
    found = stage(place, Fake({base: dead, last: dead}))
    assert (found[3].verdict, found[3].line) == (Verdict.SKIP, "untestable: on the base already: why")


def test_an_interrupted_run_ends_the_series(place: Place) -> None:
    base, *_, last = commits(place)
    part = run_of(test("one", Outcome.PASS), test("two", Outcome.NOT_RUN), state=RunState.INTERRUPTED)
    with pytest.raises(Interrupted, match="interrupted in a-run"):
        stage(place, Fake({base: GOOD, last: part}))


@pytest.mark.parametrize(
    ("side", "only_a", "verdict", "line"),
    [
        ("SLOWER", (), Verdict.FAIL, "slower: page_pool01, +1.00 % (+0.9 to +1.1 insns/op)"),
        ("SAME", (), Verdict.PASS, "1 figure, none slower"),
        ("FASTER", (), Verdict.PASS, "1 figure, none slower, 1 faster"),
        ("UNSURE", (), Verdict.SKIP, "untestable: nothing could be told apart from noise"),
        ("SAME", ("page_pool02",), Verdict.FAIL, "page_pool02 was measured on the base, and is not any more"),
    ],
)
def test_a_benchmark_is_judged_by_the_base(
    place: Place, monkeypatch: pytest.MonkeyPatch, side: str, only_a: tuple[str, ...], verdict: Verdict, line: str
) -> None:
    base, *_, last = commits(place)
    figures = (Figure("page_pool01", 100.0, "insns/op", "insns"), Figure("page_pool01", 101.0, "insns/op", "insns"))
    effect = SimpleNamespace(difference=1.0, low=0.9, high=1.1, verdict=SimpleNamespace(name=side), why="")
    rows = (SimpleNamespace(name="page_pool01", a=figures[0], b=figures[1], effect=effect),)
    compared = SimpleNamespace(rows=rows, only_a=only_a)
    monkeypatch.setattr(benched, "compared", lambda a, b: compared)
    monkeypatch.setattr(benched, "figures", lambda _: figures)
    asked: list[tuple[str | None, tuple[str, ...], str]] = []

    def bench(kernel: KernelSpec, names: tuple[str, ...], meter: str, **_: object) -> Generator[Event, None, Run]:
        yield from ()
        asked.append((kernel.rev, names, meter))
        return GOOD

    measured = Stages(Wanted(bench=("page_pool*",)), place, Path("results"), bench=bench, build=Fake({}).build)
    found: list[CheckResult] = []
    drain(measured.run(place.series.patches, lambda patch, result: found.append(result) if patch.number == 3 else None))
    assert asked == [(base, ("page_pool*",), "insns"), (last, ("page_pool*",), "insns")]
    assert [(r.name, r.verdict, r.line, r.runs) for r in found] == [("bench", verdict, line, ("good", "good"))]


def test_modules_of_another_revision_from_a_patch_on(place: Place, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "kernel").mkdir(parents=True)
    (project / "selftests/traffic").mkdir(parents=True)
    (project / "kernel/x.c").write_text("old\n")
    (project / "selftests/traffic/test_x.py").write_text("")
    fake_series.git(project, "init", "--quiet", ".")
    fake_series.commit(project, "one")
    (project / "kernel/x.c").write_text("new\n")
    patch = tmp_path / "adapt.patch"
    patch.write_text(fake_series.git(project, "diff"))
    fake_series.git(project, "checkout", "--quiet", ".")
    base, one, two, three = commits(place)
    fake = Fake(dict.fromkeys((base, one, two, three), GOOD))
    found = stage(place, fake, each=True, source=project, modules=(f"2={patch}",))
    assert {result.verdict for result in found.values()} == {Verdict.PASS}
    used = {request.kernel.rev: request.source for request in fake.asked}
    assert used[base] == used[one] == project
    assert used[two] == used[three] != project
    adapted_source = used[two]
    assert adapted_source is not None and (adapted_source / "kernel/x.c").read_text() == "new\n"
    with pytest.raises(BadRequest, match="neither a file nor a revision"):
        adapted.sources([Adapted.parse("nowhere")], project, Store())
    patch.write_text(patch.read_text().replace("-old", "-older"))
    with pytest.raises(BadRequest, match="does not apply"):
        adapted.sources([Adapted.parse(str(patch))], project, Store())


def test_a_benchmark_that_is_slower_since_an_earlier_patch(place: Place) -> None:
    """Slower than the base, and no slower than the patch before: that one is to blame. Slower still: this one, too."""
    base, one, two, three = commits(place)

    def measured(value: float) -> Run:
        figure = Figure("core.direct", value, "insns/op", "insns")
        name = "bench/test_bench.py::test_benchmark[core.direct]"
        return replace(
            GOOD, id=f"{value:g}", tests=(replace(GOOD.tests[0], name=name, suite="bench", figures=(figure,)),)
        )

    costs = {base: measured(80.0), one: measured(82.0), two: measured(82.0), three: measured(84.0)}

    def bench(kernel: KernelSpec, *_: object, **__: object) -> Generator[Event, None, Run]:
        yield from ()
        return costs[kernel.rev or ""]

    asked = Stages(Wanted(bench=(), each=True), place, Path("results"), bench=bench, build=Fake({}).build)
    found: dict[int, CheckResult] = {}
    drain(asked.run(place.series.patches, lambda patch, result: found.update({patch.number: result})))
    assert [found[n].verdict for n in (1, 2, 3)] == [Verdict.FAIL, Verdict.WARN, Verdict.FAIL]
    assert found[1].line.startswith("slower: core.direct, +2.50 %")
    assert found[2].line.startswith("as with patch 1: core.direct, +2.50 %")
    costs[two] = replace(GOOD, id="nothing")
    asked = Stages(Wanted(bench=(), each=True), place, Path("results"), bench=bench, build=Fake({}).build)
    drain(asked.run(place.series.patches, lambda patch, result: found.update({patch.number: result})))
    assert (found[2].verdict, found[2].line) == (Verdict.FAIL, "nothing was measured any more")
    costs[base] = replace(GOOD, id="nothing")
    asked = Stages(Wanted(bench=()), place, Path("results"), bench=bench, build=Fake({}).build)
    drain(asked.run(place.series.patches[-1:], lambda patch, result: found.update({patch.number: result})))
    assert (found[3].verdict, found[3].line) == (Verdict.SKIP, "untestable: on the base already: nothing was measured")


def test_what_cannot_be_wanted_is_refused() -> None:
    with pytest.raises(UnknownName, match="nearest: kasan"):
        Wanted(additions=("kasam",)).validate()
    with pytest.raises(UnknownName, match="traffic"):
        Wanted(suites=("trafic",)).validate()
    with pytest.raises(BadRequest, match="--confirm"):
        Wanted(confirm=0).validate()
    with pytest.raises(BadRequest, match="--module 3="):
        Wanted(modules=("3=-x",)).validate()
    Wanted(suites=("boot", "kunit", "traffic"), additions=("kasan",), modules=("2=HEAD", "HEAD~1")).validate()
