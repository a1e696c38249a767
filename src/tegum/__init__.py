"""tegum: a laboratory for how neural networks represent and choose.

A `Study` asks a question; its `Design` is a table with a row for each model; a subject
turns rows into weights, a `Measure` turns weights into named numbers; `execute` makes
what the `Store` lacks; `judge` holds each `Claim`, fixed beforehand, against the
numbers; `render` shows it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tegum.arrays import Artifact as Artifact
    from tegum.claims import Claim as Claim
    from tegum.claims import Part as Part
    from tegum.claims import Region as Region
    from tegum.claims import Verdict as Verdict
    from tegum.claims import Verdicts as Verdicts
    from tegum.claims import above as above
    from tegum.claims import below as below
    from tegum.claims import between as between
    from tegum.claims import difference as difference
    from tegum.claims import level as level
    from tegum.claims import paired_difference as paired_difference
    from tegum.claims import paired_ratio as paired_ratio
    from tegum.claims import plan_seeds as plan_seeds
    from tegum.claims import proportion as proportion
    from tegum.claims import rank_correlation as rank_correlation
    from tegum.claims import slope as slope
    from tegum.design import Design as Design
    from tegum.design import Factor as Factor
    from tegum.design import grid as grid
    from tegum.execution import execute as execute
    from tegum.execution import judge as judge
    from tegum.functions import FunctionSubject as FunctionSubject
    from tegum.gallery import figure as figure
    from tegum.gallery import figures as figures
    from tegum.measures import BASIS as BASIS
    from tegum.measures import GEOMETRY as GEOMETRY
    from tegum.measures import POLYTOPES as POLYTOPES
    from tegum.measures import REDUNDANCY as REDUNDANCY
    from tegum.measures import Measure as Measure
    from tegum.report import render as render
    from tegum.report import save_figure as save_figure
    from tegum.report.board import board as board
    from tegum.report.board import boards as boards
    from tegum.results import Results as Results
    from tegum.store import Store as Store
    from tegum.studies.scan import scan_of as scan_of
    from tegum.study import Convergence as Convergence
    from tegum.study import Figure as Figure
    from tegum.study import Study as Study
    from tegum.toys import ROTATION_GAP as ROTATION_GAP
    from tegum.toys import TRAINING as TRAINING
    from tegum.toys import VECTOR_KURTOSIS as VECTOR_KURTOSIS
    from tegum.toys import ToyModels as ToyModels
    from tegum.toys import from_weights as from_weights
    from tegum.toys import to_torch as to_torch

__version__ = "0.1.0"

_HOME = {
    "Artifact": "arrays",
    "Claim": "claims",
    "Convergence": "study",
    "Design": "design",
    "Factor": "design",
    "Figure": "study",
    "FunctionSubject": "functions",
    "GEOMETRY": "measures",
    "POLYTOPES": "measures",
    "REDUNDANCY": "measures",
    "BASIS": "measures",
    "ROTATION_GAP": "toys",
    "VECTOR_KURTOSIS": "toys",
    "Measure": "measures",
    "Part": "claims",
    "Region": "claims",
    "Results": "results",
    "Store": "store",
    "Study": "study",
    "TRAINING": "toys",
    "ToyModels": "toys",
    "Verdict": "claims",
    "Verdicts": "claims",
    "above": "claims",
    "below": "claims",
    "board": "report.board",
    "boards": "report.board",
    "difference": "claims",
    "between": "claims",
    "execute": "execution",
    "figure": "gallery",
    "figures": "gallery",
    "from_weights": "toys",
    "grid": "design",
    "judge": "execution",
    "level": "claims",
    "paired_difference": "claims",
    "paired_ratio": "claims",
    "plan_seeds": "claims",
    "proportion": "claims",
    "rank_correlation": "claims",
    "render": "report",
    "save_figure": "report",
    "scan_of": "studies.scan",
    "slope": "claims",
    "to_torch": "toys",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for, so that `--help` stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module 'tegum' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tegum.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__
