"""The pages of reports; here their templates, and how what goes into them is made harmless."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipelines.words import counted
from reports import formatting
from reports.charts.palette import css_variables, verdict_class
from reports.report import point_of
from reports.tables.configurations import GLYPHS

#: An ampersand that would begin an entity, and a bracket that would begin a tag.
_ENTITY, _TAG = re.compile(r"&(?=#?\w+;)"), re.compile(r"<(?=[A-Za-z/!?])")
#: What would end a cell of a table, and the text of a picture.
_BAR, _BRACKETS = str.maketrans({"|": "&#124;"}), str.maketrans({"[": r"\[", "]": r"\]"})


def templates(*, html: bool) -> Environment:
    """Everything that came from outside is made harmless, in Markdown too: what shows Markdown shows HTML in it."""
    environment = Environment(
        loader=PackageLoader("reports.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=None if html else _harmless,
    )
    environment.globals |= {"counted": counted, "colours": Markup(css_variables()), "f": formatting}
    environment.globals |= {"point": point_of, "glyphs": GLYPHS, "verdict_class": verdict_class}
    if not html:
        environment.filters["cell"] = lambda text: Markup(_harmless(" ".join(str(text).split())).translate(_BAR))
        # Between backticks Markdown shows everything as it is.
        environment.filters["code"] = lambda text: Markup(" ".join(str(text).split()).replace("`", "'"))
        environment.filters["alt"] = lambda text: Markup(text.translate(_BRACKETS))
        environment.filters["picture_file"] = picture_file
    return environment


def _harmless(value: object) -> Markup:
    """A text for Markdown: tags do not stay tags, nor become what looks like an entity one; quotes stay quotes."""
    if hasattr(value, "__html__"):
        return Markup(value)
    return Markup(_TAG.sub("&lt;", _ENTITY.sub("&amp;", str(value))))


def picture_file(name: str) -> str:
    """File of a picture of the final model, beside the Markdown."""
    return f"final_{name}.png"
