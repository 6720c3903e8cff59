"""Initial weights from a seed, the same way in every engine."""

import random
from collections.abc import Callable
from typing import Any


def build_seeded(build_model: Callable[[], Any], seed: int) -> Any:
    """A new model whose initial weights, and states of dropout, come from this seed.

    Keras draws the seeds of layers that have none from Python's ``random``, whose state is put back afterwards.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        return build_model()
    finally:
        random.setstate(state)
