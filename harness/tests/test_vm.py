# SPDX-License-Identifier: GPL-2.0-only
"""The guest's command line and its process, with a stand-in for the VM."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ppiov import prepare, vm
from ppiov.errors import BadRequest, MissingTool
from ppiov.kernels import KernelTree

TREE = KernelTree("image:x", "6.12", "6.12", Path("/k"), Path("/k/vmlinuz"), None, None, None, "", "")


def config(share: Path, accel: str = "tcg") -> vm.GuestConfig:
    return vm.GuestConfig(TREE, accel, share, cpus=3, memory_mib=1024)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm, "_tool", lambda program, package: f"/usr/bin/{program}")


@pytest.mark.usefixtures("tools")
def test_command_line(tmp_path: Path) -> None:
    line = vm.command(config(tmp_path))
    assert line[1:4] == ["--pdeathsig", "KILL", "--"]
    assert {"--cpus=3", "--memory=1024M", "--disable-kvm", f"--rwdir={vm.SHARE}={tmp_path}"} <= set(line)
    assert "--kopt=oops=panic" in line
    assert not any("`" in word for word in line)  # virtme-ng's quoting of scripts


@pytest.mark.usefixtures("tools")
def test_kvm_and_interactive_command_lines(tmp_path: Path) -> None:
    assert "--disable-kvm" not in vm.command(config(tmp_path, "kvm"))
    line = vm.command(config(tmp_path), interactive=True)
    assert not any(word.startswith("--script-sh") for word in line)
    assert any(word.startswith("--shell=") for word in line)


@pytest.mark.usefixtures("tools")
def test_device_memory_is_a_file_of_the_shared_folder(tmp_path: Path) -> None:
    assert not any("ivshmem" in word for word in vm.command(config(tmp_path)))
    share = tmp_path / "a,b"
    line = vm.command(replace(config(share), device_memory_mib=32))
    backend = line[line.index("-object") + 1].split(",", 1)[1]
    assert backend == f"id=device-memory,share=on,size=32M,mem-path={tmp_path}/a,,b/{vm.DEVICE_MEMORY}"
    assert "ivshmem-plain,memdev=device-memory" in line


@pytest.mark.usefixtures("tools")
def test_what_does_not_change_is_exported_once_more(tmp_path: Path) -> None:
    """By the tags that the guest finds in its shared folder."""
    folders = (tmp_path / "programs", tmp_path / "a, b")
    line = vm.command(replace(config(tmp_path), unchanging=folders))
    prepare.write_share(tmp_path, TREE, "true", folders)
    mounts = [mount.split(" ", 1) for mount in (tmp_path / "mounts").read_text().splitlines()]
    assert [folder for _, folder in mounts] == ["/usr", *map(str, folders)]
    for tag, folder in mounts:
        (export,) = [word for word in line if word.startswith(f"local,id={tag},")]
        assert f",path={folder.replace(',', ',,')},security_model=none,readonly=on," in export
        assert f"virtio-9p-pci,fsdev={tag},mount_tag={tag}" in line


@pytest.mark.usefixtures("tools")
def test_only_an_emulated_guest_can_have_its_own_time(tmp_path: Path) -> None:
    line = vm.command(replace(config(tmp_path), own_time=True))
    assert line[line.index("-icount") + 1] == "shift=0,sleep=on"
    assert "-icount" not in vm.command(config(tmp_path))
    assert "-icount" not in vm.command(replace(config(tmp_path, "kvm"), own_time=True))


@pytest.mark.usefixtures("tools")
def test_an_exact_guest_takes_a_nanosecond_for_an_instruction(tmp_path: Path) -> None:
    line = vm.command(replace(config(tmp_path), exact=True))
    assert line[line.index("-icount") + 1] == "shift=0,sleep=off"
    assert "-icount" not in vm.command(replace(config(tmp_path, "kvm"), exact=True))


@pytest.mark.usefixtures("tools")
def test_a_long_command_line_is_refused(tmp_path: Path) -> None:
    """The kernel would cut it silently, and the guest would never start its script."""
    long = vm.GuestConfig(TREE, "tcg", tmp_path, kernel_arguments=("x" * 1200,))
    with pytest.raises(BadRequest, match="too long"):
        vm.command(long)


def test_a_missing_program_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(MissingTool, match="apt install"):
        vm.command(config(tmp_path))


def play(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(vm, "command", lambda *_: ["sh", "-c", script])


def read_all(guest: vm.Guest, seconds: float = 20) -> bytes:
    out, until = b"", time.monotonic() + seconds
    while (data := guest.read_console()) is not None:
        out += data
        assert time.monotonic() < until, "the console never ends"
        time.sleep(0.01)
    return out


def test_console_and_errors_come_in_one_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, "echo one; echo two >&2; printf three")
    with vm.Guest(config(tmp_path)) as guest:
        assert read_all(guest) == b"one\ntwo\nthree"


def test_the_end_is_seen_even_if_a_child_keeps_the_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, "sleep 300 & echo gone")
    with vm.Guest(config(tmp_path)) as guest:
        assert read_all(guest) == b"gone\n"


def test_records_arrive_in_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, "sleep 300")
    with vm.Guest(config(tmp_path)) as guest:
        assert guest.read_records() == []
        guest.records.write_bytes(b'{"a": 1}\n{"b"')
        assert guest.read_records() == [b'{"a": 1}']
        with guest.records.open("ab") as file:
            file.write(b": 2}\n")
        assert guest.read_records() == [b'{"b": 2}']


def test_leaving_kills_what_ignores_signals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid_file = tmp_path / "pid"
    play(monkeypatch, f"trap '' TERM INT HUP; sh -c 'echo $$ > {pid_file}; exec sleep 300' & wait")
    with vm.Guest(config(tmp_path)) as guest:
        until = time.monotonic() + 20
        while not pid_file.exists() or not pid_file.read_text().strip():
            assert time.monotonic() < until
            time.sleep(0.01)
        private = Path(guest._private.name)
        assert private.is_dir()
    state = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    until = time.monotonic() + 5
    while state.exists() and state.read_text().split()[2] != "Z":
        assert time.monotonic() < until
        time.sleep(0.01)
    assert not private.exists()


def test_the_environment_hides_the_users_own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/me/.config")  # a virtme-ng.conf there would override options
    environment = vm.environment(tmp_path)
    assert environment["HOME"] == environment["TMPDIR"] == str(tmp_path)
    assert "XDG_CONFIG_HOME" not in environment
    assert environment["PATH"].startswith(str(Path(sys.executable).parent))
