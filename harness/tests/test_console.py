# SPDX-License-Identifier: GPL-2.0-only
"""The console detector: every complaint is found, however the bytes are cut, and an ordinary boot has none."""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ppiov.console import LAST_LINES, MAX_BLOCK, Detector, Found, Mark, clean, fingerprint, modules

DATA = Path(__file__).parent / "data" / "console"

WARN = """\
[   12.345678] ------------[ cut here ]------------
[   12.345680] planted on purpose
[   12.345690] WARNING: CPU: 1 PID: 201 at planted.c:8 ppiov_planted_init+0x12/0xff0 [ppiov_planted]
[   12.345700] Modules linked in: ppiov_planted(OE+)
[   12.345710] RIP: 0010:ppiov_planted_init+0x12/0xff0 [ppiov_planted]
[   12.345720] Call Trace:
[   12.345730]  <TASK>
[   12.345740]  ? __warn.cold+0x93/0xf6
[   12.345750]  do_one_initcall+0x58/0x310
[   12.345760]  do_init_module+0x60/0x230
[   12.345770]  </TASK>
[   12.345780] ---[ end trace 0000000000000000 ]---
"""
REFCOUNT = """\
[    5.000001][   T77] ------------[ cut here ]------------
[    5.000002][   T77] refcount_t: underflow; use-after-free.
[    5.000003][   T77] WARNING: CPU: 0 PID: 77 at lib/refcount.c:28 refcount_warn_saturate+0xbe/0x110
[    5.000004][   T77] RIP: 0010:refcount_warn_saturate+0xbe/0x110
[    5.000005][   T77] ---[ end trace 0000000000000000 ]---
"""
OOPS = """\
BUG: kernel NULL pointer dereference, address: 0000000000000008
#PF: supervisor read access in kernel mode
Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI
CPU: 1 UID: 0 PID: 300 Comm: ncdevmem Tainted: G           OE
RIP: 0010:pskb_expand_head+0x29f/0x3f0
Call Trace:
 <IRQ>
 ___pskb_trim+0x1b8/0x350
 packet_rcv+0x10d/0x570
 </IRQ>
 <TASK>
 __local_bh_enable_ip+0x8b/0xa0
 </TASK>
Modules linked in: ppnic(OE)
---[ end trace 0000000000000000 ]---
RIP: 0010:pskb_expand_head+0x29f/0x3f0
Kernel panic - not syncing: Fatal exception in interrupt
Kernel Offset: disabled
---[ end Kernel panic - not syncing: Fatal exception in interrupt ]---
"""
# kind -> what the kernel prints (formats: the files named in ppiov/console.py)
COMPLAINTS = {
    "warn": WARN,
    "refcount": REFCOUNT,
    "panic": "[    3.3] Kernel panic - not syncing: sysrq triggered crash\n[    3.4] CPU: 0\n"
    "[    3.5] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---\n",
    "oops": "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] PREEMPT SMP\n"
    "RIP: 0010:page_pool_put_netmem+0x3/0x4\n---[ end trace 0000000000000000 ]---\n",
    "bug": "[ 9.1] BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585\n"
    "[ 9.2]  dump_stack_lvl+0x5d/0x80\n[ 9.3]  __might_resched+0x1/0x2\n[ 9.4]  </TASK>\n",
    "kasan": "[ 1.0] ==================================================================\n"
    "[ 1.1] BUG: KASAN: slab-use-after-free in net_devmem_free_dmabuf+0x1a/0x40\n"
    "[ 1.2] Call Trace:\n[ 1.3]  net_devmem_free_dmabuf+0x1a/0x40\n"
    "[ 1.4] ==================================================================\n",
    "kcsan": "BUG: KCSAN: data-race in a / b\n==================================================================\n",
    "ubsan": "------------[ cut here ]------------\nUBSAN: shift-out-of-bounds in net/core/x.c:3:4\n"
    "shift exponent 64 is too large\n---[ end trace ]---\n",
    "lockdep": "======================================================\n"
    "[ 7.1] WARNING: possible circular locking dependency detected\n[ 7.2] stack backtrace:\n"
    "[ 7.3]  check_noncircular+0x1/0x2\n[ 7.4]  </TASK>\n",
    "rcu-stall": "[ 60.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n[ 60.1] rcu:     0-....: (5249 ticks)\n"
    "[ 60.2]  </TASK>\n",
    "soft-lockup": "[ 48.0] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [cat:99]\n[ 48.1]  </TASK>\n",
    "hung-task": "[ 242.7] INFO: task kworker/0:1:9 blocked for more than 120 seconds.\n"
    '[ 242.8] "echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.\n[ 242.9]  </TASK>\n',
    "kmemleak": "[ 6.0] kmemleak: unreferenced object 0xffff888103b7a000 (size 512):\n"
    "[ 6.1] kmemleak:   backtrace (crc 1):\n[ 6.2] kmemleak:     kmalloc+0x1/0x2\n"
    "[ 6.3] kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n",
    "page-pool-stall": "[ 70.0] page_pool_release_retry() stalled pool shutdown: id 7, 12 inflight 60 sec\n",
    "unregister-netdevice": "[ 80.0] unregister_netdevice: waiting for ppnic0 to become free. Usage count = 2\n",
    "ref-tracker": "[ 80.1] ref_tracker: netdev@000000001 has 1/1 users at\n[ 80.2]      dev_hold+0x1/0x2\n[ 80.3] \n",
    "oom-kill": "[ 90.0] Out of memory: Killed process 123 (python3) total-vm:1kB\n",
    "kvm-internal-error": "KVM internal error. Suberror: 1\n",
}  # fmt: skip


