"""The question of a study is read from its source, and is the one that it asks."""

import subprocess
import sys

import pytest

from tegum.studies import names, question_of, study_named

STUDIES = names()


@pytest.mark.parametrize("name", STUDIES)
def test_the_question_read_is_the_one_asked(name):
    assert question_of(name) == study_named(name).question


def test_reading_every_question_makes_no_study():
    code = (
        "import sys\nfrom tegum.studies import question_of\n"
        f"for name in {STUDIES!r}: assert question_of(name).endswith('?')\n"
        "assert not any(m.startswith('tegum.studies.') for m in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="did you mean geometry"):
        question_of("geometri")
