import numpy as np
import pytest

from tegum.measures.basis import exact_kurtosis, unit_alignment_gap
from tegum.measures.input_law import input_excess_kurtosis
from tegum.studies import privileged_basis as asked
from tegum.theory.kurtosis import gaussian_feature_probability, masked_raw_kurtosis
from tegum.toys import engine
from tegum.toys.subject import ToyModels


def test_adamw_without_weight_decay_is_adam():
    """Why the design has no arm of Adam's: it would be the same models again."""
    design = asked.models(
        rate=0.5, feature_probability=0.3, importance_decay=1.0, steps=200, seeds=1,
        optimiser=["adamw", "adam"],
    )  # fmt: skip
    rows = ToyModels().complete(design)
    found = engine.train(rows, workers=1, progress=lambda _: None, stop=lambda: False)
    np.testing.assert_array_equal(found[0].arrays["W"], found[1].arrays["W"])


def test_the_design_stands_on_both_sides_of_the_turn():
    turn = gaussian_feature_probability()
    assert min(asked.DENSITIES) < turn < max(asked.DENSITIES)
    assert 0.3 < turn < 0.5


@pytest.mark.parametrize("q", [0.5, 0.3])
def test_clean_kurtosis_beside_rotations_is_alignment_times_that_of_the_inputs(q):
    """Why alignment is judged and the turn of kurtosis is not: an identity."""
    W = np.random.default_rng(3).standard_normal((5, 20))
    gap = exact_kurtosis(W, feature_probability=q)["per_unit"].gap
    expected = input_excess_kurtosis(q) * float(unit_alignment_gap(W))
    assert gap == pytest.approx(expected, rel=1e-9)


def test_pairs_on_the_axes_have_what_the_reasons_say():
    """Ten antipodal pairs' half: 1/2 for each unit, 3 / (5 + 2) / 2 at random."""
    pairs = np.kron(np.eye(5), [[1.0, -1.0]])
    assert float(unit_alignment_gap(pairs)) == pytest.approx(1 / 2 - 3 / 14)


def test_masks_alone_raise_kurtosis_by_the_dotted_line():
    """Symmetric activations: the dotted line is exact, with nothing learned."""
    W = np.kron(np.eye(5), [[1.0, -1.0]])
    clean = exact_kurtosis(W, feature_probability=0.1)["per_unit"].value + 3.0
    masked = exact_kurtosis(W, feature_probability=0.1, rate=0.5)["per_unit"].value
    assert masked == pytest.approx(masked_raw_kurtosis(clean, rate=0.5) - 3.0)


def test_no_claim_is_about_masked_kurtosis():
    numbers = {part.estimand.number for c in asked.CLAIMS for part in c.parts}
    assert not any(number.startswith("masked") for number in numbers)


def test_what_is_preferred_and_what_is_aligned_are_claims_of_their_own():
    both = {
        claim.name
        for claim in asked.CLAIMS
        if {"rotation_gap", "unit_alignment_gap"}
        <= {part.estimand.number for part in claim.parts}
    }
    controls = {"not-adams-doing", "longer-training", "weight-decay"}
    assert both <= controls | {"other-widths", "sixty-four-units"}
