"""Every name is what it says: held against what transformers returns, and its sums."""

import pytest
import torch
from torch import nn
from transformers import Gemma2Config, Gemma2ForCausalLM

from activations.tiny_models import BUILD, FAMILY, tiny, tokens
from tegum.activations import Point, capturing, points_of, resolve
from tegum.activations.points import family_of

LAYERS = (0, 1)


def read(model, names, ids, *, mode="eval", **given):
    found = {}

    def keep(point, x):
        assert point.name not in found
        found[point.name] = x.clone()

    with capturing(model, resolve(model, names), keep, mode=mode):
        returned = model(input_ids=ids, **given)
    return found, returned


def everything(model, *, mode="eval"):
    torch.manual_seed(1)
    names = [point.name for point in points_of(model)]
    found, _ = read(model, names, tokens(3, 7), mode=mode)
    assert set(found) == set(names)
    return found


def close(first, second):
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)


def part(model, point, path):
    """A module beside the one that a point reads: `path` from the block."""
    block = next(p.path for p in points_of(model) if p.name == point)
    return model.get_submodule(f"{block}.{path}" if path else block)


@pytest.mark.parametrize("name", BUILD)
def test_the_stream_is_what_transformers_calls_hidden_states(name):
    model, ids = tiny(name), tokens(3, 7)
    found, _ = read(model, [p.name for p in points_of(model)], ids)
    with torch.no_grad():
        states = model(input_ids=ids, output_hidden_states=True).hidden_states
    bert = FAMILY.get(name, name) == "bert"
    left = "hook_normalized_resid_post" if bert else "hook_resid_post"
    for i in LAYERS:
        assert torch.equal(found[f"blocks.{i}.hook_resid_pre"], states[i])
    assert torch.equal(found[f"blocks.0.{left}"], states[1])
    last = f"blocks.1.{left}" if bert else "ln_final.hook_normalized"
    assert torch.equal(found[last], states[2])


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", BUILD)
def test_attention_and_mlp_are_what_is_added_to_the_stream(name, mode):
    """In train mode too: what dropout leaves of them is what is added."""
    model = tiny(name, rate=0.4)
    found = everything(model, mode=mode)
    for i in LAYERS:
        at = {n.removeprefix(f"blocks.{i}."): x for n, x in found.items()}
        middle = at["hook_resid_pre"] + at["hook_attn_out"]
        if name == "gpt_neox":
            assert "hook_resid_mid" not in at
        else:
            close(at["hook_resid_mid"], middle)
        middle = at.get("hook_normalized_resid_mid", middle)
        close(at["hook_resid_post"], middle + at["hook_mlp_out"])


@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_a_norm_after_the_sum_makes_the_normalised_stream(name):
    model = tiny(name)
    found = everything(model)
    for i in LAYERS:
        block = part(model, f"blocks.{i}.hook_resid_pre", "")
        for place, norm in (
            ("mid", block.attention.output.LayerNorm),
            ("post", block.output.LayerNorm),
        ):
            summed = found[f"blocks.{i}.hook_resid_{place}"]
            close(found[f"blocks.{i}.hook_normalized_resid_{place}"], norm(summed))
    normalised = found["blocks.0.hook_normalized_resid_post"]
    assert torch.equal(found["blocks.1.hook_resid_pre"], normalised)


PROJECTIONS = {
    "gpt2": ("attn.c_proj", "mlp.c_proj", "mlp.act"),
    "gpt_neox": ("attention.dense", "mlp.dense_4h_to_h", "mlp.act"),
    "llama": ("self_attn.o_proj", "mlp.down_proj", "mlp.act_fn"),
    "bert": ("attention.output.dense", "output.dense", None),
}


@pytest.mark.parametrize("name", BUILD)
def test_heads_and_neurons_are_what_the_projections_read(name):
    model = tiny(name)
    found = everything(model)
    heads, neurons, nonlinear = PROJECTIONS[FAMILY.get(name, name)]
    for i in LAYERS:
        at = {n.removeprefix(f"blocks.{i}."): x for n, x in found.items()}
        block = part(model, f"blocks.{i}.hook_resid_pre", "")
        close(block.get_submodule(heads)(at["attn.hook_z"]), at["hook_attn_out"])
        close(block.get_submodule(neurons)(at["mlp.hook_post"]), at["hook_mlp_out"])
        bend = block.get_submodule(nonlinear) if nonlinear else nn.GELU()
        gated = bend(at["mlp.hook_pre"]) * at.get("mlp.hook_pre_linear", 1.0)
        close(at["mlp.hook_post"], gated)
        assert at["mlp.hook_post"].shape[-1] == 24


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox", "llama"])
def test_heads_are_attention_over_values_by_hand(name):
    """With one token nothing is attended to but itself: z is its value."""
    model = tiny(name)
    names = [p.name for p in points_of(model)]
    found, _ = read(model, names, tokens(2, 1))
    block = part(model, "blocks.0.hook_resid_pre", "")
    stream = found["blocks.0.hook_resid_pre"]
    if name == "gpt2":
        value = block.attn.c_attn(block.ln_1(stream)).split(16, dim=-1)[2]
    elif name == "gpt_neox":
        joint = block.attention.query_key_value(block.input_layernorm(stream))
        value = joint.view(2, 1, 2, 24)[..., 16:].reshape(2, 1, 16)
    else:
        value = block.self_attn.v_proj(block.input_layernorm(stream))
        value = torch.cat([value, value], dim=-1)  # both heads share one value
    close(found["blocks.0.attn.hook_z"], value)


