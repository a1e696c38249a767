"""Writes docs/findings.md and its pictures from stores in which studies were run.

`python -m docs.findings STORE...`; needs the extra `figures` and a Chromium. A study is
told from the first store that holds all rows of a design, the largest such design.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tegum.claims import Verdict
from tegum.execution import judge, load
from tegum.gallery import draw, picture_named
from tegum.report import save_figure
from tegum.report.verdicts import answer, standing
from tegum.store import Store
from tegum.studies import names, study_named
from tegum.study import Study
from tegum.wording import counted, interval_text, written

HERE = Path(__file__).parent
MOST_PARTS = 3
SCALE = 1.6
HEAD = """# What was found

Each study, its answer, its picture and every verdict, written by
`python -m docs.findings` from stores in which it was run. The sentences come from the
verdicts; refuted and undecided claims stay. Intervals are simultaneous over a study:
the chance of any wrong *supported* or *refuted* in it is at most 5 %.
"""


def main(paths: Sequence[str]) -> None:
    """Write the page and a picture for each study."""
    stores = [Store.open(path, create=False) for path in paths]
    sections = [HEAD]
    for name in names():
        study = study_named(name)
        found = largest(study, stores)
        if found is None:
            print(f"no store holds a design of {name}", file=sys.stderr)
            continue
        sections.append(section(study, *found))
        print(f"{name}: {found[1]}")
    (HERE / "findings.md").write_text("\n".join(sections), encoding="utf-8")


def largest(study: Study, stores: Sequence[Store]) -> tuple[Store, str] | None:
    """The store and the largest design all of whose rows it holds."""
    for design in reversed(study.designs):
        for store in stores:
            if load(study, store, design=design).missing == 0:
                return store, design
    return None


def section(study: Study, store: Store, design: str) -> str:
    """A study in Markdown; its picture is written beside."""
    verdicts = judge(study, store, design=design, record=False)
    drawn = draw(picture_named(study.name), store, design=design)
    target = HERE / "images" / f"{study.name}.png"
    save_figure(drawn.figure, target, scale=SCALE)
    results = load(study, store, design=design)
    lines = [
        f"## {study.name}\n",
        f"*{' '.join(study.question.split())}*\n",
        f"**{answer(study, verdicts)}**\n",
        f"![The headline picture of {study.name}](images/{target.name})\n",
        f"`tegum run {study.name} --design {design}`: {counted(len(results), 'row')}. "
        f"{standing(verdicts)}\n",
        "| claim | verdict | estimate, with its interval |",
        "| --- | --- | --- |",
        *(row(verdict) for verdict in verdicts),
        "",
    ]
    return "\n".join(lines)


def row(verdict: Verdict) -> str:
    """One claim: what it says, what came of it."""
    holds = f": {verdict.holds}" if verdict.holds else ""
    shown = [
        f"{written(part.estimate, digits=3)} {interval_text(part.low, part.high)}"
        for part in verdict.parts[:MOST_PARTS]
    ]
    text = "<br>".join(shown)
    if len(verdict.parts) > MOST_PARTS:
        words = Counter(part.word for part in verdict.parts)
        told = ", ".join(f"{count} {word}" for word, count in words.most_common())
        text = f"{len(verdict.parts)} parts: {told}"
    statement = " ".join(verdict.claim.statement.split()).replace("|", "\\|")
    return f"| {statement} | {verdict.word}{holds} | {text} |"


if __name__ == "__main__":
    main(sys.argv[1:])
