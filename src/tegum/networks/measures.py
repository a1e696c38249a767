"""How the training of a small transformer went, as a measure."""

from __future__ import annotations

import math

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.convergence import loss_fall_last_tenth
from tegum.measures.facts import Measure
from tegum.networks.model import WEIGHTS


def transformer_training(artifact: Artifact, row: Row) -> dict[str, float]:
    """The clean losses at the end of training, and whether it had settled.

    `heldout_loss` is the mean of -log p(next token) on the held-out sequences, in nats
    per token; `heldout_bits_per_byte` the same in bits for each byte of their text,
    which compares across vocabularies. `training_gap` is the held-out loss minus that
    on as many training sequences: large where the network knows its text by heart.
    All are in [0, inf) but the gap, and NaN for a network that diverged.
    """
    arrays = artifact.arrays
    held_out = arrays["heldout_tokens"]
    loss = float(arrays["loss"][-1])
    predicted = held_out.shape[0] * (held_out.shape[1] - 1)
    bits = loss / math.log(2.0) * predicted
    return {
        "heldout_loss": loss,
        "heldout_bits_per_byte": bits / float(arrays["heldout_bytes"]),
        "training_gap": loss - float(arrays["clean_training_loss"]),
        "loss_fall_last_tenth": loss_fall_last_tenth(artifact),
        "n_parameters": float(
            sum(a.size for name, a in arrays.items() if name.startswith(WEIGHTS))
        ),
        "diverged": float(artifact.status == "diverged"),
    }


TRANSFORMER_TRAINING = Measure(
    name="transformer_training",
    version=1,
    function=transformer_training,
    numbers=(
        "heldout_loss",
        "heldout_bits_per_byte",
        "training_gap",
        "loss_fall_last_tenth",
        "n_parameters",
        "diverged",
    ),
    ranges={
        "heldout_loss": (0.0, math.inf),
        "heldout_bits_per_byte": (0.0, math.inf),
        "training_gap": (-math.inf, math.inf),
        "loss_fall_last_tenth": (-1.0, math.inf),
        "n_parameters": (1.0, math.inf),
        "diverged": (0.0, 1.0),
    },
    resolutions={"diverged": 1.0, "n_parameters": 1.0},
)
