# SPDX-License-Identifier: GPL-2.0-only
"""A small Debian archive on disk, signed with a throw-away key, and a host whose apt knows only that one.

::

    debian/           bookworm: kernel 6.12.1, and a meta-package that must not be taken for a kernel
                      trixie-backports: kernel 7.3.4, in the pieces of a newer release, and its source; the programs
                      among its headers say that they want a newer C library
    debian-security/  bookworm-security: kernel 6.12.2, and a 6.12.3 that has lost its headers
"""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ppiov.child import find_tool
from ppiov.errors import MissingTool

ARCH = "amd64"


def need(*programs: str) -> None:
    """Skip the test where one of the programs is missing."""
    for program in programs:
        try:
            find_tool(program)
        except MissingTool as error:
            pytest.skip(str(error))


def release_of(version: str) -> str:
    return f"{version}+deb12-{ARCH}"


def boot_image(release: str) -> bytes:
    """A file whose header says what a bzImage's header says."""
    head = bytearray(0x4000)
    head[0x202:0x206] = b"HdrS"
    head[0x20E:0x210] = (0x3000 - 0x200).to_bytes(2, "little")
    text = f"{release} (builder@example.org) #1 SMP\0".encode()
    head[0x3000 : 0x3000 + len(text)] = text
    return bytes(head)


