"""The live page: served to this machine alone, renewed as trials end, with the trials in work."""

import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pipelines.commands.following import ADDRESS, LivePage, follow, serve
from pipelines.errors import UserError
from pipelines.tracking.trials import FINISHED, RUNNING, FitLabel, Trial, write_curves
from reports import logged_report
from reports.pages.live import live_state
from reports.pages.sweep import render_live
from reports.report import make_report
from tests.support.curves import make_curves
from tests.support.logs import csv_logger, known_truth

MADE = known_truth(folds=3, repeats=1, epochs=40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    csv_logger(MADE[:2], tmp_path)
    return tmp_path


@pytest.fixture
def served() -> Iterator[tuple[LivePage, int]]:
    page = LivePage()
    server = serve(page, 0)
    yield page, server.server_address[1]
    server.shutdown()
    server.server_close()


def get(port: int, path: str, host: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=10)
    connection.request("GET", path, headers={"Host": host or f"{ADDRESS}:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def show(page: LivePage, folder: Path) -> None:
    report = logged_report(str(folder))
    live = live_state(report)
    page.put(render_live(report, live), live.version)


def test_only_the_page_is_served_and_to_this_machine_alone(served: tuple[LivePage, int]) -> None:
    page, port = served
    page.put("<p>here</p>", "7")
    assert get(port, "/") == (200, "<p>here</p>")
    assert get(port, "/version") == (200, "7")
    assert get(port, "/../mlflow.db")[0] == 404
    assert get(port, "/", host="elsewhere.example")[0] == 403
    with pytest.raises(UserError, match=f"port: {port} cannot be served on 127.0.0.1"):
        serve(page, port)
    others = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {ADDRESS}
    for other in others:
        with pytest.raises(OSError), socket.create_connection((other, port), timeout=2):
            pass


def test_its_version_changes_with_what_it_shows(folder: Path) -> None:
    before = live_state(logged_report(str(folder)))
    assert live_state(logged_report(str(folder))).version == before.version
    csv_logger(MADE[2:3], folder)
    assert live_state(logged_report(str(folder))).version != before.version


def test_following_ends_with_its_process_and_frees_the_port(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.commands.following.SECONDS", 0.0)
    console = Console(record=True, width=200)
    seen = []

    def read() -> Any:
        seen.append(1)
        if len(seen) == 2:
            raise UserError("The store did not answer.")
        return logged_report(str(folder))

    follow(read, console, port=0, looks=3)
    told = console.export_text()
    assert "http://127.0.0.1:" in told and "Ctrl-C ends it." in told and "The store did not answer." in told
    port = int(told.partition("127.0.0.1:")[2].partition("/")[0])
    with pytest.raises(OSError):
        get(port, "/")


def test_a_trial_in_work_shows_its_curves_and_the_point_as_it_stands(folder: Path, tmp_path: Path) -> None:
    report = logged_report(str(folder))
    validation, training = (curve.astype(np.float32) for curve in make_curves("overfits", folds=3, epochs=40))
    for curve in (validation, training):
        curve[:, 30:] = np.nan
    validation[2], training[2] = np.nan, np.nan  # not begun yet
    files = tmp_path / "files"
    files.mkdir()
    labels = tuple(FitLabel(0, fold, fold) for fold in range(3))
    running = Trial(
        configuration=None,
        status=RUNNING,
        fits=labels,
        curves={"val_loss": validation, "loss": training},
        run_id="in-work",
        name="the one in work",
        artifacts=str(files),
    )
    write_curves(running, files / "curves.parquet")
    stored = replace(running, curves={}, fits=())
    sweep = replace(report.sweep, trials=(*report.sweep.trials, stored))
    with_it = make_report(sweep, report.curves)
    live = live_state(with_it)
    assert [each.name for each in live.in_work] == ["the one in work"]
    assert live.in_work[0].words.startswith("Epoch 30, 2 of 3 fits. As it stands: ")
    assert "<svg" in live.in_work[0].figure
    page = render_live(with_it, live)
    assert page.index("the one in work") < page.index("Where each configuration stops learning")
    assert live_state(report).in_work == () and report.ranked[0].status == FINISHED


@pytest.mark.browser
def test_a_renewed_page_keeps_place_filter_order_and_selection(
    browser: Any, served: tuple[LivePage, int], folder: Path
) -> None:
    page, port = served
    show(page, folder)
    opened = browser.new_page(viewport={"width": 1100, "height": 800})
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(f"http://{ADDRESS}:{port}/")
    rows = "#table-configurations tbody tr"
    assert opened.locator(rows).count() == 2
    opened.fill(".filters input", "over")
    opened.locator("#table-configurations thead tr:last-child th").nth(1).click()
    opened.locator("#table-configurations thead tr:last-child th").nth(1).click()
    select = opened.locator('select[data-for="chart-learning-curves"]')
    if select.count():
        select.select_option(index=1)
    chosen = select.evaluate("one => one.options[one.selectedIndex].textContent") if select.count() else ""
    opened.evaluate("window.scrollTo(0, 700)")
    place = opened.evaluate("window.scrollY")
    assert place > 0
    csv_logger(MADE[2:4], folder)
    show(page, folder)
    opened.wait_for_function(f"document.querySelectorAll('{rows}').length === 4", timeout=15_000)
    opened.wait_for_timeout(300)
    kept = json.loads(
        opened.evaluate(
            """JSON.stringify({
              words: document.querySelector('.filters input').value,
              shown: Array.from(document.querySelectorAll('#table-configurations tbody tr:not([hidden]) th'))
                .map(one => one.textContent),
              order: document.querySelectorAll('#table-configurations thead tr:last-child th')[1]
                .getAttribute('aria-sort'),
              y: window.scrollY,
            })"""
        )
    )
    assert kept["words"] == "over" and [name.startswith("overfits") for name in kept["shown"]] == [True]
    assert kept["order"] == "descending" and abs(kept["y"] - place) < 5
    if chosen:
        now = select.evaluate("one => one.options[one.selectedIndex].textContent")
        assert now.partition(".")[2] == chosen.partition(".")[2]
    assert not errors
    opened.close()


def test_curves_so_far_are_kept_every_few_seconds_and_never_end_a_sweep(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    from pipelines.tracking import recording
    from pipelines.tracking.reading import read_run_curves

    client = MlflowClient(uri)
    run_id = client.create_run("0").info.run_id
    monkeypatch.setattr(recording, "SECONDS_BETWEEN_SHOWS", 0.0)
    later: list[Any] = []
    run = recording.TrialRun(client, uri, run_id, write_later=later.append, data=None)  # type: ignore[arg-type]
    curve = np.ones((2, 3), np.float32)
    trial = Trial(configuration=None, fits=(FitLabel(0, 0, 1), FitLabel(0, 1, 1)), curves={"val_loss": curve})
    run.show(trial)
    run.show(trial)
    assert len(later) == 1  # not while one is being written
    curve[:] = 7.0  # the engine goes on: what was kept is what was shown
    later.pop()()
    kept = read_run_curves(run_id, uri=uri)
    assert kept is not None and (kept["val_loss"] == 1.0).all()
    run.show(trial)
    client.delete_run(run_id)
    later.pop()()  # what the store refuses is not raised
    monkeypatch.setattr(recording, "SECONDS_BETWEEN_SHOWS", 1e6)
    run = recording.TrialRun(client, uri, run_id, write_later=later.append, data=None)  # type: ignore[arg-type]
    run.show(trial)
    assert not later
