"""The studies: one file per question; each reads as a preregistration."""

from __future__ import annotations

import ast
import importlib.util
import pkgutil
import sys
import traceback
from pathlib import Path

from tegum.design import unknown
from tegum.study import Study

MADE_TO_ORDER = ("scan",)
"""Modules that make a study of something of the reader's own, and bring none."""


def names() -> list[str]:
    """The names of the studies that come with tegum."""
    return sorted(
        module.name.replace("_", "-")
        for module in pkgutil.iter_modules(__path__)
        if not module.name.startswith("_") and module.name not in MADE_TO_ORDER
    )


def question_of(name: str) -> str:
    """The question of a study that comes with tegum, without making the study.

    Designs of thousands of rows are built when a study is made; its question stands in
    its source, in so many words.

    Raises:
        ValueError: no study has that name.
    """
    if name in names():
        path = Path(__file__).with_name(f"{name.replace('-', '_')}.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
                continue
            said = {k.arg: k.value for k in node.value.keywords}.get("question")
            if ast.unparse(node.targets[0]) == "STUDY" and isinstance(
                said, ast.Constant
            ):
                return str(said.value)
    return study_named(name).question


def study_named(name: str) -> Study:
    """A study that comes with tegum.

    Raises:
        ValueError: no study has that name; the text says the nearest ones.
    """
    module = name.replace("-", "_")
    if module.replace("_", "-") not in names():
        raise ValueError(
            f"{unknown(name, names(), what='study')}; a study of your own is given "
            "by its path, as in ./mine.py"
        )
    return importlib.import_module(f"tegum.studies.{module}").STUDY


def study_from_file(path: Path) -> Study:
    """The one study that a Python file defines; the file is run.

    Raises:
        ValueError: no such file, a mistake in it (with its line), or not exactly one
            study in it.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}; give the path of a Python file")
    # A name of its own: a file called random.py must not stand in for the library's.
    name = f"_tegum_study_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ValueError(f"{path}:{error.lineno}: {error.msg}") from error
    except (NameError, ImportError, AttributeError, TypeError, LookupError) as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename) == path
        ]
        where = f"{path}:{lines[-1]}" if lines else str(path)
        raise ValueError(f"{where}: {type(error).__name__}: {error}") from error
    found = {id(v): v for v in vars(module).values() if isinstance(v, Study)}
    if len(found) != 1:
        listed = ", ".join(study.name for study in found.values()) or "none"
        raise ValueError(
            f"{path} must define one study and defines {len(found)} ({listed}); keep "
            "one in each file"
        )
    return next(iter(found.values()))
