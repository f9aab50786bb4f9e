# SPDX-License-Identifier: GPL-2.0-only
"""selftests/upstream/patient.py: limits of the kernel's Python tests come later on a kernel that is slower."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PATIENT = Path(__file__).parents[2] / "selftests/upstream/patient.py"
# What the kernel's library waits with (net/lib/py/utils.py); and it must see itself as if it was called alone
PROGRAM = """\
import os, select, subprocess, sys, time
import beside

def communicate():
    try:
        subprocess.Popen(["sleep", "1"]).communicate(timeout=0.5)
    except subprocess.TimeoutExpired:
        return "too late"
    return "in time"

def listen():
    end = time.monotonic() + 0.5
    time.sleep(1)
    return "too late" if time.monotonic() > end else "in time"

def ready():
    reader, writer = os.pipe()
    subprocess.Popen(["sh", "-c", "sleep 1; echo"], stdout=writer)
    return "in time" if select.select([reader], [], [], 0.5)[0] else "too late"

print(sys.argv[1:], __name__, os.path.basename(__file__))
print({"communicate": communicate, "listen": listen, "ready": ready}[sys.argv[1]]())
sys.exit(3)
"""


@pytest.mark.parametrize("waits", ["communicate", "listen", "ready"])
def test_limits_come_later_and_the_program_does_not_know(tmp_path: Path, waits: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    (tmp_path / "beside.py").write_text("")
    told = []
    patient: list[str | Path] = [PATIENT, "100"]
    for command in ([], patient):
        done = subprocess.run(
            [sys.executable, "-S", *command, program, waits, "more"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 3, done.stderr
        first, second = done.stdout.splitlines()
        assert first == f"['{waits}', 'more'] __main__ program.py"
        told.append(second)
    assert told == ["too late", "in time"]
