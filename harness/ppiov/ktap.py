# SPDX-License-Identifier: GPL-2.0-only
"""KTAP: from a test's output to its nested results, with the kernel's own parser.

The parser is tools/testing/kunit/kunit_parser.py of a kernel's source, loaded by its path. It is never copied, and it
is given what it can read: :func:`normalise` first mends what it gets wrong, in 6.12 as in 7.3:

- the kselftest runner puts "# " before each line of a test's own results; the parser takes them for diagnostics;
- XFAIL is no directive to it: "ok" with it is a pass, "not ok" with it a failure;
- a result without a name ("ok 1 # SKIP no such device", as kselftest.h prints it) is no result line to 6.12's, nor
  is one with "#" in its name to any;
- nested results that don't say their name ("# Subtest:") and have no plan swallow what follows them;
- nested results that break off raise ValueError;
- "1..0 # SKIP reason", a plan's way to say that all is skipped, is "0 tests run!".

What a directive said travels through the parser in a diagnostic line of our own, before the result it belongs to.
"""

from __future__ import annotations

import importlib.util
import inspect
import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from ppiov.errors import UnfitKernel
from ppiov.results import Case, Outcome

PARSER: Final = Path("tools/testing/kunit/kunit_parser.py")  # below a kernel's source
_PRINTER: Final = "kunit_printer"

# Private characters that are taken out of the input, each of which stands for something on its way through the parser.
_NOTE: Final = "# \ue000"  # begins a diagnostic line of ours
_HASH: Final = "\ue001"  # a "#" that begins no directive
_QUOTE: Final = "\ue002"  # before a name that the parser would take a piece of
_NUMBER: Final = "\ue003"  # makes the name of a block unlike those of its results
_CONTROL: Final = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f\ue000-\ue003]")

_VERSION: Final = re.compile(r"^(?P<indent>\s*)K?TAP version \d+$")
_SUBTEST: Final = re.compile(r"^(?P<indent>\s*)# Subtest: ?(?P<name>.*)$")
_PLAN: Final = re.compile(r"^(?P<indent>\s*)1\.\.(?P<n>\d+)(?:\s*#\s*SKIP\b:?\s*(?P<why>.*))?$")
_RESULT: Final = re.compile(r"^(?P<indent>\s*)(?P<ok>ok|not ok) (?P<n>\d+)(?: :?-(?= |$))?(?: (?P<rest>.*))?$")
_DIRECTIVE: Final = re.compile(
    r"^(?:(?P<name>.*?)\s)??#\s*(?P<word>SKIP|XFAIL|XPASS|TODO|TIMEOUT|ERROR)\b:?\s*(?P<why>.*)$"
)
_DATA: Final = re.compile(r"^(?P<name>.*?)\s+#\s+(?P<why>.*)$")
_COMMENT: Final = re.compile(r"^\s*# ?")
_TIME: Final = re.compile(r"\btime=(?P<n>\d+(?:\.\d+)?) ?(?P<unit>ms|s)\b")  # as mptcp_lib.sh says it


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a document said."""

    cases: tuple[Case, ...]
    complaint: str = ""  # what is wrong with the document as a whole; "" if nothing is
    skipped: str | None = None  # the reason that its plan gives for there being no tests


class Parser:
    """The kernel's parser. Raises UnfitKernel for a source that has none, or one that this can't use."""

    def __init__(self, source: Path) -> None:
        self.path = source / PARSER
        try:
            self._module, self._printer = _load(self.path)
            self._module.Test.add_error = _remember
            arguments = len(inspect.signature(self._module.parse_run_tests).parameters)
        except (OSError, ImportError, SyntaxError, AttributeError) as error:
            raise UnfitKernel(f"{self.path} cannot be used: {error}") from error
        self._takes_printer = arguments > 1  # since 7.0; before, the module has one of its own

    def parse(self, text: str, planned: Sequence[str] = ()) -> Parsed:
        """The nested results of one document.

        ``planned`` are the names of the cases of a document with one suite, in their order, where they are known:
        they name what was running when the output broke off.
        """
        printer = self._printer.Printer(output=io.StringIO())  # it prints while it parses; nobody reads that
        lines = [_CONTROL.sub("", line).rstrip() for line in text.replace("\r\n", "\n").split("\n")]
        if not self._takes_printer:
            self._module.__dict__["stdout"] = printer
        isolated = list(self._module.extract_tap_lines(lines))
        if not any(_VERSION.match(line) for line in isolated):
            return Parsed((), "there is no KTAP in its output")
        arguments = (printer,) if self._takes_printer else ()
        try:
            main = self._module.parse_run_tests(normalise(isolated), *arguments)
        except (ValueError, RecursionError) as error:
            return Parsed((), f"the kernel's parser cannot read its output: {error}")
        return _told(main, planned)


def _load(path: Path) -> tuple[ModuleType, ModuleType]:
    """The parser and the printer that it imports, without leaving anything in sys.modules."""
    kept = sys.modules.get(_PRINTER)
    try:
        printer = _import(_PRINTER, path.with_name(f"{_PRINTER}.py"))
        sys.modules[_PRINTER] = printer
        return _import("kunit_parser", path), printer
    finally:
        sys.modules.pop(_PRINTER, None)
        if kept is not None:
            sys.modules[_PRINTER] = kept


def _import(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ppiov_kernel_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no loader for {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # a kernel's source is not ours to write into
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
        del sys.modules[spec.name]
    return module


def _remember(test: Any, *words: Any) -> None:
    """In place of the parser's Test.add_error(), which only prints what is wrong, and counts it."""
    test.counts.errors += 1
    test.__dict__.setdefault("errors_told", []).append(str(words[-1]))


