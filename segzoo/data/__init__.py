"""Samples and where they come from: files, sizes, splits, and a look at all of them."""
