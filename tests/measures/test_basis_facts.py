"""What is declared of each number of basis and redundancy holds, both ways."""

import doctest
import importlib
import inspect

import numpy as np
import pytest
from hypothesis import given, settings

from measures.arrangements import crowded, weights
from tegum.measures import basis, redundancy
from tegum.measures.basis_facts import BASIS, BASIS_FACTS, FACTS, REDUNDANCY
from tegum.measures.transformations import TRANSFORMATIONS

BY_NAME = pytest.mark.parametrize("fact", BASIS_FACTS, ids=lambda fact: fact.name)


def value(fact, W):
    return np.asarray(fact.function(W, **fact.arguments))


def before_and_after(fact, transformation, W, seed):
    moved, _ = transformation.apply(W, np.random.default_rng(seed))
    return value(fact, W), value(fact, moved)


def test_every_number_has_a_fact_and_every_fact_a_number():
    assert set(BASIS.numbers) | set(REDUNDANCY.numbers) == set(FACTS)
    assert len(FACTS) == len(BASIS_FACTS)


@BY_NAME
def test_every_transformation_is_declared_one_way(fact):
    assert fact.unchanged_by | fact.changed_by == set(TRANSFORMATIONS)
    assert not fact.unchanged_by & fact.changed_by


@pytest.mark.parametrize("name", TRANSFORMATIONS)
@pytest.mark.parametrize("seed", range(2))
def test_what_must_not_and_what_must_change(name, seed):
    W = crowded(seed)
    for fact in BASIS_FACTS:
        old, new = before_and_after(fact, TRANSFORMATIONS[name], W, seed)
        if name in fact.unchanged_by:
            np.testing.assert_allclose(
                new, old, rtol=1e-8, atol=1e-10, err_msg=fact.name
            )
        elif not fact.selects:
            assert not np.allclose(new, old, rtol=1e-10, atol=0), fact.name


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_counts_that_must_change_do_so_somewhere(name):
    for fact in BASIS_FACTS:
        if name in fact.changed_by and fact.selects:
            pairs = [
                before_and_after(fact, TRANSFORMATIONS[name], crowded(seed), seed)
                for seed in range(8)
            ]
            assert any(abs(new - old) > 1e-6 for old, new in pairs), fact.name


@settings(max_examples=25)
@given(W=weights())
def test_every_number_lies_in_its_declared_range(W):
    for fact in BASIS_FACTS:
        low, high = fact.range
        found = value(fact, W)
        assert np.isnan(found) | ((found >= low - 1e-9) & (found <= high + 1e-9)), (
            fact.name
        )


@BY_NAME
def test_undefined_without_weights_and_where_a_weight_is_not_finite(fact):
    assert np.isnan(value(fact, np.zeros((3, 5))))
    for broken in (np.nan, np.inf):
        W = crowded(1)
        W[0, 0] = broken
        assert np.isnan(value(fact, W))
    one_unit = np.isnan(value(fact, np.array([[1.0, -1.0]])))
    assert one_unit == ("one unit" in fact.undefined_when)


@BY_NAME
def test_very_small_and_very_large_weights_change_nothing(fact):
    W = crowded(2)
    for scale in (1e-150, 1e-40, 1e40, 1e150):
        np.testing.assert_allclose(value(fact, scale * W), value(fact, W), rtol=1e-9)


@pytest.mark.parametrize("module", [basis, redundancy])
def test_every_public_function_says_where_it_comes_from(module):
    for name, function in inspect.getmembers(module, inspect.isfunction):
        mine = function.__module__ == module.__name__ and not name.startswith("_")
        if mine and name not in ("numbers_of", "mask_rate", "arguments_of"):
            assert "Source:" in (inspect.getdoc(function) or ""), name


@pytest.mark.parametrize(
    "module", ["basis", "redundancy", "kurtosis", "sphere", "input_law"]
)
def test_examples_in_docstrings(module):
    found = importlib.import_module(f"tegum.measures.{module}")
    failed, tried = doctest.testmod(found)
    assert tried > 0
    assert failed == 0