@dataclass(frozen=True)
class FakeArchive:
    top: Path
    keys: Path  # gpg home
    keyring: Path
    sources: Path  # what the fake host's apt reads

    def index(self, part: str, suite: str, pool: str = "pool") -> None:
        """Write Packages and a signed Release over what is in ``part``/``pool``."""
        base = self.top / part
        records = []
        for path in sorted((base / pool).glob("*.deb")):
            fields = subprocess.run(["dpkg-deb", "-f", path], capture_output=True, text=True, check=True).stdout
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            records.append(f"{fields}Filename: {pool}/{path.name}\nSize: {path.stat().st_size}\nSHA256: {digest}\n")
        lists = base / "dists" / suite / "main" / f"binary-{ARCH}"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / "Packages").write_text("\n".join(records))
        (lists / "Packages.gz").write_bytes(gzip.compress("\n".join(records).encode()))
        sums = "".join(
            f" {hashlib.sha256(p.read_bytes()).hexdigest()} {p.stat().st_size} main/binary-{ARCH}/{p.name}\n"
            for p in sorted(lists.iterdir())
        )
        (base / "dists" / suite / "Release").write_text(
            f"Origin: Debian\nLabel: Debian\nSuite: {suite}\nCodename: {suite}\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
            f"Architectures: {ARCH}\nComponents: main\nSHA256:\n{sums}"
        )
        self.sign(part, suite)

    def sign(self, part: str, suite: str, keys: Path | None = None) -> None:
        folder = self.top / part / "dists" / suite
        gpg(keys or self.keys, "--yes", "--clearsign", "-o", str(folder / "InRelease"), str(folder / "Release"))

    def add(
        self,
        part: str,
        name: str,
        version: str,
        files: dict[str, bytes | Path],
        depends: str = "",
        pool: str = "pool",
    ) -> Path:
        """Build a package; a Path as content is a symbolic link. What begins with #! may be executed."""
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            root.chmod(0o755)
            for place, content in files.items():
                path = root / place
                path.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, Path):
                    path.symlink_to(content)
                else:
                    path.write_bytes(content)
                    path.chmod(0o755 if content.startswith(b"#!") else 0o644)
            (root / "DEBIAN").mkdir()
            (root / "DEBIAN/control").write_text(
                f"Package: {name}\nVersion: {version}\nArchitecture: {ARCH}\nMaintainer: N <n@example.org>\n"
                f"Installed-Size: 100\n{f'Depends: {depends}' + chr(10) if depends else ''}Description: fake\n"
            )
            folder_of_all = self.top / part / pool
            folder_of_all.mkdir(parents=True, exist_ok=True)
            deb = folder_of_all / f"{name}_{version}_{ARCH}.deb"
            subprocess.run(["dpkg-deb", "--build", "-Znone", root, deb], check=True, capture_output=True)
        return deb

    def add_kernel(self, part: str, version: str, *, headers: bool = True) -> None:
        """The packages of one kernel, named and tied together as Debian's are."""
        full, release, abi = f"{version}-1~deb12u1", release_of(version), f"{version}+deb12"
        for suffix in ("", "-unsigned"):
            self.add(
                part,
                f"linux-image-{release}{suffix}",
                full,
                {
                    f"boot/vmlinuz-{release}": boot_image(release) + suffix.encode(),
                    f"boot/config-{release}": b"CONFIG_NET=y\nCONFIG_NET_DEVMEM=y\n# CONFIG_KUNIT is not set\n",
                    f"lib/modules/{release}/modules.order": b"",
                    f"lib/modules/{release}/modules.builtin": b"",
                },
                "kmod",
            )
        if not headers:
            return
        here, common = f"usr/src/linux-headers-{release}", f"usr/src/linux-headers-{abi}-common"
        self.add(
            part,
            f"linux-headers-{release}",
            full,
            {
                f"lib/modules/{release}/build": Path(f"/{here}"),
                f"lib/modules/{release}/source": Path(f"/{common}"),
                f"{here}/Makefile": f"include /{common}/Makefile\n".encode(),
                f"{here}/.config": b"CONFIG_NET=y\n",
                f"{here}/Module.symvers": b"",
            },
            f"linux-base, linux-headers-{abi}-common (= {full}), "
            f"linux-image-{release} (= {full}) | linux-image-{release}-unsigned (= {full}), linux-kbuild-{abi}, gcc-12",
        )
        self.add(
            part, f"linux-headers-{abi}-common", full, {f"{common}/Makefile": b"modules:\n\t@echo from the store\n"}
        )
        self.add(
            part, f"linux-kbuild-{abi}", full, {f"usr/lib/linux-kbuild-{abi}/scripts/Kbuild.include": b""}, "libc6"
        )

    def add_newer_kernel(self, part: str, version: str, pool: str) -> None:
        """A kernel as a newer release packages it: image, modules and configuration apart, all below /usr."""
        abi = f"{version}+deb13"
        release, full = f"{abi}-{ARCH}", f"{version}-1~bpo13+1"
        folder, here, common = f"usr/lib/modules/{release}", f"usr/src/linux-headers-{release}", newer_common(abi)
        kbuild = f"usr/lib/linux-kbuild-{abi}"
        self.add(
            part,
            f"linux-image-{release}",
            full,
            {f"usr/share/doc/{release}": b""},
            f"dracut | initramfs-tools, linux-base-{release} (= {full}), linux-binary-{release} (= {full}), "
            f"linux-modules-{release} (= {full})",
            pool,
        )
        self.add(
            part,
            f"linux-base-{release}",
            full,
            {f"{folder}/config": b"CONFIG_NET=y\nCONFIG_IO_URING_ZCRX=y\n"},
            "",
            pool,
        )
        image = {f"{folder}/vmlinuz": boot_image(release)}
        self.add(part, f"linux-binary-{release}", full, dict(image), f"linux-base-{release} (= {full})", pool)
        modules = {f"{folder}/modules.order": b"", f"{folder}/modules.builtin": b""}
        self.add(part, f"linux-modules-{release}", full, dict(modules), f"linux-base-{release} (= {full})", pool)
        self.add(
            part,
            f"linux-headers-{release}",
            full,
            {
                f"{folder}/build": Path(f"/{here}"),
                f"{folder}/source": Path(f"/{common}"),
                f"{here}/Makefile": f"KBUILD_OUTPUT=/{here}\ninclude /{common}/Makefile\n".encode(),
                f"{here}/.config": b"CONFIG_NET=y\n",
                f"{here}/.kernelvariables": b"CC = gcc-99\n",
                f"{here}/Module.symvers": b"",
                f"{here}/scripts": Path(f"../../lib/linux-kbuild-{abi}/scripts"),
                f"{here}/tools": Path(f"../../lib/linux-kbuild-{abi}/tools"),
            },
            f"gcc-99, linux-base (>= 4.12~), linux-base-{release} (= {full}), linux-headers-{abi}-common (= {full}), "
            f"linux-kbuild-{abi}",
            pool,
        )
        self.add(part, f"linux-headers-{abi}-common", full, {f"{common}/Makefile": NEWER_MAKEFILE}, "", pool)
        self.add(
            part,
            f"linux-kbuild-{abi}",
            full,
            {
                f"{kbuild}/scripts/basic/fixdep": b"#!/bin/sh\nexit 1\n",
                f"{kbuild}/scripts/mod/modpost": b"#!/bin/sh\n",
                f"{kbuild}/scripts/mod/modpost.real-lsb-64": TOO_NEW,
                f"{kbuild}/scripts/mod/modpost.real-msb-64": TOO_NEW,
                f"{kbuild}/tools/objtool/objtool": b"#!/bin/sh\nexit 129\n",
                f"{kbuild}/tools/objtool/objtool.real-x86": TOO_NEW,
            },
            "libc6",
            pool,
        )
        self.add_source(part, version, full, pool)

    def add_source(self, part: str, version: str, full: str, pool: str) -> None:
        """The source package, with the makefiles of two programs in it."""
        series = version.rpartition(".")[0]
        files = {
            "scripts/mod/modpost.sh": b"#!/bin/sh\n",
            "tools/objtool/Makefile": OBJTOOL_MAKEFILE,
            "MAINTAINERS": b"",
        }
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:xz") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(f"linux-source-{series}/{name}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        inside: dict[str, bytes | Path] = {f"usr/src/linux-source-{series}.tar.xz": packed.getvalue()}
        self.add(part, f"linux-source-{series}", full, inside, "binutils", pool)


