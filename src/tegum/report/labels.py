"""Words for factors, levels and numbers, and how a value is written for a reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tegum.claims import Verdict
from tegum.claims.estimands import Estimand
from tegum.design import Factor, Value
from tegum.wording import listed, plain, value_label

UNIT = "seed"
"""What is resampled, for a subject that has no `unit` of its own."""

_TITLES = {
    "feature_probability": "sparsity S (feature probability q = 1 − S)",
    "importance_decay": "importance Iᵢ = rⁱ of feature i",
}
_NAMES = {
    "feature_probability": "sparsity",
    "importance_decay": "importance",
    "rate": "dropout rate",
    "n_features": "features n",
    "n_hidden": "hidden units m",
}

_NUMBERS = {
    "agrees": "in the phase of the optimum",
    "agrees_of_starts": "starts in the phase of the optimum",
    "shared": "in superposition",
    "shared_beyond_optimum": "in superposition beyond the optimum",
    "optimal_shared": "optimum in superposition",
    "excess_loss": "loss beyond the optimum",
    "features_represented_error": "error of the features kept",
    "features_represented_advantage": "features kept, closer than the constant by",
    "mean_norm_squared_error": "error of the mean squared norm",
    "mean_norm_squared_advantage": "mean squared norm, closer than the constant by",
    "unit_alignment_gap_error": "error of the alignment",
    "unit_alignment_gap_advantage": "alignment, closer than the constant by",
    "loss_over_deepest": "expected loss over the theory's deepest minimum, as a share",
    "mean_share": "share of the mean in what units carry",
}


def factor_name(factor: str) -> str:
    """A factor in a few words: for selectors, tables and sentences."""
    return _NAMES.get(factor, factor.replace("_", " "))


def factor_title(factor: str, *, factors: Iterable[Factor]) -> str:
    """A factor as an axis says it: the first clause of its declared meaning."""
    if factor in _TITLES:
        return _TITLES[factor]
    for declared in factors:
        if declared.name == factor and declared.meaning:
            return declared.meaning.split(";")[0].split(",")[0]
    return factor_name(factor)


def labels_of(subject: Any) -> Mapping[str, str]:
    """What people call levels that stand as digests in the rows, where it says so."""
    return getattr(subject, "labels", {})


def unit_of(subject: Any) -> str:
    """What a seed of the subject is: its `unit`, or a seed."""
    return getattr(subject, "unit", UNIT)


def several(unit: str) -> str:
    """The plural of a unit.

    >>> several("seed"), several("block of text")
    ('seeds', 'blocks of text')
    """
    head, of, rest = unit.partition(" of ")
    return f"{head}s{of}{rest}"


def in_words(verdicts: Sequence[Verdict], labels: Mapping[str, str]) -> list[Verdict]:
    """The same verdicts, their levels under the labels that people give them."""
    if not labels:
        return list(verdicts)
    return [
        replace(
            verdict,
            parts=tuple(
                replace(
                    part,
                    estimand=_said(part.estimand, labels),
                    reason=_told(part.reason, labels),
                )
                for part in verdict.parts
            ),
            reasons=tuple(_told(reason, labels) for reason in verdict.reasons),
        )
        for verdict in verdicts
    ]


def _told(text: str, labels: Mapping[str, str]) -> str:
    for digest, label in labels.items():
        text = text.replace(digest, label)
    return text


def _said(estimand: Estimand, labels: Mapping[str, str]) -> Estimand:
    def label(value: Value) -> Value:
        return labels.get(value, value) if isinstance(value, str) else value

    return replace(
        estimand,
        where={name: tuple(map(label, v)) for name, v in estimand.where.items()},
        treated=label(estimand.treated),
        control=label(estimand.control),
        minus=None if estimand.minus is None else _said(estimand.minus, labels),
    )


def level_label(
    factor: str, value: Value, *, labels: Mapping[str, str] | None = None
) -> str:
    """One level as a tick says it; sparsity shows both S and the probability q.

    `labels` are what people call levels that are digests.
    """
    if labels and isinstance(value, str):
        return labels.get(value, value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value_label(value)
    if factor == "feature_probability":
        return f"S = {plain(1 - float(value))} (q = {plain(value)})"
    if factor == "importance_decay":
        return "uniform (r = 1)" if value == 1 else f"decaying (r = {plain(value)})"
    return value_label(value)


def tick_label(factor: str, value: Value) -> str:
    """One level where space is short; sparsity as "0.9 (0.1)", S and then q."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value_label(value)
    if factor == "feature_probability":
        return f"{plain(1 - float(value))} ({plain(value)})"
    if factor == "importance_decay":
        return "uniform" if value == 1 else f"r = {plain(value)}"
    return value_label(value)


def level_labels(
    factor: str, values: Sequence[Value], *, labels: Mapping[str, str] | None = None
) -> list[str]:
    """A label for each level, told apart by a number where two would read the same."""
    found = [level_label(factor, value, labels=labels) for value in values]
    return [
        f"{label} #{1 + found[:k].count(label)}" if found.count(label) > 1 else label
        for k, label in enumerate(found)
    ]


def number_name(number: str) -> str:
    """A measured number in words."""
    return _NUMBERS.get(number, number.replace("_", " "))


def unit_text(unit: str) -> str:
    """A unit as an axis says it; nothing where no unit was declared."""
    return "no unit" if unit == "1" else f"unit: {unit}" if unit else ""


def conditions_text(
    where: Mapping[str, tuple[Value, ...]], *, several: str = "mean of "
) -> str:
    """The cells that a claim speaks of; `several` stands before many levels."""
    parts = []
    for factor, levels in where.items():
        labels = [level_label(factor, level) for level in levels]
        before = several if len(labels) > 1 else ""
        parts.append(f"{factor_name(factor)}: {before}{listed(labels)}")
    return "; ".join(parts)
