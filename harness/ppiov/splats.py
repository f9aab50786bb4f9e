# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of the kernel's complaints in a whole run: whose they are, and where in the source.

A complaint counts, unless the same is seen without what is tested: in a run that the user names (``--baseline``), or in
the kernel's own baseline (baseline.py), or it is one that has been understood (complaints.py). The same means the same
fingerprint. A kernel's own baseline is made without our modules, so neither it nor the list ever excuses a complaint
that names one of them, nor one that shows no stack and could be anybody's. What ends the guest is never excused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ppiov import console
from ppiov.complaints import Complaint
from ppiov.console import FATAL
from ppiov.decode import Decoder
from ppiov.kbuild import DEBUG_SUFFIX
from ppiov.prepare import Ready
from ppiov.results import Outcome, Run, Splat, TestResult
from ppiov.tree import KernelTree

_NEVER = FATAL | {"oops"}  # an oops panics here: see vm.py


@dataclass(frozen=True, slots=True)
class Known:
    """What is seen elsewhere: fingerprint -> where. ``by_itself``: by the kernel without any module of ours."""

    by_itself: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)  # in runs that the user names
    ours: frozenset[str] = frozenset()  # our modules, as the kernel names them
    understood: tuple[Complaint, ...] = ()  # the kernel's, as a report says

    def where(self, splat: Splat) -> str:
        """Where else ``splat`` is seen; "" where it counts."""
        if splat.kind in _NEVER:
            return ""
        if splat.fingerprint in self.named:
            return self.named[splat.fingerprint]
        if not self.excusable(splat):
            return ""
        if splat.fingerprint in self.by_itself:
            return self.by_itself[splat.fingerprint]
        return next((one.report for one in self.understood if one.is_it(splat)), "")

    def excusable(self, splat: Splat) -> bool:
        """Whether it could be the kernel's own."""
        return (
            splat.kind not in _NEVER
            and bool(console.stack(splat.text.splitlines()))
            and not console.modules(splat.text) & self.ours
        )

    def marked(self, splats: Iterable[Splat]) -> tuple[Splat, ...]:
        """The splats, each with where else it is seen."""
        return tuple(dataclasses.replace(splat, known=self.where(splat)) for splat in splats)

    def judged(self, result: TestResult) -> TestResult:
        """The verdict on a test whose complaints have not been looked at yet: one that counts spoils a pass."""
        splats = self.marked(result.splats)
        counts = next((splat for splat in splats if not splat.known), None)
        if counts is None or not result.outcome.ok:
            return dataclasses.replace(result, splats=splats)
        return dataclasses.replace(result, outcome=Outcome.SPLAT, reason=counts.title, splats=splats)


def by_fingerprint(splats: Iterable[Splat]) -> dict[str, Splat]:
    """Those of the complaints that can be a baseline for others."""
    return {splat.fingerprint: splat for splat in splats if splat.kind not in _NEVER}


def seen_in(run: Run) -> dict[str, str]:
    """What a run that the user names knows: fingerprint -> the run."""
    every = [*run.boot_splats, *(splat for test in run.tests for splat in test.splats)]
    return dict.fromkeys(by_fingerprint(every), f"run {run.id}")


def decoder(ready: Ready) -> Decoder:
    """A decoder for what the guests of a run print."""
    folders = _folders(ready)
    modules = {path.stem: path for path in _kernels_own(ready.tree)}
    modules |= {
        path.name.removesuffix(f".ko{DEBUG_SUFFIX}"): path
        for folder in folders
        for path in sorted(folder.glob(f"*.ko{DEBUG_SUFFIX}"))
    }
    tree = ready.tree
    places = [tree.vmlinux, tree.root / f"boot/vmlinux-{tree.release}", tree.build and tree.build / "vmlinux"]
    sources = [place.resolve() for place in (tree.source, tree.build, tree.build and tree.build / "source") if place]
    return Decoder(next((place for place in places if place and place.is_file()), None), modules, sources)


def _folders(ready: Ready) -> list[Path]:
    """Where the modules are that were built here."""
    return [ready.modules_dir, *ready.test_modules, *([ready.planted_dir] if ready.planted_dir else [])]


def _kernels_own(tree: KernelTree) -> Iterator[Path]:
    """Modules of the kernel that are not compressed; a distribution's are, and have no debug information."""
    yield from sorted((tree.root / "lib/modules" / tree.release).glob("kernel/**/*.ko"))


def ours(ready: Ready) -> frozenset[str]:
    """The modules that are tested, or test, as the kernel names them."""
    folders = _folders(ready)
    return frozenset(path.stem.replace("-", "_") for folder in folders for path in folder.glob("*.ko"))


def decoded(run: Run, decoder: Callable[[], Decoder]) -> Run:
    """The run with its complaints decoded. ``decoder`` is asked for one only if there is something to decode."""
    if not run.boot_splats and not any(test.splats for test in run.tests):
        return run
    use = decoder()
    texts: dict[str, str] = {}  # many tests may run into the same

    def one(splat: Splat) -> Splat:
        if splat.text not in texts:
            texts[splat.text] = use.decode(splat.text)
        return dataclasses.replace(splat, decoded=texts[splat.text])

    tests = tuple(
        dataclasses.replace(test, splats=tuple(map(one, test.splats))) if test.splats else test for test in run.tests
    )
    return dataclasses.replace(run, tests=tests, boot_splats=tuple(map(one, run.boot_splats)))
