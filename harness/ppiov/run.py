# SPDX-License-Identifier: GPL-2.0-only
"""The run engine: a request becomes guests, their words become events, and all of it a :class:`Run` on disk.

The order is: say what is wrong with the request; make the run's folder; fetch, build, choose (prepare.py); run the
guests; write run.json and the reports. From the folder on, whatever happens ends in a saved Run: a Ctrl-C makes it
«interrupted», a machine that fails us «aborted», and tests that never began are «not run».
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import selectors
import shlex
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TypeVar

from ppiov import baseline, complaints, prepare, report, reproducers, splats, suites
from ppiov.blame import not_run, skipped
from ppiov.combinations import COMBINATIONS, DEFAULT_COMBINATIONS, EACH
from ppiov.environment import describe
from ppiov.errors import BadRequest, Interrupted, NoGuest, PpiovError, UnfitKernel, UnknownName, of_system
from ppiov.events import Event, Note, RunFinished
from ppiov.folder import RunFolder
from ppiov.folder import find as folder_of
from ppiov.kernels import KernelTree, read_config
from ppiov.kunit import Suite
from ppiov.lane import Common, Lane
from ppiov.prepare import Ready
from ppiov.relay import relay
from ppiov.repeat import merged
from ppiov.results import Boot, Kernel, Run, RunState, Splat, TestResult, Vm
from ppiov.spec import KernelSpec
from ppiov.splats import Known
from ppiov.store import Store
from ppiov.suites import DEFAULT_PROVIDER, PlannedTest
from ppiov.upstream import Programs
from ppiov.vm import Deadlines

T = TypeVar("T")
SLOW = ("KASAN", "KCSAN", "PROVE_LOCKING", "DEBUG_KMEMLEAK")  # options that make a kernel several times slower


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked for."""

    kernel: KernelSpec
    suites: tuple[str, ...] = ()  # none: those that need nothing more (suites.py)
    expression: str = ""  # pytest's -k
    tests: tuple[str, ...] = ()  # names of single tests
    backend: str = "core"  # or "ppiov", or "both": what the traffic suite is run with
    provider: str = DEFAULT_PROVIDER  # of ppiov's: which, in the traffic suite
    combinations: str = DEFAULT_COMBINATIONS  # of a test's parameters: one of combinations.COMBINATIONS
    kunit_filter: str = ""  # a glob: the KUnit suites to run, the kernel's own among them; "": ours
    accel: str = "auto"
    cpus: int = 2
    memory_mib: int = 2048
    jobs: int = 1  # guests at a time
    baselines: tuple[str, ...] = ()  # earlier runs, by name or path, whose complaints are not held against this one
    repeat: int = 0  # rounds, each in guests of its own; 0: not asked for, which is one
    until_fail: bool = False  # no further round after one that went wrong; without `repeat`, rounds without end
    results_dir: Path = Path("results")
    source: Path | None = None  # the checkout; None: the one around this file or the current folder
    deadlines: Deadlines | None = None  # None: by the accelerator
    meter: str = "insns"  # what the suite bench measures with, one of suites.METERS
    words: str = ""  # what the user typed, if that was another verb

    def command(self) -> str:
        """The one line that reproduces the run."""
        if self.words:
            return self.words
        words = ["ppiov", "run", *self.suites, "--kernel", str(self.kernel)]
        words += ["-k", self.expression] if self.expression else []
        words += [word for name in self.tests for word in ("--test", name)]
        words += ["--filter", self.kunit_filter] if self.kunit_filter else []
        words += ["--repeat", str(self.repeat)] if self.repeat > 1 or (self.repeat and self.until_fail) else []
        words += ["--until-fail"] if self.until_fail else []
        words += ["-j", str(self.jobs)] if self.jobs != 1 else []
        words += ["--backend", self.backend] if self.backend != "core" else []
        words += ["--provider", self.provider] if self.provider != DEFAULT_PROVIDER else []
        words += ["--combinations", self.combinations] if self.combinations != DEFAULT_COMBINATIONS else []
        words += [word for name in self.baselines for word in ("--baseline", name)]
        words += ["--accel", self.accel] if self.accel != "auto" else []
        words += ["--cpus", str(self.cpus)] if self.cpus != 2 else []
        words += ["--memory", str(self.memory_mib)] if self.memory_mib != 2048 else []
        return shlex.join(words)


