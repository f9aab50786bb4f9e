# SPDX-License-Identifier: GPL-2.0-only
"""The command: one sentence per error, the documented exit codes, and an engine that is closed whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
import sample
from ppiov import __version__, events
from ppiov.drive import drive, exit_code
from ppiov.errors import ExitCode, Interrupted
from ppiov.events import Event
from ppiov.folder import RunFolder
from ppiov.render.plain import PlainRenderer
from ppiov.report import html, text
from ppiov.results import Run, RunState


def environ(home: Path) -> dict[str, str]:
    path = os.pathsep.join(p for p in sys.path if p)
    return {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(home / "cache"), "COLUMNS": "80"}


def ppiov(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ppiov", *args]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=home, env=environ(home), timeout=60)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    RunFolder.create(tmp_path / "results", "20260102T030405-deb-6.12-traffic").save(sample.every_outcome())
    return tmp_path


def test_version(tmp_path: Path) -> None:
    assert ppiov(tmp_path, "--version").stdout == f"ppiov {__version__}\n"


def test_report_goes_to_standard_output_or_a_file(results: Path) -> None:
    shown = ppiov(results, "report")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == text.render(sample.every_outcome())
    kept = ppiov(results, "report", "20260102T030405-deb-6.12-traffic", "--format", "html", "-o", "out")
    assert (kept.returncode, kept.stdout, kept.stderr) == (0, "", "")
    assert (results / "out").read_text() == html.render(sample.every_outcome())


def test_an_empty_store_is_small_enough(tmp_path: Path) -> None:
    done = ppiov(tmp_path, "kernel", "gc", "--limit", "0")
    assert (done.returncode, done.stdout) == (0, "0 B before, 0 B now\n")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("report", "--results", "none"), "none holds no runs yet"),
        (("report", "20260102T030405-deb-6.12-trafic"), "nearest: 20260102T030405-deb-6.12-traffic"),
        (("report", "-o", "none/out"), "cannot write none/out: No such file or directory"),
        (("report", "x" * 300), "cannot be read: File name too long"),
        (("report", "--results", "x" * 300), "cannot be read: File name too long"),
        (("run", "--source", "x" * 300), "cannot be read: File name too long"),
        (("kernel", "get", "image:/proc/self/mem"), "/proc/self/mem cannot be read: Input/output error"),
        (("kernel", "get", f"image:{'x' * 300}"), "cannot be read: File name too long"),
        (("shell", "--kernel", "image:/proc/self/mem"), "/proc/self/mem cannot be read: Input/output error"),
        (("shell", "--kernel", f"image:{'x' * 300}"), "cannot be read: File name too long"),
        (("run", "--kernel", "dep:6.12"), "dep"),
        (("kernel", "get", "dep:6.12"), "dep"),
        (("kernel", "build", "deb:6.12"), "deb:6.12 is not built here"),
        (("kernel", "build", "src:7.3+kasam"), "nearest: kasan"),
        (("kernel", "config", "tree:nowhere"), "nowhere does not exist"),
        (("kernel", "gc", "--limit", "-1"), "--limit"),
        (("doctor", "--kernel", "dep:6.12"), "dep"),
        (("shell", "--kernel", "dep:6.12"), "dep"),
        (("run", "--cpus", "0"), "--cpus"),
        (("run", "--accel", "hvf"), "hvf"),
        (("report", "--format", "pdf"), "pdf"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_bad_input_gets_a_sentence_and_exit_code_2(results: Path, args: tuple[str, ...], says: str) -> None:
    done = ppiov(results, *args)
    assert done.returncode == ExitCode.UNUSABLE
    assert done.stdout == ""
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("name", ["/proc/self/mem", "\u00e4" * 300])
def test_a_run_with_an_image_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    """The run's folder is named after the image, whose name may be too long for that."""
    done = ppiov(tmp_path, "run", "traffic", "--kernel", f"image:{name}")
    assert done.returncode == ExitCode.UNUSABLE
    assert done.stderr.startswith("ppiov: ") and done.stderr.count("\n") == 1
    assert name in done.stderr
    assert RunFolder.load(tmp_path / "results/latest").state is RunState.ABORTED


