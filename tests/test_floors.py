"""The house stands on its floors: no deep-learning library in the core, fast help."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "jax", "pandas", "polars", "matplotlib")

CHECK = """
import sys
{action}
loaded = [name for name in {heavy!r} if name in sys.modules]
assert not loaded, f"loaded {{loaded}}"
"""


def run(action: str) -> subprocess.CompletedProcess[str]:
    code = CHECK.format(action=action, heavy=HEAVY)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


EVERYTHING = """
import pkgutil, importlib, tegum
for module in pkgutil.walk_packages(tegum.__path__, "tegum."):
    importlib.import_module(module.name)
for name in tegum.__all__:
    getattr(tegum, name)
"""


def test_importing_all_of_tegum_loads_no_optional_library():
    done = run(EVERYTHING)
    assert done.returncode == 0, done.stderr


def test_the_check_can_fail():
    done = run("import torch")
    assert done.returncode != 0
    assert "loaded ['torch']" in done.stderr


@pytest.mark.parametrize("module", ["numpy", "scipy", "pyarrow", "plotly"])
def test_help_loads_nothing_that_is_slow(module):
    code = (
        "import sys, tegum.cli\n"
        "try: tegum.cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        f"assert {module!r} not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
