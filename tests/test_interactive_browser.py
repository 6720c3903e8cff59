"""The figures in headless Chromium: they draw offline, react to pointer, legend and choice, follow colours, width."""

from pathlib import Path
from typing import Any

import pytest

from reports.charts import Chart, embed, make_charts
from reports.pages import templates
from tests.support.chart_sweeps import EVIL, searched

pytestmark = pytest.mark.browser
SHARES = {"learning_rate": 0.6, "units": 0.4}
ACCENT = {"light": "rgb(0, 114, 178)", "dark": "rgb(86, 180, 233)"}


@pytest.fixture(scope="module")
def charts() -> tuple[Chart, ...]:
    return make_charts(searched(12, repeats=1, name=f"{EVIL} "), SHARES, SHARES)


@pytest.fixture(scope="module")
def address(charts, tmp_path_factory: pytest.TempPathFactory) -> str:
    parts = embed(charts)
    style = templates(html=True).get_template("style.css").render()
    path: Path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>Figures</title><style>{style}</style>{parts.style}'
        f"</head><body><main>{''.join(parts.figures.values())}</main>{parts.script}</body></html>",
        encoding="utf-8",
    )
    return path.as_uri()


class Visit:
    """A page that was opened, what it complained of, and what it asked for."""

    def __init__(self, browser: Any, address: str, width: int = 1280, scheme: str = "light") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)

    def see(self, name: str) -> Any:
        """Scroll a figure into view and wait until it is drawn."""
        area = self.page.locator(f"#chart-{name}")
        area.scroll_into_view_if_needed()
        area.locator("svg.main-svg").first.wait_for()
        return area


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_figure_draws_offline(browser, address: str, charts, width: int, scheme: str) -> None:
    visit = Visit(browser, address, width, scheme)
    drawn = "document.querySelectorAll('.chart-area svg.main-svg').length"
    visit.page.wait_for_function(f"{drawn} > 0")
    assert visit.page.locator(".chart-area:has(svg.main-svg)").count() < len(charts)  # the others wait to be seen
    for chart in charts:
        area = visit.see(chart.name)
        assert area.locator("g.trace, g.hm, path.point").count() > 0, chart.name
        assert area.bounding_box()["height"] >= chart.height
    assert visit.page.evaluate("document.documentElement.scrollWidth") == width
    stroke = "getComputedStyle(document.querySelector('#chart-history path.js-line')).stroke"
    assert visit.page.evaluate(stroke) == ACCENT[scheme]
    assert visit.complaints == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in visit.requests)
    visit.page.close()


def test_pointer_says_words_and_shows_markup_as_text(browser, address: str) -> None:
    visit = Visit(browser, address)
    area = visit.see("history")
    area.locator("path.point").first.hover(force=True)
    said = area.locator(".hoverlayer text").first
    said.wait_for()
    assert '<a href="http://example.org">link</a>' in said.text_content()
    assert "<b>bold</b>" in said.text_content()
    assert "best epoch" in said.text_content()
    assert visit.page.locator(".chart-area a[href], .chart-area svg a").count() == 0
    assert visit.complaints == []
    visit.page.close()


def test_legend_hides_and_shows(browser, address: str) -> None:
    visit = Visit(browser, address)
    area = visit.see("history")
    shown = area.locator("path.point").count()
    assert shown > 12
    area.locator(".legendtoggle").nth(1).click()
    visit.page.wait_for_function(f"document.querySelectorAll('#chart-history path.point').length < {shown}")
    area.locator(".legendtoggle").nth(1).click()
    visit.page.wait_for_function(f"document.querySelectorAll('#chart-history path.point').length == {shown}")
    visit.page.close()


def test_choice_of_a_view_changes_axes_and_marks(browser, address: str, charts) -> None:
    visit = Visit(browser, address, width=390)
    area = visit.see("settings")
    names = [view.name for view in charts[2].views]
    select = visit.page.locator("select[data-for=chart-settings]")
    for wanted in ("optimizer", "learning rate", names[0]):
        select.select_option(label=wanted)
        area.locator(".x2title, .xtitle", has_text=wanted).first.wait_for()
    kind = "document.getElementById('chart-settings').layout.xaxis.type"
    assert visit.page.evaluate(kind) == "log"
    select.select_option(label="optimizer")
    assert visit.page.evaluate(kind) == "linear"
    curves = visit.see("learning-curves")
    first = curves.locator("path.js-line").first.get_attribute("d")
    visit.page.locator("select[data-for=chart-learning-curves]").select_option(index=3)
    assert curves.locator("path.js-line").first.get_attribute("d") != first
    assert visit.complaints == []
    visit.page.close()


def test_figures_follow_a_change_of_colours_and_keep_the_choice(browser, address: str) -> None:
    visit = Visit(browser, address)
    visit.see("settings")
    visit.page.locator("select[data-for=chart-settings]").select_option(label="optimizer")
    visit.page.emulate_media(color_scheme="dark")
    font = "getComputedStyle(document.querySelector('#chart-settings .xtick text, #chart-settings .x2tick text')).fill"
    visit.page.wait_for_function(f"{font} === 'rgb(154, 164, 173)'")
    assert visit.page.locator("#chart-settings .x2title, #chart-settings .xtitle").first.text_content() == "optimizer"
    visit.page.close()


def test_a_printed_page_has_all_figures(browser, address: str, charts) -> None:
    visit = Visit(browser, address, scheme="dark")
    visit.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    areas = visit.page.locator(".chart-area:has(svg.main-svg)")
    assert areas.count() == len(charts)
    widths = visit.page.evaluate("[...document.querySelectorAll('svg.main-svg')].map(svg => svg.width.baseVal.value)")
    assert max(widths) <= 700
    stroke = "getComputedStyle(document.querySelector('#chart-history path.js-line')).stroke"
    assert visit.page.evaluate(stroke) == ACCENT["light"]
    visit.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    visit.page.wait_for_function(f"{stroke} === '{ACCENT['dark']}'")
    assert visit.complaints == []
    visit.page.close()


def test_keyboard_reaches_every_figure(browser, address: str, charts) -> None:
    visit = Visit(browser, address)
    reached = set()
    for _ in range(12 * len(charts)):
        visit.page.keyboard.press("Tab")
        reached.add(visit.page.evaluate("document.activeElement.id || document.activeElement.dataset.for"))
    assert {f"chart-{chart.name}" for chart in charts} <= reached
    visit.page.close()
