# SPDX-License-Identifier: GPL-2.0-only
"""Plays a guest without a VM: a small process with a console and records, which does to each test what it is told.

The engine's process handling, deadlines and blame are the real ones; only the argument list that starts the guest is
replaced. Run as a program, this file is the guest: fake_guest.py SHARE SCENARIO.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PANIC = "Kernel panic - not syncing: planted\n---[ end Kernel panic - not syncing: planted ]---\n"
WARN = "------------[ cut here ]------------\nWARNING: CPU: 0 PID: 1 at a.c:1 planted+0x1/0x2\n---[ end trace 0 ]---\n"
# As a guest under TCG has said it; {before} is the byte before the instruction pointer.
TRAP = """\
Oops: int3: 0000 [#1] SMP
CPU: 1 UID: 0 PID: 1 Comm: init Not tainted 7.3.4 #1 PREEMPTLAZY
RIP: 0010:ktime_get_update_offsets_now+0x40/0x160
Code: 48 8b 1d c8 b1 d8 00 48 8b 05 99 b1 d8 00 {before} <1f> 44 00 00 48 8b 3d 8d b1 d8 00
RSP: 0000:ff110000008bbe78 EFLAGS: 00000046
Call Trace:
 <TASK>
 hrtimer_interrupt+0x88/0x1d0
RIP: 0033:0x7f1073472c60
Code: 00 48 83 c4 28 4c 89 e0 5b 41 5c 41 5d 41 5e 41 5f 5d c3 90 <41> f6 c7 01 75 0a
 </TASK>
---[ end trace 0000000000000000 ]---
Oops: int3: 0000 [#2] SMP
---[ end trace 0000000000000000 ]---
"""
LOST = """\
kmemleak: unreferenced object 0xffff888103b7a000 (size 64):
kmemleak:   comm "insmod", pid 99, jiffies {jiffies}
kmemleak:   backtrace (crc 0):
kmemleak:     kmalloc_noprof+0x1/0x2
kmemleak:     planted+0x10/0x20 [ppnic]
kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
"""


def main(share: Path, scenario: dict[str, str]) -> None:
    """``scenario``: test name -> what happens to it; "boot" -> what happens instead of booting, by guest number."""

    def console(text: str) -> None:
        os.write(1, text.encode())

    def record(kind: str, **fields: Any) -> None:
        with (share / "records.jsonl").open("a") as file:
            file.write(json.dumps({"record": kind, **fields}) + "\n")

    def ended(name: str, outcome: str = "pass", **fields: Any) -> None:
        console(f"ppiov: end {name}\n")
        blank: dict[str, Any] = {"seconds": 0.5, "reason": "", "detail": "", "leaks": [], "figures": []}
        record("test-ended", name=name, outcome=outcome, **{**blank, **fields})

    console("[    0.0] Linux version fake\n")
    boot = scenario.get("boot", "").split(",")
    number = int(share.name)
    how = boot[number] if number < len(boot) else boot[-1] if boot[-1].endswith("!") else ""
    if how.startswith("die"):
        console("qemu-system-x86_64: cannot do that\n")
        return
    if how.startswith("sleep"):
        time.sleep(600)
    if how.startswith("stale"):
        console(TRAP.format(before="0f") + PANIC)
        return
    if how.startswith("complains"):
        console(2 * WARN)
    if how.startswith("babbles"):
        while True:
            console(WARN)
            time.sleep(0.01)
    if how.startswith("kvm"):
        console("KVM internal error. Suberror: 1\n")
        time.sleep(600)
    record("job-begun")
    for at, test in enumerate(json.loads((share / "job.json").read_text())["tests"]):
        name = test["name"]
        does, _, guests = scenario.get(name, "pass").partition("@")  # "fail@1,3": in those guests, else it passes
        if guests and str(number) not in guests.split(","):
            does = "pass"
        record("test-begun", name=name, jiffies=1000 + 100 * at)
        console(f"ppiov: begin {name}\n")
        if does == "panic":
            console(PANIC)
            return
        if does in ("stale int3", "int3"):
            console(TRAP.format(before="0f" if does == "stale int3" else "cc") + PANIC)
            return
        if does == "exit":
            return
        if does == "orphan":  # virtme-run goes, and leaves a QEMU behind
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            return
        if does == "silence":
            time.sleep(600)
        if does == "beats":
            while True:
                record("beat")
                time.sleep(0.1)
        if does == "hung":
            record("test-hung", name=name, detail="stuck in line 7")
            return
        if does == "broken":
            record("broken", name=name, reason="pytest was killed by SIGKILL", detail="")
            return
        if does == "full":
            console("ppiov: broken: the guest cannot write its results: No space left on device\n")
            return
        if does == "late panic":
            ended(name)
            console(PANIC)
            return
        if does in ("warn", "warn on purpose", "warn twice on purpose"):
            console(WARN * (1 + (does == "warn twice on purpose")))
        if does.startswith("lost "):  # and told now; when it was allocated
            events = share.parents[1] / "events.log"
            until = time.monotonic() + 30
            while events.read_text().count('"TestEnded"') < at and time.monotonic() < until:
                time.sleep(0.05)
            for jiffies in does.split()[1:]:
                console(LOST.format(jiffies=jiffies))
        if does == "garbage":
            (share / "records.jsonl").open("ab").write(b"\0\0{not json\n")
        if does == "fail":
            ended(name, "fail", reason="assert 1 == 2", detail="traceback")
        elif does == "leak":
            ended(name, "fail", reason="leak: a pool", leaks=["a pool"])
        else:
            wanted = ["planted+0x1"] if does.endswith("on purpose") else []
            ended(name, "skip" if does == "skip" else "pass", figures=[["n", 1.0, "B", "count"]], warnings=wanted)
    record("job-ended")
    console("reboot: Power down\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
