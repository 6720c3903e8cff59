"""The report of made sweeps, read back from a store that the tracking package wrote."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.errors import UserError
from pipelines.overfitting.point import Verdict, analyse
from pipelines.tracking.reading import read_sweep, read_trial_curves
from reports import read_report, write_report
from reports.charts.curve_charts import curve_order
from reports.pages.sweep import render_html
from reports.report import make_report, short_labels
from reports.tables.frames import points_frame
from tests.support.report_store import BASE, EVIL, FAILED, LINEAR, MONITOR, WIDE, MadeTrial, Page, Store, rendered

SORT_KEYS = "cells => cells.map(cell => cell.dataset.sort)"


# Reading


def test_trials_are_read_as_they_were_recorded(store: Store, sweep: str) -> None:
    read = read_sweep(sweep, uri=store.uri)
    assert (read.exercise, read.tuner, read.backend, read.monitor) == ("made", "optuna:tpe", "jax", MONITOR)
    assert [trial.status for trial in read.trials] == ["FINISHED"] * 3 + ["FAILED"] * 2
    assert [trial.configuration for trial in read.trials[:3]] == [BASE, WIDE, LINEAR]
    trial = read.trials[0]
    curves = read_trial_curves(trial, uri=store.uri)
    assert curves is not None and curves[MONITOR].shape == (8, 60)
    expected = analyse(curves[MONITOR], curves["mae"], folds=4, repeats=2, validation_ratio=1 / 3, draws=200)
    assert trial.point == expected
    assert (trial.seconds, trial.parameters) == (1.5, 1001)


def test_censoring_survives_the_store(report) -> None:
    improving = report.ranked[-1].point
    assert improving.verdict is Verdict.STILL_IMPROVING and improving.censored
    assert not any(trial.point.censored for trial in report.ranked[:2])


def test_more_trials_than_one_page_of_the_search(store: Store, sweep: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.tracking.runs.PAGE", 2)
    assert len(read_sweep(sweep, uri=store.uri).trials) == 5


def test_curves_are_read_where_they_are_asked_for_and_once(store: Store, sweep: str, monkeypatch) -> None:
    asked: list[str] = []

    def read(trial, *, uri: str):
        asked.append(trial.run_id)
        return read_trial_curves(trial, uri=uri)

    monkeypatch.setattr("reports.report.read_trial_curves", read)
    read_again = read_report(sweep, tracking_uri=store.uri)
    assert len(points_frame(read_again)) == 5 and read_again.headline and asked == []
    best = read_again.best.run_id
    assert read_again.curves[best][MONITOR] is read_again.curves[best][MONITOR]
    assert asked == [best]
    read_again.read_curves()
    assert sorted(asked) == sorted(trial.run_id for trial in read_again.ranked)
    failed = next(trial for trial in read_again.others if trial.configuration == FAILED)
    assert failed.run_id not in read_again.curves and "nobody" not in read_again.curves


@pytest.mark.parametrize("unknown", ["0123456789abcdef0123456789abcdef", "no-such-run", ""])
def test_unknown_run_is_named(store: Store, sweep: str, unknown: str) -> None:
    with pytest.raises(UserError, match=re.escape(repr(unknown))):
        read_report(unknown, tracking_uri=store.uri)


def test_a_trial_is_no_sweep_and_its_sweep_is_named(store: Store, sweep: str, report) -> None:
    with pytest.raises(UserError, match=f"single trial.*{sweep}"):
        read_report(report.ranked[0].run_id, tracking_uri=store.uri)


def test_a_run_of_something_else_is_refused(store: Store, sweep: str) -> None:
    from mlflow import MlflowClient

    run = MlflowClient(store.uri).create_run("0").info.run_id
    with pytest.raises(UserError, match="not a sweep"):
        read_report(run, tracking_uri=store.uri)


def test_a_continued_sweep_names_its_heir(store: Store) -> None:
    from mlflow import MlflowClient

    emptied = store.fill([], title="continued")
    MlflowClient(store.uri).set_tag(emptied, "atlas.continued_by", "the-heir")
    with pytest.raises(UserError, match="the-heir"):
        read_report(emptied, tracking_uri=store.uri)


# The answer in words


def test_the_lowest_value_at_its_best_epoch_is_chosen(report) -> None:
    assert [trial.configuration for trial in report.ranked] == [WIDE, BASE, LINEAR]
    point = report.best.point
    assert report.headline == (
        f"Choose 512 tanh and train it for {point.best_epoch} epochs "
        f"(95 % interval {point.best_epoch_low} to {point.best_epoch_high})."
    )


def test_remarks_count_the_verdicts(report) -> None:
    onsets = sorted(trial.point.onset for trial in report.ranked[:2])
    first, rest, closeness = report.remarks
    assert first.startswith(f"2 of 3 configurations over-fit, from epoch {onsets[0]} and {onsets[1]} on.")
    assert rest == "1 was still improving at the end, 1 diverged and 1 failed or was cut off."
    assert "seeds" in closeness


def test_close_competitors_leave_the_choice_open(report) -> None:
    first, second, third = report.sweep.trials[1], report.sweep.trials[0], report.sweep.trials[2]
    value = first.point.best_value
    close = replace(second, point=replace(second.point, best_value=value + 0.01))
    first = replace(first, point=replace(first.point, sd_seeds=0.02))
    remarks = make_report(replace(report.sweep, trials=(first, close, third))).remarks
    assert "1 other lies within the deviation between seeds of it" in remarks[-1]
    # Whichever of the two moves more with the seed counts.
    steady, shaky = (
        replace(trial, point=replace(trial.point, sd_seeds=deviation))
        for trial, deviation in ((first, 0.001), (close, 0.02))
    )
    remarks = make_report(replace(report.sweep, trials=(steady, shaky, third))).remarks
    assert "1 other lies within the deviation between seeds of it" in remarks[-1]
    remarks = make_report(replace(report.sweep, trials=(first, replace(second, point=third.point)))).remarks
    assert "The runner-up is further behind than the deviation between seeds (±" in remarks[-1]
    alone = replace(first, point=replace(first.point, sd_seeds=None))
    assert "single seed" in make_report(replace(report.sweep, trials=(alone, close))).remarks[-1]


@pytest.mark.parametrize(
    ("verdict", "best", "said"),
    [
        (Verdict.STILL_IMPROVING, 60, "train it for 60 epochs or more: it was still improving."),
        (
            Verdict.PLATEAU,
            60,
            "may lie beyond the 60 that were trained; after epoch 7 nothing is gained for sure.",
        ),
        (
            Verdict.PLATEAU,
            30,
            "train it for 30 epochs (95 % interval 20 to ≥ 60); going on neither helps nor surely harms.",
        ),
    ],
)
def test_headline_of_a_curve_that_never_turned(report, verdict: Verdict, best: int, said: str) -> None:
    trial = report.ranked[-1]
    point = replace(trial.point, verdict=verdict, best_epoch=best, best_epoch_low=20, one_se_epoch=7)
    assert make_report(replace(report.sweep, trials=(replace(trial, point=point),))).headline.endswith(said)


def test_headline_names_widths_as_such(report) -> None:
    trials = [replace(report.best, run_id=name, name=name) for name in ("16-16 adam", "4 adam")]
    assert "Choose hidden layers 16-16 and" in make_report(replace(report.sweep, trials=tuple(trials))).headline
    assert "Choose hidden layer 4 and" in make_report(replace(report.sweep, trials=tuple(trials[::-1]))).headline


def test_labels_leave_out_what_is_common() -> None:
    assert short_labels(["64-64 relu adam lr=0.1", "none adam lr=0.1"]) == (
        ["64-64 relu", "no hidden layer"],
        "adam lr=0.1",
    )
    assert short_labels(["4 lr=0.0113673 batch=16", "8"])[0] == ["4 lr=0.0114 batch=16", "8"]
    assert short_labels(["64 relu adam"]) == (["64 relu adam"], "")
    assert short_labels([]) == ([], "")


def test_two_networks_never_have_one_label(report) -> None:
    near, far = (replace(BASE, dropout=dropout).canonical() for dropout in (0.25, 0.2501))
    trials = [
        replace(report.best, run_id=str(at), configuration=of, name=of.label) for at, of in enumerate((near, far, near))
    ]
    labels = make_report(replace(report.sweep, trials=tuple(trials))).labels
    assert labels["0"] == labels["2"]
    assert labels["1"] == f"{labels['0']} #{far.hash[:4]}"


# The page


def test_page_is_well_formed_and_needs_nothing_else(written, report) -> None:
    text = written.html.read_text(encoding="utf-8")
    page = Page(text)
    for _, attributes in page.elements:
        assert not {"src", "onclick", "action"} & set(attributes)
    # What plotly.js could do, were it asked to, the test in a browser sees it not do.
    own = re.sub(r"<script>/\*\*.*?</script>", "", text, flags=re.DOTALL)
    own = re.sub(r'<a class="run" href="http[^"]*"', "", own)
    assert len(own) < 0.1 * len(text)
    assert "url(" not in own and "@import" not in own and "http" not in own
    assert "localStorage" not in own and "cookie" not in own
    assert len(text) < 8_000_000
    # Every link leads to a section of the page, or to the run of a trial in the MLflow UI.
    links = {attributes["href"] for tag, attributes in page.elements if tag == "a" and "class" not in attributes}
    sections = {f"#{attributes.get('id')}" for _, attributes in page.elements}
    assert links and links <= sections
    runs = {attributes["href"] for _, attributes in page.elements if attributes.get("class") == "run"}
    place = f"http://127.0.0.1:5000/#/experiments/{report.sweep.experiment_id}/runs"
    assert runs == {f"{place}/{trial.run_id}" for trial in report.ranked}
    # The contents name every section but the first screen, in the order of the page.
    headed = re.findall(r'<section id="(\w+)"', text)
    assert re.findall(r'<a href="#(\w+)">', text.partition("</nav>")[0]) == headed
    # A configuration's name leads to its curves: the view of that number.
    views = {
        attributes["data-view"]: attributes["title"] for _, attributes in page.elements if "data-view" in attributes
    }
    assert views == {str(view): f"{trial.name}: its curves" for view, trial in enumerate(curve_order(report))}


def test_page_shows_every_configuration_and_reason(written, report) -> None:
    text = Page(written.html.read_text(encoding="utf-8")).text
    assert report.headline in text
    for label in report.labels.values():
        assert label in text
    assert "1 of 8 fits diverged, the first at epoch 31." in text
    for heading in (
        "Where each configuration",
        "Learning curves",
        "Beside the textbook",
        "Without a result",
        "What was run",
    ):
        assert heading in text


def test_names_and_reasons_are_escaped(written) -> None:
    page = Page(written.html.read_text(encoding="utf-8"))
    types = {attributes.get("type") for tag, attributes in page.elements if tag == "script"}
    assert types == {None, "application/json"}
    assert page.scripts == 3  # plotly.js, what draws with it, tables
    assert page.text.count(EVIL) >= 4  # title, origin, figure's note, reason
    for text in (written.markdown.read_text(encoding="utf-8"), written.summary):
        assert "<script" not in text
    markdown = written.markdown.read_text(encoding="utf-8")
    assert "&lt;script>alert('x')&lt;/script> &#124; **bold**" in markdown
    assert not set(re.findall(r"&#?\w+;", markdown)) - {"&lt;", "&#124;"}  # quotes stay as they are
    ranking = markdown.partition("## All configurations")[2].partition("\n## ")[0]
    rows = [line for line in ranking.splitlines() if re.match(r"\| \d+ \|", line)]
    assert {row.count("|") for row in rows} == {18}
    for table in re.findall(r"(?:^\|.*\n)+", markdown, flags=re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_page_of_a_run_name_that_is_markup(report) -> None:
    trial = replace(report.ranked[0], configuration=None, name=EVIL)
    page = Page(render_html(make_report(replace(report.sweep, trials=(trial,)))))
    assert page.count("script") == 1
    assert EVIL.split(" | ", maxsplit=1)[0] in page.text


def curve_choices(page: Page) -> list[str]:
    """What the figure of learning curves offers; none without the figure."""
    if ("chart-learning-curves", True) not in [(a.get("id"), t == "div") for t, a in page.elements]:
        return []
    selects = [i for i, (tag, a) in enumerate(page.elements) if a.get("data-for") == "chart-learning-curves"]
    rest = [tag for tag, _ in page.elements[selects[0] + 1 :]] if selects else []
    count = next((i for i, tag in enumerate(rest) if tag != "option"), len(rest)) if selects else 1
    first = page.words.index("Learning curves, training against validation")
    return [word for word in page.words[first:] if word.strip()][2 : 2 + count] if selects else [""]


def test_forest_has_a_row_for_each_result_and_its_curves_can_be_chosen(written, report) -> None:
    page = Page(written.html.read_text(encoding="utf-8"))
    rows = [a for t, a in page.elements if t == "div" and a.get("class") == "row" and "data-verdict" in a]
    assert [a["data-verdict"] for a in rows] == ["overfits", "overfits", "still-improving"]
    choices = curve_choices(page)
    assert len(choices) == 3
    for rank, (choice, trial) in enumerate(zip(choices, report.ranked, strict=True), start=1):
        assert choice.startswith(f"{rank}. ") and report.labels[trial.run_id] in choice
        assert choice.endswith(f": {trial.point.verdict}")
    assert "(baseline)" in choices[1] and f"(documented: {EVIL})" in choices[2]


def test_facts_of_the_run(written, sweep: str) -> None:
    text = Page(written.html.read_text(encoding="utf-8")).text
    assert "made, 404 training samples, inputs of 13" in text
    assert "4-fold, 2 repeats = 8 fits a configuration; 303 rows to train on, 101 to validate" in text
    assert "Python 3.11.7, keras 3.15.1, jax 0.10.2" in text
    assert "A processor, 2 cores, 23.4 GiB memory" in text
    assert sweep in text


def test_report_is_kept_with_the_run(store: Store, sweep: str, written) -> None:
    from mlflow import MlflowClient

    kept = {artifact.path for artifact in MlflowClient(store.uri).list_artifacts(sweep, "report")}
    assert kept >= {"report/report.html", "report/report.md", "report/overfitting.csv"}


def test_report_may_be_written_without_touching_the_run(store: Store, tmp_path: Path, monkeypatch) -> None:
    from mlflow import MlflowClient

    run = store.fill([MadeTrial(BASE)], title="left alone", epochs=20)
    monkeypatch.chdir(tmp_path)
    paths = write_report(run, tracking_uri=store.uri, log_to_run=False)
    assert paths.folder == Path("report") / f"made-{run[:8]}"
    assert paths.html.is_file() and paths.csv.is_file()
    assert MlflowClient(store.uri).list_artifacts(run, "report") == []


def test_folder_that_cannot_be_written(store: Store, sweep: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match="taken"):
        write_report(sweep, tracking_uri=store.uri, output=tmp_path / "taken", log_to_run=False)


def test_missing_artifacts_leave_a_report_without_curves(store: Store, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    run = store.fill([MadeTrial(BASE), MadeTrial(WIDE, "plateau")], title="gone", epochs=20)
    for child in read_sweep(run, uri=store.uri).trials:
        shutil.rmtree(Path(child.artifacts.removeprefix("file://")))
    root = MlflowClient(store.uri).get_run(run).info.artifact_uri
    (Path(root.removeprefix("file://")) / "sweep.json").write_text("not json")
    page = Page(write_report(run, tracking_uri=store.uri, output=tmp_path, log_to_run=False).html.read_text("utf-8"))
    assert curve_choices(page) == []
    assert page.text.count("512 tanh") >= 2


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ([], "This sweep has no trials yet"),
        (
            [MadeTrial(BASE, diverges=True), MadeTrial(FAILED, failure="too big")],
            "None of the 2 trials of this sweep has a result.",
        ),
    ],
)
def test_sweep_without_a_result(store: Store, tmp_path: Path, trials, said: str) -> None:
    run = store.fill(trials, title=said, epochs=20)
    paths = write_report(run, tracking_uri=store.uri, output=tmp_path, log_to_run=False)
    page = Page(paths.html.read_text(encoding="utf-8"))
    assert said in page.text and said in paths.summary and said in paths.markdown.read_text(encoding="utf-8")
    assert page.count("table", "sortable") == 0
    assert len(paths.csv.read_text(encoding="utf-8").splitlines()) == 1 + len(trials)
    assert said in rendered(read_report(run, tracking_uri=store.uri))


def test_single_fits_have_no_interval(store: Store, tmp_path: Path) -> None:
    run = store.fill([MadeTrial(BASE), MadeTrial(WIDE, "plateau")], folds=1, repeats=1, epochs=20, title="hold-out")
    text = Page(
        write_report(run, tracking_uri=store.uri, output=tmp_path, log_to_run=False).html.read_text("utf-8")
    ).text
    assert "one fit, no interval" in text
    assert "A single fit has no interval" in text
    assert "hold-out, 1 repeat = 1 fit a configuration" in text


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_short_trainings(store: Store, tmp_path: Path, epochs: int) -> None:
    run = store.fill([MadeTrial(BASE)], epochs=epochs, title="short")
    page = Page(write_report(run, tracking_uri=store.uri, output=tmp_path, log_to_run=False).html.read_text("utf-8"))
    assert len(curve_choices(page)) == (epochs > 1)  # one epoch is no curve
    assert "nan" not in page.text


# In a browser


@pytest.mark.browser
def test_table_sorts_and_filters_and_fits_a_telephone(written, browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith("file:") else complaints.append(asked.url))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(written.html.absolute().as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    table = page.locator("#table-configurations")

    def ranks() -> list[str]:
        cells = table.locator("tbody tr:visible td:first-child[data-sort]")
        return [text.strip() for text in cells.all_inner_texts()]

    assert ranks() == ["1", "2", "3"]
    table.locator("th", has_text="#").click()
    assert ranks() == ["3", "2", "1"]
    onset = table.locator("th[title^='Where the curve rises']")
    onset.click()
    ascending = ranks()
    onset.click()
    assert ranks() == [ascending[1], ascending[0], "3"]  # without an onset: last, both ways
    page.locator(".filters button", has_text="still improving").click()
    assert ranks() == ["3"]
    assert page.locator(".forest-plot .row[data-verdict]:visible").count() == 1
    page.locator(".filters button", has_text="all").click()
    assert len(ranks()) == 3
    page.locator(".filters input").fill("512 tanh")
    assert len(ranks()) == page.locator(".forest-plot .row[data-verdict]:visible").count() == 1
    page.locator(".filters input").fill("no such setting")
    assert ranks() == []
    page.locator(".filters input").fill("")
    page.locator("details.table", has=page.locator("#table-stopping_rules")).locator("summary").click()
    other = page.locator("#table-stopping_rules")
    other.locator("th", has_text="epochs saved").click()
    saved = [float(text) for text in other.locator("tbody td:nth-child(5)").evaluate_all(SORT_KEYS)]
    assert saved == sorted(saved) and len(set(saved)) > 3
    for figure in page.locator(".chart-area").all():
        figure.scroll_into_view_if_needed()
        figure.locator("svg.main-svg").first.wait_for()
    assert page.locator(".chart-area").count() >= 4
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert complaints == []
