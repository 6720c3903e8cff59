"""Well-known data sets, one module per source."""
