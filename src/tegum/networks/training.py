"""One network's training: the loop, the held-out curve, and what a kill can not undo.

All that is random follows from `(seed, purpose, step)`: the sequences of a step from
"batch", its masks from "mask" and the site. So the state between two steps is weights,
the optimiser's memory and the curves, and a row that goes on from it ends in the same
bits as one that was never interrupted.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.arrays import Artifact, stream
from tegum.design import Row
from tegum.networks.corpus import Tokens
from tegum.networks.libraries import torch as load_torch
from tegum.networks.libraries import transformers
from tegum.networks.model import AT_TARGET, WEIGHTS, build, weights_of, write_folder
from tegum.networks.optimisers import Optimiser, learning_rate, optimiser_of

if TYPE_CHECKING:
    import torch

EVALUATIONS = 40
"""The held-out loss is taken before the first step and this often along training."""

EVALUATION_SEQUENCES = 32
SAVE_SECONDS = 20.0
"""So much of a row a kill costs at most, where it has a folder."""

RESUME = "resume.safetensors"


@dataclass
class Run:
    """A network under way."""

    row: Row
    tokens: Tokens
    module: Any
    optimiser: Optimiser
    device: str
    step: int
    loss_step: np.ndarray
    loss: np.ndarray
    train_loss: np.ndarray
    diverged_at_step: int | None = None
    target_step: int | None = None
    at_target: dict[str, np.ndarray] = field(default_factory=dict)


def train_row(
    row: Row,
    tell: Callable[[float], None],
    stop: Callable[[], bool],
    *,
    tokens: Tokens,
    device: str,
    mark: str,
    folder: Path | None = None,
) -> Artifact | None:
    """The artifact of a completed row; None if `stop` cut it short.

    `folder`, if there is one, holds what it takes to go on after a kill, and
    `step-...` folders at the asked steps and at the end. `mark` names everything that
    the bits depend on beside the row; another mark takes nothing up.

    Raises:
        ValueError: a text shorter than a batch or than one sequence.
    """
    _check_lengths(row, tokens)
    run = _begun(row, tokens=tokens, device=device)
    mark = json.dumps([mark, dict(row)], sort_keys=True)
    if folder is not None and not _take_up(run, folder, mark):
        shutil.rmtree(folder, ignore_errors=True)
    saved, wait = time.monotonic(), SAVE_SECONDS
    while run.step < row["steps"] and run.diverged_at_step is None:
        if stop():
            if folder is not None:
                _save(run, folder, mark)
            return None
        _look(run, folder)
        _step(run)
        tell(run.step / row["steps"])
        if folder is not None and time.monotonic() - saved > wait:
            before = time.monotonic()
            _save(run, folder, mark)
            saved = time.monotonic()
            wait = max(SAVE_SECONDS, 20.0 * (saved - before))
    _look(run, folder)
    if folder is not None:
        if run.diverged_at_step is None:
            _keep_checkpoint(run, folder)
        (folder / RESUME).unlink(missing_ok=True)
    return _artifact(run)


def _check_lengths(row: Row, tokens: Tokens) -> None:
    there, needed = len(tokens.training), row["batch_size"] * row["context"]
    if there < needed:
        raise ValueError(
            f"a batch of {row['batch_size']} sequences of {row['context']} tokens "
            f"needs {needed:,} tokens, and the training text has {there:,}; take a "
            "smaller `batch_size` or `context`, or more text"
        )
    tokens.held_out_sequences(row["context"])


def _begun(row: Row, *, tokens: Tokens, device: str) -> Run:
    module = build(row).to(device)
    looks = np.linspace(0, row["steps"], EVALUATIONS + 1).round().astype(np.int64)
    looks = np.unique(looks)
    return Run(
        row,
        tokens,
        module,
        optimiser_of(module, row),
        device,
        step=0,
        loss_step=looks,
        loss=np.full(len(looks), np.nan),
        train_loss=np.full(row["steps"], np.nan, dtype=np.float32),
    )


def _step(run: Run) -> None:
    """One step of the optimiser, on the sequences that belong to its number."""
    torch, row = load_torch(), run.row
    module = run.module.train()
    inputs = _batch(run)
    module.masks.begin(run.step)
    with _precision(run):
        loss = _mean_loss(module(input_ids=inputs, use_cache=False).logits, inputs)
    loss.backward()
    limit = math.inf if row["gradient_clip"] is None else row["gradient_clip"]
    norm = torch.nn.utils.clip_grad_norm_(module.parameters(), limit, foreach=True)
    said = loss.item()
    run.train_loss[run.step] = said
    if not (math.isfinite(said) and math.isfinite(norm.item())):
        run.diverged_at_step = run.step + 1
        return
    run.optimiser.step(learning_rate(row, run.step))
    run.step += 1


def _batch(run: Run) -> torch.Tensor:
    """Sequences that begin at random places of the training text."""
    torch, row = load_torch(), run.row
    places = len(run.tokens.training) - row["context"] + 1
    chance = stream(row["seed"], f"batch {run.step}")
    starts = chance.integers(0, places, row["batch_size"])
    found = run.tokens.training[starts[:, None] + np.arange(row["context"])]
    return torch.from_numpy(found.astype(np.int64)).to(run.device)


def _precision(run: Run) -> Any:
    if run.row["precision"] == "float32":
        return contextlib.nullcontext()
    torch = load_torch()
    return torch.autocast(run.device.partition(":")[0], dtype=torch.bfloat16)


def _mean_loss(logits: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Mean of -log p(next token), over all but the last token of each sequence."""
    torch = load_torch()
    following = torch.nn.functional.pad(inputs[:, 1:], (0, 1), value=-100)
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), following.flatten()
    )


