"""Gymnasium both ways: tables in and out, simulators enumerated, spaces refused."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from tegum.planning.environments import from_gymnasium, to_gymnasium
from tegum.planning.exact import solve
from tegum.planning.maps import grid_map
from tegum.planning.outcome import one_hot, run
from tegum.planning.simulators import from_simulator


def test_there_and_back_is_the_same_problem():
    """A slippery map as an environment, as a table again: the same values."""
    problem = grid_map(size=7, seed=3, slip=0.2, queries=5, discount=0.9).problem
    back = from_gymnasium(
        to_gymnasium(problem), unwanted=lambda s: problem.unwanted[s], discount=0.9
    )
    value, found = solve(problem).value, solve(back).value
    live = ~problem.terminal
    np.testing.assert_allclose(found[: live.size][live], value[live], rtol=1e-10)
    assert back.unwanted[: live.size].tolist() == problem.unwanted.tolist()
    assert sorted(back.starts) == sorted(problem.starts)


def test_an_agent_that_steps_gets_the_exact_return():
    problem = grid_map(size=6, seed=3, slip=0.2, queries=1).problem
    solution = solve(problem)
    exact = run(problem, one_hot(solution.action, n_actions=4))
    environment = to_gymnasium(problem)
    returns, touched = [], []
    for episode in range(1500):
        state, info = environment.reset(seed=episode)
        total, ended, met = 0.0, False, False
        while not ended:
            assert info["action_mask"][solution.action[state]]
            state, reward, ended, _, info = environment.step(solution.action[state])
            total += reward
            met |= info["unwanted"]
        returns.append(total)
        touched.append(met)
    spread = np.std(returns) / np.sqrt(len(returns))
    assert np.mean(returns) == pytest.approx(exact.returned[0], abs=4 * spread)
    assert np.mean(touched) == pytest.approx(exact.unwanted[0], abs=4 * 0.5 / 38)


def test_it_passes_the_check_of_gymnasium():
    from gymnasium.utils.env_checker import check_env

    check_env(to_gymnasium(grid_map(size=5, seed=1).problem), skip_render_check=True)


@pytest.mark.parametrize("action", [-1, 4])
def test_an_action_that_is_none_is_refused(action):
    environment = to_gymnasium(grid_map(size=5, seed=1).problem)
    environment.reset(seed=0)
    with pytest.raises(ValueError, match=f"action {action} is not allowed in state"):
        environment.step(action)


def test_an_agent_of_gymnasium_s_kind_learns_the_exact_values():
    """Tabular Q-learning that knows `reset`, `step` and the mask, and nothing else."""
    problem = grid_map(size=5, seed=1, queries=None).problem
    environment = to_gymnasium(problem)
    table, draw = np.zeros((problem.n_states, 4)), np.random.default_rng(0)
    for episode in range(400):
        state, info = environment.reset(seed=episode)
        ended = False
        while not ended:
            may = np.flatnonzero(info["action_mask"])
            best = may[table[state, may].argmax()]
            action = draw.choice(may) if draw.random() < 0.3 else best
            after, reward, ended, _, info = environment.step(action)
            later = 0.0 if ended else table[after, info["action_mask"] > 0].max()
            table[state, action] += 0.5 * (reward + later - table[state, action])
            state = after
    found = table[problem.starts].max(axis=1)
    np.testing.assert_allclose(found, solve(problem).value[problem.starts], atol=1e-3)


def test_the_same_seed_gives_the_same_episode():
    environment = to_gymnasium(grid_map(size=6, seed=3, slip=0.4, queries=9).problem)
    runs = []
    for _ in range(2):
        way = [environment.reset(seed=5)[0]]
        way += [environment.step(a % 4)[0] for a in range(5)]
        runs.append(way)
    assert runs[0] == runs[1]


def test_holes_of_the_frozen_lake_end_without_being_goals():
    lake = from_gymnasium(
        gymnasium.make("FrozenLake-v1", is_slippery=False),
        unwanted=lambda s: s in (5, 7, 11, 12),
    )
    assert lake.goal.sum() == 1
    assert lake.terminal.sum() == 5
    assert lake.place[14].tolist() == [3, 2]
    ends = lake.terminal & ~lake.goal
    assert lake.unwanted[ends].all()


def lake(prize, hole, **said):
    made = gymnasium.make("FrozenLake-v1", reward_schedule=(prize, hole, -1.0))
    return from_gymnasium(made, **said)


@pytest.mark.parametrize(
    ("name", "goals", "other_ends"),
    [("FrozenLake-v1", 1, 4), ("Taxi-v4", 4, 0), ("CliffWalking-v1", 1, 0)],
)
def test_the_goals_of_the_toy_texts_are_those_one_expects(name, goals, other_ends):
    found = from_gymnasium(gymnasium.make(name))
    assert found.goal.sum() == goals
    assert (found.terminal & ~found.goal).sum() == other_ends


def test_a_hole_beside_a_goal_that_pays_more_is_no_goal():
    assert lake(10.0, -10.0).goal.sum() == 1


def test_endings_whose_rewards_do_not_tell_goals_are_refused_until_they_are_named():
    with pytest.raises(ValueError, match=r"-10 to 0 .* `goal=lambda .* in \{15\}`"):
        lake(0.0, -10.0)
    told = lake(0.0, -10.0, goal=lambda state: state == 15)
    assert np.flatnonzero(told.goal).size == 1
    assert (told.terminal & ~told.goal).sum() == 4
    # Alike, every ending is one: nothing tells a hole from a goal.
    assert lake(-1.0, -1.0).goal.sum() == 5


def test_a_goal_that_no_step_ends_in_is_refused():
    with pytest.raises(ValueError, match="is a goal, says `goal`"):
        lake(1.0, 0.0, goal=lambda state: state == 3)


def test_places_are_the_table_s_where_it_is_a_board_and_one_s_own_elsewhere():
    taxi = gymnasium.make("Taxi-v4")
    assert from_gymnasium(taxi).place[:500].tolist() == [[0, s] for s in range(500)]
    placed = from_gymnasium(taxi, place=lambda s: (s // 100, s // 20 % 5))
    assert placed.place[499].tolist() == [4, 4]
    assert (placed.place.max(axis=0) == 4).all()


class Continuous(gymnasium.Env):
    observation_space = Box(0.0, 1.0)
    action_space = Discrete(2)


class Untabulated(gymnasium.Env):
    observation_space = Discrete(3)
    action_space = Discrete(2)


class Walk(gymnasium.Env):
    """Five places in a row; the last brings 1, the first ends with nothing."""

    observation_space = Box(0.0, 1.0)
    action_space = Discrete(2)

    def __init__(self, prize=1.0):
        self.prize = prize

    def reset(self, *, seed=None, options=None):
        self.at = 2
        return self.at, {}

    def step(self, action):
        self.at += 1 if action else -1
        return self.at, self.prize * (self.at == 4), self.at in (0, 4), False, {}


@pytest.mark.parametrize("environment", [Continuous(), gymnasium.make("CartPole-v1")])
def test_continuous_spaces_are_refused(environment):
    with pytest.raises(ValueError, match="only discrete ones can be tabulated"):
        from_gymnasium(environment)


def test_an_environment_without_a_table_is_pointed_to_the_other_way_in():
    with pytest.raises(ValueError, match="enumerate it by `from_simulator`"):
        from_gymnasium(Untabulated())


def test_a_simulator_is_enumerated():
    """From 2: left 1, then an end that brings nothing; right 3, then the prize."""
    problem = from_simulator(
        Walk(),
        state=lambda e: e.at,
        unwanted=lambda e: e.at == 3,
        place=lambda e: (0, e.at),
    )
    assert problem.n_states == 5
    assert problem.goal.sum() == 1
    assert solve(problem).value[0] == -2.0
    assert run(problem, one_hot(solve(problem).action, n_actions=2)).unwanted[0] == 1.0
    dead = problem.terminal & ~problem.goal
    into = problem.successor[:, :, 0] == np.flatnonzero(dead)[0]
    assert (problem.reward[:, :, 0][into & problem.allowed] == -5.0).all()


def test_a_simulator_without_a_goal_or_without_end_is_refused():
    with pytest.raises(ValueError, match="no goal that could be reached"):
        from_simulator(Walk(prize=0.0), state=lambda e: e.at, unwanted=lambda e: False)
    told = {"state": lambda e: e.at, "unwanted": lambda e: False}
    both = from_simulator(Walk(prize=0.0), **told, goal=lambda e: e.at in (0, 4))
    assert both.goal.sum() == 2
    with pytest.raises(ValueError, match="ends where `goal` says"):
        from_simulator(Walk(), **told, goal=lambda e: e.at == 3)
    counter = iter(range(10**6))
    with pytest.raises(ValueError, match="more than 50 states"):
        from_simulator(
            Walk(), state=lambda e: next(counter), unwanted=lambda e: False,
            most_states=50,
        )  # fmt: skip


ANYWHERE = {"state": lambda e: e.at, "unwanted": lambda e: False}
LAKE = {"state": lambda e: int(e.s), "unwanted": lambda e: False}


def test_a_slippery_simulator_is_refused_and_a_certain_one_is_not():
    with pytest.raises(ValueError, match="moves are left to chance"):
        from_simulator(gymnasium.make("FrozenLake-v1"), **LAKE)
    certain = gymnasium.make("FrozenLake-v1", is_slippery=False)
    assert solve(from_simulator(certain, **LAKE)).value[0] == -6.0


class Ferry(Walk):
    """A walk whose last step brings the prize only to those who went left before."""

    left = False

    def step(self, action):
        self.left |= action == 0
        _, reward, ended, *rest = super().step(action)
        if self.at == 4 and not self.left:
            self.at, reward, ended = 3, 0.0, False
        return self.at, reward, ended, *rest


def test_a_name_that_hides_what_the_future_depends_on_is_refused():
    with pytest.raises(ValueError, match="`state` does not name all"):
        from_simulator(Ferry(), **ANYWHERE)
    told = {**ANYWHERE, "state": lambda e: (e.at, e.left)}
    assert from_simulator(Ferry(), **told).goal.sum() == 1


@pytest.mark.parametrize("prize", [np.nan, np.inf, -np.inf])
def test_a_simulator_whose_reward_is_not_finite_is_refused(prize):
    class Priced(Walk):
        def step(self, action):
            found = super().step(action)
            return (found[0], prize if self.at == 4 else 0.0, *found[2:])

    with pytest.raises(ValueError, match="action 1 in state 3 brings the reward"):
        from_simulator(Priced(), **ANYWHERE)


def test_an_unwanted_that_is_drawn_is_refused_by_both():
    draw = np.random.default_rng(0)
    with pytest.raises(ValueError, match="`unwanted` contradicts itself about state"):
        from_gymnasium(
            gymnasium.make("FrozenLake-v1"), unwanted=lambda s: draw.random() < 0.5
        )
    with pytest.raises(ValueError, match="`unwanted` contradicts itself about state"):
        from_simulator(
            Walk(), state=lambda e: e.at, unwanted=lambda e: draw.random() < 0.5
        )


class Listed(gymnasium.Env):
    """Two states, one action: on to the second, which ends it."""

    observation_space = Discrete(2)
    action_space = Discrete(1)

    def __init__(self, **wrong):
        good = {"first": {0: [(1.0, 1, 1.0, True)]}, "second": {0: [(1.0, 1, 0, True)]}}
        rows = {**good, **wrong}
        self.P = {s: rows[n] for s, n in enumerate(good) if rows[n] is not None}

    def reset(self, *, seed=None, options=None):
        return 0, {}


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ({0: [(1.0, 2, 1.0, True)]}, "state 2; states are numbered 0 to 1"),
        ({0: [(1.0, -1, 1.0, True)]}, "leads to the state -1"),
        ({0: []}, r"`P\[0\]\[0\]` is missing, empty or not a list"),
        ({0: [(1.0, 1)]}, "is missing, empty or not a list"),
        ({}, "is missing, empty or not a list"),
        (None, "is missing, empty or not a list"),
        ({0: [(0.5, 1, 1.0, True)]}, "sum to 0.5, not to 1"),
        ({0: [(np.nan, 1, 1.0, True)]}, "lists the probability nan"),
        ({0: [(1.0, 1, np.inf, True)]}, "and the reward inf"),
    ],
    ids=[
        "too-far", "negative", "empty", "short", "no-action", "no-state", "half",
        "nan", "infinite",
    ],
)  # fmt: skip
def test_a_malformed_table_is_named(first, message):
    assert from_gymnasium(Listed()).goal.sum() == 1
    with pytest.raises(ValueError, match=message):
        from_gymnasium(Listed(first=first))


def test_starts_of_ones_own():
    lake = gymnasium.make("FrozenLake-v1")
    assert from_gymnasium(lake, starts=[1, 6, 6]).starts.tolist() == [1, 6, 6]
    for wrong in ([16], [-1]):
        with pytest.raises(ValueError, match="states are numbered 0 to 15"):
            from_gymnasium(lake, starts=wrong)
    with pytest.raises(ValueError, match="`starts` is empty"):
        from_gymnasium(lake, starts=[])
    walk = from_simulator(Walk(), **ANYWHERE, starts=lambda e: e.at in (1, 3, 4))
    assert walk.starts.size == 2
    with pytest.raises(ValueError, match="`starts` is empty"):
        from_simulator(Walk(), **ANYWHERE, starts=lambda e: e.at == 4)
