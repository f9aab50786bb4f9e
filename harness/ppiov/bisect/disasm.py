# SPDX-License-Identifier: GPL-2.0-only
"""What the compiler made of a change: the functions of two modules that differ, instruction by instruction.

Addresses are no differences. In a module, what an instruction refers to is left to the loader and named by a
relocation, so that name stands in its place; what a function jumps to in itself has a label. So a function that only
moved, or whose callee moved, is the same text in both.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import capstone
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

_CONTEXT: Final = 3  # lines around a difference
CODE: Final = 0x4  # SHF_EXECINSTR
_RELATIVE: Final = (2, 4, 9, 41, 42)  # R_X86_64_PC32, PLT32, GOTPCREL, GOTPCRELX, REX_GOTPCRELX
_REST: Final = 4  # bytes from such a relocation to the end of most instructions, which it counts from
# What alternatives and tracing put in the place of instructions is code, too, but nobody's function.
_UNNAMED: Final = (".altinstr", ".discard", ".static_call")
_ALIASES: Final = ("init_module", "cleanup_module")  # the loader's names for what has a name of its own
PADDING: Final = "__pfx_"  # nops before a function, for those who patch it


@dataclass(frozen=True, slots=True)
class Function:
    """One function: its instructions as text in which no address stands."""

    name: str
    lines: tuple[str, ...]
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class _Named:
    """The functions and objects of a section, to call a place in it by name."""

    section: str
    starts: list[int]
    symbols: list[Any]

    def at(self, offset: int) -> str:
        """The symbol that ``offset`` is in, with the distance from its start; the section where there is none."""
        index = bisect_right(self.starts, offset) - 1
        if index >= 0:
            symbol = self.symbols[index]
            rest = offset - symbol["st_value"]
            if rest < max(symbol["st_size"], 1):
                return str(symbol.name) + (f"+{rest:#x}" if rest else "")
        return self.section


def functions(module: Path) -> dict[str, Function]:
    """The functions of an ELF object by name; local ones of the same name are numbered in their order."""
    with module.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        if table is None:
            return {}
        names = _names(elf, table)
        relocations = _relocations(elf, names)
        found: dict[str, Function] = {}
        for index, named in sorted(names.items()):
            section = elf.get_section(index)
            if not section["sh_flags"] & CODE or section.name.startswith(_UNNAMED):
                continue
            data = section.data()
            for symbol, place in zip(named.symbols, [-1, *named.starts], strict=False):
                if symbol["st_info"]["type"] != "STT_FUNC" or symbol.name.startswith(PADDING):
                    continue
                if symbol["st_value"] == place and symbol.name in _ALIASES:
                    continue
                start, size = symbol["st_value"], symbol["st_size"]
                name, number = symbol.name, 2
                while name in found:
                    name, number = f"{symbol.name}#{number}", number + 1
                lines = _lines(data[start : start + size], start, relocations.get(index, {}), named)
                found[name] = Function(name, tuple(lines), size)
        return found


def _names(elf: Any, table: Any) -> dict[int, _Named]:
    """By section, what it has of functions and objects."""
    of: dict[int, list[Any]] = {}
    for symbol in table.iter_symbols():
        kind, index = symbol["st_info"]["type"], symbol["st_shndx"]
        if kind in ("STT_FUNC", "STT_OBJECT") and isinstance(index, int) and symbol["st_size"]:
            of.setdefault(index, []).append(symbol)
    made = {}
    for index, symbols in of.items():
        symbols.sort(key=lambda s: (s["st_value"], s.name in _ALIASES, s.name))
        made[index] = _Named(elf.get_section(index).name, [s["st_value"] for s in symbols], symbols)
    return made


def _relocations(elf: Any, names: Mapping[int, _Named]) -> dict[int, dict[int, str]]:
    """By section, by offset: what the loader puts there, in words."""
    found: dict[int, dict[int, str]] = {}
    for section in elf.iter_sections():
        if not isinstance(section, RelocationSection):
            continue
        table = elf.get_section(section["sh_link"])
        into = found.setdefault(section["sh_info"], {})
        for relocation in section.iter_relocations():
            symbol = table.get_symbol(relocation["r_info_sym"])
            rest = relocation.entry.get("r_addend", 0)
            rest += _REST if relocation["r_info_type"] in _RELATIVE else 0
            if symbol["st_info"]["type"] == "STT_SECTION":
                target = _in_section(elf, symbol["st_shndx"], rest, names)
            else:
                target = str(symbol.name) + (f"+{rest:#x}" if rest > 0 else f"-{-rest:#x}" if rest < 0 else "")
            into[relocation["r_offset"]] = target
    return found


def _in_section(elf: Any, index: Any, offset: int, names: Mapping[int, _Named]) -> str:
    """A place in a section: a string by its text, a function or object by its name, else only the section."""
    if not isinstance(index, int):
        return str(index)
    section = elf.get_section(index)
    if ".str" in section.name and section["sh_type"] != "SHT_NOBITS":
        data = section.data()
        if 0 <= offset < len(data):
            return ascii(data[offset : data.find(b"\0", offset)].decode(errors="replace")[:60])
    return names[index].at(offset) if index in names else str(section.name)


def _lines(code: bytes, start: int, relocations: Mapping[int, str], named: _Named) -> Iterator[str]:
    machine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    machine.detail = True
    end = start + len(code)
    decoded = list(machine.disasm(code, start))
    places = sorted(offset for offset in relocations if start <= offset < end)

    def loaded(instruction: Any) -> list[tuple[int, str]]:
        first, last = instruction.address, instruction.address + instruction.size
        return [(o - first, relocations[o]) for o in places[bisect_left(places, first) : bisect_left(places, last)]]

    inside = {_target(i) for i in decoded if not loaded(i)} & {i.address for i in decoded}
    labels = {place: f".{number}" for number, place in enumerate(sorted(p for p in inside if p is not None))}
    for instruction in decoded:
        if instruction.address in labels:
            yield f"{labels[instruction.address]}:"
        yield f"  {instruction.mnemonic} {_operands(instruction, loaded(instruction), labels, named)}".rstrip()
    decoded_to = decoded[-1].address + decoded[-1].size if decoded else start
    if decoded_to < end:  # data among the code, or an instruction that this capstone does not know
        yield f"  .byte {code[decoded_to - start :].hex(' ')}"


def _target(instruction: Any) -> int | None:
    """Where it jumps to or what it calls, if that stands in it."""
    groups = (capstone.x86.X86_GRP_JUMP, capstone.x86.X86_GRP_CALL)
    if not any(instruction.group(group) for group in groups):
        return None
    operand = instruction.operands[0] if instruction.operands else None
    return int(operand.imm) if operand is not None and operand.type == capstone.x86.X86_OP_IMM else None


def _operands(instruction: Any, loaded: list[tuple[int, str]], labels: Mapping[int, str], named: _Named) -> str:
    text: str = instruction.op_str
    target = _target(instruction)
    if target is not None:
        return loaded[0][1] if loaded else labels.get(target) or named.at(target)
    for offset, name in loaded:
        if offset != instruction.disp_offset:
            text = f"{text.rpartition(', ')[0]}, {name}".removeprefix(", ")  # the immediate is the last operand
        elif "rip" in text:
            before, after = re.split(r"rip(?: [+-] (?:0x[0-9a-f]+|\d+))?", text, maxsplit=1)
            text = before + name + after
        else:
            text = text.replace("[", f"[{name} + ", 1)
    return text


def differing(good: Path, bad: Path) -> list[str]:
    """For each function that is not the same in both modules, a text: its name and sizes, and a unified diff."""
    return compared(good.stem, functions(good), functions(bad))


def compared(where: str, before: Mapping[str, Function], after: Mapping[str, Function]) -> list[str]:
    """The texts for what ``before`` and ``after``, the functions of ``where``, have that is not the same."""
    found = []
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if one and other and one.lines == other.lines:
            continue
        sizes = f"{_size(one)} -> {_size(other)}"
        head = f"{where}: {name} ({sizes})"
        lines = difflib.unified_diff(
            one.lines if one else (), other.lines if other else (), "good", "bad", n=_CONTEXT, lineterm=""
        )
        found.append("\n".join([head, *list(lines)[2:]]))
    return found


def _size(function: Function | None) -> str:
    if function is None:
        return "absent"
    count = sum(not line.endswith(":") for line in function.lines)
    return f"{count} instructions, {function.size} bytes"
