"""What takes a verdict's standing away: other registries, later words, seen bits."""

import shutil
from dataclasses import replace

import pytest

from tegum.claims import Part, above, level, paired_difference
from tegum.design import grid
from tegum.execution import execute, judge, last_verdicts, load
from tegum.execution.standing import ranges_in_words
from tegum.store import Store, digest_of
from tiny import RISES, STUDY, Tiny, study_of


@pytest.fixture
def store():
    return Store.in_memory()


def above_edge(edge, **where):
    """The study's claim, with its edge at another place."""
    estimand = paired_difference(
        "mean_weight", factor="rate", treated=0.5, control=0.0, where=where
    )
    return replace(RISES, parts=(Part(estimand, above(edge)),))


def study_with(*claims, design=None, **changes):
    designs = {"demo": design or grid(rate=[0.0, 0.5], seeds=8)}
    return replace(STUDY, claims=claims, designs=designs, **changes)


def standing_of(study, store, **asked):
    (verdict,) = judge(study, store, **asked)
    return verdict.standing, " ".join(verdict.reasons)


def say(study, store):
    store.register(
        {
            "kind": "registration",
            "study": study.name,
            "digest": study.digest(),
            "registration": study.registration(),
        }
    )


def copy_of_rows(source, target):
    for kind in ("rows", "artifacts"):
        shutil.copytree(source.path / kind, target.path / kind, dirs_exist_ok=True)


def test_rows_copied_from_another_store_confirm_nothing(tmp_path):
    old, new = Store.open(tmp_path / "old"), Store.open(tmp_path / "new")
    execute(replace(STUDY, name="first"), old)
    execute(STUDY, old, where={"rate": 0.0, "seed": 0})
    design = grid(rate=[0.0, 0.5], profile=2.0, seeds=8)
    seen = study_with(above_edge(0.1, profile=2.0), design=design)
    execute(seen, old)
    assert min(load(seen, old)["registry_position"]) == 3
    fitted = study_with(above_edge(0.2, profile=2.0), design=design)
    say(fitted, new)
    copy_of_rows(old, new)
    execute(fitted, new)
    assert standing_of(fitted, new) == (
        "exploratory",
        "its rows were made under another registry",
    )


def test_a_registry_that_was_taken_away_takes_the_standing_with_it(tmp_path):
    store = Store.open(tmp_path / "store")
    execute(replace(STUDY, name="first"), store, where={"seed": 0})
    execute(STUDY, store)
    (store.path / "registry.jsonl").unlink()
    execute(study_with(above_edge(0.2)), store)
    standing, why = standing_of(study_with(above_edge(0.2)), store)
    assert standing == "exploratory"
    assert "another registry" in why


def test_a_foreign_copy_of_a_row_counts_as_the_earliest(tmp_path):
    other, store = Store.open(tmp_path / "other"), Store.open(tmp_path / "store")
    for name in "abc":
        execute(replace(STUDY, name=name), other, where={"seed": 0})
    execute(STUDY, store)
    assert standing_of(STUDY, store)[0] == "confirmatory"
    copy_of_rows(other, store)
    assert standing_of(STUDY, store)[0] == "exploratory"
    store.compact()
    assert standing_of(STUDY, store)[0] == "exploratory"


def test_rows_without_a_digest_of_the_registry_are_read_and_confirm_nothing(
    store, monkeypatch
):
    monkeypatch.setattr(Store, "registry_marks", lambda store: [])
    execute(STUDY, store)
    monkeypatch.undo()
    assert load(STUDY, store)["registry_digest"].tolist() == [None] * 16
    assert standing_of(STUDY, store)[0] == "exploratory"


def test_a_digest_that_is_only_claimed_registers_nothing(store):
    forged = {"kind": "registration", "study": STUDY.name, "digest": STUDY.digest()}
    store.register(forged | {"registration": {"study": STUDY.name}})
    execute(replace(STUDY, name="another"), store)
    assert standing_of(STUDY, store)[0] == "exploratory"


def test_the_digest_of_what_stands_in_the_registry_is_that_of_the_study(store):
    execute(STUDY, store)
    assert digest_of(store.registry()[0]["registration"]) == STUDY.digest()


