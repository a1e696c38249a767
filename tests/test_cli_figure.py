"""`tegum figure`: the list, files of each kind, and every way to go wrong."""

import json
import os
import struct
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from tegum.cli import app

sys.path.insert(0, str(Path(__file__).parent / "report"))

STUDY = """
import plotly.graph_objects as go
from tegum import *
from tegum.report.figures import style

def norms(results, store):
    figure = go.Figure()
    for key in results["key"]:
        W = store.artifact(key).arrays["W"]
        figure.add_trace(go.Bar(y=(W**2).sum(0), name=str(key[:6])))
    figure.update_yaxes(title="squared norm")
    return style(figure)

def broken(results, store):
    return {}["gone"]

def weights(row):
    import numpy as np
    if row["seed"] == 3:
        raise RuntimeError("seed three is unlucky")
    return {"W": np.eye(2, 3) * row["size"], "b": np.zeros(3)}

STUDY = Study(
    name="tiny",
    question="How large is an identity?",
    subject=FunctionSubject("tiny", weights),
    designs={"demo": grid(size=[1, 2], seeds=4), "full": grid(size=[1, 2], seeds=6)},
    measures=[GEOMETRY],
    claims=[],
    alpha=0.05,
    figures=[
        Figure(
            "norms", "Squared norms of features.", norms, {"size": 2, "seed": [0, 1]}
        ),
        Figure("broken", "Never drawn.", broken, {"seed": 0}),
        Figure("unlucky", "Some rows fail.", norms),
    ],
)
"""


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text(STUDY)
    return str(path)


@pytest.fixture
def tegum(tmp_path, study):
    def run(*arguments, code=0):
        options = ["--study", study, "--store", str(tmp_path / "store")]
        done = CliRunner().invoke(app, ["figure", *arguments, *options])
        assert done.exit_code == code, done.output + done.stderr
        return done

    return run


@pytest.fixture
def drawing_browser():
    import chromium

    if chromium.found() is None:
        missing = "no chromium is installed, so no picture can be drawn"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)


def test_without_a_name_all_are_listed_with_their_captions(tegum, tmp_path):
    said = tegum().output
    assert "tiny\n    How large is an identity?" in said
    assert "    norms\n        Squared norms of features." in said
    listed = json.loads(tegum("--json").output)
    assert [entry["name"] for entry in listed] == ["tiny", "norms", "broken", "unlucky"]
    assert listed[1] == {
        "name": "norms",
        "study": "tiny",
        "caption": "Squared norms of features.",
    }
    assert not (tmp_path / "store").exists()


def test_a_figure_is_a_page_in_the_store_if_nothing_else_is_said(tegum, tmp_path):
    said = tegum("norms").output
    assert "tiny, demo: 2 rows, 0 already there, 2 to train" in said
    page = tmp_path / "store" / "figures" / "norms-demo.html"
    assert "norms: 2 models of tiny, demo" in said
    assert str(page) in said
    assert "Squared norms of features. Study tiny, design demo" in page.read_text()


def test_a_figure_answers_scripts_in_json(tegum, tmp_path):
    path = tmp_path / "deep" / "x.html"
    said = json.loads(tegum("norms", "--json", "--output", str(path)).output)
    assert said["models"] == 2
    assert said["file"] == str(path)
    assert path.stat().st_size > 100_000


@pytest.mark.browser
def test_a_figure_is_written_as_svg_and_png(tegum, tmp_path, drawing_browser):
    vector, pixels = tmp_path / "x.svg", tmp_path / "x.png"
    tegum("norms", "--quiet", "--output", str(vector))
    texts = {node.text for node in ElementTree.parse(vector).iter() if node.text}
    assert "squared norm" in texts
    size = ("--width", "300", "--height", "200", "--scale", "2")
    tegum("norms", "--quiet", "--output", str(pixels), *size)
    assert struct.unpack(">II", pixels.read_bytes()[16:24]) == (600, 400)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nroms",), "did you mean norms"),
        (("norms", "--output", "x.gif"), "ends in '.gif'"),
        (("norms", "--output", "x.html", "--scale", "2"), "`scale` is 2.0"),
        (("norms", "--output", "x.html", "--width", "0"), "`width` is 0"),
        (("norms", "--design", "dmeo"), "did you mean demo"),
        (("norms", "--seeds", "0"), "`seeds` is 0"),
        (("norms", "--workers", "0"), "`workers` is 0"),
        (("broken",), "KeyError: 'gone'"),
        (("norms", "--output", "/proc/nowhere/x.html"), "nowhere"),
    ],
)
def test_a_mistake_gets_one_clear_line_and_exit_code_1(tegum, arguments, says):
    done = tegum(*arguments, code=1)
    assert says in done.stderr
    assert done.stderr.startswith("tegum: ")
    assert done.stderr.count("\n") == 1


def test_what_can_not_be_written_is_refused_before_anything_is_trained(tegum, tmp_path):
    tegum("norms", "--output", str(tmp_path / "x.gif"), code=1)
    below_a_file = tmp_path / "tiny.py" / "x.html"
    assert (
        "which is a file"
        in tegum("norms", "--output", str(below_a_file), code=1).stderr
    )
    assert not (tmp_path / "store").exists()


def test_rows_that_fail_are_said_with_exit_code_3(tegum):
    assert "seed three is unlucky" in tegum("unlucky", "--quiet", code=3).stderr


def test_a_study_that_is_not_there_is_said_with_the_nearest(tmp_path):
    options = ["--study", "privileged-bassi", "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(app, ["figure", "kurtosis", *options])
    assert done.exit_code == 1
    assert "did you mean privileged-basis" in done.stderr
