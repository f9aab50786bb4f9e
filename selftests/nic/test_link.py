# SPDX-License-Identifier: GPL-2.0-only
"""Are links made and unmade as asked, in one namespace or two, whole or not at all?

netns «ppiov-tx»                 netns «ppiov-rx»
 p1 ============================ p0     made in one request, either end may live anywhere
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lib import module, processes
from lib.debugfs import DEBUGFS
from lib.fixtures import Defer
from lib.link import KIND, Link
from lib.netlink import Netlink, refusal
from lib.netns import Namespace
from lib.poll import until
from pyroute2.netlink import NETLINK_ROUTE, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL
from pyroute2.netlink.rtnl import RTM_NEWLINK
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

Pair = tuple[Namespace, Namespace]
MAC = "02:00:00:00:00:01"


@pytest.fixture
def pair(namespaces: Pair, defer: Defer) -> Iterator[Pair]:
    """Two namespaces, cleared of links afterwards; (tx, rx)."""
    module.load()
    yield namespaces
    for ns in namespaces:
        for name in names(ns):
            if name != "lo" and name in names(ns):
                ns.ip.link("del", ifname=name)


def names(ns: Namespace) -> set[str]:
    return {link.get_attr("IFLA_IFNAME") for link in ns.ip.get_links()}


def attribute(ns: Namespace, name: str, attr: str) -> Any:
    (index,) = ns.ip.link_lookup(ifname=name)
    (link,) = ns.ip.get_links(index)
    return link.get_attr(attr)


def add(ns: Namespace, mine: list[Any], peer: list[Any] | None) -> None:
    """One RTM_NEWLINK. Addresses among the attributes are text; names are netlink's."""
    info: list[Any] = [("IFLA_INFO_KIND", KIND)]
    if peer is not None:
        info.append(("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", {"attrs": peer})]}))
    msg = ifinfmsg()
    msg["attrs"] = [*mine, ("IFLA_LINKINFO", {"attrs": info})]
    with Netlink(ns, NETLINK_ROUTE) as route:
        route.talk(msg, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)


