import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from measures.arrangements import weights
from studies import invented
from tegum.arrays import Artifact, stream
from tegum.execution import execute
from tegum.measures.redundancy import enumerated_masks, escape_by_masks
from tegum.measures.sphere import random_rotations
from tegum.store import Store
from tegum.studies import _survival_measures as measured
from tegum.studies import _survival_picture as drawn
from tegum.studies import study_named
from tegum.studies import survival as asked
from tegum.studies._survival_measures import KEPT, SURVIVAL
from tegum.studies._survival_pairs import PairsOfToyModels, without_dropout
from tegum.theory.survival import survival_probability
from tegum.toys.basis import dropout_loss
from tegum.toys.inputs import sample_inputs
from tegum.toys.model import initial_weights
from tegum.toys.subject import ToyModels

QUIET = {"workers": 1, "progress": lambda _: None, "stop": lambda: False}
STUDY = asked.STUDY


def rows(**factors):
    usual = {"feature_probability": 0.3, "importance_decay": 0.8, "steps": 200}
    design = asked.models(**{"rate": 0.5, "seeds": 1, **usual, **factors})
    return STUDY.subject.complete(design)


# --- the identity --------------------------------------------------------------------


@given(W=weights(max_hidden=6), p=st.floats(0.0, 0.9))
def test_no_unit_of_non_zero_weight_is_dropped_with_exactly_this_probability(W, p):
    """Why no claim asks about it: it holds for any weights whatever."""
    size = np.abs(W)
    W = np.where(size > 1e-3 * size.max(axis=0), W, 0.0)
    n = (W != 0).sum(axis=0)
    alive = n > 0
    escape = escape_by_masks(W, rate=p, max_lost_share=1e-9)
    np.testing.assert_allclose(
        escape[alive], survival_probability(n[alive].astype(float), rate=p)
    )


# --- errors of the predictions: worked out by hand -----------------------------------


def test_on_one_unit_every_n_is_right():
    # Rescaled, the read-out is 0 or 1 / (1 - p): within half at p = .1 and .3 when
    # kept, never at .7. A Gaussian of variance p / (1 - p) has other chances.
    found = measured.prediction_errors(np.eye(3))
    p, inside = np.array(measured.PROBE_RATES), np.array([0.9, 0.7, 0.0])
    gaussian = 2 * stats.norm.cdf(0.5 / np.sqrt(p / (1 - p))) - 1
    by_noise = found.pop("rescaled_error_by_noise")
    assert by_noise == pytest.approx(np.abs(gaussian - inside).mean())
    assert list(found.values()) == pytest.approx([0.0] * 6, abs=1e-12)


def test_weights_that_were_never_trained_have_small_errors_too():
    """Why no claim asks how small they are in trained ones."""
    W = np.random.default_rng(6).normal(size=(8, 400))
    found = measured.prediction_errors(W)
    for n in ("participation", "threshold", "masks"):
        assert found[f"untouched_error_by_{n}"] < 0.035
    assert found["half_error_by_participation"] > 0.25
    assert found["rescaled_error_by_noise"] < 0.07


def test_on_two_equal_units_half_is_lost_far_less_often_than_predicted():
    # P(at most half lost) = 1 - p^2 against (1 - p)^2: off by 2 p (1 - p), that is
    # .18, .42 and .42. By masks at .5: n = log .75 / log .5 = .415.
    found = measured.prediction_errors(np.ones((2, 1)))
    assert found["untouched_error_by_participation"] == pytest.approx(0.0, abs=1e-12)
    assert found["half_error_by_participation"] == pytest.approx(0.34)
    n = math.log(0.75) / math.log(0.5)
    off = [abs((1 - p) ** n - (1 - p**2)) for p in measured.PROBE_RATES]
    assert found["half_error_by_masks"] == pytest.approx(np.mean(off))


def test_half_is_lost_in_half_of_all_masks_at_the_rate_where_the_third_n_is_counted():
    W = np.random.default_rng(0).normal(size=(7, 4))
    n = measured.counts_of_units(W, max_lost_share=0.5)["masks"]
    np.testing.assert_allclose(n, 1.0)


def test_many_units_follow_the_noise():
    found = measured.prediction_errors(np.ones((12, 1)))
    assert found["rescaled_error_by_noise"] < 0.1


