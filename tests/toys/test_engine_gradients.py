"""The engine's gradients against the definition, on the engine's own minibatches."""

import numpy as np
import pytest
from engine_rows import row_of
from variants import COMBINATIONS, VARIANTS

from tegum.arrays import stream
from tegum.toys import engine, reference
from tegum.toys.reference import Parameters

LIMIT = 5e-6
# Sizes that fill no register tile, one of each, and sizes above every tile.
SIZES = ((1, 1), (2, 1), (1, 3), (5, 2), (7, 3), (20, 5), (33, 17), (17, 34), (131, 6))
NOISES = {
    "none": {},
    "dropout": {"rate": 0.3},
    "gaussian_multiplicative": {"rate": 0.3},
    "gaussian_additive": {"noise_std": 0.2},
    "gaussian_additive_matched": {"rate": 0.3},
}
EVERY_KERNEL = ("dense", "compact", "gram")
NOISES_OF = {
    "dense": tuple(NOISES),
    "compact": ("none", "dropout", "gaussian_multiplicative"),
    "gram": ("none",),
}


def weights_of(row, *, scale=0.5):
    n, m = row["n_features"], row["n_hidden"]
    draw = stream(row["seed"], f"weights {n} {m}")
    W = (scale * draw.standard_normal((m, n))).astype(np.float32)
    b = (scale * draw.standard_normal(n)).astype(np.float32)
    if row["decoder"] == "tied":
        return Parameters(W, b)
    return Parameters(W, b, (scale * draw.standard_normal((m, n))).astype(np.float32))


def arrays_of(parameters):
    return [
        a for a in (parameters.W, parameters.b, parameters.W_decoder) if a is not None
    ]


def worst_error(row, *, kernel, instruction_set, step=1):
    """max|difference| / max|gradient|, the engine against the reference."""
    weights = weights_of(row)
    found = engine.gradients(
        row, weights, step=step, kernel_name=kernel, instruction_set=instruction_set
    )
    seen = engine.replay(
        row, first=step, count=1, kernel_name=kernel, instruction_set=instruction_set
    )
    exact = reference.gradients(
        row,
        Parameters(*[a.astype(np.float64) for a in arrays_of(weights)]),
        inputs=seen.x[0].astype(np.float64),
        noise=None if row["noise"] == "none" else seen.noise[0].astype(np.float64),
    )
    pairs = list(zip(arrays_of(found), arrays_of(exact), strict=True))
    difference = max(np.abs(mine - theirs).max() for mine, theirs in pairs)
    largest = max(np.abs(theirs).max() for _, theirs in pairs)
    return difference / largest if largest else difference


@pytest.mark.parametrize("instruction_set", engine.available_instruction_sets())
@pytest.mark.parametrize("kernel", EVERY_KERNEL)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_kernel_noise_and_output(instruction_set, kernel, size):
    n, m = size
    for noise in NOISES_OF[kernel]:
        for probability in (1.0, 0.15, 0.01) if kernel == "dense" else (0.15, 0.01):
            for output in ("relu", "linear"):
                row = row_of(
                    n_features=n,
                    n_hidden=m,
                    feature_probability=probability,
                    noise=noise,
                    output=output,
                    batch_size=333,
                    importance_decay=0.9,
                    **NOISES[noise],
                )
                error = worst_error(row, kernel=kernel, instruction_set=instruction_set)
                assert error <= LIMIT, (noise, probability, output)


