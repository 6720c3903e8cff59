"""The pictures of a final model: what is on the figures, and the page and the Markdown that show them."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from pipelines.tracking.final_models import Predictions
from reports import write_report
from reports.analysis.predictions import calibration, confusion_counts, confusions, row_shares, share, wilson_interval
from reports.charts.calibration import reliability
from reports.charts.drawing import drawn, photograph, png, svg
from reports.charts.final_pictures import (
    confusion_matrix,
    labelled_samples,
    mistakes,
    predicted_against_true,
    predictions_with_confidence,
)
from reports.charts.palette import LIGHT
from tests.support.final_runs import log_final, made_final
from tests.support.report_store import BASE, EVIL, WIDE, MadeTrial, Page, Store

INK, MUTED, RIGHT, TRACK, WRONG = (LIGHT[role] for role in ("ink", "muted", "accent", "behind", "wrong"))
CLASSES = ("cat", "dog", "owl")
#: Pictures of a final model of images.
SECTION = ("samples", "confusion", "calibration", "predictions", "mistakes", "unsure")
GREY = np.arange(4 * 6 * 5, dtype=np.uint8).reshape(4, 6, 5, 1)


def texts(figure) -> list[str]:
    """Every text that is drawn on a figure's first axes."""
    return [text.get_text() for text in figure.axes[0].texts]


def text_of(figure, start: str):
    """The one text that starts so."""
    (found,) = (text for text in figure.axes[0].texts if text.get_text().startswith(start))
    return found


def bars(figure) -> dict[str, tuple[float, str]]:
    """Length and colour of the bars of a figure with one sample, by class."""
    from matplotlib.colors import to_hex

    return {bar.get_label(): (bar.get_width(), to_hex(bar.get_facecolor())) for bar in figure.axes[0].patches}


# Numbers


def test_the_most_confident_mistake_is_the_worst() -> None:
    said = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.2, 0.8]])
    predictions = Predictions(np.array([7, 6, 5, 4]), np.array([0, 0, 0, 0]), said.argmax(axis=1), said)
    assert predictions.wrong.tolist() == [False, True, True, True]
    assert predictions.rows[predictions.worst()].tolist() == [4, 6, 5]  # equal ones in test order


def test_the_largest_residual_is_the_worst_and_nan_is_none() -> None:
    predictions = Predictions(np.arange(4), np.array([1.0, 1, 1, 1]), np.array([2.0, -5, np.nan, 1.5]), None)
    assert predictions.worst().tolist() == [1, 0, 3]


def test_confusions_count_true_classes_by_row() -> None:
    counts = confusion_counts(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 1, 1, 0]), 3)
    assert counts.tolist() == [[1, 2, 0], [1, 1, 0], [0, 0, 0]]
    assert confusions(counts, 5) == [(0, 1, 2), (1, 0, 1)]
    shares = row_shares(counts)
    assert shares[0].tolist() == pytest.approx([1 / 3, 2 / 3, 0])
    assert np.isnan(shares[2]).all()


@pytest.mark.parametrize(("probability", "said"), [(0.999, ">99 %"), (1.0, "100 %"), (0.004, "<1 %"), (np.nan, "–")])
def test_percentages_do_not_overstate(probability: float, said: str) -> None:
    assert share(probability) == said


def test_interval_of_a_perfect_test_is_not_a_point() -> None:
    low, high = wilson_interval(10, 10)
    assert high == pytest.approx(1.0) and 0.7 < low < 0.75  # 1 / (1 + 1.96² / 10) = .722


def test_calibration_holds_probabilities_against_what_came_true() -> None:
    said = np.array([0.02, 0.05, 0.08, 0.5, 0.95, 1.0, 1.0, 0.91])
    true = np.array([False, False, True, True, True, True, True, False])
    found = calibration(said, true)
    assert found.counts.tolist() == [3, 1, 4]
    assert found.said == pytest.approx([0.05, 0.5, 0.965])
    assert found.happened == pytest.approx([1 / 3, 1, 3 / 4])
    assert found.steps[[0, -1]] == pytest.approx(np.array([[0, 0.1], [0.9, 1]]))
    assert (found.low[1], found.high[1]) == pytest.approx(wilson_interval(1, 1))
    assert found.means == pytest.approx((said.mean(), true.mean()))


