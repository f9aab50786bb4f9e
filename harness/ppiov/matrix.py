# SPDX-License-Identifier: GPL-2.0-only
"""The same run on several kernels, one after the other, and a report with them side by side.

::

    results/20260102T030405-kernels/   beside the folders of the runs themselves
        runs.json                      their names, in the order of the kernels
        report.txt report.html ...     made from them
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ppiov import run as engine
from ppiov.drive import exit_code
from ppiov.errors import BadRequest, ExitCode, Interrupted, PpiovError
from ppiov.events import Event, Note
from ppiov.folder import RunFolder, write_atomically
from ppiov.report import FILES, many
from ppiov.results import Run, RunState
from ppiov.run import RunRequest

_WORST = (ExitCode.INTERRUPTED, ExitCode.UNUSABLE, ExitCode.FAILED, ExitCode.PASSED)


def run(requests: Sequence[RunRequest]) -> Generator[Event, None, ExitCode]:
    """Run them all; the exit code is the worst. A kernel that can't be had does not keep the others from theirs.

    With one request this is :func:`ppiov.run.run`. Raises what that raises for the first, if nothing has run before.
    """
    if len(requests) == 1:
        return exit_code((yield from engine.run(requests[0])))
    kernels = [str(request.kernel) for request in requests]
    if twice := next((kernel for kernel in kernels if kernels.count(kernel) > 1), None):
        raise BadRequest(f"--kernel {twice} was named twice")
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
    if len(done) > 1:
        yield from _side_by_side(done, requests[0].results_dir.resolve())
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
