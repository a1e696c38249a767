import math

import numpy as np
import pytest

from studies import invented
from tegum.arrays import Artifact
from tegum.claims import Table
from tegum.measures.kurtosis import excess_kurtosis_per_vector
from tegum.networks.subject import SmallTransformers
from tegum.store import Provenance, Store
from tegum.studies import _transformers_arms as arms
from tegum.studies import _transformers_measures as measured
from tegum.studies import _transformers_silenced as silenced
from tegum.studies import dropout_in_transformers as asked
from tegum.studies._transformers_network import KINDS, Network, calibrated_loss, places

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


def speaking(row, artifact):
    """The same network on sequences that it has made up itself, and so knows."""
    import torch

    network = Network.of(artifact, row)
    torch.manual_seed(0)
    tokens = network.tokens[:, :1]
    for _ in range(row["context"] - 1):
        with torch.no_grad():
            logits = network.module(input_ids=tokens, use_cache=False).logits[:, -1]
        token = torch.distributions.Categorical(logits=logits).sample()
        tokens = torch.cat([tokens, token[:, None]], dim=1)
    made = {"heldout_tokens": tokens.numpy().astype(np.int32)}
    return Artifact(artifact.arrays | made)


def basis(row, artifact):
    return measured.network_basis(row["n_layers"])(artifact, row)


def costs(row, artifact):
    return silenced.network_silenced(row["n_layers"])(artifact, row)


def met_at(artifact, *, step, loss, weights=None):
    """The same network with weights that were kept at a loss."""
    kept = artifact if weights is None else weights
    there = {
        name.replace("weights/", "weights_at_target/"): array
        for name, array in kept.arrays.items()
        if name.startswith("weights/")
    }
    when = {"target_step": np.array(step), "target_loss": np.array(loss)}
    return Artifact(artifact.arrays | there | when)


def at_target(row, artifact):
    return measured.network_at_target(row["n_layers"])(artifact, row)


# --- numbers of one place ------------------------------------------------------------


def gaussian(units=16, vectors=4000):
    return np.random.default_rng(1).standard_normal((vectors, units))


def test_a_rotated_gaussian_has_no_basis():
    found = measured.basis_numbers(gaussian())
    for number in ("gap_per_vector", "centred_gap_per_vector"):
        assert abs(found[number]) < 0.1, number
    assert found["participation"] > 0.98
    assert found["effective_dimensions"] > 15.5


def test_heavy_tailed_units_have_one_and_lose_it_when_turned():
    h = np.random.default_rng(2).laplace(size=(4000, 16))
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((16, 16)))[0]
    found, turned = (measured.basis_numbers(x) for x in (h, h @ turn))
    assert found["gap_per_vector"] > 0.8
    assert abs(turned["gap_per_vector"]) < 0.5 * found["gap_per_vector"]
    assert turned["effective_dimensions"] == pytest.approx(
        found["effective_dimensions"], rel=1e-9
    )


def test_a_constant_unit_is_a_basis_until_the_mean_is_taken_off():
    h = gaussian()
    h[:, 3] += 30.0
    found = measured.basis_numbers(h)
    assert found["gap_per_vector"] > 5.0
    assert abs(found["centred_gap_per_vector"]) < 0.1


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
    assert silenced.redundancy(alone, together) == pytest.approx(expected)


@pytest.mark.parametrize("together", [0.0, -0.1, math.nan])
def test_where_nothing_is_lost_there_is_nothing_to_share(together):
    assert math.isnan(silenced.redundancy([0.1], together))


def test_copies_are_redundant_in_a_loss_that_saturates():
    """Loss -log(eps + share of copies left): the last copies are what is missed."""

    def loss(left):
        return -math.log(0.01 + left)

    alone = [loss(7 / 8) - loss(1.0)] * 8
    assert silenced.redundancy(alone, loss(0.0) - loss(1.0)) > 0.7


# --- networks ------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_an_untrained_network_has_no_basis_in_its_stream(family):
    row = complete(family=family)
    found = basis(row, untrained(row))
    for place in ("embedding", "residual_0", "residual_1", "residual"):
        assert abs(found[f"{place}_gap_per_vector"]) < 0.15, place
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
    for kind in KINDS:
        each = [found[f"{kind}_{k}_gap_per_vector"] for k in range(2)]
        assert found[f"{kind}_gap_per_vector"] == pytest.approx(np.mean(each))


def test_an_untrained_network_loses_the_uniform_loss():
    row = complete()
    found = costs(row, untrained(row))
    assert found["evaluated_loss"] == pytest.approx(math.log(300), rel=0.02)


