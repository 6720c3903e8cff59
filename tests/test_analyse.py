"""The entry point for curves that other tools have logged: reports, comparisons, and what it says to mistakes."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipelines.commands import cli
from tests.support.logs import Made, csv_logger, known_truth, mlflow_store


@pytest.fixture(scope="module")
def made() -> list[Made]:
    return known_truth(folds=3, repeats=1, epochs=40)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def test_a_folder_of_logs_becomes_the_report_of_a_sweep(made: list[Made], capsys: pytest.CaptureFixture[str]) -> None:
    Path("logs").mkdir()
    csv_logger(made, Path("logs"))
    assert cli.run(["analyse", "--source=logs", "--output=out"]) == 0
    told = capsys.readouterr().out
    assert "Found 4 configurations with 3 folds and 1 repeat." in told
    assert "out/report.html" in told
    page = Path("out/report.html").read_text()
    assert "How the logs were read" in page and "MLflow UI" not in page
    assert "one_at_a_time" not in page
    assert (Path("out") / "overfitting.csv").read_text().count("\n") == 5
    assert not Path("mlflow.db").exists()


def test_several_sources_are_compared(made: list[Made], capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("before", "after"):
        Path(name).mkdir()
        csv_logger(made, Path(name))
    assert cli.run(["analyse", "--source=before,after", "--output=out"]) == 0
    assert {path.name for path in Path("out").iterdir()} >= {"before", "after", "comparison.html"}
    assert "before: Found 4 configurations" in " ".join(capsys.readouterr().out.split())


def test_what_was_found_is_written_to_mlflow_only_when_asked(made: list[Made], folder: Path) -> None:
    source = mlflow_store(made, folder)
    client = MlflowClient(f"sqlite:///{source}")
    experiment = client.get_experiment_by_name("elsewhere").experiment_id

    def verdicts() -> set[str]:
        return {run.data.tags.get("atlas.verdict", "") for run in client.search_runs([experiment])}

    assert cli.run(["analyse", f"--source={source}", "--output=out"]) == 0
    assert verdicts() == {""}
    assert cli.run(["analyse", f"--source={source}", "--output=out", "--write_back=true"]) == 0
    assert verdicts() >= {"overfits", "still improving"}
    best = client.search_runs([experiment], "metrics.`onset/epoch` > 1")
    assert best and all(run.data.tags["atlas.verdict"] == "overfits" for run in best)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "source: is empty; allowed: a folder or a file of logs"),
        (["--source=nowhere/logs"], "there is no file or folder nowhere/logs"),
        (["--source=mlflow:x", "--store=sqlite:///nowhere/mlflow.db"], "cannot be used"),
        (["--source=mlflow:x", "--store=http://127.0.0.1:9"], "no server answers there"),
        (["--source=logs", "--better=upper"], "better: 'upper'"),
        (["--source=logs", "--validation_share=2"], "validation_share: '2'"),
        (["--source=logs", "--write_back=true"], "write_back: logs is no MLflow store"),
        (["--source=logs", "--folds=7"], "folds: 7 does not fit"),
        (["--source=logs", "--validation=val_los"], "did you mean 'val_loss'"),
        (["--source=logs", "--grup=all"], "grup"),
    ],
)
def test_a_mistake_has_its_sentence_and_leaves_nothing(
    made: list[Made], capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    Path("logs").mkdir()
    csv_logger(made[:1], Path("logs"))
    assert cli.run(["analyse", *arguments, "--output=out"]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert sentence in error and "Traceback" not in error
    assert not Path("out").exists()
