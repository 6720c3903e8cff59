"""The doors: one module an entry point, what all of them share, and the only importer of ``reports``."""
