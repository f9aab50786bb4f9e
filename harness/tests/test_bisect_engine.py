# SPDX-License-Identifier: GPL-2.0-only
"""The engine on real repositories, with jobs that are answered here: journal, resume, store, merges, packages, ends."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from engines import drain
from gitrepo import Repository
from ppiov.bisect import folder as folders
from ppiov.bisect import report
from ppiov.bisect.engine import Ends, bisect
from ppiov.bisect.judge import Untestable
from ppiov.bisect.model import Hole, Why
from ppiov.bisect.oracle import BENCH, CMD, GUEST, Job, Oracle, Reading
from ppiov.bisect.request import BisectRequest, Effect
from ppiov.bisect.steps import judge
from ppiov.bisect.story import State, Story
from ppiov.cli import main
from ppiov.errors import BadRequest, BadRunFolder, DiskFull, Interrupted
from ppiov.events import BisectFinished, BisectStep, Event, Note
from ppiov.tree import KernelTree

Ask = Callable[[str], Reading]  # told the subject of a commit


@dataclass
class Jobs:
    """In the place of a cluster."""

    ask: Ask
    done: list[list[str]] = field(default_factory=list)  # subjects, a list for each job
    most: int = 10**9  # jobs before Ctrl-C

    def run(self, engine: Any, arguments: Sequence[Job]) -> Generator[Event, None, list[list[Reading]]]:
        yield Note("no KVM here", "warning")
        answers = []
        for job in arguments:
            if len(self.done) == self.most:
                raise KeyboardInterrupt
            subjects = [target.revision.subject for target in job.targets]
            self.done.append(subjects)
            answers.append([self.ask(subject) for subject in subjects])
        return answers


def insns(values: dict[str, float], why: Why = Why.BUILD) -> Ask:
    """Figures by subject; a subject without one has no verdict."""
    return lambda subject: (
        Reading(values[subject], "insns/op", "insns") if subject in values else Reading(hole=Hole(why, "on purpose"))
    )


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "linux")
    for number in range(17):
        made.commit(f"c{number}")
    return made


@pytest.fixture
def request_(repository: Repository, tmp_path: Path) -> BisectRequest:
    script = tmp_path / "cost.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    oracle = Oracle(GUEST, figure="cost", script=script)
    return BisectRequest(
        "HEAD~16", "HEAD", oracle, tree=str(repository.folder), results_dir=tmp_path / "results", jobs=1
    )


def run(request: BisectRequest, jobs: Jobs) -> Story:
    return drain(bisect(request, jobs))[1]


CLEAN = {f"c{n}": 25.0 + (n >= 6) for n in range(17)}


def test_a_commit_its_effect_and_its_tag(request_: BisectRequest, repository: Repository) -> None:
    jobs = Jobs(insns(CLEAN))
    told, story = drain(bisect(request_, jobs))
    commit = repository.git("rev-parse", "HEAD~10")
    assert story.verdict == (
        f"{commit[:12]} c6",
        "  +1 insns/op (+4%)",
        "  A U Thor <author@example.org>, 2023-11-14",
        f'  Fixes: {commit[:12]} ("c6")',
    )
    assert story.found_one and story.state is State.COMPLETE
    assert len({subject for (subject,) in jobs.done}) <= 6
    assert told.count(Note("no KVM here", "warning")) == 1, "and not once for each measurement"
    steps = [event for event in told if isinstance(event, BisectStep)]
    assert len(steps) == len(jobs.done) and not any(step.known for step in steps)
    assert steps[0].reading == "25 insns/op (insns)"
    finished = told[-1]
    assert isinstance(finished, BisectFinished) and finished.found and finished.folder == story.folder
    assert (request_.results_dir / "bisect-latest").resolve() == story.folder


def test_the_log_is_one_that_git_replays(request_: BisectRequest, repository: Repository) -> None:
    story = run(request_, Jobs(insns(CLEAN)))
    repository.git("bisect", "replay", str(story.folder / "bisect.log"))
    assert "# first bad commit" in repository.git("bisect", "log")


def test_a_second_bisection_finds_all_in_the_store(request_: BisectRequest) -> None:
    run(request_, Jobs(insns(CLEAN)))
    jobs = Jobs(insns({}))
    told, story = drain(bisect(request_, jobs))
    assert story.verdict[0].endswith(" c6") and jobs.done == []
    assert all(event.known for event in told if isinstance(event, BisectStep))
    jobs = Jobs(insns(CLEAN))
    assert run(dataclasses.replace(request_, good="HEAD~12"), jobs).verdict[0].endswith(" c6")
    assert ["c16"] not in jobs.done, "only what is new is measured"


def test_a_script_on_this_machine_is_asked_each_time(request_: BisectRequest) -> None:
    request = dataclasses.replace(request_, oracle=dataclasses.replace(request_.oracle, kind=CMD))
    run(request, Jobs(insns(CLEAN)))
    jobs = Jobs(insns(CLEAN))
    run(request, jobs)
    assert len(jobs.done) > 4


@pytest.mark.parametrize("after", range(8))
@pytest.mark.parametrize("by_name", [True, False])
def test_it_goes_on_after_an_interruption(request_: BisectRequest, after: int, by_name: bool) -> None:
    """Whenever Ctrl-C comes, nothing is measured twice, and the same is found in the same folder."""
    request = dataclasses.replace(request_, oracle=dataclasses.replace(request_.oracle, kind=CMD))
    whole = Jobs(insns(CLEAN))
    assert run(request, whole).found_one
    first = Jobs(insns(CLEAN), most=after)
    with pytest.raises(KeyboardInterrupt):
        run(request, first)
    folder = (request.results_dir / "bisect-latest").resolve()
    assert folders.load(folder).state is State.INTERRUPTED
    states = []

    def ask(subject: str) -> Reading:
        states.append(folders.load(folder).state)
        return insns(CLEAN)(subject)

    second = Jobs(ask)
    story = run(dataclasses.replace(request, resume=folder) if by_name else request, second)
    assert set(states) == {State.RUNNING}
    assert story.folder == folder and story.verdict[0].endswith(" c6")
    in_flight = first.done[-1:] if after in (1, 2, 3) else []  # of four at a time at the ends, none is kept
    assert len(first.done) + len(second.done) <= len(whole.done) + 2 + len(in_flight)


def test_power_loss_leaves_a_torn_line_that_is_dropped(request_: BisectRequest) -> None:
    request = dataclasses.replace(request_, oracle=dataclasses.replace(request_.oracle, kind=CMD))
    with pytest.raises(KeyboardInterrupt):
        run(request, Jobs(insns(CLEAN), most=6))
    folder = (request.results_dir / "bisect-latest").resolve()
    journal = folder / "journal.jsonl"
    data = journal.read_bytes()
    journal.write_bytes(data[:-7])
    (folder / "bisect.json").write_text((folder / "bisect.json").read_text().replace('"interrupted"', '"running"'))
    story = run(request, Jobs(insns(CLEAN)))
    assert story.folder == folder and story.found_one
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_two_at_the_same_time_do_not_write_into_one_journal(request_: BisectRequest) -> None:
    request = dataclasses.replace(request_, oracle=dataclasses.replace(request_.oracle, kind=CMD))
    second: list[Story] = []

    def ask(subject: str) -> Reading:
        if not second:  # the same command once more, while the first measures
            folder = (request.results_dir / "bisect-latest").resolve()
            with pytest.raises(BadRequest, match="is the folder of a bisection that is running"):
                run(dataclasses.replace(request, resume=folder), Jobs(insns(CLEAN)))
            second.append(run(request, Jobs(insns(CLEAN))))
        return insns(CLEAN)(subject)

    first = run(request, Jobs(ask))
    assert first.folder != second[0].folder and first.verdict == second[0].verdict


def test_a_journal_of_another_bisection_is_refused(request_: BisectRequest) -> None:
    request = dataclasses.replace(request_, oracle=dataclasses.replace(request_.oracle, kind=CMD))
    with pytest.raises(KeyboardInterrupt):
        run(request, Jobs(insns(CLEAN), most=6))
    folder = (request.results_dir / "bisect-latest").resolve()
    lines = (folder / "journal.jsonl").read_text().splitlines()
    (folder / "journal.jsonl").write_text("\n".join(reversed(lines)) + "\n")
    with pytest.raises(BadRunFolder, match="journal of another bisection"):
        run(dataclasses.replace(request, resume=folder), Jobs(insns(CLEAN)))


def test_commits_without_a_verdict_and_a_set_of_candidates(request_: BisectRequest) -> None:
    values = {subject: value for subject, value in CLEAN.items() if subject not in ("c5", "c6", "c7")}
    story = run(request_, Jobs(insns(values, Why.PANIC)))
    assert not story.found_one
    assert story.verdict[0] == "one or several of 4 commits, those between have no verdict:"
    assert [line.split()[1] for line in story.verdict[2:]] == ["c5", "c6", "c7", "c8"]
    assert "c6 (panics: on purpose)" in story.verdict[3]
    log = (story.folder / "bisect.log").read_text()
    assert log.count("git bisect skip") == 3 and log.count("# possible first bad commit") == 4


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"c0": 25.0, "c16": 25.0}, r"do not differ by 0.5 insns/op or more: 25 and 25 insns/op \(insns\)"),
        ({"c0": 25.0, "c16": 20.0}, r"differ the wrong way round: -5 insns/op \(-20%\); swap --good and --bad"),
    ],
)
def test_ends_that_do_not_differ_as_they_should(request_: BisectRequest, values: dict[str, float], why: str) -> None:
    with pytest.raises(Ends, match=why):
        run(request_, Jobs(insns(values)))
    assert folders.load(request_.results_dir / "bisect-latest").state is State.REFUSED


def test_a_commit_measured_in_another_unit_has_no_verdict(request_: BisectRequest) -> None:
    def ask(subject: str) -> Reading:
        return Reading(CLEAN[subject], "ns/op" if subject == "c6" else "insns/op", "insns")

    story = run(request_, Jobs(ask))
    assert not story.found_one and [line.split()[1] for line in story.verdict[2:]] == ["c6", "c7"]
    assert "unlike the others" in story.verdict[2]


def test_an_improvement_is_found_when_more_is_called_better(request_: BisectRequest) -> None:
    request = dataclasses.replace(request_, better="higher")
    story = run(request, Jobs(insns({f"c{n}": 30.0 - (n >= 9) for n in range(17)})))
    assert story.verdict[0].endswith(" c9") and story.verdict[1] == "  -1 insns/op (-3.33%)"


def test_rates_are_better_when_they_are_higher(request_: BisectRequest) -> None:
    story = run(request_, Jobs(lambda subject: Reading(900.0 - (int(subject[1:]) >= 4) * 90, "B/s", "insns")))
    assert story.verdict[0].endswith(" c4") and story.verdict[1] == "  -90 B/s (-10%)"


def test_min_effect_in_percent(request_: BisectRequest) -> None:
    values = {f"c{n}": 100.0 + (n >= 3) + 4 * (n >= 11) for n in range(17)}
    request = dataclasses.replace(request_, every_change=True)
    assert [c.last for _, c in run(request, Jobs(insns(values))).changes] == [3, 11]
    request = dataclasses.replace(request, min_effect=Effect.parse("2%"))
    assert [c.last for _, c in run(request, Jobs(insns(values))).changes] == [11]
    request = dataclasses.replace(request, min_effect=Effect.parse("10%"))
    with pytest.raises(Ends, match="do not differ by 10 insns/op or more"):
        run(request, Jobs(insns(values)))


def test_an_end_that_does_not_build(request_: BisectRequest) -> None:
    with pytest.raises(Untestable, match="the good end of the history has no verdict: it does not build: on purpose"):
        run(request_, Jobs(insns({"c16": 1.0})))


def test_pass_or_fail(request_: BisectRequest) -> None:
    request = dataclasses.replace(request_, oracle=dataclasses.replace(request_.oracle, figure=""))
    story = run(request, Jobs(lambda subject: Reading(float(int(subject[1:]) >= 12))))
    assert story.verdict[0].endswith(" c12") and story.verdict[1] == "  passes before it, fails from it on"
    for value, said in ((0.0, "passes"), (1.0, "fails")):
        request = dataclasses.replace(request, oracle=dataclasses.replace(request.oracle, name=said))
        with pytest.raises(Ends, match=rf"the test {said} at both \(2 runs of each\); if it fails only sometimes"):
            run(request, Jobs(dict.fromkeys(CLEAN, Reading(value)).__getitem__))


def test_several_at_a_time(request_: BisectRequest) -> None:
    jobs = Jobs(insns(CLEAN))
    story = run(dataclasses.replace(request_, jobs=3), jobs)
    assert story.verdict[0].endswith(" c6")


def test_a_merge_is_looked_into(request_: BisectRequest, repository: Repository) -> None:
    repository.branch("side", "HEAD~3")
    for number in range(5):
        repository.commit(f"s{number}")
    merge = repository.merge("side", "Merge side")
    values = {f"c{n}": 25.0 for n in range(17)} | {f"s{n}": 25.0 + 2 * (n >= 3) for n in range(5)}
    story = run(request_, Jobs(insns({**values, "Merge side": 27.0})))
    assert story.verdict[0].endswith(" s3") and story.found_one
    assert [line.merge.subject if line.merge else "" for line in story.lines] == ["", "Merge side"]
    # The branch by itself makes no difference: it is the merge.
    values = dict.fromkeys(values, 25.0)
    other = dataclasses.replace(request_.oracle, figure="other")  # or the store would know the branch's
    request = dataclasses.replace(request_, oracle=other)
    repository.git("commit", "--quiet", "--amend", "-m", "Merge side badly")
    story = run(request, Jobs(insns({**values, "Merge side badly": 27.0})))
    assert story.verdict[0].endswith("Merge side badly") and "a merge" in story.verdict[-1]
    assert merge not in story.verdict[0]


def test_a_merge_that_made_it_better_is_looked_into(request_: BisectRequest, repository: Repository) -> None:
    """With --all: the merge took away, and a commit on its branch did that; another commit added more."""
    repository.branch("side", "HEAD~3")
    for number in range(5):
        repository.commit(f"s{number}")
    repository.merge("side", "Merge side")
    repository.commit("last")
    values = {f"c{n}": 25.0 for n in range(17)} | {f"s{n}": 25.0 - 2 * (n >= 3) for n in range(5)}
    values |= {"Merge side": 23.0, "last": 30.0}
    story = run(dataclasses.replace(request_, every_change=True), Jobs(insns(values)))
    found = {line.history.points[change.last].subject: change.diff.estimate for line, change in story.changes}
    assert found == {"s3": -2.0, "last": 7.0} and story.found_one


def test_a_merge_and_what_it_merged_are_both_to_blame(request_: BisectRequest, repository: Repository) -> None:
    """A branch that adds one, merged so that it is eleven: neither stands for the other."""
    repository.branch("side", "HEAD~3")
    for number in range(5):
        repository.commit(f"s{number}")
    repository.merge("side", "Merge side")
    values = {f"c{n}": 25.0 for n in range(17)} | {f"s{n}": 25.0 + (n >= 3) for n in range(5)}
    story = run(request_, Jobs(insns({**values, "Merge side": 36.0})))
    found = {line.history.points[change.last].subject: change.diff.estimate for line, change in story.changes}
    assert found == {"Merge side": 10.0, "s3": 1.0} and story.found_one
    told = "\n".join(story.verdict)
    assert "  a merge, besides what it merged: that makes a difference of +1 insns/op (+4%)" in told
    assert "--all" not in told, "there is nothing else"
    assert [row.subject for line in story.lines for row in report.rows(story, line) if row.mark == "culprit"] == [
        "Merge side",
        "s3",
    ]
    # A branch that made it better does not make the merge that made it worse a small one.
    values |= {f"s{n}": 25.0 - 2 * (n >= 3) for n in range(5)} | {"Merge side": 26.0}
    other = dataclasses.replace(request_, oracle=dataclasses.replace(request_.oracle, figure="other"))
    for request in (other, dataclasses.replace(other, every_change=True)):
        story = run(request, Jobs(insns(values)))
        found = {line.history.points[change.last].subject: change.diff.estimate for line, change in story.changes}
        assert found == {"Merge side": 3.0} | ({"s3": -2.0} if request.every_change else {})
    events, _ = drain(bisect(dataclasses.replace(other, bad="HEAD"), Jobs(insns(values))))
    (note,) = [event.text for event in events if isinstance(event, Note) and event.text.startswith("what ")]
    assert note.endswith(" merged makes it better by itself: it is the merge")
    # Pass or fail: what fails already on the branch is not the merge's.
    steady = dataclasses.replace(request_, oracle=dataclasses.replace(request_.oracle, figure=""))
    story = run(steady, Jobs(lambda subject: Reading(float(subject in ("s3", "s4", "Merge side")))))
    assert [line.history.points[change.last].subject for line, change in story.changes] == ["s3"]


def test_a_merge_whose_branch_has_no_verdict(request_: BisectRequest, repository: Repository) -> None:
    """The merge or a commit of the branch: that is no answer with one commit."""
    repository.branch("side", "HEAD~3")
    repository.commit("s0")
    repository.merge("side", "Merge side")
    values = {f"c{n}": 25.0 for n in range(17)} | {"Merge side": 27.0}
    story = run(request_, Jobs(insns(values)))
    assert not story.found_one and story.verdict[0].endswith("Merge side")
    assert "a merge: it, or a commit that it merged; what that does by itself is not known" in story.verdict[-1]
    assert report.headline(story) == "NARROWED DOWN: not to one commit"


@pytest.mark.parametrize(
    ("bad", "culprit"), [(("s3", "s4", "M"), "s3"), (("M",), "M"), (("x", "y1", "s1", "s2", "s3", "s4", "M"), "x")]
)
def test_the_log_goes_into_merges(
    request_: BisectRequest, repository: Repository, bad: tuple[str, ...], culprit: str
) -> None:
    """A merge in a merge: where git replays the log it comes to the same commit, and has nothing left to ask."""
    repository.branch("side", "HEAD~3")
    repository.commit("s0")
    repository.branch("inner", "HEAD~2")
    repository.commit("x")
    repository.commit("y1")
    repository.git("checkout", "--quiet", "side")
    repository.git("merge", "--quiet", "--no-ff", "-m", "s1", "inner")
    for number in range(2, 5):
        repository.commit(f"s{number}")
    repository.merge("side", "M")
    repository.commit("after")
    story = run(request_, Jobs(insns({f"c{n}": 25.0 for n in range(17)} | _worse(bad))))
    ((line, change),) = story.changes
    assert line.history.points[change.last].subject == culprit
    repository.git("bisect", "replay", str(story.folder / "bisect.log"))
    said = repository.git("bisect", "log")
    assert f"# first bad commit: [{line.history.points[change.last].id}] {culprit}" in said


def _worse(bad: tuple[str, ...]) -> dict[str, float]:
    side = ("s0", "s1", "s2", "s3", "s4", "x", "y1", "M", "after")
    return {name: 26.0 if name in (*bad, "after") else 25.0 for name in side}


def test_a_good_end_that_is_no_ancestor(request_: BisectRequest, repository: Repository) -> None:
    """Where the two parted is measured first, as git bisect does; if that is as bad, it says where to look."""
    repository.branch("fixed", "HEAD~12")
    repository.commit("fix")
    request = dataclasses.replace(request_, good="fixed", bad="main")
    told, story = drain(bisect(request, Jobs(insns(CLEAN))))
    assert story.verdict[0].endswith(" c6") and story.history.points[0].subject == "c4"
    parted = story.history.points[0].name
    assert f"fixed is no ancestor of main: on from {parted}" in " ".join(e.text for e in told if isinstance(e, Note))
    with pytest.raises(Ends, match=f"what fixed does better it does since {parted}, where it parted from"):
        other = dataclasses.replace(request.oracle, figure="other")
        run(dataclasses.replace(request, oracle=other), Jobs(insns(dict.fromkeys(CLEAN, 26.0))))


def test_what_is_in_the_store_is_of_these_tests_and_this_compiler(
    request_: BisectRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel tree is measured by this checkout's modules and tests: with others, nothing in the store is of use."""
    checkout = tmp_path / "ppiov"
    for name in ("kernel", "selftests"):
        (checkout / name).mkdir(parents=True)
        (checkout / name / "file").write_text("one")
    monkeypatch.setattr("ppiov.suites.find_source", lambda *_: checkout)
    compiler = ["gcc 12"]
    monkeypatch.setattr("ppiov.lab.recipe", lambda _: compiler[0])
    request = dataclasses.replace(request_, oracle=Oracle(BENCH, name="pool"))

    def measured() -> int:
        jobs = Jobs(insns(CLEAN))
        assert run(request, jobs).found_one
        return len(jobs.done)

    whole = measured()
    assert whole > 4 and measured() == 0
    (checkout / "selftests/file").write_text("two")
    assert measured() == whole and measured() == 0
    compiler[0] = "gcc 13"
    assert measured() == whole


