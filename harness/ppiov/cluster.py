# SPDX-License-Identifier: GPL-2.0-only
"""Jobs on this machine or on others, by dask.distributed: the same code for both.

Without a scheduler's address a LocalCluster is started: a process for each job at a time, which ends with this program.
A job is a function and its argument, both picklable; the function is an engine, and its events come back as they are
yielded (progress thinned out). A scheduler and workers elsewhere need this version of ppiov; the workers also the files
that a job names, at the same paths.
"""

from __future__ import annotations

import atexit
import dataclasses
import logging
import os
import pickle
import queue
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, TypeVar

from ppiov.errors import BadRequest, Interrupted, PpiovError
from ppiov.events import Event, Note, StageBegun, StageEnded, StageProgress, TestBegun, TestEnded
from ppiov.relay import relay

A = TypeVar("A")
T = TypeVar("T")
Engine = Callable[[A], Generator[Event, None, T]]
_TICK: Final = 0.2  # seconds between two looks at what has come
_PROGRESS_SECONDS: Final = 1.0
_CONNECT_SECONDS: Final = 20
_CLOSE_SECONDS: Final = 5
_STOP_SECONDS: Final = 10  # for a job to save what it has; it is told at its next event


class Cluster:
    """A context manager; on leaving it, jobs that still run are told to end, and local ones that don't are ended."""

    def __init__(self, jobs: int, scheduler: str | None = None) -> None:
        self._jobs, self._address = jobs, scheduler
        self._topic = f"ppiov-{os.getpid()}-{time.monotonic_ns()}"
        self._events: queue.Queue[Event] = queue.Queue()
        self._runs = 0

    def __enter__(self) -> Cluster:
        import dask
        from distributed import Client, LocalCluster

        dask.config.set({"distributed.worker.daemon": True, "distributed.admin.log-format": "%(message)s"})
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self._local = None
        if self._address is None:
            self._local = LocalCluster(
                n_workers=self._jobs,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # there is no way to have none, and two clusters need two
                silence_logs=logging.CRITICAL,
                memory_limit=0,  # it is guests that take memory, and they say how much
            )
        try:
            self._client = Client(self._local or self._address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise BadRequest(f"there is no dask scheduler at {self._address}: {error}") from error
        self._client.subscribe_topic(self._topic, self._heard)
        self._workers = list(self._client.run(os.getpid).values()) if self._local else []
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:  # a worker that is busy does not leave when it is asked to; what it started goes with it
            for pid in self._workers:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        with suppress(TimeoutError, OSError):
            self._client.close(timeout=_CLOSE_SECONDS)
        if self._local is not None:
            with suppress(TimeoutError, OSError):
                self._local.close(timeout=_CLOSE_SECONDS)

    def run(
        self, engine: Engine[A, T], arguments: Sequence[A], done: Callable[[int, T], None] | None = None
    ) -> Generator[Event, None, list[T]]:
        """Run ``engine`` once with each argument; the results, in order. Raises what an engine raises.

        ``done`` is told each result, with the number of its argument, as soon as it is there.
        """
        self._runs += 1
        words = (self._topic, self._flag)
        begun = [self._client.submit(_work, engine, one, *words, n, pure=False) for n, one in enumerate(arguments)]
        open_stages: dict[str, StageBegun] = {}
        from distributed import CancelledError, KilledWorker

        try:
            told: set[int] = set()
            while len(told) < len(begun):
                yield from self._told(_TICK, open_stages)
                for number, future in enumerate(begun):
                    if number not in told and future.done():
                        told.add(number)
                        if done and future.status == "finished" and (outcome := future.result())[0]:
                            done(number, outcome[1])
            yield from self._told(0.0, open_stages)
        finally:
            self._stop([future for future in begun if not future.done()])
        try:
            outcomes: list[tuple[bool, Any]] = [future.result() for future in begun]
        except (KilledWorker, CancelledError) as error:
            raise PpiovError(f"a worker died at its job: {error}") from error
        except RuntimeError as error:
            if "deserialization" not in str(error):
                raise
            where = f"the dask scheduler at {self._address}"
            raise BadRequest(
                f"{where} cannot read the jobs: it needs this version of ppiov, as its workers do"
            ) from error
        for key in open_stages:
            yield StageEnded(key, ok=False)
        for fine, value in outcomes:
            if not fine:
                raise value
        return [value for _, value in outcomes]

    @property
    def _flag(self) -> str:
        """What says to the jobs of this run that they are to end."""
        return f"{self._topic}-{self._runs}"

    def _stop(self, running: Sequence[Any]) -> None:
        """Tell jobs to end, as a Ctrl-C would, and give them up if they do not."""
        if not running:
            return
        from distributed import Event as Flag

        with suppress(TimeoutError, OSError):
            Flag(self._flag, client=self._client).set()
            until = time.monotonic() + _STOP_SECONDS
            while time.monotonic() < until and not all(future.done() for future in running):
                time.sleep(_TICK)
        for future in running:
            if not future.done():
                future.cancel()

    def _heard(self, message: tuple[float, Any]) -> None:
        self._events.put(pickle.loads(message[1]))

    def _told(self, seconds: float, open_stages: dict[str, StageBegun]) -> Generator[Event, None, None]:
        """The events that come within ``seconds``."""
        until = time.monotonic() + seconds
        while True:
            try:
                event = self._events.get(timeout=max(0.0, until - time.monotonic()) or 0.001)
            except queue.Empty:
                return
            if isinstance(event, StageBegun):
                open_stages[event.key] = event
            elif isinstance(event, StageEnded):
                open_stages.pop(event.key, None)
            yield event


def _work(engine: Engine[A, T], argument: A, topic: str, flag: str, number: int) -> tuple[bool, Any]:
    """Runs in a worker: drive an engine and send its events; an error that is the user's to see is a result."""
    from distributed import Event as Flag
    from distributed import get_client, get_worker

    worker = get_worker()
    stop = Flag(flag, client=get_client())
    events = engine(argument)
    spoke: dict[str, float] = {}
    asked = time.monotonic()
    try:
        while True:
            try:
                event = next(events)
                if time.monotonic() - asked > _PROGRESS_SECONDS:
                    asked = time.monotonic()
                    if stop.is_set():
                        return False, Interrupted("interrupted")
            except StopIteration as stop:
                return True, stop.value
            except PpiovError as error:
                return False, error
            if isinstance(event, StageProgress):
                now = time.monotonic()
                if now - spoke.get(event.key, 0.0) < _PROGRESS_SECONDS:
                    continue
                spoke[event.key] = now
            if isinstance(event, StageBegun | StageProgress | StageEnded):  # two jobs may both build the modules
                event = dataclasses.replace(event, key=f"{number}/{event.key}")
            worker.log_event(topic, pickle.dumps(event))
    finally:
        events.close()


def labelled(events: Generator[Event, None, T], label: str) -> Generator[Event, None, T]:
    """The events of a job, each with what it is about: those of several jobs come mixed."""

    def look(event: Event) -> Iterator[Event]:
        match event:
            case TestBegun():
                event = dataclasses.replace(event, name=f"{label}: {event.name}")
            case TestEnded():
                result = dataclasses.replace(event.result, name=f"{label}: {event.result.name}")
                event = dataclasses.replace(event, result=result)
            case Note():
                event = dataclasses.replace(event, text=f"{label}: {event.text}")
            case StageBegun():
                event = dataclasses.replace(event, title=f"{label}: {event.title}")
        yield event

    return relay(events, look)


_at_exit: dict[str, Any] = {}


def for_this_process(name: str, make: Callable[[], T], close: Callable[[T], None]) -> T:
    """Something that a worker's process keeps from job to job; ``close`` is called when the process ends."""
    if name not in _at_exit:
        _at_exit[name] = make()
        atexit.register(lambda: close(_at_exit.pop(name)))
    kept: T = _at_exit[name]
    return kept
