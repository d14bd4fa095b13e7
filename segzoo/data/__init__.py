"""Samples, the image files that they come from, sizes and splits."""
