# SPDX-License-Identifier: GPL-2.0-only
"""The decoder and addr2line agree about our own modules, as they are built for a kernel."""

from __future__ import annotations

import random

import built
import fake_archive
import pytest
from addr2line import wrong_answers
from built import TOP
from engines import drain
from ppiov import kbuild
from ppiov.store import Store

pytestmark = pytest.mark.build


@pytest.mark.parametrize("name", ["ppnic", "ppiov"])
def test_as_addr2line_has_it(name: str) -> None:
    fake_archive.need("addr2line")
    tree = built.kernel_with_headers()
    modules = drain(kbuild.build_modules(tree, TOP / "kernel", store=Store(), checks=True))[1]
    module = modules.directory / f"{name}.ko{kbuild.DEBUG_SUFFIX}"
    asked, wrong = wrong_answers(module, random.Random(name), 1000)
    assert asked > 900 and wrong == []