def parents() -> set[str]:
    """The parent devices that exist."""
    folder = DEBUGFS / "ppnic"
    return {p.name for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else set()


def test_names_and_attributes(pair: Pair) -> None:
    """Each end gets what was asked for it: name, address, MTU, queue counts, TX queue length."""
    _, ns = pair
    add(
        ns,
        [("IFLA_IFNAME", "p0"), ("IFLA_NUM_RX_QUEUES", 2), ("IFLA_NUM_TX_QUEUES", 3), ("IFLA_ADDRESS", MAC)],
        [("IFLA_IFNAME", "p1"), ("IFLA_NUM_RX_QUEUES", 5), ("IFLA_NUM_TX_QUEUES", 1), ("IFLA_MTU", 9000),
         ("IFLA_TXQLEN", 77)],
    )  # fmt: skip
    assert names(ns) == {"lo", "p0", "p1"}
    wanted: dict[str, dict[str, Any]] = {
        "p0": {"IFLA_NUM_RX_QUEUES": 2, "IFLA_NUM_TX_QUEUES": 3, "IFLA_ADDRESS": MAC, "IFLA_MTU": 1500},
        "p1": {"IFLA_NUM_RX_QUEUES": 5, "IFLA_NUM_TX_QUEUES": 1, "IFLA_MTU": 9000, "IFLA_TXQLEN": 77},
    }
    for name, attributes in wanted.items():
        assert {a: attribute(ns, name, a) for a in attributes} == attributes, f"of {name}"
    (p0,) = ns.ip.link_lookup(ifname="p0")
    (p1,) = ns.ip.link_lookup(ifname="p1")
    assert (attribute(ns, "p0", "IFLA_LINK"), attribute(ns, "p1", "IFLA_LINK")) == (p1, p0), "each names its peer"
    assert attribute(ns, "p0", "IFLA_PARENT_DEV_NAME") != attribute(ns, "p1", "IFLA_PARENT_DEV_NAME")
    assert attribute(ns, "p1", "IFLA_ADDRESS") != MAC
    ns.ip.link("set", ifname="p0", state="up")
    ns.ip.link("set", ifname="p1", state="up")
    until("carrier", lambda: attribute(ns, "p0", "IFLA_CARRIER") and attribute(ns, "p1", "IFLA_CARRIER"))


def test_defaults(pair: Pair) -> None:
    """Without a word the peer is called ppnicN, both have 4 queues, and two links have four addresses."""
    _, ns = pair
    add(ns, [("IFLA_IFNAME", "p0")], None)
    add(ns, [], None)
    made = names(ns) - {"lo"}
    assert made == {"p0", "ppnic0", "ppnic1", "ppnic2"}
    assert {attribute(ns, n, "IFLA_NUM_RX_QUEUES") for n in made} == {4}
    assert len({attribute(ns, n, "IFLA_ADDRESS") for n in made}) == 4


@pytest.mark.parametrize("remove", ["p0", "p1"])
def test_either_end_takes_the_other_along(pair: Pair, remove: str) -> None:
    """Made across two namespaces, up and talking; deleting one end removes both, and their parents."""
    tx, rx = pair
    before = parents()
    with tx.path.open() as there:
        add(rx, [("IFLA_IFNAME", "p0")], [("IFLA_IFNAME", "p1"), ("IFLA_NET_NS_FD", there.fileno())])
    assert ("p0" in names(rx), "p1" in names(tx), "p1" in names(rx)) == (True, True, False)
    assert len(parents() - before) == 2
    for ns, name, address in ((rx, "p0", "192.0.2.2"), (tx, "p1", "192.0.2.1")):
        (index,) = ns.ip.link_lookup(ifname=name)
        ns.ip.addr("add", index=index, address=address, prefixlen=24)
        ns.ip.link("set", index=index, state="up")
    tx.run(["ping", "-n", "-q", "-c", "2", "-i", "0.05", "192.0.2.2"])
    {"p0": rx, "p1": tx}[remove].ip.link("del", ifname=remove)
    assert names(rx) == names(tx) == {"lo"}
    until("the parents go", lambda: parents() == before)


def test_moved_later(pair: Pair) -> None:
    """An end that is moved to another namespace keeps its peer, its address and its settings."""
    tx, rx = pair
    add(rx, [("IFLA_IFNAME", "p0")], [("IFLA_IFNAME", "p1")])
    address = attribute(rx, "p1", "IFLA_ADDRESS")
    rx.run(["ethtool", "-L", "p1", "combined", "2"])
    with tx.path.open() as there:
        (index,) = rx.ip.link_lookup(ifname="p1")
        rx.ip.link("set", index=index, net_ns_fd=there.fileno())
    assert names(rx) == {"lo", "p0"} and names(tx) == {"lo", "p1"}
    assert attribute(tx, "p1", "IFLA_ADDRESS") == address
    said = tx.run(["ethtool", "-l", "p1"])
    assert re.search(r"Current.*Combined:\s+2", said, re.DOTALL), f"ethtool -l says: {said}"
    for ns, name in ((rx, "p0"), (tx, "p1")):
        ns.ip.link("set", ifname=name, state="up")
    until("carrier across namespaces", lambda: attribute(rx, "p0", "IFLA_CARRIER"))


def test_namespace_goes(pair: Pair, defer: Defer) -> None:
    """With the namespace of one end the link goes, traffic or not, and the other end with it."""
    _, rx = pair
    other = Namespace("ppiov-gone")
    other.create()
    defer(_remove, other)
    with other.path.open() as there:
        add(rx, [("IFLA_IFNAME", "p0")], [("IFLA_IFNAME", "p1"), ("IFLA_NET_NS_FD", there.fileno())])
    for ns, name, address in ((rx, "p0", "192.0.2.2"), (other, "p1", "192.0.2.1")):
        (index,) = ns.ip.link_lookup(ifname=name)
        ns.ip.addr("add", index=index, address=address, prefixlen=24)
        ns.ip.link("set", index=index, state="up")
    until("carrier", lambda: attribute(rx, "p0", "IFLA_CARRIER"))
    with rx.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("192.0.2.1", 9))
        _remove(other)
        until("p0 goes with the namespace of its peer", lambda: _send(sender) and "p0" not in names(rx))


def _send(sender: socket.socket) -> bool:
    with contextlib.suppress(OSError):  # the network is unreachable by now, or the port says so
        sender.send(b"x" * 1000)
    return True


def _remove(ns: Namespace) -> None:
    if ns.path.exists():
        ns.remove()


