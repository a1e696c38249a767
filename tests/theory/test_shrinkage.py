"""The law of shrinkage against simulated dropout, exact and drawn."""

import itertools

import numpy as np
import pytest

from tegum.measures.geometry import participation_ratio
from tegum.theory.shrinkage import shrunken_norm_squared

DIRECTIONS = {
    "on one unit": np.array([1.0, 0.0, 0.0, 0.0]),
    "on two units": np.array([0.6, -0.8, 0.0, 0.0]),
    "spread evenly": np.array([0.5, 0.5, -0.5, 0.5]),
    "uneven": np.array([0.9, 0.3, -0.3, 0.1]),
}


def gains_of_all_masks(u, rate):
    """The read-out's gain `sum_k u_k^2 g_k` under every mask, and its probability."""
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=u.size)))
    kept = masks.sum(axis=1)
    probability = (1 - rate) ** kept * rate ** (u.size - kept)
    return (masks / (1 - rate)) @ u**2, probability


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.7])
def test_the_law_is_the_least_loss_over_all_masks(name, rate):
    u = DIRECTIONS[name] / np.linalg.norm(DIRECTIONS[name])
    gain, probability = gains_of_all_masks(u, rate)
    a = np.linspace(0.0, 1.2, 12_001)
    loss = (probability * (1 - a[:, None] * gain) ** 2).sum(axis=1)
    predicted = shrunken_norm_squared(
        rate / (1 - rate), participation_ratio(u[:, None])[0]
    )
    assert a[loss.argmin()] == pytest.approx(predicted, abs=1e-4)


def test_the_law_against_drawn_dropout_and_a_law_that_must_fail():
    rate, examples = 0.4, 400_000
    generator = np.random.default_rng(1)
    u = DIRECTIONS["uneven"] / np.linalg.norm(DIRECTIONS["uneven"])
    kept = generator.random((examples, u.size)) >= rate
    x = generator.random(examples) * (generator.random(examples) < 0.3)
    readout = x * ((kept / (1 - rate)) @ u**2)
    # least squares of x on the noisy read-out; standard error about 0.002
    best = (readout @ x) / (readout @ readout)
    v, ratio = rate / (1 - rate), participation_ratio(u[:, None])[0]
    assert best == pytest.approx(shrunken_norm_squared(v, ratio), abs=0.008)
    assert best != pytest.approx(shrunken_norm_squared(v, 1.0), abs=0.03)


def test_a_feature_on_one_unit_shrinks_to_one_minus_p():
    # 1 / (1 + p/(1-p)) = 1 - p
    p = np.array([0.0, 0.1, 0.5, 0.9])
    np.testing.assert_allclose(shrunken_norm_squared(p / (1 - p), 1.0), 1 - p)


def test_values_outside_the_law_are_refused():
    with pytest.raises(ValueError, match=r"noise_variance.*-0.1"):
        shrunken_norm_squared(-0.1, 1.0)
    with pytest.raises(ValueError, match=r"participation_ratio.*0.5"):
        shrunken_norm_squared(0.1, 0.5)
