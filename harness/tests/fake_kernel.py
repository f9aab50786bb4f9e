# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of a few lines that answers the make targets of a real one, and a git repository of it.

make is real, and so are what it finds out about times. A line ``#error`` in a file is a compile error, ``#sleep`` makes
its compilation take a minute.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

MAKEFILE = r"""
export srctree := $(CURDIR)
release = 7.9.0$(shell sed -n 's/^CONFIG_LOCALVERSION="\(.*\)"/\1/p' $(O)/.config)
objects := $(patsubst %.c,$(O)/%.o,$(wildcard kernel/*.c))

bzImage modules: $(O)/arch/x86/boot/bzImage ;

$(O)/arch/x86/boot/bzImage: $(objects) $(O)/.config
	@if [ -e .config ]; then echo '*** The source tree is not clean, please run make mrproper' >&2; exit 1; fi
	@mkdir -p $(@D) $(O)/include/config
	@echo $(release) >$(O)/include/config/kernel.release
	@touch $(O)/vmlinux $(O)/System.map $(O)/Module.symvers
	@cat $^ >$@

$(O)/kernel/%.o: kernel/%.c
	@mkdir -p $(@D)
	@echo '  CC      kernel/$*.o'
	@if grep -q '^#error' $<; then echo '$<:1:2: error: #error' >&2; exit 1; fi
	@if grep -q '^#sleep' $<; then sleep 60; fi
	@echo 'savedcmd_kernel/$*.o := gcc -c -o kernel/$*.o $<' >$(@D)/.$*.o.cmd
	@cp $< $@

allnoconfig:
	@awk 'NR == FNR { known["CONFIG_" $$2 ] = 1; next } known[substr($$0, 1, index($$0, "=") - 1)] && !/=n$$/' \
		Kconfig $(KCONFIG_ALLCONFIG) >$(O)/.config
	@[ -z "$(LLVM)" ] || echo CONFIG_CC_IS_CLANG=y >>$(O)/.config

modules_install:
	@mkdir -p $(INSTALL_MOD_PATH)/lib/modules/$(release)
	@ln -s $(O) $(INSTALL_MOD_PATH)/lib/modules/$(release)/build

run-command:
	@cd $(O) && $(KBUILD_RUN_COMMAND)
"""
TREE = {
    "Makefile": MAKEFILE,
    "Kconfig": "".join(f"config {name}\n" for name in ("LOCALVERSION", "NET", "KUNIT", "KASAN", "64BIT")),
    "scripts/kconfig/merge_config.sh": '#!/bin/sh\nshift 4\ncat "$@" >"$KCONFIG_CONFIG"\n',
    "scripts/package/install-extmod-build": '#!/bin/sh\nmkdir -p "$1" && cp "$srctree/Makefile" Module.symvers "$1"\n',
    "kernel/fork.c": "int fork;\n",
    "kernel/exit.c": "int exit;\n",
    ".gitignore": ".config\n*.o\n",
}


def write(top: Path, tree: dict[str, str] = TREE) -> Path:
    """The files of ``tree`` below ``top``; scripts can be run."""
    for name, text in tree.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if name.startswith("scripts/"):
            path.chmod(0o755)
    return top


def repository(top: Path) -> Path:
    """A git repository at ``top`` with one commit, the tag v1."""
    write(top)
    git(top, "init", "--quiet", "--initial-branch=main", ".")
    commit(top, "one")
    git(top, "tag", "v1")
    return top


def commit(top: Path, message: str) -> None:
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "-m", message)


def git(top: Path, *args: str) -> str:
    name = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", "-C", top, *name, *args], check=True, capture_output=True, text=True).stdout.strip()


def tarball(name: str) -> bytes:
    """The kernel as the one file of a linux-source package."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as tar:
        for place, text in TREE.items():
            member = tarfile.TarInfo(f"{name}/{place}")
            member.size, member.mode, member.mtime = len(text), 0o755, 1_700_000_000
            tar.addfile(member, io.BytesIO(text.encode()))
    return data.getvalue()
