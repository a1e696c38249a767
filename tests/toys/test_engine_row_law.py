"""What comes of a row depends on the row alone; what rows share, they share exactly."""

import numpy as np
import pytest
from engine_rows import bits, row_of, rows_of, train
from variants import COMBINATIONS, VARIANTS

from tegum.arrays import stream
from tegum.toys import engine
from tegum.toys.model import initial_weights

# One row of everything, sizes mixed, so that neighbours differ in all they could leak.
MIXTURE = [
    *rows_of(n_features=[3, 20], n_hidden=4, feature_probability=[1.0, 0.1, 0.01]),
    *rows_of(
        n_features=9,
        n_hidden=[2, 5],
        feature_probability=[0.5, 0.02],
        noise=["dropout", "gaussian_multiplicative", "gaussian_additive_matched"],
        rate=0.3,
        seed=7,
        steps=40,
    ),
    *rows_of(
        n_features=6,
        n_hidden=3,
        feature_probability=0.1,
        optimiser=["adam", "sgd"],
        hidden_l1=[0.0, 0.01],
        seed=1,
    ),
    row_of(n_features=40, n_hidden=20, feature_probability=0.05, batch_size=700),
    *[
        row_of(
            **{"n_features": 8, "n_hidden": 3, "feature_probability": 0.3}
            | {"noise": "dropout", "rate": 0.2, "weight_checkpoints": 2, "seed": 4}
            | factors
        )
        for factors in (VARIANTS | COMBINATIONS).values()
    ],
    *rows_of(
        n_features=8,
        n_hidden=3,
        feature_probability=0.3,
        optimiser_basis="rotated",
        decoder=["tied", "untied"],
        initial_law="uniform",
    ),
]


@pytest.fixture(scope="module")
def alone():
    return [bits(train([row])[0]) for row in MIXTURE]


@pytest.mark.parametrize("instruction_set", engine.available_instruction_sets())
def test_identical_bits_alone_and_together(instruction_set):
    together = train(MIXTURE, workers=2, instruction_set=instruction_set)
    for row, artifact in zip(MIXTURE, together, strict=True):
        (single,) = train([row], instruction_set=instruction_set)
        assert bits(single) == bits(artifact)


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_identical_bits_for_any_pool_order_and_chunk(alone, workers, chunk):
    order = stream(workers, f"order {chunk}").permutation(len(MIXTURE))
    for start in range(0, len(order), chunk):
        places = order[start : start + chunk]
        artifacts = train([MIXTURE[j] for j in places], workers=workers)
        assert [bits(artifact) for artifact in artifacts] == [alone[j] for j in places]


def test_other_seeds_give_other_bits():
    first, second = rows_of(n_features=5, n_hidden=2, feature_probability=0.5, seeds=2)
    assert bits(train([first])[0]) != bits(train([second])[0])


@pytest.mark.parametrize("probability", [1.0, 0.5, 0.1, 0.01])
def test_rows_of_a_seed_share_every_input(probability):
    shared = {
        "n_features": 12,
        "feature_probability": probability,
        "batch_size": 500,
        "seed": 5,
    }
    rows = [
        *rows_of(n_hidden=[2, 5], noise="dropout", rate=[0.0, 0.3, 0.7], **shared),
        *rows_of(n_hidden=3, noise="gaussian_additive", noise_std=0.1, **shared),
        *rows_of(n_hidden=3, noise="gaussian_additive_matched", rate=0.2, **shared),
        *rows_of(n_hidden=3, optimiser=["adamw", "sgd"], learning_rate=0.1, **shared),
        *rows_of(n_hidden=3, hidden_l1=0.01, steps=99, **shared),
    ]
    inputs = {engine.replay(row, first=2, count=3).x.tobytes() for row in rows}
    assert len(inputs) == 1
    other = row_of(n_hidden=2, **shared | {"seed": 6})
    assert engine.replay(other, first=2, count=3).x.tobytes() not in inputs


