"""A model is opened as it was saved, wherever it is, or refused with the reason."""

import logging
import os

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models
from torch import nn
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging as noise

from activations.tiny_models import BUILD, tiny, tokens
from tegum.activations import open_model
from tegum.activations.models import told_apart

SHA = "0123456789abcdef0123456789abcdef01234567"


def saved(model, folder):
    noise.disable_progress_bar()
    model.save_pretrained(folder)
    noise.enable_progress_bar()
    return folder


@pytest.fixture
def folder(tmp_path):
    return saved(tiny("gpt2"), tmp_path / "model")


@pytest.mark.parametrize("name", BUILD)
def test_a_saved_model_is_the_live_one_to_the_bit(name, tmp_path):
    live = tiny(name)
    opened = open_model(saved(live, tmp_path / "model"))
    assert type(opened.module) is type(live)
    assert opened.digest == open_model(live).digest
    ids = tokens(2, 5)
    with torch.no_grad():
        assert torch.equal(opened.module(input_ids=ids)[0], live(input_ids=ids)[0])
    assert (opened.label, opened.came_in, opened.tokenizer) == ("model", "eval", None)
    assert opened.vocabulary == 50
    assert opened.positions == (31 if name == "roberta" else 32)


def test_positions_of_a_roberta_begin_behind_the_padding():
    model = tiny("roberta")
    most = open_model(model).positions
    model(input_ids=tokens(1, most))
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=tokens(1, most + 1))


def changed_weight(model):
    model.transformer.h[1].mlp.c_fc.weight.data[0, 0] += 1e-6


def changed_name(model):
    model.transformer.extra = nn.Linear(1, 1)


def changed_rate(model):
    model.transformer.h[0].mlp.dropout.p = 0.1


def changed_configuration(model):
    model.config.layer_norm_epsilon = 1e-3


def changed_attention(model):
    model.set_attn_implementation("eager")


def changed_type(model):
    model.to(torch.bfloat16)


@pytest.mark.parametrize(
    "change",
    [
        changed_weight,
        changed_name,
        changed_rate,
        changed_configuration,
        changed_attention,
        changed_type,
    ],
)
def test_the_digest_tells_apart_what_computes_something_else(change):
    model = tiny("gpt2")
    before = open_model(model).digest
    model.train().requires_grad_(False)
    assert open_model(model).digest == before  # the mode is no part of the model
    change(model)
    assert open_model(model).digest != before


def test_two_functions_of_one_name_do_not_make_two_models():
    """Nor does where in memory a function lies."""
    digests = set()
    for _ in range(2):
        model = nn.Sequential(nn.Linear(2, 2))
        nn.init.ones_(model[0].weight)
        nn.init.ones_(model[0].bias)
        digests.add(open_model(model).digest)
    assert len(digests) == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_dtype_is_chosen_and_a_live_module_left_alone(dtype, folder):
    opened = open_model(folder, dtype=dtype)
    assert opened.dtype == dtype
    assert {p.dtype for p in opened.module.parameters()} == {getattr(torch, dtype)}
    live = tiny("gpt2")
    copied = open_model(live, dtype=dtype)
    assert copied.digest == opened.digest
    assert live.lm_head.weight.dtype == torch.float32
    assert (copied.module is live) == (dtype == "float32")


def test_saved_in_bfloat16_it_is_opened_in_bfloat16(tmp_path):
    folder = saved(tiny("llama").to(torch.bfloat16), tmp_path / "half")
    assert open_model(folder).dtype == "bfloat16"


def test_a_model_comes_in_the_mode_it_had(folder):
    assert open_model(tiny("gpt2").train()).came_in == "train"
    assert open_model(folder).came_in == "eval"


def test_the_tokenizer_beside_the_weights_comes_along(folder):
    words = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    )
    words.save_pretrained(folder)
    opened = open_model(folder)
    assert opened.tokenizer("b")["input_ids"] == [1]
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"the tokenizer in .* could not be opened"):
        open_model(folder)


def test_a_function_of_ones_own_gives_a_model(tmp_path, monkeypatch):
    (tmp_path / "own_models.py").write_text(
        "from torch import nn\n"
        "def build(): return nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2))\n"
        "def both(): return build(), 'a tokenizer'\n"
        "def nothing(): return 3\n"
        "made = build()\n"
    )
    monkeypatch.chdir(tmp_path)
    opened = open_model("own_models:build")
    assert (opened.family, opened.label) == ("other", "own_models:build")
    assert (opened.vocabulary, opened.positions, opened.n_parameters) == (5, None, 23)
    assert open_model("own_models:both").tokenizer == "a tokenizer"
    assert open_model("own_models:made").module[1].out_features == 2
    with pytest.raises(ValueError, match="returned an object of type int; it must"):
        open_model("own_models:nothing")
    with pytest.raises(ValueError, match="has no function 'absent'"):
        open_model("own_models:absent")
    with pytest.raises(ValueError, match="no module is called 'absent_models'"):
        open_model("absent_models:build")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def build(): raise OSError('no disk')", "raised OSError: no disk; it must"),
        ("def build(width): pass", "raised TypeError: .*needs no argument"),
        ("build = 3", "is an object of type int; give a function"),
        ("import absent_things", "could not be imported: ModuleNotFoundError"),
        ("def build(:", "could not be imported: SyntaxError"),
    ],
)
def test_what_a_strangers_function_raises_is_one_line(
    tmp_path, monkeypatch, code, said
):
    name = f"strange_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=said) as caught:
        open_model(f"{name}:build")
    assert "\n" not in str(caught.value)


