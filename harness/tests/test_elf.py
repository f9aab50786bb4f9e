# SPDX-License-Identifier: GPL-2.0-only
"""What stands in ppiov.ko: the dispatch in the fast path, the symbols it needs, and where its fields are."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import built
import fake_archive
import pytest
from built import TOP
from elftools.elf.elffile import ELFFile
from engines import drain
from ppiov import kbuild
from ppiov.store import Store

pytestmark = pytest.mark.build

SYMBOLS = Path(__file__).parent / "data/ppiov-symbols.txt"
KEY = "ppiov_iov_key"
NOPS = (bytes.fromhex("0f1f440000"), bytes.fromhex("6690"))
ENTRY = 16  # struct jump_entry: s32 code, s32 target, s64 key
# What runs for each buffer and has to ask whether it is a page or an iov -> where the compiler may have left that.
FAST = {
    "refill": {"ppiov_pool_alloc", "ppiov_alloc_refill", "ppiov_refill", "ppiov_wrong_node"},
    "put": {"ppiov_pool_put_last", "ppiov_pool_put_bulk", "ppiov_put_odd", "ppiov_take_slow"},
    "attach": {"ppiov_carrier_attach", "ppiov_bufs_check", "ppiov_child_fill"},
}


@pytest.fixture(scope="module")
def module() -> Iterator[Any]:
    """ppiov.ko as ``ppiov build --checks`` makes it, which is in the store then; the copy with debug information."""
    tree = built.kernel_with_headers()
    modules = drain(kbuild.build_modules(tree, TOP / "kernel", store=Store(), checks=True))[1]
    with (modules.directory / f"ppiov.ko{kbuild.DEBUG_SUFFIX}").open("rb") as file:
        yield ELFFile(file)


# ------------------------------------------------------------------------------------------ the dispatch


@dataclass(frozen=True)
class Site:
    """An entry of __jump_table."""

    function: str
    code: bytes  # what stands there, at least as long as a jump
    key: str
    likely: bool  # the branch is taken while the key is off


def functions(elf: Any) -> list[tuple[int, int, int, str]]:
    table = elf.get_section_by_name(".symtab")
    found = [
        (symbol["st_shndx"], symbol["st_value"], symbol["st_size"], symbol.name)
        for symbol in table.iter_symbols()
        if symbol["st_info"]["type"] == "STT_FUNC" and isinstance(symbol["st_shndx"], int)
    ]
    return [(section, value, size, name) for section, value, size, name in found if not name.startswith("__pfx_")]


def sites(elf: Any) -> list[Site]:
    relocations = elf.get_section_by_name(".rela__jump_table")
    symbols = elf.get_section(relocations["sh_link"])
    by_offset = {entry["r_offset"]: entry for entry in relocations.iter_relocations()}
    known = functions(elf)
    found = []
    for at in range(0, elf.get_section_by_name("__jump_table")["sh_size"], ENTRY):
        code, key = by_offset[at], by_offset[at + 8]
        place, name = symbols.get_symbol(code["r_info_sym"]), symbols.get_symbol(key["r_info_sym"])
        section, offset = place["st_shndx"], place["st_value"] + code["r_addend"]
        inside = [
            function for where, value, size, function in known if where == section and value <= offset < value + size
        ]
        data = elf.get_section(section).data()[offset : offset + 5]
        found.append(Site(inside[0] if inside else "", data, name.name, bool(key["r_addend"] & 1)))
    return found


@pytest.mark.parametrize("path", FAST)
def test_the_fast_path_asks_by_a_jump_label(module: Any, path: str) -> None:
    asking = {site.function.partition(".")[0] for site in sites(module) if site.key == KEY}
    assert asking & FAST[path], asking


def test_the_jump_label_is_a_nop_while_no_provider_of_iovs_serves(module: Any) -> None:
    ours = [site for site in sites(module) if site.key == KEY]
    assert ours
    wrong = [f"{site.function}: {site.code.hex()}" for site in ours if not site.code.startswith(NOPS)]
    assert wrong == []


def test_the_jump_label_is_off_at_first(module: Any) -> None:
    assert [site.function for site in sites(module) if site.key == KEY and site.likely] == []


# -------------------------------------------------------------------------------------------- the symbols


def reviewed() -> dict[str, str]:
    """Symbol -> why it is there, where that is not plain."""
    listed = {}
    for line in SYMBOLS.read_text().splitlines():
        name, _, why = line.partition("#")
        if name.strip():
            listed[name.strip()] = why.strip()
    return listed


def undefined(elf: Any) -> set[str]:
    table = elf.get_section_by_name(".symtab")
    names = {symbol.name for symbol in table.iter_symbols() if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name}
    return {re.sub(r"^(__x86_indirect_thunk_)r\w+$", r"\1*", name) for name in names}


def test_nothing_is_needed_that_was_not_reviewed(module: Any) -> None:
    unseen = sorted(undefined(module) - set(reviewed()))
    assert unseen == [], f"to be reviewed, and then added to {SYMBOLS.name}"


def test_no_list_of_symbols_by_address(module: Any) -> None:
    """A module that looks up what is not exported would need one of these."""
    assert undefined(module) & {"kallsyms_lookup_name", "register_kprobe", "module_kallsyms_on_each_symbol"} == set()


def test_the_list_is_sorted_and_has_no_doubles() -> None:
    lines = [line.partition("#")[0].strip() for line in SYMBOLS.read_text().splitlines()]
    names = [line for line in lines if line]
    assert names == sorted(set(names))


# --------------------------------------------------------------------------------------------- the layout

# Word of struct ppiov_netmem_desc -> the words of struct page that lie there, if the kernel has them.
SHARED = {
    "_flags": ("flags",),
    "pp_magic": ("lru.next", "pp_magic"),
    "pp": ("lru.prev", "pp"),
    "_pp_mapping_pad": ("mapping", "_pp_mapping_pad"),
    "dma_addr": ("index", "dma_addr"),
    "pp_ref_count": ("private", "pp_ref_count"),
}


def text(die: Any) -> str:
    name = die.attributes.get("DW_AT_name")
    return name.value.decode() if name else ""


def members(die: Any, base: int = 0, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Each member's name and offset; of a struct within, too: «lru.next», or «next» if it has no name."""
    for child in die.iter_children():
        if child.tag != "DW_TAG_member" or "DW_AT_data_bit_offset" in child.attributes:
            continue
        place = child.attributes.get("DW_AT_data_member_location")  # a union's members have none
        offset = base + (place.value if place else 0)
        name = text(child)
        if name:
            yield prefix + name, offset
        inner = child.get_DIE_from_attribute("DW_AT_type")
        if inner.tag in ("DW_TAG_structure_type", "DW_TAG_union_type"):
            yield from members(inner, offset, f"{prefix}{name}." if name else prefix)


