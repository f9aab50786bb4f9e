# SPDX-License-Identifier: GPL-2.0-only
"""Which suites there are, and which tests they have.

A suite is a folder of pytest files below selftests/. Its tests are collected on the host, by the same pytest and plugin
that runs them in the guest, so that a wrong name or expression is refused before anything starts. So a test file must
be importable on any machine: what it needs of the guest it asks for inside its tests and fixtures.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ppiov import kunit
from ppiov.combinations import ALL as ALL_COMBINATIONS
from ppiov.combinations import DEFAULT_COMBINATIONS
from ppiov.errors import BadRequest, UnknownName
from ppiov.kunit import Suite
from ppiov.reproducers import Reproducer
from ppiov.upstream import DEFAULT_COLLECTIONS, Programs

SUITES = {
    "traffic": "traffic",  # suite -> folder below selftests/
    "selftests": "nic",
    "upstream": "upstream",
    "baseline": "baseline",  # what the kernel does by itself: nothing of ours is loaded (baseline.py)
    "kunit": "kunit",
    "bench": "bench",  # what things cost; `ppiov bench` runs it
    "planted": "planted",  # faults on purpose: what proves that the harness sees them, so never part of "all"
    "reproducers": "reproducers",  # bugs of stock kernels, which take the guest with them
}
UPSTREAM = "upstream"
BENCH = "bench"
METERS = ("insns", "cycles", "ns")  # what selftests/lib/bench.py takes from PPIOV_METER
USE_TEST_MODULES = frozenset({"traffic", "selftests", "kunit"})
TEST_MODULES = ("modules", "provider")  # folders below selftests/, built against ppiov for the suites above
KUNIT = "kunit"
ALL = "all"
# What selftests/lib/backend.py takes from PPIOV_PROVIDER. "some": dmabuf with all tests, the others with a sample
PROVIDERS = ("some", "all", "dmabuf", "page", "hugepage", "zone_device", "ring")
DEFAULT_PROVIDER = "some"
BACKENDS = ("core", "ppiov", "both")  # what selftests/lib/backend.py takes from PPIOV_BACKEND
HAND_OVER_KTAP = frozenset({"kunit", "planted", "upstream"})  # suites whose results only the kernel's parser can read
_NOT_IN_ALL = frozenset({"baseline", "bench", "planted", "reproducers"})
# A first run does not fetch another 150 MB of kernel source, and a distribution's kernel has no KUnit.
_NOT_BY_DEFAULT = _NOT_IN_ALL | {"upstream", "kunit"}


@dataclass(frozen=True, slots=True)
class PlannedTest:
    name: str  # pytest node id relative to selftests/
    suite: str
    doc: str
    timeout_s: float  # under TCG, where everything is slowest
    cpus: int = 0  # what its guest must have at least
    memory_mib: int = 0
    cases: tuple[str, ...] = ()  # of what it hands over in KTAP, in their order, where that is known before
    config: tuple[str, ...] = ()  # kernel options that it needs, without CONFIG_
    reproducers: tuple[Reproducer, ...] = ()  # for a test of a bug that a stock kernel has: what shows it


def find_source(source: Path | None = None) -> Path:
    """The checkout with kernel/ and selftests/: as given, or the one that this file belongs to, or around the current
    folder. Raises BadRequest."""
    if source is not None:
        candidates = [Path(os.path.realpath(source))]
    else:
        here = Path(__file__).resolve()
        candidates = [here.parents[2], *[Path.cwd(), *Path.cwd().parents]]
    for candidate in candidates:
        try:
            if (candidate / "selftests").is_dir() and (candidate / "kernel").is_dir():
                return candidate
        except OSError as error:
            raise BadRequest(f"{candidate} cannot be read: {error.strerror}") from error
    where = str(source) if source else "neither this program nor the current folder"
    raise BadRequest(f"{where} is {'not ' if source else 'in '}a checkout with kernel/ and selftests/ (see --source)")


def available(selftests: Path) -> list[str]:
    """The suites whose folder is there and has tests, in the order of SUITES."""
    return [suite for suite, folder in SUITES.items() if any((selftests / folder).glob("test_*.py"))]


def resolve(selftests: Path, suite_names: Sequence[str]) -> list[str]:
    """The suites that the user's words mean; no word means those that need nothing more. Raises UnknownName."""
    have = available(selftests)
    chosen: list[str] = []
    if not suite_names:
        return [suite for suite in have if suite not in _NOT_BY_DEFAULT]
    for asked in suite_names:
        name = UPSTREAM if asked.startswith(f"{UPSTREAM}:") else asked
        if name == ALL:
            chosen += [suite for suite in have if suite not in _NOT_IN_ALL]
        elif name in have:
            chosen.append(name)
        else:
            raise UnknownName("suite", name, [*have, ALL])
    return list(dict.fromkeys(chosen))