def test_the_reliability_diagram_has_a_point_and_a_count_for_each_step() -> None:
    found = calibration(np.array([0.05, 0.05, 0.95]), np.array([False, True, True]))
    upper, lower = reliability(found).axes
    points = next(line for line in upper.lines if line.get_marker() == "o")
    assert points.get_xydata() == pytest.approx(np.array([[0.05, 0.5], [0.95, 1.0]]))
    assert [text.get_text() for text in lower.texts] == ["2", "1"]
    assert [bar.get_height() for bar in lower.patches] == [2, 1]


# Images


def test_one_channel_is_ink_on_paper_at_one_scale_for_all() -> None:
    images = np.array([[[[0]]], [[[8]]], [[[16]]]], np.uint8)  # the digits of scikit-learn end at 16
    assert [int(image[0, 0, 0]) for image in photograph(images)] == [255, 128, 0]


def test_three_channels_of_bytes_stay_as_they_are() -> None:
    images = np.random.default_rng(1).integers(0, 255, (2, 3, 3, 3), np.uint8)
    assert np.array_equal(photograph(images), images)
    floats = images.astype(np.float32) / images.max()
    assert np.abs(np.array(photograph(floats)).astype(float) - images * (255 / images.max())).max() <= 0.51


@pytest.mark.parametrize("shape", [(4, 6, 5), (4, 6, 5, 2), (4, 30)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(str(shape))):
        photograph(np.zeros(shape, np.uint8))


# Figures


def test_samples_have_their_class_under_them() -> None:
    figure = labelled_samples(GREY, [2, 0, 0, 1], CLASSES, columns=3)
    assert texts(figure) == ["owl", "cat", "cat", "dog"]
    images = figure.axes[0].images
    assert len(images) == 4
    lefts, tops = ([image.get_extent()[side] for image in images] for side in (0, 3))
    assert lefts[3] == lefts[0] and tops[3] > tops[0] == tops[2]  # three columns, then the second row
    left, right, bottom, top = images[0].get_extent()
    assert (bottom - top) / (right - left) == pytest.approx(6 / 5)  # not stretched


def test_a_right_prediction_is_blue_with_its_percentage() -> None:
    figure = predictions_with_confidence(GREY[:1], np.array([[0.1, 0.75, 0.15]]), [1], CLASSES)
    title = text_of(figure, "✓")
    assert title.get_text() == "✓ dog 75 %"
    assert title.get_color() == RIGHT and title.get_fontweight() == "normal"
    lengths = bars(figure)
    assert [lengths[label][1] for label in "012"] == [TRACK, RIGHT, TRACK]
    assert lengths["1"][0] / lengths["2"][0] == pytest.approx(5)


def test_a_wrong_prediction_is_told_without_colour_too() -> None:
    figure = predictions_with_confidence(GREY[:1], np.array([[0.6, 0.3, 0.1]]), [1], CLASSES)
    title = text_of(figure, "✗")
    assert title.get_text() == "✗ cat 60 % (dog)"
    assert title.get_color() == WRONG and title.get_fontweight() == "bold"
    assert [bars(figure)[label][1] for label in "012"] == [WRONG, RIGHT, TRACK]  # predicted, true, another
    assert text_of(figure, "(dog)").get_color() == RIGHT
    assert {"60 %", "30 %"} <= set(texts(figure))


def test_of_many_classes_the_probable_ones_the_true_one_and_the_rest_have_bars() -> None:
    said = np.array([0.4, 0.2, 0.1, 0.1, 0.1] + [0.01] * 10)
    names = [f"topic {label}" for label in range(15)]
    figure = predictions_with_confidence(GREY[:1], said[None], [14], names)
    lengths = bars(figure)
    assert list(lengths) == ["0", "1", "2", "3", "4", "14", "others"]
    assert lengths["others"][0] / lengths["0"][0] == pytest.approx(0.09 / 0.4)
    assert "9 others" in texts(figure)


def test_mistakes_keep_their_order_and_name_both_classes() -> None:
    figure = mistakes(GREY[:2], [0, 2], [0.999, 0.7], [1, 0], CLASSES)
    assert texts(figure) == ["✗ cat", ">99 % (dog)", "✗ owl", "70 % (cat)"]
    assert text_of(figure, "✗ cat").get_color() == WRONG


def test_names_are_no_formulas_and_are_cut_where_there_is_no_room() -> None:
    names = ("$x^2", "line\nbreak\x00", "n" * 80)
    figure = labelled_samples(GREY[:3], [0, 1, 2], names)
    assert texts(figure)[:2] == ["$x^2", "line break"]
    assert texts(figure)[2].endswith("n…") and len(texts(figure)[2]) < 20
    document = svg(mistakes(GREY[:1], [0], [0.5], [1], ("<b>&$", "ひらがな")))
    assert "&lt;b&gt;&amp;$" in document and "ひらがな" in document


def test_confusion_matrix_colours_by_row_and_writes_counts() -> None:
    counts = np.array([[1500, 500, 0], [3, 1, 0], [0, 0, 0]])
    figure = confusion_matrix(counts, CLASSES)
    axes = figure.axes[0]
    (image,) = axes.images
    shares = np.ma.filled(image.get_array(), -1.0)
    assert shares[0].tolist() == [0.75, 0.25, 0] and shares[1].tolist() == [0.75, 0.25, 0]
    assert image.get_cmap().name == "cividis"
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "1,500", (1, 0): "500", (0, 1): "3", (1, 1): "1"}  # x is predicted, y is true
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CLASSES)
    assert [label.get_text() for label in axes.get_xticklabels()] == list(CLASSES)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first class at the top


