"""Dropout whose masks are thresholds on shared uniforms, drawn from named streams.

Every mask follows from the seed, its site, and the number of the step alone, so that
two networks of one seed see the same uniforms at every site and step whatever their
rates and optimisers; the units that a higher rate drops are a superset of those that a
lower one drops. Rate 0 runs this module too.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.arrays import stream, stream_key
from tegum.networks.libraries import torch as load_torch

if TYPE_CHECKING:
    import torch

LEVELS = 2**16
"""Uniforms have 16 bits: a rate is kept to within 1 / 131072, and scaled exactly."""


@dataclass
class Masks:
    """The uniforms of one network: its seed, and the step that is under way.

    Within a step each further call of one site draws further uniforms; `begin` starts a
    step. Whoever calls the network in training mode on their own thus sees fresh masks
    at every call, the same in the same order.
    """

    seed: int
    step: int = 0
    calls: dict[str, int] = field(default_factory=dict)

    def begin(self, step: int) -> None:
        """The masks of a step, from its first call on."""
        self.step = step
        self.calls.clear()

    def uniforms(self, site: str, like: torch.Tensor) -> torch.Tensor:
        """One number for each entry, uniform on the whole numbers of 16 bits."""
        torch = load_torch()
        call = self.calls.get(site, 0)
        self.calls[site] = call + 1
        purpose = f"mask {site} {self.step} {call}"
        if like.device.type != "cpu":
            generator = torch.Generator(like.device)
            generator.manual_seed(stream_key(self.seed, purpose) % 2**63)
            return torch.randint(
                -LEVELS // 2, LEVELS // 2, like.shape,
                dtype=torch.int16, generator=generator, device=like.device,
            )  # fmt: skip
        words = math.ceil(like.numel() / 4)
        drawn = stream(self.seed, purpose).integers(0, 2**64, words, dtype=np.uint64)
        numbers = torch.from_numpy(drawn.view(np.int16)[: like.numel()])
        return numbers.view(like.shape)


@functools.cache
def dropout_class() -> Any:
    """The module's class, made when it is first needed: tegum itself loads no torch."""
    torch = load_torch()

    class NamedDropout(torch.nn.Module):
        """y = x mask / (1 - p) in training, y = x otherwise."""

        def __init__(self, rate: float, site: str, masks: Masks) -> None:
            super().__init__()
            self.site, self.masks = site, masks
            self.dropped = round(rate * LEVELS)
            self.p = self.dropped / LEVELS

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not self.training or self.dropped == 0:
                # A rate of 0 keeps every unit and divides by 1: the same bits.
                return x
            uniforms = self.masks.uniforms(self.site, x)
            kept = uniforms >= self.dropped - LEVELS // 2
            return x * kept.to(x.dtype).mul_(1.0 / (1.0 - self.p))

        def extra_repr(self) -> str:
            return f"p={self.p:g}, site={self.site!r}"

    return NamedDropout


__all__ = ["Masks", "dropout_class"]
