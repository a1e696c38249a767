"""What is declared of each number of groups and polytopes holds, both ways."""

import numpy as np
import pytest
from hypothesis import given, settings

from measures.arrangements import crowded, weights
from tegum.arrays import Artifact
from tegum.measures import ALL, MEASURES, POLYTOPES
from tegum.measures.polytope_facts import FACTS, POLYTOPE_FACTS
from tegum.measures.transformations import TRANSFORMATIONS, rotation
from tegum.theory.packings import POLYTOPES as SHAPES
from tegum.theory.packings import tegum_product

BY_NAME = pytest.mark.parametrize("fact", POLYTOPE_FACTS, ids=lambda fact: fact.name)
PARTS = ("digon", "triangle", "tetrahedron", "pentagon", "square antiprism")


def value(fact, W):
    return np.asarray(fact.function(W, **fact.arguments))


def product(seed):
    """Some polytopes and a feature alone, in a few more dimensions, a little shaken."""
    generator = np.random.default_rng(seed)
    chosen = [SHAPES[PARTS[seed % 5]], SHAPES[generator.choice(PARTS)], np.eye(1)]
    W = np.pad(tegum_product(*chosen), ((0, int(generator.integers(1, 3))), (0, 0)))
    W = rotation(len(W), generator) @ W
    return W + 0.01 * generator.standard_normal(W.shape)


def test_every_number_has_a_fact_and_every_fact_a_number():
    assert set(POLYTOPES.numbers) == set(FACTS)
    assert len(FACTS) == len(POLYTOPE_FACTS)
    assert all(fact in ALL for fact in POLYTOPE_FACTS)
    assert POLYTOPES in MEASURES


@pytest.mark.parametrize("seed", range(6))
def test_each_number_is_what_its_fact_gives(seed):
    W = product(seed)
    numbers = POLYTOPES(Artifact({"W": W}), {})
    for name, fact in FACTS.items():
        assert numbers[name] == value(fact, W), name


@BY_NAME
def test_every_transformation_is_declared_one_way(fact):
    assert fact.unchanged_by | fact.changed_by == set(TRANSFORMATIONS)
    assert not fact.unchanged_by & fact.changed_by


@pytest.mark.parametrize("name", TRANSFORMATIONS)
@pytest.mark.parametrize("seed", range(5))
def test_what_must_not_change(name, seed):
    for W in (product(seed), crowded(seed, hidden=3)):
        moved, _ = TRANSFORMATIONS[name].apply(W, np.random.default_rng(seed))
        for fact in POLYTOPE_FACTS:
            if name in fact.unchanged_by:
                np.testing.assert_allclose(
                    value(fact, moved), value(fact, W), atol=1e-9, err_msg=fact.name
                )


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_what_must_change_does_so_somewhere(name):
    """Sizes decide the nulls of small models most: those go first."""
    models = [np.eye(2), np.array([[1.0, -1.0]]), np.array([[1.0, -0.4]])]
    models += [product(seed) for seed in range(40)]
    waiting = [fact for fact in POLYTOPE_FACTS if name in fact.changed_by]
    for seed, W in enumerate(models):
        moved, _ = TRANSFORMATIONS[name].apply(W, np.random.default_rng(seed))
        waiting = [f for f in waiting if abs(value(f, moved) - value(f, W)) < 1e-6]
    assert not [fact.name for fact in waiting]


@settings(max_examples=15, deadline=None)
@given(W=weights(max_hidden=3, max_features=6))
def test_every_number_lies_in_its_declared_range(W):
    for fact in POLYTOPE_FACTS:
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


@BY_NAME
def test_very_small_and_very_large_weights_change_nothing(fact):
    W = product(2)
    for scale in (1e-150, 1e-40, 1e40, 1e150):
        np.testing.assert_allclose(value(fact, scale * W), value(fact, W), rtol=1e-9)
