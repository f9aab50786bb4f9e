# SPDX-License-Identifier: GPL-2.0-only
"""A mirror whose clones wait, while the packets that were cloned go on with headers of their own.

rx0  ingress: mirred ----> qdisc of «held»: a clone of each packet waits there, and shares its frags
              pedit, csum: the packet's headers are rewritten, for which they are copied
"""

from __future__ import annotations

from collections.abc import Callable

from lib.link import Port

NEEDS = ("NET_ACT_MIRRED", "NET_ACT_PEDIT", "NET_ACT_CSUM", "NET_SCH_NETEM", "DUMMY")
_REWRITE = ("pedit", "ex", "munge", "ip", "ttl", "set", "33", "pipe", "action", "csum", "ip")


class Mirror:
    """Of what comes in at a port from now on, until drop()."""

    def __init__(self, port: Port, defer: Callable[..., None]) -> None:
        self._run, self._port = port.ns.run, port.name
        self._run(["ip", "link", "add", "name", "held", "type", "dummy"])
        defer(self._run, ["ip", "link", "del", "held"])
        self._run(["ip", "link", "set", "held", "up"])
        # tc refuses a netem of 1000 s
        self._run(["tc", "qdisc", "add", "dev", "held", "root", "netem", "delay", "250s", "limit", "100000"])
        self._run(["tc", "qdisc", "add", "dev", self._port, "clsact"])
        match = ("tc", "filter", "add", "dev", self._port, "ingress", "protocol", "ip", "matchall")
        mirror = ("action", "mirred", "egress", "mirror", "dev", "held", "pipe")
        self._run([*match, *mirror, "action", *_REWRITE])

    @property
    def held(self) -> int:
        """Clones that wait."""
        told = self._run(["tc", "-s", "qdisc", "show", "dev", "held"])
        return int(told.partition("backlog ")[2].split()[1].rstrip("p"))

    def drop(self) -> None:
        """No mirror any more, and no clones."""
        self._run(["tc", "qdisc", "del", "dev", self._port, "clsact"])
        self._run(["tc", "qdisc", "del", "dev", "held", "root"])
