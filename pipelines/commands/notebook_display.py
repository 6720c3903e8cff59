"""How a sweep is shown that was called from Python: a bar in a notebook, the command's own display in a terminal."""

import html
import importlib
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from pipelines.sweep.display import OnProgress

#: Lines below the bar, the latest last.
_LINES = 12
_WIDTH = 110


@contextmanager
def show_progress(title: str, *, wanted: bool) -> Iterator["tuple[Console, OnProgress | None]"]:
    """A console for what is said, and where there is a notebook a function that moves its bar."""
    if not wanted:
        yield Console(quiet=True), None
        return
    if not _is_notebook():
        yield Console(highlight=False), None
        return
    said = io.StringIO()
    # Not as Jupyter's own console: for its bars it wants a package of widgets, and says so.
    console = Console(file=said, width=_WIDTH, force_jupyter=False, force_terminal=False, highlight=False)
    bar = _Bar(title, said)
    try:
        yield console, bar.move
    finally:
        bar.show()


class _Bar:
    """A bar of plain HTML that is drawn anew in its place, which needs nothing but Jupyter itself."""

    def __init__(self, title: str, said: io.StringIO) -> None:
        # Part of every notebook, and no requirement of this project.
        jupyter = importlib.import_module("IPython.display")
        self._title, self._said, self._html = title, said, jupyter.HTML
        self._done, self._total, self._note = 0, 0, ""
        self._handle: Any = jupyter.display(self._html(self._drawn()), display_id=True)

    def move(self, done: int, total: int, note: str) -> None:
        """So many trials are done."""
        self._done, self._total, self._note = done, total, note
        self.show()

    def show(self) -> None:
        """Draw it as it is now."""
        self._handle.update(self._html(self._drawn()))

    def _drawn(self) -> str:
        lines = self._said.getvalue().rstrip().splitlines()[-_LINES:]
        bar = (
            f'<progress value="{self._done}" max="{self._total}" style="width: 16em"></progress> '
            f"{self._done}/{self._total} trials{', ' if self._note else ''}{html.escape(self._note)}"
        )
        return (
            f"<div><b>{html.escape(self._title)}</b> {bar if self._total else ''}"
            f'<pre style="margin: .4em 0; font-size: 85%; white-space: pre-wrap">{html.escape(chr(10).join(lines))}'
            "</pre></div>"
        )


def _is_notebook() -> bool:
    """Whether this process is the kernel of a notebook: a shell of IPython's with a kernel."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
