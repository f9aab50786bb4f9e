# SPDX-License-Identifier: GPL-2.0-only
"""Child processes that never outlive the step that started them.

Each child leads a session of its own, so that a Ctrl-C in the terminal reaches this program only, and this program ends
the child together with everything it started. If this program itself is killed, PR_SET_PDEATHSIG takes the child along:
an apt that goes on alone would write into files that the next one believes to be its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ppiov.errors import MissingTool

_CURES = {
    "apt-cache": "apt",
    "apt-get": "apt",
    "depmod": "kmod",
    "dpkg": "dpkg",
    "dpkg-deb": "dpkg",
    "make": "make",
    "qemu-system-x86_64": "qemu-system-x86",
    "sparse": "sparse",
}
_TERM_SECONDS = 1.0


def find_tool(program: str, package: str | None = None) -> str:
    """The path of ``program``; raises :class:`MissingTool`, naming the Debian ``package`` that has it.

    Looks in the system's sbin folders too, which are not on an ordinary user's PATH in Debian.
    """
    found = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
    if found is None:
        raise MissingTool(f"{program} is missing: apt install {package or _CURES.get(program, program)}")
    return found


@contextmanager
def child(
    args: Sequence[str | Path],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Start ``args`` in a session of its own and end the whole process group if the block is left early.

    ``env`` is added to this process's environment. Messages are in English, since some are read by machine.
    """
    process = subprocess.Popen(
        [find_tool("setpriv", "util-linux"), "--pdeathsig", "KILL", "--", find_tool(str(args[0])), *args[1:]],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
        pass_fds=pass_fds,
        start_new_session=True,
    )
    try:
        yield process
        process.wait()
    finally:
        end_group(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End ``process`` and all of its group: politely first, then for good. Does nothing if it has ended by itself."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_TERM_SECONDS)
    # The group may outlive its leader: a group id is not given away while a member lives.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def output(args: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run a short command to its end: its exit code, standard output and standard error."""
    with child(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as process:
        out, err = process.communicate()
    return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")
