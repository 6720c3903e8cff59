"""What a reproduction shows while it runs: a line a training, and in a terminal a bar for it and for the exercise."""

from rich.console import Console
from rich.text import Text

from pipelines.executors.progress import Bars, TrainingBar, failure_line, time_left
from pipelines.reproduction.plan import Measurement
from pipelines.training.plan import Progress
from pipelines.words import shortened

_LONGEST_NAME = 70


class ReproductionDisplay(Bars):
    """Progress of one exercise, as a context manager.

    Parameters
    ----------
    works
        Work of each training still to be done, in any unit, in their order: what the time left is reckoned from.
    already
        Trainings that an earlier start has finished.
    """

    def __init__(self, console: Console, works: list[float], already: int) -> None:
        super().__init__(console)
        self._works, self._already, self._done = works, already, 0
        self._exercise = self._progress.add_task("exercise", total=sum(works) or 1.0, count="", note="")
        self._show(0.0)

    def begin(self, measurement: Measurement) -> TrainingBar:
        """A training starts."""
        return self.add_bar("training", measurement.name, fits=measurement.fits, epochs=measurement.epochs)

    def advance(self, bar: TrainingBar, progress: Progress) -> bool:
        """A chunk of epochs is done; never stops the training."""
        stop = bar.watch(progress)
        self._show(min(1.0, bar.done / bar.total))
        return stop

    def end(self, bar: TrainingBar, measurement: Measurement, seconds: float, failure: str) -> None:
        """A training is done, or has failed."""
        self.remove_bar(bar)
        self._done += 1
        self._show(0.0)
        number, total = self._already + self._done, self._already + len(self._works)
        fits, epochs = measurement.fits, measurement.epochs
        name = shortened(measurement.name, _LONGEST_NAME)
        line = Text(f"  {number:>{len(str(total))}}/{total}  {name:<{_LONGEST_NAME}}  ")
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
