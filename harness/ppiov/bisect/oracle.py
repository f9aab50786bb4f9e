# SPDX-License-Identifier: GPL-2.0-only
"""Oracles: they measure a point of a history, or say why that cannot be done.

``bench``    a figure of `ppiov bench`, in a guest of its own
``test``     a test of `ppiov run`, in a guest of its own: it passes or fails
``cmd``      a script on this machine, with git bisect run's exit codes; a figure if it is to say one
``guest``    the same script in a guest of the kernel under test, which stays for the next point of the same kernel

A job is a session of the search: targets to be measured one after the other. It is made of plain data, so that it can
be sent to another process or machine that has the same repositories at the same paths; its engine yields events as all
do.

What is the point's own fault (it does not build, boot or load, it panics) is a :class:`Hole`. What is the machine's (no
network, a full disk, a missing tool) is raised and ends the bisection, which can be resumed.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ppiov import accel, bench, child, kbuild, kernels
from ppiov import run as runs
from ppiov.bisect import checkout
from ppiov.bisect.guestcmd import CommandGuest, Reply
from ppiov.bisect.history import Revision
from ppiov.bisect.model import Hole, Why
from ppiov.deb import get_image
from ppiov.errors import BadRequest, BuildFailed, NoGuest, UnfitKernel, UnknownName
from ppiov.events import Event, RunFinished, StageBegun, StageEnded, TestBegun, TestEnded
from ppiov.relay import relay
from ppiov.results import Outcome, Run, RunState, TestResult
from ppiov.spec import KernelSpec
from ppiov.store import Store, digest
from ppiov.tree import KernelTree
from ppiov.vm import qemu_version

BENCH, TEST, CMD, GUEST = "bench", "test", "cmd", "guest"
_FIGURE = re.compile(r"^figure (?P<name>\S+) (?P<value>\S+) (?P<unit>\S+) (?P<meter>\S+)$", re.MULTILINE)
_NOT_LOADED = re.compile(r"\binsmod\b")
SKIP_CODE: Final = 125  # git bisect run's
ABORT_CODE: Final = 128
INSNS: Final = "insns"
TIMEOUT_S: Final = 600.0  # for a script


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement: a figure, a verdict (value 1 is bad), or why there is none."""

    value: float = 0.0
    unit: str = ""  # "": pass or fail
    meter: str = ""
    hole: Hole | None = None


@dataclass(frozen=True, slots=True)
class Oracle:
    """What is measured, and how."""

    kind: str  # one of the four above
    name: str = ""  # of the bench or test
    meter: str = INSNS  # of a bench, or of a figure that a script says
    figure: str = ""  # whose; a script without one passes or fails
    script: Path | None = None
    load: tuple[str, ...] = ()  # modules to load before the script, in this order
    timeout_s: float = TIMEOUT_S
    accel: str = "auto"
    folder: str = ""  # of the modules, relative to the repository's top

    @property
    def numeric(self) -> bool:
        """Whether it gives figures, and not verdicts."""
        return self.kind == BENCH or bool(self.figure)

    def identity(self) -> list[str]:
        """All that decides about a measurement, besides the target."""
        script = self.script.read_text(errors="replace") if self.script else ""
        words = [self.kind, self.name, self.meter, self.figure, script, *self.load, self.accel, self.folder]
        return [*words, qemu_version() if self.kind != CMD else ""]


@dataclass(frozen=True, slots=True)
class Target:
    """One point, as an oracle needs it."""

    revision: Revision
    kernel: str  # its spec
    repository: Path | None = None  # whose checkout has the modules (or all of ppiov)
    image_sha256: str = ""  # of the kernel's image, where all points have the same

    def identity(self) -> str:
        """What it is made of: the kernel, and what the point itself is."""
        kernel = self.image_sha256 or KernelSpec.parse(self.kernel)
        additions = kernel.additions if isinstance(kernel, KernelSpec) and kernel.kind == "tree" else (str(kernel),)
        return digest([*additions, self.revision.content or self.revision.id])


