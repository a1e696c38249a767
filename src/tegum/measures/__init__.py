"""Measures: pure functions from arrays to numbers, each with its declared facts."""

from tegum.measures.basis_facts import BASIS as BASIS
from tegum.measures.basis_facts import BASIS_FACTS
from tegum.measures.basis_facts import REDUNDANCY as REDUNDANCY
from tegum.measures.facts import Fact as Fact
from tegum.measures.facts import Measure as Measure
from tegum.measures.geometry import GEOMETRY as GEOMETRY
from tegum.measures.geometry_facts import GEOMETRY_FACTS
from tegum.measures.polytope_facts import POLYTOPE_FACTS
from tegum.measures.polytope_facts import POLYTOPES as POLYTOPES

ALL: tuple[Fact, ...] = (*GEOMETRY_FACTS, *BASIS_FACTS, *POLYTOPE_FACTS)
"""The facts of every quantity that tegum measures."""

MEASURES: tuple[Measure, ...] = (GEOMETRY, BASIS, REDUNDANCY, POLYTOPES)
"""What a study can ask of a model by name."""
