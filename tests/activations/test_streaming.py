"""Streams: any batching, independent references, what is refused and left alone."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tegum.activations import streaming
from tegum.activations.streaming import FIRST_TOKENS, Stream
from tegum.arrays import stream as random_stream
from tegum.measures import moment_numbers as numbers
from tegum.measures.moments import from_arrays, summarise
from tegum.measures.sphere import random_rotations

torch = pytest.importorskip("torch")

SEQUENCES, TOKENS, WIDTH = 16, 33, 24


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def heavy(seed=0, *, sequences=SEQUENCES, tokens=TOKENS, width=WIDTH, mean=3.0):
    """Laplace units of unequal strength, with means of their own, in float32."""
    generator = np.random.default_rng(seed)
    x = generator.laplace(size=(sequences, tokens, width))
    x *= generator.uniform(0.2, 3.0, width)
    return torch.tensor(x + mean * generator.normal(size=width), dtype=torch.float32)


def padded():
    """Kept at the right, at the left, with a hole, one token alone, nothing at all."""
    kept = torch.ones((SEQUENCES, TOKENS), dtype=torch.bool)
    kept[3, 20:] = False
    kept[5, :10] = False
    kept[6, 7:9] = False
    kept[8, 1:] = False
    kept[9] = False
    return kept


def everything(x):
    return torch.ones(x.shape[:2], dtype=torch.bool)


def streamed(x, kept=None, *, batches=None, first=0, **options):
    """The arrays of a stream that took x in batches of the given lengths."""
    kept = everything(x) if kept is None else kept
    found, start = Stream(x.shape[-1], **options), 0
    for length in batches or [len(x)]:
        own = slice(start, start + length)
        part = x[own]
        found.add(part, kept[own], range(first + start, first + start + len(part)))
        start += length
    assert start >= len(x)
    return found.arrays()


def by_hand(x, kept):
    """First tokens and the rest, by a plain loop in float64."""
    first, rest = [], []
    for sequence, own in zip(x.double().numpy(), kept.numpy(), strict=True):
        first.extend(sequence[own][:1])
        rest.extend(sequence[own][1:])
    return np.array(first), np.array(rest)


def assert_same_bits(found, expected):
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert found[name].tobytes() == values.tobytes(), name


# --- references --------------------------------------------------------------------


def test_numbers_are_scipys_on_the_kept_tokens_but_the_first():
    x, kept = heavy(), padded()
    arrays = streamed(x, kept)
    for name, expected in zip(("first", "rest"), by_hand(x, kept), strict=True):
        found = from_arrays(arrays, name)
        assert found.count == len(expected)
        np.testing.assert_allclose(
            numbers.excess_kurtosis_per_unit(found),
            stats.kurtosis(expected, axis=0),
            rtol=1e-9,
        )
        np.testing.assert_allclose(
            numbers.mean_excess_kurtosis_per_vector(found),
            stats.kurtosis(expected, axis=1).mean(),
            rtol=1e-9,
        )
        np.testing.assert_allclose(found.mean, expected.mean(axis=0), rtol=1e-12)
        np.testing.assert_array_equal(found.largest, np.abs(expected).max(axis=0))
        np.testing.assert_array_equal(found.above, (np.abs(expected) > 6).sum(axis=0))


def test_a_real_modules_activations_are_scipys():
    # Captured by running the layers by hand, beside a hook.
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Embedding(50, WIDTH), torch.nn.Linear(WIDTH, 40), torch.nn.ReLU()
    )
    ids = torch.randint(50, (SEQUENCES, TOKENS))
    found = Stream(40)
    handle = layers[2].register_forward_hook(
        lambda module, given, x: found.add(x, everything(x), range(len(x)))
    )
    layers(ids)
    handle.remove()
    with torch.no_grad():
        table, linear = layers[0].weight, layers[1]
        x = torch.relu(table[ids] @ linear.weight.T + linear.bias)
    rest = x[:, 1:].reshape(-1, 40).double().numpy()
    each = numbers.excess_kurtosis_per_unit(from_arrays(found.arrays(), "rest"))
    np.testing.assert_allclose(each, stats.kurtosis(rest, axis=0), rtol=1e-6)


@pytest.mark.parametrize("mean", [1e3, 1e6])
def test_a_large_mean_costs_nothing(mean):
    x = heavy(mean=mean)
    _, rest = by_hand(x, everything(x))
    found = from_arrays(streamed(x), "rest")
    expected = summarise(rest)
    np.testing.assert_allclose(found.second, expected.second, rtol=1e-9)
    np.testing.assert_allclose(
        numbers.excess_kurtosis_per_unit(found),
        numbers.excess_kurtosis_per_unit(expected),
        rtol=1e-9,
        atol=1e-9,
    )


def test_a_mean_that_jumps_after_the_first_sequence_costs_nothing():
    # The provisional centre is then as far off as it can be.
    x = heavy(sequences=200)
    x[1:] += 1e6
    _, rest = by_hand(x, everything(x))
    found, expected = from_arrays(streamed(x), "rest"), summarise(rest)
    np.testing.assert_allclose(found.second, expected.second, rtol=1e-9)
    np.testing.assert_allclose(found.fourth, expected.fourth, rtol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_are_measured_without_overflow(dtype):
    # 60,000 is near the top of float16, and its square far beyond.
    x = heavy().clamp(-20, 20).mul(3000 if dtype == torch.float16 else 1).to(dtype)
    _, rest = by_hand(x, everything(x))
    found = from_arrays(streamed(x), "rest")
    np.testing.assert_allclose(
        numbers.excess_kurtosis_per_unit(found),
        stats.kurtosis(rest, axis=0),
        rtol=1e-9,
    )
    np.testing.assert_array_equal(found.largest, np.abs(rest).max(axis=0))


@pytest.mark.parametrize("case", ["plain", "mean of a million", "one massive unit"])
def test_rotated_copies_are_those_of_float64(case):
    x = heavy(mean=1e6 if case == "mean of a million" else 1.0)
    if case == "one massive unit":
        x[..., 5] = 3000 + 50 * x[..., 5]
    _, rest = by_hand(x, everything(x))
    arrays = streamed(x, sample_every=1, rotations=3)
    for k in range(3):
        generator = random_stream(k, f"rotation {WIDTH}")
        Q = random_rotations(WIDTH, count=1, generator=generator)[0]
        found, expected = from_arrays(arrays, f"rotated_{k}"), summarise(rest @ Q.T)
        # Kurtosis, not its excess, which may be as near to 0 as it likes.
        np.testing.assert_allclose(
            numbers.excess_kurtosis_per_unit(found) + 3,
            numbers.excess_kurtosis_per_unit(expected) + 3,
            rtol=2e-6,
        )
        assert numbers.mean_excess_kurtosis_per_vector(found) == pytest.approx(
            numbers.mean_excess_kurtosis_per_vector(expected), abs=2e-6
        )


# --- law: any batching, any order, any number of threads ----------------------------


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 7), min_size=SEQUENCES, max_size=SEQUENCES))
def test_batching_changes_no_bit(lengths):
    x, kept = heavy(), padded()
    whole = streamed(x, kept, sample_every=2)
    assert_same_bits(streamed(x, kept, sample_every=2, batches=lengths), whole)


def test_batching_changes_no_bit_of_many_first_tokens():
    x = heavy(sequences=3 * FIRST_TOKENS + 7, tokens=3)
    assert_same_bits(streamed(x, batches=[50] * 4), streamed(x))
    found = from_arrays(streamed(x), "first")
    expected = stats.kurtosis(x[:, 0].double().numpy(), axis=0)
    np.testing.assert_allclose(
        numbers.excess_kurtosis_per_unit(found), expected, rtol=1e-9
    )


def test_padding_to_another_length_changes_no_bit():
    x = heavy()
    longer = torch.full((SEQUENCES, TOKENS + 9, WIDTH), math.nan)
    longer[:, :TOKENS] = x
    kept = torch.zeros(longer.shape[:2], dtype=torch.bool)
    kept[:, :TOKENS] = True
    assert_same_bits(streamed(longer, kept), streamed(x))


def test_order_of_the_sequences_changes_rounding_alone():
    x, order = heavy(), torch.arange(SEQUENCES - 1, -1, -1)
    found = Stream(WIDTH, sample_every=3)
    found.add(x[order], everything(x), order.tolist())
    turned, whole = found.arrays(), streamed(x, sample_every=3)
    for name in ("rest", "first", "sample"):
        a, b = from_arrays(turned, name), from_arrays(whole, name)
        np.testing.assert_allclose(a.fourth, b.fourth, rtol=1e-9)
        np.testing.assert_allclose(a.second, b.second, rtol=1e-9)
        assert a.count == b.count


def test_the_number_of_threads_changes_no_bit_of_the_sums():
    x = heavy(tokens=300, width=512, sequences=3)
    one = streamed(x, rotations=0)
    torch.set_num_threads(2)
    assert_same_bits(streamed(x, rotations=0), one)


def test_all_sequences_together_as_on_other_devices_give_the_same(monkeypatch):
    x, kept = heavy(), padded()
    apart = streamed(x, kept, sample_every=2)
    slices = streaming._slices

    def together(x, kept, sampled, *, apart):
        return slices(x, kept, sampled, apart=False)

    monkeypatch.setattr(streaming, "_slices", together)
    found = streamed(x, kept, sample_every=2)
    for name in ("rest", "sample", "rotated_1"):
        a, b = from_arrays(found, name), from_arrays(apart, name)
        assert (a.count, a.vectors) == (b.count, b.vectors)
        np.testing.assert_allclose(a.fourth, b.fourth, rtol=1e-6)
        np.testing.assert_allclose(a.vector_kurtosis, b.vector_kurtosis, rtol=1e-6)


def test_a_sequence_longer_than_a_slice_is_whole():
    x = heavy(sequences=2, tokens=3000)
    assert 3000 * WIDTH > 2 * streaming.SLICE_VALUES
    _, rest = by_hand(x, everything(x))
    found = from_arrays(streamed(x, rotations=0), "rest")
    np.testing.assert_allclose(
        numbers.excess_kurtosis_per_unit(found), stats.kurtosis(rest, axis=0), rtol=1e-9
    )


# --- the sample and the rotations ---------------------------------------------------


def test_the_sample_is_every_so_manieth_sequence_of_the_text():
    x = heavy()
    found = from_arrays(streamed(x, sample_every=4, first=6), "sample")
    # Numbers 6 to 21: the multiples of four are 8, 12, 16 and 20.
    own = x[[2, 6, 10, 14], 1:].reshape(-1, WIDTH).double().numpy()
    assert found.count == len(own)
    np.testing.assert_allclose(
        numbers.excess_kurtosis_per_unit(found), stats.kurtosis(own, axis=0), rtol=1e-9
    )


def test_a_block_without_a_sampled_sequence_has_an_empty_sample():
    arrays = streamed(heavy(sequences=3), sample_every=4, first=1)
    assert from_arrays(arrays, "sample").count == 0
    assert from_arrays(arrays, "rotated_3").count == 0
    assert from_arrays(arrays, "rest").count == 3 * (TOKENS - 1)


def test_more_rotations_leave_the_first_as_they_are():
    x = heavy()
    two, four = streamed(x, rotations=2), streamed(x, rotations=4)
    assert {name.partition("/")[0] for name in four} == {
        *("rest", "first", "sample"),
        *(f"rotated_{k}" for k in range(4)),
    }
    for name in two:
        np.testing.assert_allclose(two[name], four[name], rtol=1e-5)


def test_an_artifact_is_small():
    arrays = streamed(heavy())
    vectors = sum(values.nbytes for values in arrays.values()) / (8 * WIDTH)
    assert vectors < 34
    assert all(values.dtype == np.float64 for values in arrays.values())


# --- undefined ---------------------------------------------------------------------


def test_a_constant_unit_is_constant_and_not_noise():
    x = heavy()
    x[..., 3], x[..., 4] = 0.1, 0.0
    each = numbers.excess_kurtosis_per_unit(from_arrays(streamed(x), "rest"))
    assert np.isnan(each[3:5]).all()
    assert np.isfinite(np.delete(each, [3, 4])).all()


def test_a_unit_that_is_constant_in_each_sequence_alone_varies():
    x = heavy()
    x[..., 3] = torch.where(torch.arange(SEQUENCES) % 2 == 0, 0.1, 0.3)[:, None]
    each = numbers.excess_kurtosis_per_unit(from_arrays(streamed(x), "rest"))
    np.testing.assert_allclose(each[3], -2.0, rtol=1e-12)


def test_vectors_of_one_value_have_no_kurtosis_rotated_or_not():
    x = heavy()
    x[0, 5], x[0, 6], x[4, 7] = 0.0, 0.1, 1e6
    arrays = streamed(x, sample_every=1)
    for name in ("rest", "sample", "rotated_0"):
        found = from_arrays(arrays, name)
        assert found.vectors == found.count - 3, name
    _, rest = by_hand(x, everything(x))
    varied = rest[rest.max(axis=1) != rest.min(axis=1)]
    assert numbers.mean_excess_kurtosis_per_vector(
        from_arrays(arrays, "rest")
    ) == pytest.approx(stats.kurtosis(varied, axis=1).mean(), rel=1e-9)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_vectors_of_three_units_or_fewer_have_none(width):
    arrays = streamed(heavy(width=width))
    for name in ("rest", "first", "rotated_0"):
        found = from_arrays(arrays, name)
        assert (found.vectors, found.vector_kurtosis) == (0, 0.0)


def test_one_token_sequences_have_first_tokens_alone():
    arrays = streamed(heavy(tokens=1))
    assert from_arrays(arrays, "first").count == SEQUENCES
    for name in ("rest", "sample", "rotated_0"):
        assert from_arrays(arrays, name).count == 0


# --- what is refused, and what is left alone ----------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("token", [0, 5])
@pytest.mark.parametrize("earlier", [0, 2])
def test_what_is_not_finite_is_counted_and_nothing_of_it_is_added(bad, token, earlier):
    x, kept = heavy(), padded()
    found = Stream(WIDTH)
    for number in range(earlier):
        found.add(x[:1], kept[:1], [number])
    before = found.arrays() if earlier else None
    spoiled = x.clone()
    spoiled[2, token, 3:5] = bad
    with pytest.raises(
        ValueError, match=rf"2 of {int(kept.sum()) * WIDTH} activations"
    ):
        found.add(spoiled, kept, range(SEQUENCES))
    if before is not None:
        assert_same_bits(found.arrays(), before)
    found.add(x, kept, range(SEQUENCES))
    assert np.isfinite(found.arrays()["rest/fourth"]).all()


def test_float64_beyond_fourth_powers_is_refused():
    with pytest.raises(ValueError, match="reach 1e\\+90, too large"):
        Stream(4).add(
            torch.full((1, 3, 4), 1e90, dtype=torch.float64).cumsum(1) / 3,
            torch.ones((1, 3), dtype=torch.bool),
            [0],
        )


def test_shapes_that_do_not_fit_are_refused():
    x, kept = heavy(), padded()
    numbered = range(SEQUENCES)
    with pytest.raises(ValueError, match=r"shape \(33, 24\).*with 24 units"):
        Stream(WIDTH).add(x[0], kept, numbered)
    with pytest.raises(ValueError, match="with 23 units"):
        Stream(WIDTH - 1).add(x, kept, numbered)
    with pytest.raises(ValueError, match=r"torch.int64; they must be floating"):
        Stream(WIDTH).add(x.long(), kept, numbered)
    with pytest.raises(ValueError, match="one mark for each token"):
        Stream(WIDTH).add(x, kept[:, 1:], numbered)
    with pytest.raises(ValueError, match="15 sequence numbers"):
        Stream(WIDTH).add(x, kept, range(15))


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="`width` is 0"):
        Stream(0)
    with pytest.raises(ValueError, match="`rotations` is -1"):
        Stream(4, rotations=-1)
    with pytest.raises(ValueError, match="`sample_every` is 0"):
        Stream(4, sample_every=0)
    with pytest.raises(ValueError, match="at least one sequence"):
        Stream(4).arrays()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_activations_are_left_as_they_were(dtype):
    x = heavy().to(dtype).requires_grad_()
    y = x * 1.0
    before = y.detach().clone()
    found = Stream(WIDTH, sample_every=1)
    found.add(y, everything(y), range(SEQUENCES))
    found.arrays()
    assert torch.equal(y, before)
    y.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_no_graph_and_no_activation_is_kept():
    x = heavy().requires_grad_()
    found = Stream(WIDTH)
    found.add(x * 1.0, everything(x), range(SEQUENCES))
    kept = [found._waiting, *[vars(sums) for sums in found._sums.values()]]
    tensors = [
        value
        for part in kept
        for value in (part if isinstance(part, list) else part.values())
        if isinstance(value, torch.Tensor)
    ]
    assert tensors
    assert not any(tensor.requires_grad for tensor in tensors)
    assert sum(tensor.numel() for tensor in found._waiting) <= FIRST_TOKENS * WIDTH


def test_inside_and_outside_of_inference_mode_alike():
    x = heavy()
    found = Stream(WIDTH)
    with torch.inference_mode():
        found.add(x[:5].clone(), everything(x[:5]), range(5))
        found.arrays()
    found.add(x[5:], everything(x[5:]), range(5, SEQUENCES))
    assert_same_bits(found.arrays(), streamed(x))
