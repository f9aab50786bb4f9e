# SPDX-License-Identifier: GPL-2.0-only
"""Netlink requests, with pyroute2's messages and a socket of our own.

pyroute2's sockets run an event loop and close when they see fit; a dma-buf binding lives exactly as long as the socket
that made it, so a test has to know when that is.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

from pyroute2.netlink import (
    CTRL_CMD_GETFAMILY,
    CTRL_CMD_GETPOLICY,
    GENL_ID_CTRL,
    NETLINK_EXT_ACK,
    NETLINK_GENERIC,
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    SOL_NETLINK,
    ctrlmsg,
    nlmsgerr,
)

from lib.closing import Closing
from lib.netns import Namespace
from lib.poll import PATIENCE


class RefusedError(OSError):
    """The kernel refused a request; strerror is its extack message, or what errno means where it gave none."""

    def __init__(self, errno: int, extack: str | None) -> None:
        super().__init__(errno, extack or os.strerror(errno))
        self.extack = extack or ""


class Netlink(Closing):
    """A netlink socket in one namespace, which asks and waits for the answer.

    :param room: of the buffer for answers, to which the kernel cuts the messages of a dump
    """

    def __init__(self, ns: Namespace, protocol: int, room: int = 1 << 16) -> None:
        self._room = room
        self._sock = ns.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self._sock.settimeout(PATIENCE)
        self._sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self._sock.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        """The kernel drops whatever is tied to this socket: a binding ends here, before close() returns."""
        self._sock.close()

    def talk(self, msg: Any, kind: int, flags: int) -> list[Any]:
        """Send one message and return the decoded answers, which are taken to be of the same class.

        :raises RefusedError: if the kernel said no
        """
        self._send(msg, kind, flags)
        return [answer for answers in self._messages(type(msg)) for answer in answers]

    def _send(self, msg: Any, kind: int, flags: int) -> None:
        self._sequence += 1
        msg["header"]["type"] = kind
        msg["header"]["flags"] = NLM_F_REQUEST | flags
        msg["header"]["sequence_number"] = self._sequence
        msg.encode()
        self._sock.send(msg.data)

    def _messages(self, message: type[Any]) -> Iterator[list[Any]]:
        """What each recv() brings, decoded, until the ACK, or until the end of a dump."""
        while True:
            data = self._sock.recv(self._room)
            answers: list[Any] = []
            offset = 0
            while offset < len(data):
                length, kind, _, sequence = struct.unpack_from("=IHHI", data, offset)
                if sequence == self._sequence:
                    if kind in (NLMSG_ERROR, NLMSG_DONE):
                        _check(data, offset, kind)
                        yield answers
                        return
                    answer = message(data, offset=offset)
                    answer.decode()
                    answers.append(answer)
                offset += (length + 3) & ~3
            yield answers


# Families of net/core and net/ethtool, which are no modules; others come back with another number
_NEVER_GOES = ("netdev", "ethtool")
_BUILT_IN: dict[str, tuple[int, frozenset[int]]] = {}  # those of them that were asked for


class Genl(Netlink):
    """A socket to one generic netlink family, which has `commands`.

    :raises RefusedError: ENOENT, where the kernel has no such family
    """

    def __init__(self, ns: Namespace, family: str, room: int = 1 << 16) -> None:
        super().__init__(ns, NETLINK_GENERIC, room)
        self._family, self.commands = _BUILT_IN.get(family) or self._ask_for(family)

    def _ask_for(self, family: str) -> tuple[int, frozenset[int]]:
        """Its number and commands: 50 ms on an emulated machine, several times a test."""
        self._family = GENL_ID_CTRL
        try:
            (about,) = self.request(ctrlmsg, CTRL_CMD_GETFAMILY, [("CTRL_ATTR_FAMILY_NAME", family)])
        except BaseException:
            self.close()
            raise
        ops = about.get_attr("CTRL_ATTR_OPS") or ()
        found = about.get_attr("CTRL_ATTR_FAMILY_ID"), frozenset(op.get_attr("CTRL_ATTR_OP_ID") for op in ops)
        if family in _NEVER_GOES:
            _BUILT_IN[family] = found
        return found

    def request(self, message: type[Any], command: int, attrs: list[Any], dump: bool = False) -> list[Any]:
        """Send one request and return the decoded answers.

        :param message: a genlmsg class whose nla_map names the attributes, for the request and the answers
        :raises RefusedError: if the kernel said no
        """
        return self.talk(_genl(message, command, attrs), self._family, NLM_F_DUMP if dump else NLM_F_ACK)

    def deafen(self) -> None:
        """Have a receive buffer as small as it can be, and never read: soon nothing more can be answered."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)

    def unasked(self, seconds: float = 0.3) -> int:
        """How many messages come in that time that answer nothing, or another question than the last."""
        found = 0
        self._sock.settimeout(seconds)
        try:
            while True:
                data, offset = self._sock.recv(self._room), 0
                while offset < len(data):
                    length, _, _, sequence = struct.unpack_from("=IHHI", data, offset)
                    found += sequence != self._sequence
                    offset += (length + 3) & ~3
        except TimeoutError:
            return found
        finally:
            self._sock.settimeout(PATIENCE)

    def post(self, message: type[Any], command: int, attrs: list[Any]) -> None:
        """Send a request and do not wait for its answer. The kernel has done it when this returns."""
        self._send(_genl(message, command, attrs), self._family, NLM_F_ACK)

    def accepts(self, command: int) -> set[int]:
        """The attributes that the kernel takes in a request, by its own policy."""
        which = [("CTRL_ATTR_FAMILY_ID", self._family), ("CTRL_ATTR_OP", command)]
        answers = self.talk(_genl(ctrlmsg, CTRL_CMD_GETPOLICY, which), GENL_ID_CTRL, NLM_F_DUMP)
        # Which policy is the command's comes first; then all attributes of all policies, nested ones too
        indexes = [
            policy.get_attr("CTRL_ATTR_POLICY_DO")
            for policy in _nested(answers, "CTRL_ATTR_OP_POLICY", f"OP({command})")
        ]
        found = _nested(answers, "CTRL_ATTR_POLICY", *(f"POLICY({index})" for index in indexes))
        return {int(name.removeprefix("ATTR(").removesuffix(")")) for policy in found for name, _ in policy["attrs"]}

    def dump(self, message: type[Any], command: int) -> Iterator[list[Any]]:
        """A dump, message by message: the kernel goes on when the next one is asked for."""
        self._send(_genl(message, command, []), self._family, NLM_F_DUMP)
        yield from self._messages(message)


