"""The numbers that a study asks of each model."""

import hashlib
import math

import numpy as np
import pytest

from measures.arrangements import crowded
from tegum.arrays import Artifact
from tegum.measures import GEOMETRY, Measure
from tegum.measures import geometry as functions
from tegum.measures.geometry import relative_noise_variance
from tegum.measures.geometry_facts import GEOMETRY_FACTS as ALL
from tegum.theory.packings import POLYTOPES, harmonic_frame

FACTS = {fact.name: fact for fact in ALL}
TOY = {"feature_probability": 0.1, "noise": "dropout", "rate": 0.25}


def measured(W, row=None):
    return GEOMETRY(Artifact({"W": W}), TOY if row is None else row)


def test_every_number_is_a_measure_with_its_range_and_resolution():
    for name in GEOMETRY.numbers:
        fact = FACTS[name]
        assert fact.per == "model"
        assert GEOMETRY.range_of(name) == fact.range
        assert GEOMETRY.resolution_of(name) == fact.resolution


def test_numbers_are_those_of_the_functions():
    W = crowded(0)
    given_by_row = {
        "features_represented": {"feature_probability": 0.1},
        "represented_welch_excess": {"feature_probability": 0.1},
        "features_by_corrected_norm": {"noise_variance": 1 / 3},
    }
    for name, number in measured(W).items():
        function = getattr(functions, name)
        assert number == function(W, **given_by_row.get(name, {})), name


def test_numbers_are_plain_floats():
    assert all(type(number) is float for number in measured(crowded(0)).values())


def test_inputs_vary_as_the_row_says():
    W = np.array([[1.0, -1.0]])
    assert measured(W, {"feature_probability": (1.0, 0.1)})["features_represented"] == 2
    # R2 = v_2 / (v_1 + v_2) = 0.012 at q = .001 with v_1 = 1/12, below 1/4
    assert (
        measured(W, {"feature_probability": (1.0, 0.001)})["features_represented"] == 1
    )
    assert measured(W, {})["features_represented"] == 2  # a row of another subject


@pytest.mark.parametrize(
    ("row", "variance"),
    [
        ({}, 0.0),
        ({"noise": "none", "rate": 0.0}, 0.0),
        ({"noise": "dropout", "rate": 0.0}, 0.0),
        ({"noise": "dropout", "rate": 0.5}, 1.0),
        ({"noise": "gaussian_multiplicative", "rate": 0.2}, 0.25),
        ({"noise": "gaussian_additive", "rate": 0.0, "noise_std": 0.0}, 0.0),
        ({"noise": "gaussian_additive", "rate": 0.0, "noise_std": 0.1}, math.nan),
        ({"noise": "gaussian_additive_matched", "rate": 0.2}, math.nan),
    ],
)
def test_the_noise_of_a_row(row, variance):
    np.testing.assert_equal(relative_noise_variance(row), variance)
    W = np.array([[1.0, 0.5], [0.0, 1.0]])
    numbers = measured(W, {"feature_probability": 0.1, **row})
    missing = {name for name, number in numbers.items() if math.isnan(number)}
    expected = {"features_by_corrected_norm"} if math.isnan(variance) else set()
    assert missing == expected


def test_dropped_weights():
    numbers = measured(np.zeros((5, 20), dtype=np.float32))
    zero = {
        "total_interference",
        "features_represented",
        "features_by_corrected_norm",
        "features_by_norm",
        "features_by_frobenius",
        "dimensionality_sum_per_hidden",
        "mean_norm_squared",
    }
    for name, number in numbers.items():
        assert number == 0 if name in zero else math.isnan(number), name


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_diverged_model_is_undefined_throughout(broken):
    W = crowded(0)
    W[1, 1] = broken
    assert all(math.isnan(number) for number in measured(W).values())


def test_numbers_of_a_model_do_not_depend_on_what_was_measured_before():
    models = [crowded(seed) for seed in range(20)]
    alone = [measured(W) for W in models]
    assert [measured(W) for W in reversed(models)] == alone[::-1]


def test_weights_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="n_hidden, n_features"):
        measured(np.zeros(5))
    with pytest.raises(ValueError, match="one for each feature"):
        measured(np.eye(5), {"feature_probability": (0.1, 0.2)})


def test_parameters_are_part_of_the_measure():
    assert GEOMETRY.parameters == {"of_even_share": 0.5, "min_norm_squared": 0.5}
    strict = Measure(
        name="strict",
        version=1,
        function=GEOMETRY.function,
        numbers=GEOMETRY.numbers,
        parameters={"of_even_share": 0.99, "min_norm_squared": 0.01},
    )
    found = strict(Artifact({"W": 0.5 * crowded(0)}), TOY)
    usual = measured(0.5 * crowded(0))
    assert found["features_represented"] < usual["features_represented"]
    assert found["features_by_norm"] > usual["features_by_norm"]


# ----------------------------------------------------------------- fingerprints


def fixed_arrays():
    for W in POLYTOPES.values():
        yield W
    yield harmonic_frame(20, 5)
    yield np.zeros((2, 5))
    yield np.eye(5, 20)
    yield np.array([[1.0, np.nan]])
    for seed, (m, n) in enumerate([(1, 1), (2, 5), (5, 20), (20, 80), (7, 3)]):
        generator = np.random.Generator(np.random.Philox(key=seed))
        W = generator.standard_normal((m, n)) * generator.uniform(0, 2, n)
        yield W
        yield W.astype(np.float32)
        yield 1e-30 * W


def rounded(number):
    """Ten digits, and 0 for a rounding error of it.

    The last bits depend on the version of NumPy and on the instruction set; a change
    of what is measured does not hide behind ten digits.
    """
    return "0" if 0 < abs(number) < 1e-12 else f"{number:.10g}"


def fingerprint(measure):
    digest = hashlib.sha256()
    for W in fixed_arrays():
        for row in ({}, TOY):
            for name, number in sorted(measure(Artifact({"W": W}), row).items()):
                digest.update(f"{name}={rounded(number)};".encode())
    return digest.hexdigest()[:16]


FINGERPRINTS = {"geometry": {1: "a6203c7c0f517937"}}


@pytest.mark.parametrize("measure", [GEOMETRY], ids=lambda measure: measure.name)
def test_numbers_do_not_change_without_a_new_version(measure):
    recorded = FINGERPRINTS[measure.name].get(measure.version)
    found = fingerprint(measure)
    assert found == recorded, (
        f"`{measure.name}` version {measure.version} gives other numbers than those "
        f"recorded ({found}). If that is meant, raise its `version` and record the new "
        "fingerprint beside the old one; numbers stored under the old key stay as they "
        "are."
    )


def test_a_fingerprint_sees_a_small_change():
    changed = Measure(
        name="changed",
        version=1,
        function=lambda artifact, row, **parameters: {
            name: number * (1 + 1e-8 * (name == "packing_excess"))
            for name, number in GEOMETRY(artifact, row).items()
        },
        numbers=GEOMETRY.numbers,
    )
    assert fingerprint(changed) != fingerprint(GEOMETRY)
