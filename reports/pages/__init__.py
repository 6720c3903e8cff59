"""The pages of reports; here their templates, and how what goes into them is made harmless."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipelines.words import counted
from reports import formatting
from reports.charts.palette import css_variables, verdict_class
from reports.report import point_of
from reports.tables.configurations import GLYPHS


def templates(*, html: bool) -> Environment:
    """Everything that came from outside is escaped, in Markdown too: what shows Markdown shows HTML in it."""
    environment = Environment(
        loader=PackageLoader("reports.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"counted": counted, "colours": Markup(css_variables()), "f": formatting}
    environment.globals |= {"point": point_of, "glyphs": GLYPHS, "verdict_class": verdict_class}
    if not html:
        environment.filters["cell"] = lambda text: Markup.escape(" ".join(str(text).split())).replace("|", "&#124;")
        # Between backticks Markdown shows everything as it is.
        environment.filters["code"] = lambda text: Markup(" ".join(str(text).split()).replace("`", "'"))
        environment.filters["alt"] = lambda text: text.replace("[", "&#91;").replace("]", "&#93;")
        environment.filters["picture_file"] = picture_file
    return environment


def picture_file(name: str) -> str:
    """File of a picture of the final model, beside the Markdown."""
    return f"final_{name}.png"
