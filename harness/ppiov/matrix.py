# SPDX-License-Identifier: GPL-2.0-only
"""The same run on several kernels, one after the other or as jobs of a cluster, and a report of them side by side.

::

    results/20260102T030405-kernels/   beside the folders of the runs themselves
        runs.json                      their names, in the order of the kernels
        report.txt report.html ...     made from them
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ppiov import run as engine
from ppiov import suites
from ppiov.cluster import Cluster, labelled
from ppiov.drive import exit_code
from ppiov.errors import BadRequest, ExitCode, Interrupted, PpiovError
from ppiov.events import Event, Note
from ppiov.folder import RunFolder, write_atomically
from ppiov.report import FILES, many
from ppiov.results import Run, RunState
from ppiov.run import RunRequest

_WORST = (ExitCode.INTERRUPTED, ExitCode.UNUSABLE, ExitCode.FAILED, ExitCode.PASSED)


class Jobs(Protocol):
    """Where the runs are made: a Cluster, or what a test puts in its place."""

    def run(self, engine: Any, arguments: Sequence[Any]) -> Generator[Event, None, list[Any]]: ...


def run(
    requests: Sequence[RunRequest], scheduler: str | None = None, jobs: Jobs | None = None
) -> Generator[Event, None, ExitCode]:
    """Run them all; the exit code is the worst. A kernel that can't be had does not keep the others from theirs.

    ``jobs`` of the requests is how many guests there are at a time: of all kernels together on this machine, of each
    where a ``scheduler`` has them run elsewhere. With one request and no scheduler this is :func:`ppiov.run.run`.
    Raises what that raises for the first, if nothing has run before.
    """
    kernels = [str(request.kernel) for request in requests]
    if twice := next((kernel for kernel in kernels if kernels.count(kernel) > 1), None):
        raise BadRequest(f"--kernel {twice} was named twice")
    if scheduler is not None or jobs is not None or (len(requests) > 1 and requests[0].jobs > 1):
        return (yield from _at_a_time(requests, scheduler, jobs))
    if len(requests) == 1:
        return exit_code((yield from engine.run(requests[0])))
    done: list[Run] = []
    codes: list[ExitCode] = []
    for number, request in enumerate(requests, 1):
        yield Note(f"kernel {number} of {len(requests)}: {request.kernel}")
        try:
            made = yield from engine.run(request)
        except Interrupted:
            raise
        except PpiovError as error:
            if not done and not codes and isinstance(error, BadRequest):
                raise
            yield Note(f"{request.kernel}: {error}", "warning")
            codes.append(ExitCode.UNUSABLE)
            continue
        done.append(made)
        codes.append(exit_code(made))
        if made.state is RunState.INTERRUPTED:
            break
    return (yield from _ended(done, codes, requests[0].results_dir))


def _at_a_time(
    requests: Sequence[RunRequest], scheduler: str | None, jobs: Jobs | None
) -> Generator[Event, None, ExitCode]:
    """Each kernel's run as a job. What an interruption cuts off is saved by its worker, as far as there is time."""
    most = requests[0].jobs
    share = most if scheduler is not None else max(1, most // len(requests))
    source = suites.find_source(requests[0].source)  # a worker has another current folder
    whole = [
        dataclasses.replace(request, jobs=share, source=source, results_dir=request.results_dir.resolve())
        for request in requests
    ]
    where = scheduler or f"{min(most, len(whole))} at a time"
    yield Note(f"{len(whole)} kernel{'s' if len(whole) > 1 else ''}, {where}")
    with ExitStack() as stack:
        if jobs is None:
            jobs = stack.enter_context(Cluster(min(most, len(whole)), scheduler))
        ends: list[Run | PpiovError] = yield from jobs.run(attempt, whole)
    wrong = [end for end in ends if isinstance(end, PpiovError)]
    if len(wrong) == len(ends) and isinstance(wrong[0], BadRequest):
        raise wrong[0]
    codes = [ExitCode.UNUSABLE if isinstance(end, PpiovError) else exit_code(end) for end in ends]
    return (yield from _ended([end for end in ends if isinstance(end, Run)], codes, requests[0].results_dir))


def attempt(request: RunRequest) -> Generator[Event, None, Run | PpiovError]:
    """What a worker does: a run whose events say which kernel they are about. One that cannot be is its result."""
    kernel = str(request.kernel)
    try:
        return (yield from labelled(engine.run(request), kernel))
    except Interrupted:
        raise
    except PpiovError as error:
        yield Note(f"{kernel}: {error}", "warning")
        return error


def _ended(done: Sequence[Run], codes: Sequence[ExitCode], results: Path) -> Generator[Event, None, ExitCode]:
    if len(done) > 1:
        yield from _side_by_side(done, results.resolve())
    return next(code for code in _WORST if code in codes)


def _side_by_side(done: Sequence[Run], results: Path) -> Generator[Event, None, None]:
    """Write the reports of all runs into a folder that ``ppiov report`` takes, too."""
    place = RunFolder.create(results, f"{datetime.now(UTC):%Y%m%dT%H%M%S}-kernels").path
    write_atomically(place / many.RUNS, json.dumps([run.id for run in done]).encode() + b"\n")
    for form, name in FILES.items():
        write_atomically(place / name, many.render(done, form))
    for line in many.overview(done):
        yield Note(line)
    yield Note(f"side by side: {place / FILES['html']}")
