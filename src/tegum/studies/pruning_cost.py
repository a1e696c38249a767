"""Does pruning data cost as much as pruning search, and what decides it?

An optimiser is kept from unwanted states by an oracle that is asked about states. It
may be asked about what a learner is shown, or about what a search proposes. A comment
on direct and amortised optimisers says that both cost the same. The study counts the
checks, and the operations beside them, over maps of nine sizes, and holds a tenth size
back.

What counts as what:

- *The unit* is a ladder: the maps that one seed draws, one of each size, 8 x 8 to 181 x
  181. All procedures run on the same maps. S is the number of states of a map.
- *Cost* is the number of different states that the oracle is asked about until no
  solution of the queries is unwanted. `one` query is asked on a map of which nothing is
  known (the mean of eight such), `sixteen` share what was learned, `all` are every
  possible start. `certificate` samples starts and inspects the way from each until at
  most a share 0.05 of all is unwanted, but for chance 0.05, which is spent over rounds:
  the k-th may err with 6 delta / (pi^2 k^2), and a way that is refused ends it.
- *Data's side* has complete data. Eager, it is asked about every state: S, by
  construction. Lazy, about what the policy proposes, retraining exactly after each
  refusal. *Search's side* plans by A* and starts over after each refusal; what it was
  told it remembers.
- *Matched* is lazy against lazy. With ties fixed both ask identical questions, which is
  tested; so checks for several queries are counted once, on data's side, and stand for
  both. The claim about it breaks ties at random, on either side anew. *Unmatched* is
  eager data against lazy search.
- *A certificate of search's own*: the same rule, where each sampled query is planned
  by A* from nothing and what was refused stays away. With ties fixed and the same
  sample it is data's certificate, check for check, which is tested; here search differs
  from a policy as far as it can: every plan decides its ties anew and its sample is its
  own. As each of thousands of passes is a search, maps end at 64 x 64. A search that
  forgets what it was refused proposes at the rate of an unpruned one, and no number of
  checks certifies it: it pays for every query, for ever. How many queries cost as much
  as one certificate is in the table.
- *Operations* favour data: complete data cost one step for each transition, which no
  explorer reaches, and retraining repairs values, where search starts over. So they
  compare repair with restart, not data with search: `restarted_operations_ratio` works
  out what data would cost if they started over too, and where both sides are shown
  every state beforehand neither repairs anything.
- *Exponents* are slopes of log cost on log S. The two smallest sizes and 181 x 181
  enter none. They are slopes over these sizes, and a law only where the power law
  forecasts the size held out better than S log S and than a cost that saturates; the
  picture says of each whether it does.
- *Forecasts and promises* are scored ladder by ladder: the share of ladders whose error
  is within the factor, or on which a certificate left more than it promised. A median
  of signed errors, or of the worst of ten sizes, would let errors cancel.
- *Oracle error*: misses leave unwanted solutions, false alarms leave queries without
  any. Each is varied alone. Errors are the oracle's, drawn beforehand, so that both
  sides meet the same ones.
- *A learned filter* guesses what is unwanted from 200 answers about states anywhere, by
  how near they lie. Where unwanted cells are scattered there is nothing to learn; it is
  judged where they lie in patches, of a tenth of a side, on maps up to 91 x 91.
- *Censoring*: with a perfect oracle every query is solved. Where the oracle errs or
  forbids too much some are not; rates count solutions that are unwanted,
  `unsolved_after` counts queries without one, `cut_off_after` those among them at whose
  start the oracle does not balk, and `failed_after` everything that is not clean.

Fixed on the pilot's seeds (ten to twenty ladders an arm), before the rest:

- Eight queries asked alone: with four, the exponent of one ladder strayed by 0.15 and
  its forecast by a factor 2.
- 24 ladders in the demo: the simultaneous interval of a median is then about as wide
  as two standard deviations between ladders. That settles what has a standard deviation
  below half of its region's width. What has not is asked of 60 ladders and not of the
  demo: one query's exponent under strong coupling (0.12 beside a distance of 0.15),
  its law (0.4 to 0.7), the selection of mistakes (0.2 beside 0.1), and the promise.
- Complete data, exact planners and exact retraining need no convergence. The learner
  on trajectories does: it is shown four times as many steps as well.
- Episodes of 16 steps where unwantedness is a matter of history: of long ones hardly
  any is clean, and the learner then solves too little to be judged.
- Couplings 0 and 0.8 are averaged within a ladder wherever a claim does not ask about
  coupling itself. The shuffled oracle runs on ladders up to 64 x 64, shuffled labels,
  an erring oracle and patches up to 128 x 128.
- 10 % of false alarms, at which half of the queries lose their way; with 2 % it is one
  in twenty-five.

Negative controls in every design: coupling reversed (unwanted states lie where no
optimiser goes), labels shuffled after the coupling chose them, and the oracle shuffled.
"""