def test_of_many_edges_said_beforehand_only_the_last_may_confirm(store):
    edges = (0.1, 0.2, 0.3)
    design = grid(rate=[0.0, 0.5, 0.9], seeds=8)
    studies = [study_with(above_edge(edge), design=design) for edge in edges]
    for study in studies:
        execute(study, store, where={"rate": 0.9, "seed": 0})
    for study in studies:
        execute(study, store)
    found = [standing_of(study, store) for study in studies]
    # The first one was said again just before the rows were made, so it was the last.
    assert [standing for standing, _ in found] == [
        "confirmatory",
        "exploratory",
        "exploratory",
    ]
    assert "said last" in found[1][1]


def test_a_study_edited_and_edited_back_before_its_rows_may_confirm(store):
    other = study_with(above_edge(0.2))
    for study in (STUDY, other):
        say(study, store)
    execute(STUDY, store)
    assert len([r for r in store.registry() if r["kind"] == "registration"]) == 3
    assert standing_of(STUDY, store)[0] == "confirmatory"


def test_the_same_bits_under_an_inert_factor_confirm_nothing(store):
    # `label` is a factor of Tiny that changes no bit.
    execute(STUDY, store)
    design = grid(rate=[0.0, 0.5], label="again", seeds=8)
    fitted = study_with(above_edge(0.2, label="again"), design=design)
    execute(fitted, store)
    standing, why = standing_of(fitted, store)
    assert standing == "exploratory"
    assert "16 of its rows have the same bits" in why
    fresh = grid(rate=[0.0, 0.5], label="again", seeds=range(100, 108))
    study = study_with(above_edge(0.2, label="again"), design=fresh)
    execute(study, store)
    assert standing_of(study, store) == ("confirmatory", "")


def test_diverged_models_are_no_repetition_of_each_other(store):
    subject = Tiny(diverging_rate=0.9)

    def study(profile):
        design = grid(rate=[0.0, 0.5, 0.9], profile=profile, seeds=8)
        where = {"rate": [0.5, 0.9], "profile": profile}
        part = Part(level("mean_weight", where=where), above(-9.0))
        claim = replace(RISES, parts=(part,))
        return study_of(subject, claims=(claim,), designs={"demo": design})

    execute(study(1.0), store)
    execute(study(2.0), store)
    assert standing_of(study(2.0), store)[0] == "confirmatory"


def test_seeds_trained_in_other_cells_before_are_named_in_a_note(store):
    execute(STUDY, store, seeds=5)
    design = grid(rate=[0.0, 0.5], profile=2.0, seeds=[0, 1, 2, 4, 7, 9, 11, 12])
    study = study_with(above_edge(0.1, profile=2.0), design=design)
    execute(study, store)
    standing, why = standing_of(study, store)
    assert standing == "confirmatory"
    assert why.startswith("seeds 0 to 2, 4 were trained in other cells before")


def test_ranges_are_said_in_words():
    assert ranges_in_words([]) == ""
    assert ranges_in_words([5]) == "5"
    assert ranges_in_words([0, 1, 3, 4, 5, 9]) == "0 to 1, 3 to 5, 9"


def test_a_look_at_fewer_rows_than_a_cell_plans_is_interim(store):
    design = grid(rate=[0.0], seeds=16) | grid(rate=[0.5], seeds=8)
    parts = tuple(
        Part(level("mean_weight", where={"rate": rate}), above(-9.0))
        for rate in (0.0, 0.5)
    )
    study = study_with(replace(RISES, parts=parts), design=design)
    execute(study, store)
    assert standing_of(study, store)[0] == "confirmatory"
    standing, why = standing_of(study, store, seeds=8)
    assert standing == "interim"
    assert "8 rows that the design plans for it are not in" in why


def test_the_last_verdict_is_the_last_even_if_it_was_given_before(store):
    execute(STUDY, store)
    for seeds in (None, 5, None):
        judge(STUDY, store, seeds=seeds)
    (last,) = last_verdicts(store, STUDY)
    assert (last["seeds"], last["standing"]) == (8, "confirmatory")
