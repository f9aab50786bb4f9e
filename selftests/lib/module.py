# SPDX-License-Identifier: GPL-2.0-only
"""The kernel modules under test: ppnic, and ppiov, which it is built upon."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lib import processes
from lib.debugfs import DEBUGFS

NAME = "ppnic"
PPIOV = "ppiov"

# In the order of loading: each needs those before it
_MODULES = (PPIOV, NAME)


def loaded(name: str = NAME) -> bool:
    """True if it is in the kernel, as a module or built in."""
    return Path("/sys/module", name).exists()


def load() -> None:
    """Load the modules from the folder in PPIOV_MODULES, unless they are there; without either, skip the test."""
    missing = [name for name in _MODULES if not loaded(name)]
    folder = os.environ.get("PPIOV_MODULES")
    if missing and not folder:
        pytest.skip(f"{missing[0]} is not loaded, and PPIOV_MODULES does not say where {missing[0]}.ko is")
    for name in missing:
        processes.run(["insmod", Path(str(folder), f"{name}.ko")])


def built_in() -> bool:
    """True if they are parts of the kernel (PPIOV_BUILT_IN): there is nothing to load, and nothing to unload."""
    return bool(os.environ.get("PPIOV_BUILT_IN"))


def unload() -> None:
    """Unload them; skip the test where they are parts of the kernel.

    :raises AssertionError: with rmmod's words, if one is in use
    """
    if built_in():
        pytest.skip("the modules are built into this kernel")
    for name in reversed(_MODULES):
        processes.run(["rmmod", name])


def traces() -> list[str]:
    """What is there because of the modules."""
    places = [Path("/sys/module", name) for name in _MODULES] + [DEBUGFS / name for name in _MODULES]
    found = [str(p) for p in places if p.exists()]
    found += [str(p) for p in Path("/sys/devices").glob(f"{NAME}*")]
    interrupts = Path("/proc/interrupts").read_text().splitlines()
    return found + [line.strip() for line in interrupts if NAME in line]


def end() -> list[str]:
    """Unload what is loaded of them, and say in sentences what does not go or is left behind."""
    if built_in():
        return []
    try:
        for name in reversed(_MODULES):
            unload_for_test(name)
    except AssertionError as refused:
        return [f"a module can't be unloaded after the last test: {refused}"]
    return [f"{trace} is left of modules that were unloaded" for trace in traces()]


def load_for_test(name: str, **parameters: int) -> None:
    """Load a module that only tests load: one of selftests/modules, or the example of a provider."""
    folders = os.environ.get("PPIOV_TEST_MODULES")
    if not folders:
        pytest.skip(f"PPIOV_TEST_MODULES does not say where {name}.ko is")
    (file,) = (p for folder in folders.split(os.pathsep) if (p := Path(folder, f"{name}.ko")).is_file())
    processes.run(["insmod", file, *(f"{key}={value}" for key, value in parameters.items())])


def unload_for_test(name: str) -> None:
    """Unload it; no error if it is gone.

    :raises AssertionError: with rmmod's words, if it is in use
    """
    if loaded(name):
        processes.run(["rmmod", name])
