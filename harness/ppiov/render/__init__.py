# SPDX-License-Identifier: GPL-2.0-only
"""What users see while an engine works. Renderers only consume events; they decide nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol, Self, TextIO

from ppiov.events import Event
from ppiov.render.plain import PlainRenderer


class Renderer(Protocol):
    """A context manager that is shown one event after the other."""

    def show(self, event: Event) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class Silent:
    """Shows nothing: for a program that takes whatever is printed for an answer."""

    def show(self, event: Event) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def choose(stream: TextIO, environ: Mapping[str, str] | None = None) -> Renderer:
    """Progress bars where ``stream`` is a terminal that can move its cursor, plain lines everywhere else.

    TERM=dumb or unset, and CI=true, mean plain lines. NO_COLOR keeps the bars and drops the colours (rich sees to it).
    """
    environ = os.environ if environ is None else environ
    if not stream.isatty() or environ.get("TERM", "dumb") in ("", "dumb", "unknown") or environ.get("CI"):
        return PlainRenderer(stream)
    from ppiov.render.terminal import TerminalRenderer  # rich takes a while to import: only where it is used

    return TerminalRenderer(stream)