# Before the parser


@dataclass(slots=True)
class _Block:
    """The results of one level: what a version or Subtest line began."""

    indent: int
    header: list[str]  # its version and Subtest lines, and notes of ours
    unique: str  # what would tell its name from those of its results
    names: set[str] = field(default_factory=set)  # of its results
    name: str | None = None  # as its Subtest line says it
    title: str = ""  # what to call it if nothing gives it a name
    plan: list[str] | None = None
    planned: int = 0
    late: bool = False  # the plan came after the results
    results: int = 0
    gave_up: list[str] | None = None  # the last result, if it is kselftest.h's way to give up in the middle


def normalise(lines: Iterable[str]) -> list[str]:
    """What the kernel's parser reads as it was meant."""
    return _Mender().mend(_indent_nested(list(lines)))


def _indent_nested(lines: list[str]) -> list[str]:
    """kselftest's results of results, "# " before each of their lines, as KTAP has them: indented by two blanks more.

    They are the comments before a result line, from a "# TAP version" on, or the end of what was cut off.
    """
    out: list[str] = []
    pending: list[str] = []
    for line in lines:
        if result := _RESULT.match(line):
            out += _unfold(pending, result["indent"])
            out.append(line)
            pending = []
        elif _VERSION.match(line) or _SUBTEST.match(line) or _PLAN.match(line):
            out += pending
            out.append(line)
            pending = []
        else:
            pending.append(line)
    return out + _unfold(pending, "")


def _unfold(pending: list[str], indent: str) -> list[str]:
    """The comments before one result: as they are, or with the nested results among them brought to light."""
    begin = next((n for n, line in enumerate(pending) if _is_nested_header(line)), None)
    if begin is None:
        return pending
    before, inside = pending[:begin], pending[begin:]
    inner = [_COMMENT.sub("", line, count=1) if line.lstrip().startswith("#") else f"# {line}" for line in inside]
    name = next((line.strip().removeprefix("# ") for line in before if line.lstrip().startswith("# selftests: ")), "")
    header = [f"{_NOTE}{name}"] if name else []
    return [*before, *(f"{indent}  {line}" for line in _indent_nested([inner[0], *header, *inner[1:]]))]


def _is_nested_header(line: str) -> bool:
    stripped = line.lstrip()
    return stripped.startswith("# ") and bool(_VERSION.match(stripped[2:]))


