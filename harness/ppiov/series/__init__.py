# SPDX-License-Identifier: GPL-2.0-only
"""Is each patch of a series fit to send? The engine is ppiov.series.engine."""
