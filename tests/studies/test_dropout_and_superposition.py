"""The first study: its controls for the exception, what it answers, its picture."""

import doctest

import numpy as np
import pytest

from studies import invented
from tegum.arrays import Artifact
from tegum.studies import _mean_share
from tegum.studies import dropout_and_superposition as asked
from tegum.studies._mean_share import MEAN_SHARE, mean_share
from tegum.toys import ToyModels, engine
from tegum.toys.inputs import sample_inputs

STUDY = asked.STUDY
EXCEPTION = (
    "exception",
    "exception-is-the-mean",
    "exception-adds-no-feature",
)


def test_a_demo_trains_about_a_thousand_models_within_a_minute_on_two_cores():
    rows = STUDY.completed("demo").rows
    assert 1000 <= len(rows) < 1100
    assert sum(engine.core_seconds(row) for row in rows) < 60.0


def test_its_seeds_are_its_own():
    for design in STUDY.designs:
        seeds = STUDY.completed(design).levels("seed")
        assert min(seeds) == asked.FIRST_SEED
        assert max(seeds) < asked.FIRST_SEED + 100


def test_the_planned_seeds_can_decide():
    for design in STUDY.designs:
        parts = sum(len(claim.parts) for claim in STUDY.claims_of(design))
        error = 0.8 * STUDY.alpha_of(design) / parts
        for name, seeds in STUDY.planned_seeds(design).items():
            assert 2.0 * 0.5**seeds < error, name


def test_controls_differ_from_the_exception_in_one_thing_each():
    claim = next(c for c in STUDY.claims if c.name == "exception-is-the-mean")
    cells = [dict(part.estimand.where) for part in claim.parts]
    usual = next(c for c in STUDY.claims if c.name == "exception").parts[0]
    assert cells[2] == dict(usual.estimand.where)
    assert cells[0] == cells[2] | {"output": ("linear",)}
    assert cells[1] == cells[0] | {"feature_values": ("signed_uniform",)}


@pytest.mark.parametrize("word", ["supported", "refuted", "undecided"])
@pytest.mark.parametrize("design", ["demo", "default"])
def test_the_answer_is_a_sentence_for_every_word(word, design):
    said = STUDY.answer(invented.verdicts(STUDY, word, design=design))
    assert said.endswith(".")
    assert said[0].isupper()
    assert ".." not in said
    assert ("Beware" in said) == (word == "refuted")


def test_the_exception_is_called_superposition_by_no_verdict_on_the_mean():
    """What is said of why depends on its own verdict, not on that of the exception."""

    def said(words):
        found = invented.verdicts(STUDY, "supported")
        for name, word in zip(EXCEPTION, words, strict=True):
            other = invented.verdicts(STUDY, word)
            found = tuple(
                next(o for o in other if o.claim.name == name)
                if verdict.claim.name == name
                else verdict
                for verdict in found
            )
        return STUDY.answer(found)

    assert "no superposition" in said(("supported", "supported", "supported"))
    assert "do not explain it" in said(("supported", "refuted", "supported"))
    assert "undecided" in said(("supported", "undecided", "supported"))
    assert "feature is added" not in said(("supported", "supported", "refuted"))
    for word in ("refuted", "undecided"):
        assert "mean" not in said((word, "supported", "supported"))


@pytest.mark.parametrize("design", ["demo", "default", "full"])
def test_the_picture_keeps_to_its_own_models_in_every_design(design):
    small = STUDY.picture(invented.results(STUDY), ())
    drawn = STUDY.picture(invented.results(STUDY, design=design), ())
    assert [t.name for t in drawn.data] == [t.name for t in small.data]
    for trace in drawn.data:
        assert len(trace.x) == len(trace.y)


def row(**factors):
    usual = {"n_features": 4, "n_hidden": 2, "feature_probability": 0.5, "seed": 0}
    return ToyModels().complete([usual | factors])[0]


def share(W, **factors):
    return MEAN_SHARE(Artifact({"W": np.asarray(W, np.float32)}), row(**factors))[
        "mean_share"
    ]


def test_the_share_of_the_mean_by_hand():
    """One dense feature a unit: (1/2)^2 of E x^2 = 1/3. Two opposed: nothing."""
    axes = np.eye(2, 4)
    assert share(axes, feature_probability=1.0) == pytest.approx(0.75)
    opposed = [[1, -1, 0, 0], [0, 0, 1, -1]]
    assert share(opposed) == pytest.approx(0.0, abs=1e-12)


def test_the_share_of_the_mean_is_that_of_sampled_inputs():
    W = np.random.default_rng(0).normal(size=(2, 4))
    for factors in ({}, {"activity": "correlated", "group_size": 2}):
        at = row(**factors)
        h = sample_inputs(at, np.random.default_rng(2), count=40_000) @ W.T
        counted = (h.mean(axis=0) ** 2).sum() / (h**2).mean(axis=0).sum()
        assert share(W, **factors) == pytest.approx(counted, abs=0.01)


def test_the_share_of_the_mean_ignores_scale_and_rotation_and_is_silent_at_mean_zero():
    W = np.random.default_rng(1).normal(size=(2, 4))
    turned = 1e-30 * np.array([[0.6, -0.8], [0.8, 0.6]]) @ W
    assert share(turned) == pytest.approx(share(W), rel=1e-5)
    assert share(W) > 0.01
    assert share(W, feature_values="signed_uniform") == 0.0


def test_the_share_of_the_mean_is_undefined_without_weights():
    assert np.isnan(share(np.zeros((2, 4))))
    assert np.isnan(share(np.full((2, 4), np.nan)))
    with pytest.raises(ValueError, match="hidden_activation"):
        share(np.eye(2, 4), hidden_activation="relu")


def test_its_examples():
    assert doctest.testmod(_mean_share).failed == 0
    assert mean_share(
        np.eye(1), mean=np.array([0.5]), covariance=np.eye(1) / 12
    ) == pytest.approx(0.75)