class _Mender:
    """Gives every block a name and every result a line that the parser reads, and notes what it would lose."""

    def __init__(self) -> None:
        self._out: list[list[str]] = []  # in pieces, since an earlier one may still change
        self._open: list[_Block] = []
        self._blocks = 0

    def mend(self, lines: list[str]) -> list[str]:
        for line in lines:
            self._line(line)
        while len(self._open) > 1:
            self._end(self._open.pop(), None)
        for root in self._open:
            self._finish(root)
            if root.plan is None:
                root.header.append(_note("NOPLAN"))
        self._out.append(["# the output ends here"])  # at the very end, 6.12's parser reads the last line again
        return [line for piece in self._out for line in piece]

    def _line(self, line: str) -> None:
        if match := _VERSION.match(line):
            self._begin(_width(match), line)
        elif line.lstrip().startswith(_NOTE) and self._open:
            self._open[-1].title = line.partition(_NOTE)[2]
        elif match := _SUBTEST.match(line):
            self._subtest(match)
        elif self._open and (match := _PLAN.match(line)):
            self._plan(match)
        elif self._open and (match := _RESULT.match(line)):
            self._result(match)
        else:
            self._out.append([line])

    def _begin(self, width: int, line: str) -> _Block:
        while len(self._open) > 1 and self._open[-1].indent >= width:
            self._cut(self._open.pop())
        self._blocks += 1
        block = _Block(width, [line] if line else [], f"{_NUMBER}{self._blocks}")
        self._out.append(block.header)
        self._open.append(block)
        return block

    def _subtest(self, match: re.Match[str]) -> None:
        top = self._open[-1] if len(self._open) > 1 else None
        if top is None or top.indent != _width(match) or top.name is not None or top.plan is not None or top.results:
            top = self._begin(_width(match), "")
        top.name = match["name"].strip() or "unnamed"

    def _plan(self, match: re.Match[str]) -> None:
        block, number = self._open[-1], int(match["n"])
        if block.plan is not None or (block.results and number != block.results):
            # A second one, or one that is late and wrong: 6.12's parser would come to no end.
            block.header.append(_note("BADPLAN", match[0].strip()))
            return
        block.planned, block.plan = number, [f"1..{number}"]
        if match["why"] is not None and not number:
            block.plan.insert(0, _note("SKIPALL", match["why"]))
        block.late = block.results > 0  # TAP allows that, the parser doesn't
        if not block.late:
            self._out.append(block.plan)

    def _result(self, match: re.Match[str]) -> None:
        inner: list[_Block] = []
        while len(self._open) > 1 and self._open[-1].indent > _width(match):
            inner.append(self._open.pop())
        for block in inner[:-1]:
            self._cut(block)
        name, notes, verdict, directive = _read(match)
        shown = self._end(inner[-1], name) if inner else name
        block = self._open[-1]
        number = int(match["n"])
        bare = directive.startswith(" # SKIP") and (match["rest"] or "").lstrip().startswith("#")
        if bare and number == block.results:  # kselftest.h gives up with the number of the result before
            number += 1
            block.gave_up = notes
        block.results += 1
        block.names.add(name)
        self._out.append([*notes, f"{verdict} {number} {_quoted(shown)}{directive}"])

    def _end(self, block: _Block, result: str | None) -> str:
        """The block is over: by the result ``result``, or (None) by the end of all. Returns the result's new name."""
        name = block.name or result or block.title or "unnamed"
        # The parser takes a result of the block's name for the block's own.
        unique = block.unique if name in block.names else ""
        block.header.append(f"# Subtest: {_quoted(name + unique)}")
        if block.plan is None:
            # KUnit gives the parameters of a case no plan; but then it says whose they are.
            block.header += [_note("NOPLAN")] if block.name is None else []
            block.header.append(f"1..{block.results}")
        self._finish(block)
        return name + unique if result == name else result or ""

    def _cut(self, block: _Block) -> None:
        """The block is over without a result, and something follows that must not be taken for its own."""
        missing = max(block.planned - block.results, 0)
        name = self._end(block, block.name or block.title or "unnamed")
        if block.plan is not None:
            block.plan[-1] = f"1..{block.results}"
        notes = [_note("SHORT", str(missing))] if missing else []
        self._open[-1].results += 1
        self._out.append([*notes, _note("NORESULT"), f"not ok {self._open[-1].results} {_quoted(name)}"])

    def _finish(self, block: _Block) -> None:
        if block.gave_up is not None and block.plan is not None:
            block.plan[-1] = f"1..{block.results}"
        if block.plan is not None and block.results > block.planned:  # the parser reads no further than the plan
            block.plan[-1] = f"1..{block.results}"
            block.header.append(_note("EXTRA", str(block.results - block.planned)))
        if block.late and block.plan is not None:
            block.header += block.plan


