# SPDX-License-Identifier: GPL-2.0-only
"""The guest's side of a guest that is asked one thing after the other: load modules, run a command, unload.

A request is a file ``requests/N.json`` in the shared folder, N counting from 1: ``load`` (paths of modules, in order),
``command`` (a list), ``environment``, ``timeout_s``. The answer is a record in ``records.jsonl``, as in job.py:

==================  =============================================================================================
``job-begun``       the guest is prepared
``beat``            every 5 s
``request-begun``   ``id``
``request-loaded``  ``id``: the modules are in
``request-ended``   ``id, load_error`` (what insmod said, or null), ``code`` (null where the time was up), ``output``,
                    and ``clean``: whether all modules are gone again; else nothing more should be asked of this guest
==================  =============================================================================================

A module that panics takes the guest along, and the host reads from the records which request that was.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from job import BEAT_SECONDS, Records, begun, kernel_log, prepare  # type: ignore[import-not-found]

_POLL_SECONDS = 0.02
_MOST_OUTPUT = 65536


def insert(path: str) -> str | None:
    """Load a module; what insmod says if it can't."""
    done = subprocess.run(["insmod", path], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else (done.stderr.strip() or f"insmod ended with {done.returncode}")


def remove(path: str) -> bool:
    return subprocess.run(["rmmod", Path(path).stem], capture_output=True, check=False).returncode == 0


def run(command: list[str], environment: dict[str, str], timeout: float) -> tuple[int | None, str]:
    """The exit code of ``command``, None if its time was up, and the end of what it said."""
    with tempfile.TemporaryFile(dir="/dev/shm") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            cwd="/tmp",
            start_new_session=True,
        )
        code: int | None
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        size = said.seek(0, os.SEEK_END)
        said.seek(max(0, size - _MOST_OUTPUT))
        return code, said.read().decode(errors="replace")


def serve(records: Any, number: int, request: dict[str, Any]) -> None:
    kernel_log(f"ppiov: begin request {number}")
    records.write("request-begun", id=number)
    loaded: list[str] = []
    error: str | None = None
    code, output = None, ""
    for path in request["load"]:
        error = insert(path)
        if error:
            break
        loaded.append(path)
    if not error:
        records.write("request-loaded", id=number)
        code, output = run(request["command"], request["environment"], request["timeout_s"])
    kept = [path for path in reversed(loaded) if not remove(path)]
    kernel_log(f"ppiov: end request {number}")
    records.write("request-ended", id=number, load_error=error, code=code, output=output, clean=not kept)


def main() -> None:
    share = Path(sys.argv[1])
    records = Records(share / "records.jsonl")
    prepare()
    records.write("job-begun", **begun())
    number, beat = 1, time.monotonic() + BEAT_SECONDS
    while True:
        path = share / "requests" / f"{number}.json"
        if path.is_file():  # it is renamed into its place, so it is whole
            serve(records, number, json.loads(path.read_text()))
            number += 1
        if time.monotonic() >= beat:
            records.write("beat")
            beat = time.monotonic() + BEAT_SECONDS
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    main()
