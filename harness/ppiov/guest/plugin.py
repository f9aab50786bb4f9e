# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin of guest tests, and of their collection on the host.

In the guest (PPIOV_CHANNEL set) it tells the job what begins and what ended, one verdict per test, after the test's
teardown and after the leak questions have been asked: ``leak_questions()`` of ``selftests/lib/leaks.py`` returns one
sentence per leak, and a leak makes a pass a failure. What takes too long to be asked after each test is asked after the
last: ``last_questions()`` of the same file. On the host (PPIOV_COLLECT set) it writes down what there is.

For tests:

- ``@pytest.mark.timeout_s(N)``: seconds that the test may take under TCG, the slowest way to run it.
- ``@pytest.mark.needs_config("KASAN", ...)``: options without which the test makes no sense; a kernel that lacks one
  does not get the test, and the run says so.
- ``@pytest.mark.guest(cpus=N, memory_mib=N)``: what the test's guest must have at least.
- ``@pytest.mark.warns("text")``: the kernel has to WARN once, with this in its words; any other splat is one still.
- ``record_property("figure", (name, value, unit, meter))``: a measured number for the report; a fifth word may be the
  samples that it is the median of.
- ``PPIOV_ARTIFACTS``: a folder for this test's files; they end up in the run folder.
- ``ktap(text)``, a fixture: hands results in KTAP over, which become the test's cases and decide its verdict.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

DEFAULT_TIMEOUT_SECONDS = 120.0
LEAKS_MODULE = "lib.leaks"
TAINT_WARN = 1 << 9
KMEMLEAK = Path("/sys/kernel/debug/kmemleak")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "timeout_s(seconds): how long the test may take under TCG")
    config.addinivalue_line(
        "markers", "needs_config(*options): kernel options without which, or with !, with which the test makes no sense"
    )
    config.addinivalue_line("markers", "guest(cpus, memory_mib): what the test's guest must have at least")
    config.addinivalue_line("markers", "warns(text): the kernel has to WARN once, and to say this")
    if os.environ.get("PPIOV_COLLECT"):
        config.pluginmanager.register(Collector(Path(os.environ["PPIOV_COLLECT"])), "ppiov-collector")
    elif os.environ.get("PPIOV_CHANNEL"):
        says, hears = map(int, os.environ["PPIOV_CHANNEL"].split(","))
        # Not to stderr, which pytest captures.
        stacks = Path(os.environ["PPIOV_STACKS"]).open("w")  # noqa: SIM115 (open as long as the process lives)
        faulthandler.register(signal.SIGUSR1, file=stacks, all_threads=True)
        config.pluginmanager.register(Teller(Channel(says, hears)), "ppiov-teller")


def first_line(item: pytest.Item) -> str:
    """The first line of a test's docstring."""
    doc = getattr(getattr(item, "obj", None), "__doc__", None) or ""
    return str(doc).strip().partition("\n")[0].strip()


def timeout(item: pytest.Item) -> float:
    """The seconds of the nearest timeout_s marker, or the default."""
    mark = item.get_closest_marker("timeout_s")
    return float(mark.args[0]) if mark else DEFAULT_TIMEOUT_SECONDS


def needs_config(item: pytest.Item) -> list[str]:
    """The options of all needs_config markers, each once."""
    return list(dict.fromkeys(option for mark in item.iter_markers("needs_config") for option in mark.args))


def guest(item: pytest.Item) -> dict[str, int]:
    """What the nearest guest marker asks for; 0 is whatever there is."""
    mark = item.get_closest_marker("guest")
    asked = mark.kwargs if mark else {}
    return {"cpus": int(asked.get("cpus", 0)), "memory_mib": int(asked.get("memory_mib", 0))}