def _width(match: re.Match[str]) -> int:
    return len(match["indent"].expandtabs())


def _note(word: str, text: str = "") -> str:
    return f"{_NOTE}{word} {text}".rstrip()


def _read(match: re.Match[str]) -> tuple[str, list[str], str, str]:
    """A result line: its name, notes to go before it, "ok" or "not ok", and the directive that the parser knows."""
    rest, verdict = match["rest"] or "", str(match["ok"])
    if directive := _DIRECTIVE.match(rest):
        word, why = directive["word"], directive["why"].strip()
        name = (directive["name"] or "").strip() or why or "unnamed"
        notes = [_note(word, why)]
        if word == "SKIP":
            return name, notes, verdict, f" # SKIP {why.replace('#', _HASH)}".rstrip()
        if word in ("XFAIL", "TODO"):
            return name, (notes if word == "XFAIL" or verdict == "not ok" else []), "ok", ""
        return name, notes, "not ok", ""
    if data := _DATA.match(rest):
        return data["name"].strip() or "unnamed", [_note("DATA", data["why"].strip())], verdict, ""
    return rest.strip() or "unnamed", [], verdict, ""


def _quoted(name: str) -> str:
    name = name.replace("#", _HASH)
    return f"{_QUOTE}{name}" if name.startswith(("- ", ":- ", ":")) else name


def _unquoted(name: str) -> str:
    return name.partition(_NUMBER)[0].replace(_HASH, "#").removeprefix(_QUOTE).strip()


# After the parser


def _told(main: Any, planned: Sequence[str]) -> Parsed:
    """What the parser's tree says: ``main`` is its Test of all."""
    notes, _ = _notes(main.log)
    cases = [case for test in main.subtests for case in _cases(test, (), planned if len(main.subtests) == 1 else ())]
    if "SKIPALL" in notes and not cases:
        return Parsed((), skipped=notes["SKIPALL"])
    return Parsed(tuple(cases), _wrong(main, notes))


def _cases(test: Any, above: tuple[str, ...], planned: Sequence[str]) -> Iterator[Case]:
    """The results below ``test``, and its own where they don't explain it."""
    if not test.name:  # what the parser puts in the place of a missing one; _wrong() counts them
        return
    path = (*above, _unquoted(test.name))
    notes, rest = _notes(test.log)
    below = [case for child in test.subtests for case in _cases(child, path, ())]
    yield from below
    wrong = _wrong(test, notes)
    detail = "\n".join(rest)
    status = test.status.name
    if wrong:
        ran = [child for child in test.subtests if child.name]
        if planned and not any(child.subtests and not child.ok_status() and _wrong(child, {}) for child in ran):
            yield from _never_came(path, planned[len(ran) :])
        yield Case(path, Outcome.CRASH if status == "TEST_CRASHED" else Outcome.FAIL, wrong, detail)
    elif "SKIPALL" in notes:
        yield Case(path, Outcome.SKIP, notes["SKIPALL"], detail)
    elif status == "FAILURE":
        if "TIMEOUT" in notes or "ERROR" in notes or all(case.outcome.ok for case in below):
            yield Case(path, Outcome.FAIL, _why(notes, rest), detail, _seconds(notes))
    elif not test.subtests:
        yield Case(path, *_fine(status, notes), detail=detail, seconds=_seconds(notes))


