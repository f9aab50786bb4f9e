# SPDX-License-Identifier: GPL-2.0-only
"""Does the device run XDP programs as the kernel would, once for each frame, with maps, and at no time else?

netns «ppiov-tx»                    netns «ppiov-rx»
 tx0 ====== frames, one by one ===== rx0  the device: a program; then queue 3, and a packet socket
  '- packet socket: what came back         rx0_bpf_*: what it said
"""

from __future__ import annotations

import errno
import os
import random
import socket
import struct
from collections.abc import Sequence
from functools import partial

import pytest
from lib import bpf, bpf_random, ethmac, faults
from lib.bpf import (
    ADJUST_HEAD,
    ADJUST_TAIL,
    XDP_ABORTED,
    XDP_DROP,
    XDP_PASS,
    XDP_REDIRECT,
    XDP_TX,
    call,
    instruction,
    verdict,
)
from lib.bpf_map import ARRAY, EXIST, HASH, NO_EXIST, DeviceMap
from lib.fixtures import Defer, MakeLink
from lib.frames import FLOW4, FLOW6, Flow, plain, tcp, udp
from lib.link import Link
from lib.macsec import Macsec, Way
from lib.netlink import refusal
from lib.poll import until
from lib.privileges import CAP_PERFMON, CAP_SYS_ADMIN
from lib.stream import Stream
from lib.talk import Datagrams
from lib.traffic import payload
from lib.wire import Back, MakeWire, Wire

pytestmark = pytest.mark.needs_config("BPF_SYSCALL")

MTU = 9000
UNKNOWN = 77
COUNTERS = ("pass", "drop", "tx", "aborted", "failed")
HEADROOM = 256
SIZES = (60, 64, 1500, 4096, MTU + 14)
FRAMES = [plain(payload(size - 14, seed=size)) for size in SIZES]

# Instructions: Documentation/bpf/standardization/instruction-set.rst
MOV, MOV_REG, ADD, CALL, EXIT = 0xB7, 0xBF, 0x07, 0x85, 0x95
LOAD_WORD, LOAD_LONG, STORE_WORD, STORE_REG, WIDE, ATOMIC = 0x61, 0x79, 0x62, 0x63, 0x18, 0xDB
JUMP_EQUAL, JUMP_GREATER = 0x15, 0x2D
LOOKUP, UPDATE, DELETE = 1, 2, 3
MAP_CREATE, PERF_EVENTS = 0, 4  # of bpf(2)
DATA, DATA_END, DATA_META, INGRESS, QUEUE = 0, 4, 8, 12, 16  # struct xdp_md


def counts(link: Link) -> dict[str, int]:
    """What the program in rx0's device has said so far."""
    stats = link.rx.ethtool.stats()
    return {name: stats[f"rx0_bpf_{name}"] for name in COUNTERS}


def said(link: Link, name: str, count: int) -> bool:
    return counts(link)[name] == count


@pytest.fixture
def jumbo(make_wire: MakeWire) -> Wire:
    return make_wire(bare=True, mtu=MTU)


def test_verdicts(jumbo: Wire) -> None:
    """Pass, drop, abort, and what is no verdict here: a frame goes where it should, and is counted as such, once."""
    kinds = (
        (XDP_PASS, "pass"),
        (XDP_DROP, "drop"),
        (XDP_ABORTED, "aborted"),
        (XDP_REDIRECT, "aborted"),
        (UNKNOWN, "aborted"),
    )
    for action, counter in kinds:
        bpf.offload(jumbo.link.rx, verdict(action))
        before, mac = counts(jumbo.link), ethmac.counters(jumbo.link.rx)["FramesReceivedOK"]
        if action == XDP_PASS:
            assert [f.data for f in jumbo.exchange(FRAMES)] == FRAMES
        else:
            jumbo.send(FRAMES)
            until(f"counted as {counter}", partial(said, jumbo.link, counter, before[counter] + len(FRAMES)))
            assert jumbo.drain() == []
        assert counts(jumbo.link) == {**before, counter: before[counter] + len(FRAMES)}
        assert ethmac.counters(jumbo.link.rx)["FramesReceivedOK"] == mac + len(FRAMES)
    bpf.take_off_device(jumbo.link.rx)
    before = counts(jumbo.link)
    assert [f.data for f in jumbo.exchange(FRAMES)] == FRAMES
    assert counts(jumbo.link) == before, "a program ran after it was taken off"


