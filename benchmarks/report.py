"""How long the report of a large sweep takes, how big its page is, and how soon a browser shows it.

    python -m benchmarks.report            # 200 trials x 4 folds x 100 epochs, made curves

The sweep is written to a SQLite store in a folder for the time of the benchmark. The report is then made in a process
of its own, as ``-e report`` does, imports included. A browser is asked where Chromium is installed.
"""

import json
import random
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.speed import ROOT, header
from tests.support.report_store import BASE, MadeTrial, Store

TRIALS, FOLDS, EPOCHS = 200, 4, 100
_MAKE = """
import json, sys, time
started = time.perf_counter()
from pathlib import Path
from reports import write_report
paths = write_report(sys.argv[1], tracking_uri=sys.argv[2], output=Path(sys.argv[3]), log_to_run=False)
print(json.dumps({"seconds": time.perf_counter() - started, "bytes": paths.html.stat().st_size}))
"""


def made_trials() -> list[MadeTrial]:
    """Distinct configurations over seven settings; wide networks over-fit."""
    draw = random.Random(1)
    found: dict[str, MadeTrial] = {}
    while len(found) < TRIALS:
        width = draw.choice([4, 8, 16, 32, 64, 128, 256, 512, 1024])
        configuration = replace(
            BASE,
            layers=(width,) * draw.randint(1, 4),
            activation=draw.choice(["relu", "tanh"]),
            optimizer=draw.choice(["adam", "sgd", "rmsprop"]),
            learning_rate=10 ** draw.uniform(-4, -1),
            batch_size=draw.choice([16, 32, 128]),
            dropout=round(draw.uniform(0, 0.6), 3),
            l2=draw.choice([0.0, 1e-4, 1e-3]),
        )
        kind = "overfits" if width > 100 or draw.random() < 0.3 else draw.choice(["plateau", "improving"])
        found[configuration.canonical().hash] = MadeTrial(configuration, kind, level=0.2 * draw.random())
    return list(found.values())


def opened(page: Path) -> dict[str, float] | None:
    """Seconds until Chromium has loaded the page, and until all figures are drawn; None without Chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page(viewport={"width": 1280, "height": 900})
        started = time.perf_counter()
        shown.goto(page.as_uri())
        loaded = time.perf_counter() - started
        for figure in shown.locator(".chart-area").all():
            figure.scroll_into_view_if_needed()
            figure.locator("svg.main-svg").first.wait_for()
        drawn = time.perf_counter() - started
        browser.close()
    return {"loaded": loaded, "drawn": drawn}


def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder)
        run_id = store.fill(made_trials(), folds=FOLDS, repeats=1, epochs=EPOCHS)
        command = [sys.executable, "-c", _MAKE, run_id, store.uri, str(folder / "report")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        made = json.loads(done.stdout.strip().splitlines()[-1])
        browser = opened(folder / "report" / "report.html")
    lines = [
        f"# Report of {TRIALS} trials x {FOLDS} folds x {EPOCHS} epochs",
        "",
        header("report"),
        "",
        "| quantity | measured | target |",
        "|---|--:|--:|",
        f"| made from a SQLite store, imports and all files included | {made['seconds']:.1f} s | 30 s |",
        f"| size of the page | {made['bytes'] / 1e6:.2f} MB | 8 MB |",
    ]
    if browser:
        lines += [
            f"| loaded in Chromium | {browser['loaded']:.2f} s | 2 s |",
            f"| every figure drawn, scrolling to each | {browser['drawn']:.2f} s | |",
        ]
    text = "\n".join(lines) + "\n"
    print(text)
    (ROOT / "benchmarks" / "results" / "report.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
