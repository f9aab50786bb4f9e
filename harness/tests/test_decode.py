# SPDX-License-Identifier: GPL-2.0-only
"""From symbol and offset to file and line: as addr2line has it, inlined calls included, and never from a wrong file.

The modules are what gcc makes of a few lines of C: relocatable files, as a .ko is one. test_decode_modules.py does the
same with our own modules as they are built for a kernel.
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import fake_archive
import pytest
from addr2line import symbols_of, wrong_answers
from hypothesis import given, settings
from hypothesis import strategies as st
from ppiov.decode import _PAGE, Decoder, Image, Misfit, Place

SOURCE = """\
#define noinline __attribute__((noinline, noclone))
extern int outside(int *);
static inline __attribute__((always_inline)) int innermost(int *p)
{
\treturn outside(p) + *p;\t\t/* line 5 */
}
static inline __attribute__((always_inline)) int inner(int *p)
{
\treturn innermost(p) * 3;\t/* line 9 */
}
noinline int planted(int *p)
{
\treturn inner(p) + 1;\t\t/* line 13 */
}
static noinline int twin(int *p) { return outside(p) + 7; }
__attribute__((section(".init.text"))) int starts(int *p)
{
\treturn outside(p) - planted(p) + twin(p);
}
"""
OTHER = """\
extern int outside(int *), starts(int *);
static __attribute__((noinline, noclone)) int twin(int *p) { return outside(p) + 7; }
__attribute__((cold)) int other(int *p) { return twin(p) + starts(p); }
"""


def compile_module(folder: Path, flags: tuple[str, ...] = ()) -> Path:
    fake_archive.need("gcc", "ld")
    folder.mkdir(exist_ok=True)
    objects = []
    for name, text in (("planted.c", SOURCE), ("other.c", OTHER)):
        (folder / name).write_text(text)
        objects.append(folder / f"{name[:-2]}.o")
        # Without a landing pad at each call, and padding like the kernel's
        options = ["-O2", "-g", "-fcf-protection=none", "-falign-functions=16", f"-ffile-prefix-map={folder}/=", *flags]
        subprocess.run(["gcc", *options, "-c", folder / name, "-o", objects[-1]], check=True)
    subprocess.run(["ld", "-r", *objects, "-o", folder / "planted.ko"], check=True)
    return folder / "planted.ko"


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_module(tmp_path_factory.mktemp("module"))


def call_in(module: Path, function: str) -> tuple[int, int]:
    """The offset behind the first call in a function, and the size that the kernel would print of it."""
    image = Image(module)
    (found,) = image.functions(function)
    offsets = range(found.size)
    inside = next(o for o in offsets if len(image.places(function, o, found.gap or found.size)) == 3)
    last = next(o for o in offsets[inside:] if len(image.places(function, o, found.gap or found.size)) != 3)
    return last, found.gap or found.size


def test_an_inlined_call_is_named(module: Path) -> None:
    offset, size = call_in(module, "planted")
    text = f"Call Trace:\n <TASK>\n  planted+{offset:#x}/{size:#x} [planted]\n do_one_initcall+0x1/0x2\n </TASK>"
    decoded = Decoder(None, {"planted": module}).decode(text).splitlines()
    assert decoded == [
        "Call Trace:",
        " <TASK>",
        "  innermost (planted.c:5) [inlined]",
        "  inner (planted.c:9) [inlined]",
        f"  planted+{offset:#x}/{size:#x} [planted] (planted.c:13)",
        " do_one_initcall+0x1/0x2",
        " </TASK>",
    ]


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("RIP: 0010:planted+0x0/{size:#x} [planted]", "planted.c:12)"),
        ("BUG: KASAN: slab-out-of-bounds in planted+{offset:#x}/{size:#x} [planted]", "(planted.c:5, inlined at"),
        (" ? planted+{offset:#x}/{size:#x} [planted]", "planted.c:13)"),
        ("kmemleak:     planted+{offset:#x}/{size:#x} [planted]", "inlined at planted.c:13)"),
        ("{{+.+.}}-{{4:4}}, at: planted+{offset:#x}/{size:#x} [planted]", "inlined at planted.c:13)"),
        (" planted+{offset:#x}/{size:#x} [planted 0123456789abcdef0123456789abcdef01234567]", "planted.c:13)"),
        (" planted+{offset:#x}/{size:#x} [planted(OE)]", "planted.c:13)"),
    ],
)
def test_wherever_an_address_stands(module: Path, line: str, known: str) -> None:
    offset, size = call_in(module, "planted")
    (*_, last) = Decoder(None, {"planted": module}).decode(line.format(offset=offset, size=size)).splitlines()
    assert known in last


@pytest.mark.parametrize("flags", [("-gdwarf-4",), ("-gdwarf-5",), ("-gz",), ("-ffunction-sections",), ("-O1",)])
def test_as_addr2line_has_it(tmp_path: Path, flags: tuple[str, ...]) -> None:
    fake_archive.need("addr2line")
    module = compile_module(tmp_path / "m", flags)
    asked, wrong = wrong_answers(module, random.Random(1), 400)
    assert asked > 200 and wrong == []


def test_code_of_no_line() -> None:
    """As addr2line shows it; clang has such code."""
    assert (str(Place("f", "a.c", 7)), str(Place("f", "a.c", 0))) == ("a.c:7", "a.c:?")


def test_sections_that_all_begin_at_zero_are_told_apart(module: Path) -> None:
    image = Image(module)
    files = {name: image.places(name, 0, image.functions(name)[0].size)[0] for name in ("starts", "other", "planted")}
    assert {name: (place.function, place.file) for name, place in files.items()} == {
        "starts": ("starts", "planted.c"),
        "other": ("other", "other.c"),
        "planted": ("planted", "planted.c"),
    }


def test_a_module_that_does_not_fit_says_so(module: Path) -> None:
    (found,) = Image(module).functions("planted")
    text = f" planted+0x8/{(found.gap or found.size) + 8192:#x} [planted]\n" * 2
    decoded = Decoder(None, {"planted": module}).decode(text)
    assert decoded.startswith(text.rstrip()) and "(planted.c" not in decoded
    assert decoded.count("not decoded: planted.ko is not what ran: planted is ") == 1


def test_of_two_functions_that_both_fit_none_is_chosen(tmp_path: Path) -> None:
    module = compile_module(tmp_path / "m", ("-ffunction-sections",))
    twins = Image(module).functions("twin")
    decoder = Decoder(None, {"planted": module})
    assert [twin.gap for twin in twins] == [None, None], "each is the last of its section"
    assert decoder.decode(f" twin+0x5/{max(twin.size for twin in twins) + 5:#x} [planted]") == ""
    assert decoder.decode(f" twin+0x5/{twins[0].size:#x} [planted]") != "", "unless the size is exactly one's"


def test_the_kernel_itself_is_a_linked_file(module: Path, tmp_path: Path) -> None:
    vmlinux = tmp_path / "vmlinux"
    command = ["ld", "-e", "0", "--defsym=outside=0", "-Ttext=0xffffffff81000000", str(module), "-o", str(vmlinux)]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = Image(vmlinux).functions("planted")
    text = f" planted+{found.size - 1:#x}/{found.gap or found.size:#x}"
    decoded = Decoder(vmlinux, {}).decode(text)
    assert decoded.splitlines()[-1].startswith(text + " (planted.c:")
    assert Decoder(vmlinux, {}).decode(text + " [planted]") == "", "a module's function is not looked for in the kernel"


def without_lines(path: Path) -> None:
    subprocess.run(["strip", "--strip-debug", path], check=True)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no ELF at all"),
        lambda path: path.write_bytes(path.read_bytes()[:2000]),
        lambda path: path.unlink(),
        without_lines,
    ],
)
def test_a_file_that_is_no_use_decodes_nothing(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    module = compile_module(tmp_path / "m")
    spoil(module)
    assert Decoder(module, {"planted": module}).decode(" planted+0x8/0x20 [planted]\n planted+0x8/0x20") == ""


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_raises_nothing(
    module: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(module.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=30)):
        raw[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "planted.ko"
    path.write_bytes(raw)
    lines = [f" {name}+0x4/{size:#x} [planted]" for name, _, size, _ in symbols_of(module)]
    decoded = Decoder(None, {"planted": path}).decode("\n".join(lines))
    assert all(line in decoded for line in lines) or decoded == ""


@given(st.text(max_size=200))
def test_any_text_stays_as_it_is(module: Path, text: str) -> None:
    assert Decoder(module, {"planted": module}).decode(text) == ""


# ------------------------------------------------------------------------------------------ symbols alone


def elf_with(functions: list[tuple[str, int, int]]) -> bytes:
    """A relocatable file: one code section, these symbols (name, address, size), debug information of nothing."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name, _, _ in functions)
    table = bytes(24)
    at = 1
    for name, address, size in functions:
        table += struct.pack("<IBBHQQ", at, 0x12, 0, 1, address, size)
        at += len(name) + 1
    titles = b"\0.text\0.symtab\0.strtab\0.shstrtab\0.debug_info\0"
    parts = [b"", b"", table, names, titles, b""]
    kinds = [(0, 0), (1, 6), (2, 0), (3, 0), (3, 0), (1, 0)]
    body, headers = bytes(64), b""
    for number, (part, (kind, flags)) in enumerate(zip(parts, kinds, strict=True)):
        title = [b"", b".text", b".symtab", b".strtab", b".shstrtab", b".debug_info"][number]
        link, entry = (3, 24) if number == 2 else (0, 0)
        size = 1 << 20 if number == 1 else len(part)
        offset = titles.index(title + b"\0") if title else 0
        headers += struct.pack("<IIQQQQIIQQ", offset, kind, flags, 0, len(body), size, link, 1, 16, entry)
        body += part
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, len(body), 0, 64, 0, 0, 64, len(parts), 4)
    return identity + head + body[64:] + headers


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 200), st.integers(0, 15)), min_size=2, max_size=20),
    st.sampled_from(["", ".constprop.0", ".isra.0.cold", ".part.3"]),
)
def test_the_size_says_which_function_it_was(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[str, int, int]], suffix: str
) -> None:
    """Functions of a few names, one behind the other: the distance to the next is what the kernel prints."""
    address, functions = 0, []
    for name, size, padding in sizes:
        functions.append((name + suffix, address, size))
        address += size + padding
    path = tmp_path_factory.mktemp("elf") / "x.ko"
    path.write_bytes(elf_with(functions))
    image = Image(path)
    distances = [following[1] - function[1] for function, following in pairwise(functions)]
    for (name, _, _), distance in zip(functions, distances, strict=False):
        assert distance in [function.gap for function in image.functions(name)]
        assert image.places(name, 0, distance) == []  # it fits; that it has no lines is another matter
    name, _, size = functions[-1]
    assert [function.size for function in image.functions(name) if function.gap is None] == [size]
    longest = max(distances) + _PAGE + 500
    with pytest.raises(Misfit, match="is not what ran"):
        image.places(functions[0][0], 0, longest)
