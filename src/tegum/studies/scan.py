"""Is the basis of a model privileged, layer by layer, and by how much?

`scan_of(models, text)` makes a study of a model of your own. Its rows are hook points x
blocks of the text (x models), so that store, registration, resuming, verdicts and the
page are those of every study.

**What is asked.** At each hook point twice, two-sided, with a smallest gap worth
claiming that is fixed before anything is measured:

- *per vector*: the coordinates of one vector are the sample; mean over vectors. The
  statistic of Elhage et al. 2023, here in excess of the Gaussian's 3;
- *per unit*: the tokens are the sample of each unit; mean over units, weighted by their
  variance.

Each is set beside the same vectors in a basis at random, and the gap is what is left.
Per vector the average over all rotations is known exactly, `-6 / (m + 1)` with m units
and any vectors; per unit it is the mean of fixed rotated copies of the same tokens, on
a fixed sample of sequences. The first token of each sequence is kept apart throughout.

**With two models or more** the gaps are compared with those of the first, at every
point that both have, block by block.

**The unit is the block of text**: consecutive sequences, 32 blocks if the text has as
many. A verdict speaks of this model on text like this. It treats blocks as independent
draws of such text; where the text changes along its way, it speaks of the median block.

**What a verdict can not say.** A gap shows that the basis is privileged. No gap does
not show the contrary: features that are Gaussian along the axes give none (Elhage et
al. 2023 state the asymmetry).

**Why 0.5.** It is what one unit among 768 adds to Gaussian ones when it is 3.5 times as
large, or what Student's t with 16 degrees of freedom has. Gaussian activations stay
within hundredths of 0; models trained by Adam are reported with tens, and with 1,657
before training is changed so as to avoid it, 3.1 after (Kaul et al. 2024, not excess).

**Error.** P(any wrong verdict) <= 0.05 over all points, both statistics and all models
of a scan. For 40 points of one model (80 claims) a verdict needs 12 blocks that agree;
with 32, five on either side may stand off. `blocks_needed` says how many others need.

**And why more for narrow points.** A basis at random is not one basis: where all
vectors lie nearly along one direction, as in a stream with one huge component, the gap
per vector of a single random basis spreads by `sqrt(24 / m)`, 0.18 at 768 units and
0.43 at 128, in every block alike. So the gap per vector that is claimed is at least
what one random basis reaches at any point of the scan with probability 0.05: 0.57 for
13 points of 768 units, 1.61 for 128.

There was no pilot: the region is fixed here for every model alike. A smaller or larger
gap chosen after a look at the same model and text is told exploratory by the store.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tegum.activations import (
    SCAN,
    ModelActivations,
    OpenedModel,
    Text,
    open_model,
    open_text,
)
from tegum.activations.columns import BATCH, ROTATIONS
from tegum.activations.models import labelled
from tegum.arrays import RowsFailed
from tegum.studies._scan_claims import (
    ALPHA,
    Scanned,
    answer_of,
    blocks_needed,
    claims_of,
)
from tegum.studies._scan_picture import layers
from tegum.studies._scan_run import carried_out as carried_out
from tegum.studies._scan_run import outline as outline
from tegum.studies._scan_texts import background_of, figures_of
from tegum.study import Study
from tegum.wording import counted, listed

SMALLEST_GAP = 0.5
"""In excess kurtosis; the module's text says why."""

LABEL_SHOWN = 40
"""Letters of the models' labels in the name of a scan."""


@dataclass(frozen=True)
class Prepared:
    """A scan that is ready to run: its study, and what it is of."""

    study: Study
    scanned: Scanned
    subject: ModelActivations

    @property
    def tokens_per_row(self) -> float:
        """The share of a pass's tokens that stands for one row, in the mean."""
        rows = self.subject.design().rows
        return sum(map(self.subject.tokens, self.subject.complete(rows))) / len(rows)

    def warnings(self) -> list[str]:
        """What a reader must know before a scan is run, a line each."""
        found = [
            f"{label} came in train mode and is scanned in eval mode, without dropout"
            for label in self.scanned.put_into_eval
        ]
        needed = blocks_needed(len(self.study.claims))
        if self.scanned.blocks < needed:
            found.append(
                f"the text gives {counted(self.scanned.blocks, 'block')}, and verdicts "
                f"on {counted(len(self.study.claims), 'claim')} need {needed}: all "
                "will be undecided; give more text, shorter sequences or fewer points"
            )
        return found


