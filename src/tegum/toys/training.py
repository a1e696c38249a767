"""How the training of a toy model went, as a measure."""

from __future__ import annotations

import math

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.convergence import loss_fall_last_tenth
from tegum.measures.facts import Measure


def training(artifact: Artifact, row: Row) -> dict[str, float]:
    """The final clean loss, how much it still fell, and whether the model diverged."""
    return {
        "final_loss": float(artifact.arrays["loss"][-1]),
        "loss_fall_last_tenth": loss_fall_last_tenth(artifact),
        "diverged": float(artifact.status == "diverged"),
    }


TRAINING = Measure(
    name="training",
    version=2,
    function=training,
    numbers=("final_loss", "loss_fall_last_tenth", "diverged"),
    ranges={
        "final_loss": (0.0, math.inf),
        "loss_fall_last_tenth": (-1.0, math.inf),
        "diverged": (0.0, 1.0),
    },
    resolutions={"diverged": 1.0},
)


__all__ = ["TRAINING", "loss_fall_last_tenth", "training"]
