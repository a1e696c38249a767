"""Plain loops over features, written from the formulas, against the fast functions."""

import math

import numpy as np
import pytest
from hypothesis import given

from measures.arrangements import weights
from tegum.measures.geometry_facts import GEOMETRY_FACTS as ALL


def dot(W, i, j):
    return math.fsum(W[k][i] * W[k][j] for k in range(len(W)))


def each(W):
    return range(len(W[0]))


def square(W, i):
    return dot(W, i, i)


def living(W):
    return [i for i in each(W) if square(W, i) > 0]


def divide(a, b):
    return a / b if b else math.nan


def mean(values):
    values = list(values)
    return divide(math.fsum(values), len(values))


def matrix(W):
    return [
        [
            math.nan
            if square(W, i) == 0
            else (0.0 if i == j else dot(W, i, j) / math.sqrt(square(W, i)))
            for j in each(W)
        ]
        for i in each(W)
    ]


def superposition(W):
    return [math.fsum(x * x for x in row) for row in matrix(W)]


def cosine_squared(W, i, j):
    return dot(W, i, j) ** 2 / (square(W, i) * square(W, j))


def overlap_among(W, chosen):
    return [
        math.fsum(cosine_squared(W, i, j) for j in chosen if j != i) for i in chosen
    ]


def overlap(W):
    among = iter(overlap_among(W, living(W)))
    return [next(among) if square(W, i) > 0 else math.nan for i in each(W)]


def excess_among(W, chosen):
    bound = max(0.0, len(chosen) / len(W) - 1)
    return mean(overlap_among(W, chosen)) - bound


def total(W):
    return math.fsum(dot(W, i, j) ** 2 for i in each(W) for j in each(W) if i != j)


def moment(W, power):
    return math.fsum(square(W, i) ** power for i in each(W))


def relative(W):
    return divide(total(W), moment(W, 2))


def welch_excess(W):
    bound = divide(moment(W, 1) ** 2, len(W) * moment(W, 2)) - 1
    return relative(W) - max(0.0, bound)


def packing_excess(W):
    # Give strong features a dimension each for as long as they exceed an even share.
    s, m = sorted((square(W, i) for i in each(W)), reverse=True), len(W)
    while m > 1 and s and s[0] > sum(s) / m:
        s, m = s[1:], m - 1
    least = max(0.0, math.fsum(s) ** 2 / m - math.fsum(x * x for x in s))
    return divide(total(W) - least, moment(W, 2))


def avoidable(W):
    return divide(packing_excess(W), relative(W)) if relative(W) > 1e-12 else math.nan


def dimensionality(W):
    return [
        0.0
        if square(W, i) == 0
        else square(W, i) ** 2 / math.fsum(dot(W, i, j) ** 2 for j in each(W))
        for i in each(W)
    ]


def represented(W):
    threshold = 0.5 * min(1.0, len(W) / len(W[0]))
    return [i for i, d in enumerate(dimensionality(W)) if d > threshold * (1 + 1e-9)]


def units(W):
    return [
        divide(square(W, i) ** 2, math.fsum(row[i] ** 4 for row in W)) for i in each(W)
    ]


def above(squares):
    return sum(x > 0.5 * (1 + 1e-9) for x in squares)


REFERENCE = {
    "feature_norms": lambda W: [math.sqrt(square(W, i)) for i in each(W)],
    "mean_norm_squared": lambda W: mean(square(W, i) for i in each(W)),
    "effective_norm_squared": lambda W: divide(moment(W, 2), moment(W, 1)),
    "interference_matrix": matrix,
    "superposition": superposition,
    "mean_superposition": lambda W: mean(superposition(W)[i] for i in living(W)),
    "polysemanticity": lambda W: [math.sqrt(x) for x in superposition(W)],
    "net_interference": lambda W: [0.1 * x for x in superposition(W)],
    "total_interference": total,
    "relative_interference": relative,
    "welch_excess": welch_excess,
    "packing_excess": packing_excess,
    "avoidable_interference": avoidable,
    "overlap": overlap,
    "mean_overlap": lambda W: mean(overlap_among(W, living(W))),
    "overlap_excess": lambda W: excess_among(W, living(W)),
    "feature_dimensionality": dimensionality,
    "dimensionality_sum_per_hidden": lambda W: math.fsum(dimensionality(W)) / len(W),
    "dimensions_per_feature": lambda W: divide(len(W), moment(W, 1)),
    "explained_variance": dimensionality,
    "features_represented": lambda W: len(represented(W)),
    "features_by_corrected_norm": lambda W: above(
        square(W, i) * (1 + 1.0 / units(W)[i]) for i in living(W)
    ),
    "features_by_norm": lambda W: above(square(W, i) for i in each(W)),
    "features_by_frobenius": lambda W: moment(W, 1),
    "represented_welch_excess": lambda W: excess_among(W, represented(W)),
    "participation_ratio": units,
    "mean_participation_ratio": lambda W: divide(
        math.fsum(square(W, i) * units(W)[i] for i in living(W)), moment(W, 1)
    ),
}


def test_every_measure_has_its_loop():
    assert set(REFERENCE) == {fact.name for fact in ALL}


@pytest.mark.parametrize("fact", ALL, ids=lambda fact: fact.name)
@given(W=weights(max_hidden=3, max_features=6))
def test_the_loop_agrees(fact, W):
    expected = REFERENCE[fact.name](W.tolist())
    found = fact.function(W, **fact.arguments)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)
