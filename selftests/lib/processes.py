# SPDX-License-Identifier: GPL-2.0-only
"""Processes that tests start: each carries a mark in its environment, so that a stray one is found and named."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

MARK = "PPIOV_STARTED_BY_TEST"
SLOWER = float(os.environ.get("PPIOV_SLOWER", "1"))  # how much longer than on any other machine things may take here


def environment() -> dict[str, str]:
    """The environment for a child: ours, the mark, and messages in English."""
    return {**os.environ, MARK: str(os.getpid()), "LC_ALL": "C"}


def run(args: Sequence[str | Path], timeout: float = 60.0) -> str:
    """Run a command to its end and return its stdout.

    :raises AssertionError: with its stderr, if it failed
    """
    done = subprocess.run(
        args,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout * SLOWER,
        check=False,
    )
    command = " ".join(map(str, args))
    assert done.returncode == 0, f"`{command}` exited with {done.returncode}: {done.stderr.strip()}"
    return done.stdout


def start(
    args: Sequence[str | Path], stdout: int | None = None, stderr: int | None = None, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    """Start a command that goes on while the test does."""
    return subprocess.Popen(args, env=environment(), stdin=stdin, stdout=stdout, stderr=stderr, text=True, bufsize=1)


def end(process: subprocess.Popen[str], how: signal.Signals = signal.SIGTERM, seconds: float = 10.0) -> int:
    """End a process that start() returned; kill it if it won't. Returns its exit code."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(seconds * SLOWER)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def strays() -> list[str]:
    """One sentence for each live process that a test has started; zombies of ours are reaped first."""
    found = []
    mark = f"{MARK}={os.getpid()}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it may end while we look
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                found.append(f"process {entry.name} is still running: {command}")
    return found
