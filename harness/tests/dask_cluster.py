# SPDX-License-Identifier: GPL-2.0-only
"""A dask scheduler with one worker, as somebody has them on other machines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_HOST = ("--host", "127.0.0.1")


@contextmanager
def scheduler(folder: Path) -> Iterator[str]:
    """Its address, while the block lasts. Both find what the tests import; what they write goes to ``folder``."""
    path = os.pathsep.join([str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    environment = {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)}
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    log = folder / "scheduler.log"
    with (
        log.open("w") as out,
        subprocess.Popen(
            [*command, *_HOST, "--port", "0", "--dashboard-address", "127.0.0.1:0"],
            stdout=out,
            stderr=out,
            env=environment,
        ) as leader,
    ):
        try:
            address = None
            while address is None:
                assert leader.poll() is None, log.read_text()
                address = re.search(r"Scheduler at:\s*(tcp://\S+)", log.read_text())
            with _worker(address[1], folder, environment):
                yield address[1]
        finally:
            leader.terminate()


@contextmanager
def _worker(address: str, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, *_HOST, "--nthreads", "1"]
    command += ["--no-dashboard", "--local-directory", str(folder)]
    with (folder / "worker.log").open("w") as out, subprocess.Popen(command, stderr=out, env=environment) as process:
        try:
            yield
        finally:
            process.terminate()
