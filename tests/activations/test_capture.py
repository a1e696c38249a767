"""Reading leaves no trace: same bits, no hook, no graph, the modes as they were."""

import threading

import pytest
import torch
from torch import nn
from transformers.utils import ModelOutput

from activations.tiny_models import BUILD, tiny, tokens
from tegum.activations import capturing, points_of


def hooks_of(module):
    return [
        len(part._forward_hooks) + len(part._forward_pre_hooks)
        for part in module.modules()
    ]


@pytest.mark.parametrize("name", BUILD)
def test_logits_are_the_same_to_the_bit_with_every_hook_and_with_none(name):
    model, ids = tiny(name), tokens(3, 7)
    with torch.no_grad():
        bare = model(input_ids=ids)[0]
    with capturing(model, points_of(model), lambda point, x: None):
        hooked = model(input_ids=ids)[0]
    assert torch.equal(bare, hooked)
    with torch.no_grad():
        assert torch.equal(bare, model(input_ids=ids)[0])


def test_hooks_modes_and_gradients_are_given_back_even_after_an_exception():
    model = tiny("gpt2", rate=0.1).train()
    model.transformer.h[1].eval()  # a mixture must come back as it was
    modes = [part.training for part in model.modules()]
    before = hooks_of(model)

    def fail(point, x):
        assert not model.training
        assert not torch.is_grad_enabled()
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        capturing(model, ["blocks.1.hook_mlp_out"], fail),
    ):
        model(input_ids=tokens(1, 4))
    assert [part.training for part in model.modules()] == modes
    assert hooks_of(model) == before
    assert torch.is_grad_enabled()
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_hooks_are_gone_if_one_of_the_points_does_not_exist():
    model = nn.Sequential(nn.Linear(2, 2))
    with (
        pytest.raises(ValueError, match="no hook point"),
        capturing(model, ["0", "1"], lambda point, x: None),
    ):
        pass
    assert hooks_of(model) == [0, 0]


@pytest.mark.parametrize("mode", ["eval", "train", None])
def test_the_mode_inside_is_the_one_asked_for(mode):
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).train()
    model[1].eval()
    with capturing(model, ["0"], lambda point, x: None, mode=mode):
        found = [part.training for part in model.modules()]
    asked = {"eval": [False] * 3, "train": [True] * 3, None: [True, True, False]}
    assert found == asked[mode]


def test_no_graph_is_kept_where_the_model_keeps_one():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    kept = []
    with (
        capturing(model, ["0", "1"], lambda point, x: kept.append(x)),
        torch.enable_grad(),
    ):
        returned = model(torch.ones(1, 2))
    assert returned.requires_grad
    assert not any(x.requires_grad or x.grad_fn for x in kept)


class Returns(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


class Whole(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.part = Returns(make)

    def forward(self, x):
        return self.part(x)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x,
        lambda x: (x, x + 1),
        lambda x: [None, x],
        lambda x: (x.long(), (x, x + 1)),
        lambda x: {"ids": x.long(), "states": x},
        lambda x: ModelOutput(loss=None, logits=x),
        lambda x: ModelOutput(other=x + 1, last_hidden_state=x),
    ],
)
def test_a_tensor_is_found_in_whatever_a_module_returns(make):
    found, model = [], Whole(make)
    x = torch.randn(2, 3)
    with capturing(model, ["part"], lambda point, t: found.append(t)):
        model(x)
    assert len(found) == 1
    assert torch.equal(found[0], x)


@pytest.mark.parametrize("made", [None, 3, "text", (), torch.ones(2, dtype=torch.long)])
def test_a_module_that_returns_no_tensor_is_named(made):
    model = Whole(lambda x: made)
    with (
        pytest.raises(ValueError, match=r"`part` \(Returns\).* returns no tensor of"),
        capturing(model, ["part"], lambda point, x: None),
    ):
        model(torch.ones(1))
    assert hooks_of(model) == [0, 0]
    told = []
    with capturing(
        model, ["part"], lambda p, x: None, refused=lambda p, e: told.append(p.name)
    ):
        model(torch.ones(1))
    assert told == ["part"]


def test_what_a_module_gets_is_read_from_arguments_by_place_and_by_name():
    class Named(nn.Module):
        def forward(self, ids, *, states):
            return states + 1

    class Caller(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Named()

        def forward(self, x):
            return self.inner(x.long(), states=x)

    model, found = Caller(), {}
    x = torch.randn(2, 3)
    with capturing(
        model, ["inner", "inner:input"], lambda p, t: found.update({p.name: t})
    ):
        model(x)
    assert torch.equal(found["inner:input"], x)
    assert torch.equal(found["inner"], x + 1)


def test_any_module_is_read_an_mlp_a_convolution_a_recurrent_one():
    x = torch.randn(2, 3, 8, 8)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    )
    found = {}
    with capturing(model, ["0", "1", "3"], lambda p, t: found.update({p.name: t})):
        model(x)
    assert torch.equal(found["0"], model[0](x))
    assert torch.equal(found["1"], model[:2](x))
    assert torch.equal(found["3"], model(x))
    recurrent, states = nn.LSTM(3, 4), []
    with capturing(recurrent, ["output"], lambda point, t: states.append(t)):
        given, _ = recurrent(x[0, 0, :, :3])
    assert torch.equal(states[0], given)


def test_threads_that_run_one_model_are_told_their_own_activations():
    model = tiny("gpt2")
    texts = [tokens(2, 7, seed=k) for k in range(4)]
    local, found = threading.local(), {}

    def receive(point, x):
        local.seen.append(x.clone())

    def read(number):
        torch.set_num_threads(1)
        local.seen = []
        with torch.no_grad():
            for _ in range(20):
                local.seen.clear()
                model(input_ids=texts[number])
        found[number] = local.seen

    with capturing(model, "blocks.*.hook_resid_post", receive):
        threads = [threading.Thread(target=read, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number, ids in enumerate(texts):
        with torch.no_grad():
            states = model(input_ids=ids, output_hidden_states=True).hidden_states
        assert len(found[number]) == 2
        torch.testing.assert_close(found[number][0], states[1])
