"""Decision problems, optimisers that plan or learn, oracles, and what pruning costs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tegum.planning.environments import from_gymnasium as from_gymnasium
    from tegum.planning.environments import to_gymnasium as to_gymnasium
    from tegum.planning.exact import solve as solve
    from tegum.planning.histories import history_map as history_map
    from tegum.planning.histories import product as product
    from tegum.planning.ledger import Ledger as Ledger
    from tegum.planning.maps import grid_map as grid_map
    from tegum.planning.measures import QUERIES as QUERIES
    from tegum.planning.measures import SPENDING as SPENDING
    from tegum.planning.measures import WORLD as WORLD
    from tegum.planning.oracle import Oracle as Oracle
    from tegum.planning.outcome import Outcome as Outcome
    from tegum.planning.problem import Problem as Problem
    from tegum.planning.problem import restricted as restricted
    from tegum.planning.problem import tabular as tabular
    from tegum.planning.problem import without as without
    from tegum.planning.simulators import from_simulator as from_simulator
    from tegum.planning.subject import PlanningProblems as PlanningProblems
    from tegum.planning.trees import tree as tree

_HOME = {
    "Ledger": "ledger",
    "Oracle": "oracle",
    "Outcome": "outcome",
    "PlanningProblems": "subject",
    "Problem": "problem",
    "QUERIES": "measures",
    "SPENDING": "measures",
    "WORLD": "measures",
    "from_gymnasium": "environments",
    "from_simulator": "simulators",
    "grid_map": "maps",
    "history_map": "histories",
    "product": "histories",
    "restricted": "problem",
    "solve": "exact",
    "tabular": "problem",
    "to_gymnasium": "environments",
    "tree": "trees",
    "without": "problem",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for: numba takes half a second."""
    if name not in _HOME:
        raise AttributeError(f"module 'tegum.planning' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tegum.planning.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__
