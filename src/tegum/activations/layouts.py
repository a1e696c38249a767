"""Where the known families keep what is read: the modules behind the points' names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn

Side = Literal["input", "output"]
Kind = Literal["embedding", "attention", "mlp", "residual", "other"]


@dataclass(frozen=True)
class Point:
    """One side of one module, and what is read there.

    `name` is what people and rows call it, `path` the module (empty for the whole),
    `layer` the number of the block that it belongs to, None before and after them.
    """

    name: str
    path: str
    side: Side = "output"
    kind: Kind = "other"
    layer: int | None = None


@dataclass(frozen=True)
class Place:
    """Where a point of a layout is: the first of `paths` that the model has."""

    name: str
    paths: tuple[str, ...]
    side: Side
    kind: Kind


@dataclass(frozen=True)
class Layout:
    """How the modules of a family are called, and which of them are read.

    A model has the layout if it has all of `required`, and in every block all of
    `block_required` and nothing besides `block_allowed`: an unknown norm or branch
    could mean that a name says something else.
    """

    family: str
    required: tuple[str, ...]
    blocks: str
    block_required: tuple[str, ...]
    block_allowed: frozenset[str]
    before: tuple[Place, ...]
    block: tuple[Place, ...]
    after: tuple[Place, ...] = ()


def _out(name: str, *paths: str, kind: Kind = "other") -> Place:
    return Place(name, paths, "output", kind)


def _in(name: str, *paths: str, kind: Kind = "other") -> Place:
    return Place(name, paths, "input", kind)


_FIRST = _in("hook_resid_pre", "", kind="residual")
_LAST = _out("hook_resid_post", "", kind="residual")

LAYOUTS = (
    Layout(
        "gpt2",
        required=("wte", "h", "ln_f"),
        blocks="h",
        block_required=("ln_1", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"),
        block_allowed=frozenset({"ln_1", "attn", "ln_2", "mlp"}),
        before=(
            _out("hook_embed", "wte", kind="embedding"),
            _out("hook_pos_embed", "wpe", kind="embedding"),
        ),
        block=(
            _FIRST,
            _in("attn.hook_z", "attn.c_proj", kind="attention"),
            _out("hook_attn_out", "attn", kind="attention"),
            _in("hook_resid_mid", "ln_2", kind="residual"),
            _out("mlp.hook_pre", "mlp.c_fc", kind="mlp"),
            _in("mlp.hook_post", "mlp.c_proj", kind="mlp"),
            _out("hook_mlp_out", "mlp", kind="mlp"),
            _LAST,
        ),
        after=(_out("ln_final.hook_normalized", "ln_f"),),
    ),
    Layout(
        "gpt_neox",
        required=("embed_in", "layers", "final_layer_norm"),
        blocks="layers",
        block_required=(
            "input_layernorm",
            "attention.dense",
            "post_attention_layernorm",
            "mlp.dense_h_to_4h",
            "mlp.dense_4h_to_h",
        ),
        block_allowed=frozenset(
            {
                "input_layernorm",
                "attention",
                "post_attention_layernorm",
                "post_attention_dropout",
                "mlp",
                "post_mlp_dropout",
            }
        ),
        before=(_out("hook_embed", "embed_in", kind="embedding"),),
        block=(
            _FIRST,
            _in("attn.hook_z", "attention.dense", kind="attention"),
            _out(
                "hook_attn_out",
                "post_attention_dropout",
                "attention",
                kind="attention",
            ),
            _in("hook_resid_mid", "post_attention_layernorm", kind="residual"),
            _out("mlp.hook_pre", "mlp.dense_h_to_4h", kind="mlp"),
            _in("mlp.hook_post", "mlp.dense_4h_to_h", kind="mlp"),
            _out("hook_mlp_out", "post_mlp_dropout", "mlp", kind="mlp"),
            _LAST,
        ),
        after=(_out("ln_final.hook_normalized", "final_layer_norm"),),
    ),
    Layout(
        "llama",
        required=("embed_tokens", "layers", "norm"),
        blocks="layers",
        block_required=(
            "input_layernorm",
            "self_attn.o_proj",
            "post_attention_layernorm",
            "mlp",
        ),
        block_allowed=frozenset(
            {
                "input_layernorm",
                "self_attn",
                "post_attention_layernorm",
                "mlp",
                "resid_attn_dropout",
                "resid_mlp_dropout",
            }
        ),
        before=(_out("hook_embed", "embed_tokens", kind="embedding"),),
        block=(
            _FIRST,
            _in("attn.hook_z", "self_attn.o_proj", kind="attention"),
            _out("hook_attn_out", "resid_attn_dropout", "self_attn", kind="attention"),
            _in("hook_resid_mid", "post_attention_layernorm", kind="residual"),
            _out("mlp.hook_pre", "mlp.gate_proj", kind="mlp"),
            _out("mlp.hook_pre_linear", "mlp.up_proj", kind="mlp"),
            _in("mlp.hook_post", "mlp.down_proj", kind="mlp"),
            _out("hook_mlp_out", "resid_mlp_dropout", "mlp", kind="mlp"),
            _LAST,
        ),
        after=(_out("ln_final.hook_normalized", "norm"),),
    ),
    Layout(
        "bert",
        required=("embeddings.word_embeddings", "encoder.layer"),
        blocks="encoder.layer",
        block_required=(
            "attention.self",
            "attention.output.LayerNorm",
            "intermediate.dense",
            "output.dense",
            "output.LayerNorm",
        ),
        block_allowed=frozenset({"attention", "intermediate", "output"}),
        before=(
            _out("hook_embed", "embeddings.word_embeddings", kind="embedding"),
            _out("hook_pos_embed", "embeddings.position_embeddings", kind="embedding"),
        ),
        block=(
            _FIRST,
            _out("attn.hook_z", "attention.self", kind="attention"),
            _out("hook_attn_out", "attention.output.dropout", kind="attention"),
            _in("hook_resid_mid", "attention.output.LayerNorm", kind="residual"),
            _out(
                "hook_normalized_resid_mid",
                "attention.output.LayerNorm",
                kind="residual",
            ),
            _out("mlp.hook_pre", "intermediate.dense", kind="mlp"),
            _in("mlp.hook_post", "output.dense", kind="mlp"),
            _out("hook_mlp_out", "output.dropout", kind="mlp"),
            _in("hook_resid_post", "output.LayerNorm", kind="residual"),
            _out("hook_normalized_resid_post", "", kind="residual"),
        ),
    ),
)


def layout_of(module: nn.Module) -> tuple[Layout, str] | None:
    """The layout of a model that is known, and the path of the part that has it."""
    paths = {path for path, _ in module.named_modules()}
    roots = sorted(
        (path for path in paths if path == "" or path.count(".") < 2), key=len
    )
    for root in roots:
        for layout in LAYOUTS:
            if _has(module, paths, layout, root):
                return layout, root
    return None


def _has(module: nn.Module, paths: set[str], layout: Layout, root: str) -> bool:
    if any(joined(root, path) not in paths for path in layout.required):
        return False
    blocks = list(module.get_submodule(joined(root, layout.blocks)).children())
    for number, block in enumerate(blocks):
        path = joined(root, layout.blocks, str(number))
        lacking = any(joined(path, p) not in paths for p in layout.block_required)
        if lacking or not {name for name, _ in block.named_children()} <= (
            layout.block_allowed
        ):
            return False
    return bool(blocks)


def joined(*parts: str) -> str:
    """A path from its parts, empty ones left out."""
    return ".".join(part for part in parts if part)
