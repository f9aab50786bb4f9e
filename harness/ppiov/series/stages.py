# SPDX-License-Identifier: GPL-2.0-only
"""What is run in guests: suites of tests, on the kernel below the series and on the patched ones.

A verdict is about the difference. A test that fails on both sides is as before; one that fails with the patch only is
run again in several rounds on both sides, since the first time may have been chance. A kernel that our own modules
cannot be built against says nothing about the patch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ppiov import kernels, suites
from ppiov import run as runs
from ppiov.errors import BadRequest, BuildFailed, Interrupted, UnfitKernel
from ppiov.events import Event, Note
from ppiov.results import Run, RunState
from ppiov.run import RunRequest
from ppiov.series import adapted, benched, relative
from ppiov.series.adapted import Adapted
from ppiov.series.patch import Patch
from ppiov.series.place import Place
from ppiov.series.results import CheckResult, Relation, Verdict
from ppiov.spec import ADDITIONS, KernelSpec

BOOT = "boot"
_SUITES = {BOOT: "baseline"}  # what proves that a kernel boots: a guest in which no module of ours is loaded
_NEEDS = {"kunit": ("kunit",)}  # additions to the kernel
_MOST = 20  # new failures that are run again
Run_ = Callable[[RunRequest], Generator[Event, None, Run]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user wants to be run."""

    suites: tuple[str, ...] = ()  # boot, kunit, selftests, traffic, ...
    bench: tuple[str, ...] | None = None  # benchmarks, as globs; (): all of them, None: don't measure
    meter: str = "insns"
    each: bool = False  # on every patch; else on the last one only
    additions: tuple[str, ...] = ()  # kasan, kmemleak, ...: what is added to the kernels
    modules: tuple[str, ...] = ()  # --module
    confirm: int = 3  # rounds in which a new failure is run again
    jobs: int = 1
    accel: str = "auto"
    source: Path | None = None

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
        return [*dict.fromkeys(self.suites), *([benched.STAGE] if self.bench is not None else [])]

    def words(self) -> list[str]:
        """As options of the command."""
        words = [word for name in self.suites for word in ("--run", name)]
        words += [word for name in self.bench or () for word in ("--bench", name)]
        words += ["--bench", "*"] if self.bench == () else []
        words += ["--meter", self.meter] if self.bench is not None and self.meter != "insns" else []
        words += ["--each"] if self.each else []
        words += [word for name in self.additions for word in ("--add", name)]
        words += [word for name in self.modules for word in ("--module", name)]
        words += ["--confirm", str(self.confirm)] if self.confirm != Wanted().confirm else []
        words += ["-j", str(self.jobs)] if self.jobs != 1 else []
        return words + (["--accel", self.accel] if self.accel != "auto" else [])


