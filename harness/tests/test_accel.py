# SPDX-License-Identifier: GPL-2.0-only
"""KVM is taken only if a guest booted with it; stand-ins play the probe guest."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from ppiov import accel, vm
from ppiov.errors import NoGuest
from ppiov.events import Event, Note
from ppiov.kernels import KernelTree

TREE = KernelTree("image:x", "6.12", "6.12", Path("/k"), Path("/k/vmlinuz"), None, None, None, "sha", "")


def finish(events: Generator[Event, None, Any]) -> tuple[Any, list[Event]]:
    seen = []
    while True:
        try:
            seen.append(next(events))
        except StopIteration as stop:
            return stop.value, seen


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[int]]:
    """Let a shell script be the probe guest; the list grows by one for each that is started."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(accel, "_device_refuses", lambda _: "")
    monkeypatch.setattr(accel, "qemu_version", lambda: "QEMU 7.2")
    monkeypatch.setattr(accel, "PROBE_SECONDS", 3)
    started: list[int] = []

    def make(script: str) -> list[int]:
        def command(*_: Any) -> list[str]:
            started.append(1)
            return ["sh", "-c", script]

        monkeypatch.setattr(vm, "command", command)
        return started

    return make


def test_a_guest_that_booted(play: Callable[[str], list[int]]) -> None:
    started = play("echo '[  1.0] ppiov: the probe guest lives'; sleep 300")
    for _ in range(2):  # the second answer comes from the cache
        probe, _ = finish(accel.probe_kvm(TREE))
        assert probe.works
    assert len(started) == 1
    chosen, _ = finish(accel.choose("auto", TREE))
    assert chosen.name == "kvm"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'KVM internal error. Suberror: 1' >&2; sleep 300", "KVM internal error. Suberror: 1"),
        ("echo '[ 1.0] Kernel panic - not syncing: no root'; sleep 300", "no root"),
        ("echo booting; sleep 300", "did not boot within"),
        ("echo 'qemu: no such device'", "no such device"),
    ],
)
def test_guests_that_did_not(play: Callable[[str], list[int]], script: str, reason: str) -> None:
    started = play(script)
    chosen, events = finish(accel.choose("auto", TREE))
    assert chosen.name == "tcg" and reason in chosen.reason
    assert any(isinstance(event, Note) and reason in event.text for event in events)
    with pytest.raises(NoGuest, match="try --accel auto"):
        finish(accel.choose("kvm", TREE))
    assert len(started) == 1


def test_another_kernel_or_qemu_is_asked_anew(
    play: Callable[[str], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = play("echo nothing")
    finish(accel.probe_kvm(TREE))
    monkeypatch.setattr(accel, "qemu_version", lambda: "QEMU 9")
    finish(accel.probe_kvm(TREE))
    assert len(started) == 2


def test_tcg_asks_nobody(play: Callable[[str], list[int]]) -> None:
    started = play("echo nothing")
    chosen, _ = finish(accel.choose("tcg", TREE))
    assert chosen.name == "tcg" and started == []


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no" in accel._device_refuses(tmp_path / "kvm")
    (tmp_path / "file").touch()
    assert accel._device_refuses(tmp_path / "file") == ""