@pytest.fixture(scope="module")
def layout(module: Any) -> dict[str, dict[str, int]]:
    """The structs as the compiler laid them out, out of the debug information of buffer.c."""
    wanted = ("page", "ppiov_netmem_desc", "page_pool_iov")
    for unit in module.get_dwarf_info().iter_CUs():
        top = unit.get_top_DIE()
        if not text(top).endswith("pool/buffer.c"):
            continue
        structs = [die for die in top.iter_children() if die.tag == "DW_TAG_structure_type" and text(die) in wanted]
        return {
            text(die): {"": die.attributes["DW_AT_byte_size"].value, **dict(members(die))}
            for die in structs
            if "DW_AT_byte_size" in die.attributes
        }
    raise AssertionError("ppiov.ko has no debug information of buffer.c")


@pytest.mark.parametrize("word", SHARED)
def test_a_word_is_where_the_kernels_is(layout: dict[str, dict[str, int]], word: str) -> None:
    page = layout["page"]
    there = {name: page[name] for name in SHARED[word] if name in page}
    assert there, f"struct page has none of {SHARED[word]}"
    assert set(there.values()) == {layout["ppiov_netmem_desc"][word]}, there


def test_no_word_reaches_into_the_pages_own_count(layout: dict[str, dict[str, int]]) -> None:
    assert layout["ppiov_netmem_desc"][""] <= layout["page"]["_refcount"]


