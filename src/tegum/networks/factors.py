"""The columns of a small transformer: what each means, its range and its default.

The defaults make a GPT-2 of two layers, 64 wide (170,000 weights), that sees two
million tokens in about a minute on one quiet core: a step of 16 x 64 tokens takes about
25 ms, with dropout at every site a tenth to a quarter more, in bfloat16 a third less.
What to expect after 800 of such steps on the standard library, in nats per held-out
token (log 1024 = 6.93 knows nothing), with loss_fall_last_tenth near 0.001 in all:

| family | optimiser | learning_rate | held-out loss |
|---|---|---|---|
| gpt2 | adamw | 2e-3, 3e-3, 1e-2 | 4.14, 4.08, 4.45 |
| gpt2 | rotated_adam | 3e-3 | 4.04 |
| gpt2 | sgd | 0.01, 0.3, 1 | 5.52, 4.21, 4.32 |
| gpt_neox | adamw | 3e-3 | 3.82 |
"""

from __future__ import annotations

import math
from typing import Any

from tegum.allowed import number, one_of, whole
from tegum.design import REQUIRED, Factor, Row, Value

FAMILIES = ("gpt2", "gpt_neox")
OPTIMISERS = ("adamw", "sgd", "rotated_adam")
SCHEDULES = ("constant", "cosine")
PRECISIONS = ("float32", "bfloat16")
SITES = ("embedding", "attention", "residual", "mlp")
"""Where dropout can be; `tegum.networks.model` says what each is in each family."""

SMALLEST_VOCABULARY = 257
"""256 bytes, so that every text has tokens, and the mark between texts."""


def _rate(site: str) -> Any:
    return number(
        f"{site}_dropout", 0, 1, open_high=True,
        remedy="a rate of 1 would silence every unit; 0.1 is usual",
    )  # fmt: skip


def _clip(value: Any) -> Value:
    if value is None:
        return None
    return number(
        "gradient_clip", 0, math.inf, open_low=True, open_high=True,
        remedy="None clips nothing",
    )(value)  # fmt: skip


def _loss_target(value: Any) -> Value:
    if value is None:
        return None
    return number(
        "loss_target", 0, math.inf, open_low=True, open_high=True,
        remedy="it is in nats per held-out token; None keeps nothing",
    )(value)  # fmt: skip


def _checkpoints(value: Any) -> Value:
    steps = value if isinstance(value, tuple) else (value,)
    one = whole("checkpoints", 0, 100_000_000, remedy="give steps as a tuple: (0, 500)")
    taken = tuple(one(step) for step in steps)
    if list(taken) != sorted(set(taken)):
        raise ValueError(
            f"`checkpoints` is {value!r}; it must be a tuple of rising steps, such as "
            "(0, 500), or () for the end alone"
        )
    return taken


