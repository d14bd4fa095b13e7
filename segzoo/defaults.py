"""The plugins that the core itself names, and nowhere else: those that are taken where the user names none.

They come in by the registry like all others.
"""

DEFAULTS = {"trainer": "keras", "loss": "cross_entropy"}
"""Taken for a run that names none, by kind."""

EXAMPLES = {"model": "unet", "dataset": "shapes"}
"""Named in messages that say what to type, by kind."""

TRAINED_ON = "shapes"
"""The dataset on which the conformance kit trains; it has the options `size`, `train` and `val`."""
