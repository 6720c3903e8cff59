"""``python -m pipelines main|sweep|reproduce|final|report``: what the entry points of the MLflow project call."""

import sys

from pipelines.commands.launch import stand_where_the_user_does

stand_where_the_user_does()

from pipelines.commands.cli import run  # noqa: E402 - only now: libraries keep the folder they are imported in

sys.exit(run(sys.argv[1:]))