def test_within_half_against_simulated_masks():
    W = np.random.default_rng(1).normal(size=(6, 3))
    kept = np.random.default_rng(2).random((200_000, 6)) >= 0.4
    read = kept @ W**2 / (W**2).sum(axis=0) / 0.6
    expected = (np.abs(read - 1.0) <= 0.5).mean(axis=0)
    found = measured.within_half(W, rate=0.4)
    np.testing.assert_allclose(found, expected, atol=0.006)


def test_a_feature_without_weights_counts_for_nothing():
    W = np.random.default_rng(3).normal(size=(4, 5))
    padded = np.pad(W, ((0, 0), (0, 1)))
    assert measured.prediction_errors(padded) == pytest.approx(
        measured.prediction_errors(W)
    )


# --- escape, beside a random basis ---------------------------------------------------


def test_a_basis_at_random_lets_features_escape_as_often_as_any_other():
    generator = np.random.default_rng(8)
    W = generator.normal(size=(8, 200))
    rotations = random_rotations(8, count=16, generator=generator)
    found = measured.relative_escape(W, rotations=rotations, rate=0.5)
    assert found == pytest.approx(1.0, abs=0.1)


def test_features_on_one_unit_escape_more_often_and_spread_ones_less():
    rotations = random_rotations(8, count=200, generator=np.random.default_rng(9))

    def relative(W):
        return measured.relative_escape(W, rotations=rotations, rate=0.5)

    # One unit: 1/2. Eight equal units: 1/256. A direction at random: about .083.
    assert relative(np.eye(8)) == pytest.approx(0.5 / 0.083, rel=0.05)
    assert relative(np.ones((8, 1))) == pytest.approx(0.5**8 / 0.083, rel=0.15)
    assert relative(3.0 * np.eye(8)) == pytest.approx(relative(np.eye(8)))


# --- few units or many ---------------------------------------------------------------


def turning(m, *, count=24):
    generator = stream(0, "test")
    return random_rotations(m, count=count, generator=generator), generator


def test_a_feature_alone_is_better_off_on_many_units():
    # Its loss is x^2 p / ((1 - p) PR) as long as the read-out is not below 0.
    rotations, generator = turning(6)
    found = measured.carriers_loss_correlation(
        np.eye(6, 1),
        np.zeros(1),
        inputs=generator.random((8, 1)),
        rotations=rotations,
        rate=0.5,
    )
    assert found < -0.9


def test_antipodal_pairs_are_better_off_on_one_unit():
    """It comes out the other way for pairs as dropout trains them, with their bias.

    On an axis of its own a pair stays below 0 where it is not active; turned, it takes
    up the noise of all active features.
    """
    W = np.kron(np.eye(4), [[0.67, -0.67]])
    (row,) = rows(n_hidden=4, importance_decay=1.0)
    rotations, generator = turning(4, count=64)
    inputs = sample_inputs({**row, "n_features": 8}, generator, count=64)
    found = measured.carriers_loss_correlation(
        W, np.full(8, 0.1), inputs=inputs, rotations=rotations, rate=0.5
    )
    assert found > 0.2


def test_directions_at_random_take_norms_from_the_model_and_the_rest_from_the_start():
    (row,) = rows()
    W = np.random.default_rng(7).normal(size=(8, 20))
    W[:, 3] = 0.0
    found, start = measured.with_random_directions(W, row), initial_weights(row)
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), np.linalg.norm(W, axis=0))
    cosine = (found * start).sum(axis=0) / np.linalg.norm(start, axis=0)
    np.testing.assert_allclose(cosine, np.linalg.norm(W, axis=0), rtol=1e-6)


def test_a_model_that_was_not_trained_has_learned_nothing():
    (row,) = rows()
    b = np.full(20, -0.1, dtype=np.float32)
    found = SURVIVAL(Artifact({"W": 2.0 * initial_weights(row), "b": b}), row)
    assert found["learned_loss_correlation"] == pytest.approx(0.0, abs=1e-6)
    assert found["carriers_loss_correlation"] < -0.1
    for name in measured.ERRORS:
        assert found[name] == pytest.approx(found[f"untrained_{name}"], abs=1e-6)


def test_without_masks_the_number_of_units_costs_nothing():
    W = np.random.default_rng(4).normal(size=(4, 6))
    rotations, generator = turning(4)
    found = measured.carriers_loss_correlation(
        W,
        np.zeros(6),
        inputs=generator.random((8, 6)),
        rotations=rotations,
        rate=0.0,
    )
    assert math.isnan(found)


