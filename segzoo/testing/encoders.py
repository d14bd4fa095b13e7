"""Checks of encoders: the maps of images, and the weights that they begin with."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

import numpy as np

from segzoo.errors import PluginError, SegzooError
from segzoo.files.cache import cache_folder
from segzoo.networks.build import clean_state
from segzoo.plugin import Encoder, StartingWeights
from segzoo.plugin_errors import Calling
from segzoo.testing.models import assert_close
from segzoo.testing.networks import SIDE, compiled, stirred
from segzoo.testing.processes import elsewhere

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

LOAD = """
file, images, package = values
sys.modules.update({'segzoo': None, package: None})
import io, keras, numpy
maps = keras.tree.flatten(keras.saving.load_model(file)(images, training=False))
output = io.BytesIO()
numpy.savez(output, *map(keras.ops.convert_to_numpy, maps))
sys.stdout.buffer.write(output.getvalue())
"""


def check_encoder_is_built(encoder: Encoder) -> None:
    """All other checks need maps: `build` makes a network called `encoder` with a finite map for each of `strides`."""
    network, images = build(encoder), noise(encoder)
    assert network.name == "encoder", f"its network is called '{network.name}', not 'encoder'"
    with Calling(type(encoder), f"its network, given images of shape {images.shape},"):
        maps = maps_of(network, images)
    assert len(maps) == len(encoder.strides), f"it makes {len(maps)} maps, but declares {len(encoder.strides)} strides"
    for stride, values in zip(encoder.strides, maps, strict=True):
        wrong = values.size - np.count_nonzero(np.isfinite(values))
        assert not wrong, f"{wrong:,} of {values.size:,} values of the map of stride {stride} are not finite"


def check_strides_rise(encoder: Encoder) -> None:
    """Decoders double the size of a map until it is that of the next finer one, so strides are rising powers of 2."""
    strides = encoder.strides
    assert strides, "it declares no strides"
    assert strides == tuple(sorted(set(strides))), f"the strides {strides} do not rise: the finest map comes first"
    assert all(stride & (stride - 1) == 0 for stride in strides), f"of the strides {strides} some are no powers of 2"


def check_maps_have_the_promised_sizes(encoder: Encoder) -> None:
    """Maps are joined with others of their size, whatever the size of the image, so strides must tell it exactly."""
    network, step = build(encoder), max(encoder.strides)
    for rows, columns in ((1, 1), (2, 3), (5, 2)):
        height, width = rows * step, columns * step
        maps = maps_of(network, noise(encoder, 1, size=(height, width)))
        for stride, values in zip(encoder.strides, maps, strict=True):
            promised = height // stride, width // stride
            assert values.ndim == 4, f"the map of stride {stride} has the shape {values.shape}, not (B, H, W, C)"
            assert values.shape[1:3] == promised, (
                f"of an image of {height}x{width}, the map of stride {stride} is {values.shape[1]}x{values.shape[2]}, "
                f"not {promised[0]}x{promised[1]}"
            )


def check_maps_of_any_channels(encoder: Encoder) -> None:
    """Datasets have images of 1, 3 or 4 channels, and an encoder must take them all."""
    for channels in (1, 3, 4):
        maps = maps_of(build(encoder, channels), noise(encoder, 1, channels))
        assert all(np.isfinite(values).all() for values in maps), f"of {channels} channels it makes maps not finite"


def check_seed_decides_the_encoder(encoder: Encoder) -> None:
    """A run from random weights can be repeated only if its seed, and nothing else, decides them."""
    first, again, other = (build(encoder, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(map(np.array_equal, first, again)), "built twice from the same seed, it has other weights"
    assert not all(map(np.array_equal, first, other)), "built from another seed, it has the same weights"


def check_maps_are_those_of_their_image(encoder: Encoder) -> None:
    """In inference the maps of an image must not depend on its batch, be it a batch of one."""
    network, images = stirred(build(encoder)), noise(encoder, 3)
    together = maps_of(network, images)
    for i in range(len(images)):
        for alone, values in zip(maps_of(network, images[i : i + 1]), together, strict=True):
            assert_close(alone, values[i : i + 1], f"image {i} by itself gives another map than in a batch")


def check_gradient_reaches_the_encoder(encoder: Encoder) -> None:
    """A weight without gradient stays as it was: it belongs to what no map needs, and should be left out."""
    import keras

    images = noise(encoder, size=(max(SIDE, 2 * max(encoder.strides)),) * 2)
    network = stirred(build(encoder))
    # In inference: a bias before batch normalization has no effect in training, and so no gradient.
    with clean_state():
        inputs = keras.Input(images.shape[1:])
        maps = keras.tree.flatten(network(inputs, training=False))
        means = keras.ops.concatenate([keras.layers.GlobalAveragePooling2D()(values) for values in maps], axis=-1)
        inference = keras.Model(inputs, means)
    before = [np.array(weight) for weight in network.trainable_weights]
    targets = np.random.default_rng(1).normal(size=(len(images), means.shape[-1]))
    # Adam's first step is as large where the gradient is small.
    compiled(inference, keras.optimizers.Adam(1e-2, epsilon=1e-30), "mse").train_on_batch(images, targets)
    pairs = zip(network.trainable_weights, before, strict=True)
    still = [weight.path for weight, old in pairs if np.array_equal(weight, old)]
    assert not still, f"no gradient reaches {', '.join(still)}"


def check_maps_are_finite_in_mixed_bfloat16(encoder: Encoder) -> None:
    """Processors train faster in bfloat16, in which neighbouring pixel values are the same number."""
    maps = maps_of(build(encoder, policy="mixed_bfloat16"), noise(encoder))
    for stride, values in zip(encoder.strides, maps, strict=True):
        assert np.isfinite(values).all(), (
            f"under the policy mixed_bfloat16, the map of stride {stride} has values that are infinite or no number"
        )


def check_saved_encoder_loads_without_segzoo(encoder: Encoder) -> None:
    """The network of a run, the encoder in it, is for those who have Keras and neither segzoo nor the plugin."""
    network, images = stirred(build(encoder)), noise(encoder)
    package = type(encoder).__module__.partition(".")[0]
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "encoder.keras")
        network.save(file)
        loaded = np.load(io.BytesIO(elsewhere(LOAD, file, images, package)))
    for values, expected in zip(loaded.values(), maps_of(network, images), strict=True):
        assert_close(values, expected, "saved and loaded, it gives other maps")


def check_starting_weights_are_known(encoder: Encoder) -> None:
    """A run writes down what it began with: `prepare` says what its weights are, and the same each time."""
    weights, again = starting(encoder), starting(encoder)
    assert weights == again, f"`prepare` says {weights} at first, and then {again}"
    assert weights.name.strip(), "the starting weights have no name"
    assert re.fullmatch("[0-9a-f]{64}", weights.sha256), (
        f"sha256 is {weights.sha256!r}; give the 64 hexadecimal digits of the file's SHA-256, in small letters"
    )


def check_starting_weights_are_loaded(encoder: Encoder) -> None:
    """What a training begins with is neither left to chance nor to the number of channels of its images."""
    starting(encoder)
    for channels in (1, 3, 4):
        networks = [build(encoder, channels, seed=seed) for seed in (1, 2)]
        before = networks[0].get_weights()
        for network in networks:
            with clean_state():
                encoder.load(network, cache_folder())
        pairs = [*zip(*(network.weights for network in networks), strict=True)]
        random = [weight.path for weight, other in pairs if not np.array_equal(weight, other)]
        assert not random, f"for images of {channels} channels, `load` leaves as they were drawn: {', '.join(random)}"
        assert not all(map(np.array_equal, before, networks[0].get_weights())), "`load` changes no weight"
        maps = maps_of(networks[0], noise(encoder, 1, channels))
        assert all(np.isfinite(values).all() for values in maps), "with the weights it begins with, maps are not finite"


def build(encoder: Encoder, channels: int = 3, *, seed: int = 0, policy: str = "float32") -> keras.Model:
    """The network of the encoder for images of any size, without changes to Keras' global state."""
    import keras

    with clean_state(seed, policy):
        network = encoder.build((None, None, channels))
    assert isinstance(network, keras.Model), f"`build` returned a {type(network).__name__}, not a keras.Model"
    return network


