"""What does dropout do to the basis of small trained transformers?

Toy models say that dropout can privilege a basis and that it inhibits superposition.
Readers of those posts asked for transformers. GPT-2s of two layers, 64 wide, are
trained on the source of Python's standard library, pairs of one seed with and without
dropout at all sites. Everything is measured on held-out files in evaluation mode.

- *Basis* (primary: the residual stream): the excess kurtosis across the units of a
  vector, minus what random rotations of it have (Elhage et al.), `gap_per_vector`. It
  speaks of a basis, not of superposition: the two are independent. Beside it stands the
  same with the mean vector taken off: a few units with a large constant value raise the
  one and not the other. Neurons come behind a nonlinearity that knows them, so they
  have a basis without dropout too.
- *Robustness of the first layer*: its neurons are silenced in eight random groups, that
  is, replaced by their mean. `1 - sum of what each eighth costs / what the whole MLP
  costs`. It says how well the layer bears losing an eighth; it depends on the number of
  groups and is neither superposition nor its reverse.

Dropout also slows learning, and everything here changes as the loss falls. So there are
two comparisons. *At equal steps* both arms have seen the same text in the same order.
*At equal loss* each network is read at the first of 40 looks at which its held-out loss
is 3.5 nats per token or less, within the same run: the learning rate is constant after
its warm-up, so that both arms have the same one there, but dropout's networks are older
by some 1,000 steps. A network that never gets there is missing there, no evidence.

No network here has converged. With a constant learning rate the loss still falls by 1
to 2 % in the last tenth of training, and what the claims say is said of 4,800 steps
(2.5 million tokens). The limit of 3 % refuses what falls faster still. Whether the
primary claim stands at four times as many steps is a claim of `full`.

Fixed on the pilot's seeds, before the rest:

- *Rate* 0.1, that of GPT-2 and of the public Pythia variants.
- *Training*: vocabulary 512, eight sequences of 64 tokens a step, AdamW at 3e-3 without
  weight decay, and without clipping of gradients, which would act more often without
  dropout than with it; no pilot network diverged. 4,800 steps, since at 1,200 there was
  hardly a gap to change. Six of seven pilot pairs ended near 3.03 and 3.28; one seed
  learned more slowly in both arms and ended at 3.19 and 3.41.
- *Loss* 3.5, which all of these reach: without dropout after 1,440 to 2,880 steps, with
  it after 2,400 to 3,720.
- *Smallest effects*: 0.1 of the stream's kurtosis, a third of the smallest that a
  network without dropout had at that loss; 1 of the neurons', of 9 or more; 0.02 of
  robustness, a fiftieth of what silencing the layer costs.
- *What was seen*: in seven pairs dropout added -1.05 to 0.55 to the stream's kurtosis
  at equal steps, so that the primary claim may well stay undecided, and 0.17 to 0.82 at
  equal loss; with the mean vector taken off, -0.06 to 0.49 at equal steps; 4.2 to 8.2
  to the first layer's neurons'; to its robustness 0.11 to 0.19 at equal steps and 0.04
  to 0.11 at equal loss.

Not claimed, and why. Redundancy *in series*, between blocks, is drawn with and without
a temperature refitted after each silencing: with two blocks its sign hangs on that.
Effective features of the residual stream are not counted: autoencoders with the
settings that `effective-features` validated on toy models miss their explained variance
on these streams (0.88 of 0.9), and where they reached it after less training the count
followed that of Gaussian vectors of the same covariance, in which there is no feature.

`full` asks by site, optimiser and family. These networks are small, and most of what
they know is which token follows which; the study is made to be run at other sizes.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from tegum.claims import (
    Claim,
    Part,
    Verdict,
    above,
    below,
    between,
    difference,
    level,
)
from tegum.claims.estimands import Estimand
from tegum.claims.regions import Region
from tegum.design import Design, grid
from tegum.networks.factors import SITES
from tegum.networks.measures import TRANSFORMER_TRAINING
from tegum.networks.subject import SmallTransformers
from tegum.studies._answers import assembled
from tegum.studies._transformers_arms import (
    ALL,
    CONTROL,
    LAYERS,
    LONG_CONTROL,
    LONG_TREATED,
    LONGER,
    NONE,
    RATE,
    STEPS,
    TOKENS,
    TREATED,
    Arm,
    everywhere,
    rates,
)
from tegum.studies._transformers_figures import (
    SITE_RATES,
    against_loss,
    layer_profile,
    loss_curves,
    parts_silenced,
    site_by_site,
)
from tegum.studies._transformers_measures import AT, network_at_target, network_basis
from tegum.studies._transformers_picture import Strip, every_pair
from tegum.studies._transformers_silenced import network_silenced
from tegum.study import Convergence, Figure, Study

FIRST_SEED = 3900
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_020))
"""Seeds that were looked at while the claims were being made, or are another study's:
in one store, rows that another study has trained would stand before this one's word."""