@pytest.mark.parametrize("base", [0, 1000, 2000, 3000])
def test_computes_as_the_kernel_does(make_wire: MakeWire, base: int) -> None:
    """Random programs on random numbers: the device's processor and the kernel's make the same of each."""
    wire = make_wire(bare=True)
    for seed in range(base, base + 25):
        code = bpf_random.program(seed)
        dice = random.Random(seed)
        frames = [plain(bpf_random.registers(dice)) for _ in range(4)]
        with bpf.loaded(code) as fd:
            expected = [bpf.run(fd, frame) for frame in frames]
        assert {action for action, _ in expected} == {XDP_PASS}
        bpf.offload(wire.link.rx, code)
        for got, (_, frame), sent in zip(wire.exchange(frames), expected, frames, strict=True):
            differ = bpf_random.differences(frame, got.data)
            assert got.data == frame, f"seed {seed}, registers {sent[bpf_random.FRAME_AT :].hex()}: {differ}"


@pytest.mark.parametrize("make", [tcp, udp])
@pytest.mark.parametrize("flow", [FLOW4, FLOW6], ids=["ipv4", "ipv6"])
def test_checksums_are_looked_at_after_it(make_wire: MakeWire, make: partial[bytes], flow: Flow) -> None:
    """What the program passes has its checksum looked at as it is then: right if nothing was changed, else wrong."""
    wire = make_wire(bare=True)
    frame = make(flow, payload(1000))
    bpf.offload(wire.link.rx, verdict(XDP_PASS))
    (got,) = wire.exchange([frame])
    assert got.data == frame and got.vnet.flags & 2, "not said to be checked"
    bpf.offload(wire.link.rx, write(500, 0x5A5A5A5A))
    before = wire.link.rx.ethtool.stats()["rx_csum_bad"]
    (got,) = wire.exchange([frame])
    assert got.data == frame[:500] + b"ZZZZ" + frame[504:]
    assert not got.vnet.flags & 2
    assert wire.link.rx.ethtool.stats()["rx_csum_bad"] == before + 1


def write(at: int, value: int, action: int = XDP_PASS) -> list[bytes]:
    """All of a program: a word to a place of the frame."""
    return [
        instruction(LOAD_WORD, 2, 1, DATA),
        instruction(LOAD_WORD, 3, 1, DATA_END),
        instruction(MOV_REG, 4, 2),
        instruction(ADD, 4, value=at + 4),
        instruction(JUMP_GREATER, 4, 3, offset=3),
        instruction(STORE_WORD, 2, offset=at, value=value),
        *verdict(action),
        *verdict(XDP_ABORTED),
    ]


@pytest.mark.parametrize("delta", [-HEADROOM, -16, 16, 40])
def test_head(jumbo: Wire, defer: Defer, delta: int) -> None:
    """A frame's head is moved, into all of the headroom, where nothing of another frame is; the rest is as it was."""
    back = Back(jumbo.link, defer)
    # A type that nobody takes for a VLAN tag
    kind = b"\x88\xb5\0\0"
    code = [*bpf.adjust(ADJUST_HEAD, delta), *write(12, int.from_bytes(kind, "little"), XDP_TX)]
    bpf.offload(jumbo.link.rx, code)
    for size in (100, 1500, 8700):
        frame = plain(payload(size - 14, seed=size))
        jumbo.send([frame])
        (got,) = back.receive(1)
        whole = bytes(max(-delta, 0)) + frame[max(delta, 0) :]
        assert got == whole[:12] + kind + whole[16:]


def test_head_too_far(jumbo: Wire) -> None:
    """Neither before the headroom nor so far that no Ethernet header is left, and the frame is then as it was."""
    for delta in (-HEADROOM - 1, 87, 1 << 20, -1 << 31):
        code = [
            instruction(MOV_REG, 6, 1),
            instruction(MOV, 2, value=delta),
            instruction(CALL, value=ADJUST_HEAD),
            instruction(JUMP_EQUAL, 0, offset=2, value=-errno.EINVAL),
            *verdict(XDP_ABORTED),
            *verdict(XDP_PASS),
        ]
        bpf.offload(jumbo.link.rx, code)
        frame = plain(payload(86))
        (got,) = jumbo.exchange([frame])
        assert got.data == frame, delta


