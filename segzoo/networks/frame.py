"""The border that a network needs around the pixels that it predicts, and the part of an image that it sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.errors import ConfigError, PluginError
from segzoo.plugin import Model, View
from segzoo.plugin_errors import title

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """The part of an image that a network sees, the border around it, and where its prediction lies.

    Raises:
        ConfigError: if a size, or another number, cannot be.
    """

    image_size: tuple[int, int]
    """Height and width of the area predicted at once: of the resized image, or of a crop or tile."""
    stride: int = 1
    offset: int = 0
    margin: int = 0
    view: View = "resize"
    """Whether images are resized to `image_size`, or seen in parts of that size."""

    def __post_init__(self) -> None:
        size: Any = self.image_size
        if not isinstance(size, Sequence) or len(size) != 2 or not all(_is_count(side, 1) for side in size):
            raise ConfigError(f"image_size {size!r}: give height and width in pixels, such as (160, 224)")
        object.__setattr__(self, "image_size", tuple(size))
        for name, least in (("stride", 1), ("margin", 0), ("offset", 0)):
            value, most = getattr(self, name), self.stride - 1 if name == "offset" else None
            if not _is_count(value, least, most):
                up_to = "on" if most is None else f"to {most}, less than the stride"
                raise ConfigError(f"{name} {value!r}: give an integer from {least} {up_to}")

    @classmethod
    def around(cls, image_size: tuple[int, int], model: Model, view: View = "resize") -> Frame:
        """The frame in which a model predicts every pixel of that size.

        Raises:
            PluginError: if the model declares a stride, an offset or a margin that cannot be.
        """
        stride = _declared(model, "stride", 1)
        return cls(image_size, stride, _declared(model, "offset", 0, stride - 1), _declared(model, "margin", 0), view)

    @property
    def resized_to(self) -> tuple[int, int] | None:
        """Height and width that a network wants images resized to; None if it sees parts of them as they are."""
        return self.image_size if self.view == "resize" else None

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input: the smallest legal ones whose output covers `image_size`."""
        height, width = (self.legal(side + 2 * self.margin) for side in self.image_size)
        return height, width

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the network's output."""
        height, width = self.input_size
        return height - 2 * self.margin, width - 2 * self.margin

    def pad_images(self, images: NDArray[Any]) -> NDArray[Any]:
        """(B, h, w, C) of `image_size` to (B, H, W, C) of `input_size`, mirrored at the border as often as it takes."""
        for axis, (side, total) in enumerate(zip(self.image_size, self.input_size, strict=True), start=1):
            if total > side:
                images = images.take(mirrored(-((total - side) // 2), total, side), axis)
        return images

    def pad_masks(self, masks: NDArray[Any], value: float) -> NDArray[Any]:
        """(B, h, w) of `image_size` to (B, H, W) of `output_size`, with `value` in the frame."""
        return np.pad(masks, ((0, 0), *self._frame()), constant_values=value)

    def cut(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """(B, H, W, ...) of `output_size` to (B, h, w, ...) of `image_size`: the frame cut off."""
        (top, _), (left, _) = self._frame()
        height, width = self.image_size
        return outputs[:, top : top + height, left : left + width]

    def around_part(self, image: NDArray[Any], corner: tuple[int, int]) -> NDArray[Any]:
        """The network's input for predicting a part of an image: (H, W, C) to (*input_size, C).

        The part has `image_size`, and its upper left corner lies at `corner`. Around it are the pixels that are there
        in the image; what lies outside of the image is mirrored.
        """
        height, width = self.input_size
        top, left = corner[0] - (height - self.image_size[0]) // 2, corner[1] - (width - self.image_size[1]) // 2
        if top >= 0 and left >= 0 and top + height <= image.shape[0] and left + width <= image.shape[1]:
            return image[top : top + height, left : left + width]
        rows, columns = mirrored(top, height, image.shape[0]), mirrored(left, width, image.shape[1])
        return image[rows].take(columns, axis=1)  # rows first, which are copied as they are

    def mask_of_part(self, mask: NDArray[Any], corner: tuple[int, int], value: float) -> NDArray[Any]:
        """The same part of a mask or a map (H, W), with `value` where it lies outside of the image."""
        inside = tuple(slice(max(0, start), start + side) for start, side in zip(corner, self.image_size, strict=True))
        part = mask[inside]
        before = [max(0, -start) for start in corner]
        after = [side - b - length for side, b, length in zip(self.image_size, before, part.shape, strict=True)]
        if not any(before + after):
            return part
        return np.pad(part, tuple(zip(before, after, strict=True)), constant_values=value)

    def legal(self, least: int) -> int:
        """The smallest legal height or width of the input that is no smaller."""
        steps = max(1, -(-(least - self.offset) // self.stride))
        return self.stride * steps + self.offset

    def _frame(self) -> tuple[tuple[int, int], tuple[int, int]]:
        height, width = (_split(out - side) for out, side in zip(self.output_size, self.image_size, strict=True))
        return height, width


def mirrored(start: int, count: int, side: int) -> NDArray[np.int64]:
    """Indices (0 to side - 1) of the pixels at `start` and after, on an axis that is mirrored as often as needed."""
    period = max(1, 2 * (side - 1))
    places = np.arange(start, start + count) % period
    return np.minimum(places, period - places) if side > 1 else np.zeros(count, np.int64)


def _declared(model: Model, name: str, least: int, most: int | None = None) -> int:
    """What the model says of the sizes that it takes, if it is an integer within the bounds."""
    value: Any = getattr(model, name)
    if not _is_count(value, least, most):
        bounds = f"from {least} on" if most is None else f"from {least} to {most}, less than `stride`"
        raise PluginError(f"{title(type(model))}: `{name}` is {value!r}; it must be an integer {bounds}")
    return int(value)


def _is_count(value: Any, least: int, most: int | None = None) -> bool:
    return isinstance(value, Integral) and least <= int(value) and (most is None or int(value) <= most)


def _split(total: int) -> tuple[int, int]:
    return total // 2, total - total // 2
