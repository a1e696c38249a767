import doctest
import os

import chromium
import numpy as np
import pytest

from tegum.planning import grid_map, history_map, tabular, tree
from tegum.planning.amortised import behaviour_cloning, certainty_equivalent
from tegum.planning.direct import (
    a_star,
    best_of_n,
    boltzmann_planner,
    value_iteration,
)
from tegum.planning.ledger import Ledger
from tegum.planning.outcome import Outcome, run
from tegum.planning.subject import board as kept
from tegum.report import board as drawing
from tegum.report import save_figure
from tegum.report.board import board, boards, drawn
from tegum.report.ways import SETTLED, played, way_of

PLENTY = {"seed": 0, "budget": 10**9}


def corridor(**given):
    """Five cells in a row, the goal at the right end, the third cell unwanted."""
    left, right = np.maximum(np.arange(5) - 1, 0), np.minimum(np.arange(5) + 1, 4)
    usual = {
        "successor": np.stack([left, right], axis=1),
        "reward": np.full((5, 2), -1.0),
        "terminal": np.arange(5) == 4,
        "unwanted": np.arange(5) == 2,
        "starts": [0],
    }
    found = {**usual, **given}
    return tabular(found.pop("successor"), **found)


def outcome(problem, policy, **given):
    policy = np.array(policy, dtype=float)
    return Outcome(policy, run(problem, policy), Ledger(), **given)


def way(problem, policy):
    return way_of(seen(problem, outcome(problem, policy)))


def seen(problem, found, **order):
    arrays = kept(problem, found) | {"probability": problem.probability} | order
    return played(arrays)


RIGHT = [[0, 1]] * 4 + [[0, 0]]
COIN = [[0.5, 0.5]] * 4 + [[0, 0]]
STUCK = [[0, 1], [0, 0], [0, 1], [0, 1], [0, 0]]
AROUND = [[0, 1], [1, 0], [0, 1], [0, 1], [0, 0]]


# --- what becomes of a start ---------------------------------------------------------


