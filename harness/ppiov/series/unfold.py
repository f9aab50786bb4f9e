# SPDX-License-Identifier: GPL-2.0-only
"""Puts what the helpers of compat/ mean where they are called, so that a tree of one kernel needs none of them.

Once no condition is left in compat/, each helper has one meaning: a macro, an inline function that is one call or one
expression, or one of several statements. The first two are written where they stood; the last become functions of the
file that calls them. A header of compat/ without helpers has something else in it, and moves to the other headers. The
lines are broken anew by clang-format, which the whole of kernel/ is laid out by.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ppiov import child
from ppiov.errors import BuildFailed

_FOLDER: Final = "compat/"
_HEADERS: Final = "include/ppiov/"  # where headers go that are no helpers
_MACRO: Final = re.compile(
    r"(?m)^#define (?P<name>(?:compat|COMPAT)_\w+)(?:\((?P<params>[\w, ]*)\))?(?P<body>(?:.*\\\n)*.*)$"
)
_INLINE: Final = re.compile(
    r"(?m)^(?P<why>(?:/\*(?:[^*]|\*(?!/))*\*/\n)?)static inline (?P<type>[\w *\n]+?)(?P<name>compat_\w+)\("
)
_EXPRESSION: Final = re.compile(r"\t(?P<returns>return )?(?P<text>[^;{}#]+);", re.DOTALL)
_INCLUDE: Final = re.compile(r"(?m)^#include <(?P<path>[^>\n]+)>$")
_OURS: Final = re.compile(r'(?m)^#include "(?P<path>[./]*compat/(?P<name>\w+\.h))"\n')
_ATOM: Final = re.compile(r"!?\w+(?:(?:->|\.)\w+|\[[^\[\]]*\]|\((?:[^()]|\([^()]*\))*\))*")
_PREFIX: Final = {"nic": "ppnic_"}  # of functions, by folder
_MOST = 1000  # helpers in a file, and within those


@dataclass(frozen=True, slots=True)
class Helper:
    """A macro, or an inline function."""

    name: str
    params: tuple[str, ...] | None  # None: a macro that is a word
    body: str  # what stands for it
    function: str = ""  # the whole of an inline function, with its comment
    value: bool = True  # the body is an expression; else statements, or something else
    whole: bool = False  # it cannot be put elsewhere but as a function


def unfolded(files: Mapping[str, str], style: Path) -> dict[str, str]:
    """``files`` without those in compat/, their helpers where they were called. Raises BuildFailed, MissingTool.

    ``style`` is the folder whose .clang-format says how the lines are broken.
    """
    headers = {name.removeprefix(_FOLDER): text for name, text in files.items() if name.startswith(_FOLDER)}
    helpers = {helper.name: helper for text in headers.values() for helper in _helpers(text)}
    kept = {name for name, text in headers.items() if not any(_helpers(text))}
    rest = {name: text for name, text in files.items() if not name.startswith(_FOLDER)}
    rest |= {_HEADERS + name: headers[name].replace("PPIOV_COMPAT_", "PPIOV_") for name in kept}
    code = {name: _included(name, text, headers, kept) for name, text in rest.items() if name.endswith((".c", ".h"))}
    made = rest | {name: _without_mentions(_called(name, text, helpers)) for name, text in code.items()}
    changed = [name for name, text in made.items() if text != rest[name]]
    return made | _formatted({name: made[name] for name in changed}, style)


def _helpers(text: str) -> Iterator[Helper]:
    for match in _MACRO.finditer(text):
        body = re.sub(r"[ \t]*\\\n[ \t]*", "\n", match["body"]).strip()
        params = None if match["params"] is None else tuple(re.findall(r"\w+", match["params"]))
        yield Helper(match["name"], params, body, value=False)
    for match in _INLINE.finditer(text):
        end = _closing(text, match.end() - 1)
        stop = text.index("\n}\n", end)
        body = text[end + 1 : stop].removeprefix("\n{\n")
        params = tuple(_parameter(part) for part in _split(text[match.end() : end]))
        one = _EXPRESSION.fullmatch(body)
        function = match["why"] + text[match.start("type") - len("static inline ") : stop + 3]
        meaning = re.sub(r"\s*\n\s*", " ", one["text"]) if one else ""
        yield Helper(match["name"], params, meaning, function, bool(one and one["returns"]), whole=one is None)


def _parameter(text: str) -> str:
    """The name in "int (*poll)(struct napi_struct *napi, int budget)", "struct nlattr *tb[]"."""
    if match := re.search(r"\(\*(\w+)\)", text):
        return match[1]
    return str(re.findall(r"\w+", text)[-1])


def _closing(text: str, at: int) -> int:
    """The place of the parenthesis that closes the one at ``at``."""
    depth = 0
    for place in range(at, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    raise BuildFailed(f"a parenthesis is not closed: {text[at : at + 40]!r}")


def _split(text: str) -> list[str]:
    """Arguments, at the commas outside parentheses."""
    parts, depth, begin = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append(text[begin:place])
            begin = place + 1
    return [" ".join(part.split()) for part in [*parts, text[begin:]] if part.strip()]


def _included(name: str, text: str, headers: Mapping[str, str], kept: set[str]) -> str:
    """What the headers of compat/ include is included by who included them."""
    wanted: list[str] = []
    folder = name.rpartition("/")[0]

    def line(match: re.Match[str]) -> str:
        if match["name"] in kept:
            return f'#include "{os.path.relpath(_HEADERS + match["name"], folder)}"\n'
        wanted.extend(found["path"] for found in _INCLUDE.finditer(headers[match["name"]]))
        return ""

    text = _OURS.sub(line, text)
    for path in wanted:
        lines = [(match["path"], match.start(), match.end()) for match in _INCLUDE.finditer(text)]
        if path in (there for there, _, _ in lines):
            continue
        if lines:
            place = bisect_left([there for there, _, _ in lines], path)
            at = lines[place][1] if place < len(lines) else lines[-1][2] + 1
        else:  # before the first file of ours, or behind what keeps a header from being included twice
            first = re.search(r"(?m)^#include|(?<=\n)\n(?=[a-z])", text)
            at = first.start() if first else len(text)
        text = f"{text[:at]}#include <{path}>\n{text[at:]}"
    return re.sub(r'(?m)^(#include <.*>\n)(?=#include ")', r"\1\n", text) if wanted else text


def _called(name: str, text: str, helpers: Mapping[str, Helper]) -> str:
    """The file with the helpers' meanings where they were called."""
    prefix = _PREFIX.get(name.partition("/")[0], "ppiov_")
    carried: dict[str, str] = {}
    for _ in range(_MOST):
        found = next((m for m in re.finditer(r"\b(?:compat|COMPAT)_\w+", text) if m[0] in helpers), None)
        if found is None:
            break
        helper = helpers[found[0]]
        calls = text[found.end() : found.end() + 1] == "("
        arguments, end = [], found.end()
        if calls and helper.params is not None:
            end = _closing(text, found.end()) + 1
            arguments = _split(text[found.end() + 1 : end - 1])
        if helper.function and (helper.whole or not calls or _twice(helper, arguments)):
            own = prefix + helper.name.removeprefix("compat_")
            inline = "static inline " if name.endswith(".h") else "static "
            carried[own] = helper.function.replace("static inline ", inline).replace(helper.name, own)
            text = re.sub(rf"\b{helper.name}\b", own, text)
            continue
        meaning = _meaning(helper, arguments)
        if helper.value:
            meaning, start = _in_place(meaning, text[: found.start()], text[end:])
        else:
            start = found.start()
        text = text[:start] + meaning + text[end:]
    else:
        raise BuildFailed(f"{name} calls helpers of compat/ without an end")
    return _with(text, carried)


