"""Configuration -> Keras model: layers, backbones and their features, losses and metrics, initial weights."""
