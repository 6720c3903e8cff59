"""The Python call: a sweep over a DataFrame or a file, with the settings and the errors of the command.

>>> from pipelines.notebook import sweep                                                        # doctest: +SKIP
>>> houses = sweep(frame, target="price", name="houses", trials=30)                             # doctest: +SKIP
>>> houses.best.best_epoch, houses.points, houses.report(), houses.final().predict(new_rows)    # doctest: +SKIP
"""

import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.commands import read_backend
from pipelines.commands.notebook_display import show_progress
from pipelines.commands.parameters import Parameters
from pipelines.commands.sweep import PARAMETERS, read_settings
from pipelines.errors import DataError, UserError

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.datasets import Places
    from pipelines.exercises.configurations import Configuration
    from pipelines.final.outcome import FinalOutcome

#: Height of a page that is shown within a notebook, in pixels.
_HEIGHT = 720


def sweep(
    data: "pd.DataFrame | str | Path | None" = None,
    target: str | int | None = None,
    *,
    name: str = "",
    tracking_uri: str | None = None,
    progress: bool = True,
    **settings: object,
) -> "SweepResult":
    """Run a sweep, or go on with one: the same call again trains nothing twice.

    Parameters
    ----------
    data, target
        A DataFrame, whose index is left aside, or the path of a file; and the column to predict. Neither for an
        exercise that brings its own data.
    name
        What a DataFrame goes by in reports and models; ``data`` where nothing is stated.
    tracking_uri
        MLflow's store; None for the one in use, ``mlflow.db`` in the working folder where none is.
    progress
        Whether to show trials as they end.
    **settings
        Every parameter of the entry point ``sweep`` under its name, as MLproject lists them: ``trials=30``,
        ``exclude=["id", "name"]``, ``exercise="digits"``, ``space="my.yaml"``, ``resume=False``, ...

    Raises
    ------
    UserError
        With the sentence that the command would say: for a setting, the data or the store, before any training; and
        when no trial finished.
    """
    frame = _is_frame(data)
    given = {"data": None if frame else data, "target": target, **settings}
    values = {key: text for key, value in given.items() if (text := _text(value))}
    parameters = Parameters(values)
    parameters.refuse_unknown(PARAMETERS)
    if name and not frame:
        parameters.problems.append("name: is for a DataFrame; a file goes by its own name")
    parameters.check()
    backend = read_backend(parameters)
    if frame:
        folder = parameters.folder("cache_dir", must_exist=False)
        parameters.check()
        parameters = Parameters(values | {"data": str(_keep(data, name or "data", folder))})
    asked = read_settings(parameters, backend)
    from pipelines.sweep.loop import run_sweep

    with show_progress(asked.exercise.title, wanted=progress) as (console, on_progress):
        outcome = run_sweep(asked, console, uri=tracking_uri, on_progress=on_progress)
    return SweepResult(outcome.run.run_id, outcome.run.uri, asked.places)


@dataclass
class SweepResult:
    """A finished sweep, read from the store where it is asked for something."""

    run_id: str
    tracking_uri: str
    places: "Places | None" = field(default=None, repr=False)

    @cached_property
    def points(self) -> "pd.DataFrame":
        """A row a trial, the best first: over-fitting point, settings, scores (``reports.overfitting_points``)."""
        from reports import overfitting_points

        return overfitting_points(self.run_id, self.tracking_uri)

    @cached_property
    def curves(self) -> "pd.DataFrame":
        """A row for each epoch of each fit of each trial, a column a curve (``reports.learning_curves``)."""
        from reports import learning_curves

        return learning_curves(self.run_id, self.tracking_uri)

    @cached_property
    def best(self) -> "Best":
        """The configuration to choose."""
        from reports import read_report

        report = read_report(self.run_id, tracking_uri=self.tracking_uri)
        if report.best is None or report.best.configuration is None or report.best.point is None:
            raise UserError(report.headline)
        trial, point = report.best, report.best.point
        assert trial.configuration is not None
        known = None not in (point.best_epoch_low, point.best_epoch_high)
        return Best(
            headline=report.headline,
            configuration=trial.configuration,
            best_epoch=point.best_epoch,
            interval=(point.best_epoch_low, point.best_epoch_high) if known else None,
            onset=point.onset,
            verdict=str(point.verdict),
            monitor=report.sweep.monitor,
            value=point.best_value,
            scores=dict(trial.validation),
            beats_guessing=trial.beats_guessing,
            run_id=trial.run_id,
        )

    def report(self, output: str | Path | None = None) -> "Report":
        """Write the page with its tables and figures, by default to ``report/`` here; Jupyter shows it inline."""
        from reports import write_report

        folder = None if output is None else Path(output).expanduser()
        return Report(write_report(self.run_id, tracking_uri=self.tracking_uri, output=folder).html)

    def final(self, configuration: str = "") -> "FinalModel":
        """Train the winner on all training rows, test it once, register it; or the configuration of this hash."""
        from pipelines.commands import prepare_backend
        from pipelines.tracking.reading import read_finished_sweep

        read = read_finished_sweep(self.run_id, uri=self.tracking_uri)
        prepare_backend(str(read.record.settings.backend))
        from pipelines.final.making import run_final

        with show_progress("", wanted=True) as (console, _):
            outcome = run_final(read, console, configuration=configuration, places=self.places)
        return FinalModel(outcome)


