# SPDX-License-Identifier: GPL-2.0-only
"""Kernel messages over the network: netconsole, which sends by netpoll, with interrupts off."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from lib import processes
from lib.configfs import CONFIGFS, mount_configfs
from lib.link import Link
from lib.poll import PATIENCE
from lib.wire import SO_RCVBUFFORCE

PORT = 6666
MARK = "ppiov netconsole: "
_SETTINGS = Path("/proc/sys/kernel")
_NOTICE = 5


class Netconsole:
    """A target that sends the kernel's messages from tx0, and the socket at rx0 that hears them."""

    def __init__(self, link: Link, defer: Callable[..., None]) -> None:
        self._said = 0
        # All of what a process writes, not ten lines in 5 s; and to consoles all that is no debug message
        for name, value in (("printk_devkmsg", "on"), ("printk", str(_NOTICE + 2))):
            setting = _SETTINGS / name
            before = setting.read_text()
            if before.split()[0] != value:  # what the command line says can't be written, not even the same
                setting.write_text(value)
                defer(setting.write_text, before)
        mount_configfs()
        processes.run(["modprobe", "netconsole"])
        defer(processes.run, ["rmmod", "netconsole"])
        self._target = CONFIGFS / "netconsole" / "ppiov"
        self._target.mkdir()
        defer(self._target.rmdir)
        self.heard = link.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        defer(self.heard.close)
        # A message is a page of the NIC's to the socket's accounts, and 100 are more than net.core.rmem_max
        self.heard.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        self.heard.bind((link.rx.v4, PORT))
        self._kmsg = os.open("/dev/kmsg", os.O_WRONLY | os.O_CLOEXEC)
        defer(os.close, self._kmsg)
        for name, value in (
            ("dev_name", link.tx.name),
            ("local_ip", link.tx.v4),
            ("remote_ip", link.rx.v4),
            ("remote_port", str(PORT)),
            ("remote_mac", link.rx.attribute("IFLA_ADDRESS")),
        ):
            (self._target / name).write_text(value)
        with link.tx.ns.inside():
            (self._target / "enabled").write_text("1")
        defer(self.end)

    @property
    def enabled(self) -> bool:
        """Does it send? Not when its device has gone."""
        return (self._target / "enabled").read_text().strip() == "1"

    def end(self) -> None:
        """Let go of the device."""
        if self.enabled:
            (self._target / "enabled").write_text("0")

    def say(self, lines: int) -> list[str]:
        """Have the kernel say so many lines, each another one; returns them."""
        said = [f"{MARK}{self._said + i}" for i in range(lines)]
        self._said += lines
        for line in said:
            os.write(self._kmsg, f"<{_NOTICE}>{line}\n".encode())  # without the end, a line waits for the next one
        return said

    def hear(self, lines: int) -> list[str]:
        """The next so many lines that came of those that were said.

        :raises TimeoutError: if they do not come
        """
        self.heard.settimeout(PATIENCE)
        found: list[str] = []
        while len(found) < lines:
            found += list(_ours(self.heard.recv(2048)))
        return found

    def pending(self) -> list[str]:
        """What of them has come by now."""
        self.heard.settimeout(0)
        found: list[str] = []
        while True:
            try:
                found += list(_ours(self.heard.recv(2048)))
            except BlockingIOError:
                return found


def _ours(message: bytes) -> Iterable[str]:
    """The lines of a datagram that say() said; the kernel says others."""
    for line in message.decode(errors="replace").splitlines():
        _, mark, rest = line.partition(MARK)
        if mark:
            yield mark + rest
