"""A figure as a file: a page that opens offline, or a picture for print."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import plotly
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from tegum.report.encode import figure_json
from tegum.report.figures import loosely, narrowest_width, scenes_of, usual_size

ENDINGS = (".html", ".svg", ".png", ".pdf")
LARGEST_SIDE, LARGEST_SCALE = 10_000, 10.0
SCALE = 3.0
"""Pixels of a PNG for each pixel of the layout: 1100 wide prints at 300 dots an inch
over two columns of a journal."""

INK, FAINT, GRID, LINE = "#1b1f24", "#5b6570", "#e3e6e8", "#d5dae0"
FONT = "Arial, Helvetica, Liberation Sans, sans-serif"
"""Fonts of the same widths, so that a picture is laid out alike where one is absent."""


def on_paper(figure: go.Figure) -> go.Figure:
    """A copy in dark text on white, which needs nothing around it; traces stay."""
    copy = go.Figure(figure)
    family = loosely(copy).layout.font.family or FONT
    copy.update_layout(
        paper_bgcolor="white",
        plot_bgcolor="white",
        font={"color": INK, "family": family},
        legend_bgcolor="rgba(255,255,255,0)",
    )
    lines: dict[str, Any] = {
        "gridcolor": GRID,
        "linecolor": FAINT,
        "zerolinecolor": LINE,
        "tickcolor": FAINT,
    }
    copy.update_xaxes(**lines)
    copy.update_yaxes(**lines)
    sides = {**lines, "backgroundcolor": "white"}
    for name in scenes_of(copy):
        axes = {axis: sides for axis in ("xaxis", "yaxis", "zaxis")}
        copy.update_layout({name: {"bgcolor": "white", **axes}})
    return copy


def save_figure(
    figure: go.Figure,
    path: str | Path,
    *,
    width: int | None = None,
    height: int | None = None,
    scale: float | None = None,
) -> Path:
    """Write a plotly figure as `.html`, `.svg`, `.png` or `.pdf`, and return its path.

    A page holds all it needs and is turned and hovered by hand. A picture is black on
    white; text stays text in SVG and PDF, and the same figure gives the same SVG byte
    for byte under one version of plotly and of the browser. `width` and `height` are in
    pixels of the layout, `scale` is how many pixels of a PNG each of them becomes (3 if
    not given). Pictures need the extra `tegum[figures]` and a Chrome or Chromium, which
    is started without a window and sends nothing anywhere.

    Raises:
        ValueError: another ending, a size out of range, a scale for anything but a PNG,
            or no library or browser that draws pictures.
        OSError: a path that can not be written, or a browser that fails.
    """
    target = check_target(path, width=width, height=height, scale=scale)
    usual_width, usual_height = usual_size(figure)
    size = (width or usual_width, height or usual_height)
    shown = on_paper(figure)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".html":
        target.write_text(_page(shown, width=width, height=size[1]), encoding="utf-8")
        return target
    data = _picture(shown, target.suffix[1:], size=size, scale=scale or SCALE)
    if target.suffix == ".svg":
        data = _described(data.decode(), loosely(figure).layout.meta).encode()
    target.write_bytes(data)
    return target


def check_target(
    path: str | Path,
    *,
    width: int | None = None,
    height: int | None = None,
    scale: float | None = None,
) -> Path:
    """The path, if a figure of that size could be written there; nothing is written.

    Raises:
        ValueError: as `save_figure` does.
        OSError: a folder of that name, or no folder in which a file may be made.
    """
    target = Path(path)
    if target.suffix not in ENDINGS:
        raise ValueError(
            f"{target} ends in {target.suffix!r}; give a name that ends in "
            f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        )
    for name, side in (("width", width), ("height", height)):
        if side is not None and not 1 <= side <= LARGEST_SIDE:
            raise ValueError(
                f"`{name}` is {side}; give 1 to {LARGEST_SIDE} pixels, 1100 is usual"
            )
    if scale is not None and target.suffix != ".png":
        raise ValueError(
            f"`scale` is {scale} for {target.name}; only the pixels of a .png are "
            "scaled: leave it out, or give a `width`"
        )
    if scale is not None and not 0.0 < scale <= LARGEST_SCALE:
        raise ValueError(
            f"`scale` is {scale}; give a number above 0 and up to {LARGEST_SCALE:g}, "
            f"{SCALE:g} is usual"
        )
    _require_place(target)
    if target.suffix != ".html":
        _require_browser(target)
    return target


def _require_place(target: Path) -> None:
    """Refuse a path at which no file can be made."""
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; give the name of a file in it")
    above = next(folder for folder in target.absolute().parents if folder.exists())
    if not above.is_dir():
        raise NotADirectoryError(
            f"{target} lies below {above}, which is a file; give a path below a folder"
        )
    if not os.access(above, os.W_OK):
        raise PermissionError(
            f"{target} can not be written, as {above} is closed to you; give another"
        )


def _require_browser(target: Path) -> None:
    """Refuse a picture that nothing here could draw."""
    instead = f"or write {target.with_suffix('.html').name}, which needs neither"
    if importlib.util.find_spec("kaleido") is None:
        raise ValueError(
            f"{target.name} needs the library kaleido, which is not installed; "
            f"`pip install 'tegum[figures]'`, {instead}"
        )
    from choreographer.browsers.chromium import Chromium

    browser = Chromium.find_browser(skip_local=False)
    if browser is None or not Path(browser).is_file():
        looked = f" at {browser}, as BROWSER_PATH says" if browser else ""
        raise ValueError(
            f"{target.name} needs Chrome or Chromium, and none was found{looked}; "
            f"install one (`apt install chromium`), set BROWSER_PATH to its program, "
            f"{instead}"
        )


def _picture(
    figure: go.Figure, kind: str, *, size: tuple[int, int], scale: float
) -> bytes:
    """The bytes of a picture, drawn by a browser that fetches nothing."""
    import kaleido
    from kaleido import errors

    package = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    width, height = size
    with resources.as_file(_asset("steady.js")) as steady:
        page = kaleido.PageGenerator(
            plotly=(package.as_uri(), "utf-8"),
            mathjax=False,
            others=[(steady.as_uri(), "utf-8")],
        )
        try:
            with _quiet("choreographer"):
                return kaleido.calc_fig_sync(
                    figure.to_dict(),
                    opts={
                        "format": kind,
                        "width": width,
                        "height": height,
                        "scale": scale if kind == "png" else 1,
                    },
                    kopts={"page_generator": page},
                )
        except (
            errors.BrowserClosedError,
            errors.BrowserFailedError,
            errors.JavascriptError,
            errors.KaleidoError,
            TimeoutError,
        ) as error:
            raise OSError(
                f"the browser could not draw the picture: {type(error).__name__}: "
                f"{error}; try again, or write an .html file"
            ) from error


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Without a logger's errors: closing a browser logs some, what fails is raised."""
    level = logging.getLogger(logger).level
    logging.getLogger(logger).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logging.getLogger(logger).setLevel(level)


def _page(figure: go.Figure, *, width: int | None, height: int) -> str:
    name, caption = _said(loosely(figure).layout.meta)
    narrowest = width or narrowest_width(figure)
    figure.update_layout(width=width, height=height, autosize=width is None)
    return Template(_asset("figure.html").read_text(encoding="utf-8")).substitute(
        title=escape(name or "A figure"),
        label=escape(caption or name or "A figure"),
        caption=escape(caption),
        width=max(1180, narrowest),
        narrowest=narrowest,
        height=height,
        figure=figure_json(figure),
        plotly=get_plotlyjs(),
    )


def _described(svg: str, meta: Any) -> str:
    """The picture with its name and caption for those who can not see it."""
    name, caption = _said(meta)
    said = [("title", name), ("desc", caption)]
    inside = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in said if text)
    end = svg.index(">", svg.index("<svg")) + 1
    return svg[:end] + inside + svg[end:]


def _said(meta: Any) -> tuple[str, str]:
    if not isinstance(meta, Mapping):
        return "", ""
    return str(meta.get("name", "")), str(meta.get("caption", ""))


def _asset(name: str) -> Any:
    return resources.files("tegum.report") / "assets" / name
