# SPDX-License-Identifier: GPL-2.0-only
"""What a receiver's instructions are for: a line for each part of its work, found by the functions in a stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

USER = "the program itself"
COPY = "copy to user space"
OTHER = "else"
DEVICE = "device"  # ppnic's device half, which is subtracted
SET_UP = "set-up"  # which the difference of two transfers has not

# The first line that has a function of the stack is its line: what is inside of something else comes first.
_LINES: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (line, frozenset(functions.split()))
    for line, functions in (
        (DEVICE, "ppnic_engine_run ppnic_engine_kick ppnic_engine_kick_waiters ppnic_sync_single"),
        (
            SET_UP,
            "__x64_sys_close netlink_sendmsg do_exit __x64_sys_mmap __x64_sys_munmap exc_page_fault asm_exc_page_fault "
            "__x64_sys_openat __x64_sys_ioctl inet_csk_accept udmabuf_ioctl __x64_sys_bind",
        ),
        ("ACKs and window updates", "__tcp_transmit_skb tcp_send_ack __tcp_send_ack ppnic_tx_reap"),
        ("waking the reader", "sock_def_readable ep_poll_callback __wake_up_sync_key __wake_up_common"),
        (COPY, "_copy_to_iter copyout copy_user_generic skb_copy_datagram_iter __skb_datagram_iter"),
        ("tokens made", "ppiov_token_add ppiov_tokens_add ppiov_ring_hold tcp_xa_pool_refill tcp_xa_pool_commit"),
        ("tokens given back", "ppiov_tokens_dontneed sock_devmem_dontneed"),
        ("control messages", "put_cmsg put_cmsg_notrunc"),
        (
            "packets and buffers given back",
            "skb_release_data __kfree_skb kfree_skb_reason sk_skb_reason_drop kfree_skb_list_reason napi_consume_skb "
            "skb_attempt_defer_free ppiov_skb_drop_children ppiov_carrier_put skb_defer_free_flush consume_skb "
            "tcp_eat_recv_skb net_rx_action_defer kfree_skbmem napi_skb_free_stolen_head napi_reuse_skb",
        ),
        ("rings refilled", "ppnic_refill ppnic_ring_fill ppnic_fill_host ppnic_fill_data"),
        (
            "IP and TCP in",
            "tcp_v4_rcv tcp_v6_rcv ip_rcv ip_list_rcv ipv6_rcv __netif_receive_skb_list_core gro_normal_list "
            "netif_receive_skb_list_internal __netif_receive_skb_core tcp_v4_do_rcv tcp_rcv_established __release_sock",
        ),
        (
            "frames joined",
            "dev_gro_receive napi_gro_receive tcp_gro_receive skb_gro_receive ppnic_merge_join ppnic_merge_end",
        ),
        ("frames made skbs", "ppnic_rx_up ppnic_build_skb ppnic_set_metadata ppnic_ppiov_attach napi_build_skb"),
        ("poll of the queue", "ppnic_rx_poll ppnic_poll napi_threaded_poll napi_threaded_poll_loop __napi_poll"),
        ("recvmsg", "____sys_recvmsg ___sys_recvmsg __sys_recvmsg tcp_recvmsg ppiov_recvmsg sock_recvmsg"),
        ("waiting", "do_epoll_wait ep_poll __schedule schedule"),
    )
)


def line_of(stack: tuple[str, ...]) -> str:
    """Of one stack's functions, the innermost first; an empty one is in user space."""
    if not stack:
        return USER
    functions = set(stack)
    return next((line for line, those in _LINES if functions & those), OTHER)


def lines(stacks: Mapping[tuple[str, ...], int]) -> Counter[str]:
    """How many samples are each line's, without the device's and those of set-up."""
    found: Counter[str] = Counter()
    for stack, times in stacks.items():
        found[line_of(stack)] += times
    del found[DEVICE], found[SET_UP]
    return found
