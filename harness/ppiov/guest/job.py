# SPDX-License-Identifier: GPL-2.0-only
"""The guest's side of a run: prepares the guest, runs pytest on the listed tests, and says how it goes.

Everything that the host believes about a test comes from here, as records: one JSON object a line, appended to
``records.jsonl`` in the shared folder, on the host's disk before the next thing happens.

==================  =============================================================================================
``job-begun``       the guest is prepared; ``release``, ``booted`` and ``uptime``: the guest's seconds at the first line
                    of boot.sh, where a user would have a prompt, and of this program
``beat``            every 5 s: the guest lives, however long a test takes
``test-begun``      ``name, artifacts`` (a folder's name), ``jiffies`` where the kernel has kmemleak; written before the
                    test's first line runs
``test-ended``      ``name, outcome, seconds, reason, detail, leaks, figures, warned, warnings``; after its teardown
                    and the leak questions; ``warned``: the kernel has set its taint flag W meanwhile;
                    ``warnings``: what the kernel has to warn of, once each
``last-questions``  ``seconds`` from here to the ``test-ended`` of the last test, at most
``test-hung``       ``name, detail``: its time was up; the guest ends after this
``broken``          ``reason``: pytest could not do its work; the guest ends after this
``job-ended``       all tests of the job have had their turn
==================  =============================================================================================

The same begin and end is marked in the kernel log, so that what the kernel says falls to the right test. Only the
standard library is used, and only this process writes records: two writers of one 9p file may overwrite each other.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

FIRST_LINE = time.clock_gettime(time.CLOCK_BOOTTIME)  # what it took to get here
BEAT_SECONDS = 5.0
_DUMP_SECONDS = 5.0  # for a hung pytest to write its traceback
_LAST_SECONDS = 600.0  # for what is asked once, after the last test; kmemleak's scans take a while under TCG

MOUNTS = (
    ("debugfs", "/sys/kernel/debug"),
    ("tracefs", "/sys/kernel/tracing"),
    ("configfs", "/sys/kernel/config"),
)
SETTINGS = {
    "kernel/printk": "7 4 1 7",  # the whole log but debug messages goes to the console, whatever the command line said
    "kernel/printk_ratelimit": "0",
    "kernel/sysrq": "1",
    "kernel/panic_on_oops": "1",  # no later test runs on a damaged kernel (also on the command line, for the boot)
    "kernel/panic": "-1",  # and a panic ends the guest at once
}


class Records:
    """The way to the host: each record is on its disk when :meth:`write` returns."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, kind: str, **fields: Any) -> None:
        line = json.dumps({"record": kind, "at": round(time.monotonic(), 3), **fields}).encode() + b"\n"
        while line:
            line = line[os.write(self._fd, line) :]
        os.fsync(self._fd)


def kernel_log(text: str) -> None:
    """Write a line into the kernel log, and so to the console, between the kernel's own lines."""
    with suppress(OSError), Path("/dev/kmsg").open("w") as log:
        log.write(f"<5>{text}\n")


def prepare() -> None:
    """Mount what tests look into, and make the kernel talk, and end where it is damaged."""
    for kind, where in MOUNTS:
        if Path(where).is_dir() and not os.path.ismount(where):
            subprocess.run(["mount", "-t", kind, kind, where], check=False)
    for name, value in SETTINGS.items():
        with suppress(OSError):  # an older or smaller kernel lacks one
            Path("/proc/sys", name).write_text(value)
    with suppress(OSError):  # whatever kmemleak finds, it tells the console with its stack, where all is read
        Path("/sys/module/kmemleak/parameters/verbose").write_text("Y")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)


def begun() -> dict[str, Any]:
    """What the record ``job-begun`` says."""
    booted = os.environ.get("PPIOV_BEGUN")  # nobody but boot.sh sets it
    return {
        "release": os.uname().release,
        "booted": float(booted) if booted else None,
        "uptime": round(FIRST_LINE, 3),
    }