@pytest.mark.parametrize("delta", [-3000, -300, -1])
def test_tail(jumbo: Wire, delta: int) -> None:
    """A frame's tail is cut, as far as an Ethernet header is left; it does not grow."""
    bpf.offload(jumbo.link.rx, [*bpf.adjust(ADJUST_TAIL, delta), *verdict(XDP_PASS)])
    for frame in FRAMES:
        before = counts(jumbo.link)
        if len(frame) + delta < 14:
            jumbo.send([frame])
            until("it is refused", partial(said, jumbo.link, "aborted", before["aborted"] + 1))
            continue
        (got,) = jumbo.exchange([frame])
        assert got.data == frame[:delta]
    bpf.offload(jumbo.link.rx, [*bpf.adjust(ADJUST_TAIL, 1), *verdict(XDP_PASS)])
    before = counts(jumbo.link)
    jumbo.send(FRAMES)
    until("growing is refused", partial(said, jumbo.link, "aborted", before["aborted"] + len(FRAMES)))


def test_tx(jumbo: Wire, defer: Defer) -> None:
    """What the device sends back comes out of the other port, byte by byte; the driver never hears of it."""
    back = Back(jumbo.link, defer)
    bpf.offload(jumbo.link.rx, write(20, 0x5A5A5A5A, XDP_TX))
    before, mac = jumbo.link.rx.ethtool.stats(), ethmac.counters(jumbo.link.rx)
    for frame in FRAMES:
        jumbo.send([frame])
        assert back.receive(1) == [frame[:20] + b"ZZZZ" + frame[24:]]
    stats, after = jumbo.link.rx.ethtool.stats(), ethmac.counters(jumbo.link.rx)
    assert stats["rx0_bpf_tx"] == len(FRAMES)
    for name in ("rx_packets", "tx_packets"):
        assert stats[name] == before[name], name
    for name in ("FramesReceivedOK", "FramesTransmittedOK"):
        assert after[name] == mac[name] + len(FRAMES), name


def test_to_and_fro(jumbo: Wire) -> None:
    """Two devices that send back what comes: once, and then it is lost and counted."""
    for port in (jumbo.link.rx, jumbo.link.tx):
        bpf.offload(port, verdict(XDP_TX))
    jumbo.send(FRAMES)
    until("all have been back", partial(said, jumbo.link, "tx", len(FRAMES)))
    assert jumbo.link.tx.ethtool.stats()["rx0_bpf_failed"] == len(FRAMES)
    assert jumbo.link.tx.attribute("IFLA_STATS64")["rx_dropped"] >= len(FRAMES)


def test_sent_back_to_a_full_queue(make_wire: MakeWire, defer: Defer) -> None:
    """What is sent back to a queue without buffers is lost there, and counted; nobody is paused for it."""
    wire = make_wire(bare=True)
    bpf.offload(wire.link.rx, verdict(XDP_TX))
    faults.inject(wire.link.tx, "stall_rx", 0xF, defer)
    wire.send(FRAMES[:3])
    until("it has sent them", partial(said, wire.link, "tx", 3))
    stats = wire.link.tx.ethtool.stats()
    assert stats["rx_overruns"] >= 3
    assert stats.get("rx_pauses", 0) == 0 and counts(wire.link)["failed"] == 0


def queue_of(queue: int) -> list[bytes]:
    """All of a program: to that queue."""
    return [instruction(MOV, 2, value=queue), instruction(STORE_REG, 1, 2, QUEUE), *verdict(XDP_PASS)]


def test_queue(make_wire: MakeWire) -> None:
    """A program says which queue a frame goes to; one that there is not is none, and the frame goes where it would."""
    wire = make_wire(bare=True)
    frame = tcp(FLOW4, payload(100))
    (usual,) = {f.queue for f in wire.exchange([frame])}
    for queue in range(wire.link.queues):
        bpf.offload(wire.link.rx, queue_of(queue))
        assert {f.queue for f in wire.exchange([frame] * 3)} == {queue}
    for queue in (wire.link.queues, 1 << 16, -1):
        bpf.offload(wire.link.rx, queue_of(queue))
        assert {f.queue for f in wire.exchange([frame])} == {usual}


# --------------------------------------------------------------------- maps


