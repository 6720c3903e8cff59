"""The pictures that the teaching material shows, as matplotlib figures made of arrays.

Right is blue with ✓, wrong is red with ✗ and bold: nothing is told by colour alone, and the two colours are told apart
with every common colour blindness. ``reports.charts.drawing`` gives the figures the page's light or dark colours.

Samples are drawn on one canvas in pixels rather than in axes of their own, which would take seconds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipelines.tracking.final_models import Ints
from reports.analysis.predictions import row_shares, share
from reports.charts.canvas import INK, MUTED, RIGHT, TRACK, WRONG, Canvas, photograph, pixels, shortened, styled
from reports.formatting import number

Images = NDArray[Any]

#: Up to so many classes all have a bar, in their order; of more, the most probable ones, the true one, and the rest.
ALL_BARS = 10
TOP_BARS = 5
#: Up to so many classes the cells of a confusion matrix have room for their counts.
COUNTED_CLASSES = 12
#: Points beyond which a scatter is stored as an image.
MANY_POINTS = 2000

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
    """Each sample with the predicted class, its percentage, the true class where it is another, and a bar a class.

    Parameters
    ----------
    images
        Shape (n, height, width, channels).
    probabilities
        Shape (n, classes).
    targets
        Labels, shape (n,).
    classes
        Names in label order.
    columns
        Samples side by side.
    tile
        Width of each in pixels, at least 330.
    """
    photographs = photograph(images)
    canvas = Canvas(len(photographs), columns, tile, 150, gap=24)
    for image, of_classes, target, (x, y) in zip(
        photographs, np.asarray(probabilities, float), targets, canvas.places(), strict=True
    ):
        said, true = int(np.argmax(of_classes)), int(target)
        colour, mark = (RIGHT, RIGHT_MARK) if said == true else (WRONG, WRONG_MARK)
        wrong, room = said != true, tile / 2 - 34
        truth = f" ({shortened(classes[true], room, 13, bold=True)})" if wrong else ""
        title = f"{mark} {shortened(classes[said], room, 13, bold=wrong)} {share(of_classes[said])}{truth}"
        canvas.text(x, y + 2, title, 13, colour=colour, bold=wrong)
        canvas.image(image, x, y + 24, 124)
        _bars(canvas, of_classes, said, true, classes, x + 132, y + 24, tile - 132)
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
    images
        Shape (n, height, width, channels).
    predictions, confidences, targets
        Label, its probability and true label, each of shape (n,).
    classes
        Names in label order.
    columns
        Samples side by side.
    tile
        Width of each in pixels.
    """
    size = 12.0 if tile > 120 else 11.0
    photographs = photograph(images)
    canvas = Canvas(len(photographs), columns, tile, tile + 42, gap=14)
    for image, said, sure, true, (x, y) in zip(
        photographs, predictions, confidences, targets, canvas.places(), strict=True
    ):
        canvas.image(image, x, y, tile)
        name = shortened(classes[int(said)], tile - 12, size, bold=True)
        canvas.text(x, y + tile + 4, f"{WRONG_MARK} {name}", size, colour=WRONG, bold=True)
        truth = f"{share(float(sure))} ({shortened(classes[int(true)], tile - 46, size)})"
        canvas.text(x, y + tile + 20, truth, size, colour=MUTED)
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
    from matplotlib.colors import PowerNorm

    many = len(classes)
    counted = many <= COUNTED_CLASSES
    size = (12.0 if width > 450 else 10.0) if counted else 10.5
    names = [shortened(name, 90 if counted else 110, size) for name in classes]
    margin = 34 + max(map(len, names)) * size * 0.62
    cell = _cell(many, width - margin - 4)
    side = cell * many
    across = margin + max(side, 250) + 12
    figure = Figure(figsize=(across / 96, (margin + side + 66) / 96), dpi=96)
    axes = _placed(figure, margin, 4, side, side)
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
    axes.tick_params(length=0, labelsize=pixels(size), labelcolor=INK, pad=4)
    axes.set_xlabel("predicted", fontsize=pixels(size))
    axes.set_ylabel("true", fontsize=pixels(size))
    axes.spines[:].set_visible(False)
    if counted:
        font = pixels(min(size, cell / (0.7 * max(3, len(f"{counts.max():,}")))))
        for true, said in zip(*np.nonzero(counts), strict=True):
            colour = "#101010" if shares[true, said] > 0.2 else "#fefefe"
            axes.text(said, true, f"{counts[true, said]:,}", ha="center", va="center", fontsize=font, color=colour)
    _colour_bar(figure, drawn, margin, 4 + side + margin + 8, min(max(side, 250) - 8, 320))
    return figure


def _cell(classes: int, room: float) -> float:
    """Side of a cell in pixels: as the room allows where it holds a count, else what labels and the whole need."""
    if classes <= COUNTED_CLASSES:
        return min(max(64.0, 200 / classes), room / classes)
    return min(17.0, 1100 / classes)


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
    width, height = (354, 330) if stacked else (500, 440)
    figure = Figure(figsize=((354 if stacked else 1040) / 96, (2 * height if stacked else height) / 96), dpi=96)
    left, right, top, bottom = 62, 12, 14, 46
    inner, tall = width - left - right, height - top - bottom
    scatter = _placed(figure, left, top, inner, tall)
    spread = _placed(figure, *((left, height + top) if stacked else (540 + left, top)), inner, tall)
    _scatter(scatter, np.asarray(targets, float), np.asarray(predictions, float))
    _residual_quantiles(spread, np.asarray(predictions, float) - np.asarray(targets, float))
    return figure


