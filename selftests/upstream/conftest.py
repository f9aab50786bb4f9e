# SPDX-License-Identifier: GPL-2.0-only
"""Which kernel's tests there are is known when they are built: without PPIOV_PROGRAMS there are none, and where they
were built and ncdevmem is not among them, as on kernels whose own tests drive it, none of ours for it."""

from __future__ import annotations

import os

from lib import kselftest

if not kselftest.programs():
    collect_ignore = ["test_kernel.py"]
elif "PPIOV_UPSTREAM" not in os.environ:
    collect_ignore = ["test_ncdevmem.py"]
