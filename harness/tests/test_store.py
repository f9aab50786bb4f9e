# SPDX-License-Identifier: GPL-2.0-only
"""The store: an entry is complete or not there; a lock is waited for; what the dead left goes away."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ppiov import child
from ppiov.errors import DiskFull, MissingTool, Unwritable
from ppiov.events import Waiting
from ppiov.paths import writable_dir
from ppiov.store import Lock, Store, digest, entry_lock


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def take(store: Store, name: str) -> Lock:
    """The lock, which is expected to be free."""
    waiting = store.lock(name, "it")
    try:
        event = next(waiting)
    except StopIteration as stop:
        lock: Lock = stop.value
        return lock
    waiting.close()
    pytest.fail(f"not free: {event}")


class Holder(NamedTuple):
    process: subprocess.Popen[str]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def holder(store: Store) -> Iterator[Holder]:
    """Another process, in the middle of making kernels/k."""
    code = (
        "import sys; from pathlib import Path; from ppiov.store import Store\n"
        "store = Store(Path(sys.argv[1])); waiting = store.lock('kernels-k', 'it')\n"
        "try: next(waiting)\n"
        "except StopIteration as stop: lock = stop.value\n"
        "with store.fresh('kernels', 'k') as fresh:\n"
        "    (fresh.path / 'half').write_text('x'); print('ready', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, store.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Holder(process)
        process.kill()


def test_an_entry_is_there_only_after_commit(store: Store) -> None:
    with store.fresh("kernels", "k") as fresh:
        (fresh.path / "file").write_bytes(bytes(10_000))
        assert store.entry("kernels", "k") is None
        made = fresh.commit({"release": "6.12"})
    found = store.entry("kernels", "k")
    assert found == made
    assert found.facts == {"release": "6.12"} and found.size >= 10_000
    assert store.entries("kernels") == [found]
    assert [p.name for p in (store.root / "kernels").iterdir()] == ["k"]


def test_an_entry_left_early_leaves_nothing(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.fresh("kernels", "k") as fresh:
        (fresh.path / "file").write_text("x")
        raise KeyboardInterrupt
    assert list((store.root / "kernels").iterdir()) == []


def test_a_folder_without_a_good_manifest_is_no_entry_and_is_replaced(store: Store) -> None:
    place = store.place("kernels", "k")
    place.mkdir()
    (place / "manifest.json").write_text('{"schema": 1, "made":')
    assert store.entry("kernels", "k") is None and store.entries("kernels") == []
    with store.fresh("kernels", "k") as fresh:
        fresh.commit({})
    assert store.entry("kernels", "k") is not None


def test_remove(store: Store) -> None:
    with store.fresh("kernels", "k") as fresh:
        entry = fresh.commit({})
    store.remove(entry)
    assert list((store.root / "kernels").iterdir()) == []


def test_a_lock_held_elsewhere_is_waited_for_and_its_holder_named(store: Store, holder: Holder) -> None:
    waiting = store.lock(entry_lock("kernels", "k"), "kernel 6.12")
    event = next(waiting)
    assert isinstance(event, Waiting)
    assert "kernel 6.12" in event.reason and str(holder.process.pid) in event.reason
    holder.end()
    with pytest.raises(StopIteration) as stop:  # said once, then it has the lock
        next(waiting)
    stop.value.value.release()


def test_a_dead_process_s_leftovers_are_swept_and_a_living_one_s_are_not(store: Store, holder: Holder) -> None:
    half = store.root / "kernels/.new-k/half"
    assert Store(store.root).sweep() == [] and half.exists()
    holder.end()
    Store(store.root)
    assert not half.parent.exists()


def test_a_released_lock_is_free(store: Store) -> None:
    with take(store, "l"):
        pass
    take(store, "l").release()


@pytest.mark.parametrize("suffix", ["lock", "use"])
@pytest.mark.parametrize("call", ["lock", "collect", "unused", "sweep"])
def test_a_lock_s_file_that_cannot_be_opened_is_a_sentence(store: Store, call: str, suffix: str) -> None:
    """A folder in its place, which root can't open either. Who only looks for what the dead left reads no .use."""
    with store.fresh("kernels", "k") as fresh:
        entry = fresh.commit({})
    store.place("kernels", ".new-k").mkdir()
    file = store.root / f"locks/kernels-k.{suffix}"
    file.unlink(missing_ok=True)
    file.mkdir(parents=True)
    calls: dict[str, Callable[[], object]] = {
        "lock": lambda: take(store, "kernels-k").release(),
        "collect": lambda: store.collect(entry.path),
        "unused": lambda: store.unused(entry.path),
        "sweep": store.sweep,
    }
    if suffix == "use" and call in ("lock", "sweep"):
        calls[call]()
        return
    with pytest.raises(Unwritable, match=rf"{file} cannot be opened \(Is a directory\): .* must belong to you"):
        calls[call]()
    assert entry.path.is_dir()


def test_a_lock_s_file_of_another_user_is_a_sentence(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    (store.root / "kernels/.new-k").mkdir(parents=True)
    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(Unwritable, match=r"locks/kernels-k.lock cannot be opened \(Permission denied\)"):
        Store(store.root)


def test_a_full_disk_has_no_room_for_a_lock_s_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    store.dir("locks")
    monkeypatch.setattr(os, "open", full)
    with pytest.raises(DiskFull, match=r"locks/l.lock"):
        take(store, "l")


def test_space_is_asked_for_before(store: Store) -> None:
    free = shutil.disk_usage(store.root).free
    store.need(free // 2, "a kernel")
    with pytest.raises(DiskFull, match=r"a kernel needs .* MB in .*, where .* MB are free"):
        store.need(free * 2, "a kernel")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_is_a_sentence(store: Store, code: int) -> None:
    with pytest.raises(DiskFull, match="kernels/k"), store.fresh("kernels", "k"):
        raise OSError(code, "full")
    with pytest.raises(PermissionError), store.fresh("kernels", "k"):
        raise PermissionError(errno.EACCES, "not that")


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unwritable, match=r"cannot be created .*: do this"):
        writable_dir(tmp_path / "file" / "below", "do this")


@given(st.lists(st.text()), st.lists(st.text()))
def test_different_parts_have_different_digests(a: list[str], b: list[str]) -> None:
    assert (digest(a) == digest(b)) == (a == b)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_left_early_takes_its_children_with_it() -> None:
    script = "trap '' TERM; sleep 1000 & echo $!; wait; wait"
    with pytest.raises(KeyboardInterrupt), child.child(["sh", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        grandchild = int(process.stdout.readline())
        assert alive(grandchild)
        raise KeyboardInterrupt
    until = time.monotonic() + 5
    while alive(grandchild) and time.monotonic() < until:
        time.sleep(0.01)
    assert not alive(grandchild) and process.returncode is not None


def test_a_child_dies_with_this_program() -> None:
    code = (
        "import subprocess; from ppiov import child\n"
        "with child.child(['sleep', '1000']) as process: print(process.pid, flush=True)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        until = time.monotonic() + 5
        while b"sleep" not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0] and time.monotonic() < until:
            time.sleep(0.01)  # setpriv has not become it yet
        parent.kill()
    until = time.monotonic() + 5
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert not alive(pid)


def test_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingTool, match="no-such-gcc is missing: apt install gcc-12"):
        child.find_tool("no-such-gcc", "gcc-12")