@pytest.mark.parametrize(("classes", "labels"), [(46, 46), (150, 75)])
def test_labels_of_many_classes_do_not_overlap(classes: int, labels: int) -> None:
    figure = confusion_matrix(np.eye(classes, dtype=np.int64), [f"topic {label}" for label in range(classes)])
    axes = figure.axes[0]
    assert len(axes.texts) == 0
    ticks = axes.get_yticklabels()
    assert len(ticks) == labels
    figure.canvas.draw()
    boxes = sorted((tick.get_window_extent() for tick in ticks), key=lambda box: box.y0)
    middles = [(box.y0 + box.y1) / 2 for box in boxes]
    size = ticks[0].get_fontsize() * 96 / 72
    assert min(np.diff(middles)) > size
    assert min(box.x0 for box in boxes) >= 0


def test_predicted_against_true_has_the_line_of_equality_and_the_quantiles() -> None:
    targets = np.arange(101.0)
    figure = predicted_against_true(targets, targets + np.linspace(-2, 2, 101))
    scatter, spread = figure.axes
    (line,) = scatter.lines
    assert np.array_equal(line.get_xdata(), line.get_ydata())
    assert scatter.get_xlim() == scatter.get_ylim()
    points = scatter.collections[-1].get_offsets()
    assert points[0].tolist() == [0, -2] and points[-1].tolist() == [100, 102]
    marks = spread.lines[-1]
    assert marks.get_xdata().tolist() == pytest.approx([5, 25, 50, 75, 95])
    assert marks.get_ydata().tolist() == pytest.approx([-1.8, -1, 0, 1, 1.8])
    assert [text.get_text() for text in spread.texts] == ["−1.80", "−1.00", "0", "1.00", "1.80"]


def test_one_prediction_and_very_many_can_be_drawn() -> None:
    one = predicted_against_true(np.array([3.0]), np.array([3.0]))
    assert one.axes[0].get_xlim()[0] < 3 < one.axes[0].get_xlim()[1]
    values = np.random.default_rng(0).normal(size=20_000)
    assert len(svg(predicted_against_true(values, values + 0.1))) < 2_500_000


# Files


def test_svg_follows_the_colours_of_the_reader() -> None:
    document = svg(mistakes(GREY[:1], [0], [0.5], [1], CLASSES))
    assert document.startswith("<svg") and "prefers-color-scheme:dark" in document
    style = document[document.index("<style>") : document.index("</style>")]
    for colour in (INK, MUTED, RIGHT, WRONG):
        assert colour in style and colour not in document.replace(style, "")
    assert document == svg(mistakes(GREY[:1], [0], [0.5], [1], CLASSES))


def test_letters_and_small_images_stay_what_they_are() -> None:
    document = svg(labelled_samples(GREY[:2], [0, 1], CLASSES))
    assert ">cat</text>" in document
    assert len(re.findall("image-rendering:crisp-edges", document)) == 2
    images = [base64.b64decode(data) for data in re.findall(r"image/png;base64,\s*([^\"]+)\"", document)]
    assert [Image.open(io.BytesIO(data)).size for data in images] == [(5, 6), (5, 6)]