def scan_of(
    models: Any,
    text: Any,
    *,
    points: str | Sequence[str] = "residual",
    smallest_gap: float = SMALLEST_GAP,
    **how: Any,
) -> Study:
    """A study of where a model's basis is privileged on a text, hook point by point.

    `models` is a live `torch.nn.Module`, the folder of a saved model, a hub name,
    `module:function`, or several of these as a list or as a mapping from label to
    model: the gaps of all are then compared with those of the first. `text` is a file,
    a folder, `-`, `stdlib`, an array of token ids, or a `Text`. `points` are names or
    groups of hook points (see `tegum.activations.resolve`). `how` are the further
    arguments of `prepared`, all optional.

    Raises:
        ValueError: a model or text that can not be opened, a point that a model lacks,
            two models that are the same or read different tokens, or an argument out
            of range.
        ModuleNotFoundError: torch or transformers is not installed.
    """
    return prepared(models, text, points=points, smallest_gap=smallest_gap, **how).study


def prepared(
    models: Any,
    text: Any,
    *,
    points: str | Sequence[str] = "residual",
    smallest_gap: float = SMALLEST_GAP,
    name: str | None = None,
    tokenizer: Any | None = None,
    sequence_length: int | None = None,
    at_most: int | None = None,
    cut: Any = "packed",
    blocks: int | None = None,
    batch: int = BATCH,
    rotations: int = ROTATIONS,
    train_mode: bool = False,
    revision: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    allow_pickle: bool = False,
) -> Prepared:
    """`scan_of`, with what it is of beside the study.

    `name` is that of the study: its page and verdicts go by it. `tokenizer` is for a
    live module, which comes without. `sequence_length` (128 tokens), `at_most` tokens
    and `cut` are those of `tegum.activations.open_text`; `blocks` (32), `batch` and
    `rotations` of `ModelActivations`; `revision`, `device`, `dtype` and `allow_pickle`
    of `open_model`. `train_mode` scans with dropout on.

    Raises:
        ValueError: as `scan_of`.
        ModuleNotFoundError: torch or transformers is not installed.
    """
    _check(smallest_gap, rotations, blocks)
    opened = _opened(
        models,
        tokenizer=tokenizer,
        revision=revision,
        device=device,
        dtype=dtype,
        allow_pickle=allow_pickle,
    )
    cutting = {"sequence_length": sequence_length, "at_most": at_most, "cut": cut}
    read = text if isinstance(text, Text) else _read(text, opened, **cutting)
    mode = "train" if train_mode else "eval"
    subject = ModelActivations(
        opened,
        read,
        points,
        blocks=blocks,
        batch=batch,
        rotations=rotations,
        mode=mode,
    )
    scanned = Scanned(
        models={model.key: model.label for model in opened},
        points={model.key: subject.points_of(model.key) for model in opened},
        text=read.describe(),
        blocks=int(subject.blocks or 1),
        tokens=read.n_tokens,
        smallest_gap=float(smallest_gap),
        widths=_widths(subject, read),
        mode=mode,
        put_into_eval=() if train_mode else subject.trained_mode,
    )
    return Prepared(_study(scanned, subject, name=name), scanned, subject)


def _widths(subject: ModelActivations, text: Text) -> dict[tuple[str, str], int]:
    """The units of every (model, point), from the shapes of one sequence.

    Points that can not be read are left out: the scan says why when it comes to them.

    Raises:
        ValueError: none can be read, with the reasons.
    """
    cells = {(row["model"], row["point"]): row for row in subject.design()}
    first = {"seed": 0, "blocks": text.n_sequences}
    alone = [dict(row) | first for row in cells.values()]
    try:
        found = subject.train(
            subject.complete(alone), workers=1, progress=_silent, stop=_never
        )
    except RowsFailed as failed:
        if len(failed.errors) == len(alone):
            raise ValueError("; ".join(dict.fromkeys(failed.errors.values()))) from None
        found = failed.finished
    return {
        cell: len(artifact.arrays["rest/mean"])
        for cell, artifact in zip(cells, found, strict=True)
        if artifact is not None
    }


