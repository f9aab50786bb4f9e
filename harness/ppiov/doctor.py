# SPDX-License-Identifier: GPL-2.0-only
"""Can this machine do it? Every probe does the real thing, small; every failure names its cure.

A probe is a generator that may tell its progress, returns what it found in a few words, and raises what is wrong. What
is missing but not needed (KVM, the network while a kernel is there) is a skip with its reason, not a failure.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from ppiov import accel, archive, child, kbuild, kernels, prepare
from ppiov.errors import MissingTool, NetworkGone, PpiovError, Unwritable
from ppiov.events import Event, Probe, StageBegun, StageEnded
from ppiov.pyzip import guest_python
from ppiov.results import Outcome
from ppiov.spec import KernelSpec
from ppiov.store import Store, entry_lock, mb
from ppiov.tree import KernelTree
from ppiov.vm import SHARE, Deadlines, Guest, GuestConfig

_PYTHON = (3, 11)
_GUEST_MIB = 2048  # what a guest gets by default
_HOST_MIB = 512  # what QEMU, this program and the report want beside it
_FETCH_ROOM = 600_000_000  # bytes for a first kernel (lists 80 MB, packages 125 MB, unpacked 225 MB) and for builds
_WORK_ROOM = 100_000_000  # bytes for builds and a run folder

_TOY_MODULE = """\
// SPDX-License-Identifier: GPL-2.0-only
/* {nonce} */
#include <linux/module.h>
#include <linux/netdevice.h>

static int __init toy_init(void)
{{
	return dev_get_by_name(&init_net, "") ? -EEXIST : 0;
}}
module_init(toy_init);

