"""Each optimiser: known limits, laws of the 2 x 2, and where it stays silent."""

import inspect

import numpy as np
import pytest

from tegum.arrays import stream
from tegum.planning.amortised import (
    behaviour_cloning,
    certainty_equivalent,
    q_learning,
)
from tegum.planning.approximation import fitted_q
from tegum.planning.conditioned import return_conditioned
from tegum.planning.direct import (
    a_star,
    best_of_n,
    boltzmann_planner,
    breadth_first,
    value_iteration,
)
from tegum.planning.exact import solve
from tegum.planning.experience import Experience, behaviour, gather, observed
from tegum.planning.factors import DIRECT
from tegum.planning.factors import METHODS as NAMES
from tegum.planning.histories import history_map
from tegum.planning.iteration import expert_iteration
from tegum.planning.maps import attraction, grid_map, traffic
from tegum.planning.methods import METHODS
from tegum.planning.neural import neural_q
from tegum.planning.problem import restricted, tabular
from tegum.planning.tree_search import mcts
from tegum.planning.trees import tree

HUGE = 10**12
MAP = grid_map(size=10, seed=4, queries=None).problem
SLIPPERY = grid_map(size=8, seed=4, slip=0.2, queries=None).problem
EVERYTHING = Experience(complete=True)
BEST = solve(MAP).value[MAP.starts]


def test_every_method_has_one_signature_and_its_place():
    assert set(METHODS) == set(NAMES)
    for name, method in METHODS.items():
        parameters = inspect.signature(method.run).parameters
        assert list(parameters)[:3] == ["problem", "seed", "budget"]
        assert (method.quadrant[0] == "direct") == (name in DIRECT)
        assert set(method.parameters) <= set(parameters)
    assert {m.quadrant for m in METHODS.values()} == {
        (side, rule)
        for side in ("direct", "amortised")
        for rule in ("argmax", "posterior")
    }


@pytest.mark.parametrize(
    "method", [breadth_first, a_star, value_iteration], ids=lambda m: m.__name__
)
def test_direct_argmax_is_optimal(method):
    found = method(MAP, seed=0, budget=HUGE)
    np.testing.assert_array_equal(found.execution.returned, BEST)
    assert not found.exhausted


def test_a_star_expands_no_more_than_breadth_first():
    blind = breadth_first(MAP, seed=0, budget=HUGE).ledger.expansions
    assert a_star(MAP, seed=0, budget=HUGE).ledger.expansions < blind


def test_a_star_is_optimal_with_prices_and_with_a_bound_that_is_not_consistent():
    draw = stream(3, "prices")
    priced = tabular(
        MAP.successor,
        reward=-draw.integers(1, 5, MAP.reward.shape).astype(float),
        terminal=MAP.terminal,
        starts=MAP.starts,
    )
    best = solve(priced).value
    jumpy = tabular(
        MAP.successor,
        reward=priced.reward,
        terminal=MAP.terminal,
        starts=MAP.starts,
        bound=best * draw.random(best.size),
    )
    found = a_star(jumpy, seed=0, budget=HUGE)
    np.testing.assert_array_equal(found.execution.returned, best[MAP.starts])


def test_value_iteration_is_optimal_where_moves_slip():
    found = value_iteration(SLIPPERY, seed=0, budget=HUGE)
    best = solve(SLIPPERY).value[SLIPPERY.starts]
    np.testing.assert_allclose(found.execution.returned, best, rtol=1e-7)


def test_the_boltzmann_planner_is_the_posterior_over_ways():
    """Root with two leaves at returns -1 and -2: weights e^-1 and e^-2 at T = 1."""
    fork = tabular(
        [[1, 2], [1, 1], [2, 2]],
        reward=[[-1.0, -2.0], [0, 0], [0, 0]],
        terminal=[False, True, True],
        starts=[0],
    )
    found = boltzmann_planner(fork, seed=0, budget=HUGE, temperature=1.0)
    assert found.policy[0] == pytest.approx([1 / (1 + np.e**-1), 1 / (1 + np.e)])
    # In a tree of depth 3 the leaf probabilities are the softmax of the returns.
    deep = tree(branching=2, depth=3, seed=1)
    policy = boltzmann_planner(deep, seed=0, budget=HUGE, temperature=0.3).policy
    at_leaf, brought = np.ones(15), np.zeros(15)
    for s in range(7):
        for a in (0, 1):
            to = deep.successor[s, a, 0]
            at_leaf[to] = at_leaf[s] * policy[s, a]
            brought[to] = brought[s] + deep.reward[s, a, 0]
    weight = np.exp(brought[7:] / 0.3)
    assert at_leaf[7:] == pytest.approx(weight / weight.sum())


