# SPDX-License-Identifier: GPL-2.0-only
"""This project's own modules as a series for the kernel's tree: drivers/net/ppiov, with Kconfig and MAINTAINERS.

Out of the tree compat/ asks the kernel at hand what it offers, and spells each call for it. In the tree there is one
kernel: the questions are asked once, here, and the kernel's own unifdef leaves the one answer. What remains of compat/,
helpers without a condition in them, is put where it is called (unfold.py).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from ppiov import child
from ppiov.errors import BuildFailed
from ppiov.events import Event, Note, StageBegun, StageEnded
from ppiov.make import MAKE_ENV
from ppiov.series import source
from ppiov.series.builder import Builder
from ppiov.series.patch import Cover, Series
from ppiov.series.scratch import Scratch, run_git
from ppiov.series.unfold import unfolded

_PLACE = PurePosixPath("drivers/net/ppiov")
_SPECS = "Documentation/netlink/specs"
_LICENCE = "((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)"  # the one that a specification in the tree has
_GENERATORS = ("tools/net/ynl/pyynl/ynl_gen_c.py", "tools/net/ynl/ynl-gen-c.py")
_YNL = re.compile(r"/\* YNL-GEN (?P<mode>kernel|uapi) (?P<kind>header|source) \*/")
_PROBE = re.compile(r"\$\(call probe,(\w+),")
_EXTMOD = re.compile(r"\$\(if \$\(KBUILD_EXTMOD\),(?:m|\$\(if [^()]*\$?\(?\w*\)?,m\)),(\$\(CONFIG_\w+\))\)")
_WHERE_THERE = re.compile(r"\$\(if \$\(filter -DHAVE_(\w+),\$\(PPIOV_FEATURES\)\),(\S+)\)")
_SEND = frozenset({"NET_IOV_SEND", "SK_VALIDATE_XMIT"})  # what sending from a dma-buf needs (compat/probes.mk)
_SELECTS = {"PPIOV": ("SOCK_VALIDATE_XMIT",), "PPNIC": ("NET_SHAPER",)}  # probes see them in a kernel that has them
_SUBJECT = "net: ppiov: page_pool_iov and a software NIC"
# Patch by patch: its folders, its symbol, its subject, and why.
_PATCHES = (
    (
        ("include", "", "pool"),  # "": what has a place elsewhere in the tree
        "PPIOV",
        "net: ppiov: pools of receive buffers with pluggable memory providers",
        "A netmem that is a page or a page_pool_iov, pools that a memory provider\nfeeds, bindings by netlink, and an "
        "upper-layer protocol of TCP that hands\nthe payload to user space.",
    ),
    (
        ("ivshmem",),
        "PPIOV_IVSHMEM",
        "net: ppiov: export the BAR of QEMU's ivshmem as a dma-buf",
        "Device memory for tests in a VM: no struct page, no mapping for the CPU,\nand a host that sees what has "
        "landed in it.",
    ),
    (
        ("nic",),
        "PPNIC",
        "net: ppnic: a software NIC with header split and memory providers",
        "A pair of linked ports with real rings, a page_pool per queue, header\nsplit and queue restart, so that "
        "device-memory TCP is tested without\nhardware.",
    ),
    (
        ("kunit",),
        "PPIOV_KUNIT",
        "net: ppiov: unit tests",
        "For the pool, its providers and the way to a socket.",
    ),
)


@dataclass(frozen=True, slots=True)
class Author:
    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>"


def make(project: Path, scratch: Scratch, base: str, builder: Builder) -> Generator[Event, None, Series]:
    """The series on top of ``base``. Raises BuildFailed where the tree cannot be asked, and what builds raise."""
    yield from builder.build(base, ["lib/ctype.o"])  # so that there is a prepared tree to ask
    yield StageBegun("self", "ask the kernel what compat/ would ask it")
    features = ask(project / "kernel", scratch.source, builder)
    asked = set(_PROBE.findall((project / "kernel/compat/probes.mk").read_text()))
    yield StageEnded("self", note=f"{len(features)} of {len(asked)}")
    for name in sorted(asked - features):
        yield Note(f"this tree has no {name}")
    files = generated(resolved(project / "kernel", features, asked, scratch.source), scratch.source)
    author = _author(project)
    at, commits = base, []
    for folders, symbol, subject, why in _PATCHES:
        content = {name: text for name, text in files.items() if name.split("/")[0] in folders}
        content |= _tree_files(scratch, at, project, symbol, author, first=at == base)
        at = commit(scratch, at, content, f"{subject}\n\n{why}\n\nSigned-off-by: {author}\n", author)
        commits.append(at)
    patches = yield from source.as_patches(scratch, commits)
    return Series("self", base, patches, Cover(_SUBJECT, ""), prefix=("net-next",))


def ask(kernel: Path, tree: Path, builder: Builder) -> set[str]:
    """The features that compat/'s own probes find in the prepared tree. Raises BuildFailed."""
    with TemporaryDirectory(prefix="ppiov-self-") as folder:
        shutil.copytree(kernel / "compat", Path(folder) / "compat")
        (Path(folder) / "Kbuild").write_text("include $(src)/compat/Kbuild.probes\n$(info FOUND $(PPIOV_FEATURES))\n")
        command: list[str | Path] = [
            "make",
            "-C",
            tree,
            f"O={builder.output}",
            *builder.tools.flags,
            f"ARCH={builder.flavour.arch}",
        ]
        code, out, err = child.output([*command, f"M={folder}", "KBUILD_MODPOST_WARN=1", "modules"], env=MAKE_ENV)
    found = [line for line in out.splitlines() if line.startswith("FOUND ")]
    if not found:
        said = (err.strip().splitlines() or [f"make ended with {code}"])[0]
        raise BuildFailed(f"the tree cannot be asked what it offers: {said}")
    return set(re.findall(r"-DHAVE_(\w+)", found[0]))


