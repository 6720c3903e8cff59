"""What comes of a final model: words for the terminal and its run, predictions and samples for the report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose, isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pipelines.datasets import Dataset, DatasetSpec, Places, Task
from pipelines.datasets.sources.texts import decoded_texts, has_texts
from pipelines.final.model import Evaluation
from pipelines.final.worth import Figure
from pipelines.tracking import names
from pipelines.tracking.final_runs import FinalDescription, FinalRun
from pipelines.tracking.registered import Registered
from pipelines.tracking.store import ui_command
from pipelines.words import counted

_NO_TEST = "This data set has no test split, so the model is not tested; the sweep's validation is all there is."
_HEADS = ("", "validation", "test", "95 % interval", "guessing")
FIRST, WORST, CLOSE, LABELLED = 15, 24, 10, 25


def print_start(console: Console, description: FinalDescription) -> None:
    """What is about to be trained."""
    trial, trials = description.trial, description.sweep.finished
    place = 1 + trials.index(trial)
    low, high = (trial.point.best_epoch_low, trial.point.best_epoch_high) if trial.point else (None, None)
    interval = "" if low is None or high is None else f" [{low}, {high}]"
    line = Text(description.exercise.title, style="bold")
    line.append(
        f": {description.configuration.label}, {'the best' if place == 1 else f'number {place}'} of "
        f"{counted(len(trials), 'finished trial')}, is trained on {_trained_on(description)} for "
        f"{counted(description.epochs, 'epoch')}, its best epoch{interval}",
        style="not bold",
    )
    console.print(line, soft_wrap=True)
    if high is not None and high >= trial.epochs:
        console.print(
            "That interval reaches the sweep's last epoch: a sweep of more epochs may find a better model.",
            soft_wrap=True,
        )


@dataclass(frozen=True)
class FinalOutcome:
    """What became of it: its run, what it reached on the test set by name (empty without one), and its version.

    ``guessing`` is what the best constant prediction comes to there, by name, and ``majority`` the class that this is.
    """

    run: FinalRun
    figures: Mapping[str, Figure]
    registered: Registered
    guessing: Mapping[str, float]
    majority: str

    def markdown(self) -> str:
        """The description of the run, which the UI shows first."""
        description, registered = self.run.description, self.registered
        lines = [
            f"**{description.exercise.title}**: {description.configuration.label}, trained on "
            f"{_trained_on(description)} for {counted(description.epochs, 'epoch')}.",
            "",
            f"Registered as `{registered.uri}`, version {registered.version} ({registered.reason}).",
            "",
        ]
        if not self.figures:
            return "\n".join([*lines, _NO_TEST])
        rows = [f"| {' | '.join(cells)} |" for cells in self._rows()]
        heads = [f"| {' | '.join(_HEADS)} |", "|---" * len(_HEADS) + "|"]
        return "\n".join([*lines, *heads, *rows, "", self._tested()])

    def print(self, console: Console, remark: str) -> None:
        """Figures, where the model is, how to use it."""
        console.print()
        if self.figures:
            console.print(figure_table(_HEADS, self._rows()))
            console.print(self._tested(), markup=False, soft_wrap=True)
        else:
            console.print(_NO_TEST, soft_wrap=True)
        if remark:
            console.print(remark, markup=False, soft_wrap=True)
        registered, uri, link = self.registered, self.run.uri, self.run.link
        lines = [
            "",
            f"Model       {registered.name}, version {registered.version}, alias {registered.alias} "
            f"({registered.reason})",
            f"To use it   import mlflow; mlflow.set_tracking_uri({uri!r}); "
            f"mlflow.{'pyfunc' if self.takes_rows else 'keras'}.load_model({registered.uri!r}).predict("
            f"{'rows' if self.takes_rows else 'inputs'})",
            f"            {self._contract()}",
        ]
        command = ui_command(uri)
        lines += [f"MLflow UI   {command}", f"then open   {link}"] if command else [f"MLflow UI   {link}"]
        console.print("\n".join(lines), markup=False, soft_wrap=True)

    @property
    def takes_rows(self) -> bool:
        """Whether the model takes raw rows of a user's own data."""
        return bool(self.run.description.data.encoding)

    def _contract(self) -> str:
        """What the model takes and gives."""
        data = self.run.description.data
        if self.takes_rows:
            of_table = data.encoding["kind"] == "table"
            columns = counted(len(data.encoding["columns"]), "column")
            takes = f"rows as in your file, by the names of {columns}" if of_table else "samples as in your data"
            each = f", and the probability of each of {len(data.classes)} classes" if data.classes else ""
            return f"takes {takes}; gives a prediction{each}"
        shape = " x ".join(map(str, ("samples", *data.input_shape)))
        answers = {
            Task.REGRESSION: "the value of each sample",
            Task.BINARY: f"the probability of {data.classes[-1]!r}" if data.classes else "",
            Task.MULTICLASS: f"the probabilities of {len(data.classes)} classes",
        }
        return f"takes inputs as they are, {data.inputs.dtype}, {shape}; gives {answers[data.task]}"

    def _rows(self) -> list[tuple[str, ...]]:
        validation = self.run.description.trial.validation
        return [
            (
                names.FIGURES.get(name, name),
                _text(validation[name]) if name in validation else "",
                *figure_cells(figure),
                _text(self.guessing[name]) if name in self.guessing else "",
            )
            for name, figure in self.figures.items()
            if name != "loss" or not self._has_another_name(figure)
        ]

    def _has_another_name(self, loss: Figure) -> bool:
        """Whether the loss is one of the other figures."""
        return any(isclose(loss.value, of.value, rel_tol=1e-6) for name, of in self.figures.items() if name != "loss")

    def _tested(self) -> str:
        """What the table is of."""
        tested = counted(len(self.run.description.data.test_inputs), "sample")
        always = repr(self.majority) if self.majority else "the mean"
        return f"Tested once, on {tested}. Guessing is to say the same of every sample, such as always {always}."


