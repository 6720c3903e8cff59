"""A residual network: every block adds to what it was given, so that depth does not get in the way of the gradient."""

import keras


def build(input_shape, outputs, width=32, blocks=2, kind="relu", dropout=0.0):
    """From (batch, *input_shape) to raw outputs (batch, outputs), without an activation at the end."""
    inputs = keras.Input(input_shape)
    x = keras.layers.Dense(width)(keras.layers.Flatten()(inputs))
    for _ in range(blocks):
        inner = keras.layers.Dense(width, activation=kind)(keras.layers.LayerNormalization()(x))
        x = keras.layers.Add()([x, keras.layers.Dropout(dropout)(inner)])
    return keras.Model(inputs, keras.layers.Dense(outputs)(x))
