# SPDX-License-Identifier: GPL-2.0-only
"""The ``ppiov`` command. A verb turns its arguments into a request, drives an engine, and says how it ended.

Nothing is decided here. What is imported inside a verb is what only that verb needs, so that ``--help`` is quick.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ppiov import __version__
from ppiov.bisect.verdicts import Verdict, only_verdicts
from ppiov.drive import drive, exit_code, interruptible
from ppiov.errors import DiskFull, ExitCode, PpiovError, of_system
from ppiov.events import Event
from ppiov.render import Silent, choose, words

app = typer.Typer(
    help="Device-memory TCP on a stock kernel, in a VM, with a report to keep.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
kernel_app = typer.Typer(help="Which kernels can I use?", no_args_is_help=True)
app.add_typer(kernel_app, name="kernel")


class Accel(StrEnum):
    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


class Backend(StrEnum):
    CORE = "core"
    PPIOV = "ppiov"
    BOTH = "both"


class Combinations(StrEnum):
    ALL = "all"
    EACH = "each"


class Provider(StrEnum):
    SOME = "some"
    ALL = "all"
    DMABUF = "dmabuf"
    PAGE = "page"
    HUGEPAGE = "hugepage"
    ZONE_DEVICE = "zone_device"
    RING = "ring"


class Meter(StrEnum):
    INSNS = "insns"
    CYCLES = "cycles"
    NS = "ns"


class Format(StrEnum):
    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    JUNIT = "junit"
    KTAP = "ktap"
    KCIDB = "kcidb"
    NOTES = "notes"
    TRAILERS = "trailers"


class B4(StrEnum):
    PREP = "prep"
    REVIEW = "review"


class Better(StrEnum):
    LOWER = "lower"
    HIGHER = "higher"


KernelOption = Annotated[
    str,
    typer.Option("--kernel", metavar="SPEC", help="Which kernel: deb:6.12, src:7.3+kunit, tree:PATH@REV, image:PATH."),
]
AccelOption = Annotated[Accel, typer.Option(help="auto takes KVM only if a guest has really booted with it.")]
CpusOption = Annotated[int, typer.Option(min=1, max=64, help="CPUs of the guest.")]
MemoryOption = Annotated[int, typer.Option(min=512, metavar="MIB", help="Memory of the guest.")]
ResultsOption = Annotated[Path, typer.Option(metavar="DIR", help="Where the run folders are.")]
SourceOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The checkout with kernel/ and selftests/; by default this one.")
]
JobsOption = Annotated[
    int, typer.Option("-j", "--jobs", min=1, max=64, metavar="N", help="Guests at a time, of all kernels together.")
]
SchedulerOption = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="A dask.distributed scheduler to give the jobs to.")
]
DEFAULT_KERNEL = "deb:6.12"
DEFAULT_RESULTS = Path("results")


@contextmanager
def _verb() -> Iterator[None]:
    """Errors become one sentence and an exit code; a signal closes the engine; a gone reader is no error."""
    try:
        with interruptible():
            yield
            _write(b"")
    except PpiovError as error:
        raise _said(error) from None
    except KeyboardInterrupt:
        typer.echo("ppiov: interrupted", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:  # ppiov report | head
        raise typer.Exit(ExitCode.PASSED) from None
    except OSError as error:  # the last resort: a disk that fills up, or fails, where nobody expected it
        raise _said(of_system(error)) from None


def _said(error: PpiovError) -> typer.Exit:
    typer.echo(f"ppiov: {error}", err=True)
    return typer.Exit(error.exit_code)


def _write(data: bytes) -> None:
    """Write to standard output, and see it through."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit complains again
        if isinstance(error, BrokenPipeError):
            raise
        raise DiskFull(f"standard output cannot be written: {error.strerror}") from None


@app.callback(invoke_without_command=True)
def top(version: Annotated[bool, typer.Option("--version", help="Say the version and leave.")] = False) -> None:
    if version:
        typer.echo(f"ppiov {__version__}")
        raise typer.Exit