def test_folders_of_one_name_are_told_apart_by_the_folders_above(folder, tmp_path):
    keys = ["a" * 64, "b" * 64]
    for key in keys:
        (tmp_path / key).mkdir()
        (tmp_path / key / "step-7").symlink_to(folder)
    opened = [open_model(tmp_path / key / "step-7") for key in keys]
    assert [model.label for model in opened] == ["step-7", "step-7"]
    assert [model.label for model in told_apart(opened)] == [
        "aaaaaaaa/step-7",
        "bbbbbbbb/step-7",
    ]
    live = [open_model(torch.nn.Linear(2, 2)) for _ in range(2)]
    assert [model.label for model in told_apart(live)] == ["Linear #1", "Linear #2"]
    alone = open_model(tmp_path / keys[0] / "step-7")
    assert told_apart([alone, live[0]])[0].label == "step-7"


def test_pickled_weights_are_refused_unless_they_are_trusted(folder):
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    digest = open_model(folder).digest  # safetensors are there, and taken
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"pytorch_model\.bin' are pickled.*allow_pic"):
        open_model(folder)
    assert open_model(folder, allow_pickle=True).digest == digest


def test_a_pickled_file_runs_no_code_unless_it_is_trusted(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"weights": Trap()}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="pickled"):
        open_model(tmp_path / "model.pt")
    assert not (tmp_path / "sprung").exists()
    torch.save(nn.Linear(2, 3), tmp_path / "whole.pt")
    assert open_model(tmp_path / "whole.pt", allow_pickle=True).n_parameters == 9
    torch.save({"weight": torch.ones(2)}, tmp_path / "state.pt")
    with pytest.raises(ValueError, match="type dict and no module"):
        open_model(tmp_path / "state.pt", allow_pickle=True)


def test_weights_that_are_missing_are_not_drawn_at_random(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"1 are missing, such as transformer\.h\.1"):
        open_model(folder)
    weights["transformer.h.1.mlp.c_fc.weight"] = torch.ones(3, 3)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"could not be opened|mismatched"):
        open_model(folder)


def test_what_is_no_model_is_refused_and_says_why(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare").mkdir()
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(ValueError, match=r"no config\.json, but nothing"):
        open_model("bare")
    (tmp_path / "bare" / "readme.md").write_text("words")
    with pytest.raises(ValueError, match=r"no config\.json, but readme\.md"):
        open_model("bare")
    with pytest.raises(ValueError, match="is no model; give the folder that holds it"):
        open_model("notes.txt")
    with pytest.raises(ValueError, match="there is no folder '/absent/model'"):
        open_model("/absent/model")
    with pytest.raises(
        ValueError, match="can not be opened from an object of type int"
    ):
        open_model(3)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"a config\.json but no weights"):
        open_model(folder)
    (folder / "model.safetensors").write_bytes(b"words")
    with pytest.raises(ValueError, match="could not be opened by transformers"):
        open_model(folder)
    (folder / "config.json").write_text('{"model_type": "unheard_of"}')
    with pytest.raises(ValueError, match=r"no model that transformers .* knows"):
        open_model(folder)
    (folder / "config.json").write_text("words")
    with pytest.raises(ValueError, match=r"no model that transformers .* knows"):
        open_model(folder)


def test_a_hub_name_needs_a_revision_and_what_was_fetched_or_a_network(monkeypatch):
    with pytest.raises(ValueError, match="whatever its owner put there last"):
        open_model("owner/name")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=f"at revision '{SHA}' is not on this machine"):
        open_model("owner/name", revision=SHA)


def test_a_model_fetched_before_is_opened_without_a_network(tmp_path, monkeypatch):
    """The hub's cache: a folder of snapshots, one for each commit."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--owner--name" / "snapshots" / SHA
    live = tiny("gpt2")
    saved(live, snapshot)
    opened = open_model("owner/name", revision=SHA)
    assert opened.digest == open_model(live).digest
    assert opened.label == f"owner/name@{SHA[:12]}"


def test_no_device_or_dtype_is_assumed(folder):
    with pytest.raises(ValueError, match="the device 'abacus' can not be used"):
        open_model(folder, device="abacus")
    with pytest.raises(ValueError, match="float32, bfloat16, float16"):
        open_model(folder, dtype="int8")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match=r"'cuda' can not be used .*has cpu"):
            open_model(folder, device="cuda")


def test_opening_a_model_is_quiet_and_leaves_the_noise_as_it_was(folder, capfd):
    noise.set_verbosity_info()
    noise.enable_progress_bar()
    try:
        open_model(folder)
        assert noise.get_verbosity() == logging.INFO
        assert noise.is_progress_bar_enabled()
    finally:
        noise.set_verbosity_warning()
    assert capfd.readouterr() == ("", "")
