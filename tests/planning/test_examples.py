"""The example with an environment of one's own runs from its file to its verdicts."""

import json
from pathlib import Path

from typer.testing import CliRunner

from tegum.cli import app

EXAMPLE = Path(__file__).parents[2] / "examples" / "planning" / "cliff_walking.py"
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
    }
    (page,) = store.rglob("*.html")
    assert "Does a learner do what nobody wants" in page.read_text(encoding="utf-8")


def test_it_takes_ten_lines():
    code = EXAMPLE.read_text().split('"""')[2]
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= TEN_LINES
