"""The best of several starts: chosen by the exact loss, one row, one unit."""

import numpy as np
import pytest

from tegum.design import grid
from tegum.theory.expected_loss import expected_loss
from tegum.toys import engine
from tegum.toys.starts import MOST_STARTS, BestOfStarts, trained_losses
from tegum.toys.subject import ToyModels

SUBJECT = BestOfStarts()


def design(**factors):
    usual = {
        "n_features": 3,
        "n_hidden": 2,
        "feature_probability": 0.3,
        "importance": [(1.0, 1.0, 0.5)],
        "noise": "dropout",
        "rate": 0.5,
        "batch_size": 64,
        "steps": 200,
        "starts": 4,
        "seeds": [7],
    }
    return SUBJECT.complete(grid(**{**usual, **factors}))


def trained(rows):
    return SUBJECT.train(rows, workers=1, progress=lambda _: None, stop=lambda: False)


def test_a_start_is_the_toy_model_of_its_own_seed():
    row = design()[0]
    (found,) = trained([row])
    runs = [
        {k: v for k, v in row.items() if k != "starts"}
        | {"seed": MOST_STARTS * 7 + start}
        for start in range(4)
    ]
    alone = ToyModels().train(
        runs, workers=1, progress=lambda _: None, stop=lambda: False
    )
    for start, run in enumerate(alone):
        np.testing.assert_array_equal(
            found.arrays["W_of_starts"][start], run.arrays["W"]
        )
    best = int(np.argmin(found.arrays["expected_loss_of_starts"]))
    for name, array in alone[best].arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)


def test_starts_are_ranked_by_the_exact_loss_under_their_own_dropout():
    row = design()[0]
    (found,) = trained([row])
    for start in range(4):
        W, b = (found.arrays[f"{name}_of_starts"][start] for name in ("W", "b"))
        exact = expected_loss(
            W.astype(float), b.astype(float), feature_probability=0.3,
            importance=np.array([1.0, 1.0, 0.5]), rate=0.5,
        ).loss  # fmt: skip
        assert found.arrays["expected_loss_of_starts"][start] == pytest.approx(exact)


def test_a_row_is_the_same_alone_and_among_others():
    rows = design(rate=[0.0, 0.5], seeds=[7, 8], starts=[2, 3])
    together = trained(rows)
    for row, found in zip(rows, together, strict=True):
        (alone,) = trained([row])
        for name, array in alone.arrays.items():
            np.testing.assert_array_equal(found.arrays[name], array)


def test_more_starts_never_lose_more():
    few, many = (trained(design(starts=k))[0] for k in (2, 5))
    losses = [found.arrays["expected_loss_of_starts"] for found in (few, many)]
    np.testing.assert_array_equal(losses[0], losses[1][:2])
    assert np.min(losses[1]) <= np.min(losses[0])


def test_a_stopped_row_is_left_out_whole():
    rows = design(steps=2_000_000, starts=2)
    found = SUBJECT.train(rows, workers=1, progress=lambda _: None, stop=lambda: True)
    assert found == [None]


def test_diverged_starts_lose_to_every_other_and_alone_they_are_said():
    W = np.zeros((2, 1, 2))
    W[0] = np.nan
    row = design(n_features=2, n_hidden=1, importance=[(1.0, 1.0)])[0]
    loss = trained_losses(W, np.zeros((2, 2)), row)
    assert np.isnan(loss[0])
    # Both dropped with bias 0: E x^2 = q / 3.
    assert loss[1] == pytest.approx(0.1, rel=1e-6)
    hot = design(optimiser="sgd", learning_rate=1e6, starts=2)
    (found,) = trained(hot)
    assert found.status == "diverged"
    assert np.isnan(found.arrays["expected_loss_of_starts"]).all()


def test_cost_grows_with_the_starts():
    one, four = design(starts=1)[0], design()[0]
    run = {name: value for name, value in one.items() if name != "starts"}
    assert SUBJECT.core_seconds(one) == engine.core_seconds(run)
    assert SUBJECT.core_seconds(four) == pytest.approx(4 * SUBJECT.core_seconds(one))
    assert SUBJECT.memory_bytes(four) == 4 * SUBJECT.memory_bytes(one)
    assert SUBJECT.instruction_set


@pytest.mark.parametrize(
    ("words", "factors"),
    [
        ("starts", {"starts": 0}),
        ("starts", {"starts": 1.5}),
        ("weight_decay", {"weight_decay": 0.1}),
        ("decoder", {"decoder": "untied"}),
        ("noise", {"noise": "gaussian_multiplicative"}),
        ("n_hidden", {"n_hidden": 7}),
        ("seed", {"seeds": [2**62]}),
        ("importance", {"importance": [(1.0, 1.0)]}),
    ],
)
def test_what_can_not_be_ranked_is_refused(words, factors):
    with pytest.raises(ValueError, match=words):
        design(**factors)