def test_photographs_are_stored_small() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1, 300, 200, 3), np.uint8)
    figure = labelled_samples(noise, [0], CLASSES, tile=100)
    document = svg(figure, photographs=True)
    (data,) = re.findall(r"image/jpeg;base64,([^\"]+)\"", document)
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (100, 150)
    assert "image/png" not in document and len(document) < len(svg(figure))


def test_a_picture_has_a_narrow_form_unless_it_scrolls() -> None:
    def draw(narrow: bool):
        return labelled_samples(GREY, [0, 0, 1, 2], CLASSES, columns=2 if narrow else 4)

    both = drawn(draw)
    assert both.narrow is not None and both.narrow.width < both.wide.width and both.narrow.height > both.wide.height
    assert drawn(draw, scrolls=True).narrow is None
    assert Image.open(io.BytesIO(png(draw(False)))).width == pytest.approx(both.wide.width * 1.25, abs=1)
    assert both.wide.uri.startswith("data:image/svg+xml;base64,")


# The page


@pytest.fixture(scope="module")
def swept(store: Store) -> str:
    return store.fill([MadeTrial(BASE, "overfits", "baseline"), MadeTrial(WIDE, "plateau")], epochs=20, title="final")


@pytest.fixture
def fresh(store: Store):
    """A sweep of its own, whose final models are those of the test alone."""
    return store.fill([MadeTrial(BASE)], epochs=5, folds=2, repeats=1, title="fresh")


def images_of(rng: np.random.Generator, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "rows": rows,
        "inputs": rng.integers(0, 255, (len(rows), 8, 8, 1), np.uint8),
        "train_rows": np.arange(6),
        "train_inputs": rng.integers(0, 255, (6, 8, 8, 1), np.uint8),
        "train_targets": np.array([0, 0, 1, 1, 2, 2]),
    }


def classified(samples: int, rng: np.random.Generator, classes: int = 3) -> dict[str, np.ndarray]:
    probabilities = rng.dirichlet(np.ones(classes), samples)
    return {
        "targets": rng.integers(0, classes, samples),
        "predictions": probabilities.argmax(axis=1),
        "probabilities": probabilities,
    }


def pages(store: Store, sweep: str, folder) -> tuple[Page, str, list[str]]:
    paths = write_report(sweep, tracking_uri=store.uri, output=folder, log_to_run=False)
    for path in paths.pictures:
        assert Image.open(path).format == "PNG"
    names = [path.name for path in paths.pictures]
    return Page(paths.html.read_text("utf-8")), paths.markdown.read_text("utf-8"), names


def test_without_a_final_model_there_is_no_section(store: Store, swept: str, tmp_path) -> None:
    page, markdown, names = pages(store, swept, tmp_path)
    assert "The final model" not in page.text + markdown and names == []
    assert page.count("img") == 0


def test_page_of_images(store: Store, fresh: str, tmp_path) -> None:
    rng = np.random.default_rng(3)
    said = classified(120, rng)
    record = made_final("multiclass", "image", ["cat", EVIL, "owl"], test_samples=120, samples=600)
    final = log_final(store.uri, fresh, record, **said, arrays=images_of(rng, np.arange(120)))
    page, markdown, names = pages(store, fresh, tmp_path)
    right = int((said["targets"] == said["predictions"]).sum())
    assert f"{right} of 120 right" in page.text and "Test accuracy 80.0 %" in page.text
    assert "trained on all 600 training samples for 7 epochs" in page.text
    assert "models:/made-final@champion" in page.text and final in page.text
    assert names == [f"final_{name}.png" for name in SECTION]
    assert [name for name in names if f"]({name})" in markdown] == names
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(images) == len(SECTION) and all(
        image["alt"] and image["src"].startswith("data:image/svg") for image in images
    )
    assert page.count("source") == len(SECTION)
    assert page.scripts == 3 and "<script" not in markdown
    commonest = confusions(confusion_counts(said["targets"], said["predictions"], 3), 1)[0][2]
    assert f"{commonest} of " in page.text


