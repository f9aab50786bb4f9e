# SPDX-License-Identifier: GPL-2.0-only
"""The benchmarks' fixtures."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from lib import bench, leaks, module


@pytest.fixture(scope="session")
def benches() -> Iterator[None]:
    """The module, and no leak questions about networks: nothing here has any."""
    began = not leaks.begun()
    if began:
        leaks.begin([])
    bench.load()
    yield
    module.unload_for_test(bench.NAME)
    if began:
        leaks.end()


@pytest.fixture(scope="session")
def meter() -> str:
    """What the harness wants it to be measured with."""
    name = os.environ.get("PPIOV_METER", "insns")
    assert name in bench.METERS
    return name
