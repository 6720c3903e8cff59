"""Learning from the training rows how the columns of a table are encoded, and which of them are left out.

Inputs are numbers as they are, texts one-hot, dates a few numbers, missing values as told. Filling in is done with
statistics of the training rows (never of the test rows); a fold's validation rows have their share in them. Little can
come of that, since no target is used and every column with gaps gets a companion that is 1 where a value was missing:
with it a first layer can put any value of its own in the place of the filled one. What is missing from a text column is
encoded as no category (``mean``, ``median``) or as the most frequent one.

Left out are columns that cannot help and do harm: without values or with one only, texts that all differ and numbers
that count the rows (they name rows), columns that are the same as another one, and more different texts than anyone
would one-hot encode. A column that the user names under ``features`` or ``categorical`` is kept whatever it holds.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.datasets.options import FILLING
from pipelines.datasets.user_file.contents import kind_of
from pipelines.datasets.user_file.encoding import DATE_FEATURES, ISO, as_text, dates_of, numbers_of
from pipelines.errors import DataError

MAX_CATEGORIES = 256
FEWEST_ROWS = 20  # of fewer rows it is chance that all texts differ, or that numbers rise by one
_COUNTS = "counts the rows"
SAMPLE_ROWS = 100_000  # that give the fill value of a column without gaps
_KEYED = 64


@dataclass(frozen=True)
class Wishes:
    """What the user says of the columns, the options of these names.

    ``kept`` are those of the option ``features``; ``markers`` are the texts that mean a missing value in an encoding.
    """

    missing: str
    categorical: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    dates: str = "numbers"
    markers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Learned:
    """The columns of an encoding, in the order of the file.

    ``left_out``: column -> why it is none of them. ``imputed``: column -> how many training values are filled in and
    with what.
    """

    columns: tuple[dict[str, Any], ...]
    left_out: dict[str, str]
    imputed: dict[str, str]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns of the matrix."""
        return tuple(name for column in self.columns for name in column["features"])


def learn_columns(
    frame: pd.DataFrame,
    train: NDArray[np.int64] | None,
    wishes: Wishes,
    *,
    forms: Mapping[str, Mapping[str, str]],
    where: str,
) -> Learned:
    """Learn the encoding.

    Parameters
    ----------
    train
        Numbers of the training rows; None for all rows.
    forms
        How texts were written that are numbers or dates now, see ``contents``.

    Raises
    ------
    DataError
        Where a column holds neither numbers, texts nor dates, where one that is to be kept has too many different texts
        or no value, and where no column is left.
    """
    learner = _Learner(wishes, forms, where)
    for name in frame.columns:
        learner.add(str(name), frame[name], train)
    counting = [name for name, reason in learner.left_out.items() if reason == _COUNTS]
    if not learner.columns and counting:  # the only inputs there are
        learner = _Learner(replace(wishes, kept=tuple(counting)), forms, where)
        for name in frame.columns:
            learner.add(str(name), frame[name], train)
    if not learner.columns:
        reasons = "; ".join(f"{name!r} {reason}" for name, reason in list(learner.left_out.items())[:10])
        raise DataError(f"{where} has no columns left for the inputs beside the target: {reasons}.")
    return Learned(tuple(learner.columns), learner.left_out, learner.imputed)


