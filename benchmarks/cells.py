"""What is timed, what is owed, and what arithmetic alone would cost."""

from __future__ import annotations

from dataclasses import dataclass

BATCH = 1024
# Forms in the order in which they are timed within a round.
FORMS = ("notebook", "tuned", "engine")


@dataclass(frozen=True)
class Size:
    """A size of model, and how many of them PyTorch packs into one call.

    `instances` is near the best for the notebook form at this size.
    """

    name: str
    n: int
    m: int
    instances: int
    engine_models: int
    engine_steps: int


SIZES = (
    Size("A", 5, 2, instances=64, engine_models=16, engine_steps=4000),
    Size("B", 20, 5, instances=32, engine_models=8, engine_steps=1200),
    Size("C", 80, 20, instances=8, engine_models=4, engine_steps=300),
    Size("D", 400, 30, instances=2, engine_models=2, engine_steps=100),
)


@dataclass(frozen=True)
class Cell:
    """One kind of training, and the ratio to the notebook form owed at each size."""

    name: str
    probability: float
    rate: float
    owed: tuple[float, float, float, float] | None
    longer: int = 1

    @property
    def noise(self) -> str:
        """The row's noise."""
        return "dropout" if self.rate else "none"


CELLS = (
    Cell("dense", 1.0, 0.0, None),
    Cell("dense, dropout .2", 1.0, 0.2, (65, 28, 8, 5)),
    Cell("S = .99, dropout .2", 0.01, 0.2, (380, 125, 20, 8), longer=2),
    Cell("S = .99", 0.01, 0.0, (430, 240, 80, 15), longer=4),
)
OWED_PEAK_SHARE = (0.30, 0.50, 0.65, 0.65)
OWED_SCALING = 0.9


def dense_operations(size: Size) -> float:
    """Floating-point operations of the five products of a dense step."""
    return 10.0 * BATCH * size.n * size.m


def busy_share(size: Size, cell: Cell) -> float:
    """The share of examples with an active feature."""
    return 1.0 - (1.0 - cell.probability) ** size.n


def least_operations(size: Size, cell: Cell, *, kernel: str) -> float:
    """Floating-point operations of the products that a kernel can not skip.

    Dense: all five. Compact: the read-out and its two gradients over examples with an
    active feature, W x and its gradient over active entries. Gram: G = W^T W, two
    products with rows of it over active entries, and W (dG + dG^T).
    """
    if kernel == "dense":
        return dense_operations(size)
    if kernel == "compact":
        share = 3.0 * busy_share(size, cell) + 2.0 * cell.probability
        return dense_operations(size) * share / 5.0
    events = BATCH * size.n * cell.probability
    return 4.0 * events * size.n + 4.0 * size.n**2 * size.m
