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
from tegum.statistics import extra_look_alpha
from tegum.store import Store
from tegum.study import Study


@dataclass(frozen=True)
class Look:
    """Which look at the data a judgement is.

    Look 1 is the one at the planned rows. Every further set of rows beyond the plan
    is a look of its own; `recorded` says whether the registry holds it already.
    """

    number: int
    models: int
    recorded: bool


def judge(
    study: Study,
    store: Store,
    *,
    design: str = "demo",
    seeds: int | None = None,
    record: bool = True,
) -> tuple[Verdict, ...]:
    """Hold the claims of a study against the numbers in its store.

    A verdict is `interim` while planned rows are missing, `confirmatory` if the
    study's registration stands in the registry before every row that the claim uses,
    and `exploratory` otherwise. The design's share of alpha is spent over looks: the
    planned one, and one for each set of rows beyond it. Every verdict is appended to
    the registry and stays there; with `record=False` nothing is appended, and a look
    beyond the plan that the registry does not hold is exploratory.

    Raises:
        ValueError: an unknown design, or a claim that the rows can not answer.
    """
    selection = select(study, design, seeds=seeds)
    results = results_of(study, store, selection)
    made = results["status"] != MISSING
    planned = np.array([key in selection.planned for key in selection.keys])
    registry, digest = store.registry(), study.digest()
    asked = {"study": study.name, "design": design, "digest": digest}
    look = _look(registry, asked, made=made, planned=planned)
    whole = selection.planned <= set(results["key"][made].tolist())
    alpha = study.alpha_of(design)
    verdicts = _judged(
        study,
        design,
        results,
        made,
        alpha=extra_look_alpha(alpha, look.number),
        alpha_next=extra_look_alpha(alpha, look.number + 1 if whole else 1),
    )
    standing = _Standing(
        results,
        made,
        planned,
        registered_at=_registered_at(registry, asked),
        unseen_look=look.number > 1 and not (look.recorded or record),
    )
    verdicts = tuple(standing.settled(verdict) for verdict in verdicts)
    if record:
        for verdict in verdicts:
            store.register(_record(asked, look, verdict))
    return verdicts


def _judged(
    study: Study,
    design: str,
    results: Results,
    made: np.ndarray,
    *,
    alpha: float,
    alpha_next: float,
) -> tuple[Verdict, ...]:
    """The verdicts on the claims of a design, at a given error, without a standing."""
    measures, limit = study.measures, study.convergence
    return claims.judge(
        study.claims_of(design),
        {name: results[name] for name in (*results.factors, *study.numbers)},
        factors=results.factors,
        made=made,
        alpha=alpha,
        alpha_next=alpha_next,
        planned_seeds=study.planned_seeds(design),
        ranges={n: m.range_of(n) for m in measures for n in m.numbers},
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
    planned: np.ndarray
    registered_at: int | None
    unseen_look: bool

    def settled(self, verdict: Verdict) -> Verdict:
        """The verdict with its standing, and a reason where machines are mixed."""
        used = self._rows_used(verdict.claim)
        there = used & self.made
        sets = self.results.taken(np.flatnonzero(there)).instruction_sets
        reasons = verdict.reasons
        if len(sets) > 1:
            reasons += (
                f"its rows mix the instruction sets {', '.join(sets)}, so no one "
                "machine repeats all of them bit by bit",
            )
        missing = bool((used & self.planned & ~self.made).any())
        if verdict.seeds < verdict.planned or missing:
            return replace(verdict, standing="interim", reasons=reasons)
        positions = self.results["registry_position"][there]
        before = self.registered_at is not None and all(
            self.registered_at < position for position in positions
        )
        confirmed = before and not self.unseen_look
        return replace(
            verdict,
            standing="confirmatory" if confirmed else "exploratory",
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


def _look(
    registry: Sequence[Mapping[str, Any]],
    asked: Mapping[str, str],
    *,
    made: np.ndarray,
    planned: np.ndarray,
) -> Look:
    """The number of this look, counted from those the registry holds."""
    models = int(made.sum())
    if not (made & ~planned).any():
        return Look(1, models, recorded=False)
    taken = {
        said["models"]: said["look"]
        for said in registry
        if said.get("kind") == "verdict"
        and said.get("look", 1) > 1
        and all(said.get(name) == value for name, value in asked.items())
    }
    if models in taken:
        return Look(taken[models], models, recorded=True)
    return Look(max(taken.values(), default=1) + 1, models, recorded=False)


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


def _record(asked: Mapping[str, str], look: Look, verdict: Verdict) -> dict[str, Any]:
    return {
        "kind": "verdict",
        **asked,
        "claim": verdict.claim.name,
        "word": verdict.word,
        "standing": verdict.standing,
        "seeds": verdict.seeds,
        "planned": verdict.planned,
        "look": look.number,
        "models": look.models,
        "verdict": verdict.to_record(),
    }
