"""How fast segzoo predicts many small images, beside the bare network and beside plain Keras with the article's loader.

    python benchmarks/predicting.py --root ../shared/data/oxford_pets_small --filters 16

The photos of a folder go through a U-Net with new weights, by turns: its batches alone, which are in memory; a loader
that decodes and resizes as the article's does, under `model.predict`; and segzoo, which writes masks at the size of the
photos and the table. Loading the network and the first batches are left out. Masks are removed when all is measured:
where many files were just removed, some file systems take long to make others.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import keras
import numpy as np
from article import BATCH_SIZE
from article import unet as article_unet
from measure import interleaved, origin, ratios, seconds, spread, table

from segzoo.data.pixels import Pixels
from segzoo.inference.ensemble import Ensemble, Manner
from segzoo.inference.pipeline import Pipeline
from segzoo.inference.results import Results
from segzoo.inference.sources import Source, find_sources
from segzoo.inference.trained import Trained
from segzoo.networks.frame import Frame
from segzoo.networks.precision import fast_precision, in_bfloat16
from segzoo_unet import UNet

CLASSES = ("pet", "background", "border")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--root", type=Path, required=True, metavar="FOLDER", help="in the layout of the Oxford-IIIT Pet dataset"
    )
    parser.add_argument("--filters", type=int, default=16, help="of the first stage of the U-Net")
    parser.add_argument("--size", type=int, default=160, help="side of the images in pixels")
    parser.add_argument("--images", type=int, help="photos to predict; all of them by default")
    parser.add_argument("--rounds", type=int, default=5, help="besides a first one, which is left out")
    options = parser.parse_args(words)

    sources = find_sources([options.root / "images"], Path("predictions")).files[: options.images]
    precision = "bfloat16" if fast_precision() == "mixed_bfloat16" else "float32"
    with tempfile.TemporaryDirectory() as folder:
        turns = competitors(sources, options.filters, (options.size, options.size), precision, Path(folder))
        interleaved(turns, 1)
        taken = interleaved(turns, options.rounds)
    speeds = {name: [len(sources) / time for time in times] for name, times in taken.items()}
    article, bare, *_ = speeds.values()
    print(
        f"{len(sources):,} photos of `{options.root.name}`, seen at {options.size}x{options.size} pixels by a U-Net of "
        f"{options.filters} filters.\nMedians of {options.rounds} rounds (least - most).\n"
    )
    header = ["what is done", "images/s", "times the article's loader", f"times the bare network in {precision}"]
    rows = [
        [name, spread(found), spread(ratios(found, article)), spread(ratios(found, bare))]
        for name, found in speeds.items()
    ]
    print(table(header, rows), end="\n\n")
    print(origin(["tensorflow", "keras", "numpy", "pillow"]))


def competitors(
    sources: Sequence[Source], filters: int, size: tuple[int, int], precision: str, folder: Path
) -> Mapping[str, Callable[[], float]]:
    """What takes turns, each of which returns its seconds; files are written below the folder."""
    plain = article_unet(size, filters)
    loader = Photos([source.path for source in sources], size)
    network = build(filters)
    ready = in_bfloat16(build(filters)) if precision == "bfloat16" else build(filters)
    frame = Frame.around(size, UNet())
    trained = Trained(Path("unet"), None, frame, CLASSES, Pixels(3), None, network=lambda: network)
    ensemble = Ensemble([trained], Manner(precision=precision))  # type: ignore[arg-type]
    return {
        "article's loader, `model.predict`, float32": partial(seconds, lambda: plain.predict(loader, verbose=0)),
        f"bare network, {precision}": partial(seconds, partial(bare, ready, len(sources), size)),
        f"segzoo, masks, {precision}": partial(seconds, partial(predict, ensemble, sources, folder, overlays=False)),
        f"segzoo, masks and overlays, {precision}": partial(
            seconds, partial(predict, ensemble, sources, folder, overlays=True)
        ),
    }


class Photos(keras.utils.PyDataset):
    """The images of the article's loader."""

    def __init__(self, paths: Sequence[Path], size: tuple[int, int]) -> None:
        super().__init__()
        self.paths, self.size = paths, size

    def __len__(self) -> int:
        return -(-len(self.paths) // BATCH_SIZE)

    def __getitem__(self, index: int) -> np.ndarray:
        paths = self.paths[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        images = np.zeros((len(paths), *self.size, 3), "float32")
        for i, path in enumerate(paths):
            images[i] = keras.utils.load_img(path, target_size=self.size)
        return images


def build(filters: int) -> keras.Model:
    inputs = keras.Input((None, None, 3))
    network = UNet(filters=filters).build((None, None, 3), len(CLASSES))
    return keras.Model(inputs, network(keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)))


def bare(network: keras.Model, images: int, size: tuple[int, int]) -> None:
    batch = np.random.default_rng(0).uniform(0, 255, (BATCH_SIZE, *size, 3)).astype(np.float32)
    for _ in range(-(-images // BATCH_SIZE)):
        network.predict_on_batch(batch)


def predict(ensemble: Ensemble, sources: Sequence[Source], folder: Path, overlays: bool) -> None:
    results = Results(Path(tempfile.mkdtemp(dir=folder)), CLASSES, overlays)
    with Pipeline(ensemble, results, lambda rows, total: None) as pipeline:
        for done in pipeline.run(sources):
            assert done.measured, done.error


if __name__ == "__main__":
    main()
