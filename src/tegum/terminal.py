"""What the command line prints: plans, verdicts, progress."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tegum.wording import NOT_MEASURED, counted

if TYPE_CHECKING:
    from tegum.claims import Verdict
    from tegum.execution import Plan
    from tegum.gallery import Picture
    from tegum.study import Study


def print_plan(study: Study, design: str, planned: Plan, *, as_json: bool) -> None:
    """What a run would do, and about how long it would take."""
    if as_json:
        print_json({"study": study.name, "design": design, **planned.to_record()})
        return
    typer.echo(
        f"{study.name}, {design}: {planned.rows} rows, {planned.present} already "
        f"there, {planned.missing} to train; about {_duration(planned.wall_seconds)}"
    )


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "a second"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def print_rows(study: Study, rows: int, *, as_json: bool) -> None:
    """How many rows of a part of a design are there now."""
    if as_json:
        print_json({"study": study.name, "rows": rows, "verdicts": []})
        return
    typer.echo(f"{rows} rows are in the store; claims need all cells of the design.")


def print_page(page: Path, *, as_json: bool) -> None:
    """Where the page is; a script asks for it with `tegum report`."""
    if not as_json:
        typer.echo(f"report: {page}")


def print_figures(pictures: Sequence[Picture], *, as_json: bool) -> None:
    """Every picture's name and caption, by study."""
    if as_json:
        print_json([picture.to_record() for picture in pictures])
        return
    for picture in pictures:
        indent = "" if picture.figure is None else "    "
        typer.echo(f"{indent}{picture.name}\n{indent}    {picture.caption}")
    typer.echo("\nDraw one with: tegum figure NAME")


def print_figure(
    picture: Picture, path: Path, models: int, design: str, *, as_json: bool
) -> None:
    """Where a picture was written, and what it was drawn from."""
    if as_json:
        made = {"design": design, "models": models, "file": str(path)}
        print_json(picture.to_record() | made)
        return
    size = counted(models, "model")
    typer.echo(f"{picture.name}: {size} of {picture.study.name}, {design}")
    typer.echo(path)


def print_verdicts(
    study: Study, verdicts: tuple[Verdict, ...], *, as_json: bool
) -> None:
    """The question, its answer and a table of verdicts."""
    if as_json:
        print_json(
            {
                "study": study.name,
                "verdicts": [verdict.to_record() for verdict in verdicts],
            }
        )
        return
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    console.print(f"\n[bold]{escape(' '.join(study.question.split()))}[/bold]")
    if study.answer is not None and verdicts:
        console.print(escape(_answer(study, verdicts)), highlight=False)
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("verdict", "claim", "standing", "seeds"):
        table.add_column(heading, overflow="fold")
    colours = {"supported": "green", "refuted": "red", "undecided": "yellow"}
    for verdict in verdicts:
        details = "".join(f"\n{escape(line)}" for line in _details(verdict))
        table.add_row(
            f"[{colours[verdict.word]}]{verdict.word}[/]",
            f"{escape(verdict.claim.statement)}[dim]{details}[/dim]",
            verdict.standing,
            f"{verdict.seeds} of {verdict.planned}",
        )
    console.print(table)


def _answer(study: Study, verdicts: tuple[Verdict, ...]) -> str:
    assert study.answer is not None
    try:
        return study.answer(verdicts)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        return f"(the study's `answer` failed: {type(error).__name__}: {error})"


def _details(verdict: Verdict) -> list[str]:
    """What stands behind a verdict, in a few short lines."""
    if len(verdict.parts) == 1:
        part = verdict.parts[0]
        found = f"{part.estimate:.3g} [{part.low:.3g}, {part.high:.3g}]"
        lines = [f"{found}; said: {part.region.describe()}"]
    else:
        words = [part.word for part in verdict.parts]
        counts = [
            f"{words.count(word)} {word}"
            for word in ("supported", "refuted", "undecided")
            if word in words
        ]
        lines = [f"{len(words)} parts: {', '.join(counts)}"]
    if verdict.holds:
        lines.append(f"holds: {verdict.holds}")
    if verdict.seeds_needed is not None:
        lines.append(f"about {verdict.seeds_needed} seeds would decide it")
    return [*lines, *verdict.reasons]


@contextmanager
def progress_bar(*, quiet: bool, tokens_per_row: float | None = None) -> Iterator[Any]:
    """A bar for each phase on a terminal; None where nobody watches.

    With `tokens_per_row` rows are pieces of a text, and the work is told in tokens.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bar:
        tasks: dict[str, Any] = {}

        def tell(state: Any) -> None:
            count = f"{state.done:.0f}/{state.total}"
            name, rate = state.phase, f"{state.rate:.1f}/s"
            if tokens_per_row is not None and state.phase == "train":
                done, total = (
                    n * tokens_per_row for n in (state.done, float(state.total))
                )
                count = f"{done:,.0f}/{total:,.0f} tokens"
                name, rate = "scan", f"{state.rate * tokens_per_row:,.0f} tokens/s"
            if state.phase not in tasks:
                tasks[state.phase] = bar.add_task(name, rate="", count="")
            bar.update(
                tasks[state.phase],
                total=state.total,
                completed=state.done,
                count=count,
                rate=rate,
            )

        yield tell


def print_json(value: Any) -> None:
    """A value as JSON for a script."""
    typer.echo(json.dumps(value, indent=2, default=str))


FEWEST_OF_POINT = 12
"""Letters of a hook point's name that stand on a line of a narrow table."""