def named(selftests: Path, tests: Sequence[str]) -> list[str]:
    """The suites that ``tests`` are of, by their files, those outside ALL too; for a name without a file of a suite,
    those of a run without names."""
    have = available(selftests)
    found: set[str] = set()
    for name in tests:
        place = name.partition("::")[0]
        of = [suite for suite in have if _place(selftests, suite, place).exists()]
        found |= set(of or resolve(selftests, ()))
    return [suite for suite in have if suite in found]


def _place(selftests: Path, suite: str, place: str) -> Path:
    """Where ``place``, which may begin with the suite's folder or leave it out, would be in the suite."""
    inside = f"{place}/".startswith(f"{SUITES[suite]}/")
    return selftests / place if inside else selftests / SUITES[suite] / place


def collections(suite_names: Sequence[str]) -> list[str]:
    """The kselftest collections that ``upstream:COLLECTION`` names; ``upstream`` itself is DEFAULT_COLLECTIONS.

    Raises BadRequest for a name that is empty.
    """
    found: list[str] = []
    for asked in suite_names:
        if asked in (UPSTREAM, ALL):
            found.append(DEFAULT_COLLECTIONS)
        elif asked.startswith(f"{UPSTREAM}:"):
            name = str(PurePosixPath(asked.partition(":")[2].strip("/")))  # as a shell completes it, net/forwarding/
            if name in ("", "."):
                raise BadRequest(f"{asked} names no collection of kselftest: upstream:net/forwarding, for one, does")
            found.append(name)
    return list(dict.fromkeys(found))


def wants_programs(selftests: Path, suite_names: Sequence[str], tests: Sequence[str]) -> bool:
    """Whether the kernel's own tests must be built before it is known which there are. Raises UnknownName."""
    return UPSTREAM in resolve(selftests, suite_names or named(selftests, tests))


def program_environment(programs: Programs | None) -> dict[str, str]:
    """How the tests are told of the kernel's own, on the host and in the guest."""
    if programs is None:
        return {}
    environment = {
        "PPIOV_PROGRAMS": " ".join(programs.names),
        "PPIOV_PROGRAMS_DIR": str(programs.folder),
        "PPIOV_TOOLS": str(programs.tools),
    }
    if programs.ncdevmem is not None:
        environment["PPIOV_UPSTREAM"] = str(programs.ncdevmem)
    return environment


def collect(
    selftests: Path,
    suite_names: Sequence[str],
    keyword: str = "",
    tests: Sequence[str] = (),
    backend: str = "core",
    programs: Programs | None = None,
    provider: str = DEFAULT_PROVIDER,
    units: Sequence[Suite] = (),
    combinations: str = DEFAULT_COMBINATIONS,
) -> list[PlannedTest]:
    """The tests of the suites, in the order they will run; ``keyword`` is pytest's -k, ``tests`` names single ones.

    A name in ``tests`` may leave out the parameters ("traffic/test_bind.py::test_rebind"), the function, or the
    folder before the file. ``programs`` are the kernel's own tests, where they are built, ``units`` the KUnit suites
    to run. ``combinations`` is one of combinations.COMBINATIONS, and for single tests always all. Raises UnknownName
    for a suite or test, BadRequest for a keyword that is wrong or matches nothing, and for files that cannot be
    imported.
    """
    suites = resolve(selftests, suite_names or named(selftests, tests))
    suites = [suite for suite in suites if suite != KUNIT or units]
    if not suites:
        raise BadRequest(f"{selftests} has no tests")
    environment = {
        "PPIOV_BACKEND": backend,
        "PPIOV_PROVIDER": provider,
        "PPIOV_COMBINATIONS": ALL_COMBINATIONS if tests else combinations,
        **program_environment(programs),
        **kunit.environment(units),
    }
    found = _ask_pytest(selftests, suites, keyword, environment)
    for name in tests:
        if not any(_names(name, test.name) for test in found):
            raise UnknownName("test", name, [test.name for test in found])
    if tests:
        found = [test for test in found if any(_names(name, test.name) for name in tests)]
    if not found:
        raise BadRequest(f"no test of {', '.join(suites)} matches -k {keyword!r}")
    cases = {f"[{unit.name}]": unit.cases for unit in units}
    return [
        dataclasses.replace(test, cases=cases.get(test.name[test.name.find("[") :], ()))
        if test.suite == KUNIT
        else test
        for test in found
    ]


