"""The command line: from a file to a verdict and a page, and every way to go wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from tegum.cli import app

STUDY = """
from tegum import *

STUDY = Study(
    name="tiny",
    question="Does dropout lower interference in five features?",
    subject=ToyModels(),
    designs={
        "demo": grid(
            n_features=5, n_hidden=2, feature_probability=0.2, noise="dropout",
            rate=[0.0, 0.5], steps=300, batch_size=64, learning_rate=0.01, seeds=12,
        )
    },
    measures=[GEOMETRY, TRAINING],
    claims=[
        Claim(
            "falls", "Interference falls by a tenth.",
            [Part(paired_ratio("total_interference", factor="rate", treated=0.5,
                               control=0.0, where={}), below(0.9))],
            reason="A tenth.", source="A test.",
        )
    ],
    alpha=0.05,
)
"""


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text(STUDY)
    return str(path)


@pytest.fixture
def tegum(tmp_path):
    runner = CliRunner()

    def run(*arguments, store="store", code=0):
        done = runner.invoke(
            app, [*arguments, *(["--store", str(tmp_path / store)] if store else [])]
        )
        assert done.exit_code == code, done.output + done.stderr
        return done

    return run


@pytest.fixture
def ran(tegum, study):
    return tegum("run", study, "--quiet")


def test_run_trains_judges_and_writes_a_page(ran, tmp_path):
    assert "supported" in ran.output
    assert "confirmatory" in ran.output
    page = tmp_path / "store" / "reports" / "tiny-demo.html"
    assert str(page) in ran.output
    assert "Does dropout lower interference" in page.read_text()


def test_a_second_run_trains_nothing(ran, tegum, study):
    again = json.loads(tegum("run", study, "--dry-run", "--json").output)
    assert again["rows"] == again["present"] == 24
    assert again["missing"] == 0


def test_more_seeds_train_only_the_new_ones(ran, tegum, study):
    planned = tegum("run", study, "--seeds", "14", "--dry-run", "--json").output
    assert json.loads(planned)["missing"] == 4


def test_a_dry_run_trains_nothing(tegum, study, tmp_path):
    said = tegum("run", study, "--dry-run").output
    assert "24 rows, 0 already there, 24 to train" in said
    assert not (tmp_path / "store").exists()


def test_where_trains_a_part_of_the_design(tegum, study):
    tegum("run", study, "--where", "rate=0.5", "--quiet")
    planned = json.loads(tegum("run", study, "--dry-run", "--json").output)
    assert planned["missing"] == 12


def test_judge_prints_json_for_scripts(ran, tegum, study):
    said = json.loads(tegum("judge", study, "--json").output)
    assert said["verdicts"][0]["word"] == "supported"
    assert said["verdicts"][0]["standing"] == "confirmatory"


def test_a_judgement_with_too_few_seeds_is_interim(ran, tegum, study):
    said = json.loads(tegum("judge", study, "--seeds", "8", "--json").output)
    assert said["verdicts"][0]["standing"] == "interim"


def test_a_study_edited_after_its_rows_runs_and_is_exploratory(ran, tegum, study):
    edited = Path(study).read_text().replace("below(0.9)", "below(0.8)")
    Path(study).write_text(edited)
    said = json.loads(tegum("run", study, "--json").output)
    assert said["verdicts"][0]["standing"] == "exploratory"


def test_export_writes_one_tidy_row_for_each_model(ran, tegum, study, tmp_path):
    for name, read in (("t.csv", pd.read_csv), ("t.parquet", pd.read_parquet)):
        tegum("export", study, str(tmp_path / name))
        table = read(tmp_path / name)
        assert len(table) == 24
        assert {"rate", "seed", "total_interference", "final_loss"} <= set(table)


def test_show_finds_a_model_by_the_start_of_its_key(ran, tegum, study, tmp_path):
    tegum("export", study, str(tmp_path / "t.csv"))
    key = pd.read_csv(tmp_path / "t.csv")["key"][0]
    said = tegum("show", key[:12]).output
    assert key in said
    assert "total_interference" in said
    shown = json.loads(tegum("show", key[:12], "--json").output)
    assert shown["factors"]["n_features"] == 5


def test_compact_keeps_every_row(ran, tegum, study):
    tegum("compact")
    assert "supported" in tegum("judge", study).output


def test_the_page_can_be_written_elsewhere(ran, tegum, study, tmp_path):
    tegum("report", study, "--output", str(tmp_path / "page.html"))
    assert (tmp_path / "page.html").stat().st_size > 100_000


def test_list_names_every_study_and_its_question(tegum):
    said = tegum("list").output
    assert "dropout-and-superposition" in said
    assert "not judged yet" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "dropout-and-superpostion"), "did you mean dropout-and-superposition"),
        (("run", "./nowhere.py"), "there is no file nowhere.py"),
        (("run", "STUDY", "--design", "dmeo"), "did you mean demo"),
        (("run", "STUDY", "--where", "rate"), "write factor=value"),
        (("run", "STUDY", "--where", "rat=0.5"), "did you mean rate"),
        (("run", "STUDY", "--where", "rate=0.4"), "0.0"),
        (("run", "STUDY", "--seeds", "0"), "seeds"),
        (("run", "STUDY", "--workers", "0"), "workers"),
        (("judge", "STUDY"), "there is no store"),
        (("report", "STUDY"), "there is no store"),
        (("compact",), "there is no store"),
        (("show", "abc"), "there is no store"),
    ],
)
def test_a_mistake_gets_one_clear_line_and_exit_code_1(tegum, study, arguments, says):
    done = tegum(*[study if a == "STUDY" else a for a in arguments], code=1)
    assert says in done.stderr
    assert done.stderr.startswith("tegum: ")
    assert "Traceback" not in done.stderr


def test_show_says_when_no_key_begins_so(ran, tegum):
    assert "zzzz" in tegum("show", "zzzz", code=1).stderr


def test_list_names_the_studies_of_ones_own_that_a_store_holds(ran, tegum):
    said = tegum("list").output
    assert "tiny" in said
    assert "supported  falls (confirmatory, demo, 12 seeds)" in said


@pytest.mark.parametrize("what", ["answer", "picture"])
def test_a_picture_or_an_answer_that_fails_costs_no_verdict(tegum, study, what):
    failing = f"alpha=0.05, {what}=lambda *_: {{}}['gone'],"
    Path(study).write_text(Path(study).read_text().replace("alpha=0.05,", failing))
    done = tegum("run", study, "--quiet", code=1)
    assert "supported" in done.output
    assert "KeyError: 'gone'" in done.stderr
    assert f"`{what}`" in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def broken(:\n    pass\n", "random.py:1: invalid syntax"),
        ("import os\nundefined_name\n", "random.py:2: NameError"),
        ("import nowhere_at_all\n", "random.py:1: ModuleNotFoundError"),
        ("x = 1\n", "defines 0 (none)"),
    ],
)
def test_a_mistake_in_a_study_file_names_its_line(tegum, tmp_path, text, says):
    path = tmp_path / "random.py"  # called like a library on purpose
    path.write_text(text)
    assert says in tegum("run", str(path), code=1).stderr


def test_where_answers_scripts_in_json(tegum, study):
    said = json.loads(tegum("run", study, "--where", "rate=0.5", "--json").output)
    assert said["rows"] == 12


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("rate=[0.0, 0.5]", "rate=[0.0, 1.0]", "`rate` is 1.0"),
        ("rate=[0.0, 0.5]", "rate=[]", "`rate` has no level"),
        ("rate=[0.0, 0.5]", "dropuot=[0.0, 0.5]", "no factor is called"),
        ("total_interference", "total_interfrence", "did you mean total_interference"),
        ("treated=0.5", "treated=0.4", "0.4"),
        ("STUDY = Study", "study = [].append or Study", None),
        ("n_hidden=2,", "", "`n_hidden`"),
    ],
)
def test_a_study_that_can_not_be_is_refused_before_training(
    tegum, study, tmp_path, old, new, says
):
    Path(study).write_text(Path(study).read_text().replace(old, new))
    done = tegum("run", study, code=1)
    assert (says or "must define one study") in done.stderr


def test_a_measure_that_raises_costs_its_own_numbers_and_exit_code_3(tegum, study):
    broken = (
        Path(study)
        .read_text()
        .replace(
            "STUDY = Study",
            """
