"""The optimisers of the plain model against PyTorch's and answers by hand."""

import numpy as np
import pytest
from reference_rows import a_step, one_row, torch_loss

from tegum.toys import model, reference
from tegum.toys.reference import Parameters

OPTIMISERS = [
    ("adamw", {"weight_decay": 0.1}),
    ("adamw", {}),
    ("adam", {"weight_decay": 0.1}),
    ("sgd", {"weight_decay": 0.1, "momentum": 0.9}),
    ("sgd", {"momentum": 0.0}),
]


@pytest.mark.parametrize(("optimiser", "settings"), OPTIMISERS, ids=str)
def test_updates_equal_those_of_pytorch(optimiser, settings):
    torch = pytest.importorskip("torch")
    row = one_row(optimiser=optimiser, learning_rate=0.01, steps=30, **settings)
    parameters, _, _ = a_step(row)
    W = torch.tensor(parameters.W, requires_grad=True)
    b = torch.tensor(parameters.b, requires_grad=True)
    theirs = {
        "adamw": lambda: torch.optim.AdamW(
            [W, b], lr=0.01, weight_decay=row["weight_decay"]
        ),
        "adam": lambda: torch.optim.Adam(
            [W, b], lr=0.01, weight_decay=row["weight_decay"]
        ),
        "sgd": lambda: torch.optim.SGD(
            [W, b], lr=0.01, momentum=row["momentum"], weight_decay=row["weight_decay"]
        ),
    }[optimiser]()
    memory = reference.fresh_optimiser(parameters)
    for inputs, noise in reference.minibatches(row):
        theirs.zero_grad()
        torch_loss(row, W, b, inputs, noise).backward()
        theirs.step()
        parameters, memory = reference.update(
            row,
            parameters,
            gradient=reference.gradients(row, parameters, inputs=inputs, noise=noise),
            optimiser=memory,
            learning_rate=0.01,
        )
    assert memory.steps == 30
    np.testing.assert_allclose(parameters.W, W.detach().numpy(), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(parameters.b, b.detach().numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
@pytest.mark.parametrize("output", ["relu", "linear"])
def test_a_rotated_optimiser_is_a_plain_one_on_a_rotated_model(optimiser, output):
    # Without noise the loss of QW is that of W and its gradient is Q times W's, so a
    # plain optimiser that starts from Q W_0 walks along Q times the rotated one's way.
    row = one_row(
        optimiser=optimiser, output=output, weight_decay=0.1, learning_rate=0.05,
        n_hidden=4, steps=40, optimiser_basis="rotated",
    )  # fmt: skip
    Q = model.optimiser_rotation(row).astype(np.float64)
    W = model.initial_weights(row).astype(np.float64)
    batches = list(reference.minibatches(row))
    turned = reference.replay(row, batches).arrays
    plain = reference.replay(
        row | {"optimiser_basis": "units"},
        batches,
        start=Parameters(Q @ W, np.zeros(7)),
    ).arrays
    # Q is rounded to float32, so that it is orthogonal to 1e-7.
    np.testing.assert_allclose(Q @ turned["W"], plain["W"], atol=1e-5)
    np.testing.assert_allclose(turned["b"], plain["b"], atol=1e-5)
    assert np.abs(turned["W"] - W).max() > 0.1


def test_a_rotated_optimiser_goes_another_way():
    rows = [one_row(optimiser_basis=basis) for basis in ("units", "rotated")]
    plain, turned = (reference.train(row).arrays["W"] for row in rows)
    assert np.abs(plain - turned).max() > 1e-3


def test_weight_decay_of_adamw_is_decoupled():
    # With no gradient AdamW multiplies by 1 - lr wd; Adam takes a full step of lr.
    parameters = Parameters(np.full((3, 7), 2.0), np.full(7, 2.0))
    zero = Parameters(np.zeros((3, 7)), np.zeros(7))
    after = {}
    for optimiser in ("adamw", "adam"):
        row = one_row(optimiser=optimiser, weight_decay=0.5)
        after[optimiser], _ = reference.update(
            row,
            parameters,
            gradient=zero,
            optimiser=reference.fresh_optimiser(parameters),
            learning_rate=0.1,
        )
    np.testing.assert_allclose(after["adamw"].W, 2.0 * 0.95, rtol=1e-15)
    np.testing.assert_allclose(after["adamw"].b, 2.0 * 0.95, rtol=1e-15)
    np.testing.assert_allclose(after["adam"].W, 1.9, rtol=1e-8)
