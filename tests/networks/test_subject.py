"""Small transformers as a subject: the row law, studies, and mistakes."""

import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks.conftest import ALL_SITES, TINY
from tegum.arrays import RowsFailed
from tegum.design import grid
from tegum.execution import execute
from tegum.networks import TRANSFORMER_TRAINING, SmallTransformers, build
from tegum.networks.training import RESUME
from tegum.store import Store, artifact_digest, model_keys
from tegum.study import Study

LAW_ROWS = [
    {"family": "gpt2"},
    {"family": "gpt_neox", **ALL_SITES},
    {"family": "gpt2", **ALL_SITES, "optimiser": "sgd", "learning_rate": 0.3},
    {"family": "gpt_neox", "optimiser": "rotated_adam", "weight_decay": 0.1, "seed": 4},
    # This one diverges: it must be the same NaN everywhere too.
    {
        "optimiser": "sgd",
        "learning_rate": 1e30,
        "gradient_clip": None,
        "schedule": "constant",
    },
]

_alone = {}


@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_row_law(row_of, trained, tmp_path_factory, data):
    """The same bits alone, in any order and company, by 1 or 2 workers, cut and resumed."""  # noqa: E501
    order = data.draw(st.permutations(range(len(LAW_ROWS))), label="order")
    kept = order[: data.draw(st.integers(1, len(LAW_ROWS)), label="rows")]
    workers = data.draw(st.integers(1, 2), label="workers")
    cut_at = data.draw(st.floats(0, 1), label="cut at")
    rows = [row_of(**LAW_ROWS[k]) for k in kept]
    for k, row in zip(kept, rows, strict=True):
        if k not in _alone:
            _alone[k] = artifact_digest(trained([row])[0])
    folder = tmp_path_factory.mktemp("law")
    folders = [folder / str(k) for k in kept]
    shares = [0.0]
    found = trained(
        rows,
        workers=workers,
        folders=folders,
        progress=shares.append,
        stop=lambda: shares[-1] > cut_at,
    )
    missing = [k for k, artifact in enumerate(found) if artifact is None]
    again = trained(
        [rows[k] for k in missing],
        workers=workers,
        folders=[folders[k] for k in missing],
    )
    for k, artifact in zip(missing, again, strict=True):
        found[k] = artifact
    assert [artifact_digest(a) for a in found] == [_alone[k] for k in kept]


def test_every_row_of_the_law_has_bits_of_its_own(row_of, trained):
    artifacts = trained([row_of(**row) for row in LAW_ROWS], workers=2)
    assert [a.status for a in artifacts] == ["trained"] * 4 + ["diverged"]
    assert len({artifact_digest(a) for a in artifacts}) == 5


def test_rows_train_after_this_process_used_many_threads_of_torch(row_of, trained):
    """A fork must neither hang nor give other bits."""
    row = row_of()
    (before,) = trained([row])
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    x = torch.randn(600, 600, requires_grad=True)
    (x @ x).relu().sum().backward()
    started = time.monotonic()
    (after,) = trained([row])
    torch.set_num_threads(threads)
    assert time.monotonic() - started < 60
    assert artifact_digest(before) == artifact_digest(after)


def test_progress_is_told_from_inside_a_row(row_of, trained):
    shares = []
    trained([row_of(steps=400)], progress=shares.append)
    assert len(shares) > 1
    assert shares == sorted(shares)
    assert 0.0 < shares[0] < 1.0
    assert shares[-1] == 1.0


def test_a_stop_is_heard_in_a_row_and_keeps_where_it_was(row_of, trained, tmp_path):
    shares, asked = [], []

    def stop():
        if shares and not asked:
            asked.append(time.monotonic())
        return bool(shares)

    (artifact,) = trained(
        [row_of(steps=100_000)], folders=[tmp_path], stop=stop, progress=shares.append
    )
    assert artifact is None
    assert time.monotonic() - asked[0] < 2.0
    assert (tmp_path / RESUME).exists()


def study_of(subject):
    return Study(
        name="does-it-train",
        question="Does a small transformer train from a row?",
        subject=subject,
        designs={
            "demo": grid(**TINY, residual_dropout=[0.0, 0.5], checkpoints=(6,), seeds=1)
        },
        measures=[TRANSFORMER_TRAINING],
        claims=[],
        alpha=0.05,
    )


