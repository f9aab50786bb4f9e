# SPDX-License-Identifier: GPL-2.0-only
"""How a kernel is named on the command line.

=======================  ============================================================================
``deb:6.12``             the newest 6.12 point release, with headers, in Debian's archive
``deb:6.12.117``         exactly that point release
``src:7.3+kunit``        built here from Debian's source package of the newest 7.3, with an addition
``src:7.3.4``            built from the source of exactly that point release
``tree:PATH``            built from a git work tree, with what is not committed in it
``tree:PATH@REV+kasan``  built from a revision of a git repository, with an addition
``image:PATH``           a bootable image that is already there; its modules are looked for beside it
=======================  ============================================================================

Additions are the names in :data:`ADDITIONS`, and ``kselftest.net.mptcp`` for a collection of the kernel's tests, which
is net/mptcp there; their order does not matter. A path may have any character in it. Where
``@`` and ``+`` leave a doubt, the longest path that exists is meant; ``tree:PATH/+kunit`` ends the path by hand.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ppiov.errors import BadSpec, UnknownName

EXAMPLES = ("deb:6.12", "deb:6.12.117", "src:7.3+kunit", "tree:PATH@REV", "image:/boot/vmlinuz")
# What can be added to a kernel that is built here, in the order in which it is said. Each is a file of fragments/.
ADDITIONS = ("kunit", "kasan", "lockdep", "kmemleak", "kcsan", "fault", "dwarf", "bpf", "llvm", "ppiov-m", "ppiov-y")
KSELFTEST = "kselftest."  # and a collection, with dots for its slashes: what the config file of that asks for
INSIDE = ("ppiov-m", "ppiov-y")  # this project's modules, from a tree that has them
# Both want the compiler's instrumentation for themselves; a module is not also a part of the kernel.
_CONTRADICTIONS = (("kasan", "kcsan"), ("ppiov-m", "ppiov-y"))
_COLLECTION = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)
_VERSION = re.compile(r"[1-9]\d{0,3}\.\d{1,4}(\.\d{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """A parsed kernel spec; ``str()`` gives it back."""

    kind: str  # "deb", "src", "tree" or "image"
    version: str  # "6.12" or "6.12.117"; "" for a tree and an image
    additions: tuple[str, ...] = ()  # in the order of ADDITIONS, each once, then those of KSELFTEST
    path: Path | None = None  # of a tree and an image
    rev: str | None = None  # of a tree; None: its work tree as it is

    @classmethod
    def parse(cls, text: str) -> KernelSpec:
        """Read ``text``; raises BadSpec or UnknownName. Whether the kernel exists is not asked here."""
        kind, colon, rest = text.partition(":")
        readers = {"deb": cls._deb, "src": cls._src, "tree": cls._tree, "image": cls._image}
        if not colon or kind not in readers:
            raise UnknownName("kernel", text, EXAMPLES)
        return readers[kind](text, rest)

    @classmethod
    def _deb(cls, text: str, rest: str) -> KernelSpec:
        version, plus, addition = rest.partition("+")
        if plus and _VERSION.fullmatch(version):
            raise BadSpec(f"{text!r}: a distribution's kernel is taken as it is, so without +{addition}")
        if not _VERSION.fullmatch(rest):
            raise BadSpec(f"{text!r}: a version such as 6.12 or 6.12.117 must follow deb:")
        return cls("deb", rest)

    @classmethod
    def _src(cls, text: str, rest: str) -> KernelSpec:
        version, plus, additions = rest.partition("+")
        if not _VERSION.fullmatch(version):
            raise BadSpec(f"{text!r}: a version such as 7.3 or 7.3.4 must follow src:")
        return cls("src", version, _additions(text, plus + additions))

    @classmethod
    def _tree(cls, text: str, rest: str) -> KernelSpec:
        path, rev, additions = _split(rest)
        if not path or "\0" in rest:
            raise BadSpec(f"{text!r}: the path of a git tree must follow tree:")
        if rev is not None and (not rev or rev.startswith("-")):
            raise BadSpec(f"{text!r}: a revision such as HEAD or v7.3 must follow the @")
        return cls("tree", "", _additions(text, additions), _absolute(text, path), rev)

    @classmethod
    def _image(cls, text: str, rest: str) -> KernelSpec:
        if not rest or "\0" in rest:
            raise BadSpec(f"{text!r}: the path of a bootable kernel image must follow image:")
        return cls("image", "", path=_absolute(text, rest))

    def __str__(self) -> str:
        if self.kind == "image":
            return f"image:{self.path}"
        additions = "".join(f"+{name}" for name in self.additions)
        if self.kind != "tree":
            return f"{self.kind}:{self.version}{additions}"
        path, tail = str(self.path), (f"@{self.rev}" if self.rev is not None else "") + additions
        doubtful = _split(path + tail) != (path, self.rev, additions)
        return f"tree:{path}{'/' if doubtful else ''}{tail}"


def _additions(text: str, given: str) -> tuple[str, ...]:
    """ "+kasan+kunit" -> ("kunit", "kasan"). Raises UnknownName, BadSpec."""
    names = given.split("+")[1:]
    for name in names:
        if not name:
            raise BadSpec(f"{text!r}: the name of an addition must follow each + ({', '.join(ADDITIONS)})")
        if name not in ADDITIONS and not _of_kselftest(name):
            raise UnknownName("addition", name, (*ADDITIONS, f"{KSELFTEST}net.forwarding"))
    for one, other in _CONTRADICTIONS:
        if one in names and other in names:
            raise BadSpec(f"{text!r}: {one} and {other} cannot be in one kernel")
    return in_order(names)


def in_order(names: Collection[str]) -> tuple[str, ...]:
    """Additions as a spec has them: in the order of :data:`ADDITIONS`, each once, then those of KSELFTEST."""
    return (*(name for name in ADDITIONS if name in names), *sorted(set(filter(_of_kselftest, names))))


def _of_kselftest(name: str) -> bool:
    return name.startswith(KSELFTEST) and bool(_COLLECTION.fullmatch(name.removeprefix(KSELFTEST)))


def collection(addition: str) -> str:
    """The collection of the kernel's tests that an addition is for: "net/mptcp"; "" for another addition."""
    return addition.removeprefix(KSELFTEST).replace(".", "/") if _of_kselftest(addition) else ""


def _split(rest: str) -> tuple[str, str | None, str]:
    """What follows ``tree:`` as path, revision and additions ("+a+b" or "")."""
    ends = [len(rest)] + [
        index
        for index in range(len(rest) - 1, 0, -1)
        if rest[index] == "@" or (rest[index] == "+" and not {"/", "@"} & set(rest[index:]))
    ]
    for end in ends:
        if os.path.exists(os.path.expanduser(rest[:end])):  # noqa: PTH110, PTH111 Path raises for some names
            return _with_tail(rest[:end], rest[end:])
    at = rest.find("@")
    plus = rest.find("+", max(rest.rfind("/"), at) + 1)
    end = min((index for index in (at, plus) if index >= 0), default=len(rest))
    return _with_tail(rest[:end], rest[end:])


def _with_tail(path: str, tail: str) -> tuple[str, str | None, str]:
    if not tail.startswith("@"):
        return path, None, tail
    plus = tail.find("+", tail.rfind("/") + 1)
    return (path, tail[1:], "") if plus < 0 else (path, tail[1:plus], tail[plus:])


def _absolute(text: str, path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except (RuntimeError, OSError) as error:  # an unknown ~user, a current folder that is gone
        raise BadSpec(f"{text!r}: {error}") from error
