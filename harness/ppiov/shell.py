# SPDX-License-Identifier: GPL-2.0-only
"""An interactive shell in the very guest that the tests run in, with the modules loaded."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from ppiov import prepare, suites
from ppiov.errors import NoGuest
from ppiov.events import Event, Note
from ppiov.lane import MAX_ATTEMPTS
from ppiov.spec import KernelSpec
from ppiov.vm import GUEST, GuestConfig, run_interactively


@dataclass(frozen=True, slots=True)
class ShellRequest:
    """What the user asked for."""

    kernel: KernelSpec
    accel: str = "auto"
    cpus: int = 2
    memory_mib: int = 2048
    source: Path | None = None


def shell(request: ShellRequest) -> Generator[Event, None, int]:
    """Boot the guest with this terminal as its console; returns virtme-run's exit code when the shell is left.

    The environment is that of the tests (PPIOV_MODULES, PPIOV_PPCAT, PPIOV_KERNEL, and a folder for files that is gone
    with the guest); the current folder is selftests/. Raises what the preparation of a run raises, and NoGuest.
    """
    source = suites.find_source(request.source)
    ready = yield from prepare.ready(request.kernel, source, request.accel, set())
    with tempfile.TemporaryDirectory(prefix="ppiov-shell-") as temporary:
        share = Path(temporary)
        prepare.write_share(share, ready.tree, shlex.join(["exec", "bash", "--rcfile", f"{GUEST}/shellrc", "-i"]))
        environment = {**ready.test_environment(), "PPIOV_SELFTESTS": str(source / "selftests")}
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()]
        (share / "shell.env").write_text("".join(lines))
        yield Note(f"{ready.tree.release} under {ready.accel.name}; leave it with Ctrl-D")
        config = GuestConfig(ready.tree, ready.accel.name, share, request.cpus, request.memory_mib)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            code = run_interactively(config)
            if (share / "shell.begun").exists():
                return code
            yield Note(f"the guest died before its shell began (attempt {attempt} of {MAX_ATTEMPTS})", "warning")
    raise NoGuest(f"{MAX_ATTEMPTS} guests in a row died before a shell began; what they said is above")
