"""Checks of models: what a network makes of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import SkipTest

import numpy as np

from segzoo.networks.build import no_logits
from segzoo.networks.encoders import encoders_of
from segzoo.networks.frame import Frame
from segzoo.plugin import Model
from segzoo.plugin_errors import Calling
from segzoo.testing.networks import CLASSES, build, frame_of, noise, run, spread, stirred

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_network_is_built(model: Model) -> None:
    """All other checks need a network: `build` makes one that has finite logits for an image of legal size."""
    import keras

    frame = frame_of(model)
    network, images = build(model, frame), noise(frame)
    with Calling(type(model), f"its network, given images of shape {images.shape},"):
        made = network(images, training=False)
    fault = no_logits(made)
    assert not fault, f"its network makes {fault}"
    output = np.asarray(keras.ops.convert_to_numpy(made))
    wrong = output.size - np.count_nonzero(np.isfinite(output))
    assert not wrong, f"{wrong:,} of {output.size:,} logits are not finite"


def check_builds_for_channels_and_classes(model: Model) -> None:
    """Datasets have 1, 3 or 4 channels and any number of classes, and a network must take them all."""
    frame = frame_of(model)
    for channels, classes in ((1, 2), (3, 7), (4, 2)):
        output = run(build(model, frame, channels, classes), noise(frame, 1, channels))
        assert output.shape[-1] == classes, (
            f"built for {channels} channels and {classes} classes, it gives {output.shape[-1]} logits a pixel"
        )


def check_output_has_the_promised_shape(model: Model) -> None:
    """Stride, offset and margin say where a prediction lies; if they are wrong, masks and logits do not meet."""
    frame = Frame.around((model.stride + 8, 2 * model.stride + 8), model)
    assert_promised(run(build(model, frame), noise(frame)), frame)


def check_output_is_float32(model: Model) -> None:
    """A loss in half precision loses small differences, so logits are float32 under any policy."""
    frame = frame_of(model)
    for policy in ("float32", "mixed_bfloat16"):
        output = run(build(model, frame, policy=policy), noise(frame))
        assert output.dtype == np.float32, (
            f'under the policy {policy}, logits are {output.dtype}; give the last layer dtype="float32"'
        )


def check_output_is_logits(model: Model) -> None:
    """Losses apply the softmax themselves; probabilities would train far slower, and no error would tell."""
    frame = frame_of(model)
    output = run(stirred(build(model, frame)), noise(frame, 4))
    low, high = float(output.min()), float(output.max())
    assert low < 0 or not np.allclose(output.sum(axis=-1), 1, atol=1e-3), (
        "the outputs of every pixel are positive and sum to 1: take the softmax from the last layer"
    )
    assert low < 0, f"the outputs lie in {low:.3g}..{high:.3g}, none below 0: take the activation from the last layer"


def check_odd_sizes_fit(model: Model) -> None:
    """Images of any size, such as 97x131, are mirrored up to a legal one, whose prediction covers them."""
    frame = Frame.around((97, 131), model)
    images = np.random.default_rng(0).uniform(-1, 1, (1, 97, 131, 3)).astype(np.float32)
    output = run(build(model, frame), frame.pad_images(images))
    assert_promised(output, frame)
    covered = frame.cut(output).shape[1:3]
    assert covered == (97, 131), f"without its frame, the prediction of an image of (97, 131) is {covered}"


def check_smallest_legal_size_fits(model: Model) -> None:
    """What stride, offset and margin declare legal must work, down to the smallest size."""
    frame = frame_of(model, 1)
    assert_promised(run(build(model, frame), noise(frame)), frame)


def check_stride_is_needed(model: Model) -> None:
    """Images are mirrored up to the next legal size, so a stride larger than need be costs time and memory."""
    if model.stride == 1:
        raise SkipTest("its stride is 1")
    for factor in (n for n in range(model.stride, 1, -1) if model.stride % n == 0):
        step = model.stride // factor
        assert not takes(model, step, factor), (
            f"it takes heights and widths in steps of {step}, and predicts as well there: declare a stride of {step}, "
            f"not {model.stride}"
        )


def check_size_can_stay_open(model: Model) -> None:
    """One network serves images of all sizes, and is the same function as if built for one, or says `fixed_size`."""
    if model.fixed_size:
        raise SkipTest("it declares fixed_size")
    frame = Frame.around((24, 40), model)
    free, fixed = build(model, frame), build(model, frame, fixed=True)
    fixed.set_weights(stirred(free).get_weights())
    images = noise(frame)
    assert_close(run(free, images), run(fixed, images), "built for any size, it gives other logits than for one")


def check_images_do_not_see_each_other(model: Model) -> None:
    """In inference the prediction of an image must not depend on its batch, be it a batch of one."""
    frame = frame_of(model)
    network, images = stirred(build(model, frame)), noise(frame, 3)
    together = run(network, images)
    for i in range(len(images)):
        alone = run(network, images[i : i + 1])
        assert_close(alone, together[i : i + 1], f"image {i} by itself gives other logits than in a batch")


def check_parameter_count(model: Model) -> None:
    """The number of trainable parameters tells whether a network is the one it claims to be."""
    count = model.parameters
    if count is None:
        raise SkipTest("it declares no parameters")
    default = type(model)()
    network = build(default, frame_of(default), count.channels, count.classes)
    trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert trainable == count.trainable, (
        f"at the default options, {count.classes} classes and {count.channels} channels it has {trainable:,} trainable "
        f"parameters, and declares {count.trainable:,}"
    )


def check_prediction_moves_with_the_image(model: Model) -> None:
    """An image shifted by one stride must have its prediction shifted by exactly that, unless `global_context`."""
    if model.global_context:
        raise SkipTest("it declares global_context")
    step = model.stride
    exact, errors = moved(model, frame_of(model, 4 * step + 96), step)
    nearest = min(errors, key=lambda move: errors[move])
    assert exact < errors[nearest], f"for an image shifted by {step} pixels, the prediction is shifted {nearest} more"
    assert exact < 0.1 * errors[nearest], f"for an image shifted by {step} pixels, the prediction is another one"


def check_encoder_is_a_layer(model: Model) -> None:
    """The weights of an encoder get into the layer that is called like the option, so that layer is what predicts."""
    names = encoders_of(model)
    if not names:
        raise SkipTest("it has no encoder")
    frame = frame_of(model)
    network, images = stirred(build(model, frame)), noise(frame)
    for name in names:
        layer = next((layer for layer in network.layers if layer.name == name), None)
        assert layer is not None, f"its network has no layer called '{name}', which is what `build` of the encoder made"
        before = run(network, images)
        stirred(layer, seed=1)
        assert not np.array_equal(run(network, images), before), (
            f"with other weights in the layer '{name}', it predicts the same"
        )


def takes(model: Model, step: int, factor: int) -> bool:
    """Whether sizes that are legal for a stride of `step`, but not for one `factor` times as large, do as well."""
    for extra in {1, factor - 1}:
        side = (6 * factor + extra) * step + model.offset - 2 * model.margin
        frame = Frame((side, side + factor * step), step, model.offset, model.margin)
        try:
            assert_promised(run(build(model, frame), noise(frame, 1)), frame)
        except Exception:  # each network refuses a size in its way
            return False
    if model.global_context:
        return True
    exact, errors = moved(model, frame_of(model, 4 * model.stride + 96), step)
    return exact < 0.1 * min(errors.values())


def moved(model: Model, frame: Frame, step: int) -> tuple[float, dict[tuple[int, int], float]]:
    """How far the prediction of an image shifted by `step` is from the prediction shifted as much, and by others more.

    The others are moves of up to two pixels, without that of none.
    """
    height, width = frame.input_size
    scene = np.random.default_rng(0).uniform(-1, 1, (1, height + step, width + step, 3)).astype(np.float32)
    network = stirred(build(model, frame))
    before, after = run(network, scene[:, :height, :width]), run(network, scene[:, step:, step:])
    errors = {(y, x): misfit(before, after, step + y, step + x) for y in range(-2, 3) for x in range(-2, 3)}
    return errors.pop((0, 0)), errors


def misfit(before: NDArray[Any], after: NDArray[Any], down: int, right: int) -> float:
    """Mean square of what is left of `after`, in its middle, without `before` moved up and left by so many pixels."""
    height, width = after.shape[1:3]
    middle = slice(height // 4, height * 3 // 4), slice(width // 4, width * 3 // 4)
    moved = np.roll(before, (-down, -right), axis=(1, 2))
    return float(np.mean((after - moved)[:, *middle] ** 2))


def assert_promised(output: NDArray[Any], frame: Frame) -> None:
    """The output has the frame's size, and no value in it is infinite or no number."""
    promised = (*frame.output_size, CLASSES)
    assert output.shape[1:] == promised, f"of {frame.input_size} it makes {output.shape[1:]}, but promises {promised}"
    assert np.isfinite(output).all(), f"of {frame.input_size} it makes values that are infinite or no number"


def assert_close(output: NDArray[Any], expected: NDArray[Any], what: str) -> None:
    """Finite, and equal up to rounding, on the scale of the values."""
    assert np.isfinite(output).all(), f"{what}: they are not finite"
    assert output.shape == expected.shape, f"{what}: shape {output.shape}, not {expected.shape}"
    difference = float(np.abs(output - expected).max())
    assert difference <= 1e-4 * spread(expected), f"{what}: off by up to {difference:.3g}"
