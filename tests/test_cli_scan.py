"""`tegum scan`: a model and a text in, verdicts and a page out, or one line."""

import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from tegum.cli import _in_options, app

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


def scan_as_it_is(tmp_path, *arguments, code=0):
    """`tegum scan` without a sequence length."""
    where = ["--workers", "1", "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(app, ["scan", *map(str, arguments), *where])
    assert done.exit_code == code, done.output + done.stderr
    return done


def test_sequences_are_as_long_as_the_model_reads(folder, text, tmp_path):
    done = scan_as_it_is(tmp_path, folder, "--text", text, "--dry-run")
    assert "64 sequences of 32 tokens, the most that is read at a time" in done.output


def test_remedies_are_options_of_the_command_line(folder, text, tmp_path):
    def says(*arguments):
        done = scan_as_it_is(tmp_path, *arguments, code=1)
        assert "`" not in done.stderr
        return done.stderr

    said = says(folder, "--text", text, "--sequence-length", 64)
    assert "give --sequence-length up to 32" in said
    short = tmp_path / "short.txt"
    short.write_text("the cat sat")
    said = says(folder, "--text", short)
    assert "a --sequence-length of at most 4, or --cut lines" in said
    assert "give --revision" in says("nobody/nothing", "--text", text)
    (tmp_path / "bare").mkdir()
    transformers.GPT2LMHeadModel.from_pretrained(folder).save_pretrained(
        tmp_path / "bare"
    )
    assert "give an .npy of token ids" in says(tmp_path / "bare", "--text", text)


@pytest.mark.parametrize(
    ("said", "there"),
    [
        ("a batch of 8 fits: give batch=8", "a batch of 8 fits: give --batch 8"),
        ("trust them by `allow_pickle=True`", "trust them by --allow-pickle"),
        ('give the text with cut="packed"', "give the text with --cut packed"),
        ("`at_most` is 0; it must be", "--at-most is 0; it must be"),
        ("give `module:function`", "give `module:function`"),
    ],
)
def test_words_of_the_library_become_options(said, there):
    assert _in_options(said) == there


def test_pages_of_different_questions_stand_side_by_side(tegum, folder, text):
    asked = [(), ("--gap", "1"), ("--points", "mlp"), ("--blocks", "16")]
    pages = {
        json.loads(tegum(folder, "--text", text, "--json", *more).stdout)["page"]
        for more in asked
    }
    assert len(pages) == len(asked)


def test_what_a_gap_needs_and_what_was_not_measured_is_said(
    tegum, folder, text, tmp_path
):
    def spoil(model):
        model.transformer.h[1].mlp.c_proj.bias.data[3] = float("nan")

    spoilt = changed(folder, tmp_path / "spoilt", spoil)
    done = tegum(spoilt, "--text", text, code=3)
    line = next(
        line
        for line in done.stdout.splitlines()
        if line.strip().startswith("blocks.1.hook_resid_post")
    )
    assert line.rstrip().endswith("not measured")
    assert "nan" not in line
    assert "inf" not in line
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if "blocks" in line)
    assert "needs" in done.stdout
    found = json.loads(tegum(spoilt, "--text", text, "--json", code=3).stdout)
    spoilt_point, *_ = [r for r in found["points"] if r["gap"] is None]
    assert spoilt_point["point"] == "blocks.1.hook_resid_post"
    assert spoilt_point["raw"] is None
    assert spoilt_point["verdict"] == "undecided"
    assert all(record["needs"] >= 0.5 for record in found["points"])
    assert found["models"][0]["source"] == str(spoilt)


def test_no_verdict_is_cut_off_in_a_narrow_table(capsys, monkeypatch):
    from tegum.terminal import print_scan

    monkeypatch.setenv("COLUMNS", "80")
    held = [
        "privileged", "no gap worth claiming", "no gap beyond chance",
        "lighter than its rotations", None,
    ]  # fmt: skip
    records = [
        {
            "statistic": "per vector", "model": "m",
            "point": f"blocks.{k}.hook_resid_mid",
            "raw": 1657.25, "rotated": -0.01, "whole": 1234.5, "gap": 1657.3,
            "low": 1200.25, "high": 1700.75, "needs": 0.57, "holds": holds,
            "verdict": "undecided" if holds is None else "supported",
            "standing": "confirmatory",
        }
        for k, holds in enumerate(held, start=10)
    ]  # fmt: skip
    found = {
        "question": "?", "answer": "!", "models": [{"label": "m"}], "points": records,
        "differences": [], "tokens_per_second": 0.0,
    }  # fmt: skip
    print_scan(found, as_json=False)
    printed = capsys.readouterr().out
    for word in ("privileged", "no gap", "by chance", "lighter", "undecided"):
        assert f" {word} " in printed.replace("\n", " \n")
    assert "[1,200, 1,701]" in printed
    assert "…" not in printed


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
