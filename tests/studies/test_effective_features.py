import numpy as np
import pytest

from studies import invented
from tegum.activations.sparse_autoencoder import Settings
from tegum.execution import execute, load
from tegum.store import Store
from tegum.studies import effective_features as asked
from tegum.studies._effective_measures import EFFECTIVE, FROZEN, hidden_activations
from tegum.studies._effective_picture import correlations
from tegum.toys.subject import ToyModels

STUDY = asked.STUDY
DESIGNS = ("demo", "default", "full")


def trained(**factors):
    usual = {
        "n_features": 6,
        "n_hidden": 6,
        "feature_probability": 0.1,
        "learning_rate": 3e-3,
        "schedule": "cosine",
        "batch_size": 256,
        "steps": 1500,
        "seed": 1_000_030,
    }
    subject = ToyModels()
    rows = subject.complete([usual | factors])
    (artifact,) = subject.train(
        rows, workers=1, progress=lambda share: None, stop=lambda: False
    )
    return artifact, rows[0]


def test_no_cell_of_the_scored_half_was_tuned_on():
    for name in ("feature_probability", "n_hidden"):
        assert not set(asked.SCORED[name]) & set(asked.TUNED[name]), name


def test_the_settings_that_others_use_by_default_are_those_that_were_scored():
    assert Settings() == FROZEN


def test_the_settings_stand_in_the_registration():
    said = STUDY.registration()["measures"][-1]
    assert said["name"] == "effective_features"
    assert said["parameters"]["explained_variance"] == 0.9
    assert said["parameters"]["same_direction"] == 0.8


def test_a_model_with_a_unit_for_each_feature_has_as_many_effective_features():
    artifact, row = trained()
    found = EFFECTIVE(artifact, row)
    assert found["effective_features"] == pytest.approx(6.0, abs=0.3)
    assert found["count_ratio"] == pytest.approx(1.0, abs=0.05)
    assert found["gaussian_features"] > 12.0


def test_a_measure_of_the_same_row_has_the_same_bits():
    artifact, row = trained(n_hidden=3)
    assert EFFECTIVE(artifact, row) == EFFECTIVE(artifact, row)


def test_a_dead_or_diverged_model_has_no_count():
    artifact, row = trained(steps=20)
    for value in (0.0, np.nan):
        artifact.arrays["W"][:] = value
        assert all(np.isnan(v) for v in EFFECTIVE(artifact, row).values())


def test_the_hidden_activations_are_clean():
    artifact, row = trained(noise="dropout", rate=0.5, steps=20)
    first = hidden_activations(artifact, row, count=50)
    without = hidden_activations(artifact, row | {"rate": 0.0}, count=50)
    np.testing.assert_array_equal(first, without)


# --- rank correlations of invented counts --------------------------------------------


def test_a_count_that_is_the_truth_is_fit_and_a_shuffled_one_is_not():
    """The silent case: counts of other cells have no order in common with the truth."""
    found = invented.results(STUDY, seeds=12)
    generator = np.random.default_rng(3)
    true = generator.integers(4, 21, len(found)).astype(float)
    found.columns["true_features"][:] = true
    found.columns["effective_features"][:] = 0.5 * true + 1.0
    exact = correlations(found, "effective_features", asked.SCORED)
    np.testing.assert_allclose(exact, 1.0)
    found.columns["effective_features"][:] = generator.permutation(true)
    assert abs(np.median(correlations(found, "effective_features", asked.SCORED))) < 0.3


def test_a_count_that_follows_density_alone_fails_within_density():
    """Simpson: the order across densities is not that within them."""
    found = invented.results(STUDY, seeds=4)
    density = found["feature_probability"].astype(float)
    within = np.random.default_rng(5).uniform(0.0, 1.0, len(found))
    found.columns["true_features"][:] = 10.0 * (density < 0.2) + within
    found.columns["effective_features"][:] = 10.0 * (density < 0.2) - within
    across = correlations(found, "effective_features", asked.SCORED)
    inside = correlations(
        found, "effective_features", {**asked.SCORED, "feature_probability": [0.3]}
    )
    assert np.median(across) > 0.3
    np.testing.assert_allclose(inside, -1.0)


# --- as for every study --------------------------------------------------------------


def test_the_answer_follows_the_region_that_holds():
    for claim in STUDY.claims_of("default"):
        regions = [claim.parts[0].region, *claim.rivals] if claim.rivals else []
        answers = {
            STUDY.answer(
                invented.verdicts(
                    STUDY,
                    "refuted",
                    design="default",
                    holds={claim.name: region.name},
                )
            )
            for region in regions
        }
        assert len(answers) == len(regions), claim.name


@pytest.mark.parametrize("word", ["supported", "refuted", "undecided"])
def test_every_word_has_an_answer(word):
    found = invented.verdicts(STUDY, word)
    text = STUDY.answer(found)
    assert text.endswith(".")
    assert STUDY.answer(invented.interim(found)).startswith("So far")


def test_the_directions_of_a_trained_model_are_drawn():
    store, figure = Store.in_memory(), STUDY.figures[0]
    execute(STUDY, store, where=dict(figure.where), workers=1)
    taken = load(STUDY, store, design="demo").where(**figure.where)
    drawn = figure.draw(taken, store)
    assert len(drawn.data) == len(asked.SCORED["rate"])
    for panel, true in zip(drawn.data, taken["true_features"], strict=True):
        own = np.sort(np.abs(np.array(panel.z)).max(axis=1))[-int(true) :]
        np.testing.assert_array_less(0.3, own)


@pytest.mark.parametrize("design", DESIGNS)
def test_the_picture_draws_both_halves(design):
    found = invented.results(STUDY, seeds=2, design=design)
    figure = STUDY.picture(found, invented.verdicts(STUDY, "supported", design=design))
    cells = [t for t in figure.data if t.error_y.array is not None]
    assert sum(len(t.x) for t in cells) == 24 + 32


def test_the_picture_stands_even_where_every_model_is_undefined():
    found = invented.results(STUDY, seeds=1)
    for number in STUDY.numbers:
        found.columns[number][:] = np.nan
    STUDY.picture(found, invented.verdicts(STUDY, "undecided"))
