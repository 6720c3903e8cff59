"""What is said of a final model: in the terminal before and after its training, and in the description of its run."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from pipelines.datasets import Task
from pipelines.final.evaluation import Figure
from pipelines.tracking.final_runs import FinalDescription, Registered
from pipelines.tracking.store import ui_command
from pipelines.training.plan import Progress as TrainingProgress
from pipelines.words import counted

_NO_TEST = "This data set has no test split, so the model is not tested; the sweep's validation is all there is."


def print_start(console: Console, description: FinalDescription, title: str) -> None:
    """What is about to be trained."""
    trial, trials = description.trial, description.sweep.finished
    place = 1 + trials.index(trial)
    low, high = (trial.point.best_epoch_low, trial.point.best_epoch_high) if trial.point else (None, None)
    interval = "" if low is None or high is None else f" [{low}, {high}]"
    line = Text(title, style="bold")
    line.append(
        f": {description.configuration.label}, {'the best' if place == 1 else f'number {place}'} of "
        f"{counted(len(trials), 'finished trial')}, is trained on {_rows(description)} for "
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
class FinalWords:
    """What there is to say in the end.

    Attributes
    ----------
    description, title, registered
        What was made.
    figures
        Of the test set, by name; empty where there is none.
    """

    description: FinalDescription
    title: str
    figures: Mapping[str, Figure]
    registered: Registered

    def markdown(self) -> str:
        """The description of the run, which the UI shows first."""
        description, registered = self.description, self.registered
        lines = [
            f"**{self.title}**: {description.configuration.label}, trained on {_rows(description)} for "
            f"{counted(description.epochs, 'epoch')}.",
            "",
            f"Registered as `{registered.uri}`, version {registered.version} ({registered.reason}).",
            "",
        ]
        if not self.figures:
            return "\n".join([*lines, _NO_TEST])
        rows = [f"| {' | '.join(cells)} |" for cells in self._rows()]
        return "\n".join([*lines, "| | validation | test | 95 % interval |", "|---|---|---|---|", *rows])

    def print(self, console: Console, link: str, remark: str) -> None:
        """Figures, where the model is, how to use it."""
        console.print()
        console.print(self._table() if self.figures else Text(_NO_TEST), soft_wrap=not self.figures)
        if remark:
            console.print(remark, markup=False, soft_wrap=True)
        registered, uri = self.registered, self.description.sweep.uri
        lines = [
            "",
            f"Model       {registered.name}, version {registered.version}, alias {registered.alias} "
            f"({registered.reason})",
            f"To use it   import mlflow; mlflow.set_tracking_uri({uri!r}); "
            f"mlflow.keras.load_model({registered.uri!r}).predict(inputs)",
            f"            {self._contract()}",
        ]
        command = ui_command(uri)
        lines += [f"MLflow UI   {command}", f"then open   {link}"] if command else [f"MLflow UI   {link}"]
        console.print("\n".join(lines), markup=False, soft_wrap=True)

    def _contract(self) -> str:
        """What the model takes and gives."""
        data = self.description.data
        shape = " x ".join(map(str, ("samples", *data.input_shape)))
        answers = {
            Task.REGRESSION: "the value of each sample",
            Task.BINARY: f"the probability of {data.classes[-1]!r}" if data.classes else "",
            Task.MULTICLASS: f"the probabilities of {len(data.classes)} classes",
        }
        return f"takes inputs as they are, {data.inputs.dtype}, {shape}; gives {answers[data.task]}"

    def _rows(self) -> list[tuple[str, str, str, str]]:
        validation = self.description.trial.validation
        return [
            (
                name,
                f"{validation[name]:.4g}" if name in validation else "",
                f"{figure.value:.4g}",
                f"{figure.low:.4g} to {figure.high:.4g}",
            )
            for name, figure in self.figures.items()
        ]

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
        table.add_column("")
        table.add_column("validation (sweep)", justify="right")
        table.add_column(f"test ({counted(len(self.description.data.test_inputs), 'sample')})", justify="right")
        table.add_column("95 % interval")
        for row in self._rows():
            table.add_row(*row)
        return table


class EpochBar:
    """A bar for the epochs of the one training, in a terminal."""

    def __init__(self, console: Console, epochs: int) -> None:
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=20),
            TextColumn("{task.completed}/{task.total} epochs"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("training", total=epochs)

    def advance(self, progress: TrainingProgress) -> bool:
        """After a chunk of epochs; never stops the training."""
        self._progress.update(self._task, completed=progress.epoch)
        return False

    def __enter__(self) -> "EpochBar":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()


def _rows(description: FinalDescription) -> str:
    """What it is trained on; a share of the training rows is part of the configuration, and stays one."""
    share = description.configuration.train_fraction
    samples = counted(description.data.samples, "training sample")
    return f"all {samples}" if share == 1 else f"{share:.3g} of the {samples}, as the configuration has it,"
