"""The training loop the field uses, written anew: as in its notebooks, and tuned.

Both train a pack of toy models in PyTorch. They record no loss and keep no checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

LEARNING_RATE = 1e-3

Step = Callable[[], Any]


def _start(*shape: int) -> torch.nn.Parameter:
    n_features, n_hidden = sorted(shape[1:], reverse=True)
    scale = (2.0 / (n_features + n_hidden)) ** 0.5
    return torch.nn.Parameter(torch.randn(*shape) * scale)


def notebook(
    n: int, m: int, *, instances: int, batch: int, probability: float, rate: float
) -> Step:
    """The notebook form: [batch, instance, feature], einsum, two draws, AdamW."""
    W = _start(instances, n, m)
    b = torch.nn.Parameter(torch.zeros(instances, n))
    importance = torch.ones(n)
    active = torch.full((instances, 1), probability)
    optimiser = torch.optim.AdamW([W, b], lr=LEARNING_RATE)

    def step() -> torch.Tensor:
        values = torch.rand(batch, instances, n)
        x = torch.where(
            torch.rand(batch, instances, n) <= active, values, torch.zeros(())
        )
        h = torch.einsum("bif,ifh->bih", x, W)
        if rate != 0.0:
            h = torch.nn.functional.dropout(h, p=rate, training=True)
        y = torch.relu(torch.einsum("bih,ifh->bif", h, W) + b)
        loss = (importance * (x - y) ** 2).mean(dim=(0, 2)).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss

    return step


def tuned(
    n: int, m: int, *, instances: int, batch: int, probability: float, rate: float
) -> Step:
    """A tuned form: [instance, batch, feature], bmm, one random draw, fused Adam."""
    W = _start(instances, m, n)
    b = torch.nn.Parameter(torch.zeros(instances, 1, n))
    optimiser = torch.optim.Adam([W, b], lr=LEARNING_RATE, fused=True)
    scale = 1.0 / (batch * n)

    def step() -> torch.Tensor:
        u = torch.rand(instances, batch, n)
        x = (u * (1.0 / probability)).masked_fill_(u >= probability, 0.0)
        h = torch.bmm(x, W.mT)
        if rate != 0.0:
            h = torch.nn.functional.dropout(h, p=rate, training=True)
        y = torch.relu(torch.baddbmm(b, h, W))
        loss = (x - y).square().sum() * scale
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss

    return step


FORMS = {"notebook": notebook, "tuned": tuned}