DEMO_SEEDS, SEEDS, FULL_SEEDS = 9, 10, 16
LOSS_TARGET = 3.5
"""In nats per token."""

SGD_RATE = 0.3


# --- designs -------------------------------------------------------------------------


def networks(*, seeds: int, dropout: Mapping[str, float], **factors: Any) -> Design:
    """Networks with dropout as given, trained with AdamW unless the factors differ."""
    usual = {
        "vocabulary": 512,
        "batch_size": 8,
        "steps": STEPS,
        "schedule": "constant",
        "gradient_clip": None,
        "loss_target": LOSS_TARGET,
    }
    fresh = range(FIRST_SEED, FIRST_SEED + seeds)
    return grid(**{**usual, **dropout, **factors}, seeds=fresh)


def joined(designs: Sequence[Design]) -> Design:
    """All rows of several designs."""
    return functools.reduce(operator.or_, designs)


def pairs(*, seeds: int, **factors: Any) -> Design:
    """Networks without dropout and with it at all sites."""
    return joined([networks(seeds=seeds, dropout=d, **factors) for d in (NONE, ALL)])


def sites_and_rates(*, seeds: int, **factors: Any) -> Design:
    """Dropout at each site alone and at all of them, at several rates, and none."""
    made = [NONE, *(everywhere(rate) for rate in SITE_RATES)]
    made += [rates(**{site: rate}) for site in SITES for rate in SITE_RATES]
    return joined([networks(seeds=seeds, dropout=d, **factors) for d in made])


FULL = joined(
    [
        sites_and_rates(seeds=FULL_SEEDS),
        sites_and_rates(seeds=FULL_SEEDS, optimiser="rotated_adam"),
        sites_and_rates(seeds=FULL_SEEDS, optimiser="sgd", learning_rate=SGD_RATE),
        pairs(seeds=FULL_SEEDS, steps=LONGER * STEPS),
        pairs(seeds=FULL_SEEDS, family="gpt_neox"),
    ]
)

# --- claims --------------------------------------------------------------------------

ELHAGE = "Elhage et al. 2023, Privileged Bases in the Transformer Residual Stream"
PONA = "Pona 2023, comments on Superposition and Dropout: untried in transformers"


def beside(number: str, treated: Arm, control: Arm) -> Estimand:
    """A number of one arm minus that of another, seed by seed."""
    return difference(
        level(number, where=treated.factors), level(number, where=control.factors)
    )


def changed(treated: Arm, **factors: Any) -> tuple[Arm, Arm]:
    """An arm and the one without dropout with other factors besides."""
    return (
        Arm(treated.name, {**treated.factors, **factors}),
        Arm(CONTROL.name, {**CONTROL.factors, **factors}),
    )


def three(smallest: float) -> tuple[Region, ...]:
    """Lowers, hardly moves, raises: three regions that meet at the smallest effect."""
    return (
        below(-smallest, "lowers"),
        between(-smallest, smallest, "hardly moves"),
        above(smallest, "raises"),
    )


