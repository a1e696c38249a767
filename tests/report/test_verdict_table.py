"""Verdicts as a reader sees them: words, symbols, intervals, reasons."""

import math
import re
from dataclasses import replace

import pytest
import worlds

from tegum.claims import below
from tegum.markup import prose
from tegum.report.labels import in_words
from tegum.report.verdicts import (
    SYMBOLS,
    answer,
    bar,
    contradictions,
    pill,
    standing,
    verdict_table,
)


@pytest.fixture
def verdicts():
    return worlds.whole().verdicts


def test_every_word_has_a_symbol_beside_its_colour(verdicts):
    assert [v.word for v in verdicts] == ["supported", "refuted", "undecided"]
    assert len(set(SYMBOLS.values())) == 3
    for word, symbol in SYMBOLS.items():
        assert symbol in pill(word).text
        assert word in pill(word).text


def test_the_table_says_all_that_a_verdict_holds(verdicts):
    text = verdict_table(verdicts).text
    for verdict in verdicts:
        assert verdict.claim.name in text
        assert verdict.claim.statement in text
        assert verdict.claim.reason in text
        assert verdict.claim.source in text
        assert verdict.standing in text
    assert "8 of 8 planned" in text
    assert "predicted: at most 0.9" in text
    assert "dropout rate 0.5 divided by 0" in text
    assert "sparsity: S = 0.9 (q = 0.1)" in text
    assert "or as tight: between −0.1 and 0.1" in text
    assert "not converged" in text


def test_a_row_of_the_table_reads_as_a_person_would_read_it(verdicts):
    text = re.sub(r"<svg.*?</svg>", "", verdict_table(verdicts[:1]).text)
    body = text[text.index("<tbody>") : text.index("</tbody>")]
    words = [line for line in re.split(r"\s*(?:<[^>]+>\s*)+", body) if line]
    assert words == [
        "falls",
        "Interference falls with dropout.",
        "Source: A post",
        "Why this region: A tenth at least.",
        "total interference, dropout rate 0.5 divided by 0",
        "sparsity: S = 0.9 (q = 0.1); optimiser: adamw",
        "predicted: at most 0.9",
        "importance: uniform (r = 1)",
        "✓",
        "0.241",
        "[0.238, 0.242]",
        "importance: decaying (r = 0.8)",
        "✓",
        "0.24",
        "[0.237, 0.242]",
        "8 of 8 planned",
        "✓",
        "supported",
        "confirmatory",
    ]


def test_the_caption_gives_the_simultaneous_level(verdicts):
    # The planned look spends 0.8 of alpha, over four parts: 1 - 0.8 * 0.05 / 4.
    assert sum(len(v.parts) for v in verdicts) == 4
    assert "99 %" in verdict_table(verdicts).text


def test_missing_seeds_and_seeds_needed_are_said(verdicts):
    undecided = replace(verdicts[2], seeds_needed=40, reasons=())
    part = replace(undecided.parts[0], missing=3, word="undecided", reason="too wide")
    text = verdict_table([replace(undecided, parts=(part,))]).text
    assert "(3 missing)" in text
    assert "About 40 seeds would be needed." in text
    assert "too wide" in text


def test_many_reasons_are_folded_and_none_is_lost(verdicts):
    reasons = tuple(f"reason {k}" for k in range(9))
    text = verdict_table([replace(verdicts[2], reasons=reasons)]).text
    assert "9 reasons" in text
    assert all(reason in text for reason in reasons)


def test_the_answer_counts_the_words(verdicts):
    study = worlds.study()
    assert answer(study, verdicts) == (
        "Of 3 claims, 1 is supported, 1 is refuted and 1 is undecided."
    )
    assert answer(study, verdicts[:1]) == (
        "The one claim is supported: Interference falls with dropout."
    )
    assert "not been judged" in answer(study, ())
    own = replace(study, answer=lambda verdicts: f"{len(verdicts)} of them.")
    assert answer(own, verdicts) == "3 of them."


