"""What measures make of model variants: right by simulation, or refused."""

import numpy as np
import pytest

from tegum.arrays import Artifact, stream
from tegum.design import complete, grid
from tegum.measures import GEOMETRY, REDUNDANCY
from tegum.measures.frame import Frame
from tegum.measures.represented import explained_variance, features_represented
from tegum.measures.variants import covariance_of, input_covariance
from tegum.toys import model
from tegum.toys.reference import sample_inputs

LAWS = {
    "independent": {},
    "signed": {"feature_values": "signed_uniform"},
    "each its own": {"feature_probability": (0.9, 0.5, 0.3, 0.2, 0.1, 0.05)},
    "signed, each its own": {
        "feature_probability": (0.9, 0.5, 0.3, 0.2, 0.1, 0.05),
        "feature_values": "signed_uniform",
    },
    "correlated": {"activity": "correlated", "group_size": 3},
    "anticorrelated": {"activity": "anticorrelated", "group_size": 2},
    "exactly k": {"activity": "exactly_k", "feature_probability": 0.5},
    "all": {"activity": "exactly_k", "feature_probability": 1.0},
    "signed, correlated": {
        "activity": "correlated",
        "group_size": 2,
        "feature_values": "signed_uniform",
    },
}
EXAMPLES = 200_000


def row_of(**factors):
    base = {"n_features": 6, "n_hidden": 3, "feature_probability": 0.4, "seed": 0}
    return complete(grid(**(base | factors)), model.FACTORS)[0]


def weights(seed=0):
    return np.random.default_rng(seed).normal(size=(3, 6))


@pytest.mark.parametrize("name", LAWS)
def test_the_covariance_is_that_of_the_inputs(name):
    row = row_of(**LAWS[name])
    x = sample_inputs(row, stream(0, name), count=EXAMPLES)
    # Entries of a sample covariance of numbers in [-1, 1) have an error below 1/sqrt N.
    np.testing.assert_allclose(
        covariance_of(row), np.cov(x.T), atol=4 / np.sqrt(EXAMPLES)
    )


def test_signed_inputs_are_uncorrelated_under_every_law():
    for activity, size in (("correlated", 3), ("anticorrelated", 2), ("exactly_k", 1)):
        found = input_covariance(
            0.5,
            n_features=6,
            feature_values="signed_uniform",
            activity=activity,
            group_size=size,
        )
        np.testing.assert_array_equal(found, np.eye(6) * (0.5 / 3))


def test_an_unknown_law_is_named():
    with pytest.raises(ValueError, match="`activity` is 'clumped'; it must be one of"):
        input_covariance(0.5, n_features=2, activity="clumped")


@pytest.mark.parametrize("name", LAWS)
def test_explained_variance_is_a_squared_correlation(name):
    row, W = row_of(**LAWS[name]), weights()
    x = sample_inputs(row, stream(1, name), count=EXAMPLES)
    read_out = x @ W.T @ W
    expected = [np.corrcoef(x[:, i], read_out[:, i])[0, 1] ** 2 for i in range(6)]
    found = explained_variance(W, covariance=covariance_of(row))
    np.testing.assert_allclose(found, expected, atol=6 / np.sqrt(EXAMPLES))


@pytest.mark.parametrize("probability", [0.4, (0.9, 0.5, 0.3, 0.2, 0.1, 0.05)])
def test_a_diagonal_covariance_is_the_formula_of_independent_inputs(probability):
    row = row_of(feature_probability=probability)
    W = np.stack([weights(seed) for seed in range(5)])
    W[1, :, 2] = 0.0
    np.testing.assert_allclose(
        explained_variance(W, covariance=covariance_of(row)),
        explained_variance(W, feature_probability=probability),
        rtol=1e-12,
    )


def test_features_that_come_together_share_a_direction_for_nothing():
    # Two features of one group along one unit: h = x_1 + x_2. Correlated, the share of
    # x_1 that h explains exceeds the half that independent features have.
    W, pair = np.ones((1, 2)), {"n_features": 2, "group_size": 2}
    shared = input_covariance(0.1, activity="correlated", **pair)
    apart = input_covariance(0.1, activity="anticorrelated", **pair)
    assert explained_variance(W, covariance=shared)[0] > 0.8
    assert explained_variance(W, covariance=apart)[0] < 0.5


def test_probabilities_and_a_covariance_exclude_each_other():
    law = {"feature_probability": 0.1, "covariance": np.eye(6)}
    frame = Frame.of(weights())
    for wrong in (law, {"covariance": np.eye(5)}):
        with pytest.raises(ValueError, match="give one of them"):
            explained_variance(frame, **wrong)
        with pytest.raises(ValueError, match="give one of them"):
            features_represented(frame, **wrong)


def test_geometry_of_plain_rows_is_what_it_was():
    artifact = Artifact({"W": weights(), "b": np.zeros(6)})
    row = row_of()
    bare = {"feature_probability": 0.4, "noise": "none", "rate": 0.0}
    assert GEOMETRY(artifact, row) == GEOMETRY(artifact, bare)


def test_geometry_takes_the_law_of_the_inputs():
    # x_1 and x_2 come together and share a unit; x_3 to x_6 are dropped: both are
    # represented, as one of them is alone.
    W = np.zeros((3, 6))
    W[0, :2] = 1.0
    artifact = Artifact({"W": W, "b": np.zeros(6)})
    row = row_of(activity="correlated", group_size=2)
    expected = float(features_represented(W, covariance=covariance_of(row)))
    assert GEOMETRY(artifact, row)["features_represented"] == expected == 2.0


def test_geometry_of_an_untied_model_is_that_of_its_encoder():
    W = weights()
    tied = GEOMETRY(Artifact({"W": W}), row_of(noise="dropout", rate=0.5))
    untied = GEOMETRY(
        Artifact({"W": W, "W_decoder": weights(1)}),
        row_of(noise="dropout", rate=0.5, decoder="untied"),
    )
    # The law of shrinkage is one of tied models.
    assert not np.isnan(tied.pop("features_by_corrected_norm"))
    assert np.isnan(untied.pop("features_by_corrected_norm"))
    assert tied == untied


@pytest.mark.parametrize("measure", [GEOMETRY, REDUNDANCY], ids=lambda m: m.name)
def test_a_rectified_hidden_layer_is_refused(measure):
    artifact = Artifact({"W": weights(), "b": np.zeros(6)})
    with pytest.raises(ValueError, match="is a formula for h = W x"):
        measure(artifact, row_of(hidden_activation="relu"))


def test_redundancy_of_an_untied_model_is_refused():
    artifact = Artifact({"W": weights(), "b": np.zeros(6), "W_decoder": weights(1)})
    with pytest.raises(ValueError, match="must be 'tied' here"):
        REDUNDANCY(artifact, row_of(decoder="untied"))
