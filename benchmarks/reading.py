"""How long a user's large table takes from the file to arrays, and how much memory, beside ``pandas.read_csv``.

    python -m benchmarks.reading [--rows 1000000] [--times 3]

Each reading is a process of its own with an empty cache. 20 columns: 14 of numbers with decimals, 3 of whole numbers, 2
of texts, and the target. Memory is the highest resident size, less that of the same process before it reads.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

TARGET = "price"

_START = """
import json, sys, time, resource
import numpy, pandas, pyarrow, sklearn.model_selection, sklearn.tree
path, cache = sys.argv[1:]
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
"""
_END = """
before, started = peak(), time.perf_counter()
read()
print(json.dumps({"seconds": time.perf_counter() - started, "bytes": peak() - before}))
"""
READERS = {
    "pandas": "read = lambda: pandas.read_csv(path)",
    "ours": """
from pathlib import Path
from pipelines.datasets import DatasetSpec, Places, load_dataset
import pipelines.datasets.user_file.source
spec = DatasetSpec("file", "made", {"path": path, "target": "price"})
read = lambda: load_dataset(spec, None, Places(cache_dir=Path(cache)))
""",
}


def write(path: Path, rows: int) -> None:
    """A table of so many rows and 20 columns."""
    generator = np.random.default_rng(0)
    columns = {f"number_{place}": np.round(generator.standard_normal(rows) * (1 + place), 5) for place in range(14)}
    columns |= {f"whole_{place}": generator.integers(0, 10**place, rows) for place in (2, 4, 6)}
    columns |= {
        f"text_{place}": np.array([f"kind {k}" for k in range(place)])[generator.integers(0, place, rows)]
        for place in (5, 40)
    }
    frame = pd.DataFrame(columns)
    price = 1e5 + 1e4 * frame["number_0"] + 1e3 * frame["whole_2"] + 1e4 * generator.standard_normal(rows)
    frame.assign(**{TARGET: np.round(price, 2)}).to_csv(path, index=False)


def measure(reader: str, path: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as cache:
        code = _START + READERS[reader] + _END
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), cache],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.csv")
        write(path, chosen.rows)
        numbers = chosen.rows * 20 * 8
        size = path.stat().st_size
        print(f"{chosen.rows:,} rows x 20 columns, {size / 2**20:.0f} MiB; as float64 {numbers / 2**20:.0f} MiB")
        print("| reader | s | MiB | x the numbers |\n|---|--:|--:|--:|")
        best = {}
        for _ in range(chosen.times):
            for reader in READERS:
                found = measure(reader, path)
                if reader not in best or found["seconds"] < best[reader]["seconds"]:
                    best[reader] = found
        for reader, found in best.items():
            print(
                f"| {reader} | {found['seconds']:.2f} | {found['bytes'] / 2**20:.0f} | {found['bytes'] / numbers:.2f} |"
            )
        print(f"ours / pandas: {best['ours']['seconds'] / best['pandas']['seconds']:.2f}")


if __name__ == "__main__":
    main()
