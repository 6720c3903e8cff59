"""All that a report finds in a sweep beyond its ranking, and the answers of its first screen."""

from dataclasses import dataclass

from markupsafe import Markup

from pipelines.words import counted
from reports.analysis.atlas import Plate, find_plates
from reports.analysis.comparing import HonestValue, honest_value
from reports.analysis.importance import Importances, setting_importances
from reports.charts import Chart, make_charts
from reports.charts.atlas_charts import Drawn, atlas_note, draw_plate
from reports.charts.curve_charts import winner_panel
from reports.charts.inline_svg import panel_figure
from reports.report import Report
from reports.tables import answers as told
from reports.tables.advice import Advice, find_advice
from reports.tables.answers import Answer
from reports.tables.atlas import NOTE as ATLAS_NOTE
from reports.tables.atlas import atlas_table, trend_sentence
from reports.tables.by_setting import find_settings
from reports.tables.comparisons import find_differences, find_pairs
from reports.tables.table import Table

#: Settings of the first screen's small figure, the first of which that moves the best epoch is shown.
CAPACITY = ("units", "depth")


@dataclass(frozen=True, eq=False)
class Findings:
    """What a report finds."""

    answers: tuple[Answer, ...]  #: for the first screen
    #: The curves of the best configuration; empty without any.
    winner: Markup
    honest: HonestValue | None  #: what the winner will do on new rows; None where that cannot be told
    atlas: tuple[tuple[Drawn, Table], ...]  #: a setting each: its curves and its table
    capacity: Plate | None  #: what more units or layers do to the best epoch, where that is sure
    #: ``differences``, ``pairs``, ``settings``, ``advice``: tables; see the modules of those names.
    differences: Table | None
    pairs: Table | None
    settings: tuple[Table, ...]
    advice: Advice
    #: Sentences on what the importances of the settings rest on; empty with too few configurations.
    drivers: tuple[str, ...]
    charts: tuple[Chart, ...]  #: figures that have something to show, in the order of the page

    @property
    def capacity_sentence(self) -> str:
        """What that figure shows."""
        return trend_sentence(self.capacity) if self.capacity else ""

    @property
    def atlas_note(self) -> str:
        """How the atlas is to be read."""
        return f"{atlas_note([drawn for drawn, _ in self.atlas])} {ATLAS_NOTE}".strip()

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table, in the order of the page."""
        advised = (self.advice.rules, self.advice.remedies, self.advice.data)
        atlas = (table for _, table in self.atlas)
        found = (*atlas, self.differences, self.pairs, *self.settings, *advised)
        return tuple(table for table in found if table is not None)

    @property
    def pictured(self) -> tuple[Chart, ...]:
        """Every figure that has a file, in the order of the page."""
        return (*(drawn.chart for drawn, _ in self.atlas if drawn.chart is not None), *self.charts)


def find(report: Report) -> Findings | None:
    """Everything there is to find; None where no trial has a result."""
    if not report.ranked:
        return None
    comparison, differences = find_differences(report)
    advice = find_advice(report)
    importances = setting_importances(report) or ()
    # Where the settings explain nothing, their shares are shares of nothing, and not drawn.
    shares = {
        found.target: {varied.name: share for varied, share in zip(found.settings, found.shares, strict=True)}
        for found in importances
        if told.is_told(found)
    }
    settings = find_settings(report)
    plates = find_plates(report)
    answers = [
        told.when_it_overfits(report),
        told.what_drives_it(report, plates, importances, settings),
        told.what_helps(report, plates, advice),
        told.when_to_stop(advice),
        told.how_clear(comparison, report) if comparison is not None and differences is not None else None,
    ]
    panel = winner_panel(report)
    # Sizes of different networks are no curve: a line between them would be one of the networks.
    size = advice.size if advice.size and advice.size.sets else None
    return Findings(
        answers=tuple(answer for answer in answers if answer is not None),
        winner=panel_figure(panel, report.headline, width=560, height=250) if panel else Markup(""),
        honest=honest_value(report),
        atlas=tuple((draw_plate(report, plate), atlas_table(report, plate)) for plate in plates),
        capacity=next((plate for plate in plates if plate.name in CAPACITY and plate.follows_epoch), None),
        differences=differences,
        pairs=find_pairs(report),
        settings=settings,
        advice=advice,
        drivers=tuple(map(_basis_of, importances)),
        charts=make_charts(report, shares.get("best value"), shares.get("severity"), size),
    )


def _basis_of(found: Importances) -> str:
    target = "The best value" if found.target == "best value" else "The severity"
    rests = f"a random forest over {counted(found.configurations, 'configuration')}"
    share = f"{100 * max(found.explained, 0):.0f} % of its variance between configurations that were not seen"
    nothing = "" if told.is_told(found) else "; too little to say which setting matters"
    return f"{target}: {rests}; the settings predict {share}{nothing}."
