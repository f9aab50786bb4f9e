# SPDX-License-Identifier: GPL-2.0-only
"""Kernel specs: what is taken, what is refused and how."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ppiov.errors import BadSpec, PpiovError, UnknownName
from ppiov.spec import KernelSpec


@pytest.mark.parametrize("text", ["deb:6.12", "deb:6.12.117", "deb:7.3", "image:/boot/vmlinuz-6.12.117+deb12-amd64"])
def test_a_good_spec_comes_back_as_it_was(text: str) -> None:
    assert str(KernelSpec.parse(text)) == text


def test_an_image_path_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert KernelSpec.parse("image:vmlinuz").path == tmp_path / "vmlinuz"


@pytest.mark.parametrize("text", ["src:7.3+kunit", "tree:.@HEAD", "src:"])
def test_kernels_from_source_are_refused_honestly(text: str) -> None:
    with pytest.raises(BadSpec, match="does not build kernels from source"):
        KernelSpec.parse(text)


@pytest.mark.parametrize("text", ["6.12", "dbe:6.12", "debian-6.12", ""])
def test_an_unknown_kind_names_what_there_is(text: str) -> None:
    with pytest.raises(UnknownName, match=r"deb:6\.12"):
        KernelSpec.parse(text)


@pytest.mark.parametrize(
    "text", ["deb:", "deb:6", "deb:6.12.", "deb:6.12-rc1", "deb:6.१२", "deb:6.12 ", "image:", "image:\0"]
)
def test_a_malformed_spec_is_refused(text: str) -> None:
    with pytest.raises(BadSpec):
        KernelSpec.parse(text)


def test_additions_need_a_kernel_from_source() -> None:
    with pytest.raises(BadSpec, match=r"without \+kasan"):
        KernelSpec.parse("deb:6.12+kasan")


@given(st.one_of(st.text(), st.text().map("deb:{}".format), st.text().map("image:{}".format)))
def test_any_text_is_read_or_refused_and_reading_is_stable(text: str) -> None:
    try:
        spec = KernelSpec.parse(text)
    except PpiovError:
        return
    assert KernelSpec.parse(str(spec)) == spec
