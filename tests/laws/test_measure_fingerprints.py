"""Fixed arrays keep their numbers: what is in a store stays what measuring would give.

If this fails, a measure gives other numbers. Then either that was not meant, or its
`version` must be raised, so that every stored number of the old one is a number of
another measure; record the numbers with
`python tests/laws/test_measure_fingerprints.py`. They are compared to eight digits:
another machine or library may add up in another order.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from tegum.activations.measures import SCAN
from tegum.arrays import Artifact, stream
from tegum.measures import MEASURES, moments
from tegum.measures.sphere import random_rotations
from tegum.studies import names, study_named
from tegum.studies._mean_share import MEAN_SHARE
from tegum.studies._predictions import prediction_error
from tegum.studies._survival_measures import KEPT, SURVIVAL
from tegum.toys import ToyModels
from tegum.toys.basis import ROTATION_GAP, VECTOR_KURTOSIS
from tegum.toys.phase import PHASE
from tegum.toys.starts import BestOfStarts
from tegum.toys.training import TRAINING

RECORD = Path(__file__).parent / "measure_fingerprints.json"
PREDICTION = prediction_error(
    {"9 4 0.3 0.8 0.5": (4.0, 0.6, 0.2, 0.05)}, {"9 4": (5.0, 0.5, 0.1)}
)
DROPOUT = {"noise": "dropout", "rate": 0.5, "feature_probability": 0.3, "seed": 3}
(TOY,) = ToyModels().complete(
    [{"n_features": 9, "n_hidden": 4, "importance_decay": 0.8, **DROPOUT}]
)
(SMALL,) = BestOfStarts().complete(
    [{"n_features": 2, "n_hidden": 1, "importance": (1.0, 0.6), "starts": 3, **DROPOUT}]
)


def made(row, *, starts=3):
    """Arrays of every name that a measure reads, from a stream of their own."""
    draws = stream(0, "measure fingerprints")
    m, n = row["n_hidden"], row["n_features"]
    W = 0.7 * draws.standard_normal((starts, m, n))
    W[0, :, ::4] *= 0.01  # lost to dropout
    b = -0.1 * draws.random((starts, n))
    steps = np.linspace(0, row["steps"], 11).round().astype(int)
    loss = 0.02 + 0.1 * 0.5 ** np.arange(11.0)
    kept = np.array([int(np.ceil(0.9 * row["steps"])), row["steps"]])
    return Artifact(
        {
            "W": W[0],
            "b": b[0],
            "loss": loss,
            "loss_step": steps,
            "W_without_dropout": W[1],
            "loss_without_dropout": loss**1.1,
            "W_of_starts": W,
            "b_of_starts": b,
            "expected_loss_of_starts": draws.uniform(0.05, 0.1, starts),
            "checkpoint_step": kept,
            "W_history": W[:2][::-1],
            "b_history": b[:2][::-1],
            **scanned(),
        }
    )


def scanned():
    """What a hook point leaves: tokens with a heavy unit, as they are and rotated."""
    draws = stream(0, "scan fingerprints")
    tokens = draws.standard_normal((60, 6)) * [1.0, 1.0, 2.0, 0.5, 1.0, 1.0] + 0.3
    tokens[::20, 2] *= 9.0
    groups = {"rest": tokens, "first": 3.0 * tokens[:5], "sample": tokens[:30]}
    for k, rotation in enumerate(random_rotations(6, count=2, generator=draws)):
        groups[f"rotated_{k}"] = tokens[:30] @ rotation.T
    arrays = {}
    for name, vectors in groups.items():
        arrays |= moments.to_arrays(moments.summarise(vectors), name)
    return arrays


OF_TOYS = (TRAINING, ROTATION_GAP, VECTOR_KURTOSIS)
OF_STUDIES = (SURVIVAL, KEPT, PREDICTION, MEAN_SHARE)
CASES = {
    measure.name: (measure, TOY) for measure in (*MEASURES, *OF_TOYS, *OF_STUDIES, SCAN)
} | {PHASE.name: (PHASE, SMALL)}


def label(measure):
    return f"{measure.name}, version {measure.version}"


def numbers(name):
    measure, row = CASES[name]
    return {k: float(v) for k, v in measure(made(row), row).items()}


@pytest.mark.parametrize("name", CASES)
def test_fixed_arrays_keep_their_numbers(name):
    recorded = json.loads(RECORD.read_text())
    measure, _ = CASES[name]
    assert label(measure) in recorded, "record it: see the docstring of this file"
    expected = recorded[label(measure)]
    found = numbers(name)
    assert set(found) == set(expected)
    for number, value in found.items():
        assert value == pytest.approx(
            expected[number], rel=1e-8, abs=1e-9, nan_ok=True
        ), number


def test_every_measure_of_toy_models_has_its_case():
    used = {measure.name for measure in (*MEASURES, SCAN)}
    for study in map(study_named, names()):
        if "n_hidden" in {factor.name for factor in study.subject.factors}:
            used |= {measure.name for measure in study.measures}
    trained_here = {"effective_features"}  # in float32, so no eight digits are promised
    assert used == set(CASES) | trained_here


def test_most_numbers_of_a_case_are_defined():
    for name in CASES:
        found = np.array(list(numbers(name).values()))
        assert np.isfinite(found).mean() > 0.7, name


if __name__ == "__main__":
    found = {label(CASES[name][0]): numbers(name) for name in sorted(CASES)}
    RECORD.write_text(json.dumps(found, indent=1) + "\n")
