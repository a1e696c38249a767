"""Trees with a choice at every node, and leaves whose worth the optimiser sees.

`branching ** depth` leaves, each with a proxy value uniform on (0, 1). Every move costs
1; a leaf gives its proxy value less 1 on top, so that the best leaf wins. Unwanted
leaves are coupled to the proxy value. In a tree the number of states and the length of
a way can be chosen apart, in a grid they can not.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import stream
from tegum.planning.coupling import coupled_choice
from tegum.planning.problem import Problem, tabular

MOST_LEAVES = 2**24


def tree(
    *,
    branching: int,
    depth: int,
    seed: int,
    unwanted_share: float = 0.2,
    coupling: float = 0.0,
    discount: float = 1.0,
) -> Problem:
    """Draw a tree, to be solved from its root, state 0.

    Nodes are numbered level by level. The values of the leaves and the noise are the
    seed's, whatever the coupling.

    Raises:
        ValueError: more than 2^24 leaves.
    """
    leaves = branching**depth
    if leaves > MOST_LEAVES:
        raise ValueError(
            f"a tree of branching={branching} and depth={depth} has {leaves} leaves; "
            f"at most {MOST_LEAVES} are possible; lower one of them"
        )
    level_sizes = branching ** np.arange(depth + 1)
    states = int(level_sizes.sum())
    inner = states - leaves
    successor = np.minimum(
        branching * np.arange(states)[:, None] + 1 + np.arange(branching), states - 1
    )
    value = proxy_values(leaves, seed=seed)
    reward = np.full(successor.shape, -1.0)
    last = np.arange(inner - leaves // branching, inner)
    reward[last] += value[successor[last] - inner] - 1.0
    unwanted = np.zeros(states, dtype=bool)
    unwanted[inner:] = coupled_choice(
        value, share=unwanted_share, coupling=coupling,
        noise=stream(seed, "unwanted 0").standard_normal(leaves), seed=seed,
    )  # fmt: skip
    level_of = np.repeat(np.arange(depth + 1), level_sizes)
    within = np.arange(states) - np.repeat(
        np.cumsum(level_sizes) - level_sizes, level_sizes
    )
    terminal = np.arange(states) >= inner
    away = (depth - level_of).astype(float)
    if discount < 1.0:
        away = (1.0 - discount**away) / (1.0 - discount)
    return tabular(
        successor, reward=reward, terminal=terminal, unwanted=unwanted, starts=[0],
        bound=-away, place=np.stack([level_of, within], axis=1), discount=discount,
    )  # fmt: skip


def proxy_values(leaves: int, *, seed: int) -> Float[ndarray, " leaf"]:
    """The proxy value of every leaf, uniform on (0, 1)."""
    return 1.0 - stream(seed, "leaves").random(leaves)


__all__ = ["proxy_values", "tree"]
