"""Which range of 16-bit files trains best, that of their type or that of the data: the default of `dataset.range`.

    python benchmarks/pixel_range.py --root ../shared/data/oxford_pets_small

The same scenes are written with as many bits as a camera may have, into files of 8 and of 16 bits. Striped discs are to
be found among plain ones, brighter and darker, on ground that is lit from one side: no threshold tells them apart. The
small photos are there because most folders hold such; of 8 bits the ranges of type and data are the same. The range of
the camera is given, as [0, 1023], where the data have hot pixels.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from measure import interleaved, origin, spread, table
from numpy.typing import NDArray
from PIL import Image

import segzoo
from segzoo.processes.terminal import quiet

SIDE = 64
"""Height and width of the scenes and of what the network sees of the photos."""
HOT = 4
"""Pixels of a scene that are as bright as the type allows, where a camera has such."""
KINDS: dict[str, tuple[int, type, bool]] = {
    "8 bits": (2**8 - 1, np.uint8, False),
    "10 of 16 bits": (2**10 - 1, np.uint16, False),
    "12 of 16 bits": (2**12 - 1, np.uint16, False),
    "16 bits": (2**16 - 1, np.uint16, False),
    "10 of 16 bits, hot pixels": (2**10 - 1, np.uint16, True),
    "12 of 16 bits, hot pixels": (2**12 - 1, np.uint16, True),
}
"""The largest value, the type of the file, and whether there are hot pixels."""
COLUMNS = ("range of the type", "of the data", "of the camera")


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    with tempfile.TemporaryDirectory() as folder:
        sets = {name: write(Path(folder) / name, options.images, *kind) for name, kind in KINDS.items()}
        if options.root:
            sets["photos of 8 bits"] = photos(options.root, Path(folder) / "photos", options.images)
        turns = {
            (name, choice): partial(
                score, settings | {"dataset.range": value}, options, count(), Path(folder) / f"{name} {choice}"
            )
            for name, settings in sets.items()
            for choice, value in ranges(name).items()
        }
        found = interleaved(turns, options.rounds)
    print(
        f"IoU of the foreground on the images that are kept back, of a U-Net of {options.filters} filters after "
        f"{options.epochs} epochs on {options.images} images of {SIDE}x{SIDE} pixels.\n"
        f"Medians of {options.rounds} seeds (least - most).\n"
    )
    rows = [
        [name, *(spread(found[name, each], 2) if (name, each) in found else "" for each in COLUMNS)] for name in sets
    ]
    print(table(["images", *COLUMNS], rows), end="\n\n")
    print(origin(["numpy", "tensorflow", "keras"]))


def ranges(name: str) -> dict[str, Any]:
    """What `dataset.range` is for scenes of that name, by the column of the table."""
    largest, dtype, hot = KINDS.get(name, (255, np.uint8, False))
    if dtype == np.uint8:
        return {COLUMNS[1]: "data"}  # both are the same
    return {COLUMNS[0]: "type", COLUMNS[1]: "data"} | ({COLUMNS[2]: [0, largest]} if hot else {})


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--root", type=Path, metavar="FOLDER", help="photos, in the layout of the Oxford-IIIT Pet dataset"
    )
    parser.add_argument("--images", type=int, default=60, help="a fifth of them for validation, a fifth for the scores")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(words)


def score(settings: dict[str, Any], options: argparse.Namespace, seeds: count[int], out: Path) -> float:
    """IoU of the foreground after a training with the next seed."""
    seed = next(seeds)
    settings = settings | {"model.filters": options.filters, "trainer.precision": "float32"}
    with quiet():
        run = segzoo.run(
            "unet",
            "folder",
            settings=settings,
            epochs=options.epochs,
            image_size=(SIDE, SIDE),
            seed=seed,
            out=out / str(seed),
        )
    return float(run.metrics["iou"]["foreground"])


def write(root: Path, images: int, largest: int, dtype: type, hot: bool) -> dict[str, Any]:
    """Scenes in a folder, and the settings with which it is read."""
    for number in range(images):
        pixels, mask = scene(number)
        values = np.rint(pixels * largest).astype(dtype)
        if hot:
            places = np.random.default_rng(number).choice(values.size, HOT, replace=False)
            values.ravel()[places] = np.iinfo(dtype).max
        save(root / split(number) / "images" / f"{number:03}.png", values)
        save(root / split(number) / "masks" / f"{number:03}.png", mask * np.uint8(255))
    return {"dataset.root": str(root)}


def photos(source: Path, root: Path, images: int) -> dict[str, Any]:
    """Some of the photos of pets by a table, and the settings with which it is read: pets against all else."""
    root.mkdir()
    names = sorted(path.stem for path in (source / "annotations/trimaps").glob("[!.]*.png"))
    chosen = names[:: max(1, len(names) // images)][:images]
    with (root / "list.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "mask", "split"])
        for number, name in enumerate(chosen):
            mask = root / f"{name}.png"
            save(mask, np.where(np.asarray(Image.open(source / f"annotations/trimaps/{name}.png")) == 2, 0, 255))
            rows.writerow([source.absolute() / f"images/{name}.jpg", mask, split(number)])
    return {"dataset.root": str(root), "dataset.listing": "list.csv"}


def split(number: int) -> str:
    return ("test", "val", "train", "train", "train")[number % 5]


def save(path: Path, values: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8) if values.dtype != np.uint16 else values).save(path)


def scene(seed: int) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Brightness (SIDE, SIDE) from 0 to 1, and where the striped discs are."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIDE, SIDE))
    towards = rng.uniform(0, 2 * np.pi)
    pixels = 0.45 + 0.25 * (np.cos(towards) * (x / SIDE - 0.5) + np.sin(towards) * (y / SIDE - 0.5))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for number in range(8):
        inside = (y - rng.uniform(0, SIDE)) ** 2 + (x - rng.uniform(0, SIDE)) ** 2 < rng.uniform(5, 10) ** 2
        striped = number % 2
        along = rng.uniform(0, np.pi)
        stripes = 0.12 * np.sign(np.sin(1.6 * (np.cos(along) * x + np.sin(along) * y)))
        pixels = np.where(inside, 0.45 + (stripes if striped else rng.uniform(-0.25, 0.25)), pixels)
        mask[inside] = striped
    return (pixels + rng.normal(0, 0.04, pixels.shape)).clip(0, 1), mask


if __name__ == "__main__":
    main()
