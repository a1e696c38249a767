"""Arrangements of unit vectors whose interference is known: polytopes, tight frames.

Each is an array `(hidden, feature)` like W: one column for each corner.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Directions = Float[ndarray, "hidden feature"]


def welch_bound(n_features: int, n_hidden: int) -> float:
    """The least mean overlap that k unit vectors in m dimensions can have.

    `max(0, k/m - 1)`, the mean over i of `sum_{j != i} cos_ij^2`. Dimensionless.
    Reached by tight frames alone for k >= m, and by orthogonal vectors for k <= m.

    Derivation: `F = W W^T` has trace k and at most m eigenvalues, so `sum_ij cos_ij^2 =
    tr(F^2) >= k^2 / m` by Cauchy and Schwarz; k of these are the diagonal.

    Raises:
        ValueError: fewer than one vector or dimension.

    Source: Welch 1974, "Lower bounds on the maximum cross correlation of signals".

    >>> welch_bound(20, 5)
    3.0
    """
    if n_features < 1 or n_hidden < 1:
        raise ValueError(
            f"{n_features} vectors in {n_hidden} dimensions; give at least one of each"
        )
    return max(0.0, n_features / n_hidden - 1.0)


def polygon(corners: int) -> Directions:
    """The corners of a regular polygon, a tight frame of the plane: `D_i = 2 / v`.

    Raises:
        ValueError: fewer than three corners.
    """
    if corners < 3:
        raise ValueError(f"a polygon with {corners} corners; it has at least 3")
    angle = 2.0 * np.pi * np.arange(corners) / corners
    return np.stack([np.cos(angle), np.sin(angle)])


def tegum_product(*parts: ndarray) -> Directions:
    """The parts side by side in orthogonal subspaces, where they do not interfere.

    A feature keeps the dimensionality that it has in its own part: the corners of a
    triangular bipyramid, triangle times digon, stand at 2/3 and 1/2.
    """
    hidden = sum(part.shape[0] for part in parts)
    product = np.zeros((hidden, sum(part.shape[1] for part in parts)))
    row = column = 0
    for part in parts:
        rows, columns = part.shape
        product[row : row + rows, column : column + columns] = part
        row, column = row + rows, column + columns
    return product


def _antiprism() -> Directions:
    height, radius = 1.0 / np.sqrt(3.0), np.sqrt(2.0 / 3.0)
    angle = np.pi * np.arange(8) / 4.0  # every second corner is below
    side = np.where(np.arange(8) % 2 == 0, 1.0, -1.0)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height * side])


_SIGNS = np.array(np.meshgrid([1.0, -1.0], [1.0, -1.0], [1.0, -1.0])).reshape(3, 8)
_DIGON = np.array([[1.0, -1.0]])

POLYTOPES: Mapping[str, Directions] = {
    "digon": _DIGON,
    "triangle": polygon(3),
    "square": polygon(4),
    "pentagon": polygon(5),
    "tetrahedron": _SIGNS[:, _SIGNS.prod(axis=0) > 0] / np.sqrt(3.0),
    "octahedron": tegum_product(_DIGON, _DIGON, _DIGON),
    "cube": _SIGNS / np.sqrt(3.0),
    "square antiprism": _antiprism(),
}
"""Polytopes whose corners are unit vectors and a tight frame.

For v corners in d dimensions `W W^T = (v/d) I`: a symmetry group that carries every
corner to every other and leaves no subspace fixed commutes with `W W^T`, so that is a
multiple of the identity (Schur), and its trace is v. Then `sum_j (u_i . W_j)^2 = u_i .
W W^T u_i = v/d` and `D_i = d/v`. The square antiprism does leave its axis fixed; the
height 1/sqrt(3) is the one at which it is tight all the same.
"""


def harmonic_frame(n_features: int, n_hidden: int) -> Directions:
    """k unit vectors in m dimensions that meet the Welch bound, for any k >= m.

    Rows of the real discrete Fourier transform, `sqrt(2/m) cos(2 pi l j / k)` and the
    same with sin for l = 1, 2, ..., and for odd m a constant row `sqrt(1/m)`: rows are
    orthogonal and of squared length k/m, columns of length 1. `D_i = m/k`.

    Raises:
        ValueError: fewer vectors than dimensions.

    Source: Goyal, Kovacevic and Kelner 2001, "Quantized frame expansions with
    erasures".

    >>> harmonic_frame(7, 3).shape
    (3, 7)
    """
    if not 1 <= n_hidden <= n_features:
        raise ValueError(
            f"{n_features} vectors in {n_hidden} dimensions; a tight frame has as many "
            "vectors as dimensions, or more"
        )
    if n_hidden == n_features:
        return np.eye(n_hidden)
    j = np.arange(n_features)
    frequency = np.arange(1, n_hidden // 2 + 1)[:, None]
    angle = 2.0 * np.pi * frequency * j / n_features
    rows = [np.sqrt(2.0) * np.cos(angle), np.sqrt(2.0) * np.sin(angle)]
    if n_hidden % 2:
        rows.append(np.ones((1, n_features)))
    return np.concatenate(rows) / np.sqrt(n_hidden)
