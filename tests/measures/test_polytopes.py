"""Groups of features: the right name for each polytope, and none for what is none."""

import doctest
import importlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from measures.arrangements import SEEDS, crowded, weights
from tegum.arrays import Artifact
from tegum.measures.arrangement import (
    ALONE,
    COSINES,
    FRACTIONS,
    NONE,
    Tolerances,
    arrangement,
    chance_of_a_name,
    dimensions_spanned,
)
from tegum.measures.frame import Frame
from tegum.measures.polytope_facts import POLYTOPES as MEASURE
from tegum.measures.polytopes import (
    SHARES,
    dimensions_per_kept_feature,
    even_share_at_fractions,
    fraction_excess,
    kept_features,
    named_excess,
    named_share,
    random_named_share,
    random_named_share_in_groups,
    share_at_fractions,
    share_in,
)
from tegum.measures.represented import feature_dimensionality
from tegum.measures.transformations import rotation
from tegum.theory.packings import POLYTOPES, polygon, tegum_product

NAMES = tuple(COSINES)
HEXAGON, CUBE = polygon(6), POLYTOPES["cube"]


def embedded(*parts, hidden=None, seed=0, noise=0.0, norm=1.0):
    """The tegum product of the parts in some more dimensions, turned and shaken."""
    generator = np.random.default_rng(seed)
    W = tegum_product(*parts)
    W = np.pad(W, ((0, max(0, (hidden or 0) - W.shape[0])), (0, 0)))
    W = rotation(W.shape[0], generator) @ W
    W = W + noise * generator.standard_normal(W.shape) / np.sqrt(W.shape[0])
    return norm * W[:, generator.permutation(W.shape[1])]


# --- known answers -------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_cosines_are_those_of_the_corners(name):
    """Up to the order of corners; worked out apart, from coordinates."""
    corners = POLYTOPES[name]
    own = np.sort(corners.T @ corners, axis=1)
    np.testing.assert_allclose(np.sort(COSINES[name], axis=1), own, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_fraction_is_what_a_corner_has(name):
    dimensionality = feature_dimensionality(POLYTOPES[name])
    np.testing.assert_allclose(dimensionality, FRACTIONS[name])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0.0, 0.03])
@pytest.mark.parametrize("name", NAMES)
def test_a_polytope_is_named_wherever_it_lies(name, noise, seed):
    W = embedded(POLYTOPES[name], hidden=9, seed=seed, noise=noise, norm=0.7)
    assert arrangement(W).names == (name,)
    assert named_share(W) == 1.0


PAIRS = list(itertools.combinations_with_replacement(NAMES, 2))


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_a_tegum_product_falls_into_its_factors(pair):
    W = embedded(*(POLYTOPES[name] for name in pair), seed=1, noise=0.01)
    assert sorted(arrangement(W).names) == sorted(pair)
    sizes = [POLYTOPES[name].shape[1] for name in pair]
    for name in set(pair):
        own = sum(
            size for size, other in zip(sizes, pair, strict=True) if other == name
        )
        assert share_in(W, polytope=name) == pytest.approx(own / sum(sizes))


@pytest.mark.parametrize(
    ("product", "digons"), [("square", 2), ("octahedron", 3)], ids=str
)
def test_squares_and_octahedra_are_digons_side_by_side(product, digons):
    W = embedded(POLYTOPES[product], hidden=5, seed=2)
    assert arrangement(W).names == ("digon",) * digons


def test_a_feature_with_its_own_dimension_is_alone():
    W = embedded(POLYTOPES["pentagon"], np.eye(1), seed=3)
    assert arrangement(W).names == ("pentagon", ALONE)
    assert named_share(W) == pytest.approx(5 / 6)
    assert share_in(W, polytope=ALONE) == pytest.approx(1 / 6)


def test_every_feature_has_the_name_of_its_group():
    W = tegum_product(POLYTOPES["triangle"], np.eye(1), np.zeros((1, 1)))
    names = arrangement(W).of_features(5)
    assert names == ["triangle", "triangle", "triangle", ALONE, ""]


# --- silent cases --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("corners", "name"),
    [(HEXAGON, "hexagon"), (CUBE, "cube"), (polygon(8), "octagon")],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_polytopes_that_are_not_looked_for_have_no_name(corners, name):
    assert set(arrangement(embedded(corners, hidden=4)).names) == {NONE}


def test_random_directions_are_no_polytopes():
    generator = np.random.default_rng(0)
    for n, m in [(200, 20), (80, 8), (40, 8), (12, 4), (9, 3)]:
        shares = [named_share(generator.standard_normal((m, n))) for _ in range(10)]
        excess = [named_excess(generator.standard_normal((m, n))) for _ in range(5)]
        assert np.mean(shares) < 0.05
        assert abs(np.mean(excess)) < 0.05