# What a program says that is linked against a newer C library
TOO_NEW = b'#!/bin/sh\necho "$0: /lib/libc.so.6: version \\`GLIBC_2.99\' not found (required by $0)" >&2\nexit 1\n'
# Kbuild, as far as the rebuilt programs and the question for a compiler need it
NEWER_MAKEFILE = b"""\
modules:
\t@echo from the store, in $(KBUILD_OUTPUT)
empty.s:
\t@true
%/: FORCE
\tcp $(M)/modpost.sh $(M)/modpost && chmod +x $(M)/modpost
FORCE:
"""
OBJTOOL_MAKEFILE = b"objtool:\n\tprintf '#!/bin/sh\\nexit 129\\n' >objtool; chmod +x objtool\n"


def newer_common(abi: str) -> str:
    return f"usr/src/linux-headers-{abi}-common"


def gpg(home: Path, *args: str) -> None:
    subprocess.run(["gpg", "--batch", "--quiet", "--homedir", home, *args], check=True, capture_output=True)


def new_key(home: Path) -> None:
    home.mkdir(mode=0o700)
    gpg(home, "--passphrase", "", "--quick-generate-key", "Nobody <nobody@example.org>", "rsa2048", "sign", "never")


def build(top: Path) -> FakeArchive:
    """Make the archive below ``top``. Its gpg agent lives on: see :func:`made`."""
    archive = FakeArchive(top, top / "k", top / "keyring.gpg", top / "sources.list")
    new_key(archive.keys)
    gpg(archive.keys, "-o", str(archive.keyring), "--export")
    archive.add_kernel("debian", "6.12.1")
    archive.add("debian", f"linux-image-6.12-{ARCH}", "6.12.1-1~deb12u1", {}, f"linux-image-{release_of('6.12.1')}")
    archive.add("debian", f"linux-headers-6.12-{ARCH}", "6.12.1-1~deb12u1", {}, f"linux-headers-{release_of('6.12.1')}")
    archive.add_kernel("debian-security", "6.12.2")
    archive.add_kernel("debian-security", "6.12.3", headers=False)
    archive.add_newer_kernel("debian", "7.3.4", "backports")
    archive.index("debian", "bookworm")
    archive.index("debian", "trixie-backports", "backports")
    archive.index("debian-security", "bookworm-security")
    archive.sources.write_text(f"deb [signed-by={archive.keyring}] file:{top}/debian bookworm main\n")
    (top / "host.conf").write_text(
        f'Dir::Etc::sourcelist "{archive.sources}";\nDir::Etc::sourceparts "/dev/null";\n'
        f'Dir::State::lists "{top}/no-lists";\nAcquire::Retries "0";\n'
    )
    return archive


def made() -> Iterator[FakeArchive]:
    """The archive for a fixture; it goes, and gpg's agents with it, when the fixture is done."""
    top = Path(tempfile.mkdtemp(prefix="ppa"))  # short: an agent has its socket below it
    try:
        yield build(top)
    finally:
        for home in top.glob("k*"):
            if home.is_dir():
                subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(top)
