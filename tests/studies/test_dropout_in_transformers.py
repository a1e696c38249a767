import math

import numpy as np
import pytest

from studies import invented
from tegum.arrays import Artifact
from tegum.claims import Table
from tegum.measures.kurtosis import (
    excess_kurtosis_per_vector,
    mean_excess_kurtosis_per_unit,
)
from tegum.networks.subject import SmallTransformers
from tegum.store import Provenance, Store
from tegum.studies import _transformers_arms as arms
from tegum.studies import _transformers_measures as measured
from tegum.studies import dropout_in_transformers as asked
from tegum.studies._transformers_features import network_features

WORDS = ("supported", "refuted", "undecided")
SMALL = {
    "n_layers": 2,
    "width": 32,
    "n_heads": 2,
    "context": 32,
    "vocabulary": 300,
    "seed": 1_000_000,
}


def complete(**factors):
    (row,) = SmallTransformers().complete([{**SMALL, **factors}])
    return row


def untrained(row, *, change=lambda module: None, sequences=24):
    """The artifact of a network as it starts, its weights changed by hand."""
    import torch

    from tegum.networks.model import build, weights_of

    module = build(row)
    with torch.no_grad():
        change(module)
    tokens = np.random.default_rng(0).integers(
        row["vocabulary"], size=(sequences, row["context"]), dtype=np.int32
    )
    arrays = {"heldout_tokens": tokens, "loss": np.array([3.0])}
    return Artifact(weights_of(module) | arrays)


def basis(row, artifact, **parameters):
    return measured.network_basis(row["n_layers"], **parameters)(artifact, row)


def redundancy(row, artifact):
    return measured.network_redundancy(row["n_layers"])(artifact, row)


# --- numbers of one place ------------------------------------------------------------


def gaussian(units=16, vectors=4000):
    return np.random.default_rng(1).standard_normal((vectors, units))


def test_a_rotated_gaussian_has_no_basis():
    found = measured.basis_numbers(gaussian())
    for number in ("gap_per_vector", "centred_gap_per_vector", "gap_per_unit"):
        assert abs(found[number]) < 0.1, number
    assert found["participation"] > 0.98
    assert found["effective_dimensions"] > 15.5


def test_heavy_tailed_units_have_one_and_lose_it_when_turned():
    h = np.random.default_rng(2).laplace(size=(4000, 16))
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((16, 16)))[0]
    found, turned = (measured.basis_numbers(x) for x in (h, h @ turn))
    assert found["gap_per_vector"] > 0.8
    assert found["gap_per_unit"] > 1.5
    assert abs(turned["gap_per_unit"]) < 0.5 * found["gap_per_unit"]
    assert turned["effective_dimensions"] == pytest.approx(
        found["effective_dimensions"], rel=1e-9
    )


def test_a_constant_unit_is_a_basis_until_the_mean_is_taken_off():
    h = gaussian()
    h[:, 3] += 30.0
    found = measured.basis_numbers(h)
    assert found["gap_per_vector"] > 5.0
    assert abs(found["centred_gap_per_vector"]) < 0.1
    assert abs(found["gap_per_unit"]) < 0.1


def test_a_few_strong_units_take_part_alone():
    """Two units of variance 1, fourteen of 0: two of sixteen take part."""
    h = gaussian()
    h[:, 2:] = 0.0
    found = measured.basis_numbers(h)
    assert found["participation"] == pytest.approx(2 / 16, rel=0.01)
    assert found["effective_dimensions"] == pytest.approx(2.0, rel=0.01)


def test_the_gaps_are_those_of_the_measures_of_kurtosis():
    h = np.random.default_rng(4).laplace(size=(500, 8)) + 1.0
    found = measured.basis_numbers(h)
    null = -6.0 / 9.0
    assert found["gap_per_vector"] == pytest.approx(
        excess_kurtosis_per_vector(h).mean() - null
    )
    assert found["centred_gap_per_vector"] == pytest.approx(
        excess_kurtosis_per_vector(h - h.mean(axis=0)).mean() - null
    )
    assert measured._weighted_kurtosis(h - h.mean(axis=0)) == pytest.approx(
        float(mean_excess_kurtosis_per_unit(h))
    )


def test_what_never_varies_has_no_basis_to_speak_of():
    found = measured.basis_numbers(np.zeros((10, 8)))
    assert all(math.isnan(value) for value in found.values())


