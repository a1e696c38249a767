"""Models reading text under the house's laws: the row law, the keys, the mistakes."""

import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kurtosis
from torch import nn

from activations.tiny_models import BUILD, LAYOUTS, tiny, tokens
from tegum.activations import (
    SCAN,
    ModelActivations,
    open_model,
    open_text,
    points_of,
)
from tegum.arrays import RowsFailed
from tegum.claims import Claim, Part, above, level
from tegum.design import Design
from tegum.execution import execute
from tegum.store import Store, model_keys
from tegum.study import Study, Subject

IDS = tokens(64, 12).numpy()
TEXT = open_text(IDS)
PADDED = replace(
    open_text(IDS[:32]),
    lengths=np.random.default_rng(0).integers(2, 13, size=32),
    digest="b" * 64,
)


def train(subject, rows, *, workers=1):
    return subject.train(
        rows, workers=workers, progress=lambda share: None, stop=lambda: False
    )


def everything(subject):
    return subject.complete(subject.design())


def same(first, second):
    assert first.arrays.keys() == second.arrays.keys()
    for name, array in first.arrays.items():
        assert array.tobytes() == second.arrays[name].tobytes(), name


SUBJECT = ModelActivations(tiny("gpt2"), TEXT, "all", blocks=4, batch=4)
ROWS = everything(SUBJECT)
ALONE = train(SUBJECT, ROWS)


def test_it_is_a_subject_and_every_row_has_every_factor():
    assert isinstance(SUBJECT, Subject)
    assert len(ROWS) == 4 * 18
    assert all(set(row) == {f.name for f in SUBJECT.factors} for row in ROWS)
    assert len(set(model_keys(SUBJECT, ROWS))) == len(ROWS)


@settings(max_examples=12)
@given(st.data())
def test_a_row_has_the_same_bits_whatever_is_read_beside_it(data):
    """Among any other points and blocks, in any order, by any number of threads."""
    chosen = data.draw(
        st.lists(st.sampled_from(range(len(ROWS))), min_size=1, max_size=9, unique=True)
    )
    workers = data.draw(st.integers(1, 3))
    found = train(SUBJECT, [ROWS[k] for k in chosen], workers=workers)
    for position, artifact in zip(chosen, found, strict=True):
        same(artifact, ALONE[position])


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_family_keeps_the_row_law(name):
    subject = ModelActivations(tiny(name).train(), TEXT, "all", blocks=2)
    rows = everything(subject)
    together = train(subject, rows, workers=2)
    for row, artifact in list(zip(rows, together, strict=True))[::7]:
        same(artifact, train(subject, [row])[0])


def test_noise_in_train_mode_is_a_rows_own_and_the_model_comes_back_as_it_was():
    model = tiny("gpt2", rate=0.3).eval()
    subject = ModelActivations(model, TEXT, blocks=2, mode="train")
    rows = everything(subject)
    torch.manual_seed(5)
    together = train(subject, rows, workers=2)
    following = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), following)  # the global generator is untouched
    for row, artifact in zip(rows, together, strict=True):
        same(artifact, train(subject, [row])[0])
    still = ModelActivations(model, TEXT, blocks=2)
    assert everything(still)[0]["mode"] == "eval"
    loud, silent = together[1].arrays, train(still, everything(still))[1].arrays
    assert not np.allclose(loud["rest/mean"], silent["rest/mean"])
    assert not any(part.training for part in model.modules())


def test_masks_that_a_model_draws_itself_begin_anew_with_every_batch():
    class Masks:
        def begin(self, number):
            self.noise = np.random.Generator(np.random.Philox(number))

    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(50, 4)
            self.noised = nn.Identity()
            self.masks = Masks()

        def forward(self, ids):
            x = self.embed(ids)
            return self.noised(
                x + torch.from_numpy(self.masks.noise.normal(size=x.shape))
            )

    subject = ModelActivations(Noisy(), TEXT, ["noised"], mode="train", blocks=4)
    rows = everything(subject)
    for row, artifact in zip(rows, train(subject, rows), strict=True):
        same(artifact, train(subject, [row])[0])


