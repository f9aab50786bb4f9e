# SPDX-License-Identifier: GPL-2.0-only
"""Provider «zone_device»: is payload in struct pages of device memory like payload in any page?

netns «ppiov-tx»                netns «ppiov-rx»                       host
 tx0 ===================== rx0  queue 2: zone_device, pages of a BAR -- the file behind it is compared
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from lib import ivshmem, module, ppiov, processes, softirqs
from lib.backend import PROVIDERS
from lib.fixtures import Defer
from lib.link import Link
from lib.netlink import RefusedError
from lib.poll import until
from lib.sleeper import Sleeper
from lib.traffic import IPV4_AND_IPV6, arrived, connect, payload, steer

pytestmark = pytest.mark.only("ppiov")
OFFERED = pytest.mark.needs_config(*PROVIDERS["zone_device"].needs_config)

ZONE = 16 << 20
ETH_P_ALL = 3


@pytest.fixture
def zone() -> Iterator[None]:
    """The driver, with half of the memory as struct pages."""
    ivshmem.load(zone_mib=ZONE >> 20)
    yield
    module.unload_for_test(ivshmem.MODULE)


def _bind(link: Link, defer: Defer, size: int | None = 4 << 20) -> ppiov.Binding:
    with ppiov.Ppiov(link.rx.ns) as family:
        binding = family.bind(link.rx.ifindex, [2], "zone_device", size=size)
    defer(binding.close)
    return binding


def _receive(sock: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = sock.recv(length - len(data))
        assert more, f"the stream ended after {len(data)} of {length} bytes"
        data += more
    return data


@IPV4_AND_IPV6
@OFFERED
@pytest.mark.usefixtures("zone")
def test_plain_recv(link: Link, defer: Defer, family: int) -> None:
    """An ordinary socket gets the bytes; several times what the pool has."""
    _bind(link, defer, size=1 << 20)
    steer(link, family, [2])
    sender, receiver = connect(link, family, defer, prepared=False)
    for round_ in range(16):
        data = payload(100_000, seed=round_)
        sender.sendall(data)
        assert _receive(receiver, len(data)) == data


@OFFERED
@pytest.mark.usefixtures("zone")
def test_the_host_finds_it(link: Link, defer: Defer) -> None:
    """The payload is in the device's memory: in the part that is struct pages, whole, and only there."""
    exported, zone_size = ivshmem.info()
    assert zone_size == ZONE
    with ivshmem.FILE.open("rb+") as file:
        file.write(bytes(exported + zone_size))
    _bind(link, defer)
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data = payload(1000)
    sender.sendall(data)
    assert _receive(receiver, len(data)) == data
    found = ivshmem.FILE.read_bytes().find(data)
    assert found >= exported, f"payload at {found}, the pages begin at {exported}"


@OFFERED
@pytest.mark.usefixtures("zone")
def test_packet_socket(link: Link, defer: Defer) -> None:
    """A packet socket reads the payload, copied out of the device's pages."""
    _bind(link, defer)
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    sniffer = link.rx.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    defer(sniffer.close)
    sniffer.bind((link.rx.name, 0))
    data = payload(1000)
    sender.sendall(data)
    assert _receive(receiver, len(data)) == data

    def seen() -> bool:
        while select.select([sniffer], [], [], 0)[0]:
            if data in sniffer.recv(65536):
                return True
        return False

    until("the packet socket sees the payload", seen)


@OFFERED
@pytest.mark.usefixtures("zone")
def test_pages_go_back(link: Link, defer: Defer) -> None:
    """With the binding gone all pages are the zone's again: all of them can be bound, many times."""
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    bound: list[ppiov.Binding] = []

    def bind_all() -> bool:
        """A pool is off the list a moment before its memory is back, and what was read on another CPU waits there."""
        softirqs.kick(link.rx.ns)
        try:
            bound.append(_bind(link, defer, size=ZONE))
        except RefusedError as refused:
            assert refused.errno == errno.ENOMEM, refused
            return False
        return True

    for round_ in range(4):
        until("all pages can be bound", bind_all)
        binding = bound[-1]
        data = payload(100_000, seed=round_)
        sender.sendall(data)
        assert _receive(receiver, len(data)) == data
        binding.close()


@OFFERED
@pytest.mark.usefixtures("zone")
def test_unread_payload_keeps_the_zone(link: Link, defer: Defer) -> None:
    """Payload in a socket outlives the binding, and the driver's removal waits for it."""
    binding = _bind(link, defer)
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data = payload(50_000)
    before = arrived(link, 2)
    sender.sendall(data)
    until("it has come", lambda: arrived(link, 2) >= before + len(data))
    binding.close()
    removal = Sleeper(ivshmem.unload)
    until("the driver is going", lambda: "Unloading" in _modules()[ivshmem.MODULE])
    assert not removal.ended
    assert _receive(receiver, len(data)) == data
    removal.result()
    assert ivshmem.MODULE not in _modules()


def _modules() -> dict[str, str]:
    """/proc/modules, by name."""
    return {line.split()[0]: line for line in Path("/proc/modules").read_text().splitlines()}


@OFFERED
@pytest.mark.usefixtures("zone")
def test_refusals(link: Link, defer: Defer) -> None:
    """More than there is, and buffers of several pages: refused, and nothing stays bound."""
    with ppiov.Ppiov(link.rx.ns) as family:
        with pytest.raises(RefusedError) as refused:
            family.bind(link.rx.ifindex, [2], "zone_device", size=2 * ZONE)
        assert refused.value.errno == errno.ENOMEM
        with pytest.raises(RefusedError) as refused:
            family.bind(link.rx.ifindex, [2], "zone_device", size=ZONE, order=1)
        assert refused.value.errno == errno.EOPNOTSUPP
        assert not family.bindings(link.rx.ifindex)
    _bind(link, defer)


@OFFERED
def test_without_a_zone(link: Link) -> None:
    """Nobody has brought memory: ENODEV."""
    with ppiov.Ppiov(link.rx.ns) as family, pytest.raises(RefusedError) as refused:
        family.bind(link.rx.ifindex, [2], "zone_device", size=1 << 20)
    assert refused.value.errno == errno.ENODEV


@pytest.mark.needs_config("PCI_P2PDMA")
def test_not_offered(link: Link) -> None:
    """A kernel that asks pages in scatterlists for a pool's words does not get the provider, and is told why."""
    with ppiov.Ppiov(link.rx.ns) as family:
        assert "zone_device" not in family.providers()
        with pytest.raises(RefusedError) as refused:
            family.bind(link.rx.ifindex, [2], "zone_device", size=1 << 20)
    assert refused.value.errno == errno.ENOENT
    assert "zone_device" in refused.value.extack
    assert "no provider zone_device: with CONFIG_PCI_P2PDMA" in processes.run(["dmesg"])
    ivshmem.load()
    try:
        _, zone_size = ivshmem.info()
        assert zone_size == 0
    finally:
        ivshmem.unload()
