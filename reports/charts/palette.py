"""Colours by the role they play, as the style sheet has them; figures name roles, renderers and the page fill them in.

In a plotly figure a colour is a token, ``@overfits`` or ``@accent/0.16`` (with an opacity), until it is known whether
the page is light or dark: ``templates/figures.js`` reads the page's CSS variables, ``filled_in`` those below.
"""

import re
from collections.abc import Mapping
from typing import Any

from pipelines.overfitting.point import Verdict

#: Of a light page; equal to the variables of ``reports/pages/templates/style.css``.
LIGHT: Mapping[str, str] = {
    "page": "#fcfcfb",
    "raised": "#ffffff",
    "ink": "#1b1f24",
    "muted": "#5c656e",
    "line": "#e3e6e8",
    "track": "#d5dade",
    "accent": "#0072b2",
    "overfits": "#d55e00",
    "still-improving": "#3a9bd9",
    "plateau": "#009e73",
    "diverged": "#b0578d",
    "training": "#8a9199",
}
DARK: Mapping[str, str] = {
    "page": "#14171a",
    "raised": "#1a1e22",
    "ink": "#e7eaed",
    "muted": "#9aa4ad",
    "line": "#2a3036",
    "track": "#3a424a",
    "accent": "#56b4e9",
    "overfits": "#f0813a",
    "still-improving": "#7cc4ee",
    "plateau": "#2fbf94",
    "diverged": "#d993bb",
    "training": "#8b949d",
}
#: A shape beside the colour, that of the report's tables.
SYMBOLS: Mapping[Verdict, str] = {
    Verdict.OVERFITS: "triangle-up",
    Verdict.STILL_IMPROVING: "triangle-down",
    Verdict.PLATEAU: "square",
}

_TOKEN = re.compile(r"@([a-z-]+)(?:/([0-9.]+))?")


def token(role: str, opacity: float = 1.0) -> str:
    """A colour to be filled in later."""
    return f"@{role}" if opacity == 1 else f"@{role}/{opacity:g}"


def filled_in(content: Any, colours: Mapping[str, str] = LIGHT) -> Any:
    """A plotly figure whose colours are known. Only what stands under a name with ``color`` in it is a colour."""
    return _filled(content, colours, within_colour=False)


def _filled(content: Any, colours: Mapping[str, str], *, within_colour: bool) -> Any:
    if isinstance(content, dict):
        return {
            key: _filled(value, colours, within_colour=within_colour or "color" in key)
            for key, value in content.items()
        }
    if not within_colour:
        return [_filled(item, colours, within_colour=False) for item in content] if _holds_parts(content) else content
    if isinstance(content, list | tuple):
        return [_filled(item, colours, within_colour=True) for item in content]
    if isinstance(content, str) and (found := _TOKEN.fullmatch(content)):
        return _colour(colours[found[1]], found[2])
    return content


def _holds_parts(content: Any) -> bool:
    """Whether it is a list of traces, buttons and the like, rather than one of a hundred numbers."""
    return isinstance(content, list | tuple) and bool(content) and isinstance(content[0], dict | list | tuple)


def _colour(colour: str, opacity: str | None) -> str:
    if opacity is None:
        return colour
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{float(opacity):g})"
