"""The expected loss without sampling: by hand, by simulation, by finite differences."""

import doctest
import importlib
import itertools
import math

import numpy as np
import pytest

from tegum.measures import sphere
from tegum.theory.expected_loss import expected_loss, expected_losses
from tegum.theory.linear_dropout import linear_dropout_penalty

MODULES = (
    "expected_loss",
    "kurtosis",
    "linear_dropout",
    "minimum",
    "prediction",
    "small_models",
    "survival",
)


def a_model(seed, n_hidden, n_features):
    generator = np.random.default_rng(seed)
    W = 0.5 * generator.normal(size=(n_hidden, n_features))
    return W, 0.2 * generator.normal(size=n_features) - 0.1


def simulated(W, b, *, q, rate=0.0, output="relu", count=200_000):
    """The mean loss and its standard error, by drawing inputs and masks."""
    generator = np.random.default_rng(0)
    size = (count, W.shape[1])
    x = (generator.random(size) < q) * generator.random(size)
    h = x @ W.T
    y = h * (generator.random(h.shape) >= rate) / (1 - rate) @ W + b
    if output == "relu":
        y = np.maximum(y, 0)
    each = ((x - y) ** 2).mean(axis=1)
    return each.mean(), each.std() / math.sqrt(count)


def inclusion_exclusion(a, c):
    """`E relu(c + a.x)^2` over the unit cube: `sum of +-2 relu(c + a.e)^(k+2) / (k+2)!`
    over its corners e, divided by `prod a`."""
    k = len(a)
    total = sum(
        (-1) ** (k - sum(corner)) * max(c + np.dot(a, corner), 0.0) ** (k + 2)
        for corner in itertools.product((0, 1), repeat=k)
    )
    return 2 * total / math.factorial(k + 2) / np.prod(a)


@pytest.mark.parametrize(
    ("q", "m", "n", "rate", "output"),
    [
        (1.0, 2, 5, 0.0, "relu"),
        (0.3, 3, 8, 0.5, "relu"),
        (0.05, 5, 20, 0.0, "relu"),
        (0.1, 2, 6, 0.9, "relu"),
        (0.3, 3, 6, 0.5, "linear"),
    ],
)
def test_against_simulation(q, m, n, rate, output):
    W, b = a_model(1, m, n)
    mean, error = simulated(W, b, q=q, rate=rate, output=output)
    law = {"feature_probability": q, "rate": rate, "output": output}
    assert abs(expected_loss(W, b, **law).loss - mean) < 5 * error


def test_a_dense_output_against_the_closed_form_of_a_cube():
    # Where every input is active, E relu(z_i)^2 is a sum over corners. What is left of
    # the loss, -2 E x_i relu(z_i), follows from it: x_i relu(z_i) is the derivative of
    # relu(z_i)^2 / 2 by G_ii. Here by a central difference.
    W, b = np.array([[0.8, -0.6, 0.5]]), np.array([0.1, -0.05, 0.05])
    G, by_hand, step = W.T @ W, 0.0, 1e-3
    for i in range(3):
        squares = []
        for shift in (0.0, step, -step):
            a = G[i].copy()
            a[i] += shift
            squares.append(inclusion_exclusion(a, b[i]))
        product = (squares[1] - squares[2]) / (4 * step)
        by_hand += 1 / 3 - 2 * product + squares[0]
    loss = expected_loss(W, b, feature_probability=1.0, nodes=400).loss
    assert loss == pytest.approx(by_hand / 3, abs=1e-6)


def test_an_antipodal_pair_by_hand():
    # Errs only where both are active, by the smaller: 2 * s^2 E min^2 / 2 = s^2 / 6.
    W, b = np.array([[1.0, -1.0]]), np.zeros(2)
    for s in (0.1, 0.5, 1.0):
        loss = expected_loss(W, b, feature_probability=s, nodes=400).loss
        assert loss == pytest.approx(s**2 / 6, rel=1e-5)