# --- redundancy ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alone", "together", "expected"),
    [
        ([1.0, 2.0], 3.0, 0.0),  # costs add up
        ([0.0, 0.0], 1.0, 1.0),  # either can be spared, both can not
        ([1.0, 1.0], 1.0, -1.0),  # each is needed by the other
    ],
)
def test_redundancy_of_parts_that_add_stand_in_or_need_each_other(
    alone, together, expected
):
    assert measured.redundancy(alone, together) == pytest.approx(expected)


@pytest.mark.parametrize("together", [0.0, -0.1, math.nan])
def test_where_nothing_is_lost_there_is_nothing_to_share(together):
    assert math.isnan(measured.redundancy([0.1], together))


def test_copies_are_redundant_in_a_loss_that_saturates():
    """Loss -log(eps + share of copies left): the last copies are what is missed."""

    def loss(left):
        return -math.log(0.01 + left)

    alone = [loss(7 / 8) - loss(1.0)] * 8
    assert measured.redundancy(alone, loss(0.0) - loss(1.0)) > 0.7


# --- networks ------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_an_untrained_network_has_no_basis_in_its_stream(family):
    row = complete(family=family)
    found = basis(row, untrained(row))
    for place in ("embedding", "residual_0", "residual_1", "residual"):
        assert abs(found[f"{place}_gap_per_vector"]) < 0.15, place
        assert abs(found[f"{place}_gap_per_unit"]) < 0.3, place
    assert found["residual_participation"] > 0.8


def test_a_planted_unit_is_caught_all_along_the_stream():
    row = complete()

    def plant(module):
        module.transformer.wte.weight[:, 3] *= 20.0

    found = basis(row, untrained(row, change=plant))
    for place in ("embedding", "residual_0", "residual_1"):
        assert found[f"{place}_gap_per_vector"] > 3.0, place
        assert found[f"{place}_participation"] < 0.2, place


def test_the_mean_over_blocks_is_that_of_its_blocks():
    row = complete()
    found = basis(row, untrained(row))
    for kind in measured.KINDS:
        each = [found[f"{kind}_{k}_gap_per_unit"] for k in range(2)]
        assert found[f"{kind}_gap_per_unit"] == pytest.approx(np.mean(each))


def test_an_untrained_network_loses_the_uniform_loss():
    row = complete()
    found = redundancy(row, untrained(row))
    assert found["evaluated_loss"] == pytest.approx(math.log(300), rel=0.02)


def test_an_mlp_that_adds_nothing_costs_nothing():
    row = complete()

    def plant(module):
        module.transformer.h[1].mlp.c_proj.weight.zero_()

    found = redundancy(row, untrained(row, change=plant))
    assert found["ablation_of_mlp_1"] == pytest.approx(0.0, abs=1e-6)


def test_a_layer_that_speaks_through_one_group_has_nothing_in_parallel():
    """Silencing that group is silencing the layer; the other seven cost nothing."""
    row = complete()
    own = measured._groups(4 * row["width"], layer=0)[2]

    def plant(module):
        weight = module.transformer.h[0].mlp.c_proj.weight
        weight[~own] = 0.0
        weight *= 400.0

    found = redundancy(row, untrained(row, change=plant))
    assert abs(found["ablation_of_mlp_0"]) > 1e-3
    if found["ablation_of_mlp_0"] > 0:
        assert found["redundancy_in_parallel_0"] == pytest.approx(0.0, abs=1e-3)


def test_groups_hold_every_neuron_once():
    groups = measured._groups(128, layer=0)
    assert len(groups) == measured.GROUPS
    assert sum(group.int() for group in groups).tolist() == [1] * 128


def test_silencing_leaves_no_trace():
    import torch

    row = complete()
    network = measured.Network.of(untrained(row), row)
    before = network.module(input_ids=network.tokens).logits
    loss = network.loss()
    cost = network.cost({"mlp_0": torch.zeros_like, "neurons_1": torch.zeros_like},
                        loss=loss)  # fmt: skip
    assert cost != 0.0
    after = network.module(input_ids=network.tokens).logits
    assert torch.equal(before, after)
    assert network.cost({}, loss=loss) == 0.0


