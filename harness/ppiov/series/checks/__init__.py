# SPDX-License-Identifier: GPL-2.0-only
"""The checks that a patch for netdev meets in review, in the order in which they run: what is quick comes first."""

from __future__ import annotations

from typing import Final

from ppiov.series.check import Check
from ppiov.series.checks import build, docs, lint, message, people, selftests, style, ynl

OWN: Final[tuple[Check, ...]] = (
    *message.CHECKS,
    *style.CHECKS,
    *people.CHECKS,
    *docs.CHECKS,
    *selftests.CHECKS,
    *lint.CHECKS,
    *ynl.CHECKS,
    *build.CHECKS,
)
