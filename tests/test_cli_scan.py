"""`tegum scan`: a model and a text in, verdicts and a page out, or one line."""

import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from tegum.cli import app

transformers = pytest.importorskip("transformers")

WORDS = ["the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "tree", "old"]


def text_of(words: int) -> str:
    drawn = np.random.default_rng(0).choice(WORDS, size=words)
    return " ".join(drawn.tolist())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A freshly initialised GPT-2 with a tokenizer, as `save_pretrained` leaves it."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "tiny"
    vocabulary = {word: k for k, word in enumerate(["<end>", *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<end>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<end>"
    ).save_pretrained(path)
    config = transformers.GPT2Config(
        n_layer=2, n_embd=64, n_head=2, vocab_size=len(vocabulary), n_positions=32,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(path)
    return path


def changed(folder, target, change):
    """A copy of the folder, its model changed."""
    model = transformers.GPT2LMHeadModel.from_pretrained(folder)
    change(model)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text(text_of(2048))
    return path


@pytest.fixture
def tegum(tmp_path):
    def run(*arguments, code=0, stdin=None):
        where = ["--store", str(tmp_path / "store")]
        given = ["scan", *map(str, arguments), "--sequence-length", "16"]
        done = CliRunner().invoke(app, [*given, "--workers", "1", *where], input=stdin)
        assert done.exit_code == code, done.output + done.stderr
        return done

    return run


def test_a_scan_prints_a_line_for_each_point_and_the_page_last(tegum, folder, text):
    done = tegum(folder, "--text", text)
    assert done.output.count("blocks.1.hook_resid_post") == 2
    assert "privileged at none of 3 points" in " ".join(done.output.split())
    assert "tokens per second" in done.output
    last = done.output.strip().splitlines()[-1]
    assert last.startswith("report: ")
    assert last.endswith("-demo.html")


def test_a_second_scan_measures_nothing_and_draws_the_page_anew(tegum, folder, text):
    first = json.loads(tegum(folder, "--text", text, "--json").stdout)
    again = json.loads(tegum(folder, "--text", text, "--json").stdout)
    assert first["tokens_measured"] == 2048
    assert again["tokens_measured"] == 0
    assert again["points"] == first["points"]
    assert {record["standing"] for record in again["points"]} == {"confirmatory"}


def test_a_dry_run_makes_no_store(tegum, folder, text, tmp_path):
    done = tegum(folder, "--text", text, "--dry-run")
    assert "96 rows, 0 already there, 96 to measure" in done.output
    assert not (tmp_path / "store").exists()
    about = json.loads(tegum(folder, "--text", text, "--dry-run", "--json").stdout)
    assert about["claims"] == 6
    assert about["models"][0]["points"] == 3


def test_planted_units_are_caught_beside_the_model_without(
    tegum, folder, text, tmp_path
):
    def plant(model):
        for weight in (model.transformer.wte.weight, model.transformer.wpe.weight):
            weight.data[:, 5] *= 20.0

    planted = changed(folder, tmp_path / "planted", plant)
    points = "blocks.0.hook_resid_pre,hook_embed"
    done = tegum(folder, planted, "--text", text, "--points", points, "--json")
    found = json.loads(done.stdout)
    held = {
        (r["model"], r["point"]): r["holds"]
        for r in found["points"]
        if r["statistic"] == "per vector"
    }
    for point in points.split(","):
        assert held["planted", point] == "privileged"
        assert held["tiny", point] == "no gap beyond chance"
    assert {
        r["holds"] for r in found["differences"] if r["statistic"] == "per vector"
    } == {"larger"}


def test_text_from_stdin_is_the_text_of_the_file(tegum, folder, text):
    tegum(folder, "--text", "-", "--json", stdin=text.read_text())
    filed = tegum(folder, "--text", text, "--dry-run", "--json")
    assert json.loads(filed.stdout)["missing"] == 0


def test_nan_in_a_layer_costs_its_own_rows_and_exit_code_3(
    tegum, folder, text, tmp_path
):
    def spoil(model):
        model.transformer.h[1].mlp.c_proj.bias.data[3] = float("nan")

    spoilt = changed(folder, tmp_path / "spoilt", spoil)
    done = tegum(spoilt, "--text", text, code=3)
    assert "blocks.1.hook_resid_post of spoilt" in done.stderr
    assert "NaN or infinite" in done.stderr
    assert "the other 64 rows are in the store" in done.stderr
    short, failed = done.stderr.splitlines()
    assert "2,000" in short
    assert "NaN" in failed
    assert "no gap" in done.output


def test_a_text_of_few_blocks_is_told_that_it_will_decide_nothing(
    tegum, folder, tmp_path
):
    short = tmp_path / "short.txt"
    short.write_text(text_of(64))
    done = tegum(folder, "--text", short)
    assert "the text gives 4 blocks" in done.stderr
    assert "undecided at 3" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("TINY", "--text", "TEXT", "--points", "blocks.0.hook_resid_pst"), "did you"),
        (("TINY", "--text", "TEXT", "--points", "blocks.7.hook_resid_post"), "0 to 1"),
        (("EMPTY", "--text", "TEXT"), "EMPTY"),
        (("./nowhere", "--text", "TEXT"), "nowhere"),
        (("TINY", "--text", "./nowhere.txt"), "nowhere.txt"),
        (("TINY", "--text", "BLANK"), "is empty"),
        (("TINY", "--text", "SHORT"), "one sequence needs 16"),
        (("TINY", "--text", "IDS"), "the tokenizer does not fit"),
        (("TINY", "--text", "TEXT", "--gap", "-1"), "above 0"),
        (("TINY", "--text", "TEXT", "--blocks", "0"), "blocks"),
        (("TINY", "--text", "TEXT", "--dtype", "int8"), "float32, bfloat16"),
        (("TINY", "--text", "TEXT", "--device", "abacus"), "abacus"),
        (("TINY", "TINY", "--text", "TEXT"), "are the same model"),
        (("PICKLE", "--text", "TEXT"), "pickle"),
    ],
)
def test_a_mistake_gets_one_clear_line_and_exit_code_1(
    tegum, folder, text, tmp_path, arguments, says
):
    there = {name: tmp_path / name for name in ("EMPTY", "BLANK", "SHORT", "PICKLE")}
    there |= {"IDS": tmp_path / "ids.npy", "TINY": folder, "TEXT": text}
    there["EMPTY"].mkdir()
    there["BLANK"].write_text(" \n")
    there["SHORT"].write_text("the cat sat")
    np.save(there["IDS"], np.full((64, 16), 99))
    if "PICKLE" in arguments:
        import torch

        model = transformers.GPT2LMHeadModel.from_pretrained(folder)
        model.config.save_pretrained(there["PICKLE"])
        torch.save(model.state_dict(), there["PICKLE"] / "pytorch_model.bin")
    done = tegum(*(there.get(a, a) for a in arguments), code=1)
    assert says in done.stderr
    assert done.stderr.startswith("tegum: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_without_the_extra_one_line_says_the_command(
    tegum, folder, text, monkeypatch, library
):
    monkeypatch.setitem(sys.modules, library, None)
    done = tegum(folder, "--text", text, code=1)
    assert "pip install 'tegum[transformers]'" in done.stderr
    assert done.stderr.count("\n") == 1
