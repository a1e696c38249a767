"""Hook points: where in a model activations are read, by names the field uses.

A point is one side of one module. For known layouts it has a name in the manner of
TransformerLens, such as `blocks.3.hook_resid_post`; in any module whatever, the path of
a submodule is a name too (`PATH` for what it returns, `PATH:input` for what it gets).

| name | what it is |
|---|---|
| `hook_embed`, `hook_pos_embed` | token and (learned) position embeddings |
| `blocks.i.hook_resid_pre` | the residual stream that block i reads |
| `blocks.i.attn.hook_z` | what the heads give, side by side, before the projection |
| `blocks.i.hook_attn_out` | what attention adds to the stream, after dropout |
| `blocks.i.hook_resid_mid` | the stream between attention and MLP |
| `blocks.i.mlp.hook_pre` | MLP neurons before the nonlinearity (the gate, if gated) |
| `blocks.i.mlp.hook_pre_linear` | in a gated MLP, what the gate multiplies |
| `blocks.i.mlp.hook_post` | MLP neurons as the second projection reads them |
| `blocks.i.hook_mlp_out` | what the MLP adds to the stream, after dropout |
| `blocks.i.hook_resid_post` | the stream that block i leaves |
| `ln_final.hook_normalized` | the stream after the last norm, gain and bias included |

A parallel block (GPT-NeoX) has no `hook_resid_mid`: attention and MLP read one stream.
A BERT-like block normalises after it adds: `hook_resid_mid` and `hook_resid_post` are
the sums before the norms, as in TransformerLens, and `hook_normalized_resid_mid` and
`hook_normalized_resid_post` what the norms make of them; the last is what the next
block reads, and what transformers calls a hidden state.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tegum.activations.layouts import (
    Kind,
    Layout,
    Place,
    Point,
    Side,
    joined,
    layout_of,
)

if TYPE_CHECKING:
    from torch import nn

GROUPS = ("residual", "attention", "mlp", "embedding", "all")
"""Names that stand for several points."""

NEAREST = 3


def family_of(module: nn.Module) -> str:
    """The family whose names a model has: gpt2, gpt_neox, llama or bert; else other."""
    found = layout_of(module)
    return "other" if found is None else found[0].family


def points_of(module: nn.Module) -> tuple[Point, ...]:
    """Every point of a model that has a name, in the order of the forward pass.

    In a model of no known layout these are its submodules, each by its path; in one
    without submodules the whole, called `output`.
    """
    found = layout_of(module)
    if found is None:
        submodules = tuple(Point(path, path) for path, _ in module.named_modules())[1:]
        return submodules or (Point("output", ""),)
    layout, root = found
    return tuple(_named(module, layout, root))


def _named(module: nn.Module, layout: Layout, root: str) -> Iterator[Point]:
    paths = {path for path, _ in module.named_modules()}

    def at(place: Place, above: str, name: str, layer: int | None) -> Iterator[Point]:
        for path in place.paths:
            if joined(above, path) in paths:
                yield Point(name, joined(above, path), place.side, place.kind, layer)
                return

    for place in layout.before:
        yield from at(place, root, place.name, None)
    blocks = module.get_submodule(joined(root, layout.blocks))
    for layer, block in enumerate(blocks.children()):
        parallel = bool(getattr(block, "use_parallel_residual", False))
        for place in layout.block:
            if not (parallel and place.name == "hook_resid_mid"):
                path = joined(root, layout.blocks, str(layer))
                yield from at(place, path, f"blocks.{layer}.{place.name}", layer)
    for place in layout.after:
        yield from at(place, root, place.name, None)


def resolve(module: nn.Module, names: str | Iterable[str]) -> tuple[Point, ...]:
    """The points that names stand for, each once, in the order of the forward pass.

    A name is that of a point, the path of a submodule (with `:input` for what it
    gets), a pattern such as `blocks.*.hook_mlp_out`, or a group: `attention`, `mlp`
    and `embedding` are all points of that kind; `residual` is the stream that the
    first block reads and that every block leaves (BERT-like: before and after its
    norm); `all` is every point, none twice under two names.

    Raises:
        ValueError: no such point (with the nearest names), a group that the model has
            nothing of, or no name at all.
    """
    known = points_of(module)
    asked = [names] if isinstance(names, str) else list(names)
    if not asked:
        raise ValueError(
            f"no hook point was named; give some, or a group: {', '.join(GROUPS)}"
        )
    chosen = {p: None for name in asked for p in _stands_for(module, name, known)}
    return tuple(sorted(chosen, key=lambda point: _rank(point, known)))


def _stands_for(
    module: nn.Module, name: Any, known: Sequence[Point]
) -> Sequence[Point]:
    exact = [point for point in known if point.name == name]
    if exact:
        return exact
    if name in GROUPS:
        return _group(module, name, known)
    if not isinstance(name, str):
        raise ValueError(f"a hook point is named by a text, and this is {name!r}")
    if any(mark in name for mark in "*?["):
        matched = [p for p in known if fnmatch.fnmatchcase(p.name, name)]
        if matched:
            return matched
    else:
        path, _, side = name.partition(":")
        there = {path for path, _ in module.named_modules() if path}
        if path in there and side in ("", "input"):
            return [_by_path(module, name, path, "input" if side else "output", known)]
    raise ValueError(_no_point(module, name, known))


def _group(module: nn.Module, name: str, known: Sequence[Point]) -> list[Point]:
    if layout_of(module) is None:
        if name == "all":
            leaf = [p for p in known if not _children(module, p.path)]
            return leaf or list(known)
        raise ValueError(
            f"the layout of {type(module).__name__} is not known, so nothing says what "
            f"of it is `{name}`; name its modules by their paths, such as "
            f"{_shown(known)}, or `all`"
        )
    if name in ("residual", "all"):
        found = [p for p in known if not _twice(p)]
        if name == "residual":
            ends = ("hook_resid_pre", "hook_resid_post", "hook_normalized_resid_post")
            found = [p for p in found if p.name.endswith(ends)]
        return found
    return [point for point in known if point.kind == name]


def _twice(point: Point) -> bool:
    """Whether a point is what the block before it leaves, under a second name."""
    return point.name.endswith("hook_resid_pre") and point.layer != 0


def _children(module: nn.Module, path: str) -> bool:
    return any(True for _ in module.get_submodule(path).children())


def _by_path(
    module: nn.Module, name: str, path: str, side: Side, known: Sequence[Point]
) -> Point:
    """A point named by its path, with the kind and the layer that it has."""
    same = [p for p in known if p.path == path and p.side == side and p.name != path]
    if same:
        return Point(name, path, side, same[0].kind, same[0].layer)
    found = layout_of(module)
    layer = None
    if found is not None:
        layout, root = found
        inside = re.match(re.escape(joined(root, layout.blocks)) + r"\.(\d+)", path)
        layer = int(inside[1]) if inside else None
    return Point(name, path, side, "other", layer)


def _rank(point: Point, known: Sequence[Point]) -> float:
    """Where a point comes in the forward pass, as far as the layout tells."""
    if point in known:
        return float(known.index(point))
    same = [
        k for k, p in enumerate(known) if (p.path, p.side) == (point.path, point.side)
    ]
    layer = [k for k, p in enumerate(known) if p.layer == point.layer is not None]
    return same[-1] + 0.5 if same else layer[-1] + 0.5 if layer else float(len(known))


def _no_point(module: nn.Module, name: str, known: Sequence[Point]) -> str:
    paths = [path for path, _ in module.named_modules() if path]
    names = list(dict.fromkeys([*(p.name for p in known), *paths, *GROUPS]))
    near = difflib.get_close_matches(name, names, n=NEAREST, cutoff=0.5)
    nearest = f"did you mean {', '.join(near)}? " if near else ""
    kinds = dict.fromkeys(re.sub(r"\.\d+\.", ".{i}.", p.name) for p in known)
    shown = ", ".join(list(kinds)[:16]) + (", ..." if len(kinds) > 16 else "")
    layers = sum(p.name.endswith("hook_resid_pre") for p in known)
    numbers = f" with i from 0 to {layers - 1}" if layers else ""
    return (
        f"no hook point of {type(module).__name__} is called `{name}`; {nearest}there "
        f"are {shown}{numbers}, the groups {', '.join(GROUPS)}, and the path of any "
        "submodule"
    )


def _shown(known: Sequence[Point]) -> str:
    return ", ".join(point.name for point in known[:NEAREST])


__all__ = ["GROUPS", "Kind", "Point", "Side", "family_of", "points_of", "resolve"]
