# SPDX-License-Identifier: GPL-2.0-only
"""The programs that the kernel's tests call: which libraries belong to them, and how they start."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ppiov import tools
from ppiov.errors import PpiovError


@pytest.mark.parametrize(
    ("depends", "wanted"),
    [
        ("", []),
        ("libc6 (>= 2.38), libmnl0 (>= 1.0.3-4~)", ["libc6", "libmnl0"]),
        ("libcap2-bin, debconf (>= 0.5) | debconf-2.0, libelf1t64", ["libelf1t64"]),
        ("libgcc-s1, libc-gconv-modules-extra (= 2.43-7)", ["libgcc-s1"]),
        ("liburing2 (= 2.15-1), libc6-dev | libc-dev", ["liburing2"]),
        ("libssl3t64 (>= 3.0.0) | libssl4", ["libssl3t64"]),
    ],
)
def test_libraries(depends: str, wanted: list[str]) -> None:
    assert tools.libraries(depends) == wanted


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """What the packages would have unpacked, each program being one of this machine's."""
    root = tmp_path / "entry/root"
    libraries = root / "usr/lib/x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    loader = Path("/lib64/ld-linux-x86-64.so.2").resolve()
    shutil.copy(loader, libraries / "ld-linux-x86-64.so.2")
    for library in ("libc.so.6", "libpcre2-8.so.0", "libselinux.so.1"):
        if (path := loader.parent / library).exists():
            shutil.copy(path, libraries / library)
    (libraries / "liburing.so.2").write_text("a library")
    (libraries / "liburing.so").symlink_to("liburing.so.2")
    (root / "usr/include").mkdir()
    (root / "usr/include/liburing.h").write_text("a header")
    (root / "usr/share/doc").mkdir(parents=True)
    (root / "usr/bin").mkdir()
    for program in (name for names in tools.PROGRAMS.values() for name in names):
        shutil.copy("/bin/echo", root / "usr/bin" / program)
    return root.parent


def test_programs_start_with_their_own_loader_wherever_they_are(unpacked: Path, tmp_path: Path) -> None:
    tools.settle(unpacked)
    moved = unpacked.rename(tmp_path / "moved")
    said = subprocess.run([moved / "bin/socat", "a b", "c"], capture_output=True, text=True, check=True).stdout
    assert said == "a b c\n"
    assert (moved / "liburing/lib/liburing.so").readlink() == Path("liburing.so.2")
    assert (moved / "liburing/include/liburing.h").is_file()
    assert not (moved / "root/usr/share").exists()


def test_programs_without_a_library(unpacked: Path) -> None:
    shutil.copy("/bin/echo", unpacked / "root/usr/bin/sparse")
    tools.settle(unpacked, tools.SPARSE)
    assert [path.name for path in (unpacked / "bin").iterdir()] == ["sparse"]
    assert not (unpacked / "liburing").exists()


def test_a_package_without_its_program_is_a_sentence(unpacked: Path) -> None:
    (unpacked / "root/usr/bin/socat").unlink()
    with pytest.raises(PpiovError, match="has the program socat"):
        tools.settle(unpacked)
