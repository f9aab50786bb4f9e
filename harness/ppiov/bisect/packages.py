# SPDX-License-Identifier: GPL-2.0-only
"""The history of a line of packaged kernels: the point releases that the archive offers, in version order."""

from __future__ import annotations

from collections.abc import Generator

from ppiov import deb
from ppiov.bisect.history import History, Revision
from ppiov.errors import BadRequest, UnknownName
from ppiov.events import Event
from ppiov.spec import KernelSpec
from ppiov.store import Store


def releases(line: KernelSpec, good: str, bad: str, *, store: Store) -> Generator[Event, None, History]:
    """The packaged kernels of ``line`` from ``good`` to ``bad`` ("6.12.107"; "oldest" and "newest" are names, too).

    Those that the archive has an image of; many of them without headers. Raises BadRequest, UnknownName, NetworkGone.
    """
    if line.kind != "deb" or line.version.count(".") != 1:
        raise BadRequest(f"--packages takes a line of packaged kernels, such as deb:6.12, and not {line}")
    found = yield from deb.releases(line.version, store=store)
    if len(found) < 2:
        raise BadRequest(f"{line} has {len(found) or 'no'} release here, and a history needs two")
    versions = list(found)
    names = {"oldest": versions[0], "newest": versions[-1]}
    places = []
    for name in (good, bad):
        version = names.get(name, name.removeprefix("deb:"))
        if version not in found:
            raise UnknownName("release", name, [*versions, *names])
        places.append(versions.index(version))
    if places[0] >= places[1]:
        raise BadRequest(f"{good} is not older than {bad}")
    points = [Revision(version, f"linux {found[version]}") for version in versions[places[0] : places[1] + 1]]
    return History(tuple(points))
