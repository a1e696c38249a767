"""The wheel that users install stands on its own."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_installed_wheel_runs_the_demo_away_from_the_checkout(tmp_path):
    wheels, home = tmp_path / "wheels", tmp_path / "venv"
    pip = [sys.executable, "-m", "pip", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", wheels, ROOT], check=True)
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    (wheel,) = wheels.glob("tegum-*.whl")
    subprocess.run([python, "-m", "pip", "install", "-q", wheel], check=True)
    script = tmp_path / "installed_wheel.py"
    script.write_text((ROOT / "tests" / "installed_wheel.py").read_text())
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [python, script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "the installed wheel trains, judges and writes a page" in done.stdout
