"""What does dropout do to the basis and to redundancy in small trained transformers?

Toy models say that dropout can privilege a basis and that it inhibits superposition.
Readers of those posts asked for transformers, and WCargo foretold a split: less
superposition *in parallel* (inside a layer, any of whose units may carry a signal),
more redundancy *in series* (between layers that a signal passes one after another).
GPT-2s of two layers, 64 wide, are trained on the source of Python's standard library,
pairs of one seed with and without dropout. Everything is measured on held-out files in
evaluation mode. What is asked, apart:

- *Basis* (primary: the residual stream): the excess kurtosis across the units of a
  vector, minus what random rotations of it have (Elhage et al.), `gap_per_vector`. It
  speaks of a basis, not of superposition: the two are independent. Neurons come behind
  a nonlinearity that knows them, so they have a basis without dropout too.
- *Redundancy*: parts are silenced, that is, replaced by their mean over the held-out
  tokens. If the costs of silencing each part alone add up to less than the cost of
  silencing all, parts stand in for each other: `1 - sum of costs / cost of all`. Taken
  of eight random groups of a layer's neurons this is redundancy in parallel; of the
  attentions and MLPs of all blocks, in series. The same quantity for both words.
- *Room*: effective dimensions, `tr(S)^2 / tr(S^2)`, of the residual stream, how many
  directions its variance fills.
- *Superposition*: effective features for each unit of the stream that the last block
  leaves, counted by sparse autoencoders at equal explained variance. The count has
  passed its test on toy models (`effective-features`), not on layers this wide; so the
  same count of Gaussian vectors of the same covariance, in which there is no feature,
  is a control. If both fall alike, what fell is how many directions the stream fills.

Redundancy is not the reverse of superposition. A layer may hold fewer features, each
of them on more neurons; more redundancy in parallel agrees with WCargo's "less
superposition in parallel", and contradicts nobody who expects a layer's units to back
each other up. Nor is the stream the inside of a layer: neurons are too many to count
features in within a demo.

Dropout also slows learning, and everything here changes as the loss falls. So each
comparison is made twice: at equal steps, and with networks without dropout stopped, on
a schedule of their own, where their loss equals dropout's. The control `equal-loss`
says whether it does.

Fixed on the pilot's seeds, before the rest:

- *Rate* 0.1, that of GPT-2 and of the public Pythia variants. It costs 0.02 to 0.10
  nats per token here; 0.2 and 0.3 cost 0.2 and 0.4 in a forerunner.
- *Training*: vocabulary 512, eight sequences of 64 tokens a step, 1,200 steps, AdamW
  at 3e-3 with a cosine schedule and no weight decay. The loss falls by less than 0.2 %
  in the last tenth. Without dropout, 1,025 steps give dropout's loss.
- *Smallest effects*: 0.25 of kurtosis, half of what a scan asks for by default; 0.01
  of redundancy, a hundredth of what silencing all parts costs; 2 of some 13 dimensions.
  In four pairs dropout added -0.06 to -0.01 to the residual stream's kurtosis, 0.9 to
  1.8 to the first layer's neurons', 0.02 to 0.04 to redundancy in parallel and as much
  to 0.09 in series, where seeds differ most. Features for each unit fell by 0.1 to 0.5
  of 2, by half of that at equal loss, but for one seed that had started slowly; those
  of Gaussian vectors fell alike. With twice the steps of the autoencoders counts moved
  by 1 to 11 %.
- *Layers*: neurons of the first layer alone are claimed; in the second, seeds differ
  by more than dropout does.

These networks are small and see each text once: most of what they know is which token
follows which, and the first MLP does most of it. What holds here may not hold at a
hundred layers; the study is made to be run at other sizes. Networks trained four times
as long (law 7) are two pairs by default, for the eye, and a claim in `full`.
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
    AT_EQUAL_LOSS,
    CONTROL,
    EQUAL_LOSS_STEPS,
    LAYERS,
    LONG_CONTROL,
    LONG_TREATED,
    LONGER,
    NONE,
    RATE,
    STEPS,
    TREATED,
    Arm,
    everywhere,
    rates,
)
from tegum.studies._transformers_features import network_features
from tegum.studies._transformers_figures import (
    SITE_RATES,
    against_loss,
    layer_profile,
    loss_curves,
    parts_silenced,
    site_by_site,
)
from tegum.studies._transformers_measures import network_basis, network_redundancy
from tegum.studies._transformers_picture import Strip, every_pair
from tegum.study import Convergence, Figure, Study

FIRST_SEED = 3200
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_020))
"""Seeds that were looked at while the claims were being made, or are another study's:
in one store, rows that another study has trained would stand before this one's word."""

