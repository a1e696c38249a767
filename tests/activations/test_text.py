"""Text becomes the token ids that the tokenizer gives, in sequences, on disk."""

import io
import sys

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tegum.activations import Text, open_text
from tegum.activations.reading import PIECE

END = 0
WORDS = {"[end]": 0, "[first]": 1, "[last]": 2, "[pad]": 3, "\n": 4} | {
    word: k + 5 for k, word in enumerate("abcdefghijklmnopqrstuvwxyz ")
}


def letters(**special):
    """A tokenizer of single letters, so that every id can be told by hand."""
    made = Tokenizer(models.WordLevel(WORDS, unk_token="[pad]"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=made, **special)


PLAIN = letters()
ENDED = letters(eos_token="[end]", pad_token="[pad]")


def ids(text):
    return [WORDS[letter] for letter in text]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "b.txt").write_text("def")
    (tmp_path / "a.txt").write_text("abc")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.md").write_text("ghij")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\xff")
    (tmp_path / "zero.bin").write_bytes(b"abc\0")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / ".hidden").write_text("zzzz")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("zzzz")
    return tmp_path


def test_a_folder_is_read_in_order_with_the_end_of_text_after_each_document(folder):
    text = open_text(folder, tokenizer=ENDED, sequence_length=4)
    expected = [*ids("abc"), END, *ids("def"), END, *ids("ghij")]
    assert text.ids.tolist() == np.reshape(expected, (3, 4)).tolist()
    assert (text.n_sequences, text.sequence_length, text.n_tokens) == (3, 4, 12)
    assert (text.n_documents, text.left_over, text.largest) == (3, 1, WORDS["j"])
    assert text.skipped == (
        "picture.png (not UTF-8)",
        "zero.bin (binary: it holds a zero byte)",
    )
    assert "2 files skipped: picture.png (not UTF-8)" in text.describe()


def test_without_an_end_of_text_documents_run_on(folder):
    text = open_text(folder, tokenizer=PLAIN, sequence_length=5)
    assert text.ids.ravel().tolist() == ids("abcdefghij")


def test_a_text_is_found_by_what_a_model_reads_of_it(folder, tmp_path):
    """Not by where it was: a file, a list, an array and a file of ids are one text."""
    text = open_text(folder, tokenizer=ENDED, sequence_length=4)
    np.save(tmp_path / "ids.npy", text.ids.ravel().astype(np.int64))
    same = [
        open_text(np.array(text.ids)),
        open_text(text.ids.ravel().tolist(), sequence_length=4),
        open_text(tmp_path / "ids.npy", sequence_length=4),
        open_text(
            [folder / "a.txt", folder / "b.txt", str(folder / "deeper")],
            tokenizer=ENDED,
            sequence_length=4,
        ),
    ]
    assert {other.digest for other in same} == {text.digest}
    different = [
        open_text(folder, tokenizer=ENDED, sequence_length=3),
        open_text(folder, tokenizer=PLAIN, sequence_length=4),
        open_text(folder, tokenizer=ENDED, sequence_length=4, at_most=8),
        open_text(folder, tokenizer=ENDED, sequence_length=4, cut="documents"),
    ]
    assert len({text.digest, *(other.digest for other in different)}) == 5


def test_a_long_file_is_tokenised_in_pieces_that_join_to_the_whole(tmp_path):
    lines = ["abc def\n" * 900, "x" * (2 * PIECE + 5), "\nghi\n" * 9000]
    whole = "".join(lines)
    (tmp_path / "long.txt").write_text(whole)
    text = open_text(tmp_path / "long.txt", tokenizer=PLAIN, sequence_length=10)
    kept = len(whole) // 10 * 10
    assert text.ids.ravel().tolist() == ids(whole[:kept])
    assert text.left_over == len(whole) - kept


def test_a_letter_of_several_bytes_is_not_cut_in_two(tmp_path):
    """65,535 letters of one byte and one of two, across what is read at once."""
    (tmp_path / "text.txt").write_text("a" * (PIECE - 1) + "é" + "b" * 9)
    text = open_text(tmp_path / "text.txt", tokenizer=PLAIN, sequence_length=5)
    found = text.ids.ravel().tolist()
    assert found[-10:] == [WORDS["[pad]"], *ids("b" * 9)]
    assert text.n_tokens == PIECE + 9


def test_what_turns_out_to_be_no_text_leaves_nothing_behind(tmp_path):
    (tmp_path / "a.txt").write_text("abcd")
    (tmp_path / "b.txt").write_bytes(b"x" * (3 * PIECE) + b"\xff")
    (tmp_path / "c.txt").write_text("efgh")
    text = open_text(tmp_path, tokenizer=PLAIN, sequence_length=8)
    assert text.ids.tolist() == [ids("abcdefgh")]
    lines = open_text(tmp_path, tokenizer=PLAIN, sequence_length=8, cut="lines")
    assert lines.lengths.tolist() == [4, 4]
    assert lines.ids[:, :4].tolist() == [ids("abcd"), ids("efgh")]


