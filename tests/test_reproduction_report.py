"""The report of reproductions: made from the store alone, complete, and saying nothing that was not measured."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.report_store import EVIL, Page
from tests.support.small_reproduction import DOCUMENTED, MadeMeasurements, documented_exercise, reproduce
from tests.support.small_sweep import use_store
from tests.support.stores import empty_store

# ruff: noqa: I001 - small_sweep chooses Keras' backend, so it comes first.
from pipelines.errors import TrackingError, UserError
from pipelines.reproduction.plan import Asked
from pipelines.reproduction.rows import Agreement, Ours, Row, compare
from pipelines.exercises.exercise import Figure, Variant
from reports.tables import reproduction_wording as words
from reports.pages.reproduction import ReproductionReport, draw, render_html, render_markdown, terminal_table
from reports.pages.reproduction import results_of, write_reproduction
from pipelines.overfitting.statistics import causal_average
from pipelines.reproduction.results import Reproduced, read_reproductions
from reports.tables.teaching import about, answers, lesson_of, paired_difference
from tests.support.small_reproduction import BASE

NAMED = [{**entry, "name": f"{entry['name']} {EVIL}"} for entry in DOCUMENTED]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return empty_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def run_id(uri: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A reproduction with rows of each kind, names that must be escaped, and data that are gone afterwards."""
    folder = tmp_path_factory.mktemp("exercise")
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_store(uri, folder, monkeypatch)
        broken = MadeMeasurements(error=lambda number, _: UserError("out of memory") if number == 3 else None)
        outcomes, _ = reproduce(broken, documented_exercise(folder, NAMED, title=f"Small: {EVIL}"), repeats=3)
    for name in ("table.csv", "small.yaml"):
        (folder / name).unlink()
    shutil.rmtree(folder / "cache", ignore_errors=True)
    return outcomes[0].run.run_id


@pytest.fixture(scope="module")
def report(uri: str, run_id: str) -> ReproductionReport:
    return ReproductionReport(read_reproductions(tracking_uri=uri, run_ids=[run_id]))


@pytest.fixture(scope="module")
def pictures(report: ReproductionReport) -> dict[str, bytes]:
    return draw(report)


def test_the_headline_counts_what_agrees(report):
    assert report.headline == (
        "1 of 1 documented results agree with ours (100 %), and 2 of 4 figures, those of single epochs and losses "
        "included."
    )


def test_every_row_is_in_every_form_of_the_report(report, pictures):
    page, markdown = Page(render_html(report, pictures)), render_markdown(report, pictures)
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(terminal_table(report))
    table = console.export_text()
    for _, row in report.rows:
        for text in (words.quantity(row), words.documented(row), words.interval(row, row.ours)):
            assert text in page.text
            assert text in markdown
            assert text in table
    assert "not measured: out of memory" in markdown
    assert "differs by -0." in markdown


def test_names_from_outside_are_escaped(report, pictures):
    assert "<script>alert" not in render_html(report, pictures)
    markdown = render_markdown(report, pictures)
    assert "<script>alert" not in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("| curve")]
    assert len(rows) == 3
    assert {line.count("|") for line in rows} == {7}


def test_the_files_lie_where_the_markdown_looks_for_them(uri, run_id, tmp_path):
    paths = write_reproduction(tracking_uri=uri, run_ids=[run_id], output=tmp_path, log_to_run=False)
    markdown = paths.markdown.read_text()
    assert [path.name for path in paths.pictures] == ["agreement.png", "small-scores.png", "small-curves-1.png"]
    for path in paths.pictures:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert f"]({path.relative_to(tmp_path)})" in markdown
    assert paths.html.read_text().count("data:image/png;base64,") == len(paths.pictures)


def test_the_latest_reproduction_of_each_exercise_is_found(uri, run_id):
    found = read_reproductions(tracking_uri=uri)
    assert [of.run_id for of in found if of.exercise == "small"] == [run_id]


def test_a_run_that_is_no_reproduction_is_refused(uri, run_id, report):
    child = report.reproductions[0].jobs[0].run_id
    with pytest.raises(TrackingError, match=r"reproduction\.json"):
        read_reproductions(tracking_uri=uri, run_ids=[str(child)])


def test_a_result_is_the_last_score_of_a_variant():
    def scored(metric: str, split: str, epoch: int) -> Row:
        return row(metric=metric, split=split, epoch=epoch)

    last = scored("accuracy", "test", 9)
    way = [scored("accuracy", "train", 9), scored("accuracy", "test", 1), scored("loss", "test", 9)]
    epoch = scored("overfitting_epoch", "validation", 9)
    other = replace(scored("accuracy", "validation", 5), variant="other")
    assert results_of(reproduced(*way, last, epoch, other)) == (last, epoch, other)


# Words


