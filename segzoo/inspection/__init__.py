"""Datasets looked at as a whole: are they right, what is in them, and what do they look like."""
