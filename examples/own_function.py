"""A subject of your own: any function from a row to arrays, in NumPy or torch.

Here it is the best linear autoencoder, in closed form: it keeps the m most important
features and packs nothing. Run it with `tegum run examples/own_function.py`.
"""

import numpy as np

from tegum import GEOMETRY, Claim, FunctionSubject, Part, Study, between, grid, level
from tegum.arrays import stream


def best_linear(row):
    """The m most important features, each with a unit direction, in a random basis."""
    m, n = row["n_hidden"], row["n_features"]
    rotation, _ = np.linalg.qr(stream(row["seed"], "rotation").standard_normal((m, m)))
    return {"W": rotation @ np.eye(m, n), "b": np.zeros(n)}


STUDY = Study(
    name="best-linear",
    question="Does a linear autoencoder ever superpose features?",
    subject=FunctionSubject("best-linear", best_linear),
    designs={"demo": grid(n_features=8, n_hidden=[2, 3], seeds=12)},
    measures=[GEOMETRY],
    claims=[
        Claim(
            "no-interference",
            "Its features do not interfere.",
            [
                Part(
                    level("total_interference", where={"n_hidden": [2, 3]}),
                    between(-0.001, 0.001),
                )
            ],
            reason="A thousandth of one squared unit dot product.",
            source="Elhage et al. 2022: the linear model learns the top m features.",
        )
    ],
    alpha=0.05,
)
