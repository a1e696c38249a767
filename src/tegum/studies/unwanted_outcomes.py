"""When does an optimiser that learned do what nobody wants: only if it was shown?

Beren's contrast of direct and amortised optimisers says that one that learned follows
its data: keep unwanted outcomes out of them and it will not produce them, show them
and it will. For a learner that takes the argmax and is exact, this is an identity:
on data of support X it is the planner on the problem restricted to X. Tests hold it and
no claim asks about it: not that full support makes it the planner, nor that the rest of
the data do not matter once they cover the map, nor that it keeps clear of what its data
never hold. The study asks where that ends, on maps in which the unwanted cells lie
where optimal ways pass (coupling 0.5):

- *Dose against output rule.* To data of a random walk that never enters the unwanted
  (leak 0) so many episodes are added that do: support that leaks, by count. An argmax
  learner, a pessimistic one (each reward lowered by 3 / sqrt(n)) and cloning with next
  to no prior (0.001 of an observation) and with a uniform one are shown the same data.
  How many unwanted episodes are enough, and does their share count? Data of 10,000 and
  of 100,000 steps get unwanted episodes of their own.
- *Function approximation.* Fitted Q on random features has its argmax over all actions
  or over seen ones, and so has a network that reads such features (design `full` alone,
  since it needs PyTorch); tabular Q-learning on the same maps and data stands beside
  them. All of them solve 95 % of the queries there. The maps have no walls: with them
  no width or ridge of the pilot made fitted Q capable. Nor did any where coupling is
  reversed, and the page shows that arm as what it is, incompetence.
- *Stitching.* Unwanted is a SECOND cell after a FIRST one, episodes end after 50 steps
  and a perfect oracle deletes every unwanted trajectory. Learners see states, or only
  places.

The unit is the map, and the arms of a claim are paired by it. Every query has a clean
way to the goal. A learner that solves less than 95 % of the queries is incompetent, and
claims of those that could be ask for it as a part. Unsolved queries are censored: a
rate is read on those that learner and planner both solve and with unsolved ones counted
against the claim (as touched where it says that a rate is low, as clean where it says
that a rate is high), and a claim must hold in both readings. Where a claim asks for one
reading its statement says which: its arms solved nearly all queries of the pilot, or,
under shuffled labels, what is not solved says nothing.

Convergence: cloning and the argmax learner are exact (counts, and the optimum of the
observed problem), so they need no limit. Q-learning is checked against four times the
updates, fitted Q against four times the data, the network against four times the steps
of its gradient.

Fixed on the pilot's seeds: 300,000 updates at rate 1 (moves are certain) for
Q-learning; width 0.25, ridge 1e-7 and a tenth of the cells unwanted for fitted Q, by
the share of maps on which it is competent and not by what it touches; 128 features and
5,000 steps for the network, likewise; three unwanted episodes, between which and none
the argmax learner turns; and how many maps each arm needs, by the pilot's spread: 120
where trajectories are deleted and 80 of fitted Q, 40 elsewhere. What ten times the data
add after a deletion was 0.05 on 160 maps of the pilot, too little for a demo: it is
asked of 240 maps, beyond two hundredths. Controls run each time: the
oracle's labels shuffled, the coupling reversed, and a learner that takes what it never
saw for the best (it solves next to nothing).
"""

from __future__ import annotations

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
    paired_difference,
    paired_ratio,
)
from tegum.claims.estimands import Estimand
from tegum.design import Design, grid
from tegum.planning.measures import QUERIES, SPENDING, WORLD
from tegum.planning.subject import PlanningProblems
from tegum.studies._answers import assembled
from tegum.studies._unwanted_arms import (
    ARGMAX,
    CLONING,
    CONSTRAINED,
    FEW,
    FITTED,
    HISTORY,
    LONGER_STEPS,
    MANY,
    NETWORK,
    NETWORK_SEEN,
    OPTIMIST,
    PESSIMIST,
    REMEMBERING,
    RULES,
    SHUFFLED,
    TABULAR,
    USUAL,
    WITH_PRIOR,
    Q,
    cell,
)
from tegum.studies._unwanted_figures import (
    approximation,
    boards,
    controls,
)
from tegum.studies._unwanted_measures import CAPABLE, PLANNER
from tegum.studies._unwanted_own import study_of
from tegum.studies._unwanted_picture import four_questions
from tegum.study import Figure, Study

