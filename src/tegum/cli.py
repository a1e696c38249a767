"""The command line: each command calls one function and prints what came of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tegum.terminal import (
    print_figure,
    print_figures,
    print_json,
    print_page,
    print_plan,
    print_rows,
    print_scan,
    print_scan_plan,
    print_verdicts,
    progress_bar,
)

if TYPE_CHECKING:
    from tegum.claims import Verdict
    from tegum.store import Store
    from tegum.study import Study

USER_ERROR, INCOMPLETE, INTERRUPTED = 1, 3, 130

app = typer.Typer(
    name="tegum",
    help="Ask how neural networks represent and choose; get a verdict and a picture.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

StudyArgument = Annotated[
    str, typer.Argument(help="A study's name (see `tegum list`) or a path to a file.")
]
DesignOption = Annotated[str, typer.Option(help="demo, default or full.")]
SeedsOption = Annotated[
    int | None, typer.Option(help="So many seeds in each cell: the planned ones first.")
]
StoreOption = Annotated[
    Path,
    typer.Option(envvar="TEGUM_STORE", help="The folder that keeps rows and verdicts."),
]
WorkersOption = Annotated[
    int | None, typer.Option(help="Threads; all cores if not given.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
OpenOption = Annotated[bool, typer.Option("--open", help="Open it in a browser.")]
DEFAULT_STORE = Path("tegum-store")


@app.command("list")
def list_studies(
    store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False
) -> None:
    """Every study with the question it asks and its last verdicts."""
    from tegum.execution import last_verdicts
    from tegum.store import Store
    from tegum.studies import names, question_of

    with _errors():
        opened = Store.peek(store)
        questions = {
            said["study"]: said["registration"]["question"]
            for said in opened.registry()
            if said.get("kind") == "registration"
        }
        questions |= {name: question_of(name) for name in names()}
        listing = [
            {
                "study": name,
                "question": question,
                "verdicts": last_verdicts(opened, name),
            }
            for name, question in sorted(questions.items())
        ]
    if as_json:
        print_json(listing)
        return
    for entry in listing:
        typer.echo(f"{entry['study']}\n    {' '.join(entry['question'].split())}")
        for verdict in entry["verdicts"]:
            typer.echo(
                f"    {verdict['word']:<10} {verdict['claim']} "
                f"({verdict['standing']}, {verdict['design']}, "
                f"{verdict['seeds']} seeds)"
            )
        if not entry["verdicts"]:
            typer.echo(f"    not judged yet; try: tegum run {entry['study']}")


@app.command()
def run(
    study: StudyArgument,
    design: DesignOption = "demo",
    seeds: SeedsOption = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Only rows with factor=value; several values with commas."),
    ] = None,
    workers: WorkersOption = None,
    store: StoreOption = DEFAULT_STORE,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and stop.")
    ] = False,
    quiet: QuietOption = False,
    open_page: OpenOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train what is missing, measure it, judge the claims and write the page.

    Exit codes: 0 done, 1 a mistake to mend, 3 done but for some rows or numbers, 130
    stopped by Ctrl-C with what was finished kept.
    """
    from tegum.execution import execute, judge, plan
    from tegum.store import Store

    with _errors():
        asked = _study(study)
        conditions = _conditions(where or [])
        opened = Store.peek(store) if dry_run else Store.open(store)
        planned = plan(
            asked, opened, design=design, seeds=seeds, where=conditions, workers=workers
        )
        if dry_run or not (quiet or as_json):
            print_plan(asked, design, planned, as_json=as_json)
        if dry_run:
            return
        with progress_bar(quiet=quiet or as_json) as progress:
            results = execute(
                asked,
                opened,
                design=design,
                seeds=seeds,
                where=conditions,
                workers=workers,
                progress=progress,
            )
        for line in results.problem_lines():
            typer.echo(f"tegum: {line}", err=True)
        if conditions:
            print_rows(asked, len(results), as_json=as_json)
        else:
            verdicts = judge(asked, opened, design=design, seeds=seeds)
            print_verdicts(asked, verdicts, as_json=as_json)
            page = _page(
                asked, opened, design, seeds, verdicts, called=study, results=results
            )
            print_page(page, as_json=as_json)
            if open_page:
                typer.launch(page.as_uri())
        if results.problems:
            raise typer.Exit(INCOMPLETE)


