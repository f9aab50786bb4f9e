# SPDX-License-Identifier: GPL-2.0-only
"""Where ppiov keeps what it fetched and built."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import platformdirs

from ppiov.errors import DiskFull, Unwritable


def cache_dir() -> Path:
    """The folder of the store, created if absent: ``$XDG_CACHE_HOME/ppiov``, by default ``~/.cache/ppiov``.

    Raises :class:`Unwritable` where it cannot be created or written.
    """
    return writable_dir(platformdirs.user_cache_path("ppiov"), "set XDG_CACHE_HOME to a folder that you can write")


def writable_dir(path: Path, cure: str) -> Path:
    """Create ``path`` and make sure that this user can write in it; ``cure`` ends the sentence of the error."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no space left to create {path}") from error
        raise Unwritable(f"{path} cannot be created ({error.strerror}): {cure}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise Unwritable(f"{path} cannot be written: {cure}")
    return path
