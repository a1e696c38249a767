"""Figures as files: what is in them, that they repeat, every way to go wrong."""

import base64
import json
import math
import os
import re
import struct
import sys
import zlib
from xml.etree import ElementTree

import chromium
import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from tegum.report import save_figure
from tegum.report.encode import figure_json
from tegum.report.export import check_target, on_paper
from tegum.report.figures import columns_of, style, usual_size

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawing_browser():
    if chromium.found() is None:
        missing = "no chromium is installed, so no picture can be drawn"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)


def flat_and_solid():
    """A curve beside three directions in space."""
    figure = make_subplots(rows=1, cols=2, specs=[[{}, {"type": "scene"}]])
    figure.add_trace(go.Scatter(x=[1, 2, 3], y=[1, 4, 2], name="sparsity S"), 1, 1)
    for i, (x, y, z) in enumerate(np.eye(3)):
        ends = {"x": [0, x], "y": [0, y], "z": [0, z]}
        figure.add_trace(
            go.Scatter3d(**ends, mode="lines", line_width=12, name=f"W{i}"), 1, 2
        )
    figure.update_layout(meta={"name": "both", "caption": "A <curve> & directions."})
    style(figure, height=300)
    return figure.update_layout(margin={"l": 20, "r": 10, "t": 10, "b": 30})


def pixels(png):
    """The width, the height and the rows of bytes of a PNG, filters undone."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert depth == 8
    channels = {2: 3, 6: 4}[kind]
    chunks = re.findall(rb"IDAT", png)
    assert chunks
    data, at = b"", 8
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + size] if name == b"IDAT" else b""
        at += size + 12
    raw = np.frombuffer(zlib.decompress(data), np.uint8)
    rows = raw.reshape(height, 1 + width * channels)
    return width, height, unfiltered(rows, channels)


def unfiltered(rows, channels):
    """The pixels behind PNG's five filters (RFC 2083, section 6)."""
    found = np.zeros((len(rows), rows.shape[1] - 1), np.int64)
    above = np.zeros(rows.shape[1] - 1, np.int64)
    for y, row in enumerate(rows):
        kind, line = row[0], row[1:].astype(np.int64)
        if kind in (0, 2):
            line = (line + (above if kind == 2 else 0)) % 256
        else:
            for x in range(len(line)):
                a = line[x - channels] if x >= channels else 0
                c = above[x - channels] if x >= channels else 0
                b = above[x]
                guess = min((a, b, c), key=lambda v: abs(a + b - c - v))
                line[x] += (a, 0, (a + b) // 2, guess)[kind - 1]
                line[x] %= 256
        found[y] = above = line
    return found.reshape(len(rows), -1, channels)


@pytest.mark.browser
def test_the_same_figure_gives_the_same_svg_with_its_text_as_text(
    drawing_browser, tmp_path
):
    first = save_figure(flat_and_solid(), tmp_path / "first.svg", width=640, height=320)
    again = save_figure(flat_and_solid(), tmp_path / "again.svg", width=640, height=320)
    assert first.read_bytes() == again.read_bytes()
    root = ElementTree.parse(first).getroot()
    assert (root.get("width"), root.get("height")) == ("640", "320")
    texts = {node.text for node in root.iter(f"{SVG}text")}
    assert {"sparsity S", "W0", "W1", "W2"} <= texts
    assert root.find(f"{SVG}title").text == "both"
    assert root.find(f"{SVG}desc").text == "A <curve> & directions."
    assert root.find(f"{SVG}rect").get("style").startswith("fill: rgb(255, 255, 255)")


@pytest.mark.browser
def test_a_png_has_the_size_asked_for_and_three_dimensions_in_it(
    drawing_browser, tmp_path
):
    path = save_figure(
        flat_and_solid(), tmp_path / "both.png", width=300, height=150, scale=1.5
    )
    width, height, found = pixels(path.read_bytes())
    assert (width, height) == (450, 225)
    assert found[0, 0, :3].tolist() == [255, 255, 255]
    # Directions 1 and 2 in the second and third colour, in the right half only.
    right = found[:, 225:, :3].astype(int).reshape(-1, 3)
    for colour in ([0xD5, 0x5E, 0x00], [0x00, 0x9E, 0x73]):
        near = np.abs(right - colour).max(axis=1) < 40
        assert near.sum() > 20


@pytest.mark.browser
@pytest.mark.slow
def test_a_pdf_is_a_pdf(drawing_browser, tmp_path):
    path = save_figure(flat_and_solid(), tmp_path / "both.pdf")
    assert path.read_bytes().startswith(b"%PDF-")


def test_a_page_holds_everything_and_fetches_nothing(tmp_path):
    path = save_figure(flat_and_solid(), tmp_path / "deep" / "both.html", width=500)
    text = path.read_text()
    assert "default-src 'none'" in text
    assert "A &lt;curve&gt; &amp; directions." in text
    assert "min-width:500px" in text
    assert text.count("<script") == 3
    assert "src=" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)


