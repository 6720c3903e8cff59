"""Curves that others have logged -> configurations with folds and repeats, each with its over-fitting point."""
