"""A row's training: what rows share, what they record, and going on after a stop."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import safetensors
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from networks.conftest import ALL_SITES
from tegum.arrays import Artifact
from tegum.networks import TRANSFORMER_TRAINING, build, heldout_loss
from tegum.networks import training as under_test
from tegum.networks.model import at_target
from tegum.networks.optimisers import BETAS, learning_rate
from tegum.networks.training import RESUME, train_row
from tegum.store import artifact_digest


def quietly(row, tokens, *, folder=None, stop=lambda: False, tell=lambda share: None):
    return train_row(
        row, tell, stop, tokens=tokens, device="cpu", mark="test", folder=folder
    )


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_rows_of_a_seed_see_the_same_text_whatever_their_dropout_or_optimiser(
    row_of, tokens
):
    rows = [
        row_of(),
        row_of(**ALL_SITES, optimiser="sgd", learning_rate=0.1),
        row_of(family="gpt_neox", width=32, steps=50),
        row_of(seed=4),
    ]
    runs = [under_test._begun(row, tokens=tokens, device="cpu") for row in rows]
    for step in (0, 1, 7):
        batches = []
        for run in runs:
            run.step = step
            batches.append(under_test._batch(run))
        assert torch.equal(batches[0], batches[1])
        assert torch.equal(batches[0], batches[2])
        assert not torch.equal(batches[0], batches[3])


def test_the_held_out_loss_is_the_plain_mean_of_minus_log_p(row_of, tokens):
    """Against float64, one sequence at a time."""
    module = build(row_of())
    sequences = tokens.held_out_sequences(16)[:40]
    said = []
    with torch.no_grad():
        for sequence in torch.from_numpy(sequences.astype(np.int64)):
            logits = module(sequence[None]).logits[0].double()
            p = torch.exp(logits) / torch.exp(logits).sum(-1, keepdim=True)
            for place in range(15):
                said.append(-math.log(p[place, sequence[place + 1]].item()))
    assert heldout_loss(module, sequences) == pytest.approx(np.mean(said), rel=1e-5)
    module.train()
    assert heldout_loss(module, sequences) == pytest.approx(np.mean(said), rel=1e-5)
    assert module.training


def test_training_is_what_a_plain_loop_would_do(row_of, tokens):
    """transformers' class, torch's AdamW one weight at a time, autograd, no tricks."""
    row = row_of(gradient_clip=0.5, weight_decay=0.1, learning_rate=1e-2)
    artifact = quietly(row, tokens)
    config = GPT2Config(
        vocab_size=300, n_positions=16, n_embd=16, n_layer=2, n_head=2,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    module = GPT2LMHeadModel._from_config(config, attn_implementation="eager").train()
    module.load_state_dict(build(row).state_dict())
    groups = [
        {"params": [p for p in module.parameters() if p.ndim == 2]},
        {"params": [p for p in module.parameters() if p.ndim == 1], "weight_decay": 0},
    ]
    plain = torch.optim.AdamW(groups, betas=BETAS, weight_decay=0.1, foreach=False)
    run = under_test._begun(row, tokens=tokens, device="cpu")
    losses = []
    for step in range(row["steps"]):
        run.step = step
        batch = under_test._batch(run)
        loss = module(input_ids=batch, labels=batch).loss
        plain.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 0.5)
        for group in plain.param_groups:
            group["lr"] = learning_rate(row, step)
        plain.step()
        losses.append(loss.item())
    np.testing.assert_allclose(artifact.arrays["train_loss"], losses, rtol=1e-5)
    for name, parameter in module.named_parameters():
        found = artifact.arrays[f"weights/{name}"]
        np.testing.assert_allclose(found, parameter.detach(), rtol=1e-3, atol=1e-4)


def test_what_a_row_records(row_of, tokens):
    row = row_of(steps=40)
    artifact = quietly(row, tokens)
    arrays = artifact.arrays
    assert arrays["loss_step"].tolist() == list(range(41))
    assert np.isfinite(arrays["loss"]).all()
    assert arrays["loss"][0] == pytest.approx(math.log(300), rel=0.02)
    assert arrays["loss"][-1] < arrays["loss"][0] - 0.5
    assert arrays["train_loss"].shape == (40,)
    assert (arrays["heldout_tokens"] == tokens.held_out_sequences(16)).all()
    module = build(row, arrays)
    last = heldout_loss(module, arrays["heldout_tokens"])
    assert arrays["loss"][-1] == last
    numbers = TRANSFORMER_TRAINING.function(artifact, row)
    assert numbers["heldout_loss"] == last
    assert numbers["n_parameters"] == sum(p.numel() for p in module.parameters())
    fall = (arrays["loss"][-5] - last) / last
    assert numbers["loss_fall_last_tenth"] == pytest.approx(fall)
    # Bits of all predictions over the bytes that were predicted.
    predicted = arrays["heldout_tokens"][:, 1:]
    bits = last / math.log(2) * predicted.size
    size = tokens.bytes_of_token[predicted].sum()
    assert numbers["heldout_bits_per_byte"] == pytest.approx(bits / size)
    assert abs(numbers["training_gap"]) < 0.5
    assert numbers["diverged"] == 0.0


def test_dropout_shows_in_the_training_loss_and_not_in_the_clean_one(row_of, tokens):
    clean, noisy = row_of(steps=1, warmup=0), row_of(steps=1, warmup=0, **ALL_SITES)
    first, second = quietly(clean, tokens), quietly(noisy, tokens)
    assert first.arrays["loss"][0] == second.arrays["loss"][0]
    assert first.arrays["train_loss"][0] != second.arrays["train_loss"][0]
    name = "weights/transformer.h.0.mlp.c_fc.weight"
    assert (first.arrays[name] != second.arrays[name]).any()


def test_a_network_that_diverges_says_so(row_of, tokens, tmp_path):
    wild = {"optimiser": "sgd", "learning_rate": 1e30, "gradient_clip": None}
    row = row_of(**wild, schedule="constant", warmup=0, steps=40)
    artifact = quietly(row, tokens, folder=tmp_path / "row")
    assert artifact.status == "diverged"
    assert artifact.diverged_at_step in (2, 3)
    assert artifact.arrays["loss"][0] == pytest.approx(math.log(300), rel=0.02)
    assert np.isnan(artifact.arrays["loss"][-1])
    numbers = TRANSFORMER_TRAINING.function(artifact, row)
    assert numbers["diverged"] == 1.0
    assert math.isnan(numbers["heldout_loss"])
    assert math.isnan(numbers["loss_fall_last_tenth"])
    assert not list(tmp_path.glob("row/*"))


def test_bfloat16_trains_the_same_network_less_precisely(row_of, tokens):
    exact = quietly(row_of(), tokens).arrays
    half = quietly(row_of(precision="bfloat16"), tokens).arrays
    assert all(a.dtype == np.float32 for n, a in half.items() if n[:7] == "weights")
    assert half["loss"][0] == exact["loss"][0]
    assert half["loss"][-1] != exact["loss"][-1]
    assert half["loss"][-1] == pytest.approx(exact["loss"][-1], rel=0.02)


CASES = {
    "adamw": {},
    "sgd": {"optimiser": "sgd", "learning_rate": 0.3},
    "rotated": {"optimiser": "rotated_adam", "family": "gpt_neox"},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("at", [1, 7, 11])
def test_a_row_goes_on_from_a_stop_bit_by_bit(row_of, tokens, tmp_path, case, at):
    row = row_of(**CASES[case], **ALL_SITES, checkpoints=(3.0, 9.0))
    whole = artifact_digest(quietly(row, tokens))
    shares = []
    stopped = quietly(
        row, tokens, folder=tmp_path, stop=lambda: len(shares) == at, tell=shares.append
    )
    assert stopped is None
    with safetensors.safe_open(tmp_path / RESUME, framework="np") as kept:
        assert kept.get_tensor("step") == at
    again = []
    artifact = quietly(row, tokens, folder=tmp_path, tell=again.append)
    assert len(again) == row["steps"] - at
    assert artifact_digest(artifact) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000003",
        "step-000009",
        "step-000012",
    ]


def target_between(losses):
    """A loss that training reaches in its midst, for the first time at some look."""
    middle = len(losses) // 2
    return float(np.min(losses[:middle]) + np.min(losses[: middle + 2])) / 2


def test_weights_are_kept_at_the_first_look_at_the_loss_target(row_of, tokens):
    plain = quietly(row_of(steps=40), tokens).arrays
    target = target_between(plain["loss"])
    arrays = quietly(row_of(steps=40, loss_target=target), tokens).arrays
    first = int(np.argmax(plain["loss"] <= target))
    assert 0 < first < 40
    assert arrays["target_step"] == plain["loss_step"][first]
    assert arrays["target_loss"] == plain["loss"][first] <= target
    assert all((arrays[name] == array).all() for name, array in plain.items())
    assert not [name for name in plain if "target" in name]
    there = at_target(Artifact(arrays))
    module = build(row_of(steps=40, loss_target=target), there)
    assert heldout_loss(module, arrays["heldout_tokens"]) == arrays["target_loss"]


def test_a_target_that_is_never_reached_leaves_nothing(row_of, tokens):
    artifact = quietly(row_of(loss_target=0.5), tokens)
    assert np.isnan(artifact.arrays["target_step"])
    assert np.isnan(artifact.arrays["target_loss"])
    assert at_target(artifact) is None


@pytest.mark.parametrize("at", [3, 25])
def test_a_row_with_a_target_goes_on_bit_by_bit(row_of, tokens, tmp_path, at):
    """Stopped before the target was reached, and after."""
    losses = quietly(row_of(steps=40), tokens).arrays["loss"]
    row = row_of(steps=40, loss_target=target_between(losses))
    whole = quietly(row, tokens)
    assert 3 < whole.arrays["target_step"] < 25
    shares = []
    quietly(
        row, tokens, folder=tmp_path, stop=lambda: len(shares) == at, tell=shares.append
    )
    again = quietly(row, tokens, folder=tmp_path)
    assert artifact_digest(again) == artifact_digest(whole)


@pytest.mark.parametrize("wrong", [0, -1.0, "low"])
def test_a_loss_target_is_a_loss(row_of, wrong):
    with pytest.raises(ValueError, match="loss_target"):
        row_of(loss_target=wrong)


def test_checkpoints_are_the_network_at_their_step(row_of, tokens, tmp_path):
    row = row_of(checkpoints=(0.0, 6.0))
    artifact = quietly(row, tokens, folder=tmp_path)
    held_out = artifact.arrays["heldout_tokens"]
    places = {0: 0, 6: artifact.arrays["loss_step"].tolist().index(6), 12: -1}
    for step, place in places.items():
        folder = tmp_path / f"step-{step:06d}"
        module = AutoModelForCausalLM.from_pretrained(
            folder, attn_implementation="eager"
        )
        assert heldout_loss(module, held_out) == artifact.arrays["loss"][place]


@pytest.mark.parametrize("damage", ["torn", "other row", "other library"])
def test_what_is_no_state_of_this_row_is_not_taken_up(row_of, tokens, tmp_path, damage):
    row = row_of()
    whole = artifact_digest(quietly(row, tokens))
    asked = row_of(learning_rate=0.1) if damage == "other row" else row
    shares = []
    quietly(
        asked, tokens, folder=tmp_path, stop=lambda: len(shares) == 5,
        tell=shares.append,
    )  # fmt: skip
    if damage == "torn":
        data = (tmp_path / RESUME).read_bytes()
        (tmp_path / RESUME).write_bytes(data[: len(data) // 2])
    mark = "another" if damage == "other library" else "test"
    again = []
    artifact = train_row(
        row, again.append, lambda: False, tokens=tokens, device="cpu", mark=mark,
        folder=tmp_path,
    )  # fmt: skip
    assert len(again) == row["steps"]
    assert artifact_digest(artifact) == whole


KILLED = """
    import sys
    from pathlib import Path
    from tegum.networks import SmallTransformers, training
    training.SAVE_SECONDS = 0.0
    files, folder = sys.argv[2:], Path(sys.argv[1])
    subject = SmallTransformers(corpus=files)
    rows = subject.complete([{row!r}])
    subject.train(
        rows, workers=1, progress=lambda share: None, stop=lambda: False,
        folders=[folder / "row"],
    )
"""


def saved_step(folder):
    try:
        with safetensors.safe_open(folder / "row" / RESUME, framework="np") as kept:
            return int(kept.get_tensor("step"))
    except FileNotFoundError:
        return 0


def test_kill_9_in_the_middle_of_a_row_and_the_bits_of_a_calm_run(
    row_of, trained, files, tmp_path
):
    """Row and parent are killed together, as by a power cut."""
    row = row_of(**ALL_SITES, steps=200, checkpoints=(20.0,))
    code = textwrap.dedent(KILLED).format(row=row)
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), *map(str, files)],
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while saved_step(tmp_path) < 60 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    reached = saved_step(tmp_path)
    assert 60 <= reached < 200
    (resumed,) = trained([row], folders=[tmp_path / "row"])
    (calm,) = trained([row])
    assert artifact_digest(resumed) == artifact_digest(calm)
    assert {p.name for p in (tmp_path / "row").iterdir() if p.name[0] != "."} == {
        "step-000020",
        "step-000200",
    }
