# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of all guest tests. They run as root in a throw-away machine; see docs/selftests.md.

Nothing is done when this is imported: the names of the tests are collected on the host.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

# Whatever pytest's import mode is, and wherever it was started
sys.path.insert(0, str(Path(__file__).parent))

from lib import backend, faults, leaks
from lib.backend import Binding
from lib.fixtures import Bind, Defer, MakeLink, Start
from lib.klog import KernelLog
from lib.link import Link
from lib.netns import Namespace
from lib.ppcat import Ppcat


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "timeout_s(seconds): how long the test may take under TCG")
    config.addinivalue_line("markers", "only(backend): the question makes no sense with the other backend")
    config.addinivalue_line("markers", "providers(name, ...): the test makes sense with these as it does with dmabuf")
    config.addinivalue_line("markers", "sample: with the providers(...) it runs also where not all were asked for")
    config.addinivalue_line("markers", "last: runs after all others, since it takes away what they need")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `last` go to the end; the order is otherwise that of the files."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(scope="session")
def namespaces() -> Iterator[tuple[Namespace, Namespace]]:
    """The two namespaces of every topology, (tx, rx)."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with ExitStack() as undo:
        pair = (Namespace("ppiov-tx"), Namespace("ppiov-rx"))
        for ns in pair:
            ns.create()
            undo.callback(ns.remove)
        leaks.begin(list(pair))
        undo.callback(leaks.end)
        yield pair


@pytest.fixture
def undo(namespaces: tuple[Namespace, Namespace]) -> Iterator[ExitStack]:
    """What a test has to undo, in reverse order, whatever happens."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def defer(undo: ExitStack) -> Defer:
    """defer(function, args...): call it at the end of the test. Say it at once, where the thing to undo was done."""

    def later(function: Callable[..., Any], *args: Any, **named: Any) -> None:
        undo.callback(function, *args, **named)

    return later


@pytest.fixture
def make_link(namespaces: tuple[Namespace, Namespace], defer: Defer) -> MakeLink:
    """make_link(queues=4, mtu=1500, up=True): a link as lib.link draws it."""

    def make(up: bool = True, **parameters: Any) -> Link:
        link = Link(*namespaces, **parameters)
        defer(link.delete)
        link.create(up)
        defer(_check_dma, link)
        return link

    return make


def _check_dma(link: Link) -> None:
    """The device must never have been given an address that was not mapped for it."""
    refused = {port.name: faults.dma_faults(port) for port in (link.rx, link.tx)}
    wanted = link.dma_faults_wanted
    assert sum(refused.values()) == wanted, f"DMA accesses that hit nothing mapped: {refused}, {wanted} were injected"


@pytest.fixture
def link(make_link: MakeLink) -> Link:
    """A link with 4 queues and MTU 1500, up."""
    return make_link()


@pytest.fixture
def bind(defer: Defer) -> Bind:
    """bind(link, queues, size=...): memory of that size bound to RX queues of rx0. `.dmabuf` reads it."""

    def make(link: Link, queues: list[int], size: int = 4 << 20) -> Binding:
        dmabuf = backend.current().memory(size)
        defer(dmabuf.close)
        binding = backend.current().bind(link.rx.ns, link.rx.ifindex, queues, dmabuf)
        defer(binding.unbind)
        return binding

    return make


@pytest.fixture
def start(defer: Defer) -> Start:
    """start(namespace, ppcat arguments...): a ppcat that is ended with the test."""

    def begin(ns: Namespace, *args: str | int, **named: Any) -> Ppcat:
        ppcat = Ppcat(ns, *args, **named)
        defer(ppcat.stop)
        return ppcat

    return begin


@pytest.fixture
def klog(defer: Defer) -> KernelLog:
    """The kernel log from here on."""
    log = KernelLog()
    defer(log.close)
    return log


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """A folder for files worth keeping: in the run's folder, or a temporary one."""
    return Path(os.environ.get("PPIOV_ARTIFACTS", tmp_path))
