"""What a trained transformer loses when parts of it are silenced.

To silence a part is to replace what it gives by its mean over the held-out tokens. What
that costs is how much the held-out loss gains, once both the whole network and what is
left of it have been given the best temperature: a network that has lost a part is too
sure of itself, and without the temperature the cost is mostly that.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.arrays import Artifact, stream
from tegum.design import Row
from tegum.measures.facts import Measure
from tegum.parallel import one_thread
from tegum.studies._transformers_network import Activations, Network, require_layers

if TYPE_CHECKING:
    import torch

GROUPS = 8
"""Into so many groups of equal size the neurons of a layer are split, at random."""
EVERY = 4
"""Losses are taken on every fourth held-out sequence."""

Changes = dict[str, Callable[[Any], Any]]


def network_silenced(layers: int) -> Measure:
    """What the loss gains when parts are silenced, one by one and all at once.

    `ablation_of_PART` is in nats per token, of an attention, an MLP, or a block, which
    is both. `robustness_of_layer_0` is `redundancy` of the first MLP's neurons in eight
    random groups. `redundancy_in_series` is that of the blocks, and
    `uncalibrated_redundancy_in_series` the same without refitted temperatures. With few
    blocks the two differ in sign, so that neither says much.
    """
    ranges = dict.fromkeys(_names(layers), (-math.inf, math.inf))
    shares = [name for name in ranges if not name.startswith("ablation")]
    ranges |= dict.fromkeys(shares, (-math.inf, 1.0))
    return Measure(
        name="network_silenced",
        version=1,
        function=_silenced,
        numbers=tuple(ranges),
        parameters={"layers": layers},
        ranges=ranges | {"evaluated_loss": (0.0, math.inf)},
    )


def redundancy(alone: Sequence[float], together: float) -> float:
    """How much of what parts do together is not lost when each is lost alone.

    `1 - sum_k cost(k) / cost(all)`, cost being what the loss gains when a part is
    silenced. Dimensionless, in `(-inf, 1]`: 0 where the costs add up, near 1 where any
    part can be spared but not all, below 0 where each needs the others. It depends on
    the number of parts: k parts whose joint effect is all there is and whose loss is
    quadratic give `1 - 1 / k` with no part standing in for another. NaN where silencing
    everything costs nothing.

    Source: this project.

    >>> redundancy([0.1, 0.1], 1.0)
    0.8
    """
    if not together > 0.0:
        return math.nan
    return 1.0 - float(sum(alone)) / together


@dataclass(frozen=True)
class Silencing:
    """A network, the sequences its losses are taken on, and what its parts give."""

    network: Network
    mean: dict[str, torch.Tensor]
    calibrated: bool
    loss: float

    @classmethod
    def of(
        cls, network: Network, activations: Activations, *, calibrated: bool = True
    ) -> Silencing:
        """Means over all held-out tokens; losses on some of the sequences."""
        import torch

        mean = {
            place: torch.from_numpy(h.mean(axis=(0, 1)).astype(np.float32))
            for place, h in activations.items()
        }
        few = replace(network, tokens=network.tokens[::EVERY])
        return cls(few, mean, calibrated, few.loss(calibrated=calibrated))

    def cost(self, changes: Changes) -> float:
        """What the loss gains under changes, in nats per token."""
        with self.network.changed(changes):
            return self.network.loss(calibrated=self.calibrated) - self.loss

    def silent(self, *silenced: str, which: torch.Tensor | None = None) -> Changes:
        """The changes that silence places, or the units `which` of them."""
        import torch

        def change(h: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
            return mean.expand_as(h) if which is None else torch.where(which, mean, h)

        return {
            place: functools.partial(change, mean=self.mean[place])
            for place in silenced
        }

    def robustness(self, layer: int) -> float:
        """`redundancy` of a layer's neurons in eight random groups."""
        place = f"neurons_{layer}"
        groups = groups_of(len(self.mean[place]), layer=layer)
        alone = [self.cost(self.silent(place, which=group)) for group in groups]
        return redundancy(alone, self.cost(self.silent(f"mlp_{layer}")))

    def blocks(self) -> dict[str, float]:
        """What each block costs, and all of them."""
        every = [(f"attention_{k}", f"mlp_{k}") for k in range(self.network.layers)]
        alone = {
            f"block_{k}": self.cost(self.silent(*parts))
            for k, parts in enumerate(every)
        }
        both = [part for parts in every for part in parts]
        return alone | {"everything": self.cost(self.silent(*both))}


def groups_of(neurons: int, *, layer: int) -> list[torch.Tensor]:
    """Which neurons belong to each group: a fixed partition at random."""
    import torch

    shuffled = stream(layer, f"groups of {neurons} neurons").permutation(neurons)
    groups = []
    for first in range(min(GROUPS, neurons)):
        chosen = torch.zeros(neurons, dtype=torch.bool)
        chosen[shuffled[first::GROUPS].tolist()] = True
        groups.append(chosen)
    return groups


def _names(layers: int) -> list[str]:
    parts = [f"{kind}_{k}" for k in range(layers) for kind in ("attention", "mlp")]
    parts += [*(f"block_{k}" for k in range(layers)), "everything"]
    return [
        "evaluated_loss",
        *(f"ablation_of_{part}" for part in parts),
        "robustness_of_layer_0",
        "redundancy_in_series",
        "uncalibrated_redundancy_in_series",
    ]


def _silenced(artifact: Artifact, row: Row, *, layers: int) -> dict[str, float]:
    """The numbers of `network_silenced`; NaN throughout where it diverged."""
    require_layers(row, layers)
    if artifact.status == "diverged":
        return dict.fromkeys(_names(layers), math.nan)
    with one_thread():
        network = Network.of(artifact, row)
        activations = network.activations()
        silencing = Silencing.of(network, activations)
        parts = [f"{kind}_{k}" for k in range(layers) for kind in ("attention", "mlp")]
        costs = {part: silencing.cost(silencing.silent(part)) for part in parts}
        blocks = silencing.blocks()
        plain = Silencing.of(network, activations, calibrated=False).blocks()
        return {
            "evaluated_loss": silencing.loss,
            **{f"ablation_of_{p}": cost for p, cost in (costs | blocks).items()},
            "robustness_of_layer_0": silencing.robustness(0),
            "redundancy_in_series": _in_series(blocks),
            "uncalibrated_redundancy_in_series": _in_series(plain),
        }


def _in_series(blocks: dict[str, float]) -> float:
    alone = [cost for block, cost in blocks.items() if block != "everything"]
    return redundancy(alone, blocks["everything"])


__all__ = ["GROUPS", "Silencing", "groups_of", "network_silenced", "redundancy"]
