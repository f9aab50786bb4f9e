# SPDX-License-Identifier: GPL-2.0-only
"""Reports of a series: the same bytes for the same series, nothing without its source, and a part is called a part."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import fake_archive
import fake_series
import pytest
import sample
import sample_series
from hypothesis import HealthCheck, given, settings
from kcidb_io.schema import V5_3
from ppiov.errors import BadRequest, BadRunFolder
from ppiov.folder import RunFolder
from ppiov.report import FILES as RUN_FILES
from ppiov.report import many
from ppiov.report.series import FILES, notes, text, words
from ppiov.results import Figure, Outcome, Run, RunState
from ppiov.series import results as stored
from ppiov.series.results import CheckResult, Measured, Relation, SeriesRun, Verdict
from test_report_html import Page

FORMS = [*FILES, *notes.FORMS]


def made(run: SeriesRun, form: str) -> str:
    return many.render([run], form).decode("utf-8")


def test_the_same_series_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "one")
    stored.save(folder, sample_series.series())
    code = (
        "import sys; from pathlib import Path; from ppiov.report import many; run, out, *forms = sys.argv[1:]\n"
        "for form in forms: Path(out, form).write_bytes(many.render(many.load(Path(run)), form))"
    )
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        line = [sys.executable, "-c", code, str(folder.path), str(tmp_path / seed), *FORMS]
        subprocess.run(line, check=True, env={"PYTHONHASHSEED": seed})
    for form in FORMS:
        out = [(tmp_path / seed / form).read_bytes() for seed in ("1", "2")]
        assert out[0] == out[1] == made(sample_series.series(), form).encode()
        assert len(out[0]) > 200


def test_what_was_saved_is_what_is_loaded(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "one")
    stored.save(folder, sample_series.series())
    assert many.load(folder.path) == [sample_series.series()]
    (folder.path / stored.FILE).write_text("{")
    with pytest.raises(BadRunFolder, match="truncated or not JSON"):
        many.load(folder.path)


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("state", [RunState.INTERRUPTED, RunState.ABORTED])
def test_a_part_says_so_at_the_top(form: str, state: RunState) -> None:
    run = replace(sample_series.series(good=True), state=state, reason="the disk was full")
    out = made(run, form)
    top = out[: out.index("checkouts") + 400] if form == "kcidb" else out[:900] if form != "html" else Page(out).words
    assert any(state.value.upper() in part for part in top) if form == "html" else state.value.upper() in top
    assert "PASSED" not in out


def test_the_text_fits_an_email() -> None:
    for count in (1, 6, 60):
        lines = text.render(sample_series.series(count)).splitlines()
        assert max(map(len, lines)) <= 72
        assert all(line.isascii() for line in lines)
    out = text.render(sample_series.series())
    assert "build_gcc           .  .  F  .  .  ." in out
    assert "page_pool01: 81.07 -> 82.15 insns/op (insns): +1.33 %, new" in out.replace("\n", " ").replace("      ", "")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=25)
@given(sample_series.arbitrary())
def test_whatever_a_mail_contains_every_report_is_well_formed(run: SeriesRun) -> None:
    for line in made(run, "text").splitlines():
        assert len(line) <= 72
        assert line.isascii() and line.isprintable()
    page = Page(made(run, "html"))
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form"} & set(page.tags)
    assert not [value for _, name, value in page.attributes if name == "href" and not value.startswith("#")]
    ET.fromstring(made(run, "junit"))
    assert not [line for line in made(run, "ktap").splitlines() if line.startswith(("ok", "not ok")) and " # " in line]
    # four blanks make code, in which Markdown sees nothing
    assert "<" not in "".join(line for line in made(run, "markdown").splitlines() if not line.startswith("    "))
    V5_3.validate(json.loads(made(run, "kcidb")))


def test_a_figure_without_its_meter_is_not_shown() -> None:
    whole = sample_series.MEASURED[0]
    for bad in (
        Measured(Figure("x", 4711.0, "ns", ""), Figure("x", 4712.0, "ns", ""), Relation.NEW),
        Measured(Figure("x", 4711.0, "", "ns"), Figure("x", 4712.0, "", "ns"), Relation.NEW),
        Measured(Figure("x", 4711.0, "insns/op", "insns"), Figure("x", 4712.0, "ns", "ns"), Relation.NEW),
    ):
        run = sample_series.series(1)
        check = replace(run.patches[0].checks[-1], measured=(bad,))
        run = replace(run, patches=(replace(run.patches[0], checks=(check,)),))
        for form in FILES:
            assert "471" not in made(run, form), form
    assert "81.07" in words.measured(whole)


def test_a_verdict_without_its_run_is_not_shown() -> None:
    run = sample_series.series(1)
    orphan = CheckResult("traffic", Verdict.PASS, "all 4711 passed", changes=sample_series.CHANGES)
    run = replace(run, patches=(replace(run.patches[0], checks=(orphan,)),))
    for form in FILES:
        assert "4711" not in made(run, form), form
    assert "4711" not in made(replace(sample_series.series(1), id=""), "text")


def test_the_page_leads_from_a_cell_to_what_is_behind_it() -> None:
    run = sample_series.series()
    page = Page(made(run, "html"))
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for _, name, value in page.attributes if name == "href"}
    assert targets <= set(ids)
    assert len(targets) == sum(len(patch.checks) for patch in run.patches) + len(run.patches)
    assert any("too few arguments" in word for word in page.words)


def test_junit_counts_what_failed() -> None:
    root = ET.fromstring(made(sample_series.series(), "junit"))
    assert int(root.get("failures", 0)) == 5  # four checks of patches, one of the series
    assert int(root.get("errors", 0)) == 1  # what was not run
    good = ET.fromstring(made(sample_series.series(good=True), "junit"))
    assert (good.get("failures"), good.get("errors")) == ("0", "0")


def test_ktap_counts_what_failed() -> None:
    lines = made(sample_series.series(), "ktap").splitlines()
    assert [line.split()[2:5] for line in lines if line.startswith("not ok")] == [
        ["1", "series"], *([str(n + 1), "patch", str(n)] for n in (3, 4, 5, 6)),
    ] or [line[:12] for line in lines if line.startswith("not ok")]  # fmt: skip
    assert sum(line.startswith("  not ok") for line in lines) == 6


def test_notes_and_trailers_are_for_good_patches_only() -> None:
    out = made(sample_series.series(), "trailers").splitlines()
    assert [line.split()[0].lstrip("0") for line in out] == ["1", "2"]
    assert "Checked-with: ppiov" in out[0]
    assert made(replace(sample_series.series(good=True), state=RunState.INTERRUPTED), "trailers") == ""
    assert "build_gcc: does not build" in made(sample_series.series(), "notes")


def test_notes_are_written_only_where_the_commits_are(tmp_path: Path) -> None:
    fake_archive.need("git")
    top = fake_series.repository(tmp_path / "linux")
    run = sample_series.series(1)
    with pytest.raises(BadRequest, match="has none of the commits"):
        notes.write(run, top)
    commit = fake_series.git(top, "rev-parse", "HEAD").strip()
    fake_series.git(top, "config", "user.name", "Ada")
    fake_series.git(top, "config", "user.email", "ada@example.org")
    assert notes.write(replace(run, patches=(replace(run.patches[0], commit=commit),)), top) == 1
    assert "build_gcc" in fake_series.git(top, "notes", "--ref=ppiov", "show", commit)
    assert fake_series.git(top, "notes", "list") == ""


# of several:


def runs() -> list[Run]:
    one = sample.every_outcome()
    kernel = replace(one.kernel, release="7.3.4", spec="deb:7.3")
    tests = tuple(replace(t, outcome=Outcome.PASS, reason="") if "bind" in t.name else t for t in one.tests)
    return [one, replace(one, id="20260102T030405-deb-7.3-traffic", kernel=kernel, tests=tests)]


@pytest.mark.parametrize("form", RUN_FILES)
def test_several_runs_are_one_report(form: str) -> None:
    out = many.render(runs(), form)
    assert out == many.render(runs(), form)
    assert b"7.3.4" in out and b"6.12.117" in out
    if form == "html":
        page = Page(out.decode())
        assert ("tr", "class", "differ") in page.attributes
        ids = {value for _, name, value in page.attributes if name == "id"}
        assert {value[1:] for _, name, value in page.attributes if name == "href"} <= ids
    if form == "kcidb":
        V5_3.validate(json.loads(out))
    if form == "junit":
        assert len(ET.fromstring(out)) == 2 * len(ET.fromstring(many.render(runs()[:1], form)))
    if form == "text":
        assert max(len(line) for line in out.decode().splitlines()) <= 72


def test_a_series_and_its_runs_make_one_text() -> None:
    out = many.render([sample_series.series(), *runs()], "text").decode()
    assert "FAILED: 4 of 6 patches" in out and "FAILED: 5 of" in out
    with pytest.raises(BadRequest, match="a page shows one series or bisection, or several runs"):
        many.render([sample_series.series(), *runs()], "html")
    with pytest.raises(BadRequest, match="--format notes is about the patches of one series"):
        many.render(runs(), "notes")


def test_of_several_what_is_not_complete_comes_first() -> None:
    good, part = runs()[0], replace(runs()[1], state=RunState.INTERRUPTED, reason="interrupted")
    assert many.render([good, part], "text").startswith(b"INTERRUPTED after")
    assert b'class="part"' in many.render([good, part], "html")
    assert many.render([good, part], "markdown").startswith(b"- INTERRUPTED after")


def test_an_arbitrary_run_is_valid_kcidb() -> None:
    @settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
    @given(sample.runs)
    def check(run: Run) -> None:
        V5_3.validate(json.loads(many.render([run], "kcidb")))

    check()