SEEDS, LONG_SEEDS = 15, 2
LOSS_TARGET = 3.9
"""In nats per token; AdamW is there after three quarters of the steps."""

SGD_RATE = 0.3


# --- designs -------------------------------------------------------------------------


def networks(*, seeds: int, dropout: Mapping[str, float], **factors: Any) -> Design:
    """Networks with dropout as given, trained with AdamW unless the factors differ."""
    usual = {"vocabulary": 512, "batch_size": 8, "steps": STEPS}
    fresh = range(FIRST_SEED, FIRST_SEED + seeds)
    return grid(**{**usual, **dropout, **factors}, seeds=fresh)


def joined(designs: Sequence[Design]) -> Design:
    """All rows of several designs."""
    return functools.reduce(operator.or_, designs)


def sites_and_rates(*, seeds: int, **factors: Any) -> Design:
    """Dropout at each site alone and at all of them, at several rates, and none."""
    made = [NONE]
    made += [rates(**{site: rate}) for site in SITES for rate in (RATE, 0.3)]
    made += [everywhere(rate) for rate in SITE_RATES]
    return joined([networks(seeds=seeds, dropout=d, **factors) for d in made])


DEMO = joined(
    [
        networks(seeds=SEEDS, dropout=NONE),
        networks(seeds=SEEDS, dropout=ALL),
        networks(seeds=SEEDS, dropout=NONE, steps=EQUAL_LOSS_STEPS),
    ]
)
DEFAULT = DEMO | joined(
    [networks(seeds=LONG_SEEDS, dropout=d, steps=LONGER * STEPS) for d in (NONE, ALL)]
)
FULL = DEFAULT | joined(
    [
        sites_and_rates(seeds=SEEDS),
        sites_and_rates(seeds=SEEDS, optimiser="rotated_adam"),
        sites_and_rates(seeds=SEEDS, optimiser="sgd", learning_rate=SGD_RATE),
        *(networks(seeds=SEEDS, dropout=d, steps=LONGER * STEPS) for d in (NONE, ALL)),
        *(networks(seeds=SEEDS, dropout=d, family="gpt_neox") for d in (NONE, ALL)),
        networks(seeds=SEEDS, dropout=NONE, steps=[600, 875]),
    ]
)

# --- claims --------------------------------------------------------------------------

ELHAGE = "Elhage et al. 2023, Privileged Bases in the Transformer Residual Stream"
PONA = "Pona 2023, comments on Superposition and Dropout: untried in transformers"
WCARGO = (
    "WCargo 2023, comments on Superposition and Dropout: less superposition in "
    "parallel, more redundancy in series"
)


def beside(number: str, treated: Arm, control: Arm) -> Estimand:
    """A number of one arm minus that of another, seed by seed."""
    return difference(
        level(number, where=treated.factors), level(number, where=control.factors)
    )


def changed(treated: Arm, **factors: Any) -> tuple[Arm, Arm]:
    """The two usual arms with other factors besides."""
    return (
        Arm(treated.name, {**treated.factors, **factors}),
        Arm(CONTROL.name, {**CONTROL.factors, **factors}),
    )


