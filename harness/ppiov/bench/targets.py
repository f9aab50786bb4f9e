# SPDX-License-Identifier: GPL-2.0-only
"""What the pool must reach: targets.toml, judged by the figures of one run."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ppiov.errors import BadRequest
from ppiov.results import Figure

FILE = Path(__file__).with_name("targets.toml")
_KINDS = ("ratio", "difference", "flat", "most")


@dataclass(frozen=True, slots=True)
class Target:
    what: str
    left: str
    right: str
    over: tuple[str, ...]
    left_per: str
    right_per: str
    kind: str  # one of _KINDS
    limit: float
    known: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A target, as far as it was measured."""

    what: str
    of: str  # the figure, or figures
    left: float
    right: float | None
    measure: float  # what is held against the limit
    kind: str
    limit: float
    known: str

    @property
    def met(self) -> bool:
        return self.measure <= self.limit * (1 + 1e-9) + (1e-9 if not self.limit else 0.0)


def load(path: Path = FILE) -> tuple[Target, ...]:
    """The targets that are checked in. Raises BadRequest for a file that is none."""
    try:
        raw = tomllib.loads(path.read_text())["target"]
        return tuple(_target(one) for one in raw)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadRequest(f"{path} has no targets: {error}") from error


def _target(raw: Mapping[str, object]) -> Target:
    (kind,) = (name for name in _KINDS if name in raw)
    over = raw.get("over", [""])
    if not isinstance(over, list):
        raise TypeError("over is a list")
    words = {name: str(raw.get(name, "")) for name in ("what", "left", "right", "left_per", "right_per", "known")}
    return Target(over=tuple(map(str, over)), kind=kind, limit=float(str(raw[kind])), **words)


def judge(targets: tuple[Target, ...], figures: Mapping[str, Figure]) -> Iterator[Judged]:
    """Each target for which everything was measured, by one meter."""
    for target in targets:
        if target.kind == "flat":
            yield from _flat(target, figures)
            continue
        for word in target.over:
            found = _values(target, word, figures)
            if found is None:
                continue
            left, right = found
            measure = left
            if target.kind == "ratio" and right:
                measure = left / right
            elif target.kind == "difference" and right is not None:
                measure = left - right
            yield Judged(
                *(target.what, target.left.replace("{}", word), left, right, measure),
                *(target.kind, target.limit, target.known),
            )


def _flat(target: Target, figures: Mapping[str, Figure]) -> Iterator[Judged]:
    names = [target.left.replace("{}", word) for word in target.over]
    if len(names) < 2 or any(name not in figures for name in names):
        return
    values = [figures[name].value for name in names]
    least, most = min(values), max(values)
    yield Judged(
        *(target.what, f"{names[0]} ... {names[-1]}", most, least, most / least if least > 0 else float("inf")),
        *(target.kind, target.limit, target.known),
    )


def _values(target: Target, word: str, figures: Mapping[str, Figure]) -> tuple[float, float | None] | None:
    """The two sides, each divided by what it is per; None where something was not measured."""
    sides: list[float | None] = []
    meters = set()
    for name, per in ((target.left, target.left_per), (target.right, target.right_per)):
        if not name:
            sides.append(None)
            continue
        wanted = [one.replace("{}", word) for one in (name, per) if one]
        if any(one not in figures for one in wanted):
            return None
        values = [figures[one].value for one in wanted]
        meters.add(figures[wanted[0]].meter)
        sides.append(values[0] / values[1] if len(values) == 2 and values[1] else values[0])
    if len(meters) != 1 or sides[0] is None:
        return None
    return sides[0], sides[1]