def test_embeddings_are_the_rows_of_their_tables():
    ids = tokens(3, 7)
    for name, table, places in (
        ("gpt2", "transformer.wte", "transformer.wpe"),
        ("gpt_neox", "gpt_neox.embed_in", None),
        ("llama", "model.embed_tokens", None),
        ("bert", "embeddings.word_embeddings", "embeddings.position_embeddings"),
    ):
        model = tiny(name)
        found, _ = read(model, "embedding", ids)
        weights = dict(model.named_modules())
        assert torch.equal(found["hook_embed"], weights[table].weight[ids])
        assert ("hook_pos_embed" in found) == (places is not None)
        if places:
            assert torch.equal(found["hook_pos_embed"][0], weights[places].weight[:7])


@pytest.mark.parametrize("name", BUILD)
def test_families_are_told_by_their_modules(name):
    assert family_of(tiny(name)) == FAMILY.get(name, name)


def test_groups_hold_each_activation_once():
    model = tiny("gpt2")
    residual = [point.name for point in resolve(model, "residual")]
    assert residual == [
        "blocks.0.hook_resid_pre",
        "blocks.0.hook_resid_post",
        "blocks.1.hook_resid_post",
    ]
    everywhere = resolve(model, "all")
    assert {p.kind for p in everywhere} == {
        "embedding",
        "attention",
        "mlp",
        "residual",
        "other",
    }
    found = everything(model)
    for i, first in enumerate(everywhere):
        for second in everywhere[i + 1 :]:
            assert not torch.equal(found[first.name], found[second.name])
    assert {p.kind for p in resolve(model, "mlp")} == {"mlp"}
    assert [p.layer for p in resolve(model, "attention")] == [0, 0, 1, 1]


def test_points_come_once_and_in_the_order_of_the_forward_pass():
    model = tiny("gpt2")
    asked = [
        "transformer.h.1.mlp.act",
        "blocks.1.hook_mlp_out",
        "residual",
        "transformer.h.0.attn",
        "blocks.*.hook_mlp_out",
        "hook_embed",
    ]
    assert [point.name for point in resolve(model, asked)] == [
        "hook_embed",
        "blocks.0.hook_resid_pre",
        "transformer.h.0.attn",
        "blocks.0.hook_mlp_out",
        "blocks.0.hook_resid_post",
        "blocks.1.hook_mlp_out",
        "blocks.1.hook_resid_post",
        "transformer.h.1.mlp.act",
    ]


def test_a_path_has_the_kind_and_layer_of_its_place():
    model = tiny("gpt2")
    assert resolve(model, "transformer.h.1.attn") == (
        Point("transformer.h.1.attn", "transformer.h.1.attn", "output", "attention", 1),
    )
    (inside,) = resolve(model, "transformer.h.1.ln_1:input")
    assert (inside.path, inside.side, inside.layer) == (
        "transformer.h.1.ln_1",
        "input",
        1,
    )


def test_an_unknown_name_comes_back_with_the_nearest():
    model = tiny("gpt2")
    with pytest.raises(ValueError, match=r"blocks\.1\.hook_resid_post.* with i from 0"):
        resolve(model, "blocks.1.hook_resid_pots")
    with pytest.raises(ValueError, match="no hook point of GPT2LMHeadModel is called"):
        resolve(model, "blocks.2.hook_resid_post")
    with pytest.raises(ValueError, match="did you mean residual"):
        resolve(model, "residuals")
    with pytest.raises(ValueError, match="no hook point was named"):
        resolve(model, [])


def test_a_layout_that_would_make_a_name_say_something_else_is_not_named():
    """Gemma 2 norms what it adds: its blocks look like Llama's and are not."""
    model = Gemma2ForCausalLM(
        Gemma2Config(
            vocab_size=20,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            num_key_value_heads=1,
            head_dim=8,
            intermediate_size=8,
            pad_token_id=0,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    assert family_of(model) == "other"
    with pytest.raises(ValueError, match="nothing says what of it is `residual`"):
        resolve(model, "residual")


def test_modules_that_are_no_transformers_go_by_their_paths():
    mlp = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 2)))
    assert [p.name for p in points_of(mlp)] == ["0", "1", "1.0", "1.1"]
    assert [p.name for p in resolve(mlp, "all")] == ["0", "1.0", "1.1"]
    assert points_of(nn.Linear(2, 2)) == (Point("output", ""),)
    with pytest.raises(ValueError, match="name its modules by their paths"):
        resolve(mlp, "mlp")
