"""The final model of a sweep: its winner trained on all rows, tested once, saved for plain Keras, registered."""
