"""Phases of the smallest models: candidates by hand, optima never above them."""

import math

import numpy as np
import pytest

from tegum.theory import small_models
from tegum.theory.expected_loss import expected_loss
from tegum.theory.minimum import (
    gaussian_starts,
    local_minima,
    minima_together,
    quasi_newton,
    quasi_newton_together,
)
from tegum.theory.small_models import (
    best_candidate,
    boundary_importance,
    candidate_losses,
    candidate_weights,
    least_loss,
    least_losses,
    phase_name,
    starting_points,
    triple_point,
)

SIZES = pytest.mark.parametrize(("n", "m"), small_models.SIZES)
PLANE = [(0.1, 0.5), (0.3, 2.0), (0.5, 1.0), (4 / 7, 1.0), (0.9, 0.8)]


@SIZES
@pytest.mark.parametrize(("density", "importance"), PLANE)
def test_candidates_lose_what_their_closed_forms_say(n, m, density, importance):
    losses = candidate_losses(
        n, m, density=density, relative_importance=importance
    ).values()
    weight = np.r_[np.ones(n - 1), importance]
    for loss, (W, b) in zip(
        losses, candidate_weights(n, m, density=density), strict=True
    ):
        law = {"feature_probability": density, "importance": weight, "nodes": 400}
        assert expected_loss(W, b, **law).loss * n == pytest.approx(loss, abs=2e-6)


def test_the_triple_point():
    point = triple_point()
    assert point.density == pytest.approx(4 / 7)
    assert round(point.loss, 6) == 0.108844
    losses = candidate_losses(2, 1, density=4 / 7, relative_importance=1.0)
    assert list(losses.values()) == pytest.approx([point.loss] * 3)


def test_boundaries_are_where_two_candidates_lose_the_same():
    for s in (0.1, 0.4, 0.55):
        for r, ignored in zip(
            boundary_importance(s), ("last ignored", "first ignored"), strict=True
        ):
            losses = candidate_losses(2, 1, density=s, relative_importance=r)
            assert losses["last antipodal"] == pytest.approx(losses[ignored])
    # r = 2s / (4 - 5s) and its mirror (4 - 5s) / (2s).
    assert boundary_importance(0.2) == pytest.approx((0.4 / 3, 3 / 0.4))


def test_above_the_triple_point_no_pair_is_best_anywhere():
    assert all(math.isnan(r) for r in boundary_importance(0.6))
    for r in np.geomspace(0.05, 20, 25):
        name = best_candidate(2, 1, density=0.6, relative_importance=r)
        assert name != "last antipodal"


@SIZES
def test_the_candidates_are_named_as_they_are(n, m):
    names = candidate_losses(n, m, density=0.3, relative_importance=1.0)
    for name, (W, _) in zip(names, candidate_weights(n, m, density=0.3), strict=True):
        assert phase_name(W) == name
    assert phase_name(np.zeros((m, n))) == "other"


@SIZES
@pytest.mark.parametrize(
    ("density", "importance"), [(0.1, 0.8), (0.5, 1.0), (0.9, 0.3)]
)
def test_the_optimum_is_never_above_the_candidates(n, m, density, importance):
    found = least_loss(n, m, density=density, relative_importance=importance, starts=1)
    losses = candidate_losses(n, m, density=density, relative_importance=importance)
    assert found.loss <= min(losses.values()) + 1e-7
    assert found.settled


def test_unit_weights_are_not_optimal_at_the_triple_point():
    # Scale and bias are free: 14 % less than any candidate.
    found = least_loss(2, 1, density=4 / 7, relative_importance=1.0, starts=2)
    assert found.loss < 0.9 * triple_point().loss
    assert phase_name(found.W) == "last antipodal"


def test_superposition_wins_beyond_the_candidates_boundary():
    # At s = .4 candidates put the boundary at r = .4; with free scales the pair is
    # already better there.
    assert boundary_importance(0.4)[0] == pytest.approx(0.4)
    found = least_loss(2, 1, density=0.4, relative_importance=0.39, starts=2)
    assert phase_name(found.W) == "last antipodal"


def test_minima_lose_no_more_than_their_starts_and_come_in_order():
    starts = gaussian_starts(3, 2, count=2, seed=1)
    law = {"feature_probability": 0.2, "rate": 0.5}
    found = local_minima(starts, **law)
    losses = [minimum.loss for minimum in found]
    assert losses == sorted(losses)
    assert losses[-1] < min(expected_loss(W, b, **law).loss for W, b in starts)
    slope = expected_loss(found[0].W, found[0].b, **law)
    assert np.abs(slope.W).max() < 1e-4


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 1\) or \(3, 2\)"):
        candidate_losses(4, 2, density=0.5, relative_importance=1.0)
    with pytest.raises(ValueError, match="density"):
        boundary_importance(0.0)
    with pytest.raises(ValueError, match="relative_importance"):
        best_candidate(2, 1, density=0.5, relative_importance=-1.0)
    with pytest.raises(ValueError, match="count"):
        gaussian_starts(2, 1, count=0, seed=0)


