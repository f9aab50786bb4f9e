# SPDX-License-Identifier: GPL-2.0-only
"""Who executed how much of a transfer: the kernel's own account of its tasks, where its clock counts instructions.

/proc/PID/schedstat has the time that a task has run, by the scheduler's clock. In a guest whose clock counts
instructions (-icount shift=0) that is the number of instructions. NAPIs run in threads of their own here, so what is
done for one port is on the account of that port's threads and of the program that uses it, and idling is on nobody's.
The device half of ppnic works for whoever rings a doorbell or makes room, and has no CPU in a real NIC: what it took of
each port's account is counted by ppnic itself (engine_cycles), and subtracted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib import ethstats, sysfs
from lib.link import Port
from lib.poll import until
from lib.ppcat import Event, Ppcat


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one transfer."""

    receiver: int  # instructions, without the device's
    sender: int
    device: int  # instructions of the device half, on whoever's account
    frames: int  # that the receiving port has received
    received: int  # bytes of payload


def executed(pid: int) -> int:
    """Nanoseconds that a task has run, also of one that has ended and not been waited for."""
    return int(Path("/proc", str(pid), "schedstat").read_text().split()[0])


def in_threads(port: Port, defer: Callable[..., None]) -> list[int]:
    """Let the port's NAPIs run in threads; returns their ids."""
    (sysfs.folder(port, defer) / "threaded").write_text("1")
    return until(f"NAPI threads of {port.name}", lambda: _threads(f"napi/{port.name}-"))


def _threads(prefix: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = path.read_text()
        except OSError:  # it has ended meanwhile
            continue
        if name.startswith(prefix):
            found.append(int(path.parent.name))
    return found


def transfer(
    start: Callable[..., Ppcat],
    rx: tuple[Port, list[int], list[str | int]],
    tx: tuple[Port, list[int], list[str | int]],
    frames: Callable[[], int],
    watch: Callable[[list[int]], None] = lambda tasks: None,
) -> tuple[Cost, Event]:
    """One transfer, by ppcat: each end's port, threads and arguments. Returns its cost and the receiver's summary.

    ``watch`` is told the receiver's tasks when it is ready.
    """
    before = [sum(map(executed, threads)) for _, threads, _ in (rx, tx)]
    device_before = [_device(port) for port, _, _ in (rx, tx)]
    frames_before = frames()
    programs = []
    for port, _, args in (rx, tx):
        programs.append(start(port.ns, *args, timeout=_PATIENCE))
        if len(programs) == 1:
            programs[0].event("ready")
            watch([*rx[1], programs[0].pid])
    until("the end of both ppcats", lambda: all(_state(program.pid) == "Z" for program in programs))
    own = [executed(program.pid) for program in programs]
    after = [sum(map(executed, threads)) for _, threads, _ in (rx, tx)]
    received, _ = (program.success() for program in programs)
    device = [_device(port) - early for (port, _, _), early in zip((rx, tx), device_before, strict=True)]
    receiver, sender = (
        mine + late - early - devices for mine, late, early, devices in zip(own, after, before, device, strict=True)
    )
    return Cost(receiver, sender, sum(device), frames() - frames_before, int(received["bytes"])), received


def _device(port: Port) -> int:
    """What ppnic's device half took on the port's account; nothing for a device that has none."""
    return ethstats.read(port.ns, port.name).get("engine_cycles", 0)


_PATIENCE = 36_000  # seconds of a guest whose clock runs ahead while it waits for the host


def _state(pid: int) -> str:
    return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
