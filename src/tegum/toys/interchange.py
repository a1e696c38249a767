"""Weights from elsewhere in, PyTorch modules out."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import Artifact
from tegum.design import (
    REQUIRED,
    Design,
    Factor,
    Row,
    check_rows,
    complete,
    holds_levels,
)
from tegum.toys import model
from tegum.toys.torch_module import HOOK_NAMES, module_class

if TYPE_CHECKING:
    from torch import nn

Orientation = Literal["hidden_feature", "feature_hidden"]
ORIENTATIONS = ("hidden_feature", "feature_hidden")

# What says how a model came about, not what it is: unknown unless it is stated.
HISTORY = (
    "optimiser",
    "optimiser_basis",
    "initial_law",
    "initial_std",
    "learning_rate",
    "schedule",
    "momentum",
    "weight_decay",
    "hidden_l1",
    "batch_size",
    "steps",
)


OF_THE_MODULE = (
    "decoder",
    "hidden_activation",
    "output",
    "bias",
    "noise",
    "rate",
    "noise_std",
)
"""What the forward pass of a module depends on."""


@dataclass(frozen=True, eq=False)
class ImportedWeights:
    """Models trained elsewhere, as a subject; make one with `from_weights`.

    `design` has a row for each model; give it to a `Study` beside the subject itself.
    Nothing is trained. The digest of all arrays is part of every key, so that other
    weights are other rows, whatever is said of them.
    """

    design: Design
    artifacts: Sequence[Artifact]
    name: str = "weights"
    law: int = 1
    made_elsewhere: bool = True

    @property
    def factors(self) -> Sequence[Factor]:
        """The columns it understands: those of the toy model."""
        return _FACTORS

    @functools.cached_property
    def input_digests(self) -> Mapping[str, str]:
        """SHA-256 over the type, shape and bytes of every array, W, b and W_decoder."""
        digest = hashlib.sha256()
        for artifact in self.artifacts:
            for name in ("W", "b", "W_decoder"):
                if name not in artifact.arrays:
                    continue
                array = np.ascontiguousarray(artifact.arrays[name])
                plain = array.astype(array.dtype.newbyteorder("<"), copy=False)
                digest.update(f"{name} {plain.dtype.str} {plain.shape}\0".encode())
                digest.update(plain.tobytes())
        return {"weights": digest.hexdigest()}

    @functools.cached_property
    def _by_row(self) -> Mapping[Any, Artifact]:
        rows = complete(self.design, _FACTORS)
        return {
            _identity(row): artifact
            for row, artifact in zip(rows, self.artifacts, strict=True)
        }

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
        """Every row with every factor, checked.

        Raises:
            ValueError: a value out of range, or a row that no weights were brought in
                for: a further seed can not be had from here.
        """
        rows = complete(design, _FACTORS)

        def check(row: Row) -> None:
            model.check_together(row)
            self._artifact(row)

        check_rows(rows, check)
        return rows

    def _artifact(self, row: Row) -> Artifact:
        artifact = self._by_row.get(_identity(row))
        if artifact is None:
            raise ValueError(
                f"no weights were brought in for {dict(row)}; use rows of `design`, "
                "and for more seeds train more models and bring them in"
            )
        return artifact

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> list[Artifact | None]:
        """The weights of every row; there is nothing to train."""
        artifacts: list[Artifact | None] = [self._artifact(row) for row in rows]
        progress(1.0)
        return artifacts

    def core_seconds(self, row: Row) -> float:
        """Next to nothing: the weights are there."""
        return 1e-4

    def memory_bytes(self, row: Row) -> int:
        """What the row's arrays take."""
        return sum(array.nbytes for array in self._artifact(row).arrays.values())


def _identity(row: Row) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(row.items()))