def test_it_runs_from_the_argmax_to_the_random_walk():
    returned = [
        boltzmann_planner(
            MAP, seed=0, budget=HUGE, temperature=t
        ).execution.returned.mean()
        for t in (0.01, 1.0, 100.0)
    ]
    walk = np.where(MAP.allowed, 1 / 4, 0.0)
    hot = boltzmann_planner(MAP, seed=0, budget=HUGE, temperature=1e6).policy
    assert returned[0] == pytest.approx(BEST.mean())
    assert returned[0] > returned[1] > returned[2]
    assert np.abs(hot - walk).max() < 1e-3


def test_best_of_n_of_a_tree_has_the_law_of_a_maximum():
    """One level of 50 leaves: the rank of the best of n is that of a maximum of n."""
    shares = []
    for seed in range(400):
        flat = tree(branching=50, depth=1, seed=seed)
        found = best_of_n(flat, seed=seed, budget=HUGE, samples=4)
        shares.append((flat.reward[0, :, 0] < found.execution.returned[0]).mean())
    # E[max of 4 uniform on 0..49] / 50 = 4/5 of the way, less half a step.
    assert np.mean(shares) == pytest.approx(0.8, abs=4 * 0.163 / 20 + 0.02)


def test_mcts_nears_the_best_as_it_thinks_longer():
    problem = grid_map(size=8, seed=2, queries=10).problem
    best = solve(problem).value[problem.starts].mean()
    short, long = (
        mcts(problem, seed=0, budget=HUGE, simulations=n).execution.returned.mean()
        for n in (4, 600)
    )
    assert short < long
    assert long > best - 1.0


# --- the tabular identity ------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("leak", [0.0, 1.0])
def test_a_learner_that_takes_the_argmax_is_the_planner_on_what_it_saw(seed, leak):
    """Support X by walking: Q-learning and the exact learner equal the planner on X."""
    problem = grid_map(size=8, seed=seed, queries=None).problem
    experience = Experience(3000, leak=leak)
    data = gather(problem, experience, seed=seed)
    support = data.visits.any(axis=2)
    planner = solve(restricted(problem, support))
    exact = certainty_equivalent(problem, seed=seed, budget=HUGE, experience=experience)
    chosen = np.where(exact.policy.any(axis=1), exact.policy.argmax(axis=1), -1)
    np.testing.assert_array_equal(chosen, planner.action)
    replayed = q_learning(
        problem, seed=seed, budget=HUGE, experience=experience, updates=300_000,
        learning_rate=1.0,
    )  # fmt: skip
    possible = np.isfinite(planner.value)
    lost = ~possible & ~problem.terminal
    chosen = replayed.policy.argmax(axis=1)
    np.testing.assert_array_equal(chosen[possible], planner.action.clip(0)[possible])
    assert not exact.policy[lost].any()


def test_it_breaks_where_the_support_is_empty():
    """Must change: with other support the policy is another one."""
    full = certainty_equivalent(MAP, seed=0, budget=HUGE, experience=EVERYTHING)
    precluded = certainty_equivalent(
        MAP, seed=0, budget=HUGE, experience=Experience(complete=True, leak=0.0)
    )
    assert full.execution.unwanted.mean() > 0.3
    assert precluded.execution.unwanted.max() == 0.0
    assert (full.policy != precluded.policy).any()


# --- data ----------------------------------------------------------------------------


@pytest.mark.parametrize("leak", [0.0, 0.3, 1.0])
def test_steps_follow_the_behaviour_policy(leak):
    experience = Experience(200_000, leak=leak, randomness=0.7)
    policy = behaviour(SLIPPERY, experience)
    data = gather(SLIPPERY, experience, seed=1)
    counts = data.visits.sum(axis=2)
    often = counts.sum(axis=1) > 2000
    share = counts[often] / counts[often].sum(axis=1, keepdims=True)
    whole = policy[often] / policy[often].sum(axis=1, keepdims=True)
    spread = np.sqrt(whole * (1 - whole) / counts[often].sum(axis=1, keepdims=True))
    assert (np.abs(share - whole) <= 5 * spread + 1e-12).all()
    branches = data.visits.sum(axis=(0, 1)) / data.visits.sum()
    assert branches == pytest.approx([0.8, 0.1, 0.1], abs=0.01)