WIDE = 100
"""Columns of a terminal from which kurtosis itself has room beside its gap."""

BRIEFLY = {
    "no gap worth claiming": "no gap",
    "no gap beyond chance": "by chance",
    "lighter than its rotations": "lighter",
}
"""What holds, in a table that is read along its lines."""


def print_scan_plan(about: Mapping[str, Any], *, as_json: bool) -> None:
    """What a scan would measure, and what keeps its verdicts from being decided."""
    if as_json:
        print_json(about)
        return
    for model in about["models"]:
        typer.echo(
            f"{_named(model)}: {counted(model['points'], 'hook point')}, "
            f"{model['parameters']:,} weights, {model['dtype']} on {model['device']}"
        )
    typer.echo(
        f"{about['text']}, in {counted(about['blocks'], 'block')}\n"
        f"{about['rows']} rows, {about['present']} already there, {about['missing']} "
        f"to measure; about {_duration(about['wall_seconds'])} of reading, and then "
        "judging and drawing"
    )


def _named(model: Mapping[str, Any]) -> str:
    """A model's label, and where it is if the label does not say so."""
    label, source = model["label"], model["source"]
    return label if source in ("", label) else f"{label} ({source})"


def print_scan(found: Mapping[str, Any], *, as_json: bool) -> None:
    """What a scan found: its answer, and a line for each hook point."""
    if as_json:
        print_json(found)
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    console.print(f"\n[bold]{escape(found['question'])}[/bold]")
    console.print(escape(found["answer"]), highlight=False)
    for statistic in ("per vector", "per unit"):
        for model in found["models"]:
            rows = [
                record
                for record in found["points"]
                if (record["statistic"], record["model"]) == (statistic, model["label"])
            ]
            title = f"{model['label']}, gap in excess kurtosis {statistic}"
            wide = ("raw", "rotated") if console.width >= WIDE else ()
            _print_points(console, rows, title=title, also=(*wide, "whole"))
        pairs = [r for r in found["differences"] if r["statistic"] == statistic]
        for label in dict.fromkeys(r["model"] for r in pairs):
            own = [r for r in pairs if r["model"] == label]
            title = f"gap {statistic}: {label} minus {own[0]['beside']}"
            _print_points(console, own, title=title, also=())
    standings = sorted({record["standing"] for record in found["points"]})
    typer.echo(
        f"standing: {', '.join(standings)}; intervals hold all together; "
        "gaps are of the median block, `whole` that of the whole text; `needs` is the "
        "gap that is claimed"
    )
    if any(record["holds"] == "no gap beyond chance" for record in found["points"]):
        typer.echo("by chance: within what one basis at random reaches there")
    if found["tokens_per_second"]:
        typer.echo(
            f"measured {counted(found['tokens_measured'], 'token')}, "
            f"{found['tokens_per_second']:,.0f} tokens per second"
        )


def _print_points(
    console: Any,
    records: Sequence[Mapping[str, Any]],
    *,
    title: str,
    also: Sequence[str],
) -> None:
    """A table with a line for each hook point."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        box=box.SIMPLE, pad_edge=False, title=escape(title), title_justify="left"
    )
    words = [_verdict_word(record) for record in records]
    table.add_column("point", overflow="fold", min_width=FEWEST_OF_POINT)
    for name in (*also, "gap", "interval", "needs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True, min_width=max(map(len, words), default=0))
    colours = {"supported": "green", "refuted": "red", "undecided": "yellow"}
    for record, word in zip(records, words, strict=True):
        low, high = (_short(record[end]) for end in ("low", "high"))
        there = record["gap"] is not None
        table.add_row(
            escape(record["point"]),
            *(_short(record[name]) for name in (*also, "gap")),
            escape(f"[{low}, {high}]") if there else "",
            _short(record["needs"]),
            f"[{colours[record['verdict']]}]{escape(word)}[/]",
        )
    console.print(table)


def _verdict_word(record: Mapping[str, Any]) -> str:
    """What a line of the table ends with."""
    if record["gap"] is None:
        return NOT_MEASURED
    return BRIEFLY.get(record["holds"], record["holds"]) or record["verdict"]


def _short(value: float | str | None) -> str:
    """A number in three digits; what JSON has no number for as its text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    size = abs(value)
    return f"{value:,.{2 if size < 10 else 1 if size < 100 else 0}f}"
