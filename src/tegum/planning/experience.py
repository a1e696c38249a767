"""What a learner has seen: data gathered, filtered, and made a problem again."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from tegum.arrays import stream
from tegum.planning.compiled import below, compiled, counter, uniform
from tegum.planning.exact import solve
from tegum.planning.ledger import Ledger
from tegum.planning.outcome import one_hot
from tegum.planning.problem import Problem

Kept = Literal["all", "clean", "solved", "solved and clean"]


@dataclass(frozen=True)
class Experience:
    """How data are gathered and which of them a learner is shown.

    `complete` shows every allowed transition as often as it is likely, which takes one
    step for each; otherwise `steps` steps are walked, in episodes of at most
    `episode_length`, each from a random query. At every step the explorer takes a
    random action with probability `randomness`, the best one otherwise.

    `leak` is the support: an action that may enter an unwanted state is taken when its
    turn comes with probability `leak`, else one that may not is taken in its place. 1
    is full support, 0 precludes, in between it leaks. An episode from which every
    action may enter one ends.

    With a `dose`, exactly so many episodes touch an unwanted state and come first: they
    are those of a full-support explorer that do; all others follow `leak`. Each number
    of `steps` draws its own, of which a larger dose takes more.

    Rewards are seen with Gaussian noise of standard deviation `reward_noise`. With
    `memory` a learner sees states, without it their `observation`. `kept` says which
    episodes are shown, after an oracle has read each of them; `removed` states are
    deleted from the data, with every transition into or out of them.

    Raises:
        ValueError: no steps or length, or a probability outside [0, 1].
    """

    steps: int = 10_000
    _: KW_ONLY
    complete: bool = False
    episode_length: int = 200
    randomness: float = 1.0
    leak: float = 1.0
    reward_noise: float = 0.0
    memory: bool = True
    dose: int | None = None
    kept: Kept = "all"
    removed: Bool[ndarray, " state"] | None = None

    def __post_init__(self) -> None:
        """Refuse what gathers nothing."""
        for name in ("steps", "episode_length"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` of the experience is {getattr(self, name)}; it must be "
                    "at least 1"
                )
        for name in ("randomness", "leak"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(
                    f"`{name}` of the experience is {getattr(self, name)}; it must lie "
                    "in [0, 1]"
                )
        if self.dose is not None and (self.dose < 0 or self.complete):
            raise ValueError(
                f"`dose` is {self.dose}; it must be at least 0, and data walked by "
                "steps, not `complete`"
            )
        if self.complete and self.kept != "all":
            raise ValueError(
                f"`kept` is {self.kept!r} and `complete` data have no episodes; gather "
                "by steps, or keep all"
            )


@dataclass(frozen=True)
class Data:
    """Transitions in the order in which they were taken, and how often each was seen.

    `visits[s, a, k]` counts them by branch (chances, where data are complete);
    `mean_reward` is what was seen to come of it on average. `solved` and `touched` say
    of each episode whether it ended in a goal and touched an unwanted state.
    """

    state: Int[ndarray, " step"]
    action: Int[ndarray, " step"]
    branch: Int[ndarray, " step"]
    reward: Float[ndarray, " step"]
    episode: Int[ndarray, " step"]
    solved: Bool[ndarray, " episode"]
    touched: Bool[ndarray, " episode"]
    visits: Float[ndarray, "state action branch"]
    mean_reward: Float[ndarray, "state action branch"]
    behaviour: Float[ndarray, "state action"]
    ledger: Ledger


def behaviour(
    problem: Problem, experience: Experience
) -> Float[ndarray, "state action"]:
    """The explorer's policy: chance of every action, the leak included.

    What a row lacks to 1 is the chance that the explorer stops: all of it in terminal
    states, some where every action may enter an unwanted one.
    """
    count = problem.allowed.sum(axis=1, keepdims=True)
    wish = problem.allowed / np.maximum(count, 1)
    if experience.randomness < 1.0:
        best = one_hot(solve(problem).action, n_actions=problem.n_actions)
        known = best.any(axis=1, keepdims=True)
        wish = np.where(
            known,
            experience.randomness * wish + (1.0 - experience.randomness) * best,
            wish,
        )
    risky = problem.enters_unwanted
    refused = (wish * risky).sum(axis=1, keepdims=True) * (1.0 - experience.leak)
    safe = problem.allowed & ~risky
    instead = safe / np.maximum(safe.sum(axis=1, keepdims=True), 1)
    return np.where(risky, wish * experience.leak, wish) + refused * instead


def gather(problem: Problem, experience: Experience, *, seed: int) -> Data:
    """The data that a learner is shown, and what gathering and filtering them cost."""
    policy = behaviour(problem, experience)
    if experience.complete:
        return _complete(problem, experience, policy)
    to, chance = problem.successor, problem.probability.cumsum(axis=2)
    state, action, branch, episode, episodes = _walks(
        to, chance, policy.cumsum(axis=1), problem.terminal, problem.starts,
        experience.steps, experience.episode_length, counter(seed, "exploration"),
    )  # fmt: skip
    if experience.dose:
        dosed = _dose(problem, experience, experience.dose, seed=seed)
        state, action, branch = (
            np.concatenate(pair)
            for pair in zip(dosed[:3], (state, action, branch), strict=True)
        )
        episode = np.concatenate([dosed[3], episode + experience.dose])
        episodes += experience.dose
    noise = stream(seed, "reward noise").standard_normal(state.size)
    reward = problem.reward[state, action, branch] + experience.reward_noise * noise
    after = to[state, action, branch]
    solved, touched = np.zeros(episodes, bool), np.zeros(episodes, bool)
    solved[episode[problem.goal[after]]] = True
    touched[episode[problem.unwanted[after] | problem.unwanted[state]]] = True
    show = np.ones(episodes, dtype=bool)
    ledger = Ledger(environment_steps=state.size)
    if "solved" in experience.kept:
        show &= solved
    if "clean" in experience.kept:
        ledger += Ledger(trajectory_checks=episodes, unique_trajectory_checks=episodes)
        show &= ~touched
    shown = show[episode]
    if experience.removed is not None:
        shown &= ~(experience.removed[state] | experience.removed[after])
    visits = np.zeros(to.shape)
    total = np.zeros(to.shape)
    np.add.at(visits, (state[shown], action[shown], branch[shown]), 1.0)
    np.add.at(total, (state[shown], action[shown], branch[shown]), reward[shown])
    return Data(
        state=state[shown], action=action[shown], branch=branch[shown],
        reward=reward[shown], episode=episode[shown], solved=solved, touched=touched,
        visits=visits, mean_reward=total / np.maximum(visits, 1.0), behaviour=policy,
        ledger=ledger,
    )  # fmt: skip


def _dose(
    problem: Problem, experience: Experience, dose: int, *, seed: int
) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """The first episodes of a full-support explorer that touch an unwanted state.

    Raises:
        ValueError: fewer than the dose within as many steps as the data have.
    """
    policy = behaviour(problem, replace(experience, leak=1.0))
    state, action, branch, episode, episodes = _walks(
        problem.successor, problem.probability.cumsum(axis=2), policy.cumsum(axis=1),
        problem.terminal, problem.starts, experience.steps, experience.episode_length,
        counter(seed, f"dose {experience.steps}"),
    )  # fmt: skip
    after = problem.successor[state, action, branch]
    touched = np.zeros(episodes, dtype=bool)
    touched[episode[problem.unwanted[after] | problem.unwanted[state]]] = True
    if touched.sum() < dose:
        raise ValueError(
            f"`dose` is {dose}, and {int(touched.sum())} of {episodes} episodes in "
            f"{experience.steps} steps touch an unwanted state; ask for fewer, or for "
            "more steps"
        )
    chosen = np.flatnonzero(touched)[:dose]
    shown = np.isin(episode, chosen)
    number = np.searchsorted(chosen, episode[shown])
    return state[shown], action[shown], branch[shown], number


def _complete(problem: Problem, experience: Experience, policy: ndarray) -> Data:
    shown = problem.allowed & (policy > 0.0)
    visits = problem.probability * shown[:, :, None]
    steps = int((visits > 0.0).sum())
    if experience.removed is not None:
        visits = visits * ~experience.removed[problem.successor]
        visits[experience.removed] = 0.0
    nothing = np.zeros(0, dtype=np.int64)
    return Data(
        state=nothing, action=nothing, branch=nothing, reward=np.zeros(0),
        episode=nothing, solved=np.zeros(0, bool), touched=np.zeros(0, bool),
        visits=visits, mean_reward=problem.reward, behaviour=policy,
        ledger=Ledger(environment_steps=steps),
    )  # fmt: skip


@compiled
@no_type_check
def _walks(successor, chance, policy, terminal, starts, steps, length, draws):
    """Episodes of an explorer, until so many steps are made; `policy` is cumulative."""
    state, action = np.empty(steps, np.int64), np.empty(steps, np.int64)
    branch, episode = np.empty(steps, np.int64), np.empty(steps, np.int64)
    n, episodes, idle = 0, 0, 0
    while n < steps and idle < 1000:
        s = starts[below(draws, starts.size)]
        before = n
        while n < steps and n - before < length and not terminal[s]:
            u = uniform(draws)
            if u >= policy[s, -1] and policy[s, -1] < 1.0 - 1e-9:
                break
            a = 0
            while a < policy.shape[1] - 1 and u >= policy[s, a]:
                a += 1
            k = 0
            if chance.shape[2] > 1:
                v = uniform(draws)
                while k < chance.shape[2] - 1 and v >= chance[s, a, k]:
                    k += 1
            state[n], action[n], branch[n], episode[n] = s, a, k, episodes
            s = successor[s, a, k]
            n += 1
        idle = idle + 1 if n == before else 0
        episodes += n > before
    return state[:n], action[:n], branch[:n], episode[:n], episodes


def observed(
    problem: Problem, data: Data, *, memory: bool = True
) -> tuple[Problem, Int[ndarray, " state"]]:
    """The problem that the data show: only what was seen is allowed, as it was seen.

    Chances are the shares of branches, rewards their means. A learner that takes the
    argmax and learns from these data for ever is the planner on this problem. Without
    memory, states that look alike are one state of it, and nothing in it is unwanted,
    since whether it is can not be seen. Returns which of its states each state is taken
    for as well.
    """
    names, lump = np.unique(problem.observation, return_inverse=True)
    if not memory and names.size < problem.n_states:
        return _lumped(problem, data, lump=lump), lump
    seen = data.visits.sum(axis=2)
    share = data.visits / np.where(seen > 0.0, seen, 1.0)[:, :, None]
    share[:, :, 0] = np.where(seen > 0.0, share[:, :, 0], 1.0)
    found = replace(
        problem,
        allowed=problem.allowed & (seen > 0.0),
        probability=share,
        reward=np.where(data.visits > 0.0, data.mean_reward, problem.reward),
    )
    return found, np.arange(problem.n_states)


def _lumped(problem: Problem, data: Data, *, lump: ndarray) -> Problem:
    """The observed problem with one state for each observation."""
    states, actions = int(lump.max()) + 1, problem.n_actions
    s, a, k = np.nonzero(data.visits)
    weight, brought = data.visits[s, a, k], data.mean_reward[s, a, k]
    edges, place = np.unique(
        (lump[s] * actions + a) * states + lump[problem.successor[s, a, k]],
        return_inverse=True,
    )
    visits = np.bincount(place, weight, minlength=edges.size)
    reward = np.bincount(place, weight * brought, minlength=edges.size) / visits
    pairs, first, pair = np.unique(
        edges // states, return_index=True, return_inverse=True
    )
    slot = np.arange(edges.size) - first[pair]
    where = (pairs[pair] // actions, pairs[pair] % actions, slot)
    shape = (states, actions, int(slot.max(initial=0)) + 1)
    successor = np.zeros(shape, dtype=np.int32)
    chance, brings = np.zeros(shape), np.zeros(shape)
    chance[:, :, 0] = 1.0
    successor[where], brings[where] = edges % states, reward
    chance[where] = visits / np.bincount(pair, visits, minlength=pairs.size)[pair]
    allowed = np.zeros(shape[:2], dtype=bool)
    allowed[where[:2]] = True
    one = np.zeros(states, dtype=np.int64)
    one[lump] = np.arange(problem.n_states)
    return Problem(
        successor=successor, probability=chance, reward=brings, allowed=allowed,
        terminal=problem.terminal[one], goal=problem.goal[one],
        unwanted=np.zeros(states, bool), starts=lump[problem.starts],
        observation=np.arange(states), bound=problem.bound[one],
        place=problem.place[one], discount=problem.discount,
    )  # fmt: skip


__all__ = [
    "Data",
    "Experience",
    "behaviour",
    "gather",
    "observed",
]
