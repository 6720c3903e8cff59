"""The user's own CSV, Parquet or NPZ file as a data set."""
