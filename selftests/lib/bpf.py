# SPDX-License-Identifier: GPL-2.0-only
"""XDP programs, put together from instructions and loaded with bpf(2): a test's program is a few lines, seen where it
is used, and needs no compiler.

The instructions are those of Documentation/bpf/standardization/instruction-set.rst. A program gets its context in R1
and leaves its verdict in R0.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from pyroute2.netlink import NETLINK_ROUTE, NLM_F_ACK
from pyroute2.netlink.rtnl import RTM_SETLINK
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from lib.link import Port
from lib.netlink import Netlink
from lib.privileges import without

XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT = range(5)

# include/uapi/linux/bpf.h
_MAP_CREATE, _MAP_UPDATE, _PROG_LOAD, _TEST_RUN = 0, 2, 5, 10
_MAP_TYPE_XSKMAP = 17
_PROG_TYPE_XDP = 6
_ATTACH_XDP = 37
_HAS_FRAGS, _DEV_BOUND = 1 << 5, 1 << 6
_PSEUDO_MAP_FD, _PSEUDO_KFUNC_CALL = 1, 2
_FLAG_DRIVER, _FLAG_DEVICE = 1 << 2, 1 << 3  # XDP_FLAGS_DRV_MODE and _HW_MODE of if_link.h
ADJUST_HEAD, ADJUST_TAIL, REDIRECT, REDIRECT_MAP, STORE_BYTES = 44, 65, 23, 51, 190
_RX_QUEUE_INDEX = 16  # in struct xdp_md

_MOV, _MOV_REG, _ADD, _CALL, _EXIT, _JUMP_EQUAL, _STORE_WORD = 0xB7, 0xBF, 0x07, 0x85, 0x95, 0x15, 0x62
_LOAD_WORD, _LOAD_IMMEDIATE, _DIVIDE_REG = 0x61, 0x18, 0x3F
_NUMBER = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_FUNCTION_KIND = 12  # of BTF
_BTF_HEADER = struct.Struct("=HBBIIIII")

Code = Sequence[bytes]
_libc = ctypes.CDLL(None, use_errno=True)


def instruction(code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    """One instruction, or half of a wide one."""
    return struct.pack("=BBhi", code, source << 4 | to, offset, value)


def _function(name: str) -> int:
    """The number of a kernel function in the kernel's BTF."""
    data = Path("/sys/kernel/btf/vmlinux").read_bytes()
    _, _, _, header, types, types_len, strings, _ = _BTF_HEADER.unpack_from(data)
    at, end, strings = header + types, header + types + types_len, header + strings
    wanted = data.index(b"\0" + name.encode() + b"\0", strings) + 1 - strings
    # What follows each kind: bytes, and bytes per member
    extra = {1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8), 14: (4, 0), 15: (0, 12), 17: (4, 0),
             19: (0, 12)}  # fmt: skip
    number = 0
    while at < end:
        number += 1
        text, info, _ = struct.unpack_from("=III", data, at)
        kind = info >> 24 & 0x1F
        if kind == _FUNCTION_KIND and text == wanted:
            return number
        fixed, each = extra.get(kind, (0, 0))
        at += 12 + fixed + each * (info & 0xFFFF)
    raise LookupError(f"the kernel has no {name}()")


# ------------------------------------------------------------------ programs


def verdict(action: int) -> list[bytes]:
    """The end of a program, or all of it."""
    return [instruction(_MOV, 0, value=action), instruction(_EXIT)]


def _checked(call: Sequence[bytes]) -> list[bytes]:
    """A call that keeps the context in R6, and ends the program with XDP_ABORTED unless it returns 0."""
    return [
        *call,
        instruction(_JUMP_EQUAL, 0, offset=2),
        *verdict(XDP_ABORTED),
        instruction(_MOV_REG, 1, 6),
    ]


def adjust(helper: int, delta: int) -> list[bytes]:
    """Move the frame's head or tail by so many bytes; then what follows."""
    return [
        instruction(_MOV_REG, 6, 1),
        *_checked([instruction(_MOV, 2, value=delta), instruction(_CALL, value=helper)]),
    ]


