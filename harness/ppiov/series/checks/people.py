# SPDX-License-Identifier: GPL-2.0-only
"""Who has to see the patch."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from ppiov.events import Event
from ppiov.series.check import CannotSay, Check, passed, skipped, warned
from ppiov.series.checks.message import address
from ppiov.series.patch import Patch
from ppiov.series.place import Place, run
from ppiov.series.results import CheckResult

_SCRIPT = "scripts/get_maintainer.pl"
_OPTIONS = ("--nogit", "--nogit-fallback", "--norolestats", "--nofixes")


def cc_maintainers(patch: Patch, place: Place) -> Generator[Event, None, CheckResult]:
    """Everybody whom get_maintainer.pl names is addressed."""
    if not place.scratch.id_of(place.series.base, _SCRIPT):
        return skipped(f"the tree has no {_SCRIPT}")
    tree = yield from place.base_tree()
    command = ["perl", _SCRIPT, *_OPTIONS]
    code, out, err = run(command, cwd=tree, stdin=patch.text.encode("utf-8", "replace"))
    again = f"git show --format=email {patch.commit[:12]} | perl {_SCRIPT} {' '.join(_OPTIONS)}"
    if code:  # the script's fault, or the machine's; not the patch's
        raise CannotSay(f"get_maintainer.pl failed: {(err.strip().splitlines() or ['it says nothing'])[0]}")
    wanted = [line.strip() for line in out.splitlines() if "@" in line]
    have = addressed(patch, place)
    if not have:
        return skipped(f"the patches carry no addresses yet; get_maintainer.pl names {len(wanted)}")
    tags = ("Signed-off-by", "Reviewed-by", "Acked-by", "Co-developed-by")
    have |= {address(patch.author), *(address(tag) for key in tags for tag in patch.trailers(key))}
    # a mailing list is printed without <>
    missing = [who for who in wanted if (address(who) or who.lower()) not in have]
    if missing:
        return warned(f"{len(missing)} of {len(wanted)} not addressed", details=missing, command=again)
    return passed(f"all {len(wanted)} are addressed", command=again)


def addressed(patch: Patch, place: Place) -> set[str]:
    """The addresses that the patch or the cover letter goes to."""
    cover = place.series.cover
    return {*patch.recipients, *(cover.recipients if cover else ())}


def _reads(patch: Patch, place: Place) -> Iterable[str]:
    yield place.scratch.id_of(place.series.base, "MAINTAINERS")
    yield place.scratch.id_of(place.series.base, _SCRIPT)
    yield from sorted(addressed(patch, place))


CHECKS = (Check("cc_maintainers", "everybody whom get_maintainer.pl names is addressed", cc_maintainers, reads=_reads),)
