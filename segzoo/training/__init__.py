"""What trainers share: batches of samples, kept in memory or on the disk, and checkpoints.

A trainer finds here all that it needs of the core beside `segzoo.plugin` and `segzoo.errors`:

    from segzoo.training import Checkpoints, clean_state, prepare
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segzoo.data.samples import Identity
    from segzoo.networks.build import clean_state
    from segzoo.networks.frame import Frame
    from segzoo.networks.gpu_memory import grow_memory
    from segzoo.networks.precision import fast_precision
    from segzoo.networks.tiles import tiled
    from segzoo.processes.processors import processor, threads
    from segzoo.processes.terminal import quiet
    from segzoo.processes.threads import ahead
    from segzoo.scoring.overlap import confusion, mean_iou
    from segzoo.training.balance import class_weights
    from segzoo.training.batches import Arrays, Batch, Picks, crops_of, order
    from segzoo.training.checkpoints import Checkpoints
    from segzoo.training.pipeline import prepare
    from segzoo.training.requirements import require_finite_loss, require_trainable

__all__ = [
    "Arrays",
    "Batch",
    "Checkpoints",
    "Frame",
    "Identity",
    "Picks",
    "ahead",
    "class_weights",
    "clean_state",
    "confusion",
    "crops_of",
    "fast_precision",
    "grow_memory",
    "mean_iou",
    "order",
    "prepare",
    "processor",
    "quiet",
    "require_finite_loss",
    "require_trainable",
    "threads",
    "tiled",
]

_HOMES = {
    "data.samples": ("Identity",),
    "networks.build": ("clean_state",),
    "networks.frame": ("Frame",),
    "networks.gpu_memory": ("grow_memory",),
    "networks.precision": ("fast_precision",),
    "networks.tiles": ("tiled",),
    "processes.processors": ("processor", "threads"),
    "processes.terminal": ("quiet",),
    "processes.threads": ("ahead",),
    "scoring.overlap": ("confusion", "mean_iou"),
    "training.balance": ("class_weights",),
    "training.batches": ("Arrays", "Batch", "Picks", "crops_of", "order"),
    "training.checkpoints": ("Checkpoints",),
    "training.pipeline": ("prepare",),
    "training.requirements": ("require_finite_loss", "require_trainable"),
}


def __getattr__(name: str) -> Any:
    # Imported on first use, and by name, so that modules of this package may be imported without the others.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"segzoo.{module}"), name)
    raise AttributeError(f"module 'segzoo.training' has no attribute '{name}'")