def resolved(kernel: Path, features: set[str], asked: set[str], tree: Path) -> dict[str, str]:
    """Every file as it is in the tree: path below drivers/net/ppiov -> text."""
    can_send = features >= _SEND
    files: dict[str, str] = {}
    with TemporaryDirectory(prefix="ppiov-self-") as folder:
        unifdef = Path(folder) / "unifdef"
        code, _, err = child.output(["gcc", "-O1", "-w", "-o", unifdef, tree / "scripts/unifdef.c"])
        if code:
            raise BuildFailed(f"the tree's unifdef does not compile: {(err.strip().splitlines() or ['no reason'])[0]}")
        flags = {"PPIOV_PROBED": True} | {f"HAVE_{name}": name in features for name in asked}
        flags |= {name: defined(name, tree) for name in _macros(kernel / "compat")}
        for path in _sources(kernel, can_send):
            text = path.read_text()
            if path.suffix in (".c", ".h"):
                text = _answered(unifdef, text, flags)
            name = str(path.relative_to(kernel)).replace("netlink/", f"/{_SPECS}/")
            files[name.replace("Kbuild", "Makefile")] = _makefile(text, features, can_send)
    plain = unfolded(files, kernel.parent)
    if re.search(r"MODULE_IMPORT_NS\(ns\)\s+MODULE_INFO\(import_ns, ns\)", _read(tree / "include/linux/module.h")):
        plain = {name: text.replace("MODULE_INFO(import_ns, ", "MODULE_IMPORT_NS(") for name, text in plain.items()}
    return plain


def generated(files: Mapping[str, str], tree: Path) -> dict[str, str]:
    """The files, what is made of the netlink specification made anew by the tree's own generator. Raises BuildFailed.

    It takes a specification under one licence only, puts that into what it makes, and says there how to call it.
    """
    generator = next((tree / name for name in _GENERATORS if (tree / name).is_file()), None)
    spec = next((name for name in files if name.startswith(f"/{_SPECS}/")), None)
    if generator is None or spec is None:
        return dict(files)
    made = {
        **files,
        spec: re.sub(r"\A# SPDX-License-Identifier: .*", f"# SPDX-License-Identifier: {_LICENCE}", files[spec]),
    }
    with TemporaryDirectory(prefix="ppiov-self-") as folder:
        stage = Path(folder)
        (stage / "MAINTAINERS").touch()  # by which the generator knows the top of a tree
        (stage / spec[1:]).parent.mkdir(parents=True)
        (stage / spec[1:]).write_text(made[spec])
        for schema in (tree / _SPECS).parent.glob("*.yaml"):
            shutil.copy(schema, stage / _SPECS / "..")
        for name, text in files.items():
            if (match := _YNL.search(text[:400])) is None:
                continue
            place = stage / name
            place.parent.mkdir(parents=True, exist_ok=True)
            words = ("--spec", stage / spec[1:], "--mode", match["mode"], f"--{match['kind']}", "-o", place)
            code, out, err = child.output([sys.executable, generator, *words], env={"PYTHONDONTWRITEBYTECODE": "1"})
            if code or not place.is_file():
                why = ((err or out).strip().splitlines() or ["it says nothing"])[-1]
                raise BuildFailed(f"the tree's generator does not make {name} of the netlink specification: {why}")
            made[name] = place.read_text()
    return made


