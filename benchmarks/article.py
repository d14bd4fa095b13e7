"""The script of the article that segzoo is measured against, in plain Keras: what one would write without segzoo.

    python benchmarks/article.py --root FOLDER --filters 64 --epochs 15

Network, loader and training of "U-Net Architecture For Image Segmentation" on the Paperspace blog, which takes data,
split and loader from the Keras example "Image segmentation with a U-Net-like architecture" (F. Chollet, 2019). Written
anew from what they describe, with each class's sigmoid divided by their sum, as Keras' loss does it.
FOLDER is in the layout of the Oxford-IIIT Pet dataset: `images/*.jpg` and `annotations/trimaps/*.png`.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

CLASSES = 3
BATCH_SIZE = 8


def unet(image_size: tuple[int, int], filters: int = 64) -> keras.Model:
    """Pixel values (B, H, W, 3) to sigmoids (B, H, W, 3); sides are multiples of 16."""
    inputs = x = keras.Input((*image_size, 3))
    skips = []
    for stage in range(4):
        x = convolutions(x, filters * 2**stage)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = convolutions(x, filters * 16)
    for stage in reversed(range(4)):
        x = layers.Conv2DTranspose(filters * 2**stage, 2, strides=2, padding="same")(x)
        x = convolutions(layers.Concatenate()([x, skips[stage]]), filters * 2**stage)
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1, padding="same", activation="sigmoid")(x))


def convolutions(x: Any, filters: int) -> Any:
    """Twice: 3x3 convolution, batch normalization, ReLU."""
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    return x


def compiled(image_size: tuple[int, int], filters: int = 64) -> keras.Model:
    """The network, ready for `fit`."""
    model = unet(image_size, filters)
    model.compile(optimizer=keras.optimizers.RMSprop(1e-3), loss="sparse_categorical_crossentropy")
    return model


class Pets(keras.utils.PyDataset):
    """Batches of photos and trimaps, decoded whenever they are asked for; images that do not fill one are left out."""

    def __init__(self, pairs: Sequence[tuple[Path, Path]], image_size: tuple[int, int]) -> None:
        super().__init__()
        self.pairs, self.image_size = pairs, image_size

    def __len__(self) -> int:
        return len(self.pairs) // BATCH_SIZE

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixel values float32 (B, H, W, 3) and labels uint8 (B, H, W, 1)."""
        images = np.zeros((BATCH_SIZE, *self.image_size, 3), np.float32)
        masks = np.zeros((BATCH_SIZE, *self.image_size, 1), np.uint8)
        for i, (photo, trimap) in enumerate(self.pairs[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]):
            images[i] = keras.utils.load_img(photo, target_size=self.image_size)
            grey = keras.utils.load_img(trimap, target_size=self.image_size, color_mode="grayscale")
            masks[i] = np.expand_dims(grey, 2) - np.uint8(1)  # 1, 2, 3 to 0, 1, 2
        return images, masks


def split(root: Path, val_size: int) -> tuple[list[tuple[Path, Path]], list[tuple[Path, Path]]]:
    """Paths of photo and trimap to train on, and of the last `val_size` to validate, after a shuffle with seed 1337."""
    photos = sorted(path for path in (root / "images").iterdir() if path.suffix == ".jpg")
    trimaps = (root / "annotations" / "trimaps" / f"{photo.stem}.png" for photo in photos)
    pairs = list(zip(photos, trimaps, strict=True))
    random.Random(1337).shuffle(pairs)
    return pairs[:-val_size], pairs[-val_size:]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--filters", type=int, default=64, help="of the first stage")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--size", type=int, default=160, help="side of the images in pixels")
    parser.add_argument("--val-size", type=int, default=1000, help="images to validate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default="oxford_segmentation.keras", help="where the best epoch is kept")
    options = parser.parse_args(words)

    keras.utils.set_random_seed(options.seed)
    size = (options.size, options.size)
    train, val = (Pets(pairs, size) for pairs in split(options.root, options.val_size))
    keep_best = keras.callbacks.ModelCheckpoint(options.out, save_best_only=True)  # of val_loss
    compiled(size, options.filters).fit(train, epochs=options.epochs, validation_data=val, callbacks=[keep_best])


if __name__ == "__main__":
    main()
