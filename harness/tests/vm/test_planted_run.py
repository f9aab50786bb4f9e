# SPDX-License-Identifier: GPL-2.0-only
"""Real guests with faults in them: each is reported as what it is, and the tests after it still run."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pytest
from ppiov import events as ev
from ppiov import kernels
from ppiov import run as engine
from ppiov.drive import drive
from ppiov.folder import RunFolder
from ppiov.render.plain import PlainRenderer
from ppiov.results import Outcome, Run, RunState
from ppiov.spec import KernelSpec
from ppiov.store import Store
from ppiov.tree import read_config

# name -> outcome, what its reason has in it, how its guest ended ("" where that guest went on)
EXPECTED = {
    "before": (Outcome.PASS, "", ""),
    "panic": (Outcome.CRASH, "sysrq triggered crash", "panic"),
    "after_panic": (Outcome.PASS, "", ""),
    "hang": (Outcome.HANG, "not finished after 15 s", "test-timeout"),
    "after_hang": (Outcome.PASS, "", ""),
    "freeze": (Outcome.HANG, "the guest did not notice", "test-timeout"),
    "after_freeze": (Outcome.PASS, "", ""),
    "power_off": (Outcome.VM_DIED, "without a panic", "qemu-exit"),
    "after_power_off": (Outcome.PASS, "", ""),
    "killed": (Outcome.FAIL, "SIGKILL", "broken"),
    "after_killed": (Outcome.PASS, "", ""),
    "warn": (Outcome.SPLAT, "WARNING:", ""),
    "after_warn": (Outcome.PASS, "", ""),
    "fails": (Outcome.FAIL, "the answer is wrong", ""),
    "skips": (Outcome.SKIP, "nothing to do here", ""),
    "figure": (Outcome.PASS, "", ""),
}


# What is handed over in KTAP: outcome, what its reason has in it, and the cases by name.
KTAP = {
    "xfail": (Outcome.PASS, "", {"good": "pass", "known bug": "xfail", "selftests: planted: plain": "pass"}),
    "wrong_plan": (Outcome.FAIL, "2 of 3 results came", {"a": "pass", "b": "pass"}),
    "no_plan": (Outcome.FAIL, "no plan", {"a": "pass"}),
    "nothing": (Outcome.FAIL, "no KTAP", {}),
    "all_skipped": (Outcome.SKIP, "no such hardware", {}),
    "panic": (Outcome.CRASH, "sysrq triggered crash", {"before the panic": "pass"}),
}
# The same for the KUnit suites of planted/module, where the kernel has KUnit.
KUNIT = {
    "good": (Outcome.PASS, "", {"planted_passes": "pass", "planted_skips": "skip"}),
    "bad": (
        Outcome.FAIL,
        "2 of 4 cases",
        {"planted_passes": "pass", "planted_fails": "fail", "good": "pass", "bad, and it says so": "fail"},
    ),
    "warning": (Outcome.SPLAT, "WARNING:", {"planted_warns": "pass"}),
    "crash": (Outcome.CRASH, "NULL pointer", {"planted_passes": "pass", "planted_crash": "crash"}),
    "gone": (Outcome.FAIL, "planted_gone has vanished", {}),
}


def qemus(folder: Path) -> list[int]:
    """The QEMU processes that share something below ``folder`` with their guest."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"qemu-system" in words[0] and any(str(folder).encode() in word for word in words):
            found.append(int(path.parent.name))
    return found


def request(kernel: str, results: Path, expression: str = "") -> engine.RunRequest:
    return engine.RunRequest(KernelSpec.parse(kernel), ("planted",), expression=expression, results_dir=results)


def outcomes(run: Run) -> dict[str, Outcome]:
    return {test.name.rpartition("::test_")[2]: test.outcome for test in run.tests}


