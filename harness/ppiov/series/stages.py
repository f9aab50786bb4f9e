# SPDX-License-Identifier: GPL-2.0-only
"""What is run in guests: suites of tests, on the kernel below the series and on the patched ones.

A verdict is about the difference. A test that fails on both sides is as before; one that fails with the patch only is
run again in several rounds on both sides, since the first time may have been chance. What is bad since an earlier patch
is that one's fault. A kernel that our own modules cannot be built against says nothing about the patch.

What is run, on the base and on each patch, are jobs that know nothing of each other: with several at a time, or with a
scheduler, they are done ahead by a cluster, and judged as they come.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ppiov import kernels, suites
from ppiov import run as runs
from ppiov.cluster import Cluster, labelled
from ppiov.errors import BadRequest, BuildFailed, Interrupted, UnfitKernel
from ppiov.events import Event, Note
from ppiov.results import Run, RunState
from ppiov.run import RunRequest
from ppiov.series import adapted, benched, relative
from ppiov.series.adapted import Adapted
from ppiov.series.patch import Patch
from ppiov.series.place import Place
from ppiov.series.results import CheckResult, Relation, Verdict
from ppiov.spec import KernelSpec, in_order
from ppiov.store import Store

BOOT = "boot"
_SUITES = {BOOT: "baseline"}  # what proves that a kernel boots: a guest in which no module of ours is loaded
_NEEDS = {"kunit": ("kunit",)}  # additions to the kernel
_BUILT_IN = "=y"  # behind the name of a suite: with our modules as parts of the kernel
_MOST = 20  # new failures that are run again
Run_ = Callable[[RunRequest], Generator[Event, None, Run]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user wants to be run."""

    suites: tuple[str, ...] = ()  # boot, kunit, selftests, traffic, ...
    expression: str = ""  # pytest's -k: which tests of the suites
    bench: tuple[str, ...] | None = None  # benchmarks, as globs; (): all of them, None: don't measure
    meter: str = "insns"
    each: bool = False  # on every patch; else on the last one only
    additions: tuple[str, ...] = ()  # kasan, kmemleak, ...: what is added to the kernels
    modules: tuple[str, ...] = ()  # --module
    confirm: int = 3  # rounds in which a new failure is run again
    jobs: int = 1
    scheduler: str | None = None
    accel: str = "auto"
    source: Path | None = None
    inside: bool = False  # the series brings our modules: they are run as modules of its tree, and built in

    def validate(self) -> None:
        """Raises UnknownName, BadRequest."""
        for text in self.modules:
            Adapted.parse(text)
        KernelSpec.parse("src:1.0" + "".join(f"+{name}" for name in self.additions))
        if self.confirm < 1:
            raise BadRequest("--confirm counts rounds, so it is 1 or more")
        if self.suites:
            selftests = suites.find_source(self.source) / "selftests"
            suites.resolve(selftests, [_SUITES.get(name, name) for name in self.suites])

    def names(self) -> list[str]:
        names = [*dict.fromkeys(self.suites)]
        names += [f"{name}{_BUILT_IN}" for name in names] if self.inside else []
        return [*names, *([benched.STAGE] if self.bench is not None else [])]

    def words(self) -> list[str]:
        """As options of the command."""
        words = [word for name in self.suites for word in ("--run", name)]
        words += ["-k", self.expression] if self.expression else []
        words += [word for name in self.bench or () for word in ("--bench", name)]
        words += ["--bench", "*"] if self.bench == () else []
        words += ["--meter", self.meter] if self.bench is not None and self.meter != "insns" else []
        words += ["--each"] if self.each else []
        words += [word for name in self.additions for word in ("--add", name)]
        words += [word for name in self.modules for word in ("--module", name)]
        words += ["--confirm", str(self.confirm)] if self.confirm != Wanted().confirm else []
        words += ["-j", str(self.jobs)] if self.jobs != 1 else []
        return words + (["--accel", self.accel] if self.accel != "auto" else [])


@dataclass(frozen=True, slots=True)
class Unit:
    """One run of a suite or of the benchmarks, on one kernel."""

    name: str  # of the stage
    commit: str
    spec: KernelSpec
    source: Path  # of the modules and the tests
    tests: tuple[str, ...] = ()  # single ones; (): all of the suite
    rounds: int = 1
    about: str = field(default="", compare=False)  # "traffic on patch 3"


