"""What every fact of every measure owes its reader."""

import inspect

import pytest

from tegum.measures import ALL


@pytest.mark.parametrize("fact", ALL, ids=lambda fact: fact.name)
def test_every_fact_says_what_a_reader_needs(fact):
    assert fact.unit
    assert fact.formula
    assert fact.source
    assert fact.meaning[0].islower()
    documentation = inspect.getdoc(fact.function)
    assert documentation is not None
    for part in ("Source:", ">>>", "`"):
        assert part in documentation, part
    assert documentation.splitlines()[0].endswith(".")
