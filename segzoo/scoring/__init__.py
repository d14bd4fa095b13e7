"""What a trained network gets right."""
