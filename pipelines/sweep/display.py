"""What a sweep shows while it runs: trials, fits, epochs, time left, best so far."""

from collections.abc import Callable

from rich.console import Console
from rich.padding import Padding
from rich.progress import TaskID
from rich.text import Text

from pipelines.executors.progress import Bars, TrainingBar, failure_line, time_left
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.design import DESIGN_ORIGIN
from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.names import NO_BETTER
from pipelines.tracking.trials import FAILED, Trial
from pipelines.words import shortened

#: Told of every step: trials done, trials in all, time left and the best so far.
OnProgress = Callable[[int, int, str], None]
#: Characters of a trial's line that are not its configuration.
_LINE_WITHOUT_LABEL = 75
_SHORTEST_LABEL, _LONGEST_LABEL = 20, 64
#: Columns of a terminal in which a line has room for the name of the monitored curve.
_WIDE = 100


class SweepDisplay(Bars):
    """A line a trial, and below them, in a terminal, a bar for the sweep and one for each trial in work.

    An earlier start has ``finished`` some of the ``trials``; ``monitor`` is the curve whose best value is shown.
    ``on_progress`` is told of every step of the sweep's bar: trials done, trials in all, and what stands beside it.
    """

    def __init__(
        self, console: Console, trials: int, finished: int, monitor: str, *, on_progress: OnProgress | None = None
    ) -> None:
        super().__init__(console)
        self._on_progress = on_progress
        self.monitor, self.trials = monitor, trials
        self._finished = self._already = finished
        self._best: tuple[float, str] | None = None
        self._sweep = self._progress.add_task("sweep", total=trials, completed=finished, count="", note="")
        self._preparation: TaskID | None = None
        self._show_sweep()

    def prepare(self, what: str, done: int, samples: int) -> None:
        """What is computed once, before a trial can start: a bar of its own, in a file one line at the end."""
        if self._preparation is None:
            self._preparation = self._progress.add_task(what, total=samples, count="", note="computed once and kept")
        self._progress.update(self._preparation, completed=done, count=f"{done:,}/{samples:,}")
        if done >= samples:
            seconds = self._progress.tasks[-1].elapsed or 0.0
            self._progress.remove_task(self._preparation)
            self._preparation = None
            self.console.print(f"{what}: {samples:,} samples in {seconds:.0f} s, kept for the next time", style="dim")

    def begin(self, configuration: Configuration, fits: int, epochs: int) -> TrainingBar:
        """A trial is handed over; several may be in work, or wait for a worker."""
        bar = self.add_bar("trial", configuration.label, fits=fits, epochs=epochs)
        bar.wait()
        return bar

    def end(self, bar: TrainingBar, trial: Trial) -> None:
        """A trial is done, or has failed."""
        failure = trial.reason if trial.status == FAILED else ""
        self.remove_bar(bar)
        self._finished += 1
        if not failure and trial.value is not None:
            self.seen(bar.label, trial.value)
        self._show_sweep()
        # Of the design's trials the names are those of the baseline but for a word, which would be cut off.
        _, is_design, change = trial.origin.rpartition(DESIGN_ORIGIN)
        count, label = f"{self._finished:>{len(str(self.trials))}}/{self.trials}  ", change if is_design else bar.label
        narrow = self.console.is_terminal and self.console.width < _WIDE
        said = Text(
            _outcome(trial.point, "" if narrow else f"{self.monitor} ", failure), style="red" if failure else ""
        )
        if trial.beats_guessing is False:
            said.append(f", {NO_BETTER}", style="yellow")
        time = Text(f"  {trial.seconds or 0.0:.1f} s", style="dim")
        if not self.console.is_terminal and (left := self._time_left()):
            time.append(f"  {left}", style="dim")
        self._print(count, label, said, time)

    def _print(self, count: str, label: str, said: Text, time: Text) -> None:
        """A line; in a terminal that it is too wide for two or more, which break between words, without the time."""
        room = min(max(self.console.width - _LINE_WITHOUT_LABEL, _SHORTEST_LABEL), _LONGEST_LABEL)
        line = Text(f"{count}{shortened(label, room):<{room}}  ") + said
        if not self.console.is_terminal or (len(line) <= self.console.width and len(label) <= room):
            is_whole = not self.console.is_terminal or len(line) + len(time) <= self.console.width
            self.console.print(line + time if is_whole else line, soft_wrap=True)
            return
        self.console.print(Text(count + label))
        self.console.print(Padding(said, (0, 0, 0, len(count))))

    def seen(self, label: str, value: float) -> None:
        """A result counts for the best so far; used alone for trials of an earlier start."""
        if self._best is None or value < self._best[0]:
            self._best = (value, label)
        self._show_sweep()

    def _show_sweep(self) -> None:
        notes = [left] if (left := self._time_left()) else []
        if self._best:
            notes.append(f"best {self.monitor} {self._best[0]:.4g}: {self._best[1]}")
        count = f"{self._finished}/{self.trials} trials"
        self._progress.update(self._sweep, completed=self._finished, count=count, note=", ".join(notes))
        if self._on_progress is not None:
            self._on_progress(self._finished, self.trials, ", ".join(notes))

    def _time_left(self) -> str:
        """From the mean duration of this start's trials; empty before the first is done, and after the last."""
        trained, missing = self._finished - self._already, self.trials - self._finished
        if not trained or not missing:
            return ""
        return time_left((self._progress.tasks[0].elapsed or 0.0) / trained * missing)


def _outcome(point: OverfittingPoint | None, curve: str, failure: str) -> str:
    if failure:
        return failure_line(failure)
    if point is None or point.best_epoch is None:
        return str(Verdict.DIVERGED)
    digits = len(str(point.epochs))
    epoch = f">= {point.epochs}" if point.beyond else f"{point.best_epoch:>{digits + 3}}"
    interval = "" if point.best_epoch_low is None else f" [{point.best_epoch_low}, {point.best_epoch_high}]"
    return f"{curve}{point.best_value:<#7.4g} at epoch {epoch}{interval:<{2 * digits + 5}}  {point.verdict}"