def _answered(unifdef: Path, text: str, flags: Mapping[str, bool]) -> str:
    """The text without the conditions that ``flags`` answer, nor those whose answer it then gives itself."""
    text = _without(unifdef, text, flags)
    own = set(re.findall(r"(?m)^#define (HAVE_\w+)$", text))
    if not own:
        return text
    text = re.sub(r"(?m)^#define HAVE_\w+\n", "", text)
    return _without(unifdef, text, {name: name in own for name in re.findall(r"\bHAVE_\w+", text)})


def _without(unifdef: Path, text: str, flags: Mapping[str, bool]) -> str:
    command: list[str | Path] = [
        unifdef,
        "-B",
        *(f"-{'D' if there else 'U'}{name}" for name, there in sorted(flags.items())),
    ]
    with child.child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        out, _ = process.communicate(text.encode())
    if process.returncode not in (0, 1):  # 1: something was left out
        raise BuildFailed(f"the tree's unifdef ended with {process.returncode}")
    return out.decode()


def _macros(compat: Path) -> set[str]:
    """The kernel's macros that compat/ asks for by their names, without a probe."""
    found: set[str] = set()
    for path in compat.glob("*.h"):
        found |= set(re.findall(r"(?m)^#ifn?def (\w+)$", path.read_text()))
    return {name for name in found if not name.startswith(("HAVE_", "CONFIG_", "PPIOV_"))}


def defined(macro: str, tree: Path) -> bool:
    """Whether a header of the tree defines ``macro``."""
    command: list[str | Path] = ["grep", "-rqwE", f"#[[:space:]]*define[[:space:]]+{macro}", tree / "include"]
    return child.output(command)[0] == 0


def _sources(kernel: Path, can_send: bool) -> Iterator[Path]:
    left_out = ("pool/tx_none.c",) if can_send else ("pool/tx.c", "pool/tcp_send.c", "kunit/tx_test.c")
    for folder in ("include", "compat", "netlink", "pool", "ivshmem", "nic", "kunit"):
        for path in sorted((kernel / folder).rglob("*")):
            wanted = path.suffix in (".c", ".h", ".yaml") or path.name == "Kbuild"
            if wanted and str(path.relative_to(kernel)) not in left_out:
                yield path


def _makefile(text: str, features: set[str], can_send: bool) -> str:
    """Makefiles lose the questions."""
    text = _EXTMOD.sub(r"\1", text)
    text = _WHERE_THERE.sub(lambda match: match[2] if match[1] in features else "", text)
    other = r"\$\(if \$\(PPIOV_CAN_SEND\),,y\)" if can_send else r"\$\(PPIOV_CAN_SEND\)"
    text = re.sub(rf"(?m)^\w+-{other} .*\n", "", text)
    text = text.replace("$(if $(PPIOV_CAN_SEND),,y)", "y").replace("$(PPIOV_CAN_SEND)", "y")
    text = re.sub(r"(?m)^# Out of the tree .*\n", "", text)
    return text.replace("kernel/netlink/", f"{_SPECS}/")


