"""The plugins that the core itself names, and nowhere else: those that are taken where the user names none.

They come in by the registry like all others.
"""

DEFAULTS = {"augmentation": "standard", "trainer": "keras", "loss": "cross_entropy"}
"""Taken for a run that names none, by kind."""

EARLIER = {"augmentation": "none"}
"""What runs and benchmarks of earlier versions did, which have no word for it, by kind."""

EXAMPLES = {"model": "unet", "dataset": "shapes", "encoder": "efficientnet_lite0"}
"""Named in messages that say what to type, by kind."""

TRAINED_ON = "shapes"
"""The dataset on which the conformance kit trains; it has the options `size`, `train` and `val`."""

AUGMENTED_BY = "standard"
"""The augmentation by which the kit sees whether a trainer augments; it has the options `level` and `brightness`."""
