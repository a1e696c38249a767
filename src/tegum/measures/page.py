"""The page of measures, written from their facts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tegum.measures.facts import Fact, Measure
from tegum.measures.transformations import TRANSFORMATIONS

INTRODUCTION = """\
# Measures

<!-- Written by `make docs` from the facts beside the code; edit those. -->

W has axes `(hidden, feature)`: n features on m hidden units. Column `W_i` is the
direction of feature i and `u_i = W_i / |W_i|`; q_j is the probability that feature j is
active, `v_j = q_j/3 - q_j^2/4` the variance of its input. Leading axes of W are a batch
of models, each measured by itself. All is computed in float64.

NaN means mathematically undefined: no such number exists. It is not zero, and it is
not "not measured", which the store keeps as null.

Everything on this page is tested: known answers worked out by hand, plain loops,
ranges, and for each quantity what must leave it unchanged and what must not."""

GLOSSARY_INTRODUCTION = """\
## Glossary

Papers and public code have several names for one formula, and one name for several
formulas. Left what a reader may look for, right the quantity of this page."""


def page(facts: Sequence[Fact], measures: Sequence[Measure]) -> str:
    """The page as Markdown: the same text for the same facts."""
    parts = [
        INTRODUCTION,
        *(_measure(measure, facts) for measure in measures),
        "## Quantities",
        *(_quantity(fact) for fact in facts),
        _transformations(),
        _glossary(facts),
    ]
    return "\n\n".join(parts) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(c) for c in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`"


def _range(fact: Fact) -> str:
    low, high = fact.range
    left = "(-inf" if math.isinf(low) else f"[{low:g}"
    right = "inf)" if math.isinf(high) else f"{high:g}]"
    return f"{left}, {right}"


def _measure(measure: Measure, facts: Sequence[Fact]) -> str:
    known = {fact.name: fact for fact in facts}
    parameters = ", ".join(f"{k} = {v}" for k, v in measure.parameters.items())
    rows = (
        [
            _link(name),
            known[name].meaning,
            known[name].unit,
            _range(known[name]),
            known[name].undefined_when,
        ]
        for name in measure.numbers
    )
    return "\n\n".join(
        [
            f"## The measure `{measure.name}`",
            f"Version {measure.version}; parameters: {_code(parameters or 'none')}. "
            "One number of each kind for a model, from its final weights.",
            _table(["number", "what it says", "unit", "range", "undefined when"], rows),
        ]
    )


def _quantity(fact: Fact) -> str:
    lines = [
        f"- Formula: {_code(fact.formula)}",
        f"- Unit and range: {fact.unit}, {_range(fact)}; one for each {fact.per}",
        f"- Undefined when: {fact.undefined_when}",
        f"- Unchanged by: {_listed(fact.unchanged_by)}",
        f"- Changed by: {_listed(fact.changed_by)}",
        f"- Source: {fact.source}",
    ]
    if fact.aliases:
        lines.append(f"- Also called: {', '.join(fact.aliases)}")
    title = fact.meaning[0].upper() + fact.meaning[1:]
    return f"### {fact.name}\n\n{title}.\n\n" + "\n".join(lines)


def _listed(names: Iterable[str]) -> str:
    wanted = set(names)
    return ", ".join(name for name in TRANSFORMATIONS if name in wanted) or "nothing"


def _transformations() -> str:
    rows = ([t.name, t.meaning] for t in TRANSFORMATIONS.values())
    return "\n\n".join(
        [
            "## What may be done to W",
            "A count, or a number of a chosen set, that something changes need not "
            "change every time; every other number does.",
            _table(["transformation", "what it is"], rows),
        ]
    )


def _glossary(facts: Sequence[Fact]) -> str:
    meant: dict[str, list[str]] = {}
    for fact in facts:
        for alias in fact.aliases:
            meant.setdefault(alias, []).append(fact.name)
    rows = (
        [alias, ", ".join(_link(name) for name in meant[alias])]
        for alias in sorted(meant, key=str.lower)
    )
    table = _table(["name in the field", "here"], rows)
    return f"{GLOSSARY_INTRODUCTION}\n\n{table}"


def _link(name: str) -> str:
    return f"[`{name}`](#{name})"
