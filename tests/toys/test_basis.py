"""Dropout loss in the trained basis and in rotated ones, and kurtosis per vector."""

import math

import numpy as np
import pytest

from tegum.arrays import Artifact, stream
from tegum.design import complete, grid
from tegum.measures import sphere
from tegum.measures.kurtosis import mean_excess_kurtosis_per_vector
from tegum.measures.redundancy import enumerated_masks, sampled_masks
from tegum.theory.expected_loss import expected_loss
from tegum.theory.minimum import gaussian_starts, local_minima
from tegum.toys import model, reference
from tegum.toys.basis import (
    ROTATION_GAP,
    VECTOR_KURTOSIS,
    dropout_loss,
    rotation_gap,
)


def one_row(**factors):
    small = {"n_features": 8, "n_hidden": 3, "feature_probability": 0.3}
    small |= {"noise": "dropout", "rate": 0.5, "seed": 0}
    return complete(grid(**(small | factors)), model.FACTORS)[0]


def a_model(seed, row):
    generator = np.random.default_rng(seed)
    m, n = row["n_hidden"], row["n_features"]
    return 0.5 * generator.normal(size=(m, n)), 0.1 * generator.normal(size=n)


@pytest.fixture(scope="module")
def aligned():
    """The best weights for uniform importance: antipodal pairs on the axes."""
    starts = gaussian_starts(8, 3, count=1, seed=0)
    best = local_minima(starts, feature_probability=0.3, rate=0.5)[0]
    return best.W, best.b


@pytest.mark.parametrize("output", ["relu", "linear"])
def test_the_loss_over_all_masks_is_the_references_mask_by_mask(output):
    row = one_row(output=output, importance_decay=0.8)
    W, b = a_model(0, row)
    inputs = reference.sample_inputs(row, np.random.default_rng(1), count=5)
    masks = enumerated_masks(3, rate=0.5)
    parameters = reference.Parameters(W, b)
    by_hand = sum(
        probability
        * reference.loss(
            row, parameters, inputs=inputs, noise=np.tile(kept / 0.5, (5, 1))
        )
        for kept, probability in zip(masks.kept, masks.probability, strict=True)
    )
    law = {"rate": 0.5, "importance": model.importances(row), "output": output}
    found = dropout_loss(W, b, inputs=inputs, masks=masks, **law)
    assert found == pytest.approx(by_hand, rel=1e-12)


def test_the_loss_of_an_untied_absolute_model_is_the_references_mask_by_mask():
    row = one_row(decoder="untied", target="absolute", feature_values="signed_uniform")
    (W, b), (V, _) = a_model(0, row), a_model(1, row)
    inputs = reference.sample_inputs(row, np.random.default_rng(1), count=5)
    masks = enumerated_masks(3, rate=0.5)
    parameters = reference.Parameters(W, b, V)
    by_hand = sum(
        probability
        * reference.loss(
            row, parameters, inputs=inputs, noise=np.tile(kept / 0.5, (5, 1))
        )
        for kept, probability in zip(masks.kept, masks.probability, strict=True)
    )
    law = {"rate": 0.5, "importance": model.importances(row), "W_decoder": V}
    found = dropout_loss(W, b, inputs=inputs, masks=masks, target="absolute", **law)
    assert found == pytest.approx(by_hand, rel=1e-12)


def test_an_untied_model_is_rotated_as_a_whole():
    # One feature, written on both units and read from both: any rotation of encoder and
    # decoder leaves the clean model as it is, so that the gap is a matter of masks.
    row = one_row(n_features=2, n_hidden=2, decoder="untied", output="linear")
    W, V = np.eye(2), np.eye(2)
    given = {"rate": 0.5, "seed": 0, "n_rotations": 8}
    tied = rotation_gap(
        W, np.zeros(2), one_row(n_features=2, n_hidden=2, output="linear"), **given
    )
    untied = rotation_gap(W, np.zeros(2), row, W_decoder=V, **given)
    assert untied == tied
    # Scale moved from the encoder to the decoder changes nothing.
    moved = rotation_gap(W / 4, np.zeros(2), row, W_decoder=4 * V, **given)
    assert moved.gap == pytest.approx(tied.gap, rel=1e-12)
    numbers = ROTATION_GAP(
        Artifact({"W": W, "b": np.zeros(2), "W_decoder": 2 * V}), row
    )
    assert numbers["dropout_loss"] != pytest.approx(tied.trained)


def test_a_gap_of_a_rectified_hidden_layer_is_refused():
    row = one_row(hidden_activation="relu")
    W, b = a_model(0, row)
    with pytest.raises(ValueError, match="is a formula for h = W x"):
        ROTATION_GAP(Artifact({"W": W, "b": b}), row)


