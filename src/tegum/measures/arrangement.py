"""Which features interfere, in which groups, and what polytope each group is.

Two features are joined where their directions are far from orthogonal. The groups so
connected are the factors of a tegum product: what lies in different groups hardly
interferes. A group has the name of a polytope where all its angles and norms are those
of the polytope, up to tolerances fixed beforehand; else it has none.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse.csgraph import connected_components

from tegum.arrays import stream
from tegum.measures.frame import Frame
from tegum.measures.interference import effective_norm_squared

TIE = 1e-9  # a feature at a tolerance, up to rounding, is within it
ALONE, NONE = "alone", "none"
DRAWS, LEAST_DRAWS = 400, 8
DRAWN_PAIRS = 20_000
SPANNED = 0.05


def _apart(count: int) -> ndarray:
    """How many corners apart, for every pair of corners in a ring."""
    return np.subtract.outer(np.arange(count), np.arange(count))


def _simplex(corners: int) -> ndarray:
    return (corners * np.eye(corners) - 1.0) / (corners - 1)


COSINES: Mapping[str, ndarray] = {
    "digon": _simplex(2),
    "triangle": _simplex(3),
    "tetrahedron": _simplex(4),
    "pentagon": np.cos(2.0 * np.pi * _apart(5) / 5),
    "square antiprism": 2.0 / 3.0 * np.cos(np.pi * _apart(8) / 4)
    + (-1.0) ** _apart(8) / 3.0,
}
"""The cosines between the corners of each polytope that is looked for.