from __future__ import annotations

from typing import Any

from tegum.claims import (
    Claim,
    Part,
    above,
    below,
    between,
    difference,
    level,
    proportion,
)
from tegum.claims.estimands import Estimand
from tegum.design import Design, grid
from tegum.studies._pruning_answer import answer
from tegum.studies._pruning_errors import errors
from tegum.studies._pruning_figures import controls, forecasts, prices
from tegum.studies._pruning_ladders import SIZES, PruningLadders
from tegum.studies._pruning_measures import CHECKS, PRUNING
from tegum.studies._pruning_picture import ALIKE, costs_and_regimes
from tegum.studies._pruning_regimes import regimes
from tegum.study import Figure, Study

SHORT, MIDDLE = SIZES[:7], SIZES[:9]
FIRST_SEED = 3500
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_001_000))
"""Seeds looked at while the claims were being made, or another study's."""
STRONG, REVERSED = 0.8, -0.8
ERRING = 0.1
"""The rate of the oracle's misses, or of its false alarms, that claims are about."""
PATCH = 0.1


def ladders(
    *, seeds: int, sizes: tuple[int, ...] = SIZES, first_seed: int = FIRST_SEED,
    **factors: Any,
) -> Design:  # fmt: skip
    """A ladder for each seed and each level of the factors."""
    return grid(
        sizes=sizes, **{**USUAL, **factors}, seeds=range(first_seed, first_seed + seeds)
    )


def controls_and_misses(*, seeds: int, first_seed: int = FIRST_SEED) -> Design:
    """Labels or oracle shuffled, and an oracle that misses a tenth."""
    common: Any = {"seeds": seeds, "first_seed": first_seed}
    return (
        ladders(coupling=STRONG, control="labels shuffled", sizes=MIDDLE, **common)
        | ladders(coupling=STRONG, control="oracle shuffled", sizes=SHORT, **common)
        | ladders(coupling=BOTH, misses=ERRING, sizes=MIDDLE, **common)
    )


def alarms_and_patches(
    coupling: list[float], *, seeds: int, first_seed: int = FIRST_SEED
) -> Design:
    """An oracle that calls a tenth of what is wanted unwanted, and unwanted patches."""
    common: Any = {"sizes": MIDDLE, "seeds": seeds, "first_seed": first_seed}
    return ladders(coupling=coupling, false_alarms=ERRING, **common) | ladders(
        patch_share=PATCH, **common
    )


def demo(first_seed: int = FIRST_SEED) -> Design:
    """Three couplings, one of them reversed, and every control."""
    common: Any = {"seeds": 24, "first_seed": first_seed}
    return (
        ladders(coupling=[REVERSED, 0.0, STRONG], **common)
        | controls_and_misses(**common)
        | alarms_and_patches([0.0], **common)
    )


def rarer(*, seeds: int) -> Design:
    """Oracles that err less, and one that misses more."""
    some: Any = {"coupling": BOTH, "sizes": MIDDLE, "seeds": seeds}
    return ladders(misses=[0.02, 0.3], **some) | ladders(
        false_alarms=[0.02, 0.05], **some
    )


BOTH = [0.0, STRONG]
USUAL: dict[str, Any] = {
    "coupling": 0.0, "misses": 0.0, "false_alarms": 0.0, "patch_share": 0.0,
    "control": "none",
}  # fmt: skip
DEMO = demo()
DEFAULT = (
    DEMO
    | ladders(coupling=[REVERSED, 0.0, 0.5, STRONG], seeds=60)
    | controls_and_misses(seeds=60)
    | alarms_and_patches(BOTH, seeds=30)
    | rarer(seeds=6)
)
FULL = (
    DEFAULT
    | ladders(coupling=[REVERSED, -0.4, 0.0, 0.25, 0.5, STRONG, 0.9], seeds=150)
    | controls_and_misses(seeds=150)
    | alarms_and_patches(BOTH, seeds=150)
    | rarer(seeds=60)
)

