# SPDX-License-Identifier: GPL-2.0-only
"""Our modules as a series for the kernel's tree: what leads there, what is left out, and no question that stays."""

from __future__ import annotations

import re
from pathlib import Path

import fake_archive
import fake_series
import pytest
from engines import drain
from kernel_trees import with_parser
from ppiov import suites
from ppiov.errors import BuildFailed
from ppiov.series import inward, scratch, source
from ppiov.series.inward import Author
from ppiov.store import Store

AUTHOR = Author("Ada Author", "ada@example.org")
ALL = set(re.findall(r"call probe,(\w+)", (suites.find_source() / "kernel/compat/probes.mk").read_text()))
THEIRS = {"compat_ioctl", "compat_ptr_ioctl", "memremap_compat_align", "MSG_CMSG_COMPAT"}


def test_maintainers_gets_an_entry_where_the_alphabet_has_it() -> None:
    text = "Intro\n\nMaintainers List\n----\n\n3C59X\nM: x\n\nPOWER STATE\nM: y\n\nPPP OVER L2TP\nM: z\n\nQNX4\nM: q\n"
    made = inward.with_entry(text, AUTHOR)
    titles = [part.partition("\n")[0] for part in made.split("\n\n")]
    assert titles == ["Intro", "Maintainers List", "3C59X", "POWER STATE", "PPIOV AND PPNIC", "PPP OVER L2TP", "QNX4"]
    assert "F:\tdrivers/net/ppiov/\n\nPPP" in made
    assert inward.with_entry("Maintainers List\n\nABC\nM: x\n", AUTHOR).endswith("F:\tdrivers/net/ppiov/\n")


def unifdef() -> Path:
    """A kernel's source with the program that leaves one answer."""
    for tree in with_parser():
        if (tree / "scripts/unifdef.c").is_file():
            return tree
    pytest.skip("no kernel source at hand: KERNEL_TREE names one")


@pytest.mark.kernel_source
@pytest.mark.parametrize("features", [ALL, ALL - {"NET_IOV_SEND", "NET_SHAPER"}], ids=["all", "no-send"])
def test_no_question_about_the_kernel_is_left(features: set[str]) -> None:
    fake_archive.need("gcc")
    fake_archive.need("clang-format")
    files = inward.resolved(suites.find_source() / "kernel", features, ALL, unifdef())
    assert not [name for name in files if name.startswith("compat")]
    for name, text in files.items():
        assert not re.search(r"(?m)^#.*(HAVE_[A-Z]|PPIOV_PROBED)", text), name
        assert not re.search(r"KBUILD_EXTMOD|PPIOV_FEATURES|PPIOV_CAN_SEND|compat/|PPIOV_COMPAT", text), name
        # the kernel's own names stay, and nothing else of that name does
        assert set(re.findall(r"\w*(?i:compat)\w*", text)) <= THEIRS, name
    assert "Documentation/netlink/specs/ppiov.yaml */" in files["pool/nl_gen.c"]
    assert "/Documentation/netlink/specs/ppiov.yaml" in files
    sends = "NET_IOV_SEND" in features
    assert ("pool/tx.c" in files, "pool/tx_none.c" in files) == (sends, not sends)
    for makefile in (name for name in files if name.endswith("Makefile")):
        folder = makefile.rpartition("/")[0]
        for program in re.findall(r"(\w+)\.o\b", files[makefile]):
            module = program in ("ppiov", "ppnic", "ppiov_ivshmem", "ppiov_kunit")
            assert module or f"{folder}/{program}.c" in files, f"{makefile}: {program}.o"


@pytest.mark.kernel_source
def test_what_is_made_of_the_specification_is_as_the_tree_makes_it(tmp_path: Path) -> None:
    """Under the licence that the generator asks for; so ynl-regen.sh finds nothing to change."""
    fake_archive.need("gcc")
    fake_archive.need("clang-format")
    tree = unifdef()
    if not any((tree / name).is_file() for name in inward._GENERATORS):
        pytest.skip("that kernel has no generator")
    before = inward.resolved(suites.find_source() / "kernel", ALL, ALL, tree)
    after = inward.generated(before, tree)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        "/Documentation/netlink/specs/ppiov.yaml",
        *("pool/nl_gen.c", "pool/nl_gen.h", "include/uapi/ppiov_netlink.h"),
    }
    for name in changed:
        assert inward._LICENCE in after[name].splitlines()[0]
    for name in ("pool/nl_gen.c", "include/uapi/ppiov_netlink.h"):
        gone = set(before[name].splitlines()[1:]) - set(after[name].splitlines()[1:])
        assert not gone, "nothing but the licence is another"
    spec = "/Documentation/netlink/specs/ppiov.yaml"
    with pytest.raises(BuildFailed, match="does not make"):
        inward.generated({**before, spec: "name: [\n"}, tree)
    assert inward.generated(before, tmp_path) == before


def test_each_patch_brings_its_symbol_and_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_archive.need("git")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    top = fake_series.repository(tmp_path / "linux")
    (top / "drivers/net").mkdir(parents=True)
    (top / "drivers/net/Kconfig").write_text("menu\n\nendif # NETDEVICES\n")
    (top / "drivers/net/Makefile").write_text("obj-y += x.o\n")
    base = fake_series.commit(top, "net: drivers")
    repository = scratch.open_for(top, Store())
    content = {f"{folder}/{folder}.c": "int x;\n" for folder in ("include", "pool", "ivshmem", "nic", "kunit")}
    monkeypatch.setattr(inward, "ask", lambda *_: ALL)
    monkeypatch.setattr(inward, "resolved", lambda *_: content)
    monkeypatch.setattr(inward, "_author", lambda _: AUTHOR)

    class Builder:
        def build(self, *_: object) -> list[object]:
            return []

    _, series = drain(inward.make(suites.find_source(), repository, base, Builder()))  # type: ignore[arg-type]
    assert [patch.subject.partition(":")[0] for patch in series.patches] == ["net"] * 4
    assert all(patch.trailers("Signed-off-by") == [str(AUTHOR)] for patch in series.patches)
    last = series.patches[-1].commit
    makefile = (repository.blob(last, "drivers/net/ppiov/Makefile") or b"").decode()
    assert re.findall(r"obj-\$\(CONFIG_(\w+)\) \+= (\w+)/", makefile) == [
        ("PPIOV", "pool"),
        ("PPIOV_IVSHMEM", "ivshmem"),
        ("PPNIC", "nic"),
        ("PPIOV_KUNIT", "kunit"),
    ]
    kconfig = (repository.blob(last, "drivers/net/ppiov/Kconfig") or b"").decode()
    assert re.findall(r"(?m)^config (\w+)", kconfig) == ["PPIOV", "PPIOV_IVSHMEM", "PPNIC", "PPIOV_KUNIT"]
    assert (repository.blob(last, "drivers/net/Kconfig") or b"").endswith(
        b'source "drivers/net/ppiov/Kconfig"\n\nendif # NETDEVICES\n'
    )
    assert "nic/nic.c" not in " ".join(t.path for t in series.patches[0].touched)
    again = drain(inward.make(suites.find_source(), repository, base, Builder()))[1]  # type: ignore[arg-type]
    assert [patch.commit for patch in again.patches] == [patch.commit for patch in series.patches]
    assert source.head(repository) == base
