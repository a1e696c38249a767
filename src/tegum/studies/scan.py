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

**And why more where chance does more.** A model's basis is one basis, and one basis
at random has a gap of its own, in every block alike. So the gap that is claimed is at
least what a basis at random reaches with probability 0.05 over all claims of the scan,
shared equally, on both sides.

- *Per vector* it spreads by `sqrt(24 / m)` at most, 0.18 at 768 units and 0.43 at 128:
  where all vectors lie nearly along one direction, as in a stream with one huge
  component. For 13 points, 0.69 is claimed at 768 units and 2.1 at 128.
- *Per unit* it depends on the activations: it is large where one direction has heavy
  tails. It is taken from 8 to 16 bases at random, on 4,096 tokens that are read before
  anything is claimed, evenly spread over the text; the same ones each time. What is
  rarer than once in these tokens is not in it.
- *Between two models* two bases are drawn: the root of the sum of both squares.

So there are two sources of error, and 0.05 for each: which text there was, and which
basis.

**What a block must hold.** Kurtosis over tokens depends on how many there are: what
fires once in 3,000 tokens is not seen in 250. A block has 2,000 sampled tokens or more
wherever the text has enough, every sequence being sampled if need be, and fewer than 32
blocks being cut as long as they decide. With fewer tokens "no gap" is no answer that a
claim per unit can have. The whole text's gap stands beside that of the median block.

**Blocks lie one after the other**, and neighbours are alike: in ten stretches of
program text the correlation from block to block was 0.20 per vector and 0.09 per unit,
and of ten 95 % intervals eight held the median of the whole. The interval speaks of
blocks like these and is somewhat too narrow for a text that drifts.

There was no pilot: the region is fixed here for every model alike. A smaller or larger
gap chosen after a look at the same model and text is told exploratory by the store.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from tegum.activations.models import told_apart
from tegum.studies._scan_beforehand import FEWEST_SAMPLED, Cutting, calibrated
from tegum.studies._scan_claims import (
    ALPHA,
    Scanned,
    answer_of,
    asked_of_points,
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
        if not self.scanned.long_enough:
            found.append(
                f"a block has about {self.scanned.sampled:,} tokens for the kurtosis "
                f"per unit, and to say that there is no gap takes {FEWEST_SAMPLED:,}: "
                "what is rarer is in few blocks; give more text or fewer blocks"
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
    live module, which comes without. `sequence_length` (128 tokens, or as many as the
    models have positions for), `at_most` tokens and `cut` are those of
    `tegum.activations.open_text`; `blocks` (32, or fewer and longer ones), `batch` and
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
    found = {model.key: subject.points_of(model.key) for model in opened}
    needed = blocks_needed(asked_of_points(found))
    cutting_up = Cutting(read, needed=needed, asked=blocks)
    subject = replace(
        subject,
        blocks=cutting_up.blocks or subject.blocks,
        sample_every=cutting_up.sample_every,
    )
    scanned = Scanned(
        models={model.key: model.label for model in opened},
        points=found,
        text=read.describe(),
        blocks=int(subject.blocks or 1),
        tokens=read.n_tokens,
        smallest_gap=float(smallest_gap),
        calibration=calibrated(subject, read),
        sampled=cutting_up.sampled(int(subject.blocks or 1)),
        rotations=rotations,
        mode=mode,
        put_into_eval=() if train_mode else subject.trained_mode,
    )
    return Prepared(_study(scanned, subject, name=name), scanned, subject)


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
    return tuple(told_apart(found))


def _read(text: Any, models: Sequence[OpenedModel], **cutting: Any) -> Text:
    """The text in the tokens of the first model, which must be those of all."""
    first, *others = models
    for other in others:
        if _vocabulary(first) != _vocabulary(other):
            raise ValueError(
                f"{first.label} and {other.label} have different tokenizers, so that "
                "no block of text is the same for both; scan each by itself"
            )
    positions = [model.positions for model in models if model.positions]
    longest = min(positions, default=None)
    return open_text(text, tokenizer=first.tokenizer, longest=longest, **cutting)


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
    """The study's name: the models' labels, and six digits of what is asked of what."""
    label = "-".join(scanned.models.values())
    readable = re.sub(r"[^A-Za-z0-9]+", "-", label)[:LABEL_SHOWN].strip("-")
    points = [point.name for each in scanned.points.values() for point in each]
    how = [scanned.mode, scanned.smallest_gap, scanned.blocks, scanned.rotations]
    said = "\0".join([*subject.labels, *points, *map(str, how)])
    return f"scan-{readable}-{hashlib.sha256(said.encode()).hexdigest()[:6]}"