def shaky(artifact, row):
    if row["seed"] == 3:
        raise RuntimeError("seed three is unlucky")
    return {"luck": 1.0}

SHAKY = Measure(name="shaky", version=1, function=shaky, numbers=("luck",))
STUDY = Study""",
        )
    )
    Path(study).write_text(broken.replace("TRAINING]", "TRAINING, SHAKY]"))
    done = tegum("run", study, "--quiet", code=3)
    assert "seed three is unlucky" in done.stderr
    assert "shaky" in done.stderr
    assert "supported" in done.output


def test_a_function_that_raises_keeps_the_other_rows_and_exit_code_3(tegum, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(
        """
import numpy as np
from tegum import *

def weights(row):
    if row["seed"] == 3:
        raise RuntimeError("seed three is unlucky")
    return {"W": np.eye(2, 3), "b": np.zeros(3)}

STUDY = Study(
    name="own", question="?", subject=FunctionSubject("own", weights),
    designs={"demo": grid(size=[1, 2], seeds=6)}, measures=[GEOMETRY], claims=[],
    alpha=0.05,
)
"""
    )
    done = tegum("run", str(path), "--quiet", code=3)
    assert "seed three is unlucky" in done.stderr
    planned = json.loads(tegum("run", str(path), "--dry-run", "--json").output)
    assert planned["missing"] == 2


def test_help_answers_in_another_process_without_a_terminal():
    done = subprocess.run(
        [sys.executable, "-m", "tegum.cli", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    commands = "list", "run", "judge", "report", "figure", "show", "compact", "export"
    for command in commands:
        assert command in done.stdout
