"""Write the README's picture from a store that holds the demo.

`python -m docs.picture tegum-store`; needs chromium.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tegum.execution import judge, load
from tegum.store import Store
from tegum.studies import study_named

NAME = "dropout-and-superposition"
TARGET = Path(__file__).parent / "images" / f"{NAME}.png"
WIDTH, HEIGHT = 1180, 560


def main(store_path: str) -> None:
    """Draw the headline picture and take its screenshot."""
    study, store = study_named(NAME), Store.open(store_path, create=False)
    verdicts = judge(study, store, record=False)
    assert study.picture is not None
    figure = study.picture(load(study, store, design="demo"), verdicts)
    figure.update_layout(paper_bgcolor="white", plot_bgcolor="white")
    figure.update_xaxes(gridcolor="#e3e6e8")
    figure.update_yaxes(gridcolor="#e3e6e8")
    TARGET.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figure.html"
        figure.write_html(
            page,
            default_width=f"{WIDTH - 16}px",
            default_height=f"{HEIGHT - 16}px",
            config={"displayModeBar": False},
        )
        arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--hide-scrollbars",
            "--force-device-scale-factor=1.5",
            f"--user-data-dir={folder}/profile",
            "--virtual-time-budget=8000",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--screenshot={TARGET}",
        ]
        command = ["chromium", *arguments, page.as_uri()]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    sys.stdout.write(f"{TARGET}\n")


if __name__ == "__main__":
    main(sys.argv[1])