def test_precluded_data_never_enter_the_unwanted_and_leaky_ones_do():
    for leak, entered in ((0.0, False), (0.05, True)):
        data = gather(MAP, Experience(20_000, leak=leak), seed=0)
        after = MAP.successor[data.state, data.action, data.branch]
        assert MAP.unwanted[after].any() == entered
        assert data.touched.any() == entered


@pytest.mark.parametrize("dose", [0, 1, 7])
def test_a_dose_is_exact(dose):
    data = gather(MAP, Experience(20_000, leak=0.0, dose=dose), seed=0)
    assert data.touched.sum() == dose
    assert data.touched[:dose].all()
    undosed = gather(MAP, Experience(20_000, leak=0.0), seed=0)
    rest = data.episode >= dose
    np.testing.assert_array_equal(data.state[rest], undosed.state)
    with pytest.raises(ValueError, match="ask for fewer"):
        gather(MAP, Experience(10, leak=0.0, dose=9), seed=0)


def test_a_dose_is_drawn_anew_for_each_number_of_steps_and_nested_in_larger_ones():
    def first(steps, dose):
        data = gather(MAP, Experience(steps, leak=0.0, dose=dose), seed=0)
        return [data.state[data.episode == k].tolist() for k in range(3)]

    assert first(20_000, 3) == first(20_000, 9)
    assert all(a != b for a, b in zip(first(20_000, 3), first(60_000, 3), strict=True))


def test_episodes_are_kept_by_what_they_did():
    every = gather(MAP, Experience(20_000), seed=0)
    for kept, right in (
        ("clean", ~every.touched),
        ("solved", every.solved),
        ("solved and clean", every.solved & ~every.touched),
    ):
        data = gather(MAP, Experience(20_000, kept=kept), seed=0)
        assert set(data.episode) == set(np.flatnonzero(right))
        checked = data.ledger.trajectory_checks
        assert checked == (every.touched.size if "clean" in kept else 0)


def test_complete_data_show_the_problem_itself():
    data = gather(SLIPPERY, EVERYTHING, seed=0)
    seen, _ = observed(SLIPPERY, data)
    np.testing.assert_array_equal(
        seen.probability[seen.allowed], SLIPPERY.probability[seen.allowed]
    )
    np.testing.assert_array_equal(seen.allowed, SLIPPERY.allowed)


def test_cloning_is_the_posterior_mean_of_what_was_done():
    data = gather(MAP, Experience(5000), seed=2)
    found = behaviour_cloning(
        MAP, seed=2, budget=HUGE, experience=Experience(5000), prior=0.5
    )
    counts = data.visits.sum(axis=2)
    live = ~MAP.terminal
    expected = (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 2.0)
    np.testing.assert_allclose(found.policy[live], expected[live])
    assert not found.policy[~live].any()


def test_cloning_nears_what_it_clones_and_q_learning_does_not():
    """E0 in small: with data the clone follows their law, the argmax never does."""
    distance = {}
    for method in (behaviour_cloning, certainty_equivalent):
        for steps in (2000, 200_000):
            found = method(MAP, seed=0, budget=HUGE, experience=Experience(steps))
            gap = 0.5 * np.abs(found.policy - found.behaviour).sum(axis=1)
            distance[method.__name__, steps] = gap[~MAP.terminal].mean()
    assert distance["behaviour_cloning", 200_000] < 0.03
    assert (
        distance["behaviour_cloning", 200_000] < distance["behaviour_cloning", 2000] / 3
    )
    assert distance["certainty_equivalent", 200_000] > 0.7


def test_filtered_cloning_solves_sooner_than_cloning():
    experience = Experience(100_000, randomness=0.8)
    kept = Experience(100_000, randomness=0.8, kept="solved", episode_length=30)
    plain = behaviour_cloning(MAP, seed=0, budget=HUGE, experience=experience)
    filtered = behaviour_cloning(MAP, seed=0, budget=HUGE, experience=kept, prior=0.01)
    assert filtered.execution.returned.mean() > plain.execution.returned.mean()


