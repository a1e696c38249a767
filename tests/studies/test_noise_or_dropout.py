import numpy as np
import pytest

from tegum.studies import noise_or_dropout as asked
from tegum.toys import engine
from tegum.toys.subject import ToyModels


def trained(**factors):
    design = asked.models(
        **{
            "feature_probability": 0.3,
            "importance_decay": 1.0,
            "rate": 0.5,
            "steps": 200,
            "seeds": 1,
            **factors,
        }
    )
    rows = ToyModels().complete(design)
    found = engine.train(rows, workers=1, progress=lambda _: None, stop=lambda: False)
    return [artifact.arrays["W"] for artifact in found]


def test_at_rate_0_the_three_noises_are_one_model():
    """The control of every contrast along the rate: no noise is no noise."""
    weights = trained(noise=asked.NOISES, rate=0.0)
    for other in weights[1:]:
        np.testing.assert_array_equal(other, weights[0])


def test_at_rate_one_half_they_are_three():
    weights = trained(noise=asked.NOISES)
    assert not np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize("number", ["total_interference", "avoidable_interference"])
def test_both_gaussian_noises_are_held_against_dropout_at_one_rate(number):
    for noise in (asked.TIMES, asked.PLUS):
        estimand = asked.ratio_to_dropout(number, noise, asked.UNIFORM_07)
        assert estimand.factor == "noise"
        assert estimand.control == "dropout"
        assert estimand.where["rate"] == (asked.RATE,)


def test_interference_packing_and_alignment_are_claims_of_their_own():
    numbers = {
        claim.name: {part.estimand.number for part in claim.parts}
        for claim in asked.CLAIMS
        if claim.name not in ("not-adams-doing", "longer-training")
        and "wide" not in claim.name
    }
    assert all(len(found) == 1 for found in numbers.values())
    assert set().union(*numbers.values()) == {
        "total_interference",
        "avoidable_interference",
        "unit_alignment_gap",
    }
