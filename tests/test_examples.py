"""Every example runs from its file to a verdict."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tegum.cli import app

EXAMPLES = Path(__file__).parents[1] / "examples"
EXPECTED = {
    "own_study": "refuted",
    "own_function": "supported",
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
    assert [verdict["word"] for verdict in verdicts] == [EXPECTED[name]]
    assert {verdict["standing"] for verdict in verdicts} == {"confirmatory"}