@dataclass(frozen=True)
class Best:
    """The best configuration of a sweep, with its figures.

    Attributes
    ----------
    headline
        The answer in a sentence.
    best_epoch, interval, onset, verdict
        Its over-fitting point: epochs from 1; None without an interval, or without a sure onset.
    monitor, value
        The curve it was judged on, and what that is at the best epoch.
    scores
        Others at the best epoch, means over the fits: ``accuracy``, ``r2``, ...
    beats_guessing
        Whether it is surely better than the best constant prediction; None where that is not known.
    """

    headline: str
    configuration: "Configuration"
    best_epoch: int | None
    interval: tuple[int | None, int | None] | None
    onset: int | None
    verdict: str
    monitor: str
    value: float | None
    scores: Mapping[str, float]
    beats_guessing: bool | None
    run_id: str


@dataclass(frozen=True)
class Report:
    """The page of a sweep as a file, which shows itself in a notebook."""

    path: Path

    def _repr_html_(self) -> str:
        """The page in a frame; it is in the notebook then, and needs the file no more."""
        # Without a base of its own the page's links would lead to the notebook's address.
        page = self.path.read_text(encoding="utf-8").replace("<head>", '<head><base href="about:srcdoc">', 1)
        return (
            f'<iframe srcdoc="{html.escape(page)}" width="100%" height="{_HEIGHT}" title="Report" '
            'style="border: 1px solid #8886; border-radius: 6px"></iframe>'
        )


@dataclass(frozen=True)
class FinalModel:
    """The final model of a sweep: registered, and ready to predict."""

    outcome: "FinalOutcome" = field(repr=False)

    @property
    def uri(self) -> str:
        """Where MLflow finds it."""
        return self.outcome.registered.uri

    @property
    def version(self) -> str:
        """Number of the registered version."""
        return str(self.outcome.registered.version)

    @property
    def figures(self) -> "pd.DataFrame":
        """On the test rows: a row a figure with ``value``, and the ends ``low`` and ``high`` of its 95 % interval.

        Empty where there are no test rows.
        """
        import pandas as pd

        rows = {name: (figure.value, figure.low, figure.high) for name, figure in self.outcome.figures.items()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"])

    def predict(self, rows: Any) -> Any:
        """Predictions for rows as they were given to the sweep: a DataFrame of the same columns, in any order.

        A DataFrame with ``prediction`` and of classes the probability of each; for an exercise that brings its own
        data what its network gives for an array. Raises ``DataError`` for rows that it cannot take.
        """
        model = self._model
        if not self.outcome.takes_rows:
            return model.predict(rows, verbose=0)
        try:
            return model.answer(rows)
        except model.code.RowsError as error:
            raise DataError(str(error)) from error

    @cached_property
    def _model(self) -> Any:
        run, registered = self.outcome.run, self.outcome.registered
        return run.load_rows_model(registered) if self.outcome.takes_rows else run.load(registered)


def _text(value: object) -> str:
    """A value as the command line has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(_text, value))
    return str(value)


def _is_frame(data: object) -> bool:
    return hasattr(data, "to_parquet") and hasattr(data, "columns")


def _keep(frame: Any, name: str, cache_dir: Path | None) -> Path:
    """Write a DataFrame into the cache, once: the same rows are the same file, for resuming and the final model."""
    import hashlib

    from pipelines.datasets.cache import default_cache_dir

    named = frame.set_axis([str(column) for column in frame.columns], axis=1)
    written = io.BytesIO()
    try:
        named.to_parquet(written, index=False)
    except (ValueError, TypeError, OverflowError) as error:  # pyarrow's own are among them
        reason = " ".join(str(part) for part in error.args) or type(error).__name__
        raise DataError(f"The DataFrame {name!r} cannot be kept as Parquet: {reason}.") from error
    content = written.getvalue()
    file = name.replace("/", "-").replace("\\", "-").strip(". ") or "data"
    path = (cache_dir or default_cache_dir()) / "frames" / hashlib.sha256(content).hexdigest()[:20] / f"{file}.parquet"
    if not (path.exists() and path.stat().st_size == len(content)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".new")
            unfinished.write_bytes(content)
            unfinished.replace(path)
        except OSError as error:
            raise DataError(f"The DataFrame {name!r} cannot be written to {path.parent}: {error.strerror}.") from error
    return path