def figure_cells(figure: Figure) -> tuple[str, str]:
    """A figure and its interval, as tables have them."""
    known = isfinite(figure.low) and isfinite(figure.high)
    return _text(figure.value), f"{_text(figure.low)} to {_text(figure.high)}" if known else ""


def _text(value: float) -> str:
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.4g}"


def figure_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Figures for the terminal: a name, then numbers."""
    columns = (Column(head, justify="right") for head in heads[1:])
    table = Table(heads[0], *columns, box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for row in rows:
        table.add_row(*row)
    return table


def _trained_on(description: FinalDescription) -> str:
    """What it is trained on; a share of the training rows is part of the configuration, and stays one."""
    share = description.configuration.train_fraction
    samples = counted(description.data.samples, "training sample")
    return f"all {samples}" if share == 1 else f"{share:.3g} of the {samples}, as the configuration has it,"


@dataclass(frozen=True, eq=False)
class Shown:
    """Rows whose inputs are kept: of the test split, and of the training split."""

    test: NDArray[np.int64]
    train: NDArray[np.int64]


def input_kind(spec: DatasetSpec, dataset: Dataset) -> str:
    """``words``, ``image`` (samples of two axes, or of three with 1, 3 or 4 channels) or ``table``."""
    if has_texts(spec):
        return "words"
    shape = dataset.input_shape
    return "image" if len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4)) else "table"


def rows_to_show(dataset: Dataset, evaluation: Evaluation | None) -> Shown:
    """The first test rows, the worst mistakes, the closest ones; and labelled training rows, spread over the classes.

    The worst mistake of a classification is the wrong label that the model was surest of, the closest the one it was
    least sure of; of a regression the largest error, with further rows drawn at random in place of close ones.
    """
    test = np.empty(0, np.int64)
    if evaluation is not None:
        ranked = _mistakes(evaluation)
        worst, rest = ranked[:WORST], ranked[WORST:]
        if evaluation.probabilities is None:
            rest = np.random.default_rng(0).permutation(rest)
        chosen = [np.arange(min(FIRST, len(evaluation.targets))), worst, rest[::-1][:CLOSE]]
        test = np.fromiter(dict.fromkeys(np.concatenate(chosen).tolist()), np.int64)
    return Shown(test, _spread(dataset.targets, dataset.task))


def write_predictions(evaluation: Evaluation, path: Path) -> None:
    """A row a test sample: ``row``, ``target``, ``prediction``, and for a classification ``p_0``, ``p_1``, ..."""
    import pyarrow
    from pyarrow import parquet

    columns: dict[str, NDArray[Any]] = {
        "row": np.arange(len(evaluation.targets), dtype=np.int32),
        "target": evaluation.targets,
        "prediction": evaluation.predictions,
    }
    if evaluation.probabilities is not None:
        columns |= {f"p_{label}": column for label, column in enumerate(evaluation.probabilities.T)}
    parquet.write_table(pyarrow.table({name: np.ascontiguousarray(column) for name, column in columns.items()}), path)


def write_samples(folder: Path, spec: DatasetSpec, dataset: Dataset, shown: Shown, places: Places) -> str:
    """``samples.npz`` with inputs, images as (n, height, width, channels); for words ``samples.json`` with texts.

    Returns why there are no texts where there should be; else an empty text.
    """
    targets = dataset.targets[shown.train]
    if has_texts(spec):
        texts, remark = decoded_texts(spec, shown.test, "test", places)
        train_texts = {} if remark else decoded_texts(spec, shown.train, "train", places)[0]
        content: Mapping[str, Any] = {
            "texts": texts,
            "train_texts": train_texts,
            "train_targets": dict(zip(map(str, shown.train.tolist()), targets.tolist(), strict=True)),
            "remark": remark,
        }
        (folder / names.TEXTS_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
        return remark
    is_image = input_kind(spec, dataset) == "image"
    np.savez_compressed(
        folder / names.SAMPLES_FILE,
        rows=shown.test,
        inputs=_taken(dataset.test_inputs, shown.test, is_image),
        train_rows=shown.train,
        train_inputs=_taken(dataset.inputs, shown.train, is_image),
        train_targets=targets,
    )
    return ""


def _mistakes(evaluation: Evaluation) -> NDArray[np.int64]:
    """Test rows that were wrong, the worst first; of a regression all rows."""
    if evaluation.probabilities is None:
        return np.argsort(-np.abs(evaluation.predictions - evaluation.targets), kind="stable")
    confidence = evaluation.probabilities.max(axis=1)
    wrong = np.flatnonzero(evaluation.predictions != evaluation.targets)
    return wrong[np.argsort(-confidence[wrong], kind="stable")]


def _spread(targets: NDArray[Any], task: Task) -> NDArray[np.int64]:
    """Training rows: the first of every class, then the second, ...; of a regression evenly over the values."""
    count = min(LABELLED, len(targets))
    if not task.is_classification:
        return np.sort(np.argsort(targets, kind="stable")[np.linspace(0, len(targets) - 1, count).round().astype(int)])
    place = np.empty(len(targets), np.int64)  # of each row within its class
    for label in np.unique(targets):
        rows = np.flatnonzero(targets == label)
        place[rows] = np.arange(len(rows))
    return np.lexsort((targets, place))[:count]


def _taken(inputs: NDArray[Any], rows: NDArray[np.int64], is_image: bool) -> NDArray[Any]:
    taken = np.asarray(inputs[rows])
    return taken[..., np.newaxis] if is_image and taken.ndim == 3 else taken
