# SPDX-License-Identifier: GPL-2.0-only
"""ppcat over loopback: what it needs no device memory for.

ppcat -c  ----------------------------->  ppcat -l          the good transfers
ppcat -c  ---->  Meddler (one fault) -->  ppcat -l          every byte is looked at
"""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[2] / "selftests" / "ppcat"
PREAMBLE = 32
DEADLINE = 20.0

Summary = dict[str, Any]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("make") or not shutil.which("cc"):
        pytest.skip("no make or no C compiler")
    if not Path("/usr/include/libmnl/libmnl.h").exists():
        pytest.skip("no libmnl-dev")
    out = tmp_path_factory.mktemp("ppcat")
    done = subprocess.run(
        ["make", "-C", SOURCE, f"O={out}", "CFLAGS=-O2 -g -Werror", "all", out / "check_ppcat"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def ppcat(built: Path) -> Path:
    return built / "ppcat"


class Receiver:
    """A running ``ppcat -l --json``; its events are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[Summary] = []
        self.ready = self.wait_for("ready")

    def wait_for(self, name: str) -> Summary:
        """The next event of this name; every event on the way is kept."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event: Summary = json.loads(line)
            self.events.append(event)
            if event["event"] == name:
                return event
        raise AssertionError(f"no {name} event: {self.events}, exit code {self.process.wait(DEADLINE)}")

    def finish(self) -> Summary:
        """Its summary, which must name the exit code that it ended with."""
        summary = self.wait_for("summary")
        assert self.process.wait(DEADLINE) == summary["exit"]
        return summary

    def named(self, name: str) -> list[Summary]:
        return [e for e in self.events if e["event"] == name]


@contextmanager
def receiving(ppcat: Path, *args: str, address: str = "127.0.0.1", mode: str = "--plain") -> Iterator[Receiver]:
    command: list[str | Path] = [
        ppcat,
        "-l",
        mode,
        "-s",
        address,
        "-p",
        "0",
        "--json",
        "--timeout",
        str(DEADLINE),
        *args,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield Receiver(process)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def send(ppcat: Path, port: int, *args: str, address: str = "127.0.0.1") -> Summary:
    done = subprocess.run(
        [ppcat, "-c", address, "-p", str(port), "--json", "--timeout", str(DEADLINE), *args],
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE,
        check=False,
    )
    summary: Summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["exit"] == done.returncode
    return summary


class Meddler:
    """Passes one connection on, with ``change`` applied to all of its bytes."""

    def __init__(self, to_port: int, change: Callable[[bytes], bytes]) -> None:
        self._to_port = to_port
        self._change = change
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._listener, suppress(OSError):
            source, _ = self._listener.accept()
            with source, socket.create_connection(("127.0.0.1", self._to_port)) as target:
                data = bytearray()
                while piece := source.recv(65536):
                    data += piece
                target.sendall(self._change(bytes(data)))
                target.shutdown(socket.SHUT_WR)
                target.recv(1)

    def join(self) -> None:
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()


def receive_changed(ppcat: Path, change: Callable[[bytes], bytes], *args: str) -> tuple[Receiver, Summary]:
    with receiving(ppcat, *args) as receiver:
        meddler = Meddler(receiver.ready["ports"][0], change)
        send(ppcat, meddler.port, "--size", "300000")
        meddler.join()
        return receiver, receiver.finish()


def free_ports(count: int) -> int:
    """The first of ``count`` ports in a row that nobody listens on now."""
    for first in range(20000 + os.getpid() % 10000, 60000, count):
        with suppress(OSError):
            for port in range(first, first + count):
                with socket.create_server(("127.0.0.1", port)):
                    pass
            return first
    raise AssertionError("no free ports")


def test_unit_checks_pass(built: Path) -> None:
    done = subprocess.run([built / "check_ppcat"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", ["--plain", "--no-bind"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_every_flow_arrives(ppcat: Path, address: str, mode: str) -> None:
    with receiving(ppcat, "--flows", "8", address=address, mode=mode) as receiver:
        sent = send(ppcat, receiver.ready["ports"][0], "--flows", "8", "--size", "700000", address=address)
        got = receiver.finish()
    assert (sent["exit"], got["exit"]) == (0, 0)
    assert sent["bytes"] == got["bytes"] == got["bytes_plain"] == 8 * (700000 + PREAMBLE)
    assert sorted(f["flow"] for f in got["flows"]) == list(range(8))
    assert all(f["ok"] and f["bytes_unchecked"] == 0 for f in got["flows"])


def test_flows_spread_over_ports(ppcat: Path) -> None:
    first = free_ports(4)
    with receiving(ppcat, "-p", f"{first}-{first + 3}", "--flows", "8") as receiver:
        done = subprocess.run([ppcat, "-c", "127.0.0.1", "-p", f"{first}-{first + 3}", "--flows", "8"], check=False)
        got = receiver.finish()
    assert done.returncode == 0
    assert sorted(f["port"] for f in got["flows"]) == sorted(2 * [first, first + 1, first + 2, first + 3])


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 1447, 1448, 1449, 4095, 4096, 4097, 65521, 65536, 131043])
def test_sizes_around_boundaries(ppcat: Path, size: int) -> None:
    with receiving(ppcat) as receiver:
        sent = send(ppcat, receiver.ready["ports"][0], "--size", str(size), "--write-size", "1000")
        got = receiver.finish()
    assert (sent["exit"], got["exit"], got["bytes"]) == (0, 0, size + PREAMBLE)


def test_message_sizes_set_the_total(ppcat: Path) -> None:
    with receiving(ppcat) as receiver:
        sent = send(ppcat, receiver.ready["ports"][0], "--msg-sizes", "1-200,1000,70000")
        got = receiver.finish()
    assert got["exit"] == 0
    assert sent["bytes"] == got["bytes"] == sum(range(1, 201)) + 71000 + PREAMBLE
    assert sent["send_calls"] >= 203  # a call for each message and one for the preamble


def test_tiny_receive_buffer(ppcat: Path) -> None:
    with receiving(ppcat, "--recv-size", "7") as receiver:
        send(ppcat, receiver.ready["ports"][0], "--size", "20000")
        got = receiver.finish()
    assert (got["exit"], got["bytes"]) == (0, 20000 + PREAMBLE)
    assert got["recvmsg_calls"] >= 20032 // 7


OFFSETS = [PREAMBLE, 5000, 65536, 200001]


@pytest.mark.parametrize("at", OFFSETS)
def test_flipped_bit_is_found(ppcat: Path, at: int) -> None:
    receiver, got = receive_changed(ppcat, lambda d: d[:at] + bytes([d[at] ^ 1]) + d[at + 1 :])
    assert got["exit"] == 1
    found = got["mismatch"]
    assert (found["offset"], found["got"] ^ found["expected"], found["shift"]) == (at, 1, None)
    assert got["flows"][0]["bad_bytes"] == 1
    assert [e["offset"] for e in receiver.named("mismatch")] == [at]


@pytest.mark.parametrize("count", [1, 4096])
@pytest.mark.parametrize("at", OFFSETS)
def test_lost_bytes_are_found(ppcat: Path, at: int, count: int) -> None:
    _, got = receive_changed(ppcat, lambda d: d[:at] + d[at + count :])
    assert got["exit"] == 1
    if count == 1:  # neighbours differ, so the offset is exact
        assert got["mismatch"]["offset"] == at
    assert at <= got["mismatch"]["offset"] < at + 8
    assert got["mismatch"]["shift"] == count
    assert not got["flows"][0]["ok"]


@pytest.mark.parametrize("at", OFFSETS)
def test_repeated_byte_is_found(ppcat: Path, at: int) -> None:
    _, got = receive_changed(ppcat, lambda d: d[: at + 1] + d[at : at + 1] + d[at + 1 :])
    assert got["exit"] == 1
    assert (got["mismatch"]["offset"], got["mismatch"]["shift"]) == (at + 1, -1)


def test_swapped_pages_are_found(ppcat: Path) -> None:
    receiver, got = receive_changed(
        ppcat, lambda d: d[:8192] + d[16384:20480] + d[12288:16384] + d[8192:12288] + d[20480:]
    )
    assert got["exit"] == 1
    assert abs(got["mismatch"]["offset"] - 8192) < 4
    assert got["mismatch"]["shift"] == 8192
    assert 8000 < got["flows"][0]["bad_bytes"] <= 8192
    assert len(receiver.named("mismatch")) == 5  # the default limit


def test_lost_tail_is_found(ppcat: Path) -> None:
    _, got = receive_changed(ppcat, lambda d: d[:-1])
    assert got["exit"] == 1
    assert got["mismatch"] is None
    assert "ended after 300031 of 300032 bytes" in got["failure"]["text"]


def test_damaged_preamble_is_found(ppcat: Path) -> None:
    _, got = receive_changed(ppcat, lambda d: d[:27] + bytes([d[27] ^ 1]) + d[28:])
    assert got["exit"] == 1
    assert "no preamble" in got["failure"]["text"]


def test_no_check_takes_any_sender(ppcat: Path) -> None:
    _, got = receive_changed(ppcat, lambda d: b"hello", "--no-check")
    assert (got["exit"], got["bytes"], got["flows"][0]["bytes_unchecked"]) == (0, 5, 5)


def test_stop_in_mid_stream(ppcat: Path) -> None:
    with receiving(ppcat, "--stop-after", "100K") as receiver:
        sent = send(ppcat, receiver.ready["ports"][0], "--size", "64M")
        got = receiver.finish()
    assert (got["exit"], got["stopped"]) == (0, True)
    assert 100 << 10 <= got["bytes"] < 64 << 20
    assert (sent["exit"], sent["flows"][0]["errno"]) in {(1, "ECONNRESET"), (1, "EPIPE")}


def test_pause_resumes(ppcat: Path) -> None:
    with receiving(ppcat, "--pause-after", "100K:50") as receiver:
        sent = send(ppcat, receiver.ready["ports"][0], "--size", "8M")
        got = receiver.finish()
    assert (sent["exit"], got["exit"]) == (0, 0)
    assert [e["event"] for e in receiver.events if e["event"] in {"paused", "resumed"}] == ["paused", "resumed"]


def as_rate(summary: Summary) -> None:
    """Its throughput is what its bytes and seconds make, each rounded to a millionth."""
    assert summary["bytes"] > 0 and summary["seconds"] > 0
    low, high = (8e-9 * summary["bytes"] / (summary["seconds"] + error) for error in (1e-6, -1e-6))
    assert low - 1e-6 <= summary["gbit_per_s"] <= high + 1e-6


def test_throughput_at_the_end(ppcat: Path) -> None:
    with receiving(ppcat, "--flows", "2") as receiver:
        sent = send(ppcat, receiver.ready["ports"][0], "--flows", "2", "--size", "8M")
        got = receiver.finish()
    for summary in (sent, got):
        as_rate(summary)
    assert sent["bytes"] == got["bytes"] == 2 * ((8 << 20) + PREAMBLE)


class Watched:
    """A ppcat without --json whose standard error is a terminal."""

    def __init__(self, *command: str | Path) -> None:
        self._ours, theirs = pty.openpty()
        self._said = ""
        self.process = subprocess.Popen([*command, "--timeout", str(DEADLINE)], stdin=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)

    def until(self, pattern: str) -> re.Match[str]:
        """Read on until it has said this."""
        while not (found := re.search(pattern, self._said)):
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # the other end is closed
                data = b""
            assert data, f"no {pattern!r} in {self._said!r}"
            self._said += data.decode()
        return found

    def rest(self) -> str:
        """All of what it said, when it has ended."""
        with suppress(OSError):
            while data := os.read(self._ours, 65536):
                self._said += data.decode()
        return self._said

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


SHOWN = r"\r\x1b\[K1 flows, 3\.0 MiB, \d+\.\d{3} Gbit/s"


def as_text_rate(said: str, size: int) -> None:
    """The progress line is gone from the terminal when the summary comes, whose throughput is right."""
    end = re.search(r"\r\x1b\[Kppcat: summary:.* bytes=(\d+) seconds=([\d.]+) gbit_per_s=([\d.]+)", said)
    assert end and int(end[1]) == size
    as_rate({"bytes": size, "seconds": float(end[2]), "gbit_per_s": float(end[3])})


def test_receiver_s_progress_on_a_terminal(ppcat: Path) -> None:
    """A line that overwrites itself says how far it is, while nothing else happens either."""
    size = 3 << 20
    watched = Watched(ppcat, "-l", "--plain", "--no-check", "-s", "127.0.0.1", "-p", "0")
    try:
        port = int(watched.until(r"ppcat: ready:.*ports=\[(\d+)\]")[1])
        with socket.create_connection(("127.0.0.1", port)) as sender:
            sender.sendall(bytes(size))
            watched.until(SHOWN)
        as_text_rate(watched.rest(), size)
        assert watched.process.wait(DEADLINE) == 0
    finally:
        watched.close()


def test_sender_s_progress_on_a_terminal(ppcat: Path) -> None:
    """The same, of a sender whose receiver doesn't take the last bytes before it was seen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        watched = Watched(ppcat, "-c", "127.0.0.1", "-p", str(port), "--size", "64M")
        try:
            receiver, _ = server.accept()
            with receiver:
                shown = watched.until(r"\r\x1b\[K1 flows, (\d+\.\d) MiB, \d+\.\d{3} Gbit/s")
                assert 0 < float(shown[1]) < 64
                while receiver.recv(1 << 20):
                    pass
            as_text_rate(watched.rest(), (64 << 20) + PREAMBLE)
            assert watched.process.wait(DEADLINE) == 0
        finally:
            watched.close()


def test_no_progress_where_nobody_watches(ppcat: Path) -> None:
    """In a log a line that overwrites itself is noise; the pause is longer than the time between two of them."""
    command: list[str | Path] = [
        ppcat,
        "-l",
        "--plain",
        "--no-check",
        "-s",
        "127.0.0.1",
        "-p",
        "0",
        "--pause-after",
        "1:1500",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as receiver:
        assert receiver.stderr is not None
        ready = receiver.stderr.readline()
        port = re.search(r"ports=\[(\d+)\]", ready)
        assert port, ready
        with socket.create_connection(("127.0.0.1", int(port[1]))) as sender:
            sender.sendall(b"hello")
        said = receiver.stderr.read()
    assert "paused" in said and "gbit_per_s=" in said
    assert "\r" not in said and "MiB" not in said


def test_raw_dontneed_reports_what_the_kernel_says(ppcat: Path) -> None:
    too_many = ",".join(f"{n}:1" for n in range(129))
    with receiving(ppcat, "--dontneed-raw", "0:1", "--dontneed-raw", too_many) as receiver:
        send(ppcat, receiver.ready["ports"][0])
        got = receiver.finish()
    assert got["exit"] == 0
    first, second = receiver.named("dontneed-raw")
    assert (first["ranges"], second["ranges"]) == (1, 129)
    assert second["ret"] == -1
    assert second["errno"] in {"EINVAL", "ENOPROTOOPT"}  # the latter: no devmem TCP in this kernel


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_with_summary(ppcat: Path, sig: signal.Signals) -> None:
    with receiving(ppcat) as receiver:
        receiver.process.send_signal(sig)
        got = receiver.finish()
    assert (got["exit"], got["signal"]) == (3, sig.name)


def test_timeouts_say_so(ppcat: Path) -> None:
    with receiving(ppcat, "--timeout", "0.05") as receiver:
        got = receiver.finish()
    assert (got["exit"], got["failure"]["errno"]) == (1, "ETIMEDOUT")

    with socket.create_server(("127.0.0.1", 0)) as deaf:  # accepts, never reads, never closes
        sent = send(ppcat, deaf.getsockname()[1], "--timeout", "0.05")
    assert (sent["exit"], sent["failure"]["errno"]) == (1, "ETIMEDOUT")


def test_expected_errno(ppcat: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    refused = send(ppcat, port)
    assert (refused["exit"], refused["failure"]["errno"]) == (1, "ECONNREFUSED")
    assert send(ppcat, port, "--expect-errno", "ECONNREFUSED")["exit"] == 0
    assert send(ppcat, port, "--expect-errno", "EFAULT")["exit"] == 1


def test_taken_port_is_a_cannot(ppcat: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [ppcat, "-l", "--plain", "-s", "127.0.0.1", "-p", port, "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert json.loads(done.stdout)["failure"]["errno"] == errno.errorcode[errno.EADDRINUSE]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([], "either -l to receive or -c"),
        (["-l", "-p", "1"], "-i IFACE"),
        (["-l", "-p", "1", "-i", "no-such-dev0", "-q", "0"], "no interface no-such-dev0"),
        (["-l", "-p", "1", "-i", "lo", "-q", "0"], "lo has no parent device"),
        (["-l", "-p", "1", "--backend", "both"], "both is no good value for --backend"),
        (["-l", "-p", "1", "-i", "lo", "-q", "0", "--provider", "page"], "--provider goes with --backend ppiov"),
        (["-l", "-p", "1", "--backend", "ppiov", "--provider", "a-name-too-long-"], "no good value for --provider"),
        (["-l", "-p", "1", "--backend", "ppiov", "--provider", "page", "--no-bind"], "--provider goes with a binding"),
        (["-l", "-p", "1", "-i", "lo", "-q", "0", "--backend", "ppiov"], "lo has no parent device"),
        (["-c", "::1", "-p", "1", "--backend", "ppiov"], "--backend is for the receiver"),
        (["-c", "127.0.0.1", "-p", "1", "--size", "5X"], "5X is no good value for --size"),
        (["-c", "localhost", "-p", "1"], "localhost is no address"),
        (["-c", "fe80::1", "-p", "1"], "fe80::1 is no address (or lacks %IFACE)"),
        (["--frobnicate"], "unknown option --frobnicate"),
    ],
)
def test_what_it_cannot_do_it_says(ppcat: Path, args: list[str], text: str) -> None:
    done = subprocess.run([ppcat, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert text in done.stderr


def test_ppiov_plain_needs_no_module(ppcat: Path) -> None:
    """--plain asks nothing of ppiov.ko, whatever the backend."""
    with receiving(ppcat, "--backend", "ppiov") as receiver:
        assert receiver.ready["backend"] == "ppiov"
        assert receiver.ready["provider"] is None
        assert send(ppcat, receiver.ready["ports"][0])["failure"] is None
        assert receiver.finish()["failure"] is None


def test_ppiov_without_the_module_says_so(ppcat: Path) -> None:
    """A kernel that has no such ULP is a failure of the connection, with its errno."""
    if Path("/sys/module/ppiov").exists():
        pytest.skip("ppiov is loaded")
    with receiving(ppcat, "--backend", "ppiov", mode="--no-bind") as receiver:
        send(ppcat, receiver.ready["ports"][0], "--size", "1K")
        failure = receiver.finish()["failure"]
    assert failure["errno"] == "ENOENT"
    assert "no device memory for its socket" in failure["text"]


KERNEL = SOURCE.parents[1] / "kernel" / "include" / "uapi"

# A name in ppcat's copy, and what the module calls it
FIELDS = {
    "sizeof(struct devmem_cmsg)": "sizeof(struct ppiov_cmsg)",
    "offsetof(struct devmem_cmsg, frag_offset)": "offsetof(struct ppiov_cmsg, frag_offset)",
    "offsetof(struct devmem_cmsg, frag_size)": "offsetof(struct ppiov_cmsg, frag_size)",
    "offsetof(struct devmem_cmsg, frag_token)": "offsetof(struct ppiov_cmsg, frag_token)",
    "offsetof(struct devmem_cmsg, dmabuf_id)": "offsetof(struct ppiov_cmsg, binding)",
    "sizeof(struct devmem_token)": "sizeof(struct ppiov_token)",
    "offsetof(struct devmem_token, token_start)": "offsetof(struct ppiov_token, token_start)",
    "offsetof(struct devmem_token, token_count)": "offsetof(struct ppiov_token, token_count)",
    "MAX_DONTNEED_TOKENS": "PPIOV_MAX_TOKEN_RANGES",
    "MAX_DONTNEED_FRAGS": "PPIOV_MAX_TOKENS",
}
STRINGS = {"PPIOV_ULP_NAME", "PPIOV_FAMILY_NAME"}


def ask(folder: Path, headers: list[Path], questions: list[str]) -> list[str]:
    """What a C compiler makes of these expressions with these headers."""
    lines = [f'#include "{h}"' for h in headers] + ["#include <stddef.h>", "#include <stdio.h>", "int main(void) {"]
    lines += [f"puts({q});" if q in STRINGS else f'printf("%lld\\n", (long long)({q}));' for q in questions]
    source, program = folder / "ask.c", folder / "ask"
    source.write_text("\n".join([*lines, "return 0; }", ""]))
    subprocess.run(["cc", "-D_GNU_SOURCE", "-o", program, source], check=True)
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()


def test_uapi_copy_is_the_kernels(tmp_path: Path) -> None:
    """The numbers of ppiov.ko that ppcat keeps a copy of are the module's."""
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    copy = SOURCE / "uapi.h"
    names = re.findall(r"^(?:#define\s+|\t)((?:SOL_)?PPIOV\w*)\s", copy.read_text(), re.MULTILINE)
    assert len(names) == len(set(names)) > 15
    ours = ask(tmp_path, [copy], [*names, *FIELDS])
    headers = [KERNEL / name for name in ("ppiov_tcp.h", "ppiov_netlink.h", "ppiov_ring.h")]
    theirs = ask(tmp_path, headers, [*names, *FIELDS.values()])
    assert dict(zip([*names, *FIELDS], ours, strict=True)) == dict(zip([*names, *FIELDS], theirs, strict=True))