def test_quasi_newton_finds_the_minimum_of_a_valley():
    # Rosenbrock's: 0 at (1, 1), from its usual start.
    def valley(at):
        x, y = at
        slope = np.array([-400 * x * (y - x**2) - 2 * (1 - x), 200 * (y - x**2)])
        return 100 * (y - x**2) ** 2 + (1 - x) ** 2, slope

    found, settled = quasi_newton(valley, np.array([-1.2, 1.0]), max_iterations=200)
    np.testing.assert_allclose(found, [1.0, 1.0], atol=1e-4)
    assert settled
    _, settled = quasi_newton(valley, np.array([-1.2, 1.0]), max_iterations=3)
    assert not settled


def test_many_descents_at_once_find_the_minima_of_their_valleys():
    # (x - a)^2 + c (y - x^2)^2: 0 at (a, a^2), each descent with its own a and c.
    a, c = np.array([1.0, -0.5, 2.0, 0.0]), np.array([100.0, 1.0, 10.0, 1.0])

    def valleys(at, which):
        (x, y), a_, c_ = at.T, a[which], c[which]
        across = y - x**2
        slope = np.stack([2 * (x - a_) - 4 * c_ * x * across, 2 * c_ * across])
        return (x - a_) ** 2 + c_ * across**2, slope.T

    starts = np.array([[-1.2, 1.0], [1.0, 1.0], [0.0, 3.0], [0.0, 0.0]])
    found, settled = quasi_newton_together(valleys, starts, max_iterations=300)
    np.testing.assert_allclose(found, np.stack([a, a**2], axis=1), atol=1e-3)
    assert settled.all()
    _, settled = quasi_newton_together(valleys, starts, max_iterations=3)
    # The last one starts at its minimum.
    assert settled.tolist() == [False, False, False, True]


@SIZES
@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_minima_found_together_are_those_found_one_by_one(n, m, rate):
    starts = gaussian_starts(n, m, count=6, seed=2)
    W, b = (np.array(arrays) for arrays in zip(*starts, strict=True))
    together = minima_together(
        W,
        b,
        feature_probability=np.full((6, n), 0.3),
        importance=np.ones((6, n)),
        rate=rate,
    )
    alone = local_minima(starts, feature_probability=0.3, rate=rate)
    assert together.loss.min() == pytest.approx(alone[0].loss, rel=1e-5)
    assert together.settled.all()


def test_optima_of_several_importances_are_those_of_each():
    importances = (0.2, 6.0)
    together = least_losses(2, 1, density=0.2, relative_importances=importances)
    for r, found in zip(importances, together, strict=True):
        alone = least_loss(2, 1, density=0.2, relative_importance=r)
        assert found.loss == pytest.approx(alone.loss, rel=1e-9)


@pytest.mark.slow
def test_random_starts_find_nothing_better_than_the_points_beside_candidates():
    # A check of the search: three times as many random points change no optimum.
    for rate in (0.0, 0.5):
        few, many = (
            least_losses(
                3, 2, density=0.1, relative_importances=(0.3, 3.0), rate=rate,
                starts=starts, seed=starts,
            )
            for starts in (4, 24)
        )  # fmt: skip
        for one, other in zip(few, many, strict=True):
            assert one.loss == pytest.approx(other.loss, rel=2e-3)


def test_under_dropout_two_units_carry_two_features_each_twice():
    # Three sparse features in two units at p = .5: an unimportant third is dropped,
    # and the other two lie opposite each other along the diagonal, on both units.
    found = least_loss(3, 2, density=0.02, relative_importance=0.1, rate=0.5)
    norms = (found.W**2).sum(axis=0)
    assert norms[2] < 0.05 * norms[0]
    shares = found.W[:, :2] ** 2 / norms[:2]
    np.testing.assert_allclose(shares, 0.5, atol=0.02)
    u = found.W[:, :2] / np.sqrt(norms[:2])
    assert u[:, 0] @ u[:, 1] == pytest.approx(-1.0, abs=0.02)


def test_where_the_search_starts():
    assert len(starting_points(2, 1, density=0.3)) == 3
    assert len(starting_points(3, 2, density=0.3)) == 9
    with pytest.raises(ValueError, match="density"):
        starting_points(2, 1, density=1.5)