def test_kurtosis_per_vector_is_that_of_the_rectified_activations():
    factors = {"n_features": 20, "n_hidden": 8, "feature_values": "signed_uniform"}
    row = one_row(hidden_activation="relu", **factors)
    W, b = a_model(0, row)
    found = VECTOR_KURTOSIS(Artifact({"W": W, "b": b}), row)
    generator = stream(0, "activations")
    n_examples = VECTOR_KURTOSIS.parameters["n_examples"]
    hidden = np.maximum(
        reference.sample_inputs(row, generator, count=n_examples) @ W.T, 0.0
    )
    expected = float(mean_excess_kurtosis_per_vector(hidden))
    assert found["clean_kurtosis_per_vector"] == pytest.approx(expected, rel=1e-12)
    linear = VECTOR_KURTOSIS(Artifact({"W": W, "b": b}), one_row(**factors))
    assert linear["clean_kurtosis_per_vector"] != pytest.approx(expected, rel=1e-3)


def test_the_loss_on_drawn_inputs_is_the_expected_loss():
    row = one_row()
    W, b = a_model(2, row)
    law = {"masks": enumerated_masks(3, rate=0.5), "rate": 0.5}
    law["importance"] = model.importances(row)
    each = [
        dropout_loss(
            W,
            b,
            inputs=reference.sample_inputs(row, np.random.default_rng(s), count=2000),
            **law,
        )
        for s in range(8)
    ]
    expected = expected_loss(W, b, feature_probability=0.3, rate=0.5).loss
    error = np.std(each, ddof=1) / math.sqrt(8)
    assert abs(np.mean(each) - expected) < 5 * error


def test_sampled_masks_agree_with_all_of_them():
    row = one_row(n_hidden=6)
    W, b = a_model(3, row)
    law = {"rate": 0.5, "importance": model.importances(row)}
    law["inputs"] = reference.sample_inputs(row, np.random.default_rng(0), count=50)
    exact = dropout_loss(W, b, masks=enumerated_masks(6, rate=0.5), **law)
    each = [
        dropout_loss(
            W,
            b,
            masks=sampled_masks(
                6, rate=0.5, count=500, generator=np.random.default_rng(s)
            ),
            **law,
        )
        for s in range(8)
    ]
    assert abs(np.mean(each) - exact) < 5 * np.std(each, ddof=1) / math.sqrt(8)


def test_the_gap_is_what_the_exact_losses_of_drawn_rotations_say():
    row = one_row()
    W, b = a_model(4, row)
    drawn = sphere.random_rotations(3, count=40, generator=np.random.default_rng(0))
    law = {"feature_probability": 0.3, "rate": 0.5}
    rotated = np.mean([expected_loss(Q @ W, b, **law).loss for Q in drawn])
    expected = rotated / expected_loss(W, b, **law).loss - 1
    found = rotation_gap(W, b, row, rate=0.5, seed=0, n_rotations=64)
    assert found.low - 0.02 < expected < found.high + 0.02
    assert found.exact_masks


# --- silent cases, and what must be caught -------------------------------------------


def test_without_dropout_the_gap_is_exactly_zero():
    row = one_row(noise="none", rate=0.0)
    W, b = a_model(5, row)
    found = rotation_gap(W, b, row, rate=0.0, seed=0)
    assert (found.gap, found.low, found.high) == (0.0, 0.0, 0.0)


def test_a_linear_tight_frame_has_no_preferred_basis():
    row = one_row(n_features=6, output="linear")
    W = np.hstack([np.eye(3), -np.eye(3)])
    Q = sphere.random_rotations(3, count=1, generator=np.random.default_rng(0))[0]
    for frame in (W, Q @ W):
        # One input has a penalty that depends on the basis; all of them together have
        # none, so the interval must hold 0.
        found = rotation_gap(frame, np.zeros(6), row, rate=0.5, seed=1)
        assert found.low <= 0 <= found.high
        assert abs(found.gap) < 0.02


def test_an_aligned_optimum_is_preferred_and_a_rotation_of_it_is_not(aligned):
    W, b = aligned
    row = one_row()
    found = rotation_gap(W, b, row, rate=0.5, seed=0)
    assert found.low > 0.005
    turned = [
        rotation_gap(Q @ W, b, row, rate=0.5, seed=0).gap
        for Q in sphere.random_rotations(3, count=6, generator=np.random.default_rng(1))
    ]
    assert max(turned) < found.gap
    assert abs(np.mean(turned)) < found.gap / 2