@dataclass(slots=True)
class _Story:
    """What is known of the run so far; always enough to save."""

    request: RunRequest
    id: str
    started: str
    plan: list[PlannedTest]
    kernel: Kernel
    unfit: dict[str, TestResult] = field(default_factory=dict)  # of tests that were taken out of the plan, by name
    order: dict[str, int] = field(default_factory=dict)  # of all tests, by name, where some were taken out
    ready: Ready | None = None
    boots: list[Boot] = field(default_factory=list)
    results: list[TestResult] = field(default_factory=list)
    stray_splats: list[Splat] = field(default_factory=list)
    known: Known = field(default_factory=Known)

    def told(self, state: RunState, reason: str = "") -> Run:
        """The run as it stands; tests without a verdict are «not run»."""
        by_name: dict[str, list[TestResult]] = {}
        for result in self.results:
            by_name.setdefault(result.name, []).append(result)
        why = reason or "the run ended before"
        accel = self.ready.accel if self.ready else None
        request = self.request
        tests = [
            merged([self.judged(result) for result in by_name[test.name]])
            if test.name in by_name
            else not_run(test, why)
            for test in self.plan
        ]
        if self.unfit:
            tests = sorted([*tests, *self.unfit.values()], key=lambda test: self.order[test.name])
        return Run(
            id=self.id,
            command=request.command(),
            started=self.started,
            finished=_now(),
            state=state,
            reason=reason,
            kernel=self.kernel,
            environment=describe(),
            vm=Vm(
                accel_asked=request.accel,
                accel=accel.name if accel else "",
                accel_reason=accel.reason if accel else "",
                cpus=request.cpus,
                memory_mib=request.memory_mib,
            ),
            modules=self.ready.modules if self.ready else (),
            boots=tuple(self.boots),
            tests=tuple(tests),
            boot_splats=self.known.marked(self.stray_splats),
        )

    def judged(self, result: TestResult) -> TestResult:
        """What becomes of a test as it was heard: its splats are weighed, and a reproducer has to show its bug."""
        declared = next((test.reproducers for test in self.plan if test.name == result.name), ())
        return reproducers.judge(self.known.judged(result), declared, self.kernel.release)

    def so_far(self) -> tuple[int, int]:
        """A place in the story, for :meth:`went_wrong`."""
        return len(self.results), len(self.stray_splats)

    def went_wrong(self, since: tuple[int, int]) -> bool:
        """Whether the run has failed by what came since then: a test, or a complaint between tests."""
        results, strays = since
        return any(not self.judged(result).outcome.ok for result in self.results[results:]) or any(
            not splat.known for splat in self.known.marked(self.stray_splats[strays:])
        )

    def unexplained(self) -> bool:
        """Whether there is a complaint that could be the kernel's own, and isn't known to be."""
        every = [*self.stray_splats, *(splat for result in self.results for splat in result.splats)]
        return any(self.known.excusable(splat) and not self.known.where(splat) for splat in every)


