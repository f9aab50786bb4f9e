# SPDX-License-Identifier: GPL-2.0-only
"""One guest: its command line, its start, what it says, and its end.

virtme-ng's ``virtme-run`` boots the kernel with this machine's root file system, read-only. This module keeps what that
leaves open:

- **It ends.** The guest is a session of its own whose process group is killed at the end, whatever the reason. If this
  program itself is killed, PR_SET_PDEATHSIG takes virtme-run with it, and the wrapper that virtme-run starts QEMU
  through (guest/qemu) asks the same for QEMU.
- **It is heard.** The console (kernel log, QEMU's own messages) is a pipe, read as it comes; results come on another
  way, the shared folder (guest/job.py appends records to it).
- **It is quick under TCG.** See :func:`command` for what was left out and why.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ppiov.errors import BadRequest, MissingTool
from ppiov.tree import KernelTree

GUEST = Path(__file__).parent / "guest"
SHARE = "/run/ppiov"  # where the shared folder is in the guest; short, since the kernel's command line is
DEVICE_MEMORY = "device-memory"  # file in the shared folder: what the memory of a PCI device of the guest is
_COMMAND_LINE_MAX = 2047  # arch/x86/include/asm/setup.h: COMMAND_LINE_SIZE 2048, with its zero byte

# Modules of QEMU's q35 machine that udev would load and no test needs. A module named here cannot be loaded at all, so
# nothing of networking is among them.
_UNWANTED_MODULES = (
    "ahci", "libahci", "libata", "scsi_mod", "i2c_i801", "i2c_smbus", "lpc_ich", "iTCO_wdt", "i6300esb", "kvm_amd",
    "kvm_intel", "ccp", "psmouse", "evdev", "serio_raw", "button", "pcspkr", "intel_rapl_msr", "rapl", "joydev", "sg",
    "bochs", "qemu_fw_cfg", "floppy", "parport_pc", "ghash_clmulni_intel", "aesni_intel", "sha512_ssse3",
    "sha256_ssse3", "sha1_ssse3", "crct10dif_pclmul", "crc32_pclmul", "edac_mce_amd", "acpi_cpufreq", "amd64_edac",
    "virtio_balloon", "virtio_rng", "efi_pstore",
)  # fmt: skip

# Folders that tests and programs expect to be able to write: throw-away overlays.
_WRITABLE = ("/etc", "/home", "/opt", "/srv", "/tmp", "/var")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long to wait, in host seconds, before a guest is given up."""

    boot: float  # from the start to the job's first record
    silence: float  # without a record, a heartbeat (every 5 s) or a byte on the console
    total: float  # for one guest's whole life
    grace: float  # for the guest to notice a test's timeout by itself, and for its power-off

    def times(self, factor: float) -> Deadlines:
        """All of them longer, for a kernel that is slower."""
        return Deadlines(self.boot * factor, self.silence * factor, self.total * factor, self.grace * factor)

    @staticmethod
    def for_accel(accel: str) -> Deadlines:
        """Defaults. A TCG guest is at its job within 20 s on an idle machine; a busy CI machine gets ten times that."""
        return Deadlines(60, 60, 3600, 15) if accel == "kvm" else Deadlines(200, 120, 4 * 3600, 45)


@dataclass(frozen=True, slots=True)
class GuestConfig:
    kernel: KernelTree
    accel: str  # "kvm" or "tcg"
    share: Path  # host folder that the guest may write, seen as SHARE
    cpus: int = 2
    memory_mib: int = 2048
    script: str = str(GUEST / "boot.sh")  # what runs in the guest
    kernel_arguments: tuple[str, ...] = ()
    device_memory_mib: int = 0  # of an ivshmem-plain device, a power of two; 0: there is none
    unchanging: tuple[Path, ...] = ()  # folders that the guest may read with a cache, besides /usr
    own_time: bool = False  # under TCG: the guest's clock goes on with what it executes, and while it is idle
    exact: bool = False  # under TCG: an instruction takes 1 ns of the guest's time, and being idle takes none of ours


