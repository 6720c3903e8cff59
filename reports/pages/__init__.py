"""Reports as pages: one sweep, several sweeps, a final model, reproductions."""