class _Learner:
    def __init__(self, wishes: Wishes, forms: Mapping[str, Mapping[str, str]], where: str) -> None:
        self.wishes, self.forms, self.where = wishes, forms, where
        self.columns: list[dict[str, Any]] = []
        self.left_out: dict[str, str] = {}
        self.imputed: dict[str, str] = {}
        self._seen: dict[Any, list[tuple[str, pd.Series[Any]]]] = {}

    def add(self, name: str, series: "pd.Series[Any]", train: NDArray[np.int64] | None) -> None:
        """Learn a column, or say why it is left out."""
        kind = kind_of(series, self.where)
        rows = train
        if kind in ("number", "whole") and name not in self.wishes.categorical and not bool(series.isna().any()):
            rows = _thinned(train, len(series))  # enough for what is learned of numbers without gaps
        learned = series if rows is None else series.iloc[rows]
        kept = name in self.wishes.kept or name in self.wishes.categorical
        present = learned.dropna()
        if not len(present):
            if name in self.wishes.kept:
                raise DataError(f"Column {name!r} of {self.where} holds no values; leave it out of 'features'.")
            self.left_out[name] = "holds no values"
            return
        counts = None
        if kind == "text" or name in self.wishes.categorical:
            counts = _text_counts(present)
        reason = self._reason((series, train), learned, counts) if not kept else ""
        if kind == "date" and self.wishes.dates == "leave_out" and counts is None:
            reason = reason or "is a date"
        if reason:
            self.left_out[name] = reason
            return
        if counts is not None and len(counts) > MAX_CATEGORIES and name not in self.wishes.categorical:
            raise DataError(
                f"Column {name!r} of {self.where} holds {len(counts)} different texts, more than {MAX_CATEGORIES}: "
                "leave it out of 'features', or name it under 'categorical' if one input for each is meant."
            )
        column = self._described(name, kind, present, counts) | {"gaps": len(present) < len(learned)}
        if kind == "whole" and bool(series.isna().any()):
            column["type"] = "number"
        if column["gaps"]:
            column["features"].append(f"{name} missing")
            fill = column["fill"]
            with_what = "no category" if fill is None else f"{fill:.6g}" if isinstance(fill, float) else fill
            self.imputed[name] = f"{len(learned) - len(present)} with {with_what}"
        self.columns.append(column)

    def _described(
        self, name: str, kind: str, present: "pd.Series[Any]", counts: "Counter[str] | None"
    ) -> dict[str, Any]:
        """A column of an encoding, of its kind and the values that are there."""
        column: dict[str, Any] = {"name": name, "type": kind}
        if counts is not None:
            most = max(sorted(counts), key=counts.__getitem__) if self.wishes.missing == "most_frequent" else None
            texts = sorted(counts)
            return column | {"categories": texts, "fill": most, "features": [f"{name}={text}" for text in texts]}
        column |= {"markers": list(self.wishes.markers)} if self.wishes.markers and kind != "boolean" else {}
        if kind == "date":
            column |= {"form": ISO, **self.forms.get(name, {})}
            features = [f"{name} {part}" for part in DATE_FEATURES]
            return column | self._days(dates_of(present, column["form"])) | {"features": features}
        fill = _fill_value(numbers_of(present), self.wishes.missing)
        return column | {**self.forms.get(name, {}), "fill": fill, "features": [name]}

    def _reason(
        self,
        whole: tuple["pd.Series[Any]", NDArray[np.int64] | None],
        learned: "pd.Series[Any]",
        counts: "Counter[str] | None",
    ) -> str:
        """Why a column with values is left out; empty where it is not. ``whole``: the column, and its training rows."""
        series, train = whole
        gaps = learned.isna().to_numpy()
        first = learned.iloc[int(np.argmin(gaps))]
        if not gaps.any() and len(learned) > 1:
            constant = len(counts) == 1 if counts is not None else _is_constant(learned, first)
            if constant and (
                counts is not None or _is_constant(series if train is None else series.iloc[train], first)
            ):
                return f"has one value only, {as_text(first)!r}"
        if counts is not None:
            if len(counts) == len(learned) - gaps.sum() >= FEWEST_ROWS:
                return "names the rows: all its texts differ"
            if len(counts) > MAX_CATEGORIES:
                return f"has {len(counts):,} different texts; the option 'categorical' makes an input of each"
        elif len(series) >= FEWEST_ROWS and _is_counter(series):
            return _COUNTS
        key = (str(learned.dtype), tuple(map(str, learned.iloc[:_KEYED])))
        for other, values in self._seen.get(key, []):
            if values.equals(series.rename(None)):
                return f"is the same as {other!r}"
        self._seen.setdefault(key, []).append((str(series.name), series.rename(None)))
        return ""

    def _days(self, present: NDArray[np.datetime64]) -> dict[str, Any]:
        """The first day, and what stands for a missing one, as texts."""
        dates, how = pd.Series(present), self.wishes.missing
        known: dict[str, Any] = {"first": dates.min().isoformat(), "fill": None}
        if how in FILLING:
            fill: Any = dates.mean() if how == "mean" else dates.median() if how == "median" else dates.mode().iloc[0]
            known["fill"] = fill.isoformat()
        return known


def _thinned(train: NDArray[np.int64] | None, count: int) -> NDArray[np.int64] | None:
    """At most twice ``SAMPLE_ROWS`` of the training rows, evenly spread."""
    step = max(1, (count if train is None else len(train)) // SAMPLE_ROWS)
    return train if step == 1 else np.arange(0, count, step) if train is None else train[::step]


def _text_counts(present: "pd.Series[Any]") -> "Counter[str]":
    if isinstance(present.dtype, pd.CategoricalDtype):
        codes, values = present.cat.codes.to_numpy(), present.cat.categories
    else:
        codes, values = pd.factorize(present)
    counts: Counter[str] = Counter()
    for value, count in zip(values, np.bincount(codes, minlength=len(values)), strict=True):
        if count:
            counts[as_text(value)] += int(count)
    return counts


def _is_constant(series: "pd.Series[Any]", value: object) -> bool:
    return all(bool((part == value).all()) for part in (series.iloc[:_KEYED], series))


def _is_counter(series: "pd.Series[Any]") -> bool:
    """Whether whole numbers rise by one from row to row."""
    if series.dtype.kind not in "iuf" or bool(series.iloc[:_KEYED].isna().any()):
        return False
    for part in (series.iloc[:_KEYED], series):
        values = numbers_of(part)
        if not (values[0] == np.round(values[0]) and bool(np.all(np.diff(values) == 1))):
            return False
    return True


def _fill_value(present: NDArray[np.float64], missing: str) -> float | None:
    if missing not in FILLING:
        return None
    if missing == "most_frequent":
        values, counts = np.unique(present, return_counts=True)
        return float(values[np.argmax(counts)])
    with np.errstate(invalid="ignore"):
        fill = float(present.mean() if missing == "mean" else np.median(present))
    return fill if np.isfinite(fill) else None  # infinite values are refused when encoding