def row(**changes) -> Row:
    documented = Figure("accuracy", 0.5, 3, "test")
    ours = compare(
        [0.7, 0.72, 0.71], Asked(Variant("v", BASE, 3, "none", (documented,)), "accuracy", "test", 3, documented)
    )
    return replace(Row("v", "accuracy", "test", 3, 0.5, 0.0, False, "", "", ours), **changes)


def test_a_difference_without_a_known_cause_says_so_and_how_large_it_is():
    assert row().agreement is Agreement.DIFFERS
    assert words.verdict(row()) == "differs by +0.21"
    assert words.cause(row()) == (
        "No cause was found: the difference is 42 % of the documented value and 21.0 times the deviation over 3 seeds, "
        "more than a further seed explains."
    )


def test_a_cause_that_the_exercise_names_is_given():
    assert words.cause(row(cause="Another split")) == "Another split."


def test_a_variant_that_explains_another_counts_for_nothing_but_is_named_as_the_cause():
    tried = row(variant="other network", explains="v", documented=0.71, ours=replace(row().ours, agrees=True))
    assert "Trained as in *other network* it is 0.7100 ± 0.010, which agrees" in words.cause(row(), [row(), tried])
    of_both = reproduced(row(), tried)
    assert of_both.documented == (row(),)
    assert of_both.agreeing == ()
    missed = row(variant="other network", explains="v")
    assert "which differs, too" in words.cause(row(), [missed])
    assert words.cause(missed, [missed]) == ""


def test_an_epoch_that_another_seed_explains():
    by_textbook = Ours((3.0, 5.0, 9.0), 5.7, 3.1, 0.0, 12.0, True)
    ours = Ours((4.0,), 4.0, None, 3.0, 5.0, False, by_textbook=by_textbook)
    text = words.cause(row(metric="overfitting_epoch", documented=9.0, ours=ours))
    assert "epochs 3, 5 and 9" in text
    assert "another seed explains it" in text


def test_a_row_that_agrees_has_no_cause():
    assert words.cause(row(documented=0.71, ours=replace(row().ours, agrees=True))) == ""


def reproduced(*rows: Row, exercise: str = "imdb") -> Reproduced:
    from datetime import UTC, datetime

    return Reproduced("r", "u", datetime.now(UTC), "", exercise=exercise, rows=rows)


def of(variant: str, *values: float) -> Row:
    return row(variant=variant, ours=Ours(values, sum(values) / len(values), 0.01, 0.0, 1.0, None))


def test_a_question_is_answered_by_the_seeds():
    (sure,) = answers(reproduced(of("baseline", 0.80, 0.81, 0.82), of("no hidden layer", 0.70, 0.72, 0.71)))
    assert sure == (
        "**Does it need a hidden layer?** Surely worse: test accuracy 0.7100 with *no hidden layer*, 0.8100 with "
        "*baseline* (-0.10, 95 %: -0.12 to -0.075)."
    )
    (unsure,) = answers(reproduced(of("baseline", 0.80, 0.81, 0.82), of("tanh", 0.82, 0.81, 0.79)))
    assert "No difference that 3 seeds could show" in unsure
    (single,) = answers(reproduced(of("baseline", 0.80), of("tanh", 0.82)))
    assert "not known how sure" in single


def test_a_lower_loss_is_better():
    loss = [
        replace(of(name, *values), metric="loss", split="validation")
        for name, values in (("wide 512", (2.0, 2.1, 2.2)), ("no hidden layer", (1.0, 1.1, 1.2)))
    ]
    (answer,) = answers(reproduced(*loss, exercise="reuters"))
    assert "Surely worse" in answer


def test_questions_whose_variants_are_missing_are_left_out():
    assert answers(reproduced(of("baseline", 0.8, 0.9))) == []
    assert answers(reproduced(exercise="of my own")) == []
    assert about(reproduced(exercise="of my own")) == ""


def test_seeds_are_compared_in_pairs():
    mean, half = paired_difference((1.0, 2.0, 3.0), (0.0, 1.0, 2.0))
    assert (mean, half) == (1.0, 0.0)
    assert paired_difference((1.0,), (0.5, 9.0)) == (0.5, None)


def test_the_lessons_ask_about_variants_that_the_exercises_have():
    from pipelines.exercises.reader import available_exercises, load_exercise

    lessons = {name: lesson for name in available_exercises() if (lesson := lesson_of(name))}
    assert len(lessons) == 7
    for name, lesson in lessons.items():
        known = {variant.name for variant in load_exercise(name).documented}
        for question in lesson.questions:
            assert question.variant in known, f"{name}: {question.variant}"
            assert not question.against or question.against in known


def test_the_textbooks_average_looks_back():
    assert causal_average([1.0, 0.0, 0.0]).tolist() == pytest.approx([1.0, 0.9, 0.81])


def test_made_curves_lie_in_the_store(report: ReproductionReport, tmp_path: Path):
    jobs = report.reproductions[0].jobs
    assert [job.part for job in jobs if job.run_id] == ["validation", "folds", "test"]
    assert [job.failure for job in jobs if not job.run_id] == ["out of memory"]
