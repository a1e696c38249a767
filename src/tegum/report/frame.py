"""How a study's rows are laid out on a page: axes, cells, what is fixed, what is tied.

A cell is every row that differs in the seed alone. The horizontal axis is the factor
that the claims contrast; the other varying factors become the vertical axis of the
map, panels and selectors.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tegum.claims import Claim
from tegum.design import Factor, Value, frozen_value
from tegum.report.labels import factor_title, level_labels, tick_label

SEED = "seed"
MOST_PANELS = 6
LOGARITHMIC_SPAN = 50.0


@dataclass(frozen=True)
class Axis:
    """One varying factor: its levels in reading order and where they stand."""

    factor: str
    title: str
    values: tuple[Value, ...]
    labels: tuple[str, ...]
    ticks: tuple[str, ...]
    positions: tuple[float, ...]
    numeric: bool
    logarithmic: bool


@dataclass(frozen=True)
class Cell:
    """The rows that share every factor but the seed, in order of their seeds."""

    at: tuple[int, ...]
    rows: tuple[int, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Frame:
    """The layout of one page. `x`, `y` and `panel` index `axes`; None where absent.

    `tied` are factors that the axes determine, such as a learning rate tuned for each
    optimiser; `control` is the level of the x axis that changes are measured from.
    """

    axes: tuple[Axis, ...]
    x: int | None
    y: int | None
    panel: int | None
    control: int
    cells: tuple[Cell, ...]
    constants: Mapping[str, Value]
    tied: tuple[str, ...]

    @property
    def usual_selection(self) -> dict[int, int]:
        """Levels of the axes that are selectors, at the combination with most cells."""
        drawn = (self.x, self.y, self.panel)
        selectors = [k for k in range(len(self.axes)) if k not in drawn]
        counts = Counter(tuple(cell.at[k] for k in selectors) for cell in self.cells)
        if not counts:
            return {}
        return dict(zip(selectors, counts.most_common(1)[0][0], strict=True))


def frame(
    columns: Mapping[str, np.ndarray],
    *,
    factors: Sequence[Factor],
    names: Sequence[str],
    claims: Sequence[Claim],
    labels: Mapping[str, str] | None = None,
) -> Frame:
    """Lay out the rows of `columns`, whose factors are `names`.

    `labels` are what people call levels that are digests.
    """
    values = {
        name: [frozen_value(v) for v in columns[name]]
        for name in names
        if name != SEED and name in columns
    }
    levels = {name: list(dict.fromkeys(column)) for name, column in values.items()}
    constants = {name: found[0] for name, found in levels.items() if len(found) == 1}
    varying = [name for name, found in levels.items() if len(found) > 1]
    contrast, control_value = _contrast(claims, varying)
    kept, tied = _independent(varying, values, contrast=contrast, claims=claims)
    axes = tuple(
        _axis(name, levels[name], factors=factors, labels=labels or {}) for name in kept
    )
    x = kept.index(contrast) if contrast in kept else _longest(axes, taken=())
    y = _longest(axes, taken=(x,))
    panel = _panel(axes, taken=(x, y), claims=claims)
    control = 0
    if x is not None and contrast is not None and control_value in axes[x].values:
        control = axes[x].values.index(control_value)
    seeds = columns[SEED] if SEED in columns else np.arange(_length(columns))
    cells = _cells(axes, values, seeds=seeds)
    return Frame(axes, x, y, panel, control, cells, constants, tuple(tied))


def _contrast(
    claims: Sequence[Claim], varying: Sequence[str]
) -> tuple[str | None, Value]:
    """The factor most parts contrast or follow, and its commonest control level."""
    estimands = [part.estimand for claim in claims for part in claim.parts]
    named = Counter(e.factor for e in estimands if e.factor in varying)
    if not named:
        return None, None
    factor = named.most_common(1)[0][0]
    controls = Counter(
        frozen_value(e.control)
        for e in estimands
        if e.factor == factor and e.control is not None
    )
    return factor, controls.most_common(1)[0][0] if controls else None


def _independent(
    varying: Sequence[str],
    values: Mapping[str, Sequence[Value]],
    *,
    contrast: str | None,
    claims: Sequence[Claim],
) -> tuple[list[str], list[str]]:
    """The factors that tell the cells apart, and those that follow from them."""
    spoken = _spoken(claims)
    kept, tied = list(varying), []
    order = sorted(reversed(varying), key=lambda name: name in spoken)
    for name in order:
        rest = [other for other in kept if other != name]
        if name == contrast or not rest:
            continue
        alone = name in spoken
        determined = (
            any(_determines([other], name, values) for other in rest)
            if alone
            else _determines(rest, name, values)
        )
        if determined:
            kept.remove(name)
            tied.append(name)
    return kept, tied[::-1]


def _determines(
    by: Sequence[str], name: str, values: Mapping[str, Sequence[Value]]
) -> bool:
    """Whether the factors `by` fix `name`: one value for each combination."""
    seen: dict[tuple[Value, ...], Value] = {}
    groups = zip(*(values[other] for other in by), strict=True)
    return all(
        seen.setdefault(group, value) == value
        for group, value in zip(groups, values[name], strict=True)
    )


def _axis(
    name: str,
    found: Sequence[Any],
    *,
    factors: Sequence[Factor],
    labels: Mapping[str, str],
) -> Axis:
    numeric = all(isinstance(v, int | float) and type(v) is not bool for v in found)
    levels = tuple(sorted(found)) if numeric else tuple(found)
    if numeric and name in ("feature_probability", "importance_decay"):
        levels = levels[::-1]
    positions, logarithmic = _positions(name, levels, numeric=numeric)
    said = level_labels(name, levels, labels=labels)
    ticks = [labels.get(str(level), tick_label(name, level)) for level in levels]
    return Axis(
        name,
        factor_title(name, factors=factors),
        levels,
        tuple(said),
        tuple(ticks),
        positions,
        numeric,
        logarithmic,
    )


def _positions(
    name: str, levels: Sequence[Any], *, numeric: bool
) -> tuple[tuple[float, ...], bool]:
    """Where levels stand: true to scale where numeric, in the log where they span it.

    Sparsity stands at log10(1 / q): equal steps for equal factors of the probability.
    """
    if not numeric:
        return tuple(float(k) for k in range(len(levels))), False
    floats = [float(v) for v in levels]
    if name == "feature_probability":
        return tuple(-math.log10(q) for q in floats), True
    if min(floats) > 0 and max(floats) / min(floats) >= LOGARITHMIC_SPAN:
        return tuple(math.log10(v) for v in floats), True
    return tuple(floats), False


def _longest(axes: Sequence[Axis], *, taken: Sequence[int | None]) -> int | None:
    """The axis with the most levels among those left, numeric ones first."""
    left = [k for k in range(len(axes)) if k not in taken]
    if not left:
        return None
    return max(left, key=lambda k: (axes[k].numeric, len(axes[k].values), -k))


def _panel(
    axes: Sequence[Axis], *, taken: Sequence[int | None], claims: Sequence[Claim]
) -> int | None:
    """The axis shown side by side: few levels, and one the claims speak of if any."""
    spoken = _spoken(claims)
    left = [
        k
        for k in range(len(axes))
        if k not in taken and len(axes[k].values) <= MOST_PANELS
    ]
    if not left:
        return None
    data_first = ("importance_decay", "importance")
    return max(
        left,
        key=lambda k: (axes[k].factor in data_first, spoken[axes[k].factor], -k),
    )


def _spoken(claims: Sequence[Claim]) -> Counter[str]:
    """How many parts of claims fix each factor."""
    parts = (part for claim in claims for part in claim.parts)
    return Counter(factor for part in parts for factor in part.estimand.where)


def _cells(
    axes: Sequence[Axis],
    values: Mapping[str, Sequence[Value]],
    *,
    seeds: np.ndarray,
) -> tuple[Cell, ...]:
    index = [{v: k for k, v in enumerate(axis.values)} for axis in axes]
    columns = [
        [index[a][v] for v in values[axis.factor]] for a, axis in enumerate(axes)
    ]
    found: dict[tuple[int, ...], list[int]] = {}
    for row in range(len(seeds)):
        found.setdefault(tuple(column[row] for column in columns), []).append(row)
    cells = []
    for at, rows in sorted(found.items()):
        ordered = sorted(rows, key=lambda row: seeds[row])
        cells.append(Cell(at, tuple(ordered), tuple(int(seeds[r]) for r in ordered)))
    return tuple(cells)


def _length(columns: Mapping[str, np.ndarray]) -> int:
    return len(next(iter(columns.values()), ()))
