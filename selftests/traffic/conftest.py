# SPDX-License-Identifier: GPL-2.0-only
"""Every test here is run with each backend that PPIOV_BACKEND names; its name tells which. See lib/backend.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lib import backend as backends
from lib.backend import Backend


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", backends.chosen(), ids=lambda b: b.name, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test marked only("core") asks what makes no sense with the other backend."""
    wrong = [item for item in items if not _fits(item)]
    if wrong:
        config.hook.pytest_deselected(items=wrong)
        items[:] = [item for item in items if item not in wrong]


def _fits(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("only")
    callspec = getattr(item, "callspec", None)
    if mark is None or callspec is None:
        return True
    return callspec.params["backend"].name in mark.args


@pytest.fixture(autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """The test's backend, which all helpers use."""
    backends.use(request.param)
    yield request.param
    backends.use(backends.CORE)