FACTORS: tuple[Factor, ...] = (
    Factor(
        "family",
        "the architecture, as transformers defines it",
        one_of("family", FAMILIES),
        "gpt2",
    ),
    Factor(
        "n_layers",
        "number of blocks",
        whole("n_layers", 1, 1000, remedy="2 is small, 6 is Pythia-70M"),
        2,
    ),
    Factor(
        "width",
        "width of the residual stream",
        whole("width", 2, 100_000, remedy="64 is small, 512 is Pythia-70M"),
        64,
    ),
    Factor(
        "n_heads",
        "attention heads of each block",
        whole("n_heads", 1, 1000, remedy="width / 16 suits small models"),
        4,
    ),
    Factor(
        "context",
        "tokens of a sequence, in training and held out",
        whole("context", 2, 1_000_000, remedy="64 or 128 is quick on a processor"),
        64,
    ),
    Factor(
        "vocabulary",
        "tokens of the byte-level BPE, the mark between texts included",
        whole(
            "vocabulary", SMALLEST_VOCABULARY, 1_000_000,
            remedy="256 bytes and the mark between texts are the least",
        ),
        1024,
    ),
    Factor("embedding_dropout", "rate on the embeddings", _rate("embedding"), 0.0),
    Factor(
        "attention_dropout",
        "rate on the attention probabilities",
        _rate("attention"),
        0.0,
    ),
    Factor(
        "residual_dropout",
        "rate on what attention and MLP add to the residual stream",
        _rate("residual"),
        0.0,
    ),
    Factor(
        "mlp_dropout",
        "rate inside the MLP, between activation and down projection",
        _rate("mlp"),
        0.0,
    ),
    Factor(
        "optimiser",
        "how parameters are updated",
        one_of("optimiser", OPTIMISERS),
        "adamw",
    ),
    Factor(
        "learning_rate",
        "step size at its highest",
        number(
            "learning_rate", 0, math.inf, open_low=True, open_high=True,
            remedy="3e-3 suits Adam at width 64, 0.3 SGD",
        ),
        3e-3,
    ),
    Factor(
        "weight_decay",
        "on matrices only: decoupled for adamw and rotated_adam, L2 for sgd",
        number(
            "weight_decay", 0, math.inf, open_high=True,
            remedy="0.1 is usual for language models; the default is 0",
        ),
        0.0,
    ),
    Factor(
        "momentum",
        "momentum of SGD",
        number("momentum", 0, 1, open_high=True, remedy="0.9 is usual"),
        0.9,
    ),
    Factor(
        "gradient_clip",
        "largest norm of the whole gradient; None clips nothing",
        _clip,
        1.0,
    ),
    Factor(
        "warmup",
        "steps in which the learning rate rises from 0",
        whole("warmup", 0, 100_000_000, remedy="0 starts at the full rate"),
        50,
    ),
    Factor(
        "schedule",
        "how the learning rate goes on after the warm-up: cosine falls to 0",
        one_of("schedule", SCHEDULES),
        "cosine",
    ),
    Factor(
        "batch_size",
        "sequences in a step",
        whole("batch_size", 1, 1_000_000, remedy="16 or 32 suits small models"),
        16,
    ),
    Factor(
        "steps",
        "optimiser steps",
        whole("steps", 1, 100_000_000, remedy="2000 is about a minute at width 64"),
        2000,
    ),
    Factor(
        "precision",
        "bfloat16 computes products in it and keeps the weights in float32",
        one_of("precision", PRECISIONS),
        "float32",
    ),
    Factor(
        "checkpoints",
        "steps whose network is kept as a folder; the end always is",
        _checkpoints,
        (),
    ),
    Factor(
        "loss_target",
        "held-out loss at which the weights are kept beside the last ones; None: never",
        _loss_target,
        None,
    ),
    Factor(
        "seed",
        "the unit of every claim: initial weights, data order and masks follow from it",
        whole("seed", 0, 2**63 - 1, remedy="use seeds 0, 1, 2, ..."),
    ),
)  # fmt: skip


NEUTRAL = {f.name: f.default for f in FACTORS if f.default is not REQUIRED}
"""What a factor is where a row does not say."""


def check_together(row: Row) -> None:
    """Refuse factors that do not go together.

    Raises:
        ValueError: naming the values and the remedy.
    """
    width, heads = row["width"], row["n_heads"]
    if width % heads:
        raise ValueError(
            f"`width` is {width} and `n_heads` {heads}; each head takes an equal share "
            f"of the width, so choose heads that divide it, such as {_divisor(width)}"
        )
    if row["family"] == "gpt_neox" and width // heads % 8:
        raise ValueError(
            f"`width` {width} gives each of {heads} heads {width // heads} units; "
            "gpt_neox turns a quarter of them in pairs, so a head needs a multiple of "
            f"8; take width {heads * 8} or {heads * 16}"
        )
    late = [step for step in row["checkpoints"] if step > row["steps"]]
    if late:
        raise ValueError(
            f"`checkpoints` names the step {late[0]}, and the training has "
            f"{row['steps']} `steps`; name steps within it"
        )
    if row["warmup"] >= row["steps"] and row["warmup"] > 0:
        raise ValueError(
            f"`warmup` is {row['warmup']} and `steps` {row['steps']}; the learning "
            "rate must reach its height, so warm up for fewer steps"
        )


def _divisor(width: int) -> int:
    return max(d for d in range(1, max(width // 8, 1) + 1) if width % d == 0)


def rates(row: Row) -> dict[str, float]:
    """The dropout rate at each site."""
    return {site: row[f"{site}_dropout"] for site in SITES}


__all__ = ["FACTORS", "FAMILIES", "NEUTRAL", "OPTIMISERS", "SITES", "check_together"]
