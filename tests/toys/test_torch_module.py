"""Modules out: what they compute, their hooks, their gradients."""

import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from variants import COMBINATIONS, VARIANTS

from tegum.arrays import Artifact
from tegum.design import complete, grid
from tegum.toys import model, reference
from tegum.toys.factors import NEUTRAL
from tegum.toys.interchange import HOOK_NAMES, from_weights, to_torch
from tegum.toys.reference import Parameters
from tegum.toys.torch_module import module_class

torch = pytest.importorskip("torch")

W = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])
B = np.array([0.1, 0.2, 0.3])
HERE = {"orientation": "hidden_feature", "feature_probability": 0.1}


def artifacts(brought):
    rows = brought.complete(brought.design)
    return brought.train(
        rows, workers=1, progress=lambda share: None, stop=lambda: False
    )


NOISES = {
    "none": {},
    "dropout": {"rate": 0.4},
    "gaussian_multiplicative": {"rate": 0.4},
    "gaussian_additive": {"noise_std": 0.3},
    "gaussian_additive_matched": {"rate": 0.4},
}


@pytest.mark.parametrize("output", model.OUTPUTS)
@pytest.mark.parametrize("noise", model.NOISES)
def test_the_module_computes_what_the_reference_does(noise, output):
    row = NEUTRAL | {"noise": noise, "output": output, **NOISES[noise]}
    module = to_torch(W, B, row=row)
    inputs = np.random.default_rng(0).random((50, 3))
    layers = reference.forward(row, Parameters(W, B), inputs=inputs)
    result, cache = module.run_with_cache(torch.tensor(inputs))
    expected = {
        "hook_input": inputs,
        "hook_hidden": layers.hidden,
        "hook_hidden_noised": layers.hidden,
        "hook_pre": layers.before_output,
        "hook_output": layers.output,
    }
    assert list(cache) == list(HOOK_NAMES)
    for name, activation in expected.items():
        np.testing.assert_allclose(cache[name].numpy(), activation, rtol=1e-13)
    np.testing.assert_allclose(result.detach().numpy(), layers.output, rtol=1e-13)


