# SPDX-License-Identifier: GPL-2.0-only
"""scripts/bootstrap.sh on a machine of which all that matters is played: dpkg, apt, sudo, who calls, and Python.

Nothing of the host's packages is asked or changed: PATH is one folder, with the fakes and the few real programs that
the script needs. The fakes note each call in calls.log.
"""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = (
    "cat",
    "dirname",
    "grep",
    "mkdir",
    "mktemp",
    "rm",
    "sed",
    "sha256sum",
    "sh",
    "tail",
    "touch",
    "tr",
    "env",
    "chmod",
)
PACKAGES = """\
# a comment
run   git          says what is in a tree
run   old1|new1    has two names
test  gnupg        signs
"""
FAKES = {
    "id": 'echo "$FAKE_UID"',
    "dpkg-query": 'for name; do :; done; grep -qx "$name" installed && printf installed',
    # It knows what there is once the lists have been read.
    "apt-cache": 'for name; do :; done; [ -e lists ] && [ "$name" != old1 ]',
    "apt-get": """\
if [ -e "fails-$1" ]; then cat "fails-$1"; [ -e always ] || rm "fails-$1"; exit 100; fi
case $1 in
update) touch lists ;;
install) for name; do case $name in install | -*) ;; *) echo "$name" >>installed ;; esac; done ;;
esac""",
    "sudo": """\
case $1 in
-n) [ "$FAKE_SUDO" = free ] ;;
-v) [ "$FAKE_SUDO" = password ] || { echo "user is not in the sudoers file." >&2; exit 1; } ;;
*) [ "$FAKE_SUDO" != refused ] && exec env "$@" ;;
esac""",
}
# Makes a "virtual environment" of itself, which "installs" ppiov.
PYTHON = """\
case $1 in
-V) echo Python 3.11.2 ;;
-c) ;;
-m)
	case $2 in
	venv) mkdir -p "$3/bin" && touch "$3/pyvenv.cfg" && cat "$0" >"$3/bin/python" && chmod +x "$3/bin/python" ;;
	pip) if [ -e fails-pip ]; then cat fails-pip; exit 1; fi; cat "$0" >.venv/bin/ppiov && chmod +x .venv/bin/ppiov ;;
	esac ;;
esac"""
LINE = "sudo apt-get install --no-install-recommends git old1"


@dataclass
class Said:
    code: int
    out: str
    err: str


@dataclass
class Machine:
    top: Path
    uid: int = 0
    sudo: str = "free"  # "free": no password; "password": it asks, and lets in; "refused"

    def call(self, *arguments: str, terminal: bool = False) -> Said:
        environment = {
            "PATH": str(self.top / "bin"),
            "PYTHON": str(self.top / "bin/fake-python"),
            "TMPDIR": str(self.top / "tmp"),
            "FAKE_UID": str(self.uid),
            "FAKE_SUDO": self.sudo,
        }
        ours, theirs = pty.openpty() if terminal else (-1, -1)
        try:
            done = subprocess.run(
                [self.top / "scripts/bootstrap.sh", *arguments],
                stdin=theirs if terminal else subprocess.DEVNULL,
                capture_output=True,
                text=True,
                env=environment,
                cwd=self.top,
                timeout=60,
                check=False,
            )
        finally:
            for end in {ours, theirs} - {-1}:
                os.close(end)
        assert not list((self.top / "tmp").iterdir()), "a log was left behind"
        return Said(done.returncode, done.stdout, done.stderr)

    def calls(self) -> list[str]:
        log = self.top / "calls.log"
        return log.read_text().splitlines() if log.exists() else []

    def installs(self) -> list[str]:
        return [line for line in self.calls() if line.startswith("apt-get install")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for name in ("bin", "scripts", "tmp"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "scripts/bootstrap.sh", tmp_path / "scripts")
    (tmp_path / "scripts/packages.txt").write_text(PACKAGES)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "installed").touch()
    (tmp_path / "lists").touch()
    for tool in TOOLS:
        real = shutil.which(tool)
        assert real is not None
        (tmp_path / "bin" / tool).symlink_to(real)
    for name, body in {**FAKES, "fake-python": PYTHON}.items():
        fake = tmp_path / "bin" / name
        fake.write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/calls.log\n{body}\n')
        fake.chmod(0o755)
    return Machine(tmp_path)


def test_root_installs_and_says_so_before(machine: Machine) -> None:
    said = machine.call()
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[:4] == [
        "These Debian packages are missing:",
        "  git                      says what is in a tree",
        "  old1 or new1             has two names",
        "Installing them (apt-get install --no-install-recommends) ...",
    ]
    assert lines[-1] == "Ready."
    assert machine.installs() == ["apt-get install -y --no-install-recommends git new1"]
    assert not any(line.startswith("sudo") for line in machine.calls())
    assert (machine.top / ".venv/bin/ppiov").exists()


