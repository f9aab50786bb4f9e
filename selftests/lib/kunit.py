# SPDX-License-Identifier: GPL-2.0-only
"""KUnit in the guest: one suite at a time, as a module or built in, and what it wrote."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from pathlib import Path

from lib import ivshmem, module, processes
from lib.debugfs import DEBUGFS

PARAMETERS = Path("/sys/module/kunit/parameters")
OWN = "ppiov_kunit"
EXAMPLE = "ppiov_example"  # docs/writing-a-provider.md
ZONE_MIB = 16
_PATIENCE = 3600.0  # loading a module runs its suite, and how long a test may take the harness knows
# The result of a case, or of a suite that is skipped as a whole: the suite's own line is there in any case
_RESULT = re.compile(r"^ +(not )?ok \d|# SKIP", re.MULTILINE)


def run(suite: str, path: Path | None) -> str:
    """Run ``suite`` alone and return its results in KTAP. ``path``: its module; None: it is built in.

    :raises AssertionError: if it cannot be run, or has left no results
    """
    with ExitStack() as undo:
        if path is None:
            _run(suite)
        else:
            _load(path, suite, undo)
        results = DEBUGFS / "kunit" / suite / "results"
        assert results.is_file(), f"{suite} has vanished: it left nothing in {results}"
        if not _RESULT.search(results.read_text()):
            _run(suite)  # it is loaded and did not run: kunit.autorun is off, and nothing else says so
        return results.read_text()


def _load(path: Path, suite: str, undo: ExitStack) -> None:
    """Load the module so that it runs ``suite`` and no other; ``undo`` unloads it."""
    if not PARAMETERS.is_dir():
        processes.run(["modprobe", "kunit"])
    enabled = PARAMETERS / "enable"
    assert not enabled.is_file() or enabled.read_text().strip() == "Y", "KUnit is off: boot with kunit.enable=1"
    _filter(suite)
    undo.callback(_filter, "*")
    name = path.name.partition(".")[0].replace("-", "_")
    if name == OWN:
        _load_providers(path.parent, undo)
    # The kernel's own modules may need others of the kernel; those outside its tree modprobe doesn't know.
    in_tree = "lib/modules" in str(path)
    processes.run(["modprobe", name] if in_tree else ["insmod", path], timeout=_PATIENCE)
    undo.callback(processes.run, ["rmmod", name])


def _load_providers(folder: Path, undo: ExitStack) -> None:
    """Load what has providers, ppiov among it: the suites run for those that are there when they begin.

    One that cannot be had here is not left out: the suite names it, and says why.
    """
    if not module.loaded(module.PPIOV):
        processes.run(["insmod", folder / f"{module.PPIOV}.ko"])
        undo.callback(processes.run, ["rmmod", module.PPIOV])
    if os.environ.get("PPIOV_TEST_MODULES"):
        module.load_for_test(EXAMPLE)
        undo.callback(module.unload_for_test, EXAMPLE)
    if ivshmem.FILE.exists():  # its end is what zone_device gives out
        processes.run(["insmod", folder / f"{ivshmem.MODULE}.ko", f"zone_mib={ZONE_MIB}"])
        undo.callback(ivshmem.unload)


def _filter(suite: str) -> None:
    (PARAMETERS / "filter_glob").write_text(suite)


def _run(suite: str) -> None:
    """Run a suite that is there, once more or for the first time."""
    file = DEBUGFS / "kunit" / suite / "run"
    assert file.is_file(), f"{suite} has no {file}: it was filtered out when it was loaded, or runs only then"
    file.write_text("1")