def _never_came(suite: tuple[str, ...], names: Sequence[str]) -> Iterator[Case]:
    """The cases of a suite whose output broke off: the first of them was running."""
    for n, name in enumerate(names):
        if n:
            yield Case((*suite, name), Outcome.NOT_RUN, "the suite ended before")
        else:
            yield Case((*suite, name), Outcome.CRASH, "it was running when the suite's output broke off")


def _fine(status: str, notes: dict[str, str]) -> tuple[Outcome, str]:
    """The outcome of a single result that did not fail, and its reason."""
    if status == "SKIPPED":
        return Outcome.SKIP, notes.get("SKIP", "")
    if status != "SUCCESS":
        return Outcome.CRASH, "its result never came"
    if "XFAIL" in notes or "TODO" in notes:
        return Outcome.XFAIL, notes.get("XFAIL", notes.get("TODO", ""))
    return Outcome.PASS, ""


def _why(notes: dict[str, str], rest: list[str]) -> str:
    """Why a result is "not ok", in one line."""
    if "XPASS" in notes:
        return f"passed, though it was expected to fail: {notes['XPASS']}".rstrip(": ")
    said = [line.strip().removeprefix("#").strip() for line in rest]
    word = next((word for word in ("TIMEOUT", "ERROR") if word in notes), "")
    if word:
        return f"{word} {notes[word]}".rstrip()
    failed = next((n for n, line in enumerate(said) if re.search(r"\b(EXPECTATION|ASSERTION) FAILED at ", line)), None)
    if failed is not None:
        place = said[failed].partition(" FAILED at ")[2]
        return f"{place}: {' '.join(line for line in said[failed + 1 : failed + 2] if line)}".rstrip(": ")
    return notes.get("DATA") or _raised(said) or next((line for line in reversed(said) if line), "not ok")


def _raised(said: Sequence[str]) -> str:
    """What kselftest's Python library says of a case that failed: the exception that ended it, or the first check."""
    trace = [line.partition("Exception|")[2] for line in said if line.startswith(("Exception|", "Defer Exception|"))]
    begins = [n for n, line in enumerate(trace) if line.strip() == "Traceback (most recent call last):"]
    if begins:
        after = [line for line in trace[begins[-1] + 1 :] if line.strip()]
        first = next((n for n, line in enumerate(after) if not line.startswith("  ")), len(after))
        command = [line.strip() for line in after[first + 1 :] if line.strip().startswith(("CMD: ", "STDERR: "))]
        return " ".join([*(line.strip() for line in after[first : first + 1]), *command])
    return next((line for line in said if line.startswith("Check failed ")), "")


def _wrong(test: Any, notes: dict[str, str]) -> str:
    """What is wrong with the form of a block's results; "" if nothing is."""
    came = sum(1 for child in test.subtests if child.name)
    missing = len(test.subtests) - came + int(notes.get("SHORT", "0"))
    errors = test.__dict__.get("errors_told", [])
    parts = []
    if missing:
        parts.append(f"{came} of {came + missing} results came")
    if "NORESULT" in notes or any("missing subtest result" in error for error in errors):
        parts.append("its own result never came")
    if "NOPLAN" in notes:
        parts.append("it has no plan, so nobody knows whether all results came")
    if "EXTRA" in notes:
        parts.append(f"{notes['EXTRA']} more than its plan says")
    if "BADPLAN" in notes:
        parts.append(f"its plan {notes['BADPLAN']} is not what came")
    if "SKIPALL" not in notes and any("0 tests run" in error for error in errors):
        parts.append("it has no results")
    parts += [error[:1].lower() + error[1:] for error in errors if error.startswith("Expected test number")]
    return "; ".join(parts)


def _notes(log: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Our own notes among the diagnostic lines, by their word, and the other lines."""
    notes: dict[str, str] = {}
    rest = []
    for line in log:
        if line.lstrip().startswith(_NOTE):
            word, _, text = line.partition(_NOTE)[2].partition(" ")
            notes[word] = text
        else:
            rest.append(line)
    return notes, rest


def _seconds(notes: dict[str, str]) -> float | None:
    match = next((match for text in notes.values() if (match := _TIME.search(text))), None)
    if match is None:
        return None
    return float(match["n"]) / (1000 if match["unit"] == "ms" else 1)