@pytest.mark.slow
def test_the_interval_covers_the_gap_as_often_as_it_says(aligned):
    W, b = aligned
    row = one_row()
    drawn = sphere.random_rotations(3, count=400, generator=np.random.default_rng(9))
    law = {"feature_probability": 0.3, "rate": 0.5}
    rotated = np.mean([expected_loss(Q @ W, b, **law).loss for Q in drawn])
    truth = rotated / expected_loss(W, b, **law).loss - 1
    found = [rotation_gap(W, b, row, rate=0.5, seed=s) for s in range(400)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    # 95 % nominal; 400 seeds have a standard error of 1 %, and the truth has its own.
    assert covered > 0.90


# --- the measures --------------------------------------------------------------------


def artifact(W, b):
    return Artifact({"W": W.astype(np.float32), "b": b.astype(np.float32)})


def test_the_measure_depends_on_the_row_and_its_own_parameters_alone():
    row = one_row(n_hidden=4)
    made = artifact(*a_model(6, row))
    assert ROTATION_GAP(made, row) == ROTATION_GAP(made, row)
    assert VECTOR_KURTOSIS(made, row) == VECTOR_KURTOSIS(made, row)
    other = ROTATION_GAP(made, one_row(n_hidden=4, seed=1))
    assert other["rotation_gap"] != ROTATION_GAP(made, row)["rotation_gap"]


def test_a_model_trained_without_dropout_can_be_probed(aligned):
    row = one_row(noise="none", rate=0.0)
    found = ROTATION_GAP(artifact(*aligned), row)
    assert found["rotation_gap"] == 0.0
    assert found["probe_rotation_gap_low"] > 0
    assert found["dropout_loss"] == found["rotated_dropout_loss"]


def test_above_twelve_units_masks_are_sampled():
    row = one_row(n_hidden=14)
    W, b = a_model(7, row)
    found = rotation_gap(W, b, row, rate=0.5, seed=0)
    assert not found.exact_masks
    assert found.low < found.gap < found.high


def test_noise_without_masks_is_probed_only():
    row = one_row(noise="gaussian_multiplicative", n_hidden=4)
    made = artifact(*a_model(8, row))
    gaps, kurtoses = ROTATION_GAP(made, row), VECTOR_KURTOSIS(made, row)
    assert math.isnan(gaps["rotation_gap"])
    assert math.isfinite(gaps["probe_rotation_gap"])
    assert math.isfinite(kurtoses["clean_kurtosis_per_vector"])
    assert math.isnan(kurtoses["masked_kurtosis_per_vector"])


def test_vector_kurtosis_sees_axes_and_not_a_rotation_of_them():
    row = one_row(n_features=12, n_hidden=6, feature_probability=0.1)
    W = np.hstack([np.eye(6), -np.eye(6)])
    drawn = sphere.random_rotations(6, count=30, generator=np.random.default_rng(0))
    on_axes = VECTOR_KURTOSIS(artifact(W, np.zeros(12)), row)
    turned = [VECTOR_KURTOSIS(artifact(Q @ W, np.zeros(12)), row) for Q in drawn]
    for state in ("clean", "masked"):
        name = f"{state}_kurtosis_per_vector_gap"
        each = np.array([numbers[name] for numbers in turned])
        assert on_axes[name] > 0.5
        assert abs(each.mean()) < 5 * each.std() / math.sqrt(30)


@pytest.mark.parametrize("n_hidden", [1, 2, 3])
def test_vectors_of_three_units_or_fewer_say_nothing(n_hidden):
    row = one_row(n_hidden=n_hidden)
    found = VECTOR_KURTOSIS(artifact(*a_model(9, row)), row)
    assert all(math.isnan(value) for value in found.values())


def test_one_unit_and_diverged_models_have_no_gap():
    one = one_row(n_hidden=1)
    assert math.isnan(rotation_gap(*a_model(10, one), one, rate=0.5, seed=0).gap)
    row = one_row(n_hidden=4)
    W, b = a_model(10, row)
    W[0, 0] = np.nan
    for measure in (ROTATION_GAP, VECTOR_KURTOSIS):
        assert all(math.isnan(v) for v in measure(artifact(W, b), row).values())


def test_a_row_may_leave_out_defaults_and_must_fit_the_weights():
    given = grid(n_features=8, n_hidden=4, feature_probability=0.3, seed=3).rows[0]
    W, b = a_model(10, one_row(n_hidden=4))
    whole = rotation_gap(W, b, complete([given], model.FACTORS)[0], rate=0.5, seed=0)
    assert rotation_gap(W, b, given, rate=0.5, seed=0) == whole
    with pytest.raises(ValueError, match=r"\(4, 7\) and the row says .*n_features=8"):
        rotation_gap(W[:, :7], b[:7], given, rate=0.5, seed=0)


def test_features_that_are_never_active_leave_it_defined():
    # At density 1e-6 the 512 inputs are all 0: nothing is lost, no ratio exists.
    row = one_row(feature_probability=1e-6, n_hidden=4)
    W, _ = a_model(11, row)
    found = rotation_gap(W, np.zeros(8), row, rate=0.5, seed=0)
    assert found.trained == 0.0
    assert math.isnan(found.gap)
    kurtoses = VECTOR_KURTOSIS(artifact(W, np.zeros(8)), row)
    assert all(math.isnan(value) for value in kurtoses.values())


def test_bad_arguments_are_refused():
    row = one_row()
    W, b = a_model(12, row)
    with pytest.raises(ValueError, match="n_rotations"):
        rotation_gap(W, b, row, rate=0.5, seed=0, n_rotations=1)
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        rotation_gap(W, b, row, rate=1.0, seed=0)
    inputs = reference.sample_inputs(row, stream(0, "data"), count=2)
    with pytest.raises(ValueError, match="4 units and W 3"):
        dropout_loss(
            W,
            b,
            inputs=inputs,
            masks=enumerated_masks(4, rate=0.5),
            rate=0.5,
            importance=np.ones(8),
        )
