# SPDX-License-Identifier: GPL-2.0-only
"""Do links and the module come and go under traffic, again and again?

netns «ppiov-tx»                    netns «ppiov-rx»
 tx0 ====== never at rest ========= rx0    made, used, removed; and the module, loaded and unloaded
"""

from __future__ import annotations

from functools import partial

import pytest
from lib import module
from lib.chatter import Chatter
from lib.fixtures import Defer, MakeLink
from lib.link import Link
from lib.netns import Namespace
from lib.poll import until


def arrived(link: Link, packets: int) -> bool:
    return bool(link.rx.attribute("IFLA_STATS64")["rx_packets"] > packets)


def test_links_come_and_go(make_link: MakeLink) -> None:
    """Eight links, one after the other, each removed while both ends talk."""
    for _ in range(8):
        link = make_link(bare=True)
        chatter = Chatter(link)
        try:
            until("datagrams", partial(arrived, link, 50))
            link.remove()
            assert not link.exists
        finally:
            chatter.end()
        link.delete()


def test_settings_change_at_once(make_link: MakeLink) -> None:
    """Down, up, rings, split, channels, features in quick succession under traffic; then everything works."""
    link = make_link(bare=True)
    chatter = Chatter(link)
    try:
        for i in range(6):
            port = (link.rx, link.tx)[i % 2]
            port.ethtool.set_rings(RX=64 << i % 3)
            port.ethtool.set_split(("on", "off")[i // 2 % 2])
            port.set(state="down")
            port.ethtool.run("-L", "combined", 1 + i % 4)
            port.set(state="up")
            port.ethtool.run("-K", "rx-gro-hw", ("off", "on")[i // 2 % 2], "tso", ("off", "on")[i // 2 % 2])
    finally:
        chatter.end()
    link.set_up()
    link.tx.ns.run(["ping", "-n", "-q", "-c", "3", "-i", "0.05", link.rx.v4])


@pytest.mark.last
def test_module_unload_and_reload(make_link: MakeLink, namespaces: tuple[Namespace, Namespace], defer: Defer) -> None:
    """rmmod under traffic removes links and all else; insmod brings back a driver that works."""
    for _ in range(2):
        link = make_link(bare=True)
        chatter = Chatter(link)
        try:
            until("datagrams", partial(arrived, link, 20))
            module.unload()
        finally:
            chatter.end()
        assert not module.loaded() and not link.exists
        link.delete()
    link = make_link(bare=True)
    link.tx.ns.run(["ping", "-n", "-q", "-c", "2", "-i", "0.05", link.rx.v4])