KURTOSIS, NEURONS, SHARE = 0.1, 1.0, 0.02
GAP, SPARSER, ROBUSTER = three(KURTOSIS), three(NEURONS), three(SHARE)
STILL = (
    "By 0.1 of excess kurtosis, a third of the smallest that a pilot network without "
    "dropout had at the common loss."
)
AFTER = f"after {STEPS:,} steps"
AT_LOSS = f"at a held-out loss of {LOSS_TARGET:g} nats per token"
ASKED_MORE = ("default", "full")


def said(
    name: str,
    statement: str,
    estimand: Estimand,
    regions: Sequence[Region],
    *,
    holds: str,
    reason: str,
    source: str,
    designs: Sequence[str] | None = None,
) -> Claim:
    """A claim that one of several exclusive regions holds, the others its rivals."""
    (region,) = [r for r in regions if r.name == holds]
    return Claim(
        name,
        statement,
        [Part(estimand, region)],
        reason=reason,
        source=source,
        rivals=[r for r in regions if r is not region],
        designs=designs,
    )


RESIDUAL = "residual_gap_per_vector"
TWICE = (("", AFTER, ""), ("-at-equal-loss", AT_LOSS, AT))
"""The ending of a claim's name, when it is asked, and the beginning of its number."""

CLAIMS = [
    said(
        "residual-basis",
        "Dropout at all sites makes the basis of the residual stream stand out less, "
        f"mean over blocks, {AFTER}.",
        beside(RESIDUAL, TREATED, CONTROL),
        GAP,
        holds="lowers",
        reason=STILL,
        source=f"The pilot; {PONA}.",
    ),
    said(
        "neurons-basis",
        "Dropout at all sites makes the first layer's neurons stand out more: fewer "
        f"of them are strong at a time, {AFTER}.",
        beside("neurons_0_gap_per_vector", TREATED, CONTROL),
        SPARSER,
        holds="raises",
        reason="By 1 of excess kurtosis, of 7 or more.",
        source="The pilot; Pona 2023: kurtosis rises with dropout.",
    ),
    said(
        "residual-basis-at-equal-loss",
        "Dropout at all sites makes the basis of the residual stream stand out more, "
        f"mean over blocks, {AT_LOSS}.",
        beside(AT + RESIDUAL, TREATED, CONTROL),
        GAP,
        holds="raises",
        reason=STILL,
        source=f"The pilot; {PONA}.",
    ),
    said(
        "residual-basis-without-its-mean",
        "With the mean vector taken off, dropout at all sites hardly moves the basis "
        f"of the residual stream, {AFTER}.",
        beside("residual_centred_gap_per_vector", TREATED, CONTROL),
        GAP,
        holds="hardly moves",
        reason=STILL,
        source="The pilot: what differs most between seeds are units with a large "
        "constant value.",
        designs=ASKED_MORE,
    ),
    *(
        said(
            f"first-layer-robustness{ending}",
            "Dropout at all sites makes the first layer bear the loss of an eighth of "
            f"its neurons better, {when}.",
            beside(f"{begins}robustness_of_layer_0", TREATED, CONTROL),
            ROBUSTER,
            holds="raises",
            reason="By a fiftieth of what it costs to silence the layer.",
            source="The pilot; WCargo 2023, comments on Superposition and Dropout: "
            "redundancy; Srivastava et al. 2014, Dropout: units that do not co-adapt.",
            designs=ASKED_MORE,
        )
        for ending, when, begins in TWICE
    ),
    # In full only: longer training, sites, optimisers, the other family.
    said(
        "longer-residual-basis",
        f"After {LONGER * STEPS:,} steps too, dropout makes the basis of the residual "
        "stream stand out less.",
        beside(RESIDUAL, LONG_TREATED, LONG_CONTROL),
        GAP,
        holds="lowers",
        reason="The same smallest effect.",
        source="A control: networks of 4,800 steps have not converged.",
        designs=["full"],
    ),
    *(
        said(
            f"residual-basis-{site}{ending}",
            f"Dropout at rate {RATE:g} in the {site} site alone hardly moves the basis "
            f"of the residual stream, {when}.",
            beside(
                begins + RESIDUAL,
                Arm(site, {**CONTROL.factors, **rates(**{site: RATE})}),
                CONTROL,
            ),
            GAP,
            holds="hardly moves",
            reason="The same smallest effect.",
            source="Open: the effect may differ by site.",
            designs=["full"],
        )
        for site in SITES
        for ending, when, begins in TWICE
    ),
    *(
        said(
            f"residual-basis-{optimiser.replace('_', '-')}-at-equal-loss",
            f"Trained by {words}, dropout at all sites hardly moves the basis of the "
            f"residual stream, {AT_LOSS}.",
            beside(AT + RESIDUAL, *changed(TREATED, optimiser=optimiser)),
            GAP,
            holds="hardly moves",
            reason=f"{STILL} A network that never gets to that loss is missing, no "
            "evidence.",
            source=f"{ELHAGE}: Adam alone may give a basis.",
            designs=["full"],
        )
        for optimiser, words in (
            ("rotated_adam", "Adam in a rotated basis"),
            ("sgd", "SGD"),
        )
    ),
    said(
        "adams-axes-at-equal-loss",
        "Without dropout, AdamW makes the basis of the residual stream stand out more "
        f"than Adam in a rotated basis does, {AT_LOSS}.",
        beside(
            AT + RESIDUAL,
            CONTROL,
            Arm("rotated", {**CONTROL.factors, "optimiser": "rotated_adam"}),
        ),
        GAP,
        holds="raises",
        reason=STILL,
        source=ELHAGE,
        designs=["full"],
    ),
    *(
        said(
            f"residual-basis-gpt-neox{ending}",
            "In GPT-NeoX, where attention and MLP stand side by side, dropout at all "
            f"sites hardly moves the basis of the residual stream, {when}.",
            beside(begins + RESIDUAL, *changed(TREATED, family="gpt_neox")),
            GAP,
            holds="hardly moves",
            reason="The same smallest effect.",
            source="The architecture of the public dropout variants of Pythia.",
            designs=["full"],
        )
        for ending, when, begins in TWICE
    ),
]

