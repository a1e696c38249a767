"""From what a store holds to verdicts, and how far each of them may be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tegum import claims
from tegum.claims import Claim, Verdict
from tegum.claims.table import Table
from tegum.execution.run import results_of
from tegum.execution.selection import select
from tegum.results import MISSING, Results
from tegum.statistics import Look, extra_look_alpha, look_at
from tegum.store import Store
from tegum.study import Study


def judge(
    study: Study,
    store: Store,
    *,
    design: str = "demo",
    seeds: int | None = None,
    record: bool = True,
) -> tuple[Verdict, ...]:
    """Hold the claims of a study against the numbers in its store.

    A verdict is `interim` while rows of the look that is due are missing,
    `confirmatory` if the study's registration stands in the registry before every row
    that the claim uses, and `exploratory` otherwise, as it always is for weights that
    were made elsewhere. The design's share of alpha is
    spent over looks at fixed numbers of seeds: the planned one, then half as many
    again each time. Every verdict is appended to the registry and stays there, unless
    `record` is False.

    Raises:
        ValueError: an unknown design, or a claim that the rows can not answer.
    """
    selection = select(study, design, seeds=seeds)
    results = results_of(study, store, selection)
    made = results["status"] != MISSING
    registry, digest = store.registry(), study.digest()
    asked = {"study": study.name, "design": design, "digest": digest}
    looks = _looks(study, design, seeds=seeds)
    number = max((look.number for look in looks.values()), default=1)
    verdicts = _judged(study, design, results, made, looks=looks, number=number)
    standing = _Standing(
        results,
        made,
        registered_at=_registered_at(registry, asked),
        made_elsewhere=getattr(study.subject, "made_elsewhere", False),
    )
    verdicts = tuple(standing.settled(verdict) for verdict in verdicts)
    if record:
        for verdict in verdicts:
            store.register(_record(asked, number, verdict))
    return verdicts


def _looks(study: Study, design: str, *, seeds: int | None) -> dict[str, Look]:
    """For each claim, the look that so many seeds are, or are on the way to."""
    return {
        claim: look_at(planned if seeds is None else seeds, planned=planned)
        for claim, planned in study.planned_seeds(design).items()
    }


def _judged(
    study: Study,
    design: str,
    results: Results,
    made: np.ndarray,
    *,
    looks: Mapping[str, Look],
    number: int,
) -> tuple[Verdict, ...]:
    """The verdicts on the claims of a design, at a look's error, without a standing."""
    measures, limit = study.measures, study.convergence
    alpha = study.alpha_of(design)
    return claims.judge(
        study.claims_of(design),
        {name: results[name] for name in (*results.factors, *study.numbers)},
        factors=results.factors,
        made=made,
        diverged=results["status"] == "diverged",
        alpha=extra_look_alpha(alpha, number),
        alpha_next=extra_look_alpha(alpha, number + int(made.all())),
        planned_seeds={claim: look.size for claim, look in looks.items()},
        ranges=study.ranges,
        resolutions={n: m.resolution_of(n) for m in measures for n in m.numbers},
        convergence=None if limit is None else (limit.number, limit.limit),
    )


def last_verdicts(store: Store, study: Study | str) -> list[dict[str, Any]]:
    """The last verdict on every claim in every design, as the registry has them.

    Each has `study`, `design`, `claim`, `word`, `standing`, `seeds`, `planned`, `at`,
    and the whole `verdict`.
    """
    name = study if isinstance(study, str) else study.name
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for said in store.registry():
        if said.get("kind") == "verdict" and said.get("study") == name:
            last[said["design"], said["claim"]] = said
    return list(last.values())


@dataclass(frozen=True)
class _Standing:
    """What decides how far a verdict may be trusted."""

    results: Results
    made: np.ndarray
    registered_at: int | None
    made_elsewhere: bool

    def settled(self, verdict: Verdict) -> Verdict:
        """The verdict with its standing, and a note where its rows need one."""
        used = self._rows_used(verdict.claim)
        there = used & self.made
        sets = self.results.taken(np.flatnonzero(there)).instruction_sets
        reasons = verdict.reasons
        if len(sets) > 1:
            reasons += (
                f"its rows mix the instruction sets {', '.join(sets)}, so no one "
                "machine repeats all of them bit by bit",
            )
        if verdict.seeds < verdict.planned or (used & ~self.made).any():
            return replace(verdict, standing="interim", reasons=reasons)
        if self.made_elsewhere:
            reasons += (
                "its models were made elsewhere, before anything was registered here",
            )
            return replace(verdict, standing="exploratory", reasons=reasons)
        positions = self.results["registry_position"][there]
        before = self.registered_at is not None and all(
            self.registered_at < position for position in positions
        )
        return replace(
            verdict,
            standing="confirmatory" if before else "exploratory",
            reasons=reasons,
        )

    def _rows_used(self, claim: Claim) -> np.ndarray:
        """The rows of all cells that a claim uses."""
        table = Table.from_columns(self.results.columns, factors=self.results.factors)
        used = np.zeros(len(self.results), dtype=bool)
        for part in claim.parts:
            for cell in table.arms(part.estimand):
                used[table.rows_in(cell)] = True
        return used


def _registered_at(
    registry: Sequence[Mapping[str, Any]], asked: Mapping[str, str]
) -> int | None:
    """The first line at which the study was registered in these very words."""
    for said in registry:
        if (
            said.get("kind") == "registration"
            and said.get("study") == asked["study"]
            and said.get("digest") == asked["digest"]
        ):
            return said["line"]
    return None


def _record(asked: Mapping[str, str], look: int, verdict: Verdict) -> dict[str, Any]:
    return {
        "kind": "verdict",
        **asked,
        "claim": verdict.claim.name,
        "word": verdict.word,
        "standing": verdict.standing,
        "seeds": verdict.seeds,
        "planned": verdict.planned,
        "look": look,
        "verdict": verdict.to_record(),
    }