def test_a_change_that_changes_nothing_costs_nothing_anywhere():
    row = complete()
    network = measured.Network.of(untrained(row), row)
    same = {place: (lambda h: h) for place in measured.places(2)}
    assert network.cost(same, loss=network.loss()) == 0.0


def test_a_network_that_diverged_has_no_number():
    row = complete()
    gone = Artifact(untrained(row).arrays, status="diverged", diverged_at_step=3)
    for found in (basis(row, gone), redundancy(row, gone)):
        assert all(math.isnan(value) for value in found.values())


def test_a_network_that_misses_the_loss_target_is_no_evidence():
    row = complete()
    artifact = untrained(row)
    for target, reached in ((2.9, 0.0), (3.0, 1.0)):
        found = basis(row, artifact, loss_target=target)
        assert found["reached_loss_target"] == reached
        for number in measured.COMPARED:
            told = found[f"comparable_{number}"]
            assert told == found[number] if reached else math.isnan(told)


def test_a_measure_for_other_depths_says_which_to_use():
    row = complete(n_layers=1)
    with pytest.raises(ValueError, match=r"network_basis\(1\)"):
        measured.network_basis(2)(untrained(row), row)


def test_the_loss_is_the_one_that_training_recorded(tmp_path):
    words = [f"word{k % 37} = {k % 11}\n" for k in range(8000)]
    (tmp_path / "text.py").write_text("".join(words))
    subject = SmallTransformers(corpus=tmp_path / "text.py")
    (row,) = subject.complete([{**SMALL, "vocabulary": 270, "steps": 30, "warmup": 5}])
    (artifact,) = subject.train(
        [row], workers=1, progress=lambda _: None, stop=lambda: False
    )
    found = redundancy(row, artifact)
    assert found["evaluated_loss"] == pytest.approx(
        float(artifact.arrays["loss"][-1]), rel=1e-5
    )
    assert found["ablation_of_everything"] > 0.0
    assert redundancy(row, artifact) == found


# --- the study -----------------------------------------------------------------------


def test_it_says_what_it_asks():
    assert asked.STUDY.question.endswith("?")
    assert len(asked.STUDY.digest()) == 64
    for claim in asked.CLAIMS:
        assert claim.reason
        assert claim.source


def test_designs_grow_and_pair_at_least_six_seeds():
    sizes = [len(asked.STUDY.completed(name)) for name in asked.STUDY.designs]
    assert sizes == sorted(set(sizes))
    assert len(asked.STUDY.completed("demo").levels("seed")) >= 6


def test_the_planned_seeds_can_decide():
    for design in asked.STUDY.designs:
        parts = sum(len(c.parts) for c in asked.STUDY.claims_of(design))
        error = 0.8 * asked.STUDY.alpha_of(design) / parts
        for name, seeds in asked.STUDY.planned_seeds(design).items():
            assert 2.0 * 0.5**seeds < error, name


def test_arms_differ_in_dropout_alone_at_equal_steps():
    table = Table.from_design(asked.STUDY.completed("full"))
    for claim in asked.STUDY.claims_of("demo"):
        for part in claim.parts:
            assert table.tied(part.estimand) == (), claim.name


def test_every_two_sided_claim_names_regions_that_exclude_each_other():
    for claim in asked.CLAIMS:
        (part,) = claim.parts
        regions = [part.region, *claim.rivals]
        assert len({r.name for r in regions}) == 3
        for value in (-5.0, -0.26, -0.02, -0.005, 0.0, 0.005, 0.02, 0.26, 5.0):
            inside = [bool(r.holds(np.array([value]))[0]) for r in regions]
            assert sum(inside) == 1, (claim.name, value)


def test_counted_features_never_go_without_their_gaussian_control():
    counted = {
        claim.name
        for claim in asked.CLAIMS
        for part in claim.parts
        if any("superposition" in n for n in part.estimand.numbers)
    }
    assert counted == {"superposition", "superposition-at-equal-loss"}
    assert "superposition-beside-gaussian" in {claim.name for claim in asked.CLAIMS}


def test_features_are_counted_beside_gaussian_vectors_of_the_same_covariance():
    row = complete(width=8, n_heads=1, n_layers=1)
    artifact = untrained(row, sequences=8)
    found = network_features(1)(artifact, row)
    assert found["residual_features_beside_gaussian"] == pytest.approx(
        found["residual_features"] / found["residual_gaussian_features"], nan_ok=True
    )
    gone = Artifact(artifact.arrays, status="diverged", diverged_at_step=3)
    assert all(math.isnan(v) for v in network_features(1)(gone, row).values())


