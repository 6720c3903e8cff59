"""Figures of a sweep: exact marks from small made inputs, escaping, sizes, files."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from pipelines.exercises.configurations import Configuration
from pipelines.overfitting.point import Verdict
from reports import charts as interactive
from reports.charts import embed, make_charts, plotly_figure
from reports.charts import palette as palette_module
from reports.charts.as_files import save
from reports.charts.as_plotly import safe
from reports.charts.chart import Axis, Cells, Chart, Line, Panel, Points, Texts, View, log_ticks, rounded
from reports.charts.embedding import figure_markup, json_text
from reports.charts.palette import DARK, LIGHT, filled_in
from reports.charts.sweep_charts import pareto_front
from reports.charts.trials import varied
from reports.pages import templates
from tests.support.chart_sweeps import EVIL, FLAT, LINK, MONITOR, OPEN, POINT, Made, made_report, searched
from tests.support.report_store import Page

BASE = Configuration(layers=(64, 64), optimizer="rmsprop")
BUDGET = 2_500_000
SHARES = {"units": 0.7, "depth": 0.25, "learning_rate": 0.05}


def four():
    """Two widths at two depths, one verdict each; the best is 64 x 2."""
    return made_report(
        [
            Made(BASE, POINT, seconds=4.0, parameters=2000, origin="baseline"),
            Made(replace(BASE, layers=(64,)), FLAT, seconds=1.0, parameters=1000),
            Made(replace(BASE, layers=(8, 8)), OPEN, seconds=2.0, parameters=300),
            Made(replace(BASE, layers=(8,)), replace(POINT, best_value=0.9), seconds=8.0, parameters=100),
        ]
    )


def straight(fits: int = 4, epochs: int = 10) -> dict[str, np.ndarray]:
    """Validation curves of level 1 and 3 in turns, training curves falling by one an epoch."""
    levels = np.where(np.arange(fits) % 2, 3.0, 1.0)
    return {
        MONITOR: np.repeat(levels[:, None], epochs, axis=1).astype(np.float32),
        "loss": np.tile(np.arange(epochs, 0, -1.0), (fits, 1)).astype(np.float32),
    }


def marks_of(chart: Chart, kind: type, view: int = 0, panel: int = 0) -> dict[str, object]:
    return {mark.name: mark for mark in chart.views[view].panels[panel].marks if isinstance(mark, kind)}


@pytest.fixture(scope="module")
def search():
    return searched(14)


@pytest.fixture(scope="module")
def charts(search):
    return make_charts(search, SHARES, {"units": 0.5})


# What is drawn


def test_learning_curves_show_means_deviations_and_points() -> None:
    report = made_report([Made(BASE, POINT)])
    chart = interactive.learning_curves(replace(report, curves={"run1": straight()}))
    (panel,) = chart.views[0].panels
    lines = marks_of(chart, Line)
    assert panel.by_x
    assert lines["validation"].y == (2.0,) * 10
    assert lines["validation"].spread == (1.2,) * 10  # the deviation of 1, 3, 1, 3 is 1.1547
    assert lines["training"].y == tuple(range(10, 0, -1))
    assert lines["best epoch"].x == (6, 6)
    assert lines["onset of over-fitting"].x == (9, 9)
    assert chart.views[0].name == "1. ▲ 64-64 relu rmsprop: overfits"
    # Two folds of two seeds each, on the levels 1 and 3.
    assert lines["single folds or seeds"].y == (*[1.0] * 10, None, *[3.0] * 10, None)
    bands = [mark for mark in panel.marks if type(mark).__name__ == "Band"]
    assert bands[0].x == (4, 8)
    assert bands[2].low[0] == pytest.approx(2 - math.sqrt(4 / 3), abs=1e-3)
    assert "lowest at epoch 6 (95 % interval 4 to 8)" in chart.alt
    assert "over-fits from epoch 9" in chart.alt


def test_the_best_few_and_the_baseline_come_first() -> None:
    origins = ["tuner"] * 8 + ["baseline", "tuner"]
    trials = [
        Made(replace(BASE, layers=(n + 1,)), replace(POINT, best_value=1.0 + n), origin=origin)
        for n, origin in enumerate(origins)
    ]
    curves = {f"run{number}": straight() for number in range(1, 11)}
    chart = interactive.learning_curves(replace(made_report(trials), curves=curves))
    ranks = [int(view.name.partition(".")[0]) for view in chart.views]
    assert ranks == [1, 2, 3, 4, 5, 9, 6, 7, 8, 10]
    assert chart.views[5].name == "9. ▲ 9 (baseline): overfits"
    assert chart.pictured == 6
    assert [bool(marks_of(chart, Line, view)["single folds or seeds"].x) for view in range(10)] == [True] * 6 + [
        False
    ] * 4


def test_learning_curves_of_long_trainings_keep_both_ends_and_the_marked_epochs() -> None:
    point = replace(POINT, epochs=1000, best_epoch=333, onset=707)
    report = replace(made_report([Made(BASE, point)]), curves={"run1": straight(epochs=1000)})
    chart = interactive.learning_curves(report)
    epochs = marks_of(chart, Line)["validation"].x
    assert len(epochs) <= 100
    assert {1, 333, 707, 1000} <= set(epochs)


def test_learning_curves_of_a_single_fit_without_training_curves() -> None:
    point = replace(POINT, fits=1, folds=1, repeats=1, best_epoch_low=None, best_epoch_high=None, onset=None)
    only = {MONITOR: straight(1)[MONITOR]}
    chart = interactive.learning_curves(replace(made_report([Made(BASE, point)]), curves={"run1": only}))
    figure = go.Figure(plotly_figure(chart))
    drawn = [trace.name for trace in figure.data if trace.y]
    assert [name for name in drawn if name] == ["validation", "best epoch"]


def test_all_curves_put_the_best_on_top() -> None:
    report = made_report([Made(BASE, POINT), Made(replace(BASE, layers=(8,)), replace(POINT, best_value=0.4))])
    chart = interactive.all_curves(replace(report, curves={"run1": straight(), "run2": straight()}))
    lines = [mark for mark in chart.views[0].panels[0].marks if isinstance(mark, Line)]
    assert [line.hover[0] for line in lines] == ["64-64", "8"]
    assert [line.width for line in lines] == [1.2, 3.0]
    assert "2 of 2 rise again for sure, half of those by epoch 9" in chart.alt
    assert interactive.all_curves(replace(report, curves={"run1": straight()})) is None


def test_settings_have_epochs_with_intervals_and_severity() -> None:
    chart = interactive.over_settings(four())
    assert [view.name for view in chart.views] == ["units", "hidden layers"]
    units, _ = chart.views[0].panels
    assert units.x.log and not chart.views[1].panels[0].x.log
    points = marks_of(chart, Points)
    overfits = points["overfits"]
    assert overfits.y == (6.0, 6.0)
    assert (overfits.low, overfits.high) == ((4, 4), (8, 8))
    assert overfits.last == ("units 64", "units 8")
    assert overfits.hollow == (False, False)
    improving = points["still improving"]
    assert improving.y == (10.0,) and improving.hollow == (True,)
    assert points["may lie beyond the end"].y == (10.75,)
    assert {points[str(verdict)].symbol for verdict in Verdict if verdict is not Verdict.DIVERGED} == {
        "triangle-up",
        "triangle-down",
        "square",
        "diamond",
    }
    severity = [mark for mark in chart.views[0].panels[1].marks if isinstance(mark, Points)]
    assert severity[0].y == (0.2, 0.2)


def test_a_setting_moved_apart_stays_near_its_value() -> None:
    trials = [Made(replace(BASE, batch_size=size, dropout=i / 100)) for i, size in enumerate([128, 256, 512] * 5)]
    chart = interactive.over_settings(made_report(trials))
    view = next(index for index, view in enumerate(chart.views) if view.name == "batch size")
    points = marks_of(chart, Points, view)["overfits"]
    for place, said in zip(points.x, points.last, strict=True):
        assert abs(math.log2(place / float(said.removeprefix("batch size ")))) < 0.3
    assert len(set(points.x)) == 15


def test_zero_keeps_a_place_beside_a_logarithmic_scale() -> None:
    (of,) = varied([replace(BASE, l2=l2) for l2 in (0.0, 1e-4, 1e-3)])
    assert of.axis.log
    assert of.axis.ticks == ((1e-5, "0"), (1e-4, "0.0001"), (1e-3, "0.001"))
    assert of.places == (1e-5, 1e-4, 1e-3)


def test_what_has_no_effect_has_no_place() -> None:
    found = {of.setting.name: of for of in varied([BASE, replace(BASE, layers=(), activation="tanh")])}
    assert set(found) == {"depth"}  # one network has units and an activation, so neither varies
    bottleneck = replace(BASE, layers=(8, 4))
    found = {of.setting.name: of for of in varied([BASE, bottleneck, replace(BASE, layers=())])}
    assert found["units"].values == (64, 8, None) and found["units"].places[2] is None
    assert found["units_2"].values == (64, 4, None)
    assert found["units"].setting.words == "units of the first hidden layer"


def test_units_by_depth_shows_the_best_of_each_cell() -> None:
    chart = interactive.units_by_depth(four())
    (cells,) = [mark for mark in chart.views[0].panels[0].marks if isinstance(mark, Cells)]
    shown = {(cell.x, cell.y): cell for cell in cells.cells}
    assert shown[1, 1].texts == ("0.500", "▲ 6") and shown[1, 1].shade == 1
    assert shown[0, 1].texts == ("0.700", "▼ ≥ 10")
    assert shown[0, 0].shade == 0
    assert "best of 1 configuration here" in shown[0, 0].hover
    assert "0.5000, is found with 64 units and 2 hidden layers" in chart.alt
    three = [Made(BASE), Made(replace(BASE, layers=(8,))), Made(replace(BASE, layers=(8, 8)))]
    assert interactive.units_by_depth(made_report(three)) is None


def test_many_widths_are_put_together_by_powers_of_two() -> None:
    trials = [Made(replace(BASE, layers=(units,) * depth)) for units in range(4, 20) for depth in (1, 2)]
    chart = interactive.units_by_depth(made_report(trials))
    assert [text for _, text in chart.views[0].panels[0].x.ticks] == ["4 to 7", "8 to 15", "16 to 31"]


def test_parallel_axes_end_in_best_epoch_and_value() -> None:
    chart = interactive.parallel(four())
    (panel,) = chart.views[0].panels
    assert [text for _, text in panel.x.ticks] == ["units", "hidden layers", "best epoch", MONITOR]
    lines = [mark for mark in panel.marks if isinstance(mark, Line) and mark.hover]
    best = next(line for line in lines if line.width > 3)
    assert best.y[2:] == (0.4286, 0.0)  # epoch 6 between 3 and 10; the lowest value
    assert {line.name for line in lines} == {"overfits", "still improving", "plateau", ""}


def test_every_parallel_axis_is_labelled_and_has_a_place_for_no_effect() -> None:
    trials = [Made(replace(BASE, dropout=share / 20)) for share in range(10)] + [Made(replace(BASE, layers=()))]
    (panel,) = interactive.parallel(made_report(trials)).views[0].panels
    labels = [mark.texts for mark in panel.marks if isinstance(mark, Texts)]
    assert len(labels) == len(panel.x.ticks) == 4  # depth, dropout, best epoch, value
    assert labels[1] == ("0", "0.2", "0.4", "–")
    lines = [mark for mark in panel.marks if isinstance(mark, Line) and mark.hover]
    assert all(None not in line.y for line in lines)


def test_importance_is_sorted_and_says_shares() -> None:
    chart = interactive.importance(four(), SHARES, {"depth": 0.5})
    value, severity = chart.views[0].panels[0].marks
    assert value.lengths == (0.05, 0.25, 0.7)
    assert severity.lengths == (0.0, 0.5, 0.0) and severity.hatched
    assert [text for _, text in chart.views[0].panels[0].y.ticks] == ["learning rate", "hidden layers", "units"]
    assert "units (70 %), hidden layers (25 %) and learning rate (5 %)" in chart.alt
    assert len(interactive.importance(four(), SHARES).views[0].panels[0].marks) == 1


def test_history_steps_down_and_rings_what_was_not_searched() -> None:
    trials = [
        Made(BASE, replace(POINT, best_value=0.8), origin="baseline"),
        Made(replace(BASE, layers=(9,)), None, status="FAILED"),
        Made(replace(BASE, layers=(8,)), replace(POINT, best_value=0.9)),
        Made(replace(BASE, layers=(7,)), replace(POINT, best_value=0.5)),
    ]
    chart = interactive.history(made_report(trials))
    line = marks_of(chart, Line)["best so far"]
    assert (line.x, line.y, line.step) == ((1, 3, 4, 4), (0.8, 0.8, 0.5, 0.5), True)
    assert marks_of(chart, Points)["overfits"].x == (1, 3, 4)
    assert marks_of(chart, Points)["baseline or documented"].x == (1,)
    assert "was found by trial 4 of 4" in chart.alt
    assert chart.note == "1 trial without a result is left out."


def test_time_against_quality_letters_the_front() -> None:
    chart = interactive.time_against_quality(four())
    front = marks_of(chart, Line)["nothing is both faster and better"]
    assert (front.x, front.y) == ((1.0, 4.0), (0.6, 0.5))
    assert chart.views[0].panels[0].x.log
    assert marks_of(chart, Points)[""].labels == ("A", "B")
    assert chart.note == "A: 64 (1.0 s, 0.6000); B: 64-64 (4.0 s, 0.5000)."


def test_front_of_equals_has_the_first() -> None:
    assert pareto_front([1.0, 1.0, 2.0], [0.5, 0.5, 0.5]) == [0]


def test_capacity_is_in_order_of_size() -> None:
    chart = interactive.capacity(four())
    points = marks_of(chart, Points)
    assert points["at the best epoch"].x == (100.0, 300.0, 1000.0, 2000.0)
    assert points["at the best epoch"].y == (0.1, 0.02, 0.1, 0.1)
    assert points["at the last epoch"].y == (0.3, 0.02, 0.3, 0.3)
    assert chart.views[0].panels[0].x.log


def test_nothing_to_show_is_none() -> None:
    one = made_report([Made(BASE)])
    assert make_charts(one) == ()
    assert make_charts(made_report([Made(BASE, None, status="FAILED")])) == ()
    same = made_report([Made(BASE, seconds=None, parameters=None)] * 2)
    assert [chart.name for chart in make_charts(replace(same, curves={"run1": {}}), {"units": 0.0})] == ["history"]
    flat = made_report([Made(BASE, replace(POINT, epochs=1, best_epoch=1, onset=None))])
    assert interactive.learning_curves(replace(flat, curves={"run1": straight(epochs=1)})) is None


def test_views_must_have_the_same_marks() -> None:
    axis = Axis("", 0, 1)
    views = (View("a", (Panel(axis, axis, (Line("", "ink", (), ()),)),)), View("b", (Panel(axis, axis, ()),)))
    with pytest.raises(ValueError, match="different marks"):
        Chart("c", "t", "a", views)


# As plotly has it


def test_every_chart_is_a_valid_plotly_figure_and_says_what_it_shows(charts) -> None:
    assert [chart.name for chart in charts] == [
        "learning-curves",
        "all-curves",
        "settings",
        "units-depth",
        "parallel",
        "importance",
        "history",
        "time",
        "capacity",
    ]
    for chart in charts:
        figure = go.Figure(plotly_figure(chart))
        assert figure.data and chart.alt.endswith(".") and len(chart.alt) > 60
        assert "@" not in json.dumps(plotly_figure(chart))


def test_a_menu_offers_every_view(charts) -> None:
    chart = charts[2]
    (menu,) = plotly_figure(chart)["layout"]["updatemenus"]
    assert [button["label"] for button in menu["buttons"]] == [view.name for view in chart.views]
    figure = plotly_figure(chart)
    first, _ = menu["buttons"][0]["args"]
    assert first["x"] == [trace["x"] for trace in figure["data"]]


def test_colours_are_filled_in_under_their_names_only() -> None:
    made = {"text": "@ink", "line": {"color": "@ink"}, "colorscale": [[0, "@accent/0.5"]], "x": ["@ink"]}
    assert filled_in(made) == {
        "text": "@ink",
        "line": {"color": "#1b1f24"},
        "colorscale": [[0, "rgba(0,114,178,0.5)"]],
        "x": ["@ink"],
    }


def test_colours_are_those_of_the_style_sheet() -> None:
    css = templates(html=True).get_template("style.css").render()
    light, dark = (dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{6})", part)) for part in css.split("@media")[:2])
    assert light.items() >= LIGHT.items()
    assert dark.items() >= DARK.items()
    assert set(re.findall(r"var\(--([a-z-]+)\)", css)) <= {*LIGHT, "of-verdict"}


def test_no_colour_stands_outside_the_palette() -> None:
    palette = Path(palette_module.__file__)
    elsewhere = [
        f"{path.name}: {colour}"
        for path in palette.parent.parent.rglob("*")
        if path.suffix in (".py", ".css", ".js", ".j2") and path != palette
        for colour in re.findall(r"(?<!&)#(?:[0-9a-fA-F]{3}){1,2}\b", path.read_text("utf-8"))
    ]
    assert not elsewhere


def test_texts_of_users_are_shown_as_they_are() -> None:
    trials = [Made(BASE, origin=f"documented: {EVIL}", name=f"{EVIL} a"), Made(replace(BASE, layers=(8,)), name="b")]
    report = made_report(trials, title=EVIL)
    curves = {"run1": straight(), "run2": straight()}
    for chart in make_charts(replace(report, curves=curves), {EVIL: 1.0}):
        for text in _texts(plotly_figure(chart)):
            assert re.sub(r"</?b>|<br>|<extra></extra>", "", text).count("<") == 0, text
        for text in _templates(plotly_figure(chart)):
            assert "example.org" not in text
        markup = figure_markup(chart)
        assert "<script>alert" not in markup and "<a " not in markup and "\u2028" not in markup.split("<script")[1]
        Page(markup)
    assert safe(LINK) == '&lt;a href="http://example.org"&gt;link&lt;/a&gt;'


def _texts(content) -> list[str]:
    if isinstance(content, dict):
        return [text for key, value in content.items() if "template" not in key for text in _texts(value)]
    if isinstance(content, list | tuple):
        return [text for value in content for text in _texts(value)]
    return [content] if isinstance(content, str) else []


def _templates(figure) -> list[str]:
    return [trace["hovertemplate"] for trace in figure["data"] if "hovertemplate" in trace]


# In a page


def test_json_cannot_leave_its_script() -> None:
    text = json_text({"a": "</script><!-- & \u2028\u2029"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"a": "</script><!-- & \u2028\u2029"}
    with pytest.raises(ValueError):
        json_text(float("nan"))


def test_parts_of_a_page(charts) -> None:
    parts = embed(charts)
    assert list(parts.figures) == [chart.name for chart in charts]
    page = Page("".join(parts.figures.values()))
    areas = [attributes for _, attributes in page.elements if attributes.get("role") == "img"]
    assert len(areas) == len(charts)
    assert all(area["aria-label"] and area["tabindex"] == "0" for area in areas)
    assert [a["data-for"] for t, a in page.elements if t == "select"] == ["chart-learning-curves", "chart-settings"]
    assert parts.script.count("<script") == 3
    assert len(parts.script) < 5_000_000
    assert embed(()).script == ""
    with pytest.raises(ValueError, match="same name"):
        embed([charts[0], charts[0]])


def test_a_large_sweep_stays_within_the_budget() -> None:
    made = make_charts(searched(200, repeats=1, epochs=100, draws=10), SHARES, SHARES)
    markup = embed(made).figures
    assert len(made) == 9 and len(made[0].views) > 150
    assert sum(len(text.encode()) for text in markup.values()) < BUDGET


# As files


@pytest.mark.parametrize("index", range(9))
def test_files_can_be_read_and_say_what_they_show(charts, index, tmp_path) -> None:
    chart = charts[index]
    if len(chart.views) > 2:
        chart = replace(chart, views=chart.views[:2], pictured=2)
    png, svg = save(chart, tmp_path)
    assert (png.name, svg.name) == (f"{chart.name}.png", f"{chart.name}.svg")
    image = np.asarray(Image.open(png).convert("L"))
    assert image.shape[1] > 800 and (image < 200).mean() > 0.002
    root = ElementTree.parse(svg).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert [root.findtext(f"{space}{name}") for name in ("title", "desc")] == [chart.title, chart.alt]
    text = svg.read_text("utf-8")
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", text))
    assert used and all(f"{name}:#" in text for name in used)


def test_files_of_evil_names_are_well_formed(tmp_path) -> None:
    trials = [Made(BASE, name=f"{EVIL} a"), Made(replace(BASE, layers=(8,)), name="b")]
    chart = interactive.time_against_quality(
        made_report([replace(t, seconds=s) for t, s in zip(trials, (1, 2), strict=True)])
    )
    _, svg = save(chart, tmp_path)
    root = ElementTree.parse(svg).getroot()
    assert "example.org" in (root.findtext("{http://www.w3.org/2000/svg}desc") or "")
    assert not [element for element in root.iter() if element.tag.endswith(("}a", "}script"))]


# Helpers


def test_rounded_and_ticks() -> None:
    assert rounded([1.23456, float("inf"), None]) == (1.235, None, None)
    for low, high in ((1e-4, 0.1), (3, 4), (0.5, 0.52), (1, 1e9)):
        places = [place for place, _ in log_ticks(low, high)]
        assert len(places) >= 2 and places == sorted(places)
