# SPDX-License-Identifier: GPL-2.0-only
"""Does receive side scaling put each flow on the queue that the hash, the key and the table say?

netns «ppiov-tx»                    netns «ppiov-rx»
 tx0 ====== one frame per flow ====== rx0  queue 0..3, one packet socket each

The prediction is made here, by Microsoft's description of the Toeplitz hash, and checked against the verification
suite that goes with it.
"""

from __future__ import annotations

import errno
import random
import re
import socket
from pathlib import Path

import pytest
from lib.frames import FLOW4, FLOW6, Flow, tcp, udp
from lib.link import Link
from lib.toeplitz import KEY, KEY_BYTES, hash_of, set_key
from lib.wire import MakeWire, Wire

SO_INCOMING_NAPI_ID = 56

# From, to, hash of the addresses alone, hash with the ports
SUITE = [
    (Flow("66.9.149.187", "161.142.100.80", 2794, 1766), 0x323E8FC2, 0x51CCC178),
    (Flow("199.92.111.2", "65.69.140.83", 14230, 4739), 0xD718262A, 0xC626B0EA),
    (Flow("24.19.198.95", "12.22.207.184", 12898, 38024), 0xD2D0A5DE, 0x5C2B394A),
    (Flow("38.27.205.30", "209.142.163.6", 48228, 2217), 0x82989176, 0xAFC7327F),
    (Flow("153.39.163.191", "202.188.127.2", 44251, 1303), 0x5D1809C5, 0x10E828A2),
    (Flow("3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766), 0x2CC18CD5, 0x40207D3D),
    (Flow("3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739), 0x0F0C461C, 0xDDE51BBF),
    (Flow("3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024), 0x4B61E985, 0x02D1FEEF),
]


def table(link: Link, *context: str) -> list[int]:
    """The indirection table."""
    rows = re.findall(r"^ *\d+:((?: +\d+)+)$", link.rx.ethtool.run("-x", *context), re.MULTILINE)
    return [int(queue) for row in rows for queue in row.split()]


def flows(count: int, seed: int) -> list[Flow]:
    """Flows of both families, none like another."""
    rng = random.Random(seed)
    made = []
    for i in range(count):
        family = socket.AF_INET6 if i % 2 else socket.AF_INET
        length = 16 if i % 2 else 4
        # Of no special kind: 2001::/16 and 11.0.0.0/8
        prefix = b"\x20\x01" if i % 2 else b"\x0b"
        raw = [(prefix + rng.randbytes(length))[:length] for _ in range(2)]
        src, dst = (socket.inet_ntop(family, address) for address in raw)
        made.append(Flow(src, dst, rng.randrange(1, 1 << 16), rng.randrange(1, 1 << 16)))
    return made


def where(wire: Wire, sent: list[Flow], make: object = tcp) -> list[int]:
    """Send one frame per flow; the queue that each came through."""
    queues = []
    for flow in sent:
        (got,) = wire.exchange([make(flow, b"x" * 40)])  # type: ignore[operator]
        queues.append(got.queue)
    return queues


def test_prediction() -> None:
    """What this file predicts agrees with Microsoft's verification suite; without that the other tests say nothing."""
    for flow, addresses, ports in SUITE:
        assert hash_of(KEY, flow, ports=False) == addresses
        assert hash_of(KEY, flow) == ports


def test_verification_suite(make_wire: MakeWire) -> None:
    """With the suite's key, the NIC reports the suite's hash of each flow, 32 bits of it, and uses its last 7."""
    hashes = tuple(ports for _, _, ports in SUITE)
    wire = make_wire(queue=None, hashes=hashes, bare=True)
    set_key(wire.link, KEY)
    indirection = table(wire.link)
    assert len(indirection) == 128
    sent = [flow for flow, _, _ in SUITE]
    assert where(wire, sent) == [indirection[h % 128] for h in hashes]
    assert where(wire, sent, udp) == [indirection[h % 128] for h in hashes]


def test_hash_fields(make_wire: MakeWire) -> None:
    """`rx-flow-hash udp4 sd` takes the ports out of the hash of that kind of flow, and of no other."""
    wire = make_wire(queue=None, hashes=tuple(h for _, *both in SUITE for h in both), bare=True)
    link = wire.link
    set_key(link, KEY)
    indirection = table(link)
    v4, v6 = SUITE[:5], SUITE[5:]
    link.rx.ethtool.run("-N", "rx-flow-hash", "udp4", "sd")
    assert where(wire, [f for f, _, _ in v4], udp) == [indirection[h % 128] for _, h, _ in v4]
    assert where(wire, [f for f, _, _ in v4], tcp) == [indirection[h % 128] for _, _, h in v4]
    assert where(wire, [f for f, _, _ in v6], udp) == [indirection[h % 128] for _, _, h in v6]
    said = link.rx.ethtool.run("-n", "rx-flow-hash", "udp4")
    assert "IP SA" in said and "IP DA" in said and "L4" not in said, f"ethtool -n says: {said}"
    link.rx.ethtool.run("-N", "rx-flow-hash", "udp4", "sdv")  # refused, but ethtool 6.1 ends with 0 all the same
    assert link.rx.ethtool.run("-n", "rx-flow-hash", "udp4") == said, "the VLAN tag can't be hashed"


def test_random_key(make_wire: MakeWire) -> None:
    """With a key and flows nobody has chosen, each flow is where the table puts its hash."""
    key = random.Random(1).randbytes(KEY_BYTES)
    wire = make_wire(queue=None, bare=True)
    set_key(wire.link, key)
    assert key.hex(":") in wire.link.rx.ethtool.run("-x")
    sent = flows(24, seed=2)
    indirection = table(wire.link)
    wanted = [indirection[hash_of(key, f) % 128] for f in sent]
    assert len(set(wanted)) == 4, "the flows chosen don't reach all queues"
    assert where(wire, sent) == wanted


def test_default_key_is_none_of_ours(make_wire: MakeWire) -> None:
    """Out of the box a key is there, and flows spread over all queues; a port made later has the host's same key."""
    wire = make_wire(queue=None, bare=True)
    line = rf"^((?:[0-9a-f]{{2}}:){{{KEY_BYTES - 1}}}[0-9a-f]{{2}})$"
    (key,) = re.findall(line, wire.link.rx.ethtool.run("-x"), re.MULTILINE)
    assert len(set(key.split(":"))) > 8, f"not much of a key: {key}"
    assert set(where(wire, flows(32, seed=3))) == {0, 1, 2, 3}


def test_table_moves_flows(make_wire: MakeWire) -> None:
    """equal, weight and start write the table that ethtool -x shows, and flows follow it at once."""
    wire = make_wire(queue=None, bare=True)
    rx = wire.link.rx.ethtool
    set_key(wire.link, KEY)
    sent = flows(12, seed=4)
    for words, wanted_table in (
        (("equal", 2), [i % 2 for i in range(128)]),
        (("start", 2, "equal", 2), [2 + i % 2 for i in range(128)]),
        (("weight", 0, 0, 1, 0), [2] * 128),
        (("default",), [i % 4 for i in range(128)]),
    ):
        rx.run("-X", *words)
        assert table(wire.link) == wanted_table, f"table after `-X {words}`"
        assert where(wire, sent) == [wanted_table[hash_of(KEY, f) % 128] for f in sent], f"after `-X {words}`"


def test_symmetric(make_wire: MakeWire) -> None:
    """Both directions of a flow land on one queue if the key repeats every 16 bits, and with others they don't."""
    key = bytes.fromhex("6d5a") * (KEY_BYTES // 2)
    there = flows(8, seed=5)
    back = [Flow(f.dst, f.src, f.dport, f.sport) for f in there]
    wire = make_wire(queue=None, bare=True)
    set_key(wire.link, key)
    assert where(wire, there) == where(wire, back)
    set_key(wire.link, KEY)
    assert where(wire, there) != where(wire, back), "flows and their answers land together with any key"


def test_contexts(make_wire: MakeWire) -> None:
    """A context has a table and a key of its own; rules send flows to it, and it can be changed and deleted."""
    wire = make_wire(queue=None, bare=True)
    rx = wire.link.rx.ethtool
    set_key(wire.link, KEY)
    rx.run("-X", "equal", 2)
    (number,) = re.findall(r"context is (\d+)", rx.run("-X", "context", "new", "start", "2", "equal", "2"))
    context = ("context", number)
    assert table(wire.link, *context) == [2 + i % 2 for i in range(128)]
    other = random.Random(6).randbytes(KEY_BYTES)
    rx.run("-X", *context, "hkey", other.hex(":"))
    assert other.hex(":") in rx.run("-x", *context) and KEY.hex(":") in rx.run("-x"), "the keys of two contexts mixed"

    ports = range(3000, 3008)
    into = [Flow(dport=port) for port in ports]
    beside = [Flow(dport=port, sport=9) for port in ports]
    rule = rx.run("-N", "flow-type", "tcp4", "src-port", FLOW4.sport, *context)
    assert where(wire, into) == [2 + hash_of(other, f) % 2 for f in into], "flows that a rule sends to the context"
    assert where(wire, beside) == [hash_of(KEY, f) % 2 for f in beside], "flows beside it"

    rx.run("-X", *context, "weight", 0, 1, 0, 0)
    assert set(where(wire, into)) == {1}, "after a change of the context's table"

    with pytest.raises(AssertionError, match="busy"):
        rx.run("-X", *context, "delete")
    assert set(where(wire, into)) == {1}, "a refused delete must change nothing"
    (location,) = re.findall(r"ID (\d+)", rule)
    rx.run("-N", "delete", location)
    rx.run("-X", *context, "delete")
    assert where(wire, into) == [hash_of(KEY, f) % 2 for f in into], "without context, flows are as others"
    with pytest.raises(AssertionError):
        rx.run("-x", *context)


def test_refusals(nic: Link) -> None:
    """What the NIC can't do is refused, and changes nothing."""
    rx = nic.rx.ethtool
    before = rx.run("-x")
    for words, said in (
        (("weight", 1, 1, 1, 1, 1), "Invalid"),
        (("hfunc", "xor"), os_error(errno.EOPNOTSUPP)),
        (("context", "9", "equal", "2"), "No such"),
        (("hkey", "11:22"), ""),
    ):
        with pytest.raises(AssertionError, match=said or None):
            rx.run("-X", *words)
    assert rx.run("-x") == before
    made = [rx.run("-X", "context", "new") for _ in range(63)]
    assert len(set(made)) == 63
    with pytest.raises(AssertionError):
        rx.run("-X", "context", "new")


def os_error(number: int) -> str:
    return {errno.EOPNOTSUPP: "not supported"}[number]


RESIZES = "ethtool_rxfh_ctxs_resize"  # what the kernel must have, for it keeps a copy of each context's table


@pytest.fixture
def wide(make_wire: MakeWire) -> Wire:
    """A wire whose flows RSS spreads over up to 64 queues."""
    wire = make_wire(queue=None, bare=True, queues=64)
    wire.link.rx.ethtool.set_rings(RX=64)  # a page for each of 64 times 512 buffers takes its time
    set_key(wire.link, KEY)
    return wire


def set_queues(link: Link, count: int) -> None:
    link.rx.ethtool.run("-L", "combined", count)


def resizes() -> bool:
    return re.search(rf" {RESIZES}$", Path("/proc/kallsyms").read_text(), re.MULTILINE) is not None


def test_table_grows(wide: Wire) -> None:
    """The table has eight entries for each queue in use, 128 at least, or where the kernel can't have it grow, for each
    that the port can have. Flows follow it."""
    sent = flows(8, seed=7)
    for count, size in ((64, 512), (4, 128), (16, 128), (17, 256), (1, 128), (33, 512)):
        set_queues(wide.link, count)
        wanted = [i % count for i in range(size if resizes() else 512)]
        assert table(wide.link) == wanted, f"{count} queues"
        assert where(wide, sent) == [wanted[hash_of(KEY, f) % len(wanted)] for f in sent], f"{count} queues"


def test_set_tables_resize(wide: Wire) -> None:
    """A table that was set is repeated when it grows, and cut to what was set when it shrinks, in each context."""
    rx = wide.link.rx.ethtool
    set_queues(wide.link, 4)
    size = 128 if resizes() else 512
    rx.run("-X", "weight", 0, 1, 0, 3)
    (number,) = re.findall(r"context is (\d+)", rx.run("-X", "context", "new", "start", "2", "equal", "2"))
    rx.run("-N", "flow-type", "tcp4", "src-port", FLOW4.sport, "context", number)
    first, second = table(wide.link), table(wide.link, "context", number)
    assert (len(first), second) == (size, [2 + i % 2 for i in range(size)])

    into = [Flow(dport=port) for port in range(3000, 3008)]
    beside = flows(8, seed=8)
    (hexadecimal,) = re.findall(r"^((?:[0-9a-f]{2}:)+[0-9a-f]{2})$", rx.run("-x", "context", number), re.MULTILINE)
    key = bytes.fromhex(hexadecimal.replace(":", ""))
    for count, times in ((64, 512 // size), (4, 1)):
        set_queues(wide.link, count)
        assert table(wide.link) == first * times
        assert table(wide.link, "context", number) == second * times
        assert where(wide, beside) == [first[hash_of(KEY, f) % size] for f in beside]
        assert where(wide, into) == [second[hash_of(key, f) % size] for f in into]


@pytest.mark.parametrize("words", [("equal", 3), ("equal", 4)], ids=["uneven", "set-so-large"])
@pytest.mark.parametrize("context", [False, True], ids=["default", "context"])
def test_set_tables_refuse(wide: Wire, words: tuple[str, int], context: bool) -> None:
    """A table that can't be cut, or was set at that size, keeps the number of queues; nothing changes then."""
    if not resizes():
        set_queues(wide.link, 4)
        assert len(table(wide.link)) == 512
        return
    rx = wide.link.rx.ethtool
    which: tuple[str, ...] = ()
    if context:
        (number,) = re.findall(r"context is (\d+)", rx.run("-X", "context", "new"))
        which = ("context", number)
    rx.run("-X", *which, *words)
    before = table(wide.link), table(wide.link, *which)
    with pytest.raises(AssertionError, match="Invalid"):
        set_queues(wide.link, 8)
    assert (table(wide.link), table(wide.link, *which)) == before
    assert len(before[1]) == 512
    assert re.findall(r"Combined:\s+(\d+)", rx.run("-l"))[-1] == "64"


@pytest.mark.parametrize("flow", [FLOW4, FLOW6], ids=["ipv4", "ipv6"])
def test_sockets_see_their_queue(nic: Link, flow: Flow) -> None:
    """A UDP socket's napi id is that of the queue that the hash predicts for its flow."""
    set_key(nic, KEY)
    indirection = table(nic)
    napi = {q.id: q.napi_id for q in nic.netdev.queues(nic.rx.ifindex) if q.kind == 0}
    seen, wanted = [], []
    for _ in range(6):
        with (
            nic.rx.ns.socket(flow.family, socket.SOCK_DGRAM) as receiver,  # UDP keeps the first one that it sees
            nic.tx.ns.socket(flow.family, socket.SOCK_DGRAM) as sender,
        ):
            receiver.bind((nic.rx.address(flow.family), 0))
            receiver.settimeout(10)
            sender.connect(receiver.getsockname()[:2])
            sender.send(b"x")
            receiver.recv(10)
            ports = sender.getsockname()[1], receiver.getsockname()[1]
            real = Flow(nic.tx.address(flow.family), nic.rx.address(flow.family), *ports)
            wanted.append(napi[indirection[hash_of(KEY, real) % 128]])
            seen.append(receiver.getsockopt(socket.SOL_SOCKET, SO_INCOMING_NAPI_ID))
    assert seen == wanted