def test_return_conditioning_follows_one_episode_and_does_not_stitch():
    """Two episodes cross in 2: 0-2-3-goal, cheap to 2, and 1-5-2-goal, cheap from 2.

    A learner of values joins the cheap halves, 0-2-goal; asked for the best return seen
    from 0, the clone does what that episode did.
    """
    # 0 -> 2 costs 1; 2 -> 3 -> 4 (goal) costs 2; 1 -> 5 -> 2 -> 4 directly costs 1.
    problem = tabular(
        [[2, 2], [5, 5], [3, 4], [4, 4], [4, 4], [2, 2]],
        reward=-np.ones((6, 2)),
        terminal=[False, False, False, False, True, False],
        starts=[0, 1],
    )
    from tegum.planning.conditioned import _by_return, _followed

    data = gather(problem, Experience(400), seed=0)
    after = problem.successor[data.state, data.action, data.branch]
    # Keep episodes from 0 that went 0, 2, 3 and those from 1 that took 2 -> 4.
    first = {e: s for e, s in zip(data.episode[::-1], data.state[::-1], strict=True)}
    detour = {e for e, to in zip(data.episode, after, strict=True) if to == 3}
    shown = [e in detour if first[e] == 0 else e not in detour for e in data.episode]
    shown = np.array(shown)
    from dataclasses import replace

    shown_data = replace(
        data, state=data.state[shown], action=data.action[shown],
        branch=data.branch[shown], reward=data.reward[shown],
        episode=data.episode[shown],
    )  # fmt: skip
    counts, best = _by_return(problem, shown_data, np.arange(6))
    from tegum.planning.outcome import run

    clone = run(*_followed(problem, counts, best, np.arange(6)))
    assert clone.returned.tolist() == [-3.0, -3.0]
    assert solve(problem).value[:2].tolist() == [-2.0, -3.0]


def test_whoever_never_arrives_loses_the_same_whatever_the_data():
    """What is lost is the problem's worst return, not the product's with targets."""
    for steps in (100, 500):
        found = return_conditioned(
            MAP, seed=0, budget=HUGE, experience=Experience(steps, randomness=1.0)
        ).execution
        lost = found.solved == 0.0
        assert lost.any()
        np.testing.assert_allclose(found.returned[lost], MAP.worst_return)


def test_return_conditioning_of_good_data_is_nearly_optimal():
    found = return_conditioned(
        MAP, seed=0, budget=HUGE, experience=Experience(60_000, randomness=0.3)
    )
    assert found.execution.solved.min() > 0.999
    assert BEST.mean() - 0.3 < found.execution.returned.mean() <= BEST.mean()


def test_pessimism_needs_more_of_a_rare_better_thing():
    """Two ways, 0.2 apart: at z = 1 the better one is taken from 25 sightings on.

    z / sqrt(n) = 0.2 at n = 25 (the other is known well).
    """
    problem = tabular(
        [[1, 2], [1, 1], [2, 2]],
        reward=[[-1.0, -1.2], [0, 0], [0, 0]],
        terminal=[False, True, True],
        starts=[0],
    )
    chosen = {}
    for leak in (0.02, 0.5):
        rare = tabular(
            problem.successor[:, :, 0],
            reward=problem.reward[:, :, 0],
            terminal=problem.terminal,
            unwanted=[False, True, False],
            starts=[0],
        )
        experience = Experience(1000, leak=leak)
        seen = gather(rare, experience, seed=0).visits[0, 0, 0]
        bold, shy = (
            certainty_equivalent(
                rare, seed=0, budget=HUGE, experience=experience, pessimism=z
            ).policy[0, 0]
            for z in (0.0, 1.0)
        )
        chosen[leak] = (seen, bold, shy)
    seen, bold, shy = chosen[0.02]
    assert 0 < seen < 20
    assert (bold, shy) == (1.0, 0.0)
    seen, bold, shy = chosen[0.5]
    assert seen > 100
    assert (bold, shy) == (1.0, 1.0)


