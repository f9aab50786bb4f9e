# SPDX-License-Identifier: GPL-2.0-only
"""Benchmarks: what a module says is read, what was measured is judged, two runs are compared, two meters never."""

from __future__ import annotations

import dataclasses
import importlib
import io
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import sample
from hypothesis import given, settings
from hypothesis import strategies as st
from ppiov import bench, suites
from ppiov.bench import compare, stats, tables, targets
from ppiov.bench.measured import figures, name_of, own
from ppiov.bench.stats import Verdict
from ppiov.errors import BadRequest, BadRunFolder, ExitCode, MetersDiffer, UnknownName
from ppiov.events import Note, Table
from ppiov.render import words
from ppiov.render.terminal import TerminalRenderer
from ppiov.report import bench_pictures, history_pictures, html, many, text
from ppiov.results import Figure, Outcome, Run, TestResult
from ppiov.spec import KernelSpec
from ppiov.suites import PlannedTest

SELFTESTS = Path(__file__).resolve().parents[2] / "selftests"


@pytest.fixture(scope="module")
def guest() -> Iterator[ModuleType]:
    """selftests/lib/bench.py, which runs in the guest."""
    sys.path.insert(0, str(SELFTESTS))
    try:
        yield importlib.import_module("lib.bench")
    finally:
        sys.path.remove(str(SELFTESTS))
        for name in [name for name in sys.modules if name.partition(".")[0] == "lib"]:
            del sys.modules[name]


def measured(values: dict[str, float], meter: str = "insns", samples: int = 15, run_id: str = "a") -> Run:
    """A run of benchmarks with these figures."""
    tests = [
        TestResult(
            f"bench/test_bench.py::test_bench[{name}]",
            "bench",
            Outcome.PASS,
            0.1,
            figures=(Figure(name, value, f"{meter}/op", meter, (value,) * samples),),
        )
        for name, value in values.items()
    ]
    return dataclasses.replace(sample.passing(), id=run_id, tests=tuple(tests))


# ------------------------------------------------------------------- what the module says

SAID = """format=1
bench=pool.direct
context=softirq
n=1024
done=2048
note.metadata_bytes=56
empty=3072 3072
empty=3072 3072
empty=6000 6000
round=79872 80000
round=79872 80001
round=83000 83000
"""


def test_results_are_read(guest: ModuleType) -> None:
    result = guest.parse(SAID)
    assert result.context == "softirq" and result.n == 1024
    assert result.cycles == (75.0, 75.0, (83000 - 3072) / 1024)
    assert result.notes == {"metadata_bytes": 56}
    assert result.samples("insns") == result.cycles and result.samples("ns") == result.ns != result.cycles


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "format 'none'"),
        ("format=2\n", "format '2'"),
        ("format=1\nerror=-18\nreason=not the path: of 5, 0 fast\n", "not the path: of 5"),
        ("format=1\nerror=-12\nreason=\n", "error -12"),
        ("format=1\nn=64\ncontext=softirq\nempty=1 1\n", "0 rounds"),
        ("format=1\nn=64\ncontext=softirq\nround=1 1\n", "0 of the empty loop"),
        ("format 1\n", "no KEY=VALUE"),
    ],
)
def test_what_is_no_result_is_refused(guest: ModuleType, text: str, why: str) -> None:
    with pytest.raises(guest.NotMeasured, match=why):
        guest.parse(text)


def test_names_are_unique_and_what_they_are_held_against_exists(guest: ModuleType) -> None:
    every = list(guest.catalog())
    names = {one.name for one in every}
    assert len(names) == len(every)
    assert {one.against for one in every} - {""} <= names
    for one in every:
        assert len(one.words(64)) < 250  # PPIOV_BENCH_LINE


def test_each_design_has_a_source(guest: ModuleType) -> None:
    twice = {design: guest.lines_twice(design) for design in guest.DESIGNS}
    assert max(twice, key=lambda design: twice[design]) == "separate", twice


