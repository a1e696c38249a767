"""The study of geometry: what its claims compare, and what its pictures show."""

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from studies import invented
from tegum import gallery
from tegum.arrays import stream
from tegum.execution import execute
from tegum.functions import FunctionSubject
from tegum.measures.arrangement import arrangement
from tegum.measures.geometry import GEOMETRY
from tegum.store import Store
from tegum.studies import geometry as asked
from tegum.studies._geometry_figures import _flat, _shelves
from tegum.studies._geometry_models import lowest
from tegum.studies._geometry_picture import COLOURS
from tegum.theory.packings import POLYTOPES, tegum_product
from tegum.toys import engine
from tegum.toys.model import FACTORS
from tegum.toys.training import TRAINING

FIGURES = tuple(figure.name for figure in asked.FIGURES)
DESIGNS = ("demo", "default", "full")


def toy(row):
    """Digons shaken a little instead of a trained model: the pictures need no more."""
    n, m = row["n_features"], row["n_hidden"]
    digons = tegum_product(*[POLYTOPES["digon"]] * min(m, n // 2))
    W = np.zeros((m, n))
    W[: digons.shape[0], : digons.shape[1]] = (1.0 - 0.5 * row["rate"]) * digons
    W += 0.01 * stream(row["seed"], "init").standard_normal((m, n))
    arrays = {
        "W": W.astype(np.float32),
        "b": np.zeros(n, dtype=np.float32),
        "loss_step": np.array([0, 10, 100, 900, 1000]),
        "loss": np.array([0.3, 0.2, 0.1, 0.05, 0.05]) * (1 + 1e-9 * row["seed"]),
    }
    if row["weight_checkpoints"]:
        steps = np.arange(1, 11) * 100
        history = np.stack([W * step / 1000 for step in steps])
        arrays |= {
            "checkpoint_step": steps,
            "W_history": history.astype(np.float32),
            "b_history": np.zeros((len(steps), n), dtype=np.float32),
        }
    return arrays


STUDY = replace(
    asked.STUDY,
    name="geometry-untrained",
    subject=FunctionSubject("digons", toy, factors=FACTORS, in_process=True),
    designs={"demo": asked.DEMO},
    measures=[GEOMETRY, TRAINING],
    claims=(),
)
"""The study on models that take no time, and with what its figures read."""


@pytest.fixture(scope="module")
def drawn():
    """A figure by its name, drawn once from one seed of each cell."""
    store = Store.in_memory()

    @cache
    def draw(name):
        return gallery.figure(name, study=STUDY, store=store, seeds=1, workers=1)

    return draw


# --- what is compared ----------------------------------------------------------------


def test_the_sweeps_take_the_minutes_they_may():
    seconds = {
        design: sum(engine.core_seconds(row) for row in asked.STUDY.completed(design))
        for design in DESIGNS
    }
    assert seconds["demo"] < 90
    assert seconds["default"] < 1000


def test_two_hundred_features_have_three_seeds_or_more_at_every_sparsity():
    rows = asked.STUDY.completed("default").where(n_features=200, steps=asked.STEPS)
    for q in asked.FINE:
        for rate in (0.0, asked.RATE):
            cell = rows.where(feature_probability=q, rate=rate)
            assert len(cell.levels("seed")) >= 3
    reached = {1.0 / q for q in asked.FINE}
    assert min(reached) == 1.0
    assert max(reached) == pytest.approx(20.0)


def test_claims_fix_every_factor_that_varies_and_compare_one():
    varying = {
        name
        for name in asked.STUDY.completed("full").factors
        if len(asked.STUDY.completed("full").levels(name)) > 1
    }
    for claim in asked.CLAIMS:
        for part in claim.parts:
            fixed = set(part.estimand.where) | {part.estimand.factor, "seed"}
            assert varying - {"learning_rate", "schedule"} <= fixed, claim.name


def test_no_part_asks_what_another_asks():
    parts = [part.estimand for claim in asked.CLAIMS for part in claim.parts]
    assert all(one != other for one, other in itertools.combinations(parts, 2))


def test_no_claim_takes_a_pile_at_a_fraction_or_a_raw_share_gained_for_polytopes():
    """An even frame has the fractions; axes with random signs have half the pairs."""
    for claim in asked.CLAIMS:
        for part in claim.parts:
            number, kind = part.estimand.number, part.estimand.kind
            assert "fraction" not in number
            assert number != "named_share" or kind == "level"


def test_what_dropout_does_to_dimensions_is_asked_by_norm_and_by_count():
    """By norm alone, shrinkage would pass for fewer features."""
    asked_of = {
        part.estimand.number: claim
        for claim in asked.CLAIMS
        for part in claim.parts
        if part.estimand.kind == "paired_ratio"
        and part.estimand.where["feature_probability"] == (asked.PAIRS,)
    }
    assert set(asked_of) == {"dimensions_per_feature", "dimensions_per_kept_feature"}
    assert all(len(claim.rivals) == 2 for claim in asked_of.values())


def test_claims_at_two_hundred_features_are_judged_where_these_are_trained():
    for claim in asked.CLAIMS:
        sizes = {part.estimand.where["n_features"] for part in claim.parts}
        assert len(sizes) == 1
        assert (sizes == {(200,)}) == (claim.designs == asked.LARGER)


# --- what is said --------------------------------------------------------------------


@pytest.mark.parametrize("word", ["supported", "refuted", "undecided"])
@pytest.mark.parametrize("design", DESIGNS)
def test_the_answer_is_a_sentence_for_every_word(word, design):
    said = asked.answer(invented.verdicts(asked.STUDY, word, design=design))
    assert said[0].isupper()
    assert said.endswith(".")
    assert ".." not in said
    assert ("Beware" in said) == (word == "refuted")


def test_the_answer_follows_the_region_that_holds():
    for claim in asked.CLAIMS:
        regions = [claim.parts[0].region, *claim.rivals]
        if claim.rivals and claim.name in asked.SAID:
            answers = {
                asked.answer(
                    invented.verdicts(
                        asked.STUDY, "refuted", holds={claim.name: region.name}
                    )
                )
                for region in regions
            }
            assert len(answers) == len(regions), claim.name


# --- pictures ------------------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
def test_the_headline_shows_the_largest_models_with_and_without_dropout(design):
    found = invented.results(asked.STUDY, design=design)
    figure = asked.STUDY.picture(found, ())
    n, m = {"demo": (80, 8), "default": (200, 20), "full": (400, 30)}[design]
    titles = [note.text for note in figure.layout.annotations]
    assert f"Without dropout, n = {n}, m = {m}" in titles
    assert f"Dropout rate 0.5, n = {n}, m = {m}" in titles
    stacked = {trace.name for trace in figure.data if trace.stackgroup}
    assert len(stacked) == len(COLOURS) == 7
    for trace in figure.data:
        assert len(trace.x) == len(trace.y)


def test_the_headline_stands_where_every_number_is_undefined():
    found = invented.results(asked.STUDY, seeds=1)
    for number in asked.STUDY.numbers:
        found.columns[number][:] = np.nan
    asked.STUDY.picture(found, ())


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_itself_from_few_rows(name, drawn):
    figure = drawn(name)
    assert len(figure.data) > 3
    assert len(figure.to_json()) < 400_000
    names = [trace.name for trace in figure.data if trace.showlegend]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", [n for n in FIGURES if n != "dimensionality"])
def test_figures_of_small_models_train_few(name):
    where = next(figure.where for figure in asked.FIGURES if figure.name == name)
    rows = asked.STUDY.completed("full").where(**where)
    assert sum(engine.core_seconds(row) for row in rows) < 60


def test_features_in_space_can_be_turned(drawn):
    figure = drawn("features-in-3d")
    assert {trace.type for trace in figure.data} == {"scatter3d"}
    assert figure.layout.scene.aspectmode == figure.layout.scene2.aspectmode == "cube"


def test_the_discs_add_up_to_all_features(drawn):
    figure = drawn("dimensionality")
    discs = [trace for trace in figure.data if trace.mode == "markers"]
    assert len(discs) == 2
    for trace in discs:
        levels = len(set(trace.x))
        assert sum(trace.customdata) == pytest.approx(levels, abs=0.02)


def test_the_loss_of_a_trajectory_starts_where_its_weights_do(drawn):
    figure = drawn("trajectories")
    first = min(x for t in figure.data for x in t.x if x is not None)
    assert first == 100
    assert {t.name for t in figure.data if t.showlegend} == {"dropped", "digon"}


def test_a_picture_shows_the_model_that_lost_least_of_what_it_was_trained_on():
    """The first seed has the lower clean loss, and all of it on one unit."""
    first = asked.FIRST_SEED

    def uneven(row):
        arrays = toy(row)
        if row["seed"] == first:
            arrays["W"] = np.zeros_like(arrays["W"])
            arrays["W"][0, 0] = 1.0
        return arrays

    subject = FunctionSubject("uneven", uneven, factors=FACTORS, in_process=True)
    where = {"n_features": 8, "feature_probability": asked.TURNED}
    study = replace(STUDY, name="geometry-uneven", subject=subject)
    store = Store.in_memory()
    found = execute(study, store=store, where=where, seeds=2, workers=1)
    clean, dropout = (lowest(found.where(rate=rate), store) for rate in (0.0, 0.5))
    assert np.count_nonzero(clean) == 1
    assert np.count_nonzero(dropout) > 1


def test_a_group_is_shown_flat_at_its_own_angles():
    flat = _flat(POLYTOPES["pentagon"])
    radius = np.hypot(*flat.T)
    np.testing.assert_allclose(radius, radius[0])
    own = flat @ flat.T / radius[0] ** 2
    pentagon = POLYTOPES["pentagon"]
    np.testing.assert_allclose(own, pentagon.T @ pentagon, atol=1e-12)


def test_groups_on_shelves_do_not_overlap():
    places = _shelves([30, 8, 8, 5, 2, 2, 2, 1, 1, 1])
    for one, other in itertools.combinations(places, 2):
        apart = max(abs(one[0] - other[0]), abs(one[1] - other[1]))
        assert apart > max(one[2], other[2])


def test_what_the_pictures_call_a_digon_is_one():
    row = {
        "n_features": 8, "n_hidden": 3, "rate": 0.5, "seed": 3, "weight_checkpoints": 0
    }  # fmt: skip
    found = arrangement(toy(row)["W"])
    assert found.names == ("digon",) * 3