def from_weights(
    W: Any,
    b: Any = None,
    *,
    orientation: Orientation,
    feature_probability: Any,
    W_decoder: Any = None,
    seed: int | Sequence[int] | None = None,
    **factors: Any,
) -> ImportedWeights:
    """Bring in toy models trained elsewhere, to be measured, judged and shown.

    `W` is one model (two axes) or a stack (a leading model axis), NumPy or PyTorch, and
    `orientation` says what its last two axes are; it is never guessed. `b` is the
    read-out's bias, (feature) or (model, feature), 0 if left out. A factor given as a
    list has one value for each model; anything else holds for all, and a tuple is one
    value: a number for each feature. Seeds count from 0 unless they are given.
    `W_decoder`, of the shape of W, makes the models untied.

    State what the models were trained on: measures read `feature_probability` and the
    importances, claims compare whatever factors differ. How they were trained is
    unknown (None) unless it is stated.

    >>> brought = from_weights(
    ...     np.eye(2, 3), orientation="hidden_feature", feature_probability=0.1
    ... )
    >>> brought.design.rows[0]["n_features"]
    3

    Give a study both: `Study(..., subject=brought, designs={"full": brought.design})`.

    Raises:
        ValueError: an orientation that is none, axes that do not fit, a weight that is
            not finite, a list of the wrong length, a factor out of range, or one that
            the weights contradict.
    """
    weights = _oriented(_numbers(W, name="W"), orientation=orientation)
    count, n_hidden, n_features = weights.shape
    biases = _biases(b, weights=weights, orientation=orientation)
    decoders = _decoders(W_decoder, weights=weights, orientation=orientation)
    factors.setdefault("decoder", "tied" if decoders is None else "untied")
    for name, stated in (("n_hidden", n_hidden), ("n_features", n_features)):
        if factors.setdefault(name, stated) != stated:
            raise ValueError(
                f"`{name}` is {factors[name]!r} and the weights have {stated}; leave "
                f"it out, or is `orientation={orientation!r}` the other way round?"
            )
    factors["feature_probability"] = feature_probability
    factors["seed"] = list(range(count)) if seed is None else seed
    columns = {
        name: _one_for_each(name, value, count=count) for name, value in factors.items()
    }
    rows = [{name: v[i] for name, v in columns.items()} for i in range(count)]
    arrays = {"W": weights, "b": biases}
    if decoders is not None:
        arrays["W_decoder"] = decoders
    artifacts = [
        Artifact({name: stack[i] for name, stack in arrays.items()})
        for i in range(count)
    ]
    for row, artifact in zip(rows, artifacts, strict=True):
        _check_weights(row, artifact)
    brought = ImportedWeights(Design.from_rows(rows), artifacts)
    brought.complete(brought.design)
    return brought


def _numbers(value: Any, *, name: str) -> Float[ndarray, ...]:
    """A fresh float array from what NumPy or PyTorch hand over."""
    if hasattr(value, "detach"):  # a PyTorch tensor or parameter
        tensor = value.detach().cpu()
        low = "bfloat16" in str(tensor.dtype)  # a type that NumPy does not have
        value = (tensor.float() if low else tensor).numpy()
    array = np.array(value)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.dtype.kind != "f" or array.size == 0:
        raise ValueError(
            f"`{name}` has the type {array.dtype} and the shape {array.shape}; it must "
            "be an array of real numbers that is not empty"
        )
    if not np.isfinite(array).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(
            f"`{name}` is {array[at]} at {at}; every weight must be finite: leave out "
            "models that diverged, and say how many there were"
        )
    return array


def _oriented(
    array: Float[ndarray, ...], *, orientation: str
) -> Float[ndarray, "model hidden feature"]:
    if orientation not in ORIENTATIONS:
        raise ValueError(
            f"`orientation` is {orientation!r}; it must be one of "
            f"{', '.join(ORIENTATIONS)}: what the last two axes of `W` are"
        )
    if array.ndim not in (2, 3):
        raise ValueError(
            f"`W` has the shape {array.shape}; it must have two axes for one model, or "
            "a model axis before them"
        )
    stack = array if array.ndim == 3 else array[np.newaxis]
    if orientation == "feature_hidden":
        stack = stack.swapaxes(1, 2)
    return np.ascontiguousarray(stack)


def _biases(
    b: Any, *, weights: Float[ndarray, "model hidden feature"], orientation: str
) -> Float[ndarray, "model feature"]:
    count, n_hidden, n_features = weights.shape
    if b is None:
        return np.zeros((count, n_features), dtype=weights.dtype)
    biases = _numbers(b, name="b")
    if biases.shape not in ((n_features,), (count, n_features)):
        swapped = biases.ndim and biases.shape[-1] == n_hidden != n_features
        hint = (
            f"; is `orientation={orientation!r}` the other way round?"
            if swapped
            else f", or {(count, n_features)} for a bias of each model"
        )
        raise ValueError(
            f"`b` has the shape {biases.shape}; for {count} models with {n_features} "
            f"features it must be {(n_features,)}{hint}"
        )
    return np.ascontiguousarray(np.broadcast_to(biases, (count, n_features)))


