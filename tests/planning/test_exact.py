"""Our solver against quantecon's, the automaton against brute force, known answers."""

import itertools

import gymnasium
import numpy as np
import pytest

from tegum.arrays import stream
from tegum.planning.environments import from_gymnasium
from tegum.planning.exact import distances_of, ends_surely, prices, solve
from tegum.planning.histories import FIRST, IN_TURN, SECOND, history_map, product
from tegum.planning.maps import grid_map
from tegum.planning.outcome import one_hot, run
from tegum.planning.problem import tabular, without
from tegum.planning.reference import quantecon_value
from tegum.planning.trees import tree

WORLDS = {
    "map": lambda discount: grid_map(size=12, seed=1, discount=discount).problem,
    "open map": lambda discount: (
        grid_map(
            size=9, seed=2, wall_share=0.0, queries=None, discount=discount
        ).problem
    ),
    "coupled map": lambda discount: (
        grid_map(size=10, seed=3, coupling=0.8, discount=discount).problem
    ),
    "tree": lambda discount: tree(branching=3, depth=4, seed=4, discount=discount),
    "history": lambda discount: history_map(size=8, seed=5, discount=discount).problem,
    "pruned map": lambda discount: pruned(
        grid_map(size=12, seed=6, discount=discount).problem
    ),
}
SLIPPERY = {
    "slippery map": lambda: grid_map(size=10, seed=7, slip=0.3, discount=0.95).problem,
    "slippery history": lambda: (
        history_map(size=7, seed=8, slip=0.2, discount=0.95).problem
    ),
    "pruned slippery map": lambda: pruned(
        grid_map(size=9, seed=9, slip=0.1, discount=0.95).problem
    ),
}
GYMNASIUM = {
    "FrozenLake-v1": {},
    "FrozenLake-v1 certain": {"is_slippery": False},
    "FrozenLake-v1 large": {"map_name": "8x8"},
    "CliffWalking-v1": {},
    "CliffWalking-v1 slippery": {"is_slippery": True},
    "Taxi-v4": {},
}


def pruned(problem):
    return without(problem, problem.unwanted)


