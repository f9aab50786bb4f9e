# SPDX-License-Identifier: GPL-2.0-only
"""ppcat as a test sees it: started in a namespace, its JSON lines read as they come. See docs/ppcat.md."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lib import backend, processes
from lib.link import Link
from lib.netns import Namespace
from lib.poll import PATIENCE

Event = dict[str, Any]

# A transfer that stalls must end before the harness gives up on the guest
TIMEOUT = int(120 * processes.SLOWER)


def program() -> Path:
    """Where ppcat is: $PPIOV_PPCAT, or in PATH; without either, skip the test."""
    found = os.environ.get("PPIOV_PPCAT") or shutil.which("ppcat")
    if not found:
        pytest.skip("PPIOV_PPCAT does not say where ppcat is")
    return Path(found)


class Ppcat:
    """A running ppcat. Every end of it is waited for with a deadline."""

    def __init__(self, ns: Namespace, *args: str | int, timeout: int = TIMEOUT) -> None:
        command = [str(program()), "--json", "--timeout", str(timeout), *map(str, args)]
        self.command = " ".join(command)
        self.events: list[Event] = []
        self._process = ns.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._queue: queue.Queue[Event | None] = queue.Queue()
        self._errors: list[str] = []
        self._timeout = timeout
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._read_events, self._read_errors)]
        for thread in self._threads:
            thread.start()

    def _read_events(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._queue.put(json.loads(line))
        self._queue.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self._errors.extend(self._process.stderr)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        """Its stderr so far."""
        return "".join(self._errors).strip() or "nothing"

    def event(self, name: str, seconds: float = PATIENCE) -> Event:
        """The next event of this name; those before it are kept in `events`.

        :raises AssertionError: if it does not come, with what ppcat said instead
        """
        while True:
            try:
                event = self._queue.get(timeout=seconds)
            except queue.Empty:
                raise AssertionError(
                    f"`{self.command}`: no event {name!r} in {seconds:g} s; had {self._names()}, said {self.said()}"
                ) from None
            assert event is not None, (
                f"`{self.command}` ended without event {name!r}; had {self._names()}, said {self.said()}"
            )
            self.events.append(event)
            if event["event"] == name:
                return event

    def _names(self) -> list[str]:
        return [e["event"] for e in self.events]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        self._finish()

    def stop(self) -> None:
        """End it however it is; no error if it has ended."""
        processes.end(self._process, signal.SIGINT)
        self._finish()

    def _finish(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE)
        while not self._queue.empty():
            event = self._queue.get()
            if event is not None:
                self.events.append(event)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def summary(self) -> Event:
        """Wait for its end and return the summary, whatever the verdict.

        :raises AssertionError: if it does not end, or ends without a summary
        """
        summary = self.event("summary", self._timeout + PATIENCE)
        self._process.wait(PATIENCE)
        self._finish()
        return summary

    def success(self) -> Event:
        """Wait for its end and return the summary.

        :raises AssertionError: if anything failed, with ppcat's own words
        """
        summary = self.summary()
        assert summary["failure"] is None and summary["exit"] == 0, f"`{self.command}`: {self.said()}; {summary}"
        return summary


Start = Callable[..., Ppcat]


def receive_args(link: Link, queues: list[int], ports: str | int, *more: str | int) -> list[str | int]:
    """Arguments of a receiver on rx0 that binds these queues."""
    bound = ["-i", link.rx.name, "-q", ",".join(map(str, queues))]
    which = backend.current()
    # Of payload in pages ppcat can't tell whose pages they are: test_readable.py asks the pool
    wanted = [word for word in more if not (which.readable and word == "--require-devmem")]
    return ["-l", "-p", ports, *bound, *which.ppcat_bound, *wanted]


def receive_unbound_args(link: Link, port: int, *more: str | int) -> list[str | int]:
    """Arguments of a receiver that leaves binding to others."""
    return ["-l", "-p", port, "--no-bind", "-i", link.rx.name, *backend.current().ppcat_unbound, *more]


def send_args(link: Link, family: int, ports: str | int, *more: str | int) -> list[str | int]:
    """Arguments of a sender to rx0."""
    return ["-c", link.rx.address(family), "-p", ports, *more]