def test_a_target_is_about_benchmarks_that_there_are(guest: ModuleType) -> None:
    every = {one.name for one in guest.catalog()} | {n for n in bench.listing() if n.startswith("traffic.")}
    for target in targets.load():
        for side in (target.left, target.right):
            for word in target.over if side else ():
                assert side.replace("{}", word).partition(": ")[0] in every, target


# ----------------------------------------------------------------------------- which ones

KNOWN = [
    PlannedTest(f"bench/{name}", "bench", "", 120.0)
    for name in (
        "test_bench.py::test_bench[pool.page.direct]",
        "test_bench.py::test_bench[pool.page.ring]",
        "test_bench.py::test_bench[dispatch.tag.iov]",
        "test_bench.py::test_text",
        "test_bench.py::test_refused[x]",
    )
]


def test_names_are_globs() -> None:
    assert bench.tests(KNOWN, ()) == ()
    assert bench.tests(KNOWN, ("pool.page.ring", "pool.*")) == (KNOWN[0].name, KNOWN[1].name)
    assert bench.tests(KNOWN, ("dispatch.*",)) == (KNOWN[2].name, KNOWN[3].name)


def test_a_wrong_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown benchmark 'pool\.pag\.ring' \(nearest: pool\.page\.ring"):
        bench.tests(KNOWN, ("pool.pag.ring",))


@pytest.mark.parametrize(
    ("meter", "accel", "error"),
    [
        ("insns", "kvm", BadRequest),
        ("cycles", "tcg", BadRequest),
        ("ns", "tcg", BadRequest),
        ("s", "auto", UnknownName),
    ],
)
def test_a_meter_needs_what_it_counts_with(meter: str, accel: str, error: type[Exception]) -> None:
    request = bench.BenchRequest(KernelSpec.parse("deb:6.12"), meter=meter, accel=accel)
    with pytest.raises(error):
        next(bench.run(request))


def test_listing_needs_no_guest() -> None:
    names = bench.listing()
    assert {"meter.ten", "pool.page.direct", "core.ring", "dispatch.static.iov", "refs.skb"} <= set(names)
    assert len(set(names)) == len(names)


def test_a_benchmark_is_in_no_other_run() -> None:
    assert "bench" in suites.available(SELFTESTS)
    assert "bench" not in suites.resolve(SELFTESTS, ()) and "bench" not in suites.resolve(SELFTESTS, ("all",))


def test_the_command_reproduces_the_request() -> None:
    request = bench.BenchRequest(KernelSpec.parse("deb:6.12"), ("pool.*",), repeat=3)
    assert request.command() == "ppiov bench 'pool.*' --kernel deb:6.12 --meter insns --repeat 3"


# ------------------------------------------------------------------------------ statistics


def ticks(rng: random.Random, mean: float, noise: float, n: int = 60) -> list[float]:
    """A clock as it is: never too quick, now and then much too late."""
    return [
        mean + abs(rng.gauss(0, noise)) + (rng.random() < 0.03) * rng.expovariate(1 / (20 * noise)) for _ in range(n)
    ]


def test_one_instruction_shows() -> None:
    a = [75.0] * 13 + [78.28, 78.1]  # an interrupt in two of the rounds
    assert stats.exact(a, [76.0] * 15).verdict is Verdict.SLOWER
    assert stats.exact([76.0] * 15, a).verdict is Verdict.FASTER
    assert stats.exact(a, [75.0] * 15).verdict is Verdict.SAME


@given(st.floats(1, 1e5), st.integers(0, 1 << 30))
@settings(deadline=None, max_examples=25)
def test_the_same_is_never_slower_by_much(mean: float, seed: int) -> None:
    rng = random.Random(seed)
    effect = stats.clock(ticks(rng, mean, mean / 100), ticks(rng, mean, mean / 100), seed=seed)
    assert effect.low <= effect.difference <= effect.high
    assert abs(effect.difference) < 0.02 * mean or effect.verdict is Verdict.SAME


@pytest.mark.parametrize("seed", range(5))
def test_a_clock_sees_five_percent(seed: int) -> None:
    rng = random.Random(seed)
    a, again, b = ticks(rng, 100, 1), ticks(rng, 100, 1), ticks(rng, 105, 1)
    effect = stats.clock(a, b, again, seed=seed)
    assert effect.verdict is Verdict.SLOWER and effect.low < 5 < effect.high + 1
    assert stats.clock(b, a, b, seed=seed).verdict is Verdict.FASTER


def test_a_machine_that_differs_from_itself_judges_nothing() -> None:
    rng = random.Random(7)
    a, again, b = ticks(rng, 100, 1), ticks(rng, 110, 1), ticks(rng, 150, 1)
    effect = stats.clock(a, b, again)
    assert effect.verdict is Verdict.UNSURE and "can't tell" in effect.why


def test_too_few_samples_judge_nothing() -> None:
    effect = stats.clock([1.0] * 9, [2.0] * 60)
    assert effect.verdict is Verdict.UNSURE and "9 samples are too few" in effect.why


def test_noise_is_no_difference() -> None:
    rng = random.Random(3)
    assert stats.clock(ticks(rng, 100, 30), ticks(rng, 100, 30)).verdict is Verdict.SAME


# ----------------------------------------------------------------------------- two runs


def test_a_slower_run_fails() -> None:
    found = compare.compared(measured({"x": 75.0, "y": 10.0}), measured({"x": 76.0, "y": 10.0}, run_id="b"))
    assert [(row.name, row.effect.verdict) for row in found.rows] == [("x", Verdict.SLOWER), ("y", Verdict.SAME)]
    assert found.exit_code is ExitCode.FAILED
    table = compare.told(found)[0]
    assert isinstance(table, Table) and table.rows[0][:5] == ("x", "75.00", "76.00", "+1.00", "+1.3%")


def test_a_faster_run_passes() -> None:
    found = compare.compared(measured({"x": 76.0}), measured({"x": 75.0}, run_id="b"))
    assert found.rows[0].effect.verdict is Verdict.FASTER and found.exit_code is ExitCode.PASSED


def test_what_is_no_longer_measured_fails() -> None:
    found = compare.compared(measured({"x": 1.0, "y": 1.0}), measured({"x": 1.0, "z": 1.0}, run_id="b"))
    assert (found.only_a, found.only_b, found.exit_code) == (("y",), ("z",), ExitCode.FAILED)
    assert Note("y: A measured it, and B did not", "warning") in compare.told(found)


def test_two_meters_never_meet() -> None:
    with pytest.raises(MetersDiffer, match="a with insns and b with cycles") as error:
        compare.compared(measured({"x": 1.0}), measured({"x": 1.0}, "cycles", run_id="b"))
    assert error.value.exit_code is ExitCode.UNUSABLE


def test_a_run_without_figures_is_refused() -> None:
    with pytest.raises(BadRunFolder, match="measured nothing"):
        compare.compared(measured({"x": 1.0}), dataclasses.replace(sample.passing(), id="b", tests=()))


def test_a_clock_that_differs_from_itself_can_not_be_compared() -> None:
    rng = random.Random(5)

    def run(again: float, name: str) -> Run:
        made = measured({"x": 100.0}, "ns", run_id=name)
        extra = (
            Figure("x", 100.0, "ns/op", "ns", tuple(ticks(rng, 100, 1))),
            Figure("x: A", 100.0, "ns/op", "ns", tuple(ticks(rng, 100, 1))),
            Figure("x: A again", again, "ns/op", "ns", tuple(ticks(rng, again, 1))),
        )
        return dataclasses.replace(made, tests=(dataclasses.replace(made.tests[0], figures=extra),))

    assert compare.compared(run(100, "a"), run(100, "b")).exit_code is ExitCode.PASSED
    found = compare.compared(run(100, "a"), run(120, "b"))
    assert [row.effect.verdict for row in found.rows] == [Verdict.UNSURE] and found.exit_code is ExitCode.UNUSABLE


def test_other_modules_are_named() -> None:
    a, b = measured({"x": 1.0}), measured({"x": 1.0}, run_id="b")
    b = dataclasses.replace(b, modules=tuple(dataclasses.replace(m, srcversion="OTHER") for m in b.modules))
    said = [note.text for note in compare.told(compare.compared(a, b)) if isinstance(note, Note)]
    assert any(text.startswith("modules: A has") and "OTHER" in text for text in said)


# ------------------------------------------------------------------------------- figures


def test_rounds_add_their_samples() -> None:
    run = measured({"x": 75.0}, samples=3)
    twice = dataclasses.replace(run.tests[0], figures=run.tests[0].figures * 2)
    found = figures(dataclasses.replace(run, tests=(twice,)))
    assert found["x"].samples == (75.0,) * 6
    assert own(twice) == run.tests[0].figures[0]
    assert name_of("traffic/test_bind.py::test_bind") == "" == name_of("bench/test_bench.py::test_text")


def test_targets_are_judged_where_they_were_measured() -> None:
    run = measured(
        {"pool.page.direct": 76.0, "core.direct": 75.0, "dispatch.static.page": 36.0, "dispatch.none.page": 35}
    )
    judged = {one.of: one for one in tables.judged(run)}
    assert set(judged) == {"pool.page.direct", "dispatch.static.page"}
    assert not judged["pool.page.direct"].met and judged["pool.page.direct"].measure == pytest.approx(76 / 75)
    assert judged["dispatch.static.page"].met
    assert bench.exit_code(run) is ExitCode.FAILED
    assert bench.exit_code(measured({"pool.page.direct": 75.0, "core.direct": 75.0})) is ExitCode.PASSED


def test_a_target_of_two_meters_is_none() -> None:
    left, right = Figure("pool.page.direct", 1.0, "ns/op", "ns"), Figure("core.direct", 1.0, "insns/op", "insns")
    found = list(targets.judge(targets.load(), {left.name: left, right.name: right}))
    assert found == []


def test_flat_is_largest_by_least() -> None:
    values = {f"pool.page.many.{n}": 60.0 for n in (1, 4, 16)} | {"pool.page.many.64": 66.0}
    (one,) = tables.judged(measured(values))
    assert one.kind == "flat" and one.measure == pytest.approx(1.1) and not one.met


def test_a_broken_targets_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "targets.toml"
    path.write_text("[[target]]\nwhat = 'x'\n")
    with pytest.raises(BadRequest, match="has no targets"):
        targets.load(path)


def test_tables_say_what_the_meter_does_not_see() -> None:
    run = measured({"pool.page.direct": 60.0, "core.direct": 75.0, "lookup.hash": 155.16, "dispatch.tag.iov": 9.0})
    made = list(tables.of(run))
    assert made and all("cache misses" in table.caveat for table in made)
    text = "\n".join(line for table in made for line in words.lines(table))
    assert "155.16" in text and "direct" in text and "cache misses" in text
    assert not list(tables.of(sample.passing()))


def test_reports_have_what_was_measured() -> None:
    run = measured(
        {
            "pool.page.direct": 60.0,
            "core.direct": 75.0,
            "dispatch.tag.iov": 9.0,
            **{f"pool.page.burst.{n}": 61.0 for n in (64, 256)},
            "traffic.recv.1500.1": 3.4,
            "traffic.recv.1500.1: sender": 2.0,
        }
    )
    said = text.render(run)
    assert "pool.page.direct                          60 insns/op (insns)" in said
    assert "met: page path, key off" in said and "pool.page.direct: 60 against 75, ratio 0.800" in said
    assert max(map(len, said.splitlines())) <= 72
    drawn = bench_pictures.draw(run)
    assert [picture.title for picture in drawn] == [
        "A buffer out of the cache and back",
        "Designs of telling page and iov apart",
        "A byte to its receiver, MTU 1500",
        "Cost against buffers that are out",
    ]
    assert all(picture.svg.startswith("<svg") and "insns" in picture.svg for picture in drawn)
    assert html.render(run).count("<svg") >= 3


def test_a_budget_is_a_table_of_lines() -> None:
    run = measured(
        {
            "budget.recv.1500: copy to user space": 0.125,
            "budget.recv.1500: recvmsg": 0.25,
            "budget.recv.1500": 0.375,
            "budget.recv.1500: samples": 1000.0,
            "budget.devmem.core.1500: recvmsg": 0.5,
            "budget.devmem.core.1500": 0.5,
            "budget.recv.9000": 0.25,
        }
    )
    small, large = tables.of(run)
    assert small.headings == ("", "recv", "devmem.core") and small.title.endswith("packets of 1500")
    assert small.rows == (("recvmsg", "256", "512"), ("copy to user space", "128", ""), ("all", "384", "512"))
    assert large.rows == (("all", "256"),)


def test_a_stack_is_the_line_of_what_is_inside(guest: ModuleType) -> None:
    budget = importlib.import_module("lib.budget")
    recv = ("_copy_to_iter", "__skb_datagram_iter", "tcp_recvmsg", "____sys_recvmsg", "do_syscall_64")
    device = ("ppnic_dma_copy", "ppnic_engine_run", "ppnic_xmit", "__tcp_transmit_skb", "tcp_recvmsg")
    stacks = {(): 5, recv: 3, recv[2:]: 2, device: 9, ("put_cmsg", "ppiov_recvmsg"): 1, ("unheard_of",): 4}
    assert budget.lines(stacks) == {
        budget.USER: 5,
        budget.COPY: 3,
        "recvmsg": 2,
        "control messages": 1,
        budget.OTHER: 4,
    }


def test_a_terminal_shows_the_table() -> None:
    out = io.StringIO()
    found = compare.compared(measured({"x": 75.0}), measured({"x": 76.0}, run_id="b"))
    with TerminalRenderer(out, width=120) as renderer:
        for event in compare.told(found):
            renderer.show(event)
    assert "slower" in out.getvalue() and "76.00" in out.getvalue()


# ------------------------------------------------------------------------ over several runs


def history(*values: dict[str, float], meter: str = "insns") -> list[Run]:
    return [measured(value, meter, run_id=f"run{n}") for n, value in enumerate(values, 1)]


def test_cost_against_history() -> None:
    """What moved is drawn, what moved most first; what moved by less than it scatters is only counted."""
    (picture,) = history_pictures.draw(
        history(
            {"pool.page.direct": 50, "core.direct": 75, "pool.dmabuf.direct": 53},
            {"pool.page.direct": 51, "core.direct": 75.04, "pool.dmabuf.direct": 53},
            {"pool.page.direct": 60, "core.direct": 75, "pool.dmabuf.direct": 53},
        )
    )
    assert "pool.page.direct +20 %" in picture.svg
    assert "core.direct" not in picture.svg and "pool.dmabuf" not in picture.svg
    assert picture.caption.startswith(
        "insns, each benchmark in percent of the first run that has it; 1 that moved most"
    )
    assert "2 more moved less or not; insns see no cache misses" in picture.caption


def test_a_flat_history_is_drawn_flat() -> None:
    """Nothing that moved is not nothing that was measured."""
    (picture,) = history_pictures.draw(history(*[dict.fromkeys("abcd", 50.0)] * 2))
    assert "nothing moved, 1 more as flat" in picture.caption
    assert "a +0 %" in picture.svg


def test_meters_do_not_meet_in_a_history() -> None:
    """Each meter has its picture, from two runs on; what only one run has is in none."""
    runs = history({"a": 1, "b": 1}, {"a": 2}) + history({"a": 9}, {"a": 8}, meter="ns") + history({"c": 1})
    insns, ns = history_pictures.draw(runs)
    assert "a +100 %" in insns.svg and "b " not in insns.caption and insns.caption.startswith("insns,")
    assert "a -11.1 %" in ns.svg and ns.caption.startswith("ns,")
    assert not history_pictures.draw(history({"a": 1}, {"b": 1}))


def test_the_page_of_several_runs_has_their_history() -> None:
    page = many.render(history({"a": 1.0}, {"a": 2.0}), "html")
    assert b"Cost against history" in page and page == many.render(history({"a": 1.0}, {"a": 2.0}), "html")
