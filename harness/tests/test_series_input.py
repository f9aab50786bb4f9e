# SPDX-License-Identifier: GPL-2.0-only
"""What is taken for a series, and what is refused: one sentence each, nothing run, nothing written elsewhere."""

from __future__ import annotations

import json
import os
import shutil
from email.message import EmailMessage
from pathlib import Path

import fake_archive
import fake_series
import pytest
from engines import drain
from fake_series import commit, edit, git, mails
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ppiov.errors import (
    BadRequest,
    BadSeries,
    CrlfPatch,
    DiskFull,
    EmptySeries,
    ExitCode,
    MissingPatches,
    NotAncestor,
    PpiovError,
    TruncatedPatch,
    UnfitKernel,
)
from ppiov.events import Note
from ppiov.series import engine, perpatch, scratch, source
from ppiov.series import mails as mail_reader
from ppiov.series.engine import SeriesRequest
from ppiov.series.patch import Series, diff_lines
from ppiov.series.results import CheckResult, SeriesRun, Verdict
from ppiov.store import Store

BUILDS = ("build_gcc", "build_clang", "build_32bit")


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_archive.need("git", "perl")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = fake_series.repository(tmp_path / "linux")
    fake_series.clean_series(top)
    return top


@pytest.fixture
def box(top: Path) -> Path:
    path = top.parent / "series.mbox"
    path.write_text(mails(top, "v1..HEAD", "--cover-letter").replace("*** SUBJECT HERE ***", "net: all of it"))
    return path


def read(top: Path, what: str | Path, base: str = "") -> Series:
    return drain(source.read(str(what), scratch.open_for(top, Store()), base))[1]


def run(top: Path, what: str | Path, **wanted: object) -> SeriesRun:
    request = SeriesRequest(str(what), tree=top, results_dir=top.parent / "results", without=BUILDS, **wanted)  # type: ignore[arg-type]
    return drain(engine.run(request))[1]


def test_mails_give_the_same_commits_twice_and_the_same_code_as_the_range(top: Path, box: Path) -> None:
    ranged, once, again = read(top, "v1..HEAD"), read(top, box, "v1"), read(top, box, "v1")
    assert [p.tree for p in once.patches] == [p.tree for p in ranged.patches]
    assert [p.patch_id for p in once.patches] == [p.patch_id for p in ranged.patches]
    assert [p.commit for p in once.patches] == [p.commit for p in again.patches]
    assert [(p.subject, p.author, p.body) for p in once.patches] == [
        (p.subject, p.author, p.body) for p in ranged.patches
    ]
    assert once.cover is not None and once.cover.subject == "net: all of it"
    assert once.prefix == ("net-next",)


def test_a_folder_is_read_in_the_order_of_its_numbers(top: Path) -> None:
    folder = top.parent / "patches"
    git(top, "format-patch", "--quiet", "-o", str(folder), "v1..HEAD")
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        path.rename(folder / f"{number}.patch")
    assert [p.number for p in read(top, folder, "v1").patches] == [1, 2, 3]
    assert [p.subject for p in read(top, folder, "v1").patches] == [p.subject for p in read(top, "v1..HEAD").patches]


def test_the_newest_version_counts_and_answers_do_not(top: Path, box: Path) -> None:
    answer = EmailMessage()
    answer["From"], answer["Subject"] = (
        "Rita Reviewer <rita@example.org>",
        "Re: [PATCH net-next 1/3] net: foo: return two",
    )
    answer.set_content("> -\treturn 1;\n> +\treturn 2;\n\nWhy?\n")
    newer = mails(top, "v1..HEAD~1", "-v2", "--cc=netdev@example.org")
    box.write_text(box.read_text() + f"From nobody Mon Sep 17 00:00:00 2001\n{answer.as_string()}\n" + newer)
    series = read(top, box, "v1")
    assert (series.version, len(series.patches)) == (2, 2)
    assert "netdev@example.org" in series.patches[0].recipients


