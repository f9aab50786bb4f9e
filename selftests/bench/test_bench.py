# SPDX-License-Identifier: GPL-2.0-only
"""Each benchmark of ppiov_bench.ko: what one operation costs. See docs/bench.md.

A benchmark that could not take the path that its name says fails, by the module's word. What it counts is only
believed where the meter has been seen counting: ten instructions have to be ten.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import pytest
from lib import bench
from lib.bench import Bench

BENCHES = {one.name: one for one in bench.catalog()}
BLOCKS = 6  # of rounds, in turn with what it is measured against

Record = Callable[[str, object], None]

pytestmark = [pytest.mark.usefixtures("benches"), pytest.mark.timeout_s(300), pytest.mark.guest(cpus=1)]


@pytest.fixture(scope="session")
def trusted(benches: None, meter: str) -> str:
    """The meter, if it counts what it says."""
    if meter == "insns":
        for file, wanted in (("meter.ten", 10), ("meter.nothing", 0)):
            got = statistics.median(bench.run(BENCHES[file], 15).cycles)
            assert abs(got - wanted) < 0.01, f"{file} is {got} instead of {wanted}: this clock counts no instructions"
    return meter


@pytest.mark.parametrize(
    "one", [pytest.param(one, id=one.name, marks=pytest.mark.guest(cpus=one.cpus)) for one in BENCHES.values()]
)
def test_bench(one: Bench, trusted: str, record_property: Record) -> None:
    """What an operation costs."""
    meter, unit = trusted, f"{trusted}/op"
    if meter == "insns":
        result = bench.run(one, int(one.parameters.get("rounds", bench.ROUNDS[meter])))
        samples = list(result.samples(meter))
    else:
        result, samples, against = _in_turn(one, meter)
        for name, values in against.items():
            figure = (f"{one.name}: {name}", statistics.median(values), unit, meter, values)
            record_property("figure", figure)
    record_property("figure", (one.name, statistics.median(samples), unit, meter, samples))
    for name, value in result.notes.items():
        record_property("figure", (f"{one.name}: {name}", value, _unit(name), "count"))


def _in_turn(one: Bench, meter: str) -> tuple[bench.Result, list[float], dict[str, list[float]]]:
    """A clock drifts: the benchmark, what it is held against, and that once more, in turn. That the last two are the
    same is what the host asks before it judges (docs/bench.md)."""
    base = BENCHES[one.against or one.name]
    samples: list[float] = []
    against: dict[str, list[float]] = {"A": [], "A again": []}
    rounds = bench.ROUNDS[meter] // BLOCKS
    for _ in range(BLOCKS):
        against["A"] += bench.run(base, rounds).samples(meter)
        result = bench.run(one, rounds)
        samples += result.samples(meter)
        against["A again"] += bench.run(base, rounds).samples(meter)
    return result, samples, against


def _unit(note: str) -> str:
    return "B" if note.endswith("bytes") else "1"


def test_text(record_property: Record) -> None:
    """How much machine code each design of dispatch is, and how much of its source it has twice."""
    found = bench.text_bytes()
    assert all(found.values()), f"a design without code: {found}"
    for design, size in found.items():
        record_property("figure", (f"dispatch.{design}: text", size, "B", "count"))
        record_property("figure", (f"dispatch.{design}: lines twice", bench.lines_twice(design), "1", "count"))


def test_nothing_is_missing() -> None:
    """Every file of the module's has a benchmark here."""
    files = {path.name for path in bench.FOLDER.iterdir()}
    used = {one.file for one in BENCHES.values()}
    assert files == used, f"never run: {sorted(files - used)}; not there: {sorted(used - files)}"


@pytest.mark.parametrize(
    ("file", "words", "why"),
    [
        ("pool.direct", "provider=dmabuf key=0", "the key is on"),
        ("pool.napi", "process=1", "not the path"),
        ("core.napi", "process=1", "not the path"),
        ("pool.stolen", "provider=hugepage", "mm shares pages of provider page"),
        ("pool.direct", "provider=none", "no provider none"),
        ("core.direct", "provider=dmabuf", "the core's pool has no key"),
        ("dispatch.none", "kind=iov key=1", "none has no iov"),
        ("meter.ten", "n=65", "n is no multiple of 64"),
        ("meter.ten", "n=0", "n is 64 to"),
        ("meter.ten", "colour=red", "colour=red is no parameter"),
    ],
)
def test_refused(file: str, words: str, why: str) -> None:
    """A benchmark that is not on its path, or asked for what cannot be, has no results."""
    with pytest.raises(bench.NotMeasured, match=why):
        bench.run(Bench("", file, dict(word.split("=") for word in words.split())), 1)