def splats(data: bytes | str) -> list[Found]:
    detector = Detector()
    heard = detector.feed(data.encode() if isinstance(data, str) else data) + detector.close()
    return [item for item in heard if isinstance(item, Found)]


@pytest.mark.parametrize("kind", COMPLAINTS)
def test_each_complaint_is_found_once(kind: str) -> None:
    found = splats("[    0.1] an ordinary line\n" + COMPLAINTS[kind] + "[  100.0] another ordinary line\n")
    assert [item.splat.kind for item in found] == [kind]
    assert "ordinary" not in found[0].splat.text


@pytest.mark.parametrize("kind", COMPLAINTS)
def test_without_its_end_it_is_still_found(kind: str) -> None:
    lines = COMPLAINTS[kind].splitlines()
    head = next(n for n, line in enumerate(lines) if splats(line + "\n") and "cut here" not in line)
    assert splats(lines[head])[0].splat.kind == kind  # not even a line end: the guest died in the middle of it


def test_all_in_one_stream_in_order() -> None:
    assert [item.splat.kind for item in splats("".join(COMPLAINTS.values()))] == list(COMPLAINTS)


def test_oops_then_panic() -> None:
    found = splats(OOPS)
    assert [item.splat.kind for item in found] == ["oops", "panic"]
    assert found[0].splat.title == "BUG: kernel NULL pointer dereference, address: 0000000000000008"
    assert "packet_rcv" in found[0].splat.text


def test_a_cut_here_without_a_name_is_a_warning() -> None:
    found = splats("------------[ cut here ]------------\nsomething odd\n---[ end trace 0 ]---\n")
    assert [(item.splat.kind, item.splat.title) for item in found] == [("warn", "something odd")]


def test_the_running_test_gets_it() -> None:
    stream = "[ 1.0] ppiov: begin t.py::a\n" + WARN + "[ 2.0] ppiov: end t.py::a\n" + REFCOUNT
    detector = Detector()
    heard = detector.feed(stream.encode())
    assert [type(item) for item in heard] == [Mark, Found, Mark, Found]
    assert [item.test for item in heard if isinstance(item, Found)] == ["t.py::a", None]


ANNOUNCED = "[   12.1][   T77]     # double_put_is_counted: a warning is expected now\n"
WARN_OF_77 = "".join(line.replace("]", "][   T77]", 1) + "\n" for line in WARN.splitlines())


def kinds(text: str) -> list[str]:
    """The kinds of what counts of a console."""
    detector = Detector()
    found = [*detector.feed(text.encode()), *detector.close()]
    return [f.splat.kind for f in found if isinstance(f, Found) and not f.announced]


