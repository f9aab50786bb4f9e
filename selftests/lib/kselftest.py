# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own selftests, in the environment that tools/testing/selftests/drivers/net/README.rst asks for.

       the initial netns                     netns «ppiov-tx»
     .--------------------.              .--------------------.
     | rx0 (NETIF)        |              | tx0 (the endpoint) |
     | 203.0.113.2/24     |  ppnic pair  | 203.0.113.1/24     |
     | 2001:db8:1::2/64   |==============| 2001:db8:1::1/64   |
     |                    |              | route: 2001:db8:2::/64
     '--------------------'              '--------------------'   via 2001:db8:1::2

The addresses are not those of other links here: tests give 192.0.2.0/24 and 2001:db8::/64 to tunnels of theirs
(tso.py; nsim_v4_pfx of their library).

A test is started as kselftest starts it: by itself, in its folder. It finds in its PATH the programs of ppiov/tools.py
before the machine's, and a python3 that has what YNL needs.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import processes
from lib.configfs import mount_configfs
from lib.link import Link, Port
from lib.netns import Namespace

TABLE = Path(__file__).parents[1] / "upstream" / "programs.toml"
PATIENT = TABLE.with_name("patient.py")
GUEST_PREFIX = "2001:db8:2::"  # LOCAL_PREFIX_V6: of what tests put behind the NIC
HUGE_PAGES = 64
SKIPPED = 4  # KSFT_SKIP
MARGIN = 60.0  # of timeout_s, for the link, and for a test that must be stopped
TIMED_OUT = 124  # as timeout(1), by which kselftest's runner has it
GRACE = 20.0
_VERSION = re.compile(r"^K?TAP version \d+$", re.MULTILINE)
_TEST = re.compile(  # net/lib.sh's log_test()
    r"^TEST: (?P<name>.*?) *(?:\((?P<why>[^()]*)\) *)?\t* *\[ *(?P<word>OK|FAIL|SKIP|XFAIL) *\] *$"
    r"(?:\n\t+(?P<reason>\S.*)$)?",
    re.MULTILINE,
)
_SKIP = re.compile(r"^SKIP:? *(.*)$", re.MULTILINE)
WITH_NETIF = ("drivers/net", "drivers/net/hw")  # the collections whose tests take a NIC
_PYTHON = """\
#!/bin/sh
PYTHONPATH='{path}' exec '{python}' -S "$@"
"""
_PATIENT_PYTHON = """\
#!/bin/sh
export PYTHONPATH='{path}'
case ${{1:--}} in
-*) exec '{python}' -S "$@" ;;
esac
exec '{python}' -S '{patient}' {slower:g} "$@"
"""
_NICE = """\
#!/bin/sh
exec nice -n 19 '{program}' "$@"
"""
_SERVICE = """\
#!/bin/sh
for service; do :; done
[ "$service" = lldpad ] || exit 4
case "$1" in
is-active)
    kill -0 "$(cat '{folder}/lldpad.pid' 2>/dev/null)" 2>/dev/null || exit 3 ;;
start)
    lldpad -t -p -f '{folder}/lldpad.conf' >'{folder}/lldpad.log' 2>&1 &
    echo $! >'{folder}/lldpad.pid'
    until lldptool ping >/dev/null 2>&1; do kill -0 $! || exit 1; done ;;
stop)
    kill "$(cat '{folder}/lldpad.pid')" && rm '{folder}/lldpad.pid' ;;
*)
    exit 1 ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a program needs; see programs.toml."""

    cpus: int
    memory_mib: int
    queues: int
    ports: int
    timeout_s: float
    no_cable: bool = False
    config: Sequence[str] = ()
    modules: Sequence[str] = ()


def programs() -> list[str]:
    """The programs to run, as PPIOV_PROGRAMS lists them; none where nothing was built."""
    return os.environ.get("PPIOV_PROGRAMS", "").split()


def ynl() -> Path:
    """The kernel's YNL, as kselftest installs it beside the tests that use it.

    :raises KeyError: without PPIOV_PROGRAMS_DIR, where nothing was built
    """
    return Path(os.environ["PPIOV_PROGRAMS_DIR"]) / "net/lib/ynl"


def needs(program: str) -> Needs:
    """What the table says of a program."""
    table: dict[str, dict[str, Any]] = tomllib.loads(TABLE.read_text())
    return Needs(**{**table["default"], **table.get(program, {})})


def wants_nic(program: str) -> bool:
    return str(Path(program).parent) in WITH_NETIF


def slower() -> float:
    """So many times as long takes all that is waited for, on this kernel."""
    return float(os.environ.get("PPIOV_SLOWER", "1"))


