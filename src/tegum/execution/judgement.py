"""From what a store holds to verdicts, and how far each of them may be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tegum import claims
from tegum.claims import Verdict, Verdicts
from tegum.execution.run import results_of
from tegum.execution.selection import select
from tegum.execution.standing import Standing
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

    A verdict is `interim` while rows of the look that is due, or that the design plans
    for its cells, are missing. It is `confirmatory` if the study's registration was the
    last one said before the first row that the claim uses, and these rows were made
    under this very registry and were not there before under another name; otherwise it
    is `exploratory`, and its reasons say why. The design's share of alpha is spent over
    looks at fixed numbers of seeds: the planned one, then half as many again each time.
    Every verdict is appended to the registry and stays there, unless `record` is False.

    Raises:
        ValueError: an unknown design, or a claim that the rows can not answer.
    """
    selection = select(study, design, seeds=seeds)
    results = results_of(study, store, selection)
    made = results["status"] != MISSING
    asked = {"study": study.name, "design": design, "digest": study.digest()}
    looks = _looks(study, design, seeds=seeds)
    number = max((look.number for look in looks.values()), default=1)
    verdicts = _judged(study, design, results, made, looks=looks, number=number)
    planned = None if seeds is None else select(study, design)
    standing = Standing.of(study, store, results, planned=planned)
    verdicts = Verdicts(standing.settled(verdict) for verdict in verdicts)
    if record:
        store.register(*(_record(asked, number, verdict) for verdict in verdicts))
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
