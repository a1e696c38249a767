"""What is declared of each measure holds, both ways, and none is forgotten."""

import inspect

import numpy as np
import pytest
from hypothesis import given

from measures.arrangements import SEEDS, crowded, weights
from tegum.measures import interference, represented
from tegum.measures.frame import Frame
from tegum.measures.geometry_facts import GEOMETRY_FACTS as ALL
from tegum.measures.transformations import TRANSFORMATIONS

FACTS = {fact.name: fact for fact in ALL}
# Not functions of W: they serve those that are.
HELPERS = {"checked_probability", "overlap_excess_among"}
BY_NAME = pytest.mark.parametrize("fact", ALL, ids=lambda fact: fact.name)


def value(fact, W):
    return np.asarray(fact.function(W, **fact.arguments))


def followed(fact, values, position):
    """The values of the old features, where those stand now."""
    if fact.per == "feature":
        return values[position]
    if fact.per == "pair of features":
        return values[np.ix_(position, position)]
    return values


def before_and_after(fact, transformation, W, seed):
    moved, position = transformation.apply(W, np.random.default_rng(seed))
    return value(fact, W), followed(fact, value(fact, moved), position)


def public_functions():
    return {
        name
        for module in (interference, represented)
        for name, thing in inspect.getmembers(module, inspect.isfunction)
        if thing.__module__ == module.__name__ and not name.startswith("_")
    }


def test_every_measure_has_a_fact_and_every_fact_a_measure():
    assert public_functions() - HELPERS == set(FACTS)
    assert len(FACTS) == len(ALL)


@BY_NAME
def test_every_transformation_is_declared_one_way(fact):
    assert fact.unchanged_by | fact.changed_by == set(TRANSFORMATIONS)
    assert not fact.unchanged_by & fact.changed_by


@pytest.mark.parametrize("name", TRANSFORMATIONS)
@given(W=weights(), seed=SEEDS)
def test_what_must_not_change(name, W, seed):
    for fact in ALL:
        if name in fact.unchanged_by:
            old, new = before_and_after(fact, TRANSFORMATIONS[name], W, seed)
            np.testing.assert_allclose(
                new, old, rtol=1e-9, atol=1e-11, err_msg=fact.name
            )


@pytest.mark.parametrize("name", TRANSFORMATIONS)
@given(seed=SEEDS)
def test_what_must_change(name, seed):
    W = crowded(seed)
    for fact in ALL:
        if name in fact.changed_by and not fact.selects:
            old, new = before_and_after(fact, TRANSFORMATIONS[name], W, seed)
            assert not np.allclose(new, old, rtol=1e-8, atol=0), fact.name


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_counts_and_sets_that_must_change_do_so_somewhere(name):
    for fact in ALL:
        if name in fact.changed_by and fact.selects:
            pairs = [  # norms from .42 to .84: on both sides of the thresholds
                before_and_after(fact, TRANSFORMATIONS[name], 0.6 * crowded(seed), seed)
                for seed in range(60)
            ]
            assert any(abs(new - old) > 1e-6 for old, new in pairs), fact.name


@given(W=weights())
def test_every_number_lies_in_its_declared_range(W):
    for fact in ALL:
        values = value(fact, W)
        low, high = fact.range
        inside = (values >= low - 1e-12) & (values <= high + 1e-12)
        assert (inside | np.isnan(values)).all(), fact.name
        if fact.resolution == 1.0:
            assert values == np.round(values), fact.name


@given(W=weights())
def test_bounds_that_depend_on_the_sizes(W):
    m, n = W.shape
    for name in ("relative_interference", "welch_excess", "mean_overlap"):
        assert not value(FACTS[name], W) > n - 1 + 1e-9
    assert np.nanmax(value(FACTS["participation_ratio"], W), initial=1) <= m + 1e-9
    used = value(FACTS["feature_dimensionality"], W).sum()
    assert used <= np.linalg.matrix_rank(W, tol=1e-12) + 1e-9
    for name, fact in FACTS.items():
        if fact.resolution == 1.0:
            assert value(fact, W) <= n, name


@BY_NAME
def test_undefined_where_it_says_so_and_nowhere_else(fact):
    nothing = np.isnan(value(fact, np.zeros((3, 5))))
    undefined = any(
        words in fact.undefined_when
        for words in ("W = 0", "W_i = 0", "no feature is represented")
    )
    assert nothing.any() == undefined
    for broken in (np.nan, np.inf, -np.inf):
        W = crowded(1)
        W[0, 0] = broken
        assert np.isnan(value(fact, W)).all()
        assert fact.undefined_when != "never"


@BY_NAME
def test_a_dropped_feature_is_undefined_by_itself_alone(fact):
    W = crowded(2)
    W[:, 3] = 0.0
    values = value(fact, W)
    if fact.per == "model":
        assert np.isfinite(values)
        return
    own, others = values[3], np.delete(values, 3, axis=0)
    assert np.isnan(own).all() == ("W_i = 0" in fact.undefined_when)
    assert np.isfinite(others).all()


@BY_NAME
def test_a_batch_is_each_model_by_itself(fact):
    models = np.stack([crowded(seed, hidden=3)[:, :12] for seed in range(4)])
    models = np.concatenate([models, np.zeros((1, 3, 12)), models[:1] * 1e-25])
    models[2, 1, 1] = np.nan
    alone = [value(fact, W) for W in models]
    np.testing.assert_array_equal(value(fact, models), alone)
    grid = value(fact, models.reshape(2, 3, 3, 12))
    np.testing.assert_array_equal(grid.reshape(np.shape(alone)), alone)


@BY_NAME
def test_a_frame_stands_for_its_weights(fact):
    W = crowded(3)
    np.testing.assert_array_equal(value(fact, Frame.of(W)), value(fact, W))


@BY_NAME
def test_memory_layout_and_precision_of_the_input_do_not_matter(fact):
    W = crowded(4).astype(np.float32)
    expected = value(fact, W.astype(np.float64))
    for layout in (W, np.asfortranarray(W), W[:, ::-1][:, ::-1]):
        np.testing.assert_array_equal(value(fact, layout), expected)
    assert value(fact, W).dtype == np.float64


@BY_NAME
def test_the_input_is_left_as_it_was(fact):
    W = crowded(5)
    W[0, 0] = np.inf
    kept = W.copy()
    value(fact, W)
    np.testing.assert_array_equal(W, kept)


@BY_NAME
def test_very_small_and_very_large_weights_give_no_garbage(fact):
    # Scale-free quantities do not move; the others are a power of the scale, so that
    # scaling twice by c multiplies twice by the same factor.
    W = crowded(6)
    tiny, huge = 1e-40, 1e40
    if "scale of W" in fact.unchanged_by:
        for c in (1e-150, tiny, huge, 1e150):
            np.testing.assert_allclose(value(fact, c * W), value(fact, W), rtol=1e-12)
    elif not fact.selects:
        product = value(fact, tiny * W) * value(fact, huge * W)
        np.testing.assert_allclose(product, value(fact, W) ** 2, rtol=1e-9)


@BY_NAME
def test_shapes_that_are_no_weights_are_refused(fact):
    for shape in [(3,), (0, 3), (3, 0)]:
        with pytest.raises(ValueError, match="n_hidden, n_features"):
            Frame.of(np.zeros(shape))
