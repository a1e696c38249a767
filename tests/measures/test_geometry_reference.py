"""Plain loops over features, written from the formulas, against the fast functions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.arrangements import weights
from tegum.measures import interference
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


def exact_least_interference(norms_squared, n_hidden):
    """`t_k^2 / (m - k) - sum_{i > k} s_i^2` in fractions, which lose no digit."""
    s = sorted((Fraction(float(x)) for x in norms_squared), reverse=True)
    s += [Fraction(0)] * max(0, n_hidden - len(s))
    for k in range(n_hidden):
        left, dimensions = sum(s[k:]), n_hidden - k
        if s[k] <= left / dimensions or dimensions == 1:
            return left**2 / dimensions - sum(x**2 for x in s[k:])
    raise AssertionError("the last dimension always takes what is left")


@given(
    exponents=st.lists(st.floats(-8.0, 8.0), min_size=2, max_size=10),
    n_hidden=st.integers(1, 8),
)
def test_the_least_interference_loses_no_digits(exponents, n_hidden):
    s = np.exp(np.array(exponents))
    W = np.zeros((n_hidden, len(s)))
    W[0] = np.sqrt(s)  # all on one line, so that the total is known too
    s = W[0] ** 2
    total = sum(Fraction(float(x)) for x in s) ** 2 - sum(
        Fraction(float(x)) ** 2 for x in s
    )
    least = exact_least_interference(s, n_hidden)
    expected = float((total - least) / total)
    assert interference.avoidable_interference(W) == pytest.approx(
        expected, rel=1e-12, abs=1e-14
    )


@pytest.mark.parametrize("scale", [1.0, 3.7, 0.1, 1e3])
def test_a_faint_feature_on_a_strong_one_could_hardly_lie_better(scale):
    # s = (1/4, 1/4, e) with e = 1e-6 in two dimensions: T = e/2 and
    # T_least = (1/2 + e)^2 / 2 - 1/8 - e^2 = e/2 - e^2/2, so that the share is e.
    W = scale * np.array([[0.001, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.0]])
    assert interference.avoidable_interference(W) == pytest.approx(1e-6, rel=1e-9)