def store(at: int, data: bytes) -> list[bytes]:
    """Write a word at an offset in the frame, wherever it lies; then what follows."""
    (word,) = struct.unpack("=i", data)
    return [
        instruction(_MOV_REG, 6, 1),
        instruction(_STORE_WORD, 10, offset=-4, value=word),
        *_store_stack(at, 4),
    ]


def _store_stack(at: int, length: int) -> list[bytes]:
    """The last bytes of the stack into the frame."""
    arguments = [
        instruction(_MOV, 2, value=at),
        instruction(_MOV_REG, 3, 10),
        instruction(_ADD, 3, value=-length),
        instruction(_MOV, 4, value=length),
    ]
    return _checked([*arguments, instruction(_CALL, value=STORE_BYTES)])


def outgrowing() -> list[bytes]:
    """All of a program: about a page, and at another place when the verifier has made it longer."""
    divide = [instruction(_MOV, 2, value=7), instruction(_MOV, 3, value=3), instruction(_DIVIDE_REG, 2, 3)]
    return [*divide * 160, *verdict(XDP_PASS)]


def redirect(ifindex: int) -> list[bytes]:
    """All of a program: out of that device."""
    return [
        instruction(_MOV, 1, value=ifindex),
        instruction(_MOV, 2, value=0),
        instruction(_CALL, value=REDIRECT),
        instruction(_EXIT),
    ]


def to_socket(sockets: int, otherwise: int) -> list[bytes]:
    """All of a program: to the AF_XDP socket of the frame's queue, or a verdict where there is none.

    :param sockets: of socket_map()
    """
    return [
        instruction(_LOAD_WORD, 2, 1, offset=_RX_QUEUE_INDEX),
        instruction(_LOAD_IMMEDIATE, 1, _PSEUDO_MAP_FD, value=sockets),
        instruction(0),
        instruction(_MOV, 3, value=otherwise),
        instruction(_CALL, value=REDIRECT_MAP),
        instruction(_EXIT),
    ]


def metadata_hash(at: int) -> list[bytes]:
    """bpf_xdp_metadata_rx_hash(): the hash and its type into the frame, two words; then what follows."""
    return [
        instruction(_MOV_REG, 6, 1),
        instruction(_STORE_WORD, 10, offset=-8),
        instruction(_STORE_WORD, 10, offset=-4),
        *_checked([
            instruction(_MOV_REG, 2, 10),
            instruction(_ADD, 2, value=-8),
            instruction(_MOV_REG, 3, 10),
            instruction(_ADD, 3, value=-4),
            instruction(_CALL, source=_PSEUDO_KFUNC_CALL, value=_function("bpf_xdp_metadata_rx_hash")),
        ]),
        *_store_stack(at, 8),
    ]  # fmt: skip


# ---------------------------------------------------------------------- maps


def call(command: int, attributes: bytes) -> int:
    """bpf(2).

    :raises OSError: as it says
    """
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = _libc.syscall(_NUMBER, command, buffer, len(attributes))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return int(result)


def socket_map(queues: int) -> int:
    """An empty map from queues to AF_XDP sockets, by its file descriptor; os.close() it."""
    return call(_MAP_CREATE, struct.pack("=IIIII", _MAP_TYPE_XSKMAP, 4, 4, queues, 0))


def set_socket(sockets: int, queue: int, sock: int) -> None:
    """The socket of a queue, by its file descriptor, until it is closed."""
    key, value = (ctypes.create_string_buffer(struct.pack("=I", number), 4) for number in (queue, sock))
    addresses = (ctypes.addressof(key), ctypes.addressof(value))
    call(_MAP_UPDATE, struct.pack("=IxxxxQQQ", sockets, *addresses, 0))


# ------------------------------------------------------------- load and attach


