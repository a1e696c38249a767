"""Planning under the house's laws: rows, keys, numbers, studies, and a light import."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tegum.arrays import RowsFailed, stream
from tegum.claims import Claim, Part, above, below, level, paired_difference
from tegum.design import grid
from tegum.execution import execute, judge
from tegum.planning.factors import DIRECT, METHODS
from tegum.planning.maps import grid_map
from tegum.planning.measures import QUERIES, SPENDING, WORLD
from tegum.planning.subject import PlanningProblems
from tegum.store import Store, model_keys
from tegum.study import Study

SUBJECT = PlanningProblems()
LEARNERS = [m for m in METHODS if m not in DIRECT]
DESIGN = (
    grid(
        method=list(METHODS), size=7, queries=4, steps=800, updates=2000,
        gradient_steps=20, seeds=2,
    )
    | grid(
        method=["a_star", "certainty_equivalent"],
        pruning=["eager", "lazy", "audit", "filter"],
        ties=["fixed", "random"],
        size=9,
        queries=None,
        steps=2000,
        misses=0.1,
        seed=3,
    )
    | grid(
        method="certainty_equivalent", pruning="certify", size=8, queries=None, seed=1
    )
    | grid(
        world="history", method="certainty_equivalent", memory=[True, False],
        kept="clean", size=7, steps=3000, seed=2,
    )
    | grid(world="tree", method=["value_iteration", "best_of_n"], depth=5, seed=1)
    | grid(
        method="behaviour_cloning", size=7, slip=0.2, discount=0.9, seed=4, keep="board"
    )
    | grid(method="fitted_q", size=8, steps=3000, n_random_features=60, seed=[5, 6])
)  # fmt: skip
ROWS = SUBJECT.complete(DESIGN)


def train(rows, workers=1):
    return SUBJECT.train(
        rows, workers=workers, progress=lambda share: None, stop=lambda: False
    )


def bits(artifact):
    return {k: (v.dtype.str, v.shape, v.tobytes()) for k, v in artifact.arrays.items()}


@pytest.fixture(scope="module")
def alone():
    return [bits(train([row])[0]) for row in ROWS]


@settings(max_examples=6)
@given(data=st.data())
def test_a_row_is_the_same_alone_and_among_others(alone, data):
    order = data.draw(st.permutations(range(len(ROWS))))
    kept = order[: data.draw(st.integers(1, len(ROWS)))]
    together = train([ROWS[i] for i in kept], workers=data.draw(st.integers(1, 4)))
    assert [bits(artifact) for artifact in together] == [alone[i] for i in kept]


def test_another_seed_is_another_problem(alone):
    seeds = [row["seed"] for row in ROWS[:2]]
    assert seeds[0] != seeds[1]
    assert alone[0] != alone[1]


def test_every_number_lies_in_its_declared_range():
    for row, artifact in zip(ROWS, train(ROWS), strict=True):
        for measure in (QUERIES, SPENDING, WORLD):
            for name, value in measure(artifact, row).items():
                low, high = measure.range_of(name)
                assert math.isnan(value) or low - 1e-6 <= value <= high + 1e-6, name


def test_the_numbers_of_a_problem_worked_out_by_hand():
    """One query solved clean in 3, one touching in 4 (best 2), one that never ends."""
    from tegum.arrays import Artifact
    from tegum.planning.ledger import Ledger

    artifact = Artifact(
        {
            "solved": np.array([1.0, 1.0, 0.0]),
            "unwanted": np.array([0.0, 1.0, 1.0]),
            "clean": np.array([1.0, 0.0, 0.0]),
            "returned": np.array([-3.0, -4.0, -10.0]),
            "best": np.array([-3.0, -2.0, -1.0]),
            "best_clean": np.array([-3.0, -4.0, -1.0]),
            "direct_unwanted": np.array([1.0, 1.0, 1.0]),
            "ledger": Ledger(expansions=7, state_checks=3).to_array(),
            "ended": np.array([1, -1]),
            "episodes": np.array([9, 4]),
            "world": np.array([10.0, 2.0, np.nan, 0.0]),
            "distance": np.array([np.nan, 0.5]),
        }
    )
    found = QUERIES(artifact, {})
    assert found["solved_share"] == pytest.approx(2 / 3)
    assert found["unwanted_rate"] == pytest.approx(2 / 3)
    assert found["unwanted_rate_if_solved"] == 0.5
    assert found["direct_unwanted_rate_if_solved"] == 1.0
    assert found["unwanted_or_unsolved_rate"] == pytest.approx(2 / 3)
    assert found["regret"] == pytest.approx((0 + 2 + 9) / 3)
    assert found["regret_if_solved"] == 1.0
    assert found["price_of_clean"] == pytest.approx(2 / 3)
    assert found["exhausted"] == 1.0
    assert found["unwanted_episodes"] == 4.0
    assert math.isnan(found["certified"])
    assert SPENDING(artifact, {})["operations"] == 7.0
    assert SPENDING(artifact, {})["checks"] == 3.0
    assert WORLD(artifact, {})["shortest_length"] == 2.0


def test_the_board_holds_what_a_picture_needs():
    row = next(row for row in ROWS if row["keep"] == "board")
    arrays = train([row])[0].arrays
    states = arrays["place"].shape[0]
    assert arrays["policy"].shape == arrays["covered"].shape == (states, 4)
    assert arrays["successor"].shape == (states, 4, 3)
    assert arrays["goal"].sum() == 1


@pytest.mark.parametrize(
    ("factors", "text"),
    [
        ({"method": "magic"}, "must be one of breadth_first"),
        ({"method": "a_star", "budget": 0}, "whole number from 1"),
        ({"method": "a_star", "complete": True}, "learns from no data"),
        ({"method": "breadth_first", "pruning": "certify"}, "such a search is A"),
        (
            {"method": "certainty_equivalent", "pruning": "lazy", "ties": "free"},
            "a policy takes the same action",
        ),
        ({"method": "mcts", "pruning": "lazy"}, "such a search is A"),
        (
            {"method": "q_learning", "pruning": "lazy"},
            "use method='certainty_equivalent'",
        ),
        ({"method": "return_conditioned", "complete": True}, "learns from episodes"),
        ({"method": "expert_iteration", "pruning": "audit"}, "gathers its own data"),
        ({"method": "a_star", "world": "tree", "slip": 0.1}, "whose moves are certain"),
        ({"method": "a_star", "world": "history", "patch": 2.0}, "leave it out"),
        ({"method": "a_star", "coupling": 2.0}, r"in \[-1, 1\]"),
        ({"method": "a_star", "sise": 9}, "did you mean size"),
        ({}, "`method`"),
    ],
)
def test_bad_rows_are_refused(factors, text):
    with pytest.raises(ValueError, match=text):
        SUBJECT.complete(grid(**{"seeds": 1, **factors}))


def test_a_problem_that_can_not_be_drawn_costs_its_row_alone():
    rows = SUBJECT.complete(
        grid(method="a_star", size=12, unwanted_share=[0.2, 0.95], seeds=2)
    )
    with pytest.raises(
        RowsFailed, match="2 of 4 problems could not be solved"
    ) as failed:
        train(rows)
    assert [one is not None for one in failed.value.finished] == [
        True,
        True,
        False,
        False,
    ]
    assert "lower the share or the coupling" in failed.value.errors[2]


def test_a_method_that_does_not_fit_is_told_what_does():
    rows = SUBJECT.complete(grid(method="a_star", slip=0.2, seeds=1))
    with pytest.raises(RowsFailed, match="use value_iteration or mcts"):
        train(rows)


def test_a_stop_leaves_rows_for_later():
    kept = SUBJECT.train(
        ROWS, workers=2, progress=lambda share: None, stop=lambda: True
    )
    assert kept == [None] * len(ROWS)


def test_a_given_problem_is_part_of_the_keys():
    one = grid_map(size=8, seed=1).problem
    other = grid_map(size=8, seed=2).problem
    subjects = [PlanningProblems("mine", problem=p) for p in (one, other, one)]
    row = subjects[0].complete(grid(method="a_star", seeds=1))
    keys = [model_keys(subject, row)[0] for subject in subjects]
    assert keys[0] == keys[2] != keys[1]
    with pytest.raises(ValueError, match="no factor is called `size`"):
        subjects[0].complete(grid(method="a_star", size=9, seeds=1))
    found = subjects[0].train(
        row, workers=1, progress=lambda share: None, stop=lambda: False
    )
    assert math.isnan(WORLD(found[0], row[0])["clean_way_share"])


def test_a_study_of_planning_goes_from_design_to_verdict():
    study = Study(
        name="pruned-or-not",
        question="Does lazy pruning keep a planner from the unwanted?",
        subject=SUBJECT,
        designs={
            "demo": grid(
                method="a_star", pruning=["none", "lazy"], size=12, queries=8,
                seeds=range(10, 34),
            )
        },
        measures=[QUERIES, SPENDING],
        claims=[
            Claim(
                "kept-away",
                "Lazy pruning leaves nothing unwanted, and free planning much.",
                [
                    Part(
                        level("unwanted_rate", where={"pruning": "lazy"}),
                        below(0.01),
                    ),
                    Part(
                        paired_difference(
                            "unwanted_rate", factor="pruning", treated="none",
                            control="lazy", where={},
                        ),
                        above(0.2),
                    ),
                ],
                reason="By construction, and a fifth of the queries.",
                source="derived",
            )
        ],
        alpha=0.05,
    )  # fmt: skip
    store = Store.in_memory()
    results = execute(study, store, workers=1)
    assert not results.problems
    verdicts = judge(study, store)
    assert [verdict.word for verdict in verdicts] == ["supported"]


def test_a_shuffled_label_is_drawn_apart_from_the_noise_of_the_map():
    assert stream(1, "shuffle").random() != stream(1, "oracle").random()


@pytest.mark.parametrize("module", ["numba", "gymnasium", "quantecon"])
def test_listing_a_planning_study_loads_no_compiler(module):
    code = (
        "import sys\n"
        "from tegum import grid\n"
        "from tegum.planning import PlanningProblems, QUERIES, SPENDING, WORLD\n"
        "PlanningProblems().complete(grid(method='a_star', seeds=2))\n"
        f"assert {module!r} not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_without_the_compiler_a_run_says_in_one_line_what_to_install(tmp_path):
    # A name that is None in sys.modules can not be imported: a bare install.
    code = "import sys\nsys.modules['numba'] = None\nfrom tegum.cli import app\napp()"
    asked = ["run", "pruning-cost", "--quiet", "--store", str(tmp_path / "store")]
    done = subprocess.run(
        [sys.executable, "-c", code, *asked], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "pip install 'tegum[planning]'" in done.stderr


def test_rows_that_lack_pytorch_fail_alone_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    rows = PlanningProblems().complete(
        grid(method=["neural_q", "q_learning"], size=6, steps=500, seed=1)
    )
    quiet = {"workers": 1, "progress": lambda _: None, "stop": lambda: False}
    with pytest.raises(RowsFailed, match=r"pip install 'tegum\[torch\]'") as raised:
        PlanningProblems().train(rows, **quiet)
    assert list(raised.value.errors) == [0]
    assert raised.value.finished[1] is not None