@dataclass(frozen=True, slots=True)
class Job:
    """One session."""

    number: int
    targets: tuple[Target, ...]
    oracle: Oracle
    folder: Path  # the bisection's run folder
    key: str = ""  # of its readings in the store (measurements.py)
    environment: dict[str, str] = field(default_factory=dict)  # added to a script's


def measure(job: Job, guests: Guests) -> Generator[Event, None, list[Reading]]:
    """Do the job. ``guests`` are those that this process keeps."""
    readings = []
    store = Store()
    seen: dict[Target, Hole] = {}
    for index, target in enumerate(job.targets):
        hole = seen.get(target)  # what does not build will not do so a minute later
        if hole is None:
            try:
                reading = yield from _one(job, target, index, guests, store)
            except UnknownName as error:  # an older or newer commit lacks the test or the benchmark
                reading = Reading(hole=Hole(Why.MEASURE, str(error)))
            except (BuildFailed, UnfitKernel) as error:
                reading = Reading(hole=Hole(Why.BUILD, str(error)))
            except NoGuest as error:
                reading = Reading(hole=Hole(Why.BOOT, str(error)))
            if reading.hole and reading.hole.why is Why.BUILD:
                seen[target] = reading.hole
        else:
            reading = Reading(hole=hole)
        readings.append(reading)
    return readings


def _one(job: Job, target: Target, index: int, guests: Guests, store: Store) -> Generator[Event, None, Reading]:
    oracle = job.oracle
    if oracle.kind in (BENCH, TEST):
        with checkout.slot(store, target) as source:
            return (yield from (_bench if oracle.kind == BENCH else _test)(job, target, source))
    tree, modules = yield from built(target, oracle, store)
    if oracle.kind == GUEST:
        return (yield from _in_guest(job, target, tree, modules, guests))
    with checkout.slot(store, target) as source:
        return (yield from _on_host(job, target, tree, modules, source, f"{job.number}.{index}"))


def built(target: Target, oracle: Oracle, store: Store) -> Generator[Event, None, tuple[KernelTree, Path | None]]:
    """The kernel of a target, and the folder with its modules if it has any. Raises BuildFailed and the machine's."""
    spec = KernelSpec.parse(target.kernel)
    if spec.kind == "deb" and spec.version.count(".") == 2 and target.repository is None:
        return (yield from get_image(spec.version, store=store)), None
    tree = yield from kernels.get(spec, store=store)
    if target.repository is None:
        return tree, None
    with checkout.slot(store, target) as source:
        made = yield from kbuild.build_modules(tree, source / oracle.folder, store=store)
    return tree, made.directory


class Guests:
    """The guests that a process keeps between its jobs, one for each kernel: only the last is kept."""

    def __init__(self) -> None:
        self._kept: dict[str, CommandGuest] = {}

    def of(self, tree: KernelTree, accelerator: str, folder: Path, *, exact: bool) -> CommandGuest:
        key = digest([tree.image_sha256, str(tree.root), accelerator, str(exact), str(folder)])
        if key not in self._kept:
            self.close()
            self._kept[key] = CommandGuest(tree, accelerator, folder, exact=exact)
        return self._kept[key]

    def close(self) -> None:
        for guest in self._kept.values():
            guest.close()
        self._kept.clear()


def _in_guest(
    job: Job, target: Target, tree: KernelTree, modules: Path | None, guests: Guests
) -> Generator[Event, None, Reading]:
    oracle = job.oracle
    counts = oracle.numeric and oracle.meter == INSNS
    chosen = yield from accel.choose("tcg" if counts else oracle.accel, tree)
    guest = guests.of(tree, chosen.name, job.folder, exact=counts)
    load = []
    for name in oracle.load:
        path = modules / f"{name}.ko" if modules else None
        if path is None or not path.is_file():
            return Reading(hole=Hole(Why.LOAD, f"there is no {name}.ko"))
        load.append(path)
    assert oracle.script is not None  # a request without one is refused
    environment = {**job.environment, **script_environment(target, tree, modules)}
    yield StageBegun("measure", f"run {oracle.script.name} at {target.revision.name} in a guest")
    reply = yield from guest.ask(load, [str(oracle.script)], environment, oracle.timeout_s)
    reading = of_reply(oracle, reply)
    yield StageEnded("measure", ok=reading.hole is None, note=said(reading))
    return reading


