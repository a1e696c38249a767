"""Trains rows in the compiled engine: one model is one task, threads over models.

What comes of a row depends on the row alone, bit for bit on one instruction set,
whatever the pool, the order or the neighbours. Memory: each row holds what
`memory_bytes` says, and that does not grow with its steps beyond the schedules it asks
to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import Artifact, stream_key
from tegum.design import Row
from tegum.toys import _engine
from tegum.toys.cost import Kernel, core_seconds, kernel, workspace_bytes
from tegum.toys.model import (
    ADAM_BETA1,
    ADAM_BETA2,
    ADAM_EPSILON,
    EVALUATION_EXAMPLES,
    Parameters,
    active_features,
    checkpoint_steps,
    importances,
    initial_parameters,
    loss_steps,
    optimiser_rotation,
    probabilities,
)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while rows were trained; `finished` holds what was done by then.

    One entry for each row, None where it was cut short, as `train` returns it.
    """

    def __init__(self, finished: list[Artifact | None]) -> None:
        """Keep what was finished."""
        super().__init__("training was interrupted; finished models are kept")
        self.finished = finished


@dataclass(frozen=True)
class Replay:
    """The engine's own minibatches and noise.

    `noise` is the factor on h for dropout and multiplicative noise (1 for samples
    without an active feature where the kernel skips them), a standard normal for
    additive kinds, and 1 without noise.
    """

    x: Float[ndarray, "step example feature"]
    noise: Float[ndarray, "step example hidden"]


def available_instruction_sets() -> tuple[str, ...]:
    """The instruction sets that this machine can run, best first."""
    return tuple(_engine.available_instruction_sets())


def instruction_set() -> str:
    """The instruction set that `train` uses: the best that this machine has."""
    return available_instruction_sets()[0]


def train(
    rows: Sequence[Row],
    *,
    workers: int,
    progress: Callable[[float], None],
    stop: Callable[[], bool],
    instruction_set: str = "",
) -> list[Artifact | None]:
    """An artifact for each completed row; None for rows that `stop` cut short.

    `progress` is told the share of the work done and `stop` is asked, both from the
    calling thread and several times a second. Longest rows start first.

    Raises:
        ValueError: fewer than one worker, or an instruction set the machine lacks.
        Interrupted: Ctrl-C; it carries the artifacts of finished rows.
        MemoryError: a row's workspace could not be had.
    """
    if workers < 1:
        raise ValueError(f"`workers` is {workers}; it must be 1 or more")
    outputs = [_output_arrays(row) for row in rows]
    jobs = [
        _job(row, output, kernel=kernel(row))
        for row, output in zip(rows, outputs, strict=True)
    ]
    cost = [core_seconds(row) for row in rows]
    order = sorted(range(len(rows)), key=lambda j: -cost[j])
    raised = _engine.train(
        [jobs[j] for j in order],
        [cost[j] for j in order],
        workers=workers,
        progress=progress,
        stop=stop,
        instruction_set=instruction_set,
    )
    artifacts = [
        _artifact(job, output) if job.finished else None
        for job, output in zip(jobs, outputs, strict=True)
    ]
    if isinstance(raised, KeyboardInterrupt):
        raise Interrupted(artifacts) from raised
    if raised is not None:
        raise raised
    progress(1.0 if all(a is not None for a in artifacts) else _share(artifacts, cost))
    return artifacts


def memory_bytes(row: Row) -> int:
    """How much memory a row takes at most while it is trained and stored.

    The engine's workspace (parameters, moments, tiles of samples, the events of a block
    of at most 2^20 entries) plus the arrays that are kept. It grows with the number of
    steps only through the weights that the row asks to be kept.
    """
    output = _output_shapes(row)
    kept = sum(int(np.prod(shape)) * item for shape, item in output.values())
    return kept + workspace_bytes(row)


def measured_workspace_bytes(row: Row, *, instruction_set: str = "") -> int:
    """What the engine takes for a row; `workspace_bytes` bounds it by a formula."""
    job = _job(row, _output_arrays(row), kernel=kernel(row))
    return job.workspace_bytes(instruction_set)


def replay(
    row: Row,
    *,
    first: int,
    count: int,
    kernel_name: Kernel | None = None,
    instruction_set: str = "",
) -> Replay:
    """The minibatches and the noise that a row sees in steps `first` and after.

    Raises:
        ValueError: a kernel that can not serve the row.
    """
    job = _job(row, _output_arrays(row), kernel=kernel_name or kernel(row))
    x = np.zeros((count, row["batch_size"], row["n_features"]), dtype=np.float32)
    noise = np.ones((count, row["batch_size"], row["n_hidden"]), dtype=np.float32)
    _engine.replay(job, first=first, x=x, noise=noise, instruction_set=instruction_set)
    return Replay(x, noise)


def gradients(
    row: Row,
    parameters: Parameters,
    *,
    step: int = 0,
    kernel_name: Kernel | None = None,
    instruction_set: str = "",
) -> Parameters:
    """The loss gradient on the minibatch of a step, without weight decay.

    `kernel_name` forces a kernel that could serve the row.

    Raises:
        ValueError: a kernel that can not serve the row.
    """
    output = _output_arrays(row, parameters)
    job = _job(row, output, kernel=kernel_name or kernel(row))
    found = {name: np.zeros_like(output[name]) for name in ("W", "b", "W_decoder")}
    _engine.gradient(
        job,
        step=step,
        dW=found["W"],
        db=found["b"],
        ddecoder=found["W_decoder"],
        instruction_set=instruction_set,
    )
    if not _untied(row):
        del found["W_decoder"]
    return Parameters(**found)


