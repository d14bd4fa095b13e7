"""What it costs to be able to go on after a crash: the time and the disk that checkpoints take.

    python benchmarks/checkpoint.py --filters 16 64 --images 1000 --epochs 3

Trains the U-Net of the article on drawn images as `segzoo run` does, and times the trainer and each checkpoint that it
writes. Nothing is compared, so there are no rounds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from generated import write_pets
from measure import ARTICLE, origin, spread, table

import segzoo
from segzoo.training.checkpoints import Checkpoints
from segzoo_keras import KerasTrainer


@dataclass(frozen=True)
class Cost:
    """What one training paid."""

    training: float
    """Seconds in the trainer, checkpoints included."""
    checkpoints: Sequence[float]
    """Seconds of each."""
    sizes: Sequence[int]
    """Bytes on the disk after each."""


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    size = (options.size, options.size)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEGZOO_CACHE"] = f"{folder}/cache"
        write_pets(Path(folder) / "pets", options.images + options.images // 5, size)
        costs = {filters: train(filters, size, options, Path(folder)) for filters in options.filters}
    print(
        f"A U-Net trained on {options.images:,} images of {options.size}x{options.size} pixels for {options.epochs} "
        "epochs. Medians over its checkpoints (least - most).\n"
    )
    header = ["filters", "training, s", "checkpoints", "s each", "share of the time"]
    rows = [
        [
            str(filters),
            f"{cost.training:.0f}",
            str(len(cost.checkpoints)),
            spread(cost.checkpoints),
            f"{sum(cost.checkpoints) / cost.training:.2%}",
            f"{cost.sizes[0] / 1e6:,.1f}",
            f"{max(cost.sizes) / 1e6:,.1f}",
        ]
        for filters, cost in costs.items()
    ]
    print(table([*header, "MB of one", "MB on the disk at most"], rows), end="\n\n")
    print(origin(["tensorflow", "keras"]))


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", type=int, nargs="+", default=[16, 64], help="of the first stage, of each training")
    parser.add_argument("--images", type=int, default=1000, help="to train on; a fifth as many validate")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=160, help="side of the images in pixels, a multiple of 16")
    return parser.parse_args(words)


def train(filters: int, size: tuple[int, int], options: argparse.Namespace, folder: Path) -> Cost:
    """One run, with its trainer and its checkpoints timed."""

    sizes = []
    settings = {
        "model.filters": filters,
        "dataset.root": str(folder / "pets"),
        "dataset.val_size": options.images // 5,
        "dataset.allow_missing": True,
    }
    with (
        timed(KerasTrainer, "fit") as fits,
        timed(Checkpoints, "save", lambda store: sizes.append(bytes_in(store.folder))) as saves,
    ):
        out = folder / f"run-{filters}"
        segzoo.run(config=ARTICLE, settings=settings, epochs=options.epochs, image_size=size, out=out)
    return Cost(fits[0], saves, sizes)


@contextmanager
def timed(owner: type, name: str, then: Callable[[Any], object] = lambda owner: None) -> Iterator[list[float]]:
    """The seconds of each call of a method from here on; `then` is called with its object after each."""
    method, taken = getattr(owner, name), []

    def around(self: Any, *arguments: Any) -> Any:
        start = time.perf_counter()
        result = method(self, *arguments)
        taken.append(time.perf_counter() - start)
        then(self)
        return result

    with patch.object(owner, name, around):
        yield taken


def bytes_in(folder: Path) -> int:
    """Of all files below it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
