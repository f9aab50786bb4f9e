# SPDX-License-Identifier: GPL-2.0-only
"""ppiov_bench.ko's benchmarks: which there are, how one is run, and what it says. See docs/bench.md."""

from __future__ import annotations

import os
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lib import module, processes
from lib.debugfs import DEBUGFS, mount_debugfs
from lib.ring import DEVICE, Ring

NAME = "ppiov_bench"
FOLDER = DEBUGFS / NAME
METERS = ("insns", "cycles", "ns")
ROUNDS = {"insns": 15, "cycles": 60, "ns": 60}  # instructions are the same in each; a clock is never
N = 1024
RING_SIZE = 8 << 20  # bytes of provider ring's memory: more buffers than are ever out
OPERATIONS = ("direct", "napi", "ring", "slow", "bulk", "elevated", "frag")
SIZES = (64, 256, 1024, 4096, 16384)
POOLS = (1, 4, 16, 64)
DESIGNS = ("none", "static", "tag", "ops", "wrapper", "separate", "aligned")

Parameters = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Bench:
    """A benchmark, as a user names it."""

    name: str
    file: str  # below FOLDER
    parameters: Parameters = field(default_factory=dict)
    against: str = ""  # the name of what it is measured in turn with, where the meter is a clock
    cpus: int = 1

    def words(self, rounds: int) -> str:
        """What is written to its file."""
        every = {"n": N, "rounds": rounds, **self.parameters}
        return " ".join(f"{key}={value}" for key, value in every.items())


def catalog() -> Iterator[Bench]:
    """All of them. Names are GROUP.WHAT.HOW: pool.page.direct.key, core.ring, dispatch.static.iov."""
    yield Bench("meter.nothing", "meter.nothing")
    yield Bench("meter.ten", "meter.ten")
    yield Bench("meter.copy", "meter.copy", {"n": 64})
    yield Bench("meter.copyuser", "meter.copyuser", {"n": 64})
    yield from _pools()
    yield from _sizes()
    yield from _cross()
    yield from _designs()
    for scheme in ("atomic", "batched", "skb"):
        yield Bench(f"refs.{scheme}", f"refs.{scheme}", {"provider": "dmabuf", "key": 1}, "refs.atomic")
    for table in ("pointer", "hash", "xarray"):
        yield Bench(f"lookup.{table}", f"lookup.{table}", against="lookup.pointer")
    yield Bench("alloc.pages", "alloc.pages", against="core.slow")
    for allocator in ("genpool", "list"):
        for state in ("fresh", "fragmented"):
            parameters = {"fragmented": int(state == "fragmented")}
            yield Bench(f"alloc.{allocator}.{state}", f"alloc.{allocator}", parameters, f"alloc.list.{state}")


def _pools() -> Iterator[Bench]:
    for operation in (*OPERATIONS, "stolen"):
        yield Bench(f"core.{operation}", f"core.{operation}")
    for operation in ("direct", "ring", "stolen"):
        yield Bench(f"core.{operation}.process", f"core.{operation}", {"process": 1})
        yield Bench(f"core.simple.{operation}", f"core.simple.{operation}", {"process": 1})  # test_simple.py
    yield Bench("pool.page.stolen", "pool.stolen", against="core.stolen")
    for provider in ("page", "hugepage"):
        for operation in OPERATIONS:
            for key in (0, 1):
                parameters: Parameters = {"provider": provider, "key": key}
                name = f"pool.{provider}.{operation}{'.key' if key else ''}"
                yield Bench(name, f"pool.{operation}", parameters, f"core.{operation}")
    for provider in ("dmabuf", "ring"):
        for operation in OPERATIONS:
            parameters = {"provider": provider, "key": 1}
            name = f"pool.{provider}.{operation}"
            yield Bench(name, f"pool.{operation}", parameters, f"pool.page.{operation}")
    large: Parameters = {"provider": "dmabuf", "key": 1, "order": 3}
    yield Bench("pool.dmabuf.direct.32k", "pool.direct", large, "pool.page.direct")


def _sizes() -> Iterator[Bench]:
    for buffers in SIZES:
        size: Parameters = {"buffers": buffers, "n": max(N, buffers), "rounds": 5}
        yield Bench(f"core.burst.{buffers}", "core.burst", size)
        yield Bench(f"pool.page.burst.{buffers}", "pool.burst", size, f"core.burst.{buffers}")
        iov: Parameters = {**size, "provider": "dmabuf", "key": 1}
        yield Bench(f"pool.dmabuf.burst.{buffers}", "pool.burst", iov, f"core.burst.{buffers}")
    for pools in POOLS:
        many: Parameters = {"pools": pools}
        yield Bench(f"core.many.{pools}", "core.many", many)
        yield Bench(f"pool.page.many.{pools}", "pool.many", many, f"core.many.{pools}")
        more: Parameters = {**many, "provider": "dmabuf", "key": 1}
        yield Bench(f"pool.dmabuf.many.{pools}", "pool.many", more, f"core.many.{pools}")


def _cross() -> Iterator[Bench]:
    for side in ("alloc", "put"):
        file = f"cross.{side}"
        yield Bench(f"core.{file}", f"core.{file}", cpus=2)
        yield Bench(f"pool.page.{file}", f"pool.{file}", {}, f"core.{file}", cpus=2)
        iov: Parameters = {"provider": "dmabuf", "key": 1}
        yield Bench(f"pool.dmabuf.{file}", f"pool.{file}", iov, f"core.{file}", cpus=2)


