# SPDX-License-Identifier: GPL-2.0-only
"""What holds for all tests here."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A busy machine is no bug: neither how long an example takes nor how long it takes to make one says anything.
settings.register_profile("ppiov", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ppiov")
