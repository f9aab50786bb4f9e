# SPDX-License-Identifier: GPL-2.0-only
"""Which kernel's tests there are is known when they are built: without PPIOV_PROGRAMS there are none. Where they were
built and ncdevmem is not among them, as on kernels whose own tests drive it, there are none of ours for it; and where
they came without YNL, as a collection by name may, none for that."""

from __future__ import annotations

import os

from lib import kselftest

collect_ignore = []
if not kselftest.programs():
    collect_ignore += ["test_kernel.py", "test_ynl.py"]
else:
    if "PPIOV_UPSTREAM" not in os.environ:
        collect_ignore.append("test_ncdevmem.py")
    if not kselftest.ynl().is_dir():
        collect_ignore.append("test_ynl.py")
