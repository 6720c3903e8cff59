"""Curves -> over-fitting point: best epoch with interval, onset, one-SE epoch, verdict. Knows arrays only.

What is named here is for any training code, and needs NumPy and SciPy alone.
"""

from pipelines.overfitting.any_curves import analyse, sentence
from pipelines.overfitting.point import OverfittingPoint, Verdict

__all__ = ["OverfittingPoint", "Verdict", "analyse", "sentence"]
