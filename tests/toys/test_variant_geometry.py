"""What trained variants look like where it is known: the best of six starts each."""

import numpy as np
import pytest
from engine_rows import rows_of, train


def best(**factors):
    rows = rows_of(
        **{"steps": 3000, "learning_rate": 0.01, "schedule": "cosine", "seeds": 6}
        | factors
    )
    return min(train(rows), key=lambda artifact: artifact.arrays["loss"][-1])


def cosines(W):
    directions = W / np.linalg.norm(W, axis=0)
    return directions.T @ directions


PAIRS = {"n_features": 4, "n_hidden": 2, "feature_probability": 0.1, "group_size": 2}


def test_anticorrelated_features_are_antipodal():
    # Never active together, two features on one axis interfere only where the ReLU
    # cuts: W = (e1, -e1, e2, -e2) has no loss at all.
    artifact = best(activity="anticorrelated", **PAIRS)
    found = cosines(artifact.arrays["W"])
    np.testing.assert_allclose([found[0, 1], found[2, 3]], -1.0, atol=0.01)
    np.testing.assert_allclose(found[:2, 2:], 0.0, atol=0.01)
    assert artifact.arrays["loss"][-1] < 1e-6


def test_correlated_features_are_orthogonal():
    # Features that come together must not share an axis; each shares it with one of the
    # other pair. Source: Elhage et al. 2022, "Correlated or anticorrelated features".
    found = cosines(best(activity="correlated", **PAIRS).arrays["W"])
    np.testing.assert_allclose([found[0, 1], found[2, 3]], 0.0, atol=0.1)
    np.testing.assert_allclose(np.sort(found[0, 2:]), [-1.0, 0.0], atol=0.15)


def test_the_absolute_value_takes_two_units_a_feature():
    # |x| = relu(x) + relu(-x), exactly: a unit for each sign of each feature.
    artifact = best(
        n_features=3, n_hidden=6, feature_probability=0.5, decoder="untied",
        hidden_activation="relu", target="absolute", feature_values="signed_uniform",
        bias="none", steps=5000,
    )  # fmt: skip
    assert artifact.arrays["loss"][-1] < 1e-9
    W, V = artifact.arrays["W"], artifact.arrays["W_decoder"]
    assert ((np.abs(W) > 0.05).sum(axis=1) == 1).all()
    assert ((W > 0.05).sum(axis=0) == 1).all()
    assert ((W < -0.05).sum(axis=0) == 1).all()
    # Scale is free between a unit's encoder and its decoder; their product is 1.
    np.testing.assert_allclose(np.abs(W * V).sum(axis=1), 1.0, atol=1e-3)


@pytest.mark.parametrize("bias", ["learned", "none"])
def test_a_tied_model_can_not_represent_negative_values(bias):
    # A rectified output is never negative, and half of the active values are.
    artifact = best(
        n_features=2, n_hidden=2, feature_probability=1.0,
        feature_values="signed_uniform", bias=bias, steps=1000,
    )  # fmt: skip
    # E min(x, 0)^2 = 1/6 is lost of E x^2 = 1/3, at the least.
    assert artifact.arrays["loss"][-1] == pytest.approx(1 / 6, rel=0.05)
