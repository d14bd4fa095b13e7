"""segzoo: a zoo of image-segmentation networks, datasets and trainers in which everything is a plugin.

import segzoo
result = segzoo.run("unet", "shapes")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segzoo.experiment import Result, run

__all__ = ["Result", "run"]


def __getattr__(name: str) -> Any:
    # Imported on first use: `segzoo list`, and any plugin that imports segzoo.plugin, should not wait for NumPy.
    if name in __all__:
        from segzoo import experiment

        return getattr(experiment, name)
    raise AttributeError(f"module 'segzoo' has no attribute '{name}'")
