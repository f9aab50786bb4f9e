# SPDX-License-Identifier: GPL-2.0-only
"""Which commit, package or module change made it slower, or broke it.

The search (search.py, judge.py, passfail.py, sequential.py, decide.py) is pure: it says what to measure next and is
told what came out. It knows neither commits nor kernels nor guests. Around it stand the histories (history.py,
packages.py), the oracles that measure (oracle.py, guestcmd.py), the journal on disk (journal.py), and the engine that
ties them together (engine.py).
"""