@pytest.mark.parametrize("cut", ["documents", "lines"])
def test_padding_is_marked_and_long_ones_are_cut(folder, cut):
    text = open_text(folder, tokenizer=ENDED, sequence_length=4, cut=cut)
    pad = WORDS["[pad]"]
    assert text.ids.tolist() == [[*ids("abc"), pad], [*ids("def"), pad], ids("ghij")]
    assert text.lengths.tolist() == [3, 3, 4]
    assert text.n_tokens == 10
    found, kept = text.batch(1, 3)
    assert found.dtype == np.int64
    assert found.tolist() == text.ids[1:3].tolist()
    assert kept.tolist() == [[True] * 3 + [False], [True] * 4]


def test_every_line_that_is_not_blank_is_a_sequence(tmp_path):
    (tmp_path / "lines.txt").write_text("abc\r\n\n   \ndefgh\nx")
    text = open_text(
        tmp_path / "lines.txt", tokenizer=ENDED, sequence_length=4, cut="lines"
    )
    assert text.lengths.tolist() == [3, 4, 1]


def test_the_standard_input_is_read_as_it_comes(monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b"abcabc"))
    monkeypatch.setattr(sys, "stdin", stdin)
    text = open_text("-", tokenizer=PLAIN, sequence_length=3)
    assert text.ids.tolist() == [ids("abc")] * 2
    assert text.label == "standard input"


def test_the_standard_library_is_a_text_of_its_own():
    made = Tokenizer(models.WordLevel({"import": 1, "?": 0}, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    text = open_text("stdlib", tokenizer=made, at_most=20_000)
    again = open_text("stdlib", tokenizer=made, at_most=20_000)
    assert text.digest == again.digest
    assert text.n_tokens == 20_000 // 128 * 128
    assert text.label.startswith("standard library of Python 3.")
    assert 20 < (np.array(text.ids) == 1).sum() < 5_000


def test_no_more_is_read_than_was_asked_for(folder):
    text = open_text(folder, tokenizer=ENDED, sequence_length=4, at_most=9)
    assert text.n_tokens == 8
    assert open_text(np.arange(100), sequence_length=10, at_most=35).n_sequences == 3
    rows = open_text(np.arange(100).reshape(10, 10), at_most=35)
    assert rows.n_sequences == 3


@pytest.mark.parametrize(
    ("sources", "given", "said"),
    [
        ("nothing.txt", {}, "no file or folder 'nothing.txt'"),
        ([], {}, "no text was given"),
        (3.5, {}, "can not be read from an object of type float"),
        ("short.txt", {}, "'short.txt' has 4 tokens, and one sequence needs 128"),
        ("empty.txt", {}, "'empty.txt' is empty"),
        ("picture.png", {}, "'.*picture.png' is no text: not UTF-8"),
        ("bare", {}, "'bare' is empty"),
        ("pictures", {}, "'pictures' holds no text: 1 file skipped, such as p.png"),
        ("short.txt", {"tokenizer": None}, "the model came without one"),
        ("short.txt", {"tokenizer": "words"}, "the tokenizer is a str"),
        ("short.txt", {"cut": "chunks"}, "packed, documents, lines"),
        ("short.txt", {"sequence_length": 1}, "whole number from 2"),
        ("short.txt", {"at_most": 0}, "whole number from 1"),
        ("none.npy", {}, "no file .*none.npy"),
        ("broken.npy", {}, "no array of numbers"),
        ("floats.npy", {}, "of type float64"),
        (np.arange(5), {}, "has 5 tokens, and one sequence needs 128"),
        (np.array([[-1, 3]]), {}, "a token id is -1"),
        (np.array([[1], [2]]), {}, "at least one sequence of two"),
        (np.zeros((0, 8), dtype=int), {}, "at least one sequence of two"),
        (np.zeros((2, 8), dtype=int), {"sequence_length": 4}, "in sequences of 8"),
        (["short.txt", np.arange(9)], {}, "must be the only source"),
    ],
)
def test_what_can_not_be_read_is_refused_and_says_why(
    sources, given, said, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_text("abc")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "bare").mkdir()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "p.png").write_bytes(b"\x89PNG")
    (tmp_path / "broken.npy").write_bytes(b"abc")
    np.save(tmp_path / "floats.npy", np.ones(300))
    with pytest.raises(ValueError, match=said):
        open_text(sources, **({"tokenizer": ENDED} | given))


def test_pages_that_were_let_go_of_are_there_when_asked_again(folder):
    text = open_text(folder, tokenizer=ENDED, sequence_length=4)
    before = np.array(text.ids)
    text.forget()
    assert np.array_equal(text.ids, before)
    written = np.arange(8).reshape(2, 4)
    Text(written, "", "").forget()
    assert written[1, 3] == 7


def test_sequences_are_no_longer_than_a_model_reads_unless_that_is_said():
    fitted = open_text(np.arange(256), longest=64)
    assert fitted.sequence_length == 64
    assert "of 64 tokens, the most that is read at a time, 256 tokens" in (
        fitted.describe()
    )
    usual = open_text(np.arange(256), longest=2048)
    assert usual.sequence_length == 128
    assert "the most" not in usual.describe()
    said = open_text(np.arange(256), longest=64, sequence_length=32)
    assert said.sequence_length == 32
    assert "the most" not in said.describe()
