"""Writes the pages of the documentation that follow from the code: `make docs`."""

from pathlib import Path

from tegum.measures import ALL, MEASURES
from tegum.measures.page import page

HERE = Path(__file__).parent


def generated() -> dict[Path, str]:
    """Every generated page and its text."""
    return {HERE / "measures.md": page(ALL, MEASURES)}


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
        print(path)
