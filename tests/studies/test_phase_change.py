"""The phase changes: designs, the same starts in every arm, answer, pictures."""

import numpy as np
import pytest

from studies import invented
from tegum.studies import phase_change as asked
from tegum.studies._phase_picture import IGNORED, OWN, SHARED, _mixed
from tegum.theory.small_models import triple_point

STUDY = asked.STUDY
THREE = ("three-features-last-matters-less", "three-features-last-matters-more")


def drawn(study=STUDY, **arguments):
    found = invented.results(study, **arguments)
    draws = np.random.default_rng(1)
    for number in study.numbers:
        low, high = study.ranges[number]
        if (low, high) == (0.0, 1.0):
            found.columns[number] = draws.uniform(0.0, 1.0, len(found))
    return found


def test_every_arm_has_the_same_number_of_starts():
    for design in STUDY.designs:
        assert STUDY.completed(design).levels("starts") == (asked.STARTS,)


def test_no_cell_has_two_features_alike_and_planes_are_symmetric():
    for relative in (asked.IMPORTANCES, asked.FINE_IMPORTANCES):
        assert 1.0 not in relative
        np.testing.assert_allclose(
            np.array(relative) * np.array(relative[::-1]), 1.0, rtol=1e-9
        )


def test_the_fine_plane_holds_the_coarse_one():
    assert set(asked.IMPORTANCES) <= set(asked.FINE_IMPORTANCES)
    assert set(asked.DENSITIES) <= set(asked.FINE_DENSITIES)
    assert min(asked.DENSITIES) < triple_point().density < max(asked.DENSITIES)


def test_its_seeds_are_its_own():
    for design in STUDY.designs:
        seeds = STUDY.completed(design).levels("seed")
        assert min(seeds) == asked.FIRST_SEED
        assert max(seeds) < asked.FIRST_SEED + 100
    pilot = asked.demo(1_000_000).levels("seed")
    assert set(pilot) <= set(asked.PILOT_SEEDS)


def test_a_demo_takes_less_than_a_minute_of_training_on_two_cores():
    rows = STUDY.completed("demo").rows
    assert sum(STUDY.subject.core_seconds(row) for row in rows) < 80.0
    rows = STUDY.completed("default").rows
    assert sum(STUDY.subject.core_seconds(row) for row in rows) < 600.0


def test_claims_on_the_planes_average_over_all_of_their_cells():
    for claim in asked.CLAIMS:
        if claim.name in ("optimum-reached", "moves-as-predicted"):
            for part in claim.parts:
                where = part.estimand.where
                assert len(where["importance"]) == len(where["feature_probability"])
                assert len(where["importance"]) == 6
                assert where["steps"] == (asked.STEPS,)


def test_density_one_is_asked_for_by_itself():
    for claim in asked.CLAIMS:
        for part in claim.parts:
            dense = 1.0 in part.estimand.where["feature_probability"]
            if claim.name in ("two-features", *THREE):
                assert not dense
            if claim.name == "two-features-never-zero":
                assert part.estimand.where["feature_probability"] == (1.0,)


def test_a_linear_read_out_is_in_the_control_alone():
    for claim in asked.CLAIMS:
        outputs = [part.estimand.where["output"] for part in claim.parts]
        control = claim.name == "two-features-never-zero"
        assert (
            outputs == [("relu",), ("linear",)]
            if control
            else {*outputs} == {("relu",)}
        )


def test_the_planned_seeds_can_decide():
    for design in STUDY.designs:
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
    for name in ("two-features", "three-features-last-matters-less"):
        claim = next(claim for claim in asked.CLAIMS if claim.name == name)
        regions = [claim.parts[0].region, *claim.rivals]
        answers = {
            STUDY.answer(invented.verdicts(STUDY, "refuted", holds={name: r.name}))
            for r in regions
        }
        assert len(answers) == 3


def test_the_colours_of_the_three_phases_and_of_none():
    def rgb(colour):
        return "rgb({},{},{})".format(*(int(colour[k : k + 2], 16) for k in (1, 3, 5)))

    assert _mixed(1.0, 0.0) == rgb(IGNORED)
    assert _mixed(0.0, 0.0) == rgb(SHARED)
    assert _mixed(0.0, 1.0) == rgb(OWN)
    assert not _mixed(np.nan, 0.0).startswith("rgb")


@pytest.mark.parametrize("design", ["demo", "default", "full"])
def test_pictures_stand_on_every_design(design):
    found = drawn(design=design, seeds=1)
    head = STUDY.picture(found, ())
    cells = [trace for trace in head.data if trace.type == "heatmap"]
    assert len(cells) == 8
    for figure in STUDY.figures:
        picture = figure.draw(found.where(**figure.where), None)
        assert picture.data
    kinds = [trace.type for trace in STUDY.figures[0].draw(
        found.where(**STUDY.figures[0].where), None).data]  # fmt: skip
    assert kinds.count("heatmap") == (6 if design == "demo" else 9)


def test_pictures_stand_where_nothing_is_known():
    found = drawn(seeds=1)
    for number in STUDY.numbers:
        found.columns[number][:] = np.nan
    STUDY.picture(found, ())
    for figure in STUDY.figures:
        figure.draw(found.where(**figure.where), None)
