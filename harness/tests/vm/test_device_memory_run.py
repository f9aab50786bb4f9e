# SPDX-License-Identifier: GPL-2.0-only
"""The memory of a guest's PCI device, as the host has it: what a NIC was told to put there is there, byte by byte.

The guest only says where: what it received as control messages. The bytes are made here once more.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from ppiov import events as ev
from ppiov import run as engine
from ppiov.results import Outcome, RunState
from ppiov.spec import KernelSpec
from ppiov.vm import DEVICE_MEMORY

TEST = "traffic/test_ivshmem.py::test_payload_lands_in_the_bar[ppiov-ipv4]"
SENT = random.Random(1).randbytes(100_000)


def test_payload_is_where_the_guest_says(kernel: str, tmp_path: Path) -> None:
    request = engine.RunRequest(
        KernelSpec.parse(kernel), ("traffic",), tests=(TEST,), backend="ppiov", results_dir=tmp_path
    )
    found: list[tuple[bytes, dict[str, Any]]] = []
    last: ev.Event | None = None
    for last in engine.run(request):
        if isinstance(last, ev.TestEnded):  # the guest is about to go, and takes its memory along
            guest = tmp_path / "latest/guests/0"
            (told,) = guest.glob("artifacts/*/landed.json")
            found.append(((guest / DEVICE_MEMORY).read_bytes(), json.loads(told.read_text())))
    assert isinstance(last, ev.RunFinished) and last.run.state is RunState.COMPLETE
    assert [test.outcome for test in last.run.tests] == [Outcome.PASS]

    ((memory, landed),) = found
    assert b"".join(memory[at : at + size] for at, size in landed["pieces"]) == SENT
    begin, size = landed["dmabuf"]
    around = memory[:begin] + memory[begin + size : landed["filled"]]
    assert around == bytes([landed["with"]]) * len(around), "bytes were written outside of the dma-buf"
    rest = memory[landed["filled"] :]
    assert rest == bytes(len(rest)), "bytes were written far outside of the dma-buf"
