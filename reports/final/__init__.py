"""The final model of a sweep in its report: what it predicts, its mistakes, its figures."""
