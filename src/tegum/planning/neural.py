"""Neural Q-learning: an amortised argmax that generalises by gradient descent."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np
from numpy import ndarray

from tegum.arrays import stream
from tegum.planning.amortised import UNTOLD, learned, shown
from tegum.planning.approximation import SUPPORTS, fourier_features, with_memory
from tegum.planning.exact import first_best
from tegum.planning.experience import Experience, observed
from tegum.planning.ledger import Ledger
from tegum.planning.outcome import Outcome, one_hot
from tegum.planning.problem import Problem

BATCH = 256
TARGET_EVERY = 100
"""Gradient steps after which the target network becomes a copy."""


def require_torch() -> None:
    """Refuse to begin without PyTorch, which is an extra.

    Raises:
        ModuleNotFoundError: it is not installed, with the command that installs it.
    """
    if importlib.util.find_spec("torch") is None:
        raise ModuleNotFoundError(
            "neural Q is trained by PyTorch, which is not installed; run "
            "`pip install 'tegum[torch]'`",
            name="torch",
        )


def neural_q(
    problem: Problem, *, seed: int, budget: int, experience: Experience = UNTOLD,
    gradient_steps: int = 3000, hidden_width: int = 128, kernel_width: float = 0.08,
    n_features: int = 128, gradient_rate: float = 1e-3, support: str = "free",
) -> Outcome:  # fmt: skip
    """A network with one hidden layer, trained on the data by Q-learning with Adam.

    It reads random Fourier features of a state's place and gives a value for each
    action. Each step draws 256 transitions and descends the squared error to
    `r + discount max Q'(s', .)`, Q' being a copy made every 100 steps. `support` is as
    in `fitted_q`. Counted as FLOPs: 6 for each parameter and transition. Needs PyTorch;
    run it on one thread.

    Source: Mnih et al. 2015, without a convolution.

    Raises:
        ValueError: a budget of 0, no step, or another `support`.
        ModuleNotFoundError: PyTorch is not installed; `pip install 'tegum[torch]'`.
    """
    require_torch()
    if support not in SUPPORTS:
        raise ValueError(f"`support` is {support!r}; it must be one of {SUPPORTS}")
    if min(gradient_steps, hidden_width, n_features, gradient_rate) <= 0:
        raise ValueError(
            "`gradient_steps`, `hidden_width`, `n_features` and `gradient_rate` must "
            f"be above 0; they are {gradient_steps}, {hidden_width}, {n_features} and "
            f"{gradient_rate}"
        )
    data, short = shown(problem, experience, seed=seed, budget=budget)
    seen, lump = observed(problem, data, memory=experience.memory)
    considered = seen.allowed
    if support == "free":
        considered = np.repeat(~seen.terminal[:, None], problem.n_actions, axis=1)
    s, a, k = np.nonzero(data.visits)
    worth, parameters = np.zeros(seen.allowed.shape), 0
    if s.size:
        features = math.sqrt(n_features) * fourier_features(
            with_memory(problem, seen.place), width=kernel_width, count=n_features,
            seed=seed,
        )  # fmt: skip
        worth, parameters = _trained(
            features, lump[s], a, lump[problem.successor[s, a, k]],
            data.mean_reward[s, a, k], data.visits[s, a, k], considered=considered,
            terminal=seen.terminal, discount=seen.discount, steps=gradient_steps,
            width=hidden_width, rate=gradient_rate, seed=seed,
        )  # fmt: skip
    action = first_best(seen, np.where(considered, worth, -np.inf))
    policy = one_hot(action, n_actions=problem.n_actions)[lump]
    flops = 6 * parameters * BATCH * gradient_steps
    ledger = data.ledger + Ledger(gradient_flops=flops, retrainings=1)
    return learned(problem, policy, data=data, ledger=ledger, exhausted=short)


def _initial(inputs: int, width: int, outputs: int, *, seed: int) -> list[Any]:
    """Gaussian weights of variance 2 / fan-in and zero biases, from the seed's stream.

    Source: He et al. 2015.
    """
    import torch

    draw = stream(seed, "init")
    parameters = []
    for rows, columns in ((inputs, width), (width, outputs)):
        weight = draw.standard_normal((rows, columns)) * math.sqrt(2.0 / rows)
        for array in (weight, np.zeros(columns)):
            parameters.append(torch.tensor(array, dtype=torch.float32))
    return [parameter.requires_grad_() for parameter in parameters]


def _values(x: Any, parameters: list[Any]) -> Any:
    w1, b1, w2, b2 = parameters
    return (x @ w1 + b1).relu() @ w2 + b2


def _trained(
    features: ndarray, state: ndarray, action: ndarray, after: ndarray,
    reward: ndarray, visits: ndarray, *, considered: ndarray, terminal: ndarray,
    discount: float, steps: int, width: int, rate: float, seed: int,
) -> tuple[ndarray, int]:  # fmt: skip
    """The network's value of every state and action, and how many parameters it has."""
    import torch

    x = torch.tensor(features, dtype=torch.float32)
    parameters = _initial(x.shape[1], width, considered.shape[1], seed=seed)
    optimiser = torch.optim.Adam(parameters, lr=rate)
    forbidden = torch.tensor(~considered)
    ended = torch.tensor(terminal | ~considered.any(axis=1))
    brings = torch.tensor(reward, dtype=torch.float32)
    to = torch.tensor(after)
    draw = stream(seed, "replay")
    share = np.cumsum(visits) / visits.sum()
    later = torch.zeros(len(features))
    for step in range(steps):
        if step % TARGET_EVERY == 0:
            with torch.no_grad():
                every = _values(x, parameters).masked_fill(forbidden, -math.inf)
                later = every.max(dim=1).values.masked_fill(ended, 0.0)
        picked = np.minimum(np.searchsorted(share, draw.random(BATCH)), share.size - 1)
        target = brings[picked] + discount * later[to[picked]]
        found = _values(x[state[picked]], parameters)
        error = found[torch.arange(BATCH), torch.tensor(action[picked])] - target
        optimiser.zero_grad()
        (error**2).mean().backward()
        optimiser.step()
    with torch.no_grad():
        worth = _values(x, parameters).double().numpy()
    return worth, sum(parameter.numel() for parameter in parameters)


__all__ = ["neural_q"]
