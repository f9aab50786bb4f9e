# SPDX-License-Identifier: GPL-2.0-only
"""Asks binutils' addr2line what the decoder is asked, and compares."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from ppiov.decode import Image


def symbols_of(module: Path) -> list[tuple[str, int, int, str]]:
    """Name, address in the section, size, section of each function."""
    with module.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection), f"{module} has no symbols"
        return [
            (symbol.name, symbol["st_value"], symbol["st_size"], elf.get_section(symbol["st_shndx"]).name)
            for symbol in table.iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC" and isinstance(symbol["st_shndx"], int) and symbol["st_size"]
        ]


def wrong_answers(module: Path, chance: random.Random, count: int) -> tuple[int, list[str]]:
    """How many of ``count`` places in the module's code both know, and where they differ."""
    functions = [symbol for symbol in symbols_of(module) if not symbol[0].startswith("__pfx_")]
    picked = [(*function, chance.randrange(function[2])) for function in chance.choices(functions, k=count)]
    image = Image(module)
    rows = _rows(module)
    asked, wrong = 0, []
    for section in sorted({section for _, _, _, section, _ in picked}):
        here = [pick for pick in picked if pick[3] == section]
        question = "\n".join(hex(value + offset) for _, value, _, _, offset in here)
        command = ["addr2line", "-i", "-f", "-a", "-e", str(module), "-j", section]
        answer = subprocess.run(command, input=question, capture_output=True, text=True, check=True).stdout
        for (name, value, size, _, offset), part in zip(here, answer.split("0x0000")[1:], strict=True):
            same = [function for function in image.functions(name) if function.size == size]
            if len(same) != 1:
                continue  # of two of one name and size nobody knows which
            lines = part.splitlines()[1:]
            theirs = [(lines[n], lines[n + 1].split(" ")[0]) for n in range(0, len(lines), 2)]
            ours = [(place.function, str(place)) for place in image.places(name, offset, same[0].gap or size)]
            asked += 1
            if [a for a, _ in ours] != [a for a, _ in theirs] or not all(
                b.removeprefix("./").endswith(a.removeprefix("./"))
                or a.removeprefix("./").endswith(b.removeprefix("./"))
                or (_row(a) in (near := _between(rows, value, value + size)) and _row(b) not in near)
                for (_, a), (_, b) in zip(ours, theirs, strict=True)
            ):
                wrong.append(f"{section} {name}+{offset:#x}: {ours}, addr2line: {theirs}")
    return asked, wrong


def _rows(module: Path) -> list[tuple[int, tuple[str, str]]]:
    """Address, file and line of all rows of the line tables, by binutils' other reader.

    addr2line 2.40 names the unit's source for lines of a header's function that was not inlined, where the table, and
    readelf with it, names the header.
    """
    command = ["readelf", "--debug-dump=decodedline", "--wide", str(module)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = (words for words in map(str.split, out.splitlines()) if len(words) > 2 and words[2].startswith("0x"))
    return [(int(address, 16), (file, line)) for file, line, address, *_ in rows]


def _between(rows: list[tuple[int, tuple[str, str]]], low: int, high: int) -> set[tuple[str, str]]:
    return {row for address, row in rows if low <= address < high}


def _row(place: str) -> tuple[str, str]:
    file, _, line = place.rpartition(":")
    return Path(file).name, line
