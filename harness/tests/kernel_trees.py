# SPDX-License-Identifier: GPL-2.0-only
"""Kernel sources: KERNEL_TREE (a path, or several with ":"), what the store has, or what has to be fetched."""

from __future__ import annotations

import io
import os
from pathlib import Path

from ppiov import kernel_source, kernels
from ppiov.drive import drive
from ppiov.ktap import PARSER
from ppiov.render.plain import PlainRenderer
from ppiov.spec import KernelSpec
from ppiov.store import Store


def with_parser() -> list[Path]:
    """Those that have a KTAP parser, without fetching anything."""
    named = [Path(word) for word in os.environ.get("KERNEL_TREE", "").split(os.pathsep) if word]
    stored = [entry.path for entry in Store().entries(kernel_source.KIND)]
    return [tree for tree in [*named, *stored] if (tree / PARSER).is_file()]


def fetched() -> Path:
    """The source of PPIOV_KERNEL, fetched with what the kernel itself needs."""
    store, renderer = Store(), PlainRenderer(io.StringIO())
    kernel = drive(kernels.get(KernelSpec.parse(os.environ.get("PPIOV_KERNEL", "deb:6.12")), store=store), renderer)
    return drive(kernel_source.get(kernel, store=store), renderer)