def with_key(table: DeviceMap, key_at: int | None, *after: bytes) -> list[bytes]:
    """R1: the map, R2: a key on the stack, of the frame at `key_at` or 0; then what follows. R6 is the context."""
    load = [
        instruction(LOAD_WORD, 2, 6, DATA),
        instruction(LOAD_WORD, 3, 6, DATA_END),
        instruction(MOV_REG, 4, 2),
        instruction(ADD, 4, value=(key_at or 0) + 4),
        instruction(JUMP_GREATER, 4, 3, offset=3),
        instruction(LOAD_WORD, 5, 2, key_at or 0),
        instruction(STORE_REG, 10, 5, -8),
        instruction(0x05, offset=2),
        *verdict(XDP_ABORTED),
    ]
    return [
        instruction(MOV_REG, 6, 1),
        *(load if key_at is not None else [instruction(STORE_WORD, 10, offset=-8)]),
        instruction(MOV_REG, 2, 10),
        instruction(ADD, 2, value=-8),
        instruction(WIDE, 1, 1, value=table.fd),
        instruction(0),
        *after,
    ]


def counting(table: DeviceMap, key_at: int | None = None, then: Sequence[bytes] = ()) -> list[bytes]:
    """All of a program: an element of eight bytes counts frames of its key; then what follows, or they are dropped."""
    return with_key(
        table,
        key_at,
        instruction(CALL, value=LOOKUP),
        instruction(0x55, 0, offset=2),  # not NULL
        *verdict(XDP_ABORTED),
        instruction(MOV, 1, value=1),
        instruction(ATOMIC, 0, 1),
        instruction(MOV_REG, 1, 6),
        *(then or verdict(XDP_DROP)),
    )


def keyed(*keys: int) -> list[bytes]:
    return [plain(struct.pack("<I", key) + payload(60)) for key in keys]


def test_array(make_wire: MakeWire, defer: Defer) -> None:
    """An array in the device: zero at first, counted by the program, read and written by user space."""
    wire = make_wire(bare=True)
    table = DeviceMap(wire.link.rx, ARRAY, 4, 8, defer)
    assert [struct.unpack("<I", key)[0] for key in table] == [0, 1, 2, 3]
    assert {table[key] for key in table} == {bytes(8)}
    bpf.offload(wire.link.rx, counting(table, 14))
    wire.send(keyed(0, 1, 1, 3, 3, 3, 4, 1 << 31))
    until("the last two have no element", partial(said, wire.link, "aborted", 2))
    assert [struct.unpack("<Q", table[key])[0] for key in table] == [1, 2, 0, 3]
    one = struct.pack("<I", 1)
    table.update(one, struct.pack("<Q", 1000))
    wire.send(keyed(1))
    until("it counts on", lambda: struct.unpack("<Q", table[one])[0] == 1001)
    with pytest.raises(FileExistsError):
        table.update(one, bytes(8), NO_EXIST)
    table.update(one, bytes(8), EXIST)
    for bad, error in ((lambda: table.update(struct.pack("<I", 4), bytes(8)), errno.E2BIG),
                       (lambda: table.__delitem__(one), errno.EINVAL),
                       (lambda: table[struct.pack("<I", 4)], errno.ENOENT)):  # fmt: skip
        with pytest.raises(OSError) as told:
            bad()
        assert told.value.errno == error


def test_hash_of_user_space(make_wire: MakeWire, defer: Defer) -> None:
    """A hash table that user space fills: the program finds what is there, all of it can go, and come again."""
    wire = make_wire(bare=True)
    entries = 100
    table = DeviceMap(wire.link.rx, HASH, entries, 8, defer)
    names = [struct.pack("<I", key * 7919) for key in range(entries)]
    for round_ in range(2):
        assert list(table) == []
        for name in names:
            table.update(name, bytes(8), NO_EXIST)
        assert sorted(table) == sorted(names)
        with pytest.raises(OSError) as told:
            table.update(struct.pack("<I", 5), bytes(8))
        assert told.value.errno == errno.E2BIG
        bpf.offload(wire.link.rx, counting(table, 14))
        before = counts(wire.link)["aborted"]
        wire.send([plain(name + payload(60)) for name in names * 2] + keyed(5))
        until("the last one has no element", partial(said, wire.link, "aborted", before + 1))
        assert {table[name] for name in names} == {struct.pack("<Q", 2)}, f"round {round_}"
        for name in names:
            del table[name]
        with pytest.raises(FileNotFoundError):
            del table[names[0]]
        with pytest.raises(FileNotFoundError):
            table.update(names[0], bytes(8), EXIST)