@pytest.mark.parametrize(
    "data",
    [
        {"feature_values": "signed_uniform", "feature_probability": 0.1},
        {"feature_values": "signed_uniform", "feature_probability": 0.5},
        {"activity": "correlated", "group_size": 3, "feature_probability": 0.1},
        {"activity": "anticorrelated", "group_size": 3, "feature_probability": 0.3},
        {"activity": "exactly_k", "feature_probability": 0.25},
    ],
    ids=str,
)
def test_inputs_follow_from_the_data_columns_alone(data):
    # Widths change how many samples a tile has; none of this may move an input.
    shared = {"n_features": 12, "batch_size": 700, "seed": 5} | data
    rows = [
        *rows_of(n_hidden=[2, 900], noise="dropout", rate=[0.0, 0.7], **shared),
        *rows_of(n_hidden=3, noise="gaussian_additive_matched", rate=0.2, **shared),
        *rows_of(n_hidden=3, decoder="untied", hidden_activation="relu", **shared),
        *rows_of(n_hidden=3, bias="none", optimiser_basis="rotated", **shared),
        *rows_of(n_hidden=3, initial_law="uniform", initial_std=1.0, **shared),
    ]
    inputs = {engine.replay(row, first=2, count=2).x.tobytes() for row in rows}
    assert len(inputs) == 1
    plain = row_of(
        n_hidden=2, **shared | {"feature_values": "uniform", "activity": "independent",
        "group_size": 1},
    )  # fmt: skip
    assert engine.replay(plain, first=2, count=2).x.tobytes() not in inputs


@pytest.mark.parametrize("instruction_set", engine.available_instruction_sets())
def test_every_instruction_set_draws_the_same_inputs(instruction_set):
    for factors in (VARIANTS | COMBINATIONS).values():
        row = row_of(
            **{"n_features": 10, "n_hidden": 2, "feature_probability": 0.1} | factors
        )
        best, other = (
            engine.replay(row, first=1, count=2, instruction_set=name).x
            for name in ("", instruction_set)
        )
        assert (best == other).all()


@pytest.mark.parametrize("probability", [1.0, 0.1, 0.01])
def test_a_higher_rate_drops_a_superset(probability):
    rates = [0.0, 0.1, 0.2, 0.5, 0.7, 0.9]
    rows = rows_of(
        n_features=12, n_hidden=4, feature_probability=probability, noise="dropout",
        rate=rates, batch_size=500,
    )  # fmt: skip
    replays = [engine.replay(row, first=0, count=20) for row in rows]
    busy = replays[0].x.any(axis=2)
    kept = [replay.noise[busy] > 0 for replay in replays]
    assert kept[0].all()
    for looser, stricter, rate in zip(kept, kept[1:], rates[1:], strict=False):
        assert not (stricter & ~looser).any()
        assert stricter.sum() < looser.sum()
        spread = 5 * np.sqrt(rate * (1 - rate) / stricter.size)
        assert abs((~stricter).mean() - rate) < spread
    factor = replays[3].noise[busy]
    assert set(np.unique(factor)) == {np.float32(0.0), np.float32(2.0)}


def test_rate_zero_runs_the_dropout_code():
    factors = {"n_features": 80, "n_hidden": 20, "feature_probability": 0.01}
    none = row_of(**factors)
    zero = row_of(**factors, noise="dropout", rate=0.0)
    half = row_of(**factors, noise="dropout", rate=0.5)
    assert engine.kernel(none) == "gram"
    assert engine.kernel(zero) == engine.kernel(half) != "gram"
    (plain,), (masked,) = train([none]), train([zero])
    assert np.abs(plain.arrays["W"] - masked.arrays["W"]).max() < 1e-5


def test_initial_weights_are_the_models():
    row = row_of(n_features=5, n_hidden=2, feature_probability=0.5, steps=1)
    tiny = {**row, "learning_rate": 1e-30}
    (artifact,) = train([tiny])
    assert np.array_equal(artifact.arrays["W"], initial_weights(row))
