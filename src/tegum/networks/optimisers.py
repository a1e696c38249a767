"""Optimisers: AdamW, SGD, and Adam whose moments live in a rotated residual basis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.arrays import stream
from tegum.design import Row
from tegum.networks.libraries import torch as load_torch

if TYPE_CHECKING:
    import torch

BETAS = (0.9, 0.95)
"""Adam's memories, as language models of this kind use them (Pythia, GPT-3)."""

EPSILON = 1e-8

RESIDUAL_SIDE = {
    "wte.weight": 1,
    "wpe.weight": 1,
    "attn.c_attn.weight": 0,
    "attn.c_proj.weight": 1,
    "attn.c_proj.bias": 0,
    "mlp.c_fc.weight": 0,
    "mlp.c_proj.weight": 1,
    "mlp.c_proj.bias": 0,
    "embed_in.weight": 1,
    "embed_out.weight": 1,
    "lm_head.weight": 1,
    "attention.query_key_value.weight": 1,
    "attention.dense.weight": 0,
    "attention.dense.bias": 0,
    "mlp.dense_h_to_4h.weight": 1,
    "mlp.dense_4h_to_h.weight": 0,
    "mlp.dense_4h_to_h.bias": 0,
}
"""The axis along which a weight reads from or writes to the residual stream.

GPT-2's matrices are (input, output), GPT-NeoX's (output, input). Layer norms act on
each unit by itself and stay in the basis of the units.
"""


def rotation(width: int, *, seed: int) -> np.ndarray:
    """A uniformly random orthogonal matrix, one for each seed and width (Haar)."""
    gaussian = stream(seed, f"optimiser rotation {width}").standard_normal(
        (width, width)
    )
    q, r = np.linalg.qr(gaussian)
    return q * np.sign(np.diag(r))


def learning_rate(row: Row, step: int) -> float:
    """The learning rate of a step, counted from 0.

    It rises linearly over `warmup` steps, then stays, or falls as half a cosine to 0
    just after the last step.
    """
    highest, warmup = row["learning_rate"], row["warmup"]
    if step < warmup:
        return highest * (step + 1) / warmup
    if row["schedule"] == "constant":
        return highest
    done = (step - warmup) / (row["steps"] - warmup)
    return highest * 0.5 * (1.0 + math.cos(math.pi * done))


@dataclass
class Optimiser:
    """One of torch's optimisers, on the weights or on rotated copies of them.

    For `rotated_adam` the copies are theta' = theta Q along each weight's residual
    side, with gradient g' = g Q; torch's AdamW takes its step on them, and theta =
    theta' Q^T. With Q the identity this is AdamW to the last bit. Rotating the
    residual stream of the whole network turns one into the other.

    Source: Kaul et al. 2024 (arXiv 2410.17174), OrthoAdam, here with one rotation for
    the whole residual stream; Elhage, Lasenby and Olah 2023 proposed the test.
    """

    inner: Any
    turned: list[tuple[Any, Any, Any, int]]
    """(weight, rotated copy, Q, axis) of every weight that is turned."""

    def step(self, rate: float) -> None:
        """Take one step at a learning rate, and forget the gradients."""
        torch = load_torch()
        for group in self.inner.param_groups:
            group["lr"] = rate
        with torch.no_grad():
            for weight, copy, q, axis in self.turned:
                copy.grad = _turn(weight.grad, q, axis)
                weight.grad = None
            self.inner.step()
            for weight, copy, q, axis in self.turned:
                weight.copy_(_turn(copy, q.mT, axis))
        self.inner.zero_grad(set_to_none=True)

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that the next steps depend on, beside the weights."""
        found = {f"copy/{k}": c.detach() for k, (_, c, _, _) in enumerate(self.turned)}
        for number, parameter in enumerate(self._parameters()):
            for name, value in self.inner.state.get(parameter, {}).items():
                if value is not None:
                    found[f"{name}/{number}"] = value
        return found

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from a state."""
        torch = load_torch()
        numbered = list(self._parameters())
        with torch.no_grad():
            for name, value in state.items():
                kind, _, number = name.rpartition("/")
                if kind == "copy":
                    self.turned[int(number)][1].copy_(value)
                    continue
                parameter = numbered[int(number)]
                kept = value.clone().to(parameter.device)
                self.inner.state[parameter][kind] = kept

    def _parameters(self) -> list[Any]:
        return [p for group in self.inner.param_groups for p in group["params"]]


def _turn(value: torch.Tensor, q: torch.Tensor, axis: int) -> torch.Tensor:
    """A weight or gradient with one axis turned: sum_j value_j Q_jk along it."""
    return value @ q if axis == value.ndim - 1 else q.mT @ value


def optimiser_of(module: Any, row: Row, *, q: torch.Tensor | None = None) -> Optimiser:
    """The optimiser of a row for a network; `q` replaces its random rotation.

    Weight decay acts on matrices (embeddings among them), not on vectors: biases and
    the gains of layer norms are left to the loss.
    """
    torch = load_torch()
    turned: list[tuple[Any, Any, Any, int]] = []
    trained = dict(module.named_parameters())
    if row["optimiser"] == "rotated_adam":
        q = _drawn(row) if q is None else q
        for name, weight in list(trained.items()):
            axis = residual_side(name)
            if axis is None:
                continue
            q = q.to(weight.device)
            with torch.no_grad():
                copy = torch.nn.Parameter(_turn(weight, q, axis))
            turned.append((weight, copy, q, axis))
            trained[name] = copy
    matrices = [p for p in trained.values() if p.ndim > 1]
    vectors = [p for p in trained.values() if p.ndim == 1]
    groups = [
        {"params": matrices, "weight_decay": row["weight_decay"]},
        {"params": vectors, "weight_decay": 0.0},
    ]
    fast = {"lr": row["learning_rate"], "fused": True}
    if row["optimiser"] == "sgd":
        inner = torch.optim.SGD(groups, momentum=row["momentum"], **fast)
    else:
        inner = torch.optim.AdamW(groups, betas=BETAS, eps=EPSILON, **fast)
    return Optimiser(inner, turned)


def _drawn(row: Row) -> torch.Tensor:
    drawn = rotation(row["width"], seed=row["seed"])
    return load_torch().tensor(drawn, dtype=load_torch().float32)


def residual_side(name: str) -> int | None:
    """The axis of a weight that is the residual stream's, None for layer norms etc."""
    for ending, axis in RESIDUAL_SIDE.items():
        if name == ending or name.endswith(f".{ending}"):
            return axis
    return None


__all__ = ["Optimiser", "learning_rate", "optimiser_of", "residual_side", "rotation"]
