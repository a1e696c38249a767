"""Masks: thresholds on shared uniforms, which follow from seed, site and step."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tegum.networks.dropout import LEVELS, Masks, dropout_class

ONES = torch.ones(50, 80)


def dropped(rate, *, seed=0, site="mlp 0", step=0, x=ONES):
    masks = Masks(seed)
    masks.begin(step)
    return dropout_class()(rate, site, masks).train()(x)


@given(rates=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)), step=st.integers(0, 9))
def test_a_higher_rate_drops_a_superset(rates, step):
    low, high = (dropped(rate, step=step) == 0 for rate in sorted(rates))
    assert (high | ~low).all()


@given(rate=st.floats(0, 0.99), seed=st.integers(0, 100))
def test_what_is_kept_is_scaled_by_the_share_kept(rate, seed):
    found = dropped(rate, seed=seed)
    exact = round(rate * LEVELS) / LEVELS
    kept = found[found != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - exact)))
    share = (found == 0).float().mean().item()
    # Four thousand draws: within five standard errors.
    assert share == pytest.approx(exact, abs=5 * (exact * (1 - exact) / 4000) ** 0.5)


def test_rate_0_and_evaluation_change_no_bit():
    x = torch.randn(50, 80, generator=torch.Generator().manual_seed(0))
    assert torch.equal(dropped(0.0, x=x), x)
    module = dropout_class()(0.5, "mlp 0", Masks(0)).eval()
    assert torch.equal(module(x), x)
    # The same as what its own arithmetic gives where every unit is kept.
    assert torch.equal(x * torch.ones_like(x).mul_(1.0 / (1.0 - 0.0)), x)


def test_masks_differ_between_seeds_sites_steps_and_calls():
    found = [
        dropped(0.5),
        dropped(0.5, seed=1),
        dropped(0.5, site="mlp 1"),
        dropped(0.5, step=1),
    ]
    masks = Masks(0)
    module = dropout_class()(0.5, "mlp 0", masks).train()
    first, second = module(ONES), module(ONES)
    assert torch.equal(first, found[0])
    found.append(second)
    for k, one in enumerate(found):
        for other in found[:k]:
            agreement = (one == other).float().mean().item()
            assert agreement == pytest.approx(0.5, abs=0.05)
    masks.begin(0)
    assert torch.equal(module(ONES), first)


def test_another_site_draws_without_shifting_this_one():
    masks = Masks(0)
    make = dropout_class()
    make(0.9, "attention 0", masks).train()(ONES)
    assert torch.equal(make(0.5, "mlp 0", masks).train()(ONES), dropped(0.5))


def test_the_gradient_passes_where_the_unit_was_kept():
    x = ONES.clone().requires_grad_()
    found = dropped(0.25, x=x)
    found.sum().backward()
    assert torch.equal(x.grad, found.detach())


def test_half_precision_stays_half_precision():
    assert dropped(0.5, x=ONES.bfloat16()).dtype == torch.bfloat16
