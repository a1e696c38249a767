"""Rows, steps and a second writing of the loss for the tests of the reference."""

import numpy as np
import pytest

from tegum.design import complete, grid
from tegum.toys import model, reference
from tegum.toys.reference import Parameters


def one_row(**factors):
    """A completed row of a small odd-sized model, unless told otherwise."""
    small = {
        "n_features": 7,
        "n_hidden": 3,
        "feature_probability": 0.4,
        "importance_decay": 0.8,
        "batch_size": 13,
        "steps": 20,
        "seed": 0,
    }
    if "importance" in factors:
        del small["importance_decay"]
    return complete(grid(**(small | factors)), model.FACTORS)[0]


def a_step(row, seed=1):
    """Parameters with a bias, inputs and noise for one step of a row."""
    generator = np.random.default_rng(seed)
    n, m = row["n_features"], row["n_hidden"]
    parameters = Parameters(
        generator.normal(size=(m, n)) * 0.6, generator.normal(size=n) * 0.2
    )
    if row["decoder"] == "untied":
        V = generator.normal(size=(m, n)) * 0.6
        parameters = Parameters(parameters.W, parameters.b, V)
    count = row["batch_size"]
    inputs = reference.sample_inputs(row, generator, count=count)
    noise = reference.sample_noise(row, generator, count=count)
    return parameters, inputs, noise


def torch_loss(row, W, b, inputs, noise, V=None):
    """The loss written a second time, in PyTorch, without the reference."""
    torch = pytest.importorskip("torch")
    x = torch.tensor(inputs)
    hidden = torch.einsum("bi,ki->bk", x, W)
    if row["hidden_activation"] == "relu":
        hidden = torch.relu(hidden)
    noised = hidden
    if noise is not None:
        z = torch.tensor(noise)
        variance = row["rate"] / (1 - row["rate"])
        noised = {
            "dropout": lambda: hidden * z,
            "gaussian_multiplicative": lambda: hidden * z,
            "gaussian_additive": lambda: hidden + row["noise_std"] * z,
            "gaussian_additive_matched": lambda: (
                hidden + z * torch.sqrt(variance * hidden.detach().square().mean())
            ),
        }[row["noise"]]()
    y = torch.einsum("bk,ki->bi", noised, W if V is None else V) + b
    if row["output"] == "relu":
        y = torch.relu(y)
    weights = torch.tensor(model.importances(row))
    penalty = hidden.abs().sum(1).mean()
    goal = x.abs() if row["target"] == "absolute" else x
    return (weights * (goal - y) ** 2).mean() + row["hidden_l1"] * penalty
