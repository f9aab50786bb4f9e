# SPDX-License-Identifier: GPL-2.0-only
"""patient.py FACTOR PROGRAM [ARGUMENT...]: run a Python program whose limits on waiting come FACTOR times as late.

The kernel's tests give a program 5 s to listen and 20 s to end, as on a machine where that takes a tenth of it. What
debug options make slow is to be waited for, not to be reported. The limits are those that the kernel's library has: by
time.monotonic(), by subprocess, which goes by that, and by select.select(). The program stays as it is, and so do the
time of day, time.sleep() and what a socket waits.

It runs with the interpreter of the program and with nothing of ours in its path.
"""

import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _slow_clock(clock: Callable[[], float], factor: float) -> Callable[[], float]:
    """``clock``, from now on so much slower. subprocess takes its deadlines by it, as the kernel's library does."""
    begun = clock()
    return lambda: begun + (clock() - begun) / factor


def _patient_select(real: Callable[..., Any], factor: float) -> Callable[..., Any]:
    def wait(readers: Any, writers: Any, others: Any, timeout: float | None = None) -> Any:
        return real(readers, writers, others, timeout if timeout is None else timeout * factor)

    return wait


if __name__ == "__main__":
    time.monotonic = _slow_clock(time.monotonic, float(sys.argv[1]))
    select.select = _patient_select(select.select, float(sys.argv[1]))
    sys.argv = sys.argv[2:]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    globals().update(__file__=sys.argv[0], __doc__=None)
    exec(compile(Path(sys.argv[0]).read_bytes(), sys.argv[0], "exec"))
