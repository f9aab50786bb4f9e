# SPDX-License-Identifier: GPL-2.0-only
"""Whose complaint it is: what the kernel does by itself is not held against a run, and nothing of ours is excused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sample
from ppiov import results, summary
from ppiov.complaints import Complaint
from ppiov.console import Detector, Found
from ppiov.decode import Decoder
from ppiov.report import html, junit, ktap, text
from ppiov.results import Outcome, Splat
from ppiov.splats import Known, by_fingerprint, decoded, seen_in

WARN = """\
------------[ cut here ]------------
WARNING: CPU: 0 PID: 77 at net/core/dev.c:8 netif_x+0x12/0xff0{}
RIP: 0010:netif_x+0x12/0xff0{}
 tcp_sendmsg+0x1/0x2
---[ end trace 0000000000000000 ]---
"""


def splat(text: str) -> Splat:
    detector = Detector()
    (found,) = [f for f in detector.feed(text.encode()) + detector.close() if isinstance(f, Found)]
    return found.splat


CORE = splat(WARN.format("", ""))
OURS = replace(splat(WARN.format(" [ppnic]", " [ppnic]")), fingerprint=CORE.fingerprint)
PANIC = splat("Kernel panic - not syncing: x\n f+0x1/0x2\n---[ end Kernel panic - not syncing: x ]---\n")
OOPS = splat("BUG: kernel NULL pointer dereference, address: 8\nRIP: 0010:f+0x1/0x2\n---[ end trace 0 ]---\n")
BARE = splat("unregister_netdevice: waiting for lo to become free. Usage count = 2\n")
EVERY = (CORE, OURS, PANIC, OOPS, BARE)


def by_itself(*splats: Splat) -> Known:
    return Known(by_itself={s.fingerprint: "6.12 by itself" for s in splats}, ours=frozenset({"ppnic"}))


def result(*splats: Splat, outcome: Outcome = Outcome.PASS) -> results.TestResult:
    return results.TestResult("t.py::a", "traffic", outcome, 1.0, splats=splats)


def test_the_kernels_own_is_excused_and_named() -> None:
    judged = by_itself(CORE).judged(result(CORE))
    assert judged.outcome is Outcome.PASS and judged.splats[0].known == "6.12 by itself"


@pytest.mark.parametrize("which", [OURS, PANIC, OOPS, BARE], ids=lambda s: s.kind)
def test_what_a_kernels_own_baseline_never_excuses(which: Splat) -> None:
    """A complaint with one of our modules in it, what ends the guest, and what could be anybody's."""
    known = by_itself(*EVERY)
    assert known.where(which) == "" and not known.excusable(which)
    assert known.judged(result(CORE, which)).outcome is Outcome.SPLAT
    assert known.judged(result(CORE, which)).reason == which.title


def test_a_run_that_the_user_names_excuses_all_but_an_end() -> None:
    known = Known(named={s.fingerprint: "run x" for s in EVERY}, ours=frozenset({"ppnic"}))
    assert [bool(known.where(s)) for s in EVERY] == [True, True, False, False, True]


def test_one_that_is_understood_is_excused_by_its_report() -> None:
    """Where all that it shows is there, on its kernel, with a stack, and with nothing of ours in that."""
    one = Complaint(CORE.kind, ("netif_x", "tcp_sendmsg"), "6\\.12\\.", "docs/bugs/x.md")
    known = Known(ours=frozenset({"ppnic"}), understood=(one,))
    assert known.judged(result(CORE)).outcome is Outcome.PASS and known.where(CORE) == "docs/bugs/x.md"
    assert [known.where(s) for s in (OURS, PANIC, OOPS, BARE)] == [""] * 4
    assert known.where(replace(CORE, kind="kasan")) == ""
    assert known.where(replace(CORE, text=CORE.text.replace("tcp_sendmsg", "f"))) == ""