@dataclass(frozen=True, slots=True)
class Runner:
    """Does units; can be sent to a worker. ``runner`` is the run engine."""

    wanted: Wanted
    results_dir: Path
    jobs: int = 1  # guests of one unit at a time
    runner: Run_ = runs.run
    bench: Callable[..., Generator[Event, None, Run]] = benched.run
    build: Callable[[KernelSpec], Generator[Event, None, object]] | None = None

    def __call__(self, unit: Unit) -> Generator[Event, None, Run | CheckResult]:
        """The run; where there can be none, why."""
        name = unit.name
        try:
            yield from (self.build or _kernel)(unit.spec)
        except BuildFailed as error:
            return CheckResult(name, Verdict.FAIL, f"the kernel does not build: {error}", Relation.NEW)
        except UnfitKernel as error:
            return CheckResult(name, Verdict.SKIP, f"untestable: {error}")
        try:
            return (yield from self.run(unit))
        except BuildFailed as error:
            line = f"untestable: ppnic needs adapting (--module): {error}"
            return CheckResult(name, Verdict.SKIP, line)
        except UnfitKernel as error:
            return CheckResult(name, Verdict.SKIP, f"untestable: {error}")

    def job(self, unit: Unit) -> Generator[Event, None, Run | CheckResult]:
        """The same for a worker, whose events come among those of others."""
        return (yield from labelled(self(unit), unit.about))

    def again(self, unit: Unit) -> Generator[Event, None, Run]:
        """What :meth:`job` does, where the kernel and the modules have been seen to build."""
        return (yield from labelled(self.run(unit), unit.about))

    def run(self, unit: Unit) -> Generator[Event, None, Run]:
        wanted = self.wanted
        if unit.name == benched.STAGE:
            where = {"accel": wanted.accel, "results_dir": self.results_dir, "source": unit.source}
            return _whole((yield from self.bench(unit.spec, wanted.bench or (), wanted.meter, **where)))
        suite = unit.name.removesuffix(_BUILT_IN)
        request = RunRequest(
            kernel=unit.spec,
            suites=() if unit.tests else (_SUITES.get(suite, suite),),
            expression="" if unit.tests else wanted.expression,
            tests=unit.tests,
            repeat=unit.rounds,
            jobs=self.jobs,
            backend="both" if wanted.inside else "core",
            accel=wanted.accel,
            results_dir=self.results_dir,
            source=unit.source,
        )
        return _whole((yield from self.runner(request)))


class Jobs(Protocol):
    """Where units are done: a Cluster, or what a test puts in its place."""

    def run(
        self, engine: Any, arguments: Sequence[Any], done: Callable[[int, Any], None] | None = None
    ) -> Generator[Event, None, list[Any]]: ...