@app.command()
def doctor(
    kernel: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Probe with this one; by default the newest in the store.")
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Can this machine do it? Every probe is real, and every failure names its cure."""
    from ppiov import doctor as engine
    from ppiov.spec import KernelSpec
    from ppiov.store import Store

    with _verb():
        spec = None if kernel is None else KernelSpec.parse(kernel)
        well = drive(engine.examine(spec, store=Store(), results=results), choose(sys.stdout))
        raise typer.Exit(ExitCode.PASSED if well else ExitCode.FAILED)


@kernel_app.command("list")
def kernel_list() -> None:
    """The kernels in the store."""
    from ppiov import kernels
    from ppiov.store import Store

    with _verb():
        for line in words.kernel_lines(kernels.available(Store())):
            typer.echo(line)


@kernel_app.command("get")
def kernel_get(
    spec: Annotated[str, typer.Argument(metavar="SPEC")],
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the archive for a newer one.")] = False,
) -> None:
    """Fetch a kernel into the store."""
    from ppiov import kernels
    from ppiov.spec import KernelSpec
    from ppiov.store import Store

    with _verb():
        drive(kernels.get(KernelSpec.parse(spec), store=Store(), refresh=refresh), choose(sys.stdout))


@kernel_app.command("build")
def kernel_build(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="src:7.3+kunit, tree:PATH@REV+kasan")],
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the archive for a newer source.")] = False,
) -> None:
    """Build a kernel from source, or go on with it."""
    from ppiov import lab
    from ppiov.spec import KernelSpec
    from ppiov.store import Store

    with _verb():
        drive(lab.get(lab.buildable(KernelSpec.parse(spec)), store=Store(), refresh=refresh), choose(sys.stdout))


@kernel_app.command("config")
def kernel_config(spec: Annotated[str, typer.Argument(metavar="SPEC", help="src:7.3+kunit, tree:PATH@REV")]) -> None:
    """What the configuration of a kernel asks for, and what the kernel refuses of it."""
    from ppiov import lab
    from ppiov.spec import KernelSpec
    from ppiov.store import Store

    with _verb():
        made = drive(lab.configure(lab.buildable(KernelSpec.parse(spec)), store=Store()), choose(sys.stderr))
        for line in words.config_lines(made):
            typer.echo(line)


@kernel_app.command("gc")
def kernel_gc(
    limit: Annotated[float, typer.Option(min=0, metavar="GB", help="How large the store may be.")] = 20,
    pretend: Annotated[bool, typer.Option("--pretend", help="Only say what would go.")] = False,
) -> None:
    """Make room: remove from the store what was not used for longest."""
    from ppiov import gc
    from ppiov.store import Store

    with _verb():
        store = Store()
        done = drive(gc.collect(store, int(limit * 1e9), pretend=pretend), choose(sys.stderr))
        for line in words.gc_lines(done, store.root):
            typer.echo(line)


@app.command()
def run(
    suites: Annotated[
        list[str] | None, typer.Argument(metavar="SUITE", help="By default traffic and selftests.")
    ] = None,
    kernels: Annotated[
        list[str] | None,
        typer.Option(
            "--kernel",
            metavar="SPEC",
            help="deb:6.12, src:7.3+kunit, tree:PATH@REV, image:PATH; repeatable.",
        ),
    ] = None,
    expression: Annotated[str, typer.Option("-k", metavar="EXPR", help="Only tests that match, as in pytest.")] = "",
    tests: Annotated[
        list[str] | None, typer.Option("--test", metavar="NAME", help="Only this one; repeatable.")
    ] = None,
    jobs: JobsOption = 1,
    scheduler: SchedulerOption = None,
    accel: AccelOption = Accel.AUTO,
    backend: Annotated[
        Backend, typer.Option(help="What feeds the receive queues, in the traffic suite.")
    ] = Backend.CORE,
    provider: Annotated[
        Provider,
        typer.Option(help="Of ppiov's providers: all that fit each test, one, or some (dmabuf and a sample)."),
    ] = Provider.SOME,
    combinations: Annotated[
        Combinations,
        typer.Option(help="Of a test's parameters: all, or so few that each value comes once with each backend."),
    ] = Combinations.ALL,
    repeat: Annotated[int | None, typer.Option(min=1, metavar="N", help="Rounds, each in new guests.")] = None,
    until_fail: Annotated[
        bool, typer.Option("--until-fail", help="No further round after one that failed; without --repeat, no limit.")
    ] = False,
    kunit_filter: Annotated[
        str, typer.Option("--filter", metavar="GLOB", help="Which KUnit suites, the kernel's own among them.")
    ] = "",
    cpus: CpusOption = 2,
    memory: MemoryOption = 2048,
    baselines: Annotated[
        list[str] | None,
        typer.Option(
            "--baseline", metavar="RUN", help="What the kernel said in that run, too, doesn't count; repeatable."
        ),
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    source: SourceOption = None,
) -> None:
    """Does it work? Runs the suites in a VM and writes a report."""
    from ppiov import matrix
    from ppiov import run as engine
    from ppiov.spec import KernelSpec

    with _verb():
        first = engine.RunRequest(
            suites=tuple(suites or ()),
            kernel=KernelSpec.parse((kernels or [DEFAULT_KERNEL])[0]),
            expression=expression,
            tests=tuple(tests or ()),
            jobs=jobs,
            repeat=repeat or 0,
            until_fail=until_fail,
            accel=accel.value,
            backend=backend.value,
            provider=provider.value,
            combinations=combinations.value,
            kunit_filter=kunit_filter,
            cpus=cpus,
            memory_mib=memory,
            baselines=tuple(baselines or ()),
            results_dir=results,
            source=source,
        )
        more = [dataclasses.replace(first, kernel=KernelSpec.parse(spec)) for spec in (kernels or [])[1:]]
        raise typer.Exit(drive(matrix.run([first, *more], scheduler), choose(sys.stdout)))


@app.command()
def series(
    what: Annotated[
        str | None,
        typer.Argument(metavar="SERIES", help="BASE..HEAD, a b4 prep branch, an mbox, or a folder of patches."),
    ] = None,
    own: Annotated[
        bool, typer.Option("--self", help="This project's own modules, as a series for the kernel's tree.")
    ] = False,
    tree: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The kernel's git repository; by default the one around here.")
    ] = None,
    base: Annotated[str, typer.Option(metavar="REV", help="What mails are applied onto.")] = "",
    checks: Annotated[
        list[str] | None, typer.Option("--check", metavar="NAME", help="Only this one; repeatable.")
    ] = None,
    without: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Not this one; repeatable.")] = None,
    config: Annotated[
        str, typer.Option(metavar="CONFIG", help="What is built: allmodconfig, lab, or a file.")
    ] = "allmodconfig",
    includers: Annotated[
        int, typer.Option(min=0, metavar="N", help="Files that include a touched header: how many are built.")
    ] = 12,
    whole_tree: Annotated[bool, typer.Option("--whole-tree", help="Build everything, on every patch.")] = False,
    suites: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="SUITE", help="Run it in a VM: boot, kunit, traffic, selftests; repeatable."),
    ] = None,
    expression: Annotated[str, typer.Option("-k", metavar="EXPR", help="Of the suites, only tests that match.")] = "",
    bench: Annotated[
        list[str] | None,
        typer.Option("--bench", metavar="NAME", help="Measure it against the base, a benchmark or a glob; repeatable."),
    ] = None,
    meter: Annotated[
        str, typer.Option(metavar="METER", help="What is measured: insns, or cycles or ns with KVM.")
    ] = "insns",
    each: Annotated[bool, typer.Option("--each", help="Run on every patch, not only on the last.")] = False,
    additions: Annotated[
        list[str] | None, typer.Option("--add", metavar="NAME", help="To the kernels that run: kasan, kmemleak, ...")
    ] = None,
    modules: Annotated[
        list[str] | None,
        typer.Option("--module", metavar="[N=]REV|PATCH", help="ppnic as it fits, from patch N on; repeatable."),
    ] = None,
    confirm: Annotated[int, typer.Option(min=1, metavar="N", help="Rounds in which a new failure is run again.")] = 3,
    jobs: JobsOption = 1,
    scheduler: SchedulerOption = None,
    accel: AccelOption = Accel.AUTO,
    anew: Annotated[bool, typer.Option("--anew", help="Don't take verdicts that were kept.")] = False,
    b4: Annotated[
        B4 | None, typer.Option(help="One patch on standard input, answered as b4 prep or b4 review reads it.")
    ] = None,
    list_checks: Annotated[bool, typer.Option("--list", help="Say which checks there are, and leave.")] = False,
    results: ResultsOption = DEFAULT_RESULTS,
    source: SourceOption = None,
) -> None:
    """Is each patch of my series fit to send?"""
    from ppiov.series import check, engine, perpatch
    from ppiov.series.place import Options
    from ppiov.series.stages import Wanted

    with _verb():
        if list_checks:
            for line in words.check_lines(check.available().values()):
                typer.echo(line)
            return
        wanted = Wanted(
            suites=tuple(suites or ()),
            expression=expression,
            bench=None if bench is None else tuple(name for name in bench if name != "*"),
            meter=meter,
            each=each,
            additions=tuple(additions or ()),
            modules=tuple(modules or ()),
            confirm=confirm,
            jobs=jobs,
            scheduler=scheduler,
            accel=accel.value,
            source=source,
            inside=own,
        )
        request = engine.SeriesRequest(
            what=what or "",
            own=own,
            tree=tree,
            base=base,
            checks=tuple(checks or ()),
            without=tuple(without or ()),
            options=Options(config, includers, whole_tree),
            wanted=wanted,
            anew=anew,
            results_dir=results,
        )
        if b4 is not None:
            answer = drive(perpatch.check(request, sys.stdin.buffer.read()), Silent())
            _write(perpatch.FORMS[b4.value](answer).encode("utf-8", "replace"))
            return
        raise typer.Exit(exit_code(drive(engine.run(request), choose(sys.stdout))))


@app.command()
def bisect(
    good: Annotated[str, typer.Option(metavar="REV", help="Where it was still good.")] = "",
    bad: Annotated[str, typer.Option(metavar="REV", help="Where it is bad; by default HEAD.")] = "",
    module: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Commits of the modules in PATH; by default of this checkout.")
    ] = None,
    tree: Annotated[
        str | None, typer.Option(metavar="PATH", help="Commits of a kernel's git tree; PATH+kunit adds to its kernels.")
    ] = None,
    packages: Annotated[str | None, typer.Option(metavar="SPEC", help="Packaged kernels of a line: deb:6.12.")] = None,
    bench: Annotated[str, typer.Option(metavar="NAME", help="Judge by this benchmark.")] = "",
    test: Annotated[str, typer.Option(metavar="NAME", help="Judge by this test.")] = "",
    cmd: Annotated[
        Path | None, typer.Option(metavar="SCRIPT", help="Judge by this script, as git bisect run does.")
    ] = None,
    in_guest: Annotated[bool, typer.Option("--in-guest", help="Run the script in a guest of the kernel.")] = False,
    load: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A module to load before the script; repeatable.")
    ] = None,
    figure: Annotated[str, typer.Option(metavar="NAME", help="Judge by this figure of the script or benchmark.")] = "",
    meter: Annotated[str, typer.Option(metavar="METER", help="insns, count, cycles or ns.")] = "insns",
    min_effect: Annotated[
        str | None,
        typer.Option(metavar="N[%]", help="The smallest difference that counts; 0.5 of what is counted, or 1%."),
    ] = None,
    better: Annotated[
        Better | None, typer.Option(help="Which figure is better; by default rates higher, all else lower.")
    ] = None,
    kernel: KernelOption = DEFAULT_KERNEL,
    series: Annotated[
        bool, typer.Option("--series", help="Only the patches on top of where REV left the good one.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Find every change, not only one that made it worse.")] = False,
    every_commit: Annotated[
        bool, typer.Option("--every-commit", help="Measure every commit: finds also what cancels out.")
    ] = False,
    flaky: Annotated[bool, typer.Option("--flaky", help="Count the test as flaky from the start.")] = False,
    error_rate: Annotated[
        float, typer.Option(metavar="P", help="Probability of a wrong answer, where there is noise.")
    ] = 0.01,
    max_runs: Annotated[
        int, typer.Option(min=0, metavar="N", help="Give a commit up as undecided after so many rounds or runs.")
    ] = 0,
    timeout: Annotated[float, typer.Option(min=1, metavar="S", help="For one run of the script.")] = 600,
    accel: AccelOption = Accel.AUTO,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, max=64, metavar="N", help="Commits at a time.")] = 1,
    scheduler: SchedulerOption = None,
    resume: Annotated[Path | None, typer.Option(metavar="DIR", help="Go on with the bisection in this folder.")] = None,
    replay: Annotated[Path | None, typer.Option(metavar="FILE", help="Begin with what a git bisect log says.")] = None,
    step: Annotated[
        bool, typer.Option("--step", help="Only judge HEAD against the good end, for git bisect run.")
    ] = False,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Which commit, package or module change made it slower, or broke it?"""
    from ppiov.bisect import engine, steps
    from ppiov.bisect import request as asked

    with _verb():
        request = asked.BisectRequest(
            good=good,
            bad=bad,
            oracle=asked.oracle(
                bench,
                test,
                cmd,
                in_guest=in_guest,
                load=tuple(load or ()),
                figure=figure,
                meter=meter,
                timeout_s=timeout,
                accel=accel.value,
                resumed=resume is not None,
            ),
            kernel=kernel,
            module=asked.module(module, tree, packages),
            tree=tree,
            packages=packages,
            series=series,
            min_effect=asked.Effect.parse(min_effect) if min_effect else None,
            better=better.value if better else "",
            error=error_rate,
            most=max_runs,
            flaky=flaky,
            every_change=every,
            every_commit=every_commit,
            jobs=jobs,
            scheduler=scheduler,
            results_dir=results,
            resume=resume,
            replay=replay,
        )
        if step:
            raise Verdict(drive(steps.judge(request), choose(sys.stderr)))
        story = drive(engine.bisect(request), choose(sys.stdout))
        raise typer.Exit(ExitCode.PASSED if story.found_one else ExitCode.FAILED)


@app.command()
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="A benchmark or a glob; by default all of them.")
    ] = None,
    kernel: KernelOption = DEFAULT_KERNEL,
    meter: Annotated[
        Meter, typer.Option(help="insns: exact, by emulation, anywhere; cycles and ns: only where KVM works.")
    ] = Meter.INSNS,
    repeat: Annotated[int, typer.Option(min=1, metavar="N", help="Rounds, each in a new guest.")] = 1,
    listing: Annotated[bool, typer.Option("--list", help="Only say which there are.")] = False,
    accel: AccelOption = Accel.AUTO,
    memory: MemoryOption = 2048,
    results: ResultsOption = DEFAULT_RESULTS,
    source: SourceOption = None,
) -> None:
    """Is it as fast? Measures what an operation costs, and says what of its targets is met."""
    from ppiov import bench as engine
    from ppiov.spec import KernelSpec

    with _verb():
        if listing:
            for name in engine.listing(source):
                typer.echo(name)
            raise typer.Exit
        request = engine.BenchRequest(
            kernel=KernelSpec.parse(kernel),
            names=tuple(names or ()),
            meter=meter.value,
            repeat=repeat,
            accel=accel.value,
            memory_mib=memory,
            results_dir=results,
            source=source,
        )
        raise typer.Exit(engine.exit_code(drive(engine.run(request), choose(sys.stdout))))


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A run of `ppiov bench`: its folder, or its name.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another, or latest.")],
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Did it get slower? Two runs, benchmark by benchmark; exit code 1 if B is slower in one."""
    from ppiov.bench import compare as engine

    with _verb():
        found = engine.compare(results, a, b)
        with choose(sys.stdout) as renderer:
            for event in engine.told(found):
                renderer.show(event)
        raise typer.Exit(found.exit_code)


@app.command()
def shell(
    kernel: KernelOption = DEFAULT_KERNEL,
    accel: AccelOption = Accel.AUTO,
    cpus: CpusOption = 2,
    memory: MemoryOption = 2048,
    source: SourceOption = None,
) -> None:
    """Let me look for myself, in that very VM, with the modules loaded."""
    from ppiov import shell as engine
    from ppiov.spec import KernelSpec

    with _verb():
        request = engine.ShellRequest(
            kernel=KernelSpec.parse(kernel), accel=accel.value, cpus=cpus, memory_mib=memory, source=source
        )
        drive(engine.shell(request), choose(sys.stdout))


@app.command(hidden=True)
def build(
    kernel: KernelOption = DEFAULT_KERNEL,
    checks: Annotated[bool, typer.Option("--checks", help="sparse, and no warning allowed.")] = False,
    source: SourceOption = None,
) -> None:
    """Do the modules build? (What tox runs; ``run`` builds them by itself.)"""
    from ppiov import kbuild, kernels
    from ppiov.spec import KernelSpec
    from ppiov.store import Store
    from ppiov.suites import find_source

    def engine() -> Generator[Event, None, None]:
        store = Store()
        tree = yield from kernels.get(KernelSpec.parse(kernel), store=store)
        yield from kbuild.build_modules(tree, find_source(source) / "kernel", store=store, checks=checks)

    with _verb():
        drive(engine(), choose(sys.stdout))


@app.command()
def report(
    which: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Folders or names of runs, series, bisections; by default the latest."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.TEXT,
    output: Annotated[Path | None, typer.Option("-o", metavar="FILE", help="By default standard output.")] = None,
    write_notes: Annotated[
        Path | None,
        typer.Option(
            "--write-notes", metavar="DIR", help="Put a series' notes into this repository, below refs/notes/ppiov."
        ),
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """What do I paste, publish or feed to CI?"""
    from ppiov.folder import LATEST, find, write_atomically
    from ppiov.report import many

    with _verb():
        told = [one for name in which or [LATEST] for one in many.load(find(results, name).path)]
        if write_notes is not None:
            typer.echo(f"{many.write_notes(told, write_notes)} notes written", err=True)
            return
        made = many.render(told, form.value)
        if output is None:
            _write(made)
        else:
            write_atomically(output, made)


def main() -> None:
    """The console script."""
    with only_verdicts(sys.argv):
        try:
            app(prog_name="ppiov")
        except SystemExit as leaving:
            if leaving.code == 130:  # typer's own answer to a Ctrl-C before a verb has begun
                leaving.code = ExitCode.INTERRUPTED
            raise
