"""Opening a model as it was saved: no weight folded, nothing unpickled unasked."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.activations.libraries import library
from tegum.activations.points import family_of, points_of
from tegum.activations.sources import module_from

if TYPE_CHECKING:
    import torch
    from torch import nn

DTYPES = ("float32", "bfloat16", "float16")
"""Types of numbers that a model may be measured in."""

KEY_SHOWN = 8
"""Digits of a folder's key that a label shows."""

_KEY = re.compile("[0-9a-f]{16,}")
_VOLATILE = ("_name_or_path", "architectures", "dtype", "torch_dtype")
"""Entries of a configuration that say nothing of what the model computes."""


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A model ready to be measured, and what its rows and its readers call it.

    `digest` is a SHA-256 of every weight and of how they are put together; `label` is
    for people; `family` is that of `tegum.activations.family_of`; `came_in` is the mode
    in which it was handed over, `train` or `eval`; `source` is the path, hub name or
    `module:function` that was given, empty for a live module.
    """

    module: nn.Module
    tokenizer: Any | None
    digest: str
    label: str
    family: str
    came_in: str = "eval"
    source: str = ""

    @property
    def key(self) -> str:
        """The first 16 digits of the digest, which stand in the rows."""
        return self.digest[:16]

    @property
    def dtype(self) -> str:
        """The type of the weights, such as float32; of the first if they differ."""
        for parameter in self.module.parameters():
            if parameter.is_floating_point():
                return str(parameter.dtype).removeprefix("torch.")
        return "float32"

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        for parameter in self.module.parameters():
            return parameter.device
        return library("torch").device("cpu")

    @property
    def n_parameters(self) -> int:
        """How many weights it has, tied ones counted once."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def n_weights_in_use(self) -> int:
        """How many weights each token is multiplied with: no table, no head."""
        table = library("torch").nn.Embedding
        module = getattr(self.module, "base_model", self.module)
        return sum(
            parameter.numel()
            for part in module.modules()
            if not isinstance(part, table)
            for parameter in part.parameters(recurse=False)
        )

    @property
    def vocabulary(self) -> int | None:
        """How many token ids it knows; None where its embedding can not be found."""
        table = self._embedding()
        return None if table is None else int(table.num_embeddings)

    @property
    def positions(self) -> int | None:
        """The longest sequence it was made for; None where it does not say."""
        config = getattr(self.module, "config", None)
        for name in ("max_position_embeddings", "n_positions", "n_ctx"):
            most = getattr(config, name, None)
            if isinstance(most, int) and most > 0:
                return most - self._positions_kept_for_padding()
        return None

    def _positions_kept_for_padding(self) -> int:
        """Models in the manner of RoBERTa count positions from behind the padding's."""
        for point in points_of(self.module):
            if point.name == "hook_pos_embed":
                table: Any = self.module.get_submodule(point.path)
                return 0 if table.padding_idx is None else table.padding_idx + 1
        return 0

    def _embedding(self) -> Any | None:
        nn = library("torch").nn
        of_transformers: Any = getattr(self.module, "get_input_embeddings", None)
        if of_transformers is not None:
            with contextlib.suppress(NotImplementedError):
                found = of_transformers()
                if isinstance(found, nn.Embedding):
                    return found
        for part in self.module.modules():
            if isinstance(part, nn.Embedding):
                return part
        return None


def open_model(
    source: Any,
    *,
    revision: str | None = None,
    allow_pickle: bool = False,
    device: str | None = None,
    dtype: str | None = None,
    tokenizer: Any | None = None,
    label: str | None = None,
) -> OpenedModel:
    """A model from wherever it is, its weights as they were saved.

    `source` is a live `torch.nn.Module`; the folder of a saved transformers model;
    the `owner/name` of one on the hub, with its `revision`; or `module:function`, a
    function without arguments that returns a module, or a module and its tokenizer. A
    folder is never looked for on a network. Weights saved by pickle can run code when
    they are read: they are refused unless `allow_pickle`. `device` and `dtype`
    (float32, bfloat16 or float16) are those of the module, or of what was saved, on the
    CPU; a live module is never changed: with another device or dtype a copy is opened.

    Raises:
        ValueError: a source that is no model, saved weights that are missing or
            pickled, a hub name without a revision or network, an unknown device or
            dtype.
        ModuleNotFoundError: torch or transformers is not installed.
    """
    torch = library("torch")
    _check_dtype(dtype)
    _check_device(device)
    given = ""
    if isinstance(source, OpenedModel):
        found = source.module, source.tokenizer, source.label
        given = source.source
    elif isinstance(source, torch.nn.Module):
        found = source, None, type(source).__name__
    elif isinstance(source, str | Path):
        given = str(source)
        found = module_from(given, revision=revision, allow_pickle=allow_pickle)
    else:
        raise ValueError(
            f"a model can not be opened from an object of type "
            f"{type(source).__name__}; give a torch.nn.Module, a folder, a hub name, "
            "or `module:function`"
        )
    module, own, name = found
    came_in = "train" if module.training else "eval"
    module = _placed(module, device, dtype)
    return OpenedModel(
        module=module,
        tokenizer=own if tokenizer is None else tokenizer,
        digest=digest_of(module),
        label=name if label is None else label,
        family=family_of(module),
        came_in=came_in,
        source=given,
    )