def of_reply(oracle: Oracle, reply: Reply) -> Reading:
    """What the guest's answer means. A guest that dies while the script of a pass/fail oracle runs has failed."""
    if reply.load_error:
        return Reading(hole=Hole(Why.LOAD, _line(reply.load_error)))
    if reply.died and (oracle.numeric or not reply.loaded):
        return Reading(hole=Hole(Why.PANIC, reply.died))
    if reply.died or reply.code is None:
        hung = Hole(Why.MEASURE, f"the script was not done after {oracle.timeout_s:g} s")
        return Reading(hole=hung) if oracle.numeric else Reading(1.0)
    return of_script(oracle, reply.code, reply.output)


def of_script(oracle: Oracle, code: int, output: str) -> Reading:
    """What a script's exit code and output mean: git bisect run's codes, and the figure if it is to say one.

    Raises BadRequest for a code that asks for the bisection's end.
    """
    if code == SKIP_CODE:
        return Reading(hole=Hole(Why.SKIP, _last_line(output)))
    if code >= ABORT_CODE or code < 0:
        raise BadRequest(f"{oracle.script} ended with exit code {code}, which ends a bisection: {_last_line(output)}")
    if not oracle.figure:
        return Reading(float(code != 0))
    if code:
        return Reading(hole=Hole(Why.MEASURE, f"exit code {code}: {_last_line(output)}"))
    found = [match for match in _FIGURE.finditer(output) if match["name"] == oracle.figure]
    try:
        value = float(found[-1]["value"])
    except (IndexError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        return Reading(hole=Hole(Why.MEASURE, f"it said no line «figure {oracle.figure} VALUE UNIT METER»"))
    if found[-1]["meter"] != oracle.meter:
        raise BadRequest(f"{oracle.script} measures {found[-1]['meter']}, and --meter is {oracle.meter}")
    return Reading(value, found[-1]["unit"], found[-1]["meter"])


def _on_host(
    job: Job, target: Target, tree: KernelTree, modules: Path | None, source: Path, name: str
) -> Generator[Event, None, Reading]:
    oracle = job.oracle
    assert oracle.script is not None  # a request without one is refused
    environment = {**job.environment, **script_environment(target, tree, modules), "PPIOV_SOURCE": str(source)}
    job.folder.mkdir(parents=True, exist_ok=True)  # on another machine it is not there yet
    log = job.folder / f"script-{name}.log"
    yield StageBegun("measure", f"run {oracle.script.name} at {target.revision.name}")
    with (
        log.open("wb") as out,
        child.child([oracle.script], stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=source) as process,
    ):
        until = time.monotonic() + oracle.timeout_s
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        late = process.poll() is None
        if late:
            child.end_group(process)
    if late:
        hung = Hole(Why.MEASURE, f"not done after {oracle.timeout_s:g} s")
        reading = Reading(hole=hung) if oracle.numeric else Reading(1.0)
    else:
        reading = of_script(oracle, process.returncode, log.read_text(errors="replace"))
    yield StageEnded("measure", ok=reading.hole is None, note=said(reading))
    return reading


def script_environment(target: Target, tree: KernelTree, modules: Path | None) -> dict[str, str]:
    """What a script is told of the point under test (docs/bisect.md)."""
    told = {
        "PPIOV_REVISION": target.revision.id,
        "PPIOV_KERNEL": tree.release,
        "PPIOV_KERNEL_SPEC": target.kernel,
        "PPIOV_IMAGE": str(tree.image),
        "PPIOV_ROOT": str(tree.root),
        "PPIOV_BUILD": str(tree.build or ""),
        "PPIOV_CONFIG": str(tree.config or ""),
        "PPIOV_MODULES": str(modules or ""),
    }
    return {name: value for name, value in told.items() if value}


def _test(job: Job, target: Target, source: Path) -> Generator[Event, None, Reading]:
    kernel = KernelSpec.parse(target.kernel)
    request = runs.RunRequest(
        kernel, tests=(job.oracle.name,), accel=job.oracle.accel, results_dir=job.folder / "runs", source=source
    )
    return of_tests((yield from relay(runs.run(request), _own_events)))


def _bench(job: Job, target: Target, source: Path) -> Generator[Event, None, Reading]:
    oracle = job.oracle
    request = bench.BenchRequest(
        kernel=KernelSpec.parse(target.kernel),
        names=(oracle.name,),
        meter=oracle.meter,
        accel=oracle.accel,
        results_dir=job.folder / "runs",
        source=source,
    )
    return of_bench(oracle, (yield from relay(bench.run(request), _own_events)))


def _own_events(event: Event) -> Iterator[Event]:
    """Of a run's events, those of its stages: its verdict is not the bisection's."""
    if not isinstance(event, RunFinished | TestBegun | TestEnded):
        yield event


def of_tests(run: Run) -> Reading:
    """What a run of one test (with all its parameters) means. Raises NoGuest, and BadRequest for one that skips."""
    if run.state is not RunState.COMPLETE:
        raise NoGuest(run.reason)
    ran = [test for test in run.tests if test.outcome is not Outcome.SKIP]
    for test in ran:
        if test.outcome is Outcome.NOT_RUN:
            raise NoGuest(test.reason)
        if test.outcome is not Outcome.CRASH and not test.outcome.ok and _NOT_LOADED.search(test.reason):
            return Reading(hole=Hole(Why.LOAD, test.reason))
    if not ran:
        why = run.tests[0].reason if run.tests else "there is no such test"
        return Reading(hole=Hole(Why.MEASURE, f"skipped: {why}"))
    return Reading(float(any(not test.outcome.ok for test in ran) or any(not s.known for s in run.boot_splats)))


def of_bench(oracle: Oracle, run: Run) -> Reading:
    """The figure of a bench's run."""
    if run.state is not RunState.COMPLETE:
        raise NoGuest(run.reason)
    figures = [f for test in run.tests for f in test.figures if f.meter == oracle.meter]
    named = [f for f in figures if f.name == (oracle.figure or oracle.name)]
    if named:
        return Reading(named[0].value, named[0].unit, named[0].meter)
    if oracle.figure and figures:
        raise UnknownName("figure", oracle.figure, {figure.name for figure in figures})
    for test in run.tests:
        if not test.outcome.ok:
            return Reading(hole=_why(test))
    return Reading(hole=Hole(Why.MEASURE, f"{oracle.name} gave no figure in {oracle.meter}"))


def _why(test: TestResult) -> Hole:
    if test.outcome in (Outcome.CRASH, Outcome.VM_DIED):
        return Hole(Why.PANIC, test.reason)
    return Hole(Why.LOAD if _NOT_LOADED.search(test.reason) else Why.MEASURE, test.reason)


def said(reading: Reading) -> str:
    """A reading, for people."""
    if reading.hole:
        return str(reading.hole)
    if not reading.unit:
        return "bad" if reading.value else "good"
    return f"{reading.value:.6g} {reading.unit} ({reading.meter})"


def _line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def check_script(script: Path) -> Path:
    """``script``, if it is a program. Raises BadRequest."""
    script = script.absolute()
    if not script.is_file():
        raise BadRequest(f"{script} is not a file")
    if not os.access(script, os.X_OK):
        raise BadRequest(f"{script} is not executable: chmod +x")
    return script