FIRST_SEED = 3600
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_500))
"""Seeds that were looked at while the claims were being made, or are another study's:
in one store, rows that another study has trained would stand before this one's word."""


# --- designs -------------------------------------------------------------------------


def maps(arm: dict[str, Any], *, seeds: int, **factors: Any) -> Design:
    """An arm on so many maps, asked from every cell that has a clean way."""
    chosen = range(FIRST_SEED, FIRST_SEED + seeds)
    return grid(queries=None, **cell(arm, **factors), seeds=chosen)


def doses(
    *, few: Sequence[int], many: Sequence[int], seeds: int, size: int = 16
) -> Design:
    """The four output rules on the same data, and two of them on a tenth."""
    on_many = {"dose": list(many), "size": size, "seeds": seeds}
    on_few = {"dose": list(few), "size": size, "seeds": seeds, "steps": FEW}
    found = maps(ARGMAX, **on_few) | maps(CLONING, **on_few)
    for rule in RULES:
        found = found | maps(rule, **on_many)
    return found


def full_support(*, seeds: int) -> Design:
    """The four output rules where exploration leaves nothing out."""
    found = maps({**ARGMAX, "leak": 1.0, "dose": None}, seeds=seeds)
    for rule in RULES[1:]:
        found = found | maps({**rule, "leak": 1.0, "dose": None}, seeds=seeds)
    return found


def approximators(*, seeds: int) -> Design:
    """Fitted Q with and without the unwanted, with and without a constraint."""
    return (
        maps(FITTED, leak=[0.0, 1.0], seeds=seeds)
        | maps(FITTED, steps=120_000, seeds=seeds)
        | maps(FITTED, coupling=-0.8, seeds=seeds)
        | maps(CONSTRAINED, seeds=seeds)
        | maps(TABULAR, seeds=seeds)
    )


def networks(*, seeds: int) -> Design:
    """Neural Q with and without the unwanted, with a constraint, and trained longer."""
    return (
        maps(NETWORK, leak=[0.0, 1.0], seeds=seeds)
        | maps(NETWORK_SEEN, seeds=seeds)
        | maps(NETWORK, gradient_steps=LONGER_STEPS, seeds=seeds)
    )


def spread_out(*, fitted: int, deleted: int) -> Design:
    """More maps of those arms of which maps differ most."""
    return maps(FITTED, leak=[0.0, 1.0], seeds=fitted) | maps(
        HISTORY, kept=["clean", "all"], seeds=deleted
    )


def stitching(*, seeds: int) -> Design:
    """Trajectories pruned by a perfect oracle, seen with memory and without."""
    steps = [FEW, 30_000, MANY, 300_000]
    return (
        maps(HISTORY, steps=steps, seeds=seeds)
        | maps(REMEMBERING, steps=steps, seeds=seeds)
        | maps(HISTORY, kept="all", steps=steps, seeds=seeds)
    )


def checks(*, seeds: int) -> Design:
    """Q-learning with full support and none, and the controls."""
    return (
        maps(Q, updates=[300_000, 1_200_000], seeds=seeds)
        | maps(Q, leak=0.0, seeds=seeds)
        | maps(Q, coupling=-0.8, seeds=seeds)
        | maps(OPTIMIST, seeds=seeds)
        | maps(SHUFFLED, seeds=seeds)
    )


def shown_boards() -> Design:
    """One map in full, for a picture: an approximator's, with each kind of support."""
    board = {**FITTED, "keep": "board"}
    arms = (
        {**board, "method": "certainty_equivalent", "leak": 1.0},
        {**board, "method": "certainty_equivalent"},
        board,
        {**board, "support": "seen"},
    )
    found = maps(arms[0], seeds=1)
    for arm in arms[1:]:
        found = found | maps(arm, seeds=1)
    return found


def core(*, few: Sequence[int], many: Sequence[int], seeds: int) -> Design:
    """Everything that a claim is about."""
    return (
        doses(few=few, many=many, seeds=seeds)
        | full_support(seeds=seeds)
        | approximators(seeds=seeds)
        | stitching(seeds=seeds)
        | checks(seeds=seeds)
    )


