"""The plain model against finite differences, PyTorch and answers by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_rows import a_step, one_row, torch_loss

from tegum.arrays import stream
from tegum.toys import model, reference
from tegum.toys.factors import BIASES, DECODERS, HIDDEN_ACTIVATIONS
from tegum.toys.reference import Parameters

NOISE_SETTINGS = {
    "none": {},
    "dropout": {"rate": 0.3},
    "gaussian_multiplicative": {"rate": 0.3},
    "gaussian_additive": {"noise_std": 0.2},
    "gaussian_additive_matched": {"rate": 0.3},
}
ABSOLUTE = {"target": "absolute", "feature_values": "signed_uniform"}
VARIANTS = [
    *[
        {"noise": noise, "output": output, "hidden_l1": hidden_l1, **settings}
        for noise, settings in NOISE_SETTINGS.items()
        for output in model.OUTPUTS
        for hidden_l1 in (0.0, 0.03)
    ],
    *[
        {"decoder": decoder, "hidden_activation": activation, "bias": bias, **values}
        for decoder in DECODERS
        for activation in HIDDEN_ACTIVATIONS
        for bias in BIASES
        for values in ({}, ABSOLUTE)
    ],
    *[
        {"decoder": "untied", "hidden_activation": "relu", "hidden_l1": 0.03}
        | {"noise": noise, **ABSOLUTE, **settings}
        for noise, settings in NOISE_SETTINGS.items()
    ],
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_loss_and_gradient_equal_autograd(variant):
    torch = pytest.importorskip("torch")
    row = one_row(**variant)
    parameters, inputs, noise = a_step(row)
    W = torch.tensor(parameters.W, requires_grad=True)
    b = torch.tensor(parameters.b, requires_grad=row["bias"] == "learned")
    V = None
    if row["decoder"] == "untied":
        V = torch.tensor(parameters.W_decoder, requires_grad=True)
    value = torch_loss(row, W, b, inputs, noise, V)
    value.backward()
    assert reference.loss(row, parameters, inputs=inputs, noise=noise) == pytest.approx(
        value.item(), rel=1e-13
    )
    gradient = reference.gradients(row, parameters, inputs=inputs, noise=noise)
    np.testing.assert_allclose(gradient.W, W.grad.numpy(), rtol=1e-12, atol=1e-15)
    bias = np.zeros(b.shape) if b.grad is None else b.grad.numpy()
    np.testing.assert_allclose(gradient.b, bias, rtol=1e-12, atol=1e-15)
    assert (gradient.W_decoder is None) == (V is None)
    if V is not None:
        np.testing.assert_allclose(
            gradient.W_decoder, V.grad.numpy(), rtol=1e-12, atol=1e-15
        )


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_gradient_equals_finite_differences(variant):
    row = one_row(**variant)
    parameters, inputs, noise = a_step(row)
    gradient = reference.gradients(row, parameters, inputs=inputs, noise=noise)
    if row["noise"] == "gaussian_additive_matched":
        # The scale is constant in the gradient: freeze the summand at this point.
        layers = reference.forward(row, parameters, inputs=inputs, noise=noise)
        noise = layers.noised - layers.hidden
        row = row | {"noise": "gaussian_additive", "noise_std": 1.0, "rate": 0.0}
    parts = [parameters.W, parameters.b, parameters.W_decoder]
    parts = [part for part in parts if part is not None]
    flat = np.concatenate([part.ravel() for part in parts])
    ends = np.cumsum([part.size for part in parts])[:-1]

    def value(at):
        pieces = zip(np.split(at, ends), parts, strict=True)
        moved = Parameters(*[piece.reshape(part.shape) for piece, part in pieces])
        return reference.loss(row, moved, inputs=inputs, noise=noise)

    numeric = np.empty_like(flat)
    for i in range(flat.size):
        step = np.zeros_like(flat)
        step[i] = 1e-6
        numeric[i] = (value(flat + step) - value(flat - step)) / 2e-6
    if row["bias"] == "none":
        numeric[ends[0] : ends[0] + parameters.b.size] = 0.0
    found = [gradient.W, gradient.b, gradient.W_decoder]
    exact = np.concatenate([part.ravel() for part in found if part is not None])
    np.testing.assert_allclose(exact, numeric, atol=2e-8 * np.abs(exact).max() + 1e-9)


def test_the_scale_of_matched_noise_is_not_differentiated():
    row = one_row(noise="gaussian_additive_matched", rate=0.5)
    parameters, inputs, noise = a_step(row)
    gradient = reference.gradients(row, parameters, inputs=inputs, noise=noise)
    step = np.zeros_like(parameters.W)
    step[0, 0] = 1e-6
    up, down = (
        reference.loss(
            row, Parameters(parameters.W + s, parameters.b), inputs=inputs, noise=noise
        )
        for s in (step, -step)
    )
    assert (up - down) / 2e-6 != pytest.approx(gradient.W[0, 0], rel=1e-3)


def test_one_feature_by_hand():
    # n = m = 1, W = 2, b = -1, x = 0.5, factor 2: h = 1, noised 2, y = relu(4 - 1) = 3;
    # loss (0.5 - 3)^2 = 6.25; delta = 2 (3 - 0.5) = 5; db = 5;
    # dW = noised delta + e x = 2 * 5 + (2 * 5 * 2) * 0.5 = 20.
    row = one_row(
        n_features=1,
        n_hidden=1,
        noise="dropout",
        rate=0.5,
        batch_size=1,
        importance=(1,),
    )
    parameters = Parameters(np.array([[2.0]]), np.array([-1.0]))
    step = {"inputs": np.array([[0.5]]), "noise": np.array([[2.0]])}
    assert reference.loss(row, parameters, **step) == 6.25
    gradient = reference.gradients(row, parameters, **step)
    assert gradient.W.item() == 20.0
    assert gradient.b.item() == 5.0


def test_one_absolute_value_by_hand():
    # W = -2, V = 3, b = -1, x = -0.5: h = relu(1) = 1, y = relu(3 - 1) = 2; the target
    # is 0.5, the loss 1.5^2 = 2.25; delta = 2 * 1.5 = 3; db = 3; dV = h delta = 3;
    # dW = V delta x = 3 * 3 * -0.5 = -4.5. At x = 0.5 h is 0, and only b learns.
    row = one_row(
        n_features=1,
        n_hidden=1,
        decoder="untied",
        hidden_activation="relu",
        batch_size=1,
        importance=(1,),
        **ABSOLUTE,
    )
    parameters = Parameters(np.array([[-2.0]]), np.array([-1.0]), np.array([[3.0]]))
    below, above = np.array([[-0.5]]), np.array([[0.5]])
    assert reference.loss(row, parameters, inputs=below) == 2.25
    gradient = reference.gradients(row, parameters, inputs=below)
    found = gradient.W.item(), gradient.b.item(), gradient.W_decoder.item()
    assert found == (-4.5, 3.0, 3.0)
    # y = relu(-1) = 0 there.
    assert reference.loss(row, parameters, inputs=above) == 0.25
    still = reference.gradients(row, parameters, inputs=above)
    assert (still.W.item(), still.b.item(), still.W_decoder.item()) == (0.0, 0.0, 0.0)


def test_an_untied_model_whose_decoder_is_its_encoder_is_the_tied_model():
    tied, untied = one_row(), one_row(decoder="untied")
    parameters, inputs, _ = a_step(tied)
    twin = Parameters(parameters.W, parameters.b, parameters.W.copy())
    both = (tied, parameters), (untied, twin)
    losses = [reference.loss(row, at, inputs=inputs) for row, at in both]
    assert losses[0] == losses[1]
    whole, split = (reference.gradients(row, at, inputs=inputs) for row, at in both)
    np.testing.assert_allclose(whole.W, split.W + split.W_decoder, rtol=1e-12)


def test_loss_averages_over_features_and_weighs_by_importance():
    # W = 0, b = 0, x = 1: every error is 1, so the loss is the mean importance.
    row = one_row(n_features=3, importance=(1, 0, 5))
    zero = Parameters(np.zeros((3, 3)), np.zeros(3))
    assert reference.loss(row, zero, inputs=np.ones((4, 3))) == 2.0


def test_a_clean_pass_has_no_noise():
    row = one_row(noise="dropout", rate=0.5)
    parameters, inputs, _ = a_step(row)
    layers = reference.forward(row, parameters, inputs=inputs)
    assert layers.noised is layers.hidden


def test_noise_for_a_row_without_noise_is_refused():
    row = one_row()
    parameters, inputs, _ = a_step(row)
    with pytest.raises(ValueError, match="'none'; leave it out"):
        reference.forward(row, parameters, inputs=inputs, noise=np.ones((13, 3)))


def test_inputs_have_their_law():
    row = one_row(feature_probability=(0.05, 0.2, 0.5, 0.7, 0.9, 1.0, 0.01))
    inputs = reference.sample_inputs(row, stream(0, "data"), count=40_000)
    q = model.probabilities(row)
    active = (inputs > 0).mean(axis=0)
    assert (np.abs(active - q) <= 4.5 * np.sqrt(q * (1 - q) / 40_000) + 1e-12).all()
    values = np.sort(inputs[:, 5])
    assert np.abs(values - np.linspace(0, 1, 40_000)).max() < 1.95 / math.sqrt(40_000)
    assert inputs.max() < 1.0


@pytest.mark.parametrize("noise", ["dropout", "gaussian_multiplicative"])
def test_multiplicative_noise_has_mean_one_and_the_matched_variance(noise):
    row = one_row(noise=noise, rate=0.3, n_hidden=4)
    factors = reference.sample_noise(row, stream(0, "mask"), count=50_000)
    assert factors.mean() == pytest.approx(1.0, abs=0.01)
    assert factors.var() == pytest.approx(0.3 / 0.7, rel=0.02)


def test_matched_noise_adds_the_variance_of_the_multiplicative_noise():
    row = one_row(noise="gaussian_additive_matched", rate=0.4, batch_size=20_000)
    parameters, inputs, noise = a_step(row)
    layers = reference.forward(row, parameters, inputs=inputs, noise=noise)
    added = (layers.noised - layers.hidden).var()
    assert added == pytest.approx(0.4 / 0.6 * (layers.hidden**2).mean(), rel=0.02)


@given(
    rates=st.tuples(st.floats(0, 0.95), st.floats(0, 0.95)), seed=st.integers(0, 2**63)
)
@settings(max_examples=40, deadline=None)
def test_a_higher_rate_drops_a_superset(rates, seed):
    low, high = (
        reference.sample_noise(
            one_row(noise="dropout", rate=rate), stream(seed, "mask"), count=50
        )
        == 0
        for rate in sorted(rates)
    )
    assert (low <= high).all()


def test_rows_of_one_seed_see_the_same_inputs_whatever_the_noise():
    plain, dropped = one_row(), one_row(noise="dropout", rate=0.6, optimiser="sgd")
    for mine, other in zip(
        reference.minibatches(plain), reference.minibatches(dropped), strict=True
    ):
        assert (mine[0] == other[0]).all()


def test_an_artifact_holds_what_the_contract_names():
    row = one_row(weight_checkpoints=4)
    artifact = reference.train(row)
    arrays = artifact.arrays
    assert artifact.status == "trained"
    assert arrays["W"].shape == (3, 7)
    assert arrays["b"].shape == (7,)
    assert arrays["loss_step"].tolist() == model.loss_steps(20).tolist()
    assert np.isfinite(arrays["loss"]).all()
    assert arrays["checkpoint_step"].tolist() == [5, 10, 15, 20]
    assert (arrays["W_history"][-1] == arrays["W"]).all()
    assert (arrays["b_history"][-1] == arrays["b"]).all()


def test_the_first_loss_is_that_of_the_initial_weights():
    row = one_row()
    W = model.initial_weights(row).astype(np.float64)
    inputs = reference.sample_inputs(
        row, stream(0, "evaluation"), count=model.EVALUATION_EXAMPLES
    )
    start = reference.loss(row, Parameters(W, np.zeros(7)), inputs=inputs)
    assert reference.train(row).arrays["loss"][0] == start


def test_an_untied_artifact_has_its_decoder():
    row = one_row(decoder="untied", bias="none", weight_checkpoints=4)
    arrays = reference.train(row).arrays
    assert arrays["W_decoder"].shape == (3, 7)
    assert (arrays["W_decoder_history"][-1] == arrays["W_decoder"]).all()
    assert (arrays["W_decoder"] != arrays["W"]).any()
    assert (arrays["b"] == 0.0).all()


def test_training_is_repeatable_and_seeds_differ():
    rows = [one_row(noise="dropout", rate=0.2, seed=seed) for seed in (3, 3, 4)]
    first, again, other = (reference.train(row).arrays["W"] for row in rows)
    assert (first == again).all()
    assert (first != other).all()


def test_replay_of_its_own_minibatches_is_training():
    row = one_row(noise="gaussian_multiplicative", rate=0.2)
    replayed = reference.replay(row, list(reference.minibatches(row)))
    assert (replayed.arrays["W"] == reference.train(row).arrays["W"]).all()


def test_a_replay_that_ends_early_leaves_what_it_did_not_reach_undefined():
    row = one_row(weight_checkpoints=2)
    short = reference.replay(row, list(reference.minibatches(row))[:10]).arrays
    reached = short["loss_step"] <= 10
    assert np.isfinite(short["loss"][reached]).all()
    assert np.isnan(short["loss"][~reached]).all()
    assert np.isfinite(short["W_history"][0]).all()
    assert np.isnan(short["W_history"][1]).all()


def test_a_row_that_diverges_is_kept_and_says_when():
    row = one_row(output="linear", optimiser="sgd", learning_rate=1e6, steps=400)
    artifact = reference.train(row)
    assert artifact.status == "diverged"
    step = artifact.diverged_at_step
    assert 1 <= step < 400
    loss_step, losses = artifact.arrays["loss_step"], artifact.arrays["loss"]
    assert np.isnan(losses[loss_step >= step]).all()


def test_the_schedule_moves_the_step_size():
    # SGD without momentum on one batch: the first step is lr_0 times the gradient, and
    # under a linear schedule over two steps the second is half as large.
    row = one_row(
        optimiser="sgd", momentum=0.0, learning_rate=0.1, schedule="linear", steps=2
    )
    parameters, inputs, _ = a_step(row)
    batches = [(inputs, None)] * 2
    after_one = reference.replay(row, batches[:1], start=parameters).arrays["W"]
    after_two = reference.replay(row, batches, start=parameters).arrays
    first = reference.gradients(row, parameters, inputs=inputs)
    np.testing.assert_allclose(after_one, parameters.W - 0.1 * first.W, rtol=1e-14)
    middle = Parameters(after_one, parameters.b - 0.1 * first.b)
    second = reference.gradients(row, middle, inputs=inputs)
    np.testing.assert_allclose(after_two["W"], after_one - 0.05 * second.W, rtol=1e-13)