def test_a_study_of_networks_is_executed_like_any_other(subject, tmp_path):
    study, store = study_of(subject), Store.open(tmp_path / "store")
    results = execute(study, store, workers=1)
    assert list(results["status"]) == ["trained", "trained"]
    assert (results["heldout_loss"] < np.log(300) - 0.05).all()
    keys = model_keys(subject, study.completed("demo").rows)
    for key in keys:
        checkpoints = store.path / "checkpoints" / key
        assert {p.name for p in checkpoints.iterdir()} == {"step-000006", "step-000012"}
    row = study.completed("demo").rows[0]
    module = build(row, store.artifact(keys[0]).arrays)
    assert module(torch.zeros(1, 5, dtype=torch.long)).logits.shape == (1, 5, 300)
    memory = execute(study, Store.in_memory(), workers=1)
    assert list(memory["heldout_loss"]) == list(results["heldout_loss"])


def test_a_network_that_was_half_written_is_swept_away(tmp_path):
    store = Store.open(tmp_path / "store")
    with store.folders(["key"]) as (folder,):
        half, fresh = folder / ".dead.tmp", folder / ".alive.tmp"
        for path in (half, fresh):
            path.mkdir(parents=True)
            (path / "config.json").touch()
    os.utime(half, (0, 0))
    store.sweep()
    assert not half.exists()
    assert fresh.exists()


def test_the_text_and_a_gpu_are_part_of_the_key(subject, files):
    rows = subject.complete(grid(**TINY, seeds=1))
    one = model_keys(subject, rows)
    assert one == model_keys(SmallTransformers(corpus=list(files)), rows)
    assert one != model_keys(SmallTransformers(corpus=files[:5]), rows)
    assert one != model_keys(SmallTransformers(corpus=files, device="cuda"), rows)


MISTAKES = [
    ({"width": 20, "n_heads": 3}, "`width` is 20 and `n_heads` 3"),
    ({"family": "gpt_neox", "width": 24, "n_heads": 2}, "multiple of 8"),
    ({"family": "gpt3"}, "`family` is 'gpt3'; it must be one of gpt2, gpt_neox"),
    ({"residual_dropout": 1.0}, "`residual_dropout` is 1.0; .* [0, 1)"),
    ({"mlp_dropout": -0.1}, "`mlp_dropout` is -0.1"),
    ({"vocabulary": 256}, "`vocabulary` is 256; .* from 257"),
    ({"steps": 0}, "`steps` is 0; .* from 1"),
    ({"optimiser": "adam"}, "`optimiser` is 'adam'; it must be one of adamw"),
    ({"precision": "float16"}, "`precision` is 'float16'"),
    ({"gradient_clip": 0.0}, "`gradient_clip` is 0.0; .* None clips nothing"),
    ({"warmup": 12}, "`warmup` is 12 and `steps` 12"),
    ({"checkpoints": (5.0, 3.0)}, "rising steps"),
    ({"checkpoints": (13.0,)}, "`checkpoints` names the step 13"),
    ({"dropout": 0.1}, "no factor is called `dropout`; did you mean"),
]


@pytest.mark.parametrize(("factors", "message"), MISTAKES, ids=str)
def test_rows_that_make_no_sense_are_refused_before_anything_runs(
    subject, factors, message
):
    pattern = message.replace("[0, 1)", r"\[0, 1\)")
    with pytest.raises(ValueError, match=f"row 0: .*{pattern}"):
        subject.complete(grid(**(TINY | factors), seeds=1))


def test_a_text_too_short_is_refused_for_its_rows_alone(row_of, trained):
    rows = [row_of(batch_size=100_000, steps=3), row_of(steps=3)]
    with pytest.raises(RowsFailed, match="1 of 2 networks could not") as caught:
        trained(rows)
    assert re.search(r"needs 1,600,000 tokens, .* `batch_size`", caught.value.errors[0])
    assert caught.value.finished[1] is not None


def test_a_device_that_is_not_there_is_refused(files, row_of):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    how = {"workers": 1, "progress": print, "stop": lambda: False}
    with pytest.raises(ValueError, match="PyTorch finds no GPU here"):
        SmallTransformers(corpus=files, device="cuda").train([row_of()], **how)
    with pytest.raises(ValueError, match=r"`device` is .tpu."):
        SmallTransformers(corpus=files, device="tpu").train([row_of()], **how)


def test_a_missing_extra_says_the_one_command():
    code = (
        "import sys; from tegum.networks import build; sys.modules['torch'] = None\n"
        "build({'seed': 0})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ModuleNotFoundError" in done.stderr
    assert "pip install 'tegum[transformers]'" in done.stderr
