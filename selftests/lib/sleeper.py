# SPDX-License-Identifier: GPL-2.0-only
"""A call that blocks, in a thread of its own; and whether a thread is asleep in the kernel, and where."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from lib.poll import PATIENCE, until

T = TypeVar("T")


def asleep_in(function: str, tid: int, pid: int | None = None) -> bool:
    """Does a thread sleep in this function of the kernel?"""
    return Path(f"/proc/{pid or os.getpid()}/task/{tid}/wchan").read_text() == function


class Sleeper(Generic[T]):
    """function() in a thread. It must come to an end when the test's sockets are closed."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._result: T | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:  # raised where the result is asked for
            self._error = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def until_asleep(self, function: str) -> None:
        """Wait until it sleeps there.

        :raises AssertionError: if it has ended instead
        """
        tid = self._thread.native_id
        assert tid is not None

        def asleep() -> bool:
            assert not self.ended, f"the call has ended, and should wait: {self._result or self._error!r}"
            return asleep_in(function, tid)

        until(f"the call sleeps in {function}()", asleep)

    def signal(self, number: int) -> None:
        """Send a signal to this thread alone."""
        assert self._thread.ident is not None
        signal.pthread_kill(self._thread.ident, number)

    def result(self) -> T:
        """Wait for the call's end. What it raised is raised here."""
        self._thread.join(PATIENCE)
        assert self.ended, "the call still waits"
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # it has ended without an error
