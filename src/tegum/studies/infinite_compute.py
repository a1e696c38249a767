"""What does compute buy an optimiser that learns, and one that plans?

With compute without end, beren holds, direct optimisation becomes the argmax and
amortised optimisation the posterior of its data; and a comment has it that a learner
stops where its data end unless compute is spent on data. The study spends operations
(expansions, environment steps, backups: each looks at one state or step) on maps whose
every limit is known exactly, and asks of each optimiser where it stops.

- *Who*: value iteration plans; Q-learning is an amortised argmax, cloning (the exact
  Dirichlet posterior mean) an amortised posterior. Both learn from an explorer that
  takes the best action once in five times and else a random one.
- *On what*: on 1,024 fixed steps, the rest on updates; or on new data, one operation
  in 32 of Q-learning and half of cloning's, which counts each step once.
- *Regret* is the mean over all cells of the steps lost, a way that never ends counting
  one step for each state. *Distance* is total variation, the mean over cells: from the
  explorer, and from the nearest optimal policy (often several actions are optimal).
- *Plateaus* are computed, not fitted: 0 for the planner; on fixed data the regret of
  the best policy of the problem that these data show (a state that they enter and never
  leave keeps its first value, 0, and so ends); on new data 0 for Q-learning, whose
  explorer tries everything, and the explorer's own regret for cloning.
- *Compute-optimal split*: Q-learning with compute C walks N steps and makes C - N
  updates, N = 2^(-j/2) C. The N of least regret (three neighbouring N averaged, as one
  run is subject to chance) rises with C, and a is each map's own slope of log2 N along
  log2 C over the budgets asked. At 1/2 passes over the data grow as fast as the data;
  the comment says more, and a at most 1/2 refutes it. It is asked of certain moves with
  rate 1, over 2^12 .. 2^16 operations on maps of 12 x 12.

The slope belongs to these budgets: N is no power of C over them. On 20 of the pilot's
maps log2 N bends upwards with rate 1 (slopes from octave to octave .55, .78, .73, .82;
at 2^17 the best split loses nothing on two maps in five, so that the range ends before)
and more so where the rate is visits^-0.6: with certain moves over 2^13 .. 2^18 its
slope was .55, by octaves .32, .40, .48, .65, .65; with slippery ones (slip 0.1,
discount 0.99) .41, by octaves .20, .55, .35, .45, .57. Hence no claim says on which
side of 1/2 visits^-0.6 lies, nor that it lies below rate 1: at the same regret the two
differed by .15 to .20, by more than a tenth on half to three quarters of the maps. Both
are drawn, with the slope of the last octave.

An argmax puts everything on one action. That it is far from an explorer that does not
is no finding; the claim is there to set the number beside the cloner's.

Fixed on the pilot's seeds, before the rest: 1,024 steps, which leave a map of 12 x 12 a
plateau of about 13 steps; one operation in 32; the range of C, within which the best
regret falls from most of the worst to a few steps; no best split was found at the ends
of the shares tried (1/2 and 2^-11). The pilot's a was about .75 on either size of map.
How many maps: of 150 in the pilot 12 % still lost more than a step with 2^18 operations
on new data, none with 2^20, so that Q-learning is asked of 60 maps; 24 elsewhere, and
16 for the splits that no claim is about.

No limit of convergence stands before the claims: how far a budget brings a learner is
what is asked, limits are exact, and four times the compute is a claim of its own. The
planner's limit is exact. Controls: the data's actions under shuffled names, with which
no compute may help; and unwanted cells put where ways do not pass in place of where
they do, which no regret may notice. There is no oracle here to be shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tegum.claims import (
    Claim,
    Part,
    Verdict,
    above,
    below,
    between,
    level,
    paired_difference,
    slope,
)
from tegum.claims.estimands import Estimand
from tegum.design import Design, grid
from tegum.studies._answers import assembled
from tegum.studies._compute_picture import (
    compute_buys,
    controls_figure,
    pruned_boards,
    split_figure,
    two_by_two,
)
from tegum.studies._compute_plateaus import plateaus_figure
from tegum.studies._compute_subject import REACHED, SPLIT, SpentCompute
from tegum.study import Figure, Study

FIRST_SEED = 3760
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_400))
"""Seeds looked at while the claims were being made, or another study's."""

