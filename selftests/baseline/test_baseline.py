# SPDX-License-Identifier: GPL-2.0-only
"""What our modules and tests use of a kernel, without them: what it complains about here, it does by itself.

    base-a (netns)  base0 10.9.0.1 fd09::1  ====veth====  base1 10.9.0.2 fd09::2  (netns) base-b

Nothing is asserted about the kernel's complaints: the harness collects them (harness/ppiov/baseline.py).
"""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from lib.dmabuf import Dmabuf
from lib.netdev import Netdev
from lib.netns import INIT, Namespace

PORT = 5201
AMOUNT = 256 << 10
ADDRESSES = {socket.AF_INET: ("10.9.0.1", "10.9.0.2", 24), socket.AF_INET6: ("fd09::1", "fd09::2", 64)}
# What the tests of our modules load of the kernel's own; which of them a kernel has differs.
MODULES = ("veth", "dummy", "netdevsim", "udmabuf", "nf_tables", "cls_flower", "act_mirred")

pytestmark = pytest.mark.timeout_s(240)


@pytest.fixture(scope="module")
def ends() -> Iterator[tuple[Namespace, Namespace]]:
    """Two namespaces with a veth pair between them; both go away with the module, devices and all."""
    a, b = Namespace("base-a"), Namespace("base-b")
    a.create()
    b.create()
    try:
        for number, (ns, name) in enumerate(((a, "base0"), (b, "base1"))):
            if number == 0:
                ns.ip.link("add", ifname=name, kind="veth", peer={"ifname": "base1", "net_ns_fd": b.name})
            index = ns.ip.link_lookup(ifname=name)[0]
            ns.ip.link("set", index=index, state="up")
            for addresses in ADDRESSES.values():
                ns.ip.addr("add", index=index, address=addresses[number], prefixlen=addresses[2])
        yield a, b
    finally:
        b.remove()
        a.remove()


def test_modules() -> None:
    """The kernel's own modules come and go."""
    for name in MODULES:
        subprocess.run(["modprobe", "-q", name], check=False)
    for name in reversed(MODULES):
        subprocess.run(["modprobe", "-q", "-r", name], check=False)


@pytest.mark.parametrize("family", ADDRESSES, ids=["ipv4", "ipv6"])
def test_tcp(ends: tuple[Namespace, Namespace], family: socket.AddressFamily) -> None:
    """TCP over veth, with a packet socket that looks on and an interface that goes down in the middle."""
    a, b = ends
    packets = b.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300)  # ETH_P_ALL, in network order
    with packets, b.socket(family, socket.SOCK_STREAM) as listener, a.socket(family, socket.SOCK_STREAM) as client:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESSES[family][1], PORT))
        listener.listen()
        client.connect((ADDRESSES[family][1], PORT))
        server, _ = listener.accept()
        with server:
            sender = threading.Thread(target=client.sendall, args=(bytes(AMOUNT),))
            sender.start()
            got = 0
            while got < AMOUNT:
                got += len(server.recv(1 << 16))
            sender.join()
    assert got == AMOUNT
    index = a.ip.link_lookup(ifname="base0")[0]
    a.ip.link("set", index=index, state="down")
    a.ip.link("set", index=index, state="up")


def test_netlink(ends: tuple[Namespace, Namespace]) -> None:
    """What the netdev family and ethtool tell."""
    for ns in (INIT, *ends):
        netdev = Netdev(ns)
        try:
            netdev.page_pools()
        finally:
            netdev.close()
        with ns.inside():
            for what in ("-i", "-k", "-g", "-l", "-S"):
                subprocess.run(["ethtool", what, "base0"], check=False, capture_output=True)


def test_dmabuf() -> None:
    """A dma-buf of the kind that tests bind, made, looked at and given back."""
    if not Path("/dev/udmabuf").exists():
        return
    with Dmabuf(4 << 20) as dmabuf:
        assert dmabuf.read(0, 8) == bytes(8)
