"""What a report says and shows of the final model of its sweep, before it is put on a page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isclose

import numpy as np
from matplotlib.figure import Figure

from pipelines.tracking import names
from pipelines.tracking.final_models import FinalModel, Ints, Predictions, Samples, read_final
from pipelines.words import counted
from reports.analysis.predictions import Calibration, confusion_counts, confusions, wilson_interval
from reports.charts import final_pictures as pictures
from reports.charts.calibration import reliability
from reports.charts.drawing import SMALL_IMAGE, Drawn, drawn
from reports.formatting import number
from reports.report import Report
from reports.tables import final_figures
from reports.tables.final_figures import Grid
from reports.tables.final_listings import WORST, Listing, chosen, labelled_texts, listings

#: Images shown at most: of the first test rows, and of the mistakes that the model was least sure of.
FIRST, UNSURE = 15, 9
CONFUSIONS = 10
#: Figures that have a tile where they are known; the table has all of them.
_TILES = ("accuracy", "balanced_accuracy", "auc", "mae", "rmse", "r2", "mse", "crossentropy")


@dataclass(frozen=True)
class Tile:
    """A figure of the test set: its name, its value, and what belongs to it."""

    name: str
    value: str
    small: str


@dataclass(frozen=True)
class Picture:
    """A picture, drawn when it is needed."""

    name: str  #: of its file
    #: ``heading``, ``note``, ``alt``: above it, below it, and instead of it.
    heading: str
    note: str
    alt: str
    draw: Callable[[bool], Figure]  #: the figure; the argument says whether it is for a narrow page
    photographs: bool = False  #: whether its images may be photographs
    scrolls: bool = False  #: whether a narrow page scrolls it rather than drawing it anew


@dataclass(frozen=True)
class FinalSection:
    """The final model, ready to be shown: sentences, figures of the test set, pictures and tables in their order."""

    sentence: str
    tiles: tuple[Tile, ...]
    figures: Grid | None
    overview: tuple[Picture, ...]
    confusions: tuple[tuple[str, str, str], ...]
    calibration: Grid | None
    blocks: tuple[Picture | Listing, ...]
    facts: tuple[tuple[str, str], ...]

    def drawn(self) -> dict[str, Drawn]:
        """All pictures in their order, by name."""
        found = (*self.overview, *(block for block in self.blocks if isinstance(block, Picture)))
        return {of.name: drawn(of.draw, photographs=of.photographs, scrolls=of.scrolls) for of in found}


def read_final_section(report: Report) -> FinalSection | None:
    """The section for the newest final model of a sweep; None where there is none.

    Raises ``TrackingError`` when the store does not answer.
    """
    final = read_final(report.sweep.run_id, uri=report.sweep.uri)
    return None if final is None else make_section(final)


def make_section(final: FinalModel) -> FinalSection:
    """What is shown of a final model; whatever its artifacts do not have is left out."""
    samples, labelled, tested = _sample_grid(final), labelled_texts(final), final.predictions
    overview: list[Picture] = [] if samples is None else [samples]
    blocks: list[Picture | Listing] = [] if labelled is None else [labelled]
    commonest: list[tuple[str, str, str]] = []
    calibration = None
    if tested is not None:
        if final.task.is_classification:
            counts = confusion_counts(tested.targets, tested.predictions, len(final.classes))
            overview.append(_confusion(final, counts))
            commonest = [
                (final.classes[true], final.classes[taken], f"{count:,} of {int(counts[true].sum()):,}")
                for true, taken, count in confusions(counts, CONFUSIONS)
            ]
            if found := final_figures.calibrated(final, tested):
                overview.append(_calibration(final, found))
                calibration = final_figures.calibration_table(found)
        else:
            overview += _regression(tested)
        blocks += _images(final, tested) if final.input_kind == "image" else listings(final, tested)
    return FinalSection(
        sentence=_sentence(final),
        tiles=tuple(_tiles(final)),
        figures=final_figures.figures(final) if final.figures else None,
        overview=tuple(overview),
        confusions=tuple(commonest) if len(final.classes) > 2 else (),
        calibration=calibration,
        blocks=tuple(blocks),
        facts=tuple(_facts(final)),
    )


def _sentence(final: FinalModel) -> str:
    how = f"for {counted(final.epochs, 'epoch')}" if final.epochs else ""
    what = f"on all {counted(final.samples, 'training sample')}" if final.samples else "on all training samples"
    trained = " ".join(filter(None, ["The chosen configuration, trained", what, how]))
    remark = f" {final.remark}" if final.remark else ""
    if not final.test_samples:
        return f"{trained}. This data set has no test set, so there is nothing to test it on."
    tested = f"tested once, on {counted(final.test_samples, 'sample')} that nothing before had seen."
    return f"{trained}, and {tested}{remark}"


def _tiles(final: FinalModel) -> Iterator[Tile]:
    """Chief figures of the test set; ``loss`` last, and only where it is not one of the others."""
    for name in (*_TILES, "loss"):
        if (value := final.figures.get(name)) is None:
            continue
        others = (other for key, other in final.figures.items() if key != "loss")
        if name == "loss" and any(isclose(value, other, rel_tol=1e-6) for other in others):
            continue  # it is shown under the name of what the loss is
        if name == "accuracy":
            yield Tile("Test accuracy", f"{100 * value:.1f} %", _accuracy_words(final))
        else:
            interval = final.intervals.get(name)
            words = [f"95 %: {number(interval[0], 3)} to {number(interval[1], 3)}"] if interval else []
            words += [f"{number(final.validation[name])} on validation rows"] if name in final.validation else []
            words += [f"{number(final.guessing[name], 3)} by guessing"] if name in final.guessing else []
            yield Tile(f"Test {names.FIGURES.get(name, name)}", number(value), "; ".join(words))


def _accuracy_words(final: FinalModel) -> str:
    """How many were right, within which interval, and what the sweep had measured."""
    tested, words = final.predictions, []
    interval = final.intervals.get("accuracy")
    if tested is not None and tested.probabilities is not None:
        right = len(tested) - int(tested.wrong.sum())
        words.append(f"{right:,} of {len(tested):,} right")
        interval = interval or wilson_interval(right, len(tested))
    if interval:
        words.append(f"95 %: {100 * interval[0]:.1f} to {100 * interval[1]:.1f} %")
    if (validation := final.validation.get("accuracy")) is not None:
        words.append(f"{100 * validation:.1f} % on validation rows")
    if (guess := final.guessing.get("accuracy")) is not None:
        words.append(f"{100 * guess:.1f} % by always saying {final.majority!r}")
    return "; ".join(words)


def _facts(final: FinalModel) -> Iterator[tuple[str, str]]:
    if final.configuration is not None:
        yield "Configuration", final.configuration.label
    if final.seed is not None:
        yield "Seed", str(final.seed)
    if name := final.registered.get("name"):
        version, alias = final.registered.get("version"), final.registered.get("alias")
        of_version = f", version {version}" if version else ""
        yield "Registered as", f"{name}{of_version}"
        yield "Load it as", f"models:/{name}@{alias}" if alias else f"models:/{name}/{version or 'latest'}"
    yield "Final run", final.run_id


def _sample_grid(final: FinalModel) -> Picture | None:
    train = final.train
    if train is None or train.targets is None or not _is_image(train) or not final.task.is_classification:
        return None
    images, labels = train.inputs, train.targets.astype(np.int64)
    if labels.min() < 0 or labels.max() >= len(final.classes):
        return None
    return Picture(
        "samples",
        "Samples of the data set",
        f"{counted(len(images), 'training sample')} and the class of each.",
        f"{counted(len(images), 'training image')} with the name of the class under each",
        draw=lambda narrow: pictures.labelled_samples(images, labels, final.classes, tile=62 if narrow else 104),
        photographs=_are_photographs(train),
    )


def _confusion(final: FinalModel, counts: Ints) -> Picture:
    worst = confusions(counts, 1)
    mistake = "no class was taken for another"
    if worst:
        true, taken, count = worst[0]
        mistake = f"the commonest mistake: {final.classes[true]} taken for {final.classes[taken]}, {count:,} times"
    few = len(final.classes) <= pictures.COUNTED_CLASSES
    note = "Rows are true classes, columns what was predicted; each row adds up to 100 %. "
    note += "Numbers are test samples; an empty cell has none." if few else ""
    return Picture(
        "confusion",
        "Which classes it confuses",
        note.strip(),
        f"Confusion matrix of {len(final.classes)} classes; {mistake}",
        draw=lambda narrow: pictures.confusion_matrix(counts, final.classes, width=354 if narrow else 560),
        scrolls=not few,
    )


def _calibration(final: FinalModel, found: Calibration) -> Picture:
    said, happened = found.means
    return Picture(
        "calibration",
        "Whether its probabilities come true",
        final_figures.calibration_words(final, found),
        f"Reliability diagram of {counted(int(found.counts.sum()), 'test sample')}: mean probability "
        f"{100 * said:.0f} %, came true {100 * happened:.0f} %",
        draw=lambda narrow: reliability(found, narrow=narrow),
    )


def _regression(tested: Predictions) -> list[Picture]:
    kept = np.isfinite(tested.residuals)
    if not kept.any():
        return []
    targets, predictions = tested.targets[kept].astype(float), tested.predictions[kept].astype(float)
    half, most = np.quantile(np.abs(predictions - targets), [0.5, 0.9])
    unusable = int((~kept).sum())
    note = (
        f"Half of the predictions are off by less than {number(float(half), 3)}, nine tenths by less than "
        f"{number(float(most), 3)}. The dashed line is a perfect prediction; the band around it holds the middle nine "
        "tenths of the residuals. On the right the residuals in order: above the dashed line the prediction was too "
        "high."
    )
    note += f" {counted(unusable, 'prediction')} without a finite value left out." if unusable else ""
    return [
        Picture(
            "regression",
            "Predicted against true",
            note,
            f"Predicted against true values of {counted(len(targets), 'test sample')}, and the residuals in order; "
            f"half of them are smaller than {number(float(half), 3)}",
            draw=lambda narrow: pictures.predicted_against_true(targets, predictions, stacked=narrow),
        )
    ]


def _images(final: FinalModel, tested: Predictions) -> Iterator[Picture]:
    test, of_classes = final.test, tested.probabilities
    if test is None or of_classes is None or not _is_image(test):
        return
    inputs = {int(row): index for index, row in enumerate(test.rows)}
    first, worst, unsure = chosen(tested, test.rows, first=FIRST, worst=WORST, unsure=UNSURE)

    def images(positions: Ints) -> "np.ndarray":  # type: ignore[type-arg]
        return test.inputs[[inputs[int(row)] for row in tested.rows[positions]]]

    def with_bars(name: str, heading: str, note: str, positions: Ints) -> Picture:
        right = int((~tested.wrong[positions]).sum())
        return Picture(
            name,
            heading,
            note,
            f"{counted(len(positions), 'test image')} with the predicted class, its percentage and bars of the class "
            f"probabilities; {right} right, {len(positions) - right} wrong",
            draw=lambda narrow: pictures.predictions_with_confidence(
                images(positions),
                of_classes[positions],
                tested.targets[positions].astype(np.int64),
                final.classes,
                columns=1 if narrow else 3,
                tile=352 if narrow else 376,
            ),
            photographs=_are_photographs(test),
        )

    reading = "✓ right in blue, ✗ wrong in red and bold, with the true class in parentheses."
    if len(first):
        yield with_bars("predictions", "Predictions and how sure they are", f"The first test samples. {reading}", first)
    if len(worst):
        yield Picture(
            "mistakes",
            "The worst mistakes first",
            f"Of {counted(int(tested.wrong.sum()), 'mistake')} those that the model was surest of; in parentheses the "
            "true class. Some of them may be the label's mistake.",
            f"{counted(len(worst), 'wrongly predicted test image')}, the most confident first, each with the predicted "
            "and the true class",
            draw=lambda narrow: pictures.mistakes(
                images(worst),
                tested.predictions[worst].astype(np.int64),
                tested.confidence[worst],
                tested.targets[worst].astype(np.int64),
                classes=final.classes,
                columns=3 if narrow else 8,
                tile=108 if narrow else 134,
            ),
            photographs=_are_photographs(test),
        )
    if len(unsure):
        yield with_bars("unsure", "Mistakes it was least sure of", f"Other mistakes. {reading}", unsure)


def _are_photographs(samples: Samples) -> bool:
    return max(samples.inputs.shape[1:3]) > SMALL_IMAGE


def _is_image(samples: Samples) -> bool:
    return samples.inputs.ndim == 4 and samples.inputs.shape[3] in (1, 3) and samples.inputs.size > 0
