# SPDX-License-Identifier: GPL-2.0-only
"""The text report: fit for an e-mail whatever is in the run, and nothing that matters is lost on the way."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace

import pytest
import sample
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ppiov import summary
from ppiov.report import layout, text
from ppiov.results import Figure, Outcome, Run, RunState


@settings(max_examples=60)
@given(run=sample.runs)
@example(run=sample.hostile())
@example(run=sample.every_outcome())
def test_no_run_makes_a_line_over_72_columns_or_beyond_ascii(run: Run) -> None:
    made = text.render(run)
    assert made.endswith("\n")
    for line in made.split("\n"):
        assert len(line) <= 72
        assert all(" " <= c <= "~" for c in line)


def test_the_verdict_comes_first_and_every_failure_says_why() -> None:
    run = sample.every_outcome()
    made = text.render(run)
    assert made.startswith("FAILED: 5 of 76 tests, 1 skipped, 1 not run\n")
    flat = " ".join(made.split())
    for test in run.tests:
        if summary.is_bad(test):
            assert test.name in flat
            assert test.reason in flat
            assert all(s.title in flat for s in test.splats)
            assert all(leak in flat for leak in test.leaks)
    assert "TCG (emulated), 2 CPUs, 2048 MiB" in flat
    assert "KVM probe guest did not boot" in flat
    assert "1 boot retried" in flat
    assert "; QEMU 7.2.22 (Debian 1:7.2+dfsg-7); virtme-ng" in flat


@pytest.mark.parametrize(("state", "word"), [(RunState.INTERRUPTED, "INTERRUPTED"), (RunState.ABORTED, "ABORTED")])
def test_an_unfinished_run_never_says_passed(state: RunState, word: str) -> None:
    run = replace(sample.passing(), state=state, reason="the disk is full")
    first = text.render(run).splitlines()[0]
    assert first == f"{word} after 70 of 70 tests: the disk is full"
    assert "PASSED" not in text.render(run)


def test_headlines_of_the_odd_cases() -> None:
    run = sample.passing()
    assert summary.headline(replace(run, state=RunState.INTERRUPTED, reason="interrupted")) == (
        "INTERRUPTED after 70 of 70 tests"
    )
    assert summary.headline(replace(run, tests=())) == "FAILED: no test ran"
    skips = tuple(t for t in run.tests if t.outcome is Outcome.SKIP)
    assert summary.headline(replace(run, tests=skips)) == "FAILED: no test passed, 1 skipped"
    noisy = replace(run, boot_splats=(sample.WARN,))
    assert summary.headline(noisy) == "FAILED: the kernel complained while no test ran (1x)"
    assert "While no test ran:" in text.render(noisy)


def test_a_figure_without_its_meter_is_not_printed() -> None:
    run = sample.passing()
    bare = Figure("speed", 123456.0, "B/s", "")
    made = text.render(replace(run, tests=(replace(run.tests[0], figures=(bare,)),)))
    assert "123" not in made.split("Figures")[1].split("To reproduce")[0]
    assert "came without its unit or meter" in made


@pytest.mark.parametrize(
    ("value", "unit", "says"),
    [
        (5.31e7, "B/s", "53.1 MB/s (m)"),
        (999, "B/s", "999 B/s (m)"),
        (0.0, "B", "0 B (m)"),
        (1e30, "B", "1e+18 TB (m)"),
        (46342, "packets", "46342 packets (m)"),
        (81.0712, "insns", "81.07 insns (m)"),
        (4763.037, "insns", "4763 insns (m)"),
        (float("nan"), "ns", "nan ns (m)"),
    ],
)
def test_figures_keep_unit_and_meter(value: float, unit: str, says: str) -> None:
    assert summary.figure_text(Figure("f", value, unit, "m")) == says


def joined(command: str) -> list[str]:
    """What a shell makes of the printed command, after "ppiov" is replaced by something that shows its arguments."""
    lines = "\n".join(layout.command_lines(command))
    shell = ["sh", "-c", f"show() {{ for a; do printf '%s\\0' \"$a\"; done; }}\nshow {lines.lstrip()}"]
    out = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    return out.split("\0")[:-1]


def test_the_command_survives_its_wrapping() -> None:
    command = f"ppiov run -k 'a b or \"c\" and not d' --results '/tmp/{'x' * 150} y' --kernel deb:6.12"
    assert any(len(line) == 0 or line.endswith("\\") for line in layout.command_lines(command))
    assert joined(command) == shlex.split(command)


@settings(max_examples=30)
@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=180), min_size=1, max_size=5))
def test_any_command_survives_its_wrapping(words: list[str]) -> None:
    assert joined(shlex.join(words)) == words


def test_long_names_are_split_where_it_can_be_seen_and_never_cut() -> None:
    run = sample.passing()
    name = "traffic/" + "very_" * 30 + "long.py::test_" + "x" * 200
    made = text.render(replace(run, tests=(replace(run.tests[0], name=name, outcome=Outcome.FAIL),)))
    section = made.split("What went wrong")[1].split("Tests by file")[0]
    assert name in "".join(line.strip().removesuffix("\\") for line in section.splitlines())


@given(st.floats(0.0, 1e9))
def test_no_duration_touches_what_stands_before_it(seconds: float) -> None:
    assert len(summary.duration(seconds)) <= 11
    run = sample.passing()
    slow = replace(run, tests=(replace(run.tests[0], outcome=Outcome.NOT_RUN, seconds=seconds),))
    line = next(line for line in text.render(slow).splitlines() if line.startswith(summary.groups(slow)[0].file[:20]))
    assert line.endswith(f"1 {summary.duration(seconds).rjust(11)}")


def test_durations() -> None:
    said = [summary.duration(s) for s in (0, 9.949, 9.96, 59.6, 192, 7500, -1, float("inf"), float("nan"))]
    assert said == ["0.0 s", "9.9 s", "10 s", "1 min 00 s", "3 min 12 s", "2 h 05 min", "?", "?", "?"]


def test_what_the_kernel_says_again_and_again_is_told_once_with_how_often() -> None:
    again = replace(sample.WARN, text="[   23.000001] the same, later")
    elsewhere = replace(sample.WARN, fingerprint="warn:elsewhere", title="another")
    own = replace(sample.WARN, known="seen in 6.12 by itself")
    told = summary.counting([sample.WARN, elsewhere, sample.WARN, own, again])
    assert [(splat.title, splat.text) for splat in told] == [
        (f"{sample.WARN.title} (3 times)", sample.WARN.text),
        ("another", sample.WARN.text),
    ]
