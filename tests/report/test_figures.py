"""Colours that stand on both papers, and shapes that close."""

import numpy as np
import plotly.graph_objects as go
import pytest

from tegum.report.figures import (
    PALETTE,
    SYMBOLS,
    band,
    colours,
    curve,
    ordered_colours,
    style,
    translucent,
)

WHITE, DARK = "#ffffff", "#14171c"


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    channels = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(
        channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
    )
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a, b):
    bright, dim = sorted([luminance(a), luminance(b)], reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("colour", [*PALETTE, *ordered_colours(7)])
@pytest.mark.parametrize("paper", [WHITE, DARK])
def test_every_colour_can_be_seen_on_light_and_on_dark(colour, paper):
    assert contrast(colour, paper) > 1.7


def test_the_contrast_test_would_catch_yellow_and_black():
    assert contrast("#F0E442", WHITE) < 1.7
    assert contrast("#000000", DARK) < 1.7


def test_levels_with_an_order_grow_lighter():
    shades = [luminance(colour) for colour in ordered_colours(8)]
    assert shades == sorted(shades)
    assert len(set(shades)) == 8


def test_unordered_series_get_the_palette_while_it_lasts():
    assert colours(3, ordered=False) == list(PALETTE[:3])
    assert len(set(colours(9, ordered=False))) == 9
    assert colours(1, ordered=True) == [PALETTE[0]]


def test_translucent_keeps_the_colour():
    assert translucent("#0072B2", 0.25) == "rgba(0,114,178,0.25)"


def test_a_band_runs_along_the_top_and_back_along_the_bottom():
    trace = band([0, 1, 2], [1, 2, 3], [4, 5, 6], colour=PALETTE[0])
    assert list(trace.x) == [0, 1, 2, 2, 1, 0]
    assert list(trace.y) == [4, 5, 6, 3, 2, 1]
    assert trace.mode == "lines"


def test_curves_differ_in_their_markers_too():
    marks = {
        curve([0], [1], name="a", colour=PALETTE[0], position=k).marker.symbol
        for k in range(len(SYMBOLS))
    }
    assert marks == set(SYMBOLS)


def test_style_hands_the_figure_back_with_titles_kept():
    figure = go.Figure(curve([0, 1], [1, 2], name="a", colour=PALETTE[0]))
    figure.update_xaxes(title={"text": "rate"})
    assert style(figure, height=300) is figure
    assert figure.layout.height == 300
    assert figure.layout.xaxis.title.text == "rate"
