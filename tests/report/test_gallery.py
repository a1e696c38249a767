"""Pictures by name: what there is, what it trains, and that looking is free."""

import re
from dataclasses import replace

import plotly.graph_objects as go
import pytest
import worlds

import tegum
from tegum.claims import Claim, Part, below, paired_ratio
from tegum.execution import execute, judge
from tegum.report.page import page_html
from tegum.results import MISSING
from tegum.store import Store
from tegum.studies import names, study_named
from tegum.study import Figure

FALLS = Claim(
    "falls",
    "Interference falls.",
    [
        Part(
            paired_ratio(
                "total_interference", factor="rate", treated=0.5, control=0.0, where={}
            ),
            below(0.9),
        )
    ],
    reason="A tenth.",
    source="",
)


def present(store):
    return len(store.rows())


def test_every_shipped_picture_has_one_name_and_a_caption():
    pictures = tegum.figures()
    listed = [picture.name for picture in pictures]
    assert len(set(listed)) == len(listed)
    assert set(names()) <= set(listed)
    for picture in pictures:
        assert len(picture.caption) > 20, picture.name


@pytest.mark.parametrize("name", names())
def test_every_design_of_a_shipped_study_has_the_rows_of_its_figures(name):
    study = study_named(name)
    for figure in study.figures:
        for design in study.designs:
            if figure.where:
                assert len(study.completed(design).where(**figure.where)) > 0


def test_a_figure_trains_its_own_rows_only_and_is_drawn_from_them():
    store = Store.in_memory()
    drawn = tegum.figure("norms", study=worlds.pictured(), store=store)
    assert isinstance(drawn, go.Figure)
    assert len(drawn.data) == present(store) == 1
    assert drawn.layout.paper_bgcolor == "white"
    caption = drawn.layout.meta["caption"]
    assert caption.endswith("sundry. Study pictured, design demo, 1 model.")


def test_a_second_look_trains_nothing_and_gives_the_same_picture():
    store, study = Store.in_memory(), worlds.pictured()
    first = tegum.figure("solid", study=study, store=store)
    assert present(store) == 1
    assert tegum.figure("solid", study=study, store=store).to_json() == first.to_json()
    assert present(store) == 1


def test_the_headline_goes_by_the_name_of_its_study():
    study = replace(worlds.pictured(), claims=(FALLS,))
    drawn = tegum.figure("pictured", study=study, store=Store.in_memory())
    assert drawn.layout.yaxis.title.text == "total interference"
    own = replace(study, picture=lambda results, verdicts: go.Figure(layout_title="me"))
    drawn = tegum.figure("pictured", study=own, store=Store.in_memory())
    assert drawn.layout.title.text == "me"


def test_looking_first_costs_no_later_verdict_its_standing():
    store = Store.in_memory()
    study = replace(worlds.pictured(), claims=(FALLS,))
    for name in ("norms", "pictured", "solid"):
        tegum.figure(name, study=study, store=store)
    execute(study, store)
    assert [verdict.standing for verdict in judge(study, store)] == ["confirmatory"]


def test_a_claim_changed_after_a_look_is_exploratory():
    store = Store.in_memory()
    study = replace(worlds.pictured(), claims=(FALLS,))
    tegum.figure("norms", study=study, store=store)
    changed = replace(FALLS, parts=[Part(FALLS.parts[0].estimand, below(0.8))])
    study = replace(study, claims=(changed,))
    execute(study, store)
    assert [verdict.standing for verdict in judge(study, store)] == ["exploratory"]


def test_a_look_records_no_verdict():
    store = Store.in_memory()
    study = replace(worlds.pictured(), claims=(FALLS,))
    tegum.figure("pictured", study=study, store=store)
    assert {said["kind"] for said in store.registry()} == {"registration"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nroms", "did you mean norms"),
        ("broken", "could not be drawn: KeyError: 'no such column'"),
    ],
)
def test_a_figure_that_can_not_be_drawn_says_why(name, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        tegum.figure(name, study=worlds.pictured(), store=Store.in_memory())


def test_a_function_that_returns_no_figure_is_told_so():
    study = replace(
        worlds.pictured(), figures=(Figure("none", "None.", lambda *_: None),)
    )
    with pytest.raises(ValueError, match="returned a NoneType; let it return a plotly"):
        tegum.figure("none", study=study, store=Store.in_memory())


def test_rows_that_are_missing_are_left_out_and_none_at_all_is_said():
    study = worlds.pictured()
    some = worlds.run(study, where={"rate": 0.0})
    assert some.results.missing == 8
    seen = []
    spy = Figure("spy", "What it sees.", lambda r, s: seen.append(r) or go.Figure())
    watched = replace(study, figures=(spy, *study.figures))
    text = page_html(watched, some.results, (), store=some.store, design="demo")
    assert len(seen[0]) == 8
    assert MISSING not in seen[0]["status"]
    assert "none of the rows of the figure `solid` are in the store" in text


@pytest.mark.parametrize(
    ("figure", "says"),
    [
        (Figure("x", "X.", worlds.norms, {"rat": 0.5}), "did you mean rate"),
        (Figure("pictured", "X.", worlds.norms), "called like its study"),
    ],
)
def test_a_figure_that_does_not_fit_its_study_is_refused(figure, says):
    with pytest.raises(ValueError, match=says):
        replace(worlds.pictured(), figures=(figure,))
    with pytest.raises(ValueError, match="two figures are called norms"):
        replace(worlds.pictured(), figures=(worlds.FIGURES[0],) * 2)
