"""On small stand-ins of the same architecture; the models themselves need a network."""

import numpy as np
import pytest

from studies import invented
from tegum.execution import execute, judge
from tegum.networks.subject import SmallTransformers
from tegum.store import Store
from tegum.studies import public_dropout_models as asked
from tegum.studies.public_dropout_models import Published

COMMIT = "0" * 40
ROW = {
    "family": "gpt_neox",
    "n_layers": 2,
    "width": 64,
    "n_heads": 4,
    "context": 32,
    "vocabulary": 300,
}


def folder(path, tokenizer, *, seed, strong=1.0):
    """A GPT-NeoX as it starts; `strong` is how much stronger one unit is made."""
    import torch

    from tegum.networks.model import build, write_folder

    (row,) = SmallTransformers().complete([{**ROW, "seed": seed}])
    module = build(row)
    with torch.no_grad():
        module.gpt_neox.embed_in.weight[:, 5] *= strong
    write_folder(module, tokenizer, path)
    return Published(str(path))


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """Text, and four models on disk: two alike, one apart, one planted."""
    from tegum.networks.corpus import Corpus

    place = tmp_path_factory.mktemp("models")
    words = [f"name{k % 53} = value({k % 17})\n" for k in range(4000)]
    text = place / "text.py"
    text.write_text("".join(words))
    tokenizer = Corpus(text).tokens(300).tokenizer
    models = {
        "none": folder(place / "none", tokenizer, seed=1),
        "hidden": folder(place / "hidden", tokenizer, seed=1),
        "attention": folder(place / "attention", tokenizer, seed=2),
        "all": folder(place / "all", tokenizer, seed=1, strong=20.0),
    }
    return text, models


def study_of(stand_ins, **changes):
    text, models = stand_ins
    how = {
        "layers": 2,
        "width": 64,
        "blocks": 12,
        "tokens": 3072,
        "sequence_length": 32,
    }
    return asked.study(models, text=text, **{**how, **changes})


@pytest.fixture(scope="module")
def carried_out(stand_ins):
    study, store = study_of(stand_ins), Store.in_memory()
    results = execute(study, store, design="full", workers=1)
    return study, store, results


def test_models_alike_are_told_alike_and_a_planted_basis_is_caught(carried_out):
    study, store, _ = carried_out
    found = {v.claim.name: v for v in judge(study, store, design="full")}
    assert found["none-is-privileged"].holds == "like any other"
    assert found["hidden-gap-per-vector"].holds == "alike"
    assert found["attention-gap-per-vector"].holds == "alike"
    assert found["all-gap-per-vector"].holds == "larger"
    assert found["hidden-gap-per-vector"].standing == "confirmatory"


def test_the_same_model_twice_differs_by_exactly_nothing(carried_out):
    _, _, results = carried_out
    first, second = (results.where(arm=arm) for arm in ("none", "hidden"))
    for number in ("gap_per_vector", "gap_per_unit", "participation_ratio"):
        np.testing.assert_array_equal(first[number], second[number])


def test_all_kinds_of_points_are_read_and_every_picture_drawn(carried_out):
    study, store, results = carried_out
    assert results.missing == 0
    points = set(results["point"])
    assert {"blocks.1.hook_attn_out", "blocks.1.mlp.hook_post"} <= points
    assert study.picture(results, ()).data
    (figure,) = study.figures
    drawn = figure.draw(results, store)
    names = {trace.name for trace in drawn.data}
    assert names == {
        "no dropout",
        "dropout: hidden",
        "dropout: attention",
        "dropout: all",
    }


def test_a_row_does_not_depend_on_those_beside_it(stand_ins):
    """The row law: alone, and among others in another order."""
    study = study_of(stand_ins)
    rows = study.completed("demo").rows[:6]
    how = {"workers": 1, "progress": lambda _: None, "stop": lambda: False}
    together = study.subject.train(rows[::-1], **how)[::-1]
    for row, beside in zip(rows[:2], together, strict=False):
        (alone,) = study_of(stand_ins).subject.train([row], **how)
        assert alone.arrays.keys() == beside.arrays.keys()
        for name, array in alone.arrays.items():
            np.testing.assert_array_equal(array, beside.arrays[name])


