# SPDX-License-Identifier: GPL-2.0-only
"""What a byte costs its receiver and its sender: device memory, plain recv() through the same NIC, and veth.

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: one or eight flows steered to it
     ppnic or veth; MTU 1500 or 9000; super: the NIC (or nobody) cuts, and merges again

Each is measured with two transfers, of which one is longer: what they differ by costs no set-up. Control messages, the
return of tokens and the refill of queues are in it; what the device half of ppnic does is not, its copy among it.
Copies that a CPU makes are counted as moves of 8 bytes, whatever instructions the kernel at hand makes them with.
"""

from __future__ import annotations

import socket
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from lib import backend, bench, budget, charge, samples
from lib.charge import Cost
from lib.fixtures import Defer, MakeLink, Start
from lib.link import Link, Port
from lib.netns import Namespace
from lib.poll import until
from lib.ppcat import receive_args
from lib.traffic import PORT, steer

QUEUE = 2
SMALL, LARGE = 4 << 20, 20 << 20  # bytes of all flows together
SAMPLED = 64 << 20  # ... and of one whose instructions are sampled
WAYS = ("devmem.ppiov", "devmem.core", "recv", "veth")
SIZES = ("1500", "9000", "super")
FLOWS = (1, 8)
LOWAT = 128 << 10  # bytes that a receiver waits for, or it is woken for each packet or for ten, as the scheduler likes
RETURNED = 64  # tokens at least, in one call
TAKES = ("--no-check", "--lowat", LOWAT)
BUDGETS = ("devmem.ppiov", "devmem.core", "recv")
MOST_UNSURE = 0.05  # of a line that is all of it; one of a tenth is three times as unsure

Record = Callable[[str, object], None]

pytestmark = [pytest.mark.usefixtures("benches"), pytest.mark.timeout_s(600), pytest.mark.guest(cpus=1)]


class Veth:
    """A veth pair, with the ports of a Link."""

    def __init__(self, tx: Namespace, rx: Namespace, mtu: int) -> None:
        self.tx = Port(tx, "tx0", "192.0.2.1", "2001:db8::1")
        self.rx = Port(rx, "rx0", "192.0.2.2", "2001:db8::2")
        self.mtu = mtu

    def create(self) -> None:
        with self.tx.ns.path.open() as tx_ns:
            peer = {"ifname": self.tx.name, "net_ns_fd": tx_ns.fileno()}
            self.rx.ns.ip.link("add", ifname=self.rx.name, kind="veth", peer=peer)
        for port in (self.rx, self.tx):
            (port.ifindex,) = port.ns.ip.link_lookup(ifname=port.name)
            port.ns.ip.addr("add", index=port.ifindex, address=port.v4, prefixlen=24)
            port.set(mtu=self.mtu, state="up")
        until("carrier of veth", lambda: self.rx.attribute("IFLA_CARRIER"))

    def delete(self) -> None:
        self.rx.ns.ip.link("del", index=self.rx.ifindex)


@pytest.fixture
def copied(benches: None) -> float:
    """Instructions per byte of a copy between the kernel and user space."""
    one = next(one for one in bench.catalog() if one.name == "meter.copyuser")
    result = bench.run(one, 15)
    return statistics.median(result.cycles) / result.notes["bytes"]


def _frames(port: Port) -> int:
    """What the stack was given: a super-packet is one, although the port counts what of it came over the wire."""
    stats = port.ethtool.stats()
    cut = stats.get("rx_hw_gro_wire_packets", 0) - stats.get("rx_hw_gro_packets", 0)
    return int(port.attribute("IFLA_STATS64")["rx_packets"]) - cut


def _link(
    way: str, size: str, namespaces: tuple[Namespace, Namespace], make_link: MakeLink, defer: Defer
) -> Link | Veth:
    mtu = 1500 if size == "super" else int(size)
    if way == "veth":
        veth = Veth(*namespaces, mtu)
        veth.create()
        defer(veth.delete)
        veth.rx.ethtool.run("-K", "gro", "on")
        veth.tx.ethtool.run("-K", "gro", "on")
        if size != "super":
            veth.tx.ethtool.run("-K", "tso", "off", "gso", "off")
        return veth
    link = make_link(mtu=mtu)
    link.rx.ethtool.run("-K", "rx-gro-hw", "on" if size == "super" else "off")
    return link