def test_random_directions_pile_up_at_no_fraction():
    generator = np.random.default_rng(1)
    excess = [fraction_excess(crowded(seed)) for seed in range(60)]
    even = [fraction_excess(generator.standard_normal((20, 25))) for _ in range(60)]
    assert abs(np.mean(excess)) < 0.03
    # Over the larger of two nulls that both scatter: a little below 0.
    assert -0.06 < np.mean(even) < 0.03


def even_frame(seed, *, hidden=8, features=16):
    """Equal norms that span all dimensions evenly, and no shapes.

    Norms are made equal and the frame tight in turn until both hold.
    """
    W = np.random.default_rng(seed).standard_normal((hidden, features))
    for _ in range(2000):
        W = W / np.linalg.norm(W, axis=0)
        left, _, right = np.linalg.svd(W, full_matrices=False)
        W = np.sqrt(features / hidden) * left @ right
    return W / np.linalg.norm(W, axis=0)


@pytest.mark.parametrize("seed", range(3))
def test_an_even_frame_without_shapes_has_half_a_dimension_each_and_no_excess(seed):
    """16 features in 8 dimensions: D = 1/2, although no two are antipodal."""
    W = even_frame(seed)
    np.testing.assert_allclose(feature_dimensionality(W), 0.5, atol=1e-6)
    assert named_share(W) == 0.0
    assert share_at_fractions(W) == even_share_at_fractions(W) == 1.0
    assert fraction_excess(W) == 0.0
    assert named_excess(W) < 0.05


def test_shapes_side_by_side_pile_up_beyond_an_even_frame():
    """Two digons, a triangle, a pentagon: .5, .667, .4, of 6 / 12 = 1/2 if even.

    Moved at random: 4 at .5 are there in 1/5 of the ways, 5 at .4, which lies .025 from
    3/8, in up to 2/5, so that even sharing, 1, is the larger null; with a feature of
    its own, 7 / 13 = .538 is at no fraction.
    """
    parts = [POLYTOPES["digon"]] * 2 + [POLYTOPES["triangle"], POLYTOPES["pentagon"]]
    assert fraction_excess(embedded(*parts)) == 0.0
    mixed = embedded(*parts, np.eye(1), seed=2)
    assert share_at_fractions(mixed) == 1.0
    assert even_share_at_fractions(mixed) == 0.0
    assert fraction_excess(mixed) > 0.6


def test_signs_at_random_on_the_axes_are_no_more_polytopes_than_chance():
    """Two features on each axis: half the pairs are antipodal, and none is news."""
    generator = np.random.default_rng(4)
    excess = []
    for _ in range(40):
        signs = generator.choice([-1.0, 1.0], size=(8, 2))
        W = np.einsum("kj,ki->jki", np.eye(8), signs).reshape(8, 16)
        assert named_share(W) == np.mean(signs[:, 0] != signs[:, 1])
        excess.append(named_excess(W))
    assert abs(np.mean(excess)) < 0.08


def test_two_features_of_one_direction_are_no_digon():
    assert arrangement(np.array([[1.0, 1.0]])).names == (NONE,)
    W = embedded(*[np.array([[1.0, 1.0]])] * 4)
    assert named_share(W) == 0.0
    assert named_excess(W) < -0.4


# --- must change ---------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_turned_or_longer_corner_loses_the_name(name):
    corners = POLYTOPES[name]
    turned, longer = np.pad(corners, ((0, 1), (0, 0))), corners.copy()
    turned[:, 0] *= 0.5  # out of the others' space, by 60 degrees
    turned[-1, 0] = np.sqrt(3) / 2
    longer[:, 0] *= 1.3
    assert named_share(turned) < 1.0
    assert named_share(longer) < 1.0


@pytest.mark.parametrize("name", [name for name in NAMES if name != "digon"])
def test_a_flipped_corner_loses_the_name(name):
    flipped = POLYTOPES[name].copy()
    flipped[:, 0] *= -1.0
    assert arrangement(flipped).names == (NONE,)


def test_tolerances_decide_and_are_part_of_the_measures_key():
    W = embedded(POLYTOPES["pentagon"], hidden=3, seed=5, noise=0.12)
    assert named_share(W, tolerances=Tolerances(cosine=0.005)) == 0.0
    assert named_share(W, tolerances=Tolerances(cosine=0.3, norm=3.0)) == 1.0
    assert set(MEASURE.parameters) == set(Tolerances.__dataclass_fields__)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("kept", 0.0), ("joined", 1.0), ("cosine", -0.1), ("norm", 1.0), ("moved", 2.0)],
)
def test_a_tolerance_that_could_not_decide_is_refused(name, wrong):
    with pytest.raises(ValueError, match=rf"`{name}` is {wrong}.*is usual"):
        Tolerances(**{name: wrong})


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"`polytope` is 'cube'; it must be one of d"):
        share_in(np.eye(2), polytope="cube")


