"""Pruning on either side: the matched law, the ledger by hand, silent cases."""

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from tegum.arrays import stream
from tegum.planning.amortised import certainty_equivalent
from tegum.planning.direct import a_star, breadth_first
from tegum.planning.exact import distances_of, prices, solve
from tegum.planning.experience import Experience
from tegum.planning.maps import grid_map
from tegum.planning.oracle import Oracle, erring, perfect, shuffled
from tegum.planning.outcome import run
from tegum.planning.problem import tabular, without
from tegum.planning.pruning import (
    Pruning,
    pruned_learning,
    pruned_search,
    suspicion,
    taken_away,
)
from tegum.planning.shortest import predecessors, remove_and_repair
from tegum.planning.sides import (
    certify,
    data_side,
    learned_without,
    prune_lazily,
    search_side,
)
from tegum.planning.trees import tree

HUGE = 10**12
EVERYTHING = Experience(complete=True)


def search(problem, pruning, *, oracle=None, seed=0, budget=HUGE, informed=True):
    return pruned_search(
        problem,
        lambda one: a_star(one, seed=seed, budget=budget),
        oracle=oracle or perfect(problem),
        pruning=pruning,
        seed=seed,
        budget=budget,
        informed=informed,
    )


def learning(problem, pruning, *, oracle=None, seed=0, experience=EVERYTHING):
    return pruned_learning(
        problem,
        lambda one, seen: certainty_equivalent(
            one, seed=seed, budget=HUGE, experience=seen
        ),
        experience=experience,
        oracle=oracle or perfect(problem),
        pruning=pruning,
        seed=seed,
        budget=HUGE,
    )


@st.composite
def maps(draw):
    """Maps of all kinds; a coupled one with many walls may not exist."""
    factors = {
        "size": draw(st.integers(5, 18)),
        "seed": draw(st.integers(0, 10_000)),
        "wall_share": draw(st.sampled_from([0.0, 0.15, 0.25])),
        "unwanted_share": draw(st.sampled_from([0.0, 0.1, 0.2])),
        "coupling": draw(st.sampled_from([-0.8, 0.0, 0.8])),
    }
    try:
        return grid_map(**factors, queries=draw(st.sampled_from([1, 2, None])))
    except ValueError:
        reject()


@settings(max_examples=50)
@given(maps(), st.booleans())
def test_matched_lazy_pruning_asks_the_same_on_both_sides(drawn, informed):
    """Ties fixed, all data, a state-local oracle: the very same questions in order."""
    problem = drawn.problem
    one = search(problem, Pruning("lazy"), informed=informed)
    other = learning(problem, Pruning("lazy"))
    assert one.asked.tolist() == other.asked.tolist()
    assert one.ledger.state_checks == other.ledger.state_checks
    assert one.ledger.replans == other.ledger.retrainings - 1
    assert one.execution.unwanted.max() == other.execution.unwanted.max() == 0.0
    np.testing.assert_array_equal(one.execution.returned, other.execution.returned)


@settings(max_examples=15)
@given(maps(), st.sampled_from([0.05, 0.2]))
def test_certificates_are_the_same_on_both_sides(drawn, epsilon):
    """Ties fixed and one sample of queries: the same passes, check for check."""
    rule = Pruning("certify", epsilon=epsilon)
    one, other = search(drawn.problem, rule), learning(drawn.problem, rule)
    assert one.asked.tolist() == other.asked.tolist()
    for count in ("state_checks", "rollout_checks"):
        assert getattr(one.ledger, count) == getattr(other.ledger, count)
    assert one.ledger.replans == other.ledger.retrainings - 1
    assert one.certified
    assert other.certified
    np.testing.assert_array_equal(one.execution.unwanted, other.execution.unwanted)
    np.testing.assert_array_equal(one.execution.returned, other.execution.returned)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(4, 12))
