# SPDX-License-Identifier: GPL-2.0-only
"""Kernel specs: what is taken, what is refused and how."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ppiov.errors import BadSpec, PpiovError, UnknownName
from ppiov.spec import ADDITIONS, KernelSpec, collection


@pytest.mark.parametrize("text", ["deb:6.12", "deb:6.12.117", "deb:7.3", "image:/boot/vmlinuz-6.12.117+deb12-amd64"])
def test_a_good_spec_comes_back_as_it_was(text: str) -> None:
    assert str(KernelSpec.parse(text)) == text


def test_an_image_path_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert KernelSpec.parse("image:vmlinuz").path == tmp_path / "vmlinuz"


def test_additions_come_in_any_order_and_are_kept_in_one() -> None:
    spec = KernelSpec.parse("src:7.3+lockdep+kasan+kunit+kasan")
    assert spec == KernelSpec.parse("src:7.3+kunit+kasan+lockdep")
    assert str(spec) == "src:7.3+kunit+kasan+lockdep"


def test_a_tree_has_a_path_a_revision_and_additions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    spec = KernelSpec.parse("tree:.@origin/net-next~2+kasan+kunit")
    assert (spec.path, spec.rev, spec.additions) == (tmp_path, "origin/net-next~2", ("kunit", "kasan"))
    assert str(spec) == f"tree:{tmp_path}@origin/net-next~2+kunit+kasan"
    assert KernelSpec.parse("tree:nowhere@HEAD@{1}").rev == "HEAD@{1}"
    assert KernelSpec.parse("tree:nowhere+llvm") == KernelSpec("tree", "", ("llvm",), tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["a b", "a:b", "c++", "me@work", "linux+kunit", "net-next@v7+x", "@", "+"])
def test_a_tree_may_be_called_anything(tmp_path: Path, name: str) -> None:
    tree = tmp_path / name / "linux"
    tree.mkdir(parents=True)
    for path in (tree, tree.parent):
        for tail, rev, additions in (("", None, ()), ("@v7.3", "v7.3", ()), ("+kunit", None, ("kunit",))):
            spec = KernelSpec.parse(f"tree:{path}{tail}")
            assert (spec.path, spec.rev, spec.additions) == (path, rev, additions)
            assert KernelSpec.parse(str(spec)) == spec


def test_a_slash_ends_the_path_of_a_tree(tmp_path: Path) -> None:
    for name in ("linux", "linux+kunit"):
        (tmp_path / name).mkdir()
    assert KernelSpec.parse(f"tree:{tmp_path}/linux+kunit").path == tmp_path / "linux+kunit"
    spec = KernelSpec.parse(f"tree:{tmp_path}/linux/+kunit")
    assert (spec.path, spec.additions) == (tmp_path / "linux", ("kunit",))
    assert KernelSpec.parse(str(spec)) == spec


@pytest.mark.parametrize("text", ["/+a/~t@./i", "/tmp/+kunit/", "/tmp/@b/c+llvm", "/+~s@it", "/+a@x/y+kunit"])
def test_doubtful_paths_come_back_as_they_were(text: str) -> None:
    spec = KernelSpec.parse(f"tree:{text}")
    assert KernelSpec.parse(str(spec)) == spec


@pytest.mark.parametrize("text", ["src:7.3+kasam", "tree:/nowhere@v7+kasam", "src:7.3+kunit+KASAN"])
def test_an_unknown_addition_is_refused_by_name(text: str) -> None:
    with pytest.raises(UnknownName, match=r"unknown addition '(kasam|KASAN)' \(nearest: "):
        KernelSpec.parse(text)


def test_additions_that_exclude_each_other_are_named() -> None:
    with pytest.raises(BadSpec, match="kasan and kcsan cannot be in one kernel"):
        KernelSpec.parse("src:7.3+kcsan+kunit+kasan")


@pytest.mark.parametrize("text", ["6.12", "dbe:6.12", "debian-6.12", ""])
def test_an_unknown_kind_names_what_there_is(text: str) -> None:
    with pytest.raises(UnknownName, match=r"deb:6\.12"):
        KernelSpec.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *("deb:", "deb:6", "deb:6.12.", "deb:6.12-rc1", "deb:6.१२", "deb:6.12 ", "image:", "image:\0"),
        *("src:", "src:7", "src:7.3+", "src:7.3++kunit", "src:+kunit", "src:7.3 +kunit"),
        *("tree:", "tree:@v7", "tree:/x@", "tree:/x@-n", "tree:/x\0", "tree:~nobody-here/x"),
    ],
)
def test_a_malformed_spec_is_refused(text: str) -> None:
    with pytest.raises(BadSpec):
        KernelSpec.parse(text)


def test_collections_of_the_kernels_tests() -> None:
    spec = KernelSpec.parse("src:7.3+kselftest.net.mptcp+kunit+kselftest.drivers.net+kselftest.net.mptcp")
    assert spec.additions == ("kunit", "kselftest.drivers.net", "kselftest.net.mptcp")
    assert [collection(name) for name in spec.additions] == ["", "drivers/net", "net/mptcp"]
    for bad in ("kselftest", "kselftest.", "kselftest..", "kselftest.net..mptcp", "kselftest.../etc"):
        with pytest.raises(UnknownName, match="unknown addition"):
            KernelSpec.parse(f"src:7.3+{bad}")


def test_additions_need_a_kernel_from_source() -> None:
    with pytest.raises(BadSpec, match=r"without \+kasan"):
        KernelSpec.parse("deb:6.12+kasan")


_TREES = st.text(alphabet="/ab@+:. ~-kunits", max_size=20)


@given(
    st.one_of(
        st.text(),
        *(st.text().map((kind + ":{}").format) for kind in ("deb", "src", "tree", "image")),
        _TREES.map("tree:{}".format),
        st.lists(st.sampled_from((*ADDITIONS, "kselftest.net.mptcp", "kselftest.tc-testing"))).map(
            lambda names: "+".join(["src:7.3", *names])
        ),
    )
)
def test_any_text_is_read_or_refused_and_reading_is_stable(text: str) -> None:
    try:
        spec = KernelSpec.parse(text)
    except PpiovError:
        return
    assert KernelSpec.parse(str(spec)) == spec