def test_a_warning_that_a_unit_test_announces_does_not_count() -> None:
    """Where KUnit can't suppress it, the line before it says so; each announcement is for one."""
    assert kinds(ANNOUNCED + WARN_OF_77) == []
    assert kinds(ANNOUNCED + WARN_OF_77 + WARN_OF_77) == ["warn"]
    assert kinds((ANNOUNCED + WARN_OF_77) * 3) == []


@pytest.mark.parametrize(
    "between",
    ["[   12.2][   T77]     ok 1 page in the ring\n", "[   12.2][   T77] ppnic: something else\n"],
    ids=["the case ends", "it says something else"],
)
def test_an_announcement_is_for_the_next_line_only(between: str) -> None:
    """One that did not come (WARN_ON_ONCE) excuses no other."""
    assert kinds(ANNOUNCED + between + WARN_OF_77) == ["warn"]


def test_an_announcement_is_for_a_warning_of_the_same_task() -> None:
    other = "[   12.2][  T423]     ok 1 of somebody else\n"
    assert kinds(ANNOUNCED + other + WARN_OF_77) == []
    assert kinds(ANNOUNCED + WARN_OF_77.replace("T77]", "T78]")) == ["warn"]
    assert kinds(ANNOUNCED + REFCOUNT) == ["refcount"]
    assert kinds(ANNOUNCED + "[   12.2][   T77] BUG: sleeping function called from invalid context at a.c:1\n") == [
        "bug"
    ]


def test_an_open_block_ends_with_the_test() -> None:
    cut = WARN[: WARN.index("[   12.345750]")]
    found = splats("ppiov: begin a\n" + cut + "ppiov: end a\nppiov: begin b\nhello\n")
    assert [item.test for item in found] == ["a"]
    assert "hello" not in found[0].splat.text


def test_a_block_is_bounded() -> None:
    found = splats("INFO: task a:1 blocked for more than 120 seconds.\n" + "noise\n" * 10 * MAX_BLOCK)
    assert [len(item.splat.text.splitlines()) for item in found] == [MAX_BLOCK]


def test_an_ordinary_boot_has_none() -> None:
    logs = sorted(DATA.glob("*.log"))
    assert logs
    for log in logs:
        assert splats(log.read_bytes()) == [], log.name


def test_a_complaint_inside_an_ordinary_boot_is_found() -> None:
    boot = (DATA / "boot-6.12.log").read_bytes()
    middle = boot.index(b"\n", len(boot) // 2) + 1
    assert [f.splat.kind for f in splats(boot[:middle] + OOPS.encode() + boot[middle:])] == ["oops", "panic"]


@pytest.mark.parametrize(
    "line",
    [
        "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on",
        "x86/mm: Checked W+X mappings: passed, no W+X pages found.",
        "WARNING: stdin/stdout/stderr not accessible via /proc/self/fd, falling back",
        "ppnic: warning: nothing",
        "Debugging: BUG and WARNING are words",
        "ref_tracker: memory allocation failure, unreliable refcount tracker.",
        "rcu: Preemptible hierarchical RCU implementation.",
        "traps: python3[1] general protection fault ip:7f sp:7f error:0 in libc.so",
    ],
)
def test_lookalikes(line: str) -> None:
    assert splats(f"[    0.1] {line}\n") == []


EVERYTHING = ("[ 0.1] ppiov: begin x\n" + "".join(COMPLAINTS.values()) + "[ 9.9] ppiov: end x\n" + OOPS).encode()


@given(st.lists(st.integers(0, len(EVERYTHING)), max_size=40))
def test_any_chunking_gives_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(EVERYTHING)]
    detector = Detector()
    heard: list[Found | Mark] = []
    for start, end in itertools.pairwise(edges):
        heard += detector.feed(EVERYTHING[start:end])
    whole = Detector()
    assert heard + detector.close() == whole.feed(EVERYTHING) + whole.close()


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(noise: bytes) -> None:
    detector = Detector()
    detector.feed(noise)
    detector.feed(b"\n" + WARN.encode())
    assert any(isinstance(h, Found) for h in detector.close()) or not detector.in_block


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters="\n\r"), max_size=60))
def test_noise_between_the_lines_changes_no_fingerprint(noise: str) -> None:
    lines = WARN.splitlines(keepends=True)
    (plain,) = splats(WARN)
    noisy = [f for f in splats("".join(line + f"[ 1.1] noise {noise}\n" for line in lines)) if f.splat.kind == "warn"]
    assert noisy[0].splat.fingerprint == plain.splat.fingerprint