def test_statistics_of_batches_are_not_moved_by_train_mode():
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(50, 6)
            self.norm = nn.BatchNorm1d(12)

        def forward(self, ids):
            return self.norm(self.embed(ids))

    model = Normed()
    before = model.norm.running_mean.clone()
    subject = ModelActivations(model, TEXT, ["norm"], mode="train", blocks=2)
    train(subject, everything(subject))
    assert torch.equal(model.norm.running_mean, before)


def test_a_model_in_train_mode_is_read_in_eval_mode_and_given_back():
    model = tiny("gpt2", rate=0.5).train()
    subject = ModelActivations(model, TEXT, blocks=4, batch=4)
    assert subject.trained_mode == ("GPT2LMHeadModel",)
    plain = ModelActivations(tiny("gpt2", rate=0.5), TEXT, blocks=4, batch=4)
    assert plain.trained_mode == ()
    pairs = zip(
        train(subject, everything(subject)),
        train(plain, everything(plain)),
        strict=True,
    )
    for first, second in pairs:
        same(first, second)
    assert all(part.training for part in model.modules())
    assert not any(part._forward_hooks for part in model.modules())


def rest_of(states, kept):
    """Every kept token but the first, and the first ones, as float64."""
    rest = kept.copy()
    rest[:, 0] = False
    states = states.double().numpy()
    return states[rest], states[:, 0]