def _tree_files(
    scratch: Scratch, at: str, project: Path, symbol: str, author: Author, *, first: bool
) -> dict[str, str]:
    """Kconfig and Makefile with one more symbol and folder; with the first patch, what leads there."""
    block = _kconfig_block((project / "kernel/Kconfig").read_text(), symbol)
    before = {name: scratch.blob(at, f"{_PLACE}/{name}") for name in ("Kconfig", "Makefile")}
    head = "# SPDX-License-Identifier: GPL-2.0-only\n"
    folder = {"PPIOV": "pool", "PPIOV_IVSHMEM": "ivshmem", "PPNIC": "nic", "PPIOV_KUNIT": "kunit"}[symbol]
    old = {name: (text or head.encode()).decode() for name, text in before.items()}
    files = {
        "Kconfig": f"{old['Kconfig']}{'' if first else chr(10)}{block}",
        "Makefile": f"{old['Makefile']}obj-$(CONFIG_{symbol}) += {folder}/\n",
    }
    if not first:
        return files
    menu = _text(scratch, at, "drivers/net/Kconfig")
    end = menu.rindex("endif # NETDEVICES")
    maintainers = _text(scratch, at, "MAINTAINERS")
    return files | {
        "/drivers/net/Kconfig": f'{menu[:end]}source "drivers/net/ppiov/Kconfig"\n\n{menu[end:]}',
        "/drivers/net/Makefile": _text(scratch, at, "drivers/net/Makefile") + "obj-y += ppiov/\n",
        "/MAINTAINERS": with_entry(maintainers, author),
    }


def _kconfig_block(text: str, symbol: str) -> str:
    """The block of one symbol, with what it has to select in the tree."""
    blocks = re.split(r"(?m)^(?=config )", text)
    block = next(block for block in blocks if block.startswith(f"config {symbol}\n")).rstrip() + "\n"
    selects = "".join(f"\tselect {name}\n" for name in _SELECTS.get(symbol, ()))
    return block.replace("\thelp\n", f"{selects}\thelp\n", 1)


def with_entry(text: str, author: Author) -> str:
    """MAINTAINERS with an entry, where the alphabet has it."""
    title = "PPIOV AND PPNIC"
    lines = [
        title,
        f"M:\t{author}",
        "L:\tnetdev@vger.kernel.org",
        "S:\tMaintained",
        f"F:\t{_SPECS}/ppiov.yaml",
        f"F:\t{_PLACE}/",
    ]
    entry = "\n".join(lines)
    paragraphs = text.split("\n\n")
    listed = max((n for n, part in enumerate(paragraphs) if part.startswith("Maintainers List")), default=-1)
    for number in range(listed + 1, len(paragraphs)):
        first = paragraphs[number].lstrip("\n").partition("\n")[0]
        if re.match(r"[A-Z]:", first) is None and first.upper() == first and first > title and first[:1].isalpha():
            return "\n\n".join([*paragraphs[:number], entry, *paragraphs[number:]])
    return "\n\n".join([text.rstrip("\n"), entry]) + "\n"


def commit(scratch: Scratch, onto: str, files: Mapping[str, str], message: str, author: Author) -> str:
    """A commit on ``onto`` with ``files`` added or changed; a name that begins with / is one of the whole tree."""
    index = scratch.folder / "self.index"
    index.unlink(missing_ok=True)
    env = {"GIT_INDEX_FILE": str(index)}
    run_git(scratch.source, "read-tree", onto, env=env)
    for name, text in files.items():
        place = name.removeprefix("/") if name.startswith("/") else str(_PLACE / name)
        blob = scratch.git("hash-object", "-w", "--stdin", stdin=text.encode()).decode().strip()
        run_git(scratch.source, "update-index", "--add", "--cacheinfo", f"100644,{blob},{place}", env=env)
    tree = run_git(scratch.source, "write-tree", env=env).decode().strip()
    index.unlink()
    when = scratch.text("show", "-s", "--format=%cI", onto).strip()
    who = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", author.name), ("EMAIL", author.address), ("DATE", when))
    }
    return run_git(scratch.source, "commit-tree", tree, "-p", onto, stdin=message.encode(), env=who).decode().strip()


def _author(project: Path) -> Author:
    """Whom git knows in this project."""
    found = []
    for key, fallback in (("user.name", "ppiov"), ("user.email", "ppiov@localhost")):
        with child.child(["git", "-C", project, "config", key], stdout=subprocess.PIPE) as process:
            out, _ = process.communicate()
        found.append(out.decode(errors="replace").strip() or fallback)
    return Author(*found)


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _text(scratch: Scratch, commit: str, path: str) -> str:
    return os.fsdecode(scratch.blob(commit, path) or b"")
