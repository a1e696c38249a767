"""Rows for the engine's tests."""

from tegum.design import complete, grid
from tegum.toys import engine, model

QUIET = {"progress": lambda share: None, "stop": lambda: False}


def rows_of(**factors):
    factors = {"seed": 0, "steps": 10, "batch_size": 256} | factors
    if "seeds" in factors:
        del factors["seed"]
    return complete(grid(**factors), model.FACTORS)


def row_of(**factors):
    (row,) = rows_of(**factors)
    return row


def train(rows, *, workers=1, instruction_set=""):
    return engine.train(rows, workers=workers, instruction_set=instruction_set, **QUIET)


def bits(artifact):
    return artifact.status, {
        name: array.tobytes() for name, array in artifact.arrays.items()
    }