def test_prices_of_their_own_leave_both_sides_alike(seed, size):
    """Neither piles nor whole numbers: every move has a price, and goals are two."""
    base = grid_map(size=size, seed=seed, queries=3).problem
    draw = stream(seed, "prices")
    ends = base.terminal.copy()
    ends[np.setdiff1d(np.flatnonzero(~base.unwanted), base.starts)[0]] = True
    priced = tabular(
        base.successor,
        reward=-draw.choice([0.5, 1.0, 1.5], base.reward.shape),
        allowed=base.allowed & ~ends[:, None],
        terminal=ends,
        unwanted=base.unwanted & ~ends,
        starts=base.starts,
    )
    for procedure in ("lazy", "certify"):
        one = search(priced, Pruning(procedure))
        other = learning(priced, Pruning(procedure))
        assert one.asked.tolist() == other.asked.tolist(), procedure


@pytest.mark.parametrize("seed", range(4))
def test_it_holds_for_trees_and_for_an_oracle_that_errs(seed):
    problem = tree(branching=3, depth=4, seed=seed, coupling=0.5, unwanted_share=0.5)
    oracle = erring(problem, misses=0.3, false_alarms=0.0, seed=seed)
    one = search(problem, Pruning("lazy"), oracle=oracle)
    other = learning(problem, Pruning("lazy"), oracle=oracle)
    assert one.asked.tolist() == other.asked.tolist()
    # Leaves are proposed from the best downwards until one is called wanted.
    leaves = np.flatnonzero(problem.terminal)
    worth = [problem.reward[(s - 1) // 3, (s - 1) % 3, 0] for s in leaves]
    ranked = leaves[np.argsort(worth)[::-1]]
    accepted = int(np.flatnonzero(~oracle.says[ranked])[0])
    proposed = [s for s in one.asked if problem.terminal[s]]
    assert proposed == ranked[: accepted + 1].tolist()


def test_with_random_ties_it_holds_in_distribution():
    """Open maps have many ties: checks differ map by map and agree on average."""
    problems = [
        grid_map(size=12, seed=seed, wall_share=0.0).problem for seed in range(150)
    ]
    random = Pruning("lazy", ties="random")
    difference = np.array(
        [
            search(p, random, seed=i).ledger.unique_state_checks
            - learning(p, random, seed=i).ledger.unique_state_checks
            for i, p in enumerate(problems)
        ]
    )
    spread = difference.std() / np.sqrt(difference.size)
    assert spread > 0.1
    assert abs(difference.mean()) < 4 * spread


def test_the_ledger_of_a_run_counted_by_hand():
    """A corridor 0-1-2-3 with a way round 1: 0-4-5-6-2, and 1 unwanted.

    Lazy search, nothing estimated. First plan 0, 1, 2, 3: states 0, 1, 4, 2, 5 are
    nearer than 3 and are expanded, and 6, as far as 3, which was put on top of it; 0
    and 1 are asked, and 1 goes. Second plan 0, 4, 5, 6, 2, 3: all but the goal are
    expanded, five of them; its six states are asked, 0 for the second time.
    """
    # Actions: forward along the corridor, forward on the way round.
    problem = tabular(
        [[1, 4], [2, 1], [3, 2], [3, 3], [4, 5], [5, 6], [6, 2]],
        reward=-np.ones((7, 2)),
        terminal=[False, False, False, True, False, False, False],
        unwanted=[False, True, False, False, False, False, False],
        starts=[0],
    )
    one = search(problem, Pruning("lazy"), informed=False)
    assert one.asked.tolist() == [0, 1, 4, 5, 6, 2, 3]
    assert one.ledger.state_checks == 2 + 6
    assert one.ledger.unique_state_checks == 7
    assert one.ledger.replans == 1
    assert one.ledger.expansions == 6 + 5
    assert one.execution.returned.tolist() == [-5.0]
    # Learning: 12 transitions are allowed (2 for each state but the goal), each walked
    # once; 7 states are settled. Without 1, whose value is gone, 0 is worked out anew.
    other = learning(problem, Pruning("lazy"))
    assert other.ledger.environment_steps == 12
    assert other.ledger.retrainings == 2
    assert other.ledger.state_checks == 8
    assert other.ledger.backups == 7 + 2
    eager = learning(problem, Pruning("eager"))
    assert eager.ledger.state_checks == 12 + 1
    assert eager.ledger.unique_state_checks == 7
    assert search(problem, Pruning("eager")).ledger.state_checks == 7
    plain = breadth_first(problem, seed=0, budget=HUGE)
    assert plain.ledger.expansions == 4  # 0, 1, 4, 2


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(4, 14))
def test_a_repaired_solution_is_the_solution_from_scratch(seed, size):
    """Take states away one by one, on a map with prices of its own for every move."""
    base = grid_map(size=size, seed=seed).problem
    draw = stream(seed, "prices")
    priced = tabular(
        base.successor,
        reward=-draw.integers(1, 4, base.reward.shape).astype(float),
        terminal=base.terminal,
        starts=base.starts,
    )
    distance, _ = distances_of(priced)
    removed = np.zeros(priced.n_states, dtype=bool)
    first, source, column = predecessors(priced.moves)
    room = source.size + priced.n_states + 1
    keys, items = np.empty(room), np.empty(room, dtype=np.int64)
    touched, old = np.empty(room, dtype=np.int64), np.empty(room)
    for lost in draw.permutation(priced.n_states)[:8]:
        remove_and_repair(
            lost, priced.moves, prices(priced), first, source, column, distance,
            removed, keys, items, touched, old,
        )  # fmt: skip
        fresh, _ = distances_of(priced, removed=removed)
        np.testing.assert_array_equal(distance, fresh)


@pytest.mark.parametrize("procedure", ["eager", "lazy"])
@pytest.mark.parametrize("side", [search, learning])
def test_complete_pruning_leaves_the_best_clean_way(procedure, side):
    problem = grid_map(size=14, seed=5, queries=None).problem
    outcome = side(problem, Pruning(procedure))
    best = solve(without(problem, problem.unwanted)).value[problem.starts]
    np.testing.assert_array_equal(outcome.execution.returned, best)
    assert outcome.execution.unwanted.max() == 0.0


def test_an_audit_of_nothing_is_no_pruning_and_of_all_is_eager():
    problem = grid_map(size=14, seed=5, queries=None).problem
    free = search(problem, Pruning("none")).execution
    none = search(problem, Pruning("audit", share=0.0))
    every = learning(problem, Pruning("audit", share=1.0))
    np.testing.assert_array_equal(none.execution.returned, free.returned)
    assert none.ledger.checks == 0
    assert every.execution.unwanted.max() == 0.0
    most = [
        search(
            problem, Pruning("audit", share=0.9), seed=seed
        ).execution.unwanted.mean()
        for seed in range(10)
    ]
    assert 0.0 < np.mean(most) < free.unwanted.mean()


def test_a_filter_learns_what_lies_together_and_is_silent_where_nothing_does():
    """Unwanted cells in patches are guessed from a few answers; scattered ones not."""
    rule = Pruning("filter", checks=200, threshold=0.5, width=0.03)
    caught = {}
    for patch in (0.0, 3.0):
        problem = grid_map(size=40, seed=3, patch=patch, queries=None).problem
        rank = stream(0, "inspection").random(problem.n_states)
        asked = np.argsort(rank)[:200]
        chance = suspicion(
            problem, asked, problem.unwanted[asked], width=rule.width
        )  # fmt: skip
        others = np.setdiff1d(np.arange(problem.n_states), asked)
        flagged = chance[others] > rule.threshold
        caught[patch] = flagged[problem.unwanted[others]].mean() - flagged.mean()
    assert caught[3.0] > 0.3
    assert abs(caught[0.0]) < 0.1


def test_a_certificate_holds_and_is_paid_for_in_passes():
    """Over 60 maps: more than epsilon unwanted happens in at most delta of them."""
    rule = Pruning("certify", epsilon=0.1, delta=0.1)
    broken, certified = 0, 0
    for seed in range(60):
        problem = grid_map(size=16, seed=seed, queries=None).problem
        outcome = learning(problem, rule, seed=seed)
        certified += bool(outcome.certified)
        broken += outcome.execution.unwanted.mean() > rule.epsilon
        assert outcome.ledger.rollout_checks >= 22  # ln 0.1 / ln 0.9
    assert certified == 60
    assert broken <= 60 * 0.1 + 4 * np.sqrt(60 * 0.1 * 0.9)


def test_a_certificate_of_search_holds_whatever_its_ties():
    """Every plan decides its ties anew; what is left is exact, and promised."""
    rule = Pruning("certify", epsilon=0.1, delta=0.1, ties="free")
    broken = 0
    for seed in range(40):
        problem = grid_map(size=14, seed=seed, queries=None).problem
        outcome = search(problem, rule, seed=seed)
        assert outcome.certified
        broken += outcome.execution.unwanted.mean() > rule.epsilon
        walked = run(problem, outcome.policy)
        for name in ("solved", "unwanted", "clean", "returned"):
            np.testing.assert_allclose(
                getattr(outcome.execution, name), getattr(walked, name), atol=1e-9
            )
    assert broken <= 40 * 0.1 + 4 * np.sqrt(40 * 0.1 * 0.9)


def test_free_ties_take_every_equally_good_way():
    """From one corner of a 3 x 3 board to the other, right and down alone.

    Both first moves are as likely, and from either cell both next ones: half of the
    ways lead through the middle.
    """
    # Cells of a 3 x 3 board, row by row; actions: right, down.
    to = [[s + 1 if s % 3 < 2 else s, s + 3 if s < 6 else s] for s in range(9)]
    problem = tabular(
        to,
        reward=-np.ones((9, 2)),
        terminal=np.arange(9) == 8,
        allowed=[[s % 3 < 2, s < 6] for s in range(9)],
        unwanted=np.arange(9) == 4,
        starts=[0],
    )
    no_one = Oracle(np.zeros(9, dtype=bool))
    met = 0
    for seed in range(1000):
        side = search_side(problem, seed=seed, ties="free")
        outcome, _ = prune_lazily(side, no_one, starts=problem.starts, budget=HUGE)
        met += int(outcome.execution.unwanted[0])
    assert abs(met - 500) < 5 * np.sqrt(250)
    sure = certify(
        search_side(problem, seed=0, ties="free"), no_one, epsilon=0.5, delta=0.5,
        budget=HUGE,
    )  # fmt: skip
    assert sure.execution.unwanted[0] == pytest.approx(0.5)


def test_a_certificate_that_the_budget_cuts_short_is_none():
    problem = grid_map(size=14, seed=1, queries=None).problem
    rule = Pruning("certify")
    whole = search(problem, rule).ledger.expansions
    short = search(problem, rule, budget=whole // 2)
    assert short.exhausted
    assert short.certified is False
    assert short.ledger.expansions <= whole // 2


def test_a_search_that_forgets_asks_what_lone_queries_ask():
    problem = grid_map(size=20, seed=4, queries=6).problem
    side = search_side(problem, seed=0)
    outcome, after = prune_lazily(
        side, perfect(problem), starts=problem.starts, budget=HUGE, remembers=False
    )
    alone = [
        prune_lazily(side, perfect(problem), starts=problem.starts[k : k + 1],
                     budget=HUGE)[1][0]
        for k in range(6)
    ]  # fmt: skip
    np.testing.assert_array_equal(np.cumsum(alone, axis=0)[:, :4], after[:, :4])
    np.testing.assert_array_equal(np.array(alone)[:, 4], after[:, 4])
    assert outcome.ledger.unique_state_checks == after[-1, 0] > outcome.asked.size
    assert outcome.execution.clean.min() == 1.0


def test_what_was_spent_after_a_query_is_what_so_many_queries_cost():
    problem = grid_map(size=16, seed=4, queries=None).problem
    oracle = perfect(problem)
    for side in (
        search_side(problem, seed=0),
        data_side(problem, experience=EVERYTHING, seed=0),
    ):
        common = {"oracle": oracle, "budget": HUGE}
        _, after = prune_lazily(side, starts=problem.starts, **common)
        some, _ = prune_lazily(side, starts=problem.starts[:7], **common)
        restarts = some.ledger.replans + max(some.ledger.retrainings - 1, 0)
        assert after[6, :4].tolist() == [
            some.ledger.unique_state_checks, some.ledger.state_checks, restarts,
            some.ledger.operations,
        ]  # fmt: skip


@pytest.mark.parametrize("procedure", ["eager", "audit", "filter"])
def test_a_side_that_is_ready_learns_what_pruned_learning_does(procedure):
    problem = grid_map(size=16, seed=4, patch=1.0, queries=None).problem
    rule = Pruning(procedure, share=0.7, checks=60)
    whole = learning(problem, rule)
    gone, asked = taken_away(problem, perfect(problem), rule, seed=0)
    found = learned_without(data_side(problem, experience=EVERYTHING, seed=0), gone)
    np.testing.assert_array_equal(asked, whole.asked)
    np.testing.assert_array_equal(found.policy, whole.policy)
    np.testing.assert_array_equal(found.execution.unwanted, whole.execution.unwanted)
    np.testing.assert_array_equal(found.execution.returned, whole.execution.returned)
    assert found.ledger.operations == whole.ledger.operations


def test_a_policy_has_no_free_ties():
    problem = grid_map(size=8, seed=4).problem
    with pytest.raises(ValueError, match="a policy takes the same action"):
        learning(problem, Pruning("lazy", ties="free"))


def test_a_shuffled_oracle_helps_as_little_as_it_should():
    """The control: with the labels of other states, queries stay about as unwanted."""
    free, misled, right = [], [], []
    for seed in range(20):
        problem = grid_map(size=16, seed=seed, queries=None).problem
        control = shuffled(problem, seed=seed)
        assert control.says.sum() == problem.unwanted.sum()
        free.append(search(problem, Pruning("none")).execution.unwanted.mean())
        right.append(search(problem, Pruning("eager")).execution.unwanted.mean())
        found = search(problem, Pruning("eager"), oracle=control).execution
        misled.append(found.unwanted[found.solved == 1.0].mean())
    assert max(right) == 0.0
    assert np.mean(misled) > 0.7 * np.mean(free)


def test_what_the_oracle_misses_gets_through():
    problem = grid_map(size=16, seed=1, queries=None).problem
    oracle = erring(problem, misses=0.5, false_alarms=0.0, seed=1)
    outcome = search(problem, Pruning("lazy"), oracle=oracle)
    touched = outcome.execution.unwanted
    missed = problem.unwanted & ~oracle.says
    assert touched.mean() > 0.0
    only = without(problem, problem.unwanted & oracle.says)
    assert run(only, outcome.policy).unwanted.mean() == touched.mean()
    assert (missed & problem.unwanted).sum() == missed.sum() > 0


def test_a_budget_that_ends_early_leaves_queries_unsolved():
    problem = grid_map(size=16, seed=1, queries=8).problem
    whole = search(problem, Pruning("lazy"))
    short = search(problem, Pruning("lazy"), budget=whole.ledger.expansions // 2)
    assert short.exhausted
    assert not whole.exhausted
    assert short.execution.solved.sum() < whole.execution.solved.sum() == 8
    assert short.ledger.expansions <= whole.ledger.expansions // 2


def test_a_query_without_a_clean_way_is_unsolved_on_both_sides():
    """The only way leads through the unwanted middle of a corridor."""
    problem = tabular(
        [[1, 0], [2, 0], [2, 2]],
        reward=-np.ones((3, 2)),
        terminal=[False, False, True],
        unwanted=[False, True, False],
        starts=[0],
    )
    for outcome in (
        search(problem, Pruning("lazy")),
        learning(problem, Pruning("lazy")),
        search(problem, Pruning("eager")),
        learning(problem, Pruning("eager")),
    ):
        assert outcome.execution.solved.tolist() == [0.0]
        assert outcome.execution.unwanted.tolist() == [0.0]
        assert outcome.execution.returned.tolist() == [-3.0]