# --- counts, and what chance gives ---------------------------------------------------


def test_faint_features_are_not_kept():
    # typical = (4 + 4 s^2) / (4 + 4 s): for s = .05 it is .955, a tenth .0955 > .05
    digons = np.kron(np.eye(2), [[1.0, -1.0]])
    W = np.concatenate([digons, np.sqrt(0.05) * np.roll(digons, 1, axis=0)], axis=1)
    assert kept_features(W) == 4
    assert dimensions_per_kept_feature(W) == 0.5
    assert named_share(W) == 1.0


def test_shrinking_all_weights_changes_no_count():
    W = embedded(*[POLYTOPES["digon"]] * 4, seed=6)
    assert dimensions_per_kept_feature(0.5 * W) == dimensions_per_kept_feature(W) == 0.5


def test_pairs_on_a_line_are_antipodal_every_other_time():
    # 400 draws of a fair coin: 0.5 +- 4 * 0.025
    assert chance_of_a_name(2, 1) == pytest.approx(0.5, abs=0.1)


def test_chance_of_a_digon_in_the_plane():
    # cos < -0.9: the angle is within arccos(.9) = .451 of pi, on both sides of 2 pi.
    chance = np.arccos(0.9) / np.pi
    draws = np.random.default_rng(7).uniform(0, 2 * np.pi, 40_000)
    assert np.mean(np.cos(draws) < -0.9) == pytest.approx(chance, abs=0.01)
    assert chance_of_a_name(2, 2) == pytest.approx(chance, abs=4 * np.sqrt(0.12 / 400))


def test_chance_is_the_same_number_each_time_and_0_for_one_feature():
    first = chance_of_a_name(6, 3)
    chance_of_a_name.cache_clear()
    assert chance_of_a_name(6, 3) == first
    assert chance_of_a_name(1, 4) == 0.0


def test_the_excess_is_over_the_larger_of_the_two_nulls():
    # Digons on lines of their own: half of them by chance, if lines are given.
    digons = embedded(*[POLYTOPES["digon"]] * 6, seed=8)
    assert random_named_share(digons) < 0.01
    assert random_named_share_in_groups(digons) == pytest.approx(0.5, abs=0.1)
    assert named_excess(digons) == 1.0 - random_named_share_in_groups(digons)
    pentagons = embedded(*[POLYTOPES["pentagon"]] * 3, seed=8)
    assert named_excess(pentagons) > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_a_group_spans_the_dimensions_of_its_polytope(name):
    W = embedded(POLYTOPES[name], hidden=9, seed=9, noise=0.02)
    spanned = dimensions_spanned(Frame.of(W), np.arange(W.shape[1]))
    assert spanned == POLYTOPES[name].shape[0]


def test_near_a_fraction_is_a_hundredth():
    # D of the first of two features at cos c: 1 / (1 + c^2)
    def pair(dimensionality):
        cosine = np.sqrt(1 / dimensionality - 1)
        return np.array([[1.0, cosine], [0.0, np.sqrt(1 - cosine**2)]])

    assert share_at_fractions(pair(0.7501)) == 1.0
    assert share_at_fractions(pair(0.759)) == 1.0
    assert share_at_fractions(pair(0.761)) == 0.0


# --- the numbers of a model ----------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(W=weights(), seed=SEEDS)
def test_shares_add_up_and_agree_with_the_numbers(W, seed):
    numbers = MEASURE(Artifact({"W": W}), {})
    parts = [numbers[name] for name in SHARES]
    if not W.any():
        assert all(np.isnan(value) for value in numbers.values())
        return
    assert sum(parts) == pytest.approx(1.0)
    named = [numbers[f"{name.replace(' ', '_')}_share"] for name in NAMES]
    assert sum(named) == pytest.approx(numbers["named_share"])
    assert numbers["named_share"] == named_share(W)
    groups = arrangement(W).groups
    members = np.sort(np.concatenate(groups))
    np.testing.assert_array_equal(members, arrangement(W).kept)


def test_a_hidden_layer_that_is_not_linear_is_refused():
    with pytest.raises(ValueError, match="polytopes"):
        MEASURE(Artifact({"W": np.eye(2)}), {"hidden_activation": "relu"})


def test_no_joined_features_stand_in_different_groups():
    for seed in range(20):
        W = crowded(seed, hidden=4)
        found = arrangement(W)
        cosine = Frame.of(W).cosine
        for one, other in itertools.combinations(found.groups, 2):
            assert np.abs(cosine[np.ix_(one, other)]).max() <= 0.2


@pytest.mark.parametrize("module", ["arrangement", "polytopes"])
def test_examples_in_docstrings(module):
    failed, tried = doctest.testmod(importlib.import_module(f"tegum.measures.{module}"))
    assert tried > 0
    assert failed == 0
