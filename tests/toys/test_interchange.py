"""Weights in, modules out, and back again."""

import re

import numpy as np
import pytest

from tegum.claims import Claim, Part, below, paired_ratio
from tegum.execution import execute, judge
from tegum.measures.geometry import GEOMETRY
from tegum.store import Store
from tegum.study import Study
from tegum.toys.interchange import _oriented, from_weights

W = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])
B = np.array([0.1, 0.2, 0.3])
HERE = {"orientation": "hidden_feature", "feature_probability": 0.1}


def artifacts(brought):
    rows = brought.complete(brought.design)
    return brought.train(
        rows, workers=1, progress=lambda share: None, stop=lambda: False
    )


def bits(brought):
    return [artifact.arrays["W"].tobytes() for artifact in artifacts(brought)]


def test_one_model_becomes_one_row():
    brought = from_weights(W, B, **HERE)
    (row,) = brought.complete(brought.design)
    assert (row["n_hidden"], row["n_features"], row["seed"]) == (2, 3, 0)
    assert row["feature_probability"] == 0.1
    assert row["learning_rate"] is None
    (artifact,) = artifacts(brought)
    assert artifact.status == "trained"
    np.testing.assert_array_equal(artifact.arrays["W"], W)
    np.testing.assert_array_equal(artifact.arrays["b"], B)


def test_orientation_is_stated_and_both_give_the_same_key():
    one = from_weights(W, B, **HERE)
    other = from_weights(W.T, B, orientation="feature_hidden", feature_probability=0.1)
    assert one.design.rows == other.design.rows
    assert one.input_digests == other.input_digests
    assert bits(one) == bits(other)


def test_a_square_matrix_is_not_guessed():
    square = np.array([[1.0, 2.0], [3.0, 4.0]])
    one = from_weights(square, **HERE)
    other = from_weights(square, orientation="feature_hidden", feature_probability=0.1)
    np.testing.assert_array_equal(
        artifacts(one)[0].arrays["W"], artifacts(other)[0].arrays["W"].T
    )
    assert one.input_digests != other.input_digests


def test_an_orientation_that_is_none_is_refused():
    # Through the private function: types are enforced in tests at the public one.
    with pytest.raises(ValueError, match="`orientation` is 'guess'; it must be one of"):
        _oriented(W, orientation="guess")


def test_a_stack_becomes_rows_with_factors_of_their_own():
    stack = np.stack([W, 2 * W, 3 * W, 4 * W])
    brought = from_weights(
        stack,
        np.zeros((4, 3)),
        **HERE,
        noise="dropout",
        rate=[0.0, 0.5, 0.0, 0.5],
        seed=[7, 7, 8, 8],
        importance=(1.0, 0.5, 0.25),
    )
    assert [row["rate"] for row in brought.design] == [0.0, 0.5, 0.0, 0.5]
    assert [row["seed"] for row in brought.design] == [7, 7, 8, 8]
    assert brought.design.levels("importance") == ((1.0, 0.5, 0.25),)
    np.testing.assert_array_equal(artifacts(brought)[2].arrays["W"], 3 * W)


def test_seeds_of_a_stack_count_from_zero():
    assert from_weights(np.stack([W] * 3), **HERE).design.levels("seed") == (0, 1, 2)


def test_the_key_follows_the_numbers_bias_and_type_alone():
    def digest(*arrays):
        return from_weights(*arrays, **HERE).input_digests["weights"]

    assert digest(W, B) == digest(W.copy(order="F"), B)
    assert digest(W) == digest(W, np.zeros(3))
    different = [
        digest(W, B),
        digest(W),
        digest(W.astype(np.float32), B.astype(np.float32)),
        digest(np.nextafter(W, 2.0), B),
        digest(-W, B),
    ]
    assert len(set(different)) == 5
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in different)


def test_rows_come_out_the_same_in_any_company_and_order():
    stack = np.stack([W, 2 * W, 3 * W])
    together = from_weights(stack, **HERE)
    alone = [from_weights(one, **HERE, seed=i) for i, one in enumerate(stack)]
    rows = together.complete(together.design)
    backwards = together.train(
        rows[::-1], workers=2, progress=lambda share: None, stop=lambda: False
    )
    assert bits(together) == [bits(one)[0] for one in alone]
    assert bits(together) == [a.arrays["W"].tobytes() for a in backwards[::-1]]
    assert [a.design.rows[0] for a in alone] == list(together.design.rows)
    assert together.memory_bytes(rows[0]) == 9 * 8


def test_later_changes_of_the_callers_array_do_not_reach_in():
    mine = W.copy()
    brought = from_weights(mine, **HERE)
    mine[:] = 0.0
    np.testing.assert_array_equal(artifacts(brought)[0].arrays["W"], W)


def test_imported_weights_are_measured_as_trained_ones_are():
    # An antipodal pair on one unit: W_1 = 1, W_2 = -1, so W_1 . W_2 = -1 and the sum
    # of (W_i . W_j)^2 over the two ordered pairs is 2; sum |W_i|^4 = 2, the ratio 1.
    brought = from_weights(np.array([[1.0, -1.0]]), **HERE)
    (row,), (artifact,) = brought.complete(brought.design), artifacts(brought)
    numbers = GEOMETRY(artifact, row)
    assert numbers["total_interference"] == pytest.approx(2.0)
    assert numbers["relative_interference"] == pytest.approx(1.0)


