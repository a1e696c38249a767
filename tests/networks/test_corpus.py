"""Text to tokens: what is read, what is held out, what the tokenizer may see."""

import re

import numpy as np
import pytest
from tokenizers import Tokenizer

from tegum.networks import Corpus
from tegum.networks.corpus import BETWEEN_TEXTS


def written(folder, texts):
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def numbered(n, *, of="line of file {k}\n"):
    return {f"{k}.txt": of.format(k=k) * 50 for k in range(n)}


def test_whole_files_are_held_out_a_tenth_of_them(tmp_path):
    folder = written(tmp_path, numbered(20))
    training, held_out = Corpus(folder).parts
    assert (len(training), len(held_out)) == (18, 2)
    assert sorted(training + held_out) == sorted(numbered(20).values())


def test_another_file_moves_few_others(tmp_path):
    """Files are chosen by their own names: one that comes can push out one at most."""
    before = set(Corpus(written(tmp_path / "a", numbered(20))).parts[1])
    more = numbered(20) | {"another.txt": "another\n" * 50}
    after = set(Corpus(written(tmp_path / "b", more)).parts[1])
    assert len(before - after) <= 1


def test_a_single_file_is_cut_at_a_line_after_nine_tenths(tmp_path):
    text = "".join(f"line {k:04d}\n" for k in range(1000))
    path = written(tmp_path, {"one.txt": text}) / "one.txt"
    ((training,), (held_out,)) = Corpus(path).parts
    assert training + held_out == text
    assert held_out.startswith("line 0900\n") or held_out.startswith("line 0901\n")


def test_the_digest_is_of_names_and_contents(tmp_path):
    first = Corpus(written(tmp_path / "a", {"x": "one", "y": "two"})).digest
    again = Corpus(written(tmp_path / "b", {"y": "two", "x": "one"})).digest
    renamed = Corpus(written(tmp_path / "c", {"x": "one", "z": "two"})).digest
    changed = Corpus(written(tmp_path / "d", {"x": "one", "y": "twO"})).digest
    shifted = Corpus(written(tmp_path / "e", {"x": "onet", "y": "wo"})).digest
    assert first == again
    assert len({first, renamed, changed, shifted}) == 4


def test_files_of_one_name_in_two_folders_are_both_read(tmp_path):
    paths = [
        written(tmp_path / name, {"x.txt": f"text of {name}"}) / "x.txt"
        for name in ("a", "b")
    ]
    assert sorted(text for _, text in Corpus(paths).texts) == ["text of a", "text of b"]


def test_hidden_and_compiled_files_are_no_text(tmp_path):
    texts = {"a.py": "a = 1", ".git/x": b"\xff", "__pycache__/a.pyc": b"\xff\x00"}
    assert [name for name, _ in Corpus(written(tmp_path, texts)).texts] == ["a.py"]


def test_the_standard_library_is_its_source_without_tests():
    names = [name for name, _ in Corpus("stdlib").texts]
    assert {"argparse.py", "json/decoder.py", "asyncio/base_events.py"} <= set(names)
    assert not [n for n in names if re.search(r"(^|/)(tests?|site-packages)/", n)]
    assert not [n for n in names if n.startswith(("idlelib/", "encodings/"))]
    assert names == sorted(names)


def test_tokens_are_the_text_and_nothing_is_lost(tokens, subject):
    """Decoded tokens are the files, with the mark before each; bytes are counted."""
    coder = Tokenizer.from_str(tokens.tokenizer.decode())
    for part, texts in zip(
        (tokens.training, tokens.held_out), subject._corpus.parts, strict=True
    ):
        decoded = coder.decode(part.tolist(), skip_special_tokens=False)
        assert decoded == "".join(BETWEEN_TEXTS + text for text in texts)
        size = sum(len(text.encode()) for text in texts)
        assert tokens.bytes_of_token[part].sum() == size
        assert (part == 0).sum() == len(texts)


def test_any_text_has_tokens(tokens):
    coder = Tokenizer.from_str(tokens.tokenizer.decode())
    text = "日本語 \x00\x7f 🧠 \r\n"
    found = coder.encode(text).ids
    assert coder.decode(found) == text
    assert tokens.bytes_of_token[found].sum() == len(text.encode())


def test_the_tokenizer_sees_the_training_part_alone(tmp_path):
    """A word that is frequent in the held-out file, and only there, is no token."""
    texts = numbered(10, of="plain words again {k}\n")
    held_out = next(
        name
        for name, text in Corpus(written(tmp_path, texts)).texts
        if text in Corpus(tmp_path).parts[1]
    )
    written(tmp_path, {held_out: "zqxj " * 5000})
    tokens = Corpus(tmp_path).tokens(270)
    vocabulary = Tokenizer.from_str(tokens.tokenizer.decode()).get_vocab()
    assert not [token for token in vocabulary if "zq" in token or "xj" in token]
    assert len(tokens.held_out) > 20_000


def test_held_out_sequences_are_disjoint_and_spread(tokens):
    context = 16
    found = tokens.held_out_sequences(context)
    assert found.shape == (128, context)
    assert found.dtype == np.int32
    apart = len(tokens.held_out) // 128
    assert apart >= context
    for k, sequence in enumerate(found):
        start = k * apart
        assert (sequence == tokens.held_out[start : start + context]).all()


def test_tokens_are_kept_in_a_folder_and_found_there(tmp_path):
    folder, kept = written(tmp_path / "text", numbered(10)), tmp_path / "kept"
    first = Corpus(folder).tokens(270, folder=kept)
    (file,) = kept.iterdir()
    stamp = file.stat().st_mtime_ns
    second = Corpus(folder).tokens(270, folder=kept)
    assert file.stat().st_mtime_ns == stamp
    file.write_bytes(file.read_bytes()[:1000])
    third = Corpus(folder).tokens(270, folder=kept)
    for name, value in vars(first).items():
        assert np.array_equal(value, getattr(second, name)), name
        assert np.array_equal(value, getattr(third, name)), name


MISTAKES = [
    ({}, "holds no text"),
    ({"a.txt": "", "b.txt": " \n"}, "holds no text"),
    ({"a.txt": b"\xff\xfe\x00", "b.txt": "text"}, "a.txt is no text in UTF-8"),
]


@pytest.mark.parametrize(("texts", "message"), MISTAKES)
def test_what_is_no_text_is_refused(tmp_path, texts, message):
    with pytest.raises(ValueError, match=message):
        _ = Corpus(written(tmp_path, texts)).digest


def test_other_mistakes_about_a_corpus(tmp_path):
    with pytest.raises(ValueError, match=r"no file or folder at .*nowhere"):
        _ = Corpus(tmp_path / "nowhere").digest
    with pytest.raises(ValueError, match="the corpus is 5"):
        _ = Corpus(5).digest
    short = Corpus(written(tmp_path / "short", numbered(10)))
    with pytest.raises(ValueError, match=r"`vocabulary` is 5000, .* yields \d+ tokens"):
        short.tokens(5000)
    with pytest.raises(ValueError, match="`context` is 100000, and the held-out text"):
        short.tokens(270).held_out_sequences(100_000)
