"""What shows itself in a notebook: tables in words, safe whatever they hold."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import tiny
from tegum.claims import Verdicts
from tegum.design import Design, grid
from tegum.execution import execute, judge, load
from tegum.markup import COLOURS, SYMBOLS, folded
from tegum.measures.facts import Measure
from tegum.store import Store
from tegum.wording import levels_text

HOSTILE = "<img src=x onerror=alert(1)>&\"'</td>"


class Reader(HTMLParser):
    """The tags and the text of some markup; unbalanced tags are an error."""

    def __init__(self, markup):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(thing):
    return Reader(thing._repr_html_())


@pytest.fixture(scope="module")
def world():
    store = Store.in_memory()
    study = tiny.study_of(tiny.Tiny())
    results = execute(study, store)
    return study, results, judge(study, store)


def test_a_design_shows_its_factors_and_their_levels():
    design = grid(rate=[0.0, 0.5], profile=(1.0, 2.0), label="plain", seeds=20)
    seen = read(design).text
    assert "Design: 40 rows" in seen
    assert "rate20, 0.5" in seen
    assert "profile1(1, 2)" in seen
    assert "seed200 to 19" in seen
    assert repr(design).startswith("<Design: 40 rows; levels: rate 2, profile 1,")


def test_a_design_whose_rows_state_different_factors_shows_all_of_them():
    design = Design.from_rows([{"rate": 0.0, "seed": 0}, {"extra": None, "seed": 1}])
    assert "extra1not set" in read(design).text


def test_many_levels_are_cut():
    assert levels_text([k / 2 for k in range(30)]).endswith("5.5, … and 18 more")
    assert levels_text([3, 1, 2]) == "1 to 3"
    assert levels_text([1, 2, 4]) == "1, 2, 4"
    assert levels_text([True, False]) == "True, False"


def test_a_study_shows_its_question_designs_and_claims(world):
    study, _, _ = world
    seen = read(study).text
    assert "tiny-study: Does the mean weight rise with the rate?" in seen
    assert "demo160 to 7" in seen
    assert "P(any wrong verdict) at most 0.05" in seen
    assert "median over seeds of mean_weight" in seen
    assert repr(study) == "<Study tiny-study: Does the mean weight rise with the rate?>"


def test_results_show_their_shape_and_their_first_rows(world):
    _, results, _ = world
    seen = read(results)
    assert "Results: 16 rows (16 trained); the first 5" in seen.text
    assert seen.tags.count("tr") == 6
    assert repr(results) == "<Results: 16 rows (16 trained)>"
    assert repr(results.taken(np.array([0]))) == "<Results: 1 row (1 trained)>"


def test_results_tell_undefined_from_unmeasured_and_missing():
    store = Store.in_memory()
    study = tiny.study_of(tiny.Tiny())
    execute(study, store, where={"rate": 0.0})
    seen = read(load(study, store)).text
    assert "(8 trained, 8 missing)" in seen
    assert "undefined" in seen  # the logarithm of a mean below 0
    wider = replace(study, measures=(*study.measures, tiny.SPREAD))
    assert "not measured" in read(load(wider, store)).text


def test_verdicts_are_a_tuple_that_shows_itself(world):
    _, _, verdicts = world
    assert isinstance(verdicts, Verdicts)
    assert tuple(verdicts) == verdicts
    seen = read(verdicts)
    assert "✓ supported" in seen.text
    assert "confirmatory" in seen.text
    assert re.search(r"rate 0: 0\.5 \[0\.\d+, 0\.\d+\]; said: at least 0\.1", seen.text)
    assert "8 of 8" in seen.text
    assert repr(verdicts) == verdicts[0].describe()
    assert verdicts[0]._repr_html_() == verdicts._repr_html_()
    assert Verdicts()._repr_html_() == repr(Verdicts()) == "no verdict"


def test_the_words_of_a_verdict_have_marks_and_colours_of_their_own(world):
    _, _, verdicts = world
    for word, mark in SYMBOLS.items():
        shown = replace(verdicts[0], word=word)._repr_html_()
        assert f"{mark} {word}" in shown
        assert COLOURS[word] in shown
    assert len(set(COLOURS.values())) == len(set(SYMBOLS.values())) == 3


def test_many_reasons_are_folded_away_and_none_is_lost(world):
    _, _, verdicts = world
    reasons = tuple(f"reason {k}" for k in range(9))
    seen = read(replace(verdicts[0], reasons=reasons))
    assert "details" in seen.tags
    assert "9 reasons" in seen.text
    assert all(reason in seen.text for reason in reasons)
    assert "details" not in Reader(folded(reasons[:3], "reason").text).tags


def test_hostile_names_stay_text(world):
    _, _, verdicts = world
    claim = replace(tiny.RISES, name=HOSTILE, statement=HOSTILE)
    strange = Measure("odd", 1, lambda a, r: {HOSTILE: 1.0}, (HOSTILE,))
    study = tiny.study_of(
        tiny.Tiny(),
        question=HOSTILE,
        designs={"demo": grid(rate=[0.0, 0.5], label=HOSTILE, seeds=8)},
        claims=(claim,),
    )
    results = execute(study, Store.in_memory())
    odd = replace(
        results,
        columns={**results.columns, HOSTILE: results["rate"], "odd_measured": [1] * 16},
        numbers={"odd": strange.numbers},
    )
    judged = replace(verdicts[0], claim=claim, holds=HOSTILE, reasons=(HOSTILE,))
    for thing in (study, study.designs["demo"], odd, judged):
        seen = read(thing)
        assert "img" not in seen.tags
        assert HOSTILE in seen.text
