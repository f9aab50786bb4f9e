# SPDX-License-Identifier: GPL-2.0-only
"""The kernel module under test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lib import processes

NAME = "ppnic"


def loaded() -> bool:
    """True if it is in the kernel, as a module or built in."""
    return Path("/sys/module", NAME).exists()


def load() -> None:
    """Load ppnic.ko from the folder in PPIOV_MODULES, unless it is there already; without either, skip the test."""
    if loaded():
        return
    folder = os.environ.get("PPIOV_MODULES")
    if not folder:
        pytest.skip("ppnic is not loaded, and PPIOV_MODULES does not say where ppnic.ko is")
    processes.run(["insmod", Path(folder, f"{NAME}.ko")])


def unload() -> None:
    """Unload it.

    :raises AssertionError: with rmmod's words, if it is in use
    """
    processes.run(["rmmod", NAME])