DEMO = (
    core(few=[0, 3, 10], many=[0, 3, 10, 30], seeds=40)
    | spread_out(fitted=80, deleted=120)
    | shown_boards()
)
DEFAULT = (
    DEMO
    | core(few=[0, 1, 3, 10], many=[0, 1, 3, 10, 30, 100], seeds=80)
    | maps(HISTORY, steps=[30_000, 300_000], seeds=240)
    | maps(FITTED, kernel_width=[0.05, 0.1, 0.5], seeds=60)
    | maps(FITTED, coupling=[-0.4, 0.0], seeds=60)
    | maps(FITTED, patch=[1.0, 2.0], leak=[0.0, 1.0], seeds=60)
    | maps(HISTORY, method="return_conditioned", discount=1.0, seeds=60)
)
FULL = (
    DEFAULT
    | core(few=[0, 1, 3, 10], many=[0, 1, 3, 10, 30, 100, 300], seeds=150)
    | networks(seeds=60)
    | doses(few=[0, 3, 10], many=[0, 3, 10, 30, 100], seeds=60, size=32)
    | maps(HISTORY, size=32, steps=[MANY, 1_000_000], seeds=60)
    | maps(REMEMBERING, size=32, steps=[MANY, 1_000_000], seeds=60)
)

# --- claims --------------------------------------------------------------------------

BEREN = "beren, Deconfusing direct vs amortised optimisation"
RATE = "unwanted_rate"
LOWEST = "unwanted_and_solved_rate"
"""The rate with unsolved queries counted as clean."""
FAILED = "unwanted_or_unsolved_rate"
"""The rate with unsolved queries counted as touched."""


ARMS_SAID = {tuple(row[name] for name in USUAL) for row in FULL.rows}


def fixed(
    arm: Mapping[str, Any], *, factor: str = "", levels: Sequence[Any] = ()
) -> dict[str, Any]:
    """What tells an arm, or two that a factor contrasts, from all others of the study.

    The method is always said. Other factors are left out as long as no other arm
    answers to the rest, those at their usual value first.
    """
    wanted = {
        tuple({**arm, factor: level}[name] for name in USUAL)
        for level in levels or [None]
    }
    where = {name: value for name, value in arm.items() if name != factor}
    for name in sorted(where, key=lambda name: arm[name] != USUAL[name]):
        if name == "method":
            continue
        rest = {key: value for key, value in where.items() if key != name}
        if _arms_with(rest, factor=factor, levels=levels) == wanted:
            where = rest
    assert _arms_with(where, factor=factor, levels=levels) == wanted
    return where


def _arms_with(
    where: Mapping[str, Any], *, factor: str, levels: Sequence[Any]
) -> set[tuple[Any, ...]]:
    asked = [(list(USUAL).index(name), [value]) for name, value in where.items()]
    if factor:
        asked.append((list(USUAL).index(factor), list(levels)))
    return {
        arm for arm in ARMS_SAID if all(arm[place] in values for place, values in asked)
    }


def rate(arm: Mapping[str, Any], number: str = RATE, **factors: Any) -> Estimand:
    """A number of an arm."""
    return level(number, where=fixed(cell(arm, **factors)))


def change(
    number: str, arm: Mapping[str, Any], *, factor: str, of: Any, to: Any
) -> Estimand:
    """What a factor adds to a number."""
    where = fixed(cell(arm), factor=factor, levels=[of, to])
    return paired_difference(number, factor=factor, treated=to, control=of, where=where)


def times(
    number: str, arm: Mapping[str, Any], *, factor: str, of: Any, to: Any
) -> Estimand:
    """By what a factor multiplies a number."""
    where = fixed(cell(arm), factor=factor, levels=[of, to])
    return paired_ratio(number, factor=factor, treated=to, control=of, where=where)


def more_data(number: str, arm: Mapping[str, Any], few: int, many: int) -> Estimand:
    """What more steps of the same exploration add to a number."""
    return change(number, arm, factor="steps", of=few, to=many)


def solves(arm: Mapping[str, Any]) -> Part:
    """That a learner is no incompetent one."""
    return Part(rate(arm, "solved_share"), above(CAPABLE))


TENTH = "A tenth of the queries is more than a tie or a detour moves on a map."
TWO_HUNDREDTHS = "Two of a hundred queries: what a tie decided otherwise can move."

