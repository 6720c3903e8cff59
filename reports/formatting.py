"""Numbers and words as a reader sees them, the same on the page, in Markdown and in the terminal."""

import math

from pipelines.overfitting.point import OverfittingPoint
from pipelines.words import counted

#: Stands where there is no number.
NONE = "–"


def number(value: float | None, digits: int = 4) -> str:
    """A number with significant digits, without exponent where it is short without one.

    >>> number(2.40472), number(0.01234), number(123456.7), number(4.7526e8), number(None)
    ('2.405', '0.01234', '123,457', '4.753e+08', '–')
    """
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size < -5 or size > 6:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - size)}f}"


def signed(value: float | None, digits: int = 3) -> str:
    """A difference, with its sign."""
    text = number(value, digits)
    return f"+{text}" if value is not None and math.isfinite(value) and value > 0 else text


def whole(value: float | None) -> str:
    """A count.

    >>> whole(12345.0), whole(None)
    ('12,345', '–')
    """
    return NONE if value is None else f"{value:,.0f}"


def percent(share: float | None) -> str:
    """A share as a signed percentage.

    >>> percent(0.3456), percent(-0.001), percent(None)
    ('+35 %', '0 %', '–')
    """
    if share is None or not math.isfinite(share):
        return NONE
    rounded = round(100 * share)
    return f"{rounded:+,d} %" if rounded else "0 %"


def share(value: float | None) -> str:
    """A share as a percentage without a sign.

    >>> share(0.324), share(None)
    ('32 %', '–')
    """
    return NONE if value is None else f"{100 * value:.0f} %"


def seconds(value: float | None) -> str:
    """A duration.

    >>> seconds(1.634), seconds(75), seconds(7300)
    ('1.6 s', '1 min 15 s', '2 h 1 min')
    """
    if value is None or not math.isfinite(value):
        return NONE
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def best_epoch(point: OverfittingPoint) -> str:
    """The best epoch; ``≥ 200`` where it lies so close to the end that it may only be where the training ended."""
    if point.best_epoch is None:
        return NONE
    return f"≥ {point.epochs}" if point.beyond else str(point.best_epoch)


def best_epoch_with_interval(point: OverfittingPoint) -> str:
    """As for a table's cell: ``82 (55 to 110)``."""
    of_interval = interval(point)
    return f"{best_epoch(point)} ({of_interval})" if of_interval else best_epoch(point)


def interval(point: OverfittingPoint) -> str:
    """Interval of the best epoch: ``55 to 110``, ``55 to ≥ 200`` where the optimum is censored, empty without one."""
    low, high = point.best_epoch_low, point.best_epoch_high
    if low is None or high is None:
        return ""
    return f"{low} to ≥ {point.epochs}" if point.censored else f"{low} to {high}"


def epochs_to_train(point: OverfittingPoint) -> str:
    """The best epoch as a number of epochs to train: ``19 epochs``, ``60 epochs or more``."""
    epochs, beyond = last_seen(point)
    return f"{counted(epochs, 'epoch')}{' or more' if beyond else ''}"


def last_seen(point: OverfittingPoint) -> tuple[int, bool]:
    """The best epoch, or the last epoch and True where the best may only be where the training ended."""
    beyond = point.beyond or point.best_epoch is None
    return (point.epochs if beyond or point.best_epoch is None else point.best_epoch), beyond


def onset_with_interval(point: OverfittingPoint) -> str:
    """The onset: ``37 (30 to 45)``."""
    if point.onset is None:
        return NONE
    ends = "" if point.onset_low is None else f" ({point.onset_low} to {point.onset_high})"
    return f"{point.onset}{ends}"


def rise_with_interval(point: OverfittingPoint) -> str:
    """How far the curve ends above its best, with the interval that the verdict rests on: ``+10 % (+2 to +19 %)``."""
    if point.severity is None or point.severity_low is None or point.severity_high is None:
        return percent(point.severity)
    return f"{percent(point.severity)} ({rise_interval(point)})"


def rise_interval(point: OverfittingPoint) -> str:
    """The interval of the rise at the end: ``+2 to +19 %``; empty without one."""
    if point.severity_low is None or point.severity_high is None:
        return ""
    low, high = (percent(end).removesuffix(" %") for end in (point.severity_low, point.severity_high))
    return f"{low} to {high} %"


def plain(value: object) -> str:
    """A value as it is; empty where there is none."""
    return "" if value is None else str(value)


def capitalised(sentence: str) -> str:
    """A sentence with a capital letter in front, the rest as it is."""
    return sentence[:1].upper() + sentence[1:]


def no_formula(text: str) -> str:
    """A text that no spreadsheet takes for a formula.

    >>> no_formula("=A1"), no_formula("64 relu")
    ("'=A1", '64 relu')
    """
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text
