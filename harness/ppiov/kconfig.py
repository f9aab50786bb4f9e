# SPDX-License-Identifier: GPL-2.0-only
"""What the configuration of a lab kernel asks for, and what the kernel made of it.

fragments/base.config is in every lab kernel; an addition is the file of its name, merged after it. A file that is not
there (llvm) means that the addition is none of the configuration's business. What a collection of the kernel's tests
wants stands in the kernel's own source. What an addition asks of the kernel's makefiles, where no option does it, are
variables for make's command line, in the file of its name that ends with .make.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppiov.errors import UnknownName
from ppiov.spec import collection

FOLDER = Path(__file__).parent / "fragments"
BASE = "base"
_SELFTESTS = "tools/testing/selftests"
# An addition that does not arrive would make silence mean nothing, so these options are checked after the merge: they
# are to be what the addition's fragment says, or y where it has none.
ESSENTIAL = {
    "kunit": "CONFIG_KUNIT",
    "kasan": "CONFIG_KASAN",
    "lockdep": "CONFIG_PROVE_LOCKING",
    "kmemleak": "CONFIG_DEBUG_KMEMLEAK",
    "kcsan": "CONFIG_KCSAN",
    "fault": "CONFIG_FAULT_INJECTION",
    "dwarf": "CONFIG_DEBUG_INFO",
    "bpf": "CONFIG_DEBUG_INFO_BTF",
    "llvm": "CONFIG_CC_IS_CLANG",
    "ppiov-m": "CONFIG_PPNIC",
    "ppiov-y": "CONFIG_PPNIC",
}
_LINE = re.compile(r"(CONFIG_\w+)=(\S.*)")
_VARIABLE = re.compile(r"[\w.]+=\S*")
_DEFINED = re.compile(r"^\s*(?:menu)?config\s+(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Refused:
    """An option that a fragment asked for and the kernel did not grant."""

    option: str
    wanted: str
    got: str  # "n" for off
    fragment: str
    known: bool  # False: this kernel has no such option


def files(additions: Sequence[str]) -> list[Path]:
    """The fragments of ours for a kernel with ``additions``, in the order in which they are merged."""
    paths = (FOLDER / f"{name}.config" for name in (BASE, *additions))
    return [path for path in paths if path.is_file()]


def make_files(additions: Sequence[str]) -> list[Path]:
    """The files of ours with variables for make, for a kernel with ``additions``."""
    paths = (FOLDER / f"{name}.make" for name in additions)
    return [path for path in paths if path.is_file()]


def variables(paths: Sequence[Path]) -> list[str]:
    """The variables in ``paths``, each NAME=VALUE as make takes it; blank lines and those with # say nothing."""
    lines = (line.strip() for path in paths for line in path.read_text().splitlines())
    return [line for line in lines if _VARIABLE.fullmatch(line)]


def of_collections(additions: Sequence[str], source: Path) -> list[Path]:
    """What comes after them: the config files of the collections in a kernel's ``source``. One may have none.

    Raises UnknownName for a collection that is not there.
    """
    paths = [source / _SELFTESTS / name for name in map(collection, additions) if name]
    for path in paths:
        if not (path / "Makefile").is_file():
            near = (makefile.parent for makefile in (source / _SELFTESTS).rglob("Makefile"))
            names = [str(folder.relative_to(source / _SELFTESTS)) for folder in near]
            raise UnknownName("collection", str(path.relative_to(source / _SELFTESTS)), names)
    return [path / "config" for path in paths if (path / "config").is_file()]


def asked(fragments: Sequence[Path]) -> dict[str, tuple[str, str]]:
    """Option -> (value, fragment) over ``fragments``, the last word on an option counting; but m after y is y."""
    found: dict[str, tuple[str, str]] = {}
    for path in fragments:
        name = path.stem if path.suffix else str(path).partition(f"{_SELFTESTS}/")[2]
        for line in path.read_text().splitlines():
            if match := _LINE.fullmatch(line.strip()):
                before, _ = found.get(match[1], ("", ""))
                if (before, match[2]) != ("y", "m"):
                    found[match[1]] = (match[2], name)
    return found


def arrived(addition: str, config: Mapping[str, str]) -> bool:
    """Whether ``config`` has what makes an addition what it is; of a collection's options none is that."""
    option = ESSENTIAL.get(addition)
    if option is None:
        return True
    fragment = FOLDER / f"{addition}.config"
    wanted, _ = asked([fragment] if fragment.is_file() else []).get(option, ("y", ""))
    return config.get(option) == wanted


def refused(wanted: Mapping[str, tuple[str, str]], config: Mapping[str, str], known: set[str]) -> list[Refused]:
    """What of ``wanted`` (see :func:`asked`) is not so in ``config``; ``known`` are the options the kernel has."""
    return [
        Refused(option, value, config.get(option, "n"), fragment, option in known)
        for option, (value, fragment) in wanted.items()
        if config.get(option, "n") != value
    ]


def known_options(source: Path) -> set[str]:
    """All options that the Kconfig files of a kernel's ``source`` define for x86, with their CONFIG_."""
    found: set[str] = set()
    for folder, below, names in os.walk(source):
        relative = Path(folder).relative_to(source).parts
        if not relative:
            below[:] = [name for name in below if name not in ("Documentation", "scripts", "tools")]
        elif relative == ("arch",):
            below[:] = ["x86"]
        for name in names:
            if name.startswith("Kconfig"):
                text = (Path(folder) / name).read_text(errors="replace")
                found.update(f"CONFIG_{option}" for option in _DEFINED.findall(text))
    return found
