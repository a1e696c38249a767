"""A network on its held-out sequences: what its places give, or silenced do not."""

from __future__ import annotations

import contextlib
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

    def loss(self) -> float:
        """The mean of -log p(next token), in nats per token."""
        import torch

        total, count = 0.0, 0
        with torch.no_grad():
            for batch in self.batches():
                logits = self.module(input_ids=batch, use_cache=False).logits[:, :-1]
                each = torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1), batch[:, 1:].flatten(), reduction="none"
                )
                total, count = total + float(each.double().sum()), count + each.numel()
        return total / count

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

    def cost(
        self,
        changes: Mapping[str, Callable[[torch.Tensor], torch.Tensor]],
        *,
        loss: float,
    ) -> float:
        """What the loss gains under changes, in nats per token."""
        with self.changed(changes):
            return self.loss() - loss


def _replacing(change: Callable[[Any], Any], *, before: bool) -> Callable[..., Any]:
    """A hook that changes the first tensor that a module gets or gives."""

    def of_input(part: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (change(args[0]), *args[1:])

    def of_output(part: Any, args: Any, given: Any) -> Any:
        if isinstance(given, tuple):
            return (change(given[0]), *given[1:])
        return change(given)

    return of_input if before else of_output


__all__ = ["KINDS", "Network", "places"]
