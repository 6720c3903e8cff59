"""Progress as sweeps, reproductions and final models show it: bars in a terminal, and the words beside them."""

from typing import Self

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from pipelines.training.plan import Progress as TrainingProgress
from pipelines.words import shortened


class Bars:
    """Bars, as a context manager: one for each training in work; none where the console is no terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        # What does not fit the width is cut off the last column, never off the bars.
        rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[count]}", justify="right"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False, style="dim", table_column=rest),
        )
        self._progress = Progress(*columns, console=console, expand=True, disable=not console.is_terminal)
        self._in_work: list[TrainingBar] = []

    def add_bar(self, what: str, label: str, *, fits: int, epochs: int) -> "TrainingBar":
        """A bar for a training that starts."""
        bar = TrainingBar(self._progress, what, label, fits=fits, epochs=epochs)
        self._in_work.append(bar)
        return bar

    def remove_bar(self, bar: "TrainingBar") -> None:
        """Take away the bar of a training that is done."""
        self._in_work.remove(bar)
        self._progress.remove_task(bar.task)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        for bar in self._in_work:
            self._progress.remove_task(bar.task)
        self._progress.stop()


class TrainingBar:
    """The bar of one training; until its first chunk of epochs is done it compiles."""

    def __init__(self, progress: Progress, what: str, label: str, *, fits: int, epochs: int) -> None:
        self._progress, self.label, self.epochs = progress, label, epochs
        self.done, self.total = 0, fits * epochs
        self.task = progress.add_task(what, total=self.total, count=self._count(0), note=f"compiling, {label}")

    def wait(self) -> None:
        """The training waits for a worker."""
        self.show(self._count(0), f"waiting, {self.label}")

    def start(self) -> None:
        """The training starts."""
        self._progress.reset(self.task)
        self.show(self._count(0), f"compiling, {self.label}")

    def advance(self, progress: TrainingProgress, in_work: int) -> None:
        """A chunk of epochs is done, of so many fits together."""
        self.done = progress.fits_done * self.epochs + in_work * progress.epoch
        fits = f"{progress.fits_done} of {progress.fits} fits done, " if progress.fits_done else ""
        self.show(self._count(progress.epoch), fits + self.label, completed=self.done)

    def watch(self, progress: TrainingProgress) -> bool:
        """Show a chunk of epochs; never stops the training."""
        self.advance(progress, fits_in_work(progress))
        return False

    def show(self, count: str, note: str, *, completed: int | None = None) -> None:
        """Other words beside the bar."""
        self._progress.update(self.task, completed=completed, count=count, note=note)

    def _count(self, epoch: int) -> str:
        return f"{epoch:>{len(str(self.epochs))}}/{self.epochs} epochs"


def fits_in_work(progress: TrainingProgress) -> int:
    """Fits that have a value by now and are not complete."""
    begun = int(np.isfinite(progress.curves["loss"]).any(axis=1).sum())
    return max(begun - progress.fits_done, 0)


def failure_line(failure: str) -> str:
    """The first line of a failure's reason: the message of an exception may be a page."""
    return f"failed: {shortened(failure.strip().splitlines()[0], 160)}"


def time_left(seconds: float) -> str:
    """A duration as a clock shows it.

    >>> time_left(75.2), time_left(7300)
    ('1:15 left', '2:01:40 left')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"
