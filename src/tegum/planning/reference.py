"""The exact solution by another hand: quantecon's policy iteration.

Nothing here is used to get results. Our own solver is held against it.
"""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float
from numpy import ndarray

from tegum.planning.problem import Problem


def quantecon_value(problem: Problem) -> Float[ndarray, " state"]:
    """The value of every state, by `quantecon.markov.DiscreteDP`.

    With discount 1, which policy iteration there does not know, by backward induction
    over so many steps that no shorter way exists: for certain moves only. A dead end
    may only stand still, at what makes it worth `Problem.worst_return`.

    Raises:
        ValueError: discount 1 and moves that are not certain.
    """
    from quantecon.markov import DiscreteDP, backward_induction

    if problem.discount == 1.0 and not problem.deterministic:
        raise ValueError(
            "`discount` is 1 and moves are not certain; quantecon needs a discount "
            "below 1 here"
        )
    states, _, branches = problem.successor.shape
    still = np.flatnonzero(~problem.allowed.any(axis=1))
    s, a = np.nonzero(problem.allowed)
    pair = np.arange(s.size)
    chance = sparse.csr_matrix(
        (
            np.r_[problem.probability[s, a].ravel(), np.ones(still.size)],
            (
                np.r_[np.repeat(pair, branches), s.size + np.arange(still.size)],
                np.r_[problem.successor[s, a].ravel(), still],
            ),
        ),
        shape=(s.size + still.size, states),
    )
    stuck = problem.worst_return * ((1.0 - problem.discount) or 1.0)
    reward = np.r_[
        problem.expected_reward[s, a], np.where(problem.terminal[still], 0.0, stuck)
    ]
    order = np.lexsort((np.r_[a, np.zeros(still.size, int)], np.r_[s, still]))
    with warnings.catch_warnings():
        # It warns that a discount of 1 leaves backward induction only: that is used.
        warnings.filterwarnings("ignore", message="infinite horizon")
        process = DiscreteDP(
            reward[order], chance[order], problem.discount,
            np.r_[s, still][order], np.r_[a, np.zeros(still.size, int)][order],
        )  # fmt: skip
    if problem.discount == 1.0:
        values, _ = backward_induction(process, 2 * states)
        return np.asarray(values[0])
    return np.asarray(process.solve(method="policy_iteration").v)


__all__ = ["quantecon_value"]