def test_the_shipped_study_is_made_without_a_network_and_says_what_to_pin(tmp_path):
    text = tmp_path / "text.py"
    text.write_text("x = 1\n" * 1000)
    study = asked.study(text=text)
    row = study.completed("demo").rows[0]
    with pytest.raises(ValueError, match=r"hidden \(EleutherAI.*not pinned"):
        study.subject.train(
            [row], workers=1, progress=lambda _: None, stop=lambda: False
        )
    assert set(study.subject.models) == {"none", "hidden", "attention", "all"}


@pytest.mark.parametrize("revision", ["main", "step143000", "4706015", "G" * 40])
def test_a_revision_that_may_move_is_refused(revision):
    with pytest.raises(ValueError, match="40 hexadecimal digits"):
        Published("EleutherAI/pythia-160m-alldropout", revision)


def test_names_given_replace_those_that_come_with_it():
    mine = Published("EleutherAI/pythia-160m-hiddendropout", COMMIT)
    models = asked.study({"hidden": mine}).subject.models
    assert models["hidden"] == mine
    assert models["all"] == asked.PUBLISHED["all"]
    alone = asked.study({"none": mine, "hidden": mine}).subject.models
    assert set(alone) == {"none", "hidden"}


def test_one_model_compares_with_nothing():
    with pytest.raises(ValueError, match="beside `none`"):
        asked.study({"none": Published("EleutherAI/pythia-160m", COMMIT)})


def test_another_model_or_text_is_another_key(stand_ins):
    text, models = stand_ins
    usual = study_of(stand_ins).subject.input_digests
    other = asked.study(
        {**models, "hidden": models["all"]}, text=text, layers=2, width=64, blocks=12,
        tokens=3072, sequence_length=32,
    ).subject.input_digests  # fmt: skip
    assert usual["arm hidden"] == usual["arm none"] != other["arm hidden"]
    assert usual["text"] == other["text"]
    longer = study_of(stand_ins, tokens=8192).subject.input_digests
    assert longer["text"] != usual["text"]


def test_a_text_too_short_for_its_blocks_is_refused(stand_ins, tmp_path):
    _, models = stand_ins
    short = tmp_path / "short.py"
    short.write_text("name = value\n" * 30)
    study = study_of((short, models))
    with pytest.raises(ValueError, match="give more text"):
        study.subject.train(
            study.completed("demo").rows[:1],
            workers=1,
            progress=lambda _: None,
            stop=lambda: False,
        )


def test_the_planned_blocks_can_decide():
    for design in asked.STUDY.designs:
        parts = sum(len(c.parts) for c in asked.STUDY.claims_of(design))
        error = 0.8 * asked.STUDY.alpha_of(design) / parts
        for name, blocks in asked.STUDY.planned_seeds(design).items():
            assert 2.0 * 0.5**blocks < error, name


@pytest.mark.parametrize("word", ["supported", "refuted", "undecided"])
def test_the_answer_speaks_of_these_models_alone(word):
    said = asked.STUDY.answer(invented.verdicts(asked.STUDY, word))
    assert said.startswith("Of these models on this text")
    assert said.endswith("dropout need not be what differs.")
    assert "{" not in said


def test_every_region_that_holds_is_told_apart():
    for name, phrases in asked._sayings(list(asked.PUBLISHED)).items():
        (claim,) = [c for c in asked.STUDY.claims if c.name == name]
        regions = [claim.parts[0].region, *claim.rivals]
        answers = {
            asked.STUDY.answer(
                invented.verdicts(asked.STUDY, "refuted", holds={name: r.name})
            )
            for r in regions
        }
        assert len(answers) == (3 if "gap" in name else 2), phrases