def cached(unchanging: Iterable[Path]) -> list[tuple[str, Path]]:
    """(9p tag, folder) of what the guest mounts once more at its place, with a cache: /usr, and these."""
    return [(f"ppiov{number}", folder) for number, folder in enumerate((Path("/usr"), *unchanging))]


def command(config: GuestConfig, *, interactive: bool = False) -> list[str]:
    """The argument list that starts the guest. Raises MissingTool, BadRequest.

    Measured for a stock 6.12 under TCG with 2 vCPUs, from 20 s to the job down to 11 s: without looking for virtiofsd,
    which only KVM guests could use (3 s); with guest/bin first in init's PATH, whose udevadm and systemd-tmpfiles do
    nothing (4 s: no coldplug, no settle; devtmpfs makes the nodes); without the modules that the coldplug would load.
    """
    kernel_arguments = [
        f"PATH={GUEST}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        f"module_blacklist={','.join(_UNWANTED_MODULES)}",
        "nokaslr",  # addresses in two logs can be compared
        "no_timer_check",
        "cryptomgr.notests",
        "net.ifnames=0",
        "printk.devkmsg=on",  # marks on the console must not be rate limited
        "oops=panic",  # no later test may run on a damaged kernel
        # What 9p is told to mount: without a block layer the kernel has no default (and 7.3's 9p refuses "").
        "root=/dev/root",
        "kunit.enable=1",  # off by default in a small configuration
        "kasan_multi_shot",  # KASAN would report once a boot; each of its reports belongs to a test
        "no5lvl",  # with five levels of page tables KASAN may call each address wild: docs/bugs/kasan-la57.md
        *config.kernel_arguments,
    ]
    line = [
        *(() if interactive else (_tool("setpriv", "util-linux"), "--pdeathsig", "KILL", "--")),
        _virtme_run(),
        f"--kimg={config.kernel.image}",
        "--mods=auto",
        "--force-9p",
        f"--qemu-bin={GUEST / 'qemu'}",
        f"--cpus={config.cpus}",
        f"--memory={config.memory_mib}M",
        f"--rwdir={SHARE}={config.share}",
        *(f"--overlay-rwdir={path}" for path in _WRITABLE if Path(path).is_dir()),
        *(f"--kopt={argument}" for argument in kernel_arguments),
    ]
    if config.accel == "tcg":
        line.append("--disable-kvm")
    if interactive:
        line += [f"--shell={config.script}", "--kopt=panic=-1"]  # as script mode has it: a panic ends the guest
    else:
        line += ["--verbose", "--show-boot-console", "--disable-monitor", f"--script-sh=exec {config.script}"]
    # Under TCG a busy machine's guest is slow, and programs with deadlines of their own in it are not to notice: an
    # instruction takes 1 ns of the guest's time: some times less than it takes TCG, and what the programs are made for.
    icount = ["-icount", "shift=0,sleep=on"] if config.own_time and config.accel == "tcg" else []
    if config.exact and config.accel == "tcg":  # so its clock counts instructions (docs/bench.md)
        icount = ["-icount", "shift=0,sleep=off"]
    line += ["--qemu-opts", *(["-no-reboot"] if interactive else []), *icount]
    for tag, folder in cached(config.unchanging):
        path = str(folder).replace(",", ",,")
        line += ["-fsdev", f"local,id={tag},path={path},security_model=none,readonly=on,multidevs=remap"]
        line += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    if config.device_memory_mib:
        file = str(config.share / DEVICE_MEMORY).replace(",", ",,")
        size = f"size={config.device_memory_mib}M"
        line += ["-object", f"memory-backend-file,id={DEVICE_MEMORY},share=on,{size},mem-path={file}"]
        line += ["-device", f"ivshmem-plain,memdev={DEVICE_MEMORY}"]
    if len(" ".join(kernel_arguments)) + 600 > _COMMAND_LINE_MAX:  # virtme-ng adds up to 600 of its own
        raise BadRequest("the kernel's command line gets too long: install ppiov under a shorter path")
    return line