def test_the_losses_of_all_features_add_up_to_the_model_s():
    generator = np.random.default_rng(5)
    W, b = generator.normal(size=(4, 6)), generator.normal(size=6)
    inputs = generator.random((9, 6))
    whole = dropout_loss(
        W,
        b,
        inputs=inputs,
        masks=enumerated_masks(4, rate=0.3),
        rate=0.3,
        importance=np.ones(6),
    )
    each = measured.dropout_losses(W, b, inputs=inputs, rate=0.3)
    assert each.mean() == pytest.approx(whole)


# --- kept and lost -------------------------------------------------------------------


def test_the_area_under_the_curve():
    kept = np.array([True, True, False, False])
    area = measured.area_under_curve
    assert area(np.array([4.0, 3.0, 2.0, 1.0]), kept) == 1.0
    assert area(np.array([1.0, 2.0, 3.0, 4.0]), kept) == 0.0
    assert area(np.array([4.0, 1.0, 2.0, 2.0]), kept) == 0.5
    assert area(np.ones(4), kept) == 0.5
    assert math.isnan(area(np.ones(4), np.ones(4, dtype=bool)))
    assert doctest.testmod(measured).failed == 0


LAW = {"feature_probability": 0.3, "importance_decay": 0.8, "importance": None}


def pair(before, after):
    loss = np.linspace(2.0, 1.0, 11)
    arrays = {"W": after, "b": np.zeros(after.shape[1]), "loss": loss}
    arrays |= {"loss_step": np.arange(0, 110, 10), "loss_without_dropout": loss}
    return Artifact({**arrays, "W_without_dropout": before})


def kept(before, after):
    return KEPT(pair(before, after), {**LAW, "n_features": before.shape[1]})


def test_what_each_score_tells():
    # Features 0 and 1 on one unit each, 2 on two, 3 was never there; 2 alone is lost.
    before = np.zeros((4, 4))
    before[0, 0], before[1, 1], before[2:, 2] = 1.0, 0.5, 0.6
    found = kept(before, before * [1.0, 1.0, 0.0, 1.0])
    assert (found["features_before"], found["features_kept"]) == (3.0, 2.0)
    assert found["escape_auc"] == 1.0
    # Norms 1, .5 and .85: one of the two kept is stronger than the lost one.
    assert found["norm_auc"] == 0.5
    # Importances .8^i: both kept ones matter more than the lost one.
    assert found["importance_auc"] == 1.0
    found = kept(before, before * [0.0, 1.0, 1.0, 1.0])
    assert (found["importance_auc"], found["escape_auc"]) == (0.0, 0.25)


def test_a_feature_that_only_shrinks_is_kept():
    before = np.eye(3, 5)
    found = kept(before, 0.1 * before)
    assert found["features_kept"] == found["features_before"] == 3.0
    assert math.isnan(found["norm_auc"])


def test_the_slower_of_the_two_models_decides_convergence():
    made = pair(np.eye(3, 5), np.eye(3, 5))
    slow = made.arrays["loss"].copy()
    slow[-2] = 1.5
    made = Artifact({**made.arrays, "loss_without_dropout": slow})
    found = KEPT(made, {**LAW, "n_features": 5})
    assert found["slower_loss_fall_last_tenth"] == pytest.approx(0.5)


def test_weights_that_are_not_finite_give_no_number():
    broken = pair(np.eye(3, 5), np.full((3, 5), np.nan))
    (row,) = rows()
    assert all(math.isnan(v) for v in SURVIVAL(broken, row).values())
    assert math.isnan(KEPT(broken, row)["norm_auc"])


# --- pairs ---------------------------------------------------------------------------


def same(one, other):
    assert set(one.arrays) == set(other.arrays)
    for name, values in one.arrays.items():
        np.testing.assert_array_equal(values, other.arrays[name])


def test_a_pair_is_the_two_models_that_toy_models_train():
    (row,) = rows()
    (made,) = PairsOfToyModels().train([row], **QUIET)
    own, beside = ToyModels().train([row, without_dropout(row)], **QUIET)
    for name, values in own.arrays.items():
        np.testing.assert_array_equal(made.arrays[name], values)
    np.testing.assert_array_equal(made.arrays["W_without_dropout"], beside.arrays["W"])
    assert not np.array_equal(made.arrays["W"], made.arrays["W_without_dropout"])