def wants_kunit(selftests: Path, suite_names: Sequence[str], tests: Sequence[str]) -> bool:
    """Whether it has to be known which KUnit suites there are. Raises UnknownName."""
    return KUNIT in resolve(selftests, suite_names or named(selftests, tests))


def _names(name: str, test: str) -> bool:
    """Whether the user's ``name`` means ``test``."""
    without_folder = test.partition("/")[2]
    return any(
        full == name or full.startswith((f"{name}[", f"{name}::", f"{name}/")) for full in (test, without_folder)
    )


# Parts of pytest that no guest test uses; importing them takes a second or two under TCG.
_UNUSED_PYTEST = (
    "cacheprovider",
    "doctest",
    "faulthandler",
    "legacypath",
    "pastebin",
    "setupplan",
    "stepwise",
)


def pytest_arguments(selftests: Path) -> list[str]:
    """What pytest is told on the host and in the guest alike: our plugin, and no configuration from outside."""
    without = [word for name in _UNUSED_PYTEST for word in ("-p", f"no:{name}")]
    # importlib: two suites may have files of one name
    return [
        *("-p", "ppiov.guest.plugin", *without, "-c", "/dev/null"),
        *("--import-mode=importlib", f"--rootdir={selftests}", f"--confcutdir={selftests}"),
    ]


def python_path(selftests: Path) -> list[str]:
    """The folders that the tests' imports come from, beside Python's own."""
    return [str(Path(__file__).resolve().parents[1]), str(selftests)]


def _ask_pytest(
    selftests: Path, suites: Sequence[str], keyword: str, environment: Mapping[str, str]
) -> list[PlannedTest]:
    folder_of = {f"{SUITES[suite]}/": suite for suite in suites}
    with tempfile.TemporaryDirectory(prefix="ppiov-collect-") as temporary:
        answer = Path(temporary) / "tests.json"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--collect-only", "-q", *pytest_arguments(selftests)]
            + ([f"-k={keyword}"] if keyword else [])
            + [SUITES[suite] for suite in suites],
            cwd=selftests,
            env={
                **os.environ,
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": os.pathsep.join(python_path(selftests)),
                **environment,
                "PPIOV_COLLECT": str(answer),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # a Ctrl-C in the terminal is ours to handle
        )
        # 0: found some, 5: found none. Anything else is said by pytest in its last lines.
        if done.returncode not in (0, 5) or not answer.is_file():
            raise BadRequest(f"the tests cannot be collected: {_complaint(done.stdout, done.stderr)}")
        tests = json.loads(answer.read_text())
    for test in tests:
        test["config"] = tuple(test["config"])
        test["reproducers"] = tuple(Reproducer.of(said) for said in test["reproducers"])
    return [PlannedTest(suite=folder_of[test["name"].partition("/")[0] + "/"], **test) for test in tests]


def _complaint(stdout: str, stderr: str) -> str:
    """The one line of pytest's output that says what is wrong."""
    lines = [line.strip() for line in (stderr + "\n" + stdout).splitlines() if line.strip()]
    for prefix in ("ERROR: ", "E   "):
        for line in lines:
            if line.startswith(prefix):
                return line.removeprefix(prefix).strip()
    return lines[-1] if lines else "pytest said nothing"
