"""The page in headless Chromium: it draws, answers clicks, fits, and stays silent."""

import os

import chromium
import numpy as np
import pytest
import test_page
import worlds

from tegum.design import grid
from tegum.report import render

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PHONE = 375
DRAWN = "document.querySelector('#map .nsewdrag') !== null"


@pytest.fixture(scope="module")
def tab():
    found = chromium.found()
    if found is None:
        missing = "no chromium with chromedriver is installed, so the page is unseen"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    with chromium.browser(*found) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Every page that is looked at, by name."""
    folder = tmp_path_factory.mktemp("pages")
    three = worlds.study(designs={"demo": sized(3)}, claims=())
    five = worlds.study(designs={"demo": sized(5)}, claims=())
    shown = {
        "whole": worlds.whole(),
        "partial": worlds.partial(),
        "three": worlds.run(three),
        "five": worlds.run(five),
        "own": worlds.run(test_page.plain_study(size=[1, 2, 3])),
        "one": worlds.run(test_page.plain_study(size=[1])),
        "pictured": worlds.run(worlds.pictured()),
        "hostile": test_page.hostile_world(),
    }
    return {
        name: render(
            world.study,
            world.results,
            world.verdicts,
            store=world.store,
            path=folder / f"{name}.html",
            design="demo",
        )
        for name, world in shown.items()
    }


def sized(n_hidden):
    return grid(
        n_features=7,
        n_hidden=n_hidden,
        noise="dropout",
        rate=[0.0, 0.5],
        feature_probability=[1.0, 0.1],
        steps=100,
        seeds=2,
    )


def errors_of(name):
    """The levels at which a console must be silent: WebGL warns that it is slow."""
    return ("SEVERE",) if name == "pictured" else ("SEVERE", "WARNING")


def width_of(tab):
    return tab.run("return document.documentElement.scrollWidth")


def map_numbers(tab):
    """The numbers on the first panel of the map, undefined cells as None."""
    return tab.run("return document.querySelector('#map .chart').data[0].z")


def count(tab, selector):
    return tab.run(f"return document.querySelectorAll('{selector}').length")


def texts(tab, selector):
    nodes = f"[...document.querySelectorAll('{selector}')]"
    return tab.run(f"return {nodes}.map(n => n.textContent)")


def show(tab, page, **size):
    tab.prefers("light")
    tab.open(page, **size)
    tab.wait("document.getElementById('theme').textContent")


def test_the_page_draws_without_a_word_on_the_console(tab, pages):
    show(tab, pages["whole"])
    tab.wait(DRAWN)
    assert count(tab, "#headline .trace") > 0
    assert count(tab, "#curves .scatterlayer .trace") > 0
    assert count(tab, "#map .chart") == 2
    assert count(tab, ".verdicts tbody tr") == 3
    assert tab.run("return document.getElementById('panel').hidden")
    assert tab.console() == []


def test_what_the_other_tests_look_for_would_be_seen(tab, pages):
    show(tab, pages["whole"], width=PHONE, height=700)
    tab.run("console.error('a fault')")
    assert "a fault" in tab.console()[0]
    tab.run("fetch('https://example.org').catch(() => null)")
    tab.wait("true")
    assert "Content Security Policy" in tab.console()[0]
    tab.run(
        "const wide = document.createElement('div');"
        "wide.style.width = '900px';"
        "wide.textContent = 'wide';"
        "document.body.append(wide);"
    )
    assert width_of(tab) > PHONE


def test_a_click_on_the_map_shows_the_median_and_the_best_model(tab, pages):
    show(tab, pages["whole"])
    tab.wait(DRAWN)
    # Four rates across, three sparsities up: the left cell at the top is S = 0.9.
    tab.click("#map .chart .nsewdrag", x=0.125, y=1 / 6)
    tab.wait("!document.getElementById('panel').hidden")
    title = texts(tab, "#panel h3")[0]
    assert "S = 0.9 (q = 0.1)" in title
    assert "uniform" in title
    assert "dropout rate: 0" in title
    assert texts(tab, "#panel h4") == [
        "Median model by final loss",
        "Best model: lowest final loss",
    ]
    products = tab.run("return document.querySelector('#panel .chart').data[0].z")
    assert len(products) == 5
    # A pentagon: every norm about 1, neighbours at cos(72 degrees) = 0.31.
    assert products[0][0] == pytest.approx(1.0, abs=0.2)
    assert products[0][1] == pytest.approx(0.31, abs=0.2)
    assert count(tab, "#panel svg.directions") == 2
    kinds = tab.run(
        "return [...document.querySelectorAll('#panel .chart')]"
        ".map(n => n.data[0].type || 'scatter')"
    )
    assert kinds == ["heatmap", "bar", "heatmap", "bar", "scatter"]
    assert tab.run(
        "const f = document.querySelector('#panel .losses .chart').layout;"
        "return [f.xaxis.type, f.yaxis.type]"
    ) == ["log", "log"]
    assert tab.console() == []


def test_a_click_on_a_curve_shows_models_too(tab, pages):
    show(tab, pages["whole"])
    tab.wait(DRAWN)
    place = tab.run(
        "const node = document.querySelector('#curves .chart');"
        "const k = node.data.findIndex(t => t.error_y);"
        "const trace = node.data[k], l = node._fullLayout;"
        "const box = node.querySelector('.nsewdrag').getBoundingClientRect();"
        "return [l.xaxis.d2p(trace.x[1]) / box.width,"
        " l.yaxis.d2p(trace.y[1]) / box.height]"
    )
    tab.click("#curves .chart .nsewdrag", x=place[0], y=place[1])
    tab.wait("!document.getElementById('panel').hidden")
    title = texts(tab, "#panel h3")[0]
    assert "dropout rate: 0.3" in title


def test_a_cell_in_which_all_diverged_says_so(tab, pages):
    show(tab, pages["whole"])
    tab.run("const k = page.cells.findIndex(c => c.diverged); showCell(k, false);")
    assert "Every seed of this cell diverged" in texts(tab, "#panel")[0]
    assert tab.console() == []


def test_selectors_change_the_map(tab, pages):
    show(tab, pages["whole"])
    tab.wait(DRAWN)
    first = map_numbers(tab)
    tab.choose("#controls select[name=number]", "features_represented")
    assert map_numbers(tab) != first
    assert map_numbers(tab)[0][0] == 5
    tab.choose("#controls select[name=show]", "change")
    assert map_numbers(tab)[0][0] == 0
    tab.choose("#controls select[name=show]", "value")
    tab.choose("#controls select[name=optimiser]", "1")
    assert texts(tab, "#map figcaption") == ["importance: uniform (r = 1)"]
    assert len(map_numbers(tab)) == 1
    assert tab.console() == []


def test_a_logarithmic_scale_keeps_the_numbers_and_the_zeros(tab, pages):
    show(tab, pages["whole"])
    tab.choose("#controls select[name=number]", "total_interference")
    zeros = "return document.querySelectorAll('#map .chart')[1].data[0]"
    before = tab.run(f"{zeros}.text")
    tab.choose("#controls select[name=scale]", "log")
    kind = "return document.querySelector('#curves .chart').layout.yaxis.type"
    assert tab.run(kind) == "log"
    # The vanished cell holds 0: written as 0, in the lowest colour, and no point.
    assert tab.run(f"{zeros}.text") == before
    assert tab.run(f"{zeros}.text[2][3]") == "0"
    assert tab.run(f"{zeros}.z[2][3]") == tab.run(f"{zeros}.zmin")
    assert "not above 0" in texts(tab, "#curves-note")[0]
    assert tab.console() == []


def test_undefined_and_unmeasured_cells_are_hatched_never_zero(tab, pages):
    show(tab, pages["partial"])
    tab.choose("#controls select[name=number]", "relative_interference")
    panels = tab.run(
        "const kept = t => t.type === 'heatmap' ? t.z"
        " : [t.marker.pattern.shape, t.x.length];"
        "return [...document.querySelectorAll('#map .chart')]"
        ".map(n => n.data.slice(0, 3).map(kept))"
    )
    decaying = panels[1]
    assert decaying[0][-1][-1] is None
    assert decaying[1] == ["/", 2]
    assert decaying[2] == [".", 0]
    assert "undefined" in texts(tab, "#map-legend")[0]
    assert "not measured" not in texts(tab, "#map-legend")[0]
    tab.choose("#controls select[name=optimiser]", "1")
    unmeasured = tab.run(
        "const t = document.querySelector('#map .chart').data[2];"
        "return [t.marker.pattern.shape, t.x.length]"
    )
    assert unmeasured == [".", 2]
    assert "not measured" in texts(tab, "#map-legend")[0]
    assert tab.console() == []


@pytest.mark.parametrize("name", ["whole", "five", "own", "one", "hostile", "pictured"])
def test_nothing_sticks_out_on_a_phone(tab, pages, name):
    show(tab, pages[name], width=PHONE, height=700)
    assert width_of(tab) <= PHONE
    if not tab.run("return document.getElementById('models').hidden"):
        tab.run("showCell(0, false)")
        assert width_of(tab) <= PHONE
    tab.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    tab.wait("true")
    assert width_of(tab) <= PHONE
    assert tab.console(levels=errors_of(name)) == []


def test_dark_and_light_follow_the_system_and_the_button(tab, pages):
    paper = "return getComputedStyle(document.documentElement).backgroundColor"
    ink = "return document.querySelector('#curves .chart').layout.font.color"
    show(tab, pages["whole"])
    light = tab.run(paper), tab.run(ink)
    tab.prefers("dark")
    tab.wait("document.getElementById('theme').textContent === 'Light'")
    dark = tab.run(paper), tab.run(ink)
    assert light == ("rgb(255, 255, 255)", "#1b1f24")
    assert dark == ("rgb(20, 23, 28)", "#e6e9ed")
    tab.click("#theme")
    tab.wait("document.getElementById('theme').textContent === 'Dark'")
    assert (tab.run(paper), tab.run(ink)) == light
    tab.prefers("light")
    assert tab.console() == []


def test_paper_is_light(tab, pages):
    tab.prefers("dark")
    tab.open(pages["whole"])
    tab.wait("document.getElementById('theme').textContent === 'Light'")
    ink = "return document.querySelector('#curves .chart').layout.font.color"
    tab.run("dispatchEvent(new Event('beforeprint'))")
    assert tab.run(ink) == "#1b1f24"
    tab.run("dispatchEvent(new Event('afterprint'))")
    assert tab.run(ink) == "#e6e9ed"
    tab.prefers("light")


@pytest.mark.parametrize(
    ("page", "key"), [("whole", "ArrowRight"), ("three", "ArrowUp")]
)
def test_two_and_three_hidden_units_turn_by_hand_and_by_keys(tab, pages, page, key):
    show(tab, pages[page])
    tab.run("showCell(0, false)")
    drawn = "return document.querySelector('svg.turns').innerHTML"
    before = tab.run(drawn)
    tab.run(
        "const svg = document.querySelector('svg.turns');"
        "const send = (type, x) => svg.dispatchEvent(new PointerEvent(type,"
        " {clientX: x, clientY: 20, pointerId: 1, bubbles: true}));"
        "svg.setPointerCapture = () => {};"
        "send('pointerdown', 10); send('pointermove', 60); send('pointerup', 60);"
    )
    turned = tab.run(drawn)
    assert turned != before
    tab.run(
        "document.querySelector('svg.turns').dispatchEvent("
        "new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))",
        key,
    )
    assert tab.run(drawn) != turned


def test_more_hidden_units_say_that_they_are_projected(tab, pages):
    show(tab, pages["five"])
    tab.run("showCell(0, false)")
    text = texts(tab, "#panel")[0]
    assert "projected from 5 dimensions onto their two leading principal" in text


def test_a_study_without_weights_has_no_panel_of_models(tab, pages):
    show(tab, pages["own"])
    tab.wait(DRAWN)
    assert tab.run("return document.getElementById('models').hidden")
    tab.click("#map .chart .nsewdrag")
    assert tab.run("return document.getElementById('models').hidden")
    assert tab.console() == []


def test_one_cell_shows_its_number_as_text(tab, pages):
    show(tab, pages["one"])
    assert tab.run("return document.getElementById('curves-block').hidden")
    tab.run("document.getElementById('numbers-table').open = true")
    tab.wait("document.querySelector('#numbers-table td')")
    assert "1.3" in texts(tab, "#numbers-table")[0]
    assert tab.console() == []


def test_hostile_text_is_shown_and_does_nothing(tab, pages):
    show(tab, pages["hostile"])
    tab.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    tab.run("page.cells.forEach((_, k) => hoverText(k))")
    assert tab.run("return window.hacked === undefined")
    assert tab.run("return document.querySelectorAll('main img').length") == 0
    assert test_page.HOSTILE in tab.run("return document.body.innerText")
    assert tab.console() == []


def test_the_table_of_numbers_lists_every_cell(tab, pages):
    show(tab, pages["partial"])
    tab.run("document.getElementById('numbers-table').open = true")
    tab.wait("document.querySelector('#numbers-table td')")
    assert count(tab, "#numbers-table tbody tr") == 26
    assert "not measured" in texts(tab, "#numbers-table")[0]


def test_every_control_and_picture_has_a_name(tab, pages):
    show(tab, pages["whole"])
    tab.run("showCell(0, false)")
    unnamed = tab.run(
        "const named = n => n.getAttribute('aria-label') || n.textContent.trim() ||"
        " n.closest('label');"
        "const all = 'button, select, [role=img], [role=region], [role=group]';"
        "return [...document.querySelectorAll(all)].filter(n => !named(n))"
        ".map(n => n.outerHTML.slice(0, 80))"
    )
    assert unnamed == []
    headless = tab.run(
        "return [...document.querySelectorAll('table')].filter(t => !t.caption ||"
        " !t.querySelector('th[scope=col]')).length"
    )
    assert headless == 0


def test_further_figures_are_drawn_in_two_and_three_dimensions(tab, pages):
    show(tab, pages["pictured"])
    tab.wait("document.querySelectorAll('.drawing .main-svg').length > 2")
    assert count(tab, ".drawing.js-plotly-plot") == 2
    assert count(tab, "#figure-norms .trace.bars") == 1
    tab.wait("document.querySelector('#figure-solid canvas')")
    drawn = tab.run(
        "const gl = document.querySelector('#figure-solid canvas');"
        "const box = gl.getBoundingClientRect(); return [box.width, box.height];"
    )
    assert min(drawn) > 100
    assert "KeyError" in texts(tab, "#figure-broken .failed")[0]
    assert "tegum figure norms --study pictured" in texts(tab, "#figure-norms")[0]
    assert "Norms of <b>all</b> & sundry." in texts(tab, "#figure-norms")[0]
    assert tab.console(levels=("SEVERE",)) == []


def test_a_figure_in_three_dimensions_turns_by_hand(tab, pages):
    show(tab, pages["pictured"])
    tab.wait("document.querySelector('#figure-solid canvas')")
    node = "document.querySelector('#figure-solid .drawing')"
    camera = f"{node}._fullLayout.scene._scene.getCamera()"
    eye = f"const eye = {camera}.eye; return [eye.x, eye.y];"
    before = tab.run(eye)
    tab.drag("#figure-solid .drawing", by=80)
    assert tab.run(eye) != before


def test_further_figures_follow_light_and_dark(tab, pages):
    show(tab, pages["pictured"])
    ink = "return document.querySelector('#figure-norms .drawing').layout.font.color"
    grid_colour = (
        "return document.querySelector('#figure-solid .drawing')"
        ".layout.scene.xaxis.gridcolor"
    )
    tab.wait("document.querySelector('#figure-solid canvas')")
    light = tab.run(ink), tab.run(grid_colour)
    tab.prefers("dark")
    tab.wait("document.getElementById('theme').textContent === 'Light'")
    assert (tab.run(ink), tab.run(grid_colour)) == ("#e6e9ed", "#2b313a")
    assert light == ("#1b1f24", "#e4e8ec")
    tab.prefers("light")


def test_every_link_within_a_page_leads_to_a_part_of_it(tab, pages):
    for name, parts in (("pictured", 4), ("whole", 3)):
        show(tab, pages[name])
        there = tab.run(
            "return [...document.querySelectorAll('nav a')]"
            ".map(a => document.querySelector(a.getAttribute('href')) !== null)"
        )
        assert there == [True] * parts


def test_turning_a_plane_keeps_lengths_and_angles(tab, pages):
    show(tab, pages["whole"])
    tab.run("showCell(0, false)")
    tips = (
        "return [...document.querySelector('svg.turns').querySelectorAll('g line')]"
        ".map(n => [Number(n.getAttribute('x2')), Number(n.getAttribute('y2'))])"
    )
    before = np.array(tab.run(tips))
    assert tab.run("return turnedInPlane([[1, 0]], Math.PI / 2)[0]")[:2] == [
        pytest.approx(0.0, abs=1e-12),
        pytest.approx(1.0),
    ]
    tab.run(
        "document.querySelector('svg.turns').dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true}))"
    )
    after = np.array(tab.run(tips))
    assert not np.allclose(after, before, atol=1.0)
    np.testing.assert_allclose(after @ after.T, before @ before.T, atol=0.1)
