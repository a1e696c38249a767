"""A network on its held-out sequences: what its places give, or silenced do not."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.activations import capturing, resolve
from tegum.arrays import Artifact
from tegum.design import Row
from tegum.networks.model import build

if TYPE_CHECKING:
    import torch

KINDS = {
    "attention": "hook_attn_out",
    "neurons": "mlp.hook_post",
    "mlp": "hook_mlp_out",
    "residual": "hook_resid_post",
}
"""What is read of every block, and its hook point."""

SEQUENCES_AT_ONCE = 16
NEWTON_STEPS = 12

Activations = Mapping[str, Float[ndarray, "sequence token unit"]]


def places(layers: int) -> dict[str, str]:
    """Every place of a network with so many blocks, and its hook point.

    >>> list(places(1))
    ['embedding', 'attention_0', 'neurons_0', 'mlp_0', 'residual_0']
    """
    blocks = {
        f"{kind}_{layer}": f"blocks.{layer}.{point}"
        for layer in range(layers)
        for kind, point in KINDS.items()
    }
    return {"embedding": "blocks.0.hook_resid_pre", **blocks}


@dataclass(frozen=True)
class Network:
    """A network with the sequences it is measured on."""

    module: Any
    tokens: torch.Tensor
    layers: int

    @classmethod
    def of(cls, artifact: Artifact, row: Row) -> Network:
        """The trained network of a row, on its held-out sequences."""
        import torch

        held_out = artifact.arrays["heldout_tokens"].astype(np.int64)
        module = build(row, artifact.arrays)
        return cls(module, torch.from_numpy(held_out), row["n_layers"])

    def batches(self) -> Iterator[torch.Tensor]:
        """The sequences, a few at a time."""
        yield from self.tokens.split(SEQUENCES_AT_ONCE)

    def activations(self) -> Activations:
        """What every place gives on all sequences, in float64."""
        names = {point: place for place, point in places(self.layers).items()}
        found: dict[str, list[ndarray]] = {place: [] for place in names.values()}

        def receive(point: Any, tensor: torch.Tensor) -> None:
            found[names[point.name]].append(tensor.double().numpy())

        with capturing(self.module, list(names), receive):
            for batch in self.batches():
                self.module(input_ids=batch, use_cache=False)
        return {place: np.concatenate(parts) for place, parts in found.items()}

    def loss(self, *, calibrated: bool = False) -> float:
        """The mean of -log p(next token), in nats per token.

        `calibrated` gives the network the best of all temperatures: what is lost is
        then not that it has become too sure of itself.
        """
        import torch

        with torch.no_grad():
            found = [
                self.module(input_ids=batch, use_cache=False).logits[:, :-1]
                for batch in self.batches()
            ]
        logits = torch.cat(found).flatten(0, 1)
        following = self.tokens[:, 1:].flatten()
        if calibrated:
            return calibrated_loss(logits, following)
        each = torch.nn.functional.cross_entropy(logits, following, reduction="none")
        return float(each.double().mean())

    @contextlib.contextmanager
    def changed(
        self, changes: Mapping[str, Callable[[torch.Tensor], torch.Tensor]]
    ) -> Iterator[None]:
        """The network with what some places give put through a function."""
        names = places(self.layers)
        with contextlib.ExitStack() as undone:
            for place, change in changes.items():
                (point,) = resolve(self.module, names[place])
                part = self.module.get_submodule(point.path)
                before = point.side == "input"
                register = part.register_forward_pre_hook if before else None
                hook = _replacing(change, before=before)
                handle = (register or part.register_forward_hook)(hook)
                undone.callback(handle.remove)
            yield


def calibrated_loss(logits: torch.Tensor, following: torch.Tensor) -> float:
    """The least of mean -log softmax(b z)[next] over b > 0, in nats per token.

    One b for all tokens, by Newton's method: in b it is convex, with slope
    `mean(E_p z - z[next])` and curvature `mean(Var_p z)`. In [0, log(vocabulary)].
    """
    import torch

    right = float(logits.gather(1, following[:, None]).double().mean())
    b, loss = 1.0, math.inf
    for _ in range(NEWTON_STEPS):
        scaled = logits * b
        normaliser = torch.logsumexp(scaled, dim=1)
        p = torch.exp(scaled - normaliser[:, None])
        mean = (p * logits).sum(dim=1)
        curvature = float(((p * logits * logits).sum(dim=1) - mean**2).double().mean())
        slope = float(mean.double().mean()) - right
        loss = min(loss, float(normaliser.double().mean()) - b * right)
        if abs(slope) * b < 1e-4 or not curvature > 0.0:
            break
        b = min(max(b - slope / curvature, b / 4.0), 4.0 * b)
    return min(loss, math.log(logits.shape[1]))


def require_layers(row: Row, layers: int) -> None:
    """Refuse a network whose depth is not that of a measure's numbers.

    Raises:
        ValueError: naming both depths and the remedy.
    """
    if row["n_layers"] != layers:
        raise ValueError(
            f"the network has {row['n_layers']} blocks and the measure names the "
            f"numbers of {layers}; make the measure for {row['n_layers']} blocks"
        )


def _replacing(change: Callable[[Any], Any], *, before: bool) -> Callable[..., Any]:
    """A hook that changes the first tensor that a module gets or gives."""

    def of_input(part: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (change(args[0]), *args[1:])

    def of_output(part: Any, args: Any, given: Any) -> Any:
        if isinstance(given, tuple):
            return (change(given[0]), *given[1:])
        return change(given)

    return of_input if before else of_output


__all__ = [
    "KINDS",
    "Activations",
    "Network",
    "calibrated_loss",
    "places",
    "require_layers",
]
