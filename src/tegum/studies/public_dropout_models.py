"""Do the published Pythia-160M variants trained with dropout differ in their basis?

EleutherAI trained Pythia-160M without dropout, and again with dropout on hidden states,
on attention, and on both. Pona put the three in a table of models to probe (August
2023) and published no result. Here the same four are read by the machinery of a scan,
and the gap of each is compared with that of the model without dropout, block by block.

**One model of each kind is one unit.** What differs between two of these models may be
dropout's doing, or that of another seed, another order of the data, another release. A
verdict speaks of these four models on text like this, and of nothing else: blocks of
text are what is sampled. For what dropout does, with seeds, see
`dropout-in-transformers`.

What is known of the four, none of which could be verified where this was written:

- The names on the hub are `EleutherAI/pythia-160m`, `-hiddendropout`, `-attndropout`
  and `-alldropout` after it, as public code and the models' pages have them. Others
  write them with hyphens, or with `-0.1` for the rate, which is told to be 0.1.
- Those with dropout were put there on 15 and 16 February 2023; the files of
  `pythia-160m` date from March and April 2023, when the whole suite was trained again.
  So they may belong to the first release, whose model without dropout is
  `EleutherAI/pythia-160m-v0`; compare with that as well before you make much of a
  difference.
- Their weights are pickles in half precision. A pickle can run code when it is read:
  it is refused unless you say `allow_pickle=True`. They are measured in float32.
- Of two of them the commits are known to us and are pinned below. The other two must
  be pinned by you, from the page of the model, before anything is read.

So the study is run from a file of your own, where there is a network:

    from tegum.studies.public_dropout_models import Published, study

    STUDY = study(
        models={
            "hidden": Published("EleutherAI/pythia-160m-hiddendropout", "<commit>"),
            "all": Published("EleutherAI/pythia-160m-alldropout", "<commit>"),
        },
        allow_pickle=True,
    )

by `tegum run ./mine.py`. Folders take the place of names where models are on disk.

Claims are two-sided with the smallest gap of a scan, 0.5 of excess kurtosis, or more
where a basis at random reaches more by chance, in all blocks alike: 0.53 for one model
of 768 units and 0.74 for the difference of two, with probability 0.05 over all claims.
That is known for the gap per vector, and only of that claims are made. Per unit it
depends on the activations, which are not at hand here: that gap is shown and not
judged. To have it judged, scan the models (`tegum scan`), which reads a few sequences
beforehand. There was no pilot, and there are no seeds to choose: the units are the
first blocks of the text.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tegum.activations.measures import SCAN
from tegum.claims import (
    Claim,
    Part,
    Verdict,
    above,
    below,
    between,
    level,
    paired_difference,
)
from tegum.design import Design, grid
from tegum.studies._answers import assembled
from tegum.studies._scan_chance import gap_by_chance
from tegum.studies._transformers_profile import CONTROL, every_point, profile
from tegum.studies._transformers_published import Published, PublishedModels
from tegum.study import Figure, Study

PUBLISHED = {
    CONTROL: Published(
        "EleutherAI/pythia-160m", "4560d92fe0f8aafcf0839d845eec2c4f088f2496"
    ),
    "hidden": Published("EleutherAI/pythia-160m-hiddendropout"),
    "attention": Published(
        "EleutherAI/pythia-160m-attndropout",
        "e4cd2745263028326ecbe0253ac67a87ff8da7bd",
    ),
    "all": Published("EleutherAI/pythia-160m-alldropout"),
}
"""The four models; commits as their public histories show them, where they do."""

LAYERS = 12
BLOCKS = 32
TOKENS = 32_768
SEQUENCE_LENGTH = 256
WIDTH = 768
SMALLEST_GAP = 0.5
ALPHA = 0.05

ELHAGE = "Elhage et al. 2023, Privileged Bases in the Transformer Residual Stream"
PONA = "Pona 2023, sparse-probing-dropout: the models, without a result"


def residual_points(layers: int) -> list[str]:
    """The residual stream that the first block reads and that every block leaves."""
    return [
        "blocks.0.hook_resid_pre",
        *(f"blocks.{layer}.hook_resid_post" for layer in range(layers)),
    ]


def points_of(layers: int, *names: str) -> list[str]:
    """Points of every block."""
    return [f"blocks.{layer}.{name}" for layer in range(layers) for name in names]


def designs_of(arms: Sequence[str], layers: int, blocks: int) -> dict[str, Design]:
    """The residual stream; what is added to it as well; the neurons as well."""

    def rows(points: Sequence[str]) -> Design:
        return grid(arm=list(arms), point=list(points), seeds=range(blocks))

    demo = rows(residual_points(layers))
    default = demo | rows(points_of(layers, "hook_attn_out", "hook_mlp_out"))
    full = default | rows(points_of(layers, "mlp.hook_post"))
    return {"demo": demo, "default": default, "full": full}


def claims_of(arms: Sequence[str], layers: int, *, width: int) -> list[Claim]:
    """For each model with dropout: its gap beside that of the model without."""
    stream = {"point": points_of(layers, "hook_resid_post")}
    by_chance = gap_by_chance(width, chance=ALPHA / len(arms) / 2.0)
    alone = _at_least(by_chance)
    difference = _at_least(math.sqrt(2.0) * by_chance)
    without = Claim(
        "none-is-privileged",
        "Without dropout the residual stream's basis stands out already, mean "
        "over blocks of the network.",
        [
            Part(
                level("gap_per_vector", where={**stream, "arm": CONTROL}),
                above(alone, "stands out"),
            )
        ],
        rivals=[
            between(-alone, alone, "like any other"),
            below(-alone, "lighter than its rotations"),
        ],
        reason="The smallest gap that a scan asks for, or what a basis at random has.",
        source=f"{ELHAGE}: Adam alone gives heavy tails.",
    )
    return [
        without,
        *(
            Claim(
                f"{arm}-gap-per-vector",
                f"The model with {_dropout(arm)} has the larger gap of kurtosis "
                "across the units of a vector, mean over the residual stream that "
                "blocks leave.",
                [
                    Part(
                        paired_difference(
                            "gap_per_vector", factor="arm", treated=arm,
                            control=CONTROL, where=stream,
                        ),
                        above(difference, "larger"),
                    )
                ],
                rivals=[
                    between(-difference, difference, "alike"),
                    below(-difference, "smaller"),
                ],
                reason="The smallest gap that a scan asks for, or what two bases at "
                "random, one for each model, differ by.",
                source=PONA,
            )
            for arm in arms
            if arm != CONTROL
        ),
    ]  # fmt: skip


def _at_least(by_chance: float) -> float:
    """The smallest gap, or what chance reaches, rounded up to hundredths."""
    return max(SMALLEST_GAP, math.ceil(100 * by_chance) / 100)


def _dropout(arm: str) -> str:
    sites = {
        "hidden": "dropout on hidden states",
        "attention": "dropout on attention",
        "all": "dropout on both",
    }
    return sites.get(arm, f"dropout: {arm}")


def _sayings(arms: Sequence[str]) -> dict[str, dict[str, str]]:
    said: dict[str, dict[str, str]] = {
        "none-is-privileged": {
            "stands out": "Of these models on this text: without dropout the basis of "
            "the residual stream stands out.",
            "refuted": "Of these models on this text: without dropout the basis of the "
            "residual stream does not stand out.",
            "undecided": "Of these models on this text: whether the basis of the "
            "residual stream stands out without dropout is undecided.",
        }
    }
    for arm in arms:
        if arm != CONTROL:
            said[f"{arm}-gap-per-vector"] = {
                "larger": f" With {_dropout(arm)} it stands out more.",
                "alike": f" With {_dropout(arm)} it is much the same.",
                "smaller": f" With {_dropout(arm)} it stands out less.",
                "refuted": f" With {_dropout(arm)} it does not stand out more.",
                "undecided": f" With {_dropout(arm)} it is undecided.",
            }
    return said


def _answer(verdicts: Sequence[Verdict], *, arms: Sequence[str]) -> str:
    said = assembled(verdicts, _sayings(arms), controls=())
    return f"{said} One model of each kind: dropout need not be what differs."


def study(
    models: Mapping[str, Published] | None = None,
    *,
    text: Any = "stdlib",
    question: str = "",
    allow_pickle: bool = False,
    layers: int = LAYERS,
    width: int = WIDTH,
    blocks: int = BLOCKS,
    tokens: int = TOKENS,
    sequence_length: int = SEQUENCE_LENGTH,
    device: str = "cpu",
) -> Study:
    """The comparison of the four models, or of others of one architecture.

    `models` maps arms to where models are, and takes the place of those of the same
    name in `PUBLISHED`; with an arm `none` it stands alone. `text` is a file, a folder,
    a list of these, or `stdlib`, the source of Python's standard library. `layers` and
    `width`, the units of the residual stream, are those of the models.

    Raises:
        ValueError: no arm `none`, or no other.
    """
    given = dict(models or {})
    arms = given if CONTROL in given else {**PUBLISHED, **given}
    if len(arms) < 2:
        raise ValueError(
            f"the models are {list(arms)}; give one with dropout beside `{CONTROL}`, "
            "which is what it is compared with"
        )
    names = list(arms)
    residual = residual_points(layers)
    return Study(
        name="public-dropout-models",
        question=question or STUDY.question,
        background="One model of each kind is one unit: verdicts speak of these models "
        "on text like this, blocks of which are the seeds. The variants with dropout "
        "were published before the current model without, and may belong to an earlier "
        "release. Names, commits and how to run it stand in the study's source.",
        subject=PublishedModels(
            arms,
            text,
            blocks=blocks,
            tokens=tokens,
            sequence_length=sequence_length,
            allow_pickle=allow_pickle,
            device=device,
        ),
        designs=designs_of(names, layers, blocks),
        measures=[SCAN],
        claims=claims_of(names, layers, width=width),
        alpha=ALPHA,
        answer=functools.partial(_answer, arms=names),
        picture=functools.partial(profile, arms=names, points=residual),
        figures=[
            Figure(
                "every-point",
                "How far the basis stands out at every point that was read, and what "
                "each model with dropout has beyond the one without. Medians over "
                "blocks of text with pointwise 95 % intervals; first tokens are left "
                "out.",
                functools.partial(every_point, arms=names),
            ),
        ],
    )


STUDY = study(
    question="Do the published Pythia-160M variants trained with dropout differ in "
    "their basis from the one trained without?"
)