# --- claims --------------------------------------------------------------------------

COMMENT = "A comment on Beren 2023, Deconfusing direct vs amortised optimisation"
PILOT = "The pilot."
LATER = ["default", "full"]
"""Designs with ladders enough for what varies much between them."""
WHOLE = ("all", "certificate")
"""Costs that see nearly the whole map."""


def cell(coupling: float | list[float], **factors: Any) -> dict[str, Any]:
    """Every factor that varies."""
    return {**USUAL, "sizes": [SIZES], "coupling": coupling, **factors}


def at(number: str, coupling: float | list[float], **factors: Any) -> Estimand:
    """A number of long ladders, unless the factors say otherwise."""
    return level(number, where=cell(coupling, **factors))


QUARTER = between(-0.32, 0.32)
"""A factor 1.25 either way, in log2."""


def near(cost: str, coupling: float) -> Estimand:
    """The share of ladders whose held-out size the power law forecasts closely."""
    number = f"power_forecast_{cost}"
    return proportion(number, region=QUARTER, where=cell(coupling))


def breached(coupling: float) -> Estimand:
    """The share of ladders on which some certificate broke its promise."""
    return proportion("certificate_breaches", region=above(0.5), where=cell(coupling))


AS_STATES = between(0.95, 1.05, "as data")
SLOWER, FASTER = below(0.95, "below data"), above(1.05, "above data")
SELECTED, BY_CHANCE, AVOIDED = (
    above(1.25, "selected"),
    between(0.8, 1.25, "chance"),
    below(0.8, "avoided"),
)
EXPONENT = "Equal exponents are within 0.05: over a factor 64 of states, a fifth."
RATIO = "Equal costs are within a factor 1.25."
DATA_DEARER, AS_DEAR, SEARCH_DEARER = (
    above(1.25, "data dearer"),
    between(0.8, 1.25, "as dear"),
    below(0.8, "search dearer"),
)


def mistakes(name: str, coupling: float, words: str) -> Claim:
    """Whether ways that are taken meet the oracle's mistakes more than by chance."""
    estimand = at(
        "missed_selection", coupling, sizes=[MIDDLE], misses=ERRING
    )  # fmt: skip
    regions = (SELECTED, BY_CHANCE, AVOIDED)
    said = BY_CHANCE if coupling == 0.0 else AVOIDED
    return Claim(
        name,
        f"{words}, unwanted states that an oracle with 10 % misses overlooked are "
        + (
            "as common on the ways that are taken as among all that it lets pass."
            if said is BY_CHANCE
            else "rarer on the ways that are taken than among all that it lets pass."
        ),
        [Part(estimand, said)],
        reason=RATIO,
        source="Derived: without coupling a miss is one state like another."
        if said is BY_CHANCE
        else "Earlier ladders, against the optimiser's curse: what is refused drives "
        "ways away from where unwanted states lie.",
        rivals=[region for region in regions if region is not said],
        designs=LATER,
    )


