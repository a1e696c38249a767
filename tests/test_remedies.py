"""What a user is told when something is absent or could not be made."""

import sys

import pytest

from tegum import Store, execute
from tegum.arrays import RowsFailed
from tegum.functions import FunctionSubject
from tiny import STUDY, study_of


def test_a_dataframe_without_pandas_says_the_one_command(monkeypatch):
    results = execute(STUDY, Store.in_memory(), workers=1)
    assert len(results.to_pandas()) == len(results)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tegum\[pandas\]'"):
        results.to_pandas()


def refuses_one_seed(row):
    if row["seed"] == 5:
        raise ArithmeticError("no root")
    return {"W": [[row["rate"]]], "step": [0]}


def test_rows_that_failed_are_named_by_what_tells_them_apart():
    subject = FunctionSubject("refusing", refuses_one_seed, in_process=True)
    with pytest.raises(RowsFailed) as caught:
        execute(study_of(subject), Store.in_memory(), workers=1)
    first, *named = str(caught.value).splitlines()
    assert first.startswith("2 of 16 rows could not be made; the other 14 are in")
    assert sorted(line.split(": ")[0].strip() for line in named) == [
        "rate=0, seed=5",
        "rate=0.5, seed=5",
    ]
    assert all("ArithmeticError: no root" in line for line in named)