@pytest.mark.parametrize("word", SHARED)
def test_an_iov_begins_with_the_same_words(layout: dict[str, dict[str, int]], word: str) -> None:
    assert layout["page_pool_iov"][f"desc.{word}"] == layout["ppiov_netmem_desc"][word]


# ------------------------------------------------------------------------- the kernel's own idea of its structs

# What ppiov.ko reads or writes in. Headers that are not those of the image would be seen by nobody else: modversions
# look at functions.
TOUCHED = (
    "dma_buf",
    "inet_connection_sock",
    "msghdr",
    "net_device",
    "net_iov",
    "netdev_rx_queue",
    "page",
    "proto",
    "sk_buff",
    "skb_shared_info",
    "sock",
    "tcp_sock",
    "tcp_ulp_ops",
    "ubuf_info",
)
_MEMBER = re.compile(
    r"(?:\(\*(\w+)\)\([^;]*\)|\b(\w+)(?:\[[^\]]*\])*(?::\d+)?)"  # a call, or a name with its array and its bits
    r"(?: __attribute__\(\(.*?\)\)\)?)?;\s*/\*\s*(\d+(?::\s*\d+)?)\s+(\d+)\s*\*/"
)


def laid_out(said: str) -> dict[str, list[tuple[str, str, str]]]:
    """Out of pahole's words: struct -> name, offset and size of each member, in order."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for block in re.split(r"^(?=struct )", said, flags=re.MULTILINE):
        if name := re.match(r"struct (\w+) \{", block):
            found[name[1]] = [(m[1] or m[2], m[3], m[4]) for m in _MEMBER.finditer(block)]
    return found


def pahole(file: Path, form: str) -> dict[str, list[tuple[str, str, str]]]:
    """One call for each struct: with DWARF, pahole ends at the first object file that has one of them."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for name in TOUCHED:
        command = ["pahole", "-F", form, "-C", name, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        found |= laid_out(done.stdout)
    return found


@pytest.fixture(scope="module")
def kernels_own() -> dict[str, list[tuple[str, str, str]]]:
    """From the BTF that the kernel was built with, which its headers bring along for the modules' sake."""
    fake_archive.need("pahole")
    tree = built.kernel_with_headers()
    assert tree.build is not None
    vmlinux = tree.build / "vmlinux"
    if not vmlinux.exists():
        pytest.skip(f"{tree.spec} came without a vmlinux that has BTF; the distribution's kernels have one")
    return pahole(vmlinux, "btf")


def test_structs_are_as_the_kernel_has_them(module: Any, kernels_own: dict[str, list[tuple[str, str, str]]]) -> None:
    ours = pahole(Path(module.stream.name), "dwarf")
    both = sorted(set(ours) & set(kernels_own))
    assert {"page", "sk_buff", "skb_shared_info", "tcp_sock", "ubuf_info"} <= set(both), both
    assert [name for name in both if ours[name] != kernels_own[name]] == []
    assert all(ours[name] for name in both)


def test_a_member_elsewhere_is_seen() -> None:
    said = (
        "struct page {\n\tlong flags;   /*     0     8 */\n\tint x:3;  /*  8: 0  4 */\n\tu8 cb[48]; /* 40 48 */\n};\n"
    )
    assert laid_out(said) == {"page": [("flags", "0", "8"), ("x", "8: 0", "4"), ("cb", "40", "48")]}
    assert laid_out(said) != laid_out(said.replace(" 40 48", " 48 48"))
