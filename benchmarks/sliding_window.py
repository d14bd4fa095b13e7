"""What it costs to classify an image window by window, beside one dense pass of the same network and beside the U-Net.

    python benchmarks/sliding_window.py --size 96 --pixels 256 --rounds 7

Three ways of predicting one image of random pixels are timed by turns: the window network of Ciresan et al. 2012 run
for single pixels, the same network run densely, whose logits are checked to be the same, and the U-Net. Cutting out the
windows counts, as it is part of that way. Window by window, only `--pixels` pixels spread evenly over the image are
computed, and the time is scaled up to all: each costs the same.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from measure import interleaved, origin, seconds, spread, table
from numpy.lib.stride_tricks import sliding_window_view

from segzoo_sliding_window import SlidingWindow
from segzoo_sliding_window.network import patch_network
from segzoo_unet import UNet

CHANNELS = CLASSES = 3


@dataclass(frozen=True)
class Way:
    """One way of predicting pixels."""

    name: str
    model: keras.Model
    run: Callable[[], np.ndarray]
    pixels: int
    """How many pixels a run predicts."""
    pixels_per_input: int
    """How many pixels the network predicts from one input: a window or an image."""


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    ways = prepare(options)
    naive, dense, _ = (way.run().reshape(-1, CLASSES) for way in ways)
    difference = np.abs(naive - dense[chosen_pixels(options)]).max()
    if difference > 1e-4:
        raise SystemExit(f"the two ways of running the window network differ by {difference:.2g}: nothing to compare")
    times = interleaved({way.name: partial(seconds, way.run) for way in ways}, options.rounds)  # all have run before
    print(report(options, difference, ways, times))


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=96, help="side of the output in pixels; a multiple of 16")
    parser.add_argument("--pixels", type=int, default=256, help="pixels computed window by window")
    parser.add_argument("--batch", type=int, default=32, help="windows in a batch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--window", type=int, default=95, choices=(95, 65))
    options = parser.parse_args(words)
    if options.size % 16 or options.pixels % options.batch or not 0 < options.pixels <= options.size**2:
        parser.error("--size must be a multiple of 16, --pixels one of --batch and no more than the image has")
    return options


def prepare(options: argparse.Namespace) -> list[Way]:
    """The three ways, on one image; the two networks of the window have equal weights."""
    keras.utils.set_random_seed(0)
    network = SlidingWindow(window=options.window)
    size, padded = options.size, options.size + 2 * network.margin
    image = np.random.default_rng(0).uniform(-1, 1, (1, padded, padded, CHANNELS)).astype("float32")

    dense = network.build((padded, padded, CHANNELS), CLASSES)
    patches = patch_network(CHANNELS, CLASSES, network)
    patches.set_weights(dense.get_weights())
    unet = UNet().build((size, size, CHANNELS), CLASSES)
    return [
        Way("window by window", patches, lambda: window_by_window(patches, image[0], options), options.pixels, 1),
        Way("dense", dense, lambda: dense.predict_on_batch(image), size**2, size**2),
        Way("U-Net", unet, lambda: unet.predict_on_batch(image[:, :size, :size]), size**2, size**2),
    ]


def chosen_pixels(options: argparse.Namespace) -> np.ndarray:
    """Indices of `--pixels` pixels, spread evenly over the rows of the output one after another."""
    return np.linspace(0, options.size**2 - 1, options.pixels).astype(int)


def window_by_window(patches: keras.Model, image: np.ndarray, options: argparse.Namespace) -> np.ndarray:
    """Logits (pixels, 1, 1, classes) of the chosen pixels, each from a window of its own cut out of the image."""
    views = sliding_window_view(image, (options.window, options.window), axis=(0, 1))  # (size, size, C, window, window)
    logits = []
    for batch in np.split(chosen_pixels(options), options.pixels // options.batch):
        windows = views[batch // options.size, batch % options.size].transpose(0, 2, 3, 1)
        logits.append(patches.predict_on_batch(np.ascontiguousarray(windows)))
    return np.concatenate(logits)


def multiply_adds(model: keras.Model) -> int:
    """Multiplications of all convolutions for one input; a transposed one multiplies at the pixels it reads."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose):
            at = layer.input if isinstance(layer, keras.layers.Conv2DTranspose) else layer.output
            total += math.prod(at.shape[1:3]) * math.prod(layer.kernel.shape)
    return total


def report(options: argparse.Namespace, difference: float, ways: list[Way], times: dict[str, list[float]]) -> str:
    """A Markdown table and what it was measured on."""
    pixels = options.size**2
    per_image = {way.name: [taken * pixels / way.pixels for taken in times[way.name]] for way in ways}
    dense = statistics.median(per_image["dense"])
    text = [
        f"Prediction of an image of {options.size}x{options.size} pixels, in float32; window of {options.window}.",
        f"Window by window: {options.pixels} of {pixels} pixels measured, in batches of {options.batch}, and the time",
        f"scaled by {pixels / options.pixels:g}; the logits differ from the dense ones by {difference:.1e} at most.",
        f"Median of {options.rounds} rounds that run all ways by turns (least - most).",
    ]
    rows = [
        [
            way.name,
            f"{way.model.count_params():,}",
            f"{multiply_adds(way.model) / way.pixels_per_input:,.0f}",
            spread(per_image[way.name]),
            f"{statistics.median(per_image[way.name]) / dense:.3g}",
        ]
        for way in ways
    ]
    header = ["way", "parameters", "multiply-adds a pixel", "seconds an image", "times dense"]
    return "\n".join([*text, "", table(header, rows), "", origin(["tensorflow", "keras"])])


if __name__ == "__main__":
    main()
