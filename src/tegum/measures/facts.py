"""What is declared about every measure: the facts that its tests and its page read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.transformations import TRANSFORMATIONS


@dataclass(frozen=True)
class Fact:
    """One measured quantity and what is known of it before any model is trained.

    `changed_by` names transformations (see `measures.transformations`); the others
    leave the quantity unchanged, and both are tested.
    `resolution` is the smallest difference the quantity can show: 1 for a count, a
    rounding error otherwise; an interval is never narrower. `per` says what there is
    one number for. `arguments` are what `function` needs besides W, as the tests and
    the page use them. A quantity that `selects` counts features or picks a set of
    them: a small change of W can leave it exactly as it is.
    """

    name: str
    function: Callable[..., Any]
    meaning: str
    unit: str
    range: tuple[float, float]
    source: str
    changed_by: frozenset[str]
    aliases: tuple[str, ...] = ()
    undefined_when: str = "never"
    resolution: float = 1e-6
    formula: str = ""
    per: Literal["model", "feature", "pair of features"] = "model"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    selects: bool = False

    @property
    def unchanged_by(self) -> frozenset[str]:
        """The transformations that leave the quantity as it is: all the others."""
        return frozenset(TRANSFORMATIONS) - self.changed_by


@dataclass(frozen=True)
class Measure:
    """Named numbers of one artifact, and the version their key carries.

    `function(artifact, row, **parameters)` returns a number for each name in `numbers`:
    NaN where it is mathematically undefined. Raise `version` when its bits change.
    """

    name: str
    version: int
    function: Callable[..., Mapping[str, float]]
    numbers: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    resolutions: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, artifact: Artifact, row: Row) -> dict[str, float]:
        """The numbers of one artifact.

        Raises:
            ValueError: the function returned other names than `numbers`, or something
                that is not one number for each.
        """
        found: Any = self.function(artifact, row, **self.parameters)
        if not isinstance(found, Mapping):
            raise ValueError(
                f"the measure `{self.name}` returned {type(found).__name__}; return a "
                f"dictionary with a number for each of {sorted(self.numbers)}"
            )
        if set(found) != set(self.numbers):
            raise ValueError(
                f"the measure `{self.name}` returned {sorted(map(str, found))}; it "
                f"declares {sorted(self.numbers)}; return a number for each declared "
                "name"
            )
        return {name: self._number(name, found[name]) for name in self.numbers}

    def _number(self, name: str, value: Any) -> float:
        if not isinstance(value, str | bytes) and np.ndim(value) == 0:
            try:
                return float(value)
            except (TypeError, ValueError):
                pass  # said below, as for an array
        kind = f"{type(value).__name__} of shape {np.shape(value)}"
        raise ValueError(
            f"the measure `{self.name}` returned {kind} for `{name}`; return one "
            "number for each model, NaN where it is undefined"
        )

    def range_of(self, number: str) -> tuple[float, float]:
        """The declared range of a number: where missing pairs enter a claim."""
        return self.ranges.get(number, (-math.inf, math.inf))

    def resolution_of(self, number: str) -> float:
        """The smallest difference that a number can show."""
        return self.resolutions.get(number, 1e-6)