def test_an_mlp_that_adds_nothing_costs_nothing():
    row = complete()

    def plant(module):
        module.transformer.h[1].mlp.c_proj.weight.zero_()

    found = costs(row, untrained(row, change=plant))
    assert found["ablation_of_mlp_1"] == pytest.approx(0.0, abs=1e-6)


def test_a_layer_that_speaks_through_one_group_has_nothing_in_parallel():
    """Silencing that group is silencing the layer; the other seven cost nothing."""
    row = complete()
    own = silenced.groups_of(4 * row["width"], layer=0)[2]

    def plant(module):
        weight = module.transformer.h[0].mlp.c_proj.weight
        weight[~own] = 0.0
        weight *= 100.0
        module.transformer.wte.weight *= 10.0

    found = costs(row, speaking(row, untrained(row, change=plant, sequences=64)))
    assert found["ablation_of_mlp_0"] > 0.05
    assert found["robustness_of_layer_0"] == pytest.approx(0.0, abs=1e-3)


def test_groups_hold_every_neuron_once():
    groups = silenced.groups_of(128, layer=0)
    assert len(groups) == silenced.GROUPS
    assert sum(group.int() for group in groups).tolist() == [1] * 128


def test_silencing_leaves_no_trace():
    import torch

    row = complete()
    network = Network.of(speaking(row, untrained(row)), row)
    before = network.module(input_ids=network.tokens).logits
    parts = silenced.Silencing.of(network, network.activations())
    assert parts.cost(parts.silent("mlp_0", "neurons_1")) != 0.0
    after = network.module(input_ids=network.tokens).logits
    assert torch.equal(before, after)
    assert parts.cost({}) == 0.0


def test_a_change_that_changes_nothing_costs_nothing_anywhere():
    row = complete()
    network = Network.of(untrained(row), row)
    parts = silenced.Silencing.of(network, network.activations())
    assert parts.cost({place: (lambda h: h) for place in places(2)}) == 0.0


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_a_silenced_block_adds_a_constant(family):
    """In either family: what it leaves minus what it found is one vector."""
    import torch

    row = complete(family=family)
    network = Network.of(untrained(row), row)
    parts = silenced.Silencing.of(network, network.activations())
    with network.changed(parts.silent("attention_0", "mlp_0")), torch.no_grad():
        found = network.activations()
    added = found["residual_0"] - found["embedding"]
    assert np.abs(added - added[0, 0]).max() < 1e-6


def test_a_temperature_is_refitted():
    """Logits too large by 3 lose what the right ones lose, which is the least."""
    import torch

    torch.manual_seed(0)
    logits = torch.randn(4000, 20) * 2.0
    following = torch.distributions.Categorical(logits=logits).sample()
    entropy = torch.distributions.Categorical(logits=logits).entropy().mean()
    right, wrong = (calibrated_loss(logits * b, following) for b in (1.0, 3.0))
    assert right == pytest.approx(wrong, rel=1e-5)
    assert right == pytest.approx(float(entropy), rel=0.03)
    plain = torch.nn.functional.cross_entropy(logits, following)
    assert right <= float(plain) < float(plain) + 0.01
    assert calibrated_loss(-logits, following) == pytest.approx(math.log(20))


def test_a_network_that_diverged_has_no_number():
    row = complete()
    gone = Artifact(untrained(row).arrays, status="diverged", diverged_at_step=3)
    for found in (basis(row, gone), costs(row, gone), at_target(row, gone)):
        assert all(math.isnan(value) for value in found.values())


def test_at_the_loss_target_the_kept_weights_are_measured_and_not_the_last():
    row = complete(loss_target=4.0)

    def plant(module):
        module.transformer.wte.weight[:, 3] *= 20.0

    plain, planted = untrained(row), untrained(row, change=plant)
    found = at_target(row, met_at(plain, step=700.0, loss=3.9, weights=planted))
    assert (found["target_step"], found["target_loss"]) == (700.0, 3.9)
    for number in measured.COMPARED:
        assert found[f"at_target_{number}"] == basis(row, planted)[number]
    assert found["at_target_robustness_of_layer_0"] == pytest.approx(
        costs(row, planted)["robustness_of_layer_0"], nan_ok=True
    )


def test_a_network_that_misses_the_loss_target_is_no_evidence():
    row = complete(loss_target=1.0)
    assert all(math.isnan(v) for v in at_target(row, untrained(row)).values())


@pytest.mark.parametrize("measure", [basis, costs, at_target])
def test_a_measure_for_other_depths_says_which_to_use(measure):
    two, one = complete(), complete(n_layers=1)
    of_two = {
        basis: measured.network_basis,
        costs: silenced.network_silenced,
        at_target: measured.network_at_target,
    }[measure](two["n_layers"])
    with pytest.raises(ValueError, match="for 1 blocks"):
        of_two(untrained(one), one)


