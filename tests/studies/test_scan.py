"""A scan: what it must catch, where it must stay silent, and what it says of itself."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tegum import Store, execute, judge
from tegum.arrays import stream
from tegum.claims import Verdict
from tegum.execution import plan
from tegum.measures.sphere import random_rotations
from tegum.report.page import page_html
from tegum.results import Results
from tegum.studies._scan_axes import depths, stretched, stretched_ticks
from tegum.studies._scan_chance import gap_by_chance
from tegum.studies._scan_claims import blocks_needed, outlier_size
from tegum.studies._scan_run import carried_out, outline
from tegum.studies.scan import Prepared, prepared, scan_of

torch = pytest.importorskip("torch")

VOCABULARY, WIDTH, LENGTH = 400, 192, 16
DRAWS = 6000


class Reader(torch.nn.Module):
    """The smallest model with a stream: tokens become vectors, and that is all."""

    def __init__(self, vectors):
        super().__init__()
        weights = torch.tensor(vectors, dtype=torch.float32)
        self.embed = torch.nn.Embedding.from_pretrained(weights)
        self.stream = torch.nn.Identity()

    def forward(self, ids):
        return self.stream(self.embed(ids))


def reader(*, rotated=False, purpose="vectors"):
    """A model whose units are heavy-tailed, each by itself, or the same, rotated."""
    vectors = stream(0, purpose).laplace(size=(VOCABULARY, WIDTH))
    if rotated:
        vectors = vectors @ np.linalg.qr(stream(0, "Q").normal(size=(WIDTH, WIDTH)))[0]
    return Reader(vectors).eval()


def ids(sequences=128):
    return stream(1, "text").integers(VOCABULARY, size=(sequences, LENGTH))


def scanned(models, text=None, **how) -> Prepared:
    return prepared(
        models, ids() if text is None else text, **({"points": "stream"} | how)
    )


@pytest.fixture(scope="module")
def both() -> tuple[Prepared, Store, Results, tuple[Verdict, ...]]:
    text = ids(1600)  # 12 blocks of 2,000 tokens
    asked = scanned({"rotated": reader(rotated=True), "planted": reader()}, text)
    store = Store.in_memory()
    results = execute(asked.study, store, workers=1)
    return asked, store, results, judge(asked.study, store)


def named(verdicts) -> dict[str, str]:
    return {verdict.claim.name: verdict.holds for verdict in verdicts}


def test_a_planted_basis_is_caught_and_a_rotated_one_is_silent(both):
    found = named(both[3])
    for statistic in ("per vector", "per unit"):
        assert found[f"planted: stream {statistic}"] == "privileged"
        assert found[f"rotated: stream {statistic}"].startswith("no gap")


def test_two_models_are_compared_block_by_block(both):
    asked, _, results, verdicts = both
    difference = next(v for v in verdicts if v.claim.name.endswith("beside rotated"))
    assert difference.holds == "larger"
    rotated, planted = (
        results.where(model=key)["gap_per_vector"] for key in asked.scanned.models
    )
    part = difference.parts[0]
    assert part.estimate == pytest.approx(np.median(planted - rotated))
    assert part.low <= part.estimate <= part.high


def test_verdicts_are_confirmatory_and_every_block_counts(both):
    assert {verdict.standing for verdict in both[3]} == {"confirmatory"}
    assert {verdict.seeds for verdict in both[3]} == {12}


def test_the_answer_says_where_and_that_silence_is_no_proof(both):
    asked, _, _, verdicts = both
    said = asked.study.answer(verdicts)
    assert "the basis of planted is privileged at 1 of 1 point" in said
    assert "the basis of rotated is privileged at none of its points" in said
    assert "is larger than that of rotated at 1 of 1 point" in said
    assert "not ruled out" in said


def test_the_page_draws_every_picture_of_both_models(both):
    asked, store, results, verdicts = both
    page = page_html(asked.study, results, verdicts, store=store, design="demo")
    assert len(asked.study.figures) == 5
    for figure in asked.study.figures:
        assert f'id="figure-{figure.name}"' in page
    assert "note failed" not in page
    for text in ("The unit is the block", "does not show that there is none"):
        assert text in page


def test_the_headline_has_both_statistics_of_both_models(both):
    asked, _, results, verdicts = both
    drawn = asked.study.picture(results, verdicts)
    told = [trace.text[0] for trace in drawn.data if trace.text is not None]
    assert [text.split("<br>")[0] for text in told] == ["rotated", "planted"] * 2
    filled = [trace.marker.symbol[0] for trace in drawn.data if trace.text is not None]
    assert [name.endswith("-open") for name in filled] == [True, False] * 2


def test_the_maps_of_units_find_the_one_that_stands_out():
    vectors = stream(0, "calm").normal(size=(VOCABULARY, WIDTH))
    vectors[::40, 17] *= 30.0
    asked = scanned(Reader(vectors).eval())
    store = Store.in_memory()
    results = execute(asked.study, store, workers=1)
    for name in ("scan-large-units", "scan-heavy-units"):
        figure = next(f for f in asked.study.figures if f.name == name)
        drawn = figure.draw(results, store).data[0]
        assert drawn.text[-1][0] == "17"
        assert "unit 17" in drawn.customdata[-1][0]


def test_the_record_for_scripts_has_a_line_for_each_point_and_difference(both):
    asked, store, _, _ = both
    again = carried_out(asked, store, workers=1)
    assert again.tokens_measured == 0
    record = again.to_record()
    assert [r["point"] for r in record["points"]] == ["stream"] * 4
    assert [r["model"] for r in record["differences"]] == ["planted"] * 2
    first = record["points"][1]
    assert first["raw"] - first["rotated"] == pytest.approx(first["gap"])
    assert first["low"] <= first["gap"] <= first["high"]


def test_what_is_there_is_not_measured_again(both):
    asked, store, _, _ = both
    assert outline(asked, store)["missing"] == 0


def test_a_scan_cut_short_goes_on_where_it_was():
    asked, store = scanned(reader()), Store.in_memory()
    execute(asked.study, store, where={"seed": list(range(10))}, workers=1)
    assert plan(asked.study, store).missing == 22
    assert carried_out(asked, store, workers=1).tokens_measured == 22 * 4 * LENGTH


def test_another_gap_after_a_look_confirms_nothing():
    store = Store.in_memory()
    first = scanned(reader())
    carried_out(first, store, workers=1)
    second = carried_out(scanned(reader(), smallest_gap=1.0), store, workers=1)
    assert {verdict.standing for verdict in second.verdicts} == {"exploratory"}


def test_too_few_blocks_are_told_before_and_decide_nothing():
    asked = scanned(reader(), ids(4))
    assert any("4 blocks" in line for line in asked.warnings())
    found = carried_out(asked, Store.in_memory(), workers=1)
    assert {verdict.word for verdict in found.verdicts} == {"undecided"}


def test_a_model_in_train_mode_is_scanned_in_eval_mode_and_it_is_said():
    model = reader().train()
    asked = scanned({"mine": model})
    assert sum("mine came in train mode" in line for line in asked.warnings()) == 1
    assert "mine came in train mode and was scanned in eval" in asked.study.background
    verdicts = carried_out(asked, Store.in_memory(), workers=1).verdicts
    assert asked.study.answer is not None
    assert asked.study.answer(verdicts).endswith("scanned in eval mode: mine.")
    assert model.training
    as_it_came = scanned({"mine": model}, train_mode=True)
    assert not any("train mode" in line for line in as_it_came.warnings())
    assert "dropout was on" in as_it_came.study.background


def test_one_bad_point_costs_its_own_rows_only():
    model = reader()
    asked = scanned(model, points=["embed", "stream"])
    model.stream = torch.nn.Threshold(1.0, float("nan"))
    found = carried_out(replace(asked), Store.in_memory(), workers=1)
    assert "NaN or infinite" in found.problems[0]
    assert "stream" in found.problems[0]
    assert "the other 32 rows are in the store" in found.problems[0]
    assert named(found.verdicts)["embed per vector"] == "privileged"
    assert {v.word for v in found.verdicts if "stream" in v.claim.name} == {"undecided"}


@pytest.mark.parametrize(
    ("models", "how", "says"),
    [
        ([], {}, "no model was given"),
        ([reader(), reader()], {}, "are the same model"),
        (reader(), {"smallest_gap": 0.0}, "above 0"),
        (reader(), {"smallest_gap": float("nan")}, "above 0"),
        (reader(), {"rotations": 0}, "`rotations` is 0"),
        (reader(), {"points": "strem"}, "did you mean stream"),
        (reader(), {"blocks": 129}, "128"),
        (reader(), {"name": "a b"}, "letters, digits"),
        (7, {}, "int"),
    ],
)
def test_what_can_not_be_scanned_is_refused_before_anything_is(models, how, says):
    with pytest.raises(ValueError, match=says):
        scanned(models, **how)


def test_models_of_one_label_are_told_apart_and_so_are_scans():
    asked = scanned([reader(), reader(purpose="others")])
    assert list(asked.scanned.models.values()) == ["Reader #1", "Reader #2"]
    other = scanned(reader())
    assert asked.study.name.startswith("scan-Reader-1-Reader-2-")
    assert other.study.name != asked.study.name
    assert scan_of(reader(), ids(), points="stream").name == other.study.name


def test_the_smallest_gap_is_what_one_large_unit_adds():
    # m - 1 Gaussian coordinates of variance 1, one of variance r^2: the mean of x^4 is
    # 3 (m - 1 + r^4) / m, that of x^2 (m - 1 + r^2) / m.
    for gap, m in ((0.5, 768), (0.5, 128), (3.0, 64)):
        squared = outlier_size(gap, width=m) ** 2
        fourth, second = 3 * (m - 1 + squared**2) / m, (m - 1 + squared) / m
        assert fourth / second**2 - 3 == pytest.approx(gap)


@pytest.mark.parametrize("width", [32, 128, 512])
def test_a_basis_at_random_exceeds_the_gap_by_chance_as_rarely_as_said(width):
    direction = stream(2, f"gap {width}").normal(size=(DRAWS, width))
    gaps = stats.kurtosis(direction, axis=1) + 6.0 / (width + 1)
    for chance in (0.05, 0.01):
        exceeded = (gaps > gap_by_chance(width, chance=chance)).sum()
        assert abs(exceeded - DRAWS * chance) < 3 * np.sqrt(DRAWS * chance)


def test_narrow_points_need_a_larger_gap_and_it_is_claimed():
    asked = scanned(reader())
    region = asked.study.claims[0].parts[0].region
    by_chance = gap_by_chance(WIDTH, chance=0.05 / 2 / 2)  # two claims, two sides
    assert region.intervals[0][0] == pytest.approx(np.ceil(100 * by_chance) / 100)


@pytest.mark.parametrize("width", [32, 128])
def test_two_bases_at_random_differ_by_more_as_rarely_as_said(width):
    direction = stream(3, f"differ {width}").normal(size=(2 * DRAWS, width))
    first, second = np.split(stats.kurtosis(direction, axis=1), 2)
    asked = np.sqrt(2.0) * gap_by_chance(width, chance=0.05 / 2)
    exceeded = (np.abs(first - second) > asked).mean()
    assert 0.005 < exceeded < 0.05


def one_heavy_direction(width, basis, *, share):
    """Gaussian vectors and one direction that 2 % of tokens use, in a Haar basis.

    The law is the same in every basis, so that none is privileged.
    """
    generator = stream(basis, f"heavy {width}")
    vectors = generator.normal(size=(4096, width)) * np.sqrt((1 - share) / width)
    size = np.where(np.arange(4096) < 4096 * 0.02, 7.0, 0.3)
    along = generator.normal(size=4096) * size
    vectors[:, 0] += np.sqrt(share) * along / along.std()
    return Reader(vectors @ random_rotations(width, count=1, generator=generator)[0])


def judged(model, text, **how):
    asked = scanned(model.eval(), text, **how)
    store = Store.in_memory()
    execute(asked.study, store, workers=1)
    return asked, judge(asked.study, store)


@pytest.mark.parametrize(
    ("width", "bases"),
    [
        (64, 4),
        (128, 2),
        pytest.param(64, 40, marks=pytest.mark.slow),
        pytest.param(128, 40, marks=pytest.mark.slow),
    ],
)
def test_one_heavy_direction_in_a_basis_at_random_is_silent(width, bases):
    """At 5 % a scan, 40 scans have more than 5 wrong ones with probability 0.01."""
    text = stream(9, "text").integers(4096, size=(512, 128))
    wrong = 0
    for basis in range(bases):
        model = one_heavy_direction(width, basis, share=0.4 if width == 64 else 0.5)
        _, verdicts = judged(model, text)
        wrong += any(not verdict.holds.startswith("no gap") for verdict in verdicts)
    assert wrong <= (5 if bases == 40 else 0)


def test_one_heavy_unit_among_as_many_is_caught():
    """The same vectors in the basis in which the heavy direction is a unit."""
    generator = stream(0, "heavy unit")
    vectors = generator.normal(size=(4096, 64)) * np.sqrt(0.6 / 64)
    along = generator.normal(size=4096) * np.where(np.arange(4096) < 82, 7.0, 0.3)
    vectors[:, 0] += np.sqrt(0.4) * along / along.std()
    text = stream(9, "text").integers(4096, size=(512, 128))
    _, verdicts = judged(Reader(vectors), text)
    assert named(verdicts)["stream per unit"] == "privileged"


def test_the_same_command_claims_the_same():
    first, second = (scanned(reader(), ids(400)) for _ in range(2))
    assert first.scanned == second.scanned
    assert first.study.digest() == second.study.digest()


def test_short_texts_are_sampled_whole_and_cut_into_fewer_blocks():
    long = scanned(reader(), ids(32 * 4 * 134))  # 15 tokens of 16 are counted
    assert (long.scanned.blocks, long.subject.sample_every) == (32, 4)
    short = scanned(reader(), ids(16 * 134))
    assert (short.scanned.blocks, short.subject.sample_every) == (16, 1)
    assert short.scanned.sampled >= 2000
    assert not any("2,000" in line for line in short.warnings())


def rare(width=64):
    """Two units that one token in 3,000 fires at 25 standard deviations."""
    vectors = stream(4, "rare").normal(size=(3000, width))
    vectors[0, :2] = 25.0
    return Reader(vectors)


def test_blocks_that_miss_what_is_rare_do_not_say_there_is_no_gap():
    text = stream(5, "rare").integers(1, 3000, size=(128, 64))
    text[::30, 40] = 0
    asked, verdicts = judged(rare(), text)
    assert asked.scanned.sampled < 2000
    found = next(v for v in verdicts if v.claim.name == "stream per unit")
    assert found.holds != "no gap worth claiming"
    assert any("2,000" in line for line in asked.warnings())
    assert "too few to say that there is no gap" in asked.study.answer(verdicts)
    store = Store.in_memory()
    (_, record) = carried_out(asked, store, workers=1).to_record()["points"]
    assert record["whole"] > 1.0 > record["gap"]


def test_forty_points_need_twelve_blocks():
    # 80 claims share 0.04: the widest interval of 12 blocks misses with 2^-11 < 0.0005.
    assert blocks_needed(80) == 12
    assert 2.0**-11 < 0.04 / 80 < 2.0**-10


def test_the_scale_of_tails_is_straight_near_nothing_and_holds_everything():
    assert stretched(0.0) == 0.0
    assert stretched(0.01) == pytest.approx(0.02, rel=1e-3)
    axis = stretched_ticks([-1.5, 1657.0])
    assert axis["range"][0] < stretched(-1.5)
    assert axis["range"][1] > stretched(1657.0)
    assert "0" in axis["ticktext"]


def test_points_stand_in_the_order_of_the_forward_pass():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_layer=2, n_embd=8, n_head=2, vocab_size=16, n_positions=8
    )
    from tegum.activations import resolve

    points = resolve(transformers.GPT2LMHeadModel(config), "all")
    places = depths(points)
    assert places == sorted(places)
    assert places[0] < 0 < places[-1]