def test_the_standing_of_the_verdicts_is_said_beside_the_answer(verdicts):
    assert standing(verdicts) == (
        "Every verdict is confirmatory: registered before every row it uses."
    )
    mixed = [*verdicts[:2], replace(verdicts[2], standing="interim")]
    assert standing(mixed) == (
        "Verdicts: 2 confirmatory (registered before every row it uses); "
        "1 interim (the planned seeds are not all in)."
    )
    assert standing(()) == ""


def test_a_contradiction_is_said_plainly_with_its_interval(verdicts):
    text = contradictions(verdicts).text
    assert "contradict" in text
    assert "Dropout drops a feature." in text
    assert "A post" in text
    assert "where the claim needs at most −1.5" in text
    assert contradictions(verdicts[:1]) is None


def test_what_holds_instead_of_a_refuted_claim_is_named(verdicts):
    refuted = replace(verdicts[1], holds="as tight")
    assert "What holds instead: as tight." in contradictions([refuted]).text


def test_bars_are_drawn_for_unbounded_and_missing_numbers(verdicts):
    part = verdicts[0].parts[0]
    nothing = replace(part, estimate=math.nan, low=-math.inf, high=math.inf)
    assert "undefined" in bar(nothing).text
    assert "[−∞, ∞]" in bar(nothing).text
    assert "nan" not in bar(nothing).text
    flat = replace(part, estimate=0.9, low=0.9, high=0.9, region=below(0.9))
    assert "nan" not in bar(flat).text


def test_the_background_becomes_paragraphs_and_lists_and_stays_text():
    text = prose("First\n  line.\n\nMany:\n\n- *One* <b>\n- two\n  lines").text
    assert text == (
        "<p>First line.</p><p>Many:</p>"
        "<ul><li><em>One</em> &lt;b&gt;</li><li>two lines</li></ul>"
    )


def test_refuting_what_nobody_claimed_contradicts_no_one(verdicts):
    (refuted,) = [v for v in verdicts if v.word == "refuted"]
    nobodys = replace(refuted, claim=replace(refuted.claim, source=""))
    assert contradictions([nobodys]) is None
    both = contradictions([refuted, nobodys])
    assert both is not None
    assert both.text.count("<li>") == 1


def test_many_claims_are_counted_then_told_a_line_each_and_in_full_in_a_fold(verdicts):
    few = verdict_table([*verdicts] * 4).text
    assert "<details>" not in few
    assert 'class="lines"' not in few
    many = verdict_table([*verdicts] * 5).text
    assert "Of 15 claims:" in many
    counts = many[: many.index("</ul>")]
    words = re.findall(r"(\w+)</span> (\d+)", counts)
    assert dict(words) == {"supported": "5", "refuted": "5", "undecided": "5"}
    lines = many[many.index('class="lines"') : many.index("<details>")]
    assert lines.count("<tr>") == 16
    for verdict in verdicts:
        assert many.count(verdict.claim.statement) == 5
        assert verdict.claim.statement not in lines
    hundred = verdict_table([*verdicts] * 34).text
    assert hundred.index("<details>") < hundred.index('class="lines"')


def test_levels_that_are_digests_are_called_by_their_labels(verdicts):
    labels = {"adamw": "the usual one"}
    plain, said = (
        verdict_table(v).text for v in (verdicts, in_words(verdicts, labels))
    )
    assert "optimiser: adamw" in plain
    assert "optimiser: the usual one" in said
    assert "adamw" not in said
    assert in_words(verdicts, {}) == list(verdicts)


def test_a_unit_that_is_no_seed_is_called_by_its_name(verdicts):
    undecided = replace(verdicts[2], seeds_needed=40, reasons=(), standing="interim")
    text = verdict_table([undecided], unit="block of text").text
    assert "About 40 blocks of text would be needed." in text
    assert "the planned blocks of text are not all in" in text
    assert ">Blocks of text<" in text
    assert "seeds" not in text.lower()
    assert "blocks of text" in standing([undecided], unit="block of text")


def test_no_verdicts_are_said_in_words():
    assert "No claim has been judged" in verdict_table(()).text
