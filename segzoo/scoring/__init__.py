"""Scores of predictions, and the evaluation of a trained network."""
