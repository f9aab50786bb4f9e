# SPDX-License-Identifier: GPL-2.0-only
"""A kernel whose own tree has this project's modules (``ppiov series --self``): those are used, and none are built.

As modules they are copied to one folder, as those that are built out of the tree stand in one. As parts of the kernel
there is nothing to load, and the folder has none: what is asked for by name is there already.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator
from typing import Final

from ppiov import kbuild
from ppiov.errors import BuildFailed
from ppiov.events import Event, Note
from ppiov.kbuild import DEBUG_SUFFIX, SYMVERS, BuiltModules
from ppiov.store import Store, digest, entry_lock, file_sha256
from ppiov.tree import KernelTree, read_config

KIND: Final = "modules"
PLACE: Final = "drivers/net/ppiov"
_OPTION: Final = "CONFIG_PPNIC"  # it depends on the pool


def how(kernel: KernelTree) -> str:
    """ "m" or "y" where the kernel has the modules, "" where they are built for it."""
    return read_config(kernel.config).get(_OPTION, "") if kernel.config else ""


def modules(kernel: KernelTree, *, store: Store) -> Generator[Event, None, BuiltModules]:
    """The kernel's own ppiov.ko, ppnic.ko and so on, in a folder of the store. Raises BuildFailed, DiskFull."""
    key = f"{kernel.release}-{digest(['inside', kernel.image_sha256, kernel.config_sha256])}"
    built = how(kernel)
    if built == "y":
        yield Note(f"{kernel.release} has ppiov and ppnic built in: nothing is built or loaded")
    with (yield from store.lock(entry_lock(KIND, key), f"the modules of {kernel.release}")):
        entry = store.entry(KIND, key)
        if entry is None:
            root = kernel.root / "lib/modules" / kernel.release
            found = sorted(root.rglob(f"{PLACE}/**/*.ko")) if built == "m" else []
            if built == "m" and not found:
                raise BuildFailed(f"{kernel.release} has {_OPTION}=m and no module below {root}")
            with store.fresh(KIND, key) as fresh:
                for path in found:
                    shutil.copy(path, fresh.path / path.name)
                    shutil.copy(path, fresh.path / f"{path.name}{DEBUG_SUFFIX}")
                # what they export is in the kernel's own
                (fresh.path / SYMVERS).write_text("")
                names = [*(path.name for path in found), SYMVERS]
                entry = fresh.commit(
                    {"release": kernel.release, "files": {n: file_sha256(fresh.path / n) for n in names}}
                )
        store.use(entry)
    described = (kbuild.describe(path, kernel) for path in sorted(entry.path.glob("*.ko")))
    return BuiltModules(entry.path, tuple(described))