def run(request: RunRequest) -> Generator[Event, None, Run]:
    """Do what was asked and return the Run, which is on disk by then.

    Ctrl-C and SIGTERM reach an engine as KeyboardInterrupt, or as its being closed (ppiov.drive): the guests are killed
    and the run is saved as interrupted. Raises UnknownName and BadRequest before anything was made; later errors are
    raised after the run was saved as aborted.
    """
    if request.repeat < 0:
        raise BadRequest("a run has at least one round")
    if request.jobs < 1 or request.cpus < 1 or request.memory_mib < 256:
        raise BadRequest("a run needs at least one guest at a time, one CPU and 256 MiB")
    if request.backend not in suites.BACKENDS:
        raise UnknownName("backend", request.backend, suites.BACKENDS)
    if request.meter not in suites.METERS:
        raise UnknownName("meter", request.meter, suites.METERS)
    if request.provider not in suites.PROVIDERS:
        raise UnknownName("provider", request.provider, suites.PROVIDERS)
    if request.combinations not in COMBINATIONS:
        raise UnknownName("choice of combinations", request.combinations, COMBINATIONS)
    named: dict[str, str] = {}
    for name in request.baselines:
        named |= splats.seen_in(RunFolder.load(folder_of(request.results_dir, name).path))
    source = suites.find_source(request.source)
    selftests = source / "selftests"
    own = None
    if suites.wants_programs(selftests, request.suites, request.tests):
        own = yield from prepare.programs(request.kernel, suites.collections(request.suites))
    units = yield from _kunit_suites(request, source)
    words = (request.suites, request.expression, request.tests, request.backend, own, request.provider, units)
    plan = suites.collect(selftests, *words, combinations=request.combinations)
    if request.combinations == EACH and not request.tests:
        yield Note("each value of a test's parameters comes once with each backend, and not with each other value")
    chosen = sorted({test.suite for test in plan})
    started = datetime.now(UTC)
    kernel = f"image-{request.kernel.path.name}" if request.kernel.path else str(request.kernel)
    label = "".join(c if c.isalnum() or c in ".+" else "-" for c in kernel)[:50]  # a name has at most 255 bytes
    what = "+".join(request.suites).replace(":", "-").replace("/", "-") or "default"
    name = f"{started:%Y%m%dT%H%M%S}-{label}-{what}"
    folder = RunFolder.create(request.results_dir.resolve(), name)
    unknown = Kernel(str(request.kernel), "", "", "", "")
    story = _Story(request, folder.path.name, f"{started:%Y-%m-%dT%H:%M:%SZ}", plan, unknown, known=Known(named=named))
    try:
        with folder.events_log.open("w") as log:
            work = _work(request, source, set(chosen), story, folder, own, units)
            yield from _logged(work, log)
    except (KeyboardInterrupt, Interrupted):
        finished = _save(folder, story, RunState.INTERRUPTED, "interrupted")
    except GeneratorExit:  # nobody listens any more
        _save(folder, story, RunState.INTERRUPTED, "interrupted")
        raise
    except NoGuest as error:
        finished = _save(folder, story, RunState.ABORTED, str(error))
    except PpiovError as error:
        _abort(folder, story, str(error))
        raise
    except OSError as error:
        told = of_system(error, folder.path)
        _abort(folder, story, str(told))
        raise told from error
    except Exception as error:  # a fault of this program: to be seen as one, and with the run that it ended
        _abort(folder, story, f"{type(error).__name__}: {error}".removesuffix(": "))
        raise
    else:
        finished = _save(folder, story, RunState.COMPLETE)
    yield finished
    return finished.run