def three(smallest: float, *, words: tuple[str, str, str]) -> tuple[Region, ...]:
    """Falls, hardly moves, rises: three regions that meet at the smallest effect."""
    falls, still, rises = words
    return (
        below(-smallest, falls),
        between(-smallest, smallest, still),
        above(smallest, rises),
    )


KURTOSIS, SHARE, ROOM = 0.25, 0.01, 2.0
GAP = three(KURTOSIS, words=("falls", "hardly moves", "rises"))
REDUNDANCY = three(SHARE, words=("falls", "hardly moves", "rises"))
FEATURES = three(0.1, words=("falls", "hardly moves", "rises"))
DIMENSIONS = three(ROOM, words=("fewer", "as many", "more"))
STILL = "By 0.25 of excess kurtosis, half of what a scan asks for by default."
HUNDREDTH = "By a hundredth of what it costs to silence all the parts together."


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


BOTH_TIMES = (
    ("", "at equal steps", CONTROL),
    ("-at-equal-loss", "at equal loss", AT_EQUAL_LOSS),
)
CLAIMS = [
    *(
        said(
            f"residual-basis{ending}",
            "Dropout at all sites leaves the basis of the residual stream as it is, "
            f"mean over blocks, {words}.",
            beside("residual_gap_per_vector", TREATED, control),
            GAP,
            holds="hardly moves",
            reason=STILL,
            source=PONA,
        )
        for ending, words, control in BOTH_TIMES
    ),
    said(
        "neurons-basis",
        "Dropout at all sites makes the first layer's neurons stand out more: fewer "
        "of them are strong at a time, at equal steps.",
        beside("neurons_0_gap_per_vector", TREATED, CONTROL),
        GAP,
        holds="rises",
        reason=STILL,
        source="The pilot; Pona 2023: kurtosis rises with dropout.",
    ),
    *(
        said(
            f"redundancy-in-parallel{ending}",
            "Dropout at all sites makes the neurons of a layer more redundant, "
            f"{words}.",
            beside("redundancy_in_parallel", TREATED, control),
            REDUNDANCY,
            holds="rises",
            reason=HUNDREDTH,
            source=WCARGO,
        )
        for ending, words, control in BOTH_TIMES
    ),
    *(
        said(
            f"redundancy-in-series{ending}",
            "Dropout at all sites makes successive attentions and MLPs more "
            f"redundant, {words}.",
            beside("redundancy_in_series", TREATED, control),
            REDUNDANCY,
            holds="rises",
            reason=HUNDREDTH,
            source=WCARGO,
        )
        for ending, words, control in BOTH_TIMES
    ),
    *(
        said(
            f"superposition{ending}",
            "Dropout at all sites leaves fewer effective features for each unit of the "
            f"residual stream, {words}.",
            beside("residual_superposition_ratio", TREATED, control),
            FEATURES,
            holds="falls",
            reason="By 0.1 features for each unit, a twentieth of what there is.",
            source="Bereska et al. 2025, Superposition as Lossy Compression: by up to "
            "half in a small network; Pona 2023.",
        )
        for ending, words, control in BOTH_TIMES
    ),
    said(
        "superposition-beside-gaussian",
        "That is the covariance's doing: beside Gaussian vectors of the same "
        "covariance the count stays, at equal steps.",
        beside("residual_features_beside_gaussian", TREATED, CONTROL),
        FEATURES,
        holds="hardly moves",
        reason="By 0.1 of a ratio of some 0.75.",
        source="A control: Gaussian vectors hold no feature.",
    ),
    said(
        "room",
        "Dropout at all sites leaves the residual stream as many effective dimensions, "
        "at equal steps.",
        beside("residual_effective_dimensions", TREATED, CONTROL),
        DIMENSIONS,
        holds="as many",
        reason="To within 2 of some 13, as seeds differ.",
        source="What superposition would have to share.",
    ),
    said(
        "no-basis-without-dropout",
        "Without dropout the residual stream's basis is like any other, mean over "
        "blocks.",
        level("residual_gap_per_vector", where=CONTROL.factors),
        three(KURTOSIS, words=("lighter tails", "like any other", "heavier tails")),
        holds="like any other",
        reason=STILL,
        source=f"{ELHAGE}, where Adam alone gives heavy tails at 200M parameters.",
    ),
    said(
        "equal-loss",
        f"Without dropout {EQUAL_LOSS_STEPS:,} steps end at the loss that dropout has "
        f"after {STEPS:,}.",
        beside("heldout_loss", TREATED, AT_EQUAL_LOSS),
        three(0.06, words=("lower", "equal", "higher")),
        holds="equal",
        reason="To within 0.06 nats per token, what dropout costs at equal steps.",
        source="A control.",
    ),
    # In full only: longer training, sites, optimisers.
    *(
        said(
            f"longer-{name}",
            f"Trained four times as long, {text}.",
            beside(number, LONG_TREATED, LONG_CONTROL),
            regions,
            holds=holds,
            reason="The same smallest effect.",
            source="A control: no verdict before convergence.",
            designs=["full"],
        )
        for name, text, number, regions, holds in (
            (
                "residual-basis",
                "dropout leaves the basis of the residual stream as it is",
                "residual_gap_per_vector",
                GAP,
                "hardly moves",
            ),
            (
                "redundancy-in-parallel",
                "dropout makes the neurons of a layer more redundant",
                "redundancy_in_parallel",
                REDUNDANCY,
                "rises",
            ),
            (
                "redundancy-in-series",
                "dropout makes successive parts more redundant",
                "redundancy_in_series",
                REDUNDANCY,
                "rises",
            ),
        )
    ),
    *(
        said(
            f"{number.replace('_', '-')}-{site}",
            f"Dropout at rate 0.3 in the {site} site alone: {text}.",
            beside(
                number,
                Arm(site, {**CONTROL.factors, **rates(**{site: 0.3})}),
                CONTROL,
            ),
            regions,
            holds="rises",
            reason="The same smallest effect.",
            source="Open: the effect may differ by site.",
            designs=["full"],
        )
        for site in SITES
        for number, text, regions in (
            (
                "redundancy_in_parallel",
                "neurons of a layer are more redundant",
                REDUNDANCY,
            ),
            (
                "redundancy_in_series",
                "successive parts are more redundant",
                REDUNDANCY,
            ),
        )
    ),
    *(
        said(
            f"residual-basis-{optimiser.replace('_', '-')}",
            f"Trained by {words}, dropout at all sites leaves the basis of the "
            "residual stream as it is, where the loss target is reached.",
            beside(
                "comparable_residual_gap_per_vector",
                *changed(TREATED, optimiser=optimiser),
            ),
            GAP,
            holds="hardly moves",
            reason=f"{STILL} A network that ends above {LOSS_TARGET} nats per token is "
            "missing, not evidence.",
            source=f"{ELHAGE}: Adam alone may give a basis.",
            designs=["full"],
        )
        for optimiser, words in (
            ("rotated_adam", "Adam in a rotated basis"),
            ("sgd", "SGD"),
        )
    ),
    said(
        "adams-axes",
        "Without dropout, AdamW gives the residual stream no more of a basis than Adam "
        "in a rotated one.",
        beside(
            "comparable_residual_gap_per_vector",
            CONTROL,
            Arm("rotated", {**CONTROL.factors, "optimiser": "rotated_adam"}),
        ),
        GAP,
        holds="hardly moves",
        reason=STILL,
        source=ELHAGE,
        designs=["full"],
    ),
    *(
        said(
            f"{number.replace('_', '-')}-in-gpt-neox",
            f"In GPT-NeoX, where attention and MLP stand side by side: {text}.",
            beside(number, *changed(TREATED, family="gpt_neox")),
            regions,
            holds=holds,
            reason="The same smallest effect.",
            source="The architecture of the public dropout variants of Pythia.",
            designs=["full"],
        )
        for number, text, regions, holds in (
            (
                "residual_gap_per_vector",
                "dropout leaves the basis of the residual stream as it is",
                GAP,
                "hardly moves",
            ),
            (
                "redundancy_in_parallel",
                "dropout makes the neurons of a layer more redundant",
                REDUNDANCY,
                "rises",
            ),
            (
                "redundancy_in_series",
                "dropout makes successive parts more redundant",
                REDUNDANCY,
                "rises",
            ),
        )
    ),
]

