"""The pictures that the teaching material shows, as matplotlib figures made of arrays.

Right is blue with ✓, wrong is red with ✗ and bold: nothing is told by colour alone, and the two colours are told apart
with every common colour blindness. ``reports.charts.drawing`` gives the figures the page's light or dark colours.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.tracking.final_models import Ints
from reports.analysis.predictions import row_shares, share
from reports.charts.as_files import draw_panel
from reports.charts.chart import Axis, Band, Line, Panel, Points, Texts, around
from reports.charts.drawing import Canvas, photograph, pixels, placed, sheet, shortened, styled
from reports.charts.palette import LIGHT
from reports.formatting import number

Images = NDArray[Any]

#: Up to so many classes all have a bar, in their order; of more, the most probable ones, the true one, and the rest.
ALL_BARS = 10
TOP_BARS = 5
#: Up to so many classes the cells of a confusion matrix have room for their counts.
COUNTED_CLASSES = 12
#: Points beyond which a scatter is stored as an image.
MANY_POINTS = 2000
#: Pixels of the bars of one sample, all together.
BARS_HIGH = 124

RIGHT, WRONG, OTHER = "accent", "wrong", "behind"
RIGHT_MARK, WRONG_MARK = "✓", "✗"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@styled
def labelled_samples(
    images: Images, labels: Sequence[int] | Ints, classes: Sequence[str], *, columns: int = 5, tile: int = 104
) -> Figure:
    """A grid of samples, the class under each.

    Parameters
    ----------
    images
        Shape (n, height, width, channels), 1 channel or 3; see ``photograph`` for their values.
    labels
        Shape (n,).
    classes
        Names in label order.
    columns, tile
        Samples side by side, and the pixels of each.
    """
    photographs = photograph(images)
    size = 12 if tile >= 90 else 10
    canvas = Canvas(len(photographs), columns, tile, tile + size + 8, gap=10)
    for image, label, (x, y) in zip(photographs, labels, canvas.places(), strict=True):
        canvas.image(image, x, y, tile)
        canvas.text(x + tile / 2, y + tile + 4, shortened(classes[int(label)], tile + 6, size), size, align="center")
    return canvas.figure


@styled
def predictions_with_confidence(
    images: Images,
    probabilities: NDArray[Any],
    targets: Sequence[int] | Ints,
    classes: Sequence[str],
    *,
    columns: int = 3,
    tile: int = 376,
) -> Figure:
    """Each sample with predicted class and percentage, the true class where it is another, and a bar for each class.

    Parameters
    ----------
    images, classes
        As for ``labelled_samples``.
    probabilities
        Shape (n, classes).
    targets
        Labels, shape (n,).
    columns, tile
        Samples side by side, and the width of each in pixels, at least 330.
    """
    photographs = photograph(images)
    canvas = Canvas(len(photographs), columns, tile, BARS_HIGH + 26, gap=24)
    samples = zip(np.asarray(probabilities, float), targets, strict=True)
    for image, (of_classes, target), (x, y) in zip(photographs, samples, canvas.places(), strict=True):
        taken, true = int(np.argmax(of_classes)), int(target)
        role, mark = (RIGHT, RIGHT_MARK) if taken == true else (WRONG, WRONG_MARK)
        wrong, room = taken != true, tile / 2 - 34
        truth = f" ({shortened(classes[true], room, 13, bold=True)})" if wrong else ""
        title = f"{mark} {shortened(classes[taken], room, 13, bold=wrong)} {share(of_classes[taken])}{truth}"
        canvas.text(x, y + 2, title, 13, role=role, bold=wrong)
        canvas.image(image, x, y + 24, BARS_HIGH)
        _bars(canvas, of_classes, (taken, true), classes, box=(x + 132, y + 24, tile - 132))
    return canvas.figure


@styled
def mistakes(
    images: Images,
    predictions: Sequence[int] | Ints,
    confidences: Sequence[float] | NDArray[Any],
    targets: Sequence[int] | Ints,
    classes: Sequence[str],
    *,
    columns: int = 8,
    tile: int = 134,
) -> Figure:
    """Wrongly predicted samples in the order given: what was said, how surely, and the truth in parentheses.

    Parameters
    ----------
    images, classes, columns, tile
        As for ``labelled_samples``.
    predictions, confidences, targets
        Label, its probability and true label, each of shape (n,).
    """
    size = 12.0 if tile > 120 else 11.0
    photographs = photograph(images)
    canvas = Canvas(len(photographs), columns, tile, tile + 42, gap=14)
    samples = zip(predictions, confidences, targets, strict=True)
    for image, (taken, sure, true), (x, y) in zip(photographs, samples, canvas.places(), strict=True):
        canvas.image(image, x, y, tile)
        name = shortened(classes[int(taken)], tile - 12, size, bold=True)
        canvas.text(x, y + tile + 4, f"{WRONG_MARK} {name}", size, role=WRONG, bold=True)
        truth = f"{share(float(sure))} ({shortened(classes[int(true)], tile - 46, size)})"
        canvas.text(x, y + tile + 20, truth, size, role="muted")
    return canvas.figure


@styled
def confusion_matrix(counts: Ints, classes: Sequence[str], *, width: int = 560) -> Figure:
    """Rows are true classes, columns predicted ones; the colour is the share of the row, the number the count.

    Shares are coloured by their square root, else rare mistakes could not be told from none. Counts are written where
    there are at most ``COUNTED_CLASSES`` classes.

    Parameters
    ----------
    counts
        Shape (classes, classes).
    classes
        Names in label order.
    width
        Pixels; a matrix of many classes is wider than asked, so that its labels can be read.
    """
    many = len(classes)
    counted = many <= COUNTED_CLASSES
    size = (12.0 if width > 450 else 10.0) if counted else 10.5
    names = [shortened(name, 90 if counted else 110, size) for name in classes]
    margin = 34 + max(map(len, names)) * size * 0.62
    cell = _cell(many, width - margin - 4)
    side = cell * many
    figure = sheet(margin + max(side, 250) + 12, margin + side + 66)
    axes = placed(figure, margin, 4, width=side, height=side)
    shares = row_shares(counts)
    drawn = axes.imshow(
        shares, cmap="cividis", norm=PowerNorm(0.5, 0, 1), interpolation="none", aspect="auto", origin="upper"
    )
    every = max(1, int(np.ceil((size + 2) / cell)))
    shown = range(0, many, every)
    axes.set_xticks(list(shown), [names[label] for label in shown])
    axes.set_yticks(list(shown), [names[label] for label in shown])
    if margin - 34 > cell:  # the longest name is wider than a cell
        for tick in axes.get_xticklabels():
            tick.set(rotation=90, rotation_mode="anchor", ha="right", va="center")
    axes.tick_params(length=0, labelsize=pixels(size), labelcolor=LIGHT["ink"], pad=4)
    axes.set_xlabel("predicted", fontsize=pixels(size))
    axes.set_ylabel("true", fontsize=pixels(size))
    axes.spines[:].set_visible(False)
    if counted:
        font = pixels(min(size, cell / (0.7 * max(3, len(f"{counts.max():,}")))))
        for true, taken in zip(*np.nonzero(counts), strict=True):
            colour = LIGHT["on-light" if shares[true, taken] > 0.2 else "on-dark"]
            axes.text(taken, true, f"{counts[true, taken]:,}", ha="center", va="center", fontsize=font, color=colour)
    scale = placed(figure, margin, side + margin + 12, width=min(max(side, 250) - 8, 320), height=9)
    bar = figure.colorbar(drawn, cax=scale, orientation="horizontal")
    levels = [0, 0.01, 0.05, 0.2, 0.5, 1]
    bar.set_ticks(levels, labels=[f"{100 * level:g} %" for level in levels])
    bar.minorticks_off()
    scale.tick_params(length=3, labelsize=pixels(10), labelcolor=LIGHT["muted"])
    scale.set_xlabel("share of the true class", fontsize=pixels(11))
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


@styled
def predicted_against_true(targets: NDArray[Any], predictions: NDArray[Any], *, stacked: bool = False) -> Figure:
    """Predicted against true values with the line where they are equal, and the quantiles of what lies between.

    The band around the line holds the middle nine tenths of the residuals (predicted minus true).

    Parameters
    ----------
    targets, predictions
        Finite, shape (n,), n at least 1.
    stacked
        One panel above the other, for a narrow page.
    """
    targets, predictions = np.asarray(targets, float), np.asarray(predictions, float)
    width, height = (354, 330) if stacked else (500, 440)
    figure = sheet(354 if stacked else 1040, 2 * height if stacked else height)
    left, right, top, bottom = 62, 12, 14, 46
    size = {"width": width - left - right, "height": height - top - bottom}
    scatter = placed(figure, left, top, **size)
    draw_panel(scatter, _against(targets, predictions))
    alpha = float(np.clip(30 / np.sqrt(len(targets)), 0.08, 0.75))
    many = len(targets) > MANY_POINTS
    scatter.scatter(targets, predictions, s=16, color=LIGHT[RIGHT], alpha=alpha, linewidth=0, rasterized=many)
    spread = placed(figure, *((left, height + top) if stacked else (540 + left, top)), **size)
    draw_panel(spread, _residual_quantiles(predictions - targets))
    return figure


def _bars(
    canvas: Canvas,
    probabilities: NDArray[Any],
    labels: tuple[int, int],
    classes: Sequence[str],
    *,
    box: tuple[float, float, float],
) -> None:
    """Bars of the class probabilities: the predicted one, the true one, the others in grey.

    Parameters
    ----------
    labels
        The predicted one and the true one.
    box
        Left, top and width in pixels; ``BARS_HIGH`` high.
    """
    taken, true = labels
    x, y, width = box
    shown = _shown_classes(probabilities, true)
    lines = len(shown) + (len(shown) < len(classes))
    step = min(BARS_HIGH / lines, 18.0)
    size = min(11.0, step - 1.6)
    names = 84.0
    full = width - names - 48

    def line(index: int, label: str, *, name: str, value: float, role: str, bold: bool = False) -> None:
        middle, marked = y + step * (index + 0.5), role != OTHER
        letters = role if marked else "muted"
        canvas.text(x + names, middle, name, size, role=letters, bold=bold, align="right", middle=True)
        thick = step * 0.72
        canvas.bar(x + names + 6, middle - thick / 2, width=full * value, height=thick, role=role, name=label)
        if marked:
            canvas.text(x + names + 10 + full * value, middle, share(value), size, role=role, middle=True)

    for index, label in enumerate(shown):
        missed = label == true != taken
        name = shortened(classes[label], names - (8 if missed else 0), size)
        line(
            index,
            str(label),
            name=f"({name})" if missed else name,
            value=float(probabilities[label]),
            role=RIGHT if label == true else WRONG if label == taken else OTHER,
            bold=label == taken,
        )
    if lines > len(shown):
        rest = max(1.0 - float(probabilities[shown].sum()), 0.0)
        line(len(shown), "others", name=f"{len(classes) - len(shown)} others", value=rest, role=OTHER)


def _shown_classes(probabilities: NDArray[Any], true: int) -> list[int]:
    if len(probabilities) <= ALL_BARS:
        return list(range(len(probabilities)))
    top = [int(label) for label in np.argsort(-probabilities, kind="stable")[:TOP_BARS]]
    return top if true in top else [*top, true]


def _cell(classes: int, room: float) -> float:
    """Side of a cell in pixels: as the room allows where it holds a count, else what labels and the whole need."""
    if classes <= COUNTED_CLASSES:
        return min(max(64.0, 200 / classes), room / classes)
    return min(17.0, 1100 / classes)


def _against(targets: NDArray[Any], predictions: NDArray[Any]) -> Panel:
    """The line where predicted and true value are equal, and what holds most residuals; the points are many."""
    ends = around([*targets, *predictions], margin=0.04)
    low, high = (tuple(end + residual for end in ends) for residual in np.quantile(predictions - targets, [0.05, 0.95]))
    marks = Band("", RIGHT, ends, low, high=high, opacity=0.1), Line("", "ink", ends, ends, width=1.4, dash=True)
    return Panel(Axis("true value", *ends), Axis("predicted value", *ends), marks)


def _residual_quantiles(residuals: NDArray[Any]) -> Panel:
    """Sorted residuals against the share of samples below them; the quantiles of the title marked and written."""
    ranks = 100 * (np.arange(len(residuals)) + 0.5) / len(residuals)
    marked = tuple(float(value) for value in np.quantile(residuals, QUANTILES))
    places = tuple(100 * quantile for quantile in QUANTILES)
    words = tuple(number(value, 3).replace("-", "−") for value in marked)
    middle = len(QUANTILES) // 2 + 1
    marks = (
        Line("", "ink", (-2, 102), (0.0, 0.0), width=1.4, dash=True),
        Line("", RIGHT, tuple(ranks), tuple(np.sort(residuals)), width=2.2),
        Points("", RIGHT, places, marked, size=6.5),
        Texts("ink", places[:middle], marked[:middle], words[:middle], align="bottom right"),
        Texts("ink", places[middle:], marked[middle:], words[middle:], align="top left"),
    )
    across = Axis("% of the test samples", -2, 102, ticks=tuple((place, f"{place:.0f}") for place in places))
    return Panel(across, Axis("residual: predicted − true", *around([*residuals, 0.0], margin=0.05)), marks)
