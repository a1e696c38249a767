"""Models reading text, as a subject: rows in, the moments of one hook point out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any

from tegum.activations.columns import BATCH, BLOCKS, ROTATIONS, SAMPLE_EVERY, factors_of
from tegum.activations.fitting import block, check_fit
from tegum.activations.layouts import Point
from tegum.activations.libraries import library
from tegum.activations.models import OpenedModel, open_model
from tegum.activations.passes import Found, Pass, hooked
from tegum.activations.points import resolve
from tegum.activations.text import Text
from tegum.activations.threads import Work, in_threads
from tegum.arrays import Artifact, RowsFailed
from tegum.design import Design, Factor, Row, check_rows, complete
from tegum.wording import counted

ERRORS_SHOWN = 4

OPERATIONS_PER_SECOND = 2e10
"""What one core is taken to do, to tell about how long a row takes."""

LONG_PASS_SECONDS = 5.0
"""From here on a pass is not done twice because its points came in two calls."""

SHARED = ("model", "text", "mode")
"""Factors that all passes under one set of hooks have in common."""


@dataclass(frozen=True, eq=False)
class ModelActivations:
    """Models that read a text, each hook point and each block of the text a row.

    `models` are opened models or live modules; `text` is one for all of them or one
    for each. The text is cut into `blocks` runs of consecutive sequences, as equal as
    can be: the seed of a row is the number of its block. Blocks are 32, or fewer where
    the text is so short that not every block would hold a sampled sequence.

    `points` are the ones that `design` asks for: names, or groups such as "residual".
    Rows of one block and one model are read in one pass, `batch` sequences at a time,
    on one CPU thread a pass. Rotated copies are taken of every `sample_every`-th
    sequence (4, or every one of a short text). Models are read in eval mode unless
    `mode` is "train", where noise is drawn for each batch by itself.

    Raises:
        ValueError: no model, a point that a model lacks, a text whose tokens or
            sequences do not fit a model, or a setting out of range.
    """

    models: Any
    text: Text | Sequence[Text]
    points: str | Sequence[str] = "residual"
    _: KW_ONLY
    blocks: int | None = None
    batch: int = BATCH
    rotations: int = ROTATIONS
    sample_every: int | None = None
    mode: str = "eval"
    name: str = "activations"
    law: int = 1
    unit: str = "block of text"
    _points: dict[str, tuple[Point, ...]] = field(init=False, default_factory=dict)
    _fitting: set[tuple[str, str]] = field(init=False, default_factory=set)
    _left: dict[Any, dict[Point, Found]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Open what is not, and check what can be checked before anything is read."""
        several = isinstance(self.models, list | tuple)
        opened = [_opened(m) for m in (self.models if several else [self.models])]
        if not opened:
            raise ValueError("no model was given; give at least one")
        texts = [self.text] if isinstance(self.text, Text) else list(self.text)
        texts = texts * len(opened) if len(texts) == 1 else texts
        if len(texts) != len(opened):
            raise ValueError(
                f"{len(texts)} texts came with {len(opened)} models; give one text for "
                "all, or one for each"
            )
        object.__setattr__(self, "models", tuple(opened))
        object.__setattr__(self, "text", tuple(texts))
        for model, read in zip(opened, texts, strict=True):
            check_fit(model, read)
            self._fitting.add((model.key, read.key))
            self._points[model.key] = resolve(model.module, self.points)
        least = min(text.n_sequences for text in texts)
        every = self.sample_every
        if every is None:
            every = SAMPLE_EVERY if least >= 2 * SAMPLE_EVERY * BATCH else 1
            object.__setattr__(self, "sample_every", every)
        if self.blocks is None:
            object.__setattr__(self, "blocks", max(min(BLOCKS, least // every), 1))
        self.complete(self.design())

    @cached_property
    def factors(self) -> Sequence[Factor]:
        """The columns it understands."""
        return factors_of(self._models, self._texts)

    @property
    def instruction_set(self) -> str:
        """What computes here, for the record: bits may differ elsewhere."""
        torch = library("torch")
        names = {
            torch.cuda.get_device_name(device)
            if device.type == "cuda"
            else torch.backends.cpu.get_cpu_capability()
            if device.type == "cpu"
            else device.type
            for device in {model.device for model in self._models.values()}
        }
        return f"torch {torch.__version__} {', '.join(sorted(names))}"

    @property
    def labels(self) -> dict[str, str]:
        """What people call the models and texts, by what the rows call them."""
        return {
            key: found.label
            for key, found in [*self._texts.items(), *self._models.items()]
        }

    @property
    def trained_mode(self) -> tuple[str, ...]:
        """The labels of models that were handed over in train mode."""
        return tuple(m.label for m in self._models.values() if m.came_in == "train")

    def points_of(self, model: str) -> tuple[Point, ...]:
        """The points that `design` asks for of a model, in the forward pass's order."""
        return self._points[model]

    def design(self) -> Design:
        """A row for every point of every model and every block of its text."""
        return Design.from_rows(
            {"model": model.key, "text": text.key, "point": point.name, "seed": seed}
            for model, text in zip(self.models, self._each_text, strict=True)
            for point in self._points[model.key]
            for seed in range(self._blocks)
        )

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
        """Every row with every factor, checked; what is left out is as set here.

        Raises:
            ValueError: a row of another model, text or point, a block that the text
                does not have, or a setting that is not the model's or the text's.
        """
        rows = complete(
            [self._settings(row) | dict(row) for row in design], self.factors
        )
        check_rows(rows, self._check_together)
        return rows

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> list[Artifact | None]:
        """The moments at every row's point over its block; None where `stop` cut in.

        Raises:
            RowsFailed: points whose activations are not finite or no activations at
                all, or a model that does not fit in memory; the others are finished.
        """
        finished: list[Artifact | None] = [None] * len(rows)
        errors: dict[int, str] = {}

        def keep(position: int, found: Found) -> None:
            if isinstance(found, str):
                errors[position] = found
            else:
                finished[position] = found

        passes = self._passes(rows, keep)
        work = Work(sum(p.n_batches for group in passes.values() for p in group))
        for group in passes.values():
            first = group[0]
            with hooked(first.model, _wanted(group), first.row["mode"]) as readers:
                for asked, found in in_threads(
                    group, readers, work, workers=workers, progress=progress, stop=stop
                ):
                    self._hand_on(asked, found, keep)
        if errors:
            raise _failed(rows, finished, errors)
        return finished

    def _hand_on(
        self,
        asked: Pass,
        found: Mapping[Point, Found] | str,
        keep: Callable[[int, Found], None],
    ) -> None:
        """Keep what a pass found; for the next call what was not asked for yet."""
        for point, position in asked.wanted.items():
            came = found if isinstance(found, str) else found[point]
            if position is not None:
                keep(position, came)
            elif not isinstance(found, str):
                self._left.setdefault(self.together(asked.row), {})[point] = came

    def core_seconds(self, row: Row) -> float:
        """About how long one core needs for a row.

        That of a whole pass for the first of the points, nothing for the others, which
        are read in the same pass: so chunks end where blocks do.
        """
        points = self._points[row["model"]]
        return 0.0 if row["point"] != points[0].name else self._pass_seconds(row)

    def _pass_seconds(self, row: Row) -> float:
        model = self._models[row["model"]]
        tokens, points = self._tokens(row), len(self._points[row["model"]])
        width = getattr(getattr(model.module, "config", None), "hidden_size", 64)
        turned = row["rotations"] * width / row["sample_every"]
        operations = 2.0 * model.n_weights_in_use + points * width * (60 + 4 * turned)
        parts = sum(1 for _ in model.module.modules())
        batches = tokens / row["sequence_length"] / row["batch"]
        return tokens * operations / OPERATIONS_PER_SECOND + 2e-5 * parts * batches

    def memory_bytes(self, row: Row) -> int:
        """About how much memory a row takes while it is read and stored."""
        model = self._models[row["model"]]
        width = getattr(getattr(model.module, "config", None), "hidden_size", 64)
        batch = row["batch"] * row["sequence_length"] * width * 4 * 12
        return 2**20 + 8 * 4 * width * 64 + batch // len(self._points[row["model"]])

    def tokens(self, row: Row) -> float:
        """A row's share of the tokens of its pass, for telling tokens per second."""
        return self._tokens(row) / len(self._points[row["model"]])

    def together(self, row: Row) -> tuple[Any, ...]:
        """What rows have in common that are read in one pass."""
        return tuple(value for name, value in row.items() if name != "point")

    @property
    def _blocks(self) -> int:
        return int(self.blocks or 1)

    @property
    def _each_text(self) -> tuple[Text, ...]:
        return (self.text,) if isinstance(self.text, Text) else tuple(self.text)

    @cached_property
    def _models(self) -> dict[str, OpenedModel]:
        return {model.key: model for model in self.models}

    @cached_property
    def _texts(self) -> dict[str, Text]:
        return {text.key: text for text in self._each_text}

    def _settings(self, row: Row) -> dict[str, Any]:
        model = self._models.get(str(row.get("model")))
        text = self._texts.get(str(row.get("text")))
        found: dict[str, Any] = {
            "blocks": self._blocks,
            "batch": self.batch,
            "rotations": self.rotations,
            "sample_every": self.sample_every,
            "mode": self.mode,
        }
        if model is not None:
            found |= {"dtype": model.dtype, "device": model.device.type}
        if text is not None:
            found["sequence_length"] = text.sequence_length
        return found

    def _check_together(self, row: Row) -> None:
        model, text = self._models[row["model"]], self._texts[row["text"]]
        if (model.key, text.key) not in self._fitting:
            check_fit(model, text)
            self._fitting.add((model.key, text.key))
        for name, own in (
            ("dtype", model.dtype),
            ("device", model.device.type),
            ("sequence_length", text.sequence_length),
        ):
            if row[name] != own:
                raise ValueError(
                    f"`{name}` is {row[name]!r}, and that of the model or text is "
                    f"{own!r}; leave the column out, or open them so"
                )
        if row["blocks"] > text.n_sequences:
            raise ValueError(
                f"`blocks` is {row['blocks']}, and the text has {text.n_sequences} "
                "sequences; a block needs at least one"
            )
        if row["seed"] >= row["blocks"]:
            raise ValueError(
                f"`seed` is {row['seed']}, and the text has blocks 0 to "
                f"{row['blocks'] - 1}; a longer text gives more"
            )
        self._point(row)

    def _point(self, row: Row) -> Point:
        known = self._resolved.get((row["model"], row["point"]))
        if known is None:
            known, *others = resolve(self._models[row["model"]].module, row["point"])
            if others or known.name != row["point"]:
                raise ValueError(
                    f"`point` is {row['point']!r}, which stands for {len(others) + 1} "
                    "points; a row has one, so name it"
                )
            self._resolved[row["model"], row["point"]] = known
        return known

    @cached_property
    def _resolved(self) -> dict[tuple[str, str], Point]:
        return {
            (key, point.name): point
            for key, points in self._points.items()
            for point in points
        }

    def _tokens(self, row: Row) -> int:
        text = self._texts[row["text"]]
        start, stop = block(text.n_sequences, row["blocks"], row["seed"])
        return (stop - start) * text.sequence_length

    def _passes(
        self,
        rows: Sequence[Row],
        keep: Callable[[int, Found], None],
    ) -> dict[tuple[Any, ...], list[Pass]]:
        """Rows by pass, and passes by what they share.

        A long pass that is asked for some of the points reads all of them at once: the
        others are kept for the next calls, as long as these ask for the block.
        """
        wanted: dict[tuple[Any, ...], dict[Point, int | None]] = {}
        for position, row in enumerate(rows):
            key, point = self.together(row), self._point(row)
            if point in self._left.get(key, {}):
                keep(position, self._left[key].pop(point))
            else:
                wanted.setdefault(key, {})[point] = position
        for key in self._left.keys() - {self.together(row) for row in rows}:
            del self._left[key]
        found: dict[tuple[Any, ...], list[Pass]] = {}
        for points in wanted.values():
            row = rows[next(k for k in points.values() if k is not None)]
            own = self._points[row["model"]]
            if own[0] in points and self._pass_seconds(row) > LONG_PASS_SECONDS:
                points |= {point: None for point in own if point not in points}
            model, text = self._models[row["model"]], self._texts[row["text"]]
            start, stop = block(text.n_sequences, row["blocks"], row["seed"])
            shared = tuple(row[name] for name in SHARED)
            asked = Pass(model, text, row, points, start, stop)
            found.setdefault(shared, []).append(asked)
        return found


def _opened(model: Any) -> OpenedModel:
    return model if isinstance(model, OpenedModel) else open_model(model)


def _wanted(group: Iterable[Pass]) -> dict[Point, None]:
    return {point: None for asked in group for point in asked.wanted}


def _failed(
    rows: Sequence[Row], finished: list[Artifact | None], errors: Mapping[int, str]
) -> RowsFailed:
    """What failed, the first block of each point told in full."""
    told: dict[tuple[Any, Any], list[str]] = {}
    for position in sorted(errors):
        row = rows[position]
        told.setdefault((row["model"], row["point"]), []).append(errors[position])
    said = {
        first + (f" (and so in {counted(len(more), 'more block')})" if more else "")
        for first, *more in told.values()
    }
    shown = sorted(said)[:ERRORS_SHOWN]
    tail = f"; and {len(said) - len(shown)} more" if len(said) > len(shown) else ""
    return RowsFailed(
        f"{len(errors)} of {len(rows)} hook points and blocks could not be measured; "
        f"the others are kept: {'; '.join(shown)}{tail}",
        finished=finished,
        errors=errors,
    )


__all__ = ["ModelActivations"]