def heldout_loss(module: Any, tokens: np.ndarray) -> float:
    """Mean loss of a network on sequences, in nats per predicted token.

    `-log p(token | those before it)`, averaged over all tokens but the first of each
    sequence; in evaluation mode, in float32, whatever the network was in before. In
    [0, inf); log(vocabulary) for a network that knows nothing.
    """
    torch = load_torch()
    device = next(module.parameters()).device
    was_training, total = module.training, 0.0
    module.eval()
    with torch.no_grad():
        for start in range(0, len(tokens), EVALUATION_SEQUENCES):
            part = tokens[start : start + EVALUATION_SEQUENCES].astype(np.int64)
            inputs = torch.from_numpy(part).to(device)
            loss = _mean_loss(module(input_ids=inputs, use_cache=False).logits, inputs)
            total += loss.item() * len(part)
    module.train(was_training)
    return total / len(tokens)


def _look(run: Run, folder: Path | None) -> None:
    """Take the held-out loss and keep the network, where this step is one for it."""
    if run.diverged_at_step is not None:
        return
    place = int(np.searchsorted(run.loss_step, run.step))
    if run.loss_step[place] == run.step and math.isnan(run.loss[place]):
        held_out = run.tokens.held_out_sequences(run.row["context"])
        run.loss[place] = heldout_loss(run.module, held_out)
        _keep_at_target(run, float(run.loss[place]))
    if folder is not None and run.step in run.row["checkpoints"]:
        _keep_checkpoint(run, folder)


def _keep_at_target(run: Run, loss: float) -> None:
    """Keep the weights of the first look at which the loss is at its target."""
    target = run.row["loss_target"]
    if target is None or run.target_step is not None or not loss <= target:
        return
    run.target_step = run.step
    run.at_target = {
        AT_TARGET + name.removeprefix(WEIGHTS): array
        for name, array in weights_of(run.module).items()
    }


def _target_arrays(run: Run) -> dict[str, np.ndarray]:
    """What is kept of the loss target: nothing where none was asked for."""
    if run.row["loss_target"] is None:
        return {}
    step, loss = math.nan, math.nan
    if run.target_step is not None:
        step = float(run.target_step)
        loss = float(run.loss[np.searchsorted(run.loss_step, run.target_step)])
    found = {"target_step": np.array(step), "target_loss": np.array(loss)}
    return found | run.at_target


def _keep_checkpoint(run: Run, folder: Path) -> None:
    path = folder / f"step-{run.step:06d}"
    if not path.exists():
        write_folder(run.module, run.tokens.tokenizer, path)


def _artifact(run: Run) -> Artifact:
    context = run.row["context"]
    held_out = run.tokens.held_out_sequences(context)
    training = np.nan
    if run.diverged_at_step is None:
        n = min(len(held_out), len(run.tokens.training) // context)
        starts = np.arange(n) * (len(run.tokens.training) // n)
        seen = run.tokens.training[starts[:, None] + np.arange(context)]
        training = heldout_loss(run.module, seen)
    arrays = weights_of(run.module) | _target_arrays(run)
    arrays |= {
        "heldout_tokens": held_out,
        "heldout_bytes": run.tokens.bytes_of_token[held_out[:, 1:]].sum(),
        "loss_step": run.loss_step,
        "loss": run.loss,
        "train_loss": run.train_loss,
        "clean_training_loss": np.array(training),
        "tokenizer": np.frombuffer(run.tokens.tokenizer, dtype=np.uint8),
    }
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    if run.diverged_at_step is None:
        return Artifact(arrays)
    return Artifact(arrays, "diverged", run.diverged_at_step)


def _save(run: Run, folder: Path, mark: str) -> None:
    """Write all that the next step depends on, whole or not at all."""
    import safetensors.torch

    torch = load_torch()
    tensors = {f"weight/{n}": p.detach() for n, p in run.module.named_parameters()}
    tensors |= {f"state/{n}": t for n, t in run.optimiser.state().items()}
    tensors["step"] = torch.tensor(run.step)
    tensors["loss"] = torch.from_numpy(run.loss)
    tensors["train_loss"] = torch.from_numpy(run.train_loss)
    if run.target_step is not None:
        tensors["target_step"] = torch.tensor(run.target_step)
        tensors |= {n: torch.from_numpy(a) for n, a in run.at_target.items()}
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{secrets.token_hex(8)}.tmp"
    kept = {name: tensor.contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(kept, metadata={"mark": mark})
    with open(temporary, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, folder / RESUME)


def _take_up(run: Run, folder: Path, mark: str) -> bool:
    """Go on from what was saved; False where there is nothing of this very row."""
    import safetensors

    path = folder / RESUME
    try:
        with safetensors.safe_open(path, framework="pt") as kept:
            if kept.metadata().get("mark") != mark:
                return False
            tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118
    except FileNotFoundError:
        return False
    except safetensors.SafetensorError:
        return False  # cut short by a power cut: the row begins anew
    torch = load_torch()
    with torch.no_grad():
        for name, parameter in run.module.named_parameters():
            parameter.copy_(tensors[f"weight/{name}"])
    run.optimiser.load(
        {n.removeprefix("state/"): t for n, t in tensors.items() if n[:6] == "state/"}
    )
    run.step = int(tensors["step"])
    run.loss[:] = tensors["loss"].numpy()
    run.train_loss[:] = tensors["train_loss"].numpy()
    if "target_step" in tensors:
        run.target_step = int(tensors["target_step"])
        kept = {n: t.numpy() for n, t in tensors.items() if n.startswith(AT_TARGET)}
        run.at_target = kept
    return True


def libraries_mark() -> str:
    """The versions that the bits of a row depend on."""
    return f"torch {load_torch().__version__}, {transformers().__version__}"


__all__ = ["heldout_loss", "train_row"]
