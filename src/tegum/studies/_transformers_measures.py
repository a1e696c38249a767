"""What is measured of a trained transformer's basis, at its end and at a loss.

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

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.facts import Measure
from tegum.measures.moment_numbers import (
    mean_excess_kurtosis_per_vector,
    participation_ratio,
)
from tegum.measures.moments import summarise
from tegum.measures.sphere import random_excess_kurtosis_per_vector
from tegum.networks.model import at_target
from tegum.parallel import one_thread
from tegum.studies._transformers_network import (
    KINDS,
    Activations,
    Network,
    places,
    require_layers,
)
from tegum.studies._transformers_silenced import Silencing

BASIS_NUMBERS = (
    "gap_per_vector",
    "centred_gap_per_vector",
    "participation",
    "effective_dimensions",
)
BASIS_RANGES = {
    "gap_per_vector": (-2.0, math.inf),
    "centred_gap_per_vector": (-2.0, math.inf),
    "participation": (0.0, 1.0),
    "effective_dimensions": (1.0, math.inf),
    "first_token_gap_per_vector": (-2.0, math.inf),
    "active_share": (0.0, 1.0),
}
"""Where each can lie; `-2` is the least excess kurtosis, and the null is below 0."""

COMPARED = (
    "residual_gap_per_vector",
    "residual_centred_gap_per_vector",
    "residual_effective_dimensions",
    "neurons_0_gap_per_vector",
)
"""What is measured at the loss target too."""
AT = "at_target_"


def network_basis(layers: int) -> Measure:
    """How far the basis of each place stands out, in networks with so many blocks."""
    numbers = _basis_names(layers)
    return Measure(
        name="network_basis",
        version=2,
        function=_basis,
        numbers=numbers,
        parameters={"layers": layers},
        ranges={name: _range_of(name) for name in numbers},
    )


def network_at_target(layers: int) -> Measure:
    """The same of the weights that were kept when the held-out loss met its target.

    `target_step` and `target_loss` say when that was and what the loss was then, in
    nats per token; the loss is looked at 40 times. All are NaN for a network that never
    got there, which is then missing in every comparison at equal loss.
    """
    robustness = f"{AT}robustness_of_layer_0"
    ranges = {AT + name: _range_of(name) for name in COMPARED}
    ranges |= {robustness: (-math.inf, 1.0)}
    ranges |= {"target_step": (0.0, math.inf), "target_loss": (0.0, math.inf)}
    return Measure(
        name="network_at_target",
        version=1,
        function=_at_target,
        numbers=tuple(ranges),
        parameters={"layers": layers},
        ranges=ranges,
        resolutions={"target_step": 1.0},
    )


def basis_numbers(activations: Float[ndarray, "vector unit"]) -> dict[str, float]:
    """How far one place's basis stands out, and over how many units it is spread.

    - `gap_per_vector`: the mean excess kurtosis across the units of a vector minus what
      any vector has under random rotations, `-6 / (m + 1)`, exactly.
    - `centred_gap_per_vector`: the same once the mean vector is taken off. What lies
      between the two is a few units with a large constant value.
    - `participation`: `(sum v)^2 / sum v^2 / m` of the units' variances v, in (0, 1].
    - `effective_dimensions`: `tr(S)^2 / tr(S^2)` of the units' covariance S, in [1, m].
      No rotation changes it.

    The gaps are 0 for a basis like any other. NaN where nothing varies.

    Raises:
        ValueError: activations that are not finite.

    Source: Elhage et al. 2023, "Privileged Bases in the Transformer Residual Stream".
    """
    h = np.asarray(activations, dtype=np.float64)
    m, whole = h.shape[-1], summarise(h)
    centred = h - whole.mean
    null = random_excess_kurtosis_per_vector(m)
    covariance = _product(centred.T, centred)
    squared = float((covariance**2).sum())
    trace = float(np.trace(covariance))
    return {
        "gap_per_vector": mean_excess_kurtosis_per_vector(whole) - null,
        "centred_gap_per_vector": _vector_kurtosis(centred) - null,
        "participation": participation_ratio(whole) / m,
        "effective_dimensions": trace**2 / squared if squared else math.nan,
    }


def _product(a: ndarray, b: ndarray) -> ndarray:
    """`a b` by PyTorch, whose threads can be held at one: no bit then depends on them.

    NumPy's library of linear algebra takes as many as it was started with.
    """
    import torch

    return (torch.from_numpy(a) @ torch.from_numpy(b)).numpy()


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


def _basis_names(layers: int) -> tuple[str, ...]:
    numbers = [f"{place}_{n}" for place in places(layers) for n in BASIS_NUMBERS]
    numbers += [f"residual_{k}_first_token_gap_per_vector" for k in range(layers)]
    numbers += [f"neurons_{k}_active_share" for k in range(layers)]
    numbers += [f"{kind}_{n}" for kind in KINDS for n in BASIS_NUMBERS]
    return tuple(numbers)


def _basis(artifact: Artifact, row: Row, *, layers: int) -> dict[str, float]:
    """The numbers of `network_basis`; NaN throughout for a network that diverged."""
    require_layers(row, layers)
    if artifact.status == "diverged":
        return dict.fromkeys(_basis_names(layers), math.nan)
    with one_thread():
        activations = Network.of(artifact, row).activations()
        return basis_of(activations, layers=layers)


def basis_of(activations: Activations, *, layers: int) -> dict[str, float]:
    """The numbers of `network_basis` from what every place gives."""
    found = {}
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
    return found


def _at_target(artifact: Artifact, row: Row, *, layers: int) -> dict[str, float]:
    """The numbers of `network_at_target`; NaN where the target was never met."""
    require_layers(row, layers)
    arrays = at_target(artifact)
    if arrays is None or artifact.status == "diverged":
        return dict.fromkeys(network_at_target(layers).numbers, math.nan)
    with one_thread():
        network = Network.of(Artifact(arrays), row)
        activations = network.activations()
        found = basis_of(activations, layers=layers)
        robustness = Silencing.of(network, activations).robustness(0)
    return {
        **{AT + name: found[name] for name in COMPARED},
        f"{AT}robustness_of_layer_0": robustness,
        "target_step": float(artifact.arrays["target_step"]),
        "target_loss": float(artifact.arrays["target_loss"]),
    }


def _range_of(number: str) -> tuple[float, float]:
    """The range of the kind of number that a name ends in."""
    return BASIS_RANGES[max((k for k in BASIS_RANGES if number.endswith(k)), key=len)]


__all__ = [
    "AT",
    "BASIS_NUMBERS",
    "COMPARED",
    "basis_numbers",
    "network_at_target",
    "network_basis",
]
