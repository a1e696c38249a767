"""The pages that people type from: every Python block runs, every command is named."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

import tegum
from tegum.cli import app

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "docs/tour.md", "docs/scanning.md"]


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = blocks(page)
    assert found
    # As in one session, `STUDY` of an earlier block is known to a later one.
    names: dict = {"__name__": "page"}
    for block in found:
        exec(compile(block, page, "exec"), names)
    assert any(path.suffix == ".html" for path in tmp_path.iterdir())
    assert names["verdicts"][0].word in ("supported", "refuted", "undecided")


def test_the_study_of_the_readme_has_ten_lines():
    study = blocks("README.md")[0]
    lines = [line for line in study.splitlines() if line.strip()]
    assert len(lines) <= 14


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "docs/statistics.md"])
def test_every_link_of_a_page_leads_somewhere(page):
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
        if not target.startswith("http"):
            assert (folder / target).exists(), f"{page} links to {target}"


def test_every_command_has_help_and_is_named_in_the_tour():
    tour = (ROOT / "docs/tour.md").read_text()
    for command in app.registered_commands:
        name = command.name or command.callback.__name__
        assert command.callback.__doc__
        assert re.search(rf"\b{name}\b", tour), f"the tour does not name {name}"


def modules_with_examples() -> list[str]:
    home = Path(tegum.__file__).parent
    return sorted(
        ".".join(["tegum", *path.relative_to(home).with_suffix("").parts])
        for path in home.rglob("*.py")
        if ">>> " in path.read_text()
    )


@pytest.mark.parametrize("module", modules_with_examples())
def test_the_examples_of_a_module_say_what_it_does(module):
    outcome = doctest.testmod(importlib.import_module(module))
    assert outcome.attempted > 0
    assert outcome.failed == 0