def test_hash_of_a_program(make_wire: MakeWire, defer: Defer) -> None:
    """A program puts elements into a table and takes them out, and user space sees it; a full table says so."""
    wire = make_wire(bare=True)
    table = DeviceMap(wire.link.rx, HASH, 8, 8, defer)
    value = [instruction(0x7A, 10, offset=-16, value=42), instruction(MOV_REG, 3, 10), instruction(ADD, 3, value=-16)]
    put = with_key(table, 14, *value, instruction(MOV, 4), instruction(CALL, value=UPDATE),
                   instruction(JUMP_EQUAL, 0, offset=2), *verdict(XDP_ABORTED), *verdict(XDP_DROP))  # fmt: skip
    take = with_key(table, 14, instruction(CALL, value=DELETE),
                    instruction(JUMP_EQUAL, 0, offset=2), *verdict(XDP_ABORTED), *verdict(XDP_DROP))  # fmt: skip
    bpf.offload(wire.link.rx, put)
    wire.send(keyed(*range(100, 110), 100))
    until("two found no room, and one was there", partial(said, wire.link, "aborted", 2))
    until("the others are in it", partial(said, wire.link, "drop", 9))
    assert {key: table[key] for key in table} == {struct.pack("<I", k): struct.pack("<Q", 42) for k in range(100, 108)}
    bpf.offload(wire.link.rx, take)
    wire.send(keyed(*range(100, 110)))
    until("two were not there", partial(said, wire.link, "aborted", 4))
    assert list(table) == []


def test_maps_refused(make_link: MakeLink, defer: Defer) -> None:
    """What the device has no memory for, or no program could use, is refused when it is made."""
    link = make_link(bare=True)
    for kind, entries, value, key, error in (
        (ARRAY, 1 << 20, 1 << 10, 4, errno.ENOMEM),
        (HASH, 1 << 31, 8, 4, errno.ENOMEM),
        (ARRAY, 4, 8, 8, errno.EINVAL),
        (HASH, 0, 8, 4, errno.EINVAL),
        (HASH, 4, 0, 4, errno.EINVAL),
        (9, 4, 8, 4, errno.EINVAL),  # an LRU hash table
    ):
        with pytest.raises(OSError) as told:
            DeviceMap(link.rx, kind, entries, value, defer, key)
        assert told.value.errno == error, (kind, entries, value, key)
    table = DeviceMap(link.tx, ARRAY, 4, 8, defer)
    with pytest.raises(OSError, match="offload device mismatch"):
        bpf.offload(link.rx, counting(table))


# ------------------------------------------------- once, wherever a frame waits


def seen(table: DeviceMap) -> int:
    """What counting() has counted."""
    (count,) = struct.unpack("<Q", table[bytes(4)])
    return int(count)


def test_once_while_it_waits(make_wire: MakeWire, defer: Defer) -> None:
    """A frame that finds no buffers is tried again whenever another one is sent; the program has seen it once, and what
    it has made of it is what arrives."""
    wire = make_wire(bare=True)
    table = DeviceMap(wire.link.rx, ARRAY, 1, 8, defer)
    bpf.offload(wire.link.rx, counting(table, then=write(50, 0x5A5A5A5A)))
    wire.link.rx.ethtool.run("--set-tunable", "pfc-prevention-tout", "60000")
    frames = [plain(payload(100, seed=i)) for i in range(20)]
    changed = [frame[:50] + b"ZZZZ" + frame[54:] for frame in frames]
    faults.inject(wire.link.rx, "stall_rx", 0xF, defer)
    wire.send(frames)
    until("the first one waits", lambda: wire.link.rx.ethtool.stats()["rx_pauses"] > 0)
    assert seen(table) == 1
    (faults.folder(wire.link.rx) / "stall_rx").write_text("0")
    wire.send(frames[:1])
    assert [f.data for f in wire.receive(len(frames) + 1)] == [*changed, changed[0]]
    assert seen(table) == len(frames) + 1


