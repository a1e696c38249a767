"""Compiled kernels: streams, and what is kept of them on disk."""

import os

import numpy as np

from tegum.arrays import stream_key
from tegum.planning.compiled import below, counter, forget_stale, uniform


def test_the_stream_is_splitmix64():
    """From state 0 its first output is 0xE220A8397B1DCDAF (Vigna's reference)."""
    state = np.zeros(1, dtype=np.uint64)
    assert uniform(state) == (0xE220A8397B1DCDAF >> 11) / 2**53


def test_streams_are_named_and_uniform():
    one, other = counter(1, "search"), counter(1, "exploration")
    assert one[0] == stream_key(1, "search")
    draws = np.array([(uniform(one), uniform(other)) for _ in range(20_000)])
    assert abs(draws.mean() - 0.5) < 5 / np.sqrt(12 * 40_000)
    assert abs(np.corrcoef(draws.T)[0, 1]) < 5 / np.sqrt(20_000)
    counts = np.bincount([below(one, 7) for _ in range(7000)], minlength=7)
    assert counts.size == 7
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)


def test_compiled_code_older_than_a_kernel_is_forgotten(tmp_path):
    kept = tmp_path / "__pycache__"
    kept.mkdir()
    for name, text in (("kernel.py", "@compiled"), ("plain.py", "")):
        (tmp_path / name).write_text(text)
    for name in ("old.nbi", "young.nbi"):
        (kept / name).write_text("")
    os.utime(kept / "old.nbi", (1, 1))
    os.utime(tmp_path / "kernel.py", (10, 10))
    assert forget_stale(tmp_path) == 1
    assert [path.name for path in kept.iterdir()] == ["young.nbi"]