CLAIMS = [
    Claim(
        "matched",
        "Lazy with lazy, 16 queries, ties at random: pruning data and pruning search "
        "ask for as many checks, in level and in exponent.",
        [
            Part(at("matched_ratio", BOTH), between(0.8, 1.25)),
            Part(at("matched_exponent_gap", BOTH), between(-0.05, 0.05)),
        ],
        reason=f"{RATIO} {EXPONENT}",
        source=f"{COMMENT}; with fixed ties it is an identity.",
    ),
    Claim(
        "every-query",
        "Without coupling, lazy pruning for every possible query checks as many states "
        "as eager inspection of complete data, and grows no slower with them.",
        [
            Part(at("share_all", 0.0), above(0.8)),
            Part(at("exponent_all", 0.0), above(0.95)),
        ],
        reason=f"{RATIO} {EXPONENT}",
        source=COMMENT,
    ),
    Claim(
        "one-query",
        "For one query eager data costs more checks than lazy search, in level at 128 "
        "x 128 and in exponent.",
        [
            Part(at("share_one", BOTH), below(0.8)),
            Part(at("exponent_one", BOTH), below(0.95)),
        ],
        reason=f"{RATIO} {EXPONENT}",
        source="Earlier prototypes, 0.68 without coupling; against the comment.",
    ),
    Claim(
        "strong-coupling",
        "Where unwanted states lie where the optimiser goes (coupling 0.8), one "
        "query's checks grow as the states do.",
        [Part(at("exponent_one", STRONG), AS_STATES)],
        reason=EXPONENT,
        source="Earlier notes: under strong coupling both exponents go to 1.",
        rivals=[SLOWER, FASTER],
        designs=LATER,
    ),
    Claim(
        "certificate",
        "A certificate for all queries costs checks in proportion to the states.",
        [Part(at("exponent_certificate", BOTH), AS_STATES)],
        reason=EXPONENT,
        source="Earlier prototypes: 0.85 to 0.73 of the states, falling with size.",
        rivals=[SLOWER, FASTER],
    ),
    Claim(
        "certificate-of-search",
        "A certificate of search's own, its ties decided anew by every plan and its "
        "queries sampled anew, costs as many different checks as data's, 16 x 16 to 64 "
        "x 64.",
        [Part(at("certificate_ratio", BOTH), AS_DEAR)],
        reason=f"{RATIO} With ties fixed and one sample it is an identity, which is "
        "tested; this is as far from it as search can go.",
        source=PILOT,
        rivals=[DATA_DEARER, SEARCH_DEARER],
    ),
    Claim(
        "certificate-operations",
        "In operations search's own certificate is dearer than data's at 64 x 64.",
        [Part(at("certificate_operations_ratio", BOTH), SEARCH_DEARER)],
        reason=f"{RATIO} Each pass is a search from nothing; data's values are "
        "repaired.",
        source=PILOT,
        rivals=[DATA_DEARER, AS_DEAR],
    ),
    Claim(
        "promise-kept",
        "On fewer than a fifth of the ladders any of ten certificates left more than "
        "5 % of the queries unwanted, at either coupling.",
        [Part(breached(coupling), below(0.2)) for coupling in BOTH],
        reason="Ten promises that each fail by chance 5 % may fail on two fifths of "
        "the ladders, as do certificates that spend nothing for their rounds; half of "
        "that tells the two apart. The demo's ladders are too few.",
        source="Derived: delta is spent over rounds.",
        designs=LATER,
    ),
    Claim(
        "forecast",
        "The power law fitted to 16 x 16 up to 128 x 128 forecasts the checks for "
        "every query and for a certificate at 181 x 181 within a factor 1.25 on more "
        "than half of the ladders, at either coupling, and better than S log S does.",
        [
            *(Part(near(cost, kappa), above(0.5)) for cost in WHOLE for kappa in BOTH),
            *(Part(at(f"slogs_loss_{cost}", BOTH), above(0.0)) for cost in WHOLE),
        ],
        reason=f"{RATIO} Better is a smaller error of log cost on the held-out map.",
        source=PILOT,
    ),
    Claim(
        "laws-alike",
        "Without coupling, for every query and for a certificate, a cost that "
        "saturates forecasts 181 x 181 as well as the power law: the two are not "
        "told apart.",
        [
            Part(at(f"saturation_loss_{cost}", 0.0), between(-ALIKE, ALIKE))
            for cost in WHOLE
        ],
        reason="Errors of log2 cost within 0.1, a factor 1.07, are alike; under strong "
        "coupling ladders differ by more.",
        source=PILOT,
    ),
    Claim(
        "law-of-one-query",
        "The power law forecasts one query's checks at 181 x 181 better than S log S "
        "and than a cost that saturates.",
        [
            Part(at("slogs_loss_one", BOTH), above(0.0)),
            Part(at("saturation_loss_one", BOTH), above(0.0)),
        ],
        reason="One query's cost varies by a factor 2 and more from map to map, so "
        "that no factor is claimed; the demo's ladders could not decide.",
        source=PILOT,
        designs=LATER,
    ),
    Claim(
        "repair-and-restart",
        "For 16 queries at 128 x 128, lazy learning that repairs its values costs "
        "fewer operations than lazy search that starts over after each refusal; if "
        "learning started over too, it would cost more.",
        [
            Part(at("matched_operations_ratio", 0.0), below(0.8)),
            Part(at("restarted_operations_ratio", 0.0), above(1.25)),
        ],
        reason=f"{RATIO} What starting over would cost learning is worked out from the "
        "number of its retrainings, each at the least that it can cost.",
        source="Earlier ladders: the difference is the repair's, not the side's.",
    ),
    Claim(
        "history",
        "Where unwantedness is a matter of history, deleting every unwanted trajectory "
        "leaves a learner without memory more than 5 % unwanted solutions, four times "
        "the data change that by less than 5 %, and lazy search in the product leaves "
        "none.",
        [
            Part(at("history_rate", 0.0), above(0.05)),
            Part(
                difference(at("history_rate_longer", 0.0), at("history_rate", 0.0)),
                between(-0.05, 0.05),
            ),
            Part(at("history_product_rate", 0.0), below(0.05)),
        ],
        reason="The rate of 5 % that a certificate promises; unsolved queries count "
        "as clean, the reading that favours pruning.",
        source="Earlier prototypes: stitching; against the comment.",
    ),
    Claim(
        "audit",
        "Inspecting a random nine tenths of the states leaves more than 5 % of the "
        "solutions unwanted at 128 x 128, of data and of search, and of data more than "
        "at 16 x 16.",
        [
            Part(at("audit_rate_large", BOTH), above(0.05)),
            Part(at("audit_rate_search", BOTH), above(0.05)),
            Part(
                difference(at("audit_rate_large", BOTH), at("audit_rate_small", BOTH)),
                above(0.0),
            ),
        ],
        reason="The rate of 5 % that a certificate promises.",
        source="Earlier prototypes: 0.12, 0.41, 0.51.",
    ),
    Claim(
        "misses",
        "An oracle that misses a tenth of the unwanted states leaves more than a tenth "
        "of the solutions unwanted, 16 x 16 to 91 x 91.",
        [Part(at("rate_after", BOTH, sizes=[MIDDLE], misses=ERRING), above(0.1))],
        reason="A tenth is what it misses of single states.",
        source="Derived: a way has many states.",
    ),
    Claim(
        "false-alarms",
        "An oracle that calls a tenth of the wanted states unwanted leaves less than "
        "5 % of the solutions unwanted, and cuts off more than a tenth of the queries "
        "at whose start it does not balk, 16 x 16 to 91 x 91, no coupling.",
        [
            Part(at(number, 0.0, sizes=[MIDDLE], false_alarms=ERRING), region)
            for number, region in (
                ("rate_after", below(0.05)),
                ("cut_off_after", above(0.1)),
            )
        ],
        reason="5 % as in a certificate; a tenth is what it balks at of single states.",
        source="Derived: with walls and what is unwanted, little more closes the ways.",
    ),
    Claim(
        "matched-erring",
        "Where the oracle errs, misses or false alarms of 10 %, pruning data and "
        "pruning search still ask for as many checks, 16 queries, ties at random, no "
        "coupling.",
        [
            Part(at("matched_ratio", 0.0, sizes=[MIDDLE], **error), AS_DEAR)
            for error in ({"misses": ERRING}, {"false_alarms": ERRING})
        ],
        reason=RATIO,
        source="Derived: both sides ask one oracle.",
    ),
    Claim(
        "filter",
        "Where unwanted cells lie in patches, a filter learned from 200 answers leaves "
        "more than 5 % of the solutions unwanted at 91 x 91, of data and of search.",
        [
            Part(at(number, 0.0, sizes=[MIDDLE], patch_share=PATCH), above(0.05))
            for number in ("filter_rate", "filter_rate_search")
        ],
        reason="The rate of 5 % that a certificate promises.",
        source=f"{PILOT} Best ways graze the patches, where the filter is least sure.",
    ),
    mistakes("mistakes-by-chance", 0.0, "Without coupling"),
    mistakes("mistakes-selected", STRONG, "Under strong coupling"),
    Claim(
        "coupling-reversed",
        "Control: with the coupling reversed one query's checks grow as the length of "
        "a way, the square root of the states.",
        [Part(at("exponent_one", REVERSED), between(0.38, 0.62))],
        reason="Nearer to one half, the square root's, than to what it is without "
        "coupling, 0.74 in the pilot.",
        source="Derived: nothing unwanted is in the way.",
    ),
    Claim(
        "labels-shuffled",
        "Control: with labels shuffled, the share of states checked for every query, "
        "32 x 32 to 91 x 91, is that without coupling.",
        [
            Part(
                difference(
                    at(
                        "middle_share_all",
                        STRONG,
                        sizes=[MIDDLE],
                        control="labels shuffled",
                    ),
                    at("middle_share_all", 0.0),
                ),
                between(-0.05, 0.05),
            )
        ],
        reason="Two fifths of what coupling 0.8 changes in the pilot.",
        source="Derived: shuffling undoes the coupling.",
    ),
    Claim(
        "oracle-shuffled",
        "Control: pruning by a shuffled oracle leaves over four fifths of the queries "
        "without a clean solution.",
        [
            Part(
                at("failed_after", STRONG, sizes=[SHORT], control="oracle shuffled"),
                above(0.8),
            )
        ],
        reason="Without pruning it is nine tenths in the pilot.",
        source="Derived: the checks are as many, and say nothing.",
    ),
]

