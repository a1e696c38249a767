"""A study's answer from a table of what each verdict adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tegum.claims import Verdict

Sayings = Mapping[str, Mapping[str, str]]


def assembled(
    verdicts: Sequence[Verdict], sayings: Sayings, *, controls: Sequence[str]
) -> str:
    """The phrases of the verdicts in the table's order, as one text.

    `sayings` maps a claim to phrases: by the region that holds, or else by the word; a
    claim that is not judged, or that has no phrase for what came of it, adds nothing.
    `{supported}` and `{parts}` in a phrase are counts of the claim's parts. It is said
    first if seeds are still to come or not all was said beforehand, and last which of
    the `controls` are refuted or undecided.
    """
    found = {verdict.claim.name: verdict for verdict in verdicts}
    standings = {verdict.standing for verdict in verdicts}
    parts = []
    if "interim" in standings:
        parts.append("So far, with seeds still to come. ")
    elif "exploratory" in standings:
        parts.append("Not all of it was said beforehand. ")
    for claim, phrases in sayings.items():
        if claim in found:
            verdict = found[claim]
            phrase = phrases.get(verdict.holds) or phrases.get(verdict.word, "")
            supported = sum(part.word == "supported" for part in verdict.parts)
            parts.append(phrase.format(supported=supported, parts=len(verdict.parts)))
    for name in controls:
        if name in found and found[name].word == "refuted":
            parts.append(f" Beware: the control '{name}' is refuted.")
    parts.append(_undecided([n for n in controls if n in found], found))
    return "".join(parts)


def _undecided(controls: Sequence[str], found: Mapping[str, Verdict]) -> str:
    """Which controls decide nothing, in a sentence; nothing if all of them do."""
    names = [f"'{name}'" for name in controls if found[name].word == "undecided"]
    if not names:
        return ""
    are = "control {} is" if len(names) == 1 else "controls {} are"
    return f" The {are.format(', '.join(names))} undecided."
