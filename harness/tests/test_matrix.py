# SPDX-License-Identifier: GPL-2.0-only
"""Runs on several kernels: each has its turn, the worst exit code counts, and they end up side by side."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sample
from engines import drain
from ppiov import events, matrix
from ppiov import run as run_engine
from ppiov.errors import BadRequest, ExitCode, Interrupted, NetworkGone, PpiovError
from ppiov.events import Event, Note
from ppiov.folder import RunFolder, find
from ppiov.report import many
from ppiov.results import Run, RunState
from ppiov.run import RunRequest
from ppiov.spec import KernelSpec

GOOD, BAD = sample.passing(), sample.every_outcome()
PART = replace(sample.passing(), state=RunState.INTERRUPTED, reason="interrupted")


def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *ends: Run | PpiovError
) -> tuple[list[str], ExitCode, list[str]]:
    """What is told, the exit code, and the kernels that had their turn, where each run ends as ``ends`` says."""
    asked: list[str] = []

    def engine(request: RunRequest) -> Generator[Event, None, Run]:
        yield from ()
        end = ends[len(asked)]
        asked.append(str(request.kernel))
        if isinstance(end, PpiovError):
            raise end
        folder = RunFolder.create(request.results_dir, f"run-{len(asked)}")
        kernel = replace(end.kernel, spec=str(request.kernel), release=f"{request.kernel.version}.1")
        made = replace(end, id=folder.path.name, kernel=kernel)
        folder.save(made)
        return made

    monkeypatch.setattr(run_engine, "run", engine)
    requests = [RunRequest(KernelSpec("deb", f"6.{n}"), results_dir=tmp_path) for n in range(len(ends))]
    told, code = drain(matrix.run(requests))
    return [event.text for event in told if isinstance(event, Note)], code, asked


def test_each_kernel_has_its_turn_and_the_worst_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, code, asked = run(tmp_path, monkeypatch, GOOD, BAD, GOOD)
    assert (code, asked) == (ExitCode.FAILED, ["deb:6.0", "deb:6.1", "deb:6.2"])
    place = find(tmp_path).path
    assert place.name.endswith("-kernels")
    assert (place / "report.html").read_bytes() == many.render(many.load(place), "html")
    assert [one.id for one in many.load(place) if isinstance(one, Run)] == ["run-1", "run-2", "run-3"]
    assert "6.2.1" in (place / "report.txt").read_text()
    assert told[-1] == f"side by side: {place / 'report.html'}"


def test_a_kernel_that_cannot_be_had_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, code, asked = run(tmp_path, monkeypatch, NetworkGone("no network"), GOOD, GOOD)
    assert (code, len(asked)) == (ExitCode.UNUSABLE, 3)
    assert "deb:6.0: no network" in told


def test_an_interruption_ends_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, code, asked = run(tmp_path, monkeypatch, GOOD, PART, GOOD)
    assert (code, len(asked)) == (ExitCode.INTERRUPTED, 2)
    assert (find(tmp_path).path / "report.txt").read_text().startswith("INTERRUPTED after")
    with pytest.raises(Interrupted):
        run(tmp_path / "again", monkeypatch, GOOD, Interrupted("interrupted"))


def test_one_kernel_is_a_run_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tmp_path, monkeypatch, GOOD)[1] is ExitCode.PASSED
    assert find(tmp_path).path.name == "run-1"
    with pytest.raises(BadRequest):
        run(tmp_path / "again", monkeypatch, BadRequest("no"), GOOD)


def test_a_kernel_named_twice_is_refused(tmp_path: Path) -> None:
    request = RunRequest(KernelSpec.parse("deb:6.12"), results_dir=tmp_path)
    with pytest.raises(BadRequest, match="named twice"):
        drain(matrix.run([request, request]))


def played(request: RunRequest) -> Generator[Event, None, Run]:
    """A run engine that can be sent to a worker; the kernel's version says how it ends."""
    yield Note(f"pid {os.getpid()}")
    ends: dict[str, Run | PpiovError] = {
        "6.0": GOOD,
        "6.1": BAD,
        "6.2": NetworkGone("no network"),
        "6.3": BadRequest("no"),
    }
    end = ends[request.kernel.version]
    if isinstance(end, PpiovError):
        raise end
    folder = RunFolder.create(request.results_dir, f"run-{request.kernel.version}")
    kernel = replace(end.kernel, spec=str(request.kernel), release=f"{request.kernel.version}.1")
    made = replace(end, id=folder.path.name, kernel=kernel)
    yield events.TestEnded(made.tests[0], 1, 1)
    folder.save(made)
    return made


