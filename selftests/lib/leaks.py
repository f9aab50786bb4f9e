# SPDX-License-Identifier: GPL-2.0-only
"""What must not be left over after a test. Each finding is one sentence that names the object.

The questions are asked of the whole machine, not of what a test says it made, so a test cannot forget to ask. What was
there before the first test is not held against any.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pyroute2.netns

from lib import kmemleak, link, module, ppiov, processes, softirqs
from lib.debugfs import DEBUGFS, mount_debugfs
from lib.netdev import Netdev
from lib.netlink import RefusedError
from lib.netns import INIT, Namespace
from lib.poll import ticks

# page_pool retries the release of a pool with buffers in flight once a second (DEFER_TIME in net/core/page_pool.c), and
# a socket's last references go when its memory is reclaimed; an emulated machine takes its time for both.
GRACE = 6.0

BUFINFO = DEBUGFS / "dma_buf" / "bufinfo"
PARENTS = DEBUGFS / "ppnic"


@dataclass(slots=True)
class _State:
    """What is known of the time before; filled by begin()."""

    begun: bool = False
    namespaces: list[Namespace] = field(default_factory=list)  # the session's own, which stay
    dmabufs: int = 0
    told: set[str] = field(default_factory=set)  # what was reported is not reported again after the next test
    pending: list[str] = field(default_factory=list)  # found when the session ended


_state = _State()


def begin(namespaces: list[Namespace]) -> None:
    """Remember how the machine is now, and which namespaces the session keeps."""
    mount_debugfs()
    _state.namespaces = list(namespaces)
    _state.dmabufs = count_dmabufs() or 0
    _state.told = set()
    _state.begun = True


def begun() -> bool:
    """Whether questions are asked already."""
    return _state.begun


def end() -> None:
    """The session's namespaces are about to go: ask while they still can be asked, answer at the next question."""
    _state.pending = leak_questions()
    _state.namespaces = []


def last_questions() -> list[str]:
    """Asked once, after the last test of a guest: do the modules go, and what can the kernel not reach any more?

    The latter takes its time; the kernel answers on the console, with the stack of whoever allocated it. Where a test
    has leaked what is still out, the modules are not asked: rmmod would wait for it, for ever.
    """
    left = [] if _state.told else module.end()
    if kmemleak.available():
        kmemleak.scan()
    return left


def leak_questions() -> list[str]:
    """One sentence for each object that a test has left behind; called when all of its fixtures are gone.

    Memory that is merely on its way back gets GRACE seconds. What was told once is not told again.
    """
    if not _state.begun:
        return []
    pending, _state.pending = _state.pending, []
    return pending + _ask()


def outlook() -> list[str]:
    """What :func:`leak_questions` would say now, if nothing more went."""
    softirqs.kick(next(iter(_state.namespaces), INIT))
    return [*_state.pending, *_news().values()]


def _ask() -> list[str]:
    found = _news()
    for _ in ticks(GRACE, every=0.1):
        if not found:
            break
        softirqs.kick(next(iter(_state.namespaces), INIT))
        found = _news()
    _state.told.update(found)
    return list(found.values())


def _news() -> dict[str, str]:
    """What leaks now and was not told yet. What was told and has gone since may be told again, should it come again."""
    found = _once()
    _state.told &= found.keys()
    return {key: sentence for key, sentence in found.items() if key not in _state.told}


def _once() -> dict[str, str]:
    """All leaks as of now: what identifies the object -> the sentence."""
    found: dict[str, str] = {}
    for sentence in processes.strays():
        found[sentence] = sentence
    names = {ns.name for ns in _state.namespaces}
    for name in pyroute2.netns.listnetns():
        if name not in names:
            found[f"netns {name}"] = f"network namespace {name} is still there"
    for ns in (INIT, *_state.namespaces):
        found |= _links(ns) | _page_pools(ns) | _ppiov(ns)
    return found | _dmabufs() | _regions()


def _links(ns: Namespace) -> dict[str, str]:
    alive = {(p.ns.name, p.ifindex) for pair in link.ALIVE for p in (pair.rx, pair.tx)}
    found = {}
    for message in ns.ip.get_links():
        info = message.get_attr("IFLA_LINKINFO")
        kind = info.get_attr("IFLA_INFO_KIND") if info else None
        if kind == link.KIND and (ns.name, message["index"]) not in alive:
            name = message.get_attr("IFLA_IFNAME")
            found[f"link {ns} {message['index']}"] = f"link {name} is still there in {ns}"
    return found


def _page_pools(ns: Namespace) -> dict[str, str]:
    """Pools that nobody uses any more and that are still there, because buffers of theirs are out."""
    netdev = Netdev(ns)
    try:
        pools = netdev.page_pools()
    finally:
        netdev.close()
    found = {}
    for pool in pools:
        if not pool.orphaned:
            continue
        whose = "whose device is gone" if pool.ifindex is None else f"of ifindex {pool.ifindex}, destroyed"
        fed = f", fed by dma-buf binding {pool.dmabuf}" if pool.dmabuf is not None else ""
        found[f"page_pool {pool.id}"] = (
            f"page_pool {pool.id} {whose}, is still there in {ns} with {pool.inflight} buffers in flight{fed}"
        )
    return found


def _ppiov(ns: Namespace) -> dict[str, str]:
    """Pools of ppiov.ko that nobody uses any more, and bindings of devices that no test answers for."""
    try:
        family = ppiov.Ppiov(ns)
    except RefusedError:  # the module isn't loaded
        return {}
    with family:
        pools, bindings = family.pools(), family.bindings()
    alive = {(pair.rx.ns.name, pair.rx.ifindex) for pair in link.ALIVE}
    found = {}
    for pool in pools:
        if pool.detached:
            whose = "whose device is gone" if pool.ifindex is None else f"of ifindex {pool.ifindex}, given up"
            found[f"ppiov pool {pool.id}"] = (
                f"ppiov pool {pool.id} {whose}, is still there in {ns} with {pool.inflight} buffers in flight, "
                f"fed by ppiov binding {pool.binding} ({pool.provider})"
            )
    for binding in bindings:
        if (ns.name, binding.ifindex) not in alive:
            found[f"ppiov binding {binding.id}"] = (
                f"ppiov binding {binding.id} ({binding.provider}) of ifindex {binding.ifindex} is still there in {ns}"
            )
    return found


def count_dmabufs() -> int | None:
    """How many dma-bufs exist, or None where the kernel has no list of them."""
    try:
        text = BUFINFO.read_text()
    except FileNotFoundError:
        return None
    match = re.search(r"^Total (\d+) objects", text, re.MULTILINE)
    return int(match[1]) if match else None


def _dmabufs() -> dict[str, str]:
    now = count_dmabufs()
    if now is None or now <= _state.dmabufs:
        return {}
    more = now - _state.dmabufs
    return {f"dmabufs {now}": f"{more} dma-buf{'s are' if more > 1 else ' is'} still alive"}


def _regions() -> dict[str, str]:
    """Memory that a removed ppnic port's parent device still has mapped."""
    if not PARENTS.is_dir():
        return {}
    alive = {p.parent for pair in link.ALIVE for p in (pair.rx, pair.tx)}
    return {
        f"parent {parent.name}": f"parent device {parent.name} of a removed port still exists"
        for parent in PARENTS.iterdir()
        if parent.is_dir() and parent.name not in alive
    }