class Guest:
    """A running guest; a context manager that leaves nothing behind. Raises MissingTool, BadRequest on entry."""

    def __init__(self, config: GuestConfig) -> None:
        self.config = config
        self.records = config.share / "records.jsonl"
        self._records_read = 0
        self._half_record = b""

    def __enter__(self) -> Guest:
        self._private = tempfile.TemporaryDirectory(prefix="ppiov-vm-")  # HOME and TMPDIR of virtme-run
        try:
            self._process = subprocess.Popen(
                command(self.config),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,  # virtme-run's words, QEMU's and the console, in the order they came
                env=environment(Path(self._private.name)),
                start_new_session=True,
            )
        except BaseException:
            self._private.cleanup()
            raise
        assert self._process.stdout is not None
        self._console = self._process.stdout
        os.set_blocking(self._console.fileno(), False)
        self.started = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        self._console.close()
        self._private.cleanup()

    def fileno(self) -> int:
        """The console's file descriptor, for a selector."""
        return self._console.fileno()

    @property
    def pid(self) -> int:
        """Process id of virtme-run, which is also the id of the process group that has QEMU in it."""
        return self._process.pid

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def read_console(self) -> bytes | None:
        """What the console said since the last call, b"" for nothing; None once the guest has ended and all is read."""
        try:
            data = os.read(self._console.fileno(), 1 << 20)
        except BlockingIOError:
            # virtme-run is gone and QEMU with it: nobody is left to write, even if a stray child holds the pipe.
            return None if self._process.poll() is not None else b""
        return data or None

    def read_records(self) -> list[bytes]:
        """The whole lines that the job appended since the last call."""
        try:
            with self.records.open("rb") as file:
                file.seek(self._records_read)
                data = file.read()
        except FileNotFoundError:
            return []
        self._records_read += len(data)
        *lines, self._half_record = (self._half_record + data).split(b"\n")
        return lines

    def pause(self) -> None:
        """Stop the guest's processes: a guest that counts instructions takes all of a CPU while it waits."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End :meth:`pause`."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the guest now: the whole process group, whatever it is doing."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        # The group may outlive its leader, and a group's id is not given away while it has a member.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def run_interactively(config: GuestConfig) -> int:
    """Boot the guest with this terminal as its console and wait for it; returns virtme-run's exit code.

    The guest stays in the terminal's foreground group: Ctrl-C is typed into the guest, not sent to it.
    """
    with tempfile.TemporaryDirectory(prefix="ppiov-vm-") as private:
        process = subprocess.Popen(command(config, interactive=True), env=environment(Path(private)))
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return process.wait()
        finally:
            signal.signal(signal.SIGINT, before)
            if process.poll() is None:
                process.kill()  # guest/qemu sees to it that QEMU dies with it
                process.wait()


def environment(private: Path) -> dict[str, str]:
    """The environment of virtme-run: a HOME of its own, since a user's virtme-ng.conf overrides explicit options."""
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "VIRTME"))},
        "PATH": os.pathsep.join(path),
        "HOME": str(private),
        "TMPDIR": str(private),  # its initramfs; a killed virtme-run would leave it in /tmp
    }


def qemu_version() -> str:
    """QEMU's first line about itself. Raises MissingTool."""
    qemu = _tool("qemu-system-x86_64", "qemu-system-x86")
    text = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=False).stdout
    return text.partition("\n")[0].strip()


def _virtme_run() -> str:
    """virtme-run of the environment that this program runs in, else of PATH."""
    beside = Path(sys.executable).parent / "virtme-run"
    return str(beside) if beside.is_file() else _tool("virtme-run", "virtme-ng")


def _tool(program: str, package: str) -> str:
    found = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
    if found is None:
        raise MissingTool(f"{program} is missing: apt install {package}")
    return found
