# SPDX-License-Identifier: GPL-2.0-only
"""How the code is written: the tree's own checkpatch, and what netdev's reviewers look for beyond it."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Generator, Iterable
from pathlib import Path

from ppiov.events import Event
from ppiov.series.check import CannotSay, Check, failed, passed, plain, skipped, warned
from ppiov.series.patch import Patch
from ppiov.series.place import Place, find_program, run
from ppiov.series.results import CheckResult

_CHECKPATCH = "scripts/checkpatch.pl"
_OPTIONS = ("--strict", "--max-line-length=80", "--show-types", "--no-summary", "--terse", "--showfile", "--codespell")
# file:line: SEVERITY:TYPE: text; of a message, the file is "-"
_REPORT = re.compile(
    r"(?P<file>.*?):(?P<line>\d+): (?P<severity>ERROR|WARNING|CHECK):(?P<type>[A-Z0-9_]+): (?P<text>.*)"
)
_GENERATED = b"YNL-GEN"  # of a netlink specification: laid out as its generator likes, and not to be edited
_LAYOUT = ("LONG_LINE", "LONG_LINE_COMMENT", "LONG_LINE_STRING")
_MAYBE = ("TYPO_SPELLING",)  # "may be misspelled - perhaps": a question, though checkpatch counts it as a warning
_MAINTAINED = "FILE_PATH_CHANGES"  # "does MAINTAINERS need updating?"
_INLINE = re.compile(r"^[^/*\"]*\binline\b")
_FORCED = re.compile(r"^[^/*\"]*\b__always_inline\b")
# What Documentation/process/deprecated.rst and netdev's reviewers ask not to be used in new code, and what instead.
_DEPRECATED = {
    "strcpy": "strscpy()",
    "strncpy": "strscpy() or strtomem()",
    "strlcpy": "strscpy()",
    "simple_strtol": "kstrtol()",
    "simple_strtoul": "kstrtoul()",
    "simple_strtoll": "kstrtoll()",
    "simple_strtoull": "kstrtoull()",
    "BUG": "WARN_ON_ONCE() and an error path",
    "BUG_ON": "WARN_ON_ONCE() and an error path",
    "dev_hold": "netdev_hold() with a tracker",
    "dev_put": "netdev_put() with a tracker",
    "get_net": "get_net_track()",
    "put_net": "put_net_track()",
    "module_param": "netlink or ethtool",
    "in_interrupt": "a context that the caller knows",
    "init_timer": "timer_setup()",
    "kmap": "kmap_local_page()",
    "kmap_atomic": "kmap_local_page()",
    "pci_enable_msix": "pci_alloc_irq_vectors()",
    "create_workqueue": "alloc_workqueue()",
    "create_singlethread_workqueue": "alloc_ordered_workqueue()",
}
_CALL = re.compile(rf"\b(?P<name>{'|'.join(_DEPRECATED)})\s*\(")


def checkpatch(patch: Patch, place: Place) -> Generator[Event, None, CheckResult]:
    """The tree's checkpatch.pl --strict says nothing."""
    if not place.scratch.id_of(place.series.base, _CHECKPATCH):
        return skipped(f"the tree has no {_CHECKPATCH}")
    tree = yield from place.base_tree()
    command = ["perl", _CHECKPATCH, *_OPTIONS, *_spelling(), "-"]
    code, out, err = run(command, cwd=tree, stdin=patch.text.encode("utf-8", "replace"))
    found = [match for line in out.splitlines() if (match := _REPORT.match(line))]
    answered = [match for match in found if _is_answered(match, patch, place)]
    found = [match for match in found if match not in answered]
    said = [f"{_severity(m)}: {m['type']}: {_where(m)}{m['text']}" for m in found]
    again = f"git show --format=email {patch.commit[:12]} | perl {_CHECKPATCH} {' '.join(_OPTIONS)} -"
    if code and not found and not answered:  # the script's fault, or the machine's; not the patch's
        raise CannotSay(f"checkpatch.pl failed: {(err.strip().splitlines() or ['it says nothing'])[0]}")
    counts = Counter(map(_severity, found))
    text = ", ".join(
        f"{n} {word.lower()}{'s' if n > 1 else ''}" for word in ("ERROR", "WARNING", "CHECK") if (n := counts[word])
    )
    if counts["ERROR"] or counts["WARNING"]:
        return failed(text, details=said, command=again)
    return warned(text, details=said, command=again) if found else passed("quiet", command=again)