def test_each_fault_is_reported_as_what_it_is(kernel: str, tmp_path: Path) -> None:
    *_, finished = engine.run(request(kernel, tmp_path, "test_planted.py"))
    assert isinstance(finished, ev.RunFinished)
    run = finished.run
    assert outcomes(run) == {name: outcome for name, (outcome, _, _) in EXPECTED.items()}
    for test in run.tests:
        _, reason, ended = EXPECTED[test.name.rpartition("::test_")[2]]
        assert reason in test.reason, test.name
        if ended:
            assert run.boots[test.boot].ended == ended, test.name
    by_name = {test.name.rpartition("::test_")[2]: test for test in run.tests}
    (panic,) = by_name["panic"].splats
    assert panic.kind == "panic" and "sysrq triggered crash" in panic.text
    assert "sysrq_handle_crash" in by_name["panic"].detail, "the console's last lines"
    assert "in test_hang" in by_name["hang"].detail
    (warning,) = by_name["warn"].splats
    assert warning.kind == "warn" and "planted on purpose" in warning.text
    assert by_name["figure"].figures[0].value == 42.0
    assert (finished.folder / "artifacts/planted_test_planted.py_test_figure/answer.txt").read_text() == "42\n"
    assert run.state is RunState.COMPLETE and not run.passed
    assert qemus(tmp_path) == []


def cases(run: Run, group: str) -> dict[str, tuple[Outcome, str, dict[str, str]]]:
    """By the name behind the group's: outcome, reason, and the outcomes of the cases by the last of their names."""
    found = {}
    for test in run.tests:
        _, is_one, name = test.name.partition(f"::test_{group}_")
        if is_one:
            found[name] = (test.outcome, test.reason, {case.name[-1]: case.outcome.value for case in test.cases})
    return found


def test_what_is_handed_over_in_ktap_is_reported_as_what_it_is(kernel: str, tmp_path: Path) -> None:
    *_, finished = engine.run(request(kernel, tmp_path, "test_kunit.py"))
    assert isinstance(finished, ev.RunFinished)
    found = cases(finished.run, "ktap")
    assert {name: (outcome, below) for name, (outcome, _, below) in found.items()} == {
        name: (outcome, below) for name, (outcome, _, below) in KTAP.items()
    }
    assert all(KTAP[name][1] in reason for name, (_, reason, _) in found.items())
    suites = cases(finished.run, "suite")
    assert set(suites) == set(KUNIT)
    if has_kunit(kernel):
        for name, (outcome, reason, below) in KUNIT.items():
            assert (suites[name][0], suites[name][2]) == (outcome, below), name
            assert reason in suites[name][1], name
    else:
        assert all("no KUnit" in reason for outcome, reason, _ in suites.values() if outcome is Outcome.SKIP)
        assert {outcome for outcome, _, _ in suites.values()} == {Outcome.SKIP}


def has_kunit(kernel: str) -> bool:
    tree = drive(kernels.get(KernelSpec.parse(kernel), store=Store()), PlainRenderer(io.StringIO()))
    return tree.config is not None and read_config(tree.config).get("CONFIG_KUNIT") in ("y", "m")


def test_qemu_killed_from_outside(kernel: str, tmp_path: Path) -> None:
    """Whoever kills QEMU, the test that ran is told apart from those that crashed or hung."""
    events = engine.run(request(kernel, tmp_path, "hang"))
    for event in events:
        if isinstance(event, ev.TestBegun) and event.name.endswith("test_hang"):
            (pid,) = qemus(tmp_path)
            os.kill(pid, signal.SIGKILL)
    run = RunFolder.load(tmp_path / "latest")
    assert outcomes(run) == {"hang": Outcome.VM_DIED, "after_hang": Outcome.PASS}
    assert qemus(tmp_path) == []


def test_interrupted_while_a_guest_runs(kernel: str, tmp_path: Path) -> None:
    """Ctrl-C leaves no QEMU, and a run that says so."""
    events = engine.run(request(kernel, tmp_path, "hang"))
    for event in events:
        if isinstance(event, ev.TestBegun):
            break
    assert len(qemus(tmp_path)) == 1
    with pytest.raises(StopIteration):
        events.throw(KeyboardInterrupt())
        next(events)
    run = RunFolder.load(tmp_path / "latest")
    assert run.state is RunState.INTERRUPTED
    assert outcomes(run) == {"hang": Outcome.NOT_RUN, "after_hang": Outcome.NOT_RUN}
    assert qemus(tmp_path) == []