def _decoders(
    W_decoder: Any,
    *,
    weights: Float[ndarray, "model hidden feature"],
    orientation: str,
) -> Float[ndarray, "model hidden feature"] | None:
    if W_decoder is None:
        return None
    decoders = _oriented(_numbers(W_decoder, name="W_decoder"), orientation=orientation)
    if decoders.shape != weights.shape:
        raise ValueError(
            f"`W_decoder` has the shape {decoders.shape} and `W` {weights.shape}, both "
            "as (model, hidden, feature); give it the axes of `W`"
        )
    return decoders


def _check_weights(row: Row, artifact: Artifact) -> None:
    """Refuse factors that say something else than the weights."""
    given = "W_decoder" in artifact.arrays
    if (row["decoder"] == "untied") != given:
        raise ValueError(
            f"`decoder` is {row['decoder']!r} and `W_decoder` is "
            f"{'given' if given else 'not given'}; an untied model has one and a tied "
            "model has none"
        )
    if row.get("bias") == "none" and artifact.arrays["b"].any():
        raise ValueError(
            "`bias` is 'none' and `b` is not 0; leave one of them out: without a bias "
            "every b is 0"
        )


def _one_for_each(name: str, value: Any, *, count: int) -> list[Any]:
    values = list(value) if holds_levels(value) else [value] * count
    if len(values) != count:
        raise ValueError(
            f"`{name}` has {len(values)} values for {count} models; give one for each, "
            "or a single one for all (a tuple is one value)"
        )
    return values


def _unknown_or(factor: Factor) -> Factor:
    """The same factor, None where nobody said."""

    def check(value: Any) -> Any:
        return None if value is None else factor.check(value)

    return Factor(factor.name, f"{factor.meaning}; None if unknown", check, None)


_FACTORS: tuple[Factor, ...] = tuple(
    _unknown_or(factor) if factor.name in HISTORY else factor
    for factor in model.FACTORS
    if factor.name != "weight_checkpoints"
)


def to_torch(
    weights: Artifact | Any,
    b: Any = None,
    *,
    row: Mapping[str, Any],
    W_decoder: Any = None,
) -> nn.Module:
    """One toy model, or a stack of them, as a PyTorch module with named hook points.

    `weights` is an artifact, or `W` with its last axes (hidden, feature), `b`, and the
    `W_decoder` of an untied model. `row` says what the model does with them: `decoder`,
    `hidden_activation`, `output`, `bias`, `noise`, `rate`, `noise_std`, at the factors'
    defaults where it is silent.

    The module maps inputs (..., example, feature) to outputs of the same shape, has the
    parameters `W`, `b` and, if it is untied, `W_decoder`, and passes every layer
    through a hook point named as in TransformerLens: `hook_input`, `hook_hidden` (h),
    `hook_hidden_noised`, `hook_pre` (W_decoder^T h + b) and `hook_output`.
    `run_with_cache(x)` returns the output and a dictionary from hook name to
    activation, detached; in `run_with_hooks(x, fwd_hooks=[(name, f)])` what
    `f(activation, hook=point)` returns replaces the activation, unless it is None.

    It comes in evaluation mode, which has no noise; `.train()` switches it on, drawn
    from PyTorch's global generator.

    Raises:
        ValueError: weights whose shapes do not fit or that are not finite, a factor out
            of range, or one that the weights contradict.
        ModuleNotFoundError: PyTorch is not installed; `pip install tegum[torch]`.
    """
    if isinstance(weights, Artifact):
        for name, value in (("b", b), ("W_decoder", W_decoder)):
            if value is not None:
                raise ValueError(
                    f"an artifact has its own `{name}`; leave `{name}` out"
                )
        arrays = weights.arrays
        weights, b, W_decoder = arrays["W"], arrays["b"], arrays.get("W_decoder")
    W = _numbers(weights, name="W")
    stack = _oriented(W, orientation="hidden_feature")
    biases = _biases(b, weights=stack, orientation="hidden_feature")
    biases = biases.astype(W.dtype, copy=False)
    settings = {
        factor.name: factor.check(row.get(factor.name, factor.default))
        for factor in model.FACTORS
        if factor.name in OF_THE_MODULE and factor.default is not REQUIRED
    }
    decoders = _decoders(W_decoder, weights=stack, orientation="hidden_feature")
    parts = {"W": stack, "b": biases}
    if decoders is not None:
        parts["W_decoder"] = decoders.astype(W.dtype, copy=False)
    _check_weights(settings, Artifact(parts))
    whole = {k: v if W.ndim == 3 else v[0] for k, v in parts.items()}
    return module_class()(settings=settings, **whole)


__all__ = ["HOOK_NAMES", "ImportedWeights", "from_weights", "to_torch"]