LONG_ENOUGH = f"After {STEPS:,} steps ({TOKENS / 1e6:.1f} million tokens)"
DROPOUT = f"dropout at all sites, rate {RATE:g},"
SAID = {
    "residual-basis": {
        "hardly moves": f"{LONG_ENOUGH} {DROPOUT} hardly moves the basis of the "
        "residual stream",
        "raises": f"{LONG_ENOUGH} {DROPOUT} makes the basis of the residual stream "
        "stand out more",
        "lowers": f"{LONG_ENOUGH} {DROPOUT} makes the basis of the residual stream "
        "stand out less",
        "refuted": f"{LONG_ENOUGH} {DROPOUT} does not make the basis of the residual "
        "stream stand out less",
        "undecided": f"{LONG_ENOUGH} it is undecided whether {DROPOUT} moves the basis "
        "of the residual stream",
    },
    "neurons-basis": {
        "raises": "; it makes the first layer's neurons stand out more.",
        "hardly moves": "; it hardly moves that of the first layer's neurons.",
        "lowers": "; it makes the first layer's neurons stand out less.",
        "refuted": "; it does not make the first layer's neurons stand out more.",
        "undecided": "; of the first layer's neurons that is undecided.",
    },
    "residual-basis-without-its-mean": {
        "raises": " With the mean vector taken off, the stream's basis stands out "
        "more.",
        "hardly moves": " With the mean vector taken off, the stream's basis hardly "
        "moves.",
        "lowers": " With the mean vector taken off, the stream's basis stands out "
        "less.",
        "refuted": " With the mean vector taken off, the stream's basis moves.",
    },
    "first-layer-robustness": {
        "raises": " The first layer bears the loss of an eighth of its neurons better.",
        "hardly moves": " The first layer bears the loss of an eighth of its neurons "
        "as well as without dropout.",
        "lowers": " The first layer bears the loss of an eighth of its neurons worse.",
        "refuted": " The first layer bears the loss of an eighth of its neurons no "
        "better.",
    },
    "residual-basis-at-equal-loss": {
        "raises": " At equal loss, reached later with dropout, the stream's basis "
        "stands out more.",
        "hardly moves": " At equal loss, reached later with dropout, the stream's "
        "basis hardly differs.",
        "lowers": " At equal loss, reached later with dropout, the stream's basis "
        "stands out less.",
        "refuted": " At equal loss, reached later with dropout, the stream's basis "
        "stands out no more.",
    },
    "first-layer-robustness-at-equal-loss": {
        "raises": " At equal loss the first layer is the more robust with dropout.",
        "hardly moves": " At equal loss the first layer is as robust without dropout.",
        "lowers": " At equal loss the first layer is the less robust with dropout.",
        "refuted": " At equal loss the first layer is no more robust with dropout.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""

CONTROLS = ("longer-residual-basis",)


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together; of equal loss only what is decided."""
    return assembled(verdicts, SAID, controls=CONTROLS)


STRIPS = (
    Strip(
        "residual_gap_per_vector", "Residual stream: kurtosis beside rotations",
        (-KURTOSIS, KURTOSIS),
    ),
    Strip(
        "residual_centred_gap_per_vector", "The same with the mean vector taken off",
        (-KURTOSIS, KURTOSIS),
    ),
    Strip(
        "neurons_0_gap_per_vector", "First layer's neurons: kurtosis beside rotations",
        (-NEURONS, NEURONS),
    ),
    Strip(
        "robustness_of_layer_0", "Robustness of the first layer to losing an eighth",
        (-SHARE, SHARE),
    ),
    Strip(
        "heldout_loss", "Held-out loss, nats per token", (-0.05, 0.05), at_loss=False,
    ),
)  # fmt: skip

FIGURES = (
    Figure(
        "layer-profile",
        "How far the basis of each place stands out, along the network, at the end of "
        "training: excess kurtosis beside random rotations, 0 for a basis like any "
        "other. Neurons have a basis of their own by their nonlinearity and another "
        "scale. Medians over seeds with pointwise 95 % intervals (of fewer than six "
        "seeds, their range); first tokens are left out.",
        layer_profile,
    ),
    Figure(
        "loss-curves",
        "The clean loss on held-out files along training: medians over seeds, bands "
        "from the lowest seed to the highest. The learning rate is constant after its "
        "warm-up, and no arm has converged.",
        loss_curves,
    ),
    Figure(
        "parts-silenced",
        "Above: what the held-out loss gains when a part is replaced by its mean and "
        "a temperature refitted. Below: what is not lost when parts are silenced one "
        "by one, as a share of what all cost together; of blocks also without the "
        "refitted temperature. Where the two differ in sign neither says that blocks "
        "are redundant, so nothing of blocks is claimed. Medians over seeds with "
        "pointwise 95 % intervals.",
        parts_silenced,
    ),
    Figure(
        "against-loss",
        "Every network's numbers against its held-out loss, when it met the loss "
        "target and at its end, joined by a line. What two arms have at one loss can "
        "be compared; what differs because one has learned less can not.",
        against_loss,
    ),
    Figure(
        "site-by-site",
        "What dropout at each site alone and at all of them adds, against its rate: "
        "medians of pairs. Only `full` trains single sites.",
        site_by_site,
    ),
)

STUDY = Study(
    name="dropout-in-transformers",
    question="What does dropout do to the basis of small transformers, at equal steps "
    "and at equal loss?",
    background="A privileged basis and superposition are two things: this asks for "
    f"the basis. Networks of two layers, 64 wide, trained for {STEPS:,} steps at a "
    "constant learning rate, mostly know which token follows which, and have not "
    "converged. What was fixed on the pilot's seeds stands in the study's source.",
    subject=SmallTransformers(),
    designs={
        "demo": pairs(seeds=DEMO_SEEDS),
        "default": pairs(seeds=SEEDS),
        "full": FULL,
    },
    measures=[
        network_basis(LAYERS),
        network_at_target(LAYERS),
        network_silenced(LAYERS),
        TRANSFORMER_TRAINING,
    ],
    claims=CLAIMS,
    alpha=0.05,
    convergence=Convergence("loss_fall_last_tenth", limit=0.03),
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=functools.partial(every_pair, strips=STRIPS),
    figures=FIGURES,
)
