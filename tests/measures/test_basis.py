"""Basis from weights: known answers, simulation, silent cases, bad input."""

import math

import numpy as np
import pytest
from hypothesis import given, settings

from measures.arrangements import SEEDS, crowded
from tegum.arrays import Artifact
from tegum.measures import basis, sphere
from tegum.measures.basis import (
    axis_share_gap,
    exact_kurtosis,
    features_per_unit,
    mean_features_per_unit,
    mean_largest_axis_share,
    mean_unit_alignment,
    participation_gap,
    rotated_unit_alignment,
    unit_alignment,
    unit_alignment_gap,
)
from tegum.measures.basis_facts import BASIS
from tegum.measures.input_law import input_cumulants, input_excess_kurtosis
from tegum.measures.kurtosis import (
    excess_kurtosis_pooled,
    kurtosis_of_unit_norms,
    mean_excess_kurtosis_per_unit,
)

STATISTICS = {
    "per_unit": mean_excess_kurtosis_per_unit,
    "pooled": excess_kurtosis_pooled,
    "unit_norms": kurtosis_of_unit_norms,
}
# A two-dimensional Hadamard rotation: every weight in every unit, alike.
SPREAD = np.array([[1.0, 1.0], [1.0, -1.0]]) / math.sqrt(2)


def a_row(**factors):
    return {"feature_probability": 0.3, "noise": "dropout", "rate": 0.5} | factors


def simulated(W, q, rate, count=400_000):
    generator = np.random.default_rng(0)
    size = (count, W.shape[1])
    h = ((generator.random(size) < q) * generator.random(size)) @ W.T
    return h * (generator.random(h.shape) >= rate) / (1 - rate)


# --- inputs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("q", "kurtosis"),
    [(1.0, 1.8), (0.5, 2.376), (0.3, 4.492), (0.1, 16.284), (0.01, 178.21)],
)
def test_kurtosis_of_an_input(q, kurtosis):
    # By hand at q = 1: E (x - 1/2)^4 = 1/80, variance 1/12, 144/80 = 1.8.
    assert input_excess_kurtosis(q) + 3 == pytest.approx(kurtosis, abs=6e-3)


@pytest.mark.parametrize("q", [1.0, 0.4, 0.05])
def test_cumulants_of_an_input_by_numerical_integration(q):
    # E x^k = q / (k + 1); central moments expanded term by term.
    raw = [1.0] + [q / (k + 1) for k in range(1, 5)]
    centre = raw[1]
    central = [
        sum(math.comb(k, j) * raw[j] * (-centre) ** (k - j) for j in range(k + 1))
        for k in range(5)
    ]
    law = input_cumulants(q)
    found = [law.mean[0], law.variance[0], law.third[0], law.fourth[0]]
    expected = [centre, central[2], central[3], central[4] - 3 * central[2] ** 2]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize("q", [1.0, 0.6, 0.05])
def test_cumulants_of_signed_inputs(q):
    """E x^2 = q/3, E x^4 = q/5, odd moments 0; kurtosis 9/(5q), Gaussian at q = 0.6."""
    law = input_cumulants(q, feature_values="signed_uniform")
    assert (law.mean[0], law.third[0]) == (0.0, 0.0)
    excess = law.fourth[0] / law.variance[0] ** 2
    assert excess == pytest.approx(9 / (5 * q) - 3, abs=1e-12)


def test_values_of_another_law_are_refused():
    with pytest.raises(ValueError, match="`feature_values` is 'normal'; it must be"):
        input_cumulants(0.5, feature_values="normal")


# --- alignment -----------------------------------------------------------------------


def test_alignment_by_hand():
    # Rows (1, -1, 0) and (0, 0, 2): 2/4 and 16/16; strengths 2 and 4.
    W = np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 2.0]])
    np.testing.assert_array_equal(unit_alignment(W), [0.5, 1.0])
    np.testing.assert_array_equal(features_per_unit(W), [2.0, 1.0])
    assert mean_unit_alignment(W) == pytest.approx((2 * 0.5 + 4 * 1.0) / 6)
    assert mean_features_per_unit(W) == pytest.approx((2 * 2 + 4 * 1) / 6)


@pytest.mark.parametrize("m", [2, 3, 8, 64])
def test_rotated_alignment_of_the_identity_is_three_over_m_plus_two(m):
    # E sum_k u_k^4 for a random unit vector.
    assert rotated_unit_alignment(np.eye(m)) == pytest.approx(3 / (m + 2), abs=1e-12)


def test_rotated_alignment_of_a_tight_frame():
    # Six features on the axes, +-: A = 2 I, 3 sum |W_i|^4 / (m (m+2) c^2) = 18/60.
    W = np.hstack([np.eye(3), -np.eye(3)])
    assert rotated_unit_alignment(W) == pytest.approx(18 / 60, abs=1e-12)


