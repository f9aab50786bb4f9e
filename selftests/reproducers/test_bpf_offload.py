# SPDX-License-Identifier: GPL-2.0-only
"""A device goes while somebody holds a BPF program that was loaded for it and that the verifier had to move. The
report: docs/bugs/bpf-offload.md.

The device is the kernel's own netdevsim; nothing of ours has a part in it. Under KASAN the report comes from that, so
the test is for kernels without.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lib import bpf
from lib.fixtures import Defer
from lib.link import Port
from lib.netns import INIT
from lib.poll import until

pytestmark = [
    pytest.mark.needs_config("NETDEVSIM"),
    pytest.mark.needs_config("!KASAN"),
    pytest.mark.reproducer(
        report="docs/bugs/bpf-offload.md", hits=("7.3",), kind="oops", shows=("bpf_offload_dev_netdev_unregister",)
    ),
]

BUS = Path("/sys/bus/netdevsim")
NUMBER = 77


@pytest.fixture
def port(defer: Defer) -> Port:
    INIT.run(["modprobe", "netdevsim"])
    (BUS / "new_device").write_text(f"{NUMBER} 1")
    net = BUS / f"devices/netdevsim{NUMBER}/net"
    until("the device is there", lambda: net.is_dir() and any(net.iterdir()))
    (name,) = (entry.name for entry in net.iterdir())
    defer(remove)
    return Port(INIT, name, "", "", ifindex=int((net / name / "ifindex").read_text()))


def remove() -> None:
    if (BUS / f"devices/netdevsim{NUMBER}").exists():
        (BUS / "del_device").write_text(str(NUMBER))


def test_device_goes_before_its_program(port: Port) -> None:
    with bpf.loaded(bpf.outgrowing(), bound_to=port, in_device=True):
        remove()