class Job:
    """One pytest over one list of tests, watched."""

    def __init__(self, share: Path) -> None:
        self.share = share
        self.records = Records(share / "records.jsonl")
        self.plan: dict[str, Any] = json.loads((share / "job.json").read_text())
        self.stacks = share / "stacks.txt"  # where faulthandler writes, see plugin.py
        self.running: str | None = None
        self.deadline = float("inf")

    def run(self) -> None:
        prepare()
        self.records.write("job-begun", **begun())
        tests: list[dict[str, Any]] = self.plan["tests"]
        timeouts = {test["name"]: float(test["timeout_s"]) for test in tests}
        events, says = os.pipe()  # pytest's plugin -> here
        hears, ack = os.pipe()  # here -> the plugin: "it is on disk"
        with (self.share / "pytest.log").open("ab") as log:
            pytest = subprocess.Popen(
                [sys.executable, "-S", "-X", "faulthandler", "-m", "pytest", *self.plan["pytest_arguments"]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.plan["selftests"],
                env={
                    **os.environ,
                    **self.plan["environment"],
                    "PPIOV_CHANNEL": f"{says},{hears}",
                    "PPIOV_STACKS": str(self.stacks),
                },
                pass_fds=(says, hears),
                start_new_session=True,
            )
        os.close(says)
        os.close(hears)
        try:
            if self._watch(pytest, events, ack, timeouts):
                self.records.write("job-ended")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(pytest.pid, signal.SIGKILL)

    def _watch(self, pytest: subprocess.Popen[bytes], events: int, ack: int, timeouts: dict[str, float]) -> bool:
        """Pass on what the plugin says until it has said "done"; False if the guest must not be used any further."""
        selector = selectors.DefaultSelector()
        selector.register(events, selectors.EVENT_READ)
        half = b""
        beat = time.monotonic() + BEAT_SECONDS
        while True:
            now = time.monotonic()
            if now >= self.deadline:
                self._hung(pytest)
                return False
            if now >= beat:
                self.records.write("beat")
                beat = now + BEAT_SECONDS
            if not selector.select(max(0.0, min(beat, self.deadline) - now)):
                continue
            data = os.read(events, 1 << 16)
            if not data:  # pytest has gone without a word
                code = pytest.wait()
                how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                where = f"while {self.running} ran" if self.running else "between two tests"
                self.records.write("broken", name=self.running, reason=f"pytest {how} {where}", detail=self._log_tail())
                return False
            *lines, half = (half + data).split(b"\n")
            for line in lines:
                said = json.loads(line)
                kind = said.pop("record")
                if kind == "done":
                    return True
                if kind == "broken":
                    self.records.write("broken", name=None, reason=said["reason"], detail=self._log_tail())
                    return False
                if kind == "last-questions":
                    self.records.write(kind, seconds=_LAST_SECONDS)
                    self.deadline = time.monotonic() + _LAST_SECONDS
                    continue
                self.records.write(kind, **said)
                self.running = said["name"] if kind == "test-begun" else None
                limit = timeouts.get(said["name"], float("inf"))
                self.deadline = time.monotonic() + limit if kind == "test-begun" else float("inf")
                with suppress(BrokenPipeError):  # it died meanwhile: the next read says so
                    os.write(ack, b"+")

    def _hung(self, pytest: subprocess.Popen[bytes]) -> None:
        """The running test's time is up: say where it stands, in Python and in the kernel."""
        kernel_log(f"ppiov: the time of {self.running} is up; blocked tasks:")
        with suppress(OSError):
            Path("/proc/sysrq-trigger").write_text("w")
        with suppress(ProcessLookupError):
            pytest.send_signal(signal.SIGUSR1)  # faulthandler
        until = time.monotonic() + _DUMP_SECONDS
        while time.monotonic() < until and not self.stacks.stat().st_size:
            time.sleep(0.1)
        time.sleep(0.3)  # for the rest of it
        stacks = self.stacks.read_text(errors="replace") or "Python did not answer: it is stuck in the kernel.\n"
        self.records.write("test-hung", name=self.running, detail=f"{stacks}{self._log_tail()}")

    def _log_tail(self) -> str:
        return (self.share / "pytest.log").read_bytes()[-6000:].decode(errors="replace")


def main() -> None:
    share = Path(sys.argv[1])
    try:
        Job(share).run()
    except OSError as error:
        # The shared folder is gone or full, so the records can't tell; the console is another way out.
        kernel_log(f"ppiov: broken: the guest cannot write its results: {error.strerror}")


if __name__ == "__main__":
    main()
