# SPDX-License-Identifier: GPL-2.0-only
"""Does the netlink family work from the kernel's own YNL, with nothing but its spec?

netns «ppiov-tx»                 netns «ppiov-rx»
                tx0 ======== rx0  queue 2: bound by YNL's Python library
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lib import kselftest
from lib.dmabuf import Dmabuf
from lib.fixtures import Defer
from lib.link import Link

HERE = Path(__file__).parent
SPEC = HERE.parents[1] / "kernel/netlink/ppiov.yaml"
QUEUE = 2


def call(link: Link, tmp_path: Path, *command: str | Path | int, fd: int | None = None) -> Any:
    """What a program says in JSON, run in rx0's namespace with the Python that YNL's tests have."""
    environment = kselftest.environment(tmp_path, None)
    done = subprocess.run(
        ["ip", "netns", "exec", str(link.rx.ns.name), tmp_path / "python3", *map(str, command)],
        env=environment,
        pass_fds=() if fd is None else (fd,),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr or done.stdout
    return json.loads(done.stdout)


@pytest.fixture
def said(link: Link, tmp_path: Path, defer: Defer) -> dict[str, Any]:
    """What ynl_client.py tells."""
    dmabuf = Dmabuf(1 << 20)
    defer(dmabuf.close)
    script = HERE / "ynl_client.py"
    answer = call(link, tmp_path, script, kselftest.ynl(), SPEC, link.rx.ifindex, QUEUE, dmabuf.fd, fd=dmabuf.fd)
    assert isinstance(answer, dict)
    return answer


def test_library(link: Link, said: dict[str, Any]) -> None:
    """A dump, a bind, what is asked of it, refusals with their words, an unbind and both notifications, by YNL."""
    providers = {provider["name"]: provider["flags"] for provider in said["providers"]}
    assert providers["dmabuf"] == ["dmabuf", "iov", "mapped"]
    assert {"page", "hugepage", "ring"} <= set(providers)
    assert said["dev"]["queues"] == link.queues
    assert "rx" in said["dev"]["flags"]

    bound = said["bind"]["id"]
    binding = said["binding"]
    assert (binding["id"], binding["ifindex"], binding["queues"]) == (bound, link.rx.ifindex, [QUEUE])
    (pool,) = said["pools"]
    assert (pool["queue"], pool["provider"]) == (QUEUE, "dmabuf")
    stats = pool["stats"]
    assert stats["alloc-slow"] > 0, f"the queue was filled from the provider: {stats}"

    again, incomplete, unknown = said["refused"]
    assert again[0] == "EEXIST"
    assert again[1] == f"queue {QUEUE} is bound already, binding {bound}"
    assert incomplete[0] == "EINVAL"
    assert unknown[0] == "ENOENT"
    assert bound not in said["left"]
    assert said["told"] == [["bind-ntf", bound], ["unbind-ntf", bound]]


def test_command(link: Link, tmp_path: Path) -> None:
    """YNL's command, given the spec, lists the providers."""
    folder = kselftest.ynl()
    cli = next(path for path in (folder / "pyynl/cli.py", folder / "cli.py") if path.exists())
    said = call(link, tmp_path, cli, "--spec", SPEC, "--no-schema", "--dump", "provider-get", "--output-json")
    assert {"page", "dmabuf"} <= {provider["name"] for provider in said}