def test_the_loss_is_the_one_that_training_recorded(tmp_path):
    words = [f"word{k % 37} = {k % 11}\n" for k in range(8000)]
    (tmp_path / "text.py").write_text("".join(words))
    subject = SmallTransformers(corpus=tmp_path / "text.py")
    (row,) = subject.complete([{**SMALL, "vocabulary": 270, "steps": 30, "warmup": 5}])
    (artifact,) = subject.train(
        [row], workers=1, progress=lambda _: None, stop=lambda: False
    )
    found = costs(row, artifact)
    last = float(artifact.arrays["loss"][-1])
    assert Network.of(artifact, row).loss() == pytest.approx(last, rel=1e-5)
    assert 0.0 < found["evaluated_loss"] < last
    assert found["ablation_of_everything"] > 0.0
    assert costs(row, artifact) == found


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
        for value in (-5.0, -0.26, -0.06, -0.01, 0.0, 0.01, 0.06, 0.26, 5.0):
            inside = [bool(r.holds(np.array([value]))[0]) for r in regions]
            assert sum(inside) == 1, (claim.name, value)


def test_no_claim_speaks_of_blocks_in_series_or_of_counted_features():
    numbers = {
        number
        for claim in asked.CLAIMS
        for part in claim.parts
        for number in part.estimand.numbers
    }
    assert not [n for n in numbers if "series" in n or "features" in n]


def test_the_demo_asks_few_things_and_the_primary_first():
    named = [claim.name for claim in asked.STUDY.claims_of("demo")]
    assert named == ["residual-basis", "neurons-basis", "residual-basis-at-equal-loss"]


def test_every_row_has_one_learning_rate_after_its_warm_up_and_one_target():
    for row in asked.STUDY.completed("full").rows:
        assert row["schedule"] == "constant"
        assert row["loss_target"] == asked.LOSS_TARGET
        assert row["gradient_clip"] is None
        assert row["seed"] >= asked.FIRST_SEED
    assert not set(asked.PILOT_SEEDS) & set(
        asked.STUDY.completed("full").levels("seed")
    )


@pytest.mark.parametrize("design", ["demo", "default", "full"])
@pytest.mark.parametrize("word", WORDS)
def test_the_answer_is_text_for_every_word(word, design):
    said = asked.answer(invented.verdicts(asked.STUDY, word, design=design))
    assert said.endswith(".")
    assert said[0].isupper()
    assert "{" not in said
    assert ".." not in said
    assert ("Beware" in said) == (word == "refuted" and design == "full")
    assert "2.5 million tokens" in said


def test_the_answer_follows_the_region_that_holds():
    for name in asked.SAID:
        (claim,) = [c for c in asked.CLAIMS if c.name == name]
        told = {
            asked.answer(
                invented.verdicts(
                    asked.STUDY, "refuted", design="default", holds={name: region.name}
                )
            )
            for region in [claim.parts[0].region, *claim.rivals]
        }
        assert len(told) == 3, name


def test_the_answer_speaks_of_equal_loss_only_where_it_is_decided():
    decided, open_ = (
        asked.answer(invented.verdicts(asked.STUDY, word, design="default"))
        for word in ("supported", "undecided")
    )
    assert "At equal loss" in decided
    assert "equal loss" not in open_


def test_pairs_are_of_one_seed_and_both_arms():
    found = invented.results(asked.STUDY)
    number = "residual_gap_per_vector"
    values = found[number]
    values[:] = 0.0
    for k, row in enumerate(found.rows()):
        if row["mlp_dropout"] > 0:
            values[k] = row["seed"] - asked.FIRST_SEED + 1.0
    pairs = arms.paired(found, number, arms.TREATED, arms.CONTROL)
    assert pairs.tolist() == [1.0, 2.0, 3.0]
    found.columns["status"][0] = "missing"
    fewer = arms.paired(found, number, arms.TREATED, arms.CONTROL)
    assert len(fewer) == 2


def test_the_picture_draws_every_pair():
    found = invented.results(asked.STUDY, seeds=8)
    figure = asked.STUDY.picture(found, ())
    pairs = [t for t in figure.data if len(t.x) == 8]
    at_loss = sum(strip.at_loss for strip in asked.STRIPS)
    assert len(pairs) == len(asked.STRIPS) + at_loss
    expected = arms.paired(found, asked.STRIPS[0].number, arms.TREATED, arms.CONTROL)
    np.testing.assert_allclose(sorted(pairs[0].x), sorted(expected))


def with_curves(found, design):
    """A store with a loss curve for every row, and the results under its keys."""
    store = Store.in_memory()
    rows = [
        row
        for row in asked.STUDY.completed(design).rows
        if row["seed"] in set(found["seed"])
    ]
    steps = np.arange(0, 4801, 120)
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
