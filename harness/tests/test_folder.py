# SPDX-License-Identifier: GPL-2.0-only
"""The run folder: what was saved comes back, and what can't be read says why."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import sample
from hypothesis import HealthCheck, given, settings
from ppiov.errors import BadRunFolder, DiskFull, UnknownName
from ppiov.folder import RunFolder, find, write_atomically
from ppiov.report import FILES, write_all
from ppiov.results import Run


def test_create_makes_a_unique_folder_and_points_latest_at_it(tmp_path: Path) -> None:
    results = tmp_path / "deep" / "results"
    first = RunFolder.create(results, "run")
    assert (results / "latest").resolve() == first.path.resolve()
    second = RunFolder.create(results, "run")
    assert (first.path.name, second.path.name) == ("run", "run-2")
    assert (results / "latest").readlink() == Path("run-2"), "relative, so that the results can be moved"
    assert second.artifacts.is_dir()
    assert {p.name for p in results.iterdir()} == {"run", "run-2", "latest"}


def test_latest_that_is_a_folder_of_the_users_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "precious").touch()
    with pytest.raises(BadRunFolder, match="cannot write"):
        RunFolder.create(tmp_path, "run")
    assert (tmp_path / "latest" / "precious").exists()
    assert {p.name for p in tmp_path.iterdir()} == {"latest", "run"}


def test_create_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    with pytest.raises(BadRunFolder, match="cannot write"):
        RunFolder.create(tmp_path / "results", "run")


def test_round_trip(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run")
    run = sample.every_outcome()
    folder.save(run)
    assert RunFolder.load(folder.path) == run
    assert RunFolder.load(tmp_path / "latest") == run


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(run=sample.runs)
def test_any_run_round_trips_up_to_what_utf8_and_nan_can_carry(tmp_path: Path, run: Run) -> None:
    folder = RunFolder(tmp_path)
    folder.save(run)
    again = RunFolder.load(tmp_path)
    assert repr(again) == repr(run)  # by repr: NaN is not equal to itself


def test_surrogates_out_of_a_console_do_not_lose_the_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save(sample.hostile())
    assert "\ud800" not in RunFolder.load(tmp_path).tests[0].reason


def test_a_field_of_a_later_minor_version_is_ignored(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save(sample.passing())
    raw = json.loads(folder.run_json.read_text())
    raw["weather"] = "fine"
    raw["tests"][0]["mood"] = 7
    folder.run_json.write_text(json.dumps(raw))
    assert RunFolder.load(tmp_path) == sample.passing()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "has not come to an end"),
        ("", "truncated"),
        ("[", "truncated"),
        ("[]", "schema None"),
        ('{"schema": 99}', "schema 99; this ppiov reads schema 1"),
        ('{"schema": 1}', "not a run of schema 1: id"),
    ],
)
def test_load_says_what_is_wrong(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(BadRunFolder, match=says):
        RunFolder.load(tmp_path)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save(sample.passing())
    whole = folder.run_json.read_bytes()
    for size in range(0, len(whole) - 2, 997):
        folder.run_json.write_bytes(whole[:size])
        with pytest.raises(BadRunFolder):
            RunFolder.load(tmp_path)


def test_a_full_disk_keeps_the_old_file_and_leaves_no_half_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path)
    folder.save(sample.passing())

    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="no space left to write"):
        folder.save(sample.every_outcome())
    assert RunFolder.load(tmp_path) == sample.passing()
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_enospc_of_a_real_device(tmp_path: Path) -> None:
    part = tmp_path / f".x.{os.getpid()}.part"
    part.symlink_to("/dev/full")
    with pytest.raises(DiskFull):
        write_atomically(tmp_path / "x", b"data")


def test_find_by_name_path_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(BadRunFolder, match="holds no runs yet"):
        find(tmp_path / "none")
    folder = RunFolder.create(tmp_path, "20260102T030405-deb-6.12-all")
    for which in ("latest", folder.path.name, str(folder.path)):
        assert find(tmp_path, which).path == folder.path
    with pytest.raises(UnknownName, match=r"nearest: .*20260102T030405-deb-6\.12-all"):
        find(tmp_path, "20260102T030405-deb-6.12-al")


def test_write_all_writes_each_format_beside_the_run(tmp_path: Path) -> None:
    paths = write_all(RunFolder(tmp_path), sample.every_outcome())
    assert [p.name for p in paths] == list(FILES.values())
    assert all(p.stat().st_size > 1000 for p in paths)