def test_paper_is_white_and_the_figure_given_stays_as_it_was():
    figure = flat_and_solid()
    before = figure.to_dict()
    shown = on_paper(figure)
    assert figure.to_dict() == before
    assert shown.layout.paper_bgcolor == shown.layout.plot_bgcolor == "white"
    assert shown.layout.scene.xaxis.gridcolor == shown.layout.xaxis.gridcolor
    assert on_paper(shown).layout == shown.layout


def test_a_single_plot_is_narrower_than_plots_side_by_side():
    assert columns_of(go.Figure(go.Scatter(y=[1, 2]))) == 1
    assert columns_of(flat_and_solid()) == 2
    assert columns_of(make_subplots(rows=1, cols=7)) == 7
    assert usual_size(go.Figure(go.Scatter(y=[1]))) == (700, 450)
    assert usual_size(make_subplots(rows=2, cols=4)) == (1100, 450)
    fixed = go.Figure(layout={"width": 320, "height": 240})
    assert usual_size(fixed) == (320, 240)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("x.gif", {}, "ends in '.gif'; give a name that ends in .html, .svg, .png"),
        ("x", {}, "ends in ''"),
        ("x.png", {"width": 0}, "`width` is 0; give 1 to 10000"),
        ("x.svg", {"height": 20_000}, "`height` is 20000"),
        ("x.png", {"scale": 0.0}, "`scale` is 0.0; give a number above 0"),
        ("x.png", {"scale": float("nan")}, "`scale` is nan"),
        ("x.svg", {"scale": 2.0}, "only the pixels of a .png are scaled"),
        ("x.html", {"scale": 2.0}, "only the pixels of a .png are scaled"),
    ],
)
def test_a_target_that_can_not_be_is_refused_before_anything_is_drawn(
    tmp_path, name, options, says
):
    with pytest.raises(ValueError, match=re.escape(says)):
        check_target(tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "x.html").mkdir()
    with pytest.raises(OSError, match=r"x\.html is a folder"):
        check_target(tmp_path / "x.html")


def test_without_the_library_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(ValueError, match=r"pip install 'tegum\[figures\]'.*x\.html"):
        check_target(tmp_path / "x.png")
    assert check_target(tmp_path / "x.html") == tmp_path / "x.html"


def test_without_a_browser_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"none was found at .*nowhere.*BROWSER_PATH"):
        check_target(tmp_path / "x.png")


def test_long_arrays_travel_light_and_keep_seven_digits():
    square = np.random.default_rng(0).normal(size=(200, 200))
    text = figure_json(go.Figure(go.Heatmap(z=square)))
    as_lists = figure_json(go.Figure(go.Heatmap(z=square.tolist())))
    assert len(text) < 225_000
    assert len(as_lists) < 225_000
    sent = go.Figure(json.loads(text)).data[0].z
    found = np.frombuffer(base64.b64decode(sent["bdata"]), "<f4").reshape(200, 200)
    assert sent["dtype"] == "f4"
    np.testing.assert_allclose(found, square, rtol=1e-7)


def test_short_arrays_texts_and_gaps_stay_as_they_are():
    x = [0.1, 0.2, math.nan, None]
    figure = go.Figure(go.Scatter(x=x, y=["a", "b", "c", "d"], text="<b>"))
    figure.add_trace(go.Bar(y=np.arange(3) / 10))
    text = figure_json(figure)
    assert "<" not in text
    scatter, bar = json.loads(text)["data"]
    assert scatter["x"] == [0.1, 0.2, None, None]
    assert scatter["y"] == ["a", "b", "c", "d"]
    assert bar["y"]["dtype"] == "f8"


def test_numbers_too_large_for_32_bits_keep_64():
    figure = go.Figure(go.Scatter(y=np.full(300, 1e300)))
    assert json.loads(figure_json(figure))["data"][0]["y"]["dtype"] == "f8"


def test_the_steps_of_an_animation_travel_too():
    frames = [go.Frame(data=[go.Scatter(y=[k, 1])], name=str(k)) for k in range(2)]
    figure = go.Figure(data=[go.Scatter(y=[0, 1])], frames=frames)
    assert [f["name"] for f in json.loads(figure_json(figure))["frames"]] == ["0", "1"]