def _twice(helper: Helper, arguments: Sequence[str]) -> bool:
    """Whether an argument that does something would be done twice."""
    return any(
        "(" in argument and len(re.findall(_uses(param), helper.body)) > 1
        for param, argument in zip(helper.params or (), arguments, strict=True)
    )


def _uses(params: str) -> str:
    """Where parameters stand, and not members that are called the same."""
    return rf"(?<!->)(?<!\.)\b(?:{params})\b"


def _meaning(helper: Helper, arguments: Sequence[str]) -> str:
    """The body with the arguments in it."""
    given = dict(zip(helper.params or (), arguments, strict=True))
    if not given:
        return helper.body
    words = re.compile(_uses("|".join(given)))

    def argument(match: re.Match[str]) -> str:
        value = given[match[0]]
        before, after = helper.body[: match.start()].rstrip(), helper.body[match.end() :].lstrip()
        alone = before[-1:] in ("(", ",", "") and after[:1] in (")", ",", "")
        pasted = before.endswith("##") or after.startswith("##")
        return value if alone or pasted or _ATOM.fullmatch(value) else f"({value})"

    body = re.sub(r"\s*##\s*", "", words.sub(argument, helper.body))
    body = re.sub(r"&\((\w+)\)", r"&\1", re.sub(r"(\w)_compat\b", r"\1_op", body))
    return re.sub(r", (?=\.\w+ = )", ",\n", body) if body.startswith(".") else body


def _in_place(value: str, before: str, after: str) -> tuple[str, int]:
    """An expression as it can stand between ``before`` and ``after``, and from where on it stands there."""
    start, last = len(before), before.rstrip()
    bounded = (last[-1:] in "(,=" or last.endswith("return")) and after.lstrip()[:1] in (")", ",", ";")
    if bounded or _ATOM.fullmatch(value):
        return value, start
    if last.endswith("!") and re.fullmatch(r"[^=&|?]+ == [^=&|?]+", value) and last[-2:-1] == "(":
        return value.replace(" == ", " != "), len(last) - 1
    return f"({value})", start


def _with(text: str, carried: Mapping[str, str]) -> str:
    """The file with the functions that it calls, behind what it includes."""
    text = re.sub(r"(\w)_compat\b", r"\1_op", text)
    text = re.sub(r"(?m)^\}\n(?=static )", "}\n\n", text)
    if not carried:
        return text
    last = list(re.finditer(r"(?m)^#include .*\n", text))[-1].end()
    return text[:last] + "\n" + "\n".join(carried.values()) + text[last:]


def _without_mentions(text: str) -> str:
    """Comments that name a header of compat/."""
    text = re.sub(r" \(compat/\w+\.h\)", "", text)
    return re.sub(r"\bcompat/(\w+\.h)", r"\1", text)


def _formatted(files: Mapping[str, str], style: Path) -> dict[str, str]:
    tool = child.find_tool("clang-format")
    with TemporaryDirectory(prefix="ppiov-self-") as folder:
        # what of today's names takes a block
        rules = (style / ".clang-format").read_text() + "  - kunit_warning_suppress\n"
        (Path(folder) / ".clang-format").write_text(rules)
        for name, text in files.items():
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).write_text(text)
        paths = [Path(folder) / name for name in files]
        code, _, err = child.output([tool, "-i", "--style=file", *paths])
        if code:
            raise BuildFailed(f"clang-format: {(err.strip().splitlines() or [f'ended with {code}'])[0]}")
        return {name: (Path(folder) / name).read_text() for name in files}
