# SPDX-License-Identifier: GPL-2.0-only
"""``python -m ppiov`` is ``ppiov``."""

from ppiov.cli import main

main()
