# SPDX-License-Identifier: GPL-2.0-only
"""scripts/vm-suite.sh: what failed gets a second chance, and both runs can be found afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ppiov.folder import RunFolder
from ppiov.results import RunState

ROOT = Path(__file__).parents[2]
# Plays `ppiov run`: the Nth call does what the Nth item of plan.json says, and notes its arguments.
FAKE = """\
import dataclasses, json, sys
from pathlib import Path
import sample
from ppiov.drive import exit_code
from ppiov.folder import RunFolder
from ppiov.results import Outcome, RunState

calls = Path("calls.json")
made = json.loads(calls.read_text()) if calls.exists() else []
calls.write_text(json.dumps([*made, sys.argv[1:]]))
does = json.loads(Path("plan.json").read_text())[len(made)]
if does == "refused":
    sys.exit(2)
blank = sample.passing()
tests = tuple(
    dataclasses.replace(blank.tests[0], name=name, outcome=Outcome(outcome)) for name, outcome in does["tests"].items()
)
run = dataclasses.replace(blank, tests=tests, state=RunState(does.get("state", "complete")))
if does.get("splat"):
    run = dataclasses.replace(run, boot_splats=(sample.WARN,))
RunFolder.create(Path("results"), f"run-{len(made) + 1}").save(run)
sys.exit(exit_code(run))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/vm-suite.sh", tmp_path / "scripts")
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    (tmp_path / "fake.py").write_text(FAKE)
    for name, words in (("python", ""), ("ppiov", f"'{tmp_path}/fake.py' ")):
        (programs / name).write_text(f"#!/bin/sh\nexec '{sys.executable}' {words}\"$@\"\n")
        (programs / name).chmod(0o755)
    return tmp_path


def call(checkout: Path, plan: list[object], *arguments: str) -> tuple[int, list[str], list[list[str]]]:
    """Its exit code, what it said, and how it called ppiov."""
    (checkout / "plan.json").write_text(json.dumps(plan))
    here = os.pathsep.join([str(ROOT / "harness"), str(ROOT / "harness/tests")])
    done = subprocess.run(
        [checkout / "scripts/vm-suite.sh", *arguments],
        env=os.environ | {"PYTHONPATH": here},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines(), json.loads((checkout / "calls.json").read_text())


FIRST = {"tests": {"t/a.py::x": "pass", "t/a.py::y[1-2]": "fail", "t/b.py::z": "hang"}}


def test_what_passes_is_run_once(checkout: Path) -> None:
    code, said, calls = call(checkout, [{"tests": {"t/a.py::x": "pass"}}], "-j", "2")
    assert (code, said, calls) == (0, [], [["run", "-j", "2"]])


def test_what_passes_the_second_time_is_flaky_and_names_both_runs(checkout: Path) -> None:
    second = {"tests": {"t/a.py::y[1-2]": "pass", "t/b.py::z": "pass"}}
    code, said, calls = call(checkout, [FIRST, second], "--test", "t", "-j", "2", "--test", "t/b.py")
    assert code == 0
    assert calls[1] == ["run", "-j", "2", "--test", "t/a.py::y[1-2]", "--test", "t/b.py::z"]
    assert said[-3:] == [
        "FLAKY: failed once, in results/run-1, and passed once, in results/run-2:",
        "  t/a.py::y[1-2]",
        "  t/b.py::z",
    ]


def test_latest_is_the_run_with_all_the_tests(checkout: Path) -> None:
    second = {"tests": {"t/a.py::y[1-2]": "pass", "t/b.py::z": "pass"}}
    call(checkout, [FIRST, second])
    assert (checkout / "results/latest").readlink() == Path("run-1")
    assert len(RunFolder.load(checkout / "results/latest").tests) == 3
    assert sorted(path.name for path in (checkout / "results").iterdir()) == ["latest", "run-1", "run-2"]


def test_what_fails_again_fails_the_suite_and_the_rest_is_flaky(checkout: Path) -> None:
    second = {"tests": {"t/a.py::y[1-2]": "pass", "t/b.py::z": "fail"}}
    code, said, _ = call(checkout, [FIRST, second])
    assert code == 1
    assert said[-2:] == [
        "FLAKY: failed once, in results/run-1, and passed once, in results/run-2:",
        "  t/a.py::y[1-2]",
    ]
    assert (checkout / "results/latest").readlink() == Path("run-1")


@pytest.mark.parametrize("state", [RunState.INTERRUPTED, RunState.ABORTED])
def test_a_second_run_without_an_end_says_nothing_of_the_tests(checkout: Path, state: RunState) -> None:
    second = {"tests": {"t/a.py::y[1-2]": "pass", "t/b.py::z": "not-run"}, "state": state.value}
    code, said, _ = call(checkout, [FIRST, second])
    assert code == {RunState.INTERRUPTED: 3, RunState.ABORTED: 2}[state]
    assert not any("FLAKY" in line for line in said)
    assert (checkout / "results/latest").readlink() == Path("run-1")


def test_a_second_run_that_is_refused(checkout: Path) -> None:
    code, said, _ = call(checkout, [FIRST, "refused"])
    assert code == 2 and not any("FLAKY" in line for line in said)


@pytest.mark.parametrize(
    ("first", "code"), [("refused", 2), ({"tests": {"t/a.py::x": "pass"}, "splat": True}, 1)], ids=["refused", "splat"]
)
def test_no_second_run_where_no_test_failed(checkout: Path, first: object, code: int) -> None:
    """A complaint of the kernel while no test ran fails the suite; there is nothing to try again."""
    assert call(checkout, [first])[::2] == (code, [["run"]])
