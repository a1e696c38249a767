"""Studies: what is registered, and what is refused before anything is trained."""

import json
import math
from dataclasses import dataclass, replace

import jaxtyping
import numpy as np
import pytest

from tegum.claims import Part, above
from tegum.design import Design, grid
from tegum.measures.facts import Measure
from tegum.study import Convergence, Study, digest_of
from tiny import RISES, SIZE, STUDY, Tiny, study_of

DEMO = grid(rate=[0.0, 0.5], seeds=8)


@pytest.fixture
def unchecked():
    """As it is for a user: no annotation is checked when tegum is called."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def with_claim(**changes):
    return replace(STUDY, claims=[replace(RISES, **changes)])


# --- the registration and its digest ---


def test_the_digest_is_that_of_the_registration_after_a_trip_through_json():
    study = replace(STUDY, convergence=Convergence("mean_weight", 0.5))
    kept = json.loads(json.dumps(study.registration(), allow_nan=False))
    assert kept == study.registration()
    assert digest_of(kept) == study.digest()


@pytest.mark.parametrize(
    "facts",
    [
        {"ranges": {"mean_weight": (-9.0, 9.0)}},
        {"resolutions": {"mean_weight": 0.5}},
        {"numbers": ("mean_weight", "log_mean", "third")},
        {"parameters": {"offset": 1.0}},
        {"version": 2},
    ],
)
def test_whatever_of_a_measure_can_change_a_verdict_changes_the_digest(facts):
    changed = replace(STUDY, measures=(replace(SIZE, **facts),))
    assert changed.digest() != STUDY.digest()


@pytest.mark.parametrize(
    "same",
    [
        replace(STUDY, question=" Does the mean weight\n  rise with the rate? "),
        with_claim(statement="The mean  weight rises\nwith the rate."),
        with_claim(reason=RISES.reason + "\n", source="by\tconstruction"),
        with_claim(parts=[Part(RISES.parts[0].estimand, above(0.1, " rises "))]),
        with_claim(designs=["demo"]),
        replace(STUDY, designs={"demo": grid(seeds=8, rate=np.array([0, 0.5]))}),
        replace(STUDY, designs={"demo": grid(rate=[0.0, 0.5 + 1e-15], seeds=8)}),
        replace(STUDY, designs={"demo": Design.from_rows(reversed(DEMO.rows))}),
        replace(STUDY, background="something else", alpha=0.01 + 0.04),
    ],
)
def test_formatting_does_not_change_the_digest(same):
    assert same.digest() == STUDY.digest()


def test_what_is_said_otherwise_changes_the_digest():
    others = [
        STUDY,
        replace(STUDY, alpha=0.04),
        replace(STUDY, pilot_seeds=[100]),
        with_claim(statement="The mean weight falls with the rate."),
        replace(STUDY, designs={"demo": grid(rate=[0.0, 0.5], seeds=9)}),
        replace(STUDY, convergence=Convergence("mean_weight", 0.5)),
    ]
    assert len({study.digest() for study in others}) == len(others)


def test_a_dictionary_changed_after_the_study_is_made_changes_nothing():
    designs = {"demo": DEMO}
    study = replace(STUDY, designs=designs)
    designs["demo"] = grid(rate=[0.0, 0.5], seeds=3)
    assert len(study.designs["demo"]) == 16
    with pytest.raises(TypeError):
        study.designs["demo"] = designs["demo"]


# --- what is refused ---


def test_a_claim_is_judged_in_every_design_unless_it_names_some():
    study = replace(STUDY, designs={"main": DEMO})
    assert study.claims_of("main") == (RISES,)
    with pytest.raises(ValueError, match="`rises`: no design is called `dmeo`; did"):
        with_claim(designs=["dmeo"])
    with pytest.raises(ValueError, match="without `designs=`"):
        with_claim(designs=["demo", "full"])


@dataclass(frozen=True)
class Short(Tiny):
    def complete(self, design):
        return super().complete(design)[:-1]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": ""}, "a study is called ''"),
        ({"name": "../other"}, "letters, digits, - and _"),
        ({"name": "a study"}, "letters, digits, - and _"),
        ({"alpha": "0.05"}, "`alpha` is '0.05'; it must be a number"),
        ({"alpha": True}, "`alpha` is True"),
        ({"claims": RISES}, "`claims` holds Claim.*claims=\\[Claim"),
        ({"claims": [RISES.parts[0]]}, "`claims` holds Part"),
        ({"claims": [RISES, RISES]}, "two claims are called rises"),
        ({"measures": SIZE}, "measures=\\[Measure"),
        ({"measures": [SIZE, SIZE]}, "two measures are called size"),
        ({"measures": []}, "no measure"),
        (
            {"measures": [SIZE, replace(SIZE, name="again")]},
            "two numbers of the measures are called log_mean, mean_weight",
        ),
        (
            {"measures": [replace(SIZE, ranges={"mean_wieght": (0, 1)})]},
            "a range of the measure `size`: .*did you mean mean_weight",
        ),
        (
            {"measures": [replace(SIZE, resolutions={"x": 1.0})]},
            "a resolution of the measure `size`: no number is called `x`",
        ),
        (
            {"measures": [replace(SIZE, ranges={"mean_weight": (1, 0)})]},
            "the ends must be in order",
        ),
        (
            {"measures": [replace(SIZE, resolutions={"mean_weight": 0.0})]},
            "the resolution a finite number above 0",
        ),
        ({"measures": [replace(SIZE, name="../size")]}, "a measure is called"),
        (
            {"measures": [Measure("m", 1, lambda a, r: {}, ("rate",))], "claims": []},
            "a number called `rate`",
        ),
        (
            {"convergence": Convergence("loss_fall", 0.01)},
            "the limit of convergence: no number is called `loss_fall`",
        ),
        ({"pilot_seeds": 5}, "`pilot_seeds` is 5; give a list"),
        ({"pilot_seeds": [3]}, "the pilot's seeds \\[3\\]"),
        ({"designs": DEMO}, "`designs` is of type Design; give a dictionary"),
        ({"designs": {"demo": [dict(DEMO.rows[0])]}}, "`demo` is of type list; give"),
        ({"designs": {}}, "no design"),
        ({"designs": {"a/b": DEMO}}, "a design is called 'a/b'"),
        ({"designs": {"demo": grid(rate=[0.0, 0.5])}}, "no seeds"),
        ({"subject": Tiny}, "the class Tiny; give an instance, Tiny\\("),
        ({"subject": "toy"}, "'toy' lacks name, law"),
        ({"subject": Short()}, "completed 16 rows of the design `demo` to 15"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_a_study_that_could_not_be_run_or_judged_is_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        replace(STUDY, **changes)


@pytest.mark.parametrize("limit", [0.0, -0.1, math.nan, math.inf, "0.01", True])
@pytest.mark.usefixtures("unchecked")
def test_a_limit_that_nothing_or_everything_passes_is_refused(limit):
    with pytest.raises(ValueError, match="limit of convergence is"):
        Convergence("loss_fall_last_tenth", limit)


def test_a_parameter_that_can_not_be_registered_is_named():
    study = study_of(Tiny(), measures=[replace(SIZE, parameters={"offset": abs})])
    with pytest.raises(ValueError, match="a parameter of the measure `size`"):
        study.registration()


@pytest.mark.usefixtures("unchecked")
def test_lists_of_any_kind_are_frozen():
    study = Study(
        "other",
        "q?",
        Tiny(),
        {"demo": DEMO},
        [SIZE],
        [RISES],
        0.05,
        None,
        range(9, 11),
    )
    assert (study.measures, study.claims) == ((SIZE,), (RISES,))
    assert study.pilot_seeds == (9, 10)
    assert replace(study, pilot_seeds=np.array([9, 10])).pilot_seeds == (9, 10)
