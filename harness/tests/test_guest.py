# SPDX-License-Identifier: GPL-2.0-only
"""The guest's side, without a guest: the job, the plugin and their protocol, run as ordinary processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ppiov import suites, vm
from ppiov.guest import job

TESTS = """
import os, time, signal
from pathlib import Path
import pytest

@pytest.fixture
def bad_teardown():
    yield
    raise RuntimeError("no way home")

@pytest.fixture
def bad_setup():
    raise RuntimeError("no way in")

def test_pass(): ...
def test_fail():
    print("what it printed")
    assert 1 == 2
def test_skip(): pytest.skip("no cable")
@pytest.mark.skip(reason="never")
def test_marked(): ...
def test_teardown(bad_teardown): ...
def test_setup(bad_setup): ...
def test_figure(record_property):
    record_property("figure", ("rate", 7, "B/s", "guest-clock"))
    Path(os.environ["PPIOV_ARTIFACTS"], "a.pcap").write_text("x")
def test_leak(): Path("leak").touch()
def test_question(): Path("raise").touch()
def test_dies(): os.kill(os.getpid(), signal.SIGKILL)
def test_hangs(): time.sleep(600)
def test_loses(): Path("lose").touch()
@pytest.mark.xfail
def test_xfail(): assert False
"""
LEAKS = """
from pathlib import Path

def leak_questions():
    for name in ("leak", "raise"):
        if Path(name).exists():
            Path(name).unlink()
            if name == "raise":
                raise OSError("no answer")
            return ["a pool is still there"]
    return []

def last_questions():
    return ["memory is lost"] if Path("lose").exists() else []
