"""Axes of a space that give the hidden layers by number and widths, in place of the field ``layers``."""

from dataclasses import replace

from pipelines.checking.kinds import Whole
from pipelines.exercises.settings import MAX_DEPTH, MAX_UNITS, MIN_UNITS, OWN_UNITS, Remedy, Setting, complete

_UNITS = Setting(
    Whole(MIN_UNITS, MAX_UNITS),
    "Width of the hidden layers that have none of their own",
    place=4,
    log=True,
    builds=True,
    remedy=Remedy("fewer units", place=3, less=True),
)
_DEPTH = Setting(
    Whole(0, MAX_DEPTH),
    "Number of hidden dense layers",
    title="hidden layers",
    place=5,
    builds=True,
    remedy=Remedy("fewer layers", place=4, less=True),
)
_OWN_UNITS = {
    name: replace(
        _UNITS, title=f"units of hidden layer {number}", meaning=f"Width of hidden layer {number}", remedy=None
    )
    for number, name in enumerate(OWN_UNITS, start=1)
}
_ALL = {"depth": _DEPTH, "units": replace(_UNITS, title="units of the first hidden layer"), **_OWN_UNITS}
#: By name: ``depth``, ``units``, and a width of its own for each layer.
WIDTH_SETTINGS = {name: complete(known, name) for name, known in _ALL.items()}