MODULE_DESCRIPTION("probe");
MODULE_LICENSE("GPL");
"""
_JOB = f"open('{SHARE}/records.jsonl','a').write('alive\\n')"
# An address of one space used as one of another: sparse must see it.
_SPARSE_FAULT = (
    "extern int f(int *p);\nint f(int *p) { return *(int __attribute__((noderef, address_space(1))) *)p; }\n"
)


@dataclass(frozen=True, slots=True)
class _Machine:
    """What the probes look at."""

    spec: KernelSpec | None
    kernel: KernelTree | None  # None: not in the store
    store: Store
    results: Path


class _SkipError(PpiovError):
    """The probe found something lacking that nobody needs now, or could not be made: a skip."""


_Finding = Generator[Event, None, str]


def examine(spec: KernelSpec | None, *, store: Store, results: Path = Path("results")) -> Generator[Event, None, bool]:
    """Yield one Probe per question, in the order in which a run would meet them; True if none has failed.

    ``spec`` is the kernel to probe with (None: the newest package in the store, or else the newest build). Nothing is
    fetched but package lists; nothing stays behind.
    """
    if spec is None and (stored := kernels.available(store)):
        packaged = [kernel for kernel in stored if kernel.cpu_s is None]
        spec = KernelSpec.parse((packaged or stored)[-1].spec)
    kernel: KernelTree | None = None
    trouble = ""
    if spec is not None:
        try:
            kernel = kernels.already_there(spec, store=store)
        except PpiovError as error:
            trouble = str(error)
    machine = _Machine(spec, kernel, store, results)
    well = True
    for name, probe in _PROBES:
        try:
            if trouble and probe is _kernel:
                raise PpiovError(trouble)
            found = Probe(name, Outcome.PASS, (yield from probe(machine)))
        except _SkipError as reason:
            found = Probe(name, Outcome.SKIP, str(reason))
        except MissingTool as error:  # "sparse is missing: apt install sparse"
            what, _, cure = str(error).partition(": ")
            found = Probe(name, Outcome.FAIL, what, cure)
        except (PpiovError, OSError) as error:
            found = Probe(name, Outcome.FAIL, str(error), _CURES.get(name, ""))
        well = well and found.outcome is not Outcome.FAIL
        yield found
    return well


# Each probe below is one question.


def _python(_machine: _Machine) -> _Finding:
    """Python is new enough, and every library that the package asks for is there, new enough, and loads."""
    yield from ()
    if sys.version_info < _PYTHON:
        raise PpiovError(f"Python {sys.version.split()[0]} is too old, 3.11 is needed")
    try:
        wanted = [Requirement(text) for text in importlib.metadata.requires("ppiov") or []]
    except importlib.metadata.PackageNotFoundError:
        raise PpiovError("ppiov is not installed in this Python, so its libraries are not known") from None
    modules = importlib.metadata.packages_distributions()
    lacking = []
    needed = [requirement for requirement in wanted if not requirement.marker or requirement.marker.evaluate()]
    for requirement in needed:
        try:
            version = importlib.metadata.version(requirement.name)
            if not requirement.specifier.contains(version, prereleases=True):
                lacking.append(f"{requirement} ({version} is here)")
            names = [m for m, owners in modules.items() if requirement.name in owners and not m.startswith("_")]
            importlib.import_module(sorted(names, key=len)[0] if names else requirement.name)
        except (importlib.metadata.PackageNotFoundError, ImportError):
            lacking.append(str(requirement))
    if lacking:
        raise PpiovError(f"missing: {', '.join(lacking)}")
    return f"Python {sys.version.split()[0]}, {len(needed)} libraries"


def _memory(_machine: _Machine) -> _Finding:
    """The memory that a guest and this program need is available now."""
    yield from ()
    info = dict(re.findall(r"^(\w+):\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE))
    free = int(info["MemAvailable"]) // 1024
    if free < _GUEST_MIB + _HOST_MIB:
        raise PpiovError(f"{free} MiB are available, a guest of {_GUEST_MIB} MiB needs {_GUEST_MIB + _HOST_MIB}")
    return f"{free} MiB available"


def _disk(machine: _Machine) -> _Finding:
    """There is room for what is still to be fetched and built."""
    yield from ()
    machine.store.need(_WORK_ROOM if machine.kernel else _FETCH_ROOM, "the store")
    return f"{mb(shutil.disk_usage(machine.store.root).free)} free in {machine.store.root}"


def _results(machine: _Machine) -> _Finding:
    """A run folder can be written."""
    yield from ()
    folder = machine.results.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=existing) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        raise Unwritable(f"{existing} cannot be written: {error.strerror}") from error
    return f"{folder} can be written"


def _qemu(_machine: _Machine) -> _Finding:
    """QEMU starts a machine (stopped before its first instruction) and ends when it is told to."""
    yield from ()
    command = ["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-m", "64", "-nodefaults", "-display", "none", "-S"]
    with child.child(
        [*command, "-qmp", "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as qemu:
        try:
            said, errors = qemu.communicate(b'{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n', timeout=30)
        except subprocess.TimeoutExpired:
            raise PpiovError("QEMU starts, but does not answer within 30 s") from None
    try:
        version = json.loads(said.splitlines()[0])["QMP"]["version"]["qemu"]
    except (ValueError, LookupError, TypeError):
        version = None
    if qemu.returncode or not version:
        raise PpiovError(f"QEMU cannot start a machine: {errors.decode(errors='replace').strip() or said!r}")
    return f"QEMU {version['major']}.{version['minor']}.{version['micro']} starts a machine"


def _virtme(_machine: _Machine) -> _Finding:
    """virtme-run, which boots the guests, runs."""
    yield from ()
    beside = Path(sys.executable).with_name("virtme-run")
    program = str(beside) if beside.is_file() else child.find_tool("virtme-run", "virtme-ng")
    code, _, errors = child.output([program, "--help"])
    if code:
        raise PpiovError(f"virtme-run does not run: {errors.strip().splitlines()[-1:]}")
    return f"virtme-ng {importlib.metadata.version('virtme-ng')}"


def _signatures(machine: _Machine) -> _Finding:
    """The package archive answers, and its signatures are good."""
    try:
        with (yield from machine.store.lock("archive", "the package archive")):
            source = archive.Archive(machine.store)
            yield from source.refresh()
            count = len(source.packages("linux-image-", re.compile(r"linux-image-\d+\.\d+\.\d.*")))
    except NetworkGone as gone:
        if machine.kernel is None:
            raise
        raise _SkipError(f"{gone}; not needed while {machine.kernel.release} is there") from gone
    return f"signatures are good; {count} kernel packages"


def _kernel(machine: _Machine) -> _Finding:
    """The kernel is there."""
    yield from ()
    kernel = _need_kernel(machine)
    return f"{kernel.release} in {kernel.root}"


def _modules(machine: _Machine) -> _Finding:
    """A module builds against the kernel, warnings and all."""
    kernel = _need_kernel(machine)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        (source / "Kbuild").write_text("obj-m := ppiov_probe.o\n")
        # the nonce makes it a build of now, not one of last week out of the store
        (source / "ppiov_probe.c").write_text(_TOY_MODULE.format(nonce=secrets.token_hex(8)))
        built = yield from kbuild.build_modules(kernel, source, store=machine.store)
    yield from _drop(machine.store, "modules", built.directory)
    return f"a module builds with {built.modules[0].compiler}"


def _programs(machine: _Machine) -> _Finding:
    """A program for the guest builds and runs."""
    kernel = _need_kernel(machine)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "probe"
        source.mkdir()
        (source / "Makefile").write_text("$(O)/probe: probe.c\n\t$(CC) -Wall -Werror -o $@ $<\n")
        (source / "probe.c").write_text(
            f"/* {secrets.token_hex(8)} */\n#include <linux/netlink.h>\nint main(void) {{ return !NETLINK_GENERIC; }}\n"
        )
        built = yield from kbuild.build_userland(kernel, source, store=machine.store)
    code, _, _ = child.output([built / "probe"])
    yield from _drop(machine.store, "userland", built)
    if code:
        raise PpiovError(f"a program that was just built ends with {code}")
    return "a program builds and runs"


def _sparse(_machine: _Machine) -> _Finding:
    """sparse sees a fault that is planted for it."""
    yield from ()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "fault.c"
        source.write_text(_SPARSE_FAULT)
        _, out, errors = child.output(["sparse", "-Waddress-space", source])
    if "warning" not in out + errors:
        raise PpiovError(f"sparse does not see a planted fault: {(out + errors).strip() or 'it says nothing'}")
    return "sparse sees a planted fault"


def _kvm(machine: _Machine) -> _Finding:
    """A guest boots with KVM; where it does not, guests are emulated."""
    kernel = _need_kernel(machine)
    found = yield from accel.probe_kvm(kernel)
    if not found.works:
        raise _SkipError(f"{found.reason}; guests are emulated (TCG), which is slower")
    return found.reason or "a guest boots with KVM"


def _guest(machine: _Machine) -> _Finding:
    """A guest boots without KVM, up to the first line of a job in Python."""
    kernel = _need_kernel(machine)
    deadline = Deadlines.for_accel("tcg").boot
    console = b""
    yield StageBegun("guest", "boot a guest without KVM")
    with tempfile.TemporaryDirectory(prefix="ppiov-doctor-") as folder:
        share = Path(folder)
        prepare.write_share(share, kernel, f"exec {guest_python()} -S -c {_JOB!r}")
        with Guest(GuestConfig(kernel, "tcg", share, cpus=1, memory_mib=1024)) as guest:
            alive = False
            data: bytes | None = b""
            while not alive:
                if data is None or guest.age > deadline:
                    yield StageEnded("guest", ok=False)
                    last = console.decode(errors="replace").rstrip().rpartition("\n")[2]
                    why = "ended early" if data is None else f"said nothing of its job within {deadline:.0f} s"
                    raise PpiovError(f"the guest {why}; its last line: {last!r}")
                time.sleep(0.1)
                data = guest.read_console()
                console = (console + (data or b""))[-4096:]
                alive = bool(guest.read_records())  # after the console, whose end comes later than the last record
            seconds = guest.age
    yield StageEnded("guest", note=f"{seconds:.1f} s")
    return f"a guest boots to its job in {seconds:.1f} s under TCG"


def _need_kernel(machine: _Machine) -> KernelTree:
    if machine.kernel is None:
        raise _SkipError(f"no kernel yet: `ppiov kernel get {machine.spec or 'deb:6.12'}`")
    return machine.kernel


def _drop(store: Store, kind: str, folder: Path) -> Generator[Event, None, None]:
    """Take back what a probe has put into the store."""
    entry = store.entry(kind, folder.name)
    if entry is not None:
        with (yield from store.lock(entry_lock(kind, entry.key), folder.name)):
            store.remove(entry)


_PROBES: tuple[tuple[str, Callable[[_Machine], _Finding]], ...] = (
    ("python", _python),
    ("memory", _memory),
    ("disk space", _disk),
    ("results folder", _results),
    ("qemu", _qemu),
    ("virtme-ng", _virtme),
    ("package archive", _signatures),
    ("kernel", _kernel),
    ("modules", _modules),
    ("programs", _programs),
    ("sparse", _sparse),
    ("kvm", _kvm),
    ("guest", _guest),
)
_CURES = {
    "python": f"{Path(sys.executable).name} -m pip install -e .",
    "memory": "end other programs, or give the guest less with --memory",
    "disk space": "free some space, or set XDG_CACHE_HOME to a folder on another disk",
    "results folder": "choose another one with --results",
    "qemu": "apt install qemu-system-x86",
    "virtme-ng": "pip install 'virtme-ng>=1.33'",
    "package archive": "look at `apt-get update`: this program uses the host's own mirror, proxy and keys",
    "kernel": "ppiov kernel get deb:6.12",
    "modules": "apt install build-essential",
    "programs": "apt install build-essential",
    "sparse": "apt install sparse",
    "guest": "read the reason; `ppiov shell` boots the same guest with its console here",
}