SIZE, LARGER_SIZE = 12, 20
FIXED_STEPS = 1024
RANDOMNESS = 0.8
COUPLING = 0.5
ENOUGH, LONGER = 18, 20
"""log2 of the compute at which claims are judged, and of four times as much."""
BUDGETS = [10, 12, 14, 16, ENOUGH, LONGER]
SPLIT_BUDGETS = [12, 13, 14, 15, 16]
AVERAGING_BUDGETS = [13, 14, 15, 16, 17, 18]
LARGER_BUDGETS = [14, 15, 16, 17, 18, 19]
SLIPPERY = {"slip": 0.1, "discount": 0.99}

Q: dict[str, Any] = {"method": "q_learning", "learning_rate": 1.0}
AVERAGING: dict[str, Any] = {"method": "q_learning", "learning_rate": 0.0}
CLONING: dict[str, Any] = {"method": "behaviour_cloning"}
FIXED: dict[str, Any] = {"spent_on": "fixed data", "steps": FIXED_STEPS}
NEW: dict[str, Any] = {"spent_on": "new data"}
BEST: dict[str, Any] = {"spent_on": "best split"}
PLANNER: dict[str, Any] = {"method": "value_iteration", "spent_on": "search"}


def spent(*, seeds: int, first_seed: int = FIRST_SEED, **factors: Any) -> Design:
    """A grid of optimisers, each with so much compute, asked from every cell."""
    usual = {
        "world": "map",
        "size": SIZE,
        "coupling": COUPLING,
        "queries": None,
        "randomness": RANDOMNESS,
        "log2_compute": BUDGETS,
    }
    given = {**usual, **factors}
    return grid(**given, seeds=range(first_seed, first_seed + seeds))


# --- designs -------------------------------------------------------------------------


def arms(*, seeds: int, **common: Any) -> Design:
    """Every optimiser on everything that it may spend on, and the controls."""
    some = {"seeds": seeds, **common}
    return (
        spent(**PLANNER, **some)
        | spent(**Q, **FIXED, **{**some, "log2_compute": BUDGETS[1:]})
        | spent(**Q, **NEW, labels=["true", "shuffled"], **some)
        | spent(**CLONING, **FIXED, **{**some, "log2_compute": BUDGETS[1:]})
        | spent(**CLONING, **NEW, **some)
        | spent(**Q, **NEW, **{**some, "coupling": -COUPLING})
    )


def splits(*, seeds: int, drawn: int, **common: Any) -> Design:
    """The best split of certain and of slippery moves, with two rules of updating.

    On `drawn` maps where it is drawn and no claim asks about it.
    """
    some = {"seeds": seeds, **common}
    more = {"seeds": drawn, "log2_compute": AVERAGING_BUDGETS, **common}
    return (
        spent(**Q, **BEST, log2_compute=SPLIT_BUDGETS, **some)
        | spent(**AVERAGING, **BEST, **more)
        | spent(**AVERAGING, **BEST, **SLIPPERY, **more)
    )


def nearly_there(*, seeds: int, **common: Any) -> Design:
    """Q-learning with so much compute that most maps are at their limit."""
    some = {"seeds": seeds, "log2_compute": [ENOUGH, LONGER], **common}
    return spent(**Q, **NEW, labels="true", **some) | spent(**Q, **FIXED, **some)


def boards(first_seed: int = FIRST_SEED) -> Design:
    """One map with one start: the 2 x 2, and search and data pruned on either side."""
    board = {
        "seeds": 1,
        "first_seed": first_seed,
        "size": 16,
        "queries": 1,
        "log2_compute": ENOUGH,
        "keep": "board",
    }
    astar = {"method": "a_star", "spent_on": "search", "pruning": ["none", "lazy"]}
    return (
        spent(**astar, **board)
        | spent(method="boltzmann_planner", spent_on="search", **board)
        | spent(**Q, **NEW, **board)
        | spent(**CLONING, **NEW, **board)
        | spent(method="certainty_equivalent", pruning="lazy", **NEW, **board)
    )


