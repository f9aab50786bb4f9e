# SPDX-License-Identifier: GPL-2.0-only
"""Everything that a guest needs before it can start, and the folder that it shares with the host."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppiov import accel, bench_simple, expected, inside, kbuild, kernel_source, kernels, kunit, upstream
from ppiov.accel import Accel
from ppiov.errors import BadRequest, PpiovError
from ppiov.events import Event, Note
from ppiov.expected import Expected
from ppiov.kbuild import BuiltModules
from ppiov.ktap import Parser
from ppiov.kunit import Suite
from ppiov.nested import Reader
from ppiov.pyzip import guest_python, host_site_packages, python_zip
from ppiov.results import Kernel, Module
from ppiov.spec import KernelSpec
from ppiov.store import Store
from ppiov.suites import (
    BENCH,
    DEFAULT_PROVIDER,
    HAND_OVER_KTAP,
    SUITES,
    TEST_MODULES,
    UPSTREAM,
    USE_TEST_MODULES,
    PlannedTest,
    program_environment,
    pytest_arguments,
    python_path,
)
from ppiov.tree import KernelTree
from ppiov.upstream import Programs
from ppiov.vm import SHARE, cached

# The guest sees this machine's files, but not below these: virtme mounts file systems of the guest's own there.
_HIDDEN = ("/dev", "/proc", "/run", "/sys", "/var/cache", "/var/lib/apt", "/var/log", "/var/tmp")


NO_KTAP = Reader(None, "its suite is not one that hands any over (suites.HAND_OVER_KTAP)")


@dataclass(frozen=True, slots=True)
class Ready:
    """What all guests of one run have in common."""

    tree: KernelTree
    kernel: Kernel
    modules: tuple[Module, ...]
    modules_dir: Path
    userland_dir: Path | None
    planted_dir: Path | None  # only where the planted suite was asked for
    accel: Accel
    source: Path
    programs: Programs | None = None  # the kernel's own tests, only where the upstream suite was asked for
    backend: str = "core"  # one of suites.BACKENDS
    ktap: Reader = NO_KTAP
    expected: Expected | None = None  # what of the kernel's own tests may skip or fail
    provider: str = DEFAULT_PROVIDER  # one of suites.PROVIDERS
    test_modules: tuple[Path, ...] = ()  # folders with modules that only tests load
    kunit: tuple[Suite, ...] = ()  # those to run, where the kunit suite was asked for
    meter: str = "insns"  # one of suites.METERS
    simple: Path | None = None  # the kernel's own benchmark module, where the bench suite was asked for

    @property
    def unchanging(self) -> tuple[Path, ...]:
        """Folders with programs that guests start by the hundred."""
        own = self.programs
        return (own.folder, own.tools) if own is not None else ()

    def test_environment(self) -> dict[str, str]:
        """What the tests find in their environment (docs/run.md)."""
        environment = {
            "PPIOV_MODULES": str(self.modules_dir),
            "PPIOV_KERNEL": self.tree.release,
            "PPIOV_BACKEND": self.backend,
            "PPIOV_PROVIDER": self.provider,
            "PPIOV_METER": self.meter,
        }
        if inside.how(self.tree) == "y":
            environment["PPIOV_BUILT_IN"] = "1"
        if self.userland_dir is not None:
            environment["PPIOV_PPCAT"] = str(self.userland_dir / "ppcat")
        if self.test_modules:
            environment["PPIOV_TEST_MODULES"] = os.pathsep.join(map(str, self.test_modules))
        if self.planted_dir is not None:
            environment["PPIOV_PLANTED"] = str(self.planted_dir)
        if self.simple is not None:
            environment["PPIOV_BENCH_SIMPLE"] = str(self.simple)
        if self.kunit:
            environment |= kunit.environment(self.kunit)
        return environment | program_environment(self.programs)


def programs(spec: KernelSpec, collections: Sequence[str]) -> Generator[Event, None, Programs]:
    """Build the kernel's own tests: which there are is known only then. Raises what :func:`ready` raises."""
    store = Store()
    tree = yield from kernels.get(spec, store=store)
    return (yield from upstream.build(tree, collections, store=store))


def kunit_suites(spec: KernelSpec, source: Path, pattern: str) -> Generator[Event, None, tuple[Suite, ...]]:
    """Build the modules: which KUnit suites there are is known only then. Raises what :func:`ready` raises."""
    store = Store()
    tree = yield from kernels.get(spec, store=store)
    kunit.check(tree)
    built = yield from _modules(tree, source, store)
    return tuple(kunit.find(tree, built.directory, pattern))


