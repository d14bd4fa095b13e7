"""How fast segzoo makes batches from the second epoch on, beside the article's loader, which decodes in every epoch.

    python benchmarks/input_pipeline.py --root ../shared/data/oxford_pets_small

Both make all training batches of an epoch by turns, in one thread of one process, and nothing is trained.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path

from article import BATCH_SIZE, Pets, split
from measure import interleaved, origin, ratios, seconds, spread, table

from segzoo.networks.frame import Frame
from segzoo.training.batches import Arrays
from segzoo.training.pipeline import decode
from segzoo_oxford_pets import OxfordPets
from segzoo_unet import UNet


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    size = (options.size, options.size)
    loader = Pets(split(options.root, options.val_size)[0], size)
    data = decoded(options.root, options.val_size, size)
    preparing = seconds(partial(decoded, options.root, options.val_size, size))

    epochs = count(1)  # counted from 0, so these are the second and those after it
    images = {"segzoo, from the second epoch on": len(data), "article": len(loader) * BATCH_SIZE}
    work = (lambda: segzoo_epoch(data, next(epochs)), lambda: article_epoch(loader))
    turns = {name: partial(seconds, one) for name, one in zip(images, work, strict=True)}
    interleaved(turns, 1)
    speeds = {
        name: [images[name] / taken for taken in found] for name, found in interleaved(turns, options.rounds).items()
    }
    segzoo = next(iter(speeds.values()))
    print(
        f"Batches of {BATCH_SIZE} images of {options.size}x{options.size} pixels, from the {len(data):,} training "
        f"images of `{options.root.name}`.\nMedians of {options.rounds} rounds of an epoch (least - most). "
        f"Before its first epoch, segzoo decoded the images in {preparing:.1f} s.\n"
    )
    rows = [[name, spread(found), spread(ratios(segzoo, found))] for name, found in speeds.items()]
    print(table(["batches", "images/s", "segzoo is so many times as fast"], rows), end="\n\n")
    print(origin(["numpy", "pillow", "keras"]))


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--root", type=Path, required=True, metavar="FOLDER", help="in the layout of the Oxford-IIIT Pet dataset"
    )
    parser.add_argument("--val-size", type=int, default=200, help="images that are left out for validation")
    parser.add_argument("--size", type=int, default=160, help="side of the images in pixels")
    parser.add_argument("--rounds", type=int, default=7, help="besides a first one, which is left out")
    return parser.parse_args(words)


def decoded(root: Path, val_size: int, size: tuple[int, int]) -> Arrays:
    """The training images as segzoo keeps them."""
    dataset = OxfordPets(root=root, split="article", val_size=val_size, allow_missing=True)
    with tempfile.TemporaryDirectory() as cache:
        return decode(dataset.open(Path(cache), "train"), Frame.around(size, UNet()))


def segzoo_epoch(data: Arrays, epoch: int) -> None:
    for _ in data.batches(BATCH_SIZE, data.epoch(0, epoch)):
        pass


def article_epoch(loader: Pets) -> None:
    for index in range(len(loader)):
        loader[index]


if __name__ == "__main__":
    main()