def _bars(
    canvas: Canvas,
    probabilities: NDArray[Any],
    said: int,
    true: int,
    classes: Sequence[str],
    x: float,
    y: float,
    width: float,
) -> None:
    """Bars of the class probabilities, 124 pixels high in all: the predicted one, the true one, the others in grey."""
    shown = _shown_classes(probabilities, true)
    rest = 1.0 - float(probabilities[shown].sum()) if len(shown) < len(classes) else None
    lines = len(shown) + (rest is not None)
    step = min(124 / lines, 18.0)
    size = min(11.0, step - 1.6)
    names = 84.0
    full = width - names - 48
    for index, label in enumerate(shown):
        value, middle = float(probabilities[label]), y + step * (index + 0.5)
        colour = (RIGHT if said == true else WRONG) if label == said else RIGHT if label == true else TRACK
        marked = label in (said, true)
        name = shortened(classes[label], names - (8 if label == true != said else 0), size)
        name = f"({name})" if label == true != said else name
        canvas.text(
            x + names,
            middle,
            name,
            size,
            colour=colour if marked else MUTED,
            bold=label == said,
            align="right",
            middle=True,
        )
        canvas.bar(x + names + 6, middle - step * 0.36, full * value, step * 0.72, colour, name=str(label))
        if marked:
            canvas.text(x + names + 10 + full * value, middle, share(value), size, colour=colour, middle=True)
    if rest is not None:
        middle = y + step * (len(shown) + 0.5)
        others = len(classes) - len(shown)
        canvas.text(x + names, middle, f"{others} others", size, colour=MUTED, align="right", middle=True)
        canvas.bar(x + names + 6, middle - step * 0.36, full * max(rest, 0.0), step * 0.72, TRACK, name="others")


def _shown_classes(probabilities: NDArray[Any], true: int) -> list[int]:
    if len(probabilities) <= ALL_BARS:
        return list(range(len(probabilities)))
    top = [int(label) for label in np.argsort(-probabilities, kind="stable")[:TOP_BARS]]
    return top if true in top else [*top, true]


def _placed(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes at a place in pixels from the figure's upper left corner."""
    across, down = figure.get_size_inches() * 96
    return figure.add_axes((x / across, 1 - (y + height) / down, width / across, height / down))


def _colour_bar(figure: Figure, drawn: Any, x: float, y: float, width: float) -> None:
    axes = _placed(figure, x, y, width, 9)
    bar = figure.colorbar(drawn, cax=axes, orientation="horizontal")
    levels = [0, 0.01, 0.05, 0.2, 0.5, 1]
    bar.set_ticks(levels, labels=[f"{100 * level:g} %" for level in levels])
    bar.minorticks_off()
    axes.tick_params(length=3, labelsize=pixels(10), labelcolor=MUTED)
    axes.set_xlabel("share of the true class", fontsize=pixels(11))
    bar.outline.set_visible(False)  # type: ignore[operator]


def _scatter(axes: Axes, targets: NDArray[Any], predictions: NDArray[Any]) -> None:
    low = min(float(targets.min()), float(predictions.min()))
    high = max(float(targets.max()), float(predictions.max()))
    margin = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
    low, high = low - margin, high + margin
    ends = np.array([low, high])
    below, above = np.quantile(predictions - targets, [0.05, 0.95])
    axes.fill_between(ends, ends + below, ends + above, color=RIGHT, alpha=0.1, linewidth=0, zorder=0)
    axes.plot(ends, ends, color=INK, linewidth=1.1, linestyle=(0, (5, 3)), zorder=1)
    alpha = float(np.clip(30 / np.sqrt(len(targets)), 0.08, 0.75))
    axes.scatter(
        targets, predictions, s=16, color=RIGHT, alpha=alpha, linewidth=0, rasterized=len(targets) > MANY_POINTS
    )
    axes.set(xlim=(low, high), ylim=(low, high))
    _labelled(axes, "true value", "predicted value")


def _residual_quantiles(axes: Axes, residuals: NDArray[Any]) -> None:
    """Sorted residuals against the share of samples below them; the quantiles of the title marked and written."""
    ranks = (np.arange(len(residuals)) + 0.5) / len(residuals)
    axes.axhline(0.0, color=INK, linewidth=1.1, linestyle=(0, (5, 3)))
    axes.plot(100 * ranks, np.sort(residuals), color=RIGHT, linewidth=1.8)
    marked = np.quantile(residuals, QUANTILES)
    axes.plot(100 * np.array(QUANTILES), marked, "o", color=RIGHT, markersize=5)
    for quantile, value in zip(QUANTILES, marked, strict=True):
        left = quantile > 0.5
        axes.annotate(
            number(float(value), 3).replace("-", "−"),
            (100 * quantile, value),
            (-6 if left else 6, 5 if left else -5),
            textcoords="offset points",
            ha="right" if left else "left",
            va="bottom" if left else "top",
            fontsize=pixels(11),
            color=INK,
        )
    axes.set(xlim=(-2, 102))
    axes.set_xticks([round(100 * quantile) for quantile in QUANTILES])
    _labelled(axes, "% of the test samples", "residual: predicted − true", ticks=False)


def _labelled(axes: Axes, across: str, up: str, *, ticks: bool = True) -> None:
    axes.grid(visible=True, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=pixels(11), pad=5)
    axes.set_xlabel(across, fontsize=pixels(12))
    axes.set_ylabel(up, fontsize=pixels(12))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    if ticks:
        axes.xaxis.set_major_locator(MaxNLocator(6))
