# SPDX-License-Identifier: GPL-2.0-only
"""How a kernel is named on the command line.

==================  =================================================================================
``deb:6.12``        the newest 6.12 point release, with headers, in Debian's archive
``deb:6.12.117``    exactly that point release
``image:PATH``      a bootable image that is already there; its modules are looked for beside it
==================  =================================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ppiov.errors import BadSpec, UnknownName

EXAMPLES = ("deb:6.12", "deb:6.12.117", "image:/boot/vmlinuz")
_NOT_BUILT_HERE = ("src", "tree")
_DEB_VERSION = re.compile(r"[1-9]\d{0,3}\.\d{1,4}(\.\d{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """A parsed kernel spec; ``str()`` gives it back."""

    kind: str  # "deb" or "image"
    version: str  # "6.12" or "6.12.117"; "" for an image
    additions: tuple[str, ...] = ()  # "kunit", "kasan": only kernels built from source can have them
    path: Path | None = None
    rev: str | None = None

    @classmethod
    def parse(cls, text: str) -> KernelSpec:
        """Read ``text``; raises BadSpec or UnknownName. Whether the kernel exists is not asked here."""
        kind, colon, rest = text.partition(":")
        if not colon:
            raise UnknownName("kernel", text, EXAMPLES)
        if kind in _NOT_BUILT_HERE:
            raise BadSpec(f"{text!r}: this version does not build kernels from source; it takes deb:6.12 or image:PATH")
        if kind == "image":
            return cls._image(text, rest)
        if kind == "deb":
            return cls._deb(text, rest)
        raise UnknownName("kernel", text, EXAMPLES)

    @classmethod
    def _deb(cls, text: str, rest: str) -> KernelSpec:
        version, plus, addition = rest.partition("+")
        if plus and _DEB_VERSION.fullmatch(version):
            raise BadSpec(f"{text!r}: a distribution's kernel is taken as it is, so without +{addition}")
        if not _DEB_VERSION.fullmatch(rest):
            raise BadSpec(f"{text!r}: a version such as 6.12 or 6.12.117 must follow deb:")
        return cls("deb", rest)

    @classmethod
    def _image(cls, text: str, rest: str) -> KernelSpec:
        if not rest or "\0" in rest:
            raise BadSpec(f"{text!r}: the path of a bootable kernel image must follow image:")
        try:
            return cls("image", "", path=Path(rest).expanduser().absolute())
        except (RuntimeError, OSError) as error:  # an unknown ~user, a current folder that is gone
            raise BadSpec(f"{text!r}: {error}") from error

    def __str__(self) -> str:
        return f"{self.kind}:{self.path if self.kind == 'image' else self.version}"
