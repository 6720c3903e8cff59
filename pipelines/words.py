"""Counts, lists and suggestions, as the sentences of all rooms have them."""

import difflib
from collections.abc import Iterable, Sequence


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun.

    >>> counted(1, "fold"), counted(4, "fold"), counted(2, "epoch of study", "epochs of study")
    ('1 fold', '4 folds', '2 epochs of study')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(items: Sequence[str]) -> str:
    """Items as a sentence lists them.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def shortened(text: str, width: int) -> str:
    """A text of at most so many characters.

    >>> shortened("64-64 relu", 8), shortened("64", 8)
    ('64-64 r…', '64')
    """
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion where something known is near, else nothing.

    >>> did_you_mean("tagret", ["target", "data"])
    " (did you mean 'target'?)"
    """
    by_lower = {name.lower().strip(): name for name in known}
    near = difflib.get_close_matches(word.lower().strip(), by_lower, n=1)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""