SAID = {
    "residual-basis": {
        "hardly moves": "Dropout at all sites, rate 0.1, hardly moves the basis of the "
        "residual stream",
        "rises": "Dropout at all sites, rate 0.1, makes the basis of the residual "
        "stream stand out",
        "falls": "Dropout at all sites, rate 0.1, makes the basis of the residual "
        "stream stand out less",
        "refuted": "Dropout at all sites, rate 0.1, moves the basis of the residual "
        "stream",
        "undecided": "What dropout at all sites, rate 0.1, does to the basis of the "
        "residual stream is undecided",
    },
    "neurons-basis": {
        "rises": "; it makes the first layer's neurons stand out more",
        "hardly moves": "; it hardly moves that of the first layer's neurons",
        "falls": "; it makes the first layer's neurons stand out less",
        "refuted": "; it does not make the first layer's neurons stand out more",
        "undecided": "; of the first layer's neurons that is undecided",
    },
    "redundancy-in-parallel": {
        "rises": ". In parallel, the neurons of a layer become more redundant",
        "hardly moves": ". In parallel, the neurons of a layer stay as redundant",
        "falls": ". In parallel, the neurons of a layer become less redundant",
        "refuted": ". In parallel, the neurons of a layer do not become more redundant",
        "undecided": ". Whether neurons become more redundant in parallel is undecided",
    },
    "redundancy-in-series": {
        "rises": "; in series, successive parts become more redundant",
        "hardly moves": "; in series, successive parts stay as redundant",
        "falls": "; in series, successive parts become less redundant",
        "refuted": "; in series, successive parts do not become more redundant",
        "undecided": "; whether parts in series become more redundant is undecided",
    },
    "superposition": {
        "falls": ". Fewer effective features share the residual stream",
        "hardly moves": ". As many effective features share the residual stream",
        "rises": ". More effective features share the residual stream",
        "refuted": ". No fewer effective features share the residual stream",
        "undecided": ". Whether fewer features share the residual stream is undecided",
    },
    "superposition-beside-gaussian": {
        "falls": " (it falls beside Gaussian vectors of its covariance as well)",
        "hardly moves": " (beside Gaussian vectors of its covariance the count stays)",
        "rises": " (beside Gaussian vectors of its covariance the count rises)",
        "refuted": " (beside Gaussian vectors of its covariance the count moves)",
        "undecided": "",
    },
    "room": {
        "as many": ". The residual stream fills as many dimensions.",
        "fewer": ". The residual stream fills fewer dimensions.",
        "more": ". The residual stream fills more dimensions.",
        "refuted": ". The residual stream fills another number of dimensions.",
        "undecided": ".",
    },
    "equal-loss": {
        "lower": " The networks meant to stop at equal loss are not comparable.",
        "higher": " The networks meant to stop at equal loss are not comparable.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""

EQUALLY = (
    "residual-basis",
    "redundancy-in-parallel",
    "redundancy-in-series",
    "superposition",
)
CONTROLS = (
    "no-basis-without-dropout",
    "equal-loss",
    "longer-residual-basis",
    "longer-redundancy-in-parallel",
    "longer-redundancy-in-series",
)


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together, at equal steps, and whether equal loss agrees."""
    found = {verdict.claim.name: verdict for verdict in verdicts}
    text = assembled(verdicts, SAID, controls=CONTROLS)
    apart = [
        name
        for name in EQUALLY
        if name in found
        and f"{name}-at-equal-loss" in found
        and _outcome(found[name]) != _outcome(found[f"{name}-at-equal-loss"])
    ]
    if apart:
        named = ", ".join(f"'{name}'" for name in apart)
        return f"{text} At equal loss it came out otherwise for {named}."
    return f"{text} At equal loss each verdict is the same."


def _outcome(verdict: Verdict) -> str:
    return verdict.holds or verdict.word


STRIPS = (
    Strip(
        "residual_gap_per_vector", "Residual stream: kurtosis beside rotations",
        False, (-KURTOSIS, KURTOSIS),
    ),
    Strip(
        "neurons_0_gap_per_vector", "First layer's neurons: kurtosis beside rotations",
        False, (-KURTOSIS, KURTOSIS),
    ),
    Strip(
        "redundancy_in_parallel", "Redundancy in parallel (neurons of a layer)",
        False, (-SHARE, SHARE),
    ),
    Strip(
        "redundancy_in_series", "Redundancy in series (attentions and MLPs)",
        False, (-SHARE, SHARE),
    ),
    Strip(
        "residual_superposition_ratio", "Residual stream: effective features per unit",
        False, (-0.1, 0.1),
    ),
    Strip(
        "residual_effective_dimensions", "Residual stream: effective dimensions",
        False, (-ROOM, ROOM),
    ),
    Strip("heldout_loss", "Held-out loss, nats per token", False, (-0.06, 0.06)),
)  # fmt: skip

FIGURES = (
    Figure(
        "layer-profile",
        "How far the basis of each place stands out, along the network: excess "
        "kurtosis beside random rotations, 0 for a basis like any other. Neurons have "
        "a basis of their own by their nonlinearity and another scale. Medians over "
        "seeds with pointwise 95 % intervals (of fewer than six seeds, their range); "
        "first tokens are left out.",
        layer_profile,
    ),
    Figure(
        "loss-curves",
        "The clean loss on held-out files along training: medians over seeds, bands "
        "from the lowest seed to the highest. Each arm has a cosine schedule of its "
        "own, which ends with its last step.",
        loss_curves,
    ),
    Figure(
        "parts-silenced",
        "Above: what the held-out loss gains when a part is replaced by its mean. "
        "Below: how much of what all parts do together is not lost when each is lost "
        "alone; 0 where costs add up. Medians over seeds with pointwise 95 % "
        "intervals.",
        parts_silenced,
    ),
    Figure(
        "against-loss",
        "Every network: its numbers against its held-out loss. What two arms have at "
        "one loss can be compared; what differs because one has learned less can not.",
        against_loss,
    ),
    Figure(
        "site-by-site",
        "What dropout at each site alone and at all of them adds, against its rate: "
        "medians of pairs at equal steps. Only `full` trains single sites.",
        site_by_site,
    ),
)

STUDY = Study(
    name="dropout-in-transformers",
    question="What does dropout do to the basis and to the redundancy of small "
    "transformers, at equal steps and at equal loss?",
    background="A privileged basis and superposition are two things, and redundancy is "
    "a third: each is asked for by itself. Redundancy is the same quantity in parallel "
    "(neurons of a layer) and in series (successive parts). Networks of two layers, 64 "
    "wide, trained for a quarter of a minute, mostly know which token follows which. "
    "What was fixed on the pilot's seeds stands in the study's source.",
    subject=SmallTransformers(),
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[
        network_basis(LAYERS, loss_target=LOSS_TARGET),
        network_redundancy(LAYERS),
        network_features(LAYERS),
        TRANSFORMER_TRAINING,
    ],
    claims=CLAIMS,
    alpha=0.05,
    convergence=Convergence("loss_fall_last_tenth", limit=0.01),
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=functools.partial(every_pair, strips=STRIPS),
    figures=FIGURES,
)
