"""The errors a user can cause, each a sentence that names the value, where it came from, and what is allowed."""

from collections.abc import Sequence


class UserError(Exception):
    """Something in the input is wrong; the command line prints the sentence and exits with code 2, no traceback."""


class ExerciseError(UserError):
    """An exercise file or a setting of it is wrong. Carries every mistake found, not only the first.

    ``source`` is the file, or the command-line parameter, that they are in; ``problems`` have one sentence a mistake:
    the key, the value received, what is allowed.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        super().__init__(f"{source}: {count}{lines}")


class DataError(UserError):
    """A data set cannot be had or used: missing, corrupt, without its target column, or with missing values."""


class TrackingError(UserError):
    """The tracking store cannot be read or written."""


def reason_of(error: BaseException) -> str:
    """An error as the reason of what failed: a user's as it is, any other with its kind."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