def ready(
    spec: KernelSpec,
    source: Path,
    asked_accel: str,
    suites: set[str],
    backend: str = "core",
    own: Programs | None = None,
    provider: str = DEFAULT_PROVIDER,
    units: tuple[Suite, ...] = (),
    meter: str = "insns",
) -> Generator[Event, None, Ready]:
    """Fetch the kernel, build for it, and find out how guests run here. Raises whatever of errors.py can go wrong.

    ``own`` are the kernel's own tests, if :func:`programs` was asked for them.
    """
    store = Store()
    tree = yield from kernels.get(spec, store=store)
    ktap = (yield from _ktap(tree, store)) if suites & HAND_OVER_KTAP else NO_KTAP
    built = yield from _modules(tree, source, store)
    userland = None
    if (source / "selftests" / "ppcat" / "Makefile").is_file():
        userland = yield from kbuild.build_userland(tree, source / "selftests" / "ppcat", store=store)
    test_modules = []
    if suites & USE_TEST_MODULES:
        against = kbuild.Ppiov(source / "kernel", built)
        for folder in TEST_MODULES:
            made = yield from kbuild.build_modules(tree, source / "selftests" / folder, store=store, against=against)
            test_modules.append(made.directory)
    planted = None
    if "planted" in suites:
        planted_source = source / "selftests" / SUITES["planted"] / "module"
        planted = (yield from kbuild.build_modules(tree, planted_source, store=store)).directory
    chosen = yield from accel.choose(asked_accel, tree)
    places = (own.folder, own.tools, own.ncdevmem) if own is not None else ()
    built_here = (built.directory, userland, planted, *test_modules)
    for path in (tree.root, *built_here, *places, source, guest_python(), python_zip()):
        if path is not None:
            _visible(path)
    return Ready(
        tree=tree,
        kernel=Kernel(tree.spec, tree.release, tree.version, tree.config_sha256, tree.image_sha256),
        modules=built.modules,
        modules_dir=built.directory,
        userland_dir=userland,
        planted_dir=planted,
        programs=own,
        accel=chosen,
        source=source,
        backend=backend,
        provider=provider,
        test_modules=tuple(test_modules),
        ktap=ktap,
        expected=expected.load(source / "selftests" / SUITES[UPSTREAM] / "expected.toml", tree.release)
        if own
        else None,
        kunit=units,
        meter=meter,
        simple=(yield from bench_simple.build(tree, store=store)) if BENCH in suites else None,
    )


def _modules(tree: KernelTree, source: Path, store: Store) -> Generator[Event, None, BuiltModules]:
    """The modules under test: built for the kernel, or those that it has itself."""
    if inside.how(tree):
        return (yield from inside.modules(tree, store=store))
    return (yield from kbuild.build_modules(tree, source / "kernel", store=store))


def _ktap(tree: KernelTree, store: Store) -> Generator[Event, None, Reader]:
    """The KTAP parser of that kernel's source, or the nearest there is."""
    found = yield from kernel_source.ktap_parser(tree, store=store)
    if isinstance(found, str):
        yield Note(f"no results in KTAP can be read: {found}", "warning")
        return Reader(None, found)
    return Reader(Parser(found))


def _visible(path: Path) -> None:
    for hidden in _HIDDEN:
        if path.resolve().is_relative_to(hidden):
            raise BadRequest(f"{path} cannot be seen in the guest, which has a {hidden} of its own: move it elsewhere")


def write_share(share: Path, tree: KernelTree, entry: str, unchanging: tuple[Path, ...] = ()) -> None:
    """Make the shared folder of one guest; ``entry`` is the shell command that boot.sh ends in.

    ``unchanging`` is that of the guest's configuration.
    """
    share.mkdir(parents=True, exist_ok=True)
    (share / "artifacts").mkdir(exist_ok=True)
    variables = {
        "RELEASE": tree.release,
        "MODULES_ROOT": str(tree.root),
        "PYTHON_ZIP": str(python_zip()),
        "ENTRY": entry,
    }
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in variables.items()]
    (share / "boot.env").write_text("".join(lines))
    (share / "mounts").write_text("".join(f"{tag} {folder}\n" for tag, folder in cached(unchanging)))


def write_job(
    share: Path, ready: Ready, tests: Sequence[PlannedTest], longer: float = 1.0, slower: float = 1.0
) -> None:
    """Make the shared folder of a guest that runs ``tests``, in this order.

    By its clock they may take ``longer``. What they wait for themselves is ``slower``, too; their own time is already.
    """
    if not tests:
        raise PpiovError("a guest was to be started with nothing to run")
    selftests = ready.source / "selftests"
    job = Path(__file__).parent / "guest" / "job.py"
    entry = shlex.join(["exec", str(guest_python()), "-S", str(job), SHARE])
    write_share(share, ready.tree, entry, ready.unchanging)
    (share / "tests.json").write_text(json.dumps([test.name for test in tests]))
    files = sorted({test.name.partition("::")[0] for test in tests})
    plan = {
        "tests": [{"name": test.name, "timeout_s": test.timeout_s * longer} for test in tests],
        "selftests": str(selftests),
        "pytest_arguments": [*pytest_arguments(selftests), "-v", *files],
        "environment": {
            **ready.test_environment(),
            "PPIOV_TESTS": f"{SHARE}/tests.json",
            "PPIOV_ARTIFACTS_ROOT": f"{SHARE}/artifacts",
            "PPIOV_SLOWER": f"{longer * slower:g}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            # The zip comes first; what it lacks (pyroute2, say) is read from the host's own packages.
            "PYTHONPATH": os.pathsep.join(["/dev/shm/python.zip", *python_path(selftests), *host_site_packages()]),
        },
    }
    (share / "job.json").write_text(json.dumps(plan, indent=1))
