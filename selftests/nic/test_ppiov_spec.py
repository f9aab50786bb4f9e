# SPDX-License-Identifier: GPL-2.0-only
"""Is each attribute of each request checked? The requests are made from the netlink spec, so none can be forgotten.

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: would be bound; queue 3: is bound, what the other requests are about

Each row is a request that is right but for one thing. That it would be right without that is a test too.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from lib.dmabuf import Dmabuf
from lib.fixtures import Defer
from lib.link import Link
from lib.netlink import RefusedError
from lib.ppiov import (
    CMD_BIND_RX,
    CMD_BIND_TX,
    CMD_BINDING_GET,
    CMD_DEV_GET,
    CMD_POOL_GET,
    CMD_PROVIDER_GET,
    CMD_UNBIND,
    Ppiov,
)
from pyroute2.netlink import genlmsg

SPEC: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "kernel/netlink/ppiov.yaml").read_text())
SETS: dict[str, list[dict[str, Any]]] = {s["name"]: s["attributes"] for s in SPEC["attribute-sets"]}
CONSTANTS = {d["name"]: d["value"] for d in SPEC["definitions"] if d["type"] == "const"} | {"s32-max": 2**31 - 1}
REQUESTS = {op["name"]: op for op in SPEC["operations"]["list"] if "do" in op}
COMMANDS = {
    "provider-get": CMD_PROVIDER_GET,
    "bind-rx": CMD_BIND_RX,
    "unbind": CMD_UNBIND,
    "binding-get": CMD_BINDING_GET,
    "pool-get": CMD_POOL_GET,
    "dev-get": CMD_DEV_GET,
    "bind-tx": CMD_BIND_TX,
}
BINDS = ("bind-rx", "bind-tx")
# What a request may lack; the spec has no word for it
OPTIONAL = {("bind-rx", "size"), ("bind-rx", "order")}
_NUMBERS = {"u32": "=I", "s32": "=i", "uint": "=Q"}


def attributes(op: str) -> list[dict[str, Any]]:
    """Those of a request, in the spec's words."""
    names = REQUESTS[op]["do"]["request"]["attributes"]
    return [a for a in SETS[REQUESTS[op]["attribute-set"]] if a["name"] in names]


