"""The networks: transformers' own GPT-2 and GPT-NeoX, with dropout at every site.

Where each site sits:

| site | gpt2 | gpt_neox |
|---|---|---|
| embedding | token plus position embedding (`transformer.drop`) | token embedding (`gpt_neox.emb_dropout`) |
| attention | softmax probabilities (`attn.attn_dropout`) | the same (`attention.attn_dropout`) |
| residual | outputs of attention and of MLP before they are added (`attn.resid_dropout`, `mlp.dropout`) | the same (`post_attention_dropout`, `post_mlp_dropout`) |
| mlp | output of the activation, before the down projection (`mlp.act`) | the same (`mlp.act`) |

The first three are where the libraries have them; transformers' GPT-NeoX has one rate
for embedding and residual, here they are two. The fourth is added by wrapping the
activation, so that the names of all weights stay, and any checkpoint opens without
tegum. GPT-2 ties its embedding to the read-out and adds attention and MLP in turn;
GPT-NeoX ties nothing and adds both to the same stream, as in Pythia.
"""  # noqa: E501

from __future__ import annotations

import functools
import os
import secrets
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.arrays import Artifact, stream_key
from tegum.design import Row, complete
from tegum.networks.corpus import BETWEEN_TEXTS
from tegum.networks.dropout import Masks, dropout_class
from tegum.networks.factors import FACTORS, check_together, rates
from tegum.networks.libraries import tokenizers, transformers
from tegum.networks.libraries import torch as load_torch

if TYPE_CHECKING:
    import torch

ATTENTION = "tegum"
"""The name under which transformers finds the attention with named masks."""

_CLASSES = {"gpt2": "GPT2LMHeadModel", "gpt_neox": "GPTNeoXForCausalLM"}
WEIGHTS = "weights/"
"""How the names of an artifact's weights begin."""
AT_TARGET = "weights_at_target/"
"""The same of the weights that were kept at the row's `loss_target`."""


def build(
    row: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None
) -> torch.nn.Module:
    """The network of a row: transformers' own class, in evaluation mode.

    Without `arrays` its weights are the initial ones, which follow from the seed and
    the architecture alone; with those of an artifact (`weights/...`) it is the trained
    network. In training mode its masks follow from the seed of the row.

    `build(row, artifact.arrays)(input_ids=tokens).logits` are what it says of tokens.

    Raises:
        ValueError: a row that is refused, or arrays that are not this network's.
        ModuleNotFoundError: the extra is not installed.
    """
    row = _completed(row)
    torch, library = load_torch(), transformers()
    _register_attention()
    model = getattr(library, _CLASSES[row["family"]])
    configuration = _configuration(row)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key(row["seed"], "init") % 2**63)
        module = model._from_config(configuration, attn_implementation=ATTENTION)
    module.masks = Masks(row["seed"])
    _put_dropout(module, row)
    if arrays is not None:
        _load(module, arrays)
    return module.eval()


@functools.cache
def warm_up(family: str) -> None:
    """Load what a network's first use loads, once and not in every row's process."""
    torch = load_torch()
    row = {"family": family, "width": 8, "n_heads": 1, "vocabulary": 257, "context": 2}
    module = build(row | {"seed": 0})
    torch.optim.AdamW(module.parameters(), fused=True)
    with torch.no_grad():
        module(input_ids=torch.zeros(1, 2, dtype=torch.int64))


def _completed(row: Mapping[str, Any]) -> dict[str, Any]:
    (full,) = complete([row], FACTORS)
    check_together(full)
    return full


def _configuration(row: Row) -> Any:
    library = transformers()
    marks = {"bos_token_id": 0, "eos_token_id": 0, "mlp_dropout": row["mlp_dropout"]}
    if row["family"] == "gpt2":
        return library.GPT2Config(
            vocab_size=row["vocabulary"],
            n_positions=row["context"],
            n_embd=row["width"],
            n_layer=row["n_layers"],
            n_head=row["n_heads"],
            # The same function as the family's `gelu_new`, computed in one go.
            activation_function="gelu_pytorch_tanh",
            embd_pdrop=row["embedding_dropout"],
            attn_pdrop=row["attention_dropout"],
            resid_pdrop=row["residual_dropout"],
            **marks,
        )
    return library.GPTNeoXConfig(
        vocab_size=row["vocabulary"],
        max_position_embeddings=row["context"],
        hidden_size=row["width"],
        num_hidden_layers=row["n_layers"],
        num_attention_heads=row["n_heads"],
        intermediate_size=4 * row["width"],
        attention_dropout=row["attention_dropout"],
        hidden_dropout=row["residual_dropout"],
        embedding_dropout=row["embedding_dropout"],
        **marks,
    )


