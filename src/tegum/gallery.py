"""Pictures by name: every study's headline and further figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tegum.design import unknown
from tegum.execution import execute, judge
from tegum.execution.progress import Tell
from tegum.report.drawing import draw_figure, draw_headline
from tegum.report.export import on_paper
from tegum.report.page import default_headline
from tegum.results import Results
from tegum.store import Store
from tegum.studies import names, study_from_file, study_named
from tegum.study import Figure, Study
from tegum.wording import counted

if TYPE_CHECKING:
    import plotly.graph_objects as go

STORE = "tegum-store"
"""The folder that keeps rows and verdicts where nothing else is said."""


@dataclass(frozen=True)
class Picture:
    """A picture that can be asked for by name.

    `figure` is None for a study's headline, which goes by the name of the study.
    """

    name: str
    caption: str
    study: Study
    figure: Figure | None

    @property
    def where(self) -> Mapping[str, Any] | None:
        """The rows that it needs; None for all of a design."""
        return None if self.figure is None else self.figure.where

    def to_record(self) -> dict[str, str]:
        """The picture for JSON."""
        return {"name": self.name, "study": self.study.name, "caption": self.caption}


@dataclass(frozen=True)
class Drawn:
    """A picture, the rows it was drawn from, and the study it belongs to."""

    figure: go.Figure
    results: Results
    picture: Picture


def figures(study: Study | str | Path | None = None) -> tuple[Picture, ...]:
    """Every picture that has a name, those of one study or of all that are shipped.

    A study is given itself, by its name, or by the path of the file that defines it.

    Raises:
        ValueError: no such study.
    """
    return tuple(_pictures(study))


def figure(
    name: str,
    *,
    design: str = "demo",
    seeds: int | None = None,
    store: Store | str | Path = STORE,
    study: Study | str | Path | None = None,
    workers: int | None = None,
    progress: Tell | None = None,
) -> go.Figure:
    """Draw a picture by its name, training first what the store lacks of its rows.

    Returns a plotly figure, black on white: it shows itself in a notebook, is turned
    and hovered by hand, and `save_figure` writes it to a file. `design`, `seeds`,
    `workers` and `progress` are those of `execute`; `store` is a store or its folder;
    `study` narrows the search, or names a study of one's own by its path.

    The study is registered before any row is made, as in every execution, so that
    looking at a picture first costs no later verdict its standing.

    Raises:
        ValueError: no picture of that name (with the nearest ones), or one that its
            study can not draw.
        RowsFailed: rows that could not be trained; all others are stored and measured.
    """
    picture = picture_named(name, study=study)
    opened = store if isinstance(store, Store) else Store.open(store)
    drawn = draw(
        picture,
        opened,
        design=design,
        seeds=seeds,
        workers=workers,
        progress=progress,
    )
    return drawn.figure


def picture_named(name: str, *, study: Study | str | Path | None = None) -> Picture:
    """The picture of that name; no two studies that are shipped share one.

    Raises:
        ValueError: none, with the nearest names.
    """
    passed = []
    for picture in _pictures(study):
        if picture.name == name:
            return picture
        passed.append(picture.name)
    remedy = "" if study else "; give `study` for one of your own"
    raise ValueError(f"{unknown(name, passed, what='figure')}{remedy}")


def draw(
    picture: Picture,
    store: Store,
    *,
    design: str,
    seeds: int | None = None,
    workers: int | None = None,
    progress: Tell | None = None,
) -> Drawn:
    """Train the rows of a picture that are missing, and draw it.

    Raises:
        ValueError: an unknown design, or a picture that its study can not draw.
        RowsFailed: rows that could not be trained.
    """
    study, further = picture.study, picture.figure
    results = execute(
        study,
        store,
        design=design,
        seeds=seeds,
        where=picture.where,
        workers=workers,
        progress=progress,
    )
    if further is not None:
        drawn = draw_figure(further, results, store=store)
    else:
        verdicts = judge(study, store, design=design, seeds=seeds, record=False)
        if study.picture is None:
            drawn = default_headline(study, results, verdicts)
        else:
            drawn = draw_headline(study, results, verdicts)
    shown = on_paper(drawn)
    layout: Any = shown.layout
    if layout.meta is None:
        models = counted(len(results), "model")
        source = f"Study {study.name}, design {design}, {models}."
        caption = f"{picture.caption} {source}"
        shown.update_layout(meta={"name": picture.name, "caption": caption})
    return Drawn(shown, results, picture)


def _pictures(asked: Study | str | Path | None) -> Iterator[Picture]:
    """The pictures of one study or of all, each study loaded when its turn comes."""
    for study in map(study_named, names()) if asked is None else [_study(asked)]:
        yield Picture(study.name, _one_line(study.question), study, None)
        for figure in study.figures:
            yield Picture(figure.name, _one_line(figure.caption), study, figure)


def _study(given: Any) -> Study:
    if isinstance(given, Study):
        return given
    if isinstance(given, Path) or given.endswith(".py") or "/" in given:
        return study_from_file(Path(given))
    return study_named(given)


def _one_line(text: str) -> str:
    return " ".join(text.split())
