"""Which models stand for a cell, and what the page keeps of them."""

import base64

import numpy as np
import pytest
import worlds

from tegum.arrays import Artifact
from tegum.report.frame import Cell
from tegum.report.page import layout_of
from tegum.report.specimens import (
    Choice,
    choose,
    has_weights,
    packed,
    plane,
    specimen,
    specimens,
)


def unpacked(found):
    levels = np.frombuffer(base64.b64decode(found["data"]), dtype="<i2")
    return levels.reshape(found["shape"]) * found["step"]


@pytest.mark.parametrize(
    ("loss", "median", "best"),
    [
        ([0.3, 0.1, 0.2], 2, 1),
        ([0.3, 0.1, 0.2, 0.4], 2, 1),  # of an even number the lower one
        ([0.3, np.nan, 0.2], 2, 2),
        ([np.nan, np.nan], None, None),
        ([np.inf, 1.0], 1, 1),
        ([0.5], 0, 0),
    ],
)
def test_the_median_and_the_best_are_real_models(loss, median, best):
    rows = tuple(range(len(loss)))
    assert choose(Cell((), rows, rows), np.array(loss)) == Choice(median, best)


def test_packed_weights_come_back_to_a_thirty_thousandth():
    W = np.random.default_rng(1).standard_normal((5, 20))
    found = packed(W)
    assert np.abs(unpacked(found) - W).max() <= np.abs(W).max() / 32767
    assert (unpacked(packed(np.zeros((2, 3)))) == 0).all()


def test_an_untied_decoder_comes_along_and_must_fit():
    W = np.random.default_rng(2).standard_normal((2, 5))
    tied, untied = Artifact({"W": W}), Artifact({"W": W, "W_decoder": 2 * W})
    assert "decoder" not in specimen(tied, weights=True)
    found = specimen(untied, weights=True)
    np.testing.assert_allclose(unpacked(found["decoder"]), 2 * W, atol=1e-3)
    assert has_weights(tied)
    assert has_weights(untied)
    assert not has_weights(Artifact({"W": W, "W_decoder": W[:, :4]}))
    assert not has_weights(Artifact({"W": W, "W_decoder": W * np.nan}))


def test_up_to_three_dimensions_are_drawn_as_they_are():
    for m in (1, 2, 3):
        W = np.random.default_rng(m).standard_normal((m, 4))
        shown, share = plane(W)
        assert share == 1.0
        np.testing.assert_array_equal(shown, W)


def test_more_dimensions_are_projected_on_the_two_leading_directions():
    # Six units, features in a plane: the projection keeps every length and angle.
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 2)))[0]
    flat = np.random.default_rng(1).standard_normal((2, 9))
    shown, share = plane(basis @ flat)
    assert share == pytest.approx(1.0)
    np.testing.assert_allclose(shown.T @ shown, flat.T @ flat, atol=1e-12)
    # Four orthogonal features of equal norm: any plane holds half.
    assert plane(np.eye(4))[1] == pytest.approx(0.5)


def test_specimens_come_from_the_store_and_diverged_models_never():
    world = worlds.whole()
    layout = layout_of(world.study, world.results, ())
    found = specimens(
        layout.cells, world.results.columns, ranking="final_loss", store=world.store
    )
    for cell, choice in zip(layout.cells, found.choices, strict=True):
        row = dict(zip([a.factor for a in layout.axes], cell.at, strict=True))
        values = {a.factor: a.values[row[a.factor]] for a in layout.axes}
        if worlds.matches(values, worlds.GONE):
            assert choice == Choice(None, None)
        else:
            # The loss grows with the seed: seed 3 of 0 to 7 is the lower median.
            assert world.results["seed"][choice.median] == 3
            assert world.results["seed"][choice.best] == 0
    assert found.left_out == 0
    row = found.choices[0].median
    artifact = world.store.artifact(str(world.results["key"][row]))
    kept = found.models[row]
    np.testing.assert_allclose(unpacked(kept["W"]), artifact.arrays["W"], atol=1e-4)
    assert kept["step"] == [0, 1, 10, 90, 100]


def test_past_the_limit_models_come_without_weights():
    world = worlds.whole()
    layout = layout_of(world.study, world.results, ())
    found = specimens(
        layout.cells,
        world.results.columns,
        ranking="final_loss",
        store=world.store,
        most_weights=25,
    )
    with_weights = [model for model in found.models.values() if "W" in model]
    assert len(with_weights) == 2
    assert found.left_out == len(found.models) - 2


def test_only_the_loss_has_a_best():
    world = worlds.whole()
    layout = layout_of(world.study, world.results, ())
    found = specimens(
        layout.cells,
        world.results.columns,
        ranking="total_interference",
        store=world.store,
    )
    assert {choice.best for choice in found.choices} == {None}
