# SPDX-License-Identifier: GPL-2.0-only
"""Do the two ports agree on a speed as those of a cable would, and is there a link if and only if they do?

tx0 ===================== rx0
forced, or advertises      forced, or advertises
"""

from __future__ import annotations

import re

import pytest
from lib import faults
from lib.fixtures import Defer, MakeLink
from lib.link import Link, Port
from lib.poll import until

# Mb/s: the bit of its link mode in `ethtool -s DEV advertise`
MODES = {1000: 17, 10000: 19, 25000: 32, 40000: 23, 50000: 35, 100000: 36}
NONE = None


@pytest.fixture
def link(make_link: MakeLink) -> Link:
    return make_link(bare=True)


def force(port: Port, speed: int) -> None:
    port.ethtool.run("-s", "speed", speed, "autoneg", "off")


def advertise(port: Port, *speeds: int) -> None:
    port.ethtool.run("-s", "advertise", hex(sum(1 << MODES[speed] for speed in speeds)))


def speed(port: Port) -> int | None:
    """What ethtool says; the kernel's carrier is of the same opinion."""
    shown = port.ns.run(["ethtool", port.name])
    found = re.search(r"Speed: (\d+)Mb/s", shown)
    detected = "Link detected: yes" in shown
    assert detected == bool(found) == bool(port.attribute("IFLA_CARRIER")), shown
    assert detected == ("Duplex: Full" in shown), shown
    return int(found[1]) if found else None


def both(link: Link) -> int | None:
    """The speed of the link: both ends say the same."""
    one, other = speed(link.tx), speed(link.rx)
    assert one == other, f"tx0 has {one} Mb/s, rx0 {other}"
    return one


def why(port: Port) -> str:
    """The reason for no link, as `ethtool` shows it."""
    found = re.search(r"Link detected: no \((.*)\)", port.ns.run(["ethtool", port.name]))
    return found[1] if found else ""


def ping(link: Link) -> None:
    link.set_up()  # a link that went has forgotten its neighbours
    link.tx.ns.run(["ping", "-n", "-q", "-c", "1", "-W", "10", link.rx.v4])


def test_as_made(link: Link) -> None:
    """Both negotiate all there is, and come to the highest."""
    assert both(link) == 100000
    shown = link.rx.ns.run(["ethtool", link.rx.name])
    for mode in ("1000baseKX/Full", "10000baseKR/Full", "25000baseKR/Full", "50000baseKR2/Full", "100000baseKR4/Full"):
        assert shown.count(mode) == 3, f"{mode} is not supported, advertised and the partner's"
    assert "Auto-negotiation: on" in shown


@pytest.mark.parametrize("mbit", MODES)
def test_forced(link: Link, mbit: int) -> None:
    """A speed forced on one end is found by the other, which negotiates; forced on both, too."""
    force(link.tx, mbit)
    assert both(link) == mbit
    force(link.rx, mbit)
    assert both(link) == mbit
    ping(link)


def test_forced_apart(link: Link) -> None:
    """Two forced speeds are no link, and each end says why; one of them changed is one again."""
    force(link.tx, 1000)
    force(link.rx, 10000)
    assert both(link) is NONE
    for port in (link.tx, link.rx):
        assert why(port) == "Autoneg, No partner detected during force mode"
    force(link.rx, 1000)
    assert both(link) == 1000
    ping(link)


def test_negotiated(link: Link) -> None:
    """The highest of what both advertise; nothing in common is no link; all again is the first speed again."""
    advertise(link.tx, 1000, 25000, 50000)
    assert both(link) == 50000
    advertise(link.rx, 1000, 25000, 100000)
    assert both(link) == 25000
    advertise(link.rx, 1000)
    assert both(link) == 1000
    ping(link)
    advertise(link.rx, 10000, 40000)
    assert both(link) is NONE
    assert why(link.tx) == why(link.rx) == "Autoneg, No HCD"
    force(link.rx, 40000)
    assert both(link) is NONE, "an end that negotiates took a speed that it does not advertise"
    advertise(link.tx, *MODES)
    assert both(link) == 40000
    link.rx.ethtool.run("-s", "autoneg", "on")
    advertise(link.rx, *MODES)
    assert both(link) == 100000


def test_settings_of_a_port_that_is_down(link: Link) -> None:
    """They are kept for when it is up; the other end sees nobody."""
    link.rx.set(state="down")
    until("tx0 has no carrier", lambda: not link.tx.attribute("IFLA_CARRIER"))
    assert why(link.tx) == "Autoneg, No partner detected"
    advertise(link.rx, 10000)
    assert speed(link.tx) is NONE
    link.set_up()
    assert both(link) == 10000


@pytest.mark.parametrize("end", ["tx", "rx"])
def test_unplugged(link: Link, defer: Defer, end: str) -> None:
    """No cable is no link, and each end says what it sees; plugged in again, they come to what they came to before."""
    here, there = (link.tx, link.rx) if end == "tx" else (link.rx, link.tx)
    advertise(there, 1000, 25000)
    faults.unplug(here, defer)
    assert both(link) is NONE
    assert why(here) == "No cable"
    assert why(there) == "Autoneg, No partner detected"
    here.ethtool.run("-K", "loopback", "on")
    assert (speed(here), speed(there)) == (100000, NONE), "what a port says to itself takes no cable"
    here.ethtool.run("-K", "loopback", "off")
    force(there, 1000)
    assert both(link) is NONE
    assert why(there) == "Autoneg, No partner detected during force mode"
    faults.plug(here)
    assert both(link) == 1000
    ping(link)


def test_unplugged_at_both_ends(link: Link, defer: Defer) -> None:
    """One end put back is not enough."""
    for port in (link.tx, link.rx):
        faults.unplug(port, defer)
    assert why(link.tx) == why(link.rx) == "No cable"
    faults.plug(link.tx)
    assert both(link) is NONE
    assert why(link.tx) == "Autoneg, No partner detected"
    with pytest.raises(OSError, match="Invalid argument"):
        (faults.folder(link.rx) / "unplugged").write_text("2")
    faults.plug(link.rx)
    assert both(link) == 100000
    ping(link)


def test_watchers_are_told(link: Link) -> None:
    """Another speed is another link, also for who looks at carrier changes only."""
    before = link.tx.attribute("IFLA_CARRIER_CHANGES")
    advertise(link.rx, 1000)
    until("the carrier went and came", lambda: link.tx.attribute("IFLA_CARRIER_CHANGES") >= before + 2)
    assert both(link) == 1000
    before = link.tx.attribute("IFLA_CARRIER_CHANGES")
    advertise(link.tx, 1000, 10000)
    assert link.tx.attribute("IFLA_CARRIER_CHANGES") == before, "the link is the same as before"


@pytest.mark.parametrize(
    "words",
    [
        ("speed", 2500, "autoneg", "off"),
        ("speed", 1000, "duplex", "half", "autoneg", "off"),
        ("advertise", hex(1 << 5)),
        ("advertise", hex(1 << 17 | 1 << 5)),
    ],
    ids=["speed", "duplex", "mode", "one mode of two"],
)
def test_refused(link: Link, words: tuple[str | int, ...]) -> None:
    """What a port does not have: the link stays as it was."""
    with pytest.raises(Exception, match=r"Invalid argument|not supported|Cannot"):
        link.rx.ethtool.run("-s", *words)
    assert both(link) == 100000
