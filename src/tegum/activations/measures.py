"""What a scan says of one hook point on one block of text: `SCAN`, and whole texts.

`gap_...` is what claims are about: the basis as it is less the same activations after
rotations. Above 0 the basis stands out by heavier tails, at 0 it is as good as another.
Across the coordinates of a vector the average over *all* rotations is known, whatever
the vector: `-6 / (m + 1)`. That is what `gap_per_vector` is taken from. A few drawn
rotations are a poor stand-in where the vectors of a text have one direction in common,
as those of a residual stream do: then every vector repeats the same few draws. Over
vectors (`gap_per_unit`) no such form is at hand, but every unit of a rotated copy is a
draw of its own, and a few rotations give hundreds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy import ndarray

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures import moment_numbers as numbers
from tegum.measures.facts import Measure
from tegum.measures.moments import Moments, from_arrays, merge_all, to_arrays
from tegum.measures.sphere import random_excess_kurtosis_per_vector

GROUPS = ("rest", "first", "sample")
TOP_SHARE = 0.01
"""The top units are this share of all, at least one."""
PAIRED: Mapping[str, Callable[[Moments], float]] = {
    "excess_kurtosis_per_vector": numbers.mean_excess_kurtosis_per_vector,
    "excess_kurtosis_per_unit": numbers.mean_excess_kurtosis_per_unit,
    "largest_excess_kurtosis_per_unit": numbers.largest_excess_kurtosis_per_unit,
    "kurtosis_of_unit_norms": numbers.kurtosis_of_unit_norms,
    "participation_ratio": numbers.participation_ratio,
}
"""What is taken of the sample as it is and of its rotated copies."""
GAPS = {
    "sample_gap_per_vector": "excess_kurtosis_per_vector",
    "gap_per_unit": "excess_kurtosis_per_unit",
    "gap_of_unit_norms": "kurtosis_of_unit_norms",
}
"""Each gap between the sample and its rotated copies, and what it is a gap of."""
SPREADS = {
    "rotated_spread_per_vector": "excess_kurtosis_per_vector",
    "rotated_spread_per_unit": "excess_kurtosis_per_unit",
}
"""How far apart the rotated copies are: what one basis at random owes to chance."""


def groups_of(arrays: Mapping[str, ndarray]) -> dict[str, Moments]:
    """The moments of every group of tokens in an artifact, by name.

    `rest`, `first`, `sample`, `rotated_0`, ...: see `activations.streaming`.

    Raises:
        ValueError: arrays that hold no such groups.
    """
    rotated = sorted(
        {name.partition("/")[0] for name in arrays if name.startswith("rotated_")}
    )
    return {name: from_arrays(arrays, name) for name in (*GROUPS, *rotated)}


def merge_blocks(blocks: Iterable[Mapping[str, ndarray]]) -> dict[str, ndarray]:
    """The artifacts of several blocks of text as that of the whole text.

    For pictures and summaries of one hook point: the numbers of the whole are finished
    from it as from a single block's, by `scan_numbers` or `groups_of`. Claims rest on
    the blocks, each by itself.

    Raises:
        ValueError: no block, or blocks of different widths or numbers of rotations.
    """
    each = [groups_of(arrays) for arrays in blocks]
    if not each or any(set(groups) != set(each[0]) for groups in each):
        found = sorted({len(groups) - len(GROUPS) for groups in each})
        raise ValueError(
            f"{len(each)} blocks with {found} rotations can not be merged; give blocks "
            "of one hook point, scanned with the same number of rotations"
        )
    merged: dict[str, ndarray] = {}
    for name in each[0]:
        merged |= to_arrays(merge_all(groups[name] for groups in each), name)
    return merged


def top_units(moments: Moments) -> int:
    """How many units count as the top ones: one in a hundred, at least one."""
    return max(1, math.ceil(TOP_SHARE * moments.width))


def scan_numbers(arrays: Mapping[str, ndarray]) -> dict[str, float]:
    """What one hook point's activations say, over all tokens but the first of each.

    Of every kept token that is not the first of its sequence:

    - `excess_kurtosis_per_vector`: across the coordinates of a vector, averaged over
      vectors (Elhage et al. 2023, there without the -3). `gap_per_vector` is that less
      `-6 / (m + 1)`, its exact average over all rotations.
    - `excess_kurtosis_per_unit`: over vectors, averaged over units by their variance;
      `median_` and `largest_` over units.
    - `kurtosis_of_unit_norms`, `kurtosis_of_unit_mean_squares` (He et al. 2024),
      `participation_ratio` of the units' variances, in `[1, m]`.
    - `outlier_dimensions_above_six` (once), `..._often_above_six` (in 6 % of tokens),
      `..._scale_free` (six times the median unit's RMS); `outlier_share` of all values.
    - `share_of_variance_in_top_unit` and `..._top_units`, the top hundredth.
    - `root_mean_square`, `tokens`, `units`, `constant_units`.

    Of the sample, as it is (`sample_...`) and averaged over rotations (`rotated_...`):
    the quantities of `PAIRED`, and the differences `gap_per_unit`, `gap_of_unit_norms`
    and, as a check of the exact one, `sample_gap_per_vector`. `rotated_spread_...` is
    the standard deviation between rotations: a gap of that size says nothing of a
    single model's basis. NaN where no sequence of the block is in the sample.

    Of the first tokens: `first_excess_kurtosis_per_vector`, and
    `first_root_mean_square_ratio`, how many times larger than the rest they are.

    Raises:
        ValueError: arrays that are no artifact of a scan.
    """
    groups = groups_of(arrays)
    rest, first, sample = (groups[name] for name in GROUPS)
    rotated = [groups[name] for name in groups if name not in GROUPS]
    null = random_excess_kurtosis_per_vector(rest.width)
    per_vector = numbers.mean_excess_kurtosis_per_vector(rest)
    return {
        "tokens": float(rest.count),
        "sequences": float(first.count),
        "sampled_tokens": float(sample.count),
        "units": float(rest.width),
        "constant_units": float((rest.second == 0).sum()),
        **{name: function(rest) for name, function in PAIRED.items()},
        "gap_per_vector": per_vector - null,
        "median_excess_kurtosis_per_unit": numbers.median_excess_kurtosis_per_unit(
            rest
        ),
        "kurtosis_of_unit_mean_squares": numbers.kurtosis_of_unit_mean_squares(rest),
        **_outliers(rest, rotated),
        "share_of_variance_in_top_unit": numbers.share_of_variance(rest, 1),
        "share_of_variance_in_top_units": numbers.share_of_variance(
            rest, top_units(rest)
        ),
        "root_mean_square": numbers.root_mean_square(rest),
        **_beside_rotations(sample, rotated),
        **_of_first(first, rest),
    }


def _outliers(rest: Moments, rotated: list[Moments]) -> dict[str, float]:
    return {
        "outlier_dimensions_above_six": numbers.outlier_dimensions_above_six(rest),
        "outlier_dimensions_often_above_six": (
            numbers.outlier_dimensions_often_above_six(rest)
        ),
        "outlier_dimensions_scale_free": numbers.outlier_dimensions_scale_free(rest),
        "rotated_outlier_dimensions_scale_free": _mean(
            numbers.outlier_dimensions_scale_free(copy) for copy in rotated
        ),
        "outlier_share": numbers.outlier_share(rest),
    }


def _beside_rotations(sample: Moments, rotated: list[Moments]) -> dict[str, float]:
    """The paired quantities of the sample, of its rotated copies, and the gaps."""
    own = {name: function(sample) for name, function in PAIRED.items()}
    copies = {
        name: [function(copy) for copy in rotated] for name, function in PAIRED.items()
    }
    null = {name: _mean(values) for name, values in copies.items()}
    return {
        **{f"sample_{name}": value for name, value in own.items()},
        **{f"rotated_{name}": value for name, value in null.items()},
        **{gap: own[name] - null[name] for gap, name in GAPS.items()},
        **{spread: _spread(copies[name]) for spread, name in SPREADS.items()},
    }


def _of_first(first: Moments, rest: Moments) -> dict[str, float]:
    usual = numbers.root_mean_square(rest)
    ratio = numbers.root_mean_square(first) / usual if usual else math.nan
    return {
        "first_excess_kurtosis_per_vector": (
            numbers.mean_excess_kurtosis_per_vector(first)
        ),
        "first_root_mean_square_ratio": ratio,
    }


def _mean(values: Iterable[float]) -> float:
    """The mean over rotations; NaN without any."""
    listed = list(values)
    return float(np.mean(listed)) if listed else math.nan


def _spread(values: list[float]) -> float:
    """The standard deviation between rotations; NaN for fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def scan(artifact: Artifact, row: Row) -> dict[str, float]:
    """`scan_numbers` of an artifact: what `SCAN` measures."""
    return scan_numbers(artifact.arrays)


_COUNT = (0.0, math.inf)
_SHARE = (0.0, 1.0)
_EXCESS = (-2.0, math.inf)
_RATIO = (1.0, math.inf)
_ANY = (-math.inf, math.inf)
_PAIRED_RANGES = {
    "excess_kurtosis_per_vector": _EXCESS,
    "excess_kurtosis_per_unit": _EXCESS,
    "largest_excess_kurtosis_per_unit": _EXCESS,
    "kurtosis_of_unit_norms": _RATIO,
    "participation_ratio": _RATIO,
}
_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        ("tokens", "sequences", "sampled_tokens", "units", "constant_units"), _COUNT
    ),
    **_PAIRED_RANGES,
    "gap_per_vector": _ANY,
    "median_excess_kurtosis_per_unit": _EXCESS,
    "kurtosis_of_unit_mean_squares": _RATIO,
    "outlier_dimensions_above_six": _COUNT,
    "outlier_dimensions_often_above_six": _COUNT,
    "outlier_dimensions_scale_free": _COUNT,
    "rotated_outlier_dimensions_scale_free": _COUNT,
    "outlier_share": _SHARE,
    "share_of_variance_in_top_unit": _SHARE,
    "share_of_variance_in_top_units": _SHARE,
    "root_mean_square": _COUNT,
    **{f"sample_{name}": bounds for name, bounds in _PAIRED_RANGES.items()},
    **{f"rotated_{name}": bounds for name, bounds in _PAIRED_RANGES.items()},
    **dict.fromkeys(GAPS, _ANY),
    **dict.fromkeys(SPREADS, _COUNT),
    "first_excess_kurtosis_per_vector": _EXCESS,
    "first_root_mean_square_ratio": _COUNT,
}
COUNTS = (
    "tokens",
    "sequences",
    "sampled_tokens",
    "units",
    "constant_units",
    "outlier_dimensions_above_six",
    "outlier_dimensions_often_above_six",
    "outlier_dimensions_scale_free",
)
"""Whole numbers: two of them differ by at least 1."""

SCAN = Measure(
    name="scan",
    version=1,
    function=scan,
    numbers=tuple(_RANGES),
    ranges=_RANGES,
    resolutions=dict.fromkeys(COUNTS, 1.0),
)
"""The numbers of one hook point on one block of text; see `scan_numbers`."""