@pytest.fixture
def one_thread_of_torch():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("method", "own"),
    [
        (fitted_q, {"kernel_width": 0.05, "n_features": 200}),
        pytest.param(neural_q, {"gradient_steps": 1500}, marks=pytest.mark.slow),
    ],
    ids=["fitted_q", "neural_q"],
)
def test_a_free_maximum_strays_where_a_constrained_one_does_not(
    method, own, one_thread_of_torch
):
    """Data that never enter the unwanted: generalisation alone leads there."""
    problem = grid_map(size=12, seed=1, queries=None).problem
    precluded = Experience(complete=True, leak=0.0)
    free, seen, full = (
        method(
            problem, seed=0, budget=HUGE, experience=data, support=support, **own
        ).execution
        for data, support in (
            (precluded, "free"),
            (precluded, "seen"),
            (EVERYTHING, "free"),
        )
    )
    assert seen.unwanted.max() == 0.0
    assert min(seen.solved.mean(), full.solved.mean()) > 0.9
    assert free.unwanted.mean() > 0.1


def test_stitching_brings_back_what_trajectory_pruning_took_away():
    """Every unwanted episode is deleted; a learner without memory joins the rest."""
    without_memory, with_memory = [], []
    for seed in range(6):
        problem = history_map(
            size=12, seed=seed, first_share=0.2, unwanted_share=0.25, queries=None
        ).problem
        for memory, rates in ((False, without_memory), (True, with_memory)):
            found = certainty_equivalent(
                problem, seed=seed, budget=HUGE,
                experience=Experience(
                    60_000, memory=memory, kept="clean", episode_length=60
                ),
            )  # fmt: skip
            rates.append(found.execution.unwanted.mean())
    assert np.mean(without_memory) > 0.02
    assert max(with_memory) == 0.0


def test_expert_iteration_becomes_the_planner():
    """With steps enough the apprentice alone answers like its expert."""
    returned = [
        expert_iteration(
            MAP, seed=0, budget=HUGE, steps=steps
        ).execution.returned.mean()
        for steps in (300, 30_000)
    ]
    assert returned[0] < returned[1]
    assert returned[1] == pytest.approx(BEST.mean(), abs=0.2)


def test_looking_ahead_finds_what_exhaustive_search_finds():
    """Depth 3 on a tree of depth 3: the first step's action is the best one."""
    deep = tree(branching=3, depth=3, seed=5)
    found = expert_iteration(deep, seed=0, budget=HUGE, steps=1, search_depth=3)
    assert found.policy[0].argmax() == solve(deep).action[0]
    assert found.ledger.expansions == 1 + 3 + 9


# --- worlds --------------------------------------------------------------------------


def test_maps_of_a_seed_share_walls_whatever_the_coupling():
    one, other = (
        grid_map(size=14, seed=7, coupling=k, queries=5).problem for k in (0.0, 0.8)
    )
    np.testing.assert_array_equal(one.successor, other.successor)
    assert one.unwanted.sum() == other.unwanted.sum()
    few = grid_map(size=14, seed=7, queries=3).problem
    np.testing.assert_array_equal(few.starts, one.starts[:3])


def test_coupling_brings_the_unwanted_to_where_shortest_ways_lead():
    """More of the traffic touches them, cell by cell, and a negative one spares it."""
    touches, rank, rate = [], [], []
    for coupling in (-0.8, 0.0, 0.8):
        problems = [
            grid_map(size=20, seed=seed, coupling=coupling, queries=None).problem
            for seed in range(15)
        ]
        touches.append(np.mean([traffic(p)[p.unwanted].mean() for p in problems]))
        rank.append(np.mean([attraction(p)[p.unwanted].mean() for p in problems]))
        found = [value_iteration(p, seed=0, budget=HUGE).execution for p in problems]
        rate.append(np.mean([execution.unwanted.mean() for execution in found]))
    assert 2 * touches[0] < touches[1] < touches[2] / 1.5
    assert rank[0] < 0.3
    assert rank[1] == pytest.approx(0.5, abs=0.03)
    assert rank[2] > 0.7
    assert rate[0] < rate[1] - 0.3


def test_all_traffic_arrives():
    """What enters the goal is one unit from every state."""
    load = traffic(MAP)
    assert load[MAP.goal] == pytest.approx(MAP.n_states)


def test_bounds_are_never_below_the_best_return():
    for problem in (MAP, SLIPPERY, tree(branching=2, depth=5, seed=1)):
        value = solve(problem).value
        assert (problem.bound >= value - 1e-9).all()