BAD_WEIGHTS = [
    ((W[0],), {}, "`W` has the shape (3,)"),
    ((np.zeros((1, 1, 2, 2)),), {}, "`W` has the shape (1, 1, 2, 2)"),
    ((np.zeros((0, 3)),), {}, "not empty"),
    ((W * np.nan,), {}, "`W` is nan at (0, 0)"),
    ((np.where(W == 0.5, np.inf, W),), {}, "`W` is inf at (0, 2)"),
    ((W, B * np.nan), {}, "`b` is nan at (0,)"),
    ((W.astype(complex),), {}, "real numbers"),
    ((np.array([["a", "b"]]),), {}, "real numbers"),
    ((W, np.zeros(2)), {}, "the other way round?"),
    ((W, np.zeros(4)), {}, "`b` has the shape (4,)"),
    ((W, np.zeros((2, 3))), {}, "`b` has the shape (2, 3)"),
    ((W,), {"n_features": 2}, "`n_features` is 2 and the weights have 3"),
    ((W,), {"feature_probability": 0.0}, "`feature_probability` is 0.0"),
    ((W,), {"feature_probability": (0.1, 0.2)}, "2 numbers and the model 3 features"),
    ((W,), {"rate": 0.5}, "which has no rate"),
    ((W,), {"noise": "dropout", "rate": 1.0}, "`rate` is 1.0"),
    ((W,), {"rates": 0.5}, "did you mean"),
    ((np.stack([W, W]),), {"rate": [0.0]}, "`rate` has 1 values for 2 models"),
    ((np.stack([W, W]),), {"seed": 0}, "are equal"),
    ((W,), {"W_decoder": W[:, :2]}, "`W_decoder` has the shape (1, 2, 2)"),
    ((W,), {"W_decoder": W.T}, "`W_decoder` has the shape (1, 3, 2)"),
    ((W,), {"W_decoder": W * np.nan}, "`W_decoder` is nan"),
    ((W,), {"W_decoder": W, "decoder": "tied"}, "a tied model has none"),
    ((W,), {"decoder": "untied"}, "`W_decoder` is not given"),
    ((W, B), {"bias": "none"}, "`bias` is 'none' and `b` is not 0"),
    ((W,), {"target": "absolute"}, "use feature_values='signed_uniform'"),
]


@pytest.mark.parametrize(("arrays", "changes", "text"), BAD_WEIGHTS, ids=str)
def test_bad_weights_are_explained(arrays, changes, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        from_weights(*arrays, **(HERE | changes))


def test_an_untied_decoder_comes_in_and_is_part_of_the_key():
    V = W[::-1].copy()
    tied = from_weights(W, B, **HERE)
    untied = from_weights(W, B, W_decoder=V, **HERE)
    (row,), (artifact,) = untied.design.rows, artifacts(untied)
    assert row["decoder"] == "untied"
    assert (artifact.arrays["W_decoder"] == V).all()
    other = from_weights(W, B, W_decoder=2 * V, **HERE)
    digests = [brought.input_digests["weights"] for brought in (tied, untied, other)]
    assert len(set(digests)) == 3
    turned = from_weights(
        W.T, B, W_decoder=V.T, **HERE | {"orientation": "feature_hidden"}
    )
    assert turned.input_digests == untied.input_digests


def test_rows_that_no_weights_were_brought_in_for_are_refused():
    brought = from_weights(W, **HERE)
    (row,) = brought.design.rows
    for change in ({"seed": 1}, {"n_features": 4}, {"feature_probability": 0.2}):
        with pytest.raises(ValueError, match="row 0: no weights were brought in for"):
            brought.complete([dict(row) | change])
    with pytest.raises(ValueError, match="did you mean"):
        brought.complete([dict(row) | {"rates": 0.5}])


def test_a_claim_is_judged_on_imported_weights():
    # At rate 0.5 every weight is half as long, so total interference, which is of the
    # fourth power, is a sixteenth.
    generator = np.random.default_rng(0)
    full = generator.normal(size=(8, 2, 3))
    brought = from_weights(
        np.concatenate([full, full / 2]),
        **HERE,
        noise="dropout",
        rate=[0.0] * 8 + [0.5] * 8,
        seed=[*range(8), *range(8)],
    )
    ratio = paired_ratio(
        "total_interference", factor="rate", treated=0.5, control=0.0, where={}
    )
    study = Study(
        name="weights-from-elsewhere",
        question="Does total interference fall?",
        subject=brought,
        designs={"full": brought.design},
        measures=[GEOMETRY],
        claims=[
            Claim(
                name="falls",
                statement="Total interference falls.",
                parts=(Part(ratio, below(0.5)),),
                reason="The second half of the stack is the first, shrunk.",
                source="by construction",
                designs=("full",),
            )
        ],
        alpha=0.05,
    )
    store = Store.in_memory()
    results = execute(study, store, design="full")
    assert results.missing == 0
    (verdict,) = judge(study, store, design="full")
    assert verdict.word == "supported"
    assert verdict.parts[0].estimate == pytest.approx(1 / 16)
    # They existed before anything was registered, so nothing can be confirmed on them.
    assert verdict.standing == "exploratory"
    assert "made elsewhere" in verdict.reasons[0]
    stored = store.artifact(str(results["key"][3])).arrays["W"]
    assert stored.tobytes() in {one.tobytes() for one in (*full, *(full / 2))}
