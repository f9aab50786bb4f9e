# SPDX-License-Identifier: GPL-2.0-only
"""A network namespace, and what can be run and opened in it.

Namespaces are slow to make and to remove on an emulated machine, so the session keeps its two and each test gets a
link of its own between them. That also keeps their page_pools in sight: those of a device that is gone are listed with
the loopback device of its namespace, and vanish from every list together with that.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyroute2.netns
from pyroute2 import IPRoute, config

from lib import processes
from lib.poll import PATIENCE

# It makes namespaces and sockets in a process of its own, and gives that 2 and 10 s: too little for an emulated guest
config.default_communicate_timeout = config.default_create_socket_timeout = int(PATIENCE)

_FALLBACK_TUNNELS = Path("/proc/sys/net/core/fb_tunnels_only_for_init_net")

# As include/net/tcp_states.h numbers them; listeners and TIME_WAIT hold nothing
_OPEN_STATES = {1: "ESTABLISHED", 4: "FIN_WAIT1", 7: "CLOSE", 8: "CLOSE_WAIT", 9: "LAST_ACK", 11: "CLOSING"}


class Namespace:
    """A named network namespace, or with name None the one that the test process lives in.

    Netlink requests go through :attr:`ip`, which stays open; create() and remove() make and end the namespace itself.
    """

    def __init__(self, name: str | None) -> None:
        self.name = name
        self._ip: IPRoute | None = None

    def __repr__(self) -> str:
        return f"netns «{self.name or 'init'}»"

    @property
    def path(self) -> Path:
        """The file that stands for it."""
        return Path(pyroute2.netns.NETNS_RUN_DIR, self.name) if self.name else Path("/proc/self/ns/net")

    def create(self) -> None:
        """Make it, loopback up; IPv6 addresses are usable at once and survive a link that goes down."""
        # Else each gets sit0, gre0 and so on where these tunnels are built in: more to make, to remove and to see
        _FALLBACK_TUNNELS.write_text("1")
        pyroute2.netns.create(self.name)
        self.ip.link("set", index=1, state="up")
        for scope in ("all", "default"):
            self.sysctl(f"net.ipv6.conf.{scope}.accept_dad", "0")
            self.sysctl(f"net.ipv6.conf.{scope}.keep_addr_on_down", "1")
        # A closed socket whose FIN nobody answers holds its tokens until it has given up, by default for a minute
        self.sysctl("net.ipv4.tcp_orphan_retries", "1")

    def remove(self) -> None:
        """Remove it, and with it every device that is still in it."""
        self.close()
        pyroute2.netns.remove(self.name)

    def close(self) -> None:
        """Close what was opened on behalf of this object."""
        if self._ip is not None:
            self._ip.close()
            self._ip = None

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread, and what it opens or starts, is in this namespace until the block ends."""
        if self.name is None:
            yield
            return
        pyroute2.netns.pushns(self.name)
        try:
            yield
        finally:
            pyroute2.netns.popns()

    @property
    def ip(self) -> Any:
        """An rtnetlink socket in this namespace."""
        if self._ip is None:
            with self.inside():
                self._ip = IPRoute()
        return self._ip

    def sysctl(self, name: str, value: str) -> None:
        """Set a sysctl of this namespace."""
        with self.inside():
            Path("/proc/sys", name.replace(".", "/")).write_text(value)

    def open_connections(self) -> list[str]:
        """TCP connections of this namespace that can still send or hold something, those without a process too."""
        found = []
        for version in ("tcp", "tcp6"):
            with self.inside():
                rows = Path("/proc/thread-self/net", version).read_text().splitlines()[1:]
            for row in rows:
                _, local, remote, state = row.split()[:4]
                if int(state, 16) in _OPEN_STATES:
                    found.append(f"{version} {local} {remote} {_OPEN_STATES[int(state, 16)]}")
        return found

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket that belongs to this namespace for ever, wherever it is used."""
        with self.inside():
            return socket.socket(family, kind, protocol)

    def run(self, args: Sequence[str | Path], timeout: float = 60.0) -> str:
        """processes.run() in this namespace."""
        with self.inside():
            return processes.run(args, timeout)

    def batch(self, lines: Iterable[str]) -> None:
        """Commands of ip's, in one process: one that fails ends it."""
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            self.run(["ip", "-batch", file.name])

    def start(
        self, args: Sequence[str | Path], stdout: int | None = None, stderr: int | None = None
    ) -> subprocess.Popen[str]:
        """processes.start() in this namespace."""
        with self.inside():
            return processes.start(args, stdout, stderr)


INIT = Namespace(None)