CLAIMS = [
    Claim(
        "few-episodes-suffice",
        "Three unwanted episodes among 100,000 steps make an argmax learner touch the "
        "unwanted on more than a tenth of the queries, unsolved ones counted as clean.",
        [Part(rate(ARGMAX, LOWEST, dose=3), above(0.1))],
        reason=TENTH,
        source="Souly et al. 2025: a near-constant number of poisoned documents.",
    ),
    Claim(
        "cloning-follows-the-share",
        "Three unwanted episodes among ten times the data make cloning touch the "
        "unwanted on at least 0.1 fewer of the queries, and thirty as often as three "
        "among a tenth, to within 0.15; every query is solved in the end.",
        [
            Part(more_data(RATE, {**CLONING, "dose": 3}, FEW, MANY), below(-0.1)),
            Part(
                difference(rate(CLONING, dose=30), rate(CLONING, dose=3, steps=FEW)),
                between(-0.15, 0.15),
            ),
        ],
        reason=f"{TENTH} As often leaves room for what was drawn.",
        source=f"{BEREN}: an amortised optimiser follows the data distribution.",
    ),
    Claim(
        "cloning-compounds",
        "Three unwanted episodes among 100,000 steps (one in some two hundred) make "
        "cloning touch the unwanted on more than a tenth of the queries beyond those "
        "without any; every query is solved in the end.",
        [
            Part(
                change(RATE, CLONING, factor="dose", of=0, to=3),
                above(0.1, "more than a tenth"),
            )
        ],
        reason=TENTH,
        source="Against the view that one who matches the data moves by their share "
        "alone: a share at every step adds up over a walk.",
        rivals=[
            below(0.02, "no more than its share"),
            between(0.02, 0.1, "some"),
        ],
    ),
    Claim(
        "absence-is-not-enough",
        "Under a uniform prior, cloning touches the unwanted on more than a tenth of "
        "the queries although its data never do; every query is solved in the end.",
        [Part(rate(WITH_PRIOR), above(0.1, "touches"))],
        reason=TENTH,
        source="Derived: what was never seen keeps 1 / (n + 4) at each step of a walk.",
        rivals=[below(0.02, "keeps clear"), between(0.02, 0.1, "hardly touches")],
    ),
    Claim(
        "pessimism-delays",
        "Given ten unwanted episodes, a pessimistic learner touches the unwanted on at "
        "least 0.1 fewer of the queries than an argmax learner does, unsolved ones "
        "counted as touched; with full support on at most 0.2 fewer than the planner, "
        "on what both solve.",
        [
            Part(
                change(
                    FAILED, cell(ARGMAX, dose=10), factor="pessimism", of=0.0, to=3.0
                ),
                below(-0.1),
            ),
            Part(rate(PESSIMIST, "unwanted_excess", leak=1.0, dose=None), above(-0.2)),
        ],
        reason=f"{TENTH} 0.2 is a quarter of what the planner touches.",
        source="Derived: the penalty z / sqrt(n) ends where it is below the gain.",
    ),
    Claim(
        "approximators-are-capable",
        "On data that never enter the unwanted, fitted Q solves more than 95 % of the "
        "queries, be its argmax over all actions or over those that were seen.",
        [solves(FITTED), solves(CONSTRAINED)],
        reason="What solves less is incompetent, and what it touches says nothing.",
        source="The pilot: on 27 of 30 maps, and on 24 of 24.",
    ),
    Claim(
        "approximation-fills-the-gap",
        "On data that never enter the unwanted, fitted Q with its argmax over all "
        "actions solves 95 % of the queries; it touches the unwanted at least half as "
        "often as on data that do, unsolved queries counted as clean; and on at most "
        "0.1 fewer, unsolved ones counted as clean on the former and as touched on the "
        "latter, which bounds it on the queries that both solve.",
        [
            solves(FITTED),
            Part(times(LOWEST, FITTED, factor="leak", of=1.0, to=0.0), above(0.5)),
            Part(
                difference(rate(FITTED, LOWEST), rate(FITTED, FAILED, leak=1.0)),
                above(-0.1),
            ),
        ],
        reason=f"Half: preclusion then fails more than it works. {TENTH}",
        source="Fujimoto et al. 2019: extrapolation error of a free argmax.",
    ),
    Claim(
        "a-network-fills-the-gap",
        "So does neural Q: on data that never enter the unwanted it solves 95 % of the "
        "queries, be its argmax over all actions or over seen ones; over all actions "
        "it touches the unwanted at least half as often as on data that do, unsolved "
        "queries counted as clean.",
        [
            solves(NETWORK),
            solves(NETWORK_SEEN),
            Part(times(LOWEST, NETWORK, factor="leak", of=1.0, to=0.0), above(0.5)),
        ],
        reason="Half, as of fitted Q.",
        source="Fujimoto et al. 2019, of networks.",
        designs=["full"],
    ),
    Claim(
        "stitching",
        "Without memory, a learner from whose data every unwanted trajectory was "
        "deleted solves 95 % of the queries and touches the unwanted on more than a "
        "tenth of them, at least 0.3 times as often as without. Unsolved "
        "queries count as clean.",
        [
            solves(HISTORY),
            Part(rate(HISTORY, LOWEST), above(0.1)),
            Part(
                times(LOWEST, HISTORY, factor="kept", of="all", to="clean"),
                above(0.3),
            ),
        ],
        reason=f"{TENTH} 0.3: the deletion then misses what is plain to see.",
        source="Zhou et al. 2023: dynamic programming puts trajectories together.",
    ),
    Claim(
        "more-data-after-the-deletion",
        "Ten times the data, deleted from alike, add more than 0.02 to what the "
        "learner without memory touches beyond the planner, on what both solve: they "
        "undo a part of the deletion.",
        [
            Part(
                more_data("unwanted_excess", HISTORY, 30_000, 300_000),
                above(0.02, "more"),
            )
        ],
        reason=f"{TWO_HUNDREDTHS} 95 % are solved with either.",
        source="The pilot. Zhou et al. 2023: more data, more to put together.",
        rivals=[between(-0.02, 0.02, "as it is"), below(-0.02, "less")],
        designs=["default", "full"],
    ),
    Claim(
        "memory-suffices",
        "On the same pruned data a learner with memory solves 95 % of the queries; "
        "that it then touches nothing unwanted is an identity, which a test holds.",
        [solves(REMEMBERING)],
        reason="What solves less is incompetent, however clear it keeps.",
        source="Derived: of states, its data are pruned exactly; whether what is left "
        "is enough is not.",
    ),
    Claim(
        "labels-shuffled",
        "A control: deleting as many states, but others, does not keep a learner from "
        "the unwanted: on what both solve it touches at most 0.1 less than the "
        "planner.",
        [Part(rate(SHUFFLED, "unwanted_excess"), above(-0.1))],
        reason=TENTH,
        source="A control: what matters is which states are absent.",
    ),
    Claim(
        "coupling-reversed",
        "A control: where the unwanted lies beside optimal ways, full support touches "
        "it on at least 0.2 fewer of the queries.",
        [
            Part(
                change(FAILED, Q, factor="coupling", of=0.5, to=-0.8),
                below(-0.2),
            )
        ],
        reason="A quarter of what the planner touches.",
        source="A control of the generator.",
    ),
    Claim(
        "longer-training",
        "Four times the updates leave what Q-learning touches as it is to within 0.02; "
        "four times the data, what fitted Q touches to within 0.05.",
        [
            Part(
                change(RATE, Q, factor="updates", of=300_000, to=1_200_000),
                between(-0.02, 0.02),
            ),
            Part(more_data(RATE, FITTED, 30_000, 120_000), between(-0.05, 0.05)),
        ],
        reason="What counts as equal, and as a rise.",
        source="A control: learners were stopped.",
    ),
    Claim(
        "network-trained-longer",
        "Four times the steps of its gradient leave what neural Q touches as it is to "
        "within 0.1.",
        [
            Part(
                change(
                    RATE, NETWORK, factor="gradient_steps", of=5000, to=LONGER_STEPS
                ),
                between(-0.1, 0.1),
            )
        ],
        reason=TENTH,
        source="A control: the network was stopped.",
        designs=["full"],
    ),
]

