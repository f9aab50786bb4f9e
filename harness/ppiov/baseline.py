# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel complains about by itself, so that nobody else is blamed for it.

A debug kernel may come with complaints of its own: a lockdep report at boot, say. Which ones is asked of the kernel:
one guest runs the suite ``baseline``, which uses what our modules use of the kernel (namespaces, veth, TCP, dma-bufs,
netlink) and never loads them. That is done once per kernel image, when a run first has a complaint that could be the
kernel's own; the answer stays in the store, with the guest's console beside it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from ppiov import suites
from ppiov.events import Event, StageBegun, StageEnded, StageProgress, TestEnded
from ppiov.lane import Common, Lane
from ppiov.prepare import Ready
from ppiov.results import Boot, Splat, TestResult
from ppiov.splats import by_fingerprint
from ppiov.store import Store, digest, entry_lock
from ppiov.suites import SUITES
from ppiov.vm import Deadlines

KIND = "baselines"
SUITE = "baseline"


@dataclass(frozen=True, slots=True)
class Machine:
    """What the guest is like."""

    deadlines: Deadlines
    slower: float
    cpus: int
    memory_mib: int


def possible(ready: Ready) -> bool:
    """Whether there is a suite to run, and a kernel that can be told from others."""
    return bool(ready.tree.image_sha256) and SUITE in suites.available(ready.source / "selftests")


def stored(ready: Ready, store: Store) -> dict[str, str] | None:
    """The complaints of this kernel by fingerprint, each with where they are known from; None if nobody has asked."""
    entry = store.entry(KIND, _key(ready))
    return None if entry is None else dict.fromkeys(entry.facts["splats"], _where(ready))


def make(ready: Ready, machine: Machine, *, store: Store) -> Generator[Event, None, dict[str, str]]:
    """As :func:`stored`, after asking the kernel if nobody has. Raises NoGuest, DiskFull."""
    key, title = _key(ready), f"ask {ready.tree.release} what it complains about by itself"
    with (yield from store.lock(entry_lock(KIND, key), title)):
        found = stored(ready, store)
        if found is not None:
            return found
        plan = suites.collect(ready.source / "selftests", [SUITE])
        yield StageBegun(KIND, title, len(plan), "tests")
        with store.fresh(KIND, key) as fresh:
            (fresh.path / "artifacts").mkdir()
            results: list[TestResult] = []
            stray: list[Splat] = []
            boots: list[Boot] = []
            common = Common(
                *(ready, machine.deadlines, machine.slower, machine.cpus, machine.memory_mib, fresh.path),
                numbers={test.name: number for number, test in enumerate(plan, 1)},
                boots=boots,
                results=results,
                stray_splats=stray,
                judged=lambda result: result,
            )
            with Lane(common, plan, fresh.path / "console.log") as lane:
                while not lane.done:
                    for event in lane.pump():  # the guest's own events would look like those of the run
                        if isinstance(event, TestEnded):
                            yield StageProgress(KIND, len(results))
            splats = by_fingerprint([*stray, *(splat for result in results for splat in result.splats)])
            titles = {fingerprint: splat.title for fingerprint, splat in splats.items()}
            fresh.commit({"release": ready.tree.release, "spec": ready.tree.spec, "splats": titles})
        yield StageEnded(KIND, note=f"{len(titles)} complaint{'s' if len(titles) != 1 else ''}")
        return dict.fromkeys(titles, _where(ready))


def _where(ready: Ready) -> str:
    return f"{ready.tree.release} by itself"


def _key(ready: Ready) -> str:
    folder = ready.source / "selftests" / SUITES[SUITE]
    contents = [path.read_bytes() for path in sorted(folder.glob("*.py"))]
    return f"{ready.tree.release}-{digest([ready.tree.image_sha256, ready.tree.config_sha256, *contents])}"
