"""``python -m pipelines main|sweep|reproduce|final|report``: what the entry points of the MLflow project call."""

import sys

from pipelines.commands.cli import run

sys.exit(run(sys.argv[1:]))
