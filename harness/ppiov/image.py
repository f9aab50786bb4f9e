# SPDX-License-Identifier: GPL-2.0-only
"""``image:`` kernels: a bootable image that is already there, and what lies beside it."""

from __future__ import annotations

import re
from pathlib import Path

from ppiov.errors import BadImage
from ppiov.spec import KernelSpec
from ppiov.store import file_sha256
from ppiov.tree import KernelTree


def find(spec: KernelSpec) -> KernelTree:
    """The kernel image that ``spec`` names, with what lies beside it. Raises BadImage.

    Modules, build folder and configuration are taken where a kernel package or an installed kernel has them: from the
    nearest folder above the image that has lib/modules/RELEASE, as virtme does it.
    """
    image = spec.path
    assert image is not None  # parse() sees to it
    try:
        return _tree(spec, image)
    except OSError as error:
        raise BadImage(f"{error.filename or image} cannot be read: {error.strerror}") from error


def _tree(spec: KernelSpec, image: Path) -> KernelTree:
    if not image.is_file():
        raise BadImage(f"{image} is not a file" if image.exists() else f"{image} does not exist")
    release = image_release(image)
    image = image.resolve()
    root = next((above for above in image.parents if (above / "lib/modules" / release).is_dir()), image.parent)
    modules = root / "lib/modules" / release
    build = modules / "build"
    has_build = (build / "Makefile").is_file() and (build / ".config").is_file()
    places = (
        image.parent / f"config-{release}",
        root / f"boot/config-{release}",
        modules / "config",
        build / ".config",
    )
    config = next((path for path in places if path.is_file()), None)
    return KernelTree(
        spec=str(spec),
        release=release,
        version=release,
        root=root,
        image=image,
        build=build if has_build else None,
        config=config,
        symvers=build / "Module.symvers" if has_build and (build / "Module.symvers").is_file() else None,
        image_sha256=file_sha256(image),
        config_sha256=file_sha256(config) if config else "",
    )


def image_release(image: Path) -> str:
    """The release (uname -r) that a bzImage carries in its header (Documentation/arch/x86/boot.rst: kernel_version).

    Raises BadImage for anything else.
    """
    with image.open("rb") as file:
        head = file.read(0x10000)
    if head[0x202:0x206] != b"HdrS":
        what = "an uncompressed vmlinux" if head[:4] == b"\x7fELF" else "no Linux kernel image for x86"
        raise BadImage(f"{image} is {what}; a bootable bzImage (vmlinuz) is needed")
    start = int.from_bytes(head[0x20E:0x210], "little") + 0x200
    words = head[start : head.find(b"\0", start)].split()
    if start == 0x200 or not words or not re.fullmatch(rb"\d[\w.+~-]*", words[0]):
        raise BadImage(f"{image} does not say which kernel release it is")
    return words[0].decode()
