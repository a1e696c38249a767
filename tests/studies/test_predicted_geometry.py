import dataclasses

import numpy as np
import pytest

from studies import invented
from tegum.arrays import Artifact
from tegum.execution import execute, judge
from tegum.store import Store
from tegum.studies import predicted_geometry as asked
from tegum.studies._predictions import (
    CONSTANT,
    PREDICTED,
    QUANTITIES,
    cell_of,
    prediction_error,
    size_of,
    worked_out,
)
from tegum.theory.prediction import predict_population

STUDY = asked.STUDY
DESIGNS = ("demo", "default", "full")
ONE_CELL = {
    "n_features": 10,
    "feature_probability": 0.4,
    "importance_decay": 1.0,
    "rate": 0.35,
}
ERRORS = STUDY.measures[-1]


def row(**factors):
    usual = {"n_features": 4, "n_hidden": 2, "rate": 0.0}
    return usual | {"feature_probability": 0.3, "importance_decay": 1.0} | factors


def test_the_predictions_stand_in_the_store_before_the_first_model():
    store, heard = Store.in_memory(), []

    def listen(progress):
        heard.append((store.registry_length(), len(store.rows())))

    execute(
        STUDY,
        store,
        where={**ONE_CELL, "steps": asked.STEPS},
        seeds=2,
        workers=1,
        progress=listen,
    )
    assert heard[0] == (1, 0)
    said = store.registry()[0]["registration"]["measures"][-1]
    assert said["name"] == "prediction_error"
    frozen = said["parameters"]["predicted"]
    assert {cell: tuple(numbers) for cell, numbers in frozen.items()} == PREDICTED
    assert said["parameters"]["constant"]["10 3"] == list(CONSTANT["10 3"])
    assert len(store.rows()) == 2
    standings = {verdict.standing for verdict in judge(STUDY, store)}
    assert standings == {"interim"}


def test_another_prediction_is_another_study_and_other_numbers():
    changed = {**PREDICTED, "10 3 0.4 1 0.35": (7.0, 0.334, 0.2, 0.06907349)}
    other = prediction_error(changed, CONSTANT)
    altered = dataclasses.replace(STUDY, measures=[*STUDY.measures[:-1], other])
    assert altered.digest() != STUDY.digest()


@pytest.mark.parametrize("design", DESIGNS)
def test_every_cell_that_is_trained_was_predicted(design):
    for found in STUDY.completed(design):
        assert cell_of(found) in PREDICTED
        assert size_of(cell_of(found)) in CONSTANT


def test_every_prediction_is_of_a_cell_that_is_trained():
    assert {cell_of(found) for found in STUDY.completed("full")} == set(PREDICTED)


def test_no_cell_of_the_claims_was_in_the_pilot():
    """Sizes, densities and rates of the pilot are those the docstring names."""
    sizes, densities, rates = {"20 5", "8 3"}, {"1", "0.3", "0.1"}, {"0", "0.2", "0.5"}
    for cell in PREDICTED:
        *_, q, _, rate = cell.split()
        seen = size_of(cell) in sizes and q in densities and rate in rates
        assert not seen, cell


@pytest.mark.parametrize("cell", ["10 3 0.4 1 0", "10 3 0.15 0.8 0"])
def test_the_theory_still_gives_the_frozen_numbers(cell):
    assert worked_out(cell) == pytest.approx(PREDICTED[cell], abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["10 3 0.4 1 0.35", "10 3 0.4 0.8 0.35"])
def test_the_theory_still_gives_the_frozen_numbers_under_dropout(cell):
    assert worked_out(cell) == pytest.approx(PREDICTED[cell], abs=5e-3)


def test_without_dropout_no_basis_is_predicted():
    for cell, numbers in PREDICTED.items():
        assert (numbers[2] == 0.0) == cell.endswith(" 0")


def an_artifact(W):
    return Artifact({"W": W, "b": np.zeros(W.shape[1])})