def labelled(model: OpenedModel, label: str) -> OpenedModel:
    """The same model under another label for people."""
    return replace(model, label=label)


def told_apart(models: Sequence[OpenedModel]) -> list[OpenedModel]:
    """Models of one label under labels of their own, as short as tells them apart.

    Those of folders get as many folders above before their name as it takes; what has
    no path, or the same one, is numbered.
    """
    labels = [model.label for model in models]
    found = list(labels)
    for label in {label for label in labels if labels.count(label) > 1}:
        alike = [k for k, other in enumerate(labels) if other == label]
        paths = _shortest([models[k].source for k in alike])
        numbered = [f"{label} #{n}" for n in range(1, len(alike) + 1)]
        for k, new in zip(alike, paths or numbered, strict=True):
            found[k] = new
    return [
        model if model.label == new else labelled(model, new)
        for model, new in zip(models, found, strict=True)
    ]


def _shortest(sources: Sequence[str]) -> list[str] | None:
    """The ends of some paths that differ; None where they are not all folders."""
    if not all(source and Path(source).expanduser().is_dir() for source in sources):
        return None
    parts = [_absolute(source).parts for source in sources]
    for length in range(2, max(map(len, parts)) + 1):
        for shown in (_abbreviated, str):
            ends = ["/".join(map(shown, part[-length:])) for part in parts]
            if len(set(ends)) == len(ends):
                return ends
    return None


def _absolute(source: str) -> Path:
    """A path from the root, links left as they were named."""
    return Path(os.path.abspath(Path(source).expanduser()))


def _abbreviated(part: str) -> str:
    """A folder that is called by a key, by how the key begins."""
    return part[:KEY_SHOWN] if _KEY.fullmatch(part) else part


def _check_dtype(dtype: str | None) -> None:
    if dtype is not None and dtype not in DTYPES:
        raise ValueError(f"`dtype` is {dtype!r}; it must be one of {', '.join(DTYPES)}")


def _check_device(device: str | None) -> None:
    if device is None:
        return
    torch = library("torch")
    try:
        asked = torch.device(device)
        torch.empty(1, device=asked)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "?"
        there = ["cpu"]
        there += [f"cuda:{k}" for k in range(torch.cuda.device_count())]
        there += ["mps"] if torch.backends.mps.is_available() else []
        raise ValueError(
            f"the device {device!r} can not be used ({reason}); this machine has "
            f"{', '.join(there)}"
        ) from None


def _placed(module: nn.Module, device: str | None, dtype: str | None) -> nn.Module:
    """The module on its device in its dtype; a copy where that would change it."""
    torch = library("torch")
    kind = None if dtype is None else getattr(torch, dtype)
    tensors = [*module.parameters(), *module.buffers()]
    moved = device is not None and any(
        t.device.type != torch.device(device).type for t in tensors
    )
    cast = kind is not None and any(
        t.is_floating_point() and t.dtype != kind for t in module.parameters()
    )
    if not (moved or cast):
        return module
    return copy.deepcopy(module).to(device=device, dtype=kind)


def digest_of(module: nn.Module) -> str:
    """SHA-256 of a model: every name, shape, type and byte, and how it is built.

    Live or saved and opened again, it is the same; where it was found does not enter.
    """
    torch = library("torch")
    digest = hashlib.sha256()
    kind = type(module)
    structure = re.sub(r" at 0x[0-9a-f]+", "", repr(module))
    record = [kind.__qualname__, _configuration(module), structure]
    digest.update(json.dumps(record, sort_keys=True, default=str).encode())
    for name, tensor in sorted(module.state_dict().items()):
        if not isinstance(tensor, torch.Tensor):
            digest.update(f"\0{name}\0{tensor!r}".encode())
            continue
        digest.update(f"\0{name}\0{tuple(tensor.shape)}\0{tensor.dtype}\0".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(np.asarray(flat.view(torch.uint8)).data)
    return digest.hexdigest()


def _configuration(module: nn.Module) -> Any:
    config = getattr(module, "config", None)
    if config is None or not hasattr(config, "to_dict"):
        return None
    found = {
        name: value
        for name, value in config.to_dict().items()
        if name not in _VOLATILE and not name.startswith("transformers_")
    }
    return found | {"attention": getattr(config, "_attn_implementation", None)}


__all__ = [
    "DTYPES",
    "OpenedModel",
    "digest_of",
    "labelled",
    "open_model",
    "told_apart",
]