@dataclass(frozen=True, slots=True)
class Way:
    """A way from a sender to a receiver, set up."""

    name: str
    link: Link | Veth
    threads: Mapping[str, list[int]]  # of NAPIs, by port
    receiver: list[str | int]  # arguments of ppcat
    ports: str | int
    start: Start

    @property
    def devmem(self) -> bool:
        return self.name.startswith("devmem")

    def transfer(self, total: int, flows: int, watch: Callable[[list[int]], None] = lambda tasks: None) -> Cost:
        """So many bytes, of all flows together; ``watch`` is told the receiver's tasks before they come."""
        sender: list[str | int] = ["-c", self.link.rx.v4, "-p", self.ports, "--size", total // flows]
        rx = (self.link.rx, self.threads["rx0"], self.receiver)
        tx = (self.link.tx, self.threads["tx0"], sender)
        cost, received = charge.transfer(self.start, rx, tx, lambda: _frames(self.link.rx), watch)
        if self.devmem:
            assert received["bytes_devmem"] >= 0.99 * received["bytes"], f"not the path: {received}"
        else:
            assert received["bytes_plain"] == received["bytes"], f"not the path: {received}"
        return cost


SetUp = Callable[[str, str, int], Way]


@pytest.fixture
def set_up(namespaces: tuple[Namespace, Namespace], make_link: MakeLink, start: Start, defer: Defer) -> SetUp:
    """Makes a way of this name for packets of this size and so many flows."""

    def made(way: str, size: str, flows: int) -> Way:
        link = _link(way, size, namespaces, make_link, defer)
        ports: str | int = PORT if flows == 1 else f"{PORT}-{PORT + flows - 1}"
        if isinstance(link, Link):
            steer(link, socket.AF_INET, [QUEUE], flows)
        receiver: list[str | int] = ["-l", "-p", ports, "--plain", *TAKES]
        if way.startswith("devmem") and isinstance(link, Link):
            backend.use(backend.PPIOV if way == "devmem.ppiov" else backend.CORE)
            defer(backend.use, backend.CORE)
            receiver = receive_args(link, [QUEUE], ports, "--require-devmem", "--batch", RETURNED, *TAKES)
        threads = {port.name: charge.in_threads(port, defer) for port in (link.rx, link.tx)}
        return Way(way, link, threads, receiver, ports, start)

    return made


def _counted(meter: str) -> None:
    if meter != "insns":
        pytest.skip("a clock's share of two ends can't be told apart: --meter insns")


@pytest.mark.parametrize(
    ("way", "size", "flows"),
    [
        pytest.param(way, size, flows, id=f"traffic.{way}.{size}.{flows}")
        for way in WAYS
        for size in SIZES
        for flows in FLOWS
    ],
)
def test_traffic(
    way: str, size: str, flows: int, set_up: SetUp, copied: float, meter: str, record_property: Record
) -> None:
    """What a byte and a frame cost, at both ends."""
    _counted(meter)
    ends = set_up(way, size, flows)
    small, large = ends.transfer(SMALL, flows), ends.transfer(LARGE, flows)
    count, frames = large.received - small.received, large.frames - small.frames
    name = f"traffic.{way}.{size}.{flows}"
    moved = copied - 1 / 8  # of a byte that the CPU copies: what is more than a move of 8
    receiver_copies = 0.0 if ends.devmem else 1.0
    took = (large.receiver - small.receiver, large.sender - small.sender)
    for end, insns, copies in (("", took[0], receiver_copies), (": sender", took[1], 1.0)):
        record_property("figure", (f"{name}{end}", insns / count - copies * moved, "insns/B", meter))
        record_property("figure", (f"{name}{end or ': receiver'} per frame", insns / frames, "insns/frame", meter))
    record_property("figure", (f"{name}: as executed", took[0] / count, "insns/B", meter))
    device = (large.device - small.device) / count
    record_property("figure", (f"{name}: device", device, "insns/B", meter))
    record_property("figure", (f"{name}: bytes per frame", count / frames, "B", "count"))


@pytest.mark.parametrize(
    ("way", "size"), [pytest.param(way, size, id=f"budget.{way}.{size}") for way in BUDGETS for size in SIZES]
)
def test_budget(way: str, size: str, set_up: SetUp, copied: float, meter: str, record_property: Record) -> None:
    """What the receiver's instructions are for, line by line: their number is counted, and their shares are sampled."""
    _counted(meter)
    ends = set_up(way, size, 1)
    small, large = ends.transfer(SMALL, 1), ends.transfer(LARGE, 1)
    count = large.received - small.received
    events: list[samples.Event] = []
    ends.transfer(SAMPLED, 1, lambda tasks: events.extend(map(samples.Event, tasks)))
    stacks = samples.named(stack for event in events for stack in event.stacks())
    for event in events:
        event.close()

    lines = budget.lines(stacks)
    total = sum(lines.values())
    assert total > MOST_UNSURE**-2, f"{total} samples are too few to tell shares from"
    per_sample = (large.receiver - small.receiver) / count / total
    name = f"budget.{way}.{size}"
    moved = copied - 1 / 8
    for line, times in lines.items():
        insns = times * per_sample - (moved if line == budget.COPY and not ends.devmem else 0)
        record_property("figure", (f"{name}: {line}", insns, "insns/B", meter))
    whole = total * per_sample - (0 if ends.devmem else moved)
    record_property("figure", (name, whole, "insns/B", meter))
    record_property("figure", (f"{name}: samples", total, "1", "count"))
