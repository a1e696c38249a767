"""What holds for every study beyond the first: designs, claims, answer, picture."""

import itertools

import numpy as np
import pytest

from studies import invented
from tegum.store import Store
from tegum.studies import study_named
from tegum.toys import engine

NAMES = ("noise-or-dropout", "privileged-basis")
WORDS = ("supported", "refuted", "undecided")
DEMO_CORE_SECONDS = 120.0


@pytest.fixture(params=NAMES)
def study(request):
    return study_named(request.param)


def test_it_is_found_by_its_name_and_says_what_it_asks(study):
    assert study.name in NAMES
    assert study.question.endswith("?")
    assert len(study.digest()) == 64


def test_a_demo_takes_about_a_minute_on_two_cores(study):
    rows = study.completed("demo").rows
    assert sum(engine.core_seconds(row) for row in rows) < DEMO_CORE_SECONDS


def test_designs_grow(study):
    sizes = [len(study.completed(name)) for name in ("demo", "default", "full")]
    assert sizes == sorted(set(sizes))


def test_no_arm_has_weight_decay_unless_it_is_the_control_for_it(study):
    decays = set(study.completed("demo").levels("weight_decay"))
    assert decays == {0.0}


def test_every_claim_says_why_and_from_where(study):
    for claim in study.claims:
        assert claim.reason
        assert claim.source


def test_the_planned_seeds_can_decide(study):
    """Too small a plan would leave every interval unbounded: none does."""
    for design in study.designs:
        parts = sum(len(claim.parts) for claim in study.claims_of(design))
        error = 0.8 * study.alpha_of(design) / parts
        for name, seeds in study.planned_seeds(design).items():
            assert 2.0 * 0.5**seeds < error, name


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("design", ["demo", "default", "full"])
def test_the_answer_is_a_sentence_for_every_word(study, word, design):
    said = study.answer(invented.verdicts(study, word, design=design))
    assert said.endswith(".")
    assert said[0].isupper()
    assert "{" not in said
    assert ".." not in said


def test_the_answer_says_when_seeds_are_still_to_come(study):
    found = invented.verdicts(study, "supported")
    assert study.answer(invented.interim(found)).startswith("So far")


def test_the_answer_warns_of_a_refuted_control(study):
    assert "Beware" in study.answer(invented.verdicts(study, "refuted"))
    assert "Beware" not in study.answer(invented.verdicts(study, "supported"))


def test_the_answer_follows_the_region_that_holds(study):
    """For each two-sided claim in the answer, each region gives another sentence."""
    sided = [c for c in study.claims_of("demo") if c.rivals]
    told = 0
    for claim in sided:
        regions = [claim.parts[0].region, *claim.rivals]
        answers = {
            study.answer(
                invented.verdicts(study, "refuted", holds={claim.name: region.name})
            )
            for region in regions
        }
        told += len(answers) == len(regions)
    assert told >= 1


def test_the_picture_draws_every_number_it_names(study):
    found = invented.results(study)
    figure = study.picture(found, invented.verdicts(study, "supported"))
    assert len(figure.data) > 8
    for trace in figure.data:
        assert len(trace.x) == len(trace.y)


def test_the_picture_stands_even_where_every_model_is_undefined(study):
    found = invented.results(study, seeds=1)
    for number in study.numbers:
        found.columns[number][:] = np.nan
    study.picture(found, invented.verdicts(study, "undecided"))


@pytest.mark.parametrize("design", ["default", "full"])
def test_the_picture_keeps_to_its_own_models_in_larger_designs(study, design):
    """More rates, sizes and optimisers must not leak into the demo's panels."""
    small = study.picture(invented.results(study), ())
    large = study.picture(invented.results(study, design=design), ())
    assert [t.name for t in small.data] == [t.name for t in large.data]


@pytest.mark.parametrize("design", ["demo", "default", "full"])
def test_further_figures_can_be_drawn_on_every_design(study, design):
    """From the rows they name alone; with names and captions of their own."""
    found = invented.results(study, design=design)
    for wanted in study.figures:
        assert wanted.caption.endswith(".")
        figure = wanted.draw(found.where(**wanted.where), Store.in_memory())
        assert figure.data, wanted.name


def test_further_figures_stand_even_where_every_model_is_undefined(study):
    found = invented.results(study, seeds=1)
    for number in study.numbers:
        found.columns[number][:] = np.nan
    for wanted in study.figures:
        wanted.draw(found.where(**wanted.where), Store.in_memory())


def test_a_claim_never_compares_arms_of_another_size_or_optimiser(study):
    fixed = {"noise-or-dropout": {"n_features"}, "privileged-basis": {"n_hidden"}}
    for claim, part in itertools.chain.from_iterable(
        ((claim, part) for part in claim.parts) for claim in study.claims
    ):
        assert fixed[study.name] | {"optimiser"} <= set(part.estimand.where), claim.name
