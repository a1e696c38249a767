"""Progress, stopping, divergence, extreme sizes, memory and bad calls."""

import _thread
import os
import signal
import threading
import time

import numpy as np
import pytest
from engine_rows import QUIET, bits, row_of, rows_of, train
from variants import COMBINATIONS, VARIANTS

from tegum.toys import engine
from tegum.toys.model import initial_weights

# Two that end at once and two that would take a minute.
QUICK = rows_of(n_features=5, n_hidden=2, feature_probability=0.5, seeds=2)
ENDLESS = rows_of(
    n_features=20, n_hidden=5, feature_probability=1.0, steps=50_000_000, seeds=2
)


def test_stop_is_obeyed_within_a_second_and_finished_models_are_kept():
    asked = []

    def stop():
        asked.append(time.perf_counter())
        return asked[-1] - asked[0] > 0.5

    artifacts = engine.train(
        [*QUICK, *ENDLESS], workers=3, progress=lambda share: None, stop=stop
    )
    assert time.perf_counter() - asked[0] < 1.5
    assert np.diff(asked).max() < 0.5
    assert artifacts[2:] == [None, None]
    assert [bits(a) for a in artifacts[:2]] == [bits(a) for a in train(QUICK)]


def test_a_large_model_stops_within_a_step():
    huge = row_of(
        n_features=3000, n_hidden=300, feature_probability=1.0, batch_size=20_000
    )
    start = time.perf_counter()
    assert engine.train(
        [huge], workers=1, progress=lambda share: None, stop=lambda: True
    ) == [None]
    assert time.perf_counter() - start < 2.0


def test_control_c_carries_the_finished_models():
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.perf_counter()
    with pytest.raises(engine.Interrupted) as caught:
        engine.train([*QUICK, *ENDLESS], workers=3, **QUIET)
    assert time.perf_counter() - start < 1.4
    assert isinstance(caught.value, KeyboardInterrupt)
    kept = caught.value.finished
    assert kept[2:] == [None, None]
    assert [bits(a) for a in kept[:2]] == [bits(a) for a in train(QUICK)]


def test_an_error_in_progress_ends_the_training_and_is_raised():
    def progress(share):
        raise RuntimeError("the bar broke")

    with pytest.raises(RuntimeError, match="the bar broke"):
        engine.train(ENDLESS, workers=1, progress=progress, stop=lambda: False)


def test_progress_rises_to_one_in_the_calling_thread():
    shares, threads = [], set()

    def progress(share):
        shares.append(share)
        threads.add(_thread.get_ident())

    rows = rows_of(
        n_features=20, n_hidden=5, feature_probability=1.0, steps=30_000, seeds=4
    )
    engine.train(rows, workers=2, progress=progress, stop=lambda: False)
    assert len(shares) > 2
    assert shares == sorted(shares)
    assert 0.0 <= shares[0] < 0.9
    assert shares[-1] == 1.0
    assert threads == {_thread.get_ident()}


def test_python_runs_while_models_train():
    """The engine holds no interpreter lock while it works."""
    ticks = []
    running = threading.Event()

    def tick():
        while not running.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.01)

    ticker = threading.Thread(target=tick)
    ticker.start()
    start = time.perf_counter()
    engine.train(
        ENDLESS[:1],
        workers=1,
        progress=lambda share: None,
        stop=lambda: time.perf_counter() - start > 0.5,
    )
    running.set()
    ticker.join()
    assert len(ticks) > 10


@pytest.mark.parametrize("kernel_probability", [1.0, 0.01])
@pytest.mark.parametrize("instruction_set", engine.available_instruction_sets())
def test_divergence_is_kept_and_says_when(kernel_probability, instruction_set):
    row = row_of(
        n_features=5, n_hidden=2, feature_probability=kernel_probability,
        optimiser="sgd", learning_rate=1e6, steps=1000, weight_checkpoints=10,
        output="linear",
    )  # fmt: skip
    sound = row_of(n_features=5, n_hidden=2, feature_probability=kernel_probability)
    artifact, neighbour = train([row, sound], instruction_set=instruction_set)
    assert artifact.status == "diverged"
    step = artifact.diverged_at_step
    assert 1 <= step < 1000
    assert not np.isfinite(artifact.arrays["W"]).all()
    loss, at = artifact.arrays["loss"], artifact.arrays["loss_step"]
    assert np.isnan(loss[at >= step]).all()
    assert not np.isnan(loss[at < step - 1]).any()
    assert np.isnan(artifact.arrays["W_history"][-1]).all()
    (before,) = train([{**row, "steps": step - 1}], instruction_set=instruction_set)
    assert before.status == "trained"
    assert np.isfinite(before.arrays["W"]).all()
    assert bits(neighbour) == bits(train([sound], instruction_set=instruction_set)[0])
    assert neighbour.diverged_at_step is None


