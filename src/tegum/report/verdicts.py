"""The answer and the verdict table, as markup that needs no script."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tegum.claims import PartVerdict, Verdict
from tegum.claims.estimands import Estimand
from tegum.design import Value
from tegum.markup import SYMBOLS, Child, Html, element, joined, lines, table
from tegum.report.labels import (
    UNIT,
    conditions_text,
    factor_name,
    level_label,
    number_name,
    several,
)
from tegum.report.verdict_lines import counts, in_lines, pill
from tegum.study import Study
from tegum.wording import counted, interval_text, listed, typeset, written

STANDINGS = {
    "confirmatory": "registered before every row it uses",
    "exploratory": "not registered before every row it uses",
    "interim": "the planned {units} are not all in",
}
MOST_REASONS = 3
MOST_OPEN = 4
"""So many refuted claims are spelled out at once; the others are folded."""
MOST_WHOLE = 12
"""So many claims are told in full at once; of more, each has a line and a fold."""


def answer(study: Study, verdicts: Sequence[Verdict]) -> str:
    """The answer in one sentence: the study's own, or a count of the verdict words."""
    if not verdicts:
        return "No verdict yet: the claims have not been judged on these rows."
    if study.answer is not None:
        return study.answer(tuple(verdicts))
    words = Counter(verdict.word for verdict in verdicts)
    if len(verdicts) == 1:
        return f"The one claim is {verdicts[0].word}: {verdicts[0].claim.statement}"
    told = [
        f"{words[word]} {'is' if words[word] == 1 else 'are'} {word}"
        for word in SYMBOLS
        if words[word]
    ]
    return f"Of {len(verdicts)} claims, {listed(told)}."


def standing(verdicts: Sequence[Verdict], *, unit: str = UNIT) -> str:
    """How far the verdicts may be relied on, in one line under the answer."""
    found = Counter(verdict.standing for verdict in verdicts)
    if not found:
        return ""
    if len(found) == 1:
        name = next(iter(found))
        every = "Every verdict is" if len(verdicts) > 1 else "The verdict is"
        return f"{every} {name}: {_standings(unit)[name]}."
    meanings = _standings(unit)
    said = [f"{found[name]} {name} ({meanings[name]})" for name in STANDINGS]
    kept = [text for text, name in zip(said, STANDINGS, strict=True) if found[name]]
    return f"Verdicts: {'; '.join(kept)}."


def _standings(unit: str) -> dict[str, str]:
    return {k: text.format(units=several(unit)) for k, text in STANDINGS.items()}


def contradictions(verdicts: Sequence[Verdict]) -> Html | None:
    """What the numbers refute, whose claim it was, and the intervals that show it.

    A claim without a source is nobody's: refuting it contradicts no one.
    """
    refuted = [v for v in verdicts if v.word == "refuted" and v.claim.source]
    if not refuted:
        return None
    first, more = refuted[:MOST_OPEN], refuted[MOST_OPEN:]
    folded = element(
        "details",
        element("summary", f"And {counted(len(more), 'claim')} more"),
        *(_contradiction(verdict) for verdict in more),
    )
    return element(
        "div",
        element("h2", "What the numbers contradict"),
        *(_contradiction(verdict) for verdict in first),
        folded if more else None,
        class_="contradiction",
    )


def _contradiction(verdict: Verdict) -> Html:
    shown = [
        element(
            "li",
            f"{_what(part)}: {written(part.estimate, digits=3)} "
            f"{interval_text(part.low, part.high)}, where the claim needs "
            f"{typeset(part.region.describe())}.",
        )
        for part in verdict.parts
        if part.word == "refuted"
    ]
    source = f" Source: {verdict.claim.source.rstrip('.')}."
    holds = f" What holds instead: {verdict.holds}." if verdict.holds else ""
    return joined(
        element(
            "p",
            pill("refuted"),
            f" {verdict.claim.statement}{holds}",
            element("span", source, class_="small"),
        ),
        element("ul", *shown),
    )


