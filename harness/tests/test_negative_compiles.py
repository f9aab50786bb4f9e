# SPDX-License-Identifier: GPL-2.0-only
"""What must not compile does not: and its twin, which differs in that one thing, does."""

from __future__ import annotations

import shutil
from pathlib import Path

import built
import pytest
from built import TOP
from ppiov.kernels import KernelTree

pytestmark = pytest.mark.build

LAYOUT = "compat/page_layout.h"
# The words that page and iov have in common, as they stand in struct ppiov_netmem_desc.
FIELDS = (
    "unsigned long pp_magic;",
    "struct ppiov_pool *pp;",
    "unsigned long _pp_mapping_pad;",
    "unsigned long dma_addr;",
    "atomic_long_t pp_ref_count;",
)
HEAD = "// SPDX-License-Identifier: GPL-2.0-only\n#include <linux/module.h>\n#include <ppiov/pool.h>\n"
USES_NETMEM = """
struct page *probe(struct ppiov_pool *pool, ppiov_netmem_t netmem);
struct page *probe(struct ppiov_pool *pool, ppiov_netmem_t netmem)
{
	%s
}
"""
RIGHT = "return ppiov_netmem_to_page(netmem);"
CALLS = ("init", "alloc", "release", "destroy")
PROVIDER = """
static int probe_init(struct ppiov_pool *pool)
{
	return 0;
}

static ppiov_netmem_t probe_alloc(struct ppiov_pool *pool, gfp_t gfp)
{
	return PPIOV_NETMEM_NONE;
}

static void probe_release(struct ppiov_pool *pool, ppiov_netmem_t netmem)
{
}

static void probe_destroy(struct ppiov_pool *pool)
{
}

void *probe_all[] = { probe_init, probe_alloc, probe_release, probe_destroy };

static const struct ppiov_provider_ops probe_ops = {
	.name = "probe",
	.owner = THIS_MODULE,
%s
};

int probe(void)
{
	return ppiov_provider_register(&probe_ops);
}
"""


@pytest.fixture(scope="module")
def kernel() -> KernelTree:
    return built.kernel_with_headers()


# ----------------------------------------------------------------------------------------------- a moved field


def test_fields_where_they_are(kernel: KernelTree, tmp_path: Path) -> None:
    headers = built.copy_headers(tmp_path)
    assert built.compile_one(kernel, tmp_path / "probe", HEAD, headers).ok


@pytest.mark.parametrize("field", FIELDS)
def test_a_moved_field(kernel: KernelTree, tmp_path: Path, field: str) -> None:
    headers = built.copy_headers(tmp_path)
    built.change(headers / LAYOUT, {f"\t{field}\n": f"\tunsigned long moved;\n\t{field}\n"})
    outcome = built.compile_one(kernel, tmp_path / "probe", HEAD, headers)
    assert outcome.code
    assert "error: static assertion failed" in outcome.log and "page_layout.h" in outcome.log


def test_two_fields_that_changed_places(kernel: KernelTree, tmp_path: Path) -> None:
    """The size stays, so only the offsets tell."""
    headers = built.copy_headers(tmp_path)
    one, two = FIELDS[1], FIELDS[0]
    built.change(headers / LAYOUT, {f"\t{two}\n\t{one}\n": f"\t{one}\n\t{two}\n"})
    outcome = built.compile_one(kernel, tmp_path / "probe", HEAD, headers)
    assert outcome.code and "error: static assertion failed" in outcome.log


def test_an_iov_that_has_outgrown_a_page(kernel: KernelTree, tmp_path: Path) -> None:
    headers = built.copy_headers(tmp_path)
    owner = "\tstruct ppiov_chunk *owner;\n"
    built.change(headers / "include/ppiov/netmem.h", {owner: f"{owner}\tlong more[2];\n"})
    outcome = built.compile_one(kernel, tmp_path / "probe", HEAD, headers)
    assert outcome.code and "error: static assertion failed" in outcome.log


def test_an_iov_that_does_not_begin_as_a_page_does(kernel: KernelTree, tmp_path: Path) -> None:
    headers = built.copy_headers(tmp_path)
    desc, owner = "\tstruct ppiov_netmem_desc desc;\n", "\tstruct ppiov_chunk *owner;\n"
    built.change(headers / "include/ppiov/netmem.h", {desc + owner: owner + desc})
    outcome = built.compile_one(kernel, tmp_path / "probe", HEAD, headers)
    assert outcome.code and "error: static assertion failed" in outcome.log


# ------------------------------------------------------------------------------------ a netmem taken for a page


def uses(kernel: KernelTree, tmp_path: Path, statement: str) -> built.Outcome:
    return built.compile_one(kernel, tmp_path / "probe", HEAD + USES_NETMEM % statement, TOP / "kernel")


def test_a_netmem_that_is_asked_for_its_page(kernel: KernelTree, tmp_path: Path) -> None:
    outcome = uses(kernel, tmp_path, RIGHT)
    assert outcome.ok, outcome.log


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("return (struct page *)netmem;", id="cast to a page"),
        pytest.param("return (void *)netmem;", id="cast to a pointer"),
        pytest.param("return pfn_to_page(netmem);", id="taken for a number"),
        pytest.param("return ppiov_netmem_to_page(netmem + 1);", id="counted on"),
        pytest.param("return ppiov_netmem_to_page(netmem & ~1UL);", id="masked"),
        pytest.param("return ppiov_netmem_to_page((unsigned long)pool);", id="a pointer taken for a netmem"),
        pytest.param("ppiov_pool_put(pool, 4096, false); return NULL;", id="a number taken for a netmem"),
    ],
)
def test_a_netmem_taken_for_something_else(kernel: KernelTree, tmp_path: Path, statement: str) -> None:
    outcome = uses(kernel, tmp_path, statement)
    assert outcome.code
    assert "error: " in outcome.log and "ppiov_netmem_t" in outcome.log


# ----------------------------------------------------------------------------------------- a provider's callbacks


def provider(kernel: KernelTree, tmp_path: Path, *calls: str) -> built.Outcome:
    members = "\n".join(f"\t.{call} = probe_{call}," for call in calls)
    declared = "int probe(void);\nextern void *probe_all[];\n"
    return built.compile_one(kernel, tmp_path / "probe", HEAD + declared + PROVIDER % members, TOP / "kernel")


def test_a_provider_with_all_calls(kernel: KernelTree, tmp_path: Path) -> None:
    outcome = provider(kernel, tmp_path, *CALLS)
    assert outcome.ok, outcome.log


@pytest.mark.parametrize("missing", CALLS)
def test_a_provider_without_a_call(kernel: KernelTree, tmp_path: Path, missing: str) -> None:
    outcome = provider(kernel, tmp_path, *(call for call in CALLS if call != missing))
    assert outcome.code
    assert f"provider lacks {missing}" in outcome.log


# ------------------------------------------------------------------------------------- the module that users copy


def test_the_example_builds_without_a_warning(kernel: KernelTree, tmp_path: Path) -> None:
    folder = tmp_path / "provider"
    shutil.copytree(TOP / "selftests/provider", folder)
    # What ppiov.ko exports is another test's business: here modpost only warns of it.
    outcome = built.make(
        kernel, folder, f"PPIOV={TOP}/kernel", "C=2", "CF=-Wsparse-error", "KBUILD_EXTRA_SYMBOLS=", "ppiov_example.o"
    )
    assert outcome.ok, outcome.log


def test_the_example_is_short() -> None:
    lines = (TOP / "selftests/provider/ppiov_example.c").read_text().splitlines()
    assert len(lines) < 150