@pytest.mark.parametrize("probability", [1.0, 0.05])
@pytest.mark.parametrize("noise", ["none", "dropout"])
def test_the_smallest_models_train(probability, noise):
    rows = rows_of(
        n_features=[1, 2, 3], n_hidden=[1, 2, 7], feature_probability=probability,
        noise=noise, batch_size=[1, 5, 64], steps=[1, 30],
    )  # fmt: skip
    for row, artifact in zip(rows, train(rows), strict=True):
        assert artifact.status == "trained"
        assert artifact.arrays["W"].shape == (row["n_hidden"], row["n_features"])
        assert artifact.arrays["b"].shape == (row["n_features"],)
        assert np.isfinite(artifact.arrays["loss"]).all()


@pytest.mark.parametrize("name", [*VARIANTS, *COMBINATIONS])
def test_the_smallest_variants_train(name):
    rows = rows_of(
        **{"feature_probability": 0.5, "batch_size": [1, 65], "steps": [1, 30]}
        | (VARIANTS | COMBINATIONS)[name]
        | {"n_features": 2, "n_hidden": [1, 2, 7]}
    )
    for row, artifact in zip(rows, train(rows), strict=True):
        assert artifact.status == "trained"
        assert np.isfinite(artifact.arrays["loss"]).all()
        assert ("W_decoder" in artifact.arrays) == (row["decoder"] == "untied")
        if row["bias"] == "none":
            assert (artifact.arrays["b"] == 0.0).all()


def test_a_decoder_that_diverges_is_seen():
    row = row_of(
        n_features=5, n_hidden=2, feature_probability=1.0, decoder="untied",
        optimiser="sgd", learning_rate=1e6, steps=1000, output="linear",
    )  # fmt: skip
    (artifact,) = train([row])
    assert artifact.status == "diverged"
    assert np.isnan(artifact.arrays["loss"][-1])


def test_a_probability_so_small_that_nothing_is_ever_active():
    row = row_of(n_features=5, n_hidden=2, feature_probability=1e-12, steps=50)
    (artifact,) = train([row])
    assert np.array_equal(artifact.arrays["W"], initial_weights(row))
    assert (artifact.arrays["loss"] == 0.0).all()


def test_no_rows_give_no_artifacts():
    assert train([]) == []


@pytest.mark.parametrize("workers", [0, -1])
def test_too_few_workers(workers):
    with pytest.raises(ValueError, match="1 or more"):
        train(QUICK, workers=workers)


def test_an_unknown_instruction_set_names_those_there_are():
    with pytest.raises(ValueError, match="baseline"):
        train(QUICK, instruction_set="mmx")


def test_the_workspace_is_no_larger_than_stated():
    rows = rows_of(
        n_features=[1, 5, 80, 400, 3000],
        n_hidden=[1, 30],
        feature_probability=[1.0, 0.1, 0.01],
        noise=["none", "dropout"],
        hidden_l1=[0.0, 0.1],
        batch_size=[1, 1024, 100_000],
    )
    rows += rows_of(
        n_features=[4, 80, 3000],
        n_hidden=[2, 40],
        feature_probability=[0.5, 0.01],
        decoder="untied",
        hidden_activation="relu",
        optimiser_basis="rotated",
        noise="dropout",
        batch_size=[1, 1024],
    )
    for row in rows:
        for name in engine.available_instruction_sets():
            assert engine.measured_workspace_bytes(
                row, instruction_set=name
            ) <= engine.workspace_bytes(row)


def test_memory_does_not_grow_with_the_steps():
    row = row_of(n_features=80, n_hidden=20, feature_probability=0.1)
    short = engine.memory_bytes({**row, "steps": 1000})
    long = engine.memory_bytes({**row, "steps": 1_000_000})
    assert long - short < 1000
    kept = engine.memory_bytes({**row, "steps": 1000, "weight_checkpoints": 10})
    assert kept >= short + 10 * 4 * (80 * 20 + 80)


def test_expected_time_grows_with_the_work():
    small, large = (
        engine.core_seconds(row)
        for row in rows_of(
            n_features=20, n_hidden=5, feature_probability=1.0, steps=[1000, 10_000]
        )
    )
    assert 5 * small < large < 10 * small
