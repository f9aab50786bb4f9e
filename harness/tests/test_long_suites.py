# SPDX-License-Identifier: GPL-2.0-only
"""scripts/long-suites.sh: what has run, what has not, and that nobody has to guess which."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TABLE = """\
# a comment
good   1  true
bad    1  false with arguments
long  90  true
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/long-suites.sh", tmp_path / "scripts")
    (tmp_path / "scripts/long-suites.txt").write_text(TABLE)
    return tmp_path


def call(checkout: Path, *arguments: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [checkout / "scripts/long-suites.sh", *arguments],
        env=os.environ | {"PATH": f"{checkout / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, [line.strip() for line in (done.stdout + done.stderr).splitlines()]


def test_what_is_not_named_is_said_not_to_have_run(checkout: Path) -> None:
    code, lines = call(checkout, "good")
    assert code == 0
    assert any(re.fullmatch(r"passed: good, 0 min \d+ s", line) for line in lines)
    assert "NOT RUN: long (about 90 min): true" in lines
    assert "NOT RUN: bad (about 1 min): false with arguments" in lines


def test_a_failure_is_the_end_result_and_not_the_end(checkout: Path) -> None:
    code, lines = call(checkout, "bad", "long")
    assert code == 1
    assert any(line.startswith("failed: bad (exit code 1)") for line in lines)
    assert any(line.startswith("passed: long") for line in lines)


def test_what_does_not_fit_does_not_begin(checkout: Path) -> None:
    code, lines = call(checkout, "--minutes", "5", "good", "long")
    assert code == 0
    assert any(line.startswith("passed: good") for line in lines)
    assert "NOT RUN, 5 min are left: long (about 90 min): true" in lines


def until_gone(pid: int) -> None:
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"process {pid} is still there")


@pytest.fixture
def long_lived(checkout: Path) -> Path:
    """A suite that has started what outlives it, as a run its guests; returns where it says which process that is."""
    script = checkout / "suite.sh"
    script.write_text(
        f"#!{sys.executable}\nimport pathlib, subprocess\nsleep = subprocess.Popen(['/bin/sleep', '300'])\n"
        "pathlib.Path('pid').write_text(str(sleep.pid))\nsleep.wait()\n"
    )
    script.chmod(0o755)
    (checkout / "scripts/long-suites.txt").write_text("endless 1 ./suite.sh\n")
    return checkout / "pid"


def test_what_is_cut_off_has_neither_passed_nor_failed(checkout: Path, long_lived: Path) -> None:
    """And nothing of it is left."""
    (checkout / "bin").mkdir()
    sleep = checkout / "bin/sleep"  # five minutes take a second; the suite's own, 300 s, as long as they do
    sleep.write_text(f'#!/bin/sh\n[ "$1" != $((5 * 60)) ] || [ "$0" != "{sleep}" ] || set 1\nexec /bin/sleep "$1"\n')
    sleep.chmod(0o755)
    code, lines = call(checkout, "--minutes", "5", "endless")
    assert code == 0
    assert any(re.fullmatch(r"NOT FINISHED after 0 min \d+ s: endless .*", line) for line in lines)
    until_gone(int(long_lived.read_text()))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_nothing_is_left(checkout: Path, long_lived: Path, how: signal.Signals) -> None:
    # What was ignored when bash began, as SIGINT is in a job of the background, it cannot trap.
    heard = ["env", f"--default-signal={how.name.removeprefix('SIG')}"]
    with subprocess.Popen(
        [*heard, checkout / "scripts/long-suites.sh"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for _ in range(600):
            if long_lived.is_file() and long_lived.read_text():
                break
            time.sleep(0.1)
        process.send_signal(how)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "long-suites: interrupted\n" in said
    until_gone(int(long_lived.read_text()))


@pytest.mark.parametrize("arguments", [("--minutes", "soon"), ("--minutes",), ("unknown",), ("--unknown",)])
def test_bad_usage(checkout: Path, arguments: tuple[str, ...]) -> None:
    code, lines = call(checkout, *arguments)
    assert code == 2
    assert lines[0].startswith("usage: long-suites.sh")


def table() -> list[list[str]]:
    rows = [line.split(maxsplit=2) for line in (ROOT / "scripts/long-suites.txt").read_text().splitlines()]
    return [row for row in rows if row and row[0] != "#"]


def test_long_tests_are_in_the_table() -> None:
    """They are in nothing else: `make test-all` runs them by it."""
    long = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "harness/tests/vm").glob("test_*.py")
        if re.search(r"^pytestmark = .*\bmark\.long\b", path.read_text(), re.MULTILINE)
    }
    assert len(long) > 5
    assert long <= {word for row in table() for word in row[2].split()}
    marks = re.search(r"^\[testenv:all\].*?-m \"(.*?)\"", (ROOT / "tox.ini").read_text(), re.MULTILINE | re.DOTALL)
    assert marks and "not long" in marks[1]


def test_the_table_is_well_formed() -> None:
    rows = table()
    assert rows and all(len(row) == 3 and row[1].isdecimal() for row in rows), rows
    assert len({row[0] for row in rows}) == len(rows)
    ci = re.search(r"^long=\((.*)\)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert ci and set(ci[1].split()) <= {row[0] for row in rows}