"""


@pytest.fixture
def run_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    selftests = tmp_path / "selftests"
    (selftests / "traffic").mkdir(parents=True)
    (selftests / "lib").mkdir()
    (selftests / "lib/__init__.py").touch()
    (selftests / "lib/leaks.py").write_text(LEAKS)
    (selftests / "traffic/test_t.py").write_text(TESTS)
    share = tmp_path / "share"
    share.mkdir()
    monkeypatch.setattr(job, "prepare", lambda: None)
    monkeypatch.setattr(job, "kernel_log", lambda text: None)
    real_sysrq = Path.write_text
    monkeypatch.setattr(Path, "write_text", lambda self, *a: 0 if "sysrq" in str(self) else real_sysrq(self, *a))
    # job.py starts pytest with -S, as in a guest whose packages are in a zip; here they are in our own folders.
    path = [*suites.python_path(selftests), *[p for p in sys.path if p.endswith("-packages")]]

    def go(*names: str, timeout_s: float = 60.0) -> list[dict[str, Any]]:
        tests = [f"traffic/test_t.py::{name}" for name in names]
        (share / "tests.json").write_text(json.dumps(tests))
        plan = {
            "tests": [{"name": test, "timeout_s": timeout_s} for test in tests],
            "selftests": str(selftests),
            "pytest_arguments": [*suites.pytest_arguments(selftests), "traffic/test_t.py"],
            "environment": {
                "PPIOV_TESTS": str(share / "tests.json"),
                "PPIOV_ARTIFACTS_ROOT": str(share / "artifacts"),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTHONPATH": os.pathsep.join(path),
            },
        }
        (share / "job.json").write_text(json.dumps(plan))
        job.Job(share).run()
        records = [json.loads(line) for line in (share / "records.jsonl").read_text().splitlines()]
        for record in records:
            if isinstance(record.get("name"), str):
                record["name"] = record["name"].rpartition("::")[2]
        return records

    return go


def ended(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {r["name"]: r for r in records if r["record"] == "test-ended"}


def test_one_verdict_per_test_in_the_asked_order(run_job: Any) -> None:
    names = ["test_skip", "test_pass", "test_marked", "test_fail", "test_teardown", "test_setup", "test_figure"]
    records = run_job(*names)
    assert [r["record"] for r in records if r["record"] != "last-questions"] == [
        *("job-begun", *["test-begun", "test-ended"] * len(names), "job-ended")
    ]
    assert [r["name"] for r in records if r["record"] == "test-begun"] == names
    verdicts = ended(records)
    assert {name: (v["outcome"], v["reason"]) for name, v in verdicts.items()} == {
        "test_skip": ("skip", "no cable"),
        "test_pass": ("pass", ""),
        "test_marked": ("skip", "never"),
        "test_fail": ("fail", "assert 1 == 2"),
        "test_teardown": ("fail", "teardown: RuntimeError: no way home"),
        "test_setup": ("fail", "setup: RuntimeError: no way in"),
        "test_figure": ("pass", ""),
    }
    assert "what it printed" in verdicts["test_fail"]["detail"] and "assert 1 == 2" in verdicts["test_fail"]["detail"]
    assert verdicts["test_figure"]["figures"] == [["rate", 7, "B/s", "guest-clock"]]


def test_a_leak_makes_a_pass_a_failure(run_job: Any) -> None:
    verdicts = ended(run_job("test_leak", "test_pass", "test_question"))
    assert verdicts["test_leak"]["outcome"] == "fail"
    assert verdicts["test_leak"]["leaks"] == ["a pool is still there"]
    assert verdicts["test_pass"]["outcome"] == "pass"
    assert verdicts["test_question"]["outcome"] == "fail" and "no answer" in verdicts["test_question"]["reason"]


def test_the_last_questions_are_asked_once_at_the_end(run_job: Any) -> None:
    verdicts = ended(run_job("test_loses", "test_pass"))
    assert verdicts["test_loses"]["outcome"] == "pass"
    assert verdicts["test_pass"]["leaks"] == ["memory is lost"]


def test_an_expected_failure_is_no_pass(run_job: Any) -> None:
    verdict = ended(run_job("test_xfail"))["test_xfail"]
    assert verdict["outcome"] == "skip"  # pytest reports it so; its reason says what it is
    assert verdict["reason"]


def test_a_death_of_pytest_is_told_with_the_test(run_job: Any) -> None:
    records = run_job("test_pass", "test_dies", "test_skip")
    assert [r["record"] for r in records[-2:]] == ["test-begun", "broken"]
    assert records[-1]["name"] == "test_dies" and "SIGKILL" in records[-1]["reason"]


def test_a_hang_is_told_with_its_place(run_job: Any) -> None:
    before = time.monotonic()
    records = run_job("test_pass", "test_hangs", timeout_s=1.0)
    assert records[-1]["record"] == "test-hung" and records[-1]["name"] == "test_hangs"
    assert "in test_hangs" in records[-1]["detail"]  # faulthandler's traceback
    assert time.monotonic() - before < 30


def test_the_guest_must_find_what_the_host_found(run_job: Any) -> None:
    records = run_job("test_pass", "test_missing")
    assert records[-1]["record"] == "broken" and "test_missing" in records[-1]["reason"]


def test_beats_while_a_test_takes_its_time(run_job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "BEAT_SECONDS", 0.1)
    records = run_job("test_hangs", timeout_s=1.5)
    assert sum(r["record"] == "beat" for r in records) >= 3


def test_artifacts_are_kept_and_empty_folders_are_not(run_job: Any, tmp_path: Path) -> None:
    run_job("test_pass", "test_figure")
    kept = [path.relative_to(tmp_path / "share/artifacts") for path in (tmp_path / "share/artifacts").rglob("*.pcap")]
    assert kept == [Path("traffic_test_t.py_test_figure/a.pcap")]
    assert len(list((tmp_path / "share/artifacts").iterdir())) == 1


def test_the_zip_alone_starts_pytest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the guest gets is enough: no site-packages, only the zip and the interpreter's own compiled modules."""
    from ppiov import pyzip

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    archive = pyzip.python_zip()
    assert pyzip.python_zip() == archive
    done = subprocess.run(
        [pyzip.guest_python(), "-S", "-c", "import pytest, json; print(pytest.__file__, json.__file__)"],
        env={"PYTHONPATH": str(archive), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count(str(archive)) == 2


@pytest.mark.parametrize("script", sorted([*vm.GUEST.glob("bin/*"), vm.GUEST / "boot.sh", vm.GUEST / "qemu"]), ids=str)
def test_scripts_are_programs(script: Path) -> None:
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", script], check=True)