def _work(
    request: RunRequest,
    source: Path,
    chosen: set[str],
    story: _Story,
    folder: RunFolder,
    programs: Programs | None,
    units: tuple[Suite, ...],
) -> Generator[Event, None, None]:
    ready = yield from prepare.ready(
        *(request.kernel, source, request.accel, chosen, request.backend, programs, request.provider, units),
        meter=request.meter,
    )
    story.ready, story.kernel = ready, ready.kernel
    yield from _drop_unfit(story, ready.tree)
    store = Store()
    own = baseline.stored(ready, store) if baseline.possible(ready) else {}
    story.known = dataclasses.replace(
        story.known,
        by_itself=own or {},
        ours=splats.ours(ready),
        understood=complaints.load(source, ready.tree.release),
    )
    config = read_config(ready.tree.config) if ready.tree.config else {}
    slower = slowness(config)
    deadlines = request.deadlines or Deadlines.for_accel(ready.accel.name).times(slower)
    story.plan = [dataclasses.replace(test, timeout_s=test.timeout_s * slower) for test in story.plan]
    numbers = {test.name: number for number, test in enumerate(story.plan, 1)}
    common = Common(
        ready=ready,
        deadlines=deadlines,
        slower=slower,
        cpus=request.cpus,
        memory_mib=request.memory_mib,
        folder=folder.path,
        numbers=numbers,
        boots=story.boots,
        results=story.results,
        stray_splats=story.stray_splats,
        judged=story.judged,
        races=config.get("CONFIG_KCSAN") == "y",
    )
    endless = request.until_fail and not request.repeat
    for number in itertools.count(1):
        if request.repeat > 1 or endless:
            yield Note(f"round {number}" if endless else f"round {number} of {request.repeat}")
        before = story.so_far()
        yield from _round(request, common, story.plan, folder)
        if (request.until_fail and story.went_wrong(before)) or (number >= request.repeat and not endless):
            break
    for entry in ready.expected.unmet() if ready.expected else ():
        yield Note(f"expected.toml: nothing was met of {entry}", "warning")
    if own is None and story.unexplained():
        machine = baseline.Machine(deadlines, slower, request.cpus, request.memory_mib)
        try:
            own = yield from baseline.make(ready, machine, store=store)
        except NoGuest as error:
            yield Note(f"what the kernel complains about by itself is not known: {error}", "warning")
        else:
            story.known = dataclasses.replace(story.known, by_itself=own)


def _round(
    request: RunRequest, common: Common, plan: list[PlannedTest], folder: RunFolder
) -> Generator[Event, None, None]:
    """All tests of the plan once."""
    with ExitStack() as stack:
        lanes = []
        for number, share in enumerate(split(plan, request.jobs)):
            log = folder.console_log if number == 0 else folder.path / f"console-{number}.log"
            lanes.append(stack.enter_context(Lane(common, share, log)))
        yield from _pump(lanes)


def _has(config: Mapping[str, str], wanted: str) -> bool:
    """Whether an option of a needs_config marker is there; or, with a "!" before it, is not."""
    there = config.get(f"CONFIG_{wanted.removeprefix('!')}") in ("y", "m")
    return there != wanted.startswith("!")


def _drop_unfit(story: _Story, tree: KernelTree) -> Iterator[Event]:
    """Take the tests out of the plan that make no sense with this kernel's options: they are skipped, which the report
    says of each. Raises UnfitKernel if all are."""
    if not any(test.config for test in story.plan):
        return
    have = read_config(tree.config) if tree.config else {}
    story.order = {test.name: number for number, test in enumerate(story.plan)}
    fit: list[PlannedTest] = []
    unfit: dict[str, int] = {}
    for test in story.plan:
        wrong = [wanted for wanted in test.config if not _has(have, wanted)]
        if not wrong:
            fit.append(test)
        else:
            story.unfit[test.name] = skipped(test, f"the kernel {' and '.join(map(_lack, wrong))}")
        for wanted in wrong:
            unfit[wanted] = unfit.get(wanted, 0) + 1
    story.plan = fit
    for wanted, count in unfit.items():
        tests = f"{count} test{'s' if count != 1 else ''}"
        if wanted.startswith("!"):
            yield Note(f"{tree.release} has CONFIG_{wanted[1:]}, with which {tests} would make no sense")
        else:
            yield Note(f"{tree.release} has no CONFIG_{wanted}, which {tests} would need")
    if not fit:
        said = ", ".join(map(_lack, unfit))
        raise UnfitKernel(f"{tree.spec} ({tree.release}) {said}, so none of the tests makes sense")