def noise(
    encoder: Encoder, count: int = 2, channels: int = 3, size: tuple[int, int] | None = None
) -> NDArray[np.float32]:
    """Random images float32 (count, H, W, channels) in [-1, 1]; by default of a size that is legal and not square."""
    step = max(encoder.strides)
    height, width = size or (-(-SIDE // step) * step, (-(-SIDE // step) + 1) * step)
    return np.random.default_rng(0).uniform(-1, 1, (count, height, width, channels)).astype(np.float32)


def maps_of(network: keras.Model, images: NDArray[np.float32]) -> list[NDArray[Any]]:
    """The maps of images in inference, as float32; Keras gives a tensor in place of a list of one."""
    import keras

    maps = keras.tree.flatten(network(images, training=False))
    return [np.asarray(keras.ops.convert_to_numpy(values)).astype(np.float32) for values in maps]


def starting(encoder: Encoder) -> StartingWeights:
    """What `prepare` returns.

    Raises:
        SkipTest: if it begins with random weights, or its weights cannot be had here.
    """
    try:
        weights = encoder.prepare(cache_folder())
    except PluginError:  # the fault is that of its code
        raise
    except SegzooError as error:
        raise SkipTest(f"its weights are not here: {error}") from error
    if weights is None:
        raise SkipTest("it begins with random weights")
    return weights
