# SPDX-License-Identifier: GPL-2.0-only
"""Series made by hand for the tests of reports: with every verdict in them, of any length, and arbitrary ones."""

from __future__ import annotations

from dataclasses import replace

import sample
from hypothesis import strategies as st
from ppiov.results import Figure, Outcome, RunState, Splat
from ppiov.series.results import Change, CheckResult, Measured, PatchResult, Relation, SeriesRun, Verdict

COMMAND = "ppiov series net-next/main..HEAD --tree /home/ada/net-next --run traffic --run boot --each"
RUNS = ("20260102T040000-tree-traffic", "20260102T030500-tree-traffic")
NAMES = (
    "subject", "signoff", "verify_fixes", "checkpatch", "source_inline", "deprecated_api", "cc_maintainers", "kdoc",
    "check_selftest", "ruff", "shellcheck", "yamllint", "ynl", "build_gcc", "build_clang", "build_32bit",
)  # fmt: skip
_SUBJECTS = (
    "net: page_pool: factor out the release of a netmem",
    "net: netmem: name the niov's owner",
    "net: devmem: count bindings per netdev, so that a queue that is restarted meanwhile knows whose buffers it has",
    "net: devmem: free dma-buf chunks in order",
    "selftests: net: devmem: bind twice",
    "Documentation: netmem: what a driver must not do",
)
_WRONG = {
    (2, "checkpatch"): ("2 warnings", Verdict.WARN, ("WARNING: LONG_LINE: line length of 83 exceeds 80 columns",)),
    (3, "build_gcc"): (
        "does not build: net/core/devmem.c:117:9: error: too few arguments to function 'net_devmem_put'",
        Verdict.FAIL,
        ("net/core/devmem.c:117:9: error: too few arguments to function 'net_devmem_put'",),
    ),
    (4, "verify_fixes"): (
        'Fixes: ab370f9 ("net: devmem"): 7 digits of the commit, 12 are wanted',
        Verdict.FAIL,
        ('Fixes: ab370f9 ("net: devmem"): 7 digits of the commit, 12 are wanted',),
    ),
    (5, "check_selftest"): ("tools/testing/selftests/net/devmem_twice.py is in no Makefile", Verdict.FAIL, ()),
    (6, "build_clang"): ("the run ended before", Verdict.NOT_RUN, ()),
}
SPLAT = Splat("warn", sample.WARN.title, sample.WARN.fingerprint, sample.WARN.text, "decoded\n" + sample.WARN.text)
CHANGES = (
    Change("traffic/test_bind.py::test_bind[ipv4]", Outcome.PASS, Outcome.FAIL, Relation.NEW, "failed 4 of 4 times"),
    Change("traffic/test_bind.py::test_rebind[ipv4]", Outcome.FAIL, Outcome.PASS, Relation.FIXED),
    Change("traffic/test_stream.py::test_loss[ipv6]", Outcome.FLAKY, Outcome.FLAKY, Relation.FLAKY, "passed 3 of 4"),
    Change("kernel: WARNING at net/core/page_pool.c", None, Outcome.SPLAT, Relation.NEW, splat=SPLAT),
)
MEASURED = (
    Measured(
        Figure("page_pool01", 81.072, "insns/op", "insns"), Figure("page_pool01", 82.154, "insns/op", "insns"),
        Relation.NEW, "+1.33 %",
    ),
    Measured(
        Figure("page_pool02", 181.64, "insns/op", "insns"), Figure("page_pool02", 181.64, "insns/op", "insns"),
        Relation.AS_BEFORE, "0.00 %",
    ),
)  # fmt: skip


def series(count: int = 6, *, good: bool = False) -> SeriesRun:
    """A series of ``count`` patches; without ``good``, with every verdict in it."""
    patches = []
    for number in range(1, count + 1):
        checks = [CheckResult("apply", Verdict.PASS, "applies to 0123456789ab", command="git am")]
        for name in NAMES:
            line, verdict, details = ("quiet", Verdict.PASS, ())
            if name in ("ynl", "yamllint", "ruff"):
                line, verdict = "no such file", Verdict.SKIP
            if not good and (number, name) in _WRONG:
                line, verdict, details = _WRONG[number, name]  # type: ignore[assignment]
            checks.append(CheckResult(name, verdict, line, details=details, command=f"{name} it", seconds=1.5))
        checks += _staged(number == 3 and not good)
        subject = _SUBJECTS[(number - 1) % len(_SUBJECTS)]
        files = ("net/core/devmem.c", "net/core/devmem.h")
        patches.append(
            PatchResult(
                number,
                subject,
                "Ada Author <ada@example.org>",
                f"{number:040x}",
                f"{number:040x}",
                files,
                tuple(checks),
            )
        )
    overall = (
        CheckResult("series_size", Verdict.WARN if count > 15 else Verdict.PASS, f"{count} patches"),
        CheckResult("cover_letter", Verdict.PASS, "there is one"),
        CheckResult("bisectable", Verdict.PASS, "every patch builds")
        if good
        else CheckResult("bisectable", Verdict.FAIL, "build_gcc: patch 3 does not build, patch 4 repairs it"),
    )
    return SeriesRun(
        id="20260102T030405-series-net-devmem",
        command=COMMAND,
        started="2026-01-02T03:04:05Z",
        finished="2026-01-02T03:24:05Z",
        state=RunState.COMPLETE,
        reason="",
        what="net-next/main..HEAD",
        kind="b4",
        tree="/home/ada/net-next",
        base="0123456789abcdef0123456789abcdef01234567",
        base_name="v7.3-rc4-1180-g0123456789ab",
        cover="net: devmem: bindings that survive a restart",
        change_id="20260101-devmem-restart-0123",
        version=3,
        environment=sample.ENVIRONMENT,
        tools=("gcc 12.2.0",),
        patches=tuple(patches),
        checks=overall,
    )


def _staged(bad: bool) -> list[CheckResult]:
    line = "new: traffic/test_bind.py::test_bind[ipv4]: fail and 1 more" if bad else "76 of 76 tests passed"
    return [
        CheckResult(
            "traffic",
            Verdict.FAIL if bad else Verdict.PASS,
            line,
            Relation.NEW if bad else Relation.AS_BEFORE,
            details=("new: traffic/test_bind.py::test_bind[ipv4]: pass -> fail",) if bad else (),
            runs=RUNS,
            changes=CHANGES if bad else (),
            measured=MEASURED if bad else MEASURED[1:],
        )
    ]


_TEXT = st.text(max_size=60)


@st.composite
def arbitrary(draw: st.DrawFn) -> SeriesRun:
    """A series whose texts are whatever a mail can contain."""
    run = series(draw(st.integers(1, 3)))
    patches = tuple(
        replace(
            patch,
            subject=draw(_TEXT),
            author=draw(_TEXT),
            files=tuple(draw(st.lists(_TEXT, max_size=2))),
            checks=tuple(
                replace(check, line=draw(_TEXT), details=tuple(draw(st.lists(_TEXT, max_size=2))), command=draw(_TEXT))
                for check in patch.checks[:6]
            ),
        )
        for patch in run.patches
    )
    state = draw(st.sampled_from(list(RunState)))
    reason = "" if state is RunState.COMPLETE else draw(_TEXT)
    return replace(
        run, patches=patches, state=state, reason=reason, cover=draw(_TEXT), what=draw(_TEXT), command=draw(_TEXT)
    )
