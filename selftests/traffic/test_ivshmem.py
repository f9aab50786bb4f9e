# SPDX-License-Identifier: GPL-2.0-only
"""Does payload land in memory that is a device's: a PCI BAR without struct pages, which no CPU of the guest reads?

netns «ppiov-tx»                netns «ppiov-rx»              host
 tx0 ===================== rx0  queue 2: bound ---- BAR ---- the file behind it is compared
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from lib import backend, devmem, ivshmem, module
from lib.fixtures import Defer
from lib.ivshmem import DeviceMemory
from lib.link import Link
from lib.sleeper import Sleeper
from lib.traffic import IPV4_AND_IPV6, connect, payload, steer

UNTOUCHED = 0xEE
AROUND = 4 << 20  # bytes that are looked at: a dma-buf of 2 MiB, and 1 MiB on either side; more is slow through 9p
PAGE = mmap.PAGESIZE


@pytest.fixture(autouse=True)
def device() -> Iterator[None]:
    """The driver, with all of the memory to be exported."""
    ivshmem.load()
    yield
    ivshmem.unload_unused()


@IPV4_AND_IPV6
def test_payload_lands_in_the_bar(link: Link, defer: Defer, family: int, artifacts: Path) -> None:
    """The host finds every byte where its control message says, and nothing around the dma-buf was written.

    Here it is asked through the shared folder; what it should find is left for whoever is on the host and has the file.
    """
    memory = DeviceMemory(2 << 20, offset=1 << 20)
    defer(memory.close)
    with ivshmem.FILE.open("rb+") as file:
        file.write(bytes([UNTOUCHED]) * AROUND)
    binding = backend.current().bind(link.rx.ns, link.rx.ifindex, [2], memory)
    defer(binding.unbind)
    steer(link, family, [2])
    sender, receiver = connect(link, family, defer)
    data = payload(100_000)
    sender.sendall(data)
    got = devmem.receive_all(receiver, len(data))

    assert b"".join(r.content(memory) for r in got) == data
    assert sum(r.linear for r in got) == 0
    with ivshmem.FILE.open("rb") as file:
        everything = file.read(AROUND)
    outside = everything[: memory.offset] + everything[memory.offset + memory.size :]
    assert outside.count(UNTOUCHED) == len(outside), "bytes were written outside of the dma-buf"
    pieces = [(memory.offset + frag.offset, frag.size) for r in got for frag in r.frags]
    told = {"pieces": pieces, "dmabuf": (memory.offset, memory.size), "filled": AROUND, "with": UNTOUCHED}
    (artifacts / "landed.json").write_text(json.dumps(told))


def test_more_than_the_memory_has(link: Link, defer: Defer) -> None:
    """Buffers come back and are written again: more goes through the memory than it has."""
    memory = DeviceMemory(2 << 20)
    defer(memory.close)
    binding = backend.current().bind(link.rx.ns, link.rx.ifindex, [2], memory)
    defer(binding.unbind)
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer)
    for round_ in range(24):
        data = payload(100_000, seed=round_)
        sender.sendall(data)
        got = devmem.receive_all(receiver, len(data))
        assert b"".join(r.content(memory) for r in got) == data
        for tokens in (r.tokens for r in got):
            for first in range(0, len(tokens), devmem.MAX_DONTNEED_TOKENS):
                some = tokens[first : first + devmem.MAX_DONTNEED_TOKENS]
                assert devmem.dontneed(receiver, [(token, 1) for token in some]) == len(some)


def test_the_cpu_gets_no_way_in() -> None:
    """No mmap(), no read(): there is nothing behind the dma-buf that a CPU could look at."""
    with DeviceMemory(PAGE) as memory:
        with pytest.raises(OSError) as refused:
            mmap.mmap(memory.fd, PAGE)
        assert refused.value.errno == errno.EINVAL
        with pytest.raises(OSError):
            os.read(memory.fd, 1)


BAD_PARTS = {
    "empty": (0, 0),
    "offset within a page": (512, PAGE),
    "size within a page": (0, PAGE + 1),
    "behind the end": (32 << 20, PAGE),
    "over the end": (31 << 20, 2 << 20),
    "wraps": (PAGE, (1 << 64) - PAGE),
}


@pytest.mark.parametrize("name", BAD_PARTS)
def test_a_bad_part_is_refused(name: str) -> None:
    """EINVAL for what is not whole pages of the device."""
    with pytest.raises(OSError) as refused:
        ivshmem.export(*BAD_PARTS[name])
    assert refused.value.errno == errno.EINVAL


def test_reserved_must_be_0() -> None:
    """So that it can get a meaning."""
    with pytest.raises(OSError) as refused:
        ivshmem.export(0, PAGE, reserved=1)
    assert refused.value.errno == errno.EINVAL


def test_a_dmabuf_holds_the_module() -> None:
    """The driver stays as long as somebody has its memory."""
    if module.built_in():
        pytest.skip("the driver is built into this kernel")
    with DeviceMemory(PAGE), pytest.raises(AssertionError, match="in use"):
        ivshmem.unload()


def test_removal_waits_for_who_has_mapped_it(link: Link, defer: Defer) -> None:
    """A device that is taken from its driver stays until the last buffer is back: payload lands in it as ever."""
    memory = DeviceMemory(2 << 20)
    defer(memory.close)
    binding = backend.current().bind(link.rx.ns, link.rx.ifindex, [2], memory)
    defer(binding.unbind)
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer)
    driver = Path("/sys/bus/pci/drivers", ivshmem.MODULE)
    (device,) = driver.glob("*:*:*.*")
    removal = Sleeper(lambda: (driver / "unbind").write_text(device.name))
    removal.until_asleep(f"{ivshmem.MODULE}_remove")
    data = payload(50_000)
    sender.sendall(data)
    got = devmem.receive_all(receiver, len(data))
    assert b"".join(r.content(memory) for r in got) == data
    binding.unbind()
    assert not removal.ended, "its memory is gone, and a socket has tokens of it"
    receiver.close()
    removal.result()
    assert not device.exists()
