"""What a measure of a user's own may return, and what is refused."""

import math

import numpy as np
import pytest

from tegum.arrays import Artifact
from tegum.measures import Measure

ARTIFACT = Artifact({"W": np.eye(2)})


def returning(value):
    return Measure("mine", 1, lambda artifact, row: value, numbers=("a", "b"))


@pytest.mark.parametrize(
    "number", [3, 3.0, np.float32(3), np.int64(3), np.array(3.0), True]
)
def test_any_single_number_becomes_a_float(number):
    found = returning({"b": number, "a": math.nan})(ARTIFACT, {})
    assert list(found) == ["a", "b"]
    assert type(found["b"]) is float
    assert found["b"] == float(number)
    assert math.isnan(found["a"])


@pytest.mark.parametrize(
    "wrong",
    [None, "3", b"3", [3.0], np.array([3.0]), np.zeros(7), 1j, {}, object()],
)
def test_anything_else_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=r"`mine` returned .* for `b`; return one num"):
        returning({"a": 1.0, "b": wrong})(ARTIFACT, {})


@pytest.mark.parametrize(
    "wrong", [{"a": 1.0}, {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.0, 2: 2.0}]
)
def test_other_names_than_declared_are_refused(wrong):
    with pytest.raises(ValueError, match=r"it declares \['a', 'b'\]"):
        returning(wrong)(ARTIFACT, {})


@pytest.mark.parametrize("wrong", [None, 3.0, [1.0, 2.0], np.zeros(2)], ids=repr)
def test_no_dictionary_is_refused(wrong):
    with pytest.raises(ValueError, match="return a dictionary"):
        returning(wrong)(ARTIFACT, {})


def test_parameters_reach_the_function():
    measure = Measure(
        "mine", 1, lambda artifact, row, *, c: {"a": c}, ("a",), parameters={"c": 2}
    )
    assert measure(ARTIFACT, {}) == {"a": 2.0}


def test_an_undeclared_range_is_everything():
    measure = Measure("mine", 1, lambda a, r: {"a": 1}, ("a",), ranges={"a": (0, 1)})
    assert measure.range_of("a") == (0, 1)
    assert measure.range_of("b") == (-math.inf, math.inf)
    assert measure.resolution_of("a") > 0