@app.command()
def scan(
    models: Annotated[
        list[str],
        typer.Argument(
            help="A folder, a hub name with --revision, or module:function. Several "
            "are compared with the first."
        ),
    ],
    text: Annotated[
        list[str],
        typer.Option(
            help="A file, a folder, - for stdin, stdlib for Python's own source, or "
            "an .npy of token ids. May be repeated."
        ),
    ],
    points: Annotated[
        list[str] | None,
        typer.Option(
            help="residual (the default), attention, mlp, embedding, all, or names "
            "with commas between them. May be repeated."
        ),
    ] = None,
    gap: Annotated[
        float | None,
        typer.Option(help="The smallest gap in excess kurtosis worth claiming; 0.5."),
    ] = None,
    sequence_length: Annotated[
        int | None,
        typer.Option(help="Tokens in a sequence; 128, or what the model reads."),
    ] = None,
    at_most: Annotated[
        int | None, typer.Option(help="Read so many tokens of the text, and no more.")
    ] = None,
    cut: Annotated[
        str | None,
        typer.Option(help="packed (the default), or documents or lines, padded."),
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(help="Blocks of the text, the units of claims; 32.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Sequences in one pass of the model; 8.")
    ] = None,
    rotations: Annotated[
        int | None, typer.Option(help="Rotated copies that units are set beside; 4.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Of a model on the hub: a commit.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Such as cuda; where the model is if not given.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16; as saved if not.")
    ] = None,
    train_mode: Annotated[
        bool, typer.Option("--train-mode", help="Scan with dropout on.")
    ] = False,
    allow_pickle: Annotated[
        bool,
        typer.Option("--allow-pickle", help="Read pickled weights: they can run code."),
    ] = False,
    workers: WorkersOption = None,
    store: StoreOption = DEFAULT_STORE,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and stop.")
    ] = False,
    quiet: QuietOption = False,
    open_page: OpenOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask where a model's basis is privileged on a text, layer by layer.

    What is in the store is not measured again: a scan that was stopped goes on, and one
    that is complete is judged and drawn anew. Exit codes as of `run`.
    """
    from tegum.store import Store
    from tegum.studies.scan import carried_out, outline, prepared

    how = {
        "smallest_gap": gap,
        "sequence_length": sequence_length,
        "at_most": at_most,
        "cut": cut,
        "blocks": blocks,
        "batch": batch,
        "rotations": rotations,
    }
    with _errors(in_words=_in_options):
        asked = prepared(
            models,
            text,
            points=[
                name for given in points or ["residual"] for name in given.split(",")
            ],
            revision=revision,
            device=device,
            dtype=dtype,
            train_mode=train_mode,
            allow_pickle=allow_pickle,
            **{name: value for name, value in how.items() if value is not None},
        )
        opened = Store.peek(store) if dry_run else Store.open(store)
        for line in asked.warnings():
            typer.echo(f"tegum: {_in_options(line)}", err=True)
        if dry_run or not (quiet or as_json):
            about = outline(asked, opened, workers=workers)
            print_scan_plan(about, as_json=as_json)
        if dry_run:
            return
        with progress_bar(
            quiet=quiet or as_json, tokens_per_row=asked.tokens_per_row
        ) as progress:
            found = carried_out(asked, opened, workers=workers, progress=progress)
        page = _page(
            asked.study,
            opened,
            "demo",
            None,
            found.verdicts,
            called="",
            results=found.results,
        )
        print_scan({**found.to_record(), "page": str(page)}, as_json=as_json)
        for line in found.problems:
            typer.echo(f"tegum: {_in_options(line)}", err=True)
        print_page(page, as_json=as_json)
        if open_page:
            typer.launch(page.as_uri())
        if found.problems:
            raise typer.Exit(INCOMPLETE)


@app.command()
def judge(
    study: StudyArgument,
    design: DesignOption = "demo",
    seeds: SeedsOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Hold the claims against the numbers that are there; nothing is trained."""
    from tegum.execution import judge as judge_study

    with _errors():
        asked = _study(study)
        opened = _existing(store)
        verdicts = judge_study(asked, opened, design=design, seeds=seeds)
    print_verdicts(asked, verdicts, as_json=as_json)