def test_a_log_narrows_the_history(request_: BisectRequest, repository: Repository, tmp_path: Path) -> None:
    commits = repository.git("rev-list", "--reverse", "HEAD").split()
    log = tmp_path / "log"
    log.write_text(
        f"git bisect start\ngit bisect bad {commits[12]}\ngit bisect good {commits[4]}\ngit bisect skip {commits[8]}\n"
    )
    jobs = Jobs(insns(CLEAN))
    story = run(dataclasses.replace(request_, replay=log), jobs)
    assert story.verdict[0].endswith(" c6")
    assert {subject for (subject,) in jobs.done} <= {"c4", "c5", "c6", "c7", "c9", "c10", "c12"}


def test_gits_own_session_is_gone_on_with(request_: BisectRequest, repository: Repository, tmp_path: Path) -> None:
    """Its log has the ends, whatever is checked out by now, and commits on a branch that was merged."""
    repository.branch("side", "HEAD~12")
    for number in range(3):
        repository.commit(f"s{number}")
    repository.merge("side", "M")
    repository.commit("after")
    log = tmp_path / "log"
    values = {f"c{n}": 25.0 for n in range(17)} | {"s0": 25.0, "s1": 26.0, "s2": 26.0, "M": 26.0, "after": 26.0}

    def replayed(*verdicts: str) -> tuple[set[str], list[str]]:
        """git's session with verdicts on so many commits, as far as it needs them, then ours; what ours measures."""
        repository.git("bisect", "start", "main", "main~17")
        for name in verdicts:
            repository.git("checkout", "--quiet", name)
            bad = values[repository.git("log", "-1", "--format=%s")] > 25
            repository.git("bisect", "bad" if bad else "good")
        log.write_text(repository.git("bisect", "log"))
        jobs = Jobs(insns(values))
        figure = " ".join(verdicts) or "cost"
        oracle = dataclasses.replace(request_.oracle, figure=figure)  # or the store would know
        story = run(dataclasses.replace(request_, good="", bad="", replay=log, oracle=oracle), jobs)
        repository.git("bisect", "reset")
        assert story.verdict[0].endswith(" s1")
        return {subject for (subject,) in jobs.done}, [story.history.points[end].subject for end in (0, -1)]

    measured, ends = replayed()
    assert ends == ["c1", "after"] and {"c1", "after"} <= measured
    measured, ends = replayed("main~3", "main~1")
    assert ends == ["c15", "M"] and len(measured) <= 7
    # git knows of the branch only; what is below its good commit is good.
    _, ends = replayed("side~2", "side")
    assert ends == ["c4", "M"]


