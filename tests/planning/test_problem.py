"""Bad input is refused with the value, the range and the remedy; tables stay frozen."""

import numpy as np
import pytest

from tegum.planning.amortised import certainty_equivalent, q_learning
from tegum.planning.direct import a_star, best_of_n, breadth_first, value_iteration
from tegum.planning.exact import solve
from tegum.planning.experience import Experience
from tegum.planning.histories import Automaton, product
from tegum.planning.ledger import LEDGER_FIELDS, Ledger
from tegum.planning.maps import grid_map
from tegum.planning.oracle import asked, erring, perfect
from tegum.planning.outcome import run
from tegum.planning.problem import Problem, tabular
from tegum.planning.pruning import Pruning, pruned_learning, pruned_search
from tegum.planning.trees import tree

LINE = {
    "successor": [[0, 1], [1, 1]],
    "reward": [[-1.0, -1.0], [0.0, 0.0]],
    "terminal": [False, True],
    "starts": [0],
}
MAP = grid_map(size=8, seed=1).problem


def line(**changes) -> Problem:
    given = LINE | changes
    return tabular(given.pop("successor"), **given)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"reward": [[-1.0, np.nan], [0, 0]]}, "action 1 in state 0 is nan"),
        ({"reward": [[-1.0, np.inf], [0, 0]]}, "must be finite"),
        ({"reward": [[-1.0], [0]]}, "shape"),
        (
            {"successor": [[0, 2], [1, 1]]},
            "leads to state 2; states are numbered 0 to 1",
        ),
        ({"successor": [0, 1]}, "a row for each state"),
        ({"starts": []}, "give at least one state"),
        ({"starts": [7]}, "numbered 0 to 1"),
        ({"starts": [1]}, "start 1 is terminal"),
        ({"discount": 0.0}, r"must lie in \(0, 1\]"),
        ({"discount": 1.5}, r"must lie in \(0, 1\]"),
        ({"goal": [True, True]}, "goal and not terminal"),
        ({"unwanted": [True]}, "`unwanted` has the shape"),
        ({"bound": [np.nan, 0.0]}, "`bound` holds a number that is not finite"),
        (
            {
                "successor": [[[0, 1]], [[1, 1]]],
                "reward": [[-1.0], [0.0]],
                "probability": [[[0.5, 0.6]], [[1, 0]]],
            },
            "sum to 1",
        ),
    ],
)
def test_what_is_no_problem_is_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        line(**changes)


