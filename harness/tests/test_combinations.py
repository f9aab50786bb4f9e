# SPDX-License-Identifier: GPL-2.0-only
"""Fewer combinations: every value is in one, nothing that has no parameters goes, and no set is there for nothing."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ppiov import suites
from ppiov.combinations import each_value

TESTS = """
import pytest

def pytest_generate_tests(metafunc):
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", ["core", "ppiov"])

@pytest.mark.parametrize("length", [1, 60, 1500])
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_lengths(backend, family, length): ...

@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_alone(family): ...

def test_plain(): ...
"""

values = st.sampled_from("abc")
few = st.lists(st.dictionaries(st.sampled_from("pqr"), values), max_size=30)


@given(sets=few)
def test_every_value_is_kept_and_what_is_one_of_a_kind(sets: list[dict[str, str]]) -> None:
    kept = each_value(sets)
    assert kept == sorted(set(kept)) and set(kept) <= set(range(len(sets)))
    everything = {value for parameters in sets for value in parameters.items()}
    assert {value for index in kept for value in sets[index].items()} == everything
    assert all(index in kept for index, parameters in enumerate(sets) if not parameters or sets.count(parameters) > 1)
    assert each_value([sets[index] for index in kept]) == list(range(len(kept))) or len(kept) < len(sets)


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_of_a_grid_as_many_as_its_longest_side(sizes: list[int]) -> None:
    grid = itertools.product(*(range(size) for size in sizes))
    sets = [{f"p{side}": str(value) for side, value in enumerate(point)} for point in grid]
    assert len(each_value(sets)) == max(sizes)


def test_each_value_comes_once_with_each_backend(tmp_path: Path) -> None:
    (tmp_path / "traffic").mkdir()
    (tmp_path / "traffic" / "test_some.py").write_text(TESTS)
    every = [test.name for test in suites.collect(tmp_path, ["traffic"], backend="both")]
    assert len(every) == 15
    names = [test.name for test in suites.collect(tmp_path, ["traffic"], backend="both", combinations="each")]
    assert names == [name for name in every if name in names]
    of = [name.partition("::")[2] for name in names]
    for backend in ("core", "ppiov"):
        lengths = [name for name in of if name.startswith("test_lengths") and backend in name]
        assert len(lengths) == 3
        assert all(any(value in name for name in lengths) for value in ("ipv4", "ipv6", "60", "1500"))
    assert [name for name in of if "lengths" not in name] == ["test_alone[ipv4]", "test_alone[ipv6]", "test_plain"]


@pytest.mark.parametrize("name", ["test_some.py::test_lengths", "test_some.py"])
def test_what_is_named_runs_in_all_combinations(tmp_path: Path, name: str) -> None:
    (tmp_path / "traffic").mkdir()
    (tmp_path / "traffic" / "test_some.py").write_text(TESTS)
    words = (tmp_path, ["traffic"], "", [name])
    assert suites.collect(*words, combinations="each") == suites.collect(*words)
