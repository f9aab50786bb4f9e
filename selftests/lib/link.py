# SPDX-License-Identifier: GPL-2.0-only
"""The topology of every test: a ppnic link between two network namespaces.

         netns «ppiov-tx»                    netns «ppiov-rx»
     .--------------------.              .--------------------.
     | tx0                |              | rx0                |
     | 192.0.2.1/24       |  ppnic pair  | 192.0.2.2/24       |
     | 2001:db8::1/64     |==============| 2001:db8::2/64     |
     '--------------------'              |  queue 0, 1: RSS   |
                                         |  queue 2, 3: bound |
                                         '--------------------'

Neighbours are fixed, so that no fault hits ARP. Header split is on at rx0. RSS reaches the lower queues only: what a
test binds gets nothing but what it steers there.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pyroute2.netlink import NETLINK_ROUTE, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL
from pyroute2.netlink.rtnl import RTM_NEWLINK
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from lib import backend, module
from lib.ethtool import Ethtool
from lib.netdev import Netdev
from lib.netlink import Netlink
from lib.netns import Namespace
from lib.poll import ticks, until

KIND = "ppnic"
RSS_QUEUES = 2  # the first ones; the others are for binding
DEFAULT_QDISC = Path("/proc/sys/net/core/default_qdisc")
IFA_F_NODAD = 2

# PPNIC_INFO_PEER is laid out as VETH_INFO_PEER: a struct ifinfomsg and the peer's own attributes
ifinfmsg.ifinfo.register_link_kind(module={KIND: ifinfmsg.ifinfo.veth_data})


@dataclass(slots=True)
class Port:
    """One end of a link."""

    ns: Namespace
    name: str
    v4: str
    v6: str
    lladdr: str = ""  # which it is given where udev would choose another one, and the neighbours be forgotten
    ifindex: int = 0
    parent: str = ""  # name of the parent device, which does the DMA
    ethtool: Ethtool = field(init=False)

    def __post_init__(self) -> None:
        self.ethtool = Ethtool(self.ns, self.name)

    def address(self, family: int) -> str:
        return self.v4 if family == socket.AF_INET else self.v6

    def own_address(self) -> list[tuple[str, str]]:
        """The attribute with its link layer address, if it has to have a certain one."""
        return [] if self.ns.name or not self.lladdr else [("IFLA_ADDRESS", self.lladdr)]

    def set(self, **attributes: Any) -> None:
        """Change link attributes: state="down", mtu=9000, ..."""
        self.ns.ip.link("set", index=self.ifindex, **attributes)

    def find(self) -> None:
        """Fill in, by its name, what the kernel has chosen."""
        (link,) = self.ns.ip.link("get", ifname=self.name)
        self.ifindex = link["index"]
        self.parent = link.get_attr("IFLA_PARENT_DEV_NAME") or ""

    def message(self) -> Any:
        """The link as the kernel tells of it now."""
        (link,) = self.ns.ip.get_links(self.ifindex)
        return link

    def attribute(self, name: str) -> Any:
        """A link attribute, as pyroute2 decodes it: IFLA_MTU, IFLA_CARRIER, IFLA_ADDRESS, ..."""
        return self.message().get_attr(name)

    def running(self) -> Any:
        """As :meth:`message`, if the link has a carrier, else None."""
        link = self.message()
        return link if link.get_attr("IFLA_CARRIER") else None


class Ends(Protocol):
    """Two ports that talk to each other: those of a link, or devices over them."""

    tx: Port
    rx: Port


class Link:
    """A ppnic pair between two namespaces, made by create() and gone after delete().

    `rx` and `tx` are its ports; the names say which side tests bind, the link itself is symmetric.

    :param bare: leave the device's own defaults alone: no header split, RSS to all queues
    :param number: in the ports' names, where there are several links; all have the same addresses
    """

    def __init__(
        self, tx: Namespace, rx: Namespace, queues: int = 4, mtu: int = 1500, bare: bool = False, number: int = 0
    ) -> None:
        self.tx = Port(tx, f"tx{number}", "192.0.2.1", "2001:db8::1", f"02:00:00:00:{number:02x}:01")
        self.rx = Port(rx, f"rx{number}", "192.0.2.2", "2001:db8::2", f"02:00:00:00:{number:02x}:02")
        self.queues = queues
        self.mtu = mtu
        self.bare = bare
        self.netdev = Netdev(rx)
        self.dma_faults_wanted = 0  # for tests that inject such

    @property
    def bindable(self) -> list[int]:
        """The RX queues of rx0 that RSS does not reach."""
        return list(range(RSS_QUEUES, self.queues))

    def create(self, up: bool = True) -> None:
        """Make the link; with `up`, also wait for its carrier."""
        module.load()
        self._add()
        ALIVE.add(self)
        for port in (self.rx, self.tx):
            port.ns.ip.addr("add", index=port.ifindex, address=port.v4, prefixlen=24)
            port.ns.ip.addr("add", index=port.ifindex, address=port.v6, prefixlen=64, flags=IFA_F_NODAD)
        if not self.bare:
            self.rx.ethtool.set_split("on")
            self.rx.ethtool.spread(RSS_QUEUES)
        if up:
            self.set_up()

    def _add(self) -> None:
        """`ip link add rx0 numrxqueues N type ppnic peer name tx0 netns ...`, for which ip needs a plugin."""
        # fq_codel, the kernel's own default, drops what has waited for a queue that a test has stopped
        DEFAULT_QDISC.write_text("pfifo")
        queues = [
            ("IFLA_NUM_RX_QUEUES", self.queues),
            ("IFLA_NUM_TX_QUEUES", self.queues),
            ("IFLA_MTU", self.mtu),
            ("IFLA_TXQLEN", 10_000),
        ]
        with self.tx.ns.path.open() as tx_ns:
            peer = [("IFLA_IFNAME", self.tx.name), ("IFLA_NET_NS_FD", tx_ns.fileno()), *queues, *self.tx.own_address()]
            info = [
                ("IFLA_INFO_KIND", KIND),
                ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", {"attrs": peer})]}),
            ]
            msg = ifinfmsg()
            own = [("IFLA_IFNAME", self.rx.name), *queues, *self.rx.own_address()]
            msg["attrs"] = [*own, ("IFLA_LINKINFO", {"attrs": info})]
            with Netlink(self.rx.ns, NETLINK_ROUTE) as route:
                route.talk(msg, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
        for port in (self.rx, self.tx):
            port.find()

    def _fix_neighbours(self, lladdrs: dict[str, str]) -> None:
        """After each up: the kernel forgets neighbours with the link. ``lladdrs`` are by the ports' names."""
        for port, other in ((self.rx, self.tx), (self.tx, self.rx)):
            lladdr = lladdrs[other.name]
            for dst in (other.v4, other.v6):
                port.ns.ip.neigh("replace", dst=dst, lladdr=lladdr, ifindex=port.ifindex, state="permanent")

    def hush(self) -> Link:
        """No more IPv6 on the ports: router and listener discovery would talk unasked, which tests that count see."""
        for port in (self.tx, self.rx):
            port.ns.sysctl(f"net.ipv6.conf.{port.name}.disable_ipv6", "1")
        return self

    def set_up(self) -> None:
        """Both ends up, and carrier there."""
        for port in (self.rx, self.tx):
            port.set(state="up")
        lladdrs = {}
        for port in (self.rx, self.tx):
            lladdrs[port.name] = until(f"carrier of {port.name}", port.running).get_attr("IFLA_ADDRESS")
        self._fix_neighbours(lladdrs)

    @property
    def exists(self) -> bool:
        """False before create() and when it was removed, by whomever."""
        return bool(self.rx.ns.ip.link_lookup(ifname=self.rx.name))

    def remove(self) -> None:
        """`ip link del rx0`: both ends go."""
        self.rx.ns.ip.link("del", index=self.rx.ifindex)

    def delete(self) -> None:
        """End of the object: remove the link if it is still there. Nothing of it may be left then: lib.leaks asks."""
        ALIVE.discard(self)
        self.netdev.close()
        if self.exists:
            self._let_connections_end()
            self.remove()

    def _let_connections_end(self) -> None:
        """Closed sockets say goodbye in the background, and hold their tokens until that is answered."""
        for _ in ticks(5.0):
            if not self.rx.ns.open_connections() + self.tx.ns.open_connections():
                return

    # What tests ask most

    def bound_to(self, queue: int) -> int | None:
        """The id of the binding on an RX queue of rx0, or None."""
        return backend.current().bound_to(self.rx.ns, self.rx.ifindex, queue)

    def rx_stats(self, queue: int) -> dict[str, int]:
        """Counters of one RX queue of rx0."""
        return self.netdev.rx_stats(self.rx.ifindex, queue)


# What exists on purpose: the leak questions must not report it
ALIVE: set[Link] = set()