def test_fingerprints() -> None:
    """Other addresses, offsets, CPUs, pids, modules and compiler suffixes: the same; another function: not."""
    (one,) = splats(WARN)
    other = (
        WARN.replace("0x12/0xff0", "0x99/0xaa0").replace("CPU: 1 PID: 201", "CPU: 0 PID: 7").replace("12.34", "99.99")
    )
    (same,) = splats(other.replace("do_one_initcall+", "do_one_initcall.constprop.0+"))
    (different,) = splats(WARN.replace("do_one_initcall", "do_another_initcall"))
    assert same.splat.fingerprint == one.splat.fingerprint != different.splat.fingerprint
    assert fingerprint("oom-kill", "Killed process 1", []) == fingerprint("oom-kill", "Killed process 22", [])
    assert fingerprint("warn", "x", []) != fingerprint("bug", "x", [])


TWO_CPUS = """\
[    5.1][   T77] ------------[ cut here ]------------
[    5.1][    C1] ==================================================================
[    5.1][    C1] BUG: KASAN: slab-use-after-free in ppnic_poll+0x10/0x20 [ppnic]
[    5.2][   T77] WARNING: CPU: 0 PID: 77 at nic/rx.c:8 ppnic_open+0x12/0xff0 [ppnic]
[    5.2][    C1] Call Trace:
[    5.2][   T77] RIP: 0010:ppnic_open+0x12/0xff0 [ppnic]
[    5.2][    C1]  ppnic_poll+0x10/0x20 [ppnic]
[    5.3][   T77]  __dev_open+0x1/0x2
[    5.3][    C1] ==================================================================
[    5.3][   T99] eth0: link is up
[    5.4][   T77] ---[ end trace 0000000000000000 ]---
"""


def test_two_cpus_that_speak_at_once_are_told_apart() -> None:
    kasan, warn = (found.splat for found in splats(TWO_CPUS))
    assert (kasan.kind, warn.kind) == ("kasan", "warn")
    assert kasan.text.splitlines()[1:] == ["Call Trace:", " ppnic_poll+0x10/0x20 [ppnic]", "=" * 66]
    assert "ppnic_poll" not in warn.text and warn.text.count("\n") == 4 and "link is up" not in warn.text


@given(st.randoms(use_true_random=False))
def test_any_mixture_of_two_callers_gives_the_same_two(random: Random) -> None:
    mine = [line for line in TWO_CPUS.splitlines() if "T77" in line]
    other = [line for line in TWO_CPUS.splitlines() if "C1" in line]
    mixed = []
    while mine or other:
        mixed.append((mine if not other or (mine and random.random() < 0.5) else other).pop(0))
    found = sorted((f.splat for f in splats("\n".join(mixed) + "\n")), key=lambda splat: splat.kind)
    assert found == sorted((f.splat for f in splats(TWO_CPUS)), key=lambda splat: splat.kind)


def test_the_other_cpus_stacks_belong_to_the_stall() -> None:
    (found,) = splats(
        "[ 60.0][    C0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
        "[ 60.1][    C1] NMI backtrace for cpu 1\n[ 60.1][    C1]  spin+0x1/0x2 [ppnic]\n[ 60.2][    C0]  </TASK>\n"
    )
    assert found.splat.kind == "rcu-stall" and "spin+0x1/0x2 [ppnic]" in found.splat.text


def test_a_refcount_warning_that_says_so_later() -> None:
    """7.3 prints WARNING first."""
    (found,) = splats(
        "------------[ cut here ]------------\n"
        "WARNING: lib/refcount.c:28 at refcount_warn_saturate+0xbe/0x110, CPU#1: insmod/201\n"
        "refcount_t: underflow; use-after-free.\n planted+0x1/0x2 [planted]\n---[ end trace 0000000000000000 ]---\n"
    )
    assert (found.splat.kind, found.splat.title) == ("refcount", "refcount_t: underflow; use-after-free.")
    assert len(found.splat.text.splitlines()) == 5