@pytest.mark.parametrize("text", [TEXT, PADDED], ids=["packed", "padded"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_numbers_are_those_of_scipy_on_hidden_states(name, text):
    """An independent path: `output_hidden_states`, all sequences in one batch."""
    model = tiny(name)
    layer = "blocks.1.hook_resid_pre"
    subject = ModelActivations(model, text, [layer], blocks=2, sample_every=1)
    found = train(subject, everything(subject))
    for half, artifact in enumerate(found):
        size = text.n_sequences // 2
        ids, kept = text.batch(half * size, (half + 1) * size)
        with torch.no_grad():
            states = model(
                input_ids=torch.from_numpy(ids),
                attention_mask=torch.from_numpy(kept.astype(int)),
                output_hidden_states=True,
            ).hidden_states[1]
        rest, first = rest_of(states, kept)
        numbers = SCAN(artifact, {})
        assert numbers["tokens"] == kept.sum() - len(kept)
        close = {"rel": 1e-6}
        assert numbers["excess_kurtosis_per_vector"] == pytest.approx(
            kurtosis(rest, axis=1).mean(), **close
        )
        weights = rest.var(axis=0)
        assert numbers["excess_kurtosis_per_unit"] == pytest.approx(
            (kurtosis(rest, axis=0) * weights).sum() / weights.sum(), **close
        )
        np.testing.assert_allclose(
            artifact.arrays["first/mean"], first.mean(axis=0), rtol=1e-5, atol=1e-7
        )
        assert artifact.arrays["first/counts"][0] == len(kept)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_short_numbers_are_measured_without_overflow(dtype):
    """Activations of 300: their fourth powers are beyond float16 and its sums."""
    model = tiny("gpt2")
    with torch.no_grad():
        model.transformer.wpe.weight.fill_(300.0)
        model.transformer.wpe.weight[:, 3].fill_(-300.0)
    opened = open_model(model, dtype=dtype)
    subject = ModelActivations(opened, TEXT, ["blocks.0.hook_resid_pre"], blocks=2)
    (first, _) = train(subject, everything(subject))
    assert everything(subject)[0]["dtype"] == dtype
    with torch.no_grad():
        ids = torch.from_numpy(TEXT.batch(0, 32)[0])
        states = opened.module(input_ids=ids, output_hidden_states=True).hidden_states
    rest, _ = rest_of(states[0], np.ones((32, 12), dtype=bool))
    assert SCAN(first, {})["excess_kurtosis_per_vector"] == pytest.approx(
        kurtosis(rest, axis=1).mean(), rel=1e-6
    )
    np.testing.assert_allclose(first.arrays["rest/mean"], rest.mean(axis=0), rtol=1e-9)


def test_what_stands_behind_the_padding_changes_nothing():
    """A causal model, one padded text, two fillings."""
    model = tiny("gpt2")
    kept = PADDED.batch(0, 32)[1]
    other = replace(PADDED, ids=np.where(kept, PADDED.ids, 7))
    found = []
    for text in (PADDED, other):
        subject = ModelActivations(model, text, blocks=1, batch=4)
        found.append(train(subject, everything(subject)))
    for first, second in zip(*found, strict=True):
        np.testing.assert_allclose(
            first.arrays["rest/fourth"], second.arrays["rest/fourth"], rtol=1e-6
        )
        assert first.arrays["rest/counts"][0] == PADDED.n_tokens - 32


def test_what_is_in_the_store_is_not_read_again(tmp_path):
    """Half of the blocks, then all of them: the second time half of the batches."""
    model, batches = tiny("llama"), []
    subject = ModelActivations(model, TEXT, blocks=8, batch=4)
    rows, claimed = subject.design().rows, subject.design().rows[0]
    where = {"point": claimed["point"]}
    claim = Claim(
        "privileged",
        "The basis is privileged.",
        [Part(level("gap_per_vector", where=where), above(0.5))],
        reason="Half is large.",
        source="None.",
    )
    study = Study(
        "tried",
        "Is the basis privileged?",
        subject,
        designs={
            "demo": Design(tuple(row for row in rows if row["seed"] < 4)),
            "default": Design(rows),
        },
        measures=[SCAN],
        claims=[claim],
        alpha=0.05,
    )
    store = Store.open(tmp_path / "store")
    model.model.register_forward_hook(lambda *given: batches.append(1))
    execute(study, design="demo", store=store, workers=2)
    first = len(batches)
    found = execute(study, design="default", store=store, workers=1)
    assert first >= 8
    assert len(batches) - first <= first
    assert len(found) == len(rows)
    key = model_keys(subject, [everything(subject)[0]])[0]
    same(store.artifact(key), train(subject, everything(subject)[:1])[0])


def test_a_long_pass_is_done_once_though_its_points_are_asked_for_in_turn(monkeypatch):
    """The bits are those of points that are asked for together."""
    monkeypatch.setattr("tegum.activations.subject.LONG_PASS_SECONDS", 0.0)
    model, batches = tiny("gpt2"), []
    subject = ModelActivations(model, TEXT, "all", blocks=4, batch=4)
    handle = model.transformer.register_forward_hook(lambda *given: batches.append(1))
    rows = [row for row in everything(subject) if row["seed"] == 1]
    expected = [a for a, row in zip(ALONE, ROWS, strict=True) if row["seed"] == 1]
    found = train(subject, rows[:1])
    assert len(batches) == 4
    found += train(subject, rows[1:5])
    found += train(subject, rows[5:])
    assert len(batches) == 4
    train(subject, rows[3:5])  # what was handed over is gone
    handle.remove()
    assert len(batches) == 8
    for artifact, other in zip(found, expected, strict=True):
        same(artifact, other)


def test_chunks_of_a_run_end_where_blocks_do():
    """The first point of a block stands for the cost of all of them."""
    costs = [SUBJECT.core_seconds(row) for row in ROWS]
    first = [row["point"] == ROWS[0]["point"] for row in ROWS]
    assert [cost > 0 for cost in costs] == first


def test_a_stop_is_heard_between_batches_and_finished_passes_are_kept():
    subject = ModelActivations(tiny("gpt2"), TEXT, blocks=8, batch=2)
    rows = everything(subject)
    shares = []
    asked = threading.Event()

    def progress(share):
        shares.append(share)
        if share > 0.2:
            asked.set()

    caller = threading.current_thread()
    threads = set()

    def told(share):
        threads.add(threading.current_thread())
        progress(share)

    found = subject.train(rows, workers=1, progress=told, stop=asked.is_set)
    assert threads == {caller}
    assert shares == sorted(shares)
    assert shares[-1] <= 1.0
    whole = train(subject, rows)
    for artifact, expected in zip(found, whole, strict=True):
        if artifact is not None:
            same(artifact, expected)


def test_a_stop_before_anything_leaves_nothing():
    rows = everything(SUBJECT)
    found = SUBJECT.train(
        rows, workers=2, progress=lambda share: None, stop=lambda: True
    )
    assert found.count(None) >= len(rows) // 2


def test_settings_that_change_bits_change_the_key_and_the_usual_ones_do_not():
    model, text = open_model(tiny("gpt2")), open_text(tokens(256, 12).numpy())
    usual = ModelActivations(model, text)
    row = usual.complete(usual.design())[0]
    assert {n: row[n] for n in ("blocks", "batch", "rotations", "sample_every")} == {
        "blocks": 32,
        "batch": 8,
        "rotations": 4,
        "sample_every": 4,
    }
    keys = {model_keys(usual, [row])[0]}
    for change in (
        {"blocks": 16},
        {"batch": 4},
        {"rotations": 2},
        {"sample_every": 2},
        {"mode": "train"},
    ):
        other = ModelActivations(model, text, **change)
        keys |= set(model_keys(other, other.complete(other.design())[:1]))
    half = ModelActivations(open_model(model.module, dtype="bfloat16"), text)
    keys |= set(model_keys(half, half.complete(half.design())[:1]))
    assert len(keys) == 7


def test_blocks_are_fewer_where_a_text_is_short():
    short = ModelActivations(tiny("gpt2"), open_text(tokens(20, 12).numpy()))
    assert (short.blocks, short.sample_every) == (20, 1)
    least = ModelActivations(tiny("gpt2"), open_text(tokens(2, 12).numpy()))
    assert least.blocks == 2
    long = ModelActivations(tiny("gpt2"), open_text(tokens(100, 12).numpy()))
    assert (long.blocks, long.sample_every) == (25, 4)
    found = train(long, long.complete(long.design()))
    assert all(artifact.arrays["sample/counts"][0] > 0 for artifact in found)


def test_two_models_share_a_text_or_have_one_each():
    first, second = tiny("gpt2"), tiny("gpt2", seed=1)
    both = ModelActivations([first, second], TEXT, blocks=2)
    assert len(both.design()) == 2 * 3 * 2
    assert len(both.labels) == 3
    other = open_text(tokens(64, 12, seed=3).numpy())
    apart = ModelActivations([first, second], [TEXT, other], blocks=2)
    assert {(r["model"], r["text"]) for r in apart.design()} == {
        (open_model(first).key, TEXT.key),
        (open_model(second).key, other.key),
    }
    found = train(apart, everything(apart))
    alone = ModelActivations(second, other, blocks=2)
    for artifact, expected in zip(
        found[6:], train(alone, everything(alone)), strict=True
    ):
        same(artifact, expected)
    with pytest.raises(ValueError, match="2 texts came with 1 models"):
        ModelActivations(first, [TEXT, other])


def test_activations_that_are_not_finite_fail_their_own_rows_alone():
    model = tiny("gpt2")
    with torch.no_grad():
        model.transformer.h[1].mlp.c_proj.bias[2] = torch.inf
    subject = ModelActivations(model, TEXT, blocks=2, batch=8)
    rows = everything(subject)
    with pytest.raises(RowsFailed) as failed:
        train(subject, rows)
    bad = [
        k for k, row in enumerate(rows) if row["point"] == "blocks.1.hook_resid_post"
    ]
    assert sorted(failed.value.errors) == bad
    # One unit of sixteen, at each of 32 x 12 tokens.
    said = "blocks.1.hook_resid_post of GPT2LMHeadModel: 384 of 6,144 activations in "
    assert f"{said}block 0 are NaN or infinite" in failed.value.errors[bad[0]]
    assert "(and so in 1 more block)" in str(failed.value)
    for k, artifact in enumerate(failed.value.finished):
        assert (artifact is None) == (k in bad)


def test_padding_that_is_not_finite_is_nobodys_concern():
    class Marks(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(50, 4)

        def forward(self, ids, attention_mask):
            return self.embed(ids)

    model = Marks()
    kept = PADDED.batch(0, 32)[1]
    text = replace(PADDED, ids=np.where(kept, PADDED.ids, 0))
    with torch.no_grad():
        model.embed.weight[0] = torch.nan
    subject = ModelActivations(model, text, ["embed"], blocks=2)
    assert all(train(subject, everything(subject)))


class Strange(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 4)
        self.twice = nn.Linear(4, 4)
        self.unused = nn.Linear(4, 4)
        self.silent = nn.Identity()
        self.pooled = nn.Identity()

    def forward(self, ids):
        self.silent(None)
        x = self.twice(self.twice(self.embed(ids)))
        return self.pooled(x.mean(dim=1))


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ("twice", "`twice` runs more than once in a pass"),
        ("unused", "`unused` takes no part in the forward pass"),
        ("silent", r"`silent` \(Identity\).* returns no tensor of real numbers"),
        ("pooled", r"shape \(8, 4\); a scan needs \(sequence, token, unit\)"),
    ],
)
def test_a_point_without_activations_of_tokens_is_named(point, said):
    subject = ModelActivations(Strange(), TEXT, ["embed", point], blocks=1)
    with pytest.raises(RowsFailed, match=said) as failed:
        train(subject, everything(subject))
    assert list(failed.value.errors) == [1]
    assert failed.value.finished[0] is not None


def test_a_model_that_fails_says_so_and_costs_nothing_else():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(50, 4)
            self.next = nn.Linear(5, 2)

        def forward(self, ids):
            return self.next(self.embed(ids))

    subject = ModelActivations(
        [Broken(), nn.Sequential(nn.Embedding(50, 4))],
        TEXT,
        "*",
        blocks=1,
    )
    said = "Broken could not read block 0 of token ids: RuntimeError: mat1 and mat2"
    with pytest.raises(RowsFailed, match=said) as failed:
        train(subject, everything(subject))
    finished = [artifact is not None for artifact in failed.value.finished]
    assert finished == [False, False, True]


@pytest.mark.parametrize(
    ("model", "text", "said"),
    [
        (tiny("gpt2"), np.full((8, 12), 50), "does not fit .* knows 0 to 49"),
        (tiny("gpt2"), np.ones((8, 40), dtype=int), "GPT2LMHeadModel has 32 positions"),
        (tiny("llama"), np.ones((8, 40), dtype=int), "`sequence_length` up to 32"),
    ],
)
def test_a_text_that_does_not_fit_is_refused_before_anything_is_read(model, text, said):
    with pytest.raises(ValueError, match=said):
        ModelActivations(model, open_text(text))


def test_padding_needs_a_model_that_knows_of_it():
    model = nn.Sequential(nn.Embedding(50, 4))
    with pytest.raises(ValueError, match=r'takes no attention mask.*cut="packed"'):
        ModelActivations(model, PADDED, "all")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 4}, "blocks 0 to 3"),
        ({"blocks": 65}, "the text has 64 sequences"),
        ({"point": "residual"}, "stands for 3 points"),
        (
            {"point": "blocks.0.hook_resid_pots"},
            r"did you mean blocks\.0\.hook_resid_po",
        ),
        ({"point": ""}, "must be the name of a hook point"),
        ({"model": "0" * 16}, "the digest of one that was given"),
        ({"text": "0" * 16}, "the digest of one that was given"),
        ({"dtype": "float16"}, "leave the column out"),
        ({"device": "cuda"}, "leave the column out"),
        ({"sequence_length": 16}, "leave the column out"),
        ({"batch": 0}, "whole number from 1"),
        ({"rate": 0.5}, "no factor is called `rate`"),
    ],
)
def test_a_row_that_can_not_be_read_is_refused(change, said):
    row = dict(SUBJECT.design().rows[0]) | change
    with pytest.raises(ValueError, match=said):
        SUBJECT.complete(Design.from_rows([row]))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": []}, "no model was given"),
        ({"points": "resid"}, "did you mean residual"),
        ({"mode": "as it is"}, "one of eval, train"),
        ({"batch": 0}, "whole number from 1"),
        ({"blocks": 65}, "the text has 64 sequences"),
    ],
)
def test_a_subject_that_can_read_nothing_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        ModelActivations(**({"models": tiny("gpt2"), "text": TEXT} | given))


