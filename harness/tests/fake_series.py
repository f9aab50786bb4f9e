# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of a few files that can be checked and compiled, and series on top of it with one defect each.

git, make, gcc, perl and the linters are real; checkpatch.pl, get_maintainer.pl and kernel-doc are a few lines that
complain about what the tests plant.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import fake_kernel
from ppiov.toolchain import Toolchain

AUTHOR = "Ada Author <ada@example.org>"
MAKEFILE = r"""
MAKEFLAGS += -rR
CFLAGS := -Wall -Wno-unused-function -Iinclude -m64
W := 0

all: $(patsubst %.c,$(O)/%.o,$(wildcard net/core/*.c)) ;

allmodconfig allnoconfig:
	@mkdir -p $(O) && cp $(KCONFIG_ALLCONFIG) $(O)/.config

olddefconfig:
	@test -s $(O)/.config

net/%.o: $(O)/net/%.o ;

$(O)/net/%.o: net/%.c $(wildcard include/net/*.h)
	@mkdir -p $(@D)
	@echo '  CC      net/$*.o'
	@gcc $(CFLAGS) $(if $(filter 1,$(W)),-Wextra) -c -o $@ $<
"""
CHECKPATCH = r"""
use strict;
my ($bad, $file) = (0, "-");
while (<STDIN>) {
	if (/^\+.*PLANTED_ERROR/) { print "-:$.: ERROR:PLANTED: an error was planted\n"; $bad = 1; }
	$file = $1 if (m{^\+\+\+ b/(.*)});
	if (/^\+.*LONG_(\w+)/) { print "$file:$.: WARNING:LONG_LINE: line length of 99 exceeds 80 columns\n"; $bad = 1; }
	if (/^\+.*TYPO_/) { print "$file:$.: WARNING:TYPO_SPELLING: 'tyop' may be misspelled\n"; $bad = 1; }
	if (/^new file mode/) { print "-:$.: WARNING:FILE_PATH_CHANGES: does MAINTAINERS need updating?\n"; $bad = 1; }
	if (/^\+.*PLANTED_CHECK/) { print "-:$.: CHECK:PLANTED: a check was planted\n"; $bad = 1; }
}
exit $bad;
"""
KERNEL_DOC = r"""#!/usr/bin/env python3
import sys
for name in sys.argv[1:]:
    if not name.startswith("-"):
        for number, line in enumerate(open(name), 1):
            if "UNDOCUMENTED" in line:
                print(f"Warning: {name}:{number} parameter {line.split()[-1]!r} not described", file=sys.stderr)
"""
TREE = {
    "Makefile": MAKEFILE,
    "Kconfig": "config NET\n",
    "MAINTAINERS": "NET\nM:\tMax Maintainer <max@example.org>\nF:\tnet/\nF:\ttools/testing/*\n\nREST\nF:\t*\nF:\t*/\n",
    "scripts/checkpatch.pl": CHECKPATCH,
    "scripts/get_maintainer.pl": 'print "Max Maintainer <max\\@example.org>\\nnetdev\\@example.org\\n";\n',
    "scripts/kernel-doc": KERNEL_DOC,
    "include/net/foo.h": "#ifndef FOO_H\n#define FOO_H\nint foo(int one);\n#endif\n",
    "net/core/foo.c": (
        "#include <net/foo.h>\n\nint foo(int one)\n{\n\tint old_unused;\n\n\treturn one;\n}\n"
        "\nint bar(void)\n{\n\treturn 1;\n}\n"
    ),
    "net/core/user.c": "#include <net/foo.h>\n\nint user(void)\n{\n\treturn foo(1);\n}\n",
    "net/core/other.c": "int other(void)\n{\n\treturn 3;\n}\n",
    "tools/testing/selftests/net/Makefile": "TEST_PROGS := old.sh\n",
    "tools/testing/selftests/net/old.sh": "#!/bin/sh\necho ok\n",
}
TOOLS = {llvm: Toolchain("gcc", "gcc 12.2.0", (), ()) for llvm in (False, True)}
SIGNED = f"Say why.\n\nSigned-off-by: {AUTHOR}"


def repository(top: Path) -> Path:
    """A repository with one commit, the tag v1."""
    fake_kernel.write(top, TREE)
    git(top, "init", "--quiet", "--initial-branch=main", ".")
    commit(top, "net: begin", SIGNED)
    git(top, "tag", "v1")
    return top


def commit(top: Path, subject: str, body: str = SIGNED) -> str:
    """Commit all; the id."""
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--allow-empty", "-m", subject, "-m", body)
    return git(top, "rev-parse", "HEAD").strip()


def git(top: Path, *args: str) -> str:
    name, _, address = AUTHOR[:-1].partition(" <")
    who = ("-c", f"user.name={name}", "-c", f"user.email={address}", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", "-C", top, *who, *args], check=True, capture_output=True, text=True).stdout


def edit(top: Path, name: str, old: str, new: str) -> None:
    path = top / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def clean_series(top: Path) -> None:
    """Three patches with nothing to say against them."""
    edit(top, "net/core/foo.c", "return 1;", "return 2;")
    commit(top, "net: foo: return two")
    edit(top, "net/core/other.c", "return 3;", "return 4;")
    commit(top, "net: other: return four")
    edit(top, "include/net/foo.h", "int foo(int one);", "int foo(int one);\nint bar(void);")
    commit(top, "net: foo: declare bar()")


def mails(top: Path, range_: str, *options: str) -> str:
    """The range as an mbox."""
    return git(top, "format-patch", "--stdout", "--subject-prefix=PATCH net-next", *options, range_)
