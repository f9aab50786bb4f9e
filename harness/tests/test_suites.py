# SPDX-License-Identifier: GPL-2.0-only
"""Suites: what exists is found in order, what does not is refused with the nearest names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ppiov import suites
from ppiov.errors import BadRequest, UnknownName

TESTS = '''
import pytest

def test_bind():
    """Binding works.

    More."""

@pytest.mark.timeout_s(7)
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_rebind(family):
    """Again."""

class TestFlows:
    def test_eight(self): ...
'''


@pytest.fixture(scope="module")
def selftests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    (root / "kernel").mkdir()
    for folder in ("traffic", "nic", "planted", "upstream"):
        (root / "selftests" / folder).mkdir(parents=True)
    (root / "selftests/traffic/test_bind.py").write_text(TESTS)
    (root / "selftests/nic/test_rings.py").write_text("def test_rings(): ...\n")
    (root / "selftests/planted/test_planted.py").write_text("def test_panic(): ...\n")
    return root / "selftests"


def test_everything_but_the_planted(selftests: Path) -> None:
    found = suites.collect(selftests, ())
    assert [(t.name, t.suite) for t in found] == [
        ("traffic/test_bind.py::test_bind", "traffic"),
        ("traffic/test_bind.py::test_rebind[ipv4]", "traffic"),
        ("traffic/test_bind.py::test_rebind[ipv6]", "traffic"),
        ("traffic/test_bind.py::TestFlows::test_eight", "traffic"),
        ("nic/test_rings.py::test_rings", "selftests"),
    ]
    assert found[0].doc == "Binding works." and found[3].doc == ""
    assert [t.timeout_s for t in found] == [120.0, 7.0, 7.0, 120.0, 120.0]
    assert suites.collect(selftests, ["all"]) == found


def test_planted_only_by_name(selftests: Path) -> None:
    assert [t.suite for t in suites.collect(selftests, ["planted"])] == ["planted"]


def test_an_expression_chooses(selftests: Path) -> None:
    assert [t.name[-6:] for t in suites.collect(selftests, ["traffic"], "rebind and ipv6")] == ["[ipv6]"]


@pytest.mark.parametrize("name", ["traffic/test_bind.py::test_rebind", "test_bind.py::test_rebind"])
def test_a_name_may_be_short(selftests: Path, name: str) -> None:
    assert len(suites.collect(selftests, (), "", [name])) == 2


@pytest.mark.parametrize(
    ("name", "suite"),
    [
        ("planted/test_planted.py::test_panic", "planted"),
        ("test_planted.py", "planted"),
        ("planted", "planted"),
        ("test_rings.py::test_rings", "selftests"),
    ],
)
def test_a_name_says_its_suite(selftests: Path, name: str, suite: str) -> None:
    """Also where the suite is part of no run that does not ask for it."""
    assert {test.suite for test in suites.collect(selftests, (), "", [name])} == {suite}


def test_a_name_builds_only_what_it_needs(selftests: Path) -> None:
    """A name of nothing does not build the kernel's own tests before it is refused, a name of one of them does."""
    (selftests / "upstream" / "test_kernel.py").write_text("")
    try:
        for name, wanted in [("test_bind.py", False), ("no/such.py", False), ("test_kernel.py::test_kernel[a]", True)]:
            assert suites.wants_programs(selftests, (), [name]) == wanted
            assert not suites.wants_kunit(selftests, (), [name])
    finally:
        (selftests / "upstream" / "test_kernel.py").unlink()
    with pytest.raises(UnknownName, match="unknown test"):
        suites.collect(selftests, (), "", ["no/such.py"])


def test_the_backend_decides_what_there_is(selftests: Path) -> None:
    """selftests/traffic makes its tests out of PPIOV_BACKEND: the host and the guest have to agree on it."""
    conftest = selftests / "traffic" / "conftest.py"
    conftest.write_text(
        "import os\n"
        "def pytest_generate_tests(metafunc):\n"
        "    if 'backend' in metafunc.fixturenames:\n"
        "        metafunc.parametrize('backend', os.environ['PPIOV_BACKEND'].split())\n"
    )
    (selftests / "traffic" / "test_each.py").write_text("def test_it(backend): ...\n")
    try:
        for backend in suites.BACKENDS:
            found = suites.collect(selftests, ["traffic"], "test_it", backend=backend)
            assert [test.name for test in found] == [f"traffic/test_each.py::test_it[{backend}]"]
    finally:
        conftest.unlink()
        (selftests / "traffic" / "test_each.py").unlink()


def test_what_does_not_exist_is_refused_with_the_nearest(selftests: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown suite 'trafic' \(nearest: traffic"):
        suites.collect(selftests, ["trafic"])
    with pytest.raises(UnknownName, match="unknown suite 'upstream'"):  # a folder without tests
        suites.collect(selftests, ["upstream"])
    with pytest.raises(UnknownName, match=r"unknown test .*test_rebind\["):
        suites.collect(selftests, ["traffic"], "", ["traffic/test_bind.py::test_rebin"])


def test_an_expression_is_not_about_where_the_checkout_is(selftests: Path) -> None:
    """Or «-k ppiov» would choose everything below ~/ppiov."""
    with pytest.raises(BadRequest, match="no test"):
        suites.collect(selftests, ["traffic"], selftests.parent.name)


@pytest.mark.parametrize(("keyword", "says"), [("nothing_like_it", "no test"), ("and and", "cannot be collected")])
def test_bad_expressions(selftests: Path, keyword: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        suites.collect(selftests, ["traffic"], keyword)


def test_a_file_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    (tmp_path / "traffic").mkdir()
    (tmp_path / "traffic/test_bad.py").write_text("import no_such_module_here\n")
    with pytest.raises(BadRequest, match="no_such_module_here"):
        suites.collect(tmp_path, ["traffic"])


def test_no_source(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="not a checkout"):
        suites.find_source(tmp_path)


def test_this_checkout_collects() -> None:
    """The repository's own guest tests can be collected on any host, the planted ones too."""
    selftests = suites.find_source() / "selftests"
    names = [t.name for t in suites.collect(selftests, suites.available(selftests))]
    assert "planted/test_planted.py::test_panic" in names and len(names) == len(set(names))


@pytest.mark.parametrize("suite", ["traffic", "nic"])
def test_docs_name_each_file(suite: str) -> None:
    """A reader finds every test file by its question in docs/selftests.md, and no file that is not there."""
    root = Path(__file__).parents[2]
    listed = re.findall(rf"^\| `{suite}/(\S+)` \|", (root / "docs/selftests.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(file.name for file in (root / "selftests" / suite).glob("test_*.py"))
