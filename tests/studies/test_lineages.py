import math

import numpy as np
import pytest

from studies import invented
from tegum.design import canonical
from tegum.measures.interference import relative_interference, total_interference
from tegum.store import Store
from tegum.studies import lineages as asked
from tegum.studies._lineages import (
    LINEAGES,
    packed_deviation,
    spread_deviation,
)
from tegum.toys import engine
from tegum.toys.model import initial_weights
from tegum.toys.subject import ToyModels

STUDY = asked.STUDY
DESIGNS = ("demo", "default", "full")


@pytest.mark.parametrize("shape", [(1, 5, 2), (10, 5, 2), (100, 2, 5), (10, 20, 5)])
def test_the_packed_start_is_what_torch_makes_of_a_stack(shape):
    torch = pytest.importorskip("torch")
    fans = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    packed, rows, columns = shape
    found = packed_deviation(packed, rows=rows, columns=columns)
    assert found == pytest.approx(math.sqrt(2.0 / sum(fans)))


def test_a_start_of_five_features_on_two_units_shrinks_with_the_stack():
    """sqrt(2 / 12), sqrt(2 / 30), sqrt(2 / 210); sqrt(2 / 15), sqrt(2 / 60), ..."""
    stacks = (1, 10, 100)
    found = [round(packed_deviation(k, rows=5, columns=2), 2) for k in stacks]
    assert found == [0.41, 0.26, 0.1]
    found = [round(packed_deviation(k, rows=2, columns=5), 2) for k in stacks]
    assert found == [0.37, 0.18, 0.06]


def test_one_model_as_receptive_field_is_one_model_by_itself():
    own = math.sqrt(2.0 / 25)
    assert spread_deviation(1, rows=20, columns=5) == pytest.approx(own)
    assert spread_deviation(4, rows=20, columns=5) == pytest.approx(own / 2)


@pytest.mark.parametrize("name", LINEAGES)
def test_weights_start_as_the_table_says(name):
    factors = LINEAGES[name].factors
    row = {**asked.SIZE, **factors, "feature_probability": 0.1, "seed": 3}
    W = initial_weights(ToyModels().complete([row])[0])
    expected = factors.get("initial_std") or math.sqrt(2.0 / 25)
    same = {**row, "initial_std": None}
    own = initial_weights(ToyModels().complete([same])[0])
    np.testing.assert_allclose(W, own * expected / math.sqrt(2.0 / 25), rtol=1e-5)


def test_every_lineage_says_where_it_was_read():
    for lineage in LINEAGES.values():
        assert lineage.source.endswith(".")
        assert lineage.start


def short(**choice):
    row = {**asked.SIZE, **asked.but(**choice), "steps": 300}
    row |= {"feature_probability": 0.1, "seed": 0, "noise": "dropout", "rate": 0.0}
    rows = ToyModels().complete([row])
    found = engine.train(rows, workers=1, progress=lambda _: None, stop=lambda: False)
    return found[0].arrays["W"]


def test_adam_and_adamw_are_one_without_weight_decay():
    """Why `no weight decay` stands for both in the picture."""
    np.testing.assert_array_equal(
        short(weight_decay=0.0), short(weight_decay=0.0, optimiser="adam")
    )


def test_the_coupled_decay_of_adam_stops_learning_and_the_decoupled_does_not():
    decoupled, coupled = short(), short(optimiser="adam")
    assert (coupled**2).sum() < 0.1 * (decoupled**2).sum()


def test_a_contrast_differs_in_its_factor_alone():
    """Both arms of every part are single settings that share all other levels."""
    varying = {*asked.USUAL, "feature_probability", "importance_decay", "rate"}
    for claim in STUDY.claims:
        for part in claim.parts:
            for term in part.estimand.terms:
                fixed = {*term.where, term.factor} - {None}
                assert fixed == varying, claim.name
                assert all(
                    len(levels) == 1 or name == "importance_decay"
                    for name, levels in term.where.items()
                )


def test_effects_are_compared_in_the_same_cells():
    for claim in STUDY.claims:
        for part in claim.parts:
            cells = [
                [
                    term.where[name]
                    for name in ("feature_probability", "importance_decay")
                ]
                for term in part.estimand.terms
            ]
            assert cells[0] == cells[-1], claim.name


def test_halving_all_squared_norms_is_no_effect():
    """What the claims ask does not fall by shrinking alone, as total interference."""
    W = np.random.default_rng(3).standard_normal((5, 20))
    shrunk = math.sqrt(0.5) * W
    assert relative_interference(shrunk) == pytest.approx(relative_interference(W))
    assert total_interference(shrunk) == pytest.approx(total_interference(W) / 4)


def test_the_usual_levels_are_those_of_a_setting_that_is_silent():
    silent = {
        **asked.SIZE,
        "feature_probability": 0.1,
        "seed": 0,
        "learning_rate": 1e-3,
        "steps": 10_000,
        "batch_size": 1024,
    }
    row = ToyModels().complete([silent])[0]
    for name, level in asked.USUAL.items():
        assert canonical(row[name]) == canonical(level), name


# --- as for every study --------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
def test_the_answer_follows_the_region_that_holds(design):
    for claim in STUDY.claims_of(design):
        if not claim.rivals or claim.name not in asked.SAID:
            continue
        answers = {
            STUDY.answer(
                invented.verdicts(
                    STUDY, "refuted", design=design, holds={claim.name: region.name}
                )
            )
            for region in [claim.parts[0].region, *claim.rivals]
        }
        assert len(answers) == 1 + len(claim.rivals), claim.name


def test_the_answer_warns_of_a_refuted_control():
    assert "Beware" in STUDY.answer(invented.verdicts(STUDY, "refuted"))
    assert "Beware" not in STUDY.answer(invented.verdicts(STUDY, "supported"))


@pytest.mark.parametrize(("design", "lines"), [("demo", 8), ("default", 17)])
def test_the_picture_has_a_line_for_every_setting(design, lines):
    figure = STUDY.picture(invented.results(STUDY, design=design), ())
    assert len(figure.layout.yaxis.ticktext) == lines
    assert len(figure.data) == 16
    for trace in figure.data:
        assert len(trace.x) == len(trace.y) > 0


def test_directions_are_not_drawn_where_nothing_was_learned():
    found = invented.results(STUDY)
    of_adam = found["optimiser"] == "adam"
    of_adam &= found["weight_decay"] > 0
    assert "Adam's weight decay" in STUDY.picture(found, ()).data[0].customdata
    found.columns["mean_norm_squared"][of_adam] = 1e-9
    for trace in STUDY.picture(found, ()).data:
        assert "Adam's weight decay" not in trace.customdata


def test_the_picture_stands_even_where_every_model_is_undefined():
    found = invented.results(STUDY, seeds=1)
    for number in STUDY.numbers:
        found.columns[number][:] = np.nan
    STUDY.picture(found, invented.verdicts(STUDY, "undecided"))


def test_the_packed_start_falls_with_the_stack():
    figure = STUDY.figures[0].draw(invented.results(STUDY), Store.in_memory())
    *rules, own = figure.data
    assert len(rules) == 3
    for rule in rules:
        assert np.all(np.diff(rule.y) < 0)
        assert max(rule.y) <= own.y[0] + 1e-12
