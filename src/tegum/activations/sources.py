"""Where a model comes from: a folder, a file, a function, or the hub."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from tegum.activations.libraries import library

if TYPE_CHECKING:
    from torch import nn

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
)
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")
_BROKEN = (
    OSError,
    ValueError,
    KeyError,
    RuntimeError,
    SafetensorError,
    UnpicklingError,
)
"""What transformers raises over weights that can not be read."""

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def module_from(
    source: str, *, revision: str | None, allow_pickle: bool
) -> tuple[nn.Module, Any | None, str]:
    """The module that a text stands for, its tokenizer if it has one, and its label.

    Raises:
        ValueError: nothing of that name, or nothing that is a model.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        module, tokenizer = _from_folder(path, allow_pickle=allow_pickle)
        return module, tokenizer, Path(os.path.abspath(path)).name
    if path.is_file():
        return _from_file(path, allow_pickle=allow_pickle), None, path.name
    if _FUNCTION.fullmatch(source):
        module, tokenizer = _from_function(source)
        return module, tokenizer, source
    if _HUB.fullmatch(source) and "." not in source.split("/")[0]:
        folder = _fetched(source, revision=revision, allow_pickle=allow_pickle)
        module, tokenizer = _from_folder(folder, allow_pickle=allow_pickle)
        return module, tokenizer, f"{source}@{str(revision)[:12]}"
    raise ValueError(
        f"there is no folder {source!r}; a model is the folder of a saved transformers "
        "model, `owner/name` on the hub, or `module:function`"
    )


def _from_folder(folder: Path, *, allow_pickle: bool) -> tuple[nn.Module, Any | None]:
    if not (folder / "config.json").is_file():
        there = sorted(p.name for p in folder.iterdir())[:5]
        held = ", ".join(there) or "nothing"
        raise ValueError(
            f"the folder {str(folder)!r} is no saved model: it has no config.json, but "
            f"{held}; give the folder that `save_pretrained` wrote"
        )
    pickled = not any(folder.glob("*.safetensors"))
    if pickled:
        files = sorted(p.name for kind in _PICKLES for p in folder.glob(kind))
        if not files:
            raise ValueError(
                f"the folder {str(folder)!r} has a config.json but no weights; a saved "
                "model has a model.safetensors"
            )
        _refuse_pickle(folder / files[0], allow_pickle)
    with _quiet():
        module = _loaded(folder, pickled=pickled)
        return module, _tokenizer_in(folder)


def _refuse_pickle(path: Path, allow_pickle: bool) -> None:
    if not allow_pickle:
        raise ValueError(
            f"the weights {str(path)!r} are pickled, and a pickle can run any code "
            "when it is read; save them as safetensors, or trust them by "
            "`allow_pickle=True`"
        )


def _loaded(folder: Path, *, pickled: bool) -> nn.Module:
    """The module of the class that was saved, every weight from the folder."""
    torch, transformers = library("torch"), library("transformers")
    config = _config_in(folder)
    try:
        module, report = _class_of(config).from_pretrained(
            str(folder),
            config=config,
            local_files_only=True,
            use_safetensors=not pickled,
            dtype="auto",
            output_loading_info=True,
        )
    except _BROKEN as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise ValueError(
            f"the folder {str(folder)!r} could not be opened by transformers "
            f"{transformers.__version__}: {_first_line(error)}"
        ) from error
    wrong = {k: report.get(k) for k in ("missing_keys", "mismatched_keys")}
    for what, names in wrong.items():
        if names:
            shown = ", ".join(str(n) for n in sorted(map(str, names))[:3])
            raise ValueError(
                f"the weights in {str(folder)!r} are not those of a "
                f"{type(module).__name__}: {len(names)} are "
                f"{what.removesuffix('_keys')}, such as {shown}; in their place would "
                "stand random numbers"
            )
    return module


def _config_in(folder: Path) -> Any:
    transformers = library("transformers")
    try:
        return transformers.AutoConfig.from_pretrained(
            str(folder), local_files_only=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"the config.json in {str(folder)!r} is of no model that transformers "
            f"{transformers.__version__} knows: {_first_line(error)}; give a "
            "`module:function` that builds it"
        ) from None


def _class_of(config: Any) -> Any:
    """The class that was saved; else that of the language models of its type."""
    transformers = library("transformers")
    for name in getattr(config, "architectures", None) or ():
        found = getattr(transformers, name, None)
        if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
            return found
    if type(config) in transformers.AutoModelForCausalLM._model_mapping:
        return transformers.AutoModelForCausalLM
    return transformers.AutoModel


