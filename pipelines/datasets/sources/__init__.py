"""Well-known data sets, one module a source."""