def test_mails_go_onto_their_base_commit_if_the_tree_has_it(top: Path) -> None:
    box = top.parent / "series.mbox"
    box.write_text(mails(top, "v1..HEAD", "--base=v1"))
    assert read(top, box).base == git(top, "rev-parse", "v1").strip()
    box.write_text(box.read_text().replace("base-commit: ", "base-commit: 0123456789").replace("\nbase", "\nbase"))
    told, series = drain(source.read(str(box), scratch.open_for(top, Store())))
    assert any(isinstance(e, Note) and "applied onto HEAD" in e.text for e in told)
    assert series.base == git(top, "rev-parse", "HEAD").strip()
    assert len(series.patches) == 3


def test_the_body_of_a_message_may_begin_a_line_with_from(top: Path) -> None:
    edit(top, "net/core/other.c", "return 4;", "return 5;")
    commit(top, "net: other: return five", f"From here on it is five.\nFrom now on, too.\n\n{fake_series.SIGNED[10:]}")
    box = top.parent / "one.mbox"
    box.write_text(mails(top, "HEAD~1..HEAD"))
    assert "From now on, too." in read(top, box, "HEAD~1").patches[0].body


# refused:


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def cut(text: str) -> str:
    return text[: text.index("+\treturn 4;")]


def lost(text: str) -> str:
    first, second, *rest = text.split("From ")[1:]
    return "".join(f"From {part}" for part in (first, second, *rest[1:]))


@pytest.mark.parametrize(
    ("damage", "error", "says"),
    [
        (crlf, CrlfPatch, "has CR LF line ends"),
        (cut, TruncatedPatch, "ends in the middle of a hunk of 'net/core/other.c'"),
        (lost, MissingPatches, "2 of 3 patches: 2 missing"),
        (lambda text: text + "From " + text.split("From ")[2], MissingPatches, "has patch 1 of 3 twice"),
        (lambda _: "", BadSeries, "no mail"),
        (lambda _: "\0\1\2 no mail at all", EmptySeries, "no mail with [PATCH]"),
        (lambda text: text.split("From ")[1].join(["From ", ""]), EmptySeries, "holds no patch"),
    ],
)
def test_damaged_mails_are_refused_by_name(
    top: Path, box: Path, damage: object, error: type[PpiovError], says: str
) -> None:
    box.write_text(damage(box.read_text()), newline="")  # type: ignore[operator]
    with pytest.raises(error) as caught:
        run(top, box, base="v1")
    assert says in str(caught.value)
    assert str(caught.value).count("\n") == 0
    assert caught.value.exit_code == ExitCode.UNUSABLE
    assert not (top.parent / "results").exists()


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        ("HEAD..v1", NotAncestor, "HEAD is not an ancestor of v1: is v1..HEAD meant?"),
        ("v1..v1", EmptySeries, "no commit in that range"),
        ("v2..HEAD", BadSeries, "has no revision 'v2'"),
        ("v1...HEAD", BadRequest, "a series is BASE..HEAD"),
        ("--upload-pack=x..HEAD", BadSeries, "has no revision '--upload-pack=x'"),
        ("nowhere", BadSeries, "is no range BASE..HEAD, no branch of"),
        ("main", BadSeries, "main is no b4 prep branch"),
    ],
)
def test_ranges_that_cannot_be_are_refused_by_name(top: Path, what: str, error: type[PpiovError], says: str) -> None:
    with pytest.raises(error, match="(?s)" + says.replace("(", r"\(").replace(".", r"\.").replace("?", r"\?")):
        run(top, what)


def test_a_merge_is_refused(top: Path) -> None:
    git(top, "checkout", "--quiet", "-b", "side", "v1")
    (top / "new").write_text("")
    commit(top, "net: side")
    git(top, "merge", "--quiet", "--no-edit", "main")
    with pytest.raises(BadSeries, match="is a merge"):
        run(top, "v1..HEAD")


