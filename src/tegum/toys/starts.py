"""Toy models trained from several starts, of which the best is kept.

Small models end in poor local minima often, so that one run says
little of what the loss prefers. A row here is k runs. Starts are never units: the row's
seed is, and what is said of one row is said of its best start, or of the mean over all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import Artifact
from tegum.design import Factor, Row, check_rows, complete
from tegum.theory.expected_loss import expected_losses
from tegum.toys import engine, model

MOST_STARTS = 1000
MOST_UNITS = 6
"""Each loss is a mean over 2^m masks."""
LARGEST_SEED = (2**63 - 1) // MOST_STARTS - 1
FREE = frozenset(
    {
        "n_features",
        "n_hidden",
        "feature_probability",
        "importance_decay",
        "importance",
        "noise",
        "rate",
        "output",
        "optimiser",
        "optimiser_basis",
        "learning_rate",
        "schedule",
        "momentum",
        "batch_size",
        "steps",
        "initial_law",
        "initial_std",
        "weight_checkpoints",
        "seed",
    }
)
"""Factors that may vary; at another value of the others the ranking's loss is not the
one that is trained."""


def _starts(value: Any) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 1 <= value <= MOST_STARTS:
        raise ValueError(
            f"`starts` is {value!r}; it must be a whole number from 1 to "
            f"{MOST_STARTS}; 16 find the best of small models"
        )
    return value


STARTS = Factor("starts", "number of runs k of which the best is kept", _starts)


@dataclass(frozen=True)
class BestOfStarts:
    """Toy models, each the best of several runs by its exact expected loss.

    The loss that ranks is the one that training minimises, masks enumerated and inputs
    integrated, not estimated. Start j of seed s is the toy model of seed `1000 s + j`.
    An artifact is that of the best run, with `W_of_starts` and `b_of_starts` of all
    runs and `expected_loss_of_starts`, their losses as means over features; a run
    that diverged has NaN.
    """

    name: str = "toy-best-of-starts"
    law: int = 1

    @property
    def factors(self) -> Sequence[Factor]:
        """The columns of toy models, and `starts`."""
        return (*model.FACTORS, STARTS)

    @property
    def instruction_set(self) -> str:
        """The processor's instructions that the engine uses here, for the record."""
        return engine.instruction_set()

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
        """Every row with every factor, checked alone and together.

        Raises:
            ValueError: what toy models refuse; a factor that changes the loss by which
                starts are ranked; more than 6 units; a seed above 9e15.
        """
        rows = complete(design, self.factors)
        check_rows(rows, _check)
        return rows

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> list[Artifact | None]:
        """Train every start of every row; None for rows that `stop` cut short."""
        runs = [
            {**_without_starts(row), "seed": MOST_STARTS * row["seed"] + start}
            for row in rows
            for start in range(row["starts"])
        ]
        trained = engine.train(runs, workers=workers, progress=progress, stop=stop)
        kept, first = [], 0
        for row in rows:
            of_row = trained[first : first + row["starts"]]
            first += row["starts"]
            whole = [run for run in of_row if run is not None]
            kept.append(_best(row, whole) if len(whole) == len(of_row) else None)
        return kept

    def core_seconds(self, row: Row) -> float:
        """About how long one core needs for all starts of a row."""
        return row["starts"] * engine.core_seconds(_without_starts(row))

    def memory_bytes(self, row: Row) -> int:
        """About how much memory all starts of a row take."""
        return row["starts"] * engine.memory_bytes(_without_starts(row))


def trained_losses(
    W: Float[ndarray, "model hidden feature"],
    b: Float[ndarray, "model feature"],
    row: Row,
) -> Float[ndarray, " model"]:
    """What models of a row lose on average over all inputs and masks, over features.

    `mean_i I_i E (x_i - y_i)^2`, the expected value of the loss that training
    minimises. In squared units of the inputs; NaN for weights that are not finite.

    Source: `theory.expected_loss`.
    """
    W, b = np.asarray(W, dtype=np.float64), np.asarray(b, dtype=np.float64)
    loss = np.full(len(W), np.nan)
    finite = np.isfinite(W).all(axis=(1, 2)) & np.isfinite(b).all(axis=1)
    if finite.any():
        loss[finite] = expected_losses(
            W[finite],
            b[finite],
            feature_probability=model.probabilities(row),
            importance=model.importances(row),
            rate=row["rate"],
            output=row["output"],
        ).loss
    return loss


def _best(row: Row, runs: Sequence[Artifact]) -> Artifact:
    W = np.stack([run.arrays["W"] for run in runs])
    b = np.stack([run.arrays["b"] for run in runs])
    loss = trained_losses(W, b, row)
    best = runs[0 if np.isnan(loss).all() else int(np.nanargmin(loss))]
    arrays = {"W_of_starts": W, "b_of_starts": b, "expected_loss_of_starts": loss}
    return Artifact({**best.arrays, **arrays}, best.status, best.diverged_at_step)


def _without_starts(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "starts"}


def _check(row: Row) -> None:
    model.check_together(row)
    for factor in model.FACTORS:
        if factor.name not in FREE and row[factor.name] != factor.default:
            raise ValueError(
                f"`{factor.name}` is {row[factor.name]!r}; it must be "
                f"{factor.default!r} where starts are ranked by their exact expected "
                "loss; train single models with `ToyModels` instead"
            )
    if row["noise"] not in ("none", "dropout"):
        raise ValueError(
            f"`noise` is {row['noise']!r}; it must be 'none' or 'dropout', whose masks "
            "can be enumerated"
        )
    if row["n_hidden"] > MOST_UNITS:
        raise ValueError(
            f"`n_hidden` is {row['n_hidden']}; it must be from 1 to {MOST_UNITS} where "
            "starts are ranked by their exact expected loss"
        )
    if row["seed"] > LARGEST_SEED:
        raise ValueError(
            f"`seed` is {row['seed']}; it must be from 0 to {LARGEST_SEED}, since "
            f"start j of seed s is the model of seed {MOST_STARTS} s + j"
        )
