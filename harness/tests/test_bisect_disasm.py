# SPDX-License-Identifier: GPL-2.0-only
"""The functions that differ between two objects: what only moved does not, and what is referred to has a name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ppiov.bisect.disasm import differing, functions
from ppiov.bisect.disasm_image import Image
from ppiov.bisect.disasm_image import differing as images

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is missing")

BASE = """
extern int printk(const char *text, ...);
extern long counters[8];
$
static long table[4] = { 1, 2, 3, 4 };
static __attribute__((noinline)) long helper(long x) { return x * table[x & 3]; }
long moved(long x) { if (x > 3) printk("large %ld\\n", x); return helper(x) + counters[2]; }
long changed(long x) { @ return x + 1; }
long gone(void) { return 1; }
"""


def compiled(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    place = folder / f"{name}.c"
    place.write_text(text)
    command = ["gcc", "-O2", "-fno-pie", "-mcmodel=kernel", "-fcf-protection=none", "-c", str(place), "-o"]
    subprocess.run([*command, folder / f"{name}.ko"], check=True)
    return folder / f"{name}.ko"


def source(more: str = "", inside: str = "") -> str:
    return BASE.replace("$", more).replace("@", inside)


def test_what_only_moved_is_the_same(tmp_path: Path) -> None:
    """More code, more data and more strings before everything: every address is another."""
    more = 'static long more[9] = { 7 }; long first(long x) { more[x]++; printk("more\\n"); return x; }'
    good = compiled(tmp_path / "good", "m", source())
    bad = compiled(tmp_path / "bad", "m", source(more))
    (text,) = differing(good, bad)
    assert text.startswith("m: first (absent -> ")


def test_one_instruction_more(tmp_path: Path) -> None:
    good = compiled(tmp_path / "good", "m", source())
    renamed = source(inside='__asm__ volatile("nop");').replace("long gone", "long come")
    by_name = {text.split()[1]: text for text in differing(good, compiled(tmp_path / "bad", "m", renamed))}
    assert set(by_name) == {"changed", "gone", "come"}
    head, *lines = by_name["changed"].split("\n")
    assert head == "m: changed (2 instructions, 5 bytes -> 3 instructions, 6 bytes)"
    assert [line for line in lines if line.startswith(("+", "-"))] == ["+  nop"]
    assert "-> absent" in by_name["gone"] and "(absent ->" in by_name["come"]


def test_what_an_instruction_refers_to_has_its_name(tmp_path: Path) -> None:
    found = functions(compiled(tmp_path, "m", source()))
    text = "\n".join(found["moved"].lines)
    assert "call printk" in text and "counters+0x10" in text and "'large %ld\\n'" in text
    assert "call helper" in text or "jmp helper" in text, "a call inside the section, which has no relocation"
    assert "table" in "\n".join(found["helper"].lines)
    assert not any("0x" in line and "rip" in line for line in found["moved"].lines)


def test_jumps_inside_a_function_have_labels(tmp_path: Path) -> None:
    source = (
        'long loop(long n) { long s = 0; for (long i = 0; i < n; i++) { s += i; __asm__ volatile(""); } return s; }'
    )
    lines = functions(compiled(tmp_path, "m", source))["loop"].lines
    labels = {line.rstrip(":") for line in lines if line.endswith(":")}
    assert labels and all(any(line.endswith(f" {label}") for line in lines) for label in labels)


def test_two_static_functions_of_one_name(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    text = "static __attribute__((noinline)) int same(int x) { return x OP 3; } int NAME(int x) { return same(x) + 1; }"
    parts = [
        compiled(folder, name, text.replace("NAME", name).replace("OP", op))
        for name, op in (("one", "*"), ("two", "/"))
    ]
    subprocess.run(["ld", "-r", *parts, "-o", folder / "both.ko"], check=True)
    assert {"same", "same#2"} <= functions(folder / "both.ko").keys()


def test_an_object_without_symbols(tmp_path: Path) -> None:
    module = compiled(tmp_path, "m", source())
    subprocess.run(["strip", "-s", module], check=True)
    assert functions(module) == {}


# Linked images


def linked(folder: Path, text: str) -> Path:
    """What a kernel is: linked to where it runs, without relocations."""
    parts = [
        compiled(folder, "m", text),
        compiled(folder, "printk", "int printk(const char *text, ...) { return text[0]; }\nlong counters[8];\n"),
    ]
    image = folder / "vmlinux"
    subprocess.run(["ld", "-e", "0", "-Ttext=0xffffffff81000000", *parts, "-o", image], check=True)
    return image


def test_what_only_moved_in_an_image_is_the_same(tmp_path: Path) -> None:
    more = 'static long more[9] = { 7 }; long first(long x) { more[x]++; printk("more\\n"); return x; }'
    good, bad = linked(tmp_path / "good", source()), linked(tmp_path / "bad", source(more))
    assert Image(good).code["moved"] != Image(bad).code["moved"], "it has other addresses"
    (text,) = images(good, bad)
    assert text.startswith("vmlinux: first (absent -> ")
    assert "more" in text and "'more\\n'" in text and "call printk" in text


def test_one_instruction_more_in_an_image(tmp_path: Path) -> None:
    good = linked(tmp_path / "good", source())
    bad = linked(
        tmp_path / "bad",
        source("long first(long x) { return x; }", 'counters[3]++; counters[1] = (long)&printk; __asm__("nop");'),
    )
    by_name = {text.split()[1]: text for text in images(good, bad)}
    assert set(by_name) == {"changed", "first"}
    added = [line for line in by_name["changed"].split("\n") if line.startswith(("+", "-"))]
    assert any("counters+0x18" in line for line in added) and "+  nop" in added
    assert any("[counters+0x8], printk" in line for line in added), "an address that is stored"
    assert not any("0xffffffff8" in line for line in added)


def test_another_object_or_string_is_a_difference(tmp_path: Path) -> None:
    """Addresses are no differences, but what they are addresses of is."""
    good = linked(tmp_path / "good", source())
    bad = linked(tmp_path / "bad", source().replace("counters[2]", "counters[3]").replace("large", "huge"))
    (text,) = images(good, bad)
    assert text.startswith("vmlinux: moved (")
    assert "counters+0x10" in text and "counters+0x18" in text and "'huge %ld\\n'" in text


def test_an_image_without_symbols(tmp_path: Path) -> None:
    image = linked(tmp_path, source())
    subprocess.run(["strip", "-s", image], check=True)
    assert Image(image).code == {}
