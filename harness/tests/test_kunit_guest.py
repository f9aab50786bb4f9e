# SPDX-License-Identifier: GPL-2.0-only
"""What selftests/lib/kunit.py does with what KUnit shows in debugfs; files play the kernel."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SELFTESTS = Path(__file__).parents[2] / "selftests"

# As lib/kunit/debugfs.c prints a suite that is known: the lines around its cases are there whether it ran or not.
HEAD = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n"
FOOT = "ok 1 s\n"
NOT_RUN = HEAD + FOOT
RAN = HEAD + "    ok 1 a\n    not ok 2 b\n" + FOOT
SKIPPED = "KTAP version 1\n1..1\nok 1 s # SKIP not here\n"


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], tuple[ModuleType, Path]]:
    """lib.kunit with a suite ``s`` in debugfs whose results are the text, and the file that would run it."""

    def make(results: str) -> tuple[ModuleType, Path]:
        monkeypatch.syspath_prepend(str(SELFTESTS))
        module = importlib.import_module("lib.kunit")
        parameters, suite = tmp_path / "parameters", tmp_path / "debug/kunit/s"
        parameters.mkdir()
        suite.mkdir(parents=True)
        (parameters / "enable").write_text("Y\n")
        (suite / "results").write_text(results)
        (suite / "run").write_text("")
        monkeypatch.setattr(module, "PARAMETERS", parameters)
        monkeypatch.setattr(module, "DEBUGFS", tmp_path / "debug")
        monkeypatch.setattr(module.processes, "run", lambda *_, **__: "")
        return module, suite / "run"

    return make


@pytest.mark.parametrize(("results", "again"), [(NOT_RUN, True), (RAN, False), (SKIPPED, False)])
def test_a_module_whose_suite_did_not_run_is_asked_to(
    guest: Callable[[str], tuple[ModuleType, Path]], results: str, again: bool
) -> None:
    """kunit.autorun is off where nobody asked for it, and no file shows it."""
    kunit, run = guest(results)
    assert kunit.run("s", Path("m.ko")) == results
    assert bool(run.read_text()) is again
    assert (kunit.PARAMETERS / "filter_glob").read_text() == "*"


def test_a_suite_that_vanished_is_none_that_passed(guest: Callable[[str], tuple[ModuleType, Path]]) -> None:
    kunit, _ = guest(RAN)
    with pytest.raises(AssertionError, match="t has vanished"):
        kunit.run("t", Path("m.ko"))


def test_a_suite_that_is_built_in_runs_once_more(guest: Callable[[str], tuple[ModuleType, Path]]) -> None:
    kunit, run = guest(RAN)
    assert kunit.run("s", None) == RAN
    assert run.read_text()


@pytest.mark.parametrize("device", [True, False])
def test_the_providers_are_there_before_our_suites(
    guest: Callable[[str], tuple[ModuleType, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: bool
) -> None:
    """ppiov first and unloaded last; zone_device's memory only where the guest has some."""
    kunit, _ = guest(RAN)
    memory = tmp_path / "device-memory"
    example = tmp_path / "example/ppiov_example.ko"
    example.parent.mkdir()
    for file in [example, *([memory] if device else [])]:
        file.touch()
    calls: list[list[str]] = []
    monkeypatch.setenv("PPIOV_TEST_MODULES", str(example.parent))
    monkeypatch.setattr(kunit.ivshmem, "FILE", memory)
    monkeypatch.setattr(kunit.module, "loaded", lambda name="": name == "ppiov_example")
    monkeypatch.setattr(kunit.processes, "run", lambda words, **_: calls.append([Path(str(w)).name for w in words]))
    kunit.run("s", Path("modules/ppiov_kunit.ko"))
    names = ["ppiov", "ppiov_example", *(["ppiov_ivshmem"] if device else []), "ppiov_kunit"]
    assert [call[1].removesuffix(".ko") for call in calls] == [*names, *reversed(names)]
    assert [call[0] for call in calls] == ["insmod"] * len(names) + ["rmmod"] * len(names)
    if device:
        assert "zone_mib=16" in calls[2]


def test_other_suites_need_no_provider(
    guest: Callable[[str], tuple[ModuleType, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kunit, _ = guest(RAN)
    calls: list[list[str]] = []
    monkeypatch.setattr(kunit.processes, "run", lambda words, **_: calls.append([str(w) for w in words]))
    kunit.run("s", Path("other_kunit.ko"))
    assert calls == [["insmod", "other_kunit.ko"], ["rmmod", "other_kunit"]]