def test_faults_of_the_wire(make_wire: MakeWire, defer: Defer) -> None:
    """Frames that the wire doubles or overtakes are seen as often as they come."""
    wire = make_wire(bare=True)
    table = DeviceMap(wire.link.rx, ARRAY, 1, 8, defer)
    bpf.offload(wire.link.rx, counting(table, then=verdict(XDP_PASS)))
    frames = [plain(payload(100, seed=i)) for i in range(12)]
    faults.inject(wire.link.tx, "duplicate", 3, defer)
    faults.inject(wire.link.tx, "reorder", 4, defer)
    wire.send(frames)
    got: list[bytes] = []

    def all_came() -> bool:
        got.extend(f.data for f in wire.drain())
        return set(got) == set(frames) and len(got) == seen(table)

    until("each frame has come, as often as it was seen", all_came)
    assert len(got) > len(frames)


# ------------------------------------------------------------------- refusals


REFUSED = {
    "redirect": bpf.redirect(1),
    "reading the queue": [instruction(LOAD_WORD, 2, 1, QUEUE), *verdict(XDP_PASS)],
    "reading the device": [instruction(LOAD_WORD, 2, 1, INGRESS), *verdict(XDP_PASS)],
    "metadata": [instruction(LOAD_WORD, 2, 1, DATA_META), *verdict(XDP_PASS)],
    "the time": [instruction(CALL, value=5), *verdict(XDP_PASS)],
    "a function": [instruction(CALL, source=1, value=1), instruction(EXIT), *verdict(XDP_PASS)],
}


def test_a_map_of_the_host(make_link: MakeLink) -> None:
    """The core lets a map of perf events through, which is nobody's: it is the kernel's own structure, and refused."""
    link = make_link(bare=True)
    events = call(MAP_CREATE, struct.pack("=IIIII", PERF_EVENTS, 4, 4, 1, 0))
    try:
        for code in ([], [instruction(LOAD_LONG, 2, 1, 8), instruction(LOAD_WORD, 3, 2)]):
            with pytest.raises(OSError, match=r"\[ppnic\] the device can't do instruction"):
                bpf.offload(link.rx, [instruction(WIDE, 1, 1, value=events), instruction(0), *code, *verdict(XDP_PASS)])
    finally:
        os.close(events)


def test_one_that_the_kernel_moves(make_link: MakeLink) -> None:
    """A program that has another place in memory after it was verified comes and goes, and its port before it."""
    link = make_link(bare=True)
    for _ in range(3):
        bpf.offload(link.rx, bpf.outgrowing())
        bpf.take_off_device(link.rx)
    with bpf.loaded(bpf.outgrowing(), bound_to=link.rx, in_device=True) as fd:
        bpf.put_into_device(link.rx, fd)
        link.remove()
        until("the link is gone", lambda: not link.exists)


@pytest.mark.parametrize("what", REFUSED)
def test_refused_by_the_device(make_link: MakeLink, what: str) -> None:
    """What the processor can't do is refused when the program is loaded, and said by its instruction."""
    link = make_link(bare=True)
    with pytest.raises(OSError, match=r"\[ppnic\] the device can't do instruction \d"):
        bpf.offload(link.rx, REFUSED[what])


def test_refused_of_others(make_link: MakeLink) -> None:
    """Neither a program for the host in the device, nor the other way round, nor one for another port."""
    link = make_link(bare=True)
    with bpf.loaded(verdict(XDP_PASS)) as fd, refusal(errno.EINVAL, "loaded for this device"):
        bpf.put_into_device(link.rx, fd)
    with (
        bpf.loaded(verdict(XDP_PASS), bound_to=link.tx, in_device=True) as fd,
        refusal(errno.EINVAL, "different device"),
    ):
        bpf.put_into_device(link.rx, fd)
    with (
        bpf.loaded(verdict(XDP_PASS), bound_to=link.rx, in_device=True) as fd,
        refusal(errno.EINVAL, "offloaded program"),
    ):
        bpf.put_into_driver(link.rx, fd)
    assert counts(link) == dict.fromkeys(COUNTERS, 0)


def test_who_may_not_see_memory(make_link: MakeLink) -> None:
    """A program for the host can be loaded without CAP_PERFMON, one for the device can't, and the device says so."""
    link = make_link(bare=True)
    lacking = (CAP_PERFMON, CAP_SYS_ADMIN)  # which stands for each of the newer ones
    with bpf.loaded(verdict(XDP_PASS), lacking=lacking):
        pass
    with (
        pytest.raises(PermissionError, match=r"\[ppnic\] .* CAP_PERFMON"),
        bpf.loaded(verdict(XDP_PASS), bound_to=link.rx, in_device=True, lacking=lacking),
    ):
        pass


# ------------------------------------------------------------- with other things


