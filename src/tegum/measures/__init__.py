"""Measures: pure functions from arrays to numbers, each with its declared facts."""

from tegum.measures.catalogue import ALL as ALL
from tegum.measures.facts import Fact as Fact
from tegum.measures.facts import Measure as Measure
from tegum.measures.geometry import GEOMETRY as GEOMETRY