def test_a_pair_depends_on_its_row_alone():
    many = rows(rate=[0.0, 0.3, 0.5], seeds=2)
    together = PairsOfToyModels().train(many, **QUIET)
    turned = PairsOfToyModels().train(many[::-1], **{**QUIET, "workers": 2})[::-1]
    for row, one, other in zip(many, together, turned, strict=True):
        same(one, other)
        same(one, PairsOfToyModels().train([row], **QUIET)[0])


def test_pairs_that_are_cut_short_are_none():
    found = PairsOfToyModels().train(
        rows(steps=100_000), **{**QUIET, "stop": lambda: True}
    )
    assert found == [None]


# --- the study -----------------------------------------------------------------------


def test_it_is_found_by_its_name():
    assert study_named("survival") is STUDY
    assert STUDY.question.endswith("?")


def test_a_demo_takes_less_than_a_minute_on_two_cores():
    demo = STUDY.completed("demo").rows
    assert sum(STUDY.subject.core_seconds(row) for row in demo) < 80.0


def test_every_pair_finds_its_model_without_dropout_in_the_design():
    for name in STUDY.designs:
        for row in STUDY.completed(name):
            assert without_dropout(row) in STUDY.completed(name)


def test_no_seed_of_the_study_is_one_that_was_looked_at():
    assert min(STUDY.completed("full").levels("seed")) == asked.FIRST_SEED


def test_nothing_is_claimed_where_training_had_not_settled():
    for part in (part for claim in asked.CLAIMS for part in claim.parts):
        where = part.estimand.where
        dense = 1.0 in where["feature_probability"]
        assert not (dense and 1.0 in where["importance_decay"])


@pytest.mark.parametrize("design", ["demo", "default", "full"])
def test_the_planned_seeds_can_decide(design):
    parts = sum(len(claim.parts) for claim in STUDY.claims_of(design))
    error = 0.8 * STUDY.alpha_of(design) / parts
    for name, seeds in STUDY.planned_seeds(design).items():
        assert 2.0 * 0.5**seeds < error, name


@pytest.mark.parametrize("word", ["supported", "refuted", "undecided"])
def test_the_answer_is_a_sentence_for_every_word(word):
    said = STUDY.answer(invented.verdicts(STUDY, word))
    assert said.endswith(".")
    assert said[0].isupper()
    assert ".." not in said
    assert ("Beware" in said) == (word == "refuted")


def test_the_answer_follows_the_region_that_holds():
    told = 0
    for claim in (c for c in asked.CLAIMS if c.rivals and c.name in asked.SAID):
        regions = [claim.parts[0].region, *claim.rivals]
        answers = {
            STUDY.answer(
                invented.verdicts(STUDY, "refuted", holds={claim.name: region.name})
            )
            for region in regions
        }
        assert len(answers) == len(regions), claim.name
        told += 1
    assert told == 3


def test_the_picture_is_the_same_panels_in_every_design():
    names = [
        [t.name for t in STUDY.picture(invented.results(STUDY, design=d), ()).data]
        for d in STUDY.designs
    ]
    assert len(names[0]) > 8
    assert names[0] == names[1] == names[2]


def test_the_picture_stands_where_every_number_is_undefined():
    found = invented.results(STUDY, seeds=1)
    for number in STUDY.numbers:
        found.columns[number][:] = np.nan
    STUDY.picture(found, ())


def test_the_figure_counts_masks_of_the_stored_weights():
    store = Store.in_memory()
    (figure,) = STUDY.figures
    results = execute(STUDY, store, seeds=1, where=figure.where, workers=1)
    assert len(results) == 2
    picture = figure.draw(results, store)
    assert len(picture.data) == 2 * (5 + 5 + 3)
    counted = [t for t in picture.data if t.name == "counted over all masks"]
    for trace in counted:
        assert trace.y[0] == pytest.approx(1.0)
        assert max(trace.y) <= 1.0 + 1e-9


def test_seeds_that_lack_a_cell_do_not_enter_the_picture_s_averages():
    # Seeds beyond the twentieth have both sparsities at rate 0.7 and none at 0.5.
    found = invented.results(STUDY, seeds=30)
    cells = found.where(
        n_hidden=8, steps=asked.STEPS, rate=[0.5, 0.7], feature_probability=0.3
    )
    cells = cells.where(importance_decay=1.0)
    assert len(set(cells["seed"])) == 30
    assert len(drawn._by_seed(cells, "norm_auc")) == 20