def thinned(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Of each test so many that every value of its parameters comes once, with each backend; in their order."""
    from ppiov.combinations import each_value

    groups: dict[tuple[str, str], list[tuple[int, dict[str, str]]]] = {}
    for number, item in enumerate(items):
        spec = getattr(item, "callspec", None)
        parameters = {name: repr(value) for name, value in spec.params.items()} if spec else {}
        function = item.nodeid.partition("[")[0]
        groups.setdefault((function, parameters.pop("backend", "")), []).append((number, parameters))
    kept = [
        group[index][0] for group in groups.values() for index in each_value([parameters for _, parameters in group])
    ]
    return [items[number] for number in sorted(kept)]


class Collector:
    """On the host: writes the collected tests, in order, as JSON."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        items = thinned(session.items) if os.environ.get("PPIOV_COMBINATIONS") == "each" else session.items
        tests = [
            {
                "name": i.nodeid,
                "doc": first_line(i),
                "timeout_s": timeout(i),
                "config": needs_config(i),
                "reproducers": [mark.kwargs for mark in i.iter_markers("reproducer")],
                **guest(i),
            }
            for i in items
        ]
        self._path.write_text(json.dumps(tests))


class Ktap:
    """Hands KTAP over to the host, which reads it when the test has ended (nested.py), or when its guest has died.

    A test that asks for the fixture has to hand something over: nothing is a failure.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._documents: dict[str, Path] = {}
        self._unused: Path | None = self._make("1")

    def __call__(self, text: str, name: str = "") -> None:
        """Add ``text`` to the document ``name``. Documents are read one by one; a name goes before its cases' names."""
        with self.path(name).open("a", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def path(self, name: str = "") -> Path:
        """The file of the document ``name``, for a program that writes as it goes: what is in it outlives the guest."""
        if name not in self._documents:
            safe = re.sub(r"[^\w.+]+", "-", name)
            path = self._make(f"{len(self._documents) + 1:03}-{safe}")
            if self._unused is not None:
                self._unused.unlink()
                self._unused = None
            self._documents[name] = path
        return self._documents[name]

    def _make(self, name: str) -> Path:
        path = self._folder / f"{name}.ktap"
        path.touch()
        return path


@pytest.fixture
def ktap() -> Ktap:
    """ktap(text): hand KTAP over. ktap.path(): the file for a program that writes it."""
    return Ktap(Path(os.environ["PPIOV_ARTIFACTS"]))


class Channel:
    """Two pipes to the job; a message counts only when the job has it on disk."""

    def __init__(self, says: int, hears: int) -> None:
        self._says, self._hears = says, hears
        for fd in (says, hears):
            os.set_inheritable(fd, False)  # a daemon left behind by a test must not keep the job waiting

    def tell(self, record: str, **fields: Any) -> None:
        line = json.dumps({"record": record, **fields}).encode() + b"\n"
        while line:
            line = line[os.write(self._says, line) :]
        if record.startswith("test-"):
            os.read(self._hears, 1)


class Teller:
    """In the guest: one test-begun and one test-ended per test."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._artifacts = Path(os.environ["PPIOV_ARTIFACTS_ROOT"])
        self._wanted: list[str] = json.loads(Path(os.environ["PPIOV_TESTS"]).read_text())
        self._leak_questions: Callable[[], list[str]] = list
        self._last_questions: Callable[[], list[str]] = list
        self._reports: list[pytest.TestReport] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Exactly the tests of the job, in the job's order."""
        found = {item.nodeid: item for item in items}
        items[:] = [found[name] for name in self._wanted if name in found]
        missing = [name for name in self._wanted if name not in found]
        if missing:
            self._channel.tell("broken", reason=f"the guest does not find {missing[0]}, which the host found")
            pytest.exit("a test is missing", returncode=3)
        # Imported when sys.path is what the tests' conftest.py made of it.
        if (Path(str(session.config.rootpath)) / "lib" / "leaks.py").is_file():
            leaks = importlib.import_module(LEAKS_MODULE)
            self._leak_questions, self._last_questions = leaks.leak_questions, leaks.last_questions

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
        artifacts = self._artifacts / re.sub(r"[^\w.\-\[\]]+", "_", item.nodeid)
        artifacts.mkdir(parents=True, exist_ok=True)
        os.environ["PPIOV_ARTIFACTS"] = str(artifacts)
        self._reports = []
        self._channel.tell("test-begun", name=item.nodeid, artifacts=artifacts.name, **jiffies())
        kernel_log(f"ppiov: begin {item.nodeid}")
        warned_before = warned()
        began = time.monotonic()
        result = yield
        seconds = time.monotonic() - began
        leaks, ask_failed = self._ask(last=nextitem is None)
        if not any(artifacts.iterdir()):
            artifacts.rmdir()
        verdict = judge(self._reports, leaks, ask_failed)
        verdict["warned"] = warned() and not warned_before  # the console must have more of it
        kernel_log(f"ppiov: end {item.nodeid}")
        warnings = [str(mark.args[0]) for mark in item.iter_markers("warns")]
        rest = {"seconds": round(seconds, 3), "leaks": leaks, "warnings": warnings}
        self._channel.tell("test-ended", name=item.nodeid, **rest, **verdict)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.append(report)

    def _ask(self, last: bool) -> tuple[list[str], str]:
        """The leaks, and why they could not be asked for ("" if they could)."""
        try:
            found = self._leak_questions()
            if last:
                self._channel.tell("last-questions")
                found = [*found, *self._last_questions()]
            return [str(leak) for leak in found], ""
        except Exception as error:  # whatever a question trips over is a finding, not the end of the run
            return [], f"{type(error).__name__}: {error}"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            self._channel.tell("done")
        elif exitstatus != 3:  # 3: said above
            self._channel.tell("broken", reason=f"pytest could not collect or run the tests (exit code {exitstatus})")


def judge(reports: list[pytest.TestReport], leaks: list[str], ask_failed: str) -> dict[str, Any]:
    """One verdict out of the reports of setup, call and teardown, and the leaks found afterwards."""
    failed = [report for report in reports if report.failed]
    skipped = [report for report in reports if report.skipped]
    figures: list[Any] = [value for report in reports[-1:] for key, value in report.user_properties if key == "figure"]
    captured = "".join(f"--- {title} ---\n{text}\n" for title, text in (reports[-1].sections if reports else []))
    if failed:
        reason = _reason(failed[0])
        detail = "\n".join(report.longreprtext for report in failed)
        return {"outcome": "fail", "reason": reason, "detail": f"{detail}\n{captured}", "figures": figures}
    if leaks:
        return {"outcome": "fail", "reason": f"leak: {leaks[0]}", "detail": captured, "figures": figures}
    if ask_failed:
        reason = f"the leak questions could not be asked: {ask_failed}"
        return {"outcome": "fail", "reason": reason, "detail": captured, "figures": figures}
    if skipped:
        where = skipped[0].longrepr
        reason = str(where[2] if isinstance(where, tuple) else where).removeprefix("Skipped: ")
        return {"outcome": "skip", "reason": reason, "detail": "", "figures": []}
    if not any(report.when == "call" and report.passed for report in reports):
        return {"outcome": "fail", "reason": "the test's body never ran", "detail": captured, "figures": figures}
    return {"outcome": "pass", "reason": "", "detail": "", "figures": figures}


def _reason(report: pytest.TestReport) -> str:
    """The line that says it: the exception's, with the phase if it wasn't the test's body."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash else report.longreprtext).strip().partition("\n")[0]
    return text if report.when == "call" else f"{report.when}: {text}"


def warned() -> bool:
    """Whether the kernel has warned since it was booted: the taint flag W."""
    return bool(int(Path("/proc/sys/kernel/tainted").read_text()) & TAINT_WARN)


def jiffies() -> dict[str, int]:
    """The kernel's clock, where kmemleak will say by it when it tells of lost memory; else nothing."""
    if not KMEMLEAK.exists():
        return {}
    match = re.search(r"^jiffies: (\d+)", Path("/proc/timer_list").read_text(), re.MULTILINE)
    return {"jiffies": int(match[1])} if match else {}


def kernel_log(text: str) -> None:
    """Mark a place in the kernel log; harness/ppiov/console.py reads these marks."""
    try:
        with Path("/dev/kmsg").open("w") as log:
            log.write(f"<5>{text}\n")
    except OSError as error:
        print(f"no mark in the kernel log: {error}", file=sys.stderr)  # noqa: T201 (pytest.log)
