import numpy as np
import pytest
from scipy import stats

from studies import invented
from tegum.claims import Table
from tegum.measures.basis import exact_kurtosis, unit_alignment_gap
from tegum.measures.input_law import input_excess_kurtosis
from tegum.store import Store
from tegum.studies import privileged_basis as asked
from tegum.theory.kurtosis import gaussian_feature_probability, masked_raw_kurtosis
from tegum.toys import engine
from tegum.toys.model import initial_weights
from tegum.toys.subject import ToyModels


def trained(design):
    rows = ToyModels().complete(design)
    return engine.train(rows, workers=1, progress=lambda _: None, stop=lambda: False)


def figure_named(name):
    (found,) = [figure for figure in asked.STUDY.figures if figure.name == name]
    return found


def test_adamw_without_weight_decay_is_adam():
    """Why the design has no arm of Adam's: it would be the same models again."""
    design = asked.models(
        rate=0.5, feature_probability=0.3, importance_decay=1.0, steps=200, seeds=1,
        optimiser=["adamw", "adam"],
    )  # fmt: skip
    found = trained(design)
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
    controls = {
        "not-adams-doing",
        "not-the-axes-of-adam",
        "longer-training",
        "weight-decay",
        "adam-with-weight-decay",
        "longer-training-elsewhere",
    }
    assert both <= controls | {
        "other-widths",
        "sixty-four-units",
        "slightly-and-late-when-dense-and-equal",
    }


def test_adam_with_weight_decay_is_not_adamw():
    """Why it is an arm of its own there: the decay goes through the moments."""
    design = asked.models(
        rate=0.5, feature_probability=0.3, importance_decay=1.0, steps=200, seeds=1,
        optimiser=["adamw", "adam"], weight_decay=asked.ADAM_WEIGHT_DECAY,
    )  # fmt: skip
    found = trained(design)
    assert not np.array_equal(found[0].arrays["W"], found[1].arrays["W"])


def test_a_rotated_basis_is_another_path_from_the_same_start_on_the_same_inputs():
    design = asked.models(
        rate=0.0, feature_probability=0.3, importance_decay=1.0, steps=200, seeds=1,
        optimiser_basis=["units", "rotated"],
    )  # fmt: skip
    rows = ToyModels().complete(design)
    np.testing.assert_array_equal(*(initial_weights(row) for row in rows))
    np.testing.assert_array_equal(*(engine.evaluation_inputs(row) for row in rows))
    found = trained(design)
    assert not np.array_equal(found[0].arrays["W"], found[1].arrays["W"])


def test_widths_run_from_2_to_64_with_importances_that_end_alike():
    widths = asked.STUDY.completed("default").levels("n_hidden")
    assert {2, 5, 10, 20, 64} == set(widths)
    for m, decay in {asked.N_HIDDEN: asked.DECAY, **asked.WIDTH_DECAY}.items():
        assert decay ** (4 * m) == pytest.approx(0.8**20, rel=0.06), m


def test_kurtosis_is_ranked_where_the_preference_is_not_0_by_definition():
    ranked = [
        part.estimand
        for claim in asked.CLAIMS
        for part in claim.parts
        if part.estimand.kind == "rank_correlation"
    ]
    assert ranked
    for estimand in ranked:
        assert estimand.other == "rotation_gap"
        assert min(estimand.where["rate"]) > 0
        assert len(estimand.where["feature_probability"]) == 1


def test_one_alignment_everywhere_is_ranked_with_the_preference_across_densities():
    """Why no rank correlation runs over densities: both numbers go with density.

    Rotation gaps of the pilot at rate 0.5, decaying importances; the kurtosis gap of an
    alignment of -0.1 in every cell is -0.1 times the excess kurtosis of the inputs.
    """
    preference = [0.024, 0.059, 0.093]
    kurtosis = [-0.1 * input_excess_kurtosis(q) for q in (0.5, 0.3, 0.1)]
    assert stats.spearmanr(kurtosis, preference).statistic == pytest.approx(-1.0)


def test_what_is_said_of_dense_equal_features_is_said_by_their_own_claim():
    """However the other cells turn out, and nothing of them where it is undecided."""
    claim = "slightly-and-late-when-dense-and-equal"
    for word in ("supported", "refuted", "undecided"):
        own = invented.verdicts(asked.STUDY, word)
        others = invented.verdicts(asked.STUDY, "supported")
        said = asked.answer(
            [
                *(v for v in others if v.claim.name != claim),
                *(v for v in own if v.claim.name == claim),
            ]
        )
        assert ("dense and equally" in said) == (word != "undecided")
        assert ("less than half a per cent" in said) == (word == "supported")


def test_every_cell_is_trained_four_times_as_long_by_default():
    cells = {
        (row["feature_probability"], row["importance_decay"])
        for row in asked.STUDY.completed("default").rows
        if row["steps"] == 4 * asked.STEPS
    }
    assert cells == {(q, d) for q in asked.DENSITIES for d in (1.0, asked.DECAY)}


def test_luck_is_known_wherever_a_preference_is_asked_for():
    for c in asked.CELLS:
        assert asked.preferred(c).region.intervals[0][0] > 0


def test_the_axes_of_adam_are_contrasted_with_everything_else_alike():
    (claim,) = [c for c in asked.CLAIMS if c.name == "adams-axes"]
    (part,) = claim.parts
    table = Table.from_design(asked.STUDY.completed("demo"))
    assert table.tied(part.estimand) == ()


def test_the_width_figure_draws_the_null_and_nothing_where_it_is_undefined():
    """3 (m - 1) / (m + 1) at 64 units: 2.908."""
    found = invented.results(asked.STUDY, design="default")
    narrow = found["n_hidden"] == 2
    found.columns["clean_kurtosis_per_vector"][narrow] = np.nan
    shown = found.where(**figure_named("kurtosis-and-width").where)
    figure = figure_named("kurtosis-and-width").draw(shown, Store.in_memory())
    null = figure.data[0]
    at = list(null.x).index(64)
    assert null.y[at] == pytest.approx(3 * 63 / 65)
    drawn = [set(trace.x) for trace in figure.data[1:] if trace.showlegend]
    assert drawn
    assert all(2 not in widths for widths in drawn)
    assert {5, 10, 20, 64} <= drawn[0]


@pytest.mark.parametrize("name", ["rotation-gap", "kurtosis", "masked-kurtosis"])
def test_a_figure_shows_in_its_curves_what_the_results_hold(name):
    """Every number is the same in all rows: every curve lies on it."""
    found = invented.results(asked.STUDY)
    for number in asked.STUDY.numbers:
        found.columns[number][:] = 0.0 if number.endswith("_gap") else 0.25
    if name == "rotation-gap":
        for number in ("rotation_gap", "probe_rotation_gap"):
            found.columns[number][:] = 0.25
    figure = figure_named(name).draw(
        found.where(**figure_named(name).where), Store.in_memory()
    )
    curves = [trace for trace in figure.data if "markers" in (trace.mode or "")]
    assert len(curves) > 8
    for trace in curves:
        assert set(np.asarray(trace.y, dtype=float)) == {0.25}