def test_a_script_on_this_machine_may_look_at_anything(
    request_: BisectRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module's repository, where a commit beside the module breaks what the script looks at: it has the checkout."""
    made = Repository(tmp_path / "mydrv")
    made.commit("c0", kernel__Kbuild="obj-m := x.o")
    for number in range(1, 5):
        made.commit(f"c{number}", **{"kernel__x.c" if number % 2 else "tool.sh": f"{number}"})
    kernel = KernelTree("deb:6.12", "6.12.1", "6.12.1-1", tmp_path, tmp_path / "bzImage", None, None, None, "sha", "")

    def get(*_: object, **__: object) -> Generator[Event, None, KernelTree]:
        yield Note("here")
        return kernel

    monkeypatch.setattr("ppiov.kernels.get", get)
    oracle = dataclasses.replace(request_.oracle, figure="", kind=CMD)
    request = dataclasses.replace(request_, good="HEAD~4", oracle=oracle, tree=None, module=made.folder)
    story = run(request, Jobs(lambda subject: Reading(float(int(subject[1:]) >= 2))))
    assert story.verdict[0].endswith(" c2") and (story.history.size, story.history.same) == (4, 0)
    guest = dataclasses.replace(request, oracle=dataclasses.replace(oracle, kind=GUEST))
    story = run(guest, Jobs(lambda subject: Reading(float(int(subject[1:]) >= 3))))
    assert (story.history.size, story.history.same) == (2, 2), "a script in a guest has the modules only"


def test_the_machine_fails_in_the_middle(request_: BisectRequest) -> None:
    def full(subject: str) -> Reading:
        if subject == "c8":
            raise DiskFull("no space left")
        return Reading(CLEAN[subject], "insns/op", "insns")

    with pytest.raises(DiskFull):
        run(request_, Jobs(full))
    story = folders.load(request_.results_dir / "bisect-latest")
    assert (story.state, story.reason) == (State.ABORTED, "no space left")
    again = run(request_, Jobs(insns(CLEAN)))
    assert again.found_one and again.folder == story.folder


# One step, for git bisect run


def step(request: BisectRequest, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("ppiov.bisect.steps.bisect", lambda r: bisect(r, jobs))
    return drain(judge(request))[1]


@pytest.mark.parametrize(("head", "code"), [(25.0, 0), (26.0, 1), (24.0, 0), (None, 125)])
def test_a_step_is_an_exit_code(
    request_: BisectRequest, monkeypatch: pytest.MonkeyPatch, head: float | None, code: int
) -> None:
    values = {"c0": 25.0} | ({} if head is None else {"c16": head})
    assert step(request_, Jobs(insns(values)), monkeypatch) == code


def test_git_bisect_run_is_led_by_steps(
    request_: BisectRequest, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `git bisect run` would: the good end may be no ancestor of what is checked out."""
    good = repository.git("rev-parse", "HEAD~16")
    repository.git("bisect", "start", "HEAD", good)
    request = dataclasses.replace(request_, good=good)
    for _ in range(6):
        code = step(request, Jobs(insns(CLEAN)), monkeypatch)
        said = repository.git("bisect", "bad" if code == 1 else "good")
        if "is the first bad commit" in said:
            break
    assert said.splitlines()[0].startswith(repository.git("rev-parse", "main~10"))


def test_a_step_does_not_search_a_merge(
    request_: BisectRequest, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git has chosen a merge: it is judged, and nothing else is measured; the good end need not be below it."""
    repository.branch("side", "HEAD~3")
    repository.commit("s0")
    repository.merge("side", "M")
    repository.branch("good", "HEAD~5")
    good = repository.commit("good")
    repository.git("checkout", "--quiet", "main")
    jobs = Jobs(insns({"good": 25.0, "M": 26.0}))
    assert step(dataclasses.replace(request_, good=good), jobs, monkeypatch) == 1
    assert {subject for (subject,) in jobs.done} == {"good", "M"}


def left(monkeypatch: pytest.MonkeyPatch, judged: Callable[[], int], *words: str) -> int | str | None:
    """The code that the command leaves with, where its engine does what ``judged`` does."""

    def engine(_: BisectRequest) -> Generator[Event, None, int]:
        yield Note("begun")
        return judged()

    monkeypatch.setattr("ppiov.bisect.steps.judge", engine)
    monkeypatch.setattr("ppiov.bisect.engine.bisect", engine)
    monkeypatch.setattr("sys.argv", ["ppiov", "bisect", "--good", "HEAD", "--cmd", "/bin/true", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


def _raise(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize("code", [0, 1, 125])
def test_a_verdict_is_what_git_reads(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    assert left(monkeypatch, lambda: code, "--step") == code


@pytest.mark.parametrize(
    "error",
    [
        *(BadRequest("no"), Interrupted("interrupted"), DiskFull("full"), OSError(5, "I/O error"), KeyboardInterrupt()),
        *(BrokenPipeError(), RuntimeError("a fault of ours"), AssertionError(), SystemExit(1), SystemExit(0)),
    ],
)
def test_what_is_no_verdict_ends_git_bisect_run(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    assert left(monkeypatch, lambda: _raise(error), "--step") == 128


@pytest.mark.parametrize(
    "words", [["--stepp"], ["--jobs", "0"], ["surplus"], ["--min-effect", "much"], ["--test", "t"]]
)
def test_a_wrong_option_is_no_verdict(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    assert left(monkeypatch, lambda: 0, "--step", *words) == 128
    assert left(monkeypatch, lambda: 0, *words) == 2, "as of every other command"
