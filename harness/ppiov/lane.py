# SPDX-License-Identifier: GPL-2.0-only
"""One lane of a run: guests one after the other, until every test of the lane has had its turn."""

from __future__ import annotations

import dataclasses
import errno
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from ppiov.blame import Death, Ledger
from ppiov.console import Detector, during
from ppiov.emulator import ACCIDENT
from ppiov.errors import DiskFull, NoGuest
from ppiov.events import Event, GuestDied, Note, StageBegun, StageEnded, TestBegun, TestEnded
from ppiov.ktap import Parsed
from ppiov.prepare import Ready, write_job
from ppiov.results import Boot, Splat, TestResult
from ppiov.suites import BENCH, UPSTREAM, PlannedTest
from ppiov.vm import DEVICE_MEMORY, Deadlines, Guest, GuestConfig

MAX_ATTEMPTS = 3  # guests in a row that die before any test begins, or in one by the emulator; then it is not bad luck
_OWN_TIME = 8.0  # so much slower than ours a guest's own time may be, where it counts what it executes
# A guest whose clock counts instructions waits for nothing: while it has nothing to execute, and be it that it waits
# for a file of the host's, its clock runs ahead. So its own deadlines mean nothing, and the host's have to do.
_EXACT_GUEST, _EXACT_HOST = 1000.0, 6.0
_COMPLAINTS = 100  # of a kernel that boots: it will say the same until its deadline (docs/bugs/kasan-la57.md)
_PANIC_SECONDS = 10.0  # for QEMU to leave after a panic; the guest reboots at once and QEMU has -no-reboot
_DEVICE_MEMORY_MIB = 32  # half to be exported, half for struct pages; a sparse file


@dataclass(frozen=True, slots=True)
class Common:
    """What all lanes share. ``boots`` and ``results`` grow as the run goes on.

    ``results`` has the tests as they were heard; what is told of them is ``judged`` (splats.py).
    """

    ready: Ready
    deadlines: Deadlines
    slower: float  # than a kernel without debug options; the deadlines and the tests' time have it already
    cpus: int
    memory_mib: int
    folder: Path
    numbers: dict[str, int]  # test name -> place in the plan, from 1
    boots: list[Boot]
    results: list[TestResult]
    stray_splats: list[Splat]
    judged: Callable[[TestResult], TestResult]
    races: bool = False  # are looked for (KCSAN), and there are none where CPUs take turns