def _tokenizer_in(folder: Path) -> Any | None:
    """The tokenizer saved beside the weights; None if there is none."""
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        return None
    try:
        return library("transformers").AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ValueError(
            f"the tokenizer in {str(folder)!r} could not be opened: "
            f"{_first_line(error)}; repair it, or give token ids in place of text"
        ) from error


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _from_file(path: Path, *, allow_pickle: bool) -> nn.Module:
    torch = library("torch")
    if not any(path.match(kind) for kind in _PICKLES):
        raise ValueError(
            f"the file {str(path)!r} is no model; give the folder that holds it with "
            "its config.json"
        )
    _refuse_pickle(path, allow_pickle)
    found = torch.load(path, map_location="cpu", weights_only=False)
    if not isinstance(found, torch.nn.Module):
        raise ValueError(
            f"the file {str(path)!r} holds an object of type {type(found).__name__} "
            "and no module; give `module:function`, a function that builds the module "
            "and loads it"
        )
    return found


def _from_function(source: str) -> tuple[nn.Module, Any | None]:
    """What a function of the user's returns; modules beside the shell are found too."""
    name, _, attribute = source.partition(":")
    made: Any = _imported(name)
    for part in attribute.split("."):
        if not hasattr(made, part):
            raise ValueError(f"the module {name!r} has no function {attribute!r}")
        made = getattr(made, part)
    nn = library("torch").nn
    if not (isinstance(made, nn.Module) or callable(made)):
        raise ValueError(
            f"{source!r} is an object of type {type(made).__name__}; give a function "
            "without arguments that returns a torch.nn.Module"
        )
    try:
        with _quiet_if_there():
            returned: Any = made if isinstance(made, nn.Module) else made()
    except Exception as error:  # a stranger's code
        raise ValueError(
            f"{source!r} raised {_named(error)}; it must be a function that needs no "
            "argument and returns a torch.nn.Module"
        ) from error
    module: Any = returned
    tokenizer: Any = None
    if isinstance(returned, tuple) and len(returned) == 2:
        module, tokenizer = returned
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"{source!r} returned an object of type {type(module).__name__}; it must "
            "return a torch.nn.Module, or a module and its tokenizer"
        )
    return module, tokenizer


def _imported(name: str) -> Any:
    """A module of the user's, from where the shell is or from what is installed."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except Exception as error:  # a stranger's code
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent is not None and f"{name}.".startswith(f"{absent}."):
            raise ValueError(
                f"no module is called {name!r}, neither installed nor in {here}; a "
                "model is `module:function`, a folder, or `owner/name` on the hub"
            ) from None
        raise ValueError(
            f"the module {name!r} could not be imported: {_named(error)}; mend it"
        ) from error
    finally:
        sys.path.remove(here)


def _named(error: BaseException) -> str:
    """An error on one line: its type and the first line of what it says."""
    said = _first_line(error) if str(error).strip() else ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _fetched(source: str, *, revision: str | None, allow_pickle: bool) -> Path:
    """The folder of a model on the hub, as it was at one revision."""
    if not revision:
        raise ValueError(
            f"there is no folder {source!r}, and on the hub a name stands for whatever "
            "its owner put there last; give `revision`, best the commit's 40 digits"
        )
    hub = library("huggingface_hub")
    errors = importlib.import_module("huggingface_hub.errors")
    patterns = ["*.json", "*.txt", "*.model", "*.safetensors"]
    try:
        with _quiet():
            return Path(
                hub.snapshot_download(
                    source,
                    revision=revision,
                    allow_patterns=patterns + ["*.bin"] * allow_pickle,
                )
            )
    except (OSError, ValueError, errors.HfHubHTTPError) as error:
        raise ValueError(
            f"{source!r} at revision {revision!r} is not on this machine and could not "
            f"be fetched: {_first_line(error)}; fetch it where there is a network, and "
            "give its folder"
        ) from error


def _quiet_if_there() -> contextlib.AbstractContextManager[None]:
    """`_quiet` where transformers is installed: not every function needs it."""
    try:
        library("transformers")
    except ModuleNotFoundError:
        return contextlib.nullcontext()
    return _quiet()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars and notes; they come back afterwards."""
    logging = library("transformers").utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    hub = importlib.import_module("huggingface_hub.utils")
    hub_bars = not hub.are_progress_bars_disabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
        if hub_bars:
            hub.enable_progress_bars()
