"""Several sweeps beside each other: what changed between sweeps of one exercise, and how exercises differ.

>>> paths = write_comparison(read_comparison(run_ids, tracking_uri=uri))    # doctest: +SKIP
>>> paths.html                                                              # doctest: +SKIP
PosixPath('report/comparison-1f0c3a52-77b1e0d4/comparison.html')
"""

from reports.several.content import Comparison, make_comparison, read_comparison
from reports.several.page import ComparisonPaths, terminal_table, write_comparison

__all__ = [
    "Comparison",
    "ComparisonPaths",
    "make_comparison",
    "read_comparison",
    "terminal_table",
    "write_comparison",
]
