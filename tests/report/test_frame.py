"""How rows become axes, panels, selectors and cells."""

import numpy as np

from tegum.claims import Claim, Part, above, paired_difference
from tegum.design import grid
from tegum.report.frame import frame
from tegum.toys.model import FACTORS


def columns(design):
    return {
        name: np.array([row.get(name) for row in design], dtype=object)
        for name in design.factors
    }


def laid_out(design, claims=()):
    return frame(columns(design), factors=FACTORS, names=design.factors, claims=claims)


def contrast(factor, *, treated, control, **where):
    estimand = paired_difference(
        "final_loss", factor=factor, treated=treated, control=control, where=where
    )
    return Claim("c", "c", [Part(estimand, above(0.0))], reason="", source="")


def names(layout):
    return [axis.factor for axis in layout.axes]


def test_the_claims_contrast_is_the_horizontal_axis_and_its_control_the_base():
    design = grid(
        rate=[0.5, 0.0, 0.1],
        feature_probability=[0.01, 0.1, 0.3, 1.0],
        importance_decay=[1.0, 0.8],
        seeds=2,
    )
    layout = laid_out(design, [contrast("rate", treated=0.5, control=0.1)])
    assert layout.axes[layout.x].factor == "rate"
    assert layout.axes[layout.x].values == (0.0, 0.1, 0.5)
    assert layout.axes[layout.x].values[layout.control] == 0.1
    assert layout.axes[layout.y].factor == "feature_probability"
    assert layout.axes[layout.panel].factor == "importance_decay"
    assert len(layout.cells) == 24
    assert all(cell.seeds == (0, 1) for cell in layout.cells)


def test_without_claims_the_longest_numeric_factor_is_the_horizontal_axis():
    design = grid(optimiser=["adam", "adamw", "sgd"], rate=[0.0, 0.5], seeds=1)
    layout = laid_out(design)
    assert layout.axes[layout.x].factor == "rate"
    assert layout.axes[layout.y].factor == "optimiser"
    assert layout.control == 0


def test_sparsity_rises_along_its_axis_and_says_both_names():
    layout = laid_out(grid(feature_probability=[0.01, 1.0, 0.1], seeds=1))
    axis = layout.axes[0]
    assert axis.values == (1.0, 0.1, 0.01)
    assert axis.labels[1] == "S = 0.9 (q = 0.1)"
    assert axis.ticks == ("0 (1)", "0.9 (0.1)", "0.99 (0.01)")
    assert axis.positions == (0.0, 1.0, 2.0)  # log10(1 / q)


def test_a_factor_that_others_determine_is_no_axis():
    design = grid(
        optimiser="adamw", learning_rate=0.001, n_features=5, n_hidden=2, seeds=2
    ) | grid(optimiser="sgd", learning_rate=1.0, n_features=20, n_hidden=5, seeds=2)
    layout = laid_out(design)
    assert len(layout.axes) == 1
    assert set(layout.tied) | set(names(layout)) == set(design.factors) - {"seed"}


def test_a_factor_tuned_for_each_pair_of_others_is_tied_to_them():
    rates = {("adamw", 1.0): 0.1, ("adamw", 0.1): 0.1, ("sgd", 1.0): 1, ("sgd", 0.1): 9}
    design = None
    for (optimiser, q), learning_rate in rates.items():
        table = grid(
            optimiser=optimiser,
            feature_probability=q,
            learning_rate=learning_rate,
            seeds=2,
        )
        design = table if design is None else design | table
    layout = laid_out(design)
    assert layout.tied == ("learning_rate",)
    assert sorted(names(layout)) == ["feature_probability", "optimiser"]


def test_factors_that_claims_fix_stay_axes_unless_another_alone_determines_them():
    design = grid(optimiser="adamw", learning_rate=0.001, rate=[0.0, 0.5], seeds=2)
    design = design | grid(optimiser="sgd", learning_rate=1.0, rate=[0.0, 0.5], seeds=2)
    claim = contrast("rate", treated=0.5, control=0.0, optimiser="sgd")
    layout = laid_out(design, [claim])
    assert "optimiser" in names(layout)
    assert layout.tied == ("learning_rate",)


def test_one_cell_has_no_axis():
    layout = laid_out(grid(rate=0.5, seeds=3))
    assert layout.axes == ()
    assert (layout.x, layout.y, layout.panel) == (None, None, None)
    assert [cell.seeds for cell in layout.cells] == [(0, 1, 2)]
    assert layout.constants == {"rate": 0.5}


def test_factors_with_many_levels_are_selectors_not_panels():
    design = grid(
        rate=list(np.linspace(0, 0.9, 9)),
        steps=list(range(1, 9)),
        batch_size=list(range(1, 8)),
        seeds=1,
    )
    layout = laid_out(design)
    assert layout.panel is None


def test_widely_spread_levels_stand_on_a_logarithmic_axis():
    layout = laid_out(grid(steps=[10, 100, 10_000], seeds=1))
    assert layout.axes[0].positions == (1.0, 2.0, 4.0)


def test_levels_that_would_read_the_same_are_told_apart():
    profiles = [(1.0, 1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0, 2.0)]
    layout = laid_out(grid(importance=profiles, seeds=1))
    assert len(set(layout.axes[0].labels)) == 2


def test_cells_list_their_rows_in_the_order_of_the_seeds():
    design = grid(rate=[0.0, 0.5], seeds=[7, 3])
    layout = laid_out(design)
    assert [cell.seeds for cell in layout.cells] == [(3, 7), (3, 7)]
    assert [cell.rows for cell in layout.cells] == [(1, 0), (3, 2)]


def test_selectors_start_where_the_design_has_most_cells():
    design = grid(
        rate=[0.0, 0.5],
        feature_probability=[0.1, 1.0],
        importance_decay=[1.0, 0.8],
        optimiser="sgd",
        seeds=1,
    )
    few = grid(
        rate=[0.0, 0.5],
        feature_probability=0.1,
        importance_decay=1.0,
        optimiser="adamw",
        seeds=1,
    )
    layout = laid_out(few | design)
    (axis,) = layout.usual_selection
    assert layout.axes[axis].factor == "optimiser"
    assert layout.axes[axis].values[layout.usual_selection[axis]] == "sgd"


def test_a_selection_without_selectors_is_empty():
    assert laid_out(grid(rate=[0.0, 0.5], seeds=1)).usual_selection == {}
