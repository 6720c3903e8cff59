"""The JAX engine: all fits of a trial as one compiled program."""