@app.command()
def report(
    study: StudyArgument,
    design: DesignOption = "demo",
    seeds: SeedsOption = None,
    store: StoreOption = DEFAULT_STORE,
    output: Annotated[
        Path | None, typer.Option(help="The page; in the store if not given.")
    ] = None,
    open_page: OpenOption = False,
) -> None:
    """Write the page of a study from what the store holds."""
    from tegum.execution import judge as judge_study

    with _errors():
        asked = _study(study)
        opened = _existing(store)
        verdicts = judge_study(asked, opened, design=design, seeds=seeds, record=False)
        page = _page(
            asked, opened, design, seeds, verdicts, called=study, output=output
        )
        typer.echo(page)
        if open_page:
            typer.launch(page.as_uri())


@app.command()
def figure(
    name: Annotated[
        str | None, typer.Argument(help="A figure's name; all are listed without one.")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(help="Only this study's figures; your own by its path."),
    ] = None,
    design: DesignOption = "demo",
    seeds: SeedsOption = None,
    store: StoreOption = DEFAULT_STORE,
    output: Annotated[
        Path | None,
        typer.Option(help="A .html, .svg, .png or .pdf; a page in the store if not."),
    ] = None,
    width: Annotated[int | None, typer.Option(help="In pixels of the layout.")] = None,
    height: Annotated[int | None, typer.Option(help="In pixels of the layout.")] = None,
    scale: Annotated[
        float | None, typer.Option(help="Pixels of a .png for each of the layout; 3.")
    ] = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    open_page: OpenOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw a figure by its name, training first what is missing of its rows."""
    from tegum import gallery

    with _errors():
        if name is None:
            print_figures(gallery.figures(study), as_json=as_json)
            return
        from tegum.execution import plan
        from tegum.report import check_target, save_figure
        from tegum.store import Store

        picture = gallery.picture_named(name, study=study)
        path = output or store / "figures" / f"{name}-{design}.html"
        size: dict[str, Any] = {"width": width, "height": height, "scale": scale}
        check_target(path, **size)
        opened = Store.open(store)
        asked: dict[str, Any] = {"design": design, "seeds": seeds, "workers": workers}
        if not (quiet or as_json):
            planned = plan(picture.study, opened, where=picture.where, **asked)
            print_plan(picture.study, design, planned, as_json=False)
        with progress_bar(quiet=quiet or as_json) as progress:
            drawn = gallery.draw(picture, opened, progress=progress, **asked)
        for line in drawn.results.problem_lines():
            typer.echo(f"tegum: {line}", err=True)
        saved = save_figure(drawn.figure, path.resolve(), **size)
        print_figure(picture, saved, len(drawn.results), design, as_json=as_json)
        if open_page:
            typer.launch(saved.as_uri())
        if drawn.results.problems:
            raise typer.Exit(INCOMPLETE)


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="A model's key, or how it begins.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """One model: its factors, how it was made, its numbers and its arrays."""
    from tegum.execution import describe

    with _errors():
        described = describe(_existing(store), key)
    if as_json:
        print_json(described)
        return
    for heading, entries in described.items():
        typer.echo(heading)
        for name, value in entries.items():
            typer.echo(f"    {name:<28} {value}")


@app.command()
def compact(store: StoreOption = DEFAULT_STORE) -> None:
    """Merge the store's small files, so that it opens fast."""
    with _errors():
        merged = _existing(store).compact()
        typer.echo(f"merged {merged} parts")


@app.command()
def export(
    study: StudyArgument,
    output: Annotated[Path, typer.Argument(help="A .csv or .parquet file.")],
    design: DesignOption = "demo",
    seeds: SeedsOption = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """A tidy table: a row for each model, its factors and its numbers."""
    from tegum.execution import load

    with _errors():
        results = load(_study(study), _existing(store), design=design, seeds=seeds)
        results.write(output)
        typer.echo(f"{len(results)} rows in {output}")


def main() -> None:
    """The entry point of the `tegum` command."""
    app()


def _study(name: str) -> Study:
    from tegum.studies import study_from_file, study_named

    is_path = name.endswith(".py") or "/" in name
    return study_from_file(Path(name)) if is_path else study_named(name)


def _existing(path: Path) -> Store:
    from tegum.store import Store

    return Store.open(path, create=False)


def _conditions(texts: list[str]) -> dict[str, Any]:
    conditions: dict[str, Any] = {}
    for text in texts:
        factor, equals, values = text.partition("=")
        if not (factor and equals and values):
            raise ValueError(
                f"--where got {text!r}; write factor=value, as in --where rate=0,0.5"
            )
        conditions[factor] = [_value(value) for value in values.split(",")]
    return conditions


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _page(
    study: Study,
    store: Store,
    design: str,
    seeds: int | None,
    verdicts: tuple[Verdict, ...],
    *,
    called: str,
    results: Any = None,
    output: Path | None = None,
) -> Path:
    from tegum.execution import load
    from tegum.report import render

    if results is None:
        results = load(study, store, design=design, seeds=seeds)
    folder = store.path or Path()
    path = output or folder / "reports" / f"{study.name}-{design}.html"
    try:
        return render(
            study,
            results,
            verdicts,
            store=store,
            path=path.resolve(),
            design=design,
            called=called,
        )
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"the page of `{study.name}` could not be drawn: {type(error).__name__}: "
            f"{error}; its rows and verdicts are in the store; mend the study's "
            "`picture` or `answer`"
        ) from error


SCAN_WORDS = (
    ("give `tokenizer`, or token ids in place of text", "give an .npy of token ids"),
    ("give token ids in place of text", "give an .npy of token ids"),
    ("`allow_pickle=True`", "--allow-pickle"),
    (r"give `revision`, best", "give --revision, best"),
    (r"\bcut=\"(\w+)\"", r"--cut \1"),
    (r"\bbatch=(\d+)", r"--batch \1"),
    (r"`(sequence|at)_(length|most)`", r"--\1-\2"),
    (r"`(cut|blocks|batch|rotations|revision|device|dtype|points)`", r"--\1"),
)
"""What the library says of its arguments, and what the command line calls them."""


def _in_options(said: str) -> str:
    """What the library says, in the command line's words."""
    for python, option in SCAN_WORDS:
        said = re.sub(python, option, said)
    return said


def _as_said(text: str) -> str:
    """What the library says, as it is."""
    return text


@contextmanager
def _errors(in_words: Callable[[str], str] = _as_said) -> Iterator[None]:
    """Turn what a caller can cause into one clear line and an exit code."""
    from tegum.arrays import RowsFailed

    try:
        yield
    except RowsFailed as failed:
        typer.echo(f"tegum: {in_words(str(failed))}", err=True)
        raise typer.Exit(INCOMPLETE) from None
    except (ValueError, OSError) as error:
        typer.echo(f"tegum: {in_words(str(error))}", err=True)
        raise typer.Exit(USER_ERROR) from None
    except ModuleNotFoundError as error:
        if "tegum[" not in str(error):  # not one of our extras, which say the remedy
            raise
        typer.echo(f"tegum: {error}", err=True)
        raise typer.Exit(USER_ERROR) from None
    except KeyboardInterrupt:
        typer.echo("tegum: stopped; what was finished is kept", err=True)
        raise typer.Exit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
