# SPDX-License-Identifier: GPL-2.0-only
"""Runs made by hand for the tests of reports and renderers, with every outcome in them, and arbitrary ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from ppiov.results import (
    Boot,
    Case,
    Environment,
    Figure,
    Kernel,
    Module,
    Outcome,
    Run,
    RunState,
    Splat,
    TestResult,
    Vm,
)

KERNEL = Kernel("deb:6.12", "6.12.117+deb12-amd64", "6.12.117-1~deb12u1", "ab" * 32, "cd" * 32)
ENVIRONMENT = Environment(
    host_kernel="6.1.0-44-amd64",
    distribution="Debian GNU/Linux 12 (bookworm)",
    cpu="AMD EPYC 7B13",
    cpus=2,
    memory_mib=24064,
    python="3.11.2",
    qemu="QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)",
    virtme_ng="1.42",
    ppiov="0.1.0 (e521fa1)",
)
VM = Vm("auto", "tcg", "KVM probe guest did not boot: KVM internal error. Suberror: 1", 2, 2048)
MODULES = (Module("ppnic", "12" * 32, "0A1B2C3D4E5F60718293A4B", "gcc 12.2.0"),)
COMMAND = "ppiov run traffic --kernel deb:6.12 --accel tcg --cpus 2 --memory 2048"

PANIC = Splat(
    "oops",
    "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "oops:pskb_expand_head",
    """[   41.207311] BUG: kernel NULL pointer dereference, address: 0000000000000008
[   41.207566] #PF: supervisor read access in kernel mode
[   41.207790] Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI
[   41.208105] CPU: 1 UID: 0 PID: 612 Comm: ppcat Tainted: G           OE      6.12.117+deb12-amd64 #1
[   41.208619] RIP: 0010:pskb_expand_head+0x29f/0x420
[   41.210432] Call Trace:
[   41.210511]  <IRQ>
[   41.210588]  ___pskb_trim+0x5e/0x2d0
[   41.210712]  packet_rcv+0x3a1/0x460
[   41.210841]  __netif_receive_skb_core.constprop.0+0x1c8/0x1050
[   41.211034]  </IRQ>
[   41.211544] ---[ end trace 0000000000000000 ]---
[   41.212012] Kernel panic - not syncing: Fatal exception in interrupt""",
)
WARN = Splat(
    "warn",
    "WARNING: CPU: 0 PID: 588 at net/core/page_pool.c:1072 page_pool_destroy+0x1b2/0x1d0",
    "warn:page_pool_destroy",
    """[   22.118034] ------------[ cut here ]------------
