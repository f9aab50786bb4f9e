# SPDX-License-Identifier: GPL-2.0-only
"""Histories: which line of commits is searched, what is left out of it, and what a log of git bisect says of it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from gitrepo import Repository
from ppiov.bisect.gitlog import log_of, marks_of
from ppiov.bisect.history import Revision, branches, commits, first_above, last_below, resolve, top
from ppiov.errors import BadRequest


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


def subjects(points: tuple[Revision, ...]) -> list[str]:
    return [point.subject for point in points]


def test_a_straight_line_with_what_a_report_says_of_each(repository: Repository) -> None:
    ids = [repository.commit(f"net: step {n}") for n in range(4)]
    history = commits(repository.folder, ids[0], "HEAD")
    assert [point.id for point in history.points] == ids and history.size == 3
    assert history.points[1].name == ids[1][:12]
    assert (history.points[1].author, history.points[1].date) == ("A U Thor <author@example.org>", "2023-11-14")
    assert history.points[1].parents == (ids[0],)


def test_commits_that_change_nothing_of_what_is_measured_are_left_out(repository: Repository) -> None:
    first = repository.commit("one", kernel__a="1")
    repository.commit("docs", README="x")
    changed = repository.commit("two", kernel__a="2")
    repository.commit("docs again", README="y")
    history = commits(repository.folder, first, "HEAD", paths=("kernel", "selftests"))
    assert [point.id for point in history.points] == [first, changed] and history.same == 2
    assert commits(repository.folder, first, f"{changed}~1", paths=("kernel",)).size == 0


def merged(repository: Repository) -> tuple[str, str]:
    """::

    base - a - b - M - c        M merges x and y, which left at base
      `--- x - y --'
    """
    base = repository.commit("base")
    repository.branch("side", base)
    repository.commit("x")
    repository.commit("y")
    repository.git("checkout", "--quiet", "main")
    repository.commit("a")
    repository.commit("b")
    merge = repository.merge("side", "M")
    repository.commit("c")
    return base, merge


def test_a_merge_is_one_step_and_can_be_looked_into(repository: Repository) -> None:
    base, merge = merged(repository)
    history = commits(repository.folder, base, "HEAD")
    assert subjects(history.points) == ["base", "a", "b", "M", "c"]
    (inside,) = branches(repository.folder, history.points[3], base)
    assert subjects(inside.points) == ["base", "x", "y"]
    assert resolve(repository.folder, merge[:10]) == merge


def test_where_a_commit_beside_the_line_belongs(repository: Repository) -> None:
    """As git infers: what is below a good commit is good, what is above a bad one is bad."""
    base, _ = merged(repository)
    history = commits(repository.folder, base, "HEAD")
    below = {"side": 0, "side~1": 0, "main~2": 2, "main~1": 3, "main": 4}
    assert {name: last_below(repository.folder, history, name) for name in below} == below
    above = {"side": 3, "side~1": 3, "main~3": 1, "main~1": 3, "main": 4}
    assert {name: first_above(repository.folder, history, name) for name in above} == above


def test_where_a_commit_that_is_left_out_belongs(repository: Repository) -> None:
    first = repository.commit("one", kernel__a="1")
    repository.commit("two", kernel__a="2")
    docs = repository.commit("docs", README="x")
    repository.commit("three", kernel__a="3")
    history = commits(repository.folder, first, "HEAD", paths=("kernel",))
    assert subjects(history.points) == ["one", "two", "three"]
    assert last_below(repository.folder, history, docs) == 1
    assert first_above(repository.folder, history, docs) == 2
    repository.branch("elsewhere", first)
    other = repository.commit("elsewhere", README="y")
    assert (last_below(repository.folder, history, other), first_above(repository.folder, history, other)) == (0, 2)


def test_a_good_end_on_the_merged_branch(repository: Repository) -> None:
    """The line goes through the branch that the good end is on."""
    merged(repository)
    history = commits(repository.folder, "side~1", "HEAD")
    assert subjects(history.points) == ["x", "y", "M", "c"]
    (inside,) = branches(repository.folder, history.points[2], history.points[0].id)
    assert subjects(inside.points) == ["base", "a", "b"], "what came in is the side that the line does not go through"


def test_an_octopus(repository: Repository) -> None:
    base = repository.commit("base")
    for name in ("one", "two"):
        repository.branch(name, base)
        repository.commit(name)
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "-m", "M", "one", "two")
    repository.commit("after")
    history = commits(repository.folder, base, "HEAD")
    inside = branches(repository.folder, next(p for p in history.points if p.subject == "M"), base)
    assert [subjects(line.points) for line in inside] == [["base", "one"], ["base", "two"]]


def test_a_series_begins_where_the_branch_left(repository: Repository) -> None:
    base = repository.commit("base")
    repository.branch("series", base)
    repository.commit("patch 1")
    repository.commit("patch 2")
    repository.git("checkout", "--quiet", "main")
    repository.commit("net-next moves on")
    history = commits(repository.folder, "main", "series", series=True)
    assert subjects(history.points) == ["base", "patch 1", "patch 2"] and not history.parted
    # Without --series the same commits are between, and it is said that the good end is another than was named.
    assert commits(repository.folder, "main", "series") == replace(history, parted="main")
    with pytest.raises(BadRequest, match="no commit between series and series~1: series~1 is an ancestor of series"):
        commits(repository.folder, "series", "series~1")
    assert history.points[0].id == base


def test_a_series_has_no_merge(repository: Repository) -> None:
    base, _ = merged(repository)
    with pytest.raises(BadRequest, match="is a merge, and a series has none"):
        commits(repository.folder, base, "HEAD", series=True)


@pytest.mark.parametrize(
    ("good", "bad", "why"), [("HEAD", "HEAD", "no commit between"), ("HEAD", "nix", "no revision")]
)
def test_ends_that_cannot_be(repository: Repository, good: str, bad: str, why: str) -> None:
    repository.commit("one")
    with pytest.raises(BadRequest, match=why):
        commits(repository.folder, good, bad)


def test_a_revision_is_no_option(repository: Repository) -> None:
    repository.commit("one")
    with pytest.raises(BadRequest, match="no revision '--output=x'"):
        commits(repository.folder, "--output=x", "HEAD")


def test_the_top_of_a_repository(repository: Repository, tmp_path: Path) -> None:
    repository.commit("one", kernel__a="1")
    assert top(repository.folder / "kernel").resolve() == repository.folder.resolve()
    with pytest.raises(BadRequest, match="is not in a git work tree"):
        top(tmp_path)


# The log


def test_git_itself_replays_our_log(repository: Repository, tmp_path: Path) -> None:
    ids = [repository.commit(f"step {n}") for n in range(9)]
    points = commits(repository.folder, ids[0], ids[8]).points
    marks = [(8, "bad"), (0, "good"), (4, "good"), (6, "skip"), (5, "bad")]
    log = tmp_path / "log"
    log.write_text(log_of([(points[at], word) for at, word in marks], points[5]))
    repository.git("bisect", "replay", str(log))
    assert f"# first bad commit: [{ids[5]}]" in repository.git("bisect", "log")
    found = marks_of(log)
    assert (found.good, found.bad, found.skip) == ([ids[0], ids[4]], [ids[8], ids[5]], [ids[6]])


def test_we_read_what_git_writes(repository: Repository, tmp_path: Path) -> None:
    ids = [repository.commit(f"step {n}") for n in range(9)]
    repository.git("bisect", "start", "--term-old=fast", "--term-new=slow")
    repository.git("bisect", "slow", ids[8])
    repository.git("bisect", "fast", ids[0])
    repository.git("bisect", "skip")
    log = tmp_path / "log"
    log.write_text(repository.git("bisect", "log"))
    found = marks_of(log)
    assert (found.good, found.bad, len(found.skip)) == ([ids[0]], [ids[8]], 1)


def test_what_git_start_was_told_is_in_the_log(repository: Repository, tmp_path: Path) -> None:
    ids = [repository.commit(f"step {n}") for n in range(9)]
    log = tmp_path / "log"
    for terms in ((), ("--term-old=fast", "--term-new=slow")):
        repository.git("bisect", "start", *terms, "HEAD", ids[0])
        log.write_text(repository.git("bisect", "log"))
        assert "start" in log.read_text()
        found = marks_of(log)
        assert (found.good, found.bad) == ([ids[0]], [ids[8]]), "HEAD is another commit by now"
        repository.git("bisect", "reset")


@pytest.mark.parametrize("text", ["rm -rf /\n", "git bisect good HEAD\n", "git bisect frobnicate\n"])
def test_a_log_that_is_none(tmp_path: Path, text: str) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    with pytest.raises(BadRequest, match=r"log:1"):
        marks_of(log)


def test_the_order_of_a_log_is_that_of_git(repository: Repository) -> None:
    ids = [repository.commit(f"step {n}") for n in range(3)]
    points = commits(repository.folder, ids[0], ids[2]).points
    text = log_of([(points[2], "bad"), (points[0], "good")], candidates=points[1:])
    assert text.splitlines()[0] == "git bisect start"
    assert text.splitlines()[-1] == f"# possible first bad commit: [{ids[2]}] step 2"
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