@pytest.mark.parametrize("design", ["demo", "default", "full"])
@pytest.mark.parametrize("word", WORDS)
def test_the_answer_is_text_for_every_word(word, design):
    said = asked.answer(invented.verdicts(asked.STUDY, word, design=design))
    assert said.endswith(".")
    assert said[0].isupper()
    assert "{" not in said
    assert ".." not in said
    assert ("Beware" in said) == (word == "refuted")


def test_the_answer_follows_the_region_that_holds():
    told = {}
    for name in asked.SAID:
        (claim,) = [c for c in asked.CLAIMS if c.name == name]
        regions = [claim.parts[0].region, *claim.rivals]
        told[name] = {
            asked.answer(
                invented.verdicts(asked.STUDY, "refuted", holds={name: region.name})
            )
            for region in regions
        }
    for name, answers in told.items():
        assert len(answers) == (2 if name == "equal-loss" else 3), name


def test_the_answer_says_where_equal_loss_comes_out_otherwise():
    alike = invented.verdicts(asked.STUDY, "supported")
    assert asked.answer(alike).endswith("At equal loss each verdict is the same.")
    other = invented.verdicts(
        asked.STUDY, "supported",
        holds={"redundancy-in-series-at-equal-loss": "falls"},
    )  # fmt: skip
    assert "otherwise for 'redundancy-in-series'" in asked.answer(other)


def test_pairs_are_of_one_seed_and_both_arms():
    found = invented.results(asked.STUDY)
    number = "residual_gap_per_vector"
    values = found[number]
    values[:] = 0.0
    for k, row in enumerate(found.rows()):
        if row["mlp_dropout"] > 0:
            values[k] = row["seed"] - asked.FIRST_SEED + 1.0
    pairs = arms.paired(found, number, arms.TREATED, arms.CONTROL, ratio=False)
    assert pairs.tolist() == [1.0, 2.0, 3.0]
    found.columns["status"][0] = "missing"
    fewer = arms.paired(found, number, arms.TREATED, arms.CONTROL, ratio=False)
    assert len(fewer) == 2


def test_the_picture_draws_every_pair():
    found = invented.results(asked.STUDY, seeds=8)
    figure = asked.STUDY.picture(found, ())
    pairs = [t for t in figure.data if len(t.x) == 8]
    assert len(pairs) == 2 * len(asked.STRIPS)
    expected = arms.paired(
        found, asked.STRIPS[0].number, arms.TREATED, arms.CONTROL, ratio=False
    )
    np.testing.assert_allclose(sorted(pairs[0].x), sorted(expected))


def with_curves(found, design):
    """A store with a loss curve for every row, and the results under its keys."""
    store = Store.in_memory()
    rows = [
        row
        for row in asked.STUDY.completed(design).rows
        if row["seed"] in set(found["seed"])
    ]
    steps = np.arange(0, 1201, 60)
    curve = {"loss_step": steps, "loss": np.linspace(6.0, 3.7, len(steps))}
    keys = store.add_artifacts(
        asked.STUDY.subject,
        rows,
        [Artifact(curve)] * len(rows),
        provenance=Provenance.of_tegum(),
        registry_position=0,
    )
    found.columns["key"][:] = keys
    return store


@pytest.mark.parametrize("design", ["demo", "default", "full"])
def test_figures_can_be_drawn_on_every_design(design):
    found = invented.results(asked.STUDY, design=design, seeds=2)
    store = with_curves(found, design)
    for figure in asked.FIGURES:
        assert figure.caption.endswith(".")
        drawn = figure.draw(found, store)
        only_in_full = figure.name == "site-by-site"
        assert drawn.data, figure.name
        for trace in drawn.data:
            assert len(trace.x) == len(trace.y)
        if only_in_full and design == "full":
            assert {t.name for t in drawn.data} == {*asked.SITES, "all sites"}


def test_figures_stand_where_every_network_is_undefined():
    found = invented.results(asked.STUDY, seeds=1)
    for number in asked.STUDY.numbers:
        found.columns[number][:] = np.nan
    found.columns["status"][:] = "diverged"
    asked.STUDY.picture(found, ())
    for figure in asked.FIGURES:
        figure.draw(found, Store.in_memory())