def test_shares_of_the_tokens_add_up_to_the_text():
    assert sum(SUBJECT.tokens(row) for row in ROWS) == pytest.approx(IDS.size)
    assert all(SUBJECT.memory_bytes(row) > 0 for row in ROWS)
    assert len({SUBJECT.together(row) for row in ROWS}) == 4


def test_the_head_is_left_out_only_where_no_point_lies_in_it():
    model = tiny("gpt2")
    calls = []
    model.lm_head.register_forward_hook(lambda *given: calls.append(1))
    inside = ModelActivations(model, TEXT, blocks=1)
    found = train(inside, everything(inside))
    assert not calls
    outside = ModelActivations(model, TEXT, ["residual", "lm_head"], blocks=1)
    beside = train(outside, everything(outside))
    assert calls
    for first, second in zip(found, beside[:3], strict=True):
        same(first, second)


OUT_OF_MEMORY = """
import resource, sys
import numpy as np, torch, transformers
from tegum.activations import ModelActivations, open_text
from tegum.arrays import RowsFailed
torch.set_num_threads(1)
config = transformers.GPT2Config(
    n_layer=1, n_embd=64, n_head=2, vocab_size=50, n_positions=256, n_inner=4096,
    bos_token_id=0, eos_token_id=0,
)
text = open_text(np.arange(64 * 256) % 50, sequence_length=256)
model = transformers.GPT2Model(config)
large = ModelActivations(model, text, blocks=1, batch=64)
small = ModelActivations(model, text, blocks=32, batch=1)
tell = dict(workers=1, progress=lambda share: None, stop=lambda: False)
rows = small.complete(small.design())
assert all(small.train(rows[:1], **tell))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 150 * 2**20, -1))
try:
    large.train(large.complete(large.design()), **tell)
except RowsFailed as failed:
    print(failed)
assert all(small.train(rows[1:2], **tell))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does")
def test_out_of_memory_says_which_batch_fits():
    """A real failure to allocate: 64 x 256 tokens x 4096 neurons are 256 MB."""
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "out of memory: GPT2Model on cpu does not take 64 sequences" in done.stdout
    assert "fits: give batch=" in done.stdout


BOUNDED = """
import resource, sys
import numpy as np, torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from tegum.activations import ModelActivations, open_text
torch.set_num_threads(1)
made = Tokenizer(models.WordLevel({"[?]": 0, "a": 1}, unk_token="[?]"))
made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
model = nn.Sequential(nn.Embedding(50, 16))
tell = dict(workers=2, progress=lambda share: None, stop=lambda: False)

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def read(name):
    text = open_text(name, tokenizer=made, sequence_length=512)
    subject = ModelActivations(model, text, "all", rotations=1, batch=32)
    assert len(subject.train(subject.complete(subject.design()), **tell)) == 32
    return text.n_tokens

read(sys.argv[1])
before = most()
print(read(sys.argv[2]), most() - before)
"""


@pytest.mark.slow
def test_memory_stays_small_however_long_the_text(tmp_path):
    """16 million tokens, 64 MB of them on disk, after a text of a hundredth of that."""
    line = "ab" * 50 + "\n"
    for name, lines in (("short.txt", 1_600), ("long.txt", 160_000)):
        (tmp_path / name).write_text(line * lines)
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, tmp_path / "short.txt", tmp_path / "long.txt"],
        capture_output=True,
        text=True,
        check=True,
    )
    tokens_read, grown = map(int, done.stdout.split())
    assert tokens_read > 16e6
    assert grown < 40e6


def test_columns_are_read_without_a_deep_learning_library():
    code = (
        "import sys, tegum.activations.subject, tegum.activations.text\n"
        "assert not {'torch', 'transformers', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_the_one_command_is_said():
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from tegum.activations import open_model\n"
        "try: open_model('model')\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'tegum[transformers]'" in done.stdout


def test_names_of_points_are_unique_so_that_rows_are():
    for name in BUILD:
        names = [point.name for point in points_of(tiny(name))]
        assert len(names) == len(set(names))
