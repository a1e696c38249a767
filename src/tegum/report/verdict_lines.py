"""Many verdicts in little room: how many came to what, and a line for each claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tegum.claims import Verdict
from tegum.markup import SYMBOLS, Child, Html, element, joined, table
from tegum.wording import counted, interval_text, typeset, written

MOST_LINES = 40
"""So many lines of claims are shown at once; more are folded too."""

_ORDER = ("refuted", "undecided", "supported")
"""Of several parts, the one that decides the word of a claim comes first."""


def pill(word: str) -> Html:
    """A verdict word with its symbol; colour is never alone."""
    return element(
        "span",
        element("span", SYMBOLS[word], aria_hidden="true"),
        f" {word}",
        class_=f"pill {word}",
    )


def counts(verdicts: Sequence[Verdict]) -> Html:
    """How many claims came to which word, and to which of their named regions."""
    found = Counter((verdict.word, verdict.holds or "") for verdict in verdicts)
    order = sorted(found, key=lambda key: (list(SYMBOLS).index(key[0]), -found[key]))
    lines = [
        element("li", pill(word), f" {found[word, held]}{held and f': {held}'}")
        for word, held in order
    ]
    return joined(
        element("p", f"Of {len(verdicts)} claims:"),
        element("ul", *lines, class_="counts"),
    )


def in_lines(verdicts: Sequence[Verdict], *, caption: str) -> Html:
    """A line for each claim: its estimate, what was predicted, and the word."""
    rows: list[list[Child]] = []
    for verdict in verdicts:
        worst = min(verdict.parts, key=lambda part: _ORDER.index(part.word))
        others = len(verdict.parts) - 1
        more = f" (and {counted(others, 'part')} more)" if others else ""
        rows.append(
            [
                verdict.claim.name,
                element("span", written(worst.estimate, digits=3), class_="figure"),
                element("span", interval_text(worst.low, worst.high), class_="figure"),
                f"{typeset(worst.region.describe())}{more}",
                joined(pill(verdict.word), f" {verdict.holds or ''}"),
            ]
        )
    head = ["Claim", "Estimate", "Interval", "Predicted", "Verdict"]
    lines = table(head, rows, caption=caption, class_="lines")
    if len(rows) <= MOST_LINES:
        return lines
    return element("details", element("summary", "A line for each claim"), lines)
