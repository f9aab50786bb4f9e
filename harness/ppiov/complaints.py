# SPDX-License-Identifier: GPL-2.0-only
"""Complaints of kernels that have been understood and are the kernel's own: selftests/known_complaints.toml.

The list is for what a kernel says about itself only if a test asks for it, so that its baseline (baseline.py) does not
have it. Each entry has a report that says why it is nobody else's.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from ppiov.console import KINDS
from ppiov.errors import BadRequest
from ppiov.results import Splat

FILE = "selftests/known_complaints.toml"
_FIELDS = {"kind", "shows", "kernels", "report"}


@dataclass(frozen=True, slots=True)
class Complaint:
    """One that is known."""

    kind: str
    shows: tuple[str, ...]  # all of which are in it
    kernels: str
    report: str  # from the checkout's root

    def is_it(self, splat: Splat) -> bool:
        """Whether ``splat`` is this one."""
        return splat.kind == self.kind and all(word in splat.text for word in self.shows)


def load(source: Path, release: str) -> tuple[Complaint, ...]:
    """Those of the kernel ``release``, by the list of the checkout ``source``. Raises BadRequest."""
    path = source / FILE
    if not path.is_file():  # a checkout of before there was one
        return ()
    try:
        table = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"{path}: {error}") from error
    known = [_parse(path, fields) for fields in table.pop("complaint", [])]
    if table:
        raise BadRequest(f"{path}: unknown {', '.join(sorted(table))}: there is [[complaint]]")
    return tuple(one for one in known if re.match(one.kernels, release))


def _parse(path: Path, fields: dict[str, object]) -> Complaint:
    if fields.keys() != _FIELDS or not isinstance(fields["shows"], list) or not fields["shows"]:
        raise BadRequest(f"{path}: a [[complaint]] has {', '.join(sorted(_FIELDS))}, and shows something: {fields}")
    if fields["kind"] not in KINDS:
        raise BadRequest(f"{path}: no kind {fields['kind']}; there are {', '.join(sorted(KINDS))}")
    return Complaint(
        str(fields["kind"]), tuple(map(str, fields["shows"])), str(fields["kernels"]), str(fields["report"])
    )