def test_one_feature_under_dropout_by_hand():
    # y = a m x / (1-p): E x^2 ((1-a)^2 + a^2 v) with v = p/(1-p), E x^2 = q/3.
    for a, p in ((0.5, 0.5), (0.9, 0.1)):
        found = expected_loss(
            np.array([[math.sqrt(a)]]), np.zeros(1), feature_probability=0.6, rate=p
        )
        expected = 0.2 * ((1 - a) ** 2 + a**2 * p / (1 - p))
        assert found.loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("q", "rate", "output", "silent"),
    [
        (0.3, 0.5, "relu", 0),
        (1.0, 0.0, "relu", 2),
        (0.05, 0.3, "relu", 2),
        (0.3, 0.5, "linear", 0),
    ],
)
def test_the_gradient_against_finite_differences(q, rate, output, silent):
    W, b = a_model(2, 3, 6)
    W[:, 6 - silent :] *= 1e-9
    law = {"feature_probability": q, "rate": rate, "output": output, "nodes": 500}
    law["importance"] = np.linspace(0.5, 1.5, 6)
    at, step = expected_loss(W, b, **law), 1e-4
    for gradient, into_W in ((at.W, True), (at.b, False)):
        for index in np.ndindex(gradient.shape):
            losses = []
            for sign in (1, -1):
                moved = [W.copy(), b.copy()]
                moved[0 if into_W else 1][index] += sign * step
                losses.append(expected_loss(*moved, **law).loss)
            slope = (losses[0] - losses[1]) / (2 * step)
            assert gradient[index] == pytest.approx(slope, abs=2e-6)


def test_the_stated_accuracy_of_the_default_quadrature():
    # Relative to ten times the nodes; at most 1e-4 is promised.
    worst = 0.0
    for seed, q, rate in ((1, 0.05, 0.0), (2, 0.3, 0.5), (3, 1.0, 0.3), (4, 0.5, 0.9)):
        W, b = a_model(seed, 2, 7)
        W[:, 5:] = 0.0
        law = {"feature_probability": q, "rate": rate}
        fine = expected_loss(W, b, **law, nodes=960).loss
        worst = max(worst, abs(expected_loss(W, b, **law).loss / fine - 1))
    assert worst < 1e-5


def test_without_dropout_a_rotation_changes_nothing_and_with_it_it_does():
    W, b = a_model(3, 3, 6)
    Q = sphere.random_rotations(3, count=1, generator=np.random.default_rng(0))[0]
    for rate, same in ((0.0, True), (0.5, False)):
        law = {"feature_probability": 0.3, "rate": rate}
        one, other = (expected_loss(M, b, **law).loss for M in (W, Q @ W))
        assert (abs(one - other) < 1e-6 * one) == same


def test_the_order_of_features_and_a_dropped_one_change_nothing_else():
    W, b = a_model(4, 2, 5)
    order = np.array([3, 1, 4, 0, 2])
    law = {"feature_probability": 0.2, "rate": 0.5}
    loss = expected_loss(W, b, **law).loss
    assert expected_loss(W[:, order], b[order], **law).loss == pytest.approx(loss)
    wider = expected_loss(np.pad(W, ((0, 0), (0, 1))), np.append(b, 0.1), **law).loss
    # The added feature is a constant .1: E (x - .1)^2 = q/3 - .1 q + .01.
    assert wider * 6 == pytest.approx(loss * 5 + 0.2 / 3 - 0.02 + 0.01, rel=1e-5)


