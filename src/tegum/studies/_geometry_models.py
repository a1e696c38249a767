"""Which model of several seeds a picture of a single model shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc
from jaxtyping import Float
from numpy import ndarray

from tegum.design import Row
from tegum.measures.redundancy import enumerated_masks
from tegum.results import Results
from tegum.store import Store
from tegum.toys import engine
from tegum.toys.basis import dropout_loss
from tegum.toys.model import Parameters, importances

INPUTS = 512
"""Over so many the dropout losses of seeds are compared."""


def lowest(results: Results, store: Store) -> Float[ndarray, "hidden feature"]:
    """The weights of the model of one cell that lost least of what it was trained on.

    Its clean loss without dropout; with it the loss over all masks, counted out, of the
    same inputs for every seed.
    """
    wanted = pc.field("key").isin(list(results["key"]))
    found = [artifact for _, artifact in store.artifacts(store.rows().filter(wanted))]
    row = next(results.rows())
    if row["rate"] == 0.0:
        losses = [float(artifact.arrays["loss"][-1]) for artifact in found]
    else:
        losses = _dropout_losses(row, [Parameters.of(artifact) for artifact in found])
    best = int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))
    return found[best].arrays["W"].astype(np.float64)


def _dropout_losses(row: Row, models: Sequence[Parameters]) -> list[float]:
    """What each model loses under the row's dropout, on inputs of the row."""
    law = {
        "inputs": engine.evaluation_inputs(row)[:INPUTS].astype(np.float64),
        "masks": enumerated_masks(row["n_hidden"], rate=row["rate"]),
        "rate": row["rate"],
        "importance": importances(row),
        "output": row["output"],
    }
    return [dropout_loss(model.W, model.b, **law) for model in models]
