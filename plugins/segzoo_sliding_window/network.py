"""The graph of the window classifier (Ciresan et al. 2012, NIPS), over whole images and for single windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import Input, Model, layers

if TYPE_CHECKING:
    from segzoo_sliding_window import SlidingWindow

STAGES = {95: ((4, 2), (5, 2), (4, 2), (4, 2)), 65: ((3, 3), (4, 2), (4, 2))}
"""Side of the kernel and of the pooling of each stage, by the side of the window."""

LAST_MAP = 3
"""Side of the maps that are left of either window for the fully connected layer."""


def sliding_window(image_shape: tuple[int | None, int | None, int], num_classes: int, options: SlidingWindow) -> Model:
    """Images (B, H, W, C) to logits (B, H - window + 1, W - window + 1, num_classes).

    Where the window network pools with a stride, and so computes the layers after it for every second pixel only, here
    the pooling keeps all pixels and the layers after it step over their neighbours (Li et al. 2014, arXiv:1412.4526).
    """
    inputs = x = Input(image_shape, name="image")

    dilation = 1  # 1, 2, 4, 8, 16 for a window of 95; 1, 3, 6, 12 for one of 65
    for stage, (kernel_size, pool_size) in enumerate(STAGES[options.window], start=1):
        x = convolution(x, options.filters, kernel_size, dilation, f"stage{stage}")
        x = maximum(x, pool_size, dilation, f"stage{stage}_pool")
        dilation *= pool_size
    x = convolution(x, options.hidden, LAST_MAP, dilation, "hidden")

    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    return Model(inputs, logits, name="sliding_window")


def patch_network(channels: int, num_classes: int, options: SlidingWindow) -> Model:
    """Windows (B, window, window, C) to the logits (B, 1, 1, num_classes) of their central pixels, as in the paper.

    Its weights are those of `sliding_window`, in the same order and shapes. This is how the network was meant, for
    tests and benchmarks; nothing else uses it.
    """
    inputs = x = Input((options.window, options.window, channels), name="window")

    for stage, (kernel_size, pool_size) in enumerate(STAGES[options.window], start=1):
        x = convolution(x, options.filters, kernel_size, 1, f"stage{stage}")
        x = layers.MaxPooling2D(pool_size, name=f"stage{stage}_pool")(x)  # sides 46, 21, 9, 3; or 21, 9, 3
    x = convolution(x, options.hidden, LAST_MAP, 1, "hidden")  # (1, 1, hidden)

    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    return Model(inputs, logits, name="patch_network")


def convolution(x: Any, width: int, kernel_size: int, dilation: int, name: str) -> Any:
    """Unpadded convolution and ReLU; takes (kernel_size - 1) * dilation pixels off height and width."""
    x = layers.Conv2D(width, kernel_size, dilation_rate=dilation, kernel_initializer="he_normal", name=f"{name}_conv")(
        x
    )
    return layers.ReLU(name=f"{name}_relu")(x)


def maximum(x: Any, pool_size: int, dilation: int, name: str) -> Any:
    """Maximum of pool_size^2 pixels `dilation` apart; takes (pool_size - 1) * dilation off height and width."""
    # As the maximum of shifted croppings, since Keras' pooling knows no dilation.
    reach = (pool_size - 1) * dilation
    for axis in ("rows", "columns"):  # the maximum over a square is one over rows of one over columns
        shifted = []
        for before in range(0, reach + 1, dilation):
            border = (before, reach - before)
            cropping = (border, (0, 0)) if axis == "rows" else ((0, 0), border)
            shifted.append(layers.Cropping2D(cropping, name=f"{name}_{axis}{before}")(x))
        x = layers.Maximum(name=f"{name}_{axis}")(shifted)
    return x
