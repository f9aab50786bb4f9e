# SPDX-License-Identifier: GPL-2.0-only
"""Is it as fast? The benchmarks of ppiov_bench.ko, run by the run engine as the suite ``bench`` (docs/bench.md).

A benchmark is a test; what it measured are its figures, the one with the benchmark's own name among them. So deadlines,
blame, splats and the run's folder are those of every run, and what is judged here is read from a :class:`Run` alone.
"""

from __future__ import annotations

import fnmatch
import shlex
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppiov import drive, suites
from ppiov import run as engine
from ppiov.bench import tables
from ppiov.bench.measured import name_of
from ppiov.errors import BadRequest, ExitCode, UnknownName
from ppiov.events import Event, RunFinished
from ppiov.relay import relay
from ppiov.results import Run
from ppiov.run import RunRequest
from ppiov.spec import KernelSpec
from ppiov.suites import BENCH, METERS, PlannedTest

_ALWAYS = ("bench/test_bench.py::test_text",)  # what is counted without being run


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What the user asked for."""

    kernel: KernelSpec
    names: tuple[str, ...] = ()  # of benchmarks, or globs; none: all of them
    meter: str = "insns"  # one of suites.METERS
    repeat: int = 1  # rounds, each in a guest of its own
    accel: str = "auto"
    results_dir: Path = Path("results")
    source: Path | None = None
    memory_mib: int = 2048

    def command(self) -> str:
        """The one line that reproduces the run."""
        words = ["ppiov", "bench", *self.names, "--kernel", str(self.kernel), "--meter", self.meter]
        words += ["--repeat", str(self.repeat)] if self.repeat != 1 else []
        words += ["--accel", self.accel] if self.accel != "auto" else []
        words += ["--memory", str(self.memory_mib)] if self.memory_mib != 2048 else []
        return shlex.join(words)


def run(request: BenchRequest) -> Generator[Event, None, Run]:
    """Run the benchmarks and return the Run, which is on disk by then; each is a test with figures.

    ``insns`` are counted by TCG; ``cycles`` and ``ns`` mean something only on a CPU: with them KVM has to work. Raises
    UnknownName for a benchmark or meter that there is not, NoGuest for a clock without KVM, and what
    :func:`ppiov.run.run` raises.
    """
    if request.meter not in METERS:
        raise UnknownName("meter", request.meter, METERS)
    accel = request.accel
    if request.meter == "insns":
        if accel == "kvm":
            raise BadRequest("KVM counts no instructions: --meter insns goes with --accel tcg")
        accel = "tcg"
    elif accel == "tcg":
        raise BadRequest(f"{request.meter} of an emulated CPU mean nothing: --meter {request.meter} needs KVM")
    else:
        accel = "kvm"
    source = suites.find_source(request.source)
    known = collected(source)
    inner = RunRequest(
        kernel=request.kernel,
        suites=(BENCH,),
        tests=tests(known, request.names),
        accel=accel,
        cpus=1,
        memory_mib=request.memory_mib,
        repeat=request.repeat,
        results_dir=request.results_dir,
        source=source,
        meter=request.meter,
        words=request.command(),
    )
    return (yield from relay(engine.run(inner), _with_tables))


def _with_tables(event: Event) -> Iterator[Event]:
    if isinstance(event, RunFinished):
        yield from tables.of(event.run)
    yield event


def exit_code(made: Run) -> ExitCode:
    """As for any run; and a target that is not met, and not known to be, is a failure."""
    code = drive.exit_code(made)
    if code is ExitCode.PASSED and any(not one.met and not one.known for one in tables.judged(made)):
        return ExitCode.FAILED
    return code


def collected(source: Path) -> list[PlannedTest]:
    """The tests of the suite, without a guest. Raises BadRequest."""
    return suites.collect(source / "selftests", (BENCH,))


def listing(source: Path | None = None) -> list[str]:
    """The benchmarks' names, in the order they run, without a guest. Raises BadRequest."""
    found = map(name_of, (test.name for test in collected(suites.find_source(source))))
    return [name for name in found if name]


def tests(known: Sequence[PlannedTest], names: Sequence[str]) -> tuple[str, ...]:
    """The tests that the benchmarks ``names`` are; for none, nothing, which is all. Raises UnknownName."""
    of = {name_of(test.name): test.name for test in known if name_of(test.name)}
    chosen: list[str] = []
    for name in names:
        found = fnmatch.filter(of, name)
        if not found:
            raise UnknownName("benchmark", name, of)
        chosen += found
    if not chosen:
        return ()
    order = [test for name, test in of.items() if name in chosen]
    counted = [test.name for test in known if test.name in _ALWAYS and any(n.startswith("dispatch.") for n in chosen)]
    return (*order, *counted)
