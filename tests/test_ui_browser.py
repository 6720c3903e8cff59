"""The MLflow UI over a store with a sweep: it serves the report, and in a browser its artifact view shows it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient

from reports import write_report
from tests.support.report_store import BASE, WIDE, MadeTrial, Store

START_SECONDS = 120


@pytest.fixture(scope="module")
def shown(store: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sweep whose report is among its artifacts and in its description."""
    run_id = store.fill([MadeTrial(BASE, "overfits", "baseline"), MadeTrial(WIDE, "plateau", level=0.2)], title="shown")
    paths = write_report(run_id, tracking_uri=store.uri, output=tmp_path_factory.mktemp("shown"))
    MlflowClient(store.uri).set_tag(run_id, "mlflow.note.content", paths.summary)
    return run_id


@pytest.fixture(scope="module")
def address(store: Store, shown: str) -> Iterator[str]:
    """Where ``mlflow ui`` listens, started as ``make ui`` does, on a port that is free."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store.uri, "--workers", "1"]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = store.folder / "ui.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its workers are ended with it
        )
    found = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{found}/health", server, log)
        yield found
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text(encoding="utf-8")
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.2)
    pytest.fail(f"mlflow ui did not start: {log.read_text(encoding='utf-8')}")


def test_the_ui_serves_the_report_as_its_viewer_asks_for_it(address: str, store: Store, shown: str) -> None:
    folder = Path(MlflowClient(store.uri).get_run(shown).info.artifact_uri.removeprefix("file://"))
    listed = requests.get(
        f"{address}/ajax-api/2.0/mlflow/artifacts/list", params={"run_id": shown, "path": "report"}, timeout=30
    ).json()
    paths = {file["path"] for file in listed["files"]}
    assert paths >= {"report/report.html", "report/report.md", "report/overfitting.csv"}
    for path in ("report/report.html", "report/report.md", "report/overfitting.csv"):
        answer = requests.get(f"{address}/get-artifact", params={"path": path, "run_uuid": shown}, timeout=30)
        assert answer.ok
        assert answer.content == (folder / path).read_bytes()


@pytest.mark.browser
def test_the_artifact_view_shows_the_report(address: str, store: Store, shown: str, browser) -> None:
    run = MlflowClient(store.uri).get_run(shown)
    page_of_run = f"{address}/#/experiments/{run.info.experiment_id}/runs/{shown}"
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    page.goto(page_of_run)
    page.get_by_text("whole report is among the artifacts").wait_for()
    page.goto(f"{page_of_run}/artifacts/report/report.html")
    report = page.frame_locator("iframe.mlflow-html-iframe")
    heading = report.locator("h1")
    heading.wait_for()
    assert heading.inner_text().startswith("Choose ")
