"""Fixed rows keep their bits: what is in a store stays what training would give.

If this fails, trained bits have changed. Then either that was not meant, or
`ToyModels.law` must be raised, which makes every stored row of the old law a row of
another subject; record the new bits with `python tests/laws/test_fingerprints.py`.
Another compiler may round otherwise too: bits are promised on one machine and build.
"""

import json
import platform
from pathlib import Path

import pytest

from tegum.design import grid
from tegum.store import artifact_digest
from tegum.toys import ToyModels, engine

RECORD = Path(__file__).parent / "fingerprints.json"
SUBJECT = ToyModels()
COMMON = {"batch_size": 96, "steps": 25}
ROWS = SUBJECT.complete(
    grid(
        **COMMON,
        n_features=7,
        n_hidden=3,
        feature_probability=0.3,
        noise="dropout",
        rate=[0.0, 0.4],
        optimiser=["adamw", "adam", "sgd"],
        weight_decay=0.01,
        seed=3,
    )
    | grid(
        **COMMON,
        n_features=20,
        n_hidden=5,
        feature_probability=[1.0, 0.01],
        importance_decay=0.8,
        schedule="cosine",
        seed=5,
    )
    | grid(
        **COMMON,
        n_features=33,
        n_hidden=9,
        feature_probability=0.05,
        noise=["gaussian_multiplicative", "gaussian_additive_matched"],
        rate=0.3,
        hidden_l1=0.01,
        seed=7,
    )
    | grid(
        **COMMON,
        n_features=20,
        n_hidden=5,
        feature_probability=0.2,
        noise="gaussian_additive",
        noise_std=0.2,
        output=["relu", "linear"],
        seed=11,
    )
    | grid(
        **COMMON,
        n_features=8,
        n_hidden=3,
        feature_probability=[0.1, 0.5],
        decoder=["tied", "untied"],
        hidden_activation=["linear", "relu"],
        target="absolute",
        feature_values="signed_uniform",
        noise="dropout",
        rate=0.3,
        seed=13,
    )
    | grid(
        **COMMON,
        n_features=12,
        n_hidden=5,
        feature_probability=0.25,
        activity=["correlated", "anticorrelated"],
        group_size=4,
        feature_values=["uniform", "signed_uniform"],
        bias="none",
        seed=17,
    )
    | grid(
        **COMMON,
        n_features=12,
        n_hidden=5,
        feature_probability=0.25,
        activity="exactly_k",
        decoder=["tied", "untied"],
        optimiser_basis="rotated",
        initial_law="uniform",
        initial_std=0.2,
        seed=19,
    )
    | grid(
        **COMMON,
        n_features=20,
        n_hidden=5,
        feature_probability=0.05,
        feature_values="signed_uniform",
        noise="dropout",
        rate=[0.0, 0.3],
        bias=["learned", "none"],
        seed=23,
    )
)


def fingerprints(instruction_set):
    """The digest of every fixed row, in order."""
    artifacts = engine.train(
        ROWS,
        workers=2,
        progress=lambda share: None,
        stop=lambda: False,
        instruction_set=instruction_set,
    )
    return [artifact_digest(artifact) for artifact in artifacts]


def place(instruction_set):
    return f"law {SUBJECT.law}, {platform.machine()}, {instruction_set}"


@pytest.mark.parametrize("instruction_set", engine.available_instruction_sets())
def test_fixed_rows_keep_their_bits(instruction_set):
    recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if place(instruction_set) not in recorded:
        pytest.skip(
            f"no bits are recorded for {place(instruction_set)}; record them with "
            "`python tests/laws/test_fingerprints.py`"
        )
    assert fingerprints(instruction_set) == recorded[place(instruction_set)]


def test_every_fixed_row_has_bits_of_its_own():
    found = fingerprints(engine.instruction_set())
    assert len(ROWS) == 30
    assert len(set(found)) == 30


if __name__ == "__main__":
    before = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    now = {place(s): fingerprints(s) for s in engine.available_instruction_sets()}
    RECORD.write_text(json.dumps(before | now, indent=1) + "\n")