@pytest.mark.parametrize("instruction_set", engine.available_instruction_sets())
@pytest.mark.parametrize("kernel", ["dense", "compact"])
def test_hidden_l1(instruction_set, kernel):
    for noise in NOISES_OF[kernel]:
        row = row_of(
            n_features=11,
            n_hidden=4,
            feature_probability=0.1,
            noise=noise,
            hidden_l1=0.01,
            batch_size=200,
            **NOISES[noise],
        )
        assert worst_error(row, kernel=kernel, instruction_set=instruction_set) <= LIMIT


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
@pytest.mark.parametrize("batch_size", [1, 2, 63, 64, 65, 1024, 5000])
def test_every_batch_size(kernel, batch_size):
    noise = "none" if kernel == "gram" else "dropout"
    row = row_of(
        n_features=12,
        n_hidden=3,
        feature_probability=0.1,
        noise=noise,
        batch_size=batch_size,
        **NOISES[noise],
    )
    assert worst_error(row, kernel=kernel, instruction_set="") <= LIMIT


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
def test_probabilities_and_importances_for_each_feature(kernel):
    noise = "none" if kernel == "gram" else "dropout"
    row = row_of(
        n_features=6,
        n_hidden=3,
        feature_probability=(0.2, 0.1, 0.05, 0.02, 0.01, 0.001),
        importance=(1.0, 0.0, 3.0, 0.5, 0.25, 2.0),
        noise=noise,
        batch_size=2000,
        **NOISES[noise],
    )
    assert worst_error(row, kernel=kernel, instruction_set="") <= LIMIT


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
def test_a_batch_of_several_blocks_of_events(kernel):
    noise = "none" if kernel == "gram" else "dropout"
    row = row_of(
        n_features=1500,
        n_hidden=3,
        feature_probability=0.005,
        noise=noise,
        batch_size=1700,
        **NOISES[noise],
    )
    assert worst_error(row, kernel=kernel, instruction_set="", step=0) <= LIMIT


def test_the_larger_sizes():
    for n, m in ((80, 20), (400, 30)):
        for kernel, noise in (
            ("dense", "dropout"),
            ("compact", "dropout"),
            ("gram", "none"),
        ):
            row = row_of(
                n_features=n,
                n_hidden=m,
                feature_probability=0.01,
                noise=noise,
                batch_size=1024,
                **NOISES[noise],
            )
            assert worst_error(row, kernel=kernel, instruction_set="") <= LIMIT


def test_kernels_see_the_same_inputs():
    row = row_of(n_features=9, n_hidden=3, feature_probability=0.1, batch_size=300)
    seen = [
        engine.replay(row, first=0, count=3, kernel_name=kernel).x
        for kernel in EVERY_KERNEL
    ]
    assert seen[0].tobytes() == seen[1].tobytes() == seen[2].tobytes()


def test_a_kernel_that_can_not_serve_the_row_is_refused():
    dense = row_of(n_features=5, n_hidden=2, feature_probability=0.9)
    with pytest.raises(ValueError, match="sparse inputs"):
        engine.gradients(dense, weights_of(dense), kernel_name="compact")
    noisy = row_of(
        n_features=5, n_hidden=2, feature_probability=0.1, noise="dropout", rate=0.1
    )
    with pytest.raises(ValueError, match="without noise"):
        engine.gradients(noisy, weights_of(noisy), kernel_name="gram")
    free = row_of(n_features=5, n_hidden=2, feature_probability=0.1, decoder="untied")
    with pytest.raises(ValueError, match="tied linear models"):
        engine.gradients(free, weights_of(free), kernel_name="compact")


@pytest.mark.parametrize("instruction_set", engine.available_instruction_sets())
@pytest.mark.parametrize("name", [*VARIANTS, *COMBINATIONS])
def test_every_variant(instruction_set, name):
    factors = (VARIANTS | COMBINATIONS)[name]
    for n, m in ((2, 1), (6, 3), (20, 5), (34, 17)):
        for noise in NOISES:
            row = row_of(
                **{"feature_probability": 0.5, "batch_size": 333}
                | {"importance_decay": 0.9, "noise": noise, "hidden_l1": 0.01}
                | NOISES[noise]
                | factors
                | {"n_features": n, "n_hidden": m}
            )
            error = worst_error(row, kernel="dense", instruction_set=instruction_set)
            assert error <= LIMIT, (n, m, noise)


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
@pytest.mark.parametrize(
    "factors",
    [{"feature_values": "signed_uniform"}, {"bias": "none"}],
    ids=["signed", "no bias"],
)
@pytest.mark.parametrize("probability", [0.15, (0.2, 0.1, 0.05, 0.02, 0.01, 0.001)])
def test_signed_values_and_no_bias_in_every_kernel(kernel, factors, probability):
    noise = "none" if kernel == "gram" else "dropout"
    row = row_of(
        n_features=6,
        n_hidden=3,
        feature_probability=probability,
        noise=noise,
        batch_size=2000,
        **NOISES[noise],
        **factors,
    )
    assert worst_error(row, kernel=kernel, instruction_set="") <= LIMIT


def test_a_bias_that_is_not_learned_has_no_gradient():
    row = row_of(n_features=5, n_hidden=2, feature_probability=0.5, bias="none")
    assert (engine.gradients(row, weights_of(row)).b == 0.0).all()
