"""The page: a plain model of it, and one HTML file that draws that model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from tegum.claims import Verdict
from tegum.markup import Html, element, joined, prose
from tegum.measures.facts import Measure
from tegum.measures.geometry import FACTS, GEOMETRY
from tegum.report.drawing import draw_figure, draw_headline
from tegum.report.encode import figure_json, number, script_json
from tegum.report.figures import headline_width, narrowest_width
from tegum.report.frame import Frame, frame
from tegum.report.labels import (
    factor_name,
    in_words,
    labels_of,
    number_name,
    several,
    unit_of,
    unit_text,
)
from tegum.report.method import command, method, provenance, unsettled
from tegum.report.picture import default_picture, held_fixed
from tegum.report.series import series
from tegum.report.specimens import LOSS, Specimens, specimens
from tegum.report.verdicts import answer, contradictions, standing, verdict_table
from tegum.results import MISSING, Results
from tegum.store import Store
from tegum.study import Figure, Study

SCRIPTS = ("common.js", "curves.js", "map.js", "panel.js", "main.js")

PHONE = 340
"""The width in pixels that every phone has for a figure."""


def render(
    study: Study,
    results: Results,
    verdicts: Sequence[Verdict],
    *,
    store: Store,
    path: str | Path,
    design: str,
    called: str | None = None,
) -> Path:
    """Write the page of a study: one file that opens offline, and return its path.

    `called` is how a command line names the study, by its name or the path of its file;
    empty where it can not, so that the page says no command. Its name if not given.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = page_html(
        study, results, verdicts, store=store, design=design, called=called
    )
    target.write_text(text, encoding="utf-8")
    return target


def page_html(
    study: Study,
    results: Results,
    verdicts: Sequence[Verdict],
    *,
    store: Store,
    design: str,
    called: str | None = None,
) -> str:
    """The page as text; see `render`."""
    called = study.name if called is None else called
    layout = layout_of(study, results, verdicts)
    model = page_model(study, results, verdicts, store=store, layout=layout)
    picture, note = headline(study, results, verdicts, layout=layout, model=model)
    drawing = "null" if picture is None else figure_json(picture)
    figures, drawn = further_figures(
        study, results, store=store, design=design, called=called
    )
    sentence = answer(study, verdicts)
    question = " ".join(study.question.split())
    said, unit = in_words(verdicts, labels_of(study.subject)), unit_of(study.subject)
    against = contradictions(said)
    called_by = f"{study.name} · {design}" if len(study.designs) > 1 else study.name
    background = element(
        "details",
        element("summary", "Background, and what was fixed beforehand"),
        prose(study.background),
        class_="background",
    )
    return Template(_asset("page.html")).substitute(
        title=escape(f"{study.name}: {question}"),
        style=_asset("page.css"),
        study=escape(called_by),
        question=escape(question),
        answer=escape(sentence),
        standing=escape(standing(verdicts, unit=unit)),
        parts=_parts(study).text,
        problems=problems(results).text,
        contradictions=against.text if against else "",
        background=background.text if study.background.strip() else "",
        picture_label=escape(f"The headline picture. {sentence}"),
        picture_note=escape(note),
        picture_width="" if picture is None else str(headline_width(picture)),
        verdicts=verdict_table(said, unit=unit).text,
        figures=figures.text,
        method=method(study, results, layout, design=design).text,
        provenance=provenance(
            study, results, store=store, design=design, called=called
        ).text,
        model=f'{script_json(model)[:-1]},"picture":{drawing},"figures":[{drawn}]}}',
        plotly=get_plotlyjs(),
        script="\n".join(_asset(name) for name in SCRIPTS),
    )


def _parts(study: Study) -> Html:
    """Links to the parts of the page that every reader may want."""
    named = {"verdicts": "Verdicts", "figures": "Pictures", "explore": "Numbers"}
    named |= {"method": "How it was done"}
    if not study.figures:
        del named["figures"]
    links = [element("a", text, href=f"#{part}") for part, text in named.items()]
    return joined(links[0], *(joined(" · ", link) for link in links[1:]))


def problems(results: Results) -> Html:
    """Measures that refused a model, in the words in which they refused."""
    if not results.problems:
        return joined()
    lines = [element("li", line) for line in results.problem_lines()]
    return element(
        "div",
        element("h2", "What could not be measured"),
        element("ul", *lines),
        class_="problems",
    )


