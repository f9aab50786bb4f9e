# SPDX-License-Identifier: GPL-2.0-only
"""Which KUnit suites there are: read from the modules and from vmlinux, since a kernel that runs is no place to ask.

A suite is a struct kunit_suite (include/kunit/test.h), pointed to from the section .kunit_test_suites. Its name is its
first field, an array; its cases are an array of struct kunit_case, whose size differs between kernels. In a module the
pointers are relocations, in vmlinux they are addresses.
"""

from __future__ import annotations

import fnmatch
import gzip
import io
import json
import lzma
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import zstandard
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from ppiov.errors import BadRequest, UnfitKernel
from ppiov.tree import KernelTree, read_config

MODULE: Final = "ppiov_kunit.ko"
VARIABLE: Final = "PPIOV_KUNIT"  # suite -> module, as JSON, in the environment of selftests/kunit
BUILT_IN: Final = ""
_SECTION: Final = ".kunit_test_suites"
# A module's suffix -> what makes it one again; a frame of kmod's zstd need not say how long it is
_DECOMPRESSED: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    ".ko": bytes,
    ".xz": lzma.decompress,
    ".gz": gzip.decompress,
    ".zst": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}
_NAME: Final = 256  # KUNIT's suite->name[256]; four function pointers follow, then the pointer to the cases
_CASES: Final = _NAME + 4 * 8
_ALLOC, _CODE = 0x2, 0x4  # SHF_ALLOC, SHF_EXECINSTR


@dataclass(frozen=True, slots=True)
class Suite:
    name: str
    module: str  # path of its .ko, or BUILT_IN
    cases: tuple[str, ...] = ()  # in their order; () where that is not known


def check(kernel: KernelTree) -> None:
    """Raises UnfitKernel for a kernel without KUnit."""
    config = read_config(kernel.config) if kernel.config else {}
    if config.get("CONFIG_KUNIT") not in ("y", "m"):
        raise UnfitKernel(f"{kernel.spec} ({kernel.release}) has no KUnit (CONFIG_KUNIT is off): take src:7.3+kunit")


def find(kernel: KernelTree, modules_dir: Path, pattern: str = "") -> list[Suite]:
    """The suites to run: those of MODULE, or, with a ``pattern``, all that match it, the kernel's own among them.

    Raises UnfitKernel if MODULE was not built and is no part of the kernel, BadRequest if nothing matches.
    """
    own = modules_dir / MODULE
    if own.is_file():
        found = in_module(own)
    elif not (found := _own_built_in(kernel)):
        raise UnfitKernel(f"{MODULE} was not built for {kernel.spec}: it is, where CONFIG_KUNIT is on")
    if not pattern:
        return found
    found += in_kernel(kernel)
    chosen = {suite.name: suite for suite in found if fnmatch.fnmatchcase(suite.name, pattern)}
    if not chosen:
        names = ", ".join(sorted({suite.name for suite in found}))
        raise BadRequest(f"no KUnit suite matches --filter {pattern!r}; there are: {names}")
    return list(chosen.values())


def _own_built_in(kernel: KernelTree) -> list[Suite]:
    """Our suites in a kernel that has them built in."""
    config = read_config(kernel.config) if kernel.config else {}
    vmlinux = kernel.build / "vmlinux" if kernel.build else None
    if config.get("CONFIG_PPIOV_KUNIT") != "y" or vmlinux is None or not vmlinux.is_file():
        return []
    return [suite for suite in built_in(vmlinux) if suite.name.startswith("ppiov_")]


def environment(suites: Iterable[Suite]) -> dict[str, str]:
    """What tells selftests/kunit which suites there are, on the host and in the guest."""
    return {VARIABLE: json.dumps({suite.name: suite.module for suite in suites})}


def in_kernel(kernel: KernelTree) -> list[Suite]:
    """The kernel's own suites, as modules and, where the build left a vmlinux, built in."""
    found = []
    for path in sorted((kernel.root / "lib/modules" / kernel.release).rglob("*.ko*")):
        if path.suffix in _DECOMPRESSED:
            found += in_module(path)
    vmlinux = kernel.build / "vmlinux" if kernel.build else None
    return found + (built_in(vmlinux) if vmlinux and vmlinux.is_file() else [])


def in_module(path: Path) -> list[Suite]:
    """The suites of one module; [] for a file that is none."""
    with _open(path) as file:
        if _SECTION.encode() not in file.read():
            return []
        file.seek(0)
        try:
            return list(_of_module(ELFFile(file), path))
        except ELFError as error:
            raise UnfitKernel(f"{path} cannot be read: {error}") from error


def _open(path: Path) -> BinaryIO:
    """The module, decompressed where a distribution has compressed it."""
    return io.BytesIO(_DECOMPRESSED[path.suffix](path.read_bytes()))


