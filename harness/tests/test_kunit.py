# SPDX-License-Identifier: GPL-2.0-only
"""Which KUnit suites there are, from object files that look like a kernel's."""

from __future__ import annotations

import gzip
import lzma
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ppiov import kunit
from ppiov.errors import BadRequest, UnfitKernel
from ppiov.kernels import KernelTree

# include/kunit/test.h, as far as it is looked at; 7.3's cases have two pointers more than 6.12's.
HEAD = """
struct test; struct suite;
struct kcase { void (*run)(struct test *); const char *name; const void *(*params)(const void *, char *); int speed;
%s int status; char *module; void *log; };
struct suite { const char name[256]; int (*a)(struct suite *); void (*b)(struct suite *); int (*init)(struct test *);
  void (*exit)(struct test *); struct kcase *cases; int speed; char comment[256]; void *debugfs; };
static void run(struct test *t) { }
static const void *params(const void *p, char *d) { return 0; }
static int init(struct test *t) { return 0; }
"""
MORE = {"6.12": "", "7.3": "int (*param_init)(struct test *); void (*param_exit)(struct test *);"}


def source(version: str, suites: dict[str, list[str]]) -> str:
    lines = [HEAD % MORE[version]]
    for number, (name, cases) in enumerate(suites.items()):
        rows = "".join(
            f'{{ .run = run, .name = "{case}", .module = "m"{", .params = params" if n % 2 else ""} }},'
            for n, case in enumerate(cases)
        )
        lines.append(f"static struct kcase cases_{number}[] = {{ {rows} {{0}} }};")
        lines.append(
            f'static struct suite suite_{number} = {{ .name = "{name}", .init = init, .cases = cases_{number} }};'
        )
    listed = ", ".join(f"&suite_{number}" for number in range(len(suites)))
    lines.append(f'static struct suite *table[] __attribute__((used, section(".kunit_test_suites"))) = {{ {listed} }};')
    return "\n".join(lines)


def compiled(folder: Path, text: str) -> Path:
    done = subprocess.run(
        ["gcc", "-x", "c", "-O2", "-mcmodel=kernel", "-fno-pic", "-c", "-o", folder / "m.ko", "-"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "m.ko"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    version=st.sampled_from(list(MORE)),
    suites=st.dictionaries(
        st.from_regex(r"[a-z][a-z_0-9-]{0,30}", fullmatch=True),
        st.lists(st.from_regex(r"[a-z]\w{0,20}", fullmatch=True).filter(str.isascii), max_size=5, unique=True),
        min_size=1,
        max_size=4,
    ),
)
def test_names_of_suites_and_cases(tmp_path: Path, version: str, suites: dict[str, list[str]]) -> None:
    path = compiled(tmp_path, source(version, suites))
    found = kunit.in_module(path)
    # KUnit does not know a suite whose cases are all configured away
    assert [suite.name for suite in found] == [name for name, cases in suites.items() if cases]
    for suite in found:
        assert list(suite.cases) == suites[suite.name]
        assert suite.module == str(path)


def test_cases_that_are_marked_as_data_for_init_code(tmp_path: Path) -> None:
    """__refdata, as lib/tests/checksum_kunit.c has it."""
    text = source("7.3", {"checksum": ["a", "b"]})
    marked = text.replace("cases_0[] =", 'cases_0[] __attribute__((section(".ref.data"))) =')
    assert marked != text
    (suite,) = kunit.in_module(compiled(tmp_path, marked))
    assert suite.cases == ("a", "b")


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".xz", lzma.compress), (".gz", gzip.compress), (".zst", zstandard.compress)],
)
def test_modules_that_a_distribution_has_compressed(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    modules = tmp_path / "lib/modules/7.3/kernel/lib"
    modules.mkdir(parents=True)
    built = compiled(tmp_path, source("7.3", {"one": ["a", "b"]}))
    (modules / f"m.ko{suffix}").write_bytes(compress(built.read_bytes()))
    kernel = KernelTree("image:x", "7.3", "7.3", tmp_path, tmp_path, None, None, None, "", "")
    assert [(suite.name, suite.cases) for suite in kunit.in_kernel(kernel)] == [("one", ("a", "b"))]


def test_a_module_without_suites_and_a_file_that_is_none(tmp_path: Path) -> None:
    assert kunit.in_module(compiled(tmp_path, "int x;")) == []
    (tmp_path / "n.ko").write_bytes(b"no module, but it says .kunit_test_suites")
    with pytest.raises(UnfitKernel, match=r"n\.ko cannot be read"):
        kunit.in_module(tmp_path / "n.ko")


def tree(folder: Path, config: str) -> KernelTree:
    (folder / "config").write_text(config)
    (folder / "lib/modules/6.12/kernel").mkdir(parents=True)
    return KernelTree("deb:6.12", "6.12", "6.12", folder, folder, None, folder / "config", None, "", "")


def test_a_kernel_without_kunit_is_refused_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(UnfitKernel, match=r"CONFIG_KUNIT is off\): take src:7\.3\+kunit"):
        kunit.check(tree(tmp_path, "# CONFIG_KUNIT is not set\n"))


@pytest.mark.parametrize("how", ["y", "m"])
def test_a_kernel_with_kunit(tmp_path: Path, how: str) -> None:
    kunit.check(tree(tmp_path, f"CONFIG_KUNIT={how}\n"))


def test_ours_or_what_the_filter_says(tmp_path: Path) -> None:
    kernel = tree(tmp_path, "CONFIG_KUNIT=y\n")
    modules = tmp_path / "modules"
    modules.mkdir()
    with pytest.raises(UnfitKernel, match=r"ppiov_kunit\.ko was not built"):
        kunit.find(kernel, modules)
    compiled(tmp_path, source("6.12", {"ppiov_pool": ["a", "b"]})).rename(modules / kunit.MODULE)
    compiled(tmp_path, source("6.12", {"net_core": ["c", "d"]})).rename(
        tmp_path / "lib/modules/6.12/kernel/net_test.ko"
    )
    assert [suite.name for suite in kunit.find(kernel, modules)] == ["ppiov_pool"]
    assert [suite.name for suite in kunit.find(kernel, modules, "net_*")] == ["net_core"]
    assert [suite.name for suite in kunit.find(kernel, modules, "*")] == ["ppiov_pool", "net_core"]
    with pytest.raises(BadRequest, match="there are: net_core, ppiov_pool"):
        kunit.find(kernel, modules, "mptcp*")
