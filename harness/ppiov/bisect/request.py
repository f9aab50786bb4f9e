# SPDX-License-Identifier: GPL-2.0-only
"""What a user asks of a bisection, and what makes no sense."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ppiov import suites
from ppiov.bisect import history as histories
from ppiov.bisect.decide import Rules
from ppiov.bisect.oracle import BENCH, CMD, GUEST, INSNS, TEST, TIMEOUT_S, Oracle, check_script
from ppiov.errors import BadRequest
from ppiov.spec import KernelSpec

EXACT_METERS: Final = ("insns", "count")  # that give the same figure twice; it is proven each time nevertheless
METERS: Final = (*EXACT_METERS, "ns", "cycles", "guest-clock")
_EFFECT = re.compile(r"(?P<number>\d+(\.\d*)?|\.\d+)\s*(?P<percent>%)?")
OWN_PARTS: Final = ("kernel", "selftests")  # of ppiov's own repository, what benches and tests are made of


@dataclass(frozen=True, slots=True)
class Effect:
    """The smallest difference that counts."""

    number: float
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Effect:
        """Read "3%" or "0.5" (in the metric's own unit). Raises BadRequest."""
        match = _EFFECT.fullmatch(text.strip())
        if not match or not float(match["number"]):
            raise BadRequest(
                f"--min-effect is a number above 0 in the metric's unit, or a percentage, and not {text!r}"
            )
        return cls(float(match["number"]), bool(match["percent"]))

    @classmethod
    def default(cls, meter: str) -> Effect:
        """Half of one, where things are counted; else one percent."""
        return cls(0.5) if meter in EXACT_METERS else cls(1.0, percent=True)

    def of(self, value: float) -> float:
        """In the metric's unit, for a good end of ``value``."""
        return max(abs(value) * self.number / 100, math.ulp(1.0)) if self.percent else self.number

    def __str__(self) -> str:
        return f"{self.number:g}{'%' if self.percent else ''}"


@dataclass(frozen=True, slots=True)
class BisectRequest:
    """Exactly one of ``module``, ``tree`` and ``packages`` says which kind of history it is."""

    good: str  # "": as the log to replay has it
    bad: str  # "": the same, or HEAD
    oracle: Oracle
    kernel: str = "deb:6.12"  # of a module history
    module: Path | None = None  # a folder in a git repository
    tree: str | None = None  # a kernel's git repository, with additions as in a kernel spec: PATH+kunit
    packages: str | None = None  # "deb:6.12"
    series: bool = False
    min_effect: Effect | None = None
    better: str = ""  # "lower" or "higher"; "": by the unit
    error: float = 0.01
    most: int = 0
    flaky: bool = False
    every_change: bool = False
    every_commit: bool = False
    jobs: int = 1
    scheduler: str | None = None
    results_dir: Path = Path("results")
    resume: Path | None = None
    replay: Path | None = None
    skip: tuple[str, ...] = ()  # commits that are not tested
    pair: bool = False  # only the two ends, whatever is between them

    def check(self) -> None:
        """Raises BadRequest, UnknownName, BadSpec for what cannot be; nothing has happened by then."""
        if sum(kind is not None for kind in (self.module, self.tree, self.packages)) != 1:
            raise BadRequest("a bisection is over one of --module, --tree and --packages")
        if not self.good:
            raise BadRequest("--good must name where it was still good, or --replay a log that does")
        if not 0 < self.error < 0.5:
            raise BadRequest("--error-rate is a probability between 0 and 0.5")
        if self.jobs < 1:
            raise BadRequest("a bisection needs at least one job at a time")
        if self.better not in ("", "lower", "higher"):
            raise BadRequest(f"--better is lower or higher, and not {self.better!r}")
        oracle = self.oracle
        if oracle.script is not None:
            check_script(oracle.script)
        if oracle.numeric and oracle.meter not in METERS:
            raise BadRequest(f"there is no meter {oracle.meter!r}; there are {', '.join(METERS)}")
        if oracle.load and (oracle.kind != GUEST or self.module is None):
            raise BadRequest("--load is for a script in a guest (--in-guest) and the modules of --module")
        if self.min_effect is not None and not oracle.numeric:
            raise BadRequest("--min-effect is for a figure: with --bench, or --cmd and --figure")
        if self.series and self.packages is not None:
            raise BadRequest("--series is for commits")
        KernelSpec.parse(self.kernel)
        if self.tree is not None:
            self.tree_spec("HEAD")
        if self.replay is not None and self.packages is not None:
            raise BadRequest("--replay takes a git bisect log, which is about commits")

    def repository(self) -> tuple[Path, tuple[str, ...]]:
        """The repository of the commits, and what in it is measured, relative to its top (nothing: all of it)."""
        if self.tree is not None:
            path = self.tree_spec("HEAD").path
            assert path is not None  # a tree's spec has one
            return path, ()
        assert self.module is not None  # check() sees to it
        top = histories.top(self.module)
        if self.oracle.kind in (BENCH, TEST):
            return top, OWN_PARTS
        if self.oracle.kind == CMD:  # the script has the whole checkout
            return top, ()
        folder = self.folder()
        return top, (folder,) if folder else ()

    def folder(self) -> str:
        """Where in the repository the modules are: the folder that was named, or kernel/ in one that has it."""
        assert self.module is not None  # only asked of a module history
        module = self.module.resolve()
        if not (module / "Kbuild").is_file() and (module / "kernel/Kbuild").is_file():
            module = module / "kernel"
        relative = module.relative_to(histories.top(self.module).resolve())
        return "" if relative == Path() else str(relative)

    def tree_spec(self, rev: str) -> KernelSpec:
        """The kernel of a revision of ``tree``. Raises BadSpec, UnknownName."""
        spec = KernelSpec.parse(f"tree:{self.tree}")
        if spec.rev is not None:
            raise BadRequest(f"--tree takes a repository, and not one of its revisions: {self.tree}")
        return KernelSpec("tree", "", spec.additions, spec.path, rev)

    def rules(self) -> Rules:
        return Rules(self.jobs, self.every_change, self.every_commit, self.error, self.most, self.flaky)

    def exact(self, meter: str) -> bool:
        """Whether a meter is one whose A/A pair is worth a look."""
        return meter in EXACT_METERS

    def sign(self, unit: str) -> float:
        """1 where more is worse, -1 where more is better: of rates, unless told otherwise."""
        better = self.better or ("higher" if unit.endswith("/s") else "lower")
        return 1.0 if better == "lower" else -1.0

    def command(self) -> str:
        """The one line that reproduces the bisection."""
        words = ["ppiov", "bisect", "--good", self.good, "--bad", self.bad]
        for option, value in (("--module", self.module), ("--tree", self.tree), ("--packages", self.packages)):
            words += [option, str(value)] if value is not None else []
        words += ["--kernel", self.kernel] if self.module is not None else []
        words += ["--series"] if self.series else []
        oracle = self.oracle
        words += [f"--{oracle.kind}", oracle.name] if oracle.kind in (BENCH, TEST) else ["--cmd", str(oracle.script)]
        words += ["--in-guest"] if oracle.kind == GUEST else []
        words += [word for name in oracle.load for word in ("--load", name)]
        words += ["--figure", oracle.figure] if oracle.figure else []
        words += ["--meter", oracle.meter] if oracle.numeric and oracle.meter != INSNS else []
        words += ["--accel", oracle.accel] if oracle.accel != "auto" else []
        words += ["--min-effect", str(self.min_effect)] if self.min_effect else []
        words += ["--better", self.better] if self.better else []
        words += ["--error-rate", f"{self.error:g}"] if self.error != 0.01 else []
        words += ["--max-runs", str(self.most)] if self.most else []
        words += ["--timeout", f"{oracle.timeout_s:g}"] if oracle.timeout_s != TIMEOUT_S else []
        words += ["--replay", str(self.replay)] if self.replay is not None else []
        words += [word for on, word in self._switches() if on]
        words += ["--jobs", str(self.jobs)] if self.jobs != 1 else []
        return shlex.join(words)

    def _switches(self) -> tuple[tuple[bool, str], ...]:
        return (self.flaky, "--flaky"), (self.every_change, "--all"), (self.every_commit, "--every-commit")


def module(named: Path | None, tree: str | None, packages: str | None) -> Path | None:
    """The folder of a module history: as named, or this checkout's if no other history is named."""
    if named is None and tree is None and packages is None:
        return suites.find_source()
    return named


def oracle(
    bench: str,
    test: str,
    script: Path | None,
    *,
    in_guest: bool,
    load: tuple[str, ...],
    figure: str,
    meter: str,
    timeout_s: float,
    accel: str,
    resumed: bool,
) -> Oracle:
    """What the words of a command line mean; a bisection that is ``resumed`` knows it already. Raises BadRequest."""
    if resumed:
        return Oracle(CMD)
    if (bool(bench), bool(test), script is not None).count(True) != 1:
        raise BadRequest("a bisection needs one of --bench, --test and --cmd to judge by")
    if (in_guest or load) and script is None:
        raise BadRequest("--in-guest and --load are for a script (--cmd)")
    if figure and test:
        raise BadRequest("--figure is for --bench and --cmd: a test passes or fails")
    kind = BENCH if bench else TEST if test else GUEST if in_guest else CMD
    place = None if script is None else script.absolute()
    return Oracle(kind, bench or test, meter, figure, place, load, timeout_s, accel)