def _put_dropout(module: Any, row: Row) -> None:
    """Put named dropout at every site; no weight gets another name."""
    torch, rate, masks = load_torch(), rates(row), module.masks

    def dropout(site: str, where: str = "") -> Any:
        return dropout_class()(rate[site], f"{site}{where}", masks)

    if row["family"] == "gpt2":
        module.transformer.drop = dropout("embedding")
        blocks = module.transformer.h
    else:
        module.gpt_neox.emb_dropout = dropout("embedding")
        blocks = module.gpt_neox.layers
    for layer, block in enumerate(blocks):
        after_attention = dropout("residual", f" {layer} attention")
        after_mlp = dropout("residual", f" {layer} mlp")
        if row["family"] == "gpt2":
            attention = block.attn
            attention.resid_dropout, block.mlp.dropout = after_attention, after_mlp
        else:
            attention = block.attention
            block.post_attention_dropout, block.post_mlp_dropout = (
                after_attention,
                after_mlp,
            )
        attention.attn_dropout = dropout("attention", f" {layer}")
        block.mlp.act = torch.nn.Sequential(block.mlp.act, dropout("mlp", f" {layer}"))


def _register_attention() -> None:
    """Make the attention known to transformers; its mask is that of plain attention."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(ATTENTION, _attention)
    AttentionMaskInterface.register(ATTENTION, eager_mask)


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **unused: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """softmax(q k^T / sqrt(d) + mask), dropped, times v: the plain order of steps."""
    torch = load_torch()
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    weights = torch.matmul(query, key.transpose(-1, -2)) * scaling
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = torch.softmax(weights, dim=-1, dtype=torch.float32).to(value.dtype)
    weights = module.attn_dropout(weights)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


def weights_of(module: Any) -> dict[str, np.ndarray]:
    """The weights as arrays of an artifact, each once: tied ones have one name."""
    return {
        f"{WEIGHTS}{name}": parameter.detach().to("cpu").float().numpy().copy()
        for name, parameter in module.named_parameters()
    }


def at_target(artifact: Artifact) -> dict[str, np.ndarray] | None:
    """The arrays with the weights kept at the loss target in place of the last ones.

    None for a network that never reached its target, or had none.
    """
    kept = {
        WEIGHTS + name.removeprefix(AT_TARGET): array
        for name, array in artifact.arrays.items()
        if name.startswith(AT_TARGET)
    }
    return {**artifact.arrays, **kept} if kept else None


def _load(module: Any, arrays: Mapping[str, np.ndarray]) -> None:
    torch = load_torch()
    given = {
        n.removeprefix(WEIGHTS): a for n, a in arrays.items() if n.startswith(WEIGHTS)
    }
    parameters = dict(module.named_parameters())
    if given.keys() != parameters.keys() or any(
        tuple(parameters[name].shape) != array.shape for name, array in given.items()
    ):
        raise ValueError(
            "the arrays are not the weights of this row's network; give those of the "
            "artifact that was trained from the same row"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.tensor(given[name]))


def save_folder(artifact: Artifact, row: Mapping[str, Any], path: str | Path) -> Path:
    """Write a trained network as a folder that transformers opens without tegum.

    `AutoModelForCausalLM.from_pretrained(path)` and `AutoTokenizer.from_pretrained`
    read it; dropout inside the MLP, which transformers does not know, is on record in
    `config.json` and acts in no evaluation.

    Raises:
        ValueError: arrays that are not this row's, or a path that exists.
        ModuleNotFoundError: the extra is not installed.
    """
    module = build(row, artifact.arrays)
    return write_folder(module, artifact.arrays["tokenizer"].tobytes(), Path(path))


def write_folder(module: Any, tokenizer: bytes, path: Path) -> Path:
    """Write a network and its tokenizer, whole or not at all.

    Raises:
        ValueError: the path exists.
    """
    if path.exists():
        raise ValueError(f"{path} exists; give a path that does not")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
    with _quiet():
        module.save_pretrained(temporary)
        transformers().PreTrainedTokenizerFast(
            tokenizer_object=tokenizers().Tokenizer.from_str(tokenizer.decode()),
            bos_token=BETWEEN_TEXTS,
            eos_token=BETWEEN_TEXTS,
            model_max_length=module.config.max_position_embeddings,
        ).save_pretrained(temporary)
    try:
        os.rename(temporary, path)
    except OSError:  # another process was faster, with the same bits
        shutil.rmtree(temporary)
    return path


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars on a user's screen, and none of the library's small talk."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def parameters(row: Row) -> int:
    """The number of weights of a row's network, tied ones once.

    A block has 12 w^2 + 13 w, of width w: attention 4 w^2 + 4 w, MLP 8 w^2 + 5 w, two
    layer norms 4 w; one norm and the embeddings come on top.
    """
    width, layers = row["width"], row["n_layers"]
    blocks = layers * (12 * width**2 + 13 * width) + 2 * width
    if row["family"] == "gpt2":
        return blocks + (row["vocabulary"] + row["context"]) * width
    return blocks + 2 * row["vocabulary"] * width


__all__ = ["at_target", "build", "parameters", "save_folder", "weights_of"]
