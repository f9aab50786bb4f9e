# SPDX-License-Identifier: GPL-2.0-only
"""Every test here is run with each backend that PPIOV_BACKEND and PPIOV_PROVIDER name; its name tells which.

With a provider of ppiov's other than dmabuf, those are that are marked `providers(...)`. See lib/backend.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lib import backend as backends
from lib import bound, msghdr
from lib.backend import SOME, Backend, Ppiov
from lib.bound import Stream
from lib.fixtures import Bind, Defer
from lib.link import Link


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", backends.chosen(), ids=lambda b: b.name, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test marked only("core") asks what makes no sense with the other backend, and likewise for providers."""
    wrong = [item for item in items if not _fits(item)]
    if wrong:
        config.hook.pytest_deselected(items=wrong)
        items[:] = [item for item in items if item not in wrong]
    for item in items:
        backend = item.callspec.params.get("backend") if hasattr(item, "callspec") else None
        if backend is not None and backend.needs_config:
            item.add_marker(pytest.mark.needs_config(*backend.needs_config))


def _fits(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    backend = callspec.params.get("backend") if callspec else None
    if backend is None:  # of another suite
        return True
    only = item.get_closest_marker("only")
    if only is not None and backend.kind not in only.args:
        return False
    if not isinstance(backend, Ppiov) or backend.provider == "dmabuf":
        return True
    providers = item.get_closest_marker("providers")
    if providers is None or backend.provider not in providers.args:
        return False
    return backends.asked() != SOME or item.get_closest_marker("sample") is not None


@pytest.fixture(autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """The test's backend, which all helpers use."""
    request.param.begin()
    backends.use(request.param)
    yield request.param
    backends.use(backends.CORE)
    request.param.end()


@pytest.fixture
def stream(link: Link, bind: Bind, defer: Defer) -> Stream:
    """A connection to a bound queue of a link, with nothing sent yet."""
    return bound.make(link, bind, defer)


@pytest.fixture
def guarded(defer: Defer) -> msghdr.Guarded:
    """Memory behind which a page stands that must not be touched."""
    memory = msghdr.Guarded()
    defer(memory.close)
    return memory
