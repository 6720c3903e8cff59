"""The TensorFlow engine: the fits of a trial take turns in one compiled program."""
