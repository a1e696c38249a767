"""How far a verdict may be trusted: registration, seeds, looks, machines."""

from dataclasses import replace

import numpy as np
import pytest

from tegum.arrays import Artifact
from tegum.claims import Part, above, paired_difference
from tegum.design import grid
from tegum.execution import execute, judge, last_verdicts, load
from tegum.functions import FunctionSubject
from tegum.statistics import extra_look_alpha
from tegum.store import Store
from tegum.study import Convergence
from tiny import RISES, SIZE, STUDY, Tiny, study_of

DESIGN = {"demo": grid(rate=[0.0, 0.5], seeds=8)}


@pytest.fixture(params=["memory", "disk"])
def store(request, tmp_path):
    if request.param == "memory":
        return Store.in_memory()
    return Store.open(tmp_path / "store")


def kinds(store):
    return [record["kind"] for record in store.registry()]


def edited(study=STUDY):
    """The study after someone has moved the goal."""
    part = Part(RISES.parts[0].estimand, above(0.2, name="rises"))
    return replace(study, claims=(replace(RISES, parts=(part,)),))


def rises_where(name, profile):
    where = {"profile": profile}
    estimand = paired_difference(
        "mean_weight", factor="rate", treated=0.5, control=0.0, where=where
    )
    return replace(RISES, name=name, parts=(Part(estimand, above(0.1)),))


def level(verdict):
    return verdict.parts[0].level


def test_a_registration_that_stands_before_every_row_confirms(store):
    execute(STUDY, store)
    (verdict,) = judge(STUDY, store)
    assert (verdict.word, verdict.standing) == ("supported", "confirmatory")
    assert (verdict.seeds, verdict.planned) == (8, 8)
    assert kinds(store) == ["registration", "verdict"]


def test_a_study_edited_after_its_rows_exist_runs_and_is_exploratory(store):
    execute(STUDY, store)
    execute(edited(), store)
    assert judge(edited(), store)[0].standing == "exploratory"
    assert judge(STUDY, store)[0].standing == "confirmatory"
    assert kinds(store) == ["registration", "registration", "verdict", "verdict"]


def test_a_claim_about_new_rows_alone_is_confirmatory(store):
    execute(STUDY, store)
    fresh = rises_where("new", 2.0)
    old = rises_where("old", 1.0)
    design = grid(rate=[0.0, 0.5], profile=[1.0, 2.0], seeds=8)
    study = replace(STUDY, designs={"demo": design}, claims=(old, fresh))
    execute(study, store)
    standing = {v.claim.name: v.standing for v in judge(study, store)}
    assert standing == {"old": "exploratory", "new": "confirmatory"}


def test_formatting_does_not_make_another_registration(store):
    execute(STUDY, store)
    execute(
        replace(STUDY, question="Does  the mean weight\nrise with the rate?"), store
    )
    assert kinds(store) == ["registration"]


def test_rows_without_a_registration_are_exploratory(store):
    execute(replace(STUDY, name="another"), store)
    assert judge(STUDY, store)[0].standing == "exploratory"


def test_before_the_planned_seeds_are_in_a_verdict_is_interim(store):
    execute(STUDY, store, seeds=7)
    assert judge(STUDY, store)[0].standing == "interim"
    assert judge(STUDY, store, seeds=7)[0].standing == "interim"
    execute(STUDY, store)
    assert judge(STUDY, store)[0].standing == "confirmatory"


def test_a_seed_without_some_of_its_rows_is_interim_and_missing(store):
    execute(STUDY, store, where={"rate": [0.0]})
    execute(STUDY, store, seeds=7)
    (verdict,) = judge(STUDY, store)
    assert verdict.standing == "interim"
    assert verdict.parts[0].missing == 1
    assert verdict.word == "undecided"


def test_without_any_row_a_verdict_is_undecided_and_interim(store):
    (verdict,) = judge(STUDY, store)
    assert (verdict.word, verdict.standing) == ("undecided", "interim")
    assert verdict.parts[0].low == -np.inf


def test_looks_beyond_the_plan_stand_at_fixed_sizes_with_less_error_each(store):
    # Planned are 8 seeds; half as many again is 12, then 18.
    alpha = STUDY.alpha_of("demo")
    execute(STUDY, store, seeds=18)
    assert level(judge(STUDY, store)[0]) == 1 - extra_look_alpha(alpha, 1)
    for seeds, look in ((12, 2), (18, 3)):
        (verdict,) = judge(STUDY, store, seeds=seeds)
        assert level(verdict) == 1 - extra_look_alpha(alpha, look)
        assert verdict.planned == seeds
        assert verdict.standing == "confirmatory"


def test_a_number_of_seeds_between_two_looks_is_interim(store):
    # Whoever sees 12 seeds and picks 13 because of them could pick where to be wrong.
    execute(STUDY, store, seeds=13)
    (verdict,) = judge(STUDY, store, seeds=13)
    assert level(verdict) == 1 - extra_look_alpha(STUDY.alpha_of("demo"), 3)
    assert (verdict.planned, verdict.standing) == (18, "interim")