[   22.118219] WARNING: CPU: 0 PID: 588 at net/core/page_pool.c:1072 page_pool_destroy+0x1b2/0x1d0
[   22.119003] Call Trace:
[   22.119088]  ppnic_queue_mem_free+0x41/0x70 [ppnic]
[   22.119544] ---[ end trace 0000000000000000 ]---""",
)

_FILES = {
    "traffic/test_bind.py": ("bind", "unbind", "rebind", "bind_twice", "bind_split_off", "bind_out_of_range"),
    "traffic/test_stream.py": ("64mib_4_queues_8_flows", "loss", "reorder", "not_steered", "plain_recv"),
    "traffic/test_sizes.py": tuple(f"payload[{n}]" for n in (1, 63, 64, 65, 1447, 1448, 1449, 4095, 4096, 4097, 9000)),
    "traffic/test_tokens.py": ("hold_all", "unknown", "duplicate", "overlap", "too_many", "close", "sigkill"),
    "traffic/test_removal.py": ("unbind_mid_stream", "link_mid_stream", "module_unload"),
    "nic/test_ethtool.py": ("ring", "channels", "coalesce", "rxfh", "rxnfc", "rss_context"),
}
_WRONG: dict[str, dict[str, Any]] = {
    "traffic/test_stream.py::test_plain_recv[ipv6]": {
        "outcome": Outcome.CRASH,
        "reason": "the guest panicked: Fatal exception in interrupt",
        "splats": (PANIC,),
        "detail": "last console lines\n" + PANIC.text,
    },
    "traffic/test_bind.py::test_bind_twice[ipv6]": {
        "outcome": Outcome.FAIL,
        "reason": "AssertionError: the second bind succeeded, EBUSY was expected",
        "detail": ">       assert bind(b).errno == EBUSY\nE       AssertionError: the second bind succeeded",
        "leaks": ("page_pool 7 of ppnic0 still has 3 pages in flight after 10 s", "1 dma-buf (4194304 bytes) is alive"),
    },
    "traffic/test_removal.py::test_link_mid_stream[ipv4]": {
        "outcome": Outcome.SPLAT,
        "reason": "the kernel warned while the test ran",
        "splats": (WARN,),
    },
    "traffic/test_tokens.py::test_hold_all[ipv6]": {
        "outcome": Outcome.HANG,
        "reason": "no sign of life for 60 s",
        "detail": "last console line: [   88.4] ppnic0: pool empty",
    },
    "traffic/test_tokens.py::test_sigkill[ipv6]": {
        "outcome": Outcome.VM_DIED,
        "reason": "QEMU was killed by signal 9",
    },
    "traffic/test_bind.py::test_bind_split_off[ipv4]": {
        "outcome": Outcome.SKIP,
        "reason": "6.12 has no extack for a bind with header split off",
    },
    "nic/test_ethtool.py::test_rss_context[ipv6]": {"outcome": Outcome.NOT_RUN, "reason": "no guest could be had"},
}


def every_outcome() -> Run:
    """Some 80 tests with every outcome, three guests and a retried boot."""
    tests = []
    boot = 1
    names = [f"{f}::test_{n.replace('[', f'[{v}-') if '[' in n else f'{n}[{v}]'}"
             for f, ns in _FILES.items() for n in ns for v in ("ipv4", "ipv6")]  # fmt: skip
    for i, name in enumerate(names):
        wrong = _WRONG.get(name, {})
        figures: tuple[Figure, ...] = ()
        if "64mib" in name:
            figures = (
                Figure("throughput", 5.31e7 + i * 1e6, "B/s", "guest-clock"),
                Figure("packets", 46342 + i, "packets", "count"),
            )
        elif "loss" in name:
            figures = (Figure("throughput", 1.2e7, "B/s", "guest-clock"),)
        result = TestResult(
            name, name.split("/")[0], Outcome.PASS, 0.4 + (i * 37 % 11) / 3, figures=figures, boot=boot,
            doc="Bytes sent are the bytes that land, and nothing is left behind.",
        )  # fmt: skip
        result = replace(result, **wrong)
        if result.outcome in (Outcome.CRASH, Outcome.HANG, Outcome.VM_DIED):
            boot += 1
        if result.outcome is Outcome.NOT_RUN:
            result = replace(result, seconds=0.0)
        tests.append(result)
    boots = (
        Boot("tcg", None, 1, "boot-deadline", "int3 oops in sched_clock_cpu"),
        Boot("tcg", 14.2, 2, "panic"),
        Boot("tcg", 13.9, 1, "silence"),
        Boot("tcg", 15.1, 1, "qemu-exit"),
        Boot("tcg", 14.0, 1, "done"),
    )
    return Run(
        "20260102T030405-deb-6.12-traffic", COMMAND, "2026-01-02T03:04:05Z", "2026-01-02T03:09:47Z",
        RunState.COMPLETE, "", KERNEL, ENVIRONMENT, VM, MODULES, boots, tuple(tests),
    )  # fmt: skip


def with_cases() -> Run:
    """One test that reported cases in KTAP, with every outcome that a case can have and a guest survives."""
    suite = "ppiov_carrier"
    cases = (
        Case((suite, "attach_makes_one_child"), Outcome.PASS, seconds=0.25),
        Case((suite, "attach_as_many", "iov"), Outcome.PASS),
        Case((suite, "attach_as_many", "page, readable"), Outcome.FAIL, "carrier_test.c:120: Expected", "# its lines"),
        Case((suite, "needs_hardware"), Outcome.SKIP, "no such device"),
        Case((suite, "known_bug"), Outcome.XFAIL, "until the core is mended"),
    )
    name = f"kunit/test_suites.py::test_suite[{suite}]"
    reason = "1 of 5 cases: ppiov_carrier > attach_as_many > page, readable (fail: carrier_test.c:120: Expected)"
    test = TestResult(name, "kunit", Outcome.FAIL, 2.0, reason, cases=cases)
    return replace(passing(), tests=(test,))


def passing() -> Run:
    run = every_outcome()
    good = tuple(replace(t, boot=0) for t in run.tests if t.outcome.ok)
    return replace(run, tests=good, boots=(Boot("tcg", 14.0, 1, "done"),))


def interrupted() -> Run:
    run = passing()
    rest = tuple(replace(t, outcome=Outcome.NOT_RUN, seconds=0.0, figures=()) for t in run.tests[20:])
    return replace(run, state=RunState.INTERRUPTED, reason="Ctrl-C", tests=run.tests[:20] + rest)


HOSTILE = (
    "</title><script>alert('x')</script>\"'&<img src=x onerror=y>\x1b[31m\x00]]>\ud800 # SKIP not really\nok 1 forged"
)


def hostile() -> Run:
    """Every string of the run is an attack."""
    splat = Splat(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    figure = Figure(HOSTILE, 1.0, HOSTILE, HOSTILE)
    tests = tuple(
        TestResult(f"{HOSTILE}{i}::{HOSTILE}", HOSTILE, o, 1.0, HOSTILE, HOSTILE, (splat,), (HOSTILE,), (figure,),
                   0, HOSTILE, () if o.ok else (Case((HOSTILE, HOSTILE), o, HOSTILE, HOSTILE, 1.0),))
        for i, o in enumerate(Outcome)
    )  # fmt: skip
    return Run(
        HOSTILE, HOSTILE, HOSTILE, HOSTILE, RunState.ABORTED, HOSTILE,
        Kernel(*[HOSTILE] * 5), Environment(HOSTILE, HOSTILE, HOSTILE, 1, 1, *[HOSTILE] * 4),
        Vm(HOSTILE, HOSTILE, HOSTILE, 1, 1), (Module(*[HOSTILE] * 4),), (Boot(HOSTILE, 1.0, 1, HOSTILE, HOSTILE),),
        tests, (splat,),
    )  # fmt: skip


# Short and of all kinds, or long and of what is hard to wrap and to quote.
_any = st.text(max_size=9) | st.text("ab /:[-_$'\"\\", max_size=20).map(lambda word: word * 9)
_seconds = st.floats(min_value=0, max_value=1e7)
_splat = st.builds(Splat, _any, _any, _any, _any)
_figure = st.builds(Figure, _any, st.floats(), _any, _any)
_case = st.builds(
    Case, st.lists(_any, min_size=1, max_size=3).map(tuple), st.sampled_from(Outcome), _any, _any, _seconds | st.none()
)


def _consistent(test: TestResult) -> TestResult:
    """A case that went wrong makes its test go wrong (nested.py)."""
    return replace(test, cases=tuple(c for c in test.cases if c.outcome.ok or not test.outcome.ok))


_test = st.builds(
    TestResult, _any, _any, st.sampled_from(Outcome), _seconds, _any, _any, st.tuples(_splat) | st.just(()),
    st.tuples(_any) | st.just(()), st.tuples(_figure) | st.just(()), st.integers(-1, 9), _any,
    st.lists(_case, max_size=4).map(tuple),
).map(_consistent)  # fmt: skip
_number = st.integers(0, 10**9)
runs: st.SearchStrategy[Run] = st.builds(
    Run, _any, _any, _any, _any, st.sampled_from(RunState), _any,
    st.builds(Kernel, _any, _any, _any, _any, _any),
    st.builds(Environment, _any, _any, _any, _number, _number, _any, _any, _any, _any),
    st.builds(Vm, _any, _any, _any, _number, _number),
    st.tuples(st.builds(Module, _any, _any, _any, _any)) | st.just(()),
    st.lists(st.builds(Boot, _any, _seconds | st.none(), st.integers(1, 3), _any, _any), max_size=3).map(tuple),
    st.lists(_test, max_size=5).map(tuple), st.lists(_splat, max_size=2).map(tuple),
)  # fmt: skip
"""Any run at all."""