def test_rotated_alignment_of_one_feature_is_one():
    # Every unit that feels it has that one feature.
    assert rotated_unit_alignment(np.ones((3, 1))) == pytest.approx(1.0, abs=1e-12)
    assert unit_alignment_gap(np.ones((3, 1))) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_rotated_averages_are_what_drawn_rotations_give(seed):
    W = crowded(seed, hidden=4) * np.linspace(0.1, 1, crowded(seed, hidden=4).shape[1])
    drawn = sphere.random_rotations(4, count=2000, generator=np.random.default_rng(1))
    rotated = drawn @ W
    for gap in (unit_alignment_gap, participation_gap, axis_share_gap):
        each = gap(rotated)
        assert abs(each.mean()) < 5 * each.std() / math.sqrt(2000), gap.__name__


@settings(max_examples=20)
@given(seed=SEEDS)
def test_a_basis_drawn_at_random_has_no_systematic_gap_but_the_axes_have(seed):
    # Negative control and positive control on the same frame.
    W = np.hstack([np.eye(4), -np.eye(4)])
    Q = sphere.random_rotations(4, count=1, generator=np.random.default_rng(seed))[0]
    on_axes, turned = unit_alignment_gap(W), unit_alignment_gap(Q @ W)
    assert on_axes == pytest.approx(0.5 - 3 * 8 / (4 * 6 * 4), abs=1e-12)
    assert turned <= on_axes + 1e-12


def test_sign_tells_aligned_from_spread():
    aligned, spread = np.eye(2), SPREAD
    assert unit_alignment_gap(aligned) == pytest.approx(0.25)  # 1 - 3/4
    assert unit_alignment_gap(spread) == pytest.approx(-0.25)  # 1/2 - 3/4
    assert participation_gap(aligned) == pytest.approx(1 - math.sqrt(2))
    assert participation_gap(spread) == pytest.approx(2 - math.sqrt(2))
    assert axis_share_gap(aligned) > 0 > axis_share_gap(spread)
    assert mean_largest_axis_share(spread) == pytest.approx(0.5)


def test_a_unit_that_fades_out_leaves_the_mean_smoothly():
    W = np.vstack([np.eye(2, 6), np.full((1, 6), 1e-9)])
    assert mean_unit_alignment(W) == pytest.approx(1.0, abs=1e-12)


# --- exact kurtosis ------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.5])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_exact_kurtosis_against_simulation(statistic, rate):
    # Standard error from 8 blocks of 50,000 examples; 5 of them allowed.
    W = crowded(3, hidden=4)
    q = 0.4
    blocks = np.split(simulated(W, q, rate), 8)
    each = np.array([STATISTICS[statistic](h) for h in blocks])
    expected = exact_kurtosis(W, feature_probability=q, rate=rate)[statistic].value
    assert abs(each.mean() - expected) < 5 * each.std(ddof=1) / math.sqrt(8)


@pytest.mark.parametrize("rate", [0.0, 0.7])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_exact_rotated_kurtosis_against_drawn_rotations(statistic, rate):
    W = crowded(4, hidden=3) * 0.5
    q = tuple(np.linspace(0.05, 1.0, W.shape[1]))
    drawn = sphere.random_rotations(3, count=300, generator=np.random.default_rng(2))
    law = {"feature_probability": q, "rate": rate}
    each = np.array([exact_kurtosis(Q @ W, **law)[statistic].value for Q in drawn])
    expected = exact_kurtosis(W, **law)[statistic].rotated
    assert abs(each.mean() - expected) < 5 * each.std() / math.sqrt(300)


def test_clean_kurtosis_per_unit_is_the_inputs_times_the_alignment():
    W = crowded(5)
    found = exact_kurtosis(W, feature_probability=0.1)["per_unit"]
    excess = input_excess_kurtosis(0.1)
    np.testing.assert_allclose(found.value, excess * mean_unit_alignment(W))
    np.testing.assert_allclose(found.gap, excess * unit_alignment_gap(W), rtol=1e-9)


def test_the_gap_turns_its_sign_at_the_density_of_gaussian_kurtosis():
    # Aligned features: heavier tails than rotated below q = .4129, lighter above.
    W = np.hstack([np.eye(3), -np.eye(3)])
    sparse, dense = (
        exact_kurtosis(W, feature_probability=q)["per_unit"].gap for q in (0.40, 0.43)
    )
    assert sparse > 0 > dense


