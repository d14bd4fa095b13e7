"""What a trained network is used for: predictions in files, evaluation on other data."""
