"""What is measured of a trained transformer: its basis, and what it can do without.

Everything is taken on the network's own held-out sequences, in evaluation mode: masks
would raise every kurtosis with nothing learned. Where it is read:

| place | what |
|---|---|
| `embedding` | the residual stream that the first block reads |
| `attention_l`, `mlp_l` | what a block's attention, or MLP, adds to the stream |
| `neurons_l` | the MLP's neurons, as its second projection reads them |
| `residual_l` | the residual stream that block l leaves |

The first token of a sequence is kept apart throughout. A name without a number, such as
`residual_gap_per_vector`, is the mean over blocks.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import Artifact, stream
from tegum.design import Row
from tegum.measures.facts import Measure
from tegum.measures.moment_numbers import (
    mean_excess_kurtosis_per_unit,
    mean_excess_kurtosis_per_vector,
    participation_ratio,
)
from tegum.measures.moments import summarise
from tegum.measures.sphere import random_excess_kurtosis_per_vector, random_rotations
from tegum.parallel import one_thread
from tegum.studies._transformers_network import KINDS, Network, places

if TYPE_CHECKING:
    import torch

ROTATIONS = 4
GROUPS = 8
"""Into so many groups of equal size the neurons of a layer are split, at random."""

BASIS_NUMBERS = (
    "gap_per_vector",
    "centred_gap_per_vector",
    "gap_per_unit",
    "participation",
    "effective_dimensions",
)
BASIS_RANGES = {
    "gap_per_vector": (-2.0, math.inf),
    "centred_gap_per_vector": (-2.0, math.inf),
    "gap_per_unit": (-math.inf, math.inf),
    "participation": (0.0, 1.0),
    "effective_dimensions": (1.0, math.inf),
    "first_token_gap_per_vector": (-2.0, math.inf),
    "active_share": (0.0, 1.0),
    "reached_loss_target": (0.0, 1.0),
}
"""Where each can lie; `-2` is the least excess kurtosis, and the null is below 0."""

COMPARED = ("residual_gap_per_vector", "residual_effective_dimensions")
"""What is compared between optimisers, which may end at losses that do not compare."""


def network_basis(layers: int, *, loss_target: float = math.inf) -> Measure:
    """How far the basis of each place stands out, in networks with so many blocks.

    Numbers beginning with `comparable_` are NaN where the held-out loss ended above
    `loss_target`, in nats per token: such a network is no evidence beside others.
    `reached_loss_target` is 1 or 0.
    """
    numbers = [f"{place}_{n}" for place in places(layers) for n in BASIS_NUMBERS]
    numbers += [f"residual_{k}_first_token_gap_per_vector" for k in range(layers)]
    numbers += [f"neurons_{k}_active_share" for k in range(layers)]
    numbers += [f"{kind}_{n}" for kind in KINDS for n in BASIS_NUMBERS]
    numbers += [f"comparable_{number}" for number in COMPARED]
    numbers += ["reached_loss_target"]
    return Measure(
        name="network_basis",
        version=1,
        function=_basis,
        numbers=tuple(numbers),
        parameters={"layers": layers, "loss_target": loss_target},
        ranges={name: _range_of(name) for name in numbers},
        resolutions={"reached_loss_target": 1.0},
    )


def network_redundancy(layers: int) -> Measure:
    """What the loss gains when parts are silenced, one by one and all at once.

    `ablation_of_PART` is in nats per token: the held-out loss with what PART gives
    replaced by its mean over the held-out tokens, minus the loss as it is.
    """
    parts = [f"{kind}_{k}" for k in range(layers) for kind in ("attention", "mlp")]
    names = ["evaluated_loss", "ablation_of_everything"]
    names += [f"ablation_of_{part}" for part in parts]
    shares = [f"redundancy_in_parallel_{k}" for k in range(layers)]
    shares += ["redundancy_in_series", "redundancy_in_parallel"]
    return Measure(
        name="network_redundancy",
        version=1,
        function=_redundancy,
        numbers=(*names, *shares),
        parameters={"layers": layers},
        ranges={"evaluated_loss": (0.0, math.inf)}
        | dict.fromkeys(shares, (-math.inf, 1.0)),
    )


def redundancy(alone: Sequence[float], together: float) -> float:
    """How much of what parts do together is not lost when each is lost alone.

    `1 - sum_k cost(k) / cost(all)`, cost being what the loss gains when a part is
    silenced. Dimensionless, in `(-inf, 1]`: 0 where the costs add up, near 1 where any
    part can be spared but not all, below 0 where each needs the others. NaN where
    silencing everything costs nothing, so that there is nothing to share.

    Source: this project. Of parts in parallel, such as the neurons of a layer, and in
    series, such as successive blocks, it is the same quantity (WCargo 2023, comments on
    "Superposition and Dropout", for the two words).

    >>> redundancy([0.1, 0.1], 1.0)
    0.8
    """
    if not together > 0.0:
        return math.nan
    return 1.0 - float(sum(alone)) / together


def basis_numbers(
    activations: Float[ndarray, "vector unit"], *, rotations: int = ROTATIONS
) -> dict[str, float]:
    """How far one place's basis stands out, and over how many units it is spread.

    - `gap_per_vector`: the mean excess kurtosis across the units of a vector minus what
      any vector has under random rotations, `-6 / (m + 1)`, exactly.
    - `centred_gap_per_vector`: the same once the mean vector is taken off. What lies
      between the two is a few units with a large constant value.
    - `gap_per_unit`: the excess kurtosis of the units over vectors, weighted by
      variance, minus its mean over fixed random rotations.
    - `participation`: `(sum v)^2 / sum v^2 / m` of the units' variances v, in (0, 1].
    - `effective_dimensions`: `tr(S)^2 / tr(S^2)` of the units' covariance S, in [1, m].
      No rotation changes it.

    All but the last two are 0 for a basis like any other. NaN where nothing varies.

    Raises:
        ValueError: activations that are not finite.

    Source: Elhage et al. 2023, "Privileged Bases in the Transformer Residual Stream".
    """
    h = np.asarray(activations, dtype=np.float64)
    m, whole = h.shape[-1], summarise(h)
    centred = h - whole.mean
    turned = [
        _weighted_kurtosis(_product(centred, Q.T)) for Q in _rotations(m, rotations)
    ]
    null = random_excess_kurtosis_per_vector(m)
    covariance = _product(centred.T, centred)
    squared = float((covariance**2).sum())
    trace = float(np.trace(covariance))
    return {
        "gap_per_vector": mean_excess_kurtosis_per_vector(whole) - null,
        "centred_gap_per_vector": _vector_kurtosis(centred) - null,
        "gap_per_unit": mean_excess_kurtosis_per_unit(whole) - float(np.mean(turned)),
        "participation": participation_ratio(whole) / m,
        "effective_dimensions": trace**2 / squared if squared else math.nan,
    }


@functools.cache
def _rotations(m: int, count: int) -> Float[ndarray, "rotation unit unit"]:
    """The fixed rotations of m units, the same at every call."""
    return random_rotations(m, count=count, generator=stream(0, f"rotation {m}"))


def _product(a: ndarray, b: ndarray) -> ndarray:
    """`a b` by PyTorch, whose threads can be held at one: no bit then depends on them.

    NumPy's library of linear algebra takes as many as it was started with.
    """
    import torch

    return (torch.from_numpy(a) @ torch.from_numpy(b)).numpy()


def _weighted_kurtosis(centred: Float[ndarray, "vector unit"]) -> float:
    """`mean_excess_kurtosis_per_unit` of centred units, in few passes.

    `sum_k Var_k kurt_k / sum_k Var_k - 3 = sum_k (E x_k^4 / Var_k) / sum_k Var_k - 3`.
    """
    squared = centred * centred
    second = squared.mean(axis=0)
    fourth = np.einsum("ij,ij->j", squared, squared) / len(centred)
    alive = second > 0
    if not alive.any():
        return math.nan
    return float((fourth[alive] / second[alive]).sum() / second.sum() - 3.0)


def _vector_kurtosis(h: Float[ndarray, "vector unit"]) -> float:
    """`mean_excess_kurtosis_per_vector` of vectors, in few passes."""
    centred = h - h.mean(axis=1, keepdims=True)
    squared = centred * centred
    second = squared.mean(axis=1)
    fourth = np.einsum("ij,ij->i", squared, squared) / h.shape[1]
    alive = second > 0
    if not alive.any():
        return math.nan
    return float((fourth[alive] / second[alive] ** 2).mean() - 3.0)


def _basis(
    artifact: Artifact, row: Row, *, layers: int, loss_target: float
) -> dict[str, float]:
    """The numbers of `network_basis`; NaN throughout for a network that diverged."""
    measure = network_basis(layers)
    _require_layers(row, layers)
    if artifact.status == "diverged":
        return dict.fromkeys(measure.numbers, math.nan)
    found = {}
    with one_thread():
        activations = Network.of(artifact, row).activations()
        for place, h in activations.items():
            rest = h[:, 1:].reshape(-1, h.shape[-1])
            found |= {f"{place}_{n}": v for n, v in basis_numbers(rest).items()}
    for kind in KINDS:
        for number in BASIS_NUMBERS:
            each = [found[f"{kind}_{k}_{number}"] for k in range(layers)]
            found[f"{kind}_{number}"] = float(np.mean(each))
    for k in range(layers):
        first = activations[f"residual_{k}"][:, 0]
        found[f"residual_{k}_first_token_gap_per_vector"] = (
            mean_excess_kurtosis_per_vector(summarise(first))
            - random_excess_kurtosis_per_vector(first.shape[-1])
        )
        rest = activations[f"neurons_{k}"][:, 1:]
        found[f"neurons_{k}_active_share"] = float((rest > 0).mean())
    reached = float(artifact.arrays["loss"][-1]) <= loss_target
    found["reached_loss_target"] = float(reached)
    for number in COMPARED:
        found[f"comparable_{number}"] = found[number] if reached else math.nan
    return found


def _redundancy(artifact: Artifact, row: Row, *, layers: int) -> dict[str, float]:
    """The numbers of `network_redundancy`; NaN throughout where it diverged."""
    measure = network_redundancy(layers)
    _require_layers(row, layers)
    if artifact.status == "diverged":
        return dict.fromkeys(measure.numbers, math.nan)
    with one_thread():
        return _silenced(Network.of(artifact, row))


def _silenced(network: Network) -> dict[str, float]:
    """What parts cost alone and together, in series and in parallel."""
    import torch

    activations, loss = network.activations(), network.loss()
    mean = {
        place: torch.from_numpy(h.mean(axis=(0, 1)).astype(np.float32))
        for place, h in activations.items()
    }

    def silent(place: str, which: Any = None) -> Callable[[Any], Any]:
        if which is None:
            return lambda h: mean[place].expand_as(h)
        return lambda h: torch.where(which, mean[place], h)

    blocks = range(network.layers)
    parts = [f"{kind}_{k}" for k in blocks for kind in ("attention", "mlp")]
    alone = {part: network.cost({part: silent(part)}, loss=loss) for part in parts}
    together = network.cost({part: silent(part) for part in parts}, loss=loss)
    of_groups = []
    for k in blocks:
        place = f"neurons_{k}"
        groups = _groups(len(mean[place]), layer=k)
        of_groups.append(
            [network.cost({place: silent(place, g)}, loss=loss) for g in groups]
        )
    of_layers = [alone[f"mlp_{k}"] for k in blocks]
    in_layers = {
        f"redundancy_in_parallel_{k}": redundancy(of_groups[k], of_layers[k])
        for k in blocks
    }
    all_groups = [cost for layer in of_groups for cost in layer]
    return {
        "evaluated_loss": loss,
        "ablation_of_everything": together,
        **{f"ablation_of_{part}": cost for part, cost in alone.items()},
        **in_layers,
        "redundancy_in_series": redundancy(list(alone.values()), together),
        "redundancy_in_parallel": redundancy(all_groups, sum(of_layers)),
    }


def _groups(neurons: int, *, layer: int) -> list[torch.Tensor]:
    """Which neurons belong to each group: a fixed partition at random."""
    import torch

    shuffled = stream(layer, f"groups of {neurons} neurons").permutation(neurons)
    groups = []
    for first in range(min(GROUPS, neurons)):
        chosen = torch.zeros(neurons, dtype=torch.bool)
        chosen[shuffled[first::GROUPS].tolist()] = True
        groups.append(chosen)
    return groups


def _require_layers(row: Row, layers: int) -> None:
    if row["n_layers"] != layers:
        raise ValueError(
            f"the network has {row['n_layers']} blocks and the measure names the "
            f"numbers of {layers}; use network_basis({row['n_layers']})"
        )


def _range_of(number: str) -> tuple[float, float]:
    """The range of the kind of number that a name ends in."""
    return BASIS_RANGES[max((k for k in BASIS_RANGES if number.endswith(k)), key=len)]


__all__ = [
    "BASIS_NUMBERS",
    "KINDS",
    "Network",
    "basis_numbers",
    "network_basis",
    "network_redundancy",
    "places",
    "redundancy",
]
