# SPDX-License-Identifier: GPL-2.0-only
"""Interrupts of a port: what /proc/interrupts counts, and where they may go."""

from __future__ import annotations

from pathlib import Path

from lib.link import Port


def name(port: Port, channel: int) -> str:
    """What the driver calls the interrupt of a queue pair."""
    return f"{port.name}-TxRx-{channel}"


def number(port: Port, channel: int) -> int:
    """The Linux interrupt number.

    :raises AssertionError: if there is no such interrupt
    """
    return _row(name(port, channel))[0]


def per_cpu(port: Port, channel: int) -> list[int]:
    """How often it came, per CPU that is online."""
    return _row(name(port, channel))[1]


def count(port: Port, channel: int) -> int:
    """How often it came."""
    return sum(per_cpu(port, channel))


def exists(port: Port, channel: int) -> bool:
    """False while the port is down."""
    return name(port, channel) in _text().split()


def affinity(port: Port, channel: int) -> Path:
    """The file with the CPUs that it may go to, as a list."""
    return Path("/proc/irq", str(number(port, channel)), "smp_affinity_list")


def _text() -> str:
    return Path("/proc/interrupts").read_text()


def _row(wanted: str) -> tuple[int, list[int]]:
    header, *rows = _text().splitlines()
    cpus = len(header.split())
    for row in rows:
        words = row.split()
        if words[-1] == wanted:
            return int(words[0].rstrip(":")), [int(word) for word in words[1 : cpus + 1]]
    raise AssertionError(f"/proc/interrupts has no {wanted}")
