# SPDX-License-Identifier: GPL-2.0-only
"""A connection whose payload comes in device memory, for the stack to trip over.

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound with the core's own dma-buf provider, the flow steered to it

Every test here is marked with the bug it is about (see docs/bugs/README.md):

    @pytest.mark.reproducer(
        report="docs/bugs/NAME.md",
        hits=("6.12",),          # series in which it was seen
        spared=("7.3",),         # series in which the same trigger was seen to do nothing
        kind="oops",             # what the console must show: the kind of complaint (harness/ppiov/console.py)
        shows=("FUNCTION", ...), # ... and functions or words that must be in it
    )

What the test asserts is that the trigger was pulled: that the traffic flowed which the bug needs. Whether the kernel's
complaint or its silence is right is judged by the harness, which is there when the guest is not.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

import pytest
from lib import devmem
from lib.dmabuf import Dmabuf
from lib.fixtures import Bind, Defer
from lib.link import Link
from lib.traffic import connect, payload, steer

QUEUE = 2
DATA = payload(150_000)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "reproducer(report, hits, spared, kind, shows): see reproducers/conftest.py")


@dataclass(frozen=True, slots=True)
class Stream:
    """Both ends of the connection, and where its payload goes."""

    sender: socket.socket
    receiver: socket.socket
    dmabuf: Dmabuf

    def carry(self, data: bytes = DATA) -> None:
        """All of it arrives in device memory, is right, and the buffers go back."""
        self.sender.sendall(data)
        got = devmem.receive_all(self.receiver, len(data))
        assert b"".join(r.content(self.dmabuf) for r in got) == data
        frags = [frag for r in got for frag in r.frags]
        assert frags, "nothing came in device memory"
        for frag in frags:
            assert devmem.dontneed(self.receiver, [(frag.token, 1)]) == 1


@pytest.fixture
def stream(link: Link, bind: Bind, defer: Defer) -> Stream:
    """It has carried data already, so that what comes next is not the first of its kind."""
    binding = bind(link, [QUEUE])
    steer(link, socket.AF_INET, [QUEUE])
    sender, receiver = connect(link, socket.AF_INET, defer)
    stream = Stream(sender, receiver, binding.dmabuf)
    stream.carry()
    return stream
