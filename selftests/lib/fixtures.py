# SPDX-License-Identifier: GPL-2.0-only
"""The types of what conftest.py's fixtures give to tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lib.backend import Binding
from lib.link import Link
from lib.ppcat import Ppcat

Defer = Callable[..., None]
MakeLink = Callable[..., Link]
Bind = Callable[..., Binding]
Start = Callable[..., Ppcat]
Record = Callable[[str, object], None]


class Ktap(Protocol):
    """What the fixture `ktap` of the harness's plugin gives (harness/ppiov/guest/plugin.py)."""

    def __call__(self, text: str, name: str = "") -> None: ...

    def path(self, name: str = "") -> Path: ...
