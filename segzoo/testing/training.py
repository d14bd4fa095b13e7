"""Checks of models: how a network learns, and whether it outlives the process."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import SkipTest

import numpy as np

from segzoo.networks.build import clean_state
from segzoo.networks.frame import Frame
from segzoo.plugin import Model
from segzoo.runs.folder import RunFolder
from segzoo.testing.models import assert_close
from segzoo.testing.networks import CLASSES, SIDE, build, compiled, frame_of, noise, run, stirred
from segzoo.testing.processes import elsewhere
from segzoo.testing.skips import Switched

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = 60
"""Training steps in which a network must have learned a batch by heart."""

DRAWS = 5
"""Weights and images with which a connection is tried, before it is called ignored."""

LOAD = """
file, images, package = values
sys.modules.update({'segzoo': None, package: None})
import io, keras, numpy
output = io.BytesIO()
numpy.save(output, keras.ops.convert_to_numpy(keras.saving.load_model(file)(images, training=False)))
sys.stdout.buffer.write(output.getvalue())
"""


def check_gradient_reaches_every_weight(model: Model) -> None:
    """A weight without gradient stays as it was drawn: its layer is cut off, or there in vain."""
    import keras

    frame = frame_of(model, max(SIDE, 2 * model.stride))
    network = stirred(build(model, frame))
    # In inference: a bias before batch normalization has no effect in training, and so no gradient.
    with clean_state():
        inputs = keras.Input((*frame.input_size, 3))
        inference = keras.Model(inputs, network(inputs, training=False))
    before = [np.array(weight) for weight in network.trainable_weights]
    targets = np.random.default_rng(1).normal(size=(2, *frame.output_size, CLASSES))
    # Adam's first step is as large where the gradient is small.
    compiled(inference, keras.optimizers.Adam(1e-2, epsilon=1e-30), "mse").train_on_batch(noise(frame), targets)
    pairs = zip(network.trainable_weights, before, strict=True)
    still = [weight.path for weight, old in pairs if np.array_equal(weight, old)]
    assert not still, f"no gradient reaches {', '.join(still)}"


def check_every_skip_matters(model: Model) -> None:
    """A connection that is there and ignored makes another network of it, and neither loss nor shape would tell."""
    import keras

    frame = frame_of(model)
    network = build(model, frame)
    if not isinstance(network, keras.Function):
        raise SkipTest("the network is no functional Keras model, so its connections cannot be seen")
    switched = Switched(network)
    if not switched.names:
        raise SkipTest("no layer joins two branches")
    assert not switched.twice, f"the same tensor comes twice into {', '.join(switched.twice)}"
    ignored = np.arange(len(switched.names))
    for seed in range(DRAWS):  # in a single draw, the few ReLUs behind a connection may all be at zero
        stirred(network, seed)
        ignored = ignored[~switched.needs(noise(frame, 1, seed=seed), ignored)]
        if not len(ignored):
            return
    names = ", ".join(switched.names[switch] for switch in ignored)
    raise AssertionError(f"the output is the same with zeros in place of {names}")


def check_overfits_one_batch(model: Model) -> None:
    """A network that cannot learn two images by heart will not learn a dataset."""
    import keras

    frame = frame_of(model)
    images, labels = tinted(frame)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network = compiled(build(model, frame), keras.optimizers.RMSprop(1e-2), loss)
    guessing = float(np.log(CLASSES))
    best = guessing
    for _ in range(STEPS):
        best = min(best, float(network.train_on_batch(images, labels)))
        if best < 0.3 * guessing:
            return
    raise AssertionError(
        f"the cross-entropy of two images, trained on for {STEPS} steps, is {best:.3f} at best; guessing has "
        f"{guessing:.3f}"
    )


def check_mixed_bfloat16_is_finite(model: Model) -> None:
    """Processors train faster in bfloat16, whose largest number below 1 is 0.996."""
    assert_finite(model, "mixed_bfloat16")


def check_mixed_float16_is_finite(model: Model) -> None:
    """GPUs train faster in float16, whose largest number is 65,504."""
    assert_finite(model, "mixed_float16")


def check_seed_decides_the_weights(model: Model) -> None:
    """A run can be repeated only if its seed, and nothing else, decides how the weights begin."""
    frame = frame_of(model)
    first, again, other = (build(model, frame, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(map(np.array_equal, first, again)), "built twice from the same seed, it has other weights"
    assert not all(map(np.array_equal, first, other)), "built from another seed, it has the same weights"


def check_saved_network_loads_without_segzoo(model: Model) -> None:
    """A run's `model.keras` is for those who have Keras and neither segzoo nor the plugin."""
    frame = frame_of(model)
    network, images = stirred(build(model, frame)), noise(frame)
    package = type(model).__module__.partition(".")[0]
    with tempfile.TemporaryDirectory() as folder:
        file = str(RunFolder(Path(folder)).model)
        network.save(file)
        loaded = np.load(io.BytesIO(elsewhere(LOAD, file, images, package)))
    assert_close(loaded, run(network, images), "saved and loaded, it gives other logits")


def check_savedmodel_agrees(model: Model) -> None:
    """Many tools take a network as TensorFlow's SavedModel, so it can be exported, for one size of images."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise SkipTest("Keras does not run on TensorFlow")
    import tensorflow as tf

    frame = frame_of(model)
    network, images = stirred(build(model, frame, fixed=True)), noise(frame)
    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, format="tf_saved_model", verbose=False)
        loaded = tf.saved_model.load(folder)
        exported = np.asarray(loaded.serve(images))
    assert_close(exported, run(network, images), "exported as a SavedModel, it gives other logits")


def tinted(frame: Frame) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Two noisy images whose three classes differ in colour, and their labels, which a single pixel tells."""
    height, width = frame.input_size
    labels = np.zeros((2, height, width), np.int32)
    labels[0, : height // 2], labels[1, :, width // 2 :] = 1, 2
    colours = 1.2 * np.eye(3, dtype=np.float32) - np.float32(0.6)
    inside = slice(frame.margin, height - frame.margin), slice(frame.margin, width - frame.margin)
    return np.float32(0.4) * noise(frame) + colours[labels], labels[:, *inside]


def assert_finite(model: Model, policy: str) -> None:
    """Under the policy, no output is infinite or no number."""
    frame = frame_of(model)
    output = run(build(model, frame, policy=policy), noise(frame))
    assert np.isfinite(output).all(), f"under the policy {policy}, outputs are infinite or no number"