def agrees(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", WORLDS)
def test_the_solver_agrees_with_quantecon(name):
    problem = WORLDS[name](0.95)
    agrees(solve(problem).value, quantecon_value(problem))


@pytest.mark.parametrize("name", SLIPPERY)
def test_the_solver_agrees_with_quantecon_where_moves_slip(name):
    problem = SLIPPERY[name]()
    agrees(solve(problem).value, quantecon_value(problem))


@pytest.mark.parametrize("name", GYMNASIUM)
def test_the_solver_agrees_with_quantecon_on_gymnasium(name):
    problem = from_gymnasium(gymnasium.make(name.split()[0], **GYMNASIUM[name]))
    agrees(solve(problem).value, quantecon_value(problem))


@pytest.mark.parametrize("name", WORLDS)
def test_undiscounted_values_agree_with_backward_induction(name):
    problem = WORLDS[name](1.0)
    value = solve(problem).value
    ends = np.isfinite(value)
    agrees(value[ends], quantecon_value(problem)[ends])


@pytest.mark.parametrize("name", WORLDS)
def test_following_the_best_actions_brings_the_value(name):
    problem = WORLDS[name](1.0)
    solution = solve(problem)
    found = run(problem, one_hot(solution.action, n_actions=problem.n_actions))
    expected = solution.value[problem.starts]
    agrees(found.returned, np.where(np.isinf(expected), problem.worst_return, expected))


def test_what_is_not_allowed_never_wins_by_costing_nothing():
    # A line 0 - 1 - 2 (goal). Action 1 goes on; action 0 is not allowed and its entry
    # in the table of rewards is 0, so that standing still would look free.
    line = tabular(
        [[0, 1], [1, 2], [2, 2]],
        reward=[[0.0, -1.0], [0.0, -1.0], [0.0, 0.0]],
        terminal=[False, False, True],
        allowed=[[False, True], [False, True], [False, False]],
        starts=[0, 1],
    )
    solution = solve(line)
    assert solution.action[:2].tolist() == [1, 1]
    followed = run(line, one_hot(solution.action, n_actions=2))
    assert followed.solved.tolist() == [1.0, 1.0]
    assert followed.returned.tolist() == [-2.0, -1.0]


def test_frozen_lake_has_the_value_of_the_textbook():
    """0.8235 with slips and no discount: the share that the best policy brings home."""
    lake = from_gymnasium(gymnasium.make("FrozenLake-v1"), discount=1.0 - 1e-9)
    assert solve(lake).value[0] == pytest.approx(14 / 17, abs=1e-6)


def test_cliff_walking_takes_thirteen_steps():
    cliff = from_gymnasium(gymnasium.make("CliffWalking-v1"), discount=1.0)
    assert solve(cliff).value[cliff.starts[0]] == -13.0


def test_slips_without_discount_are_solved_among_policies_that_end():
    """One cell beside the goal: a step arrives with 0.7, else it stays: 1 / 0.7."""
    problem = tabular(
        [[[1, 0], [0, 0]], [[1, 1], [1, 1]]],
        probability=[[[0.7, 0.3], [0.5, 0.5]], [[1, 0], [1, 0]]],
        reward=-np.ones((2, 2, 2)),
        terminal=[False, True],
        starts=[0],
    )
    solution = solve(problem)
    assert solution.value[0] == pytest.approx(-1 / 0.7, abs=1e-12)
    assert solution.action.tolist() == [0, -1]


def test_a_state_that_may_be_lost_has_no_value():
    """From 0 the only move ends or falls into 2, which leads nowhere."""
    problem = tabular(
        [[[1, 2]], [[1, 1]], [[2, 2]]],
        reward=-np.ones((3, 1, 2)),
        terminal=[False, True, False],
        starts=[0],
    )
    assert ends_surely(problem).tolist() == [False, True, False]
    assert solve(problem).value.tolist() == [-np.inf, 0.0, -np.inf]


@pytest.mark.parametrize("seed", range(5))
def test_the_product_agrees_with_brute_force_over_all_ways(seed):
    """Every way of up to eight moves on a 4 x 4 map, read by hand for A, later B."""
    base = grid_map(size=4, seed=seed, wall_share=0.2, unwanted_share=0.0).problem
    labels = stream(seed, "labels").integers(0, 3, base.n_states)
    labels[base.goal] = 0
    both = product(base, IN_TURN, labels=labels)
    start = int(base.starts[0])
    clean = without(both, both.unwanted)
    distance, _ = distances_of(clean, removed=clean.unwanted)
    found = distance[start * 3 + IN_TURN.after[0, labels[start]]]
    shortest = np.inf
    for length in range(1, 9):
        for moves in itertools.product(range(4), repeat=length):
            way = [start]
            for move in moves:
                if base.goal[way[-1]]:
                    break
                way.append(int(base.successor[way[-1], move, 0]))
            if not base.goal[way[-1]] or bad(labels[way]):
                continue
            shortest = min(shortest, len(way) - 1)
        if shortest < np.inf:
            break
    if shortest < np.inf or found <= 8:
        assert found == shortest


def bad(labels):
    first = np.flatnonzero(labels == FIRST)
    return first.size and (labels[first[0] :] == SECOND).any()


@pytest.mark.parametrize("seed", range(3))
def test_the_chance_of_touching_agrees_with_sampled_ways(seed):
    """A random policy on a slippery history map: exact against 4,000 passes."""
    problem = history_map(size=5, seed=seed, slip=0.2).problem
    draw = stream(seed, "policy")
    policy = draw.random((problem.n_states, 4)) * problem.allowed
    policy /= np.maximum(policy.sum(axis=1, keepdims=True), 1e-12)
    policy[problem.terminal] = 0.0
    exact = run(problem, policy)
    state = np.full(4000, problem.starts[0])
    touched = problem.unwanted[state]
    total = np.zeros(4000)
    while not problem.terminal[state].all():
        live = ~problem.terminal[state]
        action = (draw.random(4000)[:, None] > policy[state].cumsum(axis=1)).sum(axis=1)
        action = np.minimum(action, 3)
        chance = problem.probability[state, action].cumsum(axis=1)
        branch = np.minimum((draw.random(4000)[:, None] > chance).sum(axis=1), 2)
        total -= live
        state = np.where(live, problem.successor[state, action, branch], state)
        touched |= problem.unwanted[state]
    assert exact.solved[0] == pytest.approx(1.0)
    assert exact.unwanted[0] == pytest.approx(touched.mean(), abs=5 * 0.5 / 63)
    spread = total.std() / np.sqrt(4000)
    assert exact.returned[0] == pytest.approx(total.mean(), abs=5 * spread)
    assert exact.clean[0] == pytest.approx(1 - exact.unwanted[0])


def test_a_policy_that_never_ends_is_priced_and_not_solved():
    line = tabular(
        [[0, 1], [0, 2], [2, 2]],
        reward=-np.ones((3, 2)),
        terminal=[False, False, True],
        unwanted=[False, True, False],
        starts=[0, 1],
    )
    policy = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    certain = run(line, policy)
    assert certain.solved.tolist() == [0.0, 0.0]
    assert certain.unwanted.tolist() == [1.0, 1.0]
    assert certain.returned.tolist() == [-3.0, -3.0]
    # Half of the time it goes on from 1: 1 + 1 + 2 + 2 + ... = 4 steps from 0.
    mixed = run(line, np.array([[0.0, 1.0], [0.5, 0.5], [0.0, 0.0]]))
    assert mixed.solved.tolist() == pytest.approx([1.0, 1.0])
    assert mixed.returned.tolist() == pytest.approx([-4.0, -3.0])
    stuck = run(line, np.array([[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]))
    assert stuck.returned.tolist() == [-3.0, -3.0]


def test_both_ways_to_run_a_certain_policy_agree():
    problem = grid_map(size=12, seed=3, queries=None).problem
    policy = one_hot(solve(problem).action, n_actions=4)
    walked = run(problem, policy)
    slipping = grid_map(size=12, seed=3, queries=None, slip=0.0).problem
    doubled = tabular(
        np.repeat(slipping.successor, 2, axis=2),
        reward=np.repeat(slipping.reward, 2, axis=2),
        terminal=slipping.terminal,
        unwanted=slipping.unwanted,
        starts=slipping.starts,
    )
    solved = run(doubled, policy)
    for name in ("solved", "unwanted", "clean", "returned"):
        agrees(getattr(solved, name), getattr(walked, name))


def test_removing_a_state_leaves_no_way_through_it():
    problem = grid_map(size=9, seed=1, slip=0.2).problem
    kept = without(problem, problem.unwanted)
    into = problem.unwanted[kept.successor] & (kept.probability > 0)
    assert not (into.any(axis=2) & kept.allowed).any()
    assert not kept.allowed[problem.unwanted].any()
    assert (prices(kept)[kept.allowed] == 1.0).all()
