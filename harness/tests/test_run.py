# SPDX-License-Identifier: GPL-2.0-only
"""The run engine against guests that die in every way: each test gets its own verdict, and nothing is left running."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from ppiov import events as ev
from ppiov import lane, prepare, report, splats, suites, vm
from ppiov import run as engine
from ppiov.accel import Accel
from ppiov.errors import BadRequest, DiskFull, NetworkGone, PpiovError, UnfitKernel, UnknownName
from ppiov.folder import RunFolder
from ppiov.kernels import KernelTree
from ppiov.report import html
from ppiov.results import Kernel, Outcome, Run, RunState
from ppiov.spec import KernelSpec

FAKE = Path(__file__).with_name("fake_guest.py")
# Only a test that waits for a deadline makes it short; the others must pass on a machine that is busy.
PATIENT = vm.Deadlines(boot=60, silence=60, total=600, grace=0.5)
NAMES = ("traffic/test_a.py::one", "traffic/test_a.py::two", "traffic/test_a.py::three")
ONE, TWO, THREE = NAMES


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., engine.RunRequest]:
    """A request whose guests are fake; the arguments say what happens to whom."""
    source = tmp_path / "source"
    (source / "kernel").mkdir(parents=True)
    (source / "selftests").mkdir()
    blank = Path("/nonexistent")
    tree = KernelTree("image:x", "6.12", "6.12", blank, blank, None, None, None, "", "")
    options = tmp_path / "config"

    def ready(_: Any, __: Any, asked: str, *___: Any, **____: Any) -> Generator[ev.Event, None, prepare.Ready]:
        accel = "kvm" if asked == "kvm" else "tcg"
        yield ev.Note("ready")
        kernel = Kernel("image:x", "6.12", "6.12", "", "")
        built = dataclasses.replace(tree, config=options) if options.is_file() else tree
        return prepare.Ready(built, kernel, (), blank, None, None, Accel(accel, "fake"), source)

    def make(scenario: dict[str, str] | None = None, config: str = "", **fields: Any) -> engine.RunRequest:
        if config:
            options.write_text(config)

        def command(config: vm.GuestConfig, **_: Any) -> list[str]:
            return [sys.executable, str(FAKE), str(config.share), json.dumps(scenario or {})]

        monkeypatch.setattr(vm, "command", command)
        defaults: dict[str, Any] = {"deadlines": PATIENT, "results_dir": tmp_path / "results", "source": source}
        return engine.RunRequest(kernel=KernelSpec.parse(f"image:{FAKE}"), **{**defaults, **fields})

    monkeypatch.setattr(prepare, "ready", ready)
    monkeypatch.setattr(prepare, "python_zip", lambda: blank)
    plan = [suites.PlannedTest(name, "traffic", f"proves {name}", 1.0) for name in NAMES]
    monkeypatch.setattr(suites, "collect", lambda *_, **__: plan)
    return make


def play(request: engine.RunRequest) -> tuple[list[ev.Event], Run]:
    """Run to the end; the events, and the run as it is on disk."""
    events = list(engine.run(request))
    finished = events[-1]
    assert isinstance(finished, ev.RunFinished)
    assert RunFolder.load(finished.folder) == finished.run
    assert processes_below(finished.folder) == []
    return events, finished.run


def processes_below(folder: Path) -> list[str]:
    """Command lines of processes that know this run's folder, our own apart."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and int(path.parent.name) != os.getpid():
            found.append(line)
    return found


def verdicts(run: Run) -> dict[str, Outcome]:
    return {test.name: test.outcome for test in run.tests}


def test_all_pass(fake: Callable[..., engine.RunRequest]) -> None:
    events, run = play(fake())
    assert run.passed and run.state is RunState.COMPLETE
    assert [test.name for test in run.tests] == list(NAMES)
    assert [e.name for e in events if isinstance(e, ev.TestBegun)] == list(NAMES)
    assert [(e.index, e.total) for e in events if isinstance(e, ev.TestEnded)] == [(1, 3), (2, 3), (3, 3)]
    assert [boot.ended for boot in run.boots] == ["done"]
    assert run.tests[0].figures[0].unit == "B" and run.tests[0].doc == f"proves {ONE}"