def _silent(share: float) -> None:
    """Nobody is told."""


def _never() -> bool:
    """Nothing stops it."""
    return False


def _check(gap: Any, rotations: Any, blocks: Any) -> None:
    if isinstance(gap, bool) or not isinstance(gap, int | float) or not 0 < gap <= 100:
        raise ValueError(
            f"the smallest gap is {gap!r}; it must be above 0 and at most 100, in "
            f"excess kurtosis; {SMALLEST_GAP:g} is usual"
        )
    if rotations == 0:
        raise ValueError(
            "`rotations` is 0, which leaves nothing to compare a unit with; it must be "
            f"a whole number from 1; {ROTATIONS} is usual"
        )
    if blocks is not None and blocks < 1:
        raise ValueError(
            f"`blocks` is {blocks}; it must be a whole number from 1; 32 is usual, and "
            "few decide nothing"
        )


def _opened(models: Any, *, tokenizer: Any, **how: Any) -> tuple[OpenedModel, ...]:
    """Every model, under a label of its own."""
    if isinstance(models, Mapping):
        named: list[tuple[Any, Any]] = list(models.items())
    else:
        several = isinstance(models, list | tuple)
        named = [(None, model) for model in (models if several else [models])]
    if not named:
        raise ValueError("no model was given; give a module, a folder or a hub name")
    found = [
        open_model(source, tokenizer=tokenizer, label=label, **how)
        for label, source in named
    ]
    first: dict[str, str] = {}
    for model in found:
        if model.key in first:
            raise ValueError(
                f"{first[model.key]} and {model.label} are the same model, weight by "
                "weight; give it once"
            )
        first[model.key] = model.label
    return tuple(_told_apart(found))


def _told_apart(models: Sequence[OpenedModel]) -> list[OpenedModel]:
    """Models of one label get a number behind it."""
    labels = [model.label for model in models]
    return [
        labelled(model, f"{model.label} #{labels[: k + 1].count(model.label)}")
        if labels.count(model.label) > 1
        else model
        for k, model in enumerate(models)
    ]


def _read(text: Any, models: Sequence[OpenedModel], **cutting: Any) -> Text:
    """The text in the tokens of the first model, which must be those of all."""
    first, *others = models
    for other in others:
        if _vocabulary(first) != _vocabulary(other):
            raise ValueError(
                f"{first.label} and {other.label} have different tokenizers, so that "
                "no block of text is the same for both; scan each by itself"
            )
    return open_text(text, tokenizer=first.tokenizer, **cutting)


def _vocabulary(model: OpenedModel) -> Any:
    """What tells tokenizers apart: every token and its id; None without a tokenizer."""
    return None if model.tokenizer is None else model.tokenizer.get_vocab()


def _study(scanned: Scanned, subject: Any, *, name: str | None) -> Study:
    claims = claims_of(scanned)
    models = listed(list(scanned.models.values()))
    return Study(
        name=_name(scanned, subject) if name is None else name,
        question=f"In which layers of {models} is the basis privileged, and by how "
        "much?",
        background=background_of(scanned, claims=len(claims), alpha=ALPHA),
        subject=subject,
        designs={"demo": subject.design()},
        measures=[SCAN],
        claims=claims,
        alpha=ALPHA,
        answer=functools.partial(answer_of, scanned=scanned),
        picture=functools.partial(layers, scanned=scanned),
        figures=figures_of(scanned),
    )


def _name(scanned: Scanned, subject: ModelActivations) -> str:
    """The study's name: the models' labels, and six digits of what is scanned."""
    label = "-".join(scanned.models.values())
    readable = re.sub(r"[^A-Za-z0-9]+", "-", label)[:LABEL_SHOWN].strip("-")
    said = "\0".join([*subject.labels, scanned.mode])
    return f"scan-{readable}-{hashlib.sha256(said.encode()).hexdigest()[:6]}"
