# SPDX-License-Identifier: GPL-2.0-only
"""One line per event, for logs, CI and dumb terminals: no colour, no cursor movement, flushed at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Self, TextIO

from ppiov import events, summary
from ppiov.events import Event
from ppiov.render import words

_QUIET: Final = 15.0  # seconds between two lines of progress of one stage


class PlainRenderer:
    """Writes events to ``stream``; ``clock`` (monotonic seconds) is for tests."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._stages: dict[str, events.StageBegun] = {}
        self._spoke: dict[str, float] = {}  # stage -> when it last wrote a line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.flush()

    def show(self, event: Event) -> None:
        match event:
            case events.StageBegun():
                self._stages[event.key] = event
                self._spoke[event.key] = self._clock()
                self._line(f"{event.title} ...")
            case events.StageProgress():
                self._progress(event)
            case events.StageEnded():
                stage = self._stages.pop(event.key, None)
                title = stage.title if stage else event.key
                note = f" ({event.note})" if event.note else ""
                self._line(f"{title}: {'done' if event.ok else 'FAILED'}{note}")
            case events.TestBegun():
                pass  # the line comes when the test has ended; a log needs no half lines
            case events.TestEnded():
                for line in words.test_lines(event):
                    self._line(line)
            case events.RunFinished():
                self._line("")
                for line in words.verdict_lines(event):
                    self._line(line)
            case events.SeriesFinished():
                self._line("")
                for line in words.series_lines(event):
                    self._line(line)
            case _:
                for line in words.lines(event):
                    self._line(line)

    def _progress(self, event: events.StageProgress) -> None:
        """Say how far a long stage is, but not at every step."""
        stage, now = self._stages.get(event.key), self._clock()
        if stage is None or now - self._spoke[event.key] < _QUIET:
            return
        self._spoke[event.key] = now
        self._line(f"{stage.title}: {words.how_far(event.done, stage.total, stage.unit)}")

    def _line(self, text: str) -> None:
        self._stream.write(summary.visible(text) + "\n")
        self._stream.flush()
