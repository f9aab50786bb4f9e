# SPDX-License-Identifier: GPL-2.0-only
"""What the detector knows, compared with what a kernel's source can print: a renamed or new report is found here.

Every string of the files below that looks like the head of a report is filled in as printk would, and the detector
must take it for what it is. KERNEL_TREE says in which sources (see kernel_trees.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import kernel_trees
import pytest
from ppiov.console import Detector, Found

TREES = [tree for tree in kernel_trees.with_parser() if (tree / "kernel/locking/lockdep.c").is_file()]
pytestmark = pytest.mark.kernel_source


@pytest.fixture(scope="module", params=TREES or (None,), ids=lambda tree: tree.name if tree else "none")
def tree(request: pytest.FixtureRequest) -> Path:
    """Each whole source at hand; where there is none, one is fetched."""
    found: Path | None = request.param
    return found or kernel_trees.fetched()


@dataclass(frozen=True)
class Reports:
    """The heads of reports in one file: the strings that match, and what pr_fmt() puts before them."""

    kind: str
    file: str
    heads: str  # of the whole string
    prefix: str = ""


LOCKDEP_HEADS = r"(WARNING|BUG|INFO): (?!lockdep is turned off).*|\[ BUG: .*"
REPORTS = (
    Reports("kasan", "mm/kasan/report.c", r"BUG: .*"),
    Reports("kasan", "mm/kfence/report.c", r"BUG: .*"),
    Reports("kcsan", "kernel/kcsan/report.c", r"BUG: .*"),
    Reports("ubsan", "lib/ubsan.c", r"UBSAN: .*"),
    Reports("lockdep", "kernel/locking/lockdep.c", LOCKDEP_HEADS),
    Reports("warn", "kernel/panic.c", r"WARNING: .*"),
    Reports("bug", "lib/bug.c", r"kernel BUG at .*"),
    Reports("panic", "kernel/panic.c", r"Kernel panic - not syncing: .*"),
    Reports("oops", "arch/x86/mm/fault.c", r"BUG: .*"),
    Reports("oops", "arch/x86/kernel/dumpstack.c", r"Oops: .*"),
    Reports("soft-lockup", "kernel/watchdog.c", r".*(BUG: soft lockup|detected hard LOCKUP).*", "watchdog: "),
    Reports("soft-lockup", "kernel/workqueue.c", r"BUG: workqueue lockup.*"),
    Reports("hung-task", "kernel/hung_task.c", r"INFO: task .* blocked.* seconds\.\n"),
    Reports("rcu-stall", "kernel/rcu/tree_stall.h", r"INFO: .*(detected stalls|self-detected).*", "rcu: "),
    Reports("rcu-stall", "kernel/rcu/tree_exp.h", r"INFO: .*detected expedited stalls.*", "rcu: "),
    Reports("rcu-stall", "kernel/rcu/tasks.h", r"INFO: .*detected stalls.*"),
    Reports("kmemleak", "mm/kmemleak.c", r"unreferenced object(%s)? .*", "kmemleak: "),
    Reports("kmemleak", "mm/kmemleak.c", r"%d new suspected memory leaks.*", "kmemleak: "),
    Reports("bug", "mm/slub.c", r"BUG %s .*"),
    Reports("refcount", "lib/refcount.c", r"refcount_t: "),
    Reports("page-pool-stall", "net/core/page_pool.c", r"%s\(\) stalled pool shutdown.*"),
    Reports("unregister-netdevice", "net/core/dev.c", r"unregister_netdevice: waiting.*"),
    Reports("ref-tracker", "lib/ref_tracker.c", r"(%s)?%s@%pK? has .*|reference already released.*", "ref_tracker: "),
    Reports("oom-kill", "mm/oom_kill.c", r"%s: Killed process .*"),
)
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_SPECIFIER = re.compile(r"%[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|z|t)?(?P<what>p[A-Za-z]*|[a-zA-Z%])")
# What %s stands for where it is not just a word.
_WORDS = {
    "page-pool-stall": "page_pool_release_retry",
    "oom-kill": "Out of memory",
    "rcu-stall": "rcu_preempt",
}
# Parts of strings that stand for something else than a word.
_PARTS = {"blocked%s for": "blocked in I/O wait for", "object%s 0x": "object (percpu) 0x"}


def filled_in(text: str, word: str) -> str:
    """The string as printk prints it, with something plausible for each specifier."""

    def one(match: re.Match[str]) -> str:
        what = match["what"]
        if what.startswith(("pS", "ps", "pB")):
            return "function+0x12/0x34" if what != "ps" else "function"
        if what.startswith("p"):
            return "00000000deadbeef"
        return {"s": word, "c": "x", "%": "%"}.get(what, "7")

    return _SPECIFIER.sub(one, text.encode().decode("unicode_escape")).strip()


def heads(tree: Path, reports: Reports) -> list[str]:
    path = tree / reports.file
    strings = _STRING.findall(path.read_text(errors="replace"))
    return [text for text in strings if re.fullmatch(reports.heads, text.replace("\\n", "\n"), re.DOTALL)]


def ids(reports: Reports) -> str:
    return f"{reports.kind}-{Path(reports.file).stem}"


@pytest.mark.parametrize("reports", REPORTS, ids=ids)
def test_every_head_in_the_source_is_known(tree: Path, reports: Reports) -> None:
    found = heads(tree, reports)
    assert found, f"{reports.file} prints nothing like {reports.heads!r} any more"
    for text in found:
        for part, real in _PARTS.items():
            text = text.replace(part, real)  # noqa: PLW2901
        line = reports.prefix + filled_in(text, _WORDS.get(reports.kind, "word"))
        line += " underflow" if line == "refcount_t:" else ""  # a macro puts it together
        line = re.sub(r"^(ref_tracker: )word(?=word@)", r"\1", line)  # 7.3 passes the prefix as an argument
        for prefix in ("", "[    1.000000] ", "[    1.000000][    C1] "):
            detector = Detector()
            said = detector.feed(f"{prefix}{line}\n".encode()) + detector.close()
            kinds = [heard.splat.kind for heard in said if isinstance(heard, Found)]
            assert kinds[:1] == [reports.kind], f"{reports.file}: {line!r} is taken for {kinds}"


def test_the_prefix_is_what_printk_puts_there(tree: Path) -> None:
    text = (tree / "kernel/printk/printk.c").read_text()
    assert '"[%5lu.%06lu]"' in text and '"[%6s]"' in text, "timestamp and caller have another form"
    assert "'C' : 'T'" in text.replace("\n", " ")


def test_the_taint_flag_of_a_warning(tree: Path) -> None:
    assert re.search(r"#define TAINT_WARN\s+9\b", (tree / "include/linux/panic.h").read_text())