def _lack(wanted: str) -> str:
    """What is wrong with a kernel that is not as an option of a needs_config marker wants it."""
    return f"has CONFIG_{wanted[1:]}" if wanted.startswith("!") else f"has no CONFIG_{wanted}"


def slowness(config: Mapping[str, str]) -> float:
    """How much longer a kernel with this configuration may take for everything.

    Measured on a machine that was busy with other things, too: a 6.12.117 with KASAN, lockdep and kmemleak took 66 s to
    its first test, where the stock kernel takes some 15.
    """
    return 4.0 if any(config.get(f"CONFIG_{tool}") == "y" for tool in SLOW) else 1.0


def _kunit_suites(request: RunRequest, source: Path) -> Generator[Event, None, tuple[Suite, ...]]:
    """The KUnit suites to run, if any are asked for. Raises UnfitKernel, but only if they are asked for by name."""
    wanted = suites.wants_kunit(source / "selftests", request.suites, request.tests)
    if not wanted:
        if request.kunit_filter:
            raise BadRequest("--filter chooses KUnit suites, and the suite kunit is not among those that run")
        return ()
    try:
        return (yield from prepare.kunit_suites(request.kernel, source, request.kunit_filter))
    except UnfitKernel as error:
        if suites.KUNIT in request.suites or request.tests or request.kunit_filter:
            raise
        yield Note(f"NOT RUN: the suite kunit: {error}", "warning")
        return ()


def _pump(lanes: list[Lane]) -> Generator[Event, None, None]:
    """Serve the lanes as their consoles speak, and twice a second for records and deadlines."""
    while active := [lane for lane in lanes if not lane.done]:
        with selectors.DefaultSelector() as selector:
            for lane in active:
                if (console := lane.fileno()) is not None:
                    selector.register(console, selectors.EVENT_READ)
            if len(selector.get_map()) == len(active):  # a lane without a guest has work right now
                selector.select(0.5)
        for lane in active:
            yield from lane.pump()


def split(plan: list[PlannedTest], jobs: int) -> list[list[PlannedTest]]:
    """The plan in at most ``jobs`` runs of neighbours, of about the same number; fixtures of one file stay together."""
    size, more = divmod(len(plan), jobs)
    parts, start = [], 0
    for number in range(jobs):
        end = start + size + (number < more)
        if plan[start:end]:
            parts.append(plan[start:end])
        start = end
    return parts


def _abort(folder: RunFolder, story: _Story, reason: str) -> None:
    """Save what there is; a disk that is full must not hide why the run ended."""
    with suppress(PpiovError):
        _save(folder, story, RunState.ABORTED, reason)


def _save(folder: RunFolder, story: _Story, state: RunState, reason: str = "") -> RunFinished:
    """Write run.json and the reports, the text first. Raises DiskFull.

    A Ctrl-C meanwhile makes a complete run an interrupted one, whose reports are written anew, from what was not
    decoded: that is what takes its time. The Ctrl-C of someone who does not wait for that either goes through.
    """
    run = story.told(state, reason)
    try:
        folder.save(run)
        if story.ready is not None:
            ready = story.ready
            run = splats.decoded(run, lambda: splats.decoder(ready))
            folder.save(run)
        return RunFinished(run, folder.path, report.write_all(folder, run))
    except KeyboardInterrupt:
        if state is RunState.INTERRUPTED:
            raise
        if state is RunState.COMPLETE:
            state, reason = RunState.INTERRUPTED, "interrupted while the report was written"
        run = story.told(state, reason)
        folder.save(run)
        return RunFinished(run, folder.path, report.write_all(folder, run))


def _logged(events: Generator[Event, None, T], log: IO[str]) -> Generator[Event, None, T]:
    """Pass the events on, each also as a line of JSON."""

    def look(event: Event) -> Iterator[Event]:
        log.write(json.dumps({"at": _now(), "event": type(event).__name__, **dataclasses.asdict(event)}) + "\n")
        log.flush()
        yield event

    return relay(events, look)


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