class Lane:
    """Pump it until :attr:`done`; a context manager that leaves no guest behind."""

    def __init__(self, common: Common, tests: Sequence[PlannedTest], console_log: Path) -> None:
        self._common = common
        self._left = list(tests)  # of the guests that have run; without the batch of the one that runs
        self._batch: list[PlannedTest] = []  # the tests of the guest that runs
        self._stack = ExitStack()
        with _room(console_log):
            self._log = self._stack.enter_context(console_log.open("ab"))
        self._console_log = console_log
        self._attempt = 0
        self._guest: Guest | None = None
        self._guest_stack = ExitStack()
        self._turns: Counter[str] = Counter()  # of tests: those that accidents of the emulator's have cost them

    def __enter__(self) -> Lane:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._guest is not None:  # interrupted: what was already said, by a test or by the kernel, still counts
            for heard in self._detector.close():
                self._ledger.hear_console(heard)
            self._common.results.extend(self._ledger.settle(final=True))
            self._common.stray_splats.extend(self._ledger.stray_splats)
        self._guest_stack.close()
        self._stack.close()

    @property
    def done(self) -> bool:
        return self._guest is None and not self._left

    def fileno(self) -> int | None:
        """The console of the running guest, for a selector."""
        return self._guest.fileno() if self._guest else None

    def pump(self) -> Iterator[Event]:
        """Start a guest if none runs, else take what it said and do what is due.

        Raises DiskFull, MissingTool, and NoGuest if no guest gets as far as a test.
        """
        if self._guest is None:
            yield from self._start()
            return
        data = self._guest.read_console()
        yield from self._hear(self._guest, data or b"")
        if data is None:
            yield from self._finish(None)
        elif death := self._overdue(self._guest):
            yield from self._finish(death)

    def _start(self) -> Iterator[Event]:
        common = self._common
        self._attempt += 1
        self._boot = len(common.boots)
        self._key = f"boot-{self._boot}"
        self._share = common.folder / "guests" / str(self._boot)
        self._batch, self._left = next_batch(self._left)
        accel = common.ready.accel.name
        self._ledger = Ledger(self._batch, self._boot, cases=self._cases, emulated=accel == "tcg")
        self._console_start = self._log.tell()
        self._detector = Detector()
        self._seconds_to_job: float | None = None
        first = self._batch[0]
        # programs with deadlines for a machine that is not busy
        self._own_time = first.suite == UPSTREAM and not common.races
        self._exact = first.suite == BENCH and common.ready.meter == "insns" and accel == "tcg"
        # Filled in when the guest has ended; if we are interrupted before, it is right as it is.
        common.boots.append(Boot(accel, None, self._attempt, "interrupted"))
        with _room(self._share):
            longer = _EXACT_GUEST if self._exact else 1.0
            write_job(self._share, common.ready, self._batch, longer, common.slower)
        cpus, memory_mib = max(common.cpus, first.cpus), max(common.memory_mib, first.memory_mib)
        if (self._own_time or self._exact) and first.cpus:  # they take turns on one of ours
            cpus = first.cpus
        if common.races:
            cpus = max(cpus, 2)
        config = GuestConfig(
            *(common.ready.tree, accel, self._share, cpus, memory_mib),
            device_memory_mib=_DEVICE_MEMORY_MIB,
            unchanging=common.ready.unchanging,
            own_time=self._own_time,
            exact=self._exact,
        )
        self._guest = self._guest_stack.enter_context(Guest(config))
        self._last_sign = self._test_since = self._fatal_since = self._end_since = time.monotonic()
        again = f", attempt {self._attempt} of {MAX_ATTEMPTS}" if self._attempt > 1 else ""
        yield StageBegun(self._key, f"boot {common.ready.tree.spec} ({accel}{again})")
        self._write(f"--- guest {self._boot}: {common.ready.tree.release}, {accel} ---\n".encode())

    def _hear(self, guest: Guest, data: bytes) -> Iterator[Event]:
        """Take console bytes and whatever records there are."""
        ledger, now = self._ledger, time.monotonic()
        if data:
            self._write(data)
            self._last_sign = now
        begun: list[str | None] = []
        was_fine = self._detector.fatal is None
        begun += [ledger.hear_console(heard) for heard in self._detector.feed(data)]
        if was_fine and self._detector.fatal:
            self._fatal_since = now
        for line in guest.read_records():
            self._last_sign = now
            record = json.loads(line)
            begun.append(ledger.hear_record(record))
            if record["record"] == "job-begun":
                self._seconds_to_job = round(guest.age, 2)
                note = f"{guest.age:.1f} s to the first test"
                yield StageEnded(self._key, note=note)
            if record["record"] in ("job-ended", "test-hung", "broken"):
                self._end_since = now
            if record["record"] == "last-questions":  # asked in the last test's time, which is over for the rest
                self._test_since = now + record["seconds"]
        if any(begun):
            self._test_since = now
        yield from self._deliver(ledger.settle())  # first, so that a test has ended before the next begins
        for name in filter(None, begun):
            yield TestBegun(name, self._common.numbers[name], len(self._common.numbers))
        if ledger.broken and "No space left" in ledger.broken:
            raise DiskFull(f"no space left for the results in {self._common.folder}")

    def _overdue(self, guest: Guest) -> Death | None:
        """The deadline that has passed, if one has."""
        ledger, limits, now = self._ledger, self._common.deadlines, time.monotonic()
        if self._exact:  # its heart beats by its own clock
            limits = limits.times(_EXACT_HOST)
        elif self._own_time:
            limits = dataclasses.replace(limits, silence=limits.silence * _OWN_TIME)
        if ledger.vm_error:  # QEMU has paused the guest and waits for a debugger
            return Death("qemu-exit", ledger.vm_error)
        if fatal := self._detector.fatal:
            return Death("panic", fatal) if now - self._fatal_since > _PANIC_SECONDS else None
        if ledger.job_ended or ledger.hung or ledger.broken:  # it is about to leave by itself
            return self._own_end() if now - self._end_since > limits.grace else None
        if not ledger.job_begun and len(ledger.stray_splats) >= _COMPLAINTS:
            title = ledger.stray_splats[-1].title
            return Death("complaints", f"the kernel complained {_COMPLAINTS} times before it was up, last: {title}")
        if not ledger.job_begun and guest.age > limits.boot:
            return Death("boot-deadline", f"the guest did not boot within {limits.boot:g} s")
        if now - self._last_sign > limits.silence and ledger.job_begun:
            return Death("silence", f"the guest gave no sign of life for {limits.silence:g} s")
        if guest.age > limits.total:
            return Death("total-deadline", f"the guest's {limits.total:g} s were over")
        running = ledger.running
        own = _EXACT_HOST if self._exact else _OWN_TIME if self._own_time else 1.0
        if running is not None and now - self._test_since > running.timeout_s * own + limits.grace:
            return Death("test-timeout", f"not finished after {running.timeout_s:g} s, and the guest did not notice")
        return None

    def _own_end(self) -> Death:
        """How a guest ended that no deadline ended."""
        ledger = self._ledger
        if ledger.panicked:
            return Death("panic", ledger.panicked)
        if ledger.job_ended:
            return Death("done", "")
        if ledger.hung:
            return Death("test-timeout", f"the time of {ledger.given_up} was up")
        if ledger.broken:
            return Death("broken", ledger.broken)
        last = next((line for line in reversed(self._detector.last_lines) if line), "it said nothing at all")
        where = "" if ledger.job_begun else f" before the job began; its last line: {last}"
        return Death("qemu-exit", f"QEMU ended without a panic{where}")

    def _finish(self, death: Death | None) -> Iterator[Event]:
        """The guest has ended, or ends now: the last verdicts, and who goes on."""
        guest, ledger, common = self._guest, self._ledger, self._common
        assert guest is not None
        guest.kill()
        while data := guest.read_console():  # what was still in the pipe
            yield from self._hear(guest, data)
        yield from self._hear(guest, b"")
        for heard in self._detector.close():
            ledger.hear_console(heard)
        self._guest_stack.close()
        self._guest = None
        death = Death("emulator", ledger.accident) if ledger.accident else death or self._own_end()
        if not ledger.job_begun:
            yield StageEnded(self._key, ok=False, note=death.cause)
        any_begun = ledger.any_begun
        if ledger.accident:
            yield from self._excuse(ledger, ledger.accident)
        blamed = ledger.running.name if ledger.running else ledger.given_up
        tail = "\n".join(self._detector.last_lines)
        yield from self._deliver(ledger.die(death, tail))
        common.stray_splats.extend(ledger.stray_splats)
        remaining = ledger.remaining()
        self._left = [*remaining, *self._left]
        common.boots[self._boot] = Boot(
            common.ready.accel.name, self._seconds_to_job, self._attempt, death.ended, death.cause
        )
        self._keep_artifacts()
        if any_begun:
            self._attempt = 0
        if death.ended == "done" and not remaining:
            return
        yield GuestDied(death.cause or "the job ended early", blamed, len(self._left))
        if remaining and not any_begun:
            if self._attempt >= MAX_ATTEMPTS:
                raise NoGuest(f"{MAX_ATTEMPTS} guests in a row died before any test began: {death.cause}")
            yield Note(f"boot failed ({death.cause}); trying again", "warning")

    def _excuse(self, ledger: Ledger, title: str) -> Iterator[Event]:
        """The emulator has ended the guest: the test that ran has another turn, but not for ever."""
        yield Note(f"{ACCIDENT} ({title})", "warning")
        running = ledger.running
        if running is not None:
            self._turns[running.name] += 1
            if self._turns[running.name] < MAX_ATTEMPTS:
                ledger.give_back(running.name)

    def _deliver(self, results: Sequence[TestResult]) -> Iterator[Event]:
        for result in results:
            self._common.results.append(result)
            yield TestEnded(self._common.judged(result), self._common.numbers[result.name], len(self._common.numbers))
        for name, splat in self._ledger.late():
            yield from self._amend(name, splat)

    def _amend(self, name: str, splat: Splat) -> Iterator[Event]:
        """Add to a test of this guest what became known after its end."""
        results = self._common.results
        at = next(n for n, result in enumerate(results) if result.name == name and result.boot == self._boot)
        if splat.fingerprint in {other.fingerprint for other in results[at].splats}:
            return
        results[at] = dataclasses.replace(results[at], splats=(*results[at].splats, splat))
        yield Note(f"the kernel complains of {name}, which has ended before: {splat.title}", "warning")

    def _cases(self, test: PlannedTest, folder: str, died: bool) -> Parsed | None:
        """What the test handed over in KTAP, or what the console has of it."""
        console = None
        if died:
            with self._console_log.open("rb") as log:
                log.seek(self._console_start)
                console = during(log.read(), test.name)
        ready = self._common.ready
        parsed = ready.ktap.read(self._share / "artifacts" / folder, console, test.cases)
        return (
            ready.expected.apply(test.name, parsed) if ready.expected and parsed and test.suite == UPSTREAM else parsed
        )

    def _write(self, data: bytes) -> None:
        with _room(self._console_log):
            self._log.write(data)
            self._log.flush()

    def _keep_artifacts(self) -> None:
        """Move what the tests left to the run's own folder; what only the machinery needed goes."""
        with _room(self._share):
            for path in sorted((self._share / "artifacts").iterdir()):
                path.rename(_free(self._common.folder / "artifacts" / path.name))
            (self._share / "artifacts").rmdir()
            for name in ("boot.env", "mounts", "tests.json", DEVICE_MEMORY):
                (self._share / name).unlink(missing_ok=True)


def next_batch(tests: Sequence[PlannedTest]) -> tuple[list[PlannedTest], list[PlannedTest]]:
    """The tests that the next guest runs, which all need a guest of the same size, and the others."""

    def size(test: PlannedTest) -> tuple[int, int, str]:
        own = test.suite if test.suite in (UPSTREAM, BENCH) else ""  # whose clock is another
        return test.cpus, test.memory_mib, own

    batch = [test for test in tests if size(test) == size(tests[0])]
    return batch, [test for test in tests if size(test) != size(tests[0])]


def _free(path: Path) -> Path:
    """The path, or where an earlier round has left the same, the next that is free: NAME.2, NAME.3."""
    names = chain([path], (path.with_name(f"{path.name}.{number}") for number in count(2)))
    return next(name for name in names if not name.exists())


@contextmanager
def _room(path: Path) -> Iterator[None]:
    """A full disk becomes the sentence that the user gets."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no space left to write {path}") from error
        raise
