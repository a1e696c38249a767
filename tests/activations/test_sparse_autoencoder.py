import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from tegum.activations.sparse_autoencoder import (
    Settings,
    SparseAutoencoders,
    effective_count,
    effective_features,
    effective_groups,
    fit,
)
from tegum.activations.sparse_training import gradients_of

QUICK = Settings(replicates=1, steps=600)


def sparse(n, *, probability=0.1, vectors=8000, seed=0):
    generator = np.random.default_rng(seed)
    active = generator.random((vectors, n)) < probability
    return active * generator.random((vectors, n))


def frame(m, n, *, seed=1):
    W = np.random.default_rng(seed).standard_normal((m, n))
    return W / np.linalg.norm(W, axis=0)


def rotation(m):
    return np.linalg.qr(np.random.default_rng(2).standard_normal((m, m)))[0]


# --- known answers -------------------------------------------------------------------


def test_a_feature_for_each_unit_is_counted_once():
    found = effective_features(sparse(12), seed=1)
    assert found.effective_features == pytest.approx(12.0, abs=0.3)
    assert found.superposition_ratio == found.effective_features / 12
    # An example has q n = 1.2 active features; thresholds leave out the weakest.
    assert 0.7 < found.active_latents < 1.3


def test_twice_as_many_features_as_units_are_counted_in_superposition():
    x = sparse(64, probability=3 / 64, vectors=12_000)
    found = effective_features(x @ frame(32, 64).T, seed=1)
    assert found.effective_features == pytest.approx(64.0, rel=0.1)
    assert found.superposition_ratio > 1.8


def test_a_feature_with_both_signs_counts_as_two():
    x = sparse(6) * np.random.default_rng(3).choice([-1.0, 1.0], (8000, 6))
    assert effective_features(x, seed=1).effective_features == pytest.approx(12, abs=1)


def test_the_directions_found_are_those_of_the_features():
    W = np.concatenate([np.eye(5), -np.eye(5)], axis=1)  # antipodal pairs
    h = sparse(10, probability=0.05) @ W.T
    found = fit(h, seed=1, settings=QUICK)
    shares, D = effective_groups(
        found.codes(h)[0].sum(axis=0), found.D[0], same_direction=0.8
    )
    cosine = W.T @ D[shares > 0.03].T
    assert cosine.shape == (10, 10)
    np.testing.assert_array_less(0.97, cosine.max(axis=1))


def test_gaussian_noise_fills_the_dictionary_and_is_no_count():
    """There is no feature: more latents are more directions, without end."""
    x = np.random.default_rng(4).standard_normal((8000, 4))
    small, large = (
        effective_features(
            x, seed=1, settings=Settings(latents_per_unit=per, replicates=1)
        )
        for per in (6, 12)
    )
    assert small.effective_features > 12.0
    assert large.effective_latents > 1.3 * small.effective_latents


@pytest.mark.parametrize("k", [1, 3, 7])
def test_k_directions_that_are_equally_active_count_as_k(k):
    found = effective_count(np.ones(k), np.eye(7)[:k], same_direction=0.8)
    assert found == pytest.approx(k)


def test_a_count_by_hand():
    # Shares 1/2, 1/4, 1/4: H = 1.5 log 2, so 2^1.5. The last two are one direction:
    # 1/2 and 1/2, so 2.
    activity, D = np.array([2.0, 1.0, 1.0, 0.0]), np.eye(4)[[0, 1, 1, 2]]
    assert effective_count(activity, D, same_direction=1.0) == pytest.approx(2**1.5)
    assert effective_count(activity, D, same_direction=0.8) == pytest.approx(2.0)


def test_no_activity_is_no_count():
    assert math.isnan(effective_count(np.zeros(3), np.eye(3), same_direction=0.8))


# --- what a count must not depend on -------------------------------------------------


@pytest.fixture(scope="module")
def superposed():
    return sparse(9) @ frame(6, 9).T


@pytest.fixture(scope="module")
def usual(superposed):
    return effective_features(superposed, seed=1)


def test_scale_does_not_matter(superposed, usual):
    for factor in (2.0**30, 2.0**-30):
        assert effective_features(superposed * factor, seed=1) == usual


def test_a_shift_does_not_matter(superposed, usual):
    found = effective_features(superposed + 3.0, seed=1)
    assert found.effective_features == pytest.approx(usual.effective_features, rel=0.02)


def test_the_basis_does_not_matter(superposed, usual):
    """Not only on average: the autoencoder itself turns with the activations."""
    found = effective_features(superposed @ rotation(6), seed=1)
    assert found.effective_features == pytest.approx(usual.effective_features, rel=0.02)


def test_after_a_few_steps_a_rotation_is_followed_to_rounding(superposed):
    Q, few = rotation(6), Settings(steps=30, replicates=1)
    plain = fit(superposed, seed=1, settings=few)
    turned = fit(superposed @ Q, seed=1, settings=few)
    np.testing.assert_allclose(plain.D @ Q, turned.D, atol=1e-3)


