"""Curves -> over-fitting point: best epoch with interval, onset, one-SE epoch, verdict. Knows arrays only."""
