"""What `lineages` and `predicted-geometry` have in common: time, sizes, an answer."""

import invented
import pytest

from tegum.studies import study_named
from tegum.toys import engine

DESIGNS = ("demo", "default", "full")
WORDS = ("supported", "refuted", "undecided")


@pytest.fixture(params=["lineages", "predicted-geometry"])
def study(request):
    return study_named(request.param)


def test_a_demo_takes_less_than_a_minute_on_two_cores(study):
    rows = study.completed("demo").rows
    assert sum(engine.core_seconds(row) for row in rows) < 80.0


def test_designs_grow(study):
    sizes = [len(study.completed(name)) for name in DESIGNS]
    assert sizes == sorted(set(sizes))


def test_the_planned_seeds_can_decide(study):
    for design in study.designs:
        parts = sum(len(claim.parts) for claim in study.claims_of(design))
        wrong = 0.8 * study.alpha_of(design) / parts
        assert all(2.0 * 0.5**n < wrong for n in study.planned_seeds(design).values())


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("design", DESIGNS)
def test_the_answer_is_a_sentence_for_every_word(study, word, design):
    said = study.answer(invented.verdicts(study, word, design=design))
    assert said.endswith(".")
    assert said[0].isupper()
    assert "{" not in said
    assert ".." not in said
