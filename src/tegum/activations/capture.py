"""Reading activations while a model runs, without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from tegum.activations.libraries import library
from tegum.activations.points import Point, resolve

if TYPE_CHECKING:
    import torch
    from torch import nn

Receive = Callable[[Point, "torch.Tensor"], None]
"""What is told every activation: the point and the tensor, in the running thread."""


@contextmanager
def capturing(
    module: nn.Module,
    points: Iterable[Point | str],
    receive: Receive,
    *,
    mode: Literal["eval", "train"] | None = "eval",
    refused: Callable[[Point, ValueError], None] | None = None,
) -> Iterator[None]:
    """Hand every activation at some points to `receive` while the model runs.

    Inside, whatever runs the model has `receive(point, tensor)` called once for each
    time that a point is passed, from the thread that runs it: several threads may run
    the model at once inside one such context, but only the calling thread is without
    gradients by it. The tensor is the model's own, detached: copy what is kept, since
    a later layer may write over it. Points may be given by name.

    The model is in eval mode inside (`mode="train"`, or None to leave it as it is). At
    the end, and after any exception, the hooks are gone and every submodule has the
    mode that it had. What the model computes is the same to the bit.

    Raises:
        ValueError: a name that is no point; while the model runs, a module that passes
            no tensor of real numbers, unless `refused` is there to be told.
    """
    torch = library("torch")
    chosen = _points(module, points)
    modes = [(part, part.training) for part in module.modules()]
    handles = []
    try:
        for point in chosen:
            part = module.get_submodule(point.path)
            handles.append(_hook(part, point, receive, refused))
        if mode is not None:
            module.train(mode == "train")
        with torch.no_grad():
            yield
    finally:
        for handle in handles:
            handle.remove()
        for part, training in modes:
            part.training = training


def _points(module: nn.Module, points: Iterable[Point | str]) -> list[Point]:
    given = [points] if isinstance(points, str | Point) else list(points)
    found = {}
    for point in given:
        named = [point] if isinstance(point, Point) else resolve(module, point)
        found |= dict.fromkeys(named)
    return list(found)


def _hook(
    part: nn.Module,
    point: Point,
    receive: Receive,
    refused: Callable[[Point, ValueError], None] | None,
) -> Any:
    def passed(part: nn.Module, what: Any) -> None:
        found = first_tensor(what)
        if found is not None:
            receive(point, found.detach())
        elif refused is not None:
            refused(point, _no_tensor(what, part, point))
        else:
            raise _no_tensor(what, part, point)

    def before(part: nn.Module, args: Any, kwargs: Any) -> None:
        passed(part, (*args, *kwargs.values()))

    def after(part: nn.Module, args: Any, kwargs: Any, returned: Any) -> None:
        passed(part, returned)

    if point.side == "input":
        return part.register_forward_pre_hook(before, with_kwargs=True)
    return part.register_forward_hook(after, with_kwargs=True)


def _no_tensor(what: Any, part: nn.Module, point: Point) -> ValueError:
    name = "the whole module" if not point.path else f"the module `{point.path}`"
    verb = "gets" if point.side == "input" else "returns"
    but = "" if point.side == "input" else f" but a {type(what).__name__}"
    return ValueError(
        f"{name} ({type(part).__name__}), read as `{point.name}`, {verb} no tensor of "
        f"real numbers{but}; name a module that does"
    )


def first_tensor(passed: Any) -> torch.Tensor | None:
    """The tensor of real numbers in what a module passes; None if there is none.

    A tensor is itself; a tuple or list gives its first; a mapping, such as a
    transformers `ModelOutput`, its `last_hidden_state`, or else its first.
    """
    if isinstance(passed, Mapping):
        last = passed.get("last_hidden_state")
        parts = passed.values() if last is None else [last]
    elif isinstance(passed, tuple | list):
        parts = passed
    else:
        is_real = hasattr(passed, "is_floating_point") and passed.is_floating_point()
        return passed if is_real else None
    return next((x for x in map(first_tensor, parts) if x is not None), None)


__all__ = ["capturing", "first_tensor"]