def evaluation_inputs(row: Row) -> Float[ndarray, "example feature"]:
    """The inputs of the row's clean loss."""
    sample = {**row, "batch_size": EVALUATION_EXAMPLES, "noise": "none", "rate": 0.0}
    job = _job(sample, _output_arrays(row), kernel=kernel(sample), data="evaluation")
    shape = (1, EVALUATION_EXAMPLES)
    x = np.zeros((*shape, row["n_features"]), dtype=np.float32)
    noise = np.ones((*shape, row["n_hidden"]), dtype=np.float32)
    _engine.replay(job, first=0, x=x, noise=noise)
    return x[0]


def clean_loss(row: Row, parameters: Parameters, *, instruction_set: str = "") -> float:
    """The loss without noise on the row's evaluation sample."""
    job = _job(row, _output_arrays(row, parameters), kernel=kernel(row))
    return _engine.clean_loss(job, instruction_set=instruction_set)


def _untied(row: Row) -> bool:
    return row["decoder"] == "untied"


def _output_shapes(row: Row) -> dict[str, tuple[tuple[int, ...], int]]:
    n, m = row["n_features"], row["n_hidden"]
    losses = len(loss_steps(row["steps"]))
    kept = len(checkpoint_steps(row["steps"], row["weight_checkpoints"]))
    return {
        "W": ((m, n), 4),
        "b": ((n,), 4),
        "W_decoder": ((m, n) if _untied(row) else (0, 0), 4),
        "loss_step": ((losses,), 8),
        "loss": ((losses,), 8),
        "checkpoint_step": ((kept,), 8),
        "W_history": ((kept, m, n), 4),
        "b_history": ((kept, n), 4),
        "W_decoder_history": ((kept, m, n) if _untied(row) else (0, 0, 0), 4),
    }


def _output_arrays(
    row: Row, parameters: Parameters | None = None
) -> dict[str, ndarray]:
    """What a run reads and fills; it starts from `parameters`, or the row's own."""
    start = initial_parameters(row) if parameters is None else parameters
    decoder = start.W_decoder if _untied(row) else np.zeros((0, 0))
    arrays = {"W": start.W, "b": start.b, "W_decoder": decoder}
    shapes = _output_shapes(row)
    history = ("W_history", "b_history", "W_decoder_history")
    return {
        **{name: np.array(value, np.float32) for name, value in arrays.items()},
        "loss_step": loss_steps(row["steps"]),
        "loss": np.full(shapes["loss"][0], np.nan),
        "checkpoint_step": checkpoint_steps(row["steps"], row["weight_checkpoints"]),
        **{name: np.full(shapes[name][0], np.nan, np.float32) for name in history},
    }


def _job(
    row: Row, output: dict[str, ndarray], *, kernel: Kernel, data: str = "data"
) -> _engine.Job:
    return _engine.Job(
        W=output["W"],
        b=output["b"],
        probability=probabilities(row),
        importance=importances(row),
        loss_steps=output["loss_step"],
        loss=output["loss"],
        checkpoint_steps=output["checkpoint_step"],
        W_history=output["W_history"],
        b_history=output["b_history"],
        rotation=_rotation(row),
        decoder=output["W_decoder"],
        decoder_history=output["W_decoder_history"],
        rectified=row["hidden_activation"] == "relu",
        absolute=row["target"] == "absolute",
        biased=row["bias"] == "learned",
        two_sided=row["feature_values"] == "signed_uniform",
        activity=row["activity"],
        group=row["group_size"],
        active=active_features(row) if row["activity"] == "exactly_k" else 0,
        noise=row["noise"],
        output=row["output"],
        optimiser=row["optimiser"],
        schedule=row["schedule"],
        kernel=kernel,
        rate=row["rate"],
        noise_std=row["noise_std"],
        learning_rate=row["learning_rate"],
        momentum=row["momentum"],
        weight_decay=row["weight_decay"],
        hidden_l1=row["hidden_l1"],
        beta1=ADAM_BETA1,
        beta2=ADAM_BETA2,
        epsilon=ADAM_EPSILON,
        batch_size=row["batch_size"],
        steps=row["steps"],
        data_key=stream_key(row["seed"], data),
        mask_key=stream_key(row["seed"], "mask"),
        evaluation_key=stream_key(row["seed"], "evaluation"),
        evaluation_examples=EVALUATION_EXAMPLES,
    )


def _rotation(row: Row) -> Float[ndarray, "hidden hidden"]:
    """The axes of Adam's moments; empty where they are the hidden units."""
    if row["optimiser_basis"] == "units":
        return np.zeros((0, 0), dtype=np.float32)
    return optimiser_rotation(row)


def _artifact(job: _engine.Job, output: dict[str, ndarray]) -> Artifact:
    # What a row does not keep is empty.
    arrays = {name: array for name, array in output.items() if array.size}
    if job.diverged_at_step < 0:
        return Artifact(arrays)
    return Artifact(arrays, status="diverged", diverged_at_step=job.diverged_at_step)


def _share(artifacts: Sequence[Artifact | None], cost: Sequence[float]) -> float:
    done = sum(c for a, c in zip(artifacts, cost, strict=True) if a is not None)
    return done / sum(cost)


__all__ = [
    "Interrupted",
    "Kernel",
    "Replay",
    "available_instruction_sets",
    "clean_loss",
    "core_seconds",
    "evaluation_inputs",
    "gradients",
    "instruction_set",
    "kernel",
    "measured_workspace_bytes",
    "memory_bytes",
    "replay",
    "train",
    "workspace_bytes",
]
