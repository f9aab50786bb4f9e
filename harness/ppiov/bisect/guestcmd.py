# SPDX-License-Identifier: GPL-2.0-only
"""A guest that stays, and is asked one thing after the other: load these modules, run this command, unload.

So a step of a bisection over modules takes as long as building the module and running the command. The guest boots
anew only if it has died, if a module would not go, or for another kernel. While nobody asks, it is stopped.
"""

from __future__ import annotations

import json
import selectors
import shlex
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ppiov.console import Detector, Found, Mark
from ppiov.emulator import ACCIDENT, accident
from ppiov.errors import NoGuest
from ppiov.events import Event, Note, StageBegun, StageEnded
from ppiov.folder import write_atomically
from ppiov.prepare import write_share
from ppiov.pyzip import guest_python
from ppiov.tree import KernelTree
from ppiov.vm import GUEST, SHARE, Deadlines, Guest, GuestConfig

_ATTEMPTS: Final = 3  # to boot
_PANIC_SECONDS: Final = 10.0  # for QEMU to leave after a panic
_EXACT_SLOWER: Final = 6.0  # a guest that counts instructions may be, than one that does not
# The clock of such a guest runs ahead while it waits for a file of the host's: its own deadlines mean nothing.
_EXACT_CLOCK: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one request."""

    loaded: bool  # all modules
    load_error: str = ""
    code: int | None = None  # the command's exit code; None: it did not end
    output: str = ""
    died: str = ""  # how the guest ended, if it did


class CommandGuest:
    """A guest for one kernel; boots when it is first asked. ``folder`` gets its console's log. A context manager."""

    def __init__(self, kernel: KernelTree, accel: str, folder: Path, *, exact: bool, memory_mib: int = 1024) -> None:
        self._kernel, self._accel, self._folder = kernel, accel, folder
        self._exact, self._memory = exact, memory_mib
        self._limits = Deadlines.for_accel(accel).times(_EXACT_SLOWER if exact else 1.0)
        self._stack = ExitStack()
        self._guest: Guest | None = None
        self._number = 0
        self._accident = False  # of the emulator's, in the guest that has run last

    def __enter__(self) -> CommandGuest:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the guest, if there is one."""
        if self._guest is not None:
            self._drain()
        self._guest = None
        self._stack.close()

    def ask(
        self, load: Sequence[Path], command: Sequence[str], environment: Mapping[str, str], timeout_s: float
    ) -> Generator[Event, None, Reply]:
        """Load, run, unload. Raises NoGuest where no guest boots, MissingTool, DiskFull.

        What the guest runs must not lie in a folder that it has of its own (prepare.py). After ``timeout_s`` seconds of
        the guest's clock the command is killed; a guest that does not do so is given up. The end of a guest by an
        accident of the emulator's (emulator.py) is no answer: another is asked, once.
        """
        reply = yield from self._ask(load, command, environment, timeout_s)
        if reply.died and self._accident:
            yield Note(f"{ACCIDENT}: asking again ({reply.died})", "warning")
            reply = yield from self._ask(load, command, environment, timeout_s)
        return reply

    def _ask(
        self, load: Sequence[Path], command: Sequence[str], environment: Mapping[str, str], timeout_s: float
    ) -> Generator[Event, None, Reply]:
        if self._guest is None:
            yield from self._boot()
        guest = self._guest
        assert guest is not None
        self._number += 1
        request = {
            "load": [str(path) for path in load],
            "command": list(command),
            "environment": dict(environment),
            "timeout_s": timeout_s * (_EXACT_CLOCK if self._exact else 1.0),
        }
        write_atomically(self._share / "requests" / f"{self._number}.json", json.dumps(request).encode())
        guest.go_on()
        reply = self._reply(guest, timeout_s)
        if self._guest is not None:
            guest.pause()
        return reply

    def _boot(self) -> Generator[Event, None, None]:
        cause = ""
        for attempt in range(1, _ATTEMPTS + 1):
            again = f", attempt {attempt} of {_ATTEMPTS}" if attempt > 1 else ""
            counting = ", counting instructions" if self._exact else ""
            yield StageBegun("guest", f"boot {self._kernel.spec} ({self._accel}{counting}{again})")
            self._number = 0
            self._share = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ppiov-guest-")))
            (self._share / "requests").mkdir()
            self._folder.mkdir(parents=True, exist_ok=True)  # on another machine it is not there yet
            serve = [str(guest_python()), "-S", str(GUEST / "serve.py"), SHARE]
            write_share(self._share, self._kernel, shlex.join(["exec", *serve]))
            cpus = 1 if self._exact else 2
            config = GuestConfig(self._kernel, self._accel, self._share, cpus, self._memory, exact=self._exact)
            self._detector, self._fatal_since, self._accident = Detector(), 0.0, False
            self._log = self._stack.enter_context((self._folder / "console.log").open("ab"))
            guest = self._stack.enter_context(Guest(config))
            for record in self._records(guest, self._limits.boot):
                if record["record"] == "job-begun":
                    yield StageEnded("guest", note=f"{guest.age:.1f} s")
                    self._guest = guest
                    return
            cause = self._cause(guest, f"it did not boot within {self._limits.boot:g} s")
            yield StageEnded("guest", ok=False, note=cause)
            self.close()
        raise NoGuest(f"{_ATTEMPTS} guests in a row did not boot: {cause}")

    def _reply(self, guest: Guest, timeout_s: float) -> Reply:
        """Wait for what comes of the last request."""
        loaded = False
        begun = time.monotonic()
        patience = timeout_s * (_EXACT_SLOWER if self._exact else 1.0)
        for record in self._records(guest, patience + self._limits.silence + self._limits.grace):
            if record.get("id") != self._number:
                continue
            loaded = loaded or record["record"] == "request-loaded"
            if record["record"] == "request-ended":
                if not record["clean"]:
                    self.close()
                return Reply(loaded, record["load_error"] or "", record["code"], record["output"])
        reply = Reply(loaded, died=self._cause(guest, f"no answer within {time.monotonic() - begun:.0f} s"))
        self.close()
        return reply

    def _records(self, guest: Guest, seconds: float) -> Generator[dict[str, Any], None, None]:
        """The guest's records as they come, until it dies, falls silent, or ``seconds`` are over."""
        until = time.monotonic() + seconds
        sign = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(guest, selectors.EVENT_READ)
            while time.monotonic() < until:
                selector.select(0.02)
                data = guest.read_console()
                self._hear(data or b"")
                lines = guest.read_records()
                if data or lines:
                    sign = time.monotonic()
                for line in lines:
                    yield json.loads(line)
                silent = time.monotonic() - sign > max(self._limits.silence, self._limits.boot)
                fatal = self._fatal_since and time.monotonic() - self._fatal_since > _PANIC_SECONDS
                if data is None or silent or fatal:
                    return

    def _hear(self, data: bytes) -> None:
        if not data:
            return
        self._log.write(data)
        self._log.flush()
        self._judge(self._detector.feed(data))
        if self._detector.fatal and not self._fatal_since:
            self._fatal_since = time.monotonic()

    def _judge(self, heard: Sequence[Found | Mark]) -> None:
        found = [one.splat for one in heard if isinstance(one, Found)]
        self._accident |= self._accel == "tcg" and any(map(accident, found))

    def _cause(self, guest: Guest, otherwise: str) -> str:
        """Why the guest gives no answer: what its kernel said last, if that was the end of it."""
        self._drain(guest)
        self._judge(self._detector.close())
        if self._detector.fatal:
            return self._detector.fatal
        last = next((line for line in reversed(self._detector.last_lines) if line), "")
        return f"{otherwise}; its last line: {last}" if last else otherwise

    def _drain(self, guest: Guest | None = None) -> None:
        """End the guest and read what is left in the pipe."""
        guest = guest or self._guest
        assert guest is not None
        guest.kill()
        with suppress(OSError):
            while data := guest.read_console():
                self._hear(data)
