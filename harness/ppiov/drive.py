# SPDX-License-Identifier: GPL-2.0-only
"""Runs an engine and shows its events, and makes sure that it is closed whatever happens.

An engine cleans up (ends its processes, saves what it has) when it is closed or interrupted; so everything depends on
its being closed in time, and on a second Ctrl-C not breaking the cleaning.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, TypeVar

from ppiov.errors import DiskFull, ExitCode, Interrupted
from ppiov.events import Event
from ppiov.render import Renderer
from ppiov.results import Run, RunState
from ppiov.series.results import SeriesRun

T = TypeVar("T")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def drive(engine: Generator[Event, None, T], renderer: Renderer) -> T:
    """Show every event; return what the engine returns.

    KeyboardInterrupt (see :func:`interruptible`) closes the engine and becomes Interrupted, unless the engine itself
    catches it and still returns something. A reader of our output that went away counts as an interruption too.
    """
    try:
        with renderer:
            while True:
                try:
                    event = next(engine)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
                try:
                    renderer.show(event)
                except BrokenPipeError:
                    raise Interrupted("interrupted: nobody reads the output any more") from None
                except OSError as error:
                    raise DiskFull(f"standard output cannot be written: {error.strerror}") from None
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None
    finally:
        engine.close()


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal all raise KeyboardInterrupt, once.

    The second signal only says that cleaning is going on; the third raises again, for a cleaning that hangs.
    """
    seen = 0

    def handle(_signal: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        if seen == 2:
            os.write(2, b"\nstill cleaning up; once more to leave at once\n")
        else:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def exit_code(run: Run | SeriesRun) -> ExitCode:
    """What a run means to a shell: aborted is a machine that can't, not a test that failed."""
    if run.state is RunState.INTERRUPTED:
        return ExitCode.INTERRUPTED
    if run.state is RunState.ABORTED:
        return ExitCode.UNUSABLE
    return ExitCode.PASSED if run.passed else ExitCode.FAILED
