"""The page without a browser: its model, its markup, its silent and empty cases."""

import dataclasses
import html.parser
import json
import math
import re
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
import worlds

from tegum.arrays import Artifact
from tegum.claims import Claim, Part, above, level
from tegum.design import grid
from tegum.execution import execute, judge, load
from tegum.functions import FunctionSubject
from tegum.measures.facts import Measure
from tegum.report import render
from tegum.report.page import layout_of, page_html, page_model
from tegum.report.verdicts import contradictions
from tegum.results import Problem
from tegum.store import Store
from tegum.study import Study

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=hacked=1>"


class Elements(html.parser.HTMLParser):
    """Collects every start tag with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def page_of(world, **changes):
    made = replace(world, **changes)
    return page_html(
        made.study, made.results, made.verdicts, store=made.store, design="demo"
    )


def model_of(world):
    layout = layout_of(world.study, world.results, world.verdicts)
    return page_model(
        world.study, world.results, world.verdicts, store=world.store, layout=layout
    )


def embedded(text):
    """The page model as the browser will read it."""
    inside = re.search(
        r'<script type="application/json" id="page-model">(.*?)</script>', text, re.S
    )
    return json.loads(inside.group(1))


def test_the_page_is_one_file_that_asks_the_network_for_nothing(tmp_path):
    world = worlds.whole()
    path = render(
        world.study,
        world.results,
        world.verdicts,
        store=world.store,
        path=tmp_path / "deep" / "page.html",
        design="demo",
    )
    text = path.read_text(encoding="utf-8")
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]
    for tag, attributes in Elements(text).found:
        assert not attributes.get("src"), (tag, attributes)
        assert attributes.get("href", "#").startswith(("#", "data:")), (tag, attributes)
    assert "default-src 'none'" in text
    assert text.count("plotly.js v") == 1


def test_the_page_says_what_it_must():
    world = worlds.whole()
    text = page_of(world)
    assert "Does dropout inhibit superposition among polygons?" in text
    assert "Of 3 claims, 1 is supported, 1 is refuted and 1 is undecided." in text
    assert world.study.digest() in text
    assert "tegum report polygons --design demo" in text
    assert "A study of known shapes." in text
    assert "208 rows in 26 cells" in text
    assert "208 stored of 208" in text
    assert "8 rows diverged, in 1 cells" in text
    assert "cells miss it" in text
    row = world.store.rows().to_pylist()[0]
    for column in ("tegum_version", "machine", "instruction_set"):
        assert row[column] in text
    assert row["commit"].rstrip("+") in text


def test_the_pilots_seeds_are_listed_in_runs():
    study = worlds.study(pilot_seeds=(*range(100, 120), 131))
    text = page_of(worlds.whole(), study=study)
    assert "100 to 119, 131" in text


def test_the_command_names_the_seeds_and_the_store_where_they_are_not_the_usual(
    tmp_path,
):
    study = worlds.study()
    store = Store.open(tmp_path / "my store")
    execute(study, store, design="demo", seeds=2)
    results = load(study, store, design="demo", seeds=2)
    text = page_html(study, results, (), store=store, design="demo")
    command = (
        "tegum report polygons --design demo --seeds 2 --store &#x27;my store&#x27;"
    )
    assert command in text


def test_the_command_names_a_study_as_it_was_named_or_is_left_out():
    world = worlds.whole()
    about = world.study, world.results, world.verdicts
    mine = page_html(*about, store=world.store, design="demo", called="./mine.py")
    assert "tegum report ./mine.py --design demo" in mine
    nameless = page_html(*about, store=world.store, design="demo", called="")
    assert "tegum report" not in nameless
    assert "This page again" not in nameless


def test_many_refuted_claims_are_folded():
    world = worlds.whole()
    (refuted,) = [v for v in world.verdicts if v.word == "refuted"]
    few = contradictions([refuted] * 4)
    many = contradictions([refuted] * 7)
    assert "<details>" not in few.text
    assert "And 3 claims more" in many.text
    assert many.text.count(refuted.claim.statement) == 7


def test_the_model_names_axes_and_keeps_undefined_apart_from_unmeasured():
    model = model_of(worlds.partial())
    factors = [axis["factor"] for axis in model["axes"]]
    assert factors[model["x"]] == "rate"
    assert factors[model["y"]] == "feature_probability"
    assert factors[model["panel"]] == "importance_decay"
    assert "learning_rate" not in factors
    by_place = {tuple(cell["at"]): k for k, cell in enumerate(model["cells"])}

    def cell(**levels):
        at = [axis["labels"].index(levels[axis["factor"]]) for axis in model["axes"]]
        return by_place[tuple(at)]

    uniform, decaying = "uniform (r = 1)", "decaying (r = 0.8)"
    sparse = {"feature_probability": "S = 0.9 (q = 0.1)"}
    gone = cell(**sparse, importance_decay=decaying, rate="0.7", optimiser="adamw")
    left_out = cell(**sparse, importance_decay=uniform, rate="0.5", optimiser="sgd")
    there = cell(**sparse, importance_decay=uniform, rate="0.5", optimiser="adamw")
    relative = model["series"]["relative_interference"]
    assert relative["value"]["median"][gone] == "NaN"
    assert relative["undefined"][gone] == 8
    assert relative["value"]["median"][left_out] is None
    assert relative["missing"][left_out] == 8
    assert isinstance(relative["value"]["median"][there], float)
    assert model["series"]["total_interference"]["value"]["median"][gone] == 0
    assert model["cells"][left_out]["absent"] == 8


def test_diverged_and_slow_cells_are_marked():
    model = model_of(worlds.whole())
    assert [c["diverged"] for c in model["cells"] if "diverged" in c] == [8]
    # The slow cell, and the one in which nothing converged because all diverged.
    assert sum("unsettled" in cell for cell in model["cells"]) == 2


def test_the_models_medians_are_those_of_the_rows():
    world = worlds.whole()
    model = model_of(world)
    layout = layout_of(world.study, world.results, world.verdicts)
    values = world.results["total_interference"]
    for k, cell in enumerate(layout.cells):
        shown = model["series"]["total_interference"]["value"]["median"][k]
        truth = float(np.median(values[list(cell.rows)]))
        if math.isnan(truth):
            assert shown == "NaN"
        else:
            assert shown == pytest.approx(truth, rel=1e-3)


def test_every_claimed_number_comes_first():
    model = model_of(worlds.whole())
    assert model["claimed"] == [
        "total_interference",
        "features_represented",
        "packing_excess",
    ]
    assert [n["id"] for n in model["numbers"]][:3] == model["claimed"]
    assert "W_i" in model["numbers"][0]["meaning"]
    assert model["numbers"][0]["unit"] == "unit: weight^4"


def test_a_studys_own_picture_is_drawn():
    figure = go.Figure(go.Scatter(x=[0, 1], y=[2, 3], name="mine"))
    study = worlds.study(picture=lambda results, verdicts: figure)
    text = page_of(worlds.whole(), study=study)
    assert embedded(text)["picture"]["data"][0]["name"] == "mine"


def test_without_a_picture_the_claimed_numbers_are_drawn_against_the_contrast():
    picture = embedded(page_of(worlds.whole()))["picture"]
    titles = {
        axis["title"]["text"]
        for name, axis in picture["layout"].items()
        if "axis" in name and "title" in axis
    }
    assert {"total interference", "features represented", "dropout rate p"} <= titles


def hostile_world():
    def train(row):
        return {"W": np.eye(2) * (1 + row["seed"])}

    def measured(artifact, row):
        return {HOSTILE: float(artifact.arrays["W"].sum())}

    claim = Claim(
        HOSTILE,
        HOSTILE,
        [Part(level(HOSTILE, where={"kind": HOSTILE}), above(0.0, HOSTILE))],
        reason=HOSTILE,
        source=HOSTILE,
    )
    study = Study(
        name="hostile",
        question=HOSTILE,
        subject=FunctionSubject("hostile", train, in_process=True),
        designs={"demo": grid(kind=[HOSTILE, "plain", "</style><b>"], seeds=8)},
        measures=[Measure("m", 1, measured, (HOSTILE,))],
        claims=[claim],
        alpha=0.05,
        background=HOSTILE,
        answer=lambda verdicts: HOSTILE,
    )
    world = worlds.run(study)
    verdict = replace(world.verdicts[0], reasons=(HOSTILE,), word="undecided")
    refuted = replace(world.verdicts[0], word="refuted", holds=HOSTILE)
    return replace(world, verdicts=(verdict, refuted))


def test_stored_text_is_never_markup():
    text = page_of(hostile_world())
    assert HOSTILE not in text
    tags = [tag for tag, _ in Elements(text).found]
    assert tags.count("script") == 3
    assert "img" not in tags
    assert "b" not in tags
    assert embedded(text)["numbers"][0]["id"] == HOSTILE


def test_what_a_measure_refused_is_said_in_its_words():
    world = worlds.whole()
    silent = page_of(world)
    assert "What could not be measured" not in silent
    row = next(world.results.rows())
    refused = Problem("geometry", "a" * 64, row, "not for <hidden> ReLU")
    said = page_of(world, results=replace(world.results, problems=(refused,)))
    assert "What could not be measured" in said
    assert "not for &lt;hidden&gt; ReLU" in said


def test_no_verdicts():
    text = page_of(replace(worlds.whole(), verdicts=()))
    assert "No verdict yet" in text
    assert "No claim has been judged" in text


def test_one_seed_has_no_intervals_and_one_model_for_both():
    study = worlds.study(designs={"demo": worlds.design(seeds=1)})
    model = model_of(worlds.run(study))
    lows = model["series"]["total_interference"]["value"]["low"]
    assert set(lows) <= {"-Infinity", "NaN"}
    assert all(median == best for median, best in model["choices"])


def test_a_study_in_which_every_model_diverged():
    def train(row):
        return Artifact({"W": np.full((2, 3), np.nan)}, "diverged", 3)

    study = worlds.study(
        subject=FunctionSubject("bang", train, factors=worlds.FACTORS, in_process=True),
        measures=[worlds.GEOMETRY],
        convergence=None,
    )
    world = worlds.run(study)
    model = model_of(world)
    values = model["series"]["total_interference"]["value"]["median"]
    assert set(values) == {"NaN"}
    assert model["models"] == {}
    assert "208 rows diverged" in page_of(world)


def plain_study(**factors):
    def train(row):
        return {"energy": np.array([float(row.get("size", 1)) + 0.1 * row["seed"]])}

    def energy(artifact, row):
        """How much is left."""
        return {"energy": float(artifact.arrays["energy"][0])}

    first = {name: levels[0] for name, levels in factors.items()}
    part = Part(level("energy", where=first), above(0.0))
    return Study(
        name="own",
        question="How much is left?",
        subject=FunctionSubject("own", train, in_process=True),
        designs={"demo": grid(**factors, seeds=7)},
        measures=[Measure("left", 1, energy, ("energy",))],
        claims=[Claim("some", "Some is left.", [part], reason="", source="")],
        alpha=0.05,
    )


def test_a_users_study_without_weights_has_a_page_too():
    world = worlds.run(plain_study(size=[1, 2, 3]))
    model = model_of(world)
    assert [axis["factor"] for axis in model["axes"]] == ["size"]
    assert model["y"] is None
    assert all("W" not in m and "loss" not in m for m in model["models"].values())
    assert "How much is left." in model["numbers"][0]["meaning"]
    assert "supported" in page_of(world)


def test_a_design_of_one_cell_has_a_page_too():
    world = worlds.run(plain_study(size=[1]))
    model = model_of(world)
    assert model["axes"] == []
    assert model["x"] is None
    assert "change" not in model["series"]["energy"]
    assert embedded(page_of(world))["picture"] is None


def test_rows_not_trained_yet_are_counted_and_not_drawn():
    text = page_of(worlds.partial())
    assert "192 stored of 208" in text
    assert "16 missing" in text


def test_an_empty_store_has_a_page():
    study = worlds.study()
    store = Store.in_memory()
    results = load(study, store, design="demo")
    verdicts = judge(study, store, design="demo", record=False)
    text = page_html(study, results, verdicts, store=store, design="demo")
    assert "0 stored of 208" in text


@pytest.mark.slow
def test_ten_thousand_rows_are_quick_and_light(tmp_path):
    design = grid(
        n_features=20,
        n_hidden=5,
        noise="dropout",
        rate=[k / 10 for k in range(8)],
        feature_probability=[1.0, 0.5, 0.3, 0.1, 0.03],
        importance_decay=[1.0, 0.8],
        steps=100,
        seeds=125,
    )
    study = worlds.study(designs={"demo": design}, claims=())
    store = Store.in_memory()
    execute(study, store, design="demo")
    results = load(study, store, design="demo")
    assert len(results) == 10_000
    path = render(
        study, results, (), store=store, path=tmp_path / "p.html", design="demo"
    )
    plotly = 5.0e6
    assert path.stat().st_size < plotly + 4.0e6


def test_records_of_the_report_are_frozen():
    layout = layout_of(worlds.study(), worlds.whole().results, ())
    with pytest.raises(dataclasses.FrozenInstanceError):
        layout.x = 3