def larger(*, seeds: int) -> Design:
    """The best split on a larger map."""
    some = {"size": LARGER_SIZE, "log2_compute": LARGER_BUDGETS, "seeds": seeds}
    return spent(**Q, **BEST, **some)


def demo(first_seed: int = FIRST_SEED) -> Design:
    """The arms, the splits and the boards on two dozen maps, one arm on more."""
    first = {"first_seed": first_seed}
    return (
        arms(seeds=24, **first)
        | splits(seeds=24, drawn=16, **first)
        | nearly_there(seeds=60, **first)
        | boards(first_seed)
    )


DEMO = demo()
DEFAULT = DEMO | arms(seeds=60) | splits(seeds=60, drawn=60) | larger(seeds=24)
FULL = DEFAULT | arms(seeds=100) | splits(seeds=100, drawn=100) | larger(seeds=100)

# --- claims --------------------------------------------------------------------------

BEREN = "beren 2023, Deconfusing direct vs amortised optimisation"
COMMENT = "A comment on it: compute is to be spent on data"


def cell(*parts: dict[str, Any], **factors: Any) -> dict[str, Any]:
    """The rows of one arm: every factor that varies in the study, but for the compute.

    Steps are those of fixed data; elsewhere they follow from the compute.
    """
    usual = {
        "size": SIZE,
        "coupling": COUPLING,
        "queries": None,
        "labels": "true",
        "slip": 0.0,
        "pruning": "none",
        "keep": "queries",
    }
    found = usual
    for part in parts:
        found = {**found, **part}
    return {**found, **factors}


def at(number: str, where: dict[str, Any], *, compute: int = ENOUGH) -> Estimand:
    """A number at a compute."""
    return level(number, where={**where, "log2_compute": compute})


def exponent(*parts: dict[str, Any], **factors: Any) -> Estimand:
    """The slope of log2 N along log2 C over the budgets asked, each map's own."""
    where = cell(BEST, *parts, **factors)
    return slope("log2_best_steps", factor="log2_compute", where=where)


DATA, PASSES = above(0.5, "data faster"), below(0.5, "passes faster")
HALF = (
    "At a slope of 1/2 the data and the passes over them grow alike; the comment is "
    "refuted at or below it. Slopes belong to these budgets: the curve bends."
)


def grows(name: str, statement: str, estimand: Estimand, **designs: Any) -> Claim:
    """That data should grow faster with compute than the passes over them."""
    return Claim(
        name,
        statement,
        [Part(estimand, DATA)],
        reason=HALF,
        source=f"The pilot. That data should: {COMMENT}; Hilton et al. 2023.",
        rivals=[PASSES],
        **designs,
    )