@dataclass(slots=True)
class Stages:
    """Runs what is wanted."""

    wanted: Wanted
    place: Place
    results_dir: Path
    runner: Run_ = runs.run
    bench: Callable[..., Generator[Event, None, Run]] = benched.run
    build: Callable[[KernelSpec], Generator[Event, None, object]] | None = None
    jobs: Jobs | None = None  # None: a cluster of its own, if one is wanted
    known: dict[Unit, Run | CheckResult] = field(default_factory=dict)
    _sources: dict[Adapted, Path] = field(default_factory=dict)
    _project: Path = Path()
    _ending: bool = False  # an interruption: what is known is judged, and nothing more is run

    def run(self, patches: Sequence[Patch], add: Callable[[Patch, CheckResult], None]) -> Generator[Event, None, None]:
        """Run what is wanted on the patches; each verdict goes to ``add`` as soon as it is known."""
        self._project = suites.find_source(self.wanted.source)
        modules = [Adapted.parse(text) for text in self.wanted.modules]
        self._sources = adapted.sources(modules, self._project, self.place.store)
        for patch in [] if self.wanted.each else patches[:-1]:
            for name in self.wanted.names():
                add(patch, CheckResult(name, Verdict.SKIP, "run on the last patch only; --each runs it on every one"))
        chosen = patches if self.wanted.each else patches[-1:]
        with ExitStack() as stack:
            if self.jobs is None and (self.wanted.scheduler is not None or self.wanted.jobs > 1):
                self.jobs = stack.enter_context(Cluster(self.wanted.jobs, self.wanted.scheduler))
            if self.jobs is not None:
                try:
                    yield from self._ahead(self._units(chosen), self.jobs)
                except (KeyboardInterrupt, GeneratorExit, Interrupted):
                    self._ending = True
                    for _ in self._judge(chosen, add):
                        pass  # nobody listens any more
                    raise
            yield from self._judge(chosen, add)

    def _judge(
        self, patches: Sequence[Patch], add: Callable[[Patch, CheckResult], None]
    ) -> Generator[Event, None, None]:
        """Every stage on every patch; once the end has begun, those that want nothing more to be run."""
        last: dict[str, Run] = {}  # of each stage: what ran on the patch before
        blamed: dict[str, dict[str, int]] = {name: {} for name in self.wanted.names()}
        for patch in patches:
            for name in self.wanted.names():
                if self._ending and not {self._unit(name, None), self._unit(name, patch)} <= self.known.keys():
                    continue
                result = yield from self._stage(name, patch, last, blamed[name])
                level = "warning" if result.verdict is Verdict.FAIL else "info"
                yield Note(f"patch {patch.number}: {result.verdict.value} {name}: {result.line}", level)
                add(patch, result)

    def _units(self, patches: Sequence[Patch]) -> Iterator[Unit]:
        """Everything that is run once: on the base, and on the patches."""
        for name in self.wanted.names():
            yield self._unit(name, None)
        for patch in patches:
            for name in self.wanted.names():
                yield self._unit(name, patch)

    def _ahead(self, units: Iterator[Unit], jobs: Jobs) -> Generator[Event, None, None]:
        """Do units as jobs. What is measured by a clock wants this machine for itself, so it waits for its turn."""
        clocks = self.wanted.meter != "insns" and self.wanted.scheduler is None
        todo = [unit for unit in dict.fromkeys(units) if not (clocks and unit.name == benched.STAGE)]

        def done(number: int, result: Run | CheckResult) -> None:
            self.known[todo[number]] = result

        yield Note(f"{len(todo)} runs, {self.wanted.scheduler or f'{self.wanted.jobs} at a time'}")
        yield from jobs.run(self._runner().job, todo, done)

    def _runner(self) -> Runner:
        jobs = self.wanted.jobs if self.jobs is None else 1
        return Runner(self.wanted, self.results_dir, jobs, self.runner, self.bench, self.build)

    def _unit(self, name: str, patch: Patch | None, tests: tuple[str, ...] = (), rounds: int = 1) -> Unit:
        """A stage on a patch, or on the base."""
        commit = patch.commit if patch else self.place.series.base
        source = adapted.for_patch(patch.number, self._sources, self._project) if patch else self._project
        wanted = {*self.wanted.additions, *_NEEDS.get(name.removesuffix(_BUILT_IN), ())}
        if patch and self.wanted.inside:
            wanted.add("ppiov-y" if name.endswith(_BUILT_IN) else "ppiov-m")
        spec = KernelSpec("tree", "", in_order(wanted), self.place.scratch.source, commit)
        if patch is None:  # without our modules in it, the base is the same for both
            name = name.removesuffix(_BUILT_IN)
        about = f"{name} on {f'patch {patch.number}' if patch else 'the base'}"
        return Unit(name, commit, spec, source, tests, rounds, about)

    def _stage(
        self, name: str, patch: Patch, last: dict[str, Run], blamed: dict[str, int]
    ) -> Generator[Event, None, CheckResult]:
        base = yield from self._once(self._unit(name, None))
        if isinstance(base, CheckResult):
            line = f"untestable: on the base already: {base.line}"
            return CheckResult(name, Verdict.SKIP, line, Relation.AS_BEFORE, runs=base.runs)
        if not base.tests or base.state is not RunState.COMPLETE:
            return CheckResult(name, Verdict.SKIP, f"untestable: on the base already: {base.reason}", runs=(base.id,))
        after = yield from self._once(self._unit(name, patch))
        if isinstance(after, CheckResult):
            return dataclasses.replace(after, name=name, runs=(*after.runs, base.id))
        if after.state is RunState.ABORTED and not any(boot.seconds_to_job is not None for boot in after.boots):
            line = f"does not boot: {after.reason}"
            runs = (after.id, base.id)
            return CheckResult(name, Verdict.FAIL, line, Relation.NEW, command=after.command, runs=runs)
        before = last.get(name)
        last[name] = after
        if name == benched.STAGE:
            result = benched.judged(base, after, before, blamed)
            slower = [m for m in result.measured if m.relation is Relation.NEW and not m.since]
            blamed.update({m.after.name: patch.number for m in slower})
            return result
        found = relative.changes(base, after)
        if before:
            found = relative.since(found, before, blamed)
        again = [
            c.name
            for c in found
            if c.relation is Relation.NEW and c.splat is None and c.after is not None and not c.since
        ]
        if again and self.wanted.confirm > 1 and after.state is RunState.COMPLETE:
            if self._ending:
                line = f"interrupted before {again[0]}, which is new, was run again"
                return CheckResult(name, Verdict.NOT_RUN, line, runs=(after.id, base.id))
            yield Note(f"{len(again)} new, run again on both sides in {self.wanted.confirm} rounds")
            tests, rounds = tuple(again[:_MOST]), self.wanted.confirm
            units = [self._unit(name, None, tests, rounds), self._unit(name, patch, tests, rounds)]
            old, now = yield from self._again(units)
            found = relative.confirmed(found, old, now)
        blamed.update({c.name: patch.number for c in found if c.relation is Relation.NEW and not c.since})
        return relative.judged(name, base, after, found)

    def _once(self, unit: Unit) -> Generator[Event, None, Run | CheckResult]:
        """The run of a unit, if it was not done before."""
        if unit not in self.known:
            self.known[unit] = yield from self._runner()(unit)
        return self.known[unit]

    def _again(self, units: Sequence[Unit]) -> Generator[Event, None, list[Run]]:
        """The runs of units whose kernels and modules have been seen to build."""
        runner = self._runner()
        if self.jobs is not None:
            return (yield from self.jobs.run(runner.again, units))
        made = []
        for unit in units:
            made.append((yield from runner.run(unit)))
        return made


def _kernel(spec: KernelSpec) -> Generator[Event, None, object]:
    return (yield from kernels.get(spec, store=Store()))


def _whole(run: Run) -> Run:
    """A run that was interrupted was so for all of the series. Raises Interrupted."""
    if run.state is RunState.INTERRUPTED:
        raise Interrupted(f"interrupted in {run.id}")
    return run
