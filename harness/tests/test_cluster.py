# SPDX-License-Identifier: GPL-2.0-only
"""Engines as jobs of a LocalCluster and of a scheduler of one's own: results in order, events as they come, errors, and
what is left behind."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from dask_cluster import scheduler
from engines import drain
from ppiov import child
from ppiov.cluster import Cluster
from ppiov.errors import BadRequest
from ppiov.events import Event, Note, StageBegun, StageEnded, StageProgress


def double(number: int) -> Generator[Event, None, int]:
    yield StageBegun("work", f"double {number}")
    if number < 0:
        raise BadRequest("no negative numbers")
    yield Note(str(os.getpid()))
    yield StageEnded("work")
    return number * 2


def sleep(place: Path) -> Generator[Event, None, None]:
    yield StageBegun("sleep", "sleep")
    with child.child(["sleep", "600"]) as process:
        place.write_text(str(process.pid))
        process.wait()


def test_a_cluster_from_its_start_to_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cluster for all of it: starting one takes seconds."""
    monkeypatch.setattr("ppiov.cluster._STOP_SECONDS", 1.0)
    place = tmp_path / "pid"
    with pytest.raises(KeyboardInterrupt), Cluster(2) as cluster:
        told, results = drain(cluster.run(double, list(range(5))))
        assert results == [0, 2, 4, 6, 8]
        pids = {int(event.text) for event in told if isinstance(event, Note)}
        assert len(pids) == 2 and os.getpid() not in pids
        begun = [event for event in told if isinstance(event, StageBegun)]
        assert len(begun) == 5 and len({event.key for event in begun}) == 5, "stages of one key are told apart"
        with pytest.raises(BadRequest, match="no negative numbers"):
            drain(cluster.run(double, [1, -1]))
        assert drain(cluster.run(double, [3]))[1] == [6], "and it goes on"
        events = cluster.run(sleep, [place])
        next(events)  # it has begun; it says nothing more in its ten minutes
        for _ in range(600):
            if place.exists() and place.read_text():
                break
            time.sleep(0.1)
        events.throw(KeyboardInterrupt())
    for _ in range(100):
        asked = subprocess.run(["ps", "-o", "stat=", "-p", place.read_text()], capture_output=True, check=False)
        if asked.stdout.strip() in (b"", b"Z"):
            return
        time.sleep(0.1)
    os.kill(int(place.read_text()), signal.SIGKILL)
    pytest.fail("what a worker started has outlived it")


def test_a_scheduler_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same jobs, in processes that somebody else has started, and that go on when we have left."""
    pids = set()
    (tmp_path / "only_here.py").write_text("def engine(_):\n    yield\n")
    monkeypatch.syspath_prepend(tmp_path)
    only_here = importlib.import_module("only_here")
    with scheduler(tmp_path) as address:
        with Cluster(1, address) as cluster, pytest.raises(BadRequest, match="needs this version of ppiov, as"):
            drain(cluster.run(only_here.engine, [1]))
        for _ in range(2):
            with Cluster(1, address) as cluster:
                told, results = drain(cluster.run(double, [1, 2, 3]))
                assert results == [2, 4, 6]
                pids |= {int(event.text) for event in told if isinstance(event, Note)}
                with pytest.raises(BadRequest, match="no negative numbers"):
                    drain(cluster.run(double, [-1]))
    assert len(pids) == 1 and os.getpid() not in pids


def patient(place: Path) -> Generator[Event, None, None]:
    """Works until it is told to end, and then saves what it has."""
    try:
        for number in range(3000):
            yield StageProgress("work", number)
            time.sleep(0.1)
    finally:
        place.write_text("saved")


def test_a_job_that_is_told_to_end_saves_what_it_has(tmp_path: Path) -> None:
    """And the result of one that was done before is known."""
    places = [tmp_path / "one", tmp_path / "two"]
    known: dict[int, int] = {}
    with pytest.raises(KeyboardInterrupt), Cluster(2) as cluster:
        drain(cluster.run(double, [4, 5], lambda number, result: known.update({number: result})))
        assert known == {0: 8, 1: 10}
        events = cluster.run(patient, places)
        for _ in range(5):
            next(events)
        began = time.monotonic()
        events.throw(KeyboardInterrupt())
    assert [place.read_text() for place in places] == ["saved", "saved"]
    assert time.monotonic() - began < 60, "nobody waits for the five minutes that the job would take"


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ppiov.cluster._CONNECT_SECONDS", 0.3)
    with (
        pytest.raises(BadRequest, match="there is no dask scheduler at tcp"),
        Cluster(1, "tcp://127.0.0.1:9"),
    ):
        pass