CLAIMS = [
    Claim(
        "planner-becomes-argmax",
        "With 2^14 operations value iteration loses nothing to the optimum.",
        [Part(at("regret", cell(PLANNER), compute=14), below(0.5))],
        reason="Half a step; ways are about nine long.",
        source=BEREN,
    ),
    Claim(
        "fixed-data-end-on-a-plateau",
        "On 1,024 fixed steps Q-learning with 2^18 operations loses what the best "
        "policy of these data loses, and not less than three steps.",
        [
            Part(at("above_plateau", cell(Q, FIXED)), between(-1.0, 1.0)),
            Part(at("regret", cell(Q, FIXED)), above(3.0)),
        ],
        reason="To within a step; three steps are a third of a way.",
        source=f"The limit is exact. That there is a plateau: {COMMENT}.",
    ),
    Claim(
        "new-data-do-not",
        "With 2^18 operations, one in 32 spent on new data, Q-learning loses less than "
        "a step.",
        [Part(at("regret", cell(Q, NEW)), below(1.0))],
        reason="A step, of ways that are about nine long.",
        source=COMMENT,
    ),
    Claim(
        "argmax-goes-to-the-planner",
        "With new data the policy of Q-learning comes within 0.05 of an optimal one in "
        "total variation, and stays over 0.5 away from the explorer's.",
        [
            Part(at("distance_to_optimal", cell(Q, NEW)), below(0.05)),
            Part(at("distance_to_behaviour", cell(Q, NEW)), above(0.5)),
        ],
        reason="A twentieth of the cells. An optimal argmax is 0.6 from this explorer "
        "or more, by definition.",
        source="Against a comment that amortised optimisers act closely following "
        "their data.",
    ),
    Claim(
        "cloning-goes-to-the-explorer",
        "With new data cloning comes within 0.05 of the explorer in total variation, "
        "and its regret within three steps of the explorer's.",
        [
            Part(at("distance_to_behaviour", cell(CLONING, NEW)), below(0.05)),
            Part(at("above_plateau", cell(CLONING, NEW)), between(-3.0, 3.0)),
        ],
        reason="As near as the argmax must come to the planner; three steps are 6 % of "
        "the explorer's regret.",
        source=f"{BEREN}: amortised optimisation becomes the posterior.",
    ),
    grows(
        "split-of-certain-moves",
        "Where moves are certain and Q-learning's rate is 1, the compute-optimal data "
        "grow faster than the passes over them, over 2^12 to 2^16 operations.",
        exponent(Q),
    ),
    grows(
        "split-of-larger-maps",
        "On maps of 20 x 20 as well, with rate 1 and certain moves, the "
        "compute-optimal data grow faster than the passes over them, over 2^14 to 2^19 "
        "operations.",
        exponent(Q, size=LARGER_SIZE),
        designs=["default", "full"],
    ),
    Claim(
        "four-times-the-compute",
        "Four times the compute changes neither what Q-learning loses on fixed data "
        "nor what it loses on new ones by a step.",
        [
            Part(
                paired_difference(
                    "regret",
                    factor="log2_compute",
                    treated=LONGER,
                    control=ENOUGH,
                    where=cell(Q, data),
                ),
                between(-1.0, 1.0),
            )
            for data in (FIXED, NEW)
        ],
        reason="The same step as above.",
        source="A control: a budget is not the limit.",
    ),
    Claim(
        "shuffled-labels-teach-nothing",
        "From data whose actions bear shuffled names, 2^18 operations leave "
        "Q-learning's regret above 50 steps.",
        [Part(at("regret", cell(Q, NEW, labels="shuffled")), above(50.0))],
        reason="About half of what never arriving costs.",
        source="A control: what is learned must come from the data.",
    ),
    Claim(
        "unwanted-cells-are-not-seen",
        "Reversing the coupling of unwanted cells to the ways changes no regret.",
        [
            Part(
                paired_difference(
                    "regret",
                    factor="coupling",
                    treated=-COUPLING,
                    control=COUPLING,
                    where={
                        name: value
                        for name, value in cell(Q, NEW, log2_compute=16).items()
                        if name != "coupling"
                    },
                ),
                between(-0.5, 0.5),
            )
        ],
        reason="Rewards know nothing of unwanted cells.",
        source="A control.",
    ),
]

# --- the answer ----------------------------------------------------------------------