def number(attribute: dict[str, Any], value: int) -> bytes:
    """As many bytes as its type has, whatever the sign."""
    form = _NUMBERS[attribute["type"]]
    return struct.pack(form.upper(), value % (1 << 8 * struct.calcsize(form)))


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong with a request."""

    op: str
    attribute: str
    how: str
    values: list[bytes] | None = field(default=None)  # instead of the right one; None: twice the right one
    errnos: tuple[int, ...] = (errno.EINVAL,)
    text: str = ""  # in the extack sentence

    def __str__(self) -> str:
        return f"{self.op}-{self.attribute}-{self.how}"


def limit(attribute: dict[str, Any], name: str) -> int | None:
    """A limit of the spec's, which may be a constant's name."""
    value = attribute.get("checks", {}).get(name)
    return CONSTANTS.get(value, value) if value is not None else None


def wrongs_of(op: str, attribute: dict[str, Any]) -> Iterator[Wrong]:
    """All that can be wrong with one attribute, by its type and its limits."""
    name, kind = attribute["name"], attribute["type"]
    if (op, name) not in OPTIONAL:
        text = f"needs a {name}" if (op, name) == ("bind-rx", "dmabuf-fd") else f"attribute {name} is missing"
        yield Wrong(op, name, "missing", [], text=text)
    if not attribute.get("multi-attr"):
        yield Wrong(op, name, "twice", None, text="attribute is there twice")
    range_ = (errno.ERANGE, errno.EINVAL)
    if kind in _NUMBERS:
        size = struct.calcsize(_NUMBERS[kind])
        for length in (0, 1, size - 1, size + 1):
            yield Wrong(op, name, f"{length}-bytes", [b"\1" * length], range_)
        for what, step in (("min", -1), ("max", 1)):
            if (value := limit(attribute, what)) is not None:
                beyond = [number(attribute, value + step)]
                yield Wrong(op, name, f"beyond-{what}", beyond, (errno.ERANGE,), "integer out of range")
    elif kind == "string":
        yield Wrong(op, name, "without-end", [b"page"], range_)
        yield Wrong(op, name, "no-bytes", [b""], range_)
        if (value := limit(attribute, "max-len")) is not None:
            yield Wrong(op, name, "too-long", [b"x" * (value + 1) + b"\0"], range_)
    else:
        raise AssertionError(f"{op}: {name} is a {kind}, of which this test knows nothing")


def wrongs() -> list[Wrong]:
    """Each attribute of each request, and each attribute that belongs to answers only."""
    found = []
    for op, about in REQUESTS.items():
        mine = attributes(op)
        for attribute in mine:
            found += list(wrongs_of(op, attribute))
        for other in SETS[about["attribute-set"]]:
            if other not in mine:
                found.append(Wrong(op, other["name"], "of-answers", [bytes(4)]))
    return found


@dataclass(frozen=True, slots=True)
class Scene:
    """Right values."""

    family: Ppiov
    values: dict[tuple[str, str], bytes]
    tx_lacks: str | None  # why nothing can be sent from a dma-buf, by this kernel or device

    def ask(self, op: str, wrong: Wrong | None = None) -> list[Any]:
        """The request, right but for one thing."""
        attrs: list[tuple[str, bytes]] = []
        for attribute in attributes(op):
            name = attribute["name"]
            right = self.values[op, name]
            values = [right]
            if wrong and wrong.attribute == name:
                values = [right, right] if wrong.values is None else wrong.values
            attrs += [(name, value) for value in values]
        if wrong and wrong.attribute not in dict(attrs) and wrong.values:
            attrs += [(wrong.attribute, value) for value in wrong.values]
        return self.family.request(_message(REQUESTS[op]["attribute-set"]), COMMANDS[op], attrs)


def _message(attribute_set: str) -> type[Any]:
    """A message whose attributes are bytes as they come."""
    names = ["unspec"]
    for attribute in SETS[attribute_set]:
        names.append(attribute["name"])
    return type("Raw", (genlmsg,), {"nla_map": tuple((name, "cdata") for name in names)})


@pytest.fixture
def scene(link: Link, defer: Defer) -> Iterator[Scene]:
    family = Ppiov(link.rx.ns)
    defer(family.close)
    dmabuf = Dmabuf(1 << 20)
    defer(dmabuf.close)
    binding = family.bind(link.rx.ifindex, [3], "page")
    defer(binding.close)
    (pool,) = [p for p in family.pools(link.rx.ifindex) if p.binding == binding.id]
    before = family.bindings()
    ids = struct.pack("=I", binding.id)
    yield Scene(
        family,
        {
            ("provider-get", "name"): b"page\0",
            ("bind-rx", "ifindex"): struct.pack("=I", link.rx.ifindex),
            ("bind-rx", "queues"): struct.pack("=I", 2),
            ("bind-rx", "provider"): b"dmabuf\0",
            ("bind-rx", "dmabuf-fd"): struct.pack("=i", dmabuf.fd),
            ("bind-rx", "size"): struct.pack("=Q", 1 << 19),
            ("bind-rx", "order"): struct.pack("=I", 0),
            ("unbind", "id"): ids,
            ("binding-get", "id"): ids,
            ("pool-get", "id"): struct.pack("=I", pool.id),
            ("dev-get", "ifindex"): struct.pack("=I", link.rx.ifindex),
            ("bind-tx", "ifindex"): struct.pack("=I", link.rx.ifindex),
            ("bind-tx", "dmabuf-fd"): struct.pack("=i", dmabuf.fd),
        },
        family.dev(link.rx.ifindex).tx_lacks,
    )
    assert family.bindings() in (before, []), "something is bound that was not"


def test_every_operation_is_known() -> None:
    """The spec has no request that these tests leave out."""
    assert COMMANDS.keys() == REQUESTS.keys()
    for op, about in REQUESTS.items():
        named = {a["name"] for a in attributes(op)}
        assert named == set(about["do"]["request"]["attributes"])


@pytest.mark.parametrize("op", [op for op in REQUESTS if op not in BINDS])
def test_right_request(scene: Scene, op: str) -> None:
    """What the rows of the next test change in one thing is right: it is answered."""
    scene.ask(op)


def test_right_bind(scene: Scene) -> None:
    """The same for bind-rx, with all of its attributes."""
    (answer,) = scene.ask("bind-rx")
    bound = struct.unpack("=I", bytes.fromhex(_hex(answer.get_attr("id"))))[0]
    assert scene.family.binding(bound).queues == (2,)
    scene.family.unbind(bound)


def test_right_bind_tx(scene: Scene) -> None:
    """And for bind-tx, which a kernel that can't send so refuses, saying why."""
    if scene.tx_lacks is not None:
        with pytest.raises(RefusedError) as refused:
            scene.ask("bind-tx")
        assert refused.value.errno == errno.EOPNOTSUPP and scene.tx_lacks in refused.value.extack
        return
    (answer,) = scene.ask("bind-tx")
    bound = struct.unpack("=I", bytes.fromhex(_hex(answer.get_attr("id"))))[0]
    assert scene.family.binding(bound).tx
    scene.family.unbind(bound)


def _hex(value: bytes | str) -> str:
    return value.hex() if isinstance(value, bytes) else value.replace(":", "")


def test_wrong_requests(scene: Scene) -> None:
    """Each attribute missing, twice, too short, too long, beyond its limits, or out of place: errno and a sentence.

    Also of bind-tx where the device can't: what is wrong with the request comes first.
    """
    rows = wrongs()
    bad = []
    for wrong in rows:
        try:
            scene.ask(wrong.op, wrong)
        except RefusedError as refused:
            if refused.errno not in wrong.errnos or wrong.text not in refused.extack or not refused.extack:
                bad.append(f"{wrong}: {errno.errorcode[refused.errno or 0]} «{refused.extack}»")
        else:
            bad.append(f"{wrong}: was accepted")
    assert not bad, f"{len(bad)} of {len(rows)}:\n" + "\n".join(bad)
    assert {(w.op, w.attribute) for w in rows} >= {(op, a["name"]) for op in REQUESTS for a in attributes(op)}


@pytest.mark.parametrize("op", REQUESTS)
def test_who_may(scene: Scene, op: str) -> None:
    """What the spec reserves for the administrator is refused to others with EPERM; all else is answered."""
    os.seteuid(65534)
    try:
        scene.ask(op)
        refused = 0
    except RefusedError as error:
        refused = error.errno or -1
    finally:
        os.seteuid(0)
    wanted = errno.EPERM if "admin-perm" in REQUESTS[op].get("flags", []) else 0
    assert refused == wanted
