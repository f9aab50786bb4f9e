# SPDX-License-Identifier: GPL-2.0-only
"""Which kernel's tests there are is known when they are built: without PPIOV_PROGRAMS there are none."""

from __future__ import annotations

from lib import kselftest

collect_ignore = [] if kselftest.programs() else ["test_kernel.py"]