@pytest.mark.parametrize("output", ["relu", "linear"])
@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_several_models_at_once_are_each_as_alone(rate, output):
    models = [a_model(seed, 3, 4) for seed in range(5)]
    W, b = (np.array(arrays) for arrays in zip(*models, strict=True))
    q = np.random.default_rng(0).uniform(0.05, 1.0, (5, 4))
    weights = np.random.default_rng(1).uniform(0.1, 2.0, (5, 4))
    found = expected_losses(
        W, b, feature_probability=q, importance=weights, rate=rate, output=output
    )
    for k in range(5):
        alone = expected_loss(
            W[k], b[k], feature_probability=tuple(q[k]), importance=weights[k],
            rate=rate, output=output,
        )  # fmt: skip
        assert found.loss[k] == pytest.approx(alone.loss, rel=1e-12)
        np.testing.assert_allclose(found.W[k], alone.W, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(found.b[k], alone.b, rtol=1e-9, atol=1e-14)


# --- the linear read-out ---------------------------------------------------------


def linear_loss(W, rate, q=0.3, **rest):
    b = np.zeros(W.shape[1])
    law = {"feature_probability": q, "output": "linear", **rest}
    return expected_loss(W, b, rate=rate, **law).loss


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_linear_penalty_is_what_dropout_adds(rate):
    W, _ = a_model(5, 3, 6)
    importance = np.linspace(0.2, 1, 6)
    added = linear_loss(W, rate, importance=importance)
    added -= linear_loss(W, 0.0, importance=importance)
    cost = linear_dropout_penalty(
        W, feature_probability=0.3, rate=rate, importance=importance
    )
    assert cost.penalty == pytest.approx(added, rel=1e-10)


def test_the_rotated_penalty_is_what_drawn_rotations_give():
    W, _ = a_model(6, 4, 6)
    law = {"feature_probability": 0.3, "rate": 0.5}
    drawn = sphere.random_rotations(4, count=2000, generator=np.random.default_rng(0))
    each = np.array([linear_dropout_penalty(Q @ W, **law).penalty for Q in drawn])
    expected = linear_dropout_penalty(W, **law)
    assert abs(each.mean() - expected.rotated) < 5 * each.std() / math.sqrt(2000)
    assert not expected.no_preference


def test_a_tight_frame_with_equal_importance_has_no_preference():
    law = {"feature_probability": 0.3, "rate": 0.5}
    frame = np.hstack([np.eye(3), -np.eye(3)])
    cost = linear_dropout_penalty(frame, **law)
    assert cost.no_preference
    assert cost.penalty == pytest.approx(cost.rotated)
    Q = sphere.random_rotations(3, count=1, generator=np.random.default_rng(1))[0]
    assert linear_dropout_penalty(Q @ frame, **law).penalty == pytest.approx(
        cost.penalty
    )
    # Unequal importances alone bring no preference back only if B stays round; here
    # neither read-out nor signal is: a stretched frame prefers equal loads.
    stretched = frame * np.array([[2.0], [1.0], [0.5]])
    assert not linear_dropout_penalty(stretched, **law).no_preference
    assert linear_dropout_penalty(stretched, **law).penalty > (
        linear_dropout_penalty(stretched, **law).rotated
    )


def test_axes_are_cheapest_only_where_importance_and_strength_are_opposed():
    # A = diag(I), B = E xx' with I the importances: alike, spreading is cheaper
    # (positive product of the traceless parts); opposed, the axes are.
    for probability, axes_are_cheaper in (((1.0, 0.1), False), ((0.1, 1.0), True)):
        cost = linear_dropout_penalty(
            np.eye(2),
            feature_probability=probability,
            rate=0.5,
            importance=np.array([1.0, 0.1]),
        )
        assert (cost.penalty < cost.rotated) == axes_are_cheaper


# --- bad input -------------------------------------------------------------------


def test_what_can_not_be_computed_is_refused():
    W, b = np.eye(2), np.zeros(2)
    for words, call in {
        "30 units": lambda: expected_loss(
            np.zeros((30, 2)), b, feature_probability=0.5, rate=0.5
        ),
        "output": lambda: expected_loss(
            W, b, feature_probability=0.5, output="softmax"
        ),
        r"\(0, 1\]": lambda: expected_loss(W, b, feature_probability=0.0),
        "rate": lambda: expected_loss(W, b, feature_probability=0.5, rate=1.0),
    }.items():
        with pytest.raises(ValueError, match=words):
            call()


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings(module):
    failed, tried = doctest.testmod(importlib.import_module(f"tegum.theory.{module}"))
    assert failed == 0
    assert tried > 0 or module == "minimum"
