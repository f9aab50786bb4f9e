# SPDX-License-Identifier: GPL-2.0-only
"""What a run leaves behind: the versioned schema of ``run.json``.

Everything downstream (report, compare, bisect) reads these dataclasses and nothing else. Units are in the field names
or in the figure itself; times are UTC, ISO 8601. A field may be added within a schema version, never renamed
or removed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

SCHEMA_VERSION = 1


class Outcome(StrEnum):
    """The verdict on one test. A verdict is never inferred from an exit code, nor from silence."""

    PASS = "pass"
    FLAKY = "flaky"  # of several rounds, some went well and some did not
    FAIL = "fail"  # an assertion failed, or a leak question was answered wrongly
    SKIP = "skip"  # with its reason
    XFAIL = "xfail"  # it failed, and says itself that it does so today
    SPLAT = "splat"  # the test passed, but the kernel complained while it ran, and doesn't by itself
    CRASH = "crash"  # the guest panicked or oopsed while it ran
    HANG = "hang"  # silence or total deadline ran out while it ran
    VM_DIED = "vm-died"  # QEMU went away while it ran, with no panic on the console
    NOT_RUN = "not-run"  # planned, never started (interrupted, or no guest could be had)

    @property
    def ok(self) -> bool:
        return self in (Outcome.PASS, Outcome.SKIP, Outcome.XFAIL)


class RunState(StrEnum):
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    ABORTED = "aborted"  # the machine failed us: no guest boots, disk full; the reason is in Run.reason


@dataclass(frozen=True, slots=True)
class Splat:
    """One complaint of the kernel, as the console detector saw it."""

    kind: str  # "oops", "bug", "warn", "panic", "refcount", "hung-task", "soft-lockup", "rcu-stall", "kmemleak", ...
    title: str  # the line that names it, timestamp removed
    fingerprint: str  # stable over addresses, pids and times
    text: str  # the whole block from the console
    decoded: str = ""  # the same with file and line where they are known; "" where none are
    known: str = ""  # where else it is seen without what is tested here; "": nowhere, so it counts


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. It is never shown without its unit and meter; two meters are never compared."""

    name: str
    value: float
    unit: str  # "B/s", "packets", "ns", ...
    meter: str  # "guest-clock", "insns", "cycles", "ns", "count"
    samples: tuple[float, ...] = ()  # what `value` is the median of, where it is one


@dataclass(frozen=True, slots=True)
class Case:
    """One of the results that a test reports in KTAP: a KUnit case, its parameter, a kselftest's subtest."""

    name: tuple[str, ...]  # the path to it: ("ppiov_carrier_attach", "attach_makes_one_child", "iov")
    outcome: Outcome  # never a splat: those are the test's
    reason: str = ""
    detail: str = ""  # the diagnostic lines before its result
    seconds: float | None = None  # where the output says so


@dataclass(frozen=True, slots=True)
class Round:
    """One of several times that a test was run (ppiov run --repeat)."""

    outcome: Outcome
    seconds: float
    boot: int  # index into Run.boots
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TestResult:
    name: str  # pytest node id relative to selftests/, e.g. "traffic/test_bind.py::test_rebind[ipv6]"
    suite: str
    outcome: Outcome
    seconds: float  # guest time; 0.0 where it never ran
    reason: str = ""  # first line of why, for anything but pass
    detail: str = ""  # traceback, captured output, last console lines
    splats: tuple[Splat, ...] = ()
    leaks: tuple[str, ...] = ()  # one sentence per leak found after the test
    figures: tuple[Figure, ...] = ()
    boot: int = 0  # index into Run.boots of the guest it ran in
    doc: str = ""  # first line of the test's docstring: what it proves
    cases: tuple[Case, ...] = ()  # what it reported in KTAP, in order
    rounds: tuple[Round, ...] = ()  # where it was run more than once; `seconds` is their mean then


@dataclass(frozen=True, slots=True)
class Boot:
    """One guest: how it came up and how it ended.

    ``ended``: "done", "interrupted", "broken" (the job, by its own words), "panic", "emulator" (emulator.py),
    "qemu-exit" (it went, and nobody said why), "complaints" (it did nothing else while it booted), or the deadline:
    "boot-deadline", "silence", "test-timeout", "total-deadline".
    """

    accel: str  # "kvm" or "tcg"
    seconds_to_job: float | None  # host seconds until the job's first line; None where it never came
    attempt: int  # 1 for the first try of this boot; retries of emulator faults count up
    ended: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Kernel:
    spec: str  # as the user wrote it, e.g. "deb:6.12"
    release: str  # uname -r
    version: str  # package version or git describe
    config_sha256: str
    image_sha256: str


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    sha256: str
    srcversion: str
    compiler: str


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine and the tools, as far as they can matter to a result."""

    host_kernel: str
    distribution: str
    cpu: str
    cpus: int
    memory_mib: int
    python: str
    qemu: str
    virtme_ng: str
    ppiov: str  # version, and git describe of the checkout where there is one


@dataclass(frozen=True, slots=True)
class Vm:
    accel_asked: str  # "auto", "kvm", "tcg"
    accel: str
    accel_reason: str  # why auto chose it, e.g. "KVM probe guest did not boot: KVM internal error. Suberror: 1"
    cpus: int
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Run:
    id: str  # folder name: 20260102T030405-deb-6.12-all
    command: str  # the one line that reproduces it
    started: str
    finished: str
    state: RunState
    reason: str  # why not complete; "" if complete
    kernel: Kernel
    environment: Environment
    vm: Vm
    modules: tuple[Module, ...] = ()
    boots: tuple[Boot, ...] = ()
    tests: tuple[TestResult, ...] = ()
    boot_splats: tuple[Splat, ...] = ()  # seen while no test ran
    schema: int = field(default=SCHEMA_VERSION)

    @property
    def passed(self) -> bool:
        """True only if the run is complete, something ran, and nothing but pass and explained skips came out."""
        return (
            self.state is RunState.COMPLETE
            and any(t.outcome is Outcome.PASS for t in self.tests)
            and all(t.outcome.ok for t in self.tests)
            and all(splat.known for splat in self.boot_splats)
        )
