# SPDX-License-Identifier: GPL-2.0-only
"""Readings in the store, by what was measured and how: another bisection over the same commits finds them there.

Those of a script on this machine are not kept: what else such a script reads is not known.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from typing import Final

from pydantic import TypeAdapter, ValidationError

from ppiov import kbuild, lab, suites
from ppiov.bisect.model import Why
from ppiov.bisect.oracle import BENCH, CMD, TEST, Guests, Job, Reading, measure
from ppiov.bisect.request import OWN_PARTS, BisectRequest
from ppiov.cluster import for_this_process
from ppiov.events import Event
from ppiov.store import Store, digest, entry_lock

KIND: Final = "measurements"
_READINGS: TypeAdapter[list[Reading]] = TypeAdapter(list[Reading])
_LASTING = (Why.BUILD, Why.LOAD, Why.PANIC, Why.SKIP)  # any other hole may be the machine's fault


def key_of(job: Job, nth: int, around: str) -> str:
    """What is measured, how, and for the how-manieth time: two measurements of the same must be two."""
    return digest(["2", around, *job.oracle.identity(), *(target.identity() for target in job.targets), str(nth)])


def around(request: BisectRequest) -> str:
    """What decides about all measurements of a bisection besides the points: what they are built with, and, where the
    points are kernels, the modules and tests of this checkout. Raises MissingTool."""
    made_of: list[str | bytes] = []
    if request.tree is not None:
        made_of.append(lab.recipe(request.tree_spec("HEAD")))
    elif request.module is not None:
        made_of.append(kbuild.version_line("gcc"))
    if request.module is None and request.oracle.kind in (BENCH, TEST):
        source = suites.find_source()
        made_of += [word for name in OWN_PARTS for word in kbuild.contents(source / name)]
    return digest(made_of)


def kept(job: Job, store: Store) -> list[Reading] | None:
    """The readings of ``job``, if the store has them."""
    entry = store.entry(KIND, job.key) if job.oracle.kind != CMD else None
    if entry is None:
        return None
    try:
        readings = _READINGS.validate_python(entry.facts["readings"])
    except (ValidationError, KeyError):
        return None
    store.use(entry)
    return readings


def keep(job: Job, readings: Sequence[Reading], store: Store) -> Generator[Event, None, None]:
    """Put the readings of ``job`` into the store, unless one may be other than the point's own."""
    if job.oracle.kind == CMD or any(r.hole and r.hole.why not in _LASTING for r in readings):
        return
    with (yield from store.lock(entry_lock(KIND, job.key), "a measurement")):
        if store.entry(KIND, job.key) is None:
            with store.fresh(KIND, job.key) as fresh:
                fresh.commit({"readings": [dataclasses.asdict(reading) for reading in readings]})


def work(job: Job) -> Generator[Event, None, list[Reading]]:
    """What a worker does: measure, and keep it at once, with the guests that its process keeps."""
    readings = yield from measure(job, for_this_process("guests", Guests, Guests.close))
    yield from keep(job, readings, Store())
    return readings
