"""The atlas: pairs that differ in one setting, their paired differences, and what is said of them."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.exercises.configurations import Configuration
from pipelines.overfitting.point import Verdict, analyse
from pipelines.overfitting.statistics import best_for_others, paired_error
from reports.analysis.atlas import find_plates
from reports.formatting import percent
from reports.pages.findings import find
from reports.pages.sweep import render_html, render_markdown
from reports.report import Report
from reports.settings import single_change
from reports.tables.answers import verdict_sentence
from reports.tables.atlas import atlas_table, plate_sentences
from reports.tables.configurations import winner_settings
from tests.support.made_reports import EPOCHS, FOLDS, REPEATS, SPLITS, made_report

BASE = Configuration(layers=(64, 64), optimizer="adam")
RATIO = 1 / 3
#: Of each fit, in all configurations: some rows are hard.
OFFSETS = np.tile([-0.3, -0.1, 0.1, 0.3], REPEATS).reshape(-1, 1)


def turning_at(epoch: int, *, value: float = 1.0, noise: int = 0, steep: float = 0.8) -> np.ndarray:
    """Curves, (fits, epochs), that fall to ``value`` at an epoch and rise again by ``steep`` a training."""
    times = np.arange(1, EPOCHS + 1)
    away = np.where(times < epoch, 2.0 * (epoch - times), steep * (times - epoch)) / EPOCHS
    wander = np.random.default_rng(noise).normal(0, 0.01, (FOLDS * REPEATS, EPOCHS))
    return (value + away + OFFSETS + wander).astype(np.float32)


def made(curves: dict[Configuration, np.ndarray], base: Configuration = BASE) -> Report:
    points = [
        (configuration, analyse(of, 0.5 * of, folds=FOLDS, repeats=REPEATS, validation_ratio=RATIO))
        for configuration, of in curves.items()
    ]
    stored = {f"run{at}": {"val_loss": of, "loss": 0.5 * of} for at, of in enumerate(curves.values())}
    details = {"splits": SPLITS, "exercise": {"baseline": vars(base)}}
    return made_report(points, details=details, curves=stored)


def widths(**of: tuple[int, float]) -> dict[Configuration, np.ndarray]:
    """Curves by width (``w16``): where they turn, and at which value."""
    return {
        replace(BASE, layers=(int(name[1:]),) * 2): turning_at(epoch, value=value, noise=at)
        for at, (name, (epoch, value)) in enumerate(of.items())
    }


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, None),
        ({"layers": (16, 16)}, ("units", 64, 16)),
        ({"layers": (64,)}, ("depth", 2, 1)),
        ({"layers": (), "activation": "tanh", "dropout": 0.5}, ("depth", 2, 0)),  # nothing there to activate or drop
        ({"layers": (64, 8)}, ("units_2", 64, 8)),
        ({"layers": (16, 8)}, None),
        ({"layers": (16, 16, 16)}, None),
        ({"dropout": 0.5}, ("dropout", 0.0, 0.5)),
        ({"dropout": 0.5, "l2": 0.1}, None),
        ({"schedule": "exponential", "decay_rate": 0.5}, ("schedule", "constant", "exponential 0.5")),
        ({"decay_rate": 0.5}, None),
    ],
)
def test_the_one_setting_in_which_two_networks_differ(changed, found) -> None:
    assert single_change(BASE, replace(BASE, **changed)) == found


def test_curves_at_one_level_are_drawn_all_the_same() -> None:
    level = np.full((FOLDS * REPEATS, EPOCHS), 0.7, np.float32)
    report = made({replace(BASE, layers=(width, width)): level for width in (16, 64, 256)})
    report = replace(report, curves={run: {"val_loss": level} for run in report.curves})
    plates = find(report).atlas
    assert [len(drawn.steps) for drawn, _ in plates] == [3]
    assert "nan" not in "".join(picture for drawn, _ in plates for _, picture in drawn.steps)


def test_differences_are_those_of_paired_fits() -> None:
    report = made(widths(w64=(40, 1.0), w16=(60, 1.3)))
    (plate,) = find_plates(report)
    assert [(step.label, step.change is None) for step in plate.steps] == [("16", False), ("64", True)]
    found = plate.steps[0].change
    first, second = (report.curves[step.trial.run_id]["val_loss"].astype(float) for step in plate.steps[::-1])
    smoothed = [_smooth(of) for of in (first, second)]
    fits = np.arange(FOLDS * REPEATS)
    at_best = [of[fits, best_for_others(line, REPEATS)] for of, line in zip((first, second), smoothed, strict=True)]
    differences = at_best[1] - at_best[0]
    assert found.value.value == pytest.approx(differences.mean())
    half = 2.3646242510102993 * float(paired_error(differences, FOLDS, REPEATS, RATIO))  # t(.975, 7)
    assert (found.value.low, found.value.high) == pytest.approx((differences.mean() - half, differences.mean() + half))
    # What is hard in both of a pair does not count: the interval is far narrower than the fits lie apart.
    assert half < 0.1 * first.min(axis=1).std()
    assert found.value.low < 0.3 < found.value.high
    assert found.epoch.low <= 20 <= found.epoch.high and abs(found.epoch.value - 20) <= 4
    assert found.sure_of == ("value", "best epoch", "rise") and not plate.whole.beyond


def test_equal_configurations_do_not_surely_differ() -> None:
    surely = 0
    for seed in range(20):
        curves = {BASE: turning_at(40, noise=seed), replace(BASE, batch_size=64): turning_at(40, noise=1000 + seed)}
        (plate,) = find_plates(made(curves))
        surely += bool(next(change for _, change in plate.others).sure_of)
    assert surely <= 2  # three differences each, at a level of about 1 %


def test_draws_of_the_same_fits_make_the_difference_of_best_epochs_narrow() -> None:
    """Fits turn at very different epochs, but each of them five epochs later in the second configuration."""
    turns = np.tile([20, 35, 50, 65], REPEATS)
    times = np.arange(1, EPOCHS + 1)
    first, second = ((1 + ((times - (turns[:, None] + later)) / 50) ** 2).astype(np.float32) for later in (0, 5))
    (plate,) = find_plates(made({BASE: first, replace(BASE, dropout=0.3): second}))
    ((step, change),) = plate.others
    own = step.trial.point
    assert own.best_epoch_high - own.best_epoch_low > 20
    assert (change.epoch.value, change.epoch.low, change.epoch.high) == (5, 5, 5)
    assert change.epoch_sign == 1


def test_a_best_epoch_beyond_the_end_is_a_bound() -> None:
    (plate,) = find_plates(made(widths(w64=(40, 1.0), w4=(EPOCHS, 1.0))))
    change = plate.steps[0].change
    assert change.beyond == 1 and change.epoch.value == 100 - plate.baseline.trial.point.best_epoch
    assert change.epoch_sign == 1
    cells = {heading.title: cell for heading, cell in zip(*_first_row(plate), strict=True)}
    assert cells["change of best epoch"].text.startswith(f"≥ +{change.epoch.value} [")
    assert cells["best epoch"].text.startswith("≥ 100")
    (both,) = find_plates(made(widths(w64=(EPOCHS, 1.0), w4=(EPOCHS, 1.0))))
    assert both.steps[0].change.epoch is None


def _first_row(plate):
    shown = atlas_table(made(widths(w64=(40, 1.0))), plate)
    return shown.headings, shown.rows[0]


def test_more_units_over_fit_earlier_is_said_where_it_is_so() -> None:
    report = made(widths(w64=(40, 1.0), w4=(80, 1.5), w256=(20, 1.0)))
    (plate,) = find_plates(report)
    assert plate.follows_epoch
    told = plate_sentences(report, plate)
    epochs = [step.trial.point.best_epoch for step in plate.steps]
    assert (
        told[0] == f"More units over-fit earlier: the best epoch falls from {epochs[0]} with 4 to {epochs[2]} with 256."
    )
    change = percent(plate.steps[0].change.value.value / plate.baseline.trial.point.best_value)
    assert change in ("+49 %", "+50 %", "+51 %") and told[1].endswith(f"is surely higher with 4 ({change}).")
    answer = next(answer for answer in find(report).answers if answer.question == "What drives it?")
    assert answer.text.startswith(
        f"Best epochs come earlier with more units ({epochs[0]} with 4, {epochs[2]} with 256)."
    )
    assert "From pairs that differ in one setting alone, 8 paired fits each (4 folds, 2 seeds)" in answer.text
    assert answer.section == "atlas"
    # A setting whose ends are no ends says nothing of the kind.
    (bent,) = find_plates(made(widths(w64=(80, 1.0), w4=(40, 1.0), w256=(20, 1.0))))
    assert not bent.follows_epoch


def test_what_helps_is_what_pairs_show() -> None:
    curves = {
        BASE: turning_at(40),
        replace(BASE, dropout=0.5): turning_at(40, value=0.8, noise=1),
        replace(BASE, l2=0.1): turning_at(40, value=1.5, noise=2),
        replace(BASE, layers=(64,)): turning_at(40, noise=3),
    }
    answers = {answer.question: answer for answer in find(made(curves)).answers}
    text = answers["What helps against it?"].text
    assert text.startswith(
        "Helps: dropout (0.5 instead of 0: val_loss -20 %); hurts: an L2 penalty (0.1 instead of 0: val_loss +50 %); "
        "no sure effect: fewer layers. From pairs"
    )


def test_where_nothing_is_sure_it_says_what_would_be_seen() -> None:
    report = made({BASE: turning_at(40), replace(BASE, batch_size=64): turning_at(40, noise=9)})
    (plate,) = find_plates(report)
    (told,) = plate_sentences(report, plate)
    assert told.startswith("Nothing changes for sure. A change of val_loss by less than about ")
    answers = {answer.question: answer.text for answer in find(report).answers}
    assert answers["What drives it?"] == (
        "None of the 1 setting that was changed alone moves the best epoch for sure. More repeats would show smaller "
        "effects."
    )


def test_words_have_the_baseline_first_and_the_tuner_counts_too() -> None:
    curves = {replace(BASE, activation=name): turning_at(40) for name in ("elu", "relu", "tanh")}
    report = made(curves | {replace(BASE, activation="selu", dropout=0.2): turning_at(30)})
    (plate,) = find_plates(report)
    assert [step.label for step in plate.steps] == ["relu", "elu", "tanh"] and plate.whole is None
    assert all(step.trial.origin == "tuner" for step in plate.steps)


def test_without_a_result_of_the_baseline_there_is_no_atlas() -> None:
    assert find_plates(made(widths(w16=(40, 1.0), w4=(50, 1.0)))) == ()


def test_page_and_markdown_show_the_atlas_and_every_setting_of_the_winner() -> None:
    report = made(widths(w64=(40, 1.0), w4=(80, 1.5), w256=(20, 0.9)))
    findings = find(report)
    page, markdown = render_html(report, findings=findings), render_markdown(report, findings=findings)
    assert page.count('<svg class="panel"') == 4  # the winner's and three widths
    assert f"<figcaption>{findings.capacity_sentence}</figcaption>" in page
    assert markdown.count("(figures/atlas-units.png)") == 1
    assert {"atlas-units"} <= {chart.name for chart in findings.pictured}
    assert "atlas_units" in {table.name for table in findings.tables}
    rows = {row.title: row for row in winner_settings(report)}
    assert (rows["hidden layers"].value, rows["hidden layers"].before) == ("256-256", "64-64")
    assert rows["dropout"].value == "0" and rows["dropout"].before == ""
    assert {"activation", "optimizer", "learning rate", "batch size", "L2 penalty"} <= set(rows)
    assert "backbone" not in rows
    assert "| hidden layers | **256-256** | 64-64 |" in markdown


@pytest.mark.parametrize(
    ("verdict", "wanted", "said"),
    [
        (Verdict.OVERFITS, {"onset": 60}, "over-fits from epoch 60 on"),
        (Verdict.STILL_IMPROVING, {}, "was still improving after 100 epochs: only a longer training can tell."),
        (Verdict.PLATEAU, {}, "does not over-fit in 100 epochs: after 100 epochs its val_loss ends 3 % above its best"),
        (
            Verdict.UNDECIDED,
            {"severity": 0.08, "severity_low": -0.01, "severity_high": 0.17},
            "may over-fit, but it is not sure: after 100 epochs its val_loss ends 8 % above its best (90 % interval -1 "
            "to +17 %). ",
        ),
    ],
)
def test_a_verdict_in_words(verdict, wanted, said) -> None:
    report = made(widths(w64=(40, 1.0)))
    plain = {"onset": None, "onset_low": None, "severity": 0.03, "severity_low": None, "severity_high": None}
    trial = replace(report.best, point=replace(report.best.point, verdict=verdict, **(plain | wanted)))
    told = verdict_sentence(report, trial, "It")
    assert f"It {said}" in told or said in told
    if verdict is Verdict.UNDECIDED:
        more = trial.point.repeats_to_decide - trial.point.repeats
        assert told.endswith(
            f"{more} more repeat{'s' if more > 1 else ''} would decide it, if the rise stays as it is."
        )


def test_a_rise_that_came_late_asks_for_a_longer_training() -> None:
    point = replace(made(widths(w64=(40, 1.0))).best.point, verdict=Verdict.UNDECIDED, onset=None, onset_low=None)
    late = replace(point, severity=0.1, severity_low=0.04, severity_high=0.16)
    report = made(widths(w64=(40, 1.0)))
    assert late.repeats_to_decide is None
    told = verdict_sentence(report, replace(report.best, point=late), "It")
    assert told.endswith("above the best for sure, but not for long enough: only a longer training can tell.")


def _smooth(curves: np.ndarray) -> np.ndarray:
    from pipelines.overfitting.statistics import smooth

    return smooth(curves)