def layout_of(study: Study, results: Results, verdicts: Sequence[Verdict]) -> Frame:
    """Axes and cells of a study's rows."""
    claims = [verdict.claim for verdict in verdicts] or list(study.claims)
    return frame(
        results.columns,
        factors=study.subject.factors,
        names=results.factors,
        claims=claims,
        labels=labels_of(study.subject),
    )


def page_model(
    study: Study,
    results: Results,
    verdicts: Sequence[Verdict],
    *,
    store: Store,
    layout: Frame,
) -> dict[str, Any]:
    """Everything the page draws, as plain data.

    In a series `"NaN"` is undefined and null not measured.
    """
    names = ordered_numbers(study, verdicts)
    seeds = Counter(cell.seeds for cell in layout.cells)
    common = seeds.most_common(1)[0][0] if seeds else ()
    measured = measured_rows(study, results)
    shown = specimens(
        layout.cells, results.columns, ranking=_ranking(names), store=store
    )
    return {
        "axes": _axes(layout),
        "x": layout.x,
        "y": layout.y,
        "panel": layout.panel,
        "control": layout.control,
        "seeds": list(common),
        "unit": unit_of(study.subject),
        "units": several(unit_of(study.subject)),
        "cells": _cells(study, results, layout, common=common),
        "numbers": [_number(name, study.measures) for name in names],
        "first": names[0],
        "start": list(layout.usual_selection.items()),
        "series": _series(study, results, layout, measured=measured),
        "ranking": _ranking(names),
        "claimed": [name for name in _claimed(verdicts) if name in names],
        **_models(shown, results, names, measured=measured),
    }


