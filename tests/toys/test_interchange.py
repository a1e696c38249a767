"""Weights in, modules out, and back again."""

import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from variants import COMBINATIONS, VARIANTS

from tegum.arrays import Artifact
from tegum.claims import Claim, Part, below, paired_ratio
from tegum.design import complete, grid
from tegum.execution import execute, judge
from tegum.measures.geometry import GEOMETRY
from tegum.store import Store
from tegum.study import Study
from tegum.toys import model, reference
from tegum.toys.factors import NEUTRAL
from tegum.toys.interchange import HOOK_NAMES, _oriented, from_weights, to_torch
from tegum.toys.reference import Parameters
from tegum.toys.torch_module import module_class

W = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])
B = np.array([0.1, 0.2, 0.3])
HERE = {"orientation": "hidden_feature", "feature_probability": 0.1}


def artifacts(brought):
    rows = brought.complete(brought.design)
    return brought.train(
        rows, workers=1, progress=lambda share: None, stop=lambda: False
    )


def bits(brought):
    return [artifact.arrays["W"].tobytes() for artifact in artifacts(brought)]


def test_one_model_becomes_one_row():
    brought = from_weights(W, B, **HERE)
    (row,) = brought.complete(brought.design)
    assert (row["n_hidden"], row["n_features"], row["seed"]) == (2, 3, 0)
    assert row["feature_probability"] == 0.1
    assert row["learning_rate"] is None
    (artifact,) = artifacts(brought)
    assert artifact.status == "trained"
    np.testing.assert_array_equal(artifact.arrays["W"], W)
    np.testing.assert_array_equal(artifact.arrays["b"], B)


def test_orientation_is_stated_and_both_give_the_same_key():
    one = from_weights(W, B, **HERE)
    other = from_weights(W.T, B, orientation="feature_hidden", feature_probability=0.1)
    assert one.design.rows == other.design.rows
    assert one.input_digests == other.input_digests
    assert bits(one) == bits(other)


def test_a_square_matrix_is_not_guessed():
    square = np.array([[1.0, 2.0], [3.0, 4.0]])
    one = from_weights(square, **HERE)
    other = from_weights(square, orientation="feature_hidden", feature_probability=0.1)
    np.testing.assert_array_equal(
        artifacts(one)[0].arrays["W"], artifacts(other)[0].arrays["W"].T
    )
    assert one.input_digests != other.input_digests


def test_an_orientation_that_is_none_is_refused():
    # Through the private function: types are enforced in tests at the public one.
    with pytest.raises(ValueError, match="`orientation` is 'guess'; it must be one of"):
        _oriented(W, orientation="guess")


def test_a_stack_becomes_rows_with_factors_of_their_own():
    stack = np.stack([W, 2 * W, 3 * W, 4 * W])
    brought = from_weights(
        stack,
        np.zeros((4, 3)),
        **HERE,
        noise="dropout",
        rate=[0.0, 0.5, 0.0, 0.5],
        seed=[7, 7, 8, 8],
        importance=(1.0, 0.5, 0.25),
    )
    assert [row["rate"] for row in brought.design] == [0.0, 0.5, 0.0, 0.5]
    assert [row["seed"] for row in brought.design] == [7, 7, 8, 8]
    assert brought.design.levels("importance") == ((1.0, 0.5, 0.25),)
    np.testing.assert_array_equal(artifacts(brought)[2].arrays["W"], 3 * W)


def test_seeds_of_a_stack_count_from_zero():
    assert from_weights(np.stack([W] * 3), **HERE).design.levels("seed") == (0, 1, 2)


def test_the_key_follows_the_numbers_bias_and_type_alone():
    def digest(*arrays):
        return from_weights(*arrays, **HERE).input_digests["weights"]

    assert digest(W, B) == digest(W.copy(order="F"), B)
    assert digest(W) == digest(W, np.zeros(3))
    different = [
        digest(W, B),
        digest(W),
        digest(W.astype(np.float32), B.astype(np.float32)),
        digest(np.nextafter(W, 2.0), B),
        digest(-W, B),
    ]
    assert len(set(different)) == 5
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in different)


def test_rows_come_out_the_same_in_any_company_and_order():
    stack = np.stack([W, 2 * W, 3 * W])
    together = from_weights(stack, **HERE)
    alone = [from_weights(one, **HERE, seed=i) for i, one in enumerate(stack)]
    rows = together.complete(together.design)
    backwards = together.train(
        rows[::-1], workers=2, progress=lambda share: None, stop=lambda: False
    )
    assert bits(together) == [bits(one)[0] for one in alone]
    assert bits(together) == [a.arrays["W"].tobytes() for a in backwards[::-1]]
    assert [a.design.rows[0] for a in alone] == list(together.design.rows)
    assert together.memory_bytes(rows[0]) == 9 * 8


def test_later_changes_of_the_callers_array_do_not_reach_in():
    mine = W.copy()
    brought = from_weights(mine, **HERE)
    mine[:] = 0.0
    np.testing.assert_array_equal(artifacts(brought)[0].arrays["W"], W)


def test_imported_weights_are_measured_as_trained_ones_are():
    # An antipodal pair on one unit: W_1 = 1, W_2 = -1, so W_1 . W_2 = -1 and the sum
    # of (W_i . W_j)^2 over the two ordered pairs is 2; sum |W_i|^4 = 2, the ratio 1.
    brought = from_weights(np.array([[1.0, -1.0]]), **HERE)
    (row,), (artifact,) = brought.complete(brought.design), artifacts(brought)
    numbers = GEOMETRY(artifact, row)
    assert numbers["total_interference"] == pytest.approx(2.0)
    assert numbers["relative_interference"] == pytest.approx(1.0)