SAID = {
    "planner-becomes-argmax": {
        "supported": "Compute makes the planner the argmax",
        "refuted": "Compute does not make the planner the argmax",
        "undecided": "Whether compute makes the planner the argmax is undecided",
    },
    "fixed-data-end-on-a-plateau": {
        "supported": "; a learner of fixed data stops at the best policy that these "
        "data show",
        "refuted": "; a learner of fixed data does not stop at the best policy that "
        "these data show",
        "undecided": "; where a learner of fixed data stops is undecided",
    },
    "new-data-do-not": {
        "supported": ", one that spends a part on new data does not.",
        "refuted": ", and one that spends a part on new data does not reach the "
        "optimum.",
        "undecided": "; whether new data bring it to the optimum is undecided.",
    },
    "argmax-goes-to-the-planner": {
        "supported": " An argmax learner ends at the planner, away from its data",
        "refuted": " An argmax learner does not end at the planner away from its data",
        "undecided": " Whether an argmax learner ends at the planner is undecided",
    },
    "cloning-goes-to-the-explorer": {
        "supported": "; a cloning one ends at its data.",
        "refuted": "; a cloning one does not end at its data.",
        "undecided": "; whether a cloning one ends at its data is undecided.",
    },
    "split-of-certain-moves": {
        "data faster": " With certain moves and rate 1, over 2^12 to 2^16 operations, "
        "more compute should go to data faster than to passes over them.",
        "passes faster": " With certain moves and rate 1, over 2^12 to 2^16 "
        "operations, passes over the data should grow faster than data.",
        "refuted": " With certain moves and rate 1, over 2^12 to 2^16 operations, data "
        "should not grow faster than passes over them.",
        "undecided": " With certain moves and rate 1, over 2^12 to 2^16 operations, it "
        "is undecided whether data or passes over them should grow faster.",
    },
    "split-of-larger-maps": {
        "data faster": " On larger maps, over 2^14 to 2^19, data should grow faster.",
        "passes faster": " On larger maps, over 2^14 to 2^19, passes should grow "
        "faster.",
        "refuted": " On larger maps, over 2^14 to 2^19, data should not grow faster.",
        "undecided": " On larger maps, over 2^14 to 2^19, that is undecided.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""

CONTROLS = (
    "four-times-the-compute",
    "shuffled-labels-teach-nothing",
    "unwanted-cells-are-not-seen",
)


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together."""
    return assembled(verdicts, SAID, controls=CONTROLS)


STUDY = Study(
    name="infinite-compute",
    question="Where does each optimiser stop when its compute has no end, and should "
    "compute be spent on data or on passing over them?",
    background="Regret and distance against operations, for a planner, an argmax "
    "learner and a cloning one, on fixed data and on new ones; every limit is computed "
    "exactly. Then the split of compute that does best in hindsight. What was fixed on "
    "the pilot's seeds stands in the study's source.",
    subject=SpentCompute(),
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[REACHED, SPLIT],
    claims=CLAIMS,
    alpha=0.05,
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=compute_buys,
    figures=(
        Figure(
            "compute-plateaus",
            "Where each optimiser stops: what it loses with the most compute given, "
            "and the limit, computed exactly, that more compute on the same would tend "
            "to. Marks are medians over maps, bars run from the tenth to the ninetieth "
            "of a hundred; on the right, how many maps are within half a step of their "
            "own limit. Cloning's limit on new data is the explorer's loss, on which "
            "its own may lie by chance.",
            plateaus_figure,
            where={
                "size": SIZE,
                "coupling": COUPLING,
                "labels": "true",
                "keep": "queries",
                "spent_on": ["search", "new data", "fixed data"],
            },
        ),
        Figure(
            "compute-split",
            "Regret of Q-learning against the steps it walks, one line for each "
            "compute, the best marked: means over maps. From one compute to the next "
            "the best moves by no constant factor: it is no power of the compute.",
            split_figure,
            where={**BEST, "size": SIZE},
        ),
        Figure(
            "compute-controls",
            "Controls. Left: from data with shuffled labels no compute teaches "
            "anything; where unwanted cells lie changes no regret. Right: it changes "
            "how many ways touch them, and more compute touches as many as the "
            "planner.",
            controls_figure,
            where={
                "method": ["q_learning", "value_iteration"],
                "keep": "queries",
                "spent_on": ["new data", "search"],
            },
        ),
        Figure(
            "two-by-two",
            "Direct and amortised, argmax and posterior on one map: play, or move the "
            "slider, to go from the search to the way. Titles say what becomes of the "
            "start.",
            two_by_two,
            where={"keep": "board", "pruning": "none"},
        ),
        Figure(
            "board",
            "One map pruned lazily on either side: what all searches looked at, what "
            "the data cover, what the oracle was asked, in order, and the way; play, "
            "or move the slider.",
            pruned_boards,
            where={"keep": "board", "pruning": "lazy"},
        ),
    ),
)