def test_a_truncated_run_is_one_sentence(results: Path) -> None:
    path = results / "results" / "latest" / "run.json"
    path.write_bytes(path.read_bytes()[:1000])
    done = ppiov(results, "report")
    assert done.returncode == ExitCode.UNUSABLE
    assert done.stderr.startswith("ppiov: ")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_no_error(results: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ppiov", "report", "--format", "html"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=results, env=environ(results),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # before anything can have been written
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_to_a_full_disk_is_one_sentence(results: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ppiov", "report"], check=False, stdout=full, stderr=subprocess.PIPE,
            text=True, cwd=results, env=environ(results), timeout=60,
        )  # fmt: skip
    assert done.returncode == ExitCode.UNUSABLE
    assert done.stderr == "ppiov: standard output cannot be written: No space left on device\n"


FAILING = """
    from pathlib import Path
    from ppiov import cli

    def verb():
        with cli._verb():
            {statement}

    cli.app.command("fail")(verb)
    cli.main()
"""


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("Path('/dev/full').write_text('x')", "no space left on the disk"),
        ("Path('nowhere/file').write_text('x')", "nowhere/file: No such file or directory"),
        ("Path('/proc/self/mem').read_bytes()", "Input/output error"),
        ("raise OSError(122, 'Disk quota exceeded', '/a/share')", "no space left to write /a/share"),
        ("raise OSError('said by a library')", "said by a library"),
        ("raise OSError", "OSError"),
    ],
)
def test_no_error_of_the_system_is_a_traceback(tmp_path: Path, statement: str, says: str) -> None:
    """As `ppiov shell` on a full disk: nothing there puts each write into words."""
    code = textwrap.dedent(FAILING).format(statement=statement)
    command = [sys.executable, "-c", code, "fail"]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=tmp_path, env=environ(tmp_path), timeout=60
    )
    assert (done.returncode, done.stderr) == (ExitCode.UNUSABLE, f"ppiov: {says}\n")


ENGINE = """
    import sys, time
    from pathlib import Path
    from ppiov import cli, events

    def engine():
        try:
            yield events.StageBegun("s", "sleep")
            time.sleep(60)
        finally:
            time.sleep({cleaning})
            Path("cleaned").touch()

    def verb():
        with cli._verb():
            cli.drive(engine(), cli.choose(sys.stdout))

    cli.app.command("sleep")(verb)
    cli.main()
"""


def start(home: Path, cleaning: float = 0.0) -> subprocess.Popen[str]:
    """A verb whose engine sleeps until it is interrupted."""
    code = textwrap.dedent(ENGINE).format(cleaning=cleaning)
    process = subprocess.Popen(
        [sys.executable, "-c", code, "sleep"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=home, env=environ(home),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "sleep ...\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_closes_the_engine(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path) as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (ExitCode.INTERRUPTED, "ppiov: interrupted\n")
    assert (tmp_path / "cleaned").exists()


def test_a_second_signal_does_not_break_the_cleaning(tmp_path: Path) -> None:
    with start(tmp_path, cleaning=1.0) as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "still cleaning up" in err
    assert "Traceback" not in err
    assert (tmp_path / "cleaned").exists()


def test_a_third_signal_leaves_at_once(tmp_path: Path) -> None:
    with start(tmp_path, cleaning=60) as process:
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        _, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in err
    assert not (tmp_path / "cleaned").exists()


def test_drive_returns_what_the_engine_returns_and_closes_it_on_an_error(tmp_path: Path) -> None:
    closed = []

    def engine() -> Generator[Event, None, int]:
        try:
            yield events.Note("working")
            return 7
        finally:
            closed.append(True)

    class Gone(PlainRenderer):
        def show(self, event: Event) -> None:
            raise BrokenPipeError

    with (tmp_path / "out").open("w") as out:
        assert drive(engine(), PlainRenderer(out)) == 7
        with pytest.raises(Interrupted, match="nobody reads"):
            drive(engine(), Gone(out))
    assert closed == [True, True]


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (sample.passing(), ExitCode.PASSED),
        (sample.every_outcome(), ExitCode.FAILED),
        (replace(sample.passing(), boot_splats=(sample.WARN,)), ExitCode.FAILED),
        (replace(sample.passing(), tests=()), ExitCode.FAILED),
        (sample.interrupted(), ExitCode.INTERRUPTED),
        (replace(sample.passing(), state=RunState.ABORTED), ExitCode.UNUSABLE),
    ],
)
def test_exit_codes_of_runs(run: Run, code: ExitCode) -> None:
    assert exit_code(run) is code
