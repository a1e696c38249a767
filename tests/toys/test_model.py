"""The toy model as data: its factors refuse what makes no sense; its schedules."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegum.design import complete, grid
from tegum.toys import model

GOOD = {"n_features": 5, "n_hidden": 2, "feature_probability": 0.1, "seed": 0}


def completed(**factors):
    """The completed and cross-checked row of a design of one row."""
    row = complete(grid(**(GOOD | factors)), model.FACTORS)[0]
    model.check_together(row)
    return row


def test_a_row_needs_only_sizes_sparsity_and_a_seed():
    row = completed()
    assert list(row) == [factor.name for factor in model.FACTORS]
    assert (row["noise"], row["rate"], row["weight_decay"]) == ("none", 0.0, 0.0)


def test_every_factor_says_what_it_means_and_accepts_its_own_default():
    assert len({factor.name for factor in model.FACTORS}) == len(model.FACTORS)
    row = completed()
    for factor in model.FACTORS:
        assert len(factor.meaning) > 10
        assert factor.check(row[factor.name]) == row[factor.name]


NOT_A_NUMBER = (math.nan, "0.5", True, None)
BAD = [
    *[("n_features", value, r"from 1 to") for value in (0, -1, 2.5, 10**6)],
    *[("n_hidden", value, r"from 1 to") for value in (0, -3, math.inf, 10**6)],
    *[("batch_size", value, r"from 1 to") for value in (0, -1, 0.5)],
    *[("steps", value, r"from 1 to") for value in (0, -1, 10**9)],
    *[("seed", value, r"from 0 to") for value in (-1, 0.5, 2**63)],
    *[("weight_checkpoints", value, r"from 0 to") for value in (-1, 1.5)],
    *[("rate", value, r"\[0, 1\)") for value in (1, 1.0, 1.5, -0.1, math.inf)],
    *[("feature_probability", v, r"\(0, 1\]") for v in (0, 0.0, -0.1, 1.01, math.inf)],
    *[("importance_decay", value, r"\(0, 1\]") for value in (0, -0.5, 1.1)],
    *[("noise_std", value, r"\[0, inf\)") for value in (-0.1, math.inf)],
    *[("learning_rate", value, r"\(0, inf\)") for value in (0, -1e-3, math.inf)],
    *[("momentum", value, r"\[0, 1\)") for value in (-0.1, 1.0)],
    *[("weight_decay", value, r"\[0, inf\)") for value in (-0.1, math.inf)],
    *[("hidden_l1", value, r"\[0, inf\)") for value in (-0.1, math.inf)],
    *[("noise", value, "one of none, dropout") for value in ("Dropout", "", 0, None)],
    *[("output", value, "one of relu, linear") for value in ("gelu", None)],
    *[("optimiser", value, "one of adamw, adam, sgd") for value in ("AdamW", 1)],
    *[("schedule", value, "one of constant") for value in ("step", None)],
    *[("decoder", value, "one of tied, untied") for value in ("free", True, None)],
    *[("hidden_activation", v, "one of linear, relu") for v in ("ReLU", "gelu", None)],
    *[("target", value, "one of identity, absolute") for value in ("abs", None)],
    *[("bias", value, "one of learned, none") for value in (False, 0, None)],
    *[("feature_values", v, "one of uniform, signed_uniform") for v in ("signed", 1)],
    *[("activity", v, "one of independent, correlated") for v in ("exactly-k", None)],
    *[("group_size", value, r"from 1 to") for value in (0, -2, 1.5, math.inf)],
    *[("optimiser_basis", v, "one of units, rotated") for v in ("random", None)],
    *[("initial_law", v, "one of gaussian, uniform") for v in ("normal", None)],
    *[("initial_std", value, r"\(0, inf\)") for value in (0, -0.1, math.inf, "1")],
    *[
        (name, value, "must be a")
        for name in ("n_features", "n_hidden", "steps", "batch_size", "seed")
        for value in NOT_A_NUMBER
    ],
    *[
        (name, value, "must be a number in")
        for name in (
            "rate",
            "feature_probability",
            "importance_decay",
            "noise_std",
            "learning_rate",
            "momentum",
            "weight_decay",
            "hidden_l1",
        )
        for value in NOT_A_NUMBER
    ],
]


@pytest.mark.parametrize(("name", "value", "allowed"), BAD)
def test_a_bad_value_is_named_with_its_range_and_a_remedy(name, value, allowed):
    with pytest.raises(ValueError, match=allowed) as caught:
        completed(**{name: value})
    text = str(caught.value)
    assert text.startswith("row 0: ")
    assert f"`{name}` is {value!r}" in text


@pytest.mark.parametrize("name", [f.name for f in model.FACTORS])
def test_no_bad_value_of_any_factor_is_left_untested(name):
    assert name == "importance" or any(name == bad for bad, _, _ in BAD)


BAD_IMPORTANCES = [
    ((1.0, -0.1, 1, 1, 1), "`importance` is -0.1"),
    ((1.0, math.nan, 1, 1, 1), "`importance` is nan"),
    ((1.0, math.inf, 1, 1, 1), "`importance` is inf"),
    ((0.0, 0, 0, 0, 0), "0 for every feature"),
    (0.9, "importance_decay=r"),
    ("uniform", "importance_decay=r"),
]


@pytest.mark.parametrize(("value", "text"), BAD_IMPORTANCES)
def test_bad_importances_are_refused(value, text):
    with pytest.raises(ValueError, match=text):
        completed(importance=value)


@pytest.mark.parametrize("bad", [0.0, 1.1, -0.5, math.nan])
def test_one_bad_probability_among_many_is_refused(bad):
    with pytest.raises(ValueError, match="`feature_probability` is"):
        completed(feature_probability=(0.1, 0.2, bad, 0.4, 0.5))


@pytest.mark.parametrize("name", ["importance", "feature_probability"])
@pytest.mark.parametrize("length", [1, 4, 6])
def test_a_tuple_of_the_wrong_length_is_refused(name, length):
    with pytest.raises(ValueError, match=f"{length} numbers and the model 5 features"):
        completed(**{name: (0.5,) * length})


def test_two_importances_are_refused():
    with pytest.raises(ValueError, match="leave one out"):
        completed(importance=(1,) * 5, importance_decay=0.9)


@pytest.mark.parametrize("noise", ["none", "gaussian_additive"])
def test_a_rate_that_the_noise_does_not_use_is_refused(noise):
    with pytest.raises(ValueError, match="which has no rate"):
        completed(noise=noise, rate=0.2)


@pytest.mark.parametrize("noise", [n for n in model.NOISES if n != "gaussian_additive"])
def test_a_deviation_that_the_noise_does_not_use_is_refused(noise):
    with pytest.raises(ValueError, match="noise='gaussian_additive', or `rate`"):
        completed(noise=noise, noise_std=0.2)


@pytest.mark.parametrize("activity", ["independent", "exactly_k"])
def test_a_group_size_without_groups_is_refused(activity):
    with pytest.raises(ValueError, match="has no groups; use activity='correlated'"):
        completed(activity=activity, group_size=5, feature_probability=0.2)


@pytest.mark.parametrize("activity", ["correlated", "anticorrelated"])
class TestGroups:
    def test_a_group_of_one_is_refused(self, activity):
        with pytest.raises(ValueError, match="size of 2 or more that divides 5"):
            completed(activity=activity)

    @pytest.mark.parametrize("size", [2, 3, 6])
    def test_groups_that_do_not_fit_are_refused(self, activity, size):
        with pytest.raises(ValueError, match=f"{size}, which does not divide 5 feat"):
            completed(activity=activity, group_size=size)

    def test_a_probability_for_each_feature_is_refused(self, activity):
        with pytest.raises(ValueError, match="one number that holds for all"):
            completed(activity=activity, group_size=5, feature_probability=(0.1,) * 5)

    def test_groups_that_fit_are_a_row(self, activity):
        assert completed(activity=activity, group_size=5)["group_size"] == 5


def test_more_of_a_group_than_one_at_a_time_is_refused():
    completed(activity="anticorrelated", group_size=5, feature_probability=0.2)
    with pytest.raises(
        ValueError, match=r"is 0\.21 .* with more than 0\.2; use a lower"
    ):
        completed(activity="anticorrelated", group_size=5, feature_probability=0.21)
    # A third of three is 1 up to rounding.
    completed(
        n_features=3,
        activity="anticorrelated",
        group_size=3,
        feature_probability=1 / 3,
    )


@pytest.mark.parametrize(
    ("n", "q", "nearest"),
    [(5, 0.1, "0.2"), (5, 0.5, "0.4"), (7, 0.3, "0.2857"), (7, 0.9, "0.857")],
)
def test_a_share_of_a_feature_is_refused_and_the_nearest_is_named(n, q, nearest):
    row = {"n_features": n, "activity": "exactly_k"}
    with pytest.raises(ValueError, match=f"probability allowed is {nearest}") as caught:
        completed(**row, feature_probability=q)
    named = float(str(caught.value).split("allowed is ")[1].split(",")[0])
    k = model.active_features(completed(**row, feature_probability=named))
    assert k == max(1, round(n * q))


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 5), (7, 3), (49, 29), (1000, 1)])
def test_whole_numbers_of_active_features_survive_rounding(n, k):
    row = completed(n_features=n, activity="exactly_k", feature_probability=k / n)
    assert model.active_features(row) == k


def test_an_absolute_target_of_values_that_are_never_negative_is_refused():
    with pytest.raises(ValueError, match="use feature_values='signed_uniform'"):
        completed(target="absolute")
    completed(target="absolute", feature_values="signed_uniform")


def test_sgd_in_a_rotated_basis_is_refused_because_it_is_the_same():
    with pytest.raises(ValueError, match="the same in every basis; use optimiser="):
        completed(optimiser="sgd", optimiser_basis="rotated")
    for optimiser in ("adam", "adamw"):
        completed(optimiser=optimiser, optimiser_basis="rotated")


def test_dropout_at_rate_zero_is_a_treatment_of_its_own():
    assert completed(noise="dropout", rate=0)["noise"] == "dropout"


def test_a_missing_and_an_unknown_factor_are_named():
    without = {name: value for name, value in GOOD.items() if name != "n_hidden"}
    with pytest.raises(ValueError, match=r"`n_hidden` .* is missing"):
        complete(grid(**without), model.FACTORS)
    with pytest.raises(ValueError, match=r"did you mean .*rate"):
        complete(grid(**GOOD, dropout_rate=0.1), model.FACTORS)


def test_whole_floats_become_integers_and_integers_floats():
    row = completed(n_features=5.0, steps=100.0, rate=0)
    assert isinstance(row["n_features"], int)
    assert isinstance(row["steps"], int)
    assert isinstance(row["rate"], float)


def test_importances():
    assert model.importances(completed()).tolist() == [1.0] * 5
    assert model.importances(completed(importance_decay=0.5)).tolist() == [
        1.0,
        0.5,
        0.25,
        0.125,
        0.0625,
    ]
    assert model.importances(completed(importance=(1, 0, 2, 3, 4))).tolist() == [
        1.0,
        0.0,
        2.0,
        3.0,
        4.0,
    ]


def test_probabilities_are_one_for_each_feature():
    assert model.probabilities(completed()).tolist() == [0.1] * 5
    each = (0.1, 0.2, 0.3, 0.4, 1.0)
    assert model.probabilities(completed(feature_probability=each)).tolist() == list(
        each
    )


def test_matched_variance():
    # Inverted dropout at p: factor 0 or 1/(1-p), so E = 1, E[f^2] = 1/(1-p),
    # variance p/(1-p): 0 at 0, 1 at one half, 3 at three quarters.
    assert [model.noise_variance(p) for p in (0.0, 0.5, 0.75)] == [0.0, 1.0, 3.0]


@pytest.mark.parametrize(("n", "m"), [(5, 2), (20, 5), (3, 40)])
def test_initial_weights_have_the_models_own_variance(n, m):
    weights = np.array(
        [
            model.initial_weights(completed(n_features=n, n_hidden=m, seed=seed))
            for seed in range(400)
        ]
    )
    assert weights.shape == (400, m, n)
    assert weights.dtype == np.float32
    variance = weights.var(dtype=np.float64)
    # The variance of N normal numbers has a relative standard error sqrt(2 / N).
    assert variance == pytest.approx(2 / (n + m), rel=4.5 * math.sqrt(2 / weights.size))
    fourth = (weights.astype(np.float64) ** 4).mean() / variance**2
    assert fourth == pytest.approx(3.0, abs=4.5 * math.sqrt(96 / weights.size))


def test_initial_weights_follow_from_seed_and_sizes_alone():
    plain = model.initial_weights(completed())
    other = model.initial_weights(
        completed(noise="dropout", rate=0.5, optimiser="sgd", feature_probability=1.0)
    )
    assert (plain == other).all()
    assert (plain != model.initial_weights(completed(seed=1))).all()


@pytest.mark.parametrize("std", [None, 0.03, 2.0])
def test_uniform_initial_weights_have_the_stated_deviation(std):
    rows = [
        completed(initial_law="uniform", initial_std=std, seed=seed)
        for seed in range(400)
    ]
    weights = np.array([model.initial_weights(row) for row in rows], dtype=np.float64)
    deviation = math.sqrt(2 / 7) if std is None else std
    assert np.abs(weights).max() <= deviation * math.sqrt(3) * (1 + 1e-6)
    standard = weights.ravel() / deviation
    # Kolmogorov's distance of N uniform numbers exceeds 1.95 / sqrt N once in 1000.
    place = (np.sort(standard) / math.sqrt(3) + 1) / 2
    gap = np.abs(place - np.linspace(0, 1, place.size)).max()
    assert gap < 1.95 / math.sqrt(place.size)


def test_a_stated_deviation_scales_the_same_gaussian_weights():
    plain, stated = (
        model.initial_weights(completed(initial_std=std)).astype(np.float64)
        for std in (None, 0.01)
    )
    np.testing.assert_allclose(stated / 0.01, plain / math.sqrt(2 / 7), rtol=1e-6)


def test_an_untied_decoder_starts_elsewhere_by_the_same_law():
    rows = [completed(decoder="untied", seed=seed) for seed in range(400)]
    W = np.array([model.initial_weights(row) for row in rows], dtype=np.float64)
    D = np.array([model.initial_decoder(row) for row in rows], dtype=np.float64)
    assert D.shape == W.shape
    assert D.var() == pytest.approx(2 / 7, rel=4.5 * math.sqrt(2 / D.size))
    assert abs(np.corrcoef(W.ravel(), D.ravel())[0, 1]) < 4.5 / math.sqrt(D.size)


@pytest.mark.parametrize("m", [1, 2, 5, 40])
def test_the_optimisers_rotation_is_orthogonal(m):
    Q = model.optimiser_rotation(completed(n_hidden=m)).astype(np.float64)
    np.testing.assert_allclose(Q @ Q.T, np.eye(m), atol=1e-6)
    other = model.optimiser_rotation(completed(n_hidden=m, seed=3))
    assert m == 1 or (other != Q).any()


def test_the_optimisers_rotation_is_uniform():
    # First column of a Haar matrix in 3 dimensions: each coordinate is uniform on
    # [-1, 1] (Archimedes), and so is one of the last, which depends on all before.
    rows = [completed(n_hidden=3, seed=seed) for seed in range(500)]
    Q = np.array([model.optimiser_rotation(row) for row in rows], dtype=np.float64)
    for entry in (Q[:, 0, 0], Q[:, 2, 2], Q[:, 1, 2]):
        place = (np.sort(entry) + 1) / 2
        gap = np.abs(place - np.linspace(0, 1, place.size)).max()
        assert gap < 1.95 / math.sqrt(place.size)
    signs = np.linalg.det(Q)
    assert abs(signs.mean()) < 4 / math.sqrt(len(rows))


def test_learning_rates():
    def rates(schedule):
        row = completed(steps=4, learning_rate=2.0, schedule=schedule)
        return model.learning_rates(row).tolist()

    assert rates("constant") == [2.0, 2.0, 2.0, 2.0]
    assert rates("linear") == [2.0, 1.5, 1.0, 0.5]
    # (1 + cos(pi t / 4)) for t = 0..3.
    half = math.sqrt(0.5)
    assert rates("cosine") == pytest.approx([2.0, 1 + half, 1.0, 1 - half])


@given(st.integers(1, 100_000))
def test_the_clean_loss_is_recorded_at_the_start_the_end_and_a_tenth_before(steps):
    points = model.loss_steps(steps)
    assert points[0] == 0
    assert points[-1] == steps
    assert round(0.9 * steps) in points
    assert (np.diff(points) > 0).all()
    assert points.size <= 23


@given(st.integers(1, 10_000), st.integers(1, 200))
def test_checkpoints_end_with_the_last_step(steps, count):
    points = model.checkpoint_steps(steps, count)
    assert points[-1] == steps
    assert points.size <= count
    assert (np.diff(points) > 0).all()
    assert points[0] >= 1
    if count <= steps:
        assert points.size == count


def test_no_checkpoint_unless_asked():
    assert model.checkpoint_steps(100, 0).size == 0
