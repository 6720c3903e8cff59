"""Progress bars, and the words beside them, as sweeps and reproductions show them."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from pipelines.words import shortened


def bars(console: Console) -> Progress:
    """Bars with the fields ``count`` and ``note``; none where the console is no terminal."""
    # What does not fit the width is cut off the last column, never off the bars.
    rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[count]}", justify="right"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False, style="dim", table_column=rest),
        console=console,
        expand=True,
        disable=not console.is_terminal,
    )


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