def _severity(match: re.Match[str]) -> str:
    return "CHECK" if match["type"] in _MAYBE else match["severity"]


def _where(match: re.Match[str]) -> str:
    return "" if match["file"] == "-" else f"{match['file']}:{match['line']}: "


def _is_answered(match: re.Match[str], patch: Patch, place: Place) -> bool:
    """Whether the tree itself answers what checkpatch asks, looking at one patch only."""
    if match["type"] in _LAYOUT:
        return _GENERATED in (place.scratch.blob(patch.commit, match["file"]) or b"")[:400]
    if match["type"] != _MAINTAINED:
        return False
    text = (place.scratch.blob(patch.commit, "MAINTAINERS") or b"").decode(errors="replace")
    patterns = [line[2:].strip() for line in text.splitlines() if line.startswith("F:")]
    patterns = [pattern for pattern in patterns if pattern not in ("*", "*/")]
    return all(any(_covers(p, t.path) for p in patterns) for t in patch.touched if t.status in "AR")


def _covers(pattern: str, path: str) -> bool:
    """Whether an F: line of MAINTAINERS names the file."""
    return path.startswith(pattern) if pattern.endswith("/") else fnmatch.fnmatchcase(path, pattern)


def _spelling() -> list[str]:
    """Where this machine's codespell has its dictionary; checkpatch looks for Debian's."""
    program = find_program("codespell")
    if program is None:
        return []
    for place in (
        Path(program).resolve().parent.parent.glob("lib/python3*/site-packages/codespell_lib/data/dictionary.txt")
    ):
        return [f"--codespellfile={place}"]
    return []


def source_inline(patch: Patch, _place: Place) -> CheckResult:
    """No new inline in a .c file: the compiler knows better. Who forces it has a reason, and reviewers ask for it."""
    if not any(touched.path.endswith(".c") for touched in patch.touched):
        return skipped("no .c file")
    for pattern, word, verdict in ((_INLINE, "inline", failed), (_FORCED, "__always_inline", warned)):
        added = [
            f"{file}: {line.strip()}" for file, line in patch.added() if file.endswith(".c") and pattern.match(line)
        ]
        removed = sum(1 for file, line in patch.removed() if file.endswith(".c") and pattern.match(line))
        if len(added) > removed:
            return verdict(f"{len(added) - removed} more {word} in .c files", details=added)
    return passed("no new inline")


def deprecated_api(patch: Patch, _place: Place) -> CheckResult:
    """Nothing new that the kernel wants to get rid of."""
    if not any(touched.path.endswith((".c", ".h")) for touched in patch.touched):
        return skipped("no C file")
    balance: Counter[str] = Counter()
    lines: dict[str, list[str]] = {}
    for sign, changed in ((1, patch.added()), (-1, patch.removed())):
        for file, line in changed:
            if file.endswith((".c", ".h")) and not file.startswith(("tools/", "scripts/", "samples/")):
                code = re.sub(r"//.*|/\*.*?\*/|^\s*\*.*|\"[^\"]*\"", "", line)
                for match in _CALL.finditer(code):
                    balance[match["name"]] += sign
                    if sign > 0:
                        lines.setdefault(match["name"], []).append(f"{file}: {line.strip()}")
    more = [name for name, n in balance.items() if n > 0]
    if more:
        text = ", ".join(f"{name}(): {_DEPRECATED[name]} instead" for name in more)
        return warned(text, details=[line for name in more for line in lines[name]])
    return passed("nothing new that is deprecated")


def _scripts(_patch: Patch, place: Place) -> Iterable[str]:
    base = place.series.base
    names = (_CHECKPATCH, "scripts/spelling.txt", "scripts/const_structs.checkpatch", "MAINTAINERS", ".checkpatch.conf")
    yield from (place.scratch.id_of(base, name) for name in names)
    yield from _OPTIONS
    yield from _spelling()


CHECKS = (
    Check("checkpatch", "checkpatch.pl --strict of the tree below the series says nothing", checkpatch, reads=_scripts),
    Check("source_inline", "no new inline in .c files", plain(source_inline), message=False),
    Check("deprecated_api", "nothing new that the kernel wants to get rid of", plain(deprecated_api), message=False),
)