def environment(folder: Path, link: Link | None, unplugged: Port | None = None) -> dict[str, str]:
    """What a test finds in its environment; ``folder`` is for programs that only it sees.

    There is no udev in the guest, so a udevadm that does nothing is right: devices have the names that they get. Nor is
    there systemd: the service that ethtool_mm.sh starts is started by a systemctl that knows no other. It is of the
    test's process group, and ends with it. And iperf3 is load, of 16 streams with two threads each, and an emulated
    machine has one CPU for it and for what the test does beside it: what it takes is what the others leave.

    A kernel that debug options make slower is waited for: KSFT_MACHINE_SLOW tells the tests that look at it, and limits
    in Python are longer (patient.py).

    :raises KeyError: without PPIOV_TOOLS, where nothing was built
    """
    python = folder / "python3"
    # Libraries only: our own lib/ is a package, and would be taken for theirs, which has no __init__.py
    libraries = [p for p in os.environ["PYTHONPATH"].split(os.pathsep) if p.endswith((".zip", "-packages"))]
    template = _PATIENT_PYTHON if slower() > 1 else _PYTHON
    words = {"path": os.pathsep.join(libraries), "python": sys.executable, "patient": PATIENT, "slower": slower()}
    python.write_text(template.format(**words))
    udevadm = folder / "udevadm"
    udevadm.write_text("#!/bin/sh\n")
    tools = Path(os.environ["PPIOV_TOOLS"]) / "bin"
    load = folder / "iperf3"
    load.write_text(_NICE.format(program=tools / "iperf3"))
    service = folder / "systemctl"
    service.write_text(_SERVICE.format(folder=folder))
    for script in (python, udevadm, load, service):
        script.chmod(0o755)
    path = [str(folder), str(tools), os.environ["PATH"]]
    found = {**processes.environment(), "PATH": os.pathsep.join(path), "NO_COLOR": "1"}
    found.pop("PYTHONPATH", None)
    if slower() > 1:
        found["KSFT_MACHINE_SLOW"] = "yes"
    if link is not None and link.tx.ns.name is not None:
        found |= {
            "NETIF": link.rx.name,
            "LOCAL_V4": link.rx.v4,
            "LOCAL_V6": link.rx.v6,
            "REMOTE_V4": link.tx.v4,
            "REMOTE_V6": link.tx.v6,
            "LOCAL_PREFIX_V6": f"{GUEST_PREFIX}0/64",
            "REMOTE_TYPE": "netns",
            "REMOTE_ARGS": str(link.tx.ns.name),
        }
    if unplugged is not None:
        found["NETIF_NO_CABLE"] = unplugged.name
    return found


def address(link: Link) -> None:
    """Before it is made: the addresses above."""
    for port, host in ((link.tx, 1), (link.rx, 2)):
        port.v4, port.v6 = f"203.0.113.{host}", f"2001:db8:1::{host}"


def prepare(modules: Sequence[str]) -> None:
    """What the machine must have before a test: modules, huge pages, configfs.

    A module that is built in is there; of one that this kernel does not have, the test will speak.
    """
    for module in modules:
        subprocess.run(["modprobe", module], check=False)
    mount_configfs()
    Path("/proc/sys/vm/nr_hugepages").write_text(str(HUGE_PAGES))


def prepare_link(init: Namespace, link: Link) -> None:
    """What a link must have before a test: a way back to what is behind the NIC, or nothing at all."""
    if link.tx.ns.name is None:  # the test itself says how the ports are addressed
        for port in (link.rx, link.tx):
            port.set(state="down")
            port.ns.ip.flush_addr(index=port.ifindex)
        return
    for ns in (init, link.tx.ns):
        for scope in ("all", "default"):
            ns.sysctl(f"net.ipv6.conf.{scope}.accept_dad", "0")
            ns.sysctl(f"net.ipv6.conf.{scope}.keep_addr_on_down", "1")
    link.tx.ns.ip.route("add", dst=f"{GUEST_PREFIX}/64", gateway=link.rx.v6, oif=link.tx.ifindex)


def _interpreter(program: Path) -> list[str]:
    """What starts a program that may not be executed: what its first line names, as kselftest's runner has it."""
    if os.access(program, os.X_OK):
        return []
    return program.read_text().splitlines()[0].removeprefix("#!").split()


def run(command: Sequence[str | Path], environment: dict[str, str], log: Path, timeout: float) -> int:
    """Run a test in its folder, to its end or for ``timeout`` seconds, its output in ``log``; returns its exit code."""
    program = Path(command[0])
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*_interpreter(program), *command],
            cwd=program.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)  # the tests' library cleans up then
            code = TIMED_OUT
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return code


def is_ktap(output: str) -> bool:
    """Whether a test has reported in KTAP."""
    return _VERSION.search(output) is not None


def as_ktap(name: str, output: str, code: int) -> str:
    """A KTAP document of a test that does not write one: its `TEST: ... [ OK ]` lines, or else its exit code."""
    found = list(_TEST.finditer(output))
    results = [_result(match["name"], match["word"], match["why"] or "") for match in found]
    reasons = [match["reason"] for match in found]
    failed = any(result.startswith("not ok") for result in results)
    if code == SKIPPED and not failed:
        if not any("# SKIP" in result for result in results):
            reason = (_SKIP.findall(output) or output.strip().splitlines() or ["it does not say why"])[-1]
            results.append(f"ok {{}} {name} # SKIP {reason}")
    elif not results or (code and not failed):
        results.append(f"{'not ok' if code else 'ok'} {{}} {name}")
    lines = [f"# {line}" for line in output.splitlines()]
    for number, result in enumerate(results, 1):
        if number <= len(reasons) and reasons[number - 1]:  # what log_test() says below a result: before it, in KTAP
            lines.append(f"# {reasons[number - 1]}")
        lines.append(result.replace("{}", str(number), 1))
    return "\n".join(["TAP version 13", f"1..{len(results)}", *lines, ""])


def _result(name: str, word: str, why: str) -> str:
    name = f"{name} ({why})" if why else name
    if word in ("SKIP", "XFAIL"):
        return f"ok {{}} {name} # {word}"
    return f"{'ok' if word == 'OK' else 'not ok'} {{}} {name}"
