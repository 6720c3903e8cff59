"""The one palette: every colour of the product by the role it plays, on a light page and on a dark one.

Figures name roles. A page and an SVG document get them as CSS variables (``css_variables``), matplotlib draws with
those of a light page, and in a plotly figure a colour is a token, ``@overfits`` or ``@accent/0.16`` (with an opacity),
until it is known whether the page is light or dark: ``templates/figures.js`` reads the page's variables, ``filled_in``
takes those below.
"""

import re
from collections.abc import Mapping
from typing import Any

from pipelines.overfitting.point import Verdict

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
    "undecided": "#a07800",
    "diverged": "#b0578d",
    "training": "#8a9199",
    "wash": "#f3f5f6",
    "wrong": "#c8380a",
    "behind": "#b9c0c6",  # what others are seen against: bars of other classes, a curve as it was measured
    "paper": "#ffffff",  # under pictures that do not follow a dark page
    "on-light": "#101010",  # letters on a cell of a colour scale, which is the same on every page
    "on-dark": "#fefefe",
}
DARK: Mapping[str, str] = {
    **LIGHT,
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
    "undecided": "#d9b23c",
    "diverged": "#d993bb",
    "training": "#8b949d",
    "wash": "#1f2429",
    "wrong": "#ff8a5c",
    "behind": "#56606a",
}
#: A shape beside the colour, that of the report's tables.
SYMBOLS: Mapping[Verdict, str] = {
    Verdict.OVERFITS: "triangle-up",
    Verdict.STILL_IMPROVING: "triangle-down",
    Verdict.PLATEAU: "square",
    Verdict.UNDECIDED: "diamond",
}

_TOKEN = re.compile(r"@([a-z-]+)(?:/([0-9.]+))?")
_DRAWN = re.compile(r"(fill|stroke): (#[0-9a-f]{6})")
#: Of two roles with one colour on a light page, the first.
_ROLES = {colour: role for role, colour in reversed([*LIGHT.items()])}


def verdict_class(verdict: Verdict) -> str:
    """Role of a verdict's colour, and its class in the style sheet: ``still-improving``."""
    return str(verdict).replace(" ", "-")


def css_variables() -> str:
    """The palette as CSS variables of a document that follows the reader's choice of light or dark."""
    light, dark = ("".join(f"--{role}:{colour};" for role, colour in of.items()) for of in (LIGHT, DARK))
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def with_variables(svg: str) -> str:
    """SVG that was drawn in colours of a light page, with the variables in their place."""
    return _DRAWN.sub(lambda m: f"{m[1]}: var(--{_ROLES[m[2]]})" if m[2] in _ROLES else m[0], svg)


def token(role: str, opacity: float = 1.0) -> str:
    """A colour to be filled in later."""
    return f"@{role}" if opacity == 1 else f"@{role}/{opacity:g}"


def filled_in(content: Any, colours: Mapping[str, str] = LIGHT, *, within_colour: bool = False) -> Any:
    """A plotly figure whose colours are known. Only what stands under a name with ``color`` in it is a colour."""
    if isinstance(content, dict):
        return {
            key: filled_in(value, colours, within_colour=within_colour or "color" in key)
            for key, value in content.items()
        }
    # Lists of traces, buttons and the like are looked through, those of a hundred numbers are not.
    if isinstance(content, list | tuple) and content and (within_colour or isinstance(content[0], dict | list | tuple)):
        return [filled_in(item, colours, within_colour=within_colour) for item in content]
    if within_colour and isinstance(content, str) and (found := _TOKEN.fullmatch(content)):
        colour, opacity = colours[found[1]], found[2]
        red, green, blue = bytes.fromhex(colour[1:])
        return f"rgba({red},{green},{blue},{float(opacity):g})" if opacity else colour
    return content
