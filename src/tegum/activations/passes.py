"""One pass: a block of text through a model once, for every point that is asked."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.activations.capture import capturing
from tegum.activations.layouts import Point
from tegum.activations.libraries import library
from tegum.activations.models import OpenedModel
from tegum.activations.streaming import Stream
from tegum.activations.text import Text
from tegum.arrays import Artifact, stream_key
from tegum.wording import counted

if TYPE_CHECKING:
    import torch
    from torch import nn

Found = Artifact | str
"""What a point came to: its artifact, or what was wrong in words."""

_NO_MEMORY = (
    "defaultcpuallocator",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "out of memory",
    "bad_alloc",
    "bad allocation",
)


class OutOfMemory(ValueError):
    """A batch does not fit; the message says which would."""


@dataclass(frozen=True, eq=False)
class Pass:
    """What is done in one go: `wanted` maps each point to the position of its row.

    None stands for a row that nobody has asked for yet.
    """

    model: OpenedModel
    text: Text
    row: Mapping[str, Any]
    wanted: Mapping[Point, int | None]
    start: int
    stop: int

    @property
    def n_batches(self) -> int:
        """How many batches the block makes."""
        return -(-(self.stop - self.start) // self.row["batch"])


@dataclass(eq=False)
class _Reading:
    """What has been read at one point: a stream of moments, or what went wrong."""

    point: Point
    rotations: int
    sample_every: int
    stream: Stream | None = None
    error: str | None = None
    times: int = 0
    bad: int = 0
    seen: int = 0

    def add(self, x: torch.Tensor, kept: np.ndarray, start: int) -> None:
        """Take up what the point shows of one batch."""
        self.times += 1
        if self.times > 1:
            self.error = self.error or (
                f"the module `{self.point.path}` runs more than once in a pass, and "
                "its activations can not be told apart; name another"
            )
        if self.error is not None and not self.bad:
            return
        n_sequences, n_tokens = kept.shape
        if x.ndim == 3 and x.shape[0] == 1 < n_sequences:
            x = x.expand(n_sequences, -1, -1)  # positions are embedded once for all
        if x.ndim != 3 or tuple(x.shape[:2]) != kept.shape:
            self.error = (
                f"the module `{self.point.path}` passes activations of shape "
                f"{tuple(x.shape)}; a scan needs (sequence, token, unit), here "
                f"({n_sequences}, {n_tokens}, ...); name another"
            )
            return
        self.seen += int(kept.sum()) * int(x.shape[-1])
        if self.bad:
            self.bad += _not_finite(x, kept)
            return
        if self.stream is None:
            self.stream = Stream(
                int(x.shape[-1]),
                rotations=self.rotations,
                sample_every=self.sample_every,
            )
        try:
            self.stream.add(x, kept, range(start, start + n_sequences))
        except ValueError as error:
            self.error = str(error)
            self.bad = _not_finite(x, kept)

    def refuse(self, error: ValueError) -> None:
        """Take note that the module passes no activations."""
        self.times += 1
        self.error = self.error or str(error)

    def found(self, model: OpenedModel, row: Mapping[str, Any]) -> Found:
        """What the point came to."""
        where = f"{self.point.name} of {model.label}"
        if self.bad:
            return (
                f"{where}: {self.bad:,} of {self.seen:,} activations in block "
                f"{row['seed']} are NaN or infinite"
                + ("; a wider dtype may hold them" * (model.dtype == "float16"))
            )
        if self.error is not None or self.stream is None:
            return f"{where}: {self.error or 'nothing was read'}"
        return Artifact(self.stream.arrays())


def _not_finite(x: torch.Tensor, kept: np.ndarray) -> int:
    """How many activations of kept tokens are NaN or infinite."""
    rows = x[library("torch").from_numpy(kept).to(x.device)]
    return int((~rows.isfinite()).sum())


@dataclass(eq=False)
class Readers:
    """Whom the hooks of a model tell: in every thread the pass that it runs."""

    local: threading.local = field(default_factory=threading.local)

    def receive(self, point: Point, x: torch.Tensor) -> None:
        """Hand an activation to the pass of this thread, if it asked for the point."""
        reading, batch = self._reading(point)
        if reading is not None:
            reading.add(x, *batch)

    def refuse(self, point: Point, error: ValueError) -> None:
        """Hand on that a point has no activations."""
        reading, _ = self._reading(point)
        if reading is not None:
            reading.refuse(error)

    def _reading(self, point: Point) -> tuple[_Reading | None, Any]:
        readings, batch = getattr(self.local, "current", ({}, None))
        return readings.get(point), batch

    @contextlib.contextmanager
    def of(self, readings: Mapping[Point, _Reading], batch: Any) -> Iterator[None]:
        """While a batch runs in this thread."""
        self.local.current = (readings, batch)
        try:
            yield
        finally:
            del self.local.current


@contextlib.contextmanager
def hooked(model: OpenedModel, points: Mapping[Point, Any], mode: str) -> Iterator[Any]:
    """The model with its hooks, in a mode; buffers that a pass changes come back."""
    readers = Readers()
    buffers = list(model.module.buffers()) if mode == "train" else []
    before = [buffer.detach().clone() for buffer in buffers]
    torch = library("torch")
    with capturing(
        model.module,
        list(points),
        readers.receive,
        mode="train" if mode == "train" else "eval",
        refused=readers.refuse,
    ):
        try:
            yield readers
        finally:
            with torch.no_grad():
                for buffer, kept in zip(buffers, before, strict=True):
                    buffer.copy_(kept)


def run(
    asked: Pass,
    readers: Readers,
    *,
    halted: Callable[[], bool],
    told: Callable[[int], None],
) -> dict[Point, Found] | None:
    """Everything that one pass finds; None if it was halted.

    `told` is called with the number of tokens after each batch.

    Raises:
        OutOfMemory: with the batch that would fit.
    """
    torch = library("torch")
    readings = _readings(asked)
    target = _target(asked.model, asked.wanted)
    batch = asked.row["batch"]
    with torch.no_grad():
        for start in range(asked.start, asked.stop, batch):
            if halted():
                return None
            end = min(start + batch, asked.stop)
            try:
                _step(asked, target, readings, readers, start, end)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                no_memory = True
            else:
                no_memory = False
            if no_memory:  # here the failed batch and its error are gone
                readings.clear()
                raise _too_large(asked, target, readers, start)
            asked.text.forget()
            told(int((end - start) * asked.text.sequence_length))
    return {p: r.found(asked.model, asked.row) for p, r in readings.items()}


def _readings(asked: Pass) -> dict[Point, _Reading]:
    rotations, every = asked.row["rotations"], asked.row["sample_every"]
    return {point: _Reading(point, rotations, every) for point in asked.wanted}


def _step(
    asked: Pass,
    target: nn.Module,
    readings: Mapping[Point, _Reading],
    readers: Readers,
    start: int,
    stop: int,
) -> None:
    """One batch through the model."""
    ids, kept = asked.text.batch(start, stop)
    for reading in readings.values():
        reading.times = 0
    seeded = _seeded(asked, start) if asked.row["mode"] == "train" else _as_it_is()
    with readers.of(readings, (kept, start)), seeded:
        _forward(target, ids, kept, asked.model.device)
    for reading in readings.values():
        if reading.times == 0 and reading.error is None:
            reading.error = (
                f"the module `{reading.point.path}` takes no part in the forward pass; "
                "name another"
            )


@contextlib.contextmanager
def _as_it_is() -> Iterator[None]:
    """No noise is drawn in eval mode."""
    yield


@contextlib.contextmanager
def _seeded(asked: Pass, start: int) -> Iterator[None]:
    """Noise of a model in train mode, drawn for these sequences of this text alone.

    A model that draws its masks itself has them begin anew, by `masks.begin(number)`.
    """
    torch = library("torch")
    device = asked.model.device
    masks: Any = getattr(asked.model.module, "masks", None)
    if hasattr(masks, "begin"):
        masks.begin(start)
    with torch.random.fork_rng(
        devices=[device] if device.type == "cuda" else [], device_type="cuda"
    ):
        torch.manual_seed(stream_key(start, f"train mode {asked.text.key}") % 2**63)
        yield


def _target(model: OpenedModel, points: Mapping[Point, Any]) -> nn.Module:
    """What is run: without its head, where no point lies in the head."""
    module: Any = model.module
    config = getattr(module, "config", None)
    if getattr(config, "is_encoder_decoder", False):
        return module.get_encoder()
    base = getattr(module, "base_model", module)
    prefix = next((path for path, part in module.named_modules() if part is base), "")
    inside = all(point.path.startswith(f"{prefix}.") for point in points)
    return base if model.family != "other" and prefix and inside else module


def _forward(
    target: nn.Module, ids: np.ndarray, kept: np.ndarray, device: torch.device
) -> None:
    torch = library("torch")
    tokens = torch.from_numpy(ids).to(device)
    takes = takes_of(target)
    given: dict[str, Any] = {}
    if "attention_mask" in takes:
        given["attention_mask"] = torch.from_numpy(kept.astype(np.int64)).to(device)
    if "use_cache" in takes:
        given["use_cache"] = False
    if "input_ids" in takes:
        target(input_ids=tokens, **given)
    else:
        target(tokens, **given)


def takes_of(module: nn.Module) -> frozenset[str]:
    """The arguments that a module's forward pass has names for."""
    return frozenset(inspect.signature(module.forward).parameters)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory."""
    torch = library("torch")
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in _NO_MEMORY)


def _too_large(
    asked: Pass, target: nn.Module, readers: Readers, start: int
) -> OutOfMemory:
    """What is said of a batch that does not fit, halved until it does."""
    torch = library("torch")
    batch = asked.row["batch"]
    tried, length = min(batch, asked.stop - start), asked.text.sequence_length
    where = f"out of memory: {asked.model.label} on {asked.model.device} does not take"
    what = f"{where} {counted(tried, 'sequence')} of {length} tokens at a time"
    while tried > 1:
        tried //= 2
        if asked.model.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            _step(asked, target, _readings(asked), readers, start, start + tried)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        else:
            return OutOfMemory(f"{what}; a batch of {tried} fits: give batch={tried}")
    return OutOfMemory(
        f"{where} even one sequence of {length} tokens; give a smaller "
        "`sequence_length`, fewer points or workers, or a smaller dtype"
    )


__all__ = ["Found", "OutOfMemory", "Pass", "hooked", "out_of_memory", "run", "takes_of"]
