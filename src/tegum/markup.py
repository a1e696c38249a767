"""HTML elements as values, in which every text is escaped unless it is markup."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

SYMBOLS = {"supported": "✓", "refuted": "✕", "undecided": "?"}
"""A mark for each word of a verdict, so that colour is never alone."""

COLOURS = {"supported": "#009e73", "refuted": "#d55e00", "undecided": "#808891"}
"""Their colours where paper may be white or dark."""


@dataclass(frozen=True)
class Html:
    """Markup that is already safe; it shows itself in a notebook."""

    text: str

    def _repr_html_(self) -> str:
        return self.text


Child = str | Html | None


def element(name: str, *children: Child, **attributes: str | None) -> Html:
    """An element; an attribute's trailing underscore falls, inner ones become hyphens.

    >>> element("td", "a < b", class_="word").text
    '<td class="word">a &lt; b</td>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{joined(*children).text}</{name}>")


def joined(*children: Child) -> Html:
    """Several texts and elements in a row."""
    return Html(
        "".join(
            child.text if isinstance(child, Html) else html.escape(child)
            for child in children
            if child is not None
        )
    )


def lines(*children: Child) -> Html:
    """Texts and elements with a line break between them; empty ones fall."""
    kept = [joined(c).text for c in children if c is not None and joined(c).text]
    return Html("<br>".join(kept))


def prose(text: str) -> Html:
    """Plain text as paragraphs: blank lines part them, lines with `- ` make a list.

    `*a word*` is emphasised; everything else is text.
    """
    blocks: list[Html] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        first, *items = re.split(r"(?:^|\n)\s*- ", block)
        if first.strip():
            blocks.append(element("p", _emphasised(first)))
        if items:
            entries = [element("li", _emphasised(item)) for item in items]
            blocks.append(element("ul", *entries))
    return joined(*blocks)


def _emphasised(text: str) -> Html:
    pieces = re.split(r"\*([^*\n]+)\*", " ".join(text.split()))
    return joined(
        *(element("em", piece) if k % 2 else piece for k, piece in enumerate(pieces))
    )


def definitions(pairs: list[tuple[str, Child]]) -> Html:
    """Terms and what they are, as a description list."""
    return element(
        "dl",
        *(
            element("div", element("dt", term), element("dd", joined(value)))
            for term, value in pairs
        ),
    )


def table(
    head: list[str], rows: list[list[Child]], *, caption: str, class_: str = ""
) -> Html:
    """A table with a caption and column headers; each cell knows its column's name."""
    header = element("tr", *(element("th", name, scope="col") for name in head))
    body = [
        element(
            "tr",
            *(
                element("th", joined(cell), scope="row", data_label=head[k])
                if k == 0
                else element("td", joined(cell), data_label=head[k])
                for k, cell in enumerate(row)
            ),
        )
        for row in rows
    ]
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", header),
            element("tbody", *body),
            class_=class_ or None,
        ),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


MOST_LINES = 3
"""So many lines of a cell are shown unfolded."""

_TABLE = "border-collapse:collapse;text-align:left;font-size:0.95em"
_CELL = "text-align:left;vertical-align:top;padding:3px 14px 3px 0"
_LINE = ";border-bottom:1px solid rgba(128,136,145,0.35)"
_CAPTION = "text-align:left;caption-side:top;padding:0 0 5px;color:inherit"


def notebook_table(caption: Child, head: list[str], rows: list[list[Child]]) -> Html:
    """A table that brings its own style, for a notebook on white or dark paper."""
    header = [element("th", name, scope="col", style=_CELL + _LINE) for name in head]
    body = [
        element("tr", *(element("td", joined(cell), style=_CELL) for cell in row))
        for row in rows
    ]
    return element(
        "table",
        element("caption", caption, style=_CAPTION),
        element("thead", element("tr", *header)),
        element("tbody", *body),
        style=_TABLE,
    )


def folded(children: Sequence[Child], noun: str) -> Html:
    """A few lines as they are, many folded away behind their count."""
    if len(children) <= MOST_LINES:
        return lines(*children)
    summary = element("summary", f"{len(children)} {noun}s")
    return element("details", summary, lines(*children))


def coloured_word(word: str) -> Html:
    """A verdict's word with its mark, for a notebook."""
    style = f"color:{COLOURS[word]};font-weight:600;white-space:nowrap"
    return element("span", f"{SYMBOLS[word]} {word}", style=style)