@contextmanager
def loaded(
    code: Iterable[bytes],
    frags: bool = True,
    bound_to: Port | None = None,
    in_device: bool = False,
    lacking: Collection[int] = (),
) -> Iterator[int]:
    """A loaded program, by its file descriptor.

    :param frags: it can take a frame in several buffers
    :param bound_to: the only device that may run it, as kfuncs for metadata want it
    :param in_device: ... and the device itself does; it takes no frags
    :param lacking: the capabilities that it is loaded without
    :raises OSError: with the verifier's words
    """
    flags = (_HAS_FRAGS if frags and not in_device else 0) | (_DEV_BOUND if bound_to and not in_device else 0)
    fd = _load(b"".join(code), flags, bound_to, lacking)
    try:
        yield fd
    finally:
        os.close(fd)


def _load(code: bytes, flags: int, bound_to: Port | None, lacking: Collection[int]) -> int:
    log = ctypes.create_string_buffer(1 << 20)
    text, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack(
        "=IIQQIIQII16sII",
        _PROG_TYPE_XDP,
        len(code) // 8,
        ctypes.addressof(text),
        ctypes.addressof(licence),
        1,
        len(log),
        ctypes.addressof(log),
        0,
        flags,
        b"ppiov_test",
        bound_to.ifindex if bound_to else 0,
        _ATTACH_XDP,
    )
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    with bound_to.ns.inside() if bound_to else nullcontext(), without(lacking):
        fd = _libc.syscall(_NUMBER, _PROG_LOAD, buffer, len(attributes))
        error = ctypes.get_errno()
    if fd < 0:
        raise OSError(error, f"{os.strerror(error)}: {log.value.decode(errors='replace')}")
    return int(fd)


def _set(port: Port, fd: int, flag: int = _FLAG_DRIVER) -> None:
    msg = ifinfmsg()
    msg["index"] = port.ifindex
    msg["attrs"] = [("IFLA_XDP", {"attrs": [("IFLA_XDP_FD", fd), ("IFLA_XDP_FLAGS", flag)]})]
    with Netlink(port.ns, NETLINK_ROUTE) as route:
        route.talk(msg, RTM_SETLINK, NLM_F_ACK)


def attach(port: Port, code: Iterable[bytes], frags: bool = True, bound: bool = False) -> None:
    """Native XDP: this program from now on, in place of another if there is one. The port keeps it alive.

    :raises lib.netlink.RefusedError: if the driver or the core refuses
    """
    with loaded(code, frags, port if bound else None) as fd:
        _set(port, fd)


def detach(port: Port) -> None:
    """No program any more."""
    _set(port, -1)


def put_into_device(port: Port, fd: int) -> None:
    """A program that was loaded() runs in the device from now on, in place of another if there is one.

    :raises lib.netlink.RefusedError: if the driver or the core refuses
    """
    _set(port, fd, _FLAG_DEVICE)


def put_into_driver(port: Port, fd: int) -> None:
    """A program that was loaded() runs in the driver from now on: attach(), by parts.

    :raises lib.netlink.RefusedError: if the driver or the core refuses
    """
    _set(port, fd)


def offload(port: Port, code: Iterable[bytes]) -> None:
    """Load a program for a device, which runs it itself from now on. The port keeps it alive.

    :raises OSError: with the verifier's words, and the device's
    :raises lib.netlink.RefusedError: if the driver or the core refuses
    """
    with loaded(code, bound_to=port, in_device=True) as fd:
        put_into_device(port, fd)


def take_off_device(port: Port) -> None:
    """No program in the device any more."""
    _set(port, -1, _FLAG_DEVICE)


def run(fd: int, frame: bytes) -> tuple[int, bytes]:
    """What a loaded() program makes of a frame in the kernel (BPF_PROG_TEST_RUN): its verdict, and the frame."""
    data, out = ctypes.create_string_buffer(frame, len(frame)), ctypes.create_string_buffer(1 << 16)
    attributes = struct.pack(
        "=IIIIQQII", fd, 0, len(frame), len(out), ctypes.addressof(data), ctypes.addressof(out), 1, 0
    )
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    if _libc.syscall(_NUMBER, _TEST_RUN, buffer, len(attributes)) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    _, verdict_, _, length = struct.unpack_from("=IIII", buffer.raw)
    return verdict_, out.raw[:length]