Squares, octahedra and bipyramids are tegum products of these and are found as their
factors. Corners of the antiprism stand on circles of squared radius 2/3 at squared
height 1/3, in turn above and below: the shape at which it is a tight frame.
"""

FRACTIONS: Mapping[str, float] = {
    ALONE: 1.0,
    "tetrahedron": 3 / 4,
    "triangle": 2 / 3,
    "digon": 1 / 2,
    "pentagon": 2 / 5,
    "square antiprism": 3 / 8,
}
"""The feature dimensionality d/v of each corner: v corners in d dimensions."""


@dataclass(frozen=True)
class Tolerances:
    """What counts as kept, joined, alike and near: fixed before a model is measured.

    `kept`: a feature's squared norm is above so much of a typical strong one's.
    `joined`: two features have a |cos| above it. Neighbours in a pentagon have 0.31, in
    a tetrahedron and in a square antiprism 0.33. `cosine`: how far each cosine may lie
    from the polytope's; so far off, all its corners are joined still. `norm`: how many
    times the least squared norm in a polytope the greatest may be. `fraction`: how far
    a feature dimensionality may lie from a fraction. `moved`: how far dimensionalities
    are moved at random, for what chance would give.

    Raises:
        ValueError: a tolerance out of its range.
    """

    kept: float = 0.1
    joined: float = 0.2
    cosine: float = 0.1
    norm: float = 1.25
    fraction: float = 0.01
    moved: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what would keep nothing, join nothing or fit everything."""
        for name, low, high in (
            ("kept", 0.0, 1.0),
            ("joined", 0.0, 1.0),
            ("cosine", 0.0, 1.0),
            ("norm", 1.0, math.inf),
            ("fraction", 0.0, 0.0125),
            ("moved", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if not low < value < high:
                raise ValueError(
                    f"the tolerance `{name}` is {value!r}; it must lie in ({low:g}, "
                    f"{high:g}); {getattr(Tolerances, name):g} is usual"
                )


USUAL = Tolerances()


@dataclass(frozen=True)
class Arrangement:
    """The kept features of a model in their groups.

    `kept` are the positions of the kept features; `groups` holds positions, too, the
    largest group first; `names` says of each group which polytope it is: `alone` for a
    single feature, `none` for a group that fits nothing.
    """

    kept: Int[ndarray, " kept"]
    groups: tuple[Int[ndarray, " _"], ...]
    names: tuple[str, ...]

    def share(self, *names: str) -> float:
        """The share of the kept features in groups of these names; NaN if none is."""
        if not len(self.kept):
            return math.nan
        both = zip(self.groups, self.names, strict=True)
        return sum(len(group) for group, name in both if name in names) / len(self.kept)

    def of_features(self, n_features: int) -> list[str]:
        """The name of each feature's group; empty for a dropped one."""
        found = [""] * n_features
        for group, name in zip(self.groups, self.names, strict=True):
            for position in group:
                found[position] = name
        return found


def arrangement(
    W: Float[ndarray, "hidden feature"] | Frame, *, tolerances: Tolerances = USUAL
) -> Arrangement:
    """Which features are joined, and which polytope each group is.

    Features with `|W_i|^2` above a tenth of `effective_norm_squared` are kept. Two of
    them are joined where `|cos_ij| > 0.2`, and groups are what is connected so. A group
    is a polytope where some order of its features brings every cosine within 0.1 of the
    polytope's and no squared norm is above 1.25 times another. No feature is kept where
    a weight is not finite, or all are 0.

    Source: Elhage et al. 2022, "The Geometry of Superposition": the graph of features,
    its tegum products; the tolerances are this project's.

    >>> arrangement(np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]])).names
    ('digon', 'alone')
    """
    frame = Frame.of(W)
    s = frame.norm_squared
    if np.isnan(s).any() or not s.any():
        return Arrangement(np.arange(0), (), ())
    typical = np.ldexp(effective_norm_squared(frame), -2 * frame.exponent)
    kept = np.flatnonzero(s > tolerances.kept * (1 + TIE) * typical)
    cosine = frame.cosine[np.ix_(kept, kept)]
    found = _groups(cosine, tolerances)
    names = tuple(_name(cosine[np.ix_(g, g)], s[kept[g]], tolerances) for g in found)
    return Arrangement(kept, tuple(kept[g] for g in found), names)


def _groups(cosine: ndarray, tolerances: Tolerances) -> list[ndarray]:
    """What is connected by large cosines, the largest group first."""
    joined = np.abs(cosine) > tolerances.joined * (1 + TIE)
    count, label = connected_components(joined, directed=False)
    found = [np.flatnonzero(label == k) for k in range(count)]
    return sorted(found, key=lambda group: (-len(group), group[0]))


def _name(cosine: ndarray, norm_squared: ndarray, given: Tolerances) -> str:
    if len(cosine) == 1:
        return ALONE
    if norm_squared.max() > given.norm * (1 + TIE) * norm_squared.min():
        return NONE
    return _shape(cosine, given)


def _shape(cosine: ndarray, tolerances: Tolerances) -> str:
    """The polytope whose angles these are; `none` if there is no such one."""
    for name, corners in COSINES.items():
        if len(corners) == len(cosine) and _fits(cosine, corners, tolerances.cosine):
            return name
    return NONE


def _fits(cosine: ndarray, corners: ndarray, tolerance: float) -> bool:
    """Whether features can be put on corners so that each cosine is near enough.

    Corners are filled one after the other, and given up where a pair is too far off.
    The first feature goes to the first corner: every corner is like every other.
    """
    near = np.abs(cosine[:, :, None, None] - corners) <= tolerance + TIE

    def fill(placed: tuple[int, ...]) -> bool:
        corner = len(placed)
        return corner == len(corners) or any(
            fill((*placed, i))
            for i in range(len(cosine))
            if i not in placed
            and all(near[i, j, corner, other] for other, j in enumerate(placed))
        )

    return fill((0,))


def dimensions_spanned(frame: Frame, group: Int[ndarray, " member"]) -> int:
    """In how many dimensions a group of features lies, small tilts aside.

    The number of singular values of its unit directions whose square is above a
    twentieth of the largest.

    Source: this project.
    """
    values = np.linalg.svd(frame.direction[:, group], compute_uv=False) ** 2
    return int((values > SPANNED * values[0]).sum())


@functools.lru_cache(maxsize=4096)
def chance_of_a_name(
    n_features: int, n_dimensions: int, *, tolerances: Tolerances = USUAL
) -> float:
    """The share of features that stand in polytopes when directions are random.

    The mean, over up to 400 draws of so many directions uniform in so many dimensions
    (fewer draws of many features), of the share in groups that are polytopes. In
    [0, 1]; 0 for one feature. The same number at every call: it is drawn from one
    stream for each pair of sizes.

    Source: this project. Gaussian vectors have uniform directions.

    Two directions on one line are antipodal every other time:

    >>> 0.4 < chance_of_a_name(2, 1) < 0.6
    True
    """
    if n_features == 1:
        return 0.0
    draws = max(LEAST_DRAWS, min(DRAWS, DRAWN_PAIRS // n_features**2))
    generator = stream(n_features * 100_003 + n_dimensions, "polytopes")
    named = 0
    for _ in range(draws):
        U = generator.standard_normal((n_dimensions, n_features))
        U /= np.sqrt((U**2).sum(axis=0))
        cosine = np.einsum("ki,kj->ij", U, U)
        np.fill_diagonal(cosine, 0.0)
        for group in _groups(cosine, tolerances):
            alone = len(group) == 1
            if not alone and _shape(cosine[np.ix_(group, group)], tolerances) != NONE:
                named += len(group)
    return named / (draws * n_features)
