# SPDX-License-Identifier: GPL-2.0-only
"""Runs on several kernels: each has its turn, the worst exit code counts, and they end up side by side."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
import sample
from engines import drain
from ppiov import matrix
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
