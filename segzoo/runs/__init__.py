"""One run: its configuration, its folder, its tables, and the steps from the first to the last."""
