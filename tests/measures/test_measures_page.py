"""The page of measures says what the facts say, and is up to date."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

from tegum.measures import ALL, MEASURES
from tegum.measures.page import page

PAGE = Path(__file__).parents[2] / "docs" / "measures.md"


def test_the_committed_page_is_fresh():
    assert PAGE.read_text(encoding="utf-8") == page(ALL, MEASURES), (
        "docs/measures.md is older than the facts; run `make docs`"
    )


def test_every_quantity_number_and_alias_is_on_the_page():
    text = page(ALL, MEASURES)
    for fact in ALL:
        assert f"\n### {fact.name}\n" in text
        for alias in fact.aliases:
            assert f"\n| {alias} | " in text.replace("\\|", "|")
    for measure in MEASURES:
        for number in measure.numbers:
            assert f"\n| [`{number}`](#{number}) | " in text


def test_links_lead_somewhere_and_tables_are_even():
    text = page(ALL, MEASURES)
    headings = set(re.findall(r"^### (\w+)$", text, flags=re.MULTILINE))
    assert set(re.findall(r"\(#(\w+)\)", text)) <= headings
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_an_alias_of_one_quantity_is_not_the_name_of_another():
    names = {fact.name.replace("_", " ") for fact in ALL}
    assert not names & {alias for fact in ALL for alias in fact.aliases}


@pytest.mark.parametrize(
    "module",
    [
        "measures.interference",
        "measures.represented",
        "theory.packings",
        "theory.shrinkage",
    ],
)
def test_examples_in_docstrings(module):
    failed, tried = doctest.testmod(importlib.import_module(f"tegum.{module}"))
    assert tried > 0
    assert failed == 0