def test_a_certain_way_is_a_line_of_cells_in_order():
    found = way(corridor(), RIGHT)
    assert found.line.tolist() == [0, 1, 2, 3, 4]
    assert found.steps == 4.0
    np.testing.assert_array_equal(found.solved, [0, 0, 0, 0, 1])
    np.testing.assert_array_equal(found.unwanted, [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(found.chance, np.tri(5))


def test_a_way_without_an_idea_ends_where_it_is_stuck():
    found = way(corridor(), STUCK)
    assert found.line.tolist() == [0, 1]
    assert found.solved[-1] == found.unwanted[-1] == 0.0
    assert np.isnan(found.steps)


def test_a_way_that_goes_in_a_circle_is_followed_and_never_arrives():
    found = way(corridor(), AROUND)
    assert found.line[:4].tolist() == [0, 1, 0, 1]
    assert found.solved[-1] == 0.0


def test_chances_of_a_fair_coin_by_hand():
    # Two cells: stay or arrive, each with 1/2. Arrived by t with 1 - 2^-t; 2 steps.
    two = corridor(
        successor=[[0, 1], [1, 1]], reward=np.full((2, 2), -1.0),
        terminal=[False, True], unwanted=[False, False],
    )  # fmt: skip
    found = way(two, [[0.5, 0.5], [0, 0]])
    t = np.arange(len(found.solved))
    np.testing.assert_allclose(found.solved, 1 - 0.5**t)
    np.testing.assert_allclose(found.chance[:, 1], 1 - 0.5**t)
    assert found.steps == pytest.approx(2.0, abs=0.02)
    assert found.line is None


@pytest.mark.parametrize("slip", [0.0, 0.2])
def test_where_it_ends_agrees_with_the_exact_execution(slip):
    problem = grid_map(size=8, seed=3, slip=slip, coupling=0.5, queries=1).problem
    found = boltzmann_planner(problem, **PLENTY, temperature=2.0)
    drawn_way = way_of(seen(problem, found))
    assert drawn_way.solved[-1] == pytest.approx(
        found.execution.solved[0], abs=2 * SETTLED
    )
    assert drawn_way.unwanted[-1] == pytest.approx(
        found.execution.unwanted[0], abs=2 * SETTLED
    )
    assert (np.diff(drawn_way.chance, axis=0) >= -1e-12).all()


def test_states_at_one_place_are_one_cell():
    problem = history_map(size=6, seed=1, queries=1).problem
    found = a_star(problem, **PLENTY)
    play = seen(problem, found)
    assert len(play.place) > play.cells[1] / 2
    assert way_of(play).chance.shape[1] == play.cells[1]
    assert board(problem, found).data


# --- the figure ----------------------------------------------------------------------


def of_kind(figure, symbol):
    marks = [trace for trace in figure.data if trace.type == "scatter"]
    return [t for t in marks if t.marker.symbol == symbol and t.x[0] is not None]


@pytest.fixture(scope="module")
def problem():
    return grid_map(size=8, seed=5, coupling=0.5, queries=1).problem


def test_every_cell_is_drawn_as_what_it_is(problem):
    figure = board(problem, a_star(problem, **PLENTY))
    kind = np.array(figure.data[0].z)
    assert (kind > 0).sum() == problem.n_states
    assert (kind == 2).sum() == problem.unwanted.sum()
    (crosses,) = of_kind(figure, "x-thin")
    assert len(crosses.x) == problem.unwanted.sum()
    (goal,) = of_kind(figure, "star")
    assert [goal.y[0], goal.x[0]] == problem.place[problem.goal][0].tolist()


def test_the_last_stop_is_what_is_drawn_and_the_first_is_the_map_alone(problem):
    figure = board(problem, value_iteration(problem, **PLENTY))
    slider = figure.layout.sliders[0]
    assert slider.active == len(slider.steps) - 1 == len(figure.frames) - 1
    first, last = figure.frames[0], figure.frames[-1]
    assert len(first.data[2].x) == 0
    for position, trace in zip(last.traces, last.data, strict=True):
        shown = figure.data[position].to_plotly_json()
        assert {k: v for k, v in shown.items() if k not in ("xaxis", "yaxis")} == (
            trace.to_plotly_json()
        )
    steps = [len(frame.data[2].x) for frame in figure.frames]
    assert steps == sorted(steps)
    line = way_of(seen(problem, value_iteration(problem, **PLENTY))).line
    assert steps[-1] == len(line)


def test_search_and_questions_come_in_order():
    corridor_ = corridor()
    found = outcome(corridor_, RIGHT, asked=np.array([3, 1, 3]))
    figure = drawn(
        {"": seen(corridor_, found, touched=np.array([0, 1, 0, 2]))}, columns=1
    )
    labels = [step.label for step in figure.layout.sliders[0].steps]
    assert labels[:5] == [
        "map",
        "search 25%",
        "search 50%",
        "search 75%",
        "search 100%",
    ]
    assert labels[5:8] == ["checks 33%", "checks 67%", "checks 100%"]
    looked = [
        np.flatnonzero([v is not None for v in frame.data[0].z[0]]).tolist()
        for frame in figure.frames
    ]
    assert looked[:5] == [[], [0], [0, 1], [0, 1], [0, 1, 2]]
    asked = [list(frame.data[1].x) for frame in figure.frames]
    assert asked[4:8] == [[], [3], [1, 3], [1, 3]]


def test_without_an_order_the_search_is_there_from_the_start(problem):
    found = a_star(problem, **PLENTY)
    play = seen(problem, found, touched=np.zeros(0, int))
    figure = drawn({"": play}, columns=1)
    assert figure.layout.sliders[0].steps[1].label == "step 0"
    looked = sum(v is not None for row in figure.frames[0].data[0].z for v in row)
    assert looked == (found.expanded > 0).sum()


def test_a_search_of_one_query_is_shown_in_its_order(problem):
    found = a_star(problem, **PLENTY)
    assert found.touched[0] == problem.starts[0]
    np.testing.assert_array_equal(
        np.bincount(found.touched, minlength=problem.n_states), found.expanded
    )
    figure = board(problem, found)
    looked = [
        sum(v is not None for row in frame.data[0].z for v in row)
        for frame in figure.frames
    ]
    assert looked[0] == 0
    assert looked == sorted(looked)
    assert looked[-1] == (found.expanded > 0).sum()


def test_titles_say_what_becomes_of_the_start(problem):
    two = boards(problem, {
        "argmax": a_star(problem, **PLENTY),
        "posterior": behaviour_cloning(problem, **PLENTY),
        "random": best_of_n(problem, **PLENTY, samples=1),
    })  # fmt: skip
    titles = [note.text for note in two.layout.annotations]
    assert titles[0].startswith("argmax<br>goal 100%, touches unwanted ")
    assert titles[2] == "random<br>no policy over states"
    names = {trace.name for trace in two.data if trace.name}
    assert {"way", "way: size is chance", "in the data", "search looked"} <= names
    assert "oracle asked" not in names


def test_the_pointer_says_what_was_done_in_a_cell(problem):
    data = certainty_equivalent(problem, **PLENTY)
    told = board(problem, data).data[0].text
    row, column = problem.place[problem.goal][0]
    assert told[row][column].startswith(f"row {row}, column {column}, goal")
    row, column = problem.place[problem.starts[0]]
    assert "steps of data" in told[row][column]


def test_a_tree_has_a_board_too():
    problem = tree(branching=2, depth=3, seed=0)
    assert board(problem, value_iteration(problem, **PLENTY), title="tree").data


def test_an_example_reads_as_it_says():
    assert doctest.testmod(drawing).failed == 0


# --- mistakes ------------------------------------------------------------------------


def test_mistakes_are_named(problem):
    found = a_star(problem, **PLENTY)
    with pytest.raises(
        ValueError, match="`start` is 7; the problem has the starts 0 to"
    ):
        board(problem, found, start=7)
    with pytest.raises(ValueError, match="no outcome to draw"):
        boards(problem, {})
    with pytest.raises(ValueError, match="keep='board'"):
        played({"ledger": np.zeros(3)})
    large = grid_map(size=60, seed=0).problem
    with pytest.raises(ValueError, match="at most 2500, lest no cell"):
        board(large, a_star(large, **PLENTY))
    slippery = grid_map(size=6, seed=0, slip=0.1).problem
    arrays = kept(slippery, value_iteration(slippery, **PLENTY))
    arrays.pop("probability", None)
    with pytest.raises(ValueError, match="chances were not kept"):
        played(arrays)


# --- by hand -------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_the_slider_moves_the_way_by_hand_and_offline(problem, tmp_path):
    tools = chromium.found()
    if tools is None:
        missing = "no chromium with chromedriver is installed, so the board is unseen"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    found = a_star(problem, **PLENTY)
    page = save_figure(board(problem, found), tmp_path / "board.html")
    assert "http" not in page.read_text().split("Plotly.newPlot")[-1]
    drawing = "document.getElementById('drawing')"
    counts = "map(t => t.mode === 'lines+markers' ? t.x.length : 0)"
    walked = f"Math.max(...{drawing}._fullData.{counts})"
    with chromium.browser(*tools) as tab:
        tab.open(page, width=390, height=900)
        tab.wait(f"{drawing}._fullLayout && {drawing}._fullLayout.sliders")
        whole = tab.run(f"return {walked}")
        assert whole > 1
        tab.click(".slider-rail-touch-rect", x=0.02)
        tab.wait(f"{walked} === 0")
        tab.click(".slider-rail-touch-rect", x=0.98)
        tab.wait(f"{walked} === {whole}")
        assert tab.run("return document.documentElement.scrollWidth") <= 390
        assert tab.console() == []
