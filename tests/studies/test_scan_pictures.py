"""A scan's pictures: nothing left out, and every line told from every other."""

from itertools import combinations
from typing import Any

import pytest

from tegum.activations.layouts import Point
from tegum.studies._scan_axes import (
    DASHES,
    MOST_SERIES,
    NULL,
    TITLE_WIDTH,
    folded,
    looks,
    series_of,
)
from tegum.studies._scan_units import spaces_of

WIDTHS = {"attn.hook_z": 48, "mlp.hook_pre": 256, "mlp.hook_post": 256}
KINDS: dict[str, Any] = {"attn": "attention", "mlp": "mlp", "resid": "residual"}


def point(name, layer=None) -> Any:
    kind: Any = next(
        (kind for part, kind in KINDS.items() if part in name), "embedding"
    )
    return Point(name, name, "output", "other" if "final" in name else kind, layer)


@pytest.fixture
def points():
    inside = (
        "hook_resid_pre", "attn.hook_z", "hook_attn_out", "hook_resid_mid",
        "mlp.hook_pre", "mlp.hook_post", "hook_mlp_out", "hook_resid_post",
    )  # fmt: skip
    return [
        point("hook_embed"),
        point("hook_pos_embed"),
        *(point(f"blocks.{k}.{name}", k) for k in range(2) for name in inside),
        point("ln_final.hook_normalized"),
    ]


def test_every_series_has_a_look_of_its_own(points):
    drawn = series_of(points)
    assert len({(s.colour, s.symbol) for s in drawn}) == len(drawn) == 9
    assert sorted(k for s in drawn for k in s.chosen) == list(range(len(points)))


def test_nothing_joins_the_embedding_and_the_positions(points):
    alone = [s for s in series_of(points) if s.kind == "embedding"]
    assert [len(s.chosen) for s in alone] == [1, 1]


def test_the_legend_names_series_or_the_kinds_of_very_many(points):
    assert {s.name for s in looks([points, points])} >= {"attn.hook_z", "mlp.hook_post"}
    many = [point(f"mlp.{k}") for k in range(MOST_SERIES + 1)]
    assert [s.name for s in looks([many])] == ["mlp"]


def test_no_model_looks_like_a_basis_at_random():
    assert NULL not in DASHES
    assert all(a != b for a, b in combinations(DASHES, 2))


def test_every_point_is_in_one_map_and_units_are_shared_in_the_stream_alone(points):
    widths = {p.name: WIDTHS.get(p.name.split(".", 2)[-1], 64) for p in points}
    spaces = spaces_of(points, widths)
    shown = [p.name for space in spaces for p in space.points]
    assert sorted(shown) == sorted(widths)
    shared = {p.name for space in spaces if space.shared for p in space.points}
    assert {"hook_embed", "blocks.1.hook_mlp_out", "ln_final.hook_normalized"} <= shared
    assert not any(name.endswith(tuple(WIDTHS)) for name in shared)
    for space in spaces:
        assert len({widths[p.name] for p in space.points}) == 1


def test_a_writer_of_another_width_than_the_stream_stands_apart(points):
    widths = {p.name: 64 for p in points} | {"blocks.0.hook_mlp_out": 32}
    alone = next(s for s in spaces_of(points, widths) if len(s.points) == 1)
    assert alone.points[0].name == "blocks.0.hook_mlp_out"
    assert not alone.shared


def test_titles_fit_a_phone():
    title = "per vector: excess kurtosis across the coordinates of a vector"
    lines = folded(title).split("<br>")
    assert max(map(len, lines)) <= TITLE_WIDTH
    assert " ".join(lines) == title