def test_a_slow_kernel_has_more_time_for_all(
    fake: Callable[..., engine.RunRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests as a whole, and what they wait for in themselves."""
    monkeypatch.setattr(engine, "slowness", lambda _: 4.0)
    play(fake())
    (share,) = (tmp_path / "results").glob("latest/guests/*/job.json")
    job = json.loads(share.read_text())
    assert job["environment"]["PPIOV_SLOWER"] == "4"
    assert {test["timeout_s"] for test in job["tests"]} == {4.0}


@pytest.mark.parametrize(
    ("does", "outcome", "reason", "ended"),
    [
        ("panic", Outcome.CRASH, "Kernel panic - not syncing: planted", "panic"),
        ("exit", Outcome.VM_DIED, "QEMU ended without a panic", "qemu-exit"),
        ("orphan", Outcome.VM_DIED, "QEMU ended without a panic", "qemu-exit"),
        ("silence", Outcome.HANG, "no sign of life", "silence"),
        ("beats", Outcome.HANG, "the guest did not notice", "test-timeout"),
        ("hung", Outcome.HANG, "not finished after 1 s", "test-timeout"),
        ("broken", Outcome.FAIL, "pytest was killed by SIGKILL", "broken"),
    ],
)
def test_the_guilty_is_blamed_and_the_rest_goes_on(
    fake: Callable[..., engine.RunRequest], does: str, outcome: Outcome, reason: str, ended: str
) -> None:
    limits = vm.Deadlines(60, 2, 600, 60) if does == "silence" else PATIENT
    events, run = play(fake({TWO: does}, deadlines=limits))
    assert verdicts(run) == {ONE: Outcome.PASS, TWO: outcome, THREE: Outcome.PASS}
    assert reason in run.tests[1].reason
    assert [boot.ended for boot in run.boots] == [ended, "done"]
    assert [test.boot for test in run.tests] == [0, 0, 1]
    died = [e for e in events if isinstance(e, ev.GuestDied)]
    assert [(e.blamed, e.remaining) for e in died] == [(TWO, 1)]
    assert run.state is RunState.COMPLETE and not run.passed
    if does in ("panic", "exit", "silence"):
        assert "ppiov: begin" in run.tests[1].detail  # the console's last lines


def test_a_guest_with_a_time_of_its_own_may_be_silent_for_longer(
    fake: Callable[..., engine.RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its heart beats by its own seconds, each of which takes several of the host's."""
    monkeypatch.setattr(lane, "UPSTREAM", "traffic")
    monkeypatch.setattr(lane, "_OWN_TIME", 3.0)
    _, run = play(fake({TWO: "silence"}, deadlines=vm.Deadlines(60, 1, 600, 60)))
    assert run.tests[1].outcome is Outcome.HANG
    assert "no sign of life for 3 s" in run.tests[1].reason


@pytest.mark.parametrize(("config", "own_time", "cpus"), [("CONFIG_NET=y\n", True, 1), ("CONFIG_KCSAN=y\n", False, 2)])
def test_where_races_are_looked_for_no_cpus_take_turns(
    fake: Callable[..., engine.RunRequest], monkeypatch: pytest.MonkeyPatch, config: str, own_time: bool, cpus: int
) -> None:
    """One CPU that waits for the other to race does so in vain then; and with one, there is none."""
    request = fake({}, config=config)
    plan = [dataclasses.replace(test, suite="upstream", cpus=1) for test in suites.collect(Path(), ())]
    monkeypatch.setattr(suites, "collect", lambda *_, **__: plan)
    seen: list[vm.GuestConfig] = []
    command = vm.command

    def look(config: vm.GuestConfig, **words: Any) -> list[str]:
        seen.append(config)
        return command(config, **words)

    monkeypatch.setattr(vm, "command", look)
    play(request)
    assert {(guest.own_time, guest.cpus) for guest in seen} == {(own_time, cpus)}


def test_a_flake_is_one_and_says_how_often_it_passed(fake: Callable[..., engine.RunRequest]) -> None:
    _, run = play(fake({TWO: "fail@1,3", THREE: "fail"}, repeat=4))
    assert verdicts(run) == {ONE: Outcome.PASS, TWO: Outcome.FLAKY, THREE: Outcome.FAIL}
    assert run.tests[1].reason == "passed 2 of 4 rounds; first, in round 2, fail: assert 1 == 2"
    assert run.tests[2].reason == "in all 4 rounds; first: assert 1 == 2"
    assert [(r.outcome, r.boot) for r in run.tests[1].rounds] == [
        (Outcome.PASS, 0),
        (Outcome.FAIL, 1),
        (Outcome.PASS, 2),
        (Outcome.FAIL, 3),
    ]
    assert [boot.ended for boot in run.boots] == ["done"] * 4
    assert not run.passed
    assert "--repeat 4" in run.command


def test_until_fail_ends_with_the_round_that_went_wrong(fake: Callable[..., engine.RunRequest]) -> None:
    _, run = play(fake({TWO: "fail@2"}, until_fail=True))
    assert [len(test.rounds) for test in run.tests] == [3, 3, 3]
    assert run.tests[1].reason.startswith("passed 2 of 3 rounds; first, in round 3")


def test_until_fail_has_no_more_rounds_than_were_asked_for(fake: Callable[..., engine.RunRequest]) -> None:
    _, run = play(fake({}, until_fail=True, repeat=2))
    assert run.passed and [len(test.rounds) for test in run.tests] == [2, 2, 2]


def test_what_the_kernel_is_not_configured_for_is_skipped_by_name(
    fake: Callable[..., engine.RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = fake({})
    one, two, three = suites.collect(Path(), ())
    plan = [one, dataclasses.replace(two, config=("INET_PSP",)), dataclasses.replace(three, config=("!PCI_P2PDMA",))]
    monkeypatch.setattr(suites, "collect", lambda *_, **__: plan)
    _, run = play(request)
    assert [(test.name, test.outcome) for test in run.tests] == [
        (ONE, Outcome.PASS),
        (TWO, Outcome.SKIP),
        (THREE, Outcome.PASS),
    ]
    assert run.passed and run.tests[1].reason == "the kernel has no CONFIG_INET_PSP"


def test_a_kernel_that_none_of_the_tests_fits_is_refused_and_the_run_is_kept(
    fake: Callable[..., engine.RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = fake({})
    plan = [dataclasses.replace(test, config=("INET_PSP",)) for test in suites.collect(Path(), ())]
    monkeypatch.setattr(suites, "collect", lambda *_, **__: plan)
    with pytest.raises(UnfitKernel, match="has no CONFIG_INET_PSP, so none of the tests makes sense"):
        play(request)
    run = RunFolder.load((request.results_dir / "latest").resolve())
    assert run.state is RunState.ABORTED
    assert [test.outcome for test in run.tests] == [Outcome.SKIP] * 3


def test_until_fail_with_one_round_is_one(fake: Callable[..., engine.RunRequest]) -> None:
    """As the user says; without a number it would go on, here until the fourth."""
    _, run = play(fake({TWO: "fail@3"}, until_fail=True, repeat=1))
    assert run.passed and len(run.boots) == 1
    assert "--repeat 1 --until-fail" in run.command


def test_until_fail_hears_what_the_kernel_says_between_tests(fake: Callable[..., engine.RunRequest]) -> None:
    _, run = play(fake({"boot": ",complains"}, until_fail=True, repeat=4))
    assert not run.passed and len(run.boots) == 2


def test_interrupted_in_the_second_round(fake: Callable[..., engine.RunRequest]) -> None:
    """What the first round found is kept."""
    events = engine.run(fake({ONE: "beats@1"}, repeat=3))
    for event in events:
        if isinstance(event, ev.StageBegun) and event.key == "boot-1":
            break
    with pytest.raises(StopIteration):
        events.throw(KeyboardInterrupt())
        next(events)
    run = RunFolder.load(next(p for p in (fake().results_dir).iterdir() if p.name == "latest").resolve())
    assert run.state is RunState.INTERRUPTED
    assert {test.outcome for test in run.tests} == {Outcome.PASS}


def test_the_total_deadline(fake: Callable[..., engine.RunRequest]) -> None:
    _, run = play(fake({TWO: "beats"}, deadlines=vm.Deadlines(60, 60, 4, 60)))
    assert verdicts(run)[TWO] is Outcome.HANG and run.boots[0].ended == "total-deadline"


@pytest.mark.parametrize(
    ("does", "outcome", "reason"),
    [
        ("warn", Outcome.SPLAT, "WARNING: CPU: 0"),
        ("warn on purpose", Outcome.PASS, ""),
        ("warn twice on purpose", Outcome.SPLAT, "WARNING: CPU: 0"),
        ("silent on purpose", Outcome.FAIL, "the kernel did not warn of 'planted+0x1'"),
        ("fail", Outcome.FAIL, "assert 1 == 2"),
        ("leak", Outcome.FAIL, "leak: a pool"),
        ("skip", Outcome.SKIP, ""),
    ],
)
def test_verdicts_in_one_guest(
    fake: Callable[..., engine.RunRequest], does: str, outcome: Outcome, reason: str
) -> None:
    _, run = play(fake({TWO: does}))
    assert verdicts(run) == {ONE: Outcome.PASS, TWO: outcome, THREE: Outcome.PASS}
    assert run.tests[1].reason.startswith(reason)
    assert len(run.tests[1].splats) == (outcome is Outcome.SPLAT) and len(run.boots) == 1


def test_lost_memory_is_the_fault_of_the_test_that_allocated_it(fake: Callable[..., engine.RunRequest]) -> None:
    """kmemleak tells of it after the last test: once each where a loop lost it; what is older falls to no test."""
    events, run = play(fake({THREE: "lost 1150 1010 999 1011 1250"}))
    assert verdicts(run) == {ONE: Outcome.SPLAT, TWO: Outcome.SPLAT, THREE: Outcome.SPLAT}
    assert [[splat.text.split("jiffies ")[1][:4] for splat in test.splats] for test in run.tests] == [
        ["1010"],
        ["1150"],
        ["1250"],
    ]
    assert ["jiffies 999" in splat.text for splat in run.boot_splats] == [True]
    assert [test.leaks for test in run.tests] == [(), (), ()]
    notes = [event.text for event in events if isinstance(event, ev.Note) and "which has ended before" in event.text]
    assert len(notes) == 2 and ONE in notes[1] and TWO in notes[0]


def test_a_panic_after_the_last_verdict_blames_nobody_and_is_not_lost(fake: Callable[..., engine.RunRequest]) -> None:
    events, run = play(fake({TWO: "late panic"}))
    assert set(verdicts(run).values()) == {Outcome.PASS}
    assert [splat.kind for splat in run.boot_splats] == ["panic"] and not run.passed
    assert [e.blamed for e in events if isinstance(e, ev.GuestDied)] == [None]


@pytest.mark.parametrize("how", ["die,die", "sleep,die", "kvm,die"])
def test_a_failed_boot_is_tried_again_and_counted(fake: Callable[..., engine.RunRequest], how: str) -> None:
    _, run = play(fake({"boot": how}, deadlines=vm.Deadlines(4, 60, 600, 0.5)))
    assert set(verdicts(run).values()) == {Outcome.PASS}
    assert [boot.attempt for boot in run.boots] == [1, 2, 3]
    assert [boot.seconds_to_job is None for boot in run.boots] == [True, True, False]


def test_a_kernel_that_only_complains_is_not_waited_for(fake: Callable[..., engine.RunRequest]) -> None:
    _, run = play(fake({"boot": "babbles,complains"}, deadlines=vm.Deadlines(600, 600, 600, 0.5)))
    assert set(verdicts(run).values()) == {Outcome.PASS}
    assert [boot.ended for boot in run.boots] == ["complaints", "done"]
    assert "complained 100 times before it was up, last: WARNING: " in run.boots[0].note
    assert len(run.boot_splats) > 100 and not run.passed


def test_an_accident_of_the_emulator_is_nobodys_fault(fake: Callable[..., engine.RunRequest]) -> None:
    """What ran, or booted, has another turn."""
    events, run = play(fake({"boot": "stale", TWO: "stale int3@1,2"}))
    assert run.passed and run.boot_splats == ()
    assert [boot.ended for boot in run.boots] == ["emulator", "emulator", "emulator", "done"]
    assert [(test.outcome, test.boot) for test in run.tests] == [(Outcome.PASS, n) for n in (1, 3, 3)]
    assert [e.blamed for e in events if isinstance(e, ev.GuestDied)] == [None, None, None]
    notes = [event.text for event in events if isinstance(event, ev.Note) and "the emulator" in event.text]
    assert len(notes) == 3 and "Oops: int3: 0000 [#1]" in notes[0]


@pytest.mark.parametrize(
    ("does", "options", "ended"),
    [
        ("int3", {}, ["panic", "done"]),  # memory has it
        ("stale int3", {"accel": "kvm"}, ["panic", "done"]),  # a real CPU does not do that
        ("stale int3", {}, ["emulator", "emulator", "emulator", "done"]),  # a third time, in the same test
    ],
)
def test_an_int3_that_is_not_the_emulators(
    fake: Callable[..., engine.RunRequest], does: str, options: dict[str, str], ended: list[str]
) -> None:
    _, run = play(fake({TWO: does}, **options))
    assert verdicts(run) == {ONE: Outcome.PASS, TWO: Outcome.CRASH, THREE: Outcome.PASS}
    assert run.tests[1].reason == "Oops: int3: 0000 [#1] SMP"
    assert [boot.ended for boot in run.boots] == ended


def test_no_guest_boots(fake: Callable[..., engine.RunRequest]) -> None:
    _, run = play(fake({"boot": "die!"}))
    assert run.state is RunState.ABORTED and len(run.boots) == lane.MAX_ATTEMPTS
    assert "cannot do that" in run.reason
    assert set(verdicts(run).values()) == {Outcome.NOT_RUN}


def test_guests_in_parallel(fake: Callable[..., engine.RunRequest]) -> None:
    _, run = play(fake({ONE: "panic", THREE: "warn"}, jobs=3))
    assert verdicts(run) == {ONE: Outcome.CRASH, TWO: Outcome.PASS, THREE: Outcome.SPLAT}
    assert len(run.boots) == 3


@pytest.mark.parametrize("way", ["closed", "raised"])
def test_interrupted(fake: Callable[..., engine.RunRequest], tmp_path: Path, way: str) -> None:
    events = engine.run(fake({TWO: "beats"}, deadlines=vm.Deadlines(60, 60, 600, 60)))
    for event in events:
        if isinstance(event, ev.TestBegun) and event.name == TWO:
            break
    if way == "closed":
        events.close()
    else:
        finished = events.throw(KeyboardInterrupt())
        assert isinstance(finished, ev.RunFinished)
    folder = tmp_path / "results" / "latest"
    run = RunFolder.load(folder)
    assert run.state is RunState.INTERRUPTED and run.reason == "interrupted"
    assert verdicts(run) == {ONE: Outcome.PASS, TWO: Outcome.NOT_RUN, THREE: Outcome.NOT_RUN}
    assert run.boots[0].ended == "interrupted"
    assert processes_below(folder.resolve()) == []
    assert (folder / "report.txt").is_file()


def test_interrupted_after_the_kernel_has_complained(fake: Callable[..., engine.RunRequest], tmp_path: Path) -> None:
    """What it said while it booted is in the report, though no guest has come to its end."""
    events = engine.run(fake({"boot": "complains", ONE: "beats"}, deadlines=vm.Deadlines(60, 60, 600, 60)))
    for event in events:
        if isinstance(event, ev.TestBegun):
            break
    events.close()
    run = RunFolder.load(tmp_path / "results" / "latest")
    assert run.state is RunState.INTERRUPTED
    assert [splat.kind for splat in run.boot_splats] == ["warn", "warn"]


@pytest.mark.parametrize("place", ["decoding", "report"])
def test_interrupted_while_the_report_is_written(
    fake: Callable[..., engine.RunRequest], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The run is saved as interrupted, its reports say so, and nothing is decoded then."""
    real, calls = report.write_all, list[str]()

    def decoded(run: Run, _: object) -> Run:
        calls.append("decoding")
        if place == "decoding":
            raise KeyboardInterrupt
        return run

    def write_all(folder: RunFolder, run: Run) -> tuple[Path, ...]:
        calls.append("report")
        if place == "report" and calls.count("report") == 1:
            raise KeyboardInterrupt
        return real(folder, run)

    monkeypatch.setattr(splats, "decoded", decoded)
    monkeypatch.setattr(report, "write_all", write_all)
    try:
        events, run = play(fake())
    except KeyboardInterrupt:
        pytest.fail("the Ctrl-C went through")
    assert run.state is RunState.INTERRUPTED and not run.passed
    assert set(verdicts(run).values()) == {Outcome.PASS}
    finished = events[-1]
    assert isinstance(finished, ev.RunFinished)
    assert [path.exists() for path in finished.reports] == [True] * len(report.FILES)
    said = (finished.folder / "report.txt").read_text()
    assert said.startswith("INTERRUPTED after 3 of 3 tests: interrupted while the report was written")
    assert calls == ["decoding", *["report"] * (1 if place == "decoding" else 2)]


def test_the_text_is_there_before_a_third_ctrl_c(
    fake: Callable[..., engine.RunRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who does not wait for the pictures either has run.json and the text report, and both say «interrupted»."""

    def interrupted(_: Run) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(html, "render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(engine.run(fake()))
    folder = tmp_path / "results/latest"
    assert RunFolder.load(folder).state is RunState.INTERRUPTED
    assert (folder / "report.txt").read_text().startswith("INTERRUPTED after 3 of 3 tests")


def test_a_full_disk_is_said_and_nothing_is_blamed(fake: Callable[..., engine.RunRequest], tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        list(engine.run(fake({TWO: "full"})))
    run = RunFolder.load(tmp_path / "results" / "latest")
    assert run.state is RunState.ABORTED and "no space left" in run.reason
    assert verdicts(run) == {ONE: Outcome.PASS, TWO: Outcome.NOT_RUN, THREE: Outcome.NOT_RUN}


def test_what_stops_the_preparation_is_saved_and_raised(
    fake: Callable[..., engine.RunRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> Generator[ev.Event, None, prepare.Ready]:
        yield ev.Note("trying")
        raise NetworkGone("the archive cannot be reached")

    request = fake()
    monkeypatch.setattr(prepare, "ready", gone)
    with pytest.raises(NetworkGone):
        list(engine.run(request))
    run = RunFolder.load(tmp_path / "results" / "latest")
    assert run.state is RunState.ABORTED and run.reason == "the archive cannot be reached"


@pytest.mark.parametrize(
    ("cause", "raised", "reason"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a/module.ko"), PpiovError, "/a/module.ko: Permission"),
        (OSError(errno.EIO, "Input/output error"), PpiovError, "Input/output error"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), DiskFull, "no space left to write"),
        (ValueError("a fault of ours"), ValueError, "ValueError: a fault of ours"),
        (AssertionError(), AssertionError, "AssertionError"),
    ],
)
@pytest.mark.parametrize("disk", ["", "full"])
def test_whatever_ends_it_the_run_is_saved(
    fake: Callable[..., engine.RunRequest],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cause: Exception,
    raised: type[Exception],
    reason: str,
    disk: str,
) -> None:
    """A disk without room for the reports does not change what is said of it."""

    def fails(*_: Any, **__: Any) -> Generator[ev.Event, None, prepare.Ready]:
        yield ev.Note("trying")
        raise cause

    def no_room(*_: Any) -> None:
        raise DiskFull("no space left for the reports")

    request = fake()
    monkeypatch.setattr(prepare, "ready", fails)
    if disk:
        monkeypatch.setattr(report, "write_all", no_room)
    with pytest.raises(raised) as caught:
        list(engine.run(request))
    assert "reports" not in str(caught.value)
    run = RunFolder.load(tmp_path / "results" / "latest")
    assert run.state is RunState.ABORTED and reason in run.reason
    assert set(verdicts(run).values()) == {Outcome.NOT_RUN}
    assert (tmp_path / "results/latest/report.txt").is_file() == (not disk)


def test_bad_requests_make_no_folder(
    fake: Callable[..., engine.RunRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = fake(jobs=0)
    with pytest.raises(BadRequest):
        next(engine.run(request))
    with pytest.raises(UnknownName, match="unknown backend 'ppio'"):
        next(engine.run(fake(backend="ppio")))

    def unknown(*_: Any, **__: Any) -> list[suites.PlannedTest]:
        raise UnknownName("suite", "trafic", ["traffic"])

    monkeypatch.setattr(suites, "collect", unknown)
    with pytest.raises(UnknownName, match="traffic"):
        next(engine.run(fake()))
    assert not (tmp_path / "results").exists()


def test_the_console_is_kept(fake: Callable[..., engine.RunRequest]) -> None:
    events, _ = play(fake({TWO: "panic"}))
    finished = events[-1]
    assert isinstance(finished, ev.RunFinished)
    log = (finished.folder / "console.log").read_text()
    assert log.count("Linux version fake") == 2 and "Kernel panic" in log
    lines = [json.loads(line) for line in (finished.folder / "events.log").read_text().splitlines()]
    assert "GuestDied" in [line["event"] for line in lines]


@pytest.mark.parametrize(("jobs", "sizes"), [(1, [5]), (2, [3, 2]), (5, [1] * 5), (9, [1] * 5)])
def test_split(jobs: int, sizes: list[int]) -> None:
    plan = [suites.PlannedTest(str(n), "traffic", "", 1.0) for n in range(5)]
    parts = engine.split(plan, jobs)
    assert [len(part) for part in parts] == sizes
    assert [test for part in parts for test in part] == plan


def test_the_command_reproduces() -> None:
    request = engine.RunRequest(KernelSpec.parse("deb:6.12"), ("traffic",), expression="bind and not ipv6", jobs=2)
    assert request.command() == "ppiov run traffic --kernel deb:6.12 -k 'bind and not ipv6' -j 2"
    request = engine.RunRequest(KernelSpec.parse("deb:6.12"), backend="both")
    assert request.command() == "ppiov run --kernel deb:6.12 --backend both"


def test_a_killed_harness_takes_the_guest_with_it(tmp_path: Path) -> None:
    """SIGKILL for the harness leaves no time to clean up: the kernel must do it, through both generations."""
    program = (
        "import subprocess, sys, time\n"
        f"qemu = {str(vm.GUEST / 'qemu')!r}\n"
        "outer = ['setpriv', '--pdeathsig', 'KILL', '--', sys.executable, '-c', "
        "f'import subprocess; subprocess.run([{qemu!r}])']\n"
        "subprocess.Popen(outer, start_new_session=True)\n"
        "print('up', flush=True)\n"
        "time.sleep(600)\n"
    )
    pids = tmp_path / "pid"
    stand_in = tmp_path / "qemu-system-x86_64"
    stand_in.write_text(f"#!/bin/sh\necho $$ >{pids}.new; mv {pids}.new {pids}; exec sleep 600\n")
    stand_in.chmod(0o755)

    harness = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
    )
    until = time.monotonic() + 20
    while not pids.exists() and time.monotonic() < until:
        time.sleep(0.02)
    pid = int(pids.read_text())
    assert Path(f"/proc/{pid}").exists()
    harness.kill()
    harness.wait()
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < until, "QEMU outlived the harness"
        time.sleep(0.02)