def test_one_that_is_new_among_others_counts() -> None:
    new = splat(WARN.format("", "").replace("tcp_sendmsg", "udp_sendmsg"))
    assert by_itself(CORE).judged(result(CORE, new)).reason == new.title
    assert by_itself(CORE).judged(result(CORE, new, outcome=Outcome.FAIL)).outcome is Outcome.FAIL


def test_what_a_run_knows() -> None:
    run = replace(sample.passing(), boot_splats=(CORE, PANIC))
    assert seen_in(run) == {CORE.fingerprint: f"run {run.id}"}
    assert list(by_fingerprint(EVERY)) == [CORE.fingerprint, BARE.fingerprint]


def test_a_known_complaint_fails_no_run_and_stands_in_every_report() -> None:
    run = replace(sample.passing(), boot_splats=by_itself(CORE).marked([CORE, CORE]))
    assert run.passed and summary.headline(run).startswith("PASSED")
    assert "The kernel's own" in text.render(run) and "2x" in text.render(run)
    assert "The kernel" in html.render(run) and "6.12 by itself" in html.render(run)
    assert summary.known_text(run) == "1 complaint of the kernel's does not count: 6.12 by itself"
    assert "kernel is quiet between tests" not in junit.render(run) + ktap.render(run)
    worse = replace(run, boot_splats=(CORE,))
    assert not worse.passed and "while no test ran" in summary.headline(worse)
    assert "kernel is quiet between tests" in junit.render(worse) and "net/core/dev.c:8" in ktap.render(worse)


def test_lockdep_is_off_after_a_report_whoever_caused_it() -> None:
    lockdep = replace(CORE, kind="lockdep", known="6.12 by itself")
    run = replace(sample.passing(), boot_splats=(lockdep,))
    words = " ".join(text.render(run).split())
    assert summary.LOCKDEP_IS_OFF in words and summary.LOCKDEP_IS_OFF in html.render(run)


def test_decoded_text_goes_to_the_reports() -> None:
    """Each text is decoded once, and only where there is one."""
    asked: list[str] = []

    class Fake(Decoder):
        def decode(self, text: str) -> str:
            asked.append(text)
            return text.replace(" tcp_sendmsg+0x1/0x2", " tcp_sendmsg+0x1/0x2 (net/ipv4/tcp.c:1234)")

    def never() -> Decoder:
        raise AssertionError("nothing to decode")

    run = sample.passing()
    assert decoded(run, never) == run
    wrong = replace(run.tests[0], outcome=Outcome.SPLAT, reason=CORE.title, splats=(CORE, CORE))
    run = decoded(replace(run, tests=(wrong, *run.tests[1:])), lambda: Fake(None, {}))
    assert asked == [CORE.text]
    for report in (text.render(run), html.render(run), junit.render(run), ktap.render(run)):
        assert "net/ipv4/tcp.c:1234" in report
    assert "at net/ipv4/tcp.c:1234 in tcp_sendmsg" in text.render(run)


def test_places() -> None:
    """The innermost first, without the functions that only report, and without the frames that are guesses."""
    lines = [
        "BUG: KASAN: slab-use-after-free in ppnic_a+0x1/0x2 [ppnic] (nic/a.c:1, inlined at nic/b.c:2)",
        " dump_stack_lvl+0x1/0x2 (lib/dump_stack.c:1)",
        " kasan_report+0x1/0x2 (mm/kasan/report.c:1)",
        " ? ppnic_guess+0x1/0x2 [ppnic] (nic/guess.c:1)",
        " ppnic_inline (nic/c.c:3) [inlined]",
        " ppnic_d+0x1/0x2 [ppnic] (nic/d.c:4)",
        " ppnic_e+0x1/0x2 [ppnic] (nic/e.c:5)",
    ]
    splat = replace(CORE, decoded="\n".join(lines))
    assert summary.places(splat) == ["nic/a.c:1 in ppnic_a", "nic/c.c:3 in ppnic_inline", "nic/d.c:4 in ppnic_d"]