def rare(samples: int = 400, share: float = 0.05) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Predictions of a rare class, and the figures that go with them."""
    from pipelines.datasets import Task
    from pipelines.final.worth import figures

    rng = np.random.default_rng(8)
    targets = (rng.random(samples) < share).astype(int)
    logits = rng.normal(-3.2, 1.2, samples) + 2.4 * targets
    second = 1 / (1 + np.exp(-logits))
    probabilities = np.stack([1 - second, second], axis=1)
    found = figures(Task.BINARY, targets, probabilities)
    record = {
        "figures": {f"test/{name}": figure.value for name, figure in found.items()},
        "intervals": {f"test/{name}": [figure.low, figure.high] for name, figure in found.items()},
        "validation": {"accuracy": 0.951, "balanced_accuracy": 0.61},
        "guessing": {"accuracy": float((targets == 0).mean()), "balanced_accuracy": 0.5, "auc": 0.5, "brier": 0.047},
        "majority": "stays",
        "test_samples": samples,
        "samples": 4 * samples,
    }
    said = {"targets": targets, "predictions": probabilities.argmax(axis=1), "probabilities": probabilities}
    return said, record


def test_page_of_a_rare_class_says_what_always_the_common_one_comes_to(store: Store, fresh: str, tmp_path) -> None:
    said, changes = rare()
    log_final(store.uri, fresh, made_final("binary", "table", ["stays", "leaves"], **changes), **said)
    page, markdown, names = pages(store, fresh, tmp_path)
    assert names == ["final_confusion.png", "final_calibration.png"]
    common = 100 * (said["targets"] == 0).mean()
    assert f"{common:.1f} % by always saying 'stays'" in page.text
    for text in (page.text, markdown):
        assert "Matthews' coefficient" in text.replace("&#39;", "'") and "average precision" in text
        assert "0.0470 for the shares of the classes" in text
    assert "Test AUC" in page.text and "0.500 by guessing" in page.text
    steps = [line for line in markdown.splitlines() if re.match(r"\| \d+ to \d+ % \|", line)]
    assert sum(int(line.split("|")[-2].replace(",", "")) for line in steps) == 400


def test_page_of_texts_escapes_them_and_marks_mistakes(store: Store, fresh: str, tmp_path) -> None:
    probabilities = np.array([[0.2, 0.8], [0.97, 0.03], [0.4, 0.6]])
    record = made_final("binary", "words", ["negative", "positive"], test_samples=3)
    log_final(
        store.uri,
        fresh,
        record,
        targets=[1, 1, 0],
        predictions=[1, 0, 1],
        probabilities=probabilities,
        texts={
            "texts": {0: "a fine film", 1: EVIL, 2: "so so"},
            "train_texts": {5: "never again", 9: f"again {EVIL}"},
            "train_targets": {5: 0, 9: 1, 11: 1},
            "remark": "",
        },
    )
    page, markdown, names = pages(store, fresh, tmp_path)
    assert names == ["final_confusion.png"]
    assert page.scripts == 3 and "<script" not in markdown and EVIL in page.text
    assert "✓ positive 80 % a fine film" in page.text
    worst = page.text[page.text.index("The worst mistakes first") :]
    assert worst.index("✗ negative 97 % (positive)") < worst.index("✗ positive 60 % (negative) so so")
    assert page.text.index("negative never again") < page.text.index(f"positive again {EVIL}")
    assert "| negative | never again |" in markdown
    rows = [line for line in markdown.splitlines() if re.match(r"\| [✓✗] \S+", line) and "%" in line]
    assert len(rows) == 5 and {row.count("|") for row in rows} == {4}
    assert "| ✗ **negative 97 %** | positive |" in markdown


def test_texts_that_could_not_be_decoded_are_explained(store: Store, fresh: str, tmp_path) -> None:
    record = made_final("binary", "words", ["negative", "positive"], test_samples=2)
    said = {"targets": [0, 1], "predictions": [0, 1], "probabilities": [[0.7, 0.3], [0.2, 0.8]]}
    log_final(store.uri, fresh, record, **said, texts={"texts": {}, "remark": "The texts cannot be shown: gone."})
    page, markdown, _ = pages(store, fresh, tmp_path)
    for text in (page.text, markdown):
        assert "The texts cannot be shown: gone." in text and "worst mistakes" not in text


def test_page_of_a_regression(store: Store, fresh: str, tmp_path) -> None:
    inputs = np.array([[1.0, 0.25], [2.0, 0.5], [3.0, 0.75]], np.float32)
    record = made_final(
        "regression",
        "table",
        [],
        features=["rooms", EVIL],
        test_samples=3,
        figures={"test/loss": 4.0, "test/mse": 4.0, "test/mae": 1.5},
        intervals={"test/mae": [0.5, 2.5]},
        validation={"mae": 1.25},
    )
    log_final(
        store.uri,
        fresh,
        record,
        targets=[10.0, 20.0, 30.0],
        predictions=[11.0, 16.5, 30.0],
        arrays={"rows": np.arange(3), "inputs": inputs},
    )
    page, markdown, names = pages(store, fresh, tmp_path)
    assert names == ["final_regression.png"]
    assert "Half of the predictions are off by less than 1.00" in page.text
    assert (
        "Test mae 1.500 95 %: 0.500 to 2.50; 1.250 on validation rows" in page.text and "Test loss" not in page.text
    )  # the loss is the mse
    largest = page.text[page.text.index("The largest residuals first") :]
    assert largest.index("16.50 20.00 -3.50") < largest.index("11.00 10.00 +1.00")
    assert "&lt;script>" in markdown and "<script" not in markdown


def test_predictions_that_are_not_finite_are_left_out(store: Store, fresh: str, tmp_path) -> None:
    record = made_final("regression", "table", [], features=["x"], test_samples=3, figures={})
    log_final(store.uri, fresh, record, targets=[1.0, 2.0, 3.0], predictions=[1.0, np.nan, np.inf])
    page, _, names = pages(store, fresh, tmp_path)
    assert names == ["final_regression.png"] and "2 predictions without a finite value" in page.text
    log_final(store.uri, fresh, record | {"test_samples": 1}, targets=[1.0], predictions=[np.nan])
    assert pages(store, fresh, tmp_path)[2] == []


def test_the_newest_finished_final_model_of_this_sweep_is_shown(store: Store, fresh: str, swept: str, tmp_path) -> None:
    record = made_final("regression", "table", [], test_samples=0, figures={})
    log_final(store.uri, fresh, record)
    newest = log_final(store.uri, fresh, record)
    log_final(store.uri, fresh, record, status="FAILED")
    log_final(store.uri, swept, record)
    page, _, _ = pages(store, fresh, tmp_path)
    assert newest in page.text
    assert "there is nothing to test it on" in page.text


@pytest.mark.parametrize("broken", ["predictions.parquet", "samples.npz", "final.json"])
def test_files_that_cannot_be_read_are_left_out(store: Store, fresh: str, tmp_path, broken: str) -> None:
    from mlflow import MlflowClient

    rng = np.random.default_rng(4)
    record = made_final("multiclass", "image", list(CLASSES), test_samples=12)
    run = log_final(store.uri, fresh, record, **classified(12, rng), arrays=images_of(rng, np.arange(12)))
    (tmp_path / broken).write_text("not what it should be")
    MlflowClient(store.uri).log_artifact(run, str(tmp_path / broken))
    page, _, names = pages(store, fresh, tmp_path / "report")
    kept = {"predictions.parquet": ["final_samples.png"], "samples.npz": ["final_confusion.png"], "final.json": []}
    assert names == kept[broken]
    assert ("The final model" in page.text) == (broken != "final.json")


def test_labels_beyond_the_classes_are_not_drawn(store: Store, fresh: str, tmp_path) -> None:
    said = classified(5, np.random.default_rng(5)) | {"targets": np.array([0, 1, 2, 3, 0])}
    log_final(store.uri, fresh, made_final("multiclass", "image", list(CLASSES)), **said)
    assert pages(store, fresh, tmp_path)[2] == []


@pytest.mark.browser
def test_pictures_fit_a_telephone_and_load(store: Store, fresh: str, tmp_path, browser) -> None:
    rng = np.random.default_rng(6)
    names = [f"topic {label}" for label in range(20)]
    record = made_final("multiclass", "image", names, test_samples=60)
    arrays = images_of(rng, np.arange(60))
    log_final(store.uri, fresh, record, **classified(60, rng, classes=20), arrays=arrays)
    pages(store, fresh, tmp_path)
    for width in (390, 1280):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto((tmp_path / "report.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        sizes = page.evaluate("[...document.images].map(i => [i.naturalWidth, i.getBoundingClientRect().width])")
        assert len(sizes) == len(SECTION) and all(natural > 0 and shown > 100 for natural, shown in sizes)
        page.close()
