"""What the verdicts of pruning's cost add to its answer, for and against."""

from __future__ import annotations

from collections.abc import Sequence

from tegum.claims import Verdict
from tegum.studies._answers import assembled

SAID = {
    "matched": {
        "supported": "Like for like, pruning data and pruning search ask for the same "
        "checks",
        "refuted": "Even like for like, pruning data and pruning search differ in "
        "checks",
        "undecided": "Whether data and search cost the same checks like for like is "
        "undecided",
    },
    "every-query": {
        "supported": ", and for every possible query as many as inspecting all data.",
        "refuted": ", but for every possible query not as many as inspecting all data.",
        "undecided": "; how every possible query compares with inspecting all data is "
        "undecided.",
    },
    "one-query": {
        "supported": " For one query they do not: data's checks are more, and grow "
        "faster with the states.",
        "refuted": " For one query data's checks are not both more and faster growing.",
        "undecided": " For one query the comparison is undecided.",
    },
    "strong-coupling": {
        "as data": " Under strong coupling one query's checks grow as fast as data's.",
        "below data": " Under strong coupling too one query's checks grow slower.",
        "above data": " Under strong coupling one query's checks grow faster.",
        "refuted": " Under strong coupling one query's checks do not grow as the "
        "states do.",
        "undecided": " Whether strong coupling changes that is undecided.",
    },
    "certificate-of-search": {
        "as dear": " A certificate costs search as many checks as data",
        "data dearer": " A certificate costs data more checks than search",
        "search dearer": " A certificate costs search more checks than data",
        "refuted": " A certificate does not cost search as many checks as data",
        "undecided": " Whether a certificate costs search as many checks as data is "
        "undecided",
    },
    "certificate-operations": {
        "search dearer": ", and more operations.",
        "as dear": ", and as many operations.",
        "data dearer": ", and fewer operations.",
        "refuted": ", and not more operations.",
        "undecided": "; which costs more operations is undecided.",
    },
    "forecast": {
        "supported": " Power laws forecast the size held out on most ladders, for "
        "every query and a certificate.",
        "refuted": " Power laws do not forecast the size held out as said.",
        "undecided": " Whether power laws forecast the size held out is undecided.",
    },
    "laws-alike": {
        "supported": " Without coupling a cost that saturates forecasts it as well: "
        "exponents are slopes over these sizes, and no law.",
        "refuted": " Without coupling the power law and a cost that saturates do not "
        "forecast it alike.",
        "undecided": " Whether a cost that saturates forecasts it as well is "
        "undecided: exponents are slopes over these sizes, and no law.",
    },
    "repair-and-restart": {
        "supported": " In operations lazy learning is cheaper because it repairs; if "
        "it started over as search does, it would be dearer.",
        "refuted": " In operations repairing and starting over do not compare as said.",
        "undecided": " How repairing and starting over compare in operations is "
        "undecided.",
    },
    "history": {
        "supported": " Where history decides, pruning trajectories can not do it at "
        "all, and search can.",
        "refuted": " Where history decides, pruning trajectories is not as predicted.",
    },
    "audit": {
        "supported": " Nine tenths of an audit leave much unwanted, more at 128 x 128 "
        "than at 16 x 16.",
        "refuted": " An audit of nine tenths does not fail as predicted.",
    },
    "misses": {
        "supported": " What an oracle misses leaves solutions unwanted",
        "refuted": " What an oracle misses leaves few solutions unwanted",
        "undecided": " How much an oracle's misses leave unwanted is undecided",
    },
    "false-alarms": {
        "supported": "; its false alarms leave queries unsolved instead.",
        "refuted": "; its false alarms do not cost queries as predicted.",
        "undecided": "; what its false alarms cost is undecided.",
    },
    "filter": {
        "supported": " A filter learned from 200 answers is not enough, on either "
        "side.",
        "refuted": " A filter learned from 200 answers does not fail as predicted.",
    },
    "mistakes-selected": {
        "selected": " The ways taken seek the oracle's mistakes.",
        "chance": " The ways taken meet the oracle's mistakes by chance.",
        "avoided": " The ways taken avoid the oracle's mistakes.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""


CONTROL_CLAIMS = ("coupling-reversed", "labels-shuffled", "oracle-shuffled")


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together, for and against the comment."""
    return assembled(verdicts, SAID, controls=CONTROL_CLAIMS)


__all__ = ["CONTROL_CLAIMS", "answer"]