STUDY = Study(
    name="pruning-cost",
    question="Does it cost as many checks to keep an optimiser from the unwanted by "
    "pruning its data as by pruning its search?",
    background="Checks of states by an oracle, and operations beside them, on ladders "
    "of maps from 8 x 8 to 181 x 181, the last held out of every fit. The same maps "
    "for every procedure, lazy against lazy and eager data against lazy search; one "
    "query, sixteen, all, and a certificate. Planners and retraining are exact, so "
    "nothing has to converge. What was fixed on the pilot's seeds stands in the "
    "study's source.",
    subject=PruningLadders(),
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[PRUNING, CHECKS],
    claims=CLAIMS,
    alpha=0.05,
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=costs_and_regimes,
    figures=(
        Figure(
            "price-of-a-check",
            "Total cost at 128 x 128 against what one check costs in operations. Eager "
            "procedures are shown every state beforehand, lazy ones what is proposed; "
            "lazy data repair their values after a refusal, lazy search starts over. "
            "Rings: where eager data and a lazy search are equally dear, which tells "
            "eager from lazy, not data from search: the line to hold beside eager data "
            "is eager search. Complete data cost one step a transition. Medians over "
            "ladders.",
            prices,
            where=cell(BOTH),
        ),
        Figure(
            "pruning-forecasts",
            "Three laws fitted to 16 x 16 up to 128 x 128, and by how much each is off "
            "at 181 x 181: medians over ladders, bars from the tenth to the ninetieth "
            "of a hundred. Below, local exponents from one size to the next but one.",
            forecasts,
            where=cell(BOTH),
        ),
        Figure(
            "pruning-controls",
            "Negative controls, the shuffled oracle on ladders up to 64 x 64 and "
            "shuffled labels up to 128 x 128: medians over ladders, bars from the "
            "tenth to the ninetieth of a hundred. Shares of states are means over 32 x "
            "32 to 91 x 91, or up to 45 x 45 on the shortest ladders.",
            controls,
            where={"patch_share": 0.0, "misses": 0.0, "false_alarms": 0.0},
        ),
        Figure(
            "pruning-errors",
            "An oracle that errs, and pruning that sees only a part: what lazy pruning "
            "for every query leaves unwanted and unsolved by the oracle's rate of "
            "misses or of false alarms, means over 16 x 16 to 91 x 91 (without error, "
            "to 128 x 128); and what an audit of nine tenths of the states and a "
            "filter learned from 200 answers leave unwanted on either side, scattered "
            "cells at 128 x 128 and patches at 91 x 91. Medians over ladders, bars "
            "from the tenth to the ninetieth of a hundred.",
            errors,
            where={"control": "none", "sizes": [SIZES, MIDDLE]},
        ),
        Figure(
            "pruning-regimes",
            "Where the claim holds, where it fails and by how much: checks on "
            "either side at 128 x 128, their slopes over 16 x 16 up to 128 x 128 "
            "(S^b; no law beyond them), and operations of the matched pairs. Medians "
            "over ladders.",
            regimes,
            where={"control": "none", "coupling": BOTH},
        ),
    ),
)
