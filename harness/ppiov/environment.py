# SPDX-License-Identifier: GPL-2.0-only
"""What of this machine can matter to a result."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import ppiov
from ppiov.errors import MissingTool
from ppiov.results import Environment
from ppiov.vm import qemu_version


def describe() -> Environment:
    """The machine and the tools, now; what cannot be found out is ""."""
    try:
        qemu = qemu_version()
    except MissingTool:
        qemu = ""
    return Environment(
        host_kernel=platform.release(),
        distribution=_distribution(),
        cpu=_field(Path("/proc/cpuinfo"), "model name"),
        cpus=len(os.sched_getaffinity(0)),
        memory_mib=int(_field(Path("/proc/meminfo"), "MemTotal").removesuffix("kB").strip() or 0) // 1024,
        python=platform.python_version(),
        qemu=qemu,
        virtme_ng=_version_of("virtme-ng"),
        ppiov=_own_version(),
    )


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def _field(path: Path, name: str) -> str:
    """The value of the first "name : value" line."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _own_version() -> str:
    """The version, and where there is a checkout, what git calls its state."""
    try:
        git = subprocess.run(
            ["git", "-C", str(Path(ppiov.__file__).parent), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ppiov.__version__
    described = git.stdout.strip() if git.returncode == 0 else ""
    return f"{ppiov.__version__} ({described})" if described else ppiov.__version__
