# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own selftests, unmodified, on a ppnic port. See docs/upstream.md."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lib import faults, kselftest
from lib.fixtures import Defer, Ktap
from lib.link import Link, Port
from lib.netns import INIT, Namespace


def _params() -> list[object]:
    found: list[object] = []
    for program in kselftest.programs():
        needs = kselftest.needs(program)
        marks = [
            pytest.mark.timeout_s(needs.timeout_s),
            pytest.mark.guest(cpus=needs.cpus, memory_mib=needs.memory_mib),
            pytest.mark.needs_config(*needs.config),
        ]
        found.append(pytest.param(program, marks=marks, id=program))
    return found


@pytest.fixture
def nics(program: str, namespaces: tuple[Namespace, Namespace], defer: Defer) -> list[Link]:
    """The links whose ends are the NICs under test, as the device comes: nothing is set."""
    needs = kselftest.needs(program)
    remote = INIT if needs.ports else namespaces[0]
    count = max(needs.ports // 2, 1) if kselftest.wants_nic(program) else 0
    links = [_link(remote, number, needs.queues, defer) for number in range(count)]
    kselftest.prepare(needs.modules)
    return links


@pytest.fixture
def unplugged(program: str, nics: list[Link], defer: Defer) -> Port | None:
    """A port without a cable, if the program wants one."""
    needs = kselftest.needs(program)
    if not needs.no_cable:
        return None
    port = _link(INIT, len(nics), needs.queues, defer).rx
    faults.unplug(port, defer)
    return port


def _link(remote: Namespace, number: int, queues: int, defer: Defer) -> Link:
    link = Link(remote, INIT, queues=queues, bare=True, number=number)
    kselftest.address(link)
    defer(link.delete)
    link.create()
    kselftest.prepare_link(INIT, link)
    return link


@pytest.mark.parametrize("program", _params())
def test_kernel(program: str, nics: list[Link], unplugged: Port | None, tmp_path: Path, ktap: Ktap) -> None:
    """What the program itself says of each of its cases."""
    log = ktap.path()
    folder = Path(os.environ["PPIOV_PROGRAMS_DIR"])
    needs = kselftest.needs(program)
    seconds = needs.timeout_s * kselftest.slower() - kselftest.MARGIN
    ports = [port.name for nic in nics for port in (nic.rx, nic.tx)] if needs.ports else []
    environment = kselftest.environment(tmp_path, nics[0] if nics else None, unplugged)
    code = kselftest.run([folder / program, *ports], environment, log, seconds)
    output = log.read_text(errors="replace")
    if not kselftest.is_ktap(output):
        log.write_text(kselftest.as_ktap(Path(program).name, output, code))
        return
    assert code != kselftest.TIMED_OUT, f"{program} was stopped after {seconds:g} s"
    told = "not ok" in output  # the host reads which
    assert told or code in (0, kselftest.SKIPPED), f"{program} exited with {code} and says nothing of a failure"
