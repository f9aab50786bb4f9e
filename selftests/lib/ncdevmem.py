# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own ncdevmem (tools/testing/selftests/net/ncdevmem.c of 6.12), unmodified. See docs/upstream.md.

It configures the NIC with `sudo ethtool ...`. A guest need not have sudo, and an ethtool before 6.4 does not know
tcp-data-split; so a sudo of our own comes first in its PATH, which runs what it is told. Where that is header split
and the tool can't do it, it asks this process through a pair of pipes to do it by netlink.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from lib import processes
from lib.link import Link
from lib.poll import until

# run_devmem_tests() binds a udmabuf of 16000 pages several times before it serves; that is slow when emulated
START_SECONDS = 120.0

SUDO = """\
#!/bin/sh
"$@" && exit
code=$?
[ "$2 $4" = "-G tcp-data-split" ] || exit $code
echo "$5" >'{ask}'
read -r code <'{answer}'
exit "$code"
"""


def program() -> Path:
    """Where ncdevmem is: in the folder $PPIOV_UPSTREAM; without it, skip the test."""
    folder = os.environ.get("PPIOV_UPSTREAM")
    if not folder:
        pytest.skip("PPIOV_UPSTREAM does not say where the kernel's own programs are (ppiov run upstream)")
    return Path(folder, "ncdevmem")


class _Sudo:
    """A folder for PATH with a `sudo`, and the thread that serves it until close()."""

    def __init__(self, link: Link, folder: Path) -> None:
        self._link = link
        ask, answer = folder / "ask", folder / "answer"
        os.mkfifo(ask)
        os.mkfifo(answer)
        # Open for reading and writing, so that neither waits for an other end, which may have been killed
        self._ask, self._answer = (os.open(pipe, os.O_RDWR | os.O_CLOEXEC) for pipe in (ask, answer))
        script = folder / "sudo"
        script.write_text(SUDO.format(ask=ask, answer=answer))
        script.chmod(0o755)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with os.fdopen(self._ask, closefd=False) as asked:
            while (state := asked.readline().strip()) != "end":
                try:
                    self._link.rx.ethtool.set_split(state)
                    code = 0
                except (OSError, KeyError):  # refused, or nothing that header split can be
                    code = 1
                os.write(self._answer, f"{code}\n".encode())

    def close(self) -> None:
        os.write(self._ask, b"end\n")
        self._thread.join()
        os.close(self._ask)
        os.close(self._answer)


class Ncdevmem:
    """A running ncdevmem on rx0, with what it has said. stop() ends it.

    :param queues: the RX queues to bind: neighbours, and not the first
    """

    def __init__(self, link: Link, folder: Path, queues: list[int], *args: str | int) -> None:
        path = program()
        folder.mkdir()
        self._sudo = _Sudo(link, folder)
        self._out, self._err = folder / "stdout", folder / "stderr"
        command = [f"PATH={folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}", str(path)]
        command += ["-f", link.rx.name, "-t", str(queues[0]), "-q", str(len(queues)), *map(str, args)]
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = link.rx.ns.start(["env", *command], out.fileno(), err.fileno())

    def said(self) -> str:
        """Its standard error so far: what it does, and every buffer it has received."""
        return self._err.read_text()

    def tail(self) -> str:
        """The last lines of that, for a message."""
        return "\n".join(self.said().splitlines()[-12:])

    def listening(self) -> int:
        """Wait until it can be connected to; returns the id of its dma-buf.

        :raises AssertionError: if it ends before
        """

        def listens() -> bool:
            assert self._process.poll() is None, f"ncdevmem ended with {self._process.returncode}: {self.tail()}"
            return "Waiting or connection" in self.said()  # sic

        until("ncdevmem listens", listens, START_SECONDS)
        return int(re.findall(r"got dmabuf id=(\d+)", self.said())[-1])

    def wait(self, seconds: float) -> int:
        """Wait for its end; returns its exit code."""
        until("ncdevmem ends", lambda: self._process.poll() is not None, seconds)
        return int(self._process.returncode)

    def stop(self) -> None:
        """End it however it is; no error if it has ended."""
        processes.end(self._process)
        self._sudo.close()

    # What it says of the data

    @property
    def received(self) -> int:
        """Bytes that came into the dma-buf."""
        return int([0, *re.findall(r"^total_received=(\d+)$", self.said(), re.MULTILINE)][-1])

    @property
    def buffers(self) -> int:
        """How many buffers it has received."""
        return len(re.findall(r"^received frag_page=", self.said(), re.MULTILINE))

    @property
    def validated(self) -> int:
        """How many buffers it has gone through; complete only when it has ended."""
        return self._out.read_text().count("Validated buffer\n")

    @property
    def wrong(self) -> list[tuple[int, int]]:
        """The bytes that were not what it expected, as (expected, received)."""
        found = re.findall(r"^Failed validation: expected=(\d+), actual=(\d+)", self.said(), re.MULTILINE)
        return [(int(expected), int(actual)) for expected, actual in found]