def _series(
    study: Study,
    results: Results,
    layout: Frame,
    *,
    measured: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Every number of the study over all cells."""
    return {
        name: series(
            np.asarray(results[name], dtype=np.float64),
            measured[name],
            layout,
            resolution=measure.resolution_of(name),
            declared_range=measure.range_of(name),
        )
        for measure in study.measures
        for name in measure.numbers
    }


def headline(
    study: Study,
    results: Results,
    verdicts: Sequence[Verdict],
    *,
    layout: Frame,
    model: Mapping[str, Any],
) -> tuple[go.Figure | None, str]:
    """The headline picture, where there is something to draw, and a note on it."""
    if study.picture is not None:
        return draw_headline(study, results, verdicts), ""
    names = model["claimed"] or [model["first"]]
    figure = default_picture(layout, model["series"], names)
    if figure is None:
        return None, ""
    fixed = "; ".join(f"{k}: {v}" for k, v in held_fixed(layout).items())
    units = several(unit_of(study.subject))
    note = f"Medians over {units}, with 95 % intervals for each point alone."
    return figure, f"{note} Shown at {fixed}." if fixed else note


def default_headline(
    study: Study, results: Results, verdicts: Sequence[Verdict]
) -> go.Figure:
    """The headline of a study that brings none: its claims' numbers against x.

    Raises:
        ValueError: a design in which no factor varies.
    """
    layout = layout_of(study, results, verdicts)
    names = ordered_numbers(study, verdicts)
    claimed = [name for name in _claimed(verdicts) if name in names]
    drawn = _series(study, results, layout, measured=measured_rows(study, results))
    figure = default_picture(layout, drawn, claimed or names[:1])
    if figure is None:
        raise ValueError(
            f"the study `{study.name}` brings no `picture` and none of its factors "
            "varies, so there is nothing to draw; give it a `picture`"
        )
    return figure


def measured_rows(study: Study, results: Results) -> dict[str, np.ndarray]:
    """For each number, the rows in which it was measured."""
    return {
        name: np.asarray(results[f"{measure.name}_measured"], dtype=bool)
        for measure in study.measures
        for name in measure.numbers
    }


def further_figures(
    study: Study, results: Results, *, store: Store, design: str, called: str
) -> tuple[Html, str]:
    """The study's further figures: their places on the page, and their JSON.

    Where one can not be drawn its place says why.
    """
    places, drawn = [], []
    for figure in study.figures:
        asked = ("figure", figure.name, "--study", called)
        again = command(
            *asked, study=study, results=results, store=store, design=design
        )
        try:
            picture = draw_figure(figure, results, store=store)
            drawn.append(figure_json(picture))
        except ValueError as error:
            place = element("p", str(error), class_="note failed")
        else:
            place = _place(figure, picture, number=len(drawn) - 1)
        caption = element(
            "figcaption",
            element("strong", figure.name),
            f": {' '.join(figure.caption.split())} ",
            element("code", again) if called else None,
        )
        places.append(element("figure", place, caption, id=f"figure-{figure.name}"))
    if not places:
        return joined(), ""
    heading = element("h2", "Pictures")
    return element("section", heading, *places, id="figures"), ",".join(drawn)


def _place(figure: Figure, picture: go.Figure, *, number: int) -> Html:
    """Where a script draws a figure; it scrolls sideways rather than shrink."""
    caption, narrowest = " ".join(figure.caption.split()), narrowest_width(picture)
    drawing = element(
        "div",
        class_="drawing",
        data_figure=str(number),
        data_name=figure.name,
        style=f"min-width:{narrowest}px",
        role="img",
        aria_label=caption,
    )
    label = f"The picture {figure.name}"
    box = element(
        "div", drawing, class_="scroll", tabindex="0", role="region", aria_label=label
    )
    hint = "Swipe the picture sideways to see all of it."
    wide = narrowest > PHONE
    return joined(box, element("p", hint, class_="note swipe") if wide else None)


def ordered_numbers(study: Study, verdicts: Sequence[Verdict]) -> list[str]:
    """The study's numbers, those of the claims first."""
    declared = [name for measure in study.measures for name in measure.numbers]
    spoken = [name for name in _claimed(verdicts) if name in declared]
    return list(dict.fromkeys([*spoken, *declared]))


def _claimed(verdicts: Sequence[Verdict]) -> list[str]:
    return list(
        dict.fromkeys(part.estimand.number for v in verdicts for part in v.parts)
    )


def _ranking(names: Sequence[str]) -> str:
    return LOSS if LOSS in names else names[0]


def _number(name: str, measures: Sequence[Measure]) -> dict[str, str]:
    measure = next(m for m in measures if name in m.numbers)
    fact = FACTS.get(name) if measure.name == GEOMETRY.name else None
    if fact is None:
        told = (measure.function.__doc__ or "").strip().split("\n")[0]
        meaning = f"From the measure {measure.name}. {told}".strip()
        unit, undefined = "", ""
    else:
        formula = f": {fact.formula}" if fact.formula else ""
        meaning = f"{fact.meaning[0].upper()}{fact.meaning[1:]}{formula}."
        unit, undefined = unit_text(fact.unit), fact.undefined_when
    return {
        "id": name,
        "name": number_name(name),
        "unit": unit,
        "meaning": meaning,
        "undefined": undefined,
    }


def _axes(layout: Frame) -> list[dict[str, Any]]:
    return [
        {
            "factor": axis.factor,
            "name": factor_name(axis.factor),
            "title": axis.title,
            "labels": list(axis.labels),
            "ticks": list(axis.ticks),
            "positions": [number(p, digits=8) for p in axis.positions],
            "numeric": axis.numeric,
        }
        for axis in layout.axes
    ]


def _cells(
    study: Study, results: Results, layout: Frame, *, common: tuple[int, ...]
) -> list[dict[str, Any]]:
    late = unsettled(study.convergence, results, layout)
    cells = []
    for cell, unsettled_by in zip(layout.cells, late, strict=True):
        status = Counter(str(results["status"][row]) for row in cell.rows)
        entry: dict[str, Any] = {"at": list(cell.at), "n": len(cell.rows)}
        if cell.seeds != common:
            entry["seeds"] = list(cell.seeds)
        if status["diverged"]:
            entry["diverged"] = status["diverged"]
        if status[MISSING]:
            entry["absent"] = status[MISSING]
        if unsettled_by is not None:
            entry["unsettled"] = True
        cells.append(entry)
    return cells


def _models(
    shown: Specimens,
    results: Results,
    names: Sequence[str],
    *,
    measured: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """The chosen models by row, each with its key, seed and numbers."""
    models = {}
    for row, specimen in shown.models.items():
        seed = results.columns["seed"][row] if "seed" in results.columns else row
        numbers = {
            name: number(float(results[name][row])) if measured[name][row] else None
            for name in names
        }
        models[str(row)] = {
            "key": str(results["key"][row]),
            "seed": int(seed),
            "numbers": numbers,
            **specimen,
        }
    return {
        "choices": [[choice.median, choice.best] for choice in shown.choices],
        "models": models,
        "left_out": shown.left_out,
    }


def _asset(name: str) -> str:
    files = resources.files("tegum.report") / "assets" / name
    return files.read_text(encoding="utf-8")