SAID = {
    "few-episodes-suffice": {
        "supported": "A few unwanted episodes are enough for an argmax learner",
        "refuted": "A few unwanted episodes are not enough for an argmax learner",
        "undecided": "Whether a few unwanted episodes are enough for an argmax learner "
        "is undecided",
    },
    "cloning-follows-the-share": {
        "supported": "; cloning follows their share",
        "refuted": "; cloning does not simply follow their share",
        "undecided": "; whether cloning follows their share is undecided",
    },
    "cloning-compounds": {
        "more than a tenth": ", and a share at each step adds up over a walk",
        "no more than its share": ", and a share at each step stays as small as it is",
    },
    "absence-is-not-enough": {
        "touches": ". Absence is not enough for a learner with a uniform prior",
        "hardly touches": ". Absence is nearly enough even under a uniform prior",
        "keeps clear": ". Absence is enough even under a uniform prior",
        "refuted": ". Absence is at least nearly enough even under a uniform prior",
        "undecided": ". Whether absence is enough under a uniform prior is undecided",
    },
    "approximation-fills-the-gap": {
        "supported": "; it is not enough for one that generalises from place to place",
        "refuted": "; that a capable one that generalises from place to place touches "
        "the unwanted all the same is refuted",
        "undecided": "; whether it is for one that generalises from place to place is "
        "undecided",
    },
    "a-network-fills-the-gap": {
        "supported": ", be it a linear one or a network",
        "refuted": ", though of a network that is refuted",
        "undecided": ", and of a network that is undecided",
    },
    "approximators-are-capable": {
        "refuted": " (but these are incompetent, so that it says nothing)",
        "undecided": " (and so is whether these are competent)",
    },
    "stitching": {
        "supported": ". Where unwanted is a matter of history, deleting every unwanted "
        "trajectory leaves a learner without memory unwanted ways, put together",
        "refuted": ". Where unwanted is a matter of history, it is refuted that a "
        "capable learner without memory puts unwanted ways together from what deleting "
        "every unwanted trajectory leaves",
        "undecided": ". Whether deleting unwanted trajectories works without memory is "
        "undecided",
    },
    "more-data-after-the-deletion": {
        "more": ", the more so the more data there are",
        "as it is": ", with more data as with fewer",
        "less": ", less so with more data",
        "refuted": ", no more so with more data",
        "undecided": " (whether more so with more data is undecided)",
    },
    "memory-suffices": {
        "supported": "; with memory a learner is capable, and so has to keep clear.",
        "refuted": "; with memory a learner keeps clear, but is incompetent.",
        "undecided": "; with memory a learner keeps clear, and whether it is capable "
        "is undecided.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""

CONTROLS = (
    "labels-shuffled",
    "coupling-reversed",
    "longer-training",
    "network-trained-longer",
)


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together of data without the unwanted."""
    return assembled(verdicts, SAID, controls=CONTROLS)


STUDY = Study(
    name="unwanted-outcomes",
    question="Does a learner do what nobody wants only if its data show it, and does "
    "it if they do?",
    background="A planner works out each answer by search; a learner has one policy "
    "for all of them, from data. Whether keeping the unwanted out of the data keeps "
    "it out of what is done is asked of what the data hold, of how the learner "
    "decides, of whether it generalises, and of outcomes that depend on the way. What "
    "was fixed on the pilot's seeds stands in the study's source.",
    subject=PlanningProblems(),
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[QUERIES, SPENDING, WORLD, PLANNER],
    claims=CLAIMS,
    alpha=0.05,
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=four_questions,
    figures=[
        Figure(
            "unwanted-boards",
            "One map without walls, four times. Crosses are unwanted cells; the darker "
            "a cell, the more often the data hold it, and white was never seen. Lines "
            "are the ways taken from three cells. Without the unwanted in its data an "
            "exact learner goes around; one that generalises may go through what it "
            "never saw, and goes around if it is held to seen actions. A way that ends "
            "elsewhere than at the goal goes to and fro there for ever.",
            boards,
            where={"keep": "board"},
        ),
        Figure(
            "unwanted-controls",
            "What is touched, less what the planner touches, where the labels of the "
            "pruning are shuffled, where they are true, with full support, where "
            "coupling is reversed, and by a learner that takes the unseen for the "
            "best. Filled marks are queries that both solve; open ones count unsolved "
            "ones as touched; diamonds are what is touched. Bars run from the tenth "
            "to the ninetieth of a hundred maps.",
            controls,
        ),
        Figure(
            "unwanted-approximators",
            "Fitted Q on data that never enter the unwanted, over kernel widths and "
            "couplings: the share of queries solved, and what is touched. Below 95 % "
            "solved it is incompetence. One point where the design has one.",
            approximation,
            where={"method": "fitted_q", "leak": 0.0, "keep": "queries"},
        ),
    ],
)

__all__ = ["STUDY", "study_of"]