class Held(Closing):
    """What a request made, with an ID of its own. It lives at most as long as the netlink socket in here.

    :raises RefusedError: if the kernel said no; nothing is left then
    """

    def __init__(self, ns: Namespace, family: str, message: type[Any], command: int, attrs: list[Any]) -> None:
        self._genl = Genl(ns, family)
        try:
            (answer,) = self._genl.request(message, command, attrs)
        except BaseException:
            self._genl.close()
            raise
        self.id: int = answer.get_attr("ID")

    def close(self) -> None:
        """Close the socket, which ends it before this returns; a second time is no error."""
        self._genl.close()


def _nested(answers: list[Any], attribute: str, name: str) -> list[Any]:
    nests = [nest for answer in answers if (nest := answer.get_attr(attribute)) is not None]
    return [value for nest in nests for key, value in nest["attrs"] if key == name]


def _genl(message: type[Any], command: int, attrs: list[Any]) -> Any:
    msg = message()
    msg["cmd"] = command
    msg["version"] = 1
    msg["attrs"] = attrs
    return msg


def _check(data: bytes, offset: int, kind: int) -> None:
    """Raise what an NLMSG_ERROR or the end of a dump says; both begin with an errno, of which 0 is the ACK."""
    (error,) = struct.unpack_from("=i", data, offset + 16)
    if not error:
        return
    extack = None
    if kind == NLMSG_ERROR:
        msg = nlmsgerr(data, offset=offset)
        msg.decode()
        extack = msg.get_attr("NLMSGERR_ATTR_MSG")
    raise RefusedError(-error, extack)


@contextlib.contextmanager
def refusal(errno: int, extack: str = "", *others: tuple[int, str]) -> Iterator[None]:
    """Assert that the block is refused with this errno and, if given, with this text in the extack message.

    :param others: what other kernels say instead
    """
    ways = ((errno, extack), *others)
    wanted = " or ".join(os.strerror(number) + (f" and «{text}»" if text else "") for number, text in ways)
    try:
        yield
    except RefusedError as refused:
        said = f"{os.strerror(refused.errno or 0)} and «{refused.extack}»"
        assert any(refused.errno == number and text in refused.extack for number, text in ways), (
            f"refused with {said}, not with {wanted}"
        )
    else:
        raise AssertionError(f"the kernel accepted what it had to refuse with {wanted}")
