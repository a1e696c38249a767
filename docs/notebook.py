"""Run the example notebook from top to bottom and keep what it shows.

`python -m docs.notebook`; needs the `test` extra and chromium.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "examples" / "a_minute.ipynb"


def main() -> None:
    """Run it in a folder of its own; figures are kept alive and as pictures."""
    os.environ["PLOTLY_RENDERER"] = "plotly_mimetype+png"
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(
            notebook, timeout=300, record_timing=False, resources=resources
        ).execute()
    notebook.metadata.pop("language_info", None)
    nbformat.write(notebook, NOTEBOOK)
    sys.stdout.write(f"{NOTEBOOK}\n")


if __name__ == "__main__":
    main()
