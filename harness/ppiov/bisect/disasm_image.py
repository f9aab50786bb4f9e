# SPDX-License-Identifier: GPL-2.0-only
"""The functions of a linked kernel (vmlinux) that differ between two builds, instruction by instruction.

In a linked image addresses stand where a module has relocations, and one function that grew moves all that follow. So
each address gets the name of what it is the address of: a function or an object with the distance from its start, a
string's text, else only its section. A kernel has tens of thousands of functions: those whose bytes are the same in
both images are not looked at, and the rest is decoded without the details that a module's are decoded with.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, Final

import capstone
from elftools.elf.elffile import ELFFile

from ppiov.bisect.disasm import CODE, PADDING, Function, compared

_KERNEL: Final = 0xFFFFFFFF80000000  # where an x86-64 kernel is linked to run
_NUMBER: Final = re.compile(r"(?P<sign>[-+] )?\b0x(?P<digits>[0-9a-f]+)\b")
_RIP: Final = re.compile(r"rip(?: (?P<sign>[-+]) (?:0x(?P<digits>[0-9a-f]+)|(?P<small>\d+)))?")
_BRANCHES: Final = ("j", "call", "loop", "xbegin")
_TEXT: Final = re.compile(rb"(\x01[0-7cd])?[\t\n\x20-\x7e]{4,}\Z")  # with printk's level, if it has one
_LONGEST: Final = 60  # of a string


class Image:
    """A linked kernel: its functions, and the names of its addresses."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            elf = ELFFile(file)
            placed = [s for s in elf.iter_sections() if s["sh_addr"] and s["sh_size"]]
            self._sections = [(s["sh_addr"], s["sh_addr"] + s["sh_size"], str(s.name)) for s in placed]
            self._strings = {str(s.name): s.data() for s in placed if s.name.startswith(".rodata")}
            code = {
                index: (section["sh_addr"], section.data())
                for index, section in enumerate(elf.iter_sections())
                if section["sh_flags"] & CODE
            }
            table = elf.get_section_by_name(".symtab")
            symbols = sorted(_symbols(table), key=lambda s: (s["st_value"], -s["st_size"], s.name))
        self._starts = [symbol["st_value"] for symbol in symbols]
        self._symbols = [(str(symbol.name), int(symbol["st_size"])) for symbol in symbols]
        self.code: dict[str, tuple[int, bytes]] = {}  # of each function: where it is, and its bytes
        for symbol in symbols:
            if symbol["st_info"]["type"] != "STT_FUNC" or symbol["st_shndx"] not in code:
                continue
            if not symbol["st_size"] or symbol.name.startswith(PADDING):
                continue
            base, data = code[symbol["st_shndx"]]
            start = symbol["st_value"] - base
            name, number = symbol.name, 2
            while name in self.code:
                name, number = f"{symbol.name}#{number}", number + 1
            self.code[name] = symbol["st_value"], data[start : start + symbol["st_size"]]

    def functions(self, names: Container[str]) -> dict[str, Function]:
        """Those of ``names`` that there are."""
        machine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        return {
            name: Function(name, tuple(self._lines(machine, start, code)), len(code))
            for name, (start, code) in self.code.items()
            if name in names
        }

    def _lines(self, machine: Any, start: int, code: bytes) -> Iterator[str]:
        decoded = list(machine.disasm_lite(code, start))
        end = start + len(code)
        places = {address for address, *_ in decoded}
        targets = {_target(word, said) for *_, word, said in decoded}
        inside = sorted(t for t in targets if t is not None and start < t < end and t in places)
        labels = {place: f".{number}" for number, place in enumerate(inside)}
        for address, size, word, said in decoded:
            if address in labels:
                yield f"{labels[address]}:"
            target = _target(word, said)
            text = self._named(said, address + size) if target is None else labels.get(target) or self.at(target)
            yield f"  {word} {text}".rstrip()
        known = sum(size for _, size, *_ in decoded)
        if known < len(code):  # data among the code, or an instruction that this capstone does not know
            yield f"  .byte {code[known:].hex(' ')}"

    def _named(self, said: str, after: int) -> str:
        """Operands with names in the place of addresses; ``after`` is where the next instruction is."""

        def relative(match: re.Match[str]) -> str:
            distance = int(match["digits"], 16) if match["digits"] else int(match["small"] or 0)
            return self.at(after + (-distance if match["sign"] == "-" else distance))

        def absolute(match: re.Match[str]) -> str:
            value = int(match["digits"], 16)
            if match["sign"] == "- ":  # what is below zero is an address near the end of all
                value = (1 << 64) - value
            if value < _KERNEL or self._section(value) is None:
                return match[0]
            return f"{'+ ' if match['sign'] else ''}{self.at(value)}"

        return _NUMBER.sub(absolute, _RIP.sub(relative, said))

    def at(self, address: int) -> str:
        """What an address is that of."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0:
            name, size = self._symbols[index]
            rest = address - self._starts[index]
            if rest < max(size, 1):
                return name + (f"+{rest:#x}" if rest else "")
        section = self._section(address)
        if section is None:
            return f"{address:#x}"
        start, name = section
        data = self._strings.get(name, b"")
        text = data[address - start : data.find(b"\0", address - start)] if data else b""
        return ascii(text.decode()[:_LONGEST]) if _TEXT.match(text) else name

    def _section(self, address: int) -> tuple[int, str] | None:
        return next(((first, name) for first, last, name in self._sections if first <= address < last), None)


def _symbols(table: Any) -> Iterator[Any]:
    for symbol in table.iter_symbols() if table is not None else ():
        kind, index = symbol["st_info"]["type"], symbol["st_shndx"]
        if kind in ("STT_FUNC", "STT_OBJECT") and isinstance(index, int) and not symbol.name.startswith(PADDING):
            yield symbol


def _target(word: str, said: str) -> int | None:
    """Where an instruction jumps to or what it calls, if that stands in it."""
    return int(said, 16) if word.startswith(_BRANCHES) and said.startswith("0x") else None


def differing(good: Path, bad: Path) -> list[str]:
    """As :func:`ppiov.bisect.disasm.differing`, for two images."""
    before, after = Image(good), Image(bad)
    others = {
        name
        for name in before.code.keys() | after.code.keys()
        if before.code.get(name, (0, b""))[1] != after.code.get(name, (0, b""))[1]
    }
    return compared(good.stem, before.functions(others), after.functions(others))