def test_an_error_by_hand():
    # Two antipodal pairs on two axes: 4 features, norm 1, and a gap of 1/2 - 3/8.
    # A feature and the ReLU of minus its partner: E (x_i - relu(x_i - x_j))^2 with
    # q = .3. Alone it is exact; beside its partner x - relu(x - y) = min(x, y), whose
    # mean square is 1/6; the partner alone gives relu(-y) = 0. So q^2 / 6 = .015.
    W = np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])
    said = {"4 2 0.3 1 0": (3.5, 0.9, 0.0, 0.0125)}
    measure = prediction_error(said, {"4 2": (2, 0.5, 0.5)})
    found = measure(an_artifact(W), row())
    expected = {
        "features_represented_error": 0.5,
        "features_represented_advantage": 1.5,
        "mean_norm_squared_error": 0.1,
        "mean_norm_squared_advantage": 0.4,
        "unit_alignment_gap_error": 0.125,
        "unit_alignment_gap_advantage": 0.25,
        "loss_over_deepest": 0.2,
    }
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_prediction_that_is_the_constant_has_no_advantage():
    """The silent case: there is nothing to be closer than."""
    same = (3.5, 0.9, 0.1)
    measure = prediction_error({"4 2 0.3 1 0": (*same, 0.01)}, {"4 2": same})
    W = np.random.default_rng(1).standard_normal((2, 4))
    found = measure(an_artifact(W), row())
    assert [found[f"{name}_advantage"] for name in QUANTITIES] == [0.0, 0.0, 0.0]


def test_the_minimum_itself_is_no_deeper_than_itself():
    """The silent case of the loss; any other model of the cell loses more."""
    factors = {"importance_decay": 0.8, "rate": 0.5}
    best = predict_population(row(**factors), starts=3).best
    said = {"4 2 0.3 0.8 0.5": (1, 1, 0, best.loss)}
    measure = prediction_error(said, {"4 2": (1, 1, 0)})
    at_minimum = measure(Artifact({"W": best.W, "b": best.b}), row(**factors))
    assert at_minimum["loss_over_deepest"] == pytest.approx(0.0, abs=1e-9)
    beside = measure(Artifact({"W": best.W + 0.05, "b": best.b}), row(**factors))
    assert beside["loss_over_deepest"] > 0.01


def test_a_model_that_is_not_finite_has_no_error():
    measure = prediction_error({"4 2 0.3 1 0": (1, 1, 0, 1)}, {"4 2": (1, 1, 0)})
    found = measure(an_artifact(np.full((2, 4), np.nan)), row())
    assert all(np.isnan(value) for value in found.values())


def test_a_cell_that_was_not_predicted_is_refused():
    W = np.eye(2, 4)
    with pytest.raises(ValueError, match=r"'4 2 0.3 1 0.1' .* was not predicted"):
        ERRORS(an_artifact(W), row(rate=0.1))


# --- as for every study --------------------------------------------------------------


def test_the_answer_follows_the_region_that_holds():
    for claim in STUDY.claims_of("demo"):
        regions = [claim.parts[0].region, *claim.rivals] if claim.rivals else []
        answers = {
            STUDY.answer(
                invented.verdicts(STUDY, "refuted", holds={claim.name: region.name})
            )
            for region in regions
        }
        if claim.name in asked.SAID and regions:
            assert len(answers) == len(regions), claim.name


@pytest.mark.parametrize("design", DESIGNS)
def test_the_picture_draws_the_grid_and_nothing_else(design):
    figure = STUDY.picture(invented.results(STUDY, design=design), ())
    small = STUDY.picture(invented.results(STUDY), ())
    assert [t.name for t in figure.data] == [t.name for t in small.data]
    marks = [t for t in figure.data if t.customdata is not None]
    assert sum(len(t.x) for t in marks) == 3 * 18


def test_the_picture_stands_even_where_every_model_is_undefined():
    found = invented.results(STUDY, seeds=1)
    for number in STUDY.numbers:
        found.columns[number][:] = np.nan
    STUDY.picture(found, invented.verdicts(STUDY, "undecided"))