def verdict_table(verdicts: Sequence[Verdict], *, unit: str = UNIT) -> Html:
    """Every claim with its prediction, estimates, units and verdict.

    Many claims are counted first, then told a line each, and in full in a fold.
    """
    if not verdicts:
        return element("p", "No claim has been judged on these rows.", class_="note")
    rows: list[list[Child]] = [
        [_claim(v), _parts(v), _seeds(v), _word(v, unit=unit)] for v in verdicts
    ]
    told = "Prediction, and the estimate with its interval"
    head = ["Claim", told, several(unit).capitalize(), "Verdict"]
    level = 1 - min(1 - part.level for v in verdicts for part in v.parts)
    caption = (
        "Each interval stands at "
        f"{100 * level:.5g} %, so that all of them hold together."
    )
    whole = table(head, rows, caption=caption, class_="verdicts")
    if len(verdicts) <= MOST_WHOLE:
        return joined(whole, _legend(unit))
    every = element("summary", f"Each of the {len(verdicts)} claims in full")
    return joined(
        counts(verdicts),
        in_lines(verdicts, caption=caption),
        element("details", every, whole),
        _legend(unit),
    )


def _legend(unit: str) -> Html:
    words = element(
        "p",
        pill("supported"), " every interval lies inside its region. ",
        pill("refuted"), " some interval lies outside its region. ",
        pill("undecided"), " neither, or training had not settled.",
        class_="note",
    )  # fmt: skip
    standings = "; ".join(f"{k}: {meaning}" for k, meaning in _standings(unit).items())
    bars = (
        "In the bars the shaded stretch is the region that was predicted, the line "
        "the interval, the dot the estimate."
    )
    return joined(words, element("p", f"{standings}. {bars}", class_="note"))


def _claim(verdict: Verdict) -> Html:
    claim = verdict.claim
    return joined(
        element("strong", claim.name),
        element("div", claim.statement),
        element("div", f"Source: {claim.source}", class_="small")
        if claim.source
        else None,
        element("div", f"Why this region: {claim.reason}", class_="small")
        if claim.reason
        else None,
    )


def _parts(verdict: Verdict) -> Html:
    """What was predicted and what came of it, the words that all parts share once."""
    parts = verdict.parts
    same = len({_quantity(part) for part in parts}) == 1
    one_region = len({part.region for part in parts}) == 1
    shared = _shared_where(parts)
    rivals = [typeset(f"or {r.name}: {r.describe()}") for r in verdict.claim.rivals]
    heading = joined(
        element("div", _quantity(parts[0])) if same else None,
        element(
            "div", conditions_text(shared, several=_several(parts[0])), class_="small"
        )
        if shared
        else None,
        element("div", element("strong", f"predicted: {_region(parts[0])}"))
        if one_region
        else None,
        *(element("div", text, class_="small") for text in rivals),
    )
    if len(parts) == 1:
        return _part(parts[0], heading)
    rows = []
    for part in parts:
        own = {k: v for k, v in _where(part).items() if k not in shared}
        words = lines(
            None if same else _quantity(part),
            conditions_text(own, several=_several(part)),
            None if one_region else element("strong", _region(part)),
        )
        rows.append(_part(part, words))
    return joined(heading, *rows)


def _part(part: PartVerdict, words: Html) -> Html:
    """One part: its words on the left, its estimate and interval on the right."""
    figures = joined(
        element(
            "span", SYMBOLS[part.word], class_=f"mark {part.word}", title=part.word
        ),
        " ",
        element("span", written(part.estimate, digits=3), class_="figure estimate"),
        " ",
        element("span", interval_text(part.low, part.high), class_="figure"),
    )
    return element(
        "div", element("div", words), element("div", figures, bar(part)), class_="part"
    )


def _shared_where(parts: Sequence[PartVerdict]) -> dict[str, Any]:
    """The conditions that all parts of a claim have in common."""
    return {
        name: levels
        for name, levels in _where(parts[0]).items()
        if all(_where(part).get(name) == levels for part in parts)
    }


def _where(part: PartVerdict) -> Mapping[str, tuple[Value, ...]]:
    """The cells of a part; of a difference, what its two sides have in common."""
    first, *second = part.estimand.terms
    if not second or _effect(first) != _effect(second[0]):
        return first.where
    return {k: v for k, v in first.where.items() if second[0].where.get(k) == v}


def _several(part: PartVerdict) -> str:
    """What stands before several levels: they are averaged, or ranked."""
    return "over " if part.estimand.kind == "rank_correlation" else "mean of "


def _region(part: PartVerdict) -> str:
    named = f"{part.region.name}: " if part.region.name else ""
    return typeset(f"{named}{part.region.describe()}")


def _what(part: PartVerdict) -> str:
    """The quantity of one part in words, with the cells it speaks of."""
    where = conditions_text(_where(part), several=_several(part))
    return f"{_quantity(part)} ({where})" if where else _quantity(part)


