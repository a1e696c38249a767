"""The networks are transformers' own, with dropout where it is said to be."""

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
)

from tegum.networks import build, parameters, save_folder
from tegum.networks.model import weights_of

FAMILIES = ("gpt2", "gpt_neox")
TEXT = torch.arange(60).reshape(4, 15) * 4 % 300


def library_model(family, *, attention):
    if family == "gpt2":
        config = GPT2Config(
            vocab_size=300, n_positions=16, n_embd=16, n_layer=2, n_head=2
        )
        return GPT2LMHeadModel._from_config(config, attn_implementation=attention)
    config = GPTNeoXConfig(
        vocab_size=300,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=16,
    )
    return GPTNeoXForCausalLM._from_config(config, attn_implementation=attention)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_network_is_the_librarys_own(row_of, family):
    """Same names, same shapes, same numbers as the class with its own attention."""
    ours = build(row_of(family=family, residual_dropout=0.5))
    theirs = library_model(family, attention="eager").eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        ours_said, theirs_said = ours(TEXT).logits, theirs(TEXT).logits
    tolerance = {"rtol": 1e-5, "atol": 1e-6}  # GPT-2's GELU is rounded otherwise
    torch.testing.assert_close(ours_said, theirs_said, **tolerance)


@pytest.mark.parametrize("family", FAMILIES)
def test_initial_weights_follow_from_seed_and_architecture_alone(row_of, family):
    """And have the standard deviation that the libraries give them, 0.02."""
    first = weights_of(build(row_of(family=family)))
    torch.manual_seed(99)
    others = {"residual_dropout": 0.5, "mlp_dropout": 0.1, "attention_dropout": 0.9}
    same = weights_of(
        build(row_of(family=family, optimiser="sgd", learning_rate=1.0, **others))
    )
    other_seed = weights_of(build(row_of(family=family, seed=4)))
    for name, weights in first.items():
        assert weights.dtype == np.float32
        assert (weights == same[name]).all()
        if weights.ndim > 1:
            assert (weights != other_seed[name]).mean() > 0.9
    embedding = next(w for name, w in first.items() if "wte" in name or "in." in name)
    assert embedding.std() == pytest.approx(0.02, rel=0.1)


def test_building_leaves_the_global_generator_alone(row_of):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build(row_of())
    assert (torch.rand(3) == expected).all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("sizes", [{}, {"width": 32, "n_layers": 3, "n_heads": 4}])
def test_parameters_are_counted(row_of, family, sizes):
    row = row_of(family=family, **sizes)
    assert parameters(row) == sum(p.numel() for p in build(row).parameters())


WHERE = {
    ("gpt2", "embedding"): ["transformer.h.0"],
    ("gpt2", "mlp"): ["transformer.h.0.mlp.c_proj", "transformer.h.1.mlp.c_proj"],
    ("gpt_neox", "embedding"): ["gpt_neox.layers.0"],
    ("gpt_neox", "mlp"): [
        "gpt_neox.layers.0.mlp.dense_4h_to_h",
        "gpt_neox.layers.1.mlp.dense_4h_to_h",
    ],
}
"""What must receive dropped values when a site drops."""

ADDED = {
    "gpt2": ["transformer.h.{}.attn", "transformer.h.{}.mlp"],
    "gpt_neox": [
        "gpt_neox.layers.{}.post_attention_dropout",
        "gpt_neox.layers.{}.post_mlp_dropout",
    ],
}
"""What must give dropped values when the residual site drops."""


def zeros_at(module, *, inputs=(), outputs=()):
    """The share of exact zeros that arrive at, or come from, submodules."""
    found = {}

    def note(name):
        def hook(_, given, returned=None):
            value = given[0] if returned is None else returned
            value = value[0] if isinstance(value, tuple) else value
            found[name] = (value == 0).float().mean().item()

        return hook

    named = dict(module.named_modules())
    for name in inputs:
        named[name].register_forward_pre_hook(note(name))
    for name in outputs:
        named[name].register_forward_hook(note(name))
    with torch.no_grad():
        module(TEXT.repeat(8, 1))
    return found


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("site", ["embedding", "residual", "mlp", "attention"])
def test_every_site_drops_where_it_is_said_to_and_nowhere_else(row_of, family, site):
    row = row_of(family=family, **{f"{site}_dropout": 0.25})
    entered = {o: WHERE[family, o] for o in ("embedding", "mlp")}
    added = [name.format(layer) for name in ADDED[family] for layer in (0, 1)]
    for training, expected in ((True, 0.25), (False, 0.0)):
        zeros = zeros_at(
            build(row).train(training),
            inputs=[name for names in entered.values() for name in names],
            outputs=added,
        )
        for name, share in zeros.items():
            drops = name in (added if site == "residual" else entered.get(site, ()))
            assert share == pytest.approx(expected * drops, abs=0.03), name


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_dropout_drops_probabilities(row_of, family):
    """With values of ones each output is the sum of what is left of a distribution."""
    seen = {}
    for rate in (0.0, 0.25):
        module = build(row_of(family=family, attention_dropout=rate)).train()
        with torch.no_grad():
            seen[rate] = module(TEXT, output_attentions=True).attentions[0]
    causal = torch.ones(15, 15).tril().bool().expand_as(seen[0.0])
    assert (seen[0.0][causal] > 0).all()
    assert (seen[0.0][~causal] == 0).all()
    torch.testing.assert_close(seen[0.0].sum(-1), torch.ones(4, 2, 15))
    kept = seen[0.25] != 0
    assert (~kept[causal]).float().mean().item() == pytest.approx(0.25, abs=0.04)
    torch.testing.assert_close(seen[0.25][kept], seen[0.0][kept] / 0.75)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trained_network_opens_in_transformers_bit_for_bit(
    tmp_path, row_of, trained, family
):
    row = row_of(family=family, mlp_dropout=0.5, residual_dropout=0.5)
    (artifact,) = trained([row])
    folder = save_folder(artifact, row, tmp_path / "network")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        path.name for path in folder.iterdir()
    }
    module = build(row, artifact.arrays)
    opened = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    fused = AutoModelForCausalLM.from_pretrained(folder)
    assert type(opened) is type(module)
    assert not opened.training
    with torch.no_grad():
        assert torch.equal(module(TEXT).logits, opened(TEXT).logits)
        torch.testing.assert_close(module(TEXT).logits, fused(TEXT).logits)
    coder = AutoTokenizer.from_pretrained(folder)
    text = "def parse(self):\n    return 1\n"
    assert coder.decode(coder(text)["input_ids"]) == text
    assert coder.eos_token_id == 0
    assert opened.config.vocab_size == len(coder) == 300
    with pytest.raises(ValueError, match="network exists"):
        save_folder(artifact, row, folder)


def test_weights_of_another_network_are_refused(row_of):
    arrays = weights_of(build(row_of()))
    with pytest.raises(ValueError, match="not the weights of this row's network"):
        build(row_of(family="gpt_neox"), arrays)
    with pytest.raises(ValueError, match="not the weights of this row's network"):
        build(row_of(width=32), arrays)


def test_a_row_may_be_short_and_is_checked():
    module = build({"width": 16, "n_heads": 2, "vocabulary": 300, "seed": 0})
    assert module.config.n_layer == 2
    with pytest.raises(ValueError, match="did you mean width"):
        build({"widht": 16, "seed": 0})
    with pytest.raises(ValueError, match="`width` is 20 and `n_heads` 3"):
        build({"width": 20, "n_heads": 3, "seed": 0})
