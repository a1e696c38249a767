"""A small corpus, and rows that train in a second."""

import email
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tegum.design import grid
from tegum.networks import SmallTransformers

TINY = {
    "width": 16,
    "n_heads": 2,
    "n_layers": 2,
    "context": 16,
    "vocabulary": 300,
    "batch_size": 4,
    "steps": 12,
    "warmup": 2,
}
ALL_SITES = dict.fromkeys(
    ("embedding_dropout", "attention_dropout", "residual_dropout", "mlp_dropout"), 0.25
)


@pytest.fixture(scope="session")
def files():
    """Real text of about 400 KB, the same for everybody who has this Python."""
    return sorted(Path(email.__file__).parent.glob("*.py"))


@pytest.fixture(scope="session")
def subject(files):
    return SmallTransformers(corpus=files)


@pytest.fixture(scope="session")
def row_of(subject):
    """A completed row, tiny unless said otherwise."""

    def made(**factors):
        (row,) = subject.complete(grid(**(TINY | {"seed": 3} | factors)))
        return row

    return made


@pytest.fixture(scope="session")
def tokens(subject):
    return subject._corpus.tokens(TINY["vocabulary"])


@pytest.fixture(scope="session")
def trained(subject):
    """Artifacts of rows, trained in processes of their own."""

    def made(rows, *, workers=1, folders=None, stop=lambda: False, progress=None):
        return subject.train(
            rows,
            workers=workers,
            progress=progress or (lambda share: None),
            stop=stop,
            folders=folders,
        )

    return made
