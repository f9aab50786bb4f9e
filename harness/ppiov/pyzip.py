# SPDX-License-Identifier: GPL-2.0-only
"""Python's library as one zip file for the guest.

A guest reads the host's root file system over 9p, where each of pytest's hundreds of imports costs milliseconds under
TCG. So those come in one file, copied to the guest's memory: byte code only, of the very interpreter that runs here.
What is not in it is still found where it is on the host. The zip holds few files, since Python reads its whole
directory at every start.
"""

from __future__ import annotations

import hashlib
import json
import os
import py_compile
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from ppiov.paths import cache_dir

# What a guest's Python imports: the job, the plugin's imports, and pytest once through its start.
_IMPORTS = """
import contextlib, dataclasses, faulthandler, importlib, json, pathlib
import selectors, signal, socket, struct, subprocess, sys
import pytest
pytest.main(["-p", "no:cacheprovider", "-c", "/dev/null", "--collect-only", "-qq", "/dev/null"])
files = {}
for name, module in list(sys.modules.items()):
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    if name != "__main__" and origin and origin.endswith(".py"):
        files[name] = [origin, hasattr(module, "__path__")]
import os
os.write(3, json.dumps(files).encode())
"""
# A package that is in the zip is nowhere else, so it must be there as a whole. Not these: encodings has 120 files of
# which one is used, and nobody in the guest but pytest uses pygments, which has 300.
_LEFT_OUT = ("encodings", "_distutils_hack", "_virtualenv")
_IN_PART = ("pygments",)


def guest_python() -> Path:
    """The interpreter for the guest: the one that runs here, without its virtual environment."""
    return Path(os.path.realpath(sys.executable))


def host_site_packages() -> list[str]:
    """Where the guest finds further packages (over 9p, so slowly): the folders of this interpreter."""
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]


def python_zip() -> Path:
    """The zip file, made once per interpreter and pytest, kept in the cache."""
    import pytest

    made_of = [sys.version, sys.executable, pytest.__version__, pytest.__file__, _IMPORTS]
    key = hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16]
    path = cache_dir() / "python" / f"python-{key}.zip"
    if not path.is_file():
        path.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as work:
            part = Path(work) / "python.zip"
            _write(part, _modules(), Path(work) / "module.pyc")
            part.replace(path)
    return path


def _modules() -> dict[str, Path]:
    """Name in the zip -> source file, of everything that the guest will import, with the packages made whole."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as answer:
        process = subprocess.Popen(
            [sys.executable, "-c", f"import os; os.dup2({write}, 3)\n{_IMPORTS}"],
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(write,),
        )
        os.close(write)
        imported: dict[str, tuple[str, bool]] = json.loads(answer.read())
        process.wait()
    found = {}
    for name, (origin, is_package) in imported.items():
        top = name.partition(".")[0]
        if top in _LEFT_OUT:
            continue
        found[name.replace(".", "/") + ("/__init__" if is_package else "")] = Path(origin)
        if is_package and top not in _IN_PART:
            for file in Path(origin).parent.glob("*.py"):
                found[f"{name.replace('.', '/')}/{file.stem}"] = file
    return {name: path for name, path in sorted(found.items()) if path.is_file()}


def _write(archive: Path, modules: dict[str, Path], compiled: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name, source in modules.items():
            py_compile.compile(str(source), cfile=str(compiled), doraise=True)
            file.write(compiled, f"{name}.pyc")
