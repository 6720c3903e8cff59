"""The figures of the atlas: learning curves side by side as one setting changes, all on one scale."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipelines.words import counted
from reports.analysis.atlas import Plate, Step
from reports.charts.chart import Chart, View
from reports.charts.curve_charts import small_curves
from reports.charts.inline_svg import panel_figure
from reports.formatting import best_epoch, number
from reports.report import Report, point_of
from reports.tables.configurations import verdict_words

_NOTE = (
    "All on one scale; what lies above it is cut off. Solid: validation, with the deviation of the fits; dashed: "
    "training. Upright lines: the best epoch, with its 95 % interval as a band, and the onset of over-fitting, dashed."
)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A plate of the atlas with its pictures: one for each step that has curves, and the chart for files."""

    plate: Plate
    steps: tuple[tuple[Step, Markup], ...]
    chart: Chart | None


def draw_plate(report: Report, plate: Plate) -> Drawn:
    """The curves of a plate, as small pictures on the page and as one picture in a file."""
    panels = small_curves(report, [step.trial for step in plate.steps])
    shown = [(step, panel) for step, panel in zip(plate.steps, panels, strict=True) if panel is not None]
    pictures = tuple((step, panel_figure(panel, _words(report, plate, step))) for step, panel in shown)
    views = tuple(View(_heading(plate, step), (panel,)) for step, panel in shown)
    if len(views) < 2:
        return Drawn(plate, (), None)
    chart = Chart(
        f"atlas-{plate.name.replace('_', '-')}",
        f"Learning curves as {plate.title} {'changes' if _one(plate) else 'change'}",
        f"Learning curves of {counted(len(views), 'configuration')} that differ in {plate.title} alone. "
        + " ".join(_words(report, plate, step) for step, _ in shown),
        views,
        choice=plate.title,
        note=_NOTE,
        pictured=len(views),
    )
    return Drawn(plate, pictures, chart)


def atlas_note(drawn: Sequence[Drawn]) -> str:
    """How to read the pictures; empty where there are none."""
    return _NOTE if any(of.steps for of in drawn) else ""


def _heading(plate: Plate, step: Step) -> str:
    """``units 16 (baseline): ▲ overfits``."""
    of_baseline = " (baseline)" if step.change is None else ""
    return f"{plate.title} {step.label}{of_baseline}: {verdict_words(point_of(step.trial))}"


def _words(report: Report, plate: Plate, step: Step) -> str:
    point = point_of(step.trial)
    onset = "" if point.onset is None else f", onset {point.onset}"
    value = f"{report.value_name} {number(point.best_value)}"
    return f"{plate.title} {step.label}: {point.verdict}, best epoch {best_epoch(point)}{onset}, {value}."


def _one(plate: Plate) -> bool:
    return plate.title not in ("units", "hidden layers")
