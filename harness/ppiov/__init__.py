# SPDX-License-Identifier: GPL-2.0-only
"""ppiov: boots kernels, runs device-memory TCP tests in them, and writes the report that goes with a patch."""

__version__ = "0.1.0"
