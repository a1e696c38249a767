"""Every example runs from its file to a verdict."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from typer.testing import CliRunner

from tegum.cli import app

EXAMPLES = Path(__file__).parents[1] / "examples"
EXPECTED = {
    "own_study": ["refuted"],
    "own_function": ["supported"],
    "own_environment": ["supported"] * 4,
}


def test_every_example_has_an_expected_verdict():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_runs_to_its_verdict(name, tmp_path):
    path = EXAMPLES / f"{name}.py"
    done = CliRunner().invoke(
        app, ["run", str(path), "--store", str(tmp_path / "store"), "--json"]
    )
    assert done.exit_code == 0, done.output + done.stderr
    verdicts = json.loads(done.stdout)["verdicts"]
    assert [verdict["word"] for verdict in verdicts] == EXPECTED[name]
    assert {verdict["standing"] for verdict in verdicts} == {"confirmatory"}


NOTEBOOK = EXAMPLES / "a_minute.ipynb"
LARGEST_NOTEBOOK = 300_000


def shown(notebook, kind):
    """What the cells of a notebook show of one kind, in order."""
    return [
        output["data"][kind]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if kind in output.get("data", {})
    ]


def tables(notebook):
    return [table for table in shown(notebook, "text/html") if "<table" in table]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook, run from top to bottom in a folder of its own."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    folder = tmp_path_factory.mktemp("notebook")
    resources = {"metadata": {"path": str(folder)}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLOTLY_RENDERER", "plotly_mimetype")
        # Two lines that a kernel writes on some systems are no concern of ours.
        patch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
        client = NotebookClient(notebook, timeout=300, resources=resources)
        client.execute()
    return notebook, folder


def test_the_notebook_goes_from_a_question_to_its_verdicts(executed):
    notebook, folder = executed
    design, study, results, verdicts = tables(notebook)
    assert "Design: 128 rows" in design
    assert "dropout-loosens" in study
    assert "128 rows (128 trained)" in results
    assert verdicts.count("✓ supported") == 2
    assert verdicts.count("✕ refuted") == 1
    assert verdicts.count("confirmatory") == 3
    assert "holds: as tight as before" in verdicts
    assert [path.name for path in folder.iterdir()] == ["a-minute.html"]


def test_the_notebook_draws_its_figure(executed):
    notebook, _ = executed
    (picture,) = shown(notebook, "application/vnd.plotly.v1+json")
    assert len(picture["data"]) == 40


def test_what_the_notebook_was_committed_with_is_what_it_shows(executed):
    notebook, _ = executed
    committed = nbformat.read(NOTEBOOK, as_version=4)
    assert [cell.source for cell in committed.cells] == [
        cell.source for cell in notebook.cells
    ]
    words = [
        [word in table for word in ("supported", "refuted", "as tight as before")]
        for table in (tables(committed)[-1], tables(notebook)[-1])
    ]
    assert words[0] == words[1] == [True, True, True]
    assert len(tables(committed)) == len(tables(notebook))
    assert len(shown(committed, "image/png")) == 1


def test_the_notebook_is_light_and_names_no_machine():
    text = NOTEBOOK.read_text()
    assert len(text) < LARGEST_NOTEBOOK
    for word in ("/tmp/", "/home/", "/root/", "Traceback"):
        assert word not in text
