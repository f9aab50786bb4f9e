# SPDX-License-Identifier: GPL-2.0-only
"""From what the kernel prints of a stack (``ppnic_poll+0x1a2/0x340 [ppnic]``) to file and line, inlined calls included.

The answer comes from the DWARF of vmlinux and of the modules as they were built. Three things need care:

- A .ko is not linked: each of its sections begins at address 0, and so do their line tables. Here the sections are laid
  out one after the other first, as a linker would, by moving their symbols and applying the relocations of the DWARF.
- The kernel prints a function's size as the distance to the next symbol. That is compared with the file's: a file that
  was built from another source says so instead of giving wrong lines, and functions of the same name are told apart.
- What stands on the stack is where a call returns to, and that may be the next line already, or the next function. The
  instruction before it is asked for, except where the kernel prints the address of an instruction (RIP, WARNING).

Nothing here prints or raises because of a file's contents: what cannot be decoded stays as it is.
"""

from __future__ import annotations

import bisect
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.ranges import BaseAddressEntry
from elftools.elf.elffile import ELFFile

_SYMBOL = re.compile(
    r"(?<![\w.$])([A-Za-z_][\w.$]*)\+0x([0-9a-f]{1,8})/0x([0-9a-f]{1,8})"
    r"(?: \[([A-Za-z_][\w-]*)(?:\([A-Z]+\))?(?: [0-9a-f]{8,64})?\])?"  # the module, where asked for with its build id
)
_FRAME_LINE = re.compile(r"^(\s*)(?:\? )?\S+\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[[^\]]*\])?\s*$")
_INSTRUCTION = re.compile(r"\bRIP: |\bpc : |^WARNING: ")  # lines whose address is not one to return to
_COMPILER_SUFFIX = re.compile(r"\.llvm\.\d+$")  # the kernel's symbol table may be without it
_LOCAL_LABEL = re.compile(r"^(\.L|L0|\$)")  # what kallsyms leaves out
_KERNEL_FOLDER = re.compile(r"^.*/linux-(?:headers|source)-[^/]+/")
_PAGE = 4096
_PADDING = 64  # bytes; the most that functions are aligned to
_CODE = 0x4  # SHF_EXECINSTR
_APART = 0x1000  # between two sections of a .ko
_ABSOLUTE = {"EM_X86_64": {1: 8, 10: 4, 11: 4}, "EM_AARCH64": {257: 8, 258: 4}}  # relocation type -> bytes
# Whatever a damaged file makes of the library that reads it.
_BROKEN = (
    *(ELFError, DWARFError, struct.error, OSError, LookupError, ValueError, AttributeError, TypeError),
    *(MemoryError, ArithmeticError, RecursionError, AssertionError),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A function and where in it something is."""

    function: str
    file: str
    line: int  # 0: the compiler made the code of no line, or of several

    def __str__(self) -> str:
        return f"{self.file}:{self.line or '?'}"


class Misfit(Exception):
    """The file is not the one that the kernel runs; the sentence says why."""


class Decoder:
    """Decodes what one kernel prints. Files are read when they are first needed, and once.

    ``modules`` maps names as the kernel prints them ("ppnic") to .ko files with DWARF; ``vmlinux`` may be None.
    ``folders`` are cut off the front of file names.
    """

    def __init__(self, vmlinux: Path | None, modules: Mapping[str, Path], folders: Sequence[Path] = ()) -> None:
        self._vmlinux = vmlinux
        self._modules = {name.replace("-", "_"): path for name, path in modules.items()}
        self._folders = tuple(f"{folder}/" for folder in folders)
        self._files: dict[Path, Image | None] = {}

    def decode(self, text: str) -> str:
        """``text`` with file and line behind each address that could be decoded; "" if there was none to decode."""
        lines: list[str] = []
        notes: list[str] = []
        found = False
        for line in text.splitlines():
            before, decoded = self._line(line, notes)
            found |= decoded != line
            lines += [*before, decoded]
        lines += [f"not decoded: {note}" for note in dict.fromkeys(notes)]
        return "\n".join(lines) if found or notes else ""

    def _line(self, line: str, notes: list[str]) -> tuple[list[str], str]:
        """The lines of inlined calls that go before ``line``, and ``line`` with what is known of it."""
        frame = _FRAME_LINE.match(line)
        before: list[str] = []
        out, done = [], 0
        for match in _SYMBOL.finditer(line):
            try:
                places = self._places(match, exact=bool(_INSTRUCTION.search(line)))
            except Misfit as why:
                notes.append(str(why))
                continue
            if not places:
                continue
            if frame:
                before += [f"{frame[1]}{place.function} ({place}) [inlined]" for place in places[:-1]]
                places = places[-1:]
            where = ", inlined at ".join(map(str, places))
            out += [line[done : match.end()], f" ({where})"]
            done = match.end()
        return before, "".join([*out, line[done:]])

    def _places(self, match: re.Match[str], *, exact: bool) -> list[Place]:
        name, offset, size, module = match[1], int(match[2], 16), int(match[3], 16), match[4]
        path = self._modules.get(module.replace("-", "_")) if module else self._vmlinux
        image = self._image(path) if path else None
        if image is None or offset > size:
            return []
        try:
            places = image.places(name, offset if exact or offset == 0 else offset - 1, size)
        except _BROKEN:
            return []
        return [Place(place.function, self._shorten(place.file), place.line) for place in places]

    def _image(self, path: Path) -> Image | None:
        if path not in self._files:
            try:
                self._files[path] = Image(path)
            except _BROKEN:
                self._files[path] = None
        return self._files[path]

    def _shorten(self, file: str) -> str:
        for folder in self._folders:
            file = file.removeprefix(folder)
        return _KERNEL_FOLDER.sub("", file).removeprefix("./")


@dataclass(frozen=True, slots=True)
class Function:
    """A symbol in code."""

    address: int
    size: int  # as the file has it, without padding
    gap: int | None  # bytes to the next symbol of the section; None: it is the last

    def fits(self, printed: int, *, linked: bool) -> bool:
        """Whether the kernel would print this size."""
        if self.gap is None:  # up to the next section, or to the end of the page
            return self.size <= printed < self.size + _PAGE + _PADDING
        # vmlinux has symbols that the kernel's table has not
        return printed == self.gap or (linked and 0 < self.size <= printed < self.size + _PADDING)


@dataclass(slots=True)
class _Unit:
    """What is known of one compilation unit."""

    cu: Any
    rows: list[tuple[int, int, int, int]] = field(default_factory=list)  # begin, end, file index, line; sorted
    names: list[str] = field(default_factory=list)  # by file index


class Image:
    """A vmlinux or .ko. Raises one of _BROKEN for what is no such file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        elf = ELFFile(path.open("rb"))
        if elf.elfclass != 64 or not elf.has_dwarf_info():
            raise ELFError(f"{path} has no debug information that is read here")
        self._linked = elf["e_type"] != "ET_REL"
        self._relocate = False
        if not self._linked:
            data = bytearray(path.read_bytes())
            _move_symbols(elf, data)
            self._relocate = not _relocate(elf, data)
            elf = ELFFile(BytesIO(data))
        self._elf = elf
        self._functions = _functions(elf)
        self._units: dict[int, _Unit] = {}

    def places(self, name: str, offset: int, size: int) -> list[Place]:
        """Where ``name+offset/size`` is, the innermost inlined call first; [] where the file has no lines for it.

        Raises Misfit where the file's functions of that name have other sizes.
        """
        functions = self.functions(name)
        exact = [function for function in functions if (function.gap or function.size) == size]
        fitting = exact or [function for function in functions if function.fits(size, linked=self._linked)]
        if functions and not fitting:
            here = " or ".join(f"{function.gap or function.size:#x}" for function in functions)
            raise Misfit(f"{self._path.name} is not what ran: {name} is {here} bytes long in it, not {size:#x}")
        answers = [self._at(function.address + offset) for function in fitting]
        same = all(answer == answers[0] for answer in answers)
        if not answers or not same:  # of several functions of one name and size, nobody knows which
            return []
        # Two functions with the same code may be one: then the DWARF has only the other. Assembler has none at all.
        return [Place(place.function or name, place.file, place.line) for place in answers[0]]

    def functions(self, name: str) -> list[Function]:
        """The functions of that name."""
        return self._functions.get(name) or self._functions.get(_COMPILER_SUFFIX.sub("", name), [])

    @cached_property
    def _dwarf(self) -> Any:
        return self._elf.get_dwarf_info(relocate_dwarf_sections=self._relocate)

    @cached_property
    def _starts(self) -> list[tuple[int, int, int]]:
        """Address ranges of the compilation units: begin, end, offset; sorted."""
        found = []
        aranges = self._dwarf.get_aranges() if self._linked else None  # not every compiler writes them
        if aranges is not None and aranges.entries:
            found = [(e.begin_addr, e.begin_addr + e.length, e.info_offset) for e in aranges.entries]
        else:
            for cu in self._dwarf.iter_CUs():
                found += [(low, high, cu.cu_offset) for low, high in self._ranges(cu.get_top_DIE(), cu)]
        return sorted(found)

    def _at(self, address: int) -> list[Place]:
        unit = self._unit(address)
        if unit is None:
            return []
        row = bisect.bisect_right(unit.rows, (address, 1 << 64, 0, 0)) - 1
        if row < 0 or address >= unit.rows[row][1]:
            return []
        file, line = _name(unit.names, unit.rows[row][2]), unit.rows[row][3]
        places = []
        for die in reversed(self._calls(unit.cu, address)):
            places.append(Place(self._function_name(die), file, line))
            if die.tag == "DW_TAG_inlined_subroutine":
                file = _name(unit.names, _value(die, "DW_AT_call_file"))
                line = _value(die, "DW_AT_call_line")
        return places or [Place("", file, line)]

    def _unit(self, address: int) -> _Unit | None:
        # Ranges of one program don't overlap, but an empty one may begin where another does.
        at = bisect.bisect_right(self._starts, (address, 1 << 64, 0))
        for low, high, offset in reversed(self._starts[max(at - 4, 0) : at]):
            if low <= address < high:
                if offset not in self._units:
                    self._units[offset] = self._read_unit(self._dwarf.get_CU_at(offset))
                return self._units[offset]
        return None

    def _read_unit(self, cu: Any) -> _Unit:
        unit = _Unit(cu)
        program = self._dwarf.line_program_for_CU(cu)
        if program is None:
            return unit
        previous = None
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if previous is not None and state.address > previous.address:
                unit.rows.append((previous.address, state.address, previous.file, previous.line))
            previous = None if state.end_sequence else state
        unit.rows.sort()
        unit.names = list(_file_names(program, cu))
        return unit

    def _calls(self, cu: Any, address: int) -> list[Any]:
        """The function around ``address`` and the calls inlined there, the outermost first."""
        chain: list[Any] = []
        level = [cu.get_top_DIE()]
        while level:
            inside = next(
                (
                    child
                    for die in level
                    for child in die.iter_children()
                    if child.tag in ("DW_TAG_subprogram", "DW_TAG_inlined_subroutine", "DW_TAG_lexical_block")
                    and any(low <= address < high for low, high in self._ranges(child, cu))
                ),
                None,
            )
            if inside is not None and inside.tag != "DW_TAG_lexical_block":
                chain.append(inside)
            level = [] if inside is None else [inside]
        return chain

    def _ranges(self, die: Any, cu: Any) -> Iterator[tuple[int, int]]:
        if "DW_AT_ranges" in die.attributes:
            base = _value(cu.get_top_DIE(), "DW_AT_low_pc")
            for entry in self._dwarf.range_lists().get_range_list_at_offset(_value(die, "DW_AT_ranges"), cu):
                if isinstance(entry, BaseAddressEntry):
                    base = entry.base_address
                else:
                    start = 0 if entry.is_absolute else base
                    yield start + entry.begin_offset, start + entry.end_offset
        elif "DW_AT_high_pc" in die.attributes:
            low, high = _value(die, "DW_AT_low_pc"), _value(die, "DW_AT_high_pc")
            is_address = die.attributes["DW_AT_high_pc"].form.startswith("DW_FORM_addr")
            yield low, high if is_address else low + high

    def _function_name(self, die: Any) -> str:
        for link in ("DW_AT_abstract_origin", "DW_AT_specification"):
            while link in die.attributes and "DW_AT_name" not in die.attributes:
                die = die.get_DIE_from_attribute(link)
        name = die.attributes.get("DW_AT_name")
        return name.value.decode(errors="replace") if name else ""


def _value(die: Any, attribute: str) -> int:
    found = die.attributes.get(attribute)
    return int(found.value) if found else 0


def _name(names: list[str], index: int) -> str:
    return names[index] if index < len(names) else "?"


def _file_names(program: Any, cu: Any) -> Iterator[str]:
    """The unit's files, so that the numbers of its line table are the places in the list."""
    top = cu.get_top_DIE().attributes
    built_in = top["DW_AT_comp_dir"].value.decode(errors="replace") if "DW_AT_comp_dir" in top else ""
    if program["version"] < 5:  # numbers begin at 1 there, and folder 0 is the one it was compiled in
        yield "?"
        folders = ["", *(folder.decode(errors="replace") for folder in program["include_directory"])]
    else:
        folders = [folder.decode(errors="replace") for folder in program["include_directory"]]
    for entry in program["file_entry"]:
        name = entry.name.decode(errors="replace")
        folder = folders[entry.dir_index] if entry.dir_index < len(folders) else ""
        whole = name if name.startswith("/") or folder in ("", built_in) else f"{folder}/{name}"
        yield whole.removeprefix(f"{built_in}/") if built_in else whole


def _symbols(elf: Any) -> tuple[struct.Struct, int, list[tuple[int, int, int, int, int, int]]]:
    """The symbol table: its entries' form, its place, its entries (name, info, other, section, value, size).

    pyelftools has them one by one as objects; a vmlinux has 150,000.
    """
    table = elf.get_section_by_name(".symtab")
    if table is None:
        raise ELFError("a file without symbols")
    form = struct.Struct("<IBBHQQ" if elf.little_endian else ">IBBHQQ")  # Elf64_Sym
    return form, table["sh_offset"], list(form.iter_unpack(table.data()))


def _move_symbols(elf: Any, data: bytearray) -> None:
    """Give the code sections of a .ko addresses of their own, in its symbols."""
    bases, end = {}, _APART
    for index, section in enumerate(elf.iter_sections()):
        if section["sh_flags"] & _CODE:
            bases[index] = end
            end += (section["sh_size"] // _APART + 2) * _APART
    form, at, symbols = _symbols(elf)
    for number, (name, info, other, section, value, size) in enumerate(symbols):
        moved = value + bases.get(section, 0)
        form.pack_into(data, at + number * form.size, name, info, other, section, moved, size)


def _relocate(elf: Any, data: bytearray) -> bool:
    """Apply the relocations of the DWARF, whose symbols have been moved in ``data``.

    pyelftools can do it, too, and takes ten times as long. False: it must, since the sections are compressed, or the
    machine is one that isn't known here.
    """
    widths = _ABSOLUTE.get(elf["e_machine"])
    debug = [section for section in elf.iter_sections() if section.name.startswith((".rela.debug_", ".debug_"))]
    if widths is None or any(section.compressed for section in debug):
        return False
    values = [symbol[4] for symbol in _symbols(ELFFile(BytesIO(data)))[2]]
    order: Literal["little", "big"] = "little" if elf.little_endian else "big"
    for relocations in debug:
        if relocations["sh_type"] != "SHT_RELA":
            continue
        start = elf.get_section(relocations["sh_info"])["sh_offset"]
        for offset, info, addend in struct.iter_unpack("<QQq" if elf.little_endian else ">QQq", relocations.data()):
            if width := widths.get(info & 0xFFFFFFFF):
                value = (values[info >> 32] + addend) & ((1 << 8 * width) - 1)
                data[start + offset : start + offset + width] = value.to_bytes(width, order)
    return True


def _functions(elf: Any) -> dict[str, list[Function]]:
    """The symbols in code, by name."""
    code = {index for index, section in enumerate(elf.iter_sections()) if section["sh_flags"] & _CODE}
    names: bytes = elf.get_section(elf.get_section_by_name(".symtab")["sh_link"]).data()
    by_section: dict[int, list[tuple[int, int, str]]] = {}
    for name_at, info, _, section, address, size in _symbols(elf)[2]:
        if section in code and info & 0xF in (0, 2):  # STT_NOTYPE, STT_FUNC
            name = names[name_at : names.index(b"\0", name_at)].decode(errors="replace")
            if name and not _LOCAL_LABEL.match(name):
                by_section.setdefault(section, []).append((address, size, name))
    found: dict[str, list[Function]] = {}
    for symbols in by_section.values():
        addresses = sorted({address for address, _, _ in symbols})
        following: dict[int, int | None] = {a: b - a for a, b in pairwise(addresses)}
        for address, size, name in symbols:
            found.setdefault(name, []).append(Function(address, size, following.get(address)))
    return found