def _quantity(part: PartVerdict) -> str:
    """What one part asks about, without the cells it speaks of."""
    e = part.estimand
    if e.minus is None:
        return _effect(e)
    sign = "divided by" if e.kind == "paired_ratio" else "minus"
    first, second = e.terms
    if _effect(first) == _effect(second):
        told = _effect(first)
        return f"{told}: {_differing(first, second)} {sign} {_differing(second, first)}"
    own = {k: v for k, v in second.where.items() if first.where.get(k) != v}
    taken = f"{_effect(second)} ({conditions_text(own)})" if own else _effect(second)
    return f"{_effect(first)}, {sign} {taken}"


def _differing(one: Estimand, another: Estimand) -> str:
    """The conditions of one estimand that another does not share."""
    own = {k: v for k, v in one.where.items() if another.where.get(k) != v}
    return f"[{conditions_text(own)}]"


def _effect(e: Estimand) -> str:
    """What an estimand asks about, without its cells and what is taken off it."""
    name = number_name(e.number)
    if e.contrast and e.factor is not None:
        sign = "minus" if e.kind == "paired_difference" else "divided by"
        treated, control = (level_label(e.factor, v) for v in (e.treated, e.control))
        return f"{name}, {factor_name(e.factor)} {treated} {sign} {control}"
    if e.kind == "slope":
        return f"slope of {name} along {factor_name(str(e.factor))}"
    if e.kind == "proportion" and e.region is not None:
        return f"share of seeds whose {name} is {e.region.describe()}"
    if e.kind == "rank_correlation" and e.other is not None:
        other = number_name(e.other)
        return f"rank correlation of {name} with {other} between the cells"
    return name


def _seeds(verdict: Verdict) -> Html:
    missing = max((part.missing for part in verdict.parts), default=0)
    return lines(
        f"{verdict.seeds} of {verdict.planned} planned",
        f"({missing} missing)" if missing else None,
    )


def _word(verdict: Verdict, *, unit: str) -> Html:
    needed = (
        f"About {verdict.seeds_needed} {several(unit)} would be needed."
        if verdict.word == "undecided" and verdict.seeds_needed
        else None
    )
    reasons = dict.fromkeys(
        verdict.reasons or [part.reason for part in verdict.parts if part.reason]
    )
    return joined(
        pill(verdict.word),
        element("div", verdict.standing, class_="standing"),
        element("div", f"Holds: {verdict.holds}") if verdict.holds else None,
        _reasons(list(reasons)),
        element("div", needed, class_="small") if needed else None,
    )


def _reasons(reasons: Sequence[str]) -> Html | None:
    """Why a claim is undecided: a few reasons as they are, many folded away."""
    shown = [element("div", typeset(reason), class_="small") for reason in reasons]
    if len(shown) <= MOST_REASONS:
        return joined(*shown)
    return element(
        "details", element("summary", f"{len(shown)} reasons", class_="small"), *shown
    )


def bar(part: PartVerdict) -> Html | None:
    """The interval of one part drawn over its region, as a small picture."""
    ends = [end for pair in part.region.intervals for end in pair]
    marks = [part.estimate, part.low, part.high, *ends]
    finite = [m for m in marks if math.isfinite(m)]
    if not finite:
        return None
    span = (max(finite) - min(finite)) or max(1.0, abs(finite[0]))
    low, high = min(finite) - 0.12 * span, max(finite) + 0.12 * span

    def at(value: float) -> float:
        inside = min(max(value, low), high)
        return round(2 + 176 * (inside - low) / (high - low), 1)

    drawn = [
        f'<rect class="region" x="{at(a)}" y="2" '
        f'width="{round(at(b) - at(a), 1)}" height="20"/>'
        for a, b in part.region.intervals
    ]
    drawn.append(
        f'<line class="interval" x1="{at(part.low)}" x2="{at(part.high)}" '
        'y1="12" y2="12"/>'
    )
    drawn += [
        f'<line class="interval" x1="{at(end)}" x2="{at(end)}" y1="7" y2="17"/>'
        for end in (part.low, part.high)
        if math.isfinite(end)
    ]
    if math.isfinite(part.estimate):
        drawn.append(
            f'<circle class="estimate" cx="{at(part.estimate)}" cy="12" r="4"/>'
        )
    label = (
        f"estimate {written(part.estimate)}, interval "
        f"{interval_text(part.low, part.high)}, region {part.region.describe()}"
    )
    return element(
        "svg", Html("".join(drawn)),
        viewBox="0 0 180 24", class_="bar", role="img", aria_label=label,
    )  # fmt: skip