def test_what_a_measure_makes_of_a_diverged_model_is_not_data(store):
    def weights(row):
        lost = row["seed"] == 3 and row["rate"] == 0.5
        arrays = {"W": np.full((2, 3), row["rate"] + 0.01 * row["seed"])}
        return Artifact(arrays, "diverged", 7) if lost else Artifact(arrays)

    study = replace(
        STUDY, subject=FunctionSubject("half-lost", weights, in_process=True)
    )
    assert np.isfinite(execute(study, store)["mean_weight"]).all()
    (verdict,) = judge(study, store)
    assert (verdict.seeds, verdict.parts[0].missing) == (8, 1)


def test_every_verdict_stays_and_none_is_said_twice_in_a_row(store):
    execute(STUDY, store, seeds=5)
    for _ in range(3):
        judge(STUDY, store, seeds=5)
    execute(STUDY, store)
    judge(STUDY, store)
    execute(edited(), store)
    judge(edited(), store)
    judge(STUDY, store)
    assert [v["standing"] for v in store.registry() if v["kind"] == "verdict"] == [
        "interim",
        "confirmatory",
        "exploratory",
        "confirmatory",
    ]


def test_the_last_verdicts_are_those_a_list_shows(store):
    assert last_verdicts(store, STUDY) == []
    execute(STUDY, store, seeds=5)
    judge(STUDY, store, seeds=5)
    execute(STUDY, store)
    judge(STUDY, store)
    (last,) = last_verdicts(store, STUDY)
    shown = ("study", "design", "claim", "word", "standing", "seeds", "planned")
    assert [last[name] for name in shown] == [
        "tiny-study",
        "demo",
        "rises",
        "supported",
        "confirmatory",
        8,
        8,
    ]
    assert last["verdict"]["parts"][0]["estimate"] == pytest.approx(0.5)
    assert last_verdicts(store, "another") == []


def test_a_verdict_that_mixes_instruction_sets_says_so(store):
    execute(study_of(Tiny(instruction_set="avx2")), store, seeds=4)
    execute(study_of(Tiny(instruction_set="avx512")), store)
    (verdict,) = judge(STUDY, store)
    assert "mix the instruction sets avx2, avx512" in verdict.reasons[-1]
    assert load(STUDY, store).instruction_sets == ("avx2", "avx512")
    assert "instruction" not in str(judge(STUDY, store, seeds=4)[0].reasons)


def test_an_arm_that_has_not_converged_leaves_its_claim_undecided(store):
    study = replace(STUDY, convergence=Convergence("mean_weight", 1e-6))
    execute(study, store)
    (verdict,) = judge(study, store)
    assert verdict.word == "undecided"
    assert "not converged at rate" in verdict.reasons[0]
    assert verdict.standing == "confirmatory"


def test_a_diverged_model_enters_at_both_ends(store):
    ranged = replace(SIZE, ranges={"mean_weight": (-10.0, 10.0)})

    class Unlucky(Tiny):
        def artifact(self, row):
            whole = super().artifact(row)
            if (row["rate"], row["seed"]) != (0.5, 3):
                return whole
            lost = {"W": np.full((2, 3), np.nan, dtype=np.float32)}
            return replace(whole, arrays=lost, status="diverged", diverged_at_step=1)

    study = study_of(Unlucky(), measures=(ranged,))
    execute(study, store)
    (verdict,) = judge(study, store)
    assert verdict.parts[0].missing == 1
    assert verdict.parts[0].low <= -9


def test_designs_share_alpha_and_are_registered_together(store):
    claims = (replace(RISES, designs=("demo", "full")),)
    designs = DESIGN | {"full": grid(rate=[0.0, 0.5, 0.7], seeds=12)}
    study = replace(STUDY, designs=designs, claims=claims)
    execute(study, store)
    execute(study, store, design="full")
    for design, seeds in (("demo", 8), ("full", 12)):
        (verdict,) = judge(study, store, design=design)
        assert level(verdict) == 1 - extra_look_alpha(0.025, 1)
        assert (verdict.standing, verdict.seeds) == ("confirmatory", seeds)
    assert kinds(store).count("registration") == 1
    assert {v["design"] for v in last_verdicts(store, study)} == {"demo", "full"}


def test_memory_and_disk_agree_on_everything(tmp_path):
    told = []
    for store in (Store.in_memory(), Store.open(tmp_path / "store")):
        results = execute(STUDY, store, seeds=12)
        verdicts = judge(STUDY, store), judge(STUDY, store, seeds=12)
        digests = dict(
            zip(
                store.rows()["key"].to_pylist(),
                store.rows()["artifact_digest"].to_pylist(),
                strict=True,
            )
        )
        told.append((results["mean_weight"].tobytes(), digests, verdicts))
    assert told[0] == told[1]