BAD_WEIGHTS = [
    ((W[0],), {}, "`W` has the shape (3,)"),
    ((np.zeros((1, 1, 2, 2)),), {}, "`W` has the shape (1, 1, 2, 2)"),
    ((np.zeros((0, 3)),), {}, "not empty"),
    ((W * np.nan,), {}, "`W` is nan at (0, 0)"),
    ((np.where(W == 0.5, np.inf, W),), {}, "`W` is inf at (0, 2)"),
    ((W, B * np.nan), {}, "`b` is nan at (0,)"),
    ((W.astype(complex),), {}, "real numbers"),
    ((np.array([["a", "b"]]),), {}, "real numbers"),
    ((W, np.zeros(2)), {}, "the other way round?"),
    ((W, np.zeros(4)), {}, "`b` has the shape (4,)"),
    ((W, np.zeros((2, 3))), {}, "`b` has the shape (2, 3)"),
    ((W,), {"n_features": 2}, "`n_features` is 2 and the weights have 3"),
    ((W,), {"feature_probability": 0.0}, "`feature_probability` is 0.0"),
    ((W,), {"feature_probability": (0.1, 0.2)}, "2 numbers and the model 3 features"),
    ((W,), {"rate": 0.5}, "which has no rate"),
    ((W,), {"noise": "dropout", "rate": 1.0}, "`rate` is 1.0"),
    ((W,), {"rates": 0.5}, "did you mean"),
    ((np.stack([W, W]),), {"rate": [0.0]}, "`rate` has 1 values for 2 models"),
    ((np.stack([W, W]),), {"seed": 0}, "are equal"),
    ((W,), {"W_decoder": W[:, :2]}, "`W_decoder` has the shape (1, 2, 2)"),
    ((W,), {"W_decoder": W.T}, "`W_decoder` has the shape (1, 3, 2)"),
    ((W,), {"W_decoder": W * np.nan}, "`W_decoder` is nan"),
    ((W,), {"W_decoder": W, "decoder": "tied"}, "a tied model has none"),
    ((W,), {"decoder": "untied"}, "`W_decoder` is not given"),
    ((W, B), {"bias": "none"}, "`bias` is 'none' and `b` is not 0"),
    ((W,), {"target": "absolute"}, "use feature_values='signed_uniform'"),
]


@pytest.mark.parametrize(("arrays", "changes", "text"), BAD_WEIGHTS, ids=str)
def test_bad_weights_are_explained(arrays, changes, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        from_weights(*arrays, **(HERE | changes))


def test_an_untied_decoder_comes_in_and_is_part_of_the_key():
    V = W[::-1].copy()
    tied = from_weights(W, B, **HERE)
    untied = from_weights(W, B, W_decoder=V, **HERE)
    (row,), (artifact,) = untied.design.rows, artifacts(untied)
    assert row["decoder"] == "untied"
    assert (artifact.arrays["W_decoder"] == V).all()
    other = from_weights(W, B, W_decoder=2 * V, **HERE)
    digests = [brought.input_digests["weights"] for brought in (tied, untied, other)]
    assert len(set(digests)) == 3
    turned = from_weights(
        W.T, B, W_decoder=V.T, **HERE | {"orientation": "feature_hidden"}
    )
    assert turned.input_digests == untied.input_digests


def test_rows_that_no_weights_were_brought_in_for_are_refused():
    brought = from_weights(W, **HERE)
    (row,) = brought.design.rows
    for change in ({"seed": 1}, {"n_features": 4}, {"feature_probability": 0.2}):
        with pytest.raises(ValueError, match="row 0: no weights were brought in for"):
            brought.complete([dict(row) | change])
    with pytest.raises(ValueError, match="did you mean"):
        brought.complete([dict(row) | {"rates": 0.5}])


def test_a_claim_is_judged_on_imported_weights():
    # At rate 0.5 every weight is half as long, so total interference, which is of the
    # fourth power, is a sixteenth.
    generator = np.random.default_rng(0)
    full = generator.normal(size=(8, 2, 3))
    brought = from_weights(
        np.concatenate([full, full / 2]),
        **HERE,
        noise="dropout",
        rate=[0.0] * 8 + [0.5] * 8,
        seed=[*range(8), *range(8)],
    )
    ratio = paired_ratio(
        "total_interference", factor="rate", treated=0.5, control=0.0, where={}
    )
    study = Study(
        name="weights-from-elsewhere",
        question="Does total interference fall?",
        subject=brought,
        designs={"full": brought.design},
        measures=[GEOMETRY],
        claims=[
            Claim(
                name="falls",
                statement="Total interference falls.",
                parts=(Part(ratio, below(0.5)),),
                reason="The second half of the stack is the first, shrunk.",
                source="by construction",
                designs=("full",),
            )
        ],
        alpha=0.05,
    )
    store = Store.in_memory()
    results = execute(study, store, design="full")
    assert results.missing == 0
    (verdict,) = judge(study, store, design="full")
    assert verdict.word == "supported"
    assert verdict.parts[0].estimate == pytest.approx(1 / 16)
    # They existed before anything was registered, so nothing can be confirmed on them.
    assert verdict.standing == "exploratory"
    assert "made elsewhere" in verdict.reasons[0]
    stored = store.artifact(str(results["key"][3])).arrays["W"]
    assert stored.tobytes() in {one.tobytes() for one in (*full, *(full / 2))}


torch = pytest.importorskip("torch")

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
