"""Sweeps over teaching exercises: train every configuration on k folds and locate where it starts to over-fit."""
