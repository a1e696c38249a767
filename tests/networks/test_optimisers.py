"""Optimisers: torch's own where they are torch's own, and Adam in another basis."""

import math

import numpy as np
import pytest
import torch

from tegum.networks import build
from tegum.networks.optimisers import (
    BETAS,
    EPSILON,
    learning_rate,
    optimiser_of,
    residual_side,
    rotation,
)

TEXT = torch.arange(64).reshape(4, 16) * 4 % 300


def weights(module):
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def after_steps(row, *, steps=4, q=None):
    """Weights after a few steps on one batch."""
    module = build(row)
    optimiser = optimiser_of(module, row, q=q)
    for _ in range(steps):
        logits = module(input_ids=TEXT).logits
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), TEXT[:, 1:].flatten()
        )
        loss.backward()
        optimiser.step(row["learning_rate"])
    return weights(module)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_adam_with_the_identity_for_a_rotation_is_adam_to_the_last_bit(row_of, family):
    plain = after_steps(row_of(family=family, weight_decay=0.1))
    row = row_of(family=family, weight_decay=0.1, optimiser="rotated_adam")
    turned = after_steps(row, q=torch.eye(16))
    assert all(torch.equal(plain[name], turned[name]) for name in plain)


def test_a_random_rotation_is_not_adam_and_follows_from_the_seed(row_of):
    plain = after_steps(row_of())
    turned = after_steps(row_of(optimiser="rotated_adam"))
    again = after_steps(row_of(optimiser="rotated_adam"))
    name = "transformer.h.0.mlp.c_fc.weight"
    assert (plain[name] - turned[name]).abs().max() > 1e-3
    assert all(torch.equal(turned[name], again[name]) for name in turned)


def test_rotations_are_orthogonal_and_one_for_each_seed():
    q = rotation(16, seed=0)
    np.testing.assert_allclose(q @ q.T, np.eye(16), atol=1e-12)
    assert np.abs(q - rotation(16, seed=1)).max() > 0.1
    assert (q == rotation(16, seed=0)).all()


class Read(torch.nn.Module):
    """x -> read-out of (embedding of x + an output bias), all in a residual stream."""

    def __init__(self, embedding, bias, readout):
        super().__init__()
        self.wte = torch.nn.Embedding.from_pretrained(embedding, freeze=False)
        self.attn = torch.nn.Module()
        self.attn.c_proj = torch.nn.Module()
        self.attn.c_proj.bias = torch.nn.Parameter(bias)
        self.lm_head = torch.nn.Linear(embedding.shape[1], 5, bias=False)
        self.lm_head.weight = torch.nn.Parameter(readout)

    def forward(self, tokens):
        stream = self.wte(tokens) + self.attn.c_proj.bias
        return self.lm_head(stream)


def trained_reads(row, parts, *, q=None, steps=30):
    torch.manual_seed(0)
    module = Read(*parts)
    optimiser = optimiser_of(module, row, q=q)
    for _ in range(steps):
        tokens = torch.randint(0, 9, (32,))
        module(tokens).sub(tokens[:, None] / 5).pow(2).mean().backward()
        optimiser.step(0.01)
    return list(weights(module).values())


def test_adam_in_a_rotated_basis_is_adam_of_the_rotated_network(row_of):
    """theta -> theta Q: training the turned network and turning back is the same."""
    generator = torch.Generator().manual_seed(1)
    shapes = ((9, 6), (6,), (5, 6))
    parts = [torch.randn(shape, generator=generator) for shape in shapes]
    q = torch.tensor(rotation(6, seed=2), dtype=torch.float32)
    rotated = row_of(optimiser="rotated_adam", weight_decay=0.1)
    direct = trained_reads(rotated, [p.clone() for p in parts], q=q)
    inside = trained_reads(row_of(weight_decay=0.1), [p @ q for p in parts])
    plain = trained_reads(row_of(weight_decay=0.1), [p.clone() for p in parts])
    for found, turned, other in zip(direct, inside, plain, strict=True):
        torch.testing.assert_close(found, turned @ q.mT, rtol=1e-3, atol=1e-4)
        assert (found - other).abs().max() > 0.01


class Scaled(torch.nn.Module):
    """x / rms(x): a norm that knows no basis."""

    def forward(self, x):
        return x / x.pow(2).mean(-1, keepdim=True).add(1e-6).sqrt()