def test_a_monosemantic_unit_is_far_from_gaussian_with_no_basis_to_prefer():
    # One feature in two units: kurtosis 16.284 in any rotation. Kurtosis above 3 is no
    # evidence of a basis; the gap is 0.
    found = exact_kurtosis(np.ones((2, 1)), feature_probability=0.1)["per_unit"]
    assert found.value + 3 == pytest.approx(16.284, abs=1e-3)
    assert found.gap == pytest.approx(0.0, abs=1e-9)


# --- the measure, and bad input -------------------------------------------------------


def test_the_measure_gives_its_numbers_and_clean_equals_masked_without_noise():
    numbers = BASIS(Artifact({"W": crowded(6).astype(np.float32)}), a_row(rate=0.0))
    for name in BASIS.numbers:
        assert math.isfinite(numbers[name])
        if name.startswith("clean"):
            assert numbers[name] == numbers[name.replace("clean", "masked")]


def test_masking_alone_raises_kurtosis_without_any_learning():
    numbers = BASIS(Artifact({"W": crowded(6)}), a_row(rate=0.5))
    assert numbers["masked_kurtosis_per_unit"] > numbers["clean_kurtosis_per_unit"] + 1


def test_signed_inputs_have_the_kurtosis_of_their_own_law():
    """Against 400,000 samples, masked at rate 1/2: 4 units, 9 features."""
    W = crowded(3)[:4, :9]
    draws = np.random.default_rng(5)
    shape = (400_000, W.shape[1])
    x = (draws.random(shape) < 0.3) * draws.uniform(-1, 1, shape)
    h = x @ W.T
    row = a_row(
        noise="dropout", rate=0.5, feature_probability=0.3,
        feature_values="signed_uniform",
    )  # fmt: skip
    found = BASIS(Artifact({"W": W}), row)
    clean = mean_excess_kurtosis_per_unit(h)
    masked = mean_excess_kurtosis_per_unit(2.0 * h * (draws.random(h.shape) < 0.5))
    assert found["clean_kurtosis_per_unit"] == pytest.approx(clean, abs=0.05)
    assert found["masked_kurtosis_per_unit"] == pytest.approx(masked, abs=0.1)
    plain = BASIS(Artifact({"W": W}), a_row(feature_probability=0.3))
    assert abs(plain["clean_kurtosis_per_unit"] - clean) > 0.2


@pytest.mark.parametrize(
    "factors",
    [
        {"activity": "correlated", "group_size": 2},
        {"activity": "exactly_k"},
        {"hidden_activation": "relu"},
    ],
    ids=lambda factors: next(iter(factors.values())),
)
def test_inputs_that_do_not_add_up_have_no_exact_kurtosis(factors):
    found = BASIS(Artifact({"W": crowded(3)}), a_row(**factors))
    for name, value in found.items():
        assert math.isnan(value) == ("kurtosis" in name), name


def test_noise_without_masks_has_no_masked_kurtosis():
    row = a_row(noise="gaussian_multiplicative", rate=0.5)
    numbers = BASIS(Artifact({"W": crowded(6)}), row)
    for name, value in numbers.items():
        assert math.isnan(value) == name.startswith("masked"), name


@pytest.mark.parametrize("broken", [np.zeros((3, 5)), np.full((3, 5), np.nan)])
def test_no_weights_and_diverged_weights_are_nan_throughout(broken):
    numbers = BASIS(Artifact({"W": broken}), a_row())
    assert all(math.isnan(value) for value in numbers.values())


def test_one_unit_has_no_basis_to_compare_with():
    numbers = BASIS(Artifact({"W": np.array([[1.0, -1.0]])}), a_row())
    for name in numbers:
        if name.endswith("_gap") and name != "features_per_unit_gap":
            assert math.isnan(numbers[name]), name
    assert numbers["clean_kurtosis_per_unit"] == pytest.approx(
        input_excess_kurtosis(0.3) / 2
    )


def test_a_dead_unit_and_a_dead_feature_are_left_out():
    W = np.zeros((3, 4))
    W[:2, :2] = np.eye(2)
    assert math.isnan(unit_alignment(W)[2])
    numbers = BASIS(Artifact({"W": W}), a_row())
    assert all(math.isfinite(value) for value in numbers.values())
    assert numbers["mean_unit_alignment"] == 1.0


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="statistic"):
        basis.exact_kurtosis_number(
            np.eye(2), feature_probability=0.1, statistic="tails"
        )
    with pytest.raises(ValueError, match="one model"):
        exact_kurtosis(np.ones((0, 3)), feature_probability=0.1)
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        exact_kurtosis(np.eye(2), feature_probability=0.0)


def test_numbers_do_not_depend_on_the_models_beside_them():
    models = np.stack([crowded(seed, hidden=3)[:, :12] for seed in range(3)])
    for quantity in basis.OF_WEIGHTS:
        alone = [quantity(W) for W in models]
        np.testing.assert_array_equal(quantity(models), alone)