@pytest.mark.parametrize("name", [*VARIANTS, *COMBINATIONS])
def test_the_module_and_its_gradient_are_those_of_every_variant(name):
    row = complete(
        grid(
            **{"n_features": 6, "n_hidden": 3, "feature_probability": 0.5, "seed": 0}
            | (VARIANTS | COMBINATIONS)[name]
        ),
        model.FACTORS,
    )[0]
    generator = np.random.default_rng(0)
    weights = Parameters(
        W=generator.normal(size=(3, 6)),
        b=generator.normal(size=6) * (row["bias"] == "learned"),
        W_decoder=(
            generator.normal(size=(3, 6)) if row["decoder"] == "untied" else None
        ),
    )
    inputs = reference.sample_inputs(row, generator, count=50)
    layers = reference.forward(row, weights, inputs=inputs)
    module = to_torch(weights.W, weights.b, W_decoder=weights.W_decoder, row=row)
    output, cache = module.run_with_cache(torch.tensor(inputs))
    close = {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(cache["hook_hidden"].numpy(), layers.hidden, **close)
    np.testing.assert_allclose(output.detach().numpy(), layers.output, **close)
    goal = torch.tensor(reference.target(row, inputs))
    ((goal - module(torch.tensor(inputs))) ** 2).mean().backward()
    gradient = reference.gradients(row, weights, inputs=inputs)
    found = dict(module.named_parameters())
    assert ("W_decoder" in found) == (row["decoder"] == "untied")
    for parameter, tensor in found.items():
        if parameter == "b" and row["bias"] == "none":
            assert tensor.grad is None
            continue
        np.testing.assert_allclose(
            tensor.grad.numpy(), getattr(gradient, parameter), **close
        )


def test_an_untied_stack_runs_as_its_models_do_alone():
    generator = np.random.default_rng(0)
    stack, decoders = generator.normal(size=(2, 4, 2, 3))
    biases = generator.normal(size=(4, 3))
    row, inputs = {"decoder": "untied"}, torch.rand(4, 10, 3, dtype=torch.float64)
    both = to_torch(stack, biases, W_decoder=decoders, row=row)(inputs)
    for i in range(4):
        alone = to_torch(stack[i], biases[i], W_decoder=decoders[i], row=row)
        torch.testing.assert_close(both[i], alone(inputs[i]))


@pytest.mark.parametrize("noise", [n for n in model.NOISES if n != "none"])
def test_in_training_the_module_has_the_noise_of_the_reference(noise):
    factors = {"noise": noise, **NOISES[noise]}
    module = to_torch(W, B, row=factors).train()
    inputs = np.random.default_rng(0).random((20_000, 3))
    torch.manual_seed(0)
    _, cache = module.run_with_cache(torch.tensor(inputs))
    theirs = (cache["hook_hidden_noised"] - cache["hook_hidden"]).numpy()
    row = complete(
        grid(n_features=3, n_hidden=2, feature_probability=0.1, seed=0, **factors),
        model.FACTORS,
    )[0]
    drawn = reference.sample_noise(row, np.random.default_rng(1), count=20_000)
    layers = reference.forward(row, Parameters(W, B), inputs=inputs, noise=drawn)
    ours = layers.noised - layers.hidden
    np.testing.assert_allclose(theirs.mean(axis=0), 0.0, atol=0.03)
    np.testing.assert_allclose(theirs.std(axis=0), ours.std(axis=0), rtol=0.03)
    assert ((theirs == -layers.hidden).mean() > 0.3) == (noise == "dropout")


def test_without_noise_training_mode_changes_nothing():
    module = to_torch(W, B, row={})
    inputs = torch.rand(10, 3, dtype=torch.float64)
    assert torch.equal(module(inputs), module.train()(inputs))


def test_a_hook_replaces_an_activation_for_one_call():
    module = to_torch(W, B, row={"output": "linear"})
    inputs = torch.rand(4, 3, dtype=torch.float64)
    silenced = module.run_with_hooks(
        inputs, fwd_hooks=[("hook_hidden_noised", lambda h, hook: torch.zeros_like(h))]
    )
    np.testing.assert_allclose(silenced.detach().numpy(), np.tile(B, (4, 1)))
    assert not torch.allclose(module(inputs), silenced)
    assert all(not getattr(module, name)._forward_hooks for name in HOOK_NAMES)


def test_hooks_are_removed_when_one_raises():
    module = to_torch(W, B, row={})
    with pytest.raises(ZeroDivisionError):
        module.run_with_hooks(
            torch.rand(4, 3, dtype=torch.float64),
            fwd_hooks=[("hook_pre", lambda a, hook: 1 / 0)],
        )
    assert not module.hook_pre._forward_hooks


def test_an_unknown_hook_point_is_named():
    with pytest.raises(ValueError, match="'hook_mid'; there are hook_input"):
        to_torch(W, row={}).run_with_cache(torch.rand(2, 3), names_filter=["hook_mid"])


def test_ordinary_forward_hooks_work_too():
    module = to_torch(W, B, row={})
    seen = []
    handle = module.hook_hidden.register_forward_hook(
        lambda point, inputs, output: seen.append((point.name, output.shape))
    )
    module(torch.rand(6, 3, dtype=torch.float64))
    handle.remove()
    assert seen == [("hook_hidden", (6, 2))]


def test_a_stack_runs_as_its_models_do_alone():
    stack, biases = np.stack([W, -2 * W]), np.stack([B, 2 * B])
    inputs = torch.rand(5, 3, dtype=torch.float64)
    both = to_torch(stack, biases, row={})(inputs)
    assert both.shape == (2, 5, 3)
    for i in range(2):
        alone = to_torch(stack[i], biases[i], row={})(inputs)
        assert torch.allclose(both[i], alone, rtol=1e-14)


@given(
    hidden=st.integers(1, 6),
    features=st.integers(1, 6),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=30, deadline=None)
def test_a_round_trip_keeps_every_bit(hidden, features, dtype, seed):
    generator = np.random.default_rng(seed)
    artifact = Artifact(
        {
            "W": generator.normal(size=(hidden, features)).astype(dtype),
            "b": generator.normal(size=features).astype(dtype),
        }
    )
    module = to_torch(artifact, row={})
    (back,) = artifacts(from_weights(module.W, module.b, **HERE))
    for name in ("W", "b"):
        assert back.arrays[name].dtype == dtype
        assert back.arrays[name].tobytes() == artifact.arrays[name].tobytes()


def test_the_gradient_of_the_module_is_that_of_the_reference():
    row = complete(
        grid(n_features=3, n_hidden=2, feature_probability=0.5, seed=0), model.FACTORS
    )[0]
    module = to_torch(W, B, row=row)
    inputs = np.random.default_rng(0).random((40, 3))
    x = torch.tensor(inputs)
    ((x - module(x)) ** 2).mean().backward()
    gradient = reference.gradients(row, Parameters(W, B), inputs=inputs)
    np.testing.assert_allclose(module.W.grad.numpy(), gradient.W, rtol=1e-12)
    np.testing.assert_allclose(module.b.grad.numpy(), gradient.b, rtol=1e-12)


def test_low_precision_tensors_are_brought_in():
    half = torch.tensor(W, dtype=torch.bfloat16)
    (artifact,) = artifacts(from_weights(half, **HERE))
    assert artifact.arrays["W"].dtype == np.float32
    np.testing.assert_array_equal(artifact.arrays["W"], W)


@pytest.mark.parametrize(
    ("arguments", "row", "text"),
    [
        ((W * np.nan, B), {}, "`W` is nan"),
        ((W, np.zeros(2)), {}, "`b` has the shape (2,)"),
        ((W,), {"noise": "dropout", "rate": 1.0}, "`rate` is 1.0"),
        ((W,), {"output": "gelu"}, "`output` is 'gelu'"),
        ((Artifact({"W": W, "b": B}), B), {}, "leave `b` out"),
        ((W, B), {"decoder": "untied"}, "`W_decoder` is not given"),
        ((W, B), {"bias": "none"}, "`b` is not 0"),
        ((Artifact({"W": W, "b": B, "W_decoder": W}),), {}, "a tied model has none"),
    ],
    ids=str,
)
def test_what_no_module_can_be_made_of_is_refused(arguments, row, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        to_torch(*arguments, row=row)


def test_without_pytorch_the_remedy_is_named(monkeypatch):
    module_class.cache_clear()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModuleNotFoundError, match=r"tegum\[torch\]"):
        to_torch(W, row={})
