# SPDX-License-Identifier: GPL-2.0-only
"""What waits for a softirq, on a machine where nothing else would raise one."""

from __future__ import annotations

import os
import socket

from lib.netns import Namespace


def kick(ns: Namespace) -> None:
    """Run NET_RX on every CPU that this thread may use, so that skbs parked there are freed.

    skb_attempt_defer_free() (net/core/skbuff.c) leaves an skb that was read on another CPU to the one that it came to.
    On a quiet machine it would stay there until the next packet, and its buffers and their pool with it. A datagram
    over loopback is such a packet, and it is received on the CPU that sent it.
    """
    cpus = os.sched_getaffinity(0)
    with (
        ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        try:
            for cpu in cpus:
                os.sched_setaffinity(0, {cpu})
                sender.sendto(b"kick", receiver.getsockname())
        finally:
            os.sched_setaffinity(0, cpus)
