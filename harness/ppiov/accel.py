# SPDX-License-Identifier: GPL-2.0-only
"""KVM or TCG: decided by a guest that booted, not by a device file.

/dev/kvm may open, and create a VM and a VCPU, where a guest still dies with "KVM internal error" and QEMU then pauses
for ever. So KVM counts only if this very kernel has booted with it, under a deadline. The answer is kept until the host
reboots or QEMU or the kernel image changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from ppiov.console import Detector
from ppiov.errors import NoGuest
from ppiov.events import Event, Note, StageBegun, StageEnded
from ppiov.folder import write_atomically
from ppiov.paths import cache_dir
from ppiov.tree import KernelTree
from ppiov.vm import Guest, GuestConfig, qemu_version

PROBE_SECONDS = 45.0  # a KVM guest needs two or three
_ALIVE = "ppiov: the probe guest lives"


@dataclass(frozen=True, slots=True)
class KvmProbe:
    works: bool
    reason: str  # one clause: "a probe guest booted in 2.1 s", "..., so it cannot be used"


@dataclass(frozen=True, slots=True)
class Accel:
    name: str  # "kvm" or "tcg"
    reason: str


def choose(asked: str, kernel: KernelTree) -> Generator[Event, None, Accel]:
    """What ``asked`` ("auto", "kvm" or "tcg") comes to on this machine.

    Raises NoGuest if KVM was asked for and does not work, MissingTool.
    """
    if asked == "tcg":
        return Accel("tcg", "asked for")
    probe = yield from probe_kvm(kernel)
    if probe.works:
        return Accel("kvm", probe.reason)
    if asked == "kvm":
        raise NoGuest(f"KVM was asked for and does not work here: {probe.reason} (try --accel auto)")
    yield Note(f"TCG emulation, since KVM does not work here: {probe.reason}", "warning")
    return Accel("tcg", probe.reason)


def probe_kvm(kernel: KernelTree) -> Generator[Event, None, KvmProbe]:
    """Boot ``kernel`` under KVM to a line of user space. Raises MissingTool, DiskFull."""
    if refused := _device_refuses(Path("/dev/kvm")):
        return KvmProbe(False, refused)
    kept = _kept_answer(kernel)
    if kept.is_file():
        try:
            return KvmProbe(**json.loads(kept.read_text()))
        except (OSError, ValueError, TypeError):
            kept.unlink(missing_ok=True)
    yield StageBegun("kvm", "probe KVM with a guest")
    probe = _boot_one(kernel)
    write_atomically(kept, json.dumps({"works": probe.works, "reason": probe.reason}).encode())
    yield StageEnded("kvm", ok=probe.works, note=probe.reason)
    return probe


def _device_refuses(device: Path) -> str:
    """Why KVM need not be tried; "" if it must be."""
    if not device.exists():
        return f"there is no {device}"
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"{device} cannot be opened ({error.strerror}; members of the group kvm can)"
    return ""


def _kept_answer(kernel: KernelTree) -> Path:
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = hashlib.sha256(f"{boot_id} {qemu_version()} {kernel.image_sha256}".encode()).hexdigest()[:24]
    folder = cache_dir() / "kvm"
    folder.mkdir(exist_ok=True)
    return folder / f"{key}.json"


def _boot_one(kernel: KernelTree) -> KvmProbe:
    detector = Detector()
    with tempfile.TemporaryDirectory(prefix="ppiov-kvm-") as share:
        config = GuestConfig(kernel, "kvm", Path(share), cpus=1, memory_mib=512, script=f"echo '{_ALIVE}' >/dev/kmsg")
        with Guest(config) as guest, selectors.DefaultSelector() as selector:
            selector.register(guest, selectors.EVENT_READ)
            seen = ""
            while guest.age < PROBE_SECONDS:
                selector.select(0.2)
                data = guest.read_console()
                if data is None:
                    last = next((line for line in reversed(detector.last_lines) if line), "it said nothing")
                    return KvmProbe(False, f"the probe guest ended early: {last}")
                detector.feed(data)
                if detector.fatal:
                    return KvmProbe(False, f"the probe guest died: {detector.fatal}")
                seen = (seen + data.decode(errors="replace"))[-4096:]
                if _ALIVE in seen:
                    return KvmProbe(True, f"a probe guest booted in {guest.age:.1f} s")
    return KvmProbe(False, f"the probe guest did not boot within {PROBE_SECONDS:.0f} s")
