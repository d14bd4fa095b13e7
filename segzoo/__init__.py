"""segzoo: a zoo of image-segmentation networks, datasets and trainers in which everything is a plugin.

import segzoo
run = segzoo.run("unet", "shapes")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segzoo.benchmarking.benchmark import benchmark
    from segzoo.benchmarking.comparison import Comparison, compare
    from segzoo.inference.arrays import Prediction, predict
    from segzoo.inference.evaluations import evaluate, evaluate_masks
    from segzoo.inference.predictions import Predictions, predict_files
    from segzoo.inspection.contact_sheets import preview
    from segzoo.inspection.findings import Finding, Verification
    from segzoo.inspection.statistics import Statistics, stats
    from segzoo.inspection.verification import verify
    from segzoo.runs.experiment import run
    from segzoo.runs.finished import Run, open_run

__all__ = [
    "Comparison",
    "Finding",
    "Prediction",
    "Predictions",
    "Run",
    "Statistics",
    "Verification",
    "benchmark",
    "compare",
    "evaluate",
    "evaluate_masks",
    "open_run",
    "predict",
    "predict_files",
    "preview",
    "run",
    "stats",
    "verify",
]

_HOMES = {
    "benchmarking.benchmark": ("benchmark",),
    "benchmarking.comparison": ("Comparison", "compare"),
    "runs.experiment": ("run",),
    "runs.finished": ("Run", "open_run"),
    "inference.evaluations": ("evaluate", "evaluate_masks"),
    "inference.arrays": ("Prediction", "predict"),
    "inference.predictions": ("Predictions", "predict_files"),
    "inspection.findings": ("Finding", "Verification"),
    "inspection.contact_sheets": ("preview",),
    "inspection.statistics": ("Statistics", "stats"),
    "inspection.verification": ("verify",),
}


def __getattr__(name: str) -> Any:
    # Imported on first use: `segzoo list`, and any plugin that imports segzoo.plugin, should not wait for NumPy.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"segzoo.{module}"), name)
    raise AttributeError(f"module 'segzoo' has no attribute '{name}'")
