"""What a scan says: silent without a privileged basis, loud with one, whole texts."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from tegum.activations.measures import (
    COUNTS,
    GAPS,
    PAIRED,
    SCAN,
    groups_of,
    merge_blocks,
    scan_numbers,
    top_units,
)
from tegum.activations.streaming import Stream
from tegum.arrays import Artifact
from tegum.measures.moments import merge_all
from tegum.measures.sphere import random_rotations

torch = pytest.importorskip("torch")

SEQUENCES, TOKENS, WIDTH = 48, 41, 48


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def activations(kind, seed, *, sequences=SEQUENCES, width=WIDTH):
    """Gaussian, Laplace, Laplace rotated, or Laplace about one strong direction."""
    generator = np.random.default_rng(seed)
    shape = (sequences, TOKENS, width)
    if kind == "gaussian":
        return generator.standard_normal(shape)
    x = generator.laplace(size=shape)
    if kind == "rotated":
        turn = random_rotations(width, count=1, generator=generator)[0]
        return x @ turn.T
    if kind == "strong mean":
        return x + 10 * generator.standard_normal(width)
    return x


def stream_of(x, *, first=0, **options):
    x = torch.as_tensor(x)
    found = Stream(x.shape[-1], **options)
    kept = torch.ones(x.shape[:2], dtype=torch.bool)
    found.add(x, kept, range(first, first + len(x)))
    return found


def scanned(x, **options):
    return SCAN(Artifact(stream_of(x, **options).arrays()), {})


# --- known answers and references ---------------------------------------------------


def test_numbers_are_scipys_and_numpys():
    x = activations("laplace", 0) * np.linspace(0.5, 2, WIDTH) + 1
    found, rest = scanned(x, sample_every=2), x[:, 1:].reshape(-1, WIDTH)
    each, variance = stats.kurtosis(rest, axis=0), rest.var(axis=0)
    per_vector = stats.kurtosis(rest, axis=1).mean()
    expected = {
        "tokens": len(rest),
        "sequences": SEQUENCES,
        "sampled_tokens": len(rest) / 2,
        "units": WIDTH,
        "constant_units": 0,
        "excess_kurtosis_per_vector": per_vector,
        "gap_per_vector": per_vector + 6 / (WIDTH + 1),
        "excess_kurtosis_per_unit": (each * variance).sum() / variance.sum(),
        "median_excess_kurtosis_per_unit": np.median(each),
        "largest_excess_kurtosis_per_unit": each.max(),
        "kurtosis_of_unit_norms": (variance**2).mean() / variance.mean() ** 2,
        "participation_ratio": variance.sum() ** 2 / (variance**2).sum(),
        "share_of_variance_in_top_unit": variance.max() / variance.sum(),
        "outlier_dimensions_above_six": (np.abs(rest).max(axis=0) > 6).sum(),
        "outlier_share": (np.abs(rest) > 6).mean(),
        "root_mean_square": math.sqrt((rest**2).mean()),
        "first_excess_kurtosis_per_vector": stats.kurtosis(x[:, 0], axis=1).mean(),
        "first_root_mean_square_ratio": math.sqrt((x[:, 0] ** 2).mean())
        / math.sqrt((rest**2).mean()),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


def test_gaps_are_of_the_sample_and_its_own_rotations():
    x = activations("laplace", 1)
    found = scanned(x, sample_every=3)
    alone = scanned(x[::3], sample_every=1)
    for name in PAIRED:
        assert found[f"sample_{name}"] == pytest.approx(alone[name], rel=1e-9)
        same = alone[f"rotated_{name}"]
        assert found[f"rotated_{name}"] == pytest.approx(same, rel=1e-6)
    for gap, name in GAPS.items():
        difference = found[f"sample_{name}"] - found[f"rotated_{name}"]
        assert found[gap] == pytest.approx(difference)


def test_the_first_tokens_are_apart():
    x = activations("gaussian", 2)
    before = scanned(x)
    x[:, 0, 3] = 1000.0
    after = scanned(x)
    for name, value in before.items():
        if not name.startswith("first"):
            assert after[name] == value, name
    # One of m coordinates stands alone: m - 5 + 1/(m - 1), and nothing can have more.
    expected = WIDTH - 5 + 1 / (WIDTH - 1)
    assert after["first_excess_kurtosis_per_vector"] == pytest.approx(
        expected, rel=1e-3
    )
    assert after["first_root_mean_square_ratio"] > 100


def test_the_top_units_are_a_hundredth_at_least_one():
    sizes = {10: 1, 100: 1, 101: 2, 384: 4}
    for width, count in sizes.items():
        x = activations("gaussian", 0, sequences=2, width=width)
        groups = groups_of(stream_of(x, rotations=0).arrays())
        assert top_units(groups["rest"]) == count


# --- silent where there is nothing, loud where there is something -------------------


@pytest.mark.parametrize("seed", range(3))
def test_silent_without_a_privileged_basis(seed):
    # Standard errors, from 1,920 vectors of 48: .02 of both; a rotated Laplace has
    # excess 3/48 per unit in any basis.
    for kind in ("gaussian", "rotated"):
        found = scanned(activations(kind, seed), sample_every=1)
        assert abs(found["gap_per_vector"]) < 0.1, kind
        assert abs(found["gap_per_unit"]) < 0.1, kind
        assert abs(found["gap_of_unit_norms"]) < 0.02, kind
        assert found["outlier_dimensions_scale_free"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_loud_in_the_basis_of_heavy_tailed_units(seed):
    found = scanned(activations("laplace", seed), sample_every=1)
    assert found["gap_per_unit"] > 2
    assert found["gap_per_vector"] > 1


def test_a_loud_unit_is_found_by_the_definitions_that_see_strength():
    x = activations("gaussian", 4)
    x[..., 7] *= 20
    found = scanned(x, sample_every=1)
    assert found["outlier_dimensions_scale_free"] == 1
    assert found["rotated_outlier_dimensions_scale_free"] == 0
    assert found["gap_of_unit_norms"] > 10
    assert found["share_of_variance_in_top_unit"] == pytest.approx(400 / 447, abs=0.01)
    assert found["participation_ratio"] < 1.5
    assert abs(found["gap_per_unit"]) < 0.2  # its tails are Gaussian


def test_one_direction_in_common_makes_drawn_rotations_a_poor_null():
    # Every vector repeats the same four draws: the exact average does not depend on
    # them, and the spread between rotations says how poor they are.
    strong = scanned(activations("strong mean", 5), sample_every=1)
    plain = scanned(activations("laplace", 5), sample_every=1)
    assert plain["rotated_spread_per_vector"] < 0.05
    assert strong["rotated_spread_per_vector"] > 0.2
    exact = strong["excess_kurtosis_per_vector"] - strong["gap_per_vector"]
    assert exact == pytest.approx(-6 / (WIDTH + 1))
    assert strong["rotated_spread_per_unit"] < 0.05


# --- whole texts --------------------------------------------------------------------


def test_blocks_merged_are_the_whole_text():
    x = activations("laplace", 6) + 5
    cuts = [0, 10, 11, 30, SEQUENCES]
    blocks = [stream_of(x[a:b], first=a).arrays() for a, b in itertools.pairwise(cuts)]
    whole = scanned(x)
    merged = scan_numbers(merge_blocks(blocks))
    for name, value in whole.items():
        # Rotated copies are float32 about the centre of their own block.
        assert merged[name] == pytest.approx(value, rel=1e-6, abs=1e-7), name


def test_a_block_alone_merges_to_itself():
    arrays = stream_of(activations("laplace", 7)).arrays()
    merged = merge_blocks([arrays])
    assert set(merged) == set(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(merged[name], values)


def test_what_does_not_belong_together_is_not_merged():
    x = activations("gaussian", 0, sequences=4)
    with pytest.raises(ValueError, match="0 blocks"):
        merge_blocks([])
    few, many = (stream_of(x, rotations=r).arrays() for r in (1, 2))
    with pytest.raises(ValueError, match=r"\[1, 2\] rotations"):
        merge_blocks([few, many])
    narrow = stream_of(x[..., :9], rotations=1).arrays()
    with pytest.raises(ValueError, match="of 48 and of 9 units"):
        merge_blocks([few, narrow])
    with pytest.raises(ValueError, match="no moments are named 'rest'"):
        scan_numbers({"W": np.eye(2)})


# --- the measure --------------------------------------------------------------------


def test_every_number_is_in_its_declared_range():
    cases = [
        activations("gaussian", 0),
        activations("strong mean", 1),
        activations("laplace", 2)[:, :, :5] ** 3,
    ]
    for x in cases:
        found = scanned(x, sample_every=1)
        assert set(found) == set(SCAN.numbers)
        for name, value in found.items():
            low, high = SCAN.range_of(name)
            assert low <= value <= high, name
        assert all(found[name] == int(found[name]) for name in COUNTS)
        assert all(SCAN.resolution_of(name) == 1.0 for name in COUNTS)
        assert 1 <= found["participation_ratio"] <= found["units"]


def test_a_block_without_a_sample_or_without_rotations_has_no_gap():
    x = activations("laplace", 3)[:3]
    outside, none = scanned(x, first=1), scanned(x, rotations=0)
    for found in (outside, none):
        for name in GAPS:
            assert math.isnan(found[name]), name
        assert math.isnan(found["rotated_spread_per_unit"])
        assert found["gap_per_vector"] > 1
    assert outside["sampled_tokens"] == 0
    assert not math.isnan(none["sample_excess_kurtosis_per_unit"])


def test_first_tokens_alone_leave_the_rest_undefined():
    found = scanned(activations("laplace", 4)[:, :1])
    assert (found["tokens"], found["sequences"]) == (0, SEQUENCES)
    assert not math.isnan(found["first_excess_kurtosis_per_vector"])
    counted = {"tokens", "sequences", "sampled_tokens", "units", "constant_units"}
    for name, value in found.items():
        if name not in counted and name != "first_excess_kurtosis_per_vector":
            assert math.isnan(value), name


def test_constant_activations_are_undefined_not_noise():
    x = np.full((SEQUENCES, TOKENS, WIDTH), 0.1, dtype=np.float32)
    found = scanned(x, sample_every=1)
    assert found["constant_units"] == WIDTH
    for name in (
        "excess_kurtosis_per_vector",
        "excess_kurtosis_per_unit",
        "kurtosis_of_unit_norms",
        "rotated_excess_kurtosis_per_unit",
        "rotated_excess_kurtosis_per_vector",
        "gap_per_unit",
        "gap_per_vector",
        "share_of_variance_in_top_unit",
    ):
        assert math.isnan(found[name]), name
    assert found["root_mean_square"] == pytest.approx(0.1)


def test_merging_moments_of_groups_is_merging_blocks():
    x = activations("laplace", 8)
    a, b = (stream_of(part).arrays() for part in (x[:20], x[20:]))
    merged = groups_of(merge_blocks([a, b]))
    for name, group in merged.items():
        by_hand = merge_all([groups_of(a)[name], groups_of(b)[name]])
        np.testing.assert_array_equal(group.fourth, by_hand.fourth)
