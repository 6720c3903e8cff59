"""DataFrames of a sweep, and those as Markdown, LaTeX and CSV."""

import csv as csv_module
import io
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipelines.tracking.reading import read_trial_curves
from reports import read_report
from reports.tables.frames import learning_curves, overfitting_points, parameter_points, points_frame
from reports.tables.table import csv, latex, markdown
from tests.support.report_store import BASE, EVIL, FAILED, LINEAR, MONITOR, WIDE, MadeTrial, Store

FOLDS, REPEATS, EPOCHS = 4, 2, 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    store = Store(tmp_path_factory.mktemp("frames"))
    trials = [
        MadeTrial(BASE, "overfits", "baseline", level=0.5),
        MadeTrial(WIDE, "overfits"),
        MadeTrial(LINEAR, "improving", f"documented: {EVIL}", level=1.0),
        MadeTrial(replace(BASE, learning_rate=1.0), diverges=True),
        MadeTrial(FAILED, failure=f"=out of memory: {EVIL}"),
    ]
    return store.fill(trials, title=EVIL, epochs=EPOCHS), store.uri


@pytest.fixture(scope="module")
def points(made) -> pd.DataFrame:
    return overfitting_points(*made)


def test_points_have_the_columns_of_the_csv(made, points) -> None:
    report = read_report(made[0], tracking_uri=made[1])
    rows = list(csv_module.DictReader(io.StringIO(csv(points_frame(report)))))
    assert set(points.columns) == set(rows[0])
    assert len(points) == len(rows) == 5
    for name in ("best_epoch", "onset", "best_value", "severity", "gap_final", "seconds", "epochs_saved", "batch_size"):
        ours = [None if pd.isna(value) else float(value) for value in points[name]]
        assert ours == [float(row[name]) if row[name] else None for row in rows], name
    assert list(points.run_id) == [row["run_id"] for row in rows]


def test_columns_have_their_types(points) -> None:
    kinds = {name: str(kind) for name, kind in points.dtypes.items()}
    for name in ("rank", "best_epoch", "best_epoch_low", "onset", "epochs", "folds", "epochs_saved", "batch_size"):
        assert kinds[name] == "Int64", name
    for name in ("best_value", "severity", "sd_seeds", "learning_rate", "dropout", "seconds"):
        assert kinds[name] == "float64", name
    for name in ("configuration", "verdict", "layers", "activation", "run_id"):
        assert kinds[name] == "string", name
    assert kinds["censored"] == kinds["fine_tune"] == "boolean"


def test_best_first_and_what_is_missing_is_na(points) -> None:
    assert list(points["rank"].dropna()) == [1, 2, 3]
    assert points.best_value.dropna().is_monotonic_increasing
    assert list(points.verdict[:2]) == ["overfits", "overfits"] and points.layers[0] == "512"
    improving = points[points.verdict == "still improving"].iloc[0]
    assert improving.onset is pd.NA and improving.epochs_saved is pd.NA
    assert points.best_epoch[3] is pd.NA and points.verdict[3] == "diverged"
    assert points.verdict[4] is pd.NA and points.status[4] == "failed"


def test_parameter_points_have_a_row_a_value(made) -> None:
    table = parameter_points(*made)
    units = table[table.parameter == "units"]
    assert (
        list(units.value) == ["64", "512"] and list(units.configurations) == [1, 1] and list(units.diverged) == [1, 0]
    )
    assert list(units.best_configuration) == [BASE.label, WIDE.label]
    rate = table[(table.parameter == "learning_rate") & (table.value == "1")].iloc[0]
    assert rate.configurations == 0 and rate.diverged == 1 and rate.best_epoch is pd.NA
    assert str(table.median_onset.dtype) == "Int64" and str(table.overfitting.dtype) == "float64"