def test_the_list_comes_before_the_installation(machine: Machine) -> None:
    """Not only in the order of the lines: apt-get finds it said already."""
    apt = machine.top / "bin/apt-get"
    apt.write_text(apt.read_text().replace("\n", f"\ncat {machine.top}/said >{machine.top}/said-before\n", 1))
    with (machine.top / "said").open("w") as out:
        subprocess.run(
            [machine.top / "scripts/bootstrap.sh"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            env={
                "PATH": str(machine.top / "bin"),
                "PYTHON": str(machine.top / "bin/fake-python"),
                "FAKE_UID": "0",
                "TMPDIR": str(machine.top / "tmp"),
            },
            cwd=machine.top,
            timeout=60,
            check=True,
        )
    assert "  git                      says what is in a tree\n" in (machine.top / "said-before").read_text()


def test_what_is_for_tests_comes_with_test_only(machine: Machine) -> None:
    machine.call("run")
    assert "gnupg" not in (machine.top / "installed").read_text().split()
    said = machine.call("test")
    assert said.code == 0 and "git" not in said.out
    assert machine.installs()[-1] == "apt-get install -y --no-install-recommends gnupg"
    assert any("pip install" in line and ".[dev]" in line for line in machine.calls())


@pytest.mark.parametrize("second", ["run", "test"])
def test_the_second_call_does_nothing(machine: Machine, second: str) -> None:
    machine.call("test")
    before = machine.calls()
    said = machine.call(second)
    assert (said.code, said.out, said.err) == (0, "", "")
    assert machine.calls() == before


@pytest.mark.parametrize("what", ["pyproject.toml", "scripts/packages.txt", "scripts/bootstrap.sh"])
def test_what_it_was_made_from_has_changed(machine: Machine, what: str) -> None:
    machine.call()
    (machine.top / what).write_text((machine.top / what).read_text() + "# more\n")
    assert machine.call().out.splitlines()[-1] == "Ready."


def test_a_package_under_its_other_name_is_there(machine: Machine) -> None:
    (machine.top / "installed").write_text("git\nold1\n")
    assert "missing" not in machine.call().out
    assert machine.installs() == []


def no_sudo(machine: Machine) -> None:
    (machine.top / "bin/sudo").unlink()


def refused(machine: Machine) -> None:
    machine.sudo = "refused"


def asks(machine: Machine) -> None:
    machine.sudo = "password"


@pytest.mark.parametrize(
    ("how", "terminal"), [(no_sudo, False), (no_sudo, True), (refused, False), (refused, True), (asks, False)]
)
def test_who_may_not_install_gets_the_line(machine: Machine, how: Callable[[Machine], None], terminal: bool) -> None:
    """Without sudo, with one that refuses, and with one that wants a password where nobody can give it."""
    machine.uid = 1000
    how(machine)
    said = machine.call(terminal=terminal)
    assert said.code == 2
    assert said.err.splitlines()[-2:] == [
        "bootstrap: they need root to install; have this line run, then call again:",
        LINE,
    ]
    assert "  git                      says what is in a tree" in said.out
    assert machine.installs() == []
    assert not (machine.top / ".venv").exists()


@pytest.mark.parametrize(("sudo", "terminal"), [("free", False), ("free", True), ("password", True)])
def test_sudo_installs(machine: Machine, sudo: str, terminal: bool) -> None:
    machine.uid, machine.sudo = 1000, sudo
    said = machine.call(terminal=terminal)
    assert (said.code, said.err) == (0, "")
    assert machine.installs() == ["apt-get install -y --no-install-recommends git new1"]
    wanted = "sudo DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends git new1"
    assert wanted in machine.calls()


def test_lists_that_are_not_there_are_read_first(machine: Machine) -> None:
    (machine.top / "lists").unlink()
    said = machine.call()
    assert said.code == 0
    assert said.out.index("Reading the package lists") < said.out.index("Installing them")
    assert next(line for line in machine.calls() if line.startswith("apt-get")) == "apt-get update"


FULL = "E: You don't have enough free space in /var/cache/apt/archives/."
GONE = "E: Failed to fetch http://m/p.deb  Could not resolve 'm'"


@pytest.mark.parametrize(
    ("step", "apt", "says"),
    [
        ("install", FULL, "apt-get install failed: the disk is full"),
        ("install", "dpkg: error: write: No space left on device", "apt-get install failed: the disk is full"),
        ("install", GONE, "apt-get install failed: there is no network"),
        ("install", "E: Could not get lock /var/lib/dpkg/lock", "apt-get install failed: another package manager is"),
        ("install", "Reading ...\nE: Broken packages", "apt-get install failed: E: Broken packages"),
        ("update", "E: Temporary failure resolving 'm'", "apt-get update failed: there is no network"),
        ("update", "E: Error: No space left on device", "apt-get update failed: the disk is full"),
        ("pip", "ERROR: [Errno 28] No space left on device", "pip failed: the disk is full"),
        ("pip", "NewConnectionError: x\nERROR: No matching distribution", "pip failed: there is no network"),
    ],
)
def test_why_it_failed_is_one_sentence(machine: Machine, step: str, apt: str, says: str) -> None:
    (machine.top / f"fails-{step}").write_text(apt + "\n")
    (machine.top / "always").touch()
    if step == "update":
        (machine.top / "lists").unlink()
    said = machine.call()
    assert said.code == 2
    assert said.err.startswith(f"bootstrap: {says}") and said.err.count("\n") == 1
    assert "Ready." not in said.out
    for name in (f"fails-{step}", "always"):
        (machine.top / name).unlink()
    assert machine.call().code == 0  # goes on where it stopped


def test_lists_older_than_the_archive_are_read_anew(machine: Machine) -> None:
    (machine.top / "fails-install").write_text("E: Failed to fetch http://m/p.deb  404  Not Found\n")
    assert machine.call().code == 0
    assert [line.split()[1] for line in machine.calls() if line.startswith("apt-get")] == [
        "install",
        "update",
        "install",
    ]


def test_a_package_that_nobody_knows(machine: Machine) -> None:
    (machine.top / "scripts/packages.txt").write_text("run  old1  is of an older release\n")
    said = machine.call()
    assert (said.code, said.err) == (2, "bootstrap: apt knows no package old1: see its sources.list\n")


def test_a_machine_without_dpkg(machine: Machine) -> None:
    (machine.top / "bin/dpkg-query").unlink()
    said = machine.call()
    assert said.code == 2 and "this is not Debian" in said.err


def test_bad_usage(machine: Machine) -> None:
    said = machine.call("all")
    assert (said.code, said.err) == (2, "usage: bootstrap.sh [run|test]\n")