def without_basis(module):
    """A network whose layer norms are replaced by ones that know no basis."""
    for name, part in list(module.named_modules()):
        if isinstance(part, torch.nn.LayerNorm):
            parent, _, child = name.rpartition(".")
            setattr(module.get_submodule(parent), child, Scaled())
    return module


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_the_residual_side_of_every_weight_is_known(row_of, family):
    """Turning all of them turns the residual stream: the network says the same."""
    module = without_basis(build(row_of(family=family)))
    q = torch.tensor(rotation(16, seed=5), dtype=torch.float32)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.copy_(torch.randn_like(weight) * 0.3)
            if weight.ndim > 1:
                assert residual_side(name) is not None
        before = module(TEXT).logits
        for name, weight in module.named_parameters():
            axis = residual_side(name)
            if axis is not None:
                turned = weight @ q if axis == weight.ndim - 1 else q.mT @ weight
                weight.copy_(turned)
        after = module(TEXT).logits
    scale = before.abs().max().item()
    torch.testing.assert_close(after, before, rtol=0, atol=1e-4 * scale)


def test_layer_norms_keep_the_basis_of_the_units(row_of):
    for family in ("gpt2", "gpt_neox"):
        for name, _ in build(row_of(family=family)).named_parameters():
            if "ln_" in name or "norm" in name:
                assert residual_side(name) is None


def stepped(row, *, steps=1, gradient=0.0, start=2.0):
    """A matrix and a vector after steps with one constant gradient."""
    module = torch.nn.Linear(3, 3)
    optimiser = optimiser_of(module, row)
    with torch.no_grad():
        for p in module.parameters():
            p.fill_(start)
    for _ in range(steps):
        for p in module.parameters():
            p.grad = torch.full_like(p, gradient)
        optimiser.step(0.1)
    return module.weight[0, 0].item(), module.bias[0].item()


def test_weight_decay_acts_on_matrices_only(row_of):
    # AdamW: w (1 - rate decay) = 2 (1 - 0.1 0.5) = 1.9, the gradient being 0.
    assert stepped(row_of(weight_decay=0.5)) == pytest.approx((1.9, 2.0))
    # SGD: w - rate (gradient + decay w) = 2 - 0.1 (1 + 1) = 1.8, and 2 - 0.1 = 1.9.
    row = row_of(optimiser="sgd", weight_decay=0.5)
    assert stepped(row, gradient=1.0) == pytest.approx((1.8, 1.9))


def test_sgd_has_momentum(row_of):
    # v = 1, then 1 + 0.5, then 1 + 0.75: 2 - 0.1 (1 + 1.5 + 1.75) = 1.575.
    row = row_of(optimiser="sgd", momentum=0.5)
    assert stepped(row, steps=3, gradient=1.0)[0] == pytest.approx(1.575)
    row = row_of(optimiser="sgd", momentum=0.0)
    assert stepped(row, steps=3, gradient=1.0)[0] == pytest.approx(1.7)


def test_adams_first_step_is_the_sign_of_the_gradient(row_of):
    # m / sqrt(v) = g / |g| after the correction of both for the start.
    assert stepped(row_of(), gradient=1e-3)[0] == pytest.approx(1.9, abs=1e-5)
    assert stepped(row_of(), gradient=-7.0)[0] == pytest.approx(2.1, abs=1e-5)


def test_adam_forgets_as_it_says(row_of):
    """The formula, worked step by step in float64, gradients 1 and then -0.5."""
    module = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(2.0)
    optimiser = optimiser_of(module, row_of())
    m = v = 0.0
    expected = 2.0
    for step, gradient in enumerate([1.0] * 3 + [-0.5] * 5, start=1):
        module.weight.grad = torch.full((1, 1), gradient)
        optimiser.step(0.1)
        m = BETAS[0] * m + (1 - BETAS[0]) * gradient
        v = BETAS[1] * v + (1 - BETAS[1]) * gradient**2
        corrected = v / (1 - BETAS[1] ** step)
        expected -= 0.1 * m / (1 - BETAS[0] ** step) / (math.sqrt(corrected) + EPSILON)
        assert module.weight.item() == pytest.approx(expected, abs=1e-5)


def test_the_learning_rate_rises_and_falls(row_of):
    row = row_of(steps=100, warmup=10, learning_rate=1.0)
    found = [learning_rate(row, step) for step in range(100)]
    assert found[0] == pytest.approx(0.1)
    assert found[4] == pytest.approx(0.5)
    assert found[9] == found[10] == 1.0
    assert found[55] == pytest.approx(0.5)  # half of the way down the cosine
    assert found[40] == pytest.approx(0.75)  # a third: (1 + cos 60 degrees) / 2
    assert 0.0 < found[99] < 1e-3
    assert found[10:] == sorted(found[10:], reverse=True)
    flat = row_of(steps=100, warmup=0, learning_rate=1.0, schedule="constant")
    assert {learning_rate(flat, step) for step in range(100)} == {1.0}