def test_learning_curves_are_those_of_the_store(made) -> None:
    report = read_report(made[0], tracking_uri=made[1])
    frame = learning_curves(*made)
    assert list(frame.columns[:6]) == ["run_id", "configuration", "fit", "repeat", "fold", "epoch"]
    best = report.ranked[0]
    curves = read_trial_curves(best, uri=report.sweep.uri)
    ours = frame[frame.run_id == best.run_id]
    assert len(ours) == FOLDS * REPEATS * EPOCHS
    wide = ours.pivot_table(MONITOR, index="fit", columns="epoch")
    np.testing.assert_array_equal(wide.to_numpy(np.float32), curves[MONITOR])
    fit = ours[ours.fit == 6].iloc[0]
    assert (fit["repeat"], fit["fold"], fit["epoch"]) == (1, 2, 1)


def test_chosen_curves_and_trials(made, points) -> None:
    chosen = list(points.run_id[:2])
    frame = learning_curves(*made, metrics=["val_loss"], run_ids=chosen)
    assert list(frame.columns[6:]) == ["val_loss"] and set(frame.run_id) == set(chosen)
    with pytest.raises(ValueError, match="no curve 'auc'; it has loss, mae"):
        learning_curves(*made, metrics=["auc"], run_ids=chosen)
    with pytest.raises(ValueError, match="no trial 'nobody'"):
        learning_curves(*made, run_ids=["nobody"])


def test_epochs_that_were_not_trained_are_left_out(made, points) -> None:
    diverged = learning_curves(*made, metrics=[MONITOR], run_ids=[points.run_id[3]])
    assert diverged.groupby("fit").epoch.max().tolist() == [EPOCHS] + [EPOCHS // 2] + [EPOCHS] * 6


# Text

CHARACTERS = r"& % $ # _ { } ~ ^ \ < > | [ * ≥ ± – −"


def test_latex_escapes_everything_special() -> None:
    text = latex(pd.DataFrame({CHARACTERS: [CHARACTERS]}), caption=CHARACTERS)
    escaped = (
        r"\& \% \$ \# \_ \{ \} \textasciitilde{} \textasciicircum{} \textbackslash{} \textless{} \textgreater{} "
        r"\textbar{} {[} {*} $\geq$ $\pm$ -- $-$"
    )
    # The heading's underscore is a space.
    assert rf"\caption{{{escaped}}}" in text and f"{escaped} \\\\\n\\bottomrule" in text
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 1


def test_latex_of_a_sweep_is_balanced(points) -> None:
    columns = ["configuration", "best_epoch", "onset", "best_value", "censored", "origin"]
    text = latex(points[columns], label="tab:one")
    lines = text.splitlines()
    assert rf"judged on {MONITOR.replace('_', chr(92) + '_')}}}" in text and r"\label{tab:one}" in text
    assert r"\begin{tabular}{lrrrll}" in lines
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert len(body) == 5
    for line in body:
        assert line.replace(r"\&", "").count("&") == len(columns) - 1 and line.endswith(r" \\")
    assert "yes" in body[2] and " -- " in body[4]
    plain = text.replace(r"\{", "").replace(r"\}", "")
    assert plain.count("{") == plain.count("}")


def test_markdown_has_no_html_and_no_stray_columns(points) -> None:
    lines = markdown(points[["configuration", "origin", "best_value"]]).splitlines()
    assert lines[:2] == ["| configuration | origin | best value |", "| :--- | :--- | ---: |"]
    assert len(lines) == 7 and all(line.count("|") == 4 for line in lines)
    assert "<script>" not in "".join(lines) and "**" not in "".join(lines)


def test_csv_is_read_back_and_holds_no_formula(points) -> None:
    text = csv(points)
    back = pd.read_csv(io.StringIO(text))
    np.testing.assert_array_equal(back.best_value, points.best_value)
    assert back.reason[4].startswith("'=out of memory")
    assert not points.reason[4].startswith("'")


def test_empty_frames_have_a_heading() -> None:
    empty = pd.DataFrame({"best_epoch": pd.Series([], dtype="Int64")})
    assert markdown(empty) == "| best epoch |\n| ---: |\n"
    assert "best epoch \\\\\n\\midrule\n\\bottomrule" in latex(empty)
