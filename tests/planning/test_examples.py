"""The example with an environment of one's own runs from its file to its verdicts."""

import ast
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tegum.cli import app

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE = EXAMPLES / "planning" / "cliff_walking.py"
TEN_LINES = 10


def test_a_gymnasium_environment_runs_to_the_same_verdicts(tmp_path):
    store = tmp_path / "store"
    asked = ["run", str(EXAMPLE), "--store", str(store), "--json"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output + done.stderr
    verdicts = json.loads(done.stdout)["verdicts"]
    assert {verdict["standing"] for verdict in verdicts} == {"confirmatory"}
    assert {v["claim"]: v["word"] for v in verdicts} == {
        "full-support": "supported",
        "precluded-support": "supported",
        "dose": "refuted",
        "few-questions": "refuted",
    }
    (page,) = store.rglob("*.html")
    text = page.read_text(encoding="utf-8")
    assert "Does a learner do what nobody wants" in text
    assert "own-board" in text
    assert "own-questions" in text


@pytest.mark.parametrize("path", [EXAMPLE, EXAMPLES / "own_environment.py"])
def test_it_takes_ten_statements_of_an_environment_and_what_is_unwanted(path):
    body = ast.parse(path.read_text()).body[1:]
    said = sum(isinstance(node, ast.stmt) for node in body)
    assert said <= TEN_LINES
    lines = [line for line in path.read_text().split('"""')[2].splitlines() if line]
    imports = [line for line in lines if line.startswith(("from", "import"))]
    assert len(lines) - len(imports) <= TEN_LINES