# A module: what points somewhere is a relocation. Sections are named by their index.


def _of_module(elf: Any, path: Path) -> Iterator[Suite]:
    pointers = _Pointers(elf)
    listed = elf.get_section_by_name(_SECTION)
    for at in range(0, listed["sh_size"], 8):
        suite = pointers.target(pointers.index[_SECTION], at)
        if suite is None:
            continue
        cases = pointers.target(suite[0], suite[1] + _CASES)
        if cases and pointers.is_empty(cases):
            continue  # all of its cases are configured away, and KUnit does not know it then
        names = tuple(_case_names(pointers, cases)) if cases else ()
        yield Suite(pointers.string(suite), str(path), names)


class _Pointers:
    """The relocations of a module: (section, offset) -> (section, offset)."""

    def __init__(self, elf: Any) -> None:
        self.sections = list(elf.iter_sections())
        self.index = {section.name: number for number, section in enumerate(self.sections)}
        self._data: dict[int, bytes] = {}
        self.table: dict[int, dict[int, tuple[int, int]]] = {}
        symbols = elf.get_section_by_name(".symtab")
        self.sizes = {
            (symbol["st_shndx"], symbol["st_value"]): symbol["st_size"]
            for symbol in symbols.iter_symbols()
            if symbol["st_info"]["type"] == "STT_OBJECT"
        }
        for section in self.sections:
            if section["sh_type"] != "SHT_RELA":
                continue
            flags = self.sections[section["sh_info"]]["sh_flags"]
            if not flags & _ALLOC or flags & _CODE:  # data, whatever its section is called: .ref.data, .init.data
                continue
            table = self.table.setdefault(section["sh_info"], {})
            for relocation in section.iter_relocations():
                symbol = symbols.get_symbol(relocation["r_info_sym"])
                if isinstance(symbol["st_shndx"], int):
                    place = symbol["st_value"] + relocation["r_addend"]
                    table[relocation["r_offset"]] = (symbol["st_shndx"], place)

    def target(self, section: int, offset: int) -> tuple[int, int] | None:
        return self.table.get(section, {}).get(offset)

    def string(self, place: tuple[int, int]) -> str:
        section, offset = place
        data = self._data.setdefault(section, self.sections[section].data())
        return data[offset : data.find(b"\0", offset)].decode(errors="replace")

    def is_empty(self, array: tuple[int, int]) -> bool:
        """Whether the array is there and points nowhere."""
        section, start = array
        size = self.sizes.get(array, 0)
        return size > 0 and not any(start <= at < start + size for at in self.table.get(section, {}))

    def is_code(self, place: tuple[int, int]) -> bool:
        return bool(self.sections[place[0]]["sh_flags"] & _CODE)

    def is_string(self, place: tuple[int, int]) -> bool:
        name: str = self.sections[place[0]].name
        return name.startswith(".rodata")


def _case_names(pointers: _Pointers, array: tuple[int, int]) -> Iterator[str]:
    """The names of the cases in the array; one begins where a pointer to code has one to a string right behind it."""
    section, start = array
    table = pointers.table.get(section, {})
    for offset in sorted(table):
        name = table.get(offset + 8)
        inside = start <= offset < start + pointers.sizes.get(array, 0)
        if inside and name is not None and pointers.is_code(table[offset]) and pointers.is_string(name):
            yield pointers.string(name)


# vmlinux: everything has its address


def built_in(vmlinux: Path) -> list[Suite]:
    """The suites that are part of the kernel itself; their cases are not looked for."""
    with vmlinux.open("rb") as file:
        elf = ELFFile(file)
        symbols: Any = elf.get_section_by_name(".symtab")
        if symbols is None:
            return []
        ends = [symbols.get_symbol_by_name(f"__kunit_suites_{end}") for end in ("start", "end")]
        if not all(ends):
            return []
        start, end = (found[0]["st_value"] for found in ends)
        sections = [
            section for section in elf.iter_sections() if section["sh_addr"] and section["sh_type"] == "SHT_PROGBITS"
        ]
        table = _at(sections, start, end - start)
        names = []
        for at in range(0, len(table), 8):
            suite = int.from_bytes(table[at : at + 8], "little")
            if name := _at(sections, suite, _NAME).partition(b"\0")[0].decode(errors="replace"):
                names.append(name)
        return [Suite(name, BUILT_IN) for name in dict.fromkeys(names)]


def _at(sections: list[Any], address: int, size: int) -> bytes:
    """The bytes at an address of the kernel; b"" if it is in none of the sections."""
    for section in sections:
        if section["sh_addr"] <= address < section["sh_addr"] + section["sh_size"]:
            offset = address - section["sh_addr"]
            data: bytes = section.data()[offset : offset + size]
            return data
    return b""