def test_tables_are_copies_and_can_not_be_written_to():
    unwanted = np.array([False, False])
    problem = line(unwanted=unwanted)
    unwanted[0] = True
    assert not problem.unwanted.any()
    for name in ("successor", "reward", "unwanted", "starts"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(problem, name)[0] = 0


def test_the_digest_is_of_everything_in_it():
    assert line().digest() == line().digest()
    others = [
        line(unwanted=[True, False]),
        line(reward=[[-1.0, -2.0], [0, 0]]),
        line(discount=0.9),
        line(starts=[0, 0]),
    ]
    assert len({p.digest() for p in [line(), *others]}) == 5


@pytest.mark.parametrize("budget", [0, -1, True])
@pytest.mark.parametrize(
    "method",
    [breadth_first, value_iteration, best_of_n, certainty_equivalent, q_learning],
    ids=lambda m: m.__name__,
)
def test_a_budget_of_nothing_is_refused(method, budget):
    with pytest.raises(ValueError, match="whole number of operations from 1"):
        method(MAP, seed=0, budget=budget)


def test_a_goal_out_of_reach_is_an_outcome_that_says_so():
    """State 0 can not leave: no method solves it, none fails."""
    island = tabular(
        [[0, 0], [2, 1], [2, 2]],
        reward=-np.ones((3, 2)),
        terminal=[False, False, True],
        starts=[0, 1],
    )
    for method in (breadth_first, a_star, value_iteration, certainty_equivalent):
        found = method(island, seed=0, budget=10**6)
        assert found.execution.solved.tolist() == [0.0, 1.0]
        assert found.execution.returned.tolist() == [-3.0, -1.0]
    assert solve(island).value.tolist() == [-np.inf, -1.0, 0.0]


def test_free_moves_without_discount_are_refused():
    free = line(reward=[[0.0, -1.0], [0, 0]])
    for method in (a_star, value_iteration):
        with pytest.raises(ValueError, match="must cost something"):
            method(free, seed=0, budget=10)


def test_a_search_for_certain_moves_refuses_others():
    slippery = grid_map(size=6, seed=1, slip=0.1).problem
    with pytest.raises(ValueError, match="up to 3 places; use value_iteration"):
        a_star(slippery, seed=0, budget=10)
    with pytest.raises(ValueError, match="`lazy pruning` needs moves that are certain"):
        pruned_search(
            slippery,
            lambda one: value_iteration(one, seed=0, budget=10**6),
            oracle=perfect(slippery),
            pruning=Pruning("lazy"),
            seed=0,
            budget=10**6,
        )
    with pytest.raises(ValueError, match="discount 1"):
        a_star(grid_map(size=6, seed=1, discount=0.9).problem, seed=0, budget=10)
    with pytest.raises(ValueError, match="all cost 1; use a_star"):
        breadth_first(tree(branching=2, depth=2, seed=0), seed=0, budget=10)


def test_an_oracle_that_contradicts_itself_is_refused():
    answers = iter([True, False] * 1000)
    with pytest.raises(ValueError, match="contradicts itself: it called state"):
        asked(line(successor=[[0, 1], [1, 1]]), lambda s: next(answers) if s else False)
    with pytest.raises(ValueError, match="must answer True"):
        asked(line(), lambda s: 0.3)
    assert asked(MAP, lambda s: bool(MAP.unwanted[s])).says.tolist() == (
        MAP.unwanted.tolist()
    )


def test_oracle_errors_are_nested_and_as_frequent_as_stated():
    problem = grid_map(size=60, seed=1).problem
    wrong = [
        erring(problem, misses=r, false_alarms=r / 2, seed=3).says != problem.unwanted
        for r in (0.0, 0.1, 0.4)
    ]
    assert not wrong[0].any()
    assert not (wrong[1] & ~wrong[2]).any()
    assert wrong[2][problem.unwanted].mean() == pytest.approx(0.4, abs=0.1)
    assert wrong[2][~problem.unwanted].mean() == pytest.approx(0.2, abs=0.05)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
        erring(problem, misses=1.0, false_alarms=0.0, seed=0)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Experience(0), "at least 1"),
        (lambda: Experience(leak=1.2), "must lie in"),
        (lambda: Experience(complete=True, kept="clean"), "have no episodes"),
        (lambda: Pruning("sometimes"), "must be one of none, eager"),
        (lambda: Pruning(epsilon=0.0), "strictly between 0 and 1"),
        (lambda: grid_map(size=20, seed=0, unwanted_share=0.9), "lower the share"),
        (lambda: grid_map(size=4, seed=0, queries=99), "ask for fewer"),
        (lambda: grid_map(size=30, seed=0, wall_share=0.6), "lower `wall_share`"),
        (lambda: tree(branching=10, depth=9, seed=0), "lower one of them"),
        (lambda: Automaton(np.array([[0, 3]]), np.array([False])), "leads to memory 3"),
        (
            lambda: product(
                MAP,
                Automaton(np.array([[0]]), np.array([False])),
                labels=np.ones(MAP.n_states, dtype=int),
            ),
            "the automaton reads 0 to 0",
        ),
        (lambda: run(MAP, np.ones((MAP.n_states, 4))), "sum to 1"),
        (lambda: run(MAP, np.ones((3, 4))), "must be"),
    ],
)
def test_what_can_not_be_is_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_a_learner_without_memory_can_not_be_pruned_state_by_state():
    from tegum.planning.histories import history_map

    problem = history_map(size=8, seed=1).problem
    with pytest.raises(ValueError, match="give it memory"):
        pruned_learning(
            problem,
            lambda one, seen: certainty_equivalent(
                one, seed=0, budget=10**6, experience=seen
            ),
            experience=Experience(1000, memory=False),
            oracle=perfect(problem),
            pruning=Pruning("lazy"),
            seed=0,
            budget=10**6,
        )


def test_a_ledger_adds_up_and_survives_storage():
    one = Ledger(expansions=3, environment_steps=2, state_checks=5, replans=1)
    both = one + one
    assert both.operations == 10
    assert both.checks == 10
    assert Ledger.from_array(both.to_array()) == both
    assert len(both.to_array()) == len(LEDGER_FIELDS)
