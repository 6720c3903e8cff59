"""Check that the tracking store can be written, and make a SQLite database that is not there yet.

``make sweep`` runs this before ``mlflow run``, which would retry a store out of reach for minutes.
"""

import sys

from pipelines.errors import TrackingError
from pipelines.tracking.store import check_store, tracking_uri

try:
    check_store(tracking_uri())
except TrackingError as refusal:
    print(refusal, file=sys.stderr)
    sys.exit(2)
