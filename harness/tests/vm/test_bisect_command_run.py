# SPDX-License-Identifier: GPL-2.0-only
"""The command itself, on synthetic module histories in real guests: interrupted and gone on with, led by git bisect
run, several commits at a time, and with a dask scheduler of one's own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from dask_cluster import scheduler
from histories import SCRIPT, History, draw, repository
from ppiov.bisect import folder as folders
from ppiov.bisect.journal import Journal, Step
from ppiov.bisect.story import State
from ppiov.errors import ExitCode

pytestmark = pytest.mark.long

MARK = "PPIOV_TEST_STARTED"
PATIENCE = 1800  # seconds, for what must happen some time


@dataclass(frozen=True)
class Planted:
    """A history with one culprit, in a repository, with the script that measures it."""

    folder: Path
    history: History
    commits: list[str]
    kernel: str

    @property
    def culprit(self) -> int:
        (commit,) = self.history.steps
        return commit

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def words(self, *more: str) -> list[str]:
        """The command line, for any two ends."""
        measured = ["--cmd", str(self.folder / "cost.sh"), "--in-guest", "--load", "synth", "--figure", "cost"]
        where = ["--module", str(self.folder / "synth"), "--kernel", self.kernel, "--results", str(self.results)]
        return [sys.executable, "-m", "ppiov", "bisect", *where, *measured, "--good", self.commits[0], *more]

    def begin(self, *more: str) -> subprocess.Popen[bytes]:
        """The command in a process group of its own, as a shell would start it, and all that it starts with MARK."""
        words = self.words("--bad", self.commits[-1], *more)
        return subprocess.Popen(words, start_new_session=True, env={**os.environ, MARK: str(self.folder)})

    def run(self, *more: str) -> int:
        return self.begin(*more).wait(PATIENCE)

    @property
    def latest(self) -> Path:
        return (self.results / "bisect-latest").resolve()

    def steps(self) -> list[Step]:
        return Journal.load(self.latest / "journal.jsonl").steps

    def wait_for_steps(self, number: int, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + PATIENCE
        while not (self.latest / "journal.jsonl").exists() or len(self.steps()) < number:
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.1)

    def check(self) -> None:
        """That the newest bisection has found what was planted, each commit measured as often as it has to be."""
        story = folders.load(self.latest)
        ((line, change),) = story.changes
        assert story.state is State.COMPLETE and change.one
        assert line.history.points[change.last].id == self.commits[self.culprit]
        measured = [step.points for step in self.steps()]
        ends = [measured.count((self.commits[end],)) for end in (0, -1)]
        assert ends == [2, 2] and len(set(measured)) == len(measured) - 2


@pytest.fixture
def planted(kernel: str, tmp_path: Path) -> Planted:
    seed = random.SystemRandom().randrange(10**6)
    history = draw("one", 16, seed)
    sys.stdout.write(f"seed {seed}: {history.steps}\n")
    commits = repository(history, tmp_path / "synth")
    script = tmp_path / "cost.sh"
    script.write_text(f"{SCRIPT}# seed {seed}\n")  # or the store would know what a history before has measured
    script.chmod(0o755)
    return Planted(tmp_path, history, commits, kernel)


def started(planted: Planted) -> list[str]:
    """The names of the processes that the command has started and that are there, workers and guests too."""
    mark = f"{MARK}={planted.folder}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # one that has just ended, or is nobody's business
            if mark in (place / "environ").read_bytes().split(b"\0"):
                found.append((place / "comm").read_text().strip())
    return found


def wait_for_nobody(planted: Planted) -> None:
    until = time.monotonic() + 60
    while (found := started(planted)) and time.monotonic() < until:
        time.sleep(0.2)
    assert not found, "what the command has started has outlived it"


def test_interrupted_then_a_power_cut_then_again(planted: Planted) -> None:
    """Ctrl-C, then all of it killed at once, then to its end; and a second time, from the store."""
    begun = time.monotonic()
    process = planted.begin()
    planted.wait_for_steps(3, process)
    assert any(name.startswith("qemu") for name in started(planted)), "so they would be found"
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(PATIENCE) == ExitCode.INTERRUPTED
    folder, before = planted.latest, planted.steps()
    assert folders.load(folder).state is State.INTERRUPTED
    wait_for_nobody(planted)
    process = planted.begin()
    planted.wait_for_steps(len(before) + 2, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_for_nobody(planted)
    assert planted.latest == folder and folders.load(folder).state is State.RUNNING, "nobody could say otherwise"
    steps = planted.steps()
    assert steps[: len(before)] == before
    assert planted.run("--resume", str(folder)) == ExitCode.PASSED
    assert planted.latest == folder and planted.steps()[: len(steps)] == steps
    planted.check()
    first = time.monotonic() - begun
    begun = time.monotonic()
    assert planted.run() == ExitCode.PASSED
    second = time.monotonic() - begun
    sys.stdout.write(f"first {first:.0f} s, second {second:.1f} s\n")
    assert planted.latest != folder and all(step.kept for step in planted.steps())
    planted.check()
    assert second < first / 5


def test_git_bisect_run(planted: Planted) -> None:
    """git chooses the commits, and each is judged against the good end."""
    work = planted.folder / "synth"

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", work, "bisect", *words], check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout

    git("start", planted.commits[-1], planted.commits[0])
    said = git("run", *planted.words("--step"))
    assert f"{planted.commits[planted.culprit]} is the first bad commit" in said


def test_several_at_a_time(planted: Planted) -> None:
    """Two guests beside each other, and the same answer."""
    assert planted.run("-j", "2") == ExitCode.PASSED
    planted.check()


def test_a_scheduler_of_ones_own(planted: Planted) -> None:
    with scheduler(planted.folder) as address:
        assert planted.run("--scheduler", address) == ExitCode.PASSED
        planted.check()
