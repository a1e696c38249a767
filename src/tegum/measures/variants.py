"""What a row's model variant means for measures that are closed forms in W."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.design import Row
from tegum.measures.interference import checked_probability

LAWS = ("independent", "correlated", "anticorrelated", "exactly_k")


def require_linear_hidden(row: Row, *, measure: str) -> None:
    """Refuse a row whose hidden layer is not `h = W x`.

    Raises:
        ValueError: another `hidden_activation` than 'linear'.
    """
    activation = row.get("hidden_activation", "linear")
    if activation != "linear":
        raise ValueError(
            f"`hidden_activation` is {activation!r}, and `{measure}` is a formula for "
            "h = W x; it must be 'linear' here; measure the activations instead"
        )


def require_tied(row: Row, *, measure: str) -> None:
    """Refuse a row whose read-out has weights of its own.

    Raises:
        ValueError: another `decoder` than 'tied'.
    """
    decoder = row.get("decoder", "tied")
    if decoder != "tied":
        raise ValueError(
            f"`decoder` is {decoder!r}, and `{measure}` is a formula for a read-out by "
            "W itself; it must be 'tied' here"
        )


def is_plain_law(row: Row) -> bool:
    """Whether inputs are independent of each other and never negative."""
    independent = row.get("activity", "independent") == "independent"
    return independent and row.get("feature_values", "uniform") == "uniform"


def covariance_of(row: Row) -> Float[ndarray, "feature feature"]:
    """The covariance of a row's inputs, `input_covariance` of its columns."""
    return input_covariance(
        row["feature_probability"],
        n_features=row["n_features"],
        feature_values=row.get("feature_values", "uniform"),
        activity=row.get("activity", "independent"),
        group_size=row.get("group_size", 1),
    )


def input_covariance(
    feature_probability: float | tuple[float, ...],
    *,
    n_features: int,
    feature_values: str = "uniform",
    activity: str = "independent",
    group_size: int = 1,
) -> Float[ndarray, "feature feature"]:
    """How inputs vary together: the covariance of every two features.

        Var x_i = q_i / 3 - (c q_i)^2,   Cov(x_i, x_j) = c^2 (P_ij - q_i q_j),

    c the mean of an active value, 1/2 on [0, 1) and 0 on [-1, 1), and P_ij the
    probability that both are active: `q_i q_j` of independent features, q within a
    correlated group, 0 within an anticorrelated one, and `q (k - 1) / (n - 1)` where
    exactly k = q n features are. Squared units of the inputs. Signed inputs are
    uncorrelated under every law of activity, though not independent.

    Raises:
        ValueError: a probability outside (0, 1], the wrong number of them, or a law
            that is none.

    Source: moments of a product of an activity and an independent value.

    >>> pair = {"n_features": 2, "activity": "anticorrelated", "group_size": 2}
    >>> float(input_covariance(0.5, **pair)[0, 1])
    -0.0625
    """
    if activity not in LAWS:
        raise ValueError(
            f"`activity` is {activity!r}; it must be one of {', '.join(LAWS)}"
        )
    q = np.broadcast_to(
        checked_probability(feature_probability, n_features), n_features
    )
    centre = 0.0 if feature_values == "signed_uniform" else 0.5
    both = np.outer(q, q)
    group = np.arange(n_features) // group_size
    together = group[:, None] == group
    if activity == "correlated":
        both = np.where(together, q, both)
    elif activity == "anticorrelated":
        both = np.where(together, 0.0, both)
    elif activity == "exactly_k":
        both = np.full_like(both, q[0] * (n_features * q[0] - 1)) / max(
            1, n_features - 1
        )
    covariance = centre**2 * (both - np.outer(q, q))
    np.fill_diagonal(covariance, q / 3 - (centre * q) ** 2)
    return covariance
