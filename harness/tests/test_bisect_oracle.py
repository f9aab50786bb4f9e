# SPDX-License-Identifier: GPL-2.0-only
"""What a script's exit code, a guest's answer or a run means for a bisection; and the guest's side of the asking."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from engines import drain
from gitrepo import Repository
from ppiov.bisect import checkout
from ppiov.bisect import oracle as oracles
from ppiov.bisect import request as asked
from ppiov.bisect.guestcmd import Reply
from ppiov.bisect.model import Why
from ppiov.bisect.oracle import BENCH, CMD, GUEST, TEST, Oracle, Reading
from ppiov.bisect.request import BisectRequest, Effect
from ppiov.cli import app
from ppiov.errors import BadRequest, NoGuest, UnknownName
from ppiov.events import Event
from ppiov.results import Figure, Outcome, Run, RunState, TestResult
from ppiov.store import Store
from ppiov.tree import KernelTree
from sample import passing
from typer.testing import CliRunner

FIGURE = Oracle(GUEST, figure="cost", script=Path("cost.sh"))
VERDICT = Oracle(CMD, script=Path("check.sh"))


def why(reading: Reading) -> Why | None:
    return reading.hole.why if reading.hole else None


@pytest.mark.parametrize(("code", "value"), [(0, 0.0), (1, 1.0), (124, 1.0), (126, 1.0), (127, 1.0)])
def test_the_codes_of_git_bisect_run(code: int, value: float) -> None:
    assert oracles.of_script(VERDICT, code, "") == Reading(value)


def test_a_script_that_skips_says_why() -> None:
    reading = oracles.of_script(VERDICT, 125, "trying\nno such device\n\n")
    assert str(reading.hole) == "skipped by the command: no such device"


@pytest.mark.parametrize("code", [128, 255, -9])
def test_a_script_that_ends_the_bisection(code: int) -> None:
    with pytest.raises(BadRequest, match=rf"check.sh ended with exit code {code}, .*: oops"):
        oracles.of_script(VERDICT, code, "oops\n")


def test_the_figure_that_a_script_says() -> None:
    said = "figure other 1 s ns\nnoise\nfigure cost 1 insns/op insns\nfigure cost 26.004 insns/op insns\n"
    assert oracles.of_script(FIGURE, 0, said) == Reading(26.004, "insns/op", "insns")
    for text in ("", "figure cost nan insns/op insns\n", "figure cost x y insns\n", " figure cost 1 s insns\n"):
        assert why(oracles.of_script(FIGURE, 0, text)) is Why.MEASURE
    assert str(oracles.of_script(FIGURE, 2, "cat: no such file\n").hole).endswith("exit code 2: cat: no such file")
    with pytest.raises(BadRequest, match="measures ns, and --meter is insns"):
        oracles.of_script(FIGURE, 0, "figure cost 1 ns ns\n")


def test_what_a_guest_that_dies_means() -> None:
    verdict = dataclasses.replace(VERDICT, kind=GUEST)
    panic = Reply(loaded=False, died="Kernel panic - not syncing")
    assert why(oracles.of_reply(FIGURE, panic)) is Why.PANIC and why(oracles.of_reply(verdict, panic)) is Why.PANIC
    panic = Reply(loaded=True, died="Kernel panic - not syncing")
    assert why(oracles.of_reply(FIGURE, panic)) is Why.PANIC
    assert oracles.of_reply(verdict, panic) == Reading(1.0), "the script's run is what broke it"
    assert why(oracles.of_reply(FIGURE, Reply(loaded=True))) is Why.MEASURE
    assert oracles.of_reply(verdict, Reply(loaded=True)) == Reading(1.0), "it hangs"
    failed = Reply(loaded=False, load_error="insmod: ERROR: could not insert module\nmore")
    assert str(oracles.of_reply(verdict, failed).hole) == "does not load: insmod: ERROR: could not insert module"


def run(*tests: TestResult, state: RunState = RunState.COMPLETE) -> Run:
    return dataclasses.replace(passing(), tests=tests, state=state, reason="no guest boots", boot_splats=())


def result(outcome: Outcome, reason: str = "", *figures: Figure) -> TestResult:
    return TestResult("bench/test_bench.py::test_bench[pool]", "bench", outcome, 1.0, reason, figures=figures)


def test_what_a_run_of_a_test_means() -> None:
    ok, fail, skip = (result(o, "why") for o in (Outcome.PASS, Outcome.FAIL, Outcome.SKIP))
    assert oracles.of_tests(run(ok, skip)) == Reading(0.0)
    assert oracles.of_tests(run(ok, fail)) == Reading(1.0)
    assert oracles.of_tests(run(ok, result(Outcome.CRASH, "Oops"))) == Reading(1.0)
    assert why(oracles.of_tests(run(skip))) is Why.MEASURE, "no verdict, and not a pass"
    assert why(oracles.of_tests(run(result(Outcome.FAIL, "insmod: Unknown symbol")))) is Why.LOAD
    for broken in (run(ok, state=RunState.ABORTED), run(result(Outcome.NOT_RUN, "no guest"))):
        with pytest.raises(NoGuest):
            oracles.of_tests(broken)


def test_what_a_run_of_a_benchmark_means() -> None:
    bench = Oracle(BENCH, name="pool")
    own, other = Figure("pool", 81.07, "insns/op", "insns"), Figure("pool.loop", 3.0, "insns/op", "insns")
    assert oracles.of_bench(bench, run(result(Outcome.PASS, "", other, own))).value == 81.07
    assert (
        oracles.of_bench(
            dataclasses.replace(bench, figure="pool.loop"), run(result(Outcome.PASS, "", other, own))
        ).value
        == 3
    )
    with pytest.raises(UnknownName, match=r"pool\.loop"):
        oracles.of_bench(dataclasses.replace(bench, figure="pool.lop"), run(result(Outcome.PASS, "", other)))
    assert why(oracles.of_bench(bench, run(result(Outcome.CRASH, "Oops")))) is Why.PANIC
    assert why(oracles.of_bench(bench, run(result(Outcome.FAIL, "insmod failed")))) is Why.LOAD
    assert why(oracles.of_bench(bench, run(result(Outcome.PASS)))) is Why.MEASURE
    with pytest.raises(NoGuest):
        oracles.of_bench(bench, run(state=RunState.INTERRUPTED))


def test_a_script_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds the point under test in its environment, in a checkout of it; one that takes too long is ended."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    repository = Repository(tmp_path / "mods")
    commit = repository.commit("one", **{"synth.c": "x"})
    repository.commit("two", **{"synth.c": "y"})
    image = tmp_path / "vmlinuz"
    tree = KernelTree("image:x", "6.12.1", "6.12.1", tmp_path, image, None, None, None, "", "")
    script = tmp_path / "check.sh"
    script.write_text('#!/bin/sh\necho "$PPIOV_KERNEL $PPIOV_REVISION $PPIOV_IMAGE"\ngrep -q x synth.c\n')
    script.chmod(0o755)
    from ppiov.bisect.history import Revision

    target = oracles.Target(Revision(commit, content="c"), "image:x", repository.folder)
    job = oracles.Job(1, (target,), Oracle(CMD, script=script), tmp_path)
    with checkout.slot(Store(), target) as source:
        assert (source / "synth.c").read_text() == "x", "not what the user has checked out"
        engine = oracles._on_host(job, target, tree, None, source, "1.0")
        assert drain(engine)[1] == Reading(0.0)
        assert (tmp_path / "script-1.0.log").read_text() == f"6.12.1 {commit} {image}\n"
        with checkout.slot(Store(), target) as another:
            assert another != source
        script.write_text("#!/bin/sh\nsleep 60\n")
        late = dataclasses.replace(job, oracle=dataclasses.replace(job.oracle, timeout_s=0.2))
        assert drain(oracles._on_host(late, target, tree, None, source, "1.1"))[1] == Reading(1.0)
    assert repository.git("status", "--porcelain") == ""


# The guest's side


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(Path(oracles.__file__).parents[1] / "guest"))
    import importlib

    yield importlib.import_module("serve")
    sys.modules.pop("serve", None)
    sys.modules.pop("job", None)


def test_a_request_is_loaded_run_and_unloaded(serve: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("insmod", "rmmod"):
        tool = tools / name
        tool.write_text(
            f'#!/bin/sh\necho {name} "$1" >>{tmp_path}/calls\ncase $1 in *bad*) echo no >&2; exit 1;; esac\n'
        )
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setattr(serve, "kernel_log", lambda _: None)
    records: list[tuple[str, dict[str, object]]] = []

    class Records:
        def write(self, kind: str, **fields: object) -> None:
            records.append((kind, fields))

    def ask(load: list[str], *command: str, timeout: float = 20) -> dict[str, object]:
        records.clear()
        (tmp_path / "calls").write_text("")
        request = {"load": load, "command": list(command), "environment": {"WHO": "me"}, "timeout_s": timeout}
        serve.serve(Records(), 7, request)  # type: ignore[attr-defined]
        assert records[0] == ("request-begun", {"id": 7}) and records[-1][0] == "request-ended"
        return records[-1][1]

    ended = ask(["/m/a.ko", "/m/b.ko"], "sh", "-c", "echo $WHO; exit 3")
    assert (ended["code"], ended["output"], ended["clean"], ended["load_error"]) == (3, "me\n", True, None)
    assert (tmp_path / "calls").read_text().split("\n") == [
        "insmod /m/a.ko",
        "insmod /m/b.ko",
        "rmmod b",
        "rmmod a",
        "",
    ]
    ended = ask(["/m/a.ko", "/m/bad.ko"], "sh", "-c", "exit 0")
    assert (ended["code"], ended["load_error"], ended["clean"]) == (None, "no", True)
    assert "rmmod bad" not in (tmp_path / "calls").read_text()
    assert ask([], "sh", "-c", "sleep 60", timeout=0.2)["code"] is None


def test_requests_are_answered_in_order(serve: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "prepare", lambda: None)
    monkeypatch.setattr(serve, "kernel_log", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["serve.py", str(tmp_path)])
    (tmp_path / "requests").mkdir()
    for number in (1, 2):
        request = {"load": [], "command": ["echo", str(number)], "environment": {}, "timeout_s": 5}
        (tmp_path / "requests" / f"{number}.json").write_text(json.dumps(request))
    threading.Thread(target=serve.main, daemon=True).start()  # type: ignore[attr-defined]
    records = tmp_path / "records.jsonl"
    done = threading.Event()
    while not done.wait(0.02):
        lines = records.read_text().splitlines() if records.exists() else []
        ended = [json.loads(line) for line in lines if '"request-ended"' in line]
        if len(ended) == 2:
            done.set()
    assert [record["output"] for record in ended] == ["1\n", "2\n"]


# What makes no sense


@pytest.mark.parametrize(
    ("words", "why_not"),
    [
        ({}, "needs one of --bench, --test and --cmd"),
        ({"bench": "a", "test": "b"}, "needs one of"),
        ({"bench": "a", "in_guest": True}, "are for a script"),
        ({"test": "a", "figure": "f"}, "a test passes or fails"),
    ],
)
def test_words_that_do_not_go_together(words: dict[str, object], why_not: str) -> None:
    given = {"bench": "", "test": "", "script": None, "in_guest": False, "load": (), "figure": "", **words}
    with pytest.raises(BadRequest, match=why_not):
        asked.oracle(**given, meter="insns", timeout_s=1, accel="auto", resumed=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "why_not"),
    [
        ({"tree": "/x"}, "one of --module, --tree and --packages"),
        ({"good": ""}, "--good must name"),
        ({"error": 0.7}, "--error-rate is a probability"),
        ({"jobs": 0}, "at least one job"),
        ({"min_effect": Effect(1.0)}, "--min-effect is for a figure"),
        ({"oracle": Oracle(TEST, name="t", load=("m",))}, "--load is for a script in a guest"),
        ({"oracle": Oracle(BENCH, name="b", meter="furlongs")}, "no meter 'furlongs'"),
        ({"oracle": Oracle(CMD, script=Path("/does/not/exist"))}, "is not a file"),
        ({"module": None, "packages": "deb:6.12", "series": True}, "--series is for commits"),
        ({"module": None, "packages": "deb:6.12", "replay": Path("log")}, "is about commits"),
    ],
)
def test_requests_that_cannot_be(changed: dict[str, object], why_not: str) -> None:
    request = BisectRequest("a", "b", Oracle(TEST, name="t"), module=Path())
    with pytest.raises(BadRequest, match=why_not):
        dataclasses.replace(request, **changed).check()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "request_",
    [
        BisectRequest(
            "v1", "HEAD", Oracle(BENCH, name="pool.*", figure="x y", meter="ns", accel="kvm"), module=Path("m")
        ),
        BisectRequest(
            "v1", "main", Oracle(TEST, name="nic/test_a.py::test_b[1]"), tree="/a b+kunit", flaky=True, most=9
        ),
        BisectRequest("oldest", "newest", Oracle(CMD, script=Path("/x/a b.sh"), timeout_s=7.5), packages="deb:6.12"),
        BisectRequest(
            *("v1", "HEAD", Oracle(GUEST, figure="cost", script=Path("/x/c.sh"), load=("a", "b")), "src:7.3"),
            module=Path("m"),
            series=True,
            min_effect=Effect(2.5, percent=True),
            better="higher",
            error=0.05,
            every_change=True,
            every_commit=True,
            jobs=3,
            replay=Path("/x/log"),
        ),
    ],
)
def test_the_command_of_a_report_asks_for_the_same(request_: BisectRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[BisectRequest] = []

    def bisect(request: BisectRequest) -> Generator[Event, None, None]:
        asked_for.append(request)
        yield from ()
        raise BadRequest("enough")

    monkeypatch.setattr("ppiov.bisect.engine.bisect", bisect)
    words = shlex.split(request_.command())
    assert words[0] == "ppiov"
    done = CliRunner().invoke(app, words[1:])
    assert asked_for == [request_], done.output


@pytest.mark.parametrize(("text", "value"), [("3%", 3.0), ("0.5", 0.5), (" 2 % ", 2.0), (".5%", 0.5)])
def test_effects(text: str, value: float) -> None:
    assert Effect.parse(text).of(100.0) == value


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "1e3", "5 percent"])
def test_effects_that_are_none(text: str) -> None:
    with pytest.raises(BadRequest, match="--min-effect is a number above 0"):
        Effect.parse(text)