class Queue:
    """Jobs done one after the other; what was asked for is remembered."""

    def __init__(self) -> None:
        self.asked: list[RunRequest] = []

    def run(self, engine: Any, arguments: Sequence[Any]) -> Generator[Event, None, list[Any]]:
        self.asked = list(arguments)
        results = []
        for argument in arguments:
            results.append((yield from engine(argument)))
        return results


@pytest.mark.parametrize(
    ("versions", "code"),
    [
        (("6.0", "6.1"), ExitCode.FAILED),
        (("6.0", "6.2"), ExitCode.UNUSABLE),
        (("6.3", "6.0"), ExitCode.UNUSABLE),
    ],
)
def test_kernels_at_a_time_end_as_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, versions: tuple[str, ...], code: ExitCode
) -> None:
    monkeypatch.setattr(run_engine, "run", played)
    queue = Queue()
    requests = [RunRequest(KernelSpec("deb", version), results_dir=tmp_path, jobs=4) for version in versions]
    told, ended = drain(matrix.run(requests, jobs=queue))
    assert ended is code
    assert [request.jobs for request in queue.asked] == [2, 2], "guests at a time, of all kernels together"
    assert all(request.source is not None and request.results_dir.is_absolute() for request in queue.asked)
    tests = [event.result.name for event in told if isinstance(event, events.TestEnded)]
    assert tests and all(name.startswith("deb:6.") for name in tests), "each line says which kernel it is about"
    if code is ExitCode.FAILED:
        assert [one.id for one in many.load(find(tmp_path).path) if isinstance(one, Run)] == ["run-6.0", "run-6.1"]


def test_what_no_kernel_can_be_asked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_engine, "run", played)
    with pytest.raises(BadRequest, match="no"):
        drain(matrix.run([RunRequest(KernelSpec("deb", "6.3"), results_dir=tmp_path)], jobs=Queue()))


@pytest.mark.parametrize("where", ["jobs", "scheduler"])
def test_on_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Real workers, of this machine and behind the address of a scheduler; one kernel goes there, too."""
    from distributed import LocalCluster

    monkeypatch.setattr(matrix, "attempt", partial(labelled_by_hand, played))
    with ExitStack() as stack:
        scheduler = None
        if where == "scheduler":
            elsewhere: Any = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0")  # type: ignore[no-untyped-call]
            scheduler = stack.enter_context(elsewhere).scheduler_address
        versions = ("6.0", "6.1") if where == "jobs" else ("6.0",)
        requests = [RunRequest(KernelSpec("deb", version), results_dir=tmp_path, jobs=2) for version in versions]
        told, code = drain(matrix.run(requests, scheduler))
    assert code is (ExitCode.FAILED if where == "jobs" else ExitCode.PASSED)
    pids = {event.text.split()[-1] for event in told if isinstance(event, Note) and "pid " in event.text}
    assert len(pids) == len(versions) and str(os.getpid()) not in pids
    assert find(tmp_path).path.name.endswith("-kernels") == (where == "jobs")


def labelled_by_hand(engine: Any, request: RunRequest) -> Generator[Event, None, Run | PpiovError]:
    """matrix.attempt, with a stand-in for the run engine that a worker has, too."""
    run_engine.run = engine
    return (yield from REAL_ATTEMPT(request))


REAL_ATTEMPT = matrix.attempt
