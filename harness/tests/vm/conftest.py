# SPDX-License-Identifier: GPL-2.0-only
"""Tests that boot guests take minutes: they run only when asked for, with ``pytest -m vm``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "vm: boots guests; runs only with -m vm")


@pytest.hookimpl(tryfirst=True)  # before -m is looked at
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mine = [item for item in items if HERE in item.path.parents]
    for item in mine:
        item.add_marker(pytest.mark.vm)
    if not config.getoption("-m"):
        config.hook.pytest_deselected(items=mine)
        items[:] = [item for item in items if item not in mine]


@pytest.fixture(scope="session")
def kernel() -> str:
    """The kernel spec that the guests boot."""
    return os.environ.get("PPIOV_TEST_KERNEL", "deb:6.12")
