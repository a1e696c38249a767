"""Measures: pure functions from arrays to numbers, each with its declared facts."""

from tegum.measures.basis_facts import BASIS as BASIS
from tegum.measures.basis_facts import BASIS_FACTS
from tegum.measures.basis_facts import REDUNDANCY as REDUNDANCY
from tegum.measures.facts import Fact as Fact
from tegum.measures.facts import Measure as Measure
from tegum.measures.geometry import GEOMETRY as GEOMETRY
from tegum.measures.geometry_facts import GEOMETRY_FACTS

ALL: tuple[Fact, ...] = (*GEOMETRY_FACTS, *BASIS_FACTS)
"""The facts of every quantity that tegum measures."""

MEASURES: tuple[Measure, ...] = (GEOMETRY, BASIS, REDUNDANCY)
"""What a study can ask of a model by name."""