def test_before_the_driver(make_wire: MakeWire) -> None:
    """The device's program is before the driver's: what it has changed is what that one sees."""
    wire = make_wire(bare=True)
    bpf.offload(wire.link.rx, write(40, 0x5A5A5A5A))
    bpf.attach(wire.link.rx, write(44, 0x5A5A5A5A), frags=False)
    frame = plain(payload(1000))
    (got,) = wire.exchange([frame])
    assert got.data == frame[:40] + b"Z" * 8 + frame[48:]
    assert (counts(wire.link)["pass"], wire.link.rx.ethtool.stats()["rx3_xdp_pass"]) == (1, 1)


@pytest.mark.needs_config("MACSEC")
def test_with_macsec(make_link: MakeLink, defer: Defer) -> None:
    """The program sees what MACsec has decrypted; what it passes is MACsec's, and nothing is sent back in clear."""
    link = make_link(bare=True).hush()
    ends = Macsec(link, Way("both"))
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    bpf.offload(link.rx, verdict(XDP_PASS))
    datagrams.exchange(4)
    assert counts(link)["pass"] >= 4 and link.rx.ethtool.stats()["rx_macsec_accepted"] >= 4
    kind = 12
    ip = int.from_bytes(b"\x08\x00\x45\x00", "little")
    bpf.offload(link.rx, only(kind, ip, verdict(XDP_TX)))
    before = link.tx.ethtool.stats()["rx_packets"]
    for _ in range(4):
        datagrams.send(payload(100))
    until("it may not send them", partial(said, link, "failed", 4))
    assert counts(link)["tx"] == 0 and datagrams.empty()
    assert link.tx.ethtool.stats()["rx_packets"] == before


def only(at: int, value: int, code: Sequence[bytes]) -> list[bytes]:
    """All of a program: a verdict on frames with that word there; others pass."""
    return [
        instruction(LOAD_WORD, 2, 1, DATA),
        instruction(LOAD_WORD, 3, 1, DATA_END),
        instruction(MOV_REG, 4, 2),
        instruction(ADD, 4, value=at + 4),
        instruction(JUMP_GREATER, 4, 3, offset=2 + len(code)),
        instruction(LOAD_WORD, 5, 2, at),
        instruction(0x56, 5, offset=len(code), value=value),  # not equal, 32 bits
        *code,
        *verdict(XDP_PASS),
    ]


def test_under_traffic(nic: Link, defer: Defer) -> None:
    """Programs come, change and go, also while the port is down or its rings change, and a stream goes on unharmed."""
    stream = Stream(nic, defer)
    for _ in range(3):
        bpf.offload(nic.rx, verdict(XDP_PASS))
        failed = counts(nic)["failed"]
        stream.progress("with a program")
        assert counts(nic)["failed"] == failed, "a super-packet was not cut"
        bpf.offload(nic.tx, verdict(XDP_PASS))
        stream.progress("with one at each end")
        nic.rx.ethtool.set_rings(RX=512)
        bpf.offload(nic.rx, verdict(XDP_PASS))
        stream.progress("with another, and other rings")
        bpf.take_off_device(nic.rx)
        stream.progress("with the other end's")
        bpf.take_off_device(nic.tx)
        stream.progress("without")
    for attached in (True, False):
        nic.rx.set(state="down")
        if attached:
            bpf.offload(nic.rx, verdict(XDP_PASS))
        else:
            bpf.take_off_device(nic.rx)
        nic.set_up()
        stream.progress(f"after the port was down, program {attached}")
    assert counts(nic)["pass"] > 0
    stream.check()


def test_removed_with_a_program(make_link: MakeLink, defer: Defer) -> None:
    """A port is removed with its program and its maps, up and down; who still holds them has nothing."""
    for up in (True, False):
        link = make_link(bare=True)
        table = DeviceMap(link.rx, HASH, 4, 8, defer)
        table.update(bytes(4), bytes(8))
        bpf.offload(link.rx, counting(table))
        bpf.offload(link.tx, verdict(XDP_TX))
        if not up:
            link.rx.set(state="down")
        with bpf.loaded(verdict(XDP_PASS), bound_to=link.rx, in_device=True):
            link.remove()
            until("the link is gone", lambda: not link.exists)  # noqa: B023
        with pytest.raises(OSError) as told:
            table[bytes(4)]
        assert told.value.errno == errno.ENODEV