REFUSED = [
    ("RX queues", [("IFLA_NUM_RX_QUEUES", 129)], [], errno.ERANGE, "at most 128 RX queues"),
    ("TX queues of the peer", [], [("IFLA_NUM_TX_QUEUES", 129)], errno.ERANGE, "at most 128 TX queues"),
    ("no queues", [("IFLA_NUM_RX_QUEUES", 0)], [], errno.EINVAL, ""),
    ("multicast address", [("IFLA_ADDRESS", "01:00:00:00:00:01")], [], errno.EADDRNOTAVAIL, "zero or multicast"),
    ("address 0 of the peer", [], [("IFLA_ADDRESS", "00:00:00:00:00:00")], errno.EADDRNOTAVAIL, "zero or multicast"),
    ("MTU", [("IFLA_MTU", 9601)], [], errno.EINVAL, "mtu"),
    ("MTU of the peer", [], [("IFLA_MTU", 67)], errno.EINVAL, "mtu"),
    ("one name for both", [("IFLA_IFNAME", "p0")], [("IFLA_IFNAME", "p0")], errno.EEXIST, ""),
    ("a name that is taken", [("IFLA_IFNAME", "lo")], [], errno.EEXIST, ""),
    ("a peer's name that is taken", [], [("IFLA_IFNAME", "lo")], errno.EEXIST, "peer"),
    ("no namespace of that number", [], [("IFLA_NET_NS_PID", 1 << 30)], errno.ESRCH, ""),
]


@pytest.mark.parametrize(("what", "mine", "peer", "number", "extack"), REFUSED, ids=[r[0] for r in REFUSED])
def test_refused(
    pair: Pair, what: str, mine: list[Any], peer: list[Any], number: int, extack: str
) -> None:  # fmt: skip
    """What can't be is refused with a reason, and no half of a link stays."""
    _, ns = pair
    before = parents()
    with refusal(number, extack):
        add(ns, mine, peer)
    assert names(ns) == {"lo"}
    until("the parents go", lambda: parents() == before)


def test_carrier_follows_the_peer(make_link: Any) -> None:
    """Carrier is on while both ends are up, whoever goes first."""
    link: Link = make_link(up=False, bare=True)

    def carriers() -> tuple[Any, Any]:
        def one(port: Any) -> Any:
            return bool(port.attribute("IFLA_CARRIER")) if port.attribute("IFLA_OPERSTATE") != "DOWN" else False

        return one(link.rx), one(link.tx)

    assert carriers() == (False, False)
    for steps in ((("rx", "up"), ("tx", "up")), (("rx", "down"), ("rx", "up")), (("tx", "down"), ("tx", "up"))):
        for i, (side, state) in enumerate(steps):
            getattr(link, side).set(state=state)
            wanted = (i == 1,) * 2
            until(f"carriers {wanted} after {side} {state}", partial(_equal, carriers, wanted))
    assert "Link detected: yes" in link.rx.ns.run(["ethtool", link.rx.name])


def _equal(probe: Callable[[], Any], wanted: Any) -> bool:
    return bool(probe() == wanted)


def test_iproute2_plugin(pair: Pair, defer: Defer, tmp_path: Path) -> None:
    """A stock ip with the plugin makes the link in the words of the manual, and shows what it can't."""
    tx, rx = pair
    source = Path(os.environ.get("PPIOV_IPROUTE2") or Path(__file__).parents[2] / "kernel" / "iproute2")
    plugin = source / "link_ppnic.so"
    if not plugin.exists():
        if not (source / "Makefile").exists() or shutil.which("make") is None or shutil.which("cc") is None:
            pytest.skip(f"{plugin} is not built, and can't be")
        for file in source.iterdir():
            (tmp_path / "iproute2" / file.name).parent.mkdir(exist_ok=True)
            (tmp_path / "iproute2" / file.name).write_bytes(file.read_bytes())
        (tmp_path / "include").mkdir()
        header = source.parent / "include" / "ppnic_link.h"
        (tmp_path / "include" / header.name).write_bytes(header.read_bytes())
        processes.run(["make", "-C", tmp_path / "iproute2"])
        plugin = tmp_path / "iproute2" / "link_ppnic.so"

    def ip(*words: str) -> str:
        return rx.run(["env", f"IP_LIB_DIR={plugin.parent}", "ip", *words])

    peer = f"peer p1 numrxqueues 3 numtxqueues 1 mtu 9000 address {MAC} netns {tx.name}"
    ip(*f"link add p0 numrxqueues 2 type ppnic {peer}".split())
    assert "p0" in names(rx) and "p1" in names(tx)
    assert attribute(rx, "p0", "IFLA_NUM_RX_QUEUES") == 2
    wanted = {"IFLA_NUM_RX_QUEUES": 3, "IFLA_NUM_TX_QUEUES": 1, "IFLA_MTU": 9000, "IFLA_ADDRESS": MAC}
    assert {a: attribute(tx, "p1", a) for a in wanted} == wanted
    ip("link", "del", "p0")
    assert names(tx) == {"lo"}
    with pytest.raises(AssertionError, match="numrxqueues"):
        ip(*["link", "add", "p0", "type", "ppnic", "peer", "p1", "numrxqueues", "129"])
    with pytest.raises(AssertionError):
        ip(*["link", "add", "p0", "type", "ppnic", "nonsense"])
    assert names(rx) == {"lo"}