def _designs() -> Iterator[Bench]:
    kinds: dict[str, Parameters] = {"page": {}, "page.key": {"key": 1}, "iov": {"kind": "iov", "key": 1}}
    for design in DESIGNS:
        for kind, parameters in kinds.items():
            if (design == "none" and kind != "page") or (design != "static" and kind == "page.key"):
                continue  # there is only one way
            name = f"dispatch.{design}"
            yield Bench(f"{name}.{kind}", name, parameters, "dispatch.none.page")
            yield Bench(f"{name}.dma.{kind}", f"{name}.dma", parameters, "dispatch.none.dma.page")


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark's file says."""

    context: str
    n: int
    cycles: tuple[float, ...]  # per operation, the loop subtracted; one of each round
    ns: tuple[float, ...]
    notes: Mapping[str, int]

    def samples(self, meter: str) -> tuple[float, ...]:
        """Per operation, by the meter; instructions are what get_cycles() counts where QEMU counts them."""
        return self.ns if meter == "ns" else self.cycles


class NotMeasured(AssertionError):
    """The benchmark failed, or was not on the path that its name says."""


def parse(text: str) -> Result:
    """Read what a file says.

    :raises NotMeasured: if it says that it failed, or is not of a format that is known
    """
    said: dict[str, str] = {}
    rounds: dict[str, list[tuple[int, int]]] = {"empty": [], "round": []}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if not equals:
            raise NotMeasured(f"a line that is no KEY=VALUE: {line!r}")
        if key in rounds:
            cycles, ns = value.split()
            rounds[key].append((int(cycles), int(ns)))
        else:
            said[key] = value
    if said.get("format") != "1":
        raise NotMeasured(f"results of format {said.get('format', 'none')!r}; this reads format 1")
    if "error" in said:
        raise NotMeasured(said.get("reason") or f"error {said['error']}")
    if not rounds["round"] or len(rounds["round"]) != len(rounds["empty"]):
        raise NotMeasured(f"{len(rounds['round'])} rounds, and {len(rounds['empty'])} of the empty loop")
    n = int(said["n"])
    # The empty loop is the same in each round but for an interrupt: its median is subtracted, not its neighbour.
    empty = [statistics.median(empty[at] for empty in rounds["empty"]) for at in (0, 1)]
    return Result(
        context=said["context"],
        n=n,
        cycles=tuple((taken[0] - empty[0]) / n for taken in rounds["round"]),
        ns=tuple((taken[1] - empty[1]) / n for taken in rounds["round"]),
        notes={key.removeprefix("note."): int(value) for key, value in said.items() if key.startswith("note.")},
    )


def run(bench: Bench, rounds: int) -> Result:
    """Run it once.

    :raises NotMeasured: with the module's words
    """
    if bench.parameters.get("provider") == "ring":
        ring = Ring(RING_SIZE)
        try:
            return _run(FOLDER / bench.file, f"{bench.words(rounds)} dmabuf={ring.fd}")
        finally:
            ring.close()
    return _run(FOLDER / bench.file, bench.words(rounds))


def _run(file: Path, words: str) -> Result:
    try:
        file.write_text(words)
    except OSError as error:
        said = dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
        raise NotMeasured(f"{file.name} {words}: {said.get('reason') or error.strerror}") from error
    return parse(file.read_text())


def load() -> None:
    """Load the module and what it needs."""
    mount_debugfs()
    folder = Path(os.environ["PPIOV_MODULES"])
    for name in (module.PPIOV, NAME):
        if not module.loaded(name):
            processes.run(["insmod", folder / f"{name}.ko"])
    assert DEVICE.exists(), f"{module.PPIOV} is loaded, and there is no {DEVICE}"


def text_bytes() -> dict[str, int]:
    """Bytes of machine code of each design, by the symbols in the module's file."""
    path = Path(os.environ["PPIOV_MODULES"], f"{NAME}.ko")
    found = dict.fromkeys(DESIGNS, 0)
    for line in processes.run(["nm", "--print-size", "--defined-only", path]).splitlines():
        words = line.split()
        if len(words) == 4 and words[2] in "tT" and words[3].startswith("ppiov_v_"):
            design, _, function = words[3].removeprefix("ppiov_v_").partition("_")
            if design in found and function not in ("make", "drop") and not function.startswith("."):
                found[design] += int(words[1], 16)
    return found


_TRIVIAL = re.compile(
    r"^(?:[{}()\[\]; ]*|/?\*.*|//.*|#.*|return \w+;|u32 i;|else|unsigned long \w+;|run->done \+= \w+;)$"
)
_KINDS = re.compile(r"struct (?:page_pool_iov|page)\b|page|iov")


def lines_twice(design: str) -> int:
    """Lines of code that a design has once more for the other kind of buffer: the same, but for page or iov."""
    folder = Path(__file__).resolve().parents[2] / "kernel" / "bench"
    seen: Counter[str] = Counter()
    for line in (folder / f"variant_{design}.c").read_text().splitlines():
        if not _TRIVIAL.match(line.strip()):
            seen[_KINDS.sub("?", line.strip())] += 1
    return sum(times - 1 for times in seen.values())