def test_what_is_no_kernel_is_refused(top: Path, tmp_path: Path) -> None:
    git(top, "rm", "--quiet", "Kconfig")
    commit(top, "no more Kconfig")
    (top / "x").write_text("")
    commit(top, "net: x")
    with pytest.raises(UnfitKernel, match="is no kernel: it has no Kconfig"):
        run(top, "HEAD~1..HEAD")
    with pytest.raises(UnfitKernel, match="is not in a git repository"):
        run(tmp_path, "v1..HEAD")


def test_no_space_left_is_a_sentence(top: Path, box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = tmp_path / "bin/git"
    full.parent.mkdir()
    full.write_text(
        '#!/bin/sh\ncase "$*" in *write-tree*) echo "fatal: No space left on device" >&2; exit 128;; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    full.chmod(0o755)
    monkeypatch.setenv("PATH", f"{full.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(DiskFull, match="no space left in"):
        run(top, box, base="v1")


# hostile:


def hostile(path: str, mode: str = "100644", content: str = "owned") -> str:
    return (
        "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
        "From: Mallory <mallory@example.org>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n"
        "Subject: [PATCH net] net: <script>alert(1)</script> $(touch owned) `touch owned` \x1b[31m ../../owned\n\n"
        "Say why.\n\nSigned-off-by: Mallory <mallory@example.org>\n---\n"
        f"diff --git a/{path} b/{path}\nnew file mode {mode}\nindex 0000000..1111111\n"
        f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{content}\n"
        + ("\\ No newline at end of file\n" if mode == "120000" else "")
    )


@pytest.mark.parametrize(
    "path", ["../../owned", "/owned", ".git/hooks/post-checkout", "net/.git/config", "net/../../owned"]
)
def test_a_path_that_leaves_the_tree_does_not_apply(top: Path, path: str) -> None:
    box = top.parent / "hostile.mbox"
    box.write_text(hostile(path))
    before = sorted(map(str, top.parent.parent.rglob("owned")))
    done = run(top, box, base="v1")
    assert done.patches[0].checks[0].verdict is Verdict.FAIL
    assert sorted(map(str, top.parent.parent.rglob("owned"))) == before


@pytest.mark.parametrize(
    "path", ["net/$(touch owned).py", "net/-rf.sh", "net/<img src=x onerror=alert(1)>.py", "--help.yaml"]
)
def test_names_and_subjects_are_only_names_and_subjects(top: Path, path: str) -> None:
    box = top.parent / "hostile.mbox"
    box.write_text(hostile(path, content="x = 1"))
    done = run(top, box, base="v1")
    assert done.patches[0].commit
    assert done.patches[0].files == (path,)
    assert not list(top.parent.parent.rglob("owned"))
    folder = top.parent / "results" / done.id
    assert folder.parent == top.parent / "results"
    page = (folder / "report.html").read_text()
    assert "<script" not in page and "<img" not in page and "\x1b" not in page
    assert "<script" not in (folder / "report.md").read_text()
    assert "\x1b" not in (folder / "report.txt").read_text()


def test_a_link_is_not_followed(top: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("import os, sys  # the_secret\n")
    box = top.parent / "hostile.mbox"
    box.write_text(hostile("net/link.py", mode="120000", content=str(secret)))
    done = run(top, box, base="v1")
    assert done.patches[0].commit
    assert "the_secret" not in (top.parent / "results" / done.id / "series.json").read_text()
    assert next(c for c in done.patches[0].checks if c.name == "ruff").verdict is Verdict.SKIP


@given(st.text(alphabet="+- \t@\\\n\rabc,1<>", max_size=200))
def test_whatever_a_diff_is_it_is_read_or_refused(text: str) -> None:
    try:
        found = diff_lines(text)
    except EOFError:
        return
    assert all(line in text for _, line in found)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.binary(max_size=300))
def test_whatever_a_mail_is_it_is_read_or_left_out(raw: bytes) -> None:
    found = mail_reader.parse(b"Subject: [PATCH v2 3/4] x\n" + raw, "here")
    assert found is None or found.total in (1, 4) or found.number >= 0


# b4:


def prepared(top: Path, strategy: str) -> None:
    """The branch "b4/all" as b4 prep makes it."""
    tracking = {
        "series": {"revision": 2, "change-id": "20260101-all-0123", "base-branch": "base", "prefixes": ["net-next"]}
    }
    cover = "net: all of it\n\n# a comment of b4's\nWhy.\n\nTo: netdev@example.org\nCc: max@example.org\n"
    holder = f"{cover}\n{source._TRACKING}\n# of b4's own\n{json.dumps(tracking, indent=2)}"
    git(top, "branch", "base", "v1")
    git(top, "checkout", "--quiet", "-b", "b4/all", "v1")
    if strategy == "commit":
        git(top, "commit", "--quiet", "--allow-empty", "-m", holder)
    git(top, "cherry-pick", "v1..main")
    if strategy == "tip-commit":
        git(top, "commit", "--quiet", "--allow-empty", "-m", holder)
    if strategy == "branch-description":
        git(top, "config", "branch.b4/all.description", cover)
        git(top, "config", "branch.b4/all.b4-tracking", json.dumps(tracking))


@pytest.mark.parametrize("strategy", ["commit", "tip-commit", "branch-description"])
def test_a_prep_branch_has_a_cover_letter_and_no_patch_of_it(top: Path, strategy: str) -> None:
    prepared(top, strategy)
    series = read(top, "b4/all")
    assert (series.kind, series.version, series.change_id) == ("b4", 2, "20260101-all-0123")
    assert [p.subject for p in series.patches] == [p.subject for p in read(top, "v1..main").patches]
    assert series.cover is not None
    assert (series.cover.subject, "a comment" in series.cover.text) == ("net: all of it", False)
    assert series.cover.recipients == ("netdev@example.org", "max@example.org")
    assert series.prefix == ("net-next",)
    done = run(top, "b4/all")
    assert next(c for c in done.patches[0].checks if c.name == "cc_maintainers").verdict is Verdict.PASS


def per_patch(top: Path, raw: str, *names: str) -> list[CheckResult]:
    request = SeriesRequest("", tree=top, checks=names, results_dir=top.parent / "results")
    return drain(perpatch.check(request, raw.encode()))[1]


def test_one_patch_is_answered_as_b4_reads_it(top: Path) -> None:
    good = per_patch(top, mails(top, "HEAD~2..HEAD~1"))
    assert perpatch.prep(good) == ""
    assert {entry["status"] for entry in json.loads(perpatch.review(good))} == {"pass"}
    edit(top, "net/core/other.c", "return 4;", "return 5 /* PLANTED_ERROR */;")
    commit(top, "net: other: return five", "Say why.")
    bad = per_patch(top, mails(top, "HEAD~1..HEAD"))
    assert perpatch.prep(bad).splitlines() == ["ERROR: signoff: no Signed-off-by", "ERROR: checkpatch: 1 error"]
    entries = json.loads(perpatch.review(bad))
    assert [e["summary"] for e in entries if e["status"] == "fail"] == ["no Signed-off-by", "1 error"]
    assert all(set(e) == {"tool", "status", "summary", "details"} for e in entries)
    assert not (top.parent / "results").exists()


def test_a_patch_of_elsewhere_goes_onto_head(top: Path) -> None:
    patch = mails(top, "HEAD~2..HEAD~1").replace("-\treturn 3;", "-\treturn 4;").replace("+\treturn 4;", "+\treturn 6;")
    assert perpatch.prep(per_patch(top, patch)) == ""
    elsewhere = patch.replace("-\treturn 4;", "-\treturn 33;")
    assert "apply: does not apply" in perpatch.prep(per_patch(top, elsewhere))
    with pytest.raises(EmptySeries):
        per_patch(top, "no patch\n")


def test_what_is_not_committed_is_said(top: Path) -> None:
    (top / "net/core/other.c").write_text("int x;\n")
    told, _ = drain(source.read("v1..HEAD", scratch.open_for(top, Store())))
    assert [e.text for e in told if isinstance(e, Note)] == [
        f"{top} has 1 changed file that no commit has: not checked"
    ]
