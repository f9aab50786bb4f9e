# SPDX-License-Identifier: GPL-2.0-only
"""The doctor: each probe is shown the fault that it is there for, and what it says is looked at."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import fake_archive
import pytest
from ppiov import accel, doctor
from ppiov.accel import KvmProbe
from ppiov.errors import BadImage, NetworkGone
from ppiov.events import Event, Probe
from ppiov.kernels import KernelTree
from ppiov.results import Outcome
from ppiov.spec import KernelSpec
from ppiov.store import Store

PASS, FAIL, SKIP = Outcome.PASS, Outcome.FAIL, Outcome.SKIP


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def bin_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, with nothing but what starts a child in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "setpriv").symlink_to("/usr/bin/setpriv")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def ask(
    name: str, store: Store, monkeypatch: pytest.MonkeyPatch, *, results: Path = Path("results"), spec: str = ""
) -> tuple[Probe, bool]:
    """Run one probe; what it found, and what the examination came to."""
    (probe,) = [(n, p) for n, p in doctor._PROBES if n == name]
    monkeypatch.setattr(doctor, "_PROBES", (probe,))
    engine = doctor.examine(KernelSpec.parse(spec) if spec else None, store=store, results=results)
    found: list[Probe] = []
    while True:
        try:
            event = next(engine)
        except StopIteration as stop:
            (only,) = found
            well: bool = stop.value
            return only, well
        if isinstance(event, Probe):
            found.append(event)


def with_kernel(monkeypatch: pytest.MonkeyPatch, path: Path) -> KernelTree:
    tree = KernelTree("deb:6.12", "6.12.9", "6.12.9-1", path, path, None, None, None, "", "")
    monkeypatch.setattr("ppiov.kernels.already_there", lambda *_args, **_kw: tree)
    return tree


def test_every_probe_but_the_skips_has_a_cure() -> None:
    assert {name for name, _ in doctor._PROBES} - doctor._CURES.keys() == {"kvm"}


@pytest.mark.parametrize("name", ["kernel", "modules", "programs", "kvm", "guest"])
def test_without_a_kernel_what_needs_one_is_skipped(name: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    found, well = ask(name, store, monkeypatch, spec="deb:6.12")
    assert found.outcome is SKIP and "`ppiov kernel get deb:6.12`" in found.detail and well


def test_a_bad_image_is_a_failure(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found, well = ask("kernel", store, monkeypatch, spec=f"image:{tmp_path}/none")
    assert found.outcome is FAIL and "does not exist" in found.detail and not well


def test_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("memory", store, monkeypatch)[0].outcome in (PASS, FAIL)  # this machine's own
    monkeypatch.undo()
    monkeypatch.setattr(doctor, "_GUEST_MIB", 1 << 40)
    found, well = ask("memory", store, monkeypatch)
    assert found.outcome is FAIL and "--memory" in found.cure and not well


def test_disk_space(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_FETCH_ROOM", 1 << 60)
    found, _ = ask("disk space", store, monkeypatch)
    assert found.outcome is FAIL and "are free" in found.detail and "XDG_CACHE_HOME" in found.cure


def test_results_folder(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert ask("results folder", store, monkeypatch, results=tmp_path / "a/b")[0].outcome is PASS
    assert not (tmp_path / "a").exists()
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    found, _ = ask("results folder", store, monkeypatch, results=tmp_path / "file/results")
    assert found.outcome is FAIL and "cannot be written" in found.detail


def test_qemu_that_starts_a_machine(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_archive.need("qemu-system-x86_64")
    assert ask("qemu", store, monkeypatch)[0].outcome is PASS


def test_qemu_missing(store: Store, monkeypatch: pytest.MonkeyPatch, bin_only: Path) -> None:
    found, _ = ask("qemu", store, monkeypatch)
    assert (found.outcome, found.cure) == (FAIL, "apt install qemu-system-x86")


@pytest.mark.parametrize("does", ["echo QEMU emulator version 9.0", "echo no machine >&2; exit 1", "echo null"])
def test_qemu_that_starts_nothing(store: Store, monkeypatch: pytest.MonkeyPatch, bin_only: Path, does: str) -> None:
    script(bin_only / "qemu-system-x86_64", does)
    found, _ = ask("qemu", store, monkeypatch)
    assert found.outcome is FAIL and "cannot start a machine" in found.detail


def test_sparse(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_archive.need("sparse")
    assert ask("sparse", store, monkeypatch)[0].outcome is PASS


def test_sparse_that_sees_nothing(store: Store, monkeypatch: pytest.MonkeyPatch, bin_only: Path) -> None:
    script(bin_only / "sparse", "exit 0")
    found, _ = ask("sparse", store, monkeypatch)
    assert found.outcome is FAIL and "does not see a planted fault" in found.detail


def test_a_library_that_is_missing_or_too_old(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda _: ["filelock>=3", "filelock>=999", "no-such-thing"])
    found, _ = ask("python", store, monkeypatch)
    assert found.outcome is FAIL and found.cure.endswith("pip install -e .")
    assert "filelock>=999 (" in found.detail and "no-such-thing" in found.detail
    assert "filelock>=3," not in found.detail


def test_the_archive_is_only_needed_without_a_kernel(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def gone(_store: Store) -> None:
        raise NetworkGone("the package archive cannot be reached")

    monkeypatch.setattr("ppiov.archive.Archive", gone)
    assert ask("package archive", store, monkeypatch)[0].outcome is FAIL
    monkeypatch.undo()
    monkeypatch.setattr("ppiov.archive.Archive", gone)
    with_kernel(monkeypatch, tmp_path)
    found, well = ask("package archive", store, monkeypatch, spec="deb:6.12")
    assert found.outcome is SKIP and "not needed" in found.detail and well


@pytest.mark.parametrize(("works", "outcome"), [(True, PASS), (False, SKIP)])
def test_kvm_that_does_not_work_is_no_failure(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, works: bool, outcome: Outcome
) -> None:
    def probe(_kernel: KernelTree) -> Generator[Event, None, KvmProbe]:
        yield from ()
        return KvmProbe(works, "so it is")

    monkeypatch.setattr(accel, "probe_kvm", probe)
    with_kernel(monkeypatch, tmp_path)
    found, well = ask("kvm", store, monkeypatch, spec="deb:6.12")
    assert found.outcome is outcome and "so it is" in found.detail and well


def test_a_guest_that_ends_early_is_told_with_its_last_words(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Dying:
        age = 1.0

        def __init__(self, _config: object) -> None:
            self.words = [b"[ 1.0] first\nKernel panic - not ", b"syncing: VFS\n", None]

        def __enter__(self) -> Dying:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read_console(self) -> bytes | None:
            return self.words.pop(0)

        def read_records(self) -> list[bytes]:
            return []

    monkeypatch.setattr(doctor, "Guest", Dying)
    monkeypatch.setattr("ppiov.prepare.write_share", lambda *_: None)
    with_kernel(monkeypatch, tmp_path)
    found, well = ask("guest", store, monkeypatch, spec="deb:6.12")
    assert found.outcome is FAIL and "Kernel panic - not syncing: VFS" in found.detail and not well


def test_a_toy_module_and_program_leave_nothing_in_the_store(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_archive.need("make", "gcc")
    with_kernel(monkeypatch, tmp_path)
    assert ask("programs", store, monkeypatch, spec="deb:6.12")[0].outcome is PASS
    assert list((store.root / "userland").iterdir()) == []


@pytest.mark.parametrize("error", [BadImage("broken"), OSError("broken")])
def test_a_probe_that_fails_does_not_hide_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(_machine: object) -> Generator[Event, None, str]:
        yield from ()
        raise error

    def fine(_machine: object) -> Generator[Event, None, str]:
        yield from ()
        return "fine"

    monkeypatch.setattr(doctor, "_PROBES", (("one", broken), ("two", fine)))
    found = [e for e in doctor.examine(None, store=store) if isinstance(e, Probe)]
    assert [(p.name, p.outcome) for p in found] == [("one", FAIL), ("two", PASS)]