@dataclass(slots=True)
class Stages:
    """Runs what is wanted; ``runner`` is the run engine."""

    wanted: Wanted
    place: Place
    results_dir: Path
    runner: Run_ = runs.run
    bench: Callable[..., Generator[Event, None, Run]] = benched.run
    build: Callable[[KernelSpec], Generator[Event, None, object]] | None = None
    known: dict[tuple[str, str, Path], Run | CheckResult] = field(default_factory=dict)

    def run(self, patches: Sequence[Patch], add: Callable[[Patch, CheckResult], None]) -> Generator[Event, None, None]:
        """Run what is wanted on the patches; each verdict goes to ``add`` as soon as it is known."""
        project = suites.find_source(self.wanted.source)
        modules = adapted.sources([Adapted.parse(text) for text in self.wanted.modules], project, self.place.store)
        for patch in [] if self.wanted.each else patches[:-1]:
            for name in self.wanted.names():
                add(patch, CheckResult(name, Verdict.SKIP, "run on the last patch only; --each runs it on every one"))
        for patch in patches if self.wanted.each else patches[-1:]:
            for name in self.wanted.names():
                source = adapted.for_patch(patch.number, modules, project)
                result = yield from self._stage(name, patch, source, project)
                level = "warning" if result.verdict is Verdict.FAIL else "info"
                yield Note(f"patch {patch.number}: {result.verdict.value} {name}: {result.line}", level)
                add(patch, result)

    def _stage(self, name: str, patch: Patch, source: Path, project: Path) -> Generator[Event, None, CheckResult]:
        base = yield from self._once(name, self.place.series.base, project)
        if isinstance(base, CheckResult):
            line = f"untestable: on the base already: {base.line}"
            return CheckResult(name, Verdict.SKIP, line, Relation.AS_BEFORE, runs=base.runs)
        if not base.tests or base.state is not RunState.COMPLETE:
            return CheckResult(name, Verdict.SKIP, f"untestable: on the base already: {base.reason}", runs=(base.id,))
        after = yield from self._once(name, patch.commit, source)
        if isinstance(after, CheckResult):
            return dataclasses.replace(after, name=name, runs=(*after.runs, base.id))
        if after.state is RunState.ABORTED and not any(boot.seconds_to_job is not None for boot in after.boots):
            line = f"does not boot: {after.reason}"
            runs = (after.id, base.id)
            return CheckResult(name, Verdict.FAIL, line, Relation.NEW, command=after.command, runs=runs)
        if name == benched.STAGE:
            return benched.judged(base, after)
        found = relative.changes(base, after)
        again = [c.name for c in found if c.relation is Relation.NEW and c.splat is None and c.after is not None]
        if again and self.wanted.confirm > 1 and after.state is RunState.COMPLETE:
            yield Note(f"{len(again)} new, run again on both sides in {self.wanted.confirm} rounds")
            tests, rounds = tuple(again[:_MOST]), self.wanted.confirm
            old = yield from self._run(name, self.place.series.base, project, tests, rounds)
            now = yield from self._run(name, patch.commit, source, tests, rounds)
            found = relative.confirmed(found, old, now)
        return relative.judged(name, base, after, found)

    def _once(self, name: str, commit: str, source: Path) -> Generator[Event, None, Run | CheckResult]:
        """The run of a suite on a commit; where there can be none, why."""
        key = (name, commit, source)
        if key not in self.known:
            self.known[key] = yield from self._tried(name, commit, source)
        return self.known[key]

    def _tried(self, name: str, commit: str, source: Path) -> Generator[Event, None, Run | CheckResult]:
        spec = self._spec(name, commit)
        try:
            yield from (self.build or self._kernel)(spec)
        except BuildFailed as error:
            return CheckResult(name, Verdict.FAIL, f"the kernel does not build: {error}", Relation.NEW)
        except UnfitKernel as error:
            return CheckResult(name, Verdict.SKIP, f"untestable: {error}")
        try:
            return (yield from self._run(name, commit, source))
        except BuildFailed as error:
            line = f"untestable: ppnic needs adapting (--module): {error}"
            return CheckResult(name, Verdict.SKIP, line)
        except UnfitKernel as error:
            return CheckResult(name, Verdict.SKIP, f"untestable: {error}")

    def _kernel(self, spec: KernelSpec) -> Generator[Event, None, object]:
        return (yield from kernels.get(spec, store=self.place.store))

    def _run(
        self, name: str, commit: str, source: Path, tests: tuple[str, ...] = (), repeat: int = 1
    ) -> Generator[Event, None, Run]:
        if name == benched.STAGE:
            where = {"accel": self.wanted.accel, "results_dir": self.results_dir, "source": source}
            names, meter = self.wanted.bench or (), self.wanted.meter
            return _whole((yield from self.bench(self._spec(name, commit), names, meter, **where)))
        request = RunRequest(
            kernel=self._spec(name, commit),
            suites=() if tests else (_SUITES.get(name, name),),
            tests=tests,
            repeat=repeat,
            jobs=self.wanted.jobs,
            accel=self.wanted.accel,
            results_dir=self.results_dir,
            source=source,
        )
        return _whole((yield from self.runner(request)))

    def _spec(self, name: str, commit: str) -> KernelSpec:
        wanted = {*self.wanted.additions, *_NEEDS.get(name, ())}
        additions = tuple(addition for addition in ADDITIONS if addition in wanted)
        return KernelSpec("tree", "", additions, self.place.scratch.source, commit)


def _whole(run: Run) -> Run:
    """A run that was interrupted was so for all of the series. Raises Interrupted."""
    if run.state is RunState.INTERRUPTED:
        raise Interrupted(f"interrupted in {run.id}")
    return run