LOST = """\
kmemleak: unreferenced object 0xffff888103b7a000 (size 512):
kmemleak:   comm "insmod", pid 99, jiffies 4294
kmemleak:   hex dump (first 32 bytes):
kmemleak:     00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
kmemleak:   backtrace (crc 0):
kmemleak:     __kmalloc_cache_noprof+0x1/0x2
kmemleak:     {}+0x10/0x20 [ppnic]
"""


def test_each_lost_object_is_a_complaint_of_its_own() -> None:
    count = "kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n"
    one, two, *rest = (found.splat for found in splats(LOST.format("a") + LOST.format("b") + count + "another line\n"))
    assert not rest, "the count says nothing new"
    assert one.kind == two.kind == "kmemleak" and one.fingerprint != two.fingerprint
    assert one.text == LOST.format("a").rstrip()
    (alone,) = splats(count)
    assert alone.splat.kind == "kmemleak", "unless the kernel tells only the count"


LOCKDEP = """\
======================================================
WARNING: possible circular locking dependency detected
insmod/99 is trying to acquire lock:
ffffffffc0003080 ({}){{+.+.}}-{{4:4}}, at: planted+0x10/0x20 [planted]

but task is already holding lock:
ffffffffc0003000 (b#{}){{+.+.}}-{{4:4}}, at: planted+0x8/0x20 [planted]

stack backtrace:
Call Trace:
 <TASK>
 dump_stack_lvl+0x1/0x2
 print_circular_bug.cold+0x1/0x2
 check_noncircular+0x1/0x2
 __lock_acquire+0x1/0x2
 lock_acquire+0x1/0x2
 {}+0x1/0x2
 </TASK>
"""


def test_lockdep_fingerprints() -> None:
    """Other locks or another way to them: another bug, although the reporter's functions fill the top of the stack."""
    one, same, lock, way = (
        splats(LOCKDEP.format(*words))[0].splat.fingerprint
        for words in (("a", 1, "way"), ("a", 3, "way"), ("c", 1, "way"), ("a", 1, "another"))
    )
    assert one == same and len({one, lock, way}) == 3


def test_kcsan_fingerprints() -> None:
    """The two sides come in any order; the title always names them in the same."""
    title = "BUG: KCSAN: data-race in a / b"
    one = fingerprint("kcsan", title, [title, " a+0x1/0x2", " b+0x3/0x4"])
    assert one == fingerprint("kcsan", title, [title, " b+0x9/0xa", " a+0x5/0x6"])
    assert one != fingerprint("kcsan", "BUG: KCSAN: data-race in a / c", [])


def test_modules() -> None:
    assert modules(TWO_CPUS) == {"ppnic"}
    assert modules("Modules linked in: ppnic(OE)\n udp_sendmsg+0x1/0x2\n") == frozenset()


@pytest.mark.parametrize(
    "raw",
    [b"<4>[    1.0] x\r", b"[    1.000000][   T12] x", b"[ 1.0] [ C0] x", b"x", b"\x1b[31m[    1.0] x\x1b[0m"],
)
def test_clean(raw: bytes) -> None:
    assert clean(raw) == "x"


def test_the_end_of_a_panic_is_remembered_whole() -> None:
    """However long its registers and modules are: what called panic() stands first, and must not scroll out."""
    detector = Detector()
    before = "".join(f"line {n}\n" for n in range(500))
    after = "".join(f" frame_{n}+0x1/0x2\n" for n in range(2 * LAST_LINES))
    detector.feed(f"{before}Kernel panic - not syncing: sysrq triggered crash\n{after}".encode())
    assert detector.last_lines[0] == f"line {500 - LAST_LINES + 1}"
    assert detector.last_lines[-1] == f" frame_{2 * LAST_LINES - 1}+0x1/0x2"
    detector.feed(after.encode() * 10)
    assert len(detector.last_lines) == LAST_LINES + MAX_BLOCK
