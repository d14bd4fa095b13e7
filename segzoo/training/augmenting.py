"""Samples as they are trained on: parts of them, changed by an augmentation that is held to its interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.data.faults import label_counts
from segzoo.errors import PluginError, PluginRaisedError
from segzoo.networks.frame import Frame
from segzoo.plugin import IGNORE, Augmentation
from segzoo.plugin_errors import title

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Corner = tuple[int, int]


class Sample(NamedTuple):
    """An image (H, W, C) with the mask (H, W) and, if the loss has any, the pixel weights (H, W) of it or of a part."""

    image: NDArray[Any]
    mask: NDArray[np.uint8]
    weights: NDArray[np.float32] | None


def part(frame: Frame, sample: Sample, corner: Corner) -> Sample:
    """What a network sees of a sample: an image of the frame's `input_size`, mask and weights of its `image_size`.

    The upper left corner of the mask is given. What lies outside of the image is mirrored, labelled IGNORE, weighted 0.
    """
    image, mask, weights = sample
    return Sample(
        frame.around_part(image, corner),
        frame.mask_of_part(mask, corner, IGNORE),
        None if weights is None else frame.mask_of_part(weights, corner, 0),
    )


def margin_of(augmentation: Augmentation, size: tuple[int, int]) -> int:
    """The pixels that an augmentation wants on each side of a crop.

    Raises:
        PluginError: if they are less than 0.
    """
    margin = augmentation.margin(size)
    if margin < 0:
        raise PluginError(f"{title(type(augmentation))}: its `margin` of a crop of {size} is {margin}, less than 0")
    return int(margin)


def augmented(augmentation: Augmentation, sample: Sample, size: tuple[int, int], seed: int, name: str) -> Sample:
    """A sample of that name, changed by an augmentation, with the given height and width.

    Raises:
        PluginError: if the augmentation raises an exception, returns something of another form, or invents labels.
    """
    weights = None if sample.weights is None else _read_only(sample.weights)
    given = Sample(_read_only(sample.image), _read_only(sample.mask), weights)
    try:
        result: Any = augmentation.augment(*given, size, np.random.default_rng(seed))
    except PluginRaisedError as error:
        raise PluginRaisedError(f"{error}, augmenting sample '{name}'", error.exception) from error.exception
    if wrong := _fault(result, given, size):
        raise PluginError(f"{title(type(augmentation))}: of sample '{name}', `augment` returned {wrong}")
    return Sample(*result)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    # The arrays may be those that are kept: what is written to them would be in all later epochs.
    view = array.view()
    view.flags.writeable = False
    return view


def _fault(result: Any, given: Sample, size: tuple[int, int]) -> str:
    """What is wrong with the result of `augment`, in words; empty if nothing is."""
    if not isinstance(result, tuple) or len(result) != len(given):
        return "no tuple of an image, a mask and weights or None"
    for what, array, before in zip(given._fields, result, given, strict=True):
        form, wanted = _form(array), "None" if before is None else f"{before.dtype} {(*size, *before.shape[2:])}"
        if form != wanted:
            return f"as {what} {form}, which should be {wanted}"
    if result[1] is given.mask:  # so that images that stay as they are cost no look at their labels
        return ""
    invented = sorted(label_counts(result[1]).keys() - label_counts(given.mask).keys() - {IGNORE})
    if invented:
        return f"the labels {', '.join(map(str, invented))}, which its mask does not have"
    return ""


def _form(array: Any) -> str:
    """Type and shape of an array."""
    if array is None:
        return "None"
    return f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
