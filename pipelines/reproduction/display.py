"""What a reproduction shows while it runs: a line a training, and in a terminal a bar for it and for the exercise."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import TaskID
from rich.text import Text

from pipelines.executors.progress_bars import bars, failure_line, time_left
from pipelines.training.plan import Progress as TrainingProgress
from pipelines.words import shortened

_LONGEST_NAME = 70


class ReproductionDisplay:
    """Progress of one exercise, as a context manager.

    Parameters
    ----------
    works
        Work of each training still to be done, in any unit, in their order: what the time left is reckoned from.
    already
        Trainings that an earlier start has finished.
    """

    def __init__(self, console: Console, works: list[float], already: int) -> None:
        self.console, self._works, self._already = console, works, already
        self._done = 0
        self._progress = bars(console)
        self._exercise = self._progress.add_task("exercise", total=sum(works) or 1.0, count="", note="")
        self._training: TaskID | None = None
        self._name, self._epochs = "", 0
        self._show(0.0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._training is not None:
            self._progress.remove_task(self._training)
        self._progress.stop()

    def begin(self, name: str, fits: int, epochs: int) -> None:
        """A training starts; until its first chunk of epochs is done it compiles."""
        self._name, self._epochs = name, epochs
        note = f"compiling, {name}"
        self._training = self._progress.add_task("training", total=fits * epochs, count=f"0/{epochs} epochs", note=note)

    def prepare(self, done: int, total: int) -> None:
        """So many images have gone through a frozen backbone, before the training starts."""
        if self._training is not None:
            count = f"{done}/{total} images"
            self._progress.update(self._training, count=count, note=f"features, {self._name}")

    def advance(self, progress: TrainingProgress, in_work: int) -> None:
        """A chunk of epochs is done."""
        if self._training is None:
            return
        done = progress.fits_done * self._epochs + in_work * progress.epoch
        count = f"{progress.epoch}/{self._epochs} epochs"
        self._progress.update(self._training, completed=done, count=count, note=self._name)
        self._show(min(1.0, done / (progress.fits * self._epochs)))

    def end(self, name: str, fits: int, epochs: int, seconds: float, failure: str) -> None:
        """A training is done, or has failed."""
        if self._training is not None:
            self._progress.remove_task(self._training)
            self._training = None
        self._done += 1
        self._show(0.0)
        number, total = self._already + self._done, self._already + len(self._works)
        line = Text(f"  {number:>{len(str(total))}}/{total}  {shortened(name, _LONGEST_NAME):<{_LONGEST_NAME}}  ")
        line.append(f"{fits} fit{'s' * (fits > 1)} x {epochs} epoch{'s' * (epochs > 1)}")
        if failure:
            line.append(f"  {failure_line(failure)}", style="red")
        line.append(f"  {seconds:.1f} s", style="dim")
        if left := self._time_left(0.0):
            line.append(f"  {left}", style="dim")
        self.console.print(line, soft_wrap=True)

    def _show(self, share: float) -> None:
        count = f"{self._already + self._done}/{self._already + len(self._works)} trainings"
        completed = self._work_done(share)
        self._progress.update(self._exercise, completed=completed, count=count, note=self._time_left(share))

    def _work_done(self, share: float) -> float:
        now = self._works[self._done] if self._done < len(self._works) else 0.0
        return sum(self._works[: self._done]) + share * now

    def _time_left(self, share: float) -> str:
        """From the work done so far; empty before there is any, and when all is done."""
        done, total = self._work_done(share), sum(self._works)
        if not done or done >= total:
            return ""
        return time_left((self._progress.tasks[0].elapsed or 0.0) * (total - done) / done)
