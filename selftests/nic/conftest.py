# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of the NIC itself add: a quiet link, and frames on it."""

from __future__ import annotations

import pytest
from lib.fixtures import Defer, MakeLink
from lib.frames import SOURCE
from lib.link import Link
from lib.wire import MakeWire, Wire


def mac(address: bytes) -> str:
    return address.hex(":")


@pytest.fixture
def make_wire(make_link: MakeLink, defer: Defer) -> MakeWire:
    """make_wire(queue=3, hashes=(), **of the link): a wire over a new link on which nobody else talks.

    The frames of lib.frames are steered to `queue`, or with None spread by RSS. GRO is off, the stack's and the
    device's: each frame stays one.
    """

    def make(queue: int | None = 3, hashes: tuple[int, ...] = (), **link_parameters: object) -> Wire:
        link = make_link(**link_parameters).hush()
        link.rx.ethtool.run("-K", "gro", "off", "rx-gro-hw", "off")
        if queue is not None:
            link.rx.ethtool.run("-N", "flow-type", "ether", "src", mac(SOURCE), "action", queue, "loc", 1000)
        wire = Wire(link, hashes)
        defer(wire.close)
        return wire

    return make


@pytest.fixture
def wire(make_wire: MakeWire) -> Wire:
    """A wire whose frames come through queue 3, with header split on."""
    return make_wire()


@pytest.fixture
def nic(make_link: MakeLink) -> Link:
    """A link as `ip link add` makes it, addressed and up."""
    return make_link(bare=True)