def test_a_unit_stretched_by_much_is_not_left_alone(superposed, usual):
    """Must change: features are weighed by their length in the activations."""
    stretched = superposed * np.array([20.0, 1, 1, 1, 1, 1])
    found = effective_features(stretched, seed=1)
    assert found.effective_features < usual.effective_features - 2


# --- what training promises ----------------------------------------------------------


@pytest.mark.parametrize("target", [0.8, 0.9, 0.95])
def test_the_target_of_explained_variance_is_met(superposed, target):
    settings = Settings(explained_variance=target)
    found = effective_features(superposed, seed=1, settings=settings)
    assert found.explained_variance == pytest.approx(target, abs=0.02)
    assert found.effective_features > 1.0


def test_a_target_that_is_missed_gives_no_count(superposed):
    hurried = Settings(steps=10, replicates=1)
    found = effective_features(superposed, seed=1, settings=hurried)
    assert abs(found.explained_variance - 0.9) > 0.02
    assert math.isnan(found.effective_features)
    assert math.isnan(found.superposition_ratio)
    assert math.isnan(found.effective_latents)


def test_explained_variance_against_its_definition(superposed):
    found = fit(superposed, seed=1, settings=QUICK)
    assert isinstance(found, SparseAutoencoders)
    x = (superposed - superposed.mean(axis=0)) / found.scale
    assert np.sqrt((x**2).mean()) == pytest.approx(1.0)
    lost = 0.0
    for vector, code in zip(x[:500], found.codes(superposed[:500])[0], strict=True):
        y = found.b[0, 0] + sum(z * d for z, d in zip(code, found.D[0], strict=True))
        lost += ((vector - y) ** 2).sum()
    spread = ((x[:500] - x[:500].mean(axis=0)) ** 2).sum()
    own = found.explained_variance(superposed[:500])[0]
    assert own == pytest.approx(1.0 - lost / spread, rel=1e-4)


def test_gradients_against_finite_differences():
    generator = np.random.default_rng(6)
    x = generator.standard_normal((1, 40, 3))
    D = generator.standard_normal((1, 5, 3))
    D /= np.linalg.norm(D, axis=-1, keepdims=True)
    b, A = generator.standard_normal((1, 1, 3)), generator.standard_normal((1, 5, 3))
    parameters = [b, A, generator.standard_normal((1, 5, 1)), D]
    penalty, spread, knee = np.array([0.3]), 2.5, 0.7

    def loss():
        b, A, c, D = (p[0] for p in parameters)
        z = np.maximum((x[0] - b) @ A.T + c.T, 0.0)
        lost = ((z @ D + b - x[0]) ** 2).sum(axis=-1).mean() / spread
        pressed = knee * np.log1p(z / knee)
        return lost + penalty[0] * pressed.sum(axis=-1).mean()

    _, gradients = gradients_of(
        x, parameters, penalty=penalty, spread=spread, knee=knee
    )
    for which, value in enumerate(parameters):
        for index in [(0, 0, 0), (0, value.shape[1] - 1, value.shape[2] - 1)]:
            old, step = value[index], 1e-6
            along = np.zeros_like(value)
            along[index] = 1.0
            if which == 3:  # on the sphere only
                along -= (along * D).sum(axis=-1, keepdims=True) * D
            value += step * along
            above = loss()
            value -= 2 * step * along
            below = loss()
            value += step * along
            value[index] = old
            slope = (above - below) / (2 * step)
            expected = (gradients[which] * along).sum()
            assert slope == pytest.approx(expected, rel=1e-3, abs=1e-5)


BITS = """
import json, numpy as np
from tegum.activations.sparse_autoencoder import Settings, effective_features, record
x = np.random.default_rng(0).laplace(size=(2000, 24))
found = effective_features(x, seed=5, settings=Settings(steps=60))
print(json.dumps(record(found)))
"""


def test_the_bits_do_not_depend_on_threads_of_the_linear_algebra():
    seen = [
        subprocess.run(
            [sys.executable, "-c", BITS],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert seen[0] == seen[1]
    assert "explained_variance" in json.loads(seen[0])


def test_another_seed_is_another_start(superposed, usual):
    assert effective_features(superposed, seed=2) != usual


# --- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activations", "message"),
    [
        (np.ones((200, 3)), "all 200 vectors of activations are the same"),
        (np.ones((20, 3)), r"have the shape \(20, 3\); give \(vector, unit\)"),
        (np.where(np.arange(600).reshape(200, 3) == 7, np.nan, 1.0), "1 of 200"),
    ],
)
def test_activations_that_can_not_be_counted_in(activations, message):
    with pytest.raises(ValueError, match=message):
        effective_features(activations, seed=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("explained_variance", 1.0),
        ("latents_per_unit", 0),
        ("knee", 0.0),
        ("same_direction", 1.5),
        ("steps", 1),
        ("learning_rate", -1.0),
    ],
)
def test_settings_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"`{name}` is {value}"):
        Settings(**{name: value})
