"""Losses for segmentation: cross-entropy, plain and weighted at borders, focal, soft Dice, Tversky, Lovász-Softmax.

All share the interface of `segzoo.plugin.Loss`: one value for each image, in float32. Weights are relative within an
image: multiplying all of them by a constant changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from segzoo.errors import ConfigError
from segzoo.plugin import IGNORE, Loss

if TYPE_CHECKING:
    import numpy as np


class CrossEntropy(Loss):
    """Minus the logarithm of the probability of the true class, the usual choice."""

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `Loss.__call__`."""
        labels, logits, weights = counted(labels, logits, weights)
        return image_sum(weights * cross_entropies(labels, logits))


class BorderWeightedCrossEntropy(Loss):
    """Cross-entropy that counts most where a narrow gap separates two cells, so that they do not merge.

    A cell is a connected region of any class but the separating one; pixels that touch at a corner only are not
    connected. A pixel weighs w_c + w0 exp(-(d1 + d2)^2 / (2 sigma^2)), where d1 and d2 are its distances to the nearest
    and to the second nearest cell. The balance w_c gives the classes of each image equal shares and is 1 in the mean.
    The other term needs two cells, and applies to pixels of the separating class only, as in figure 3d of the paper.
    """

    paper: ClassVar[str] = "Ronneberger, Fischer, Brox 2015, U-Net, arXiv:1505.04597"

    w0: float = Field(10.0, ge=0, le=1000, description="Weight of a border between cells that all but touch.")
    sigma: float = Field(5.0, gt=0, le=100, description="Scale on which it fades as the gap widens, in pixels.")
    separator: int = Field(0, ge=0, lt=IGNORE, description="Label of the class that separates cells.")

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `Loss.__call__`."""
        classes = logits.shape[-1]
        if self.separator >= classes:
            raise ConfigError(
                f"loss 'border_weighted_cross_entropy', option 'separator': {self.separator} is no class; "
                f"those of the dataset are 0 to {classes - 1}"
            )
        labels, logits, weights = counted(labels, logits, weights)
        return image_sum(weights * cross_entropies(labels, logits))

    def weight_map(self, mask: np.ndarray) -> np.ndarray:
        """See `Loss.weight_map`."""
        from segzoo_losses.border import border_weights

        return border_weights(mask, self.separator, self.w0, self.sigma)


class Dice(Loss):
    """One minus the soft Dice coefficient, which weighs classes alike however few pixels they have.

    The mean is over the classes in the image's truth. For a class that is absent there, the coefficient is 0 whatever
    the prediction, be it a trace of probability on one pixel: a constant without a gradient. Such a trace is punished
    all the same, for the classes present lack it.
    """

    paper: ClassVar[str] = "Milletari, Navab, Ahmadi 2016, V-Net, arXiv:1606.04797"

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `Loss.__call__`; a weight is the share of a pixel in the sums of the coefficient."""
        return dice_losses(*counted(labels, logits, weights))


class Focal(Loss):
    """Cross-entropy that fades for pixels already predicted well, by the factor (1 - p)^gamma.

    The paper's balancing factor alpha has no option here: it is a class weight, and those come with the weights.
    """

    paper: ClassVar[str] = "Lin, Goyal, Girshick, He, Dollár 2017, Focal Loss, arXiv:1708.02002"

    gamma: float = Field(2.0, ge=0, le=10, description="How fast well predicted pixels fade; 0 is cross-entropy.")

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `Loss.__call__`."""
        from keras import ops

        labels, logits, weights = counted(labels, logits, weights)
        entropies = cross_entropies(labels, logits)
        # 1 - p without cancellation; kept off 0, where the power has no finite gradient for gamma < 1.
        missed = ops.maximum(-ops.expm1(-entropies), 1e-7)
        return image_sum(weights * missed**self.gamma * entropies)


class CrossEntropyDice(Loss):
    """A weighted mean of cross-entropy and soft Dice: the even gradients of one, the balanced classes of the other.

    At the default it is half the sum that the paper takes.
    """

    paper: ClassVar[str] = "Isensee et al. 2018, nnU-Net, arXiv:1809.10486"

    dice_weight: float = Field(0.5, ge=0, le=1, description="Share of Dice; the rest is cross-entropy's.")

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `Loss.__call__`."""
        labels, logits, weights = counted(labels, logits, weights)
        entropy = image_sum(weights * cross_entropies(labels, logits))
        return (1 - self.dice_weight) * entropy + self.dice_weight * dice_losses(labels, logits, weights)


class Tversky(Loss):
    """One minus the Tversky index, which weighs what is predicted too much against what is missed.

    The index of a class is TP / (TP + alpha FP + beta FN), with soft counts; with both at 0.5 it is a Dice coefficient.
    As of Dice, the mean is over the classes in the image's truth. The focal Tversky loss (arXiv:1810.07842) raises each
    class's loss to a power; its gamma of 4/3 is the exponent 0.75 here.
    """

    paper: ClassVar[str] = "Salehi, Erdogmus, Gholipour 2017, Tversky loss, arXiv:1706.05721"

    alpha: float = Field(0.3, gt=0, le=1, description="Weight of false positives: predicted as a class, and not of it.")
    beta: float = Field(0.7, gt=0, le=1, description="Weight of false negatives: of a class, and not predicted so.")
    exponent: float = Field(1.0, gt=0, le=10, description="Power of each class's loss; below 1 it stresses small ones.")

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `Loss.__call__`; a weight is the share of a pixel in the sums of the index."""
        from keras import ops

        labels, logits, weights = counted(labels, logits, weights)
        truth = ops.one_hot(labels, logits.shape[-1], dtype="float32")  # (B, H, W, C)
        predicted, weights = ops.softmax(logits, axis=-1), ops.expand_dims(weights, -1)
        false_positive = self.alpha * image_sum(weights * predicted * (1 - truth))  # (B, C)
        false_negative = self.beta * image_sum(weights * (1 - predicted) * truth)
        wrong, present = false_positive + false_negative, image_sum(weights * truth) > 0
        # Not 1 - index, which would cancel near 0.
        losses = wrong / ops.where(present, image_sum(weights * predicted * truth) + wrong, 1.0)
        # Kept off 0, where the power has no finite gradient for an exponent < 1.
        powers = ops.where(losses > 1e-7, ops.maximum(losses, 1e-7) ** self.exponent, 0.0)
        return mean_of_present(powers, present)


class Lovasz(Loss):
    """The Lovász-Softmax loss, which follows one minus the intersection over union of each class.

    It is the Lovász extension of the Jaccard loss to errors between 0 and 1. The mean is over the classes in the
    image's truth. It sorts the pixels of each class by their errors, so a step takes longer than with other losses.
    """

    paper: ClassVar[str] = "Berman, Rannen Triki, Blaschko 2018, The Lovász-Softmax loss, arXiv:1705.08790"

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `Loss.__call__`; a weight is the share of a pixel in intersection and union."""
        from keras import ops

        labels, logits, weights = counted(labels, logits, weights)
        truth = pixels_last(ops.one_hot(labels, logits.shape[-1], dtype="float32"))  # (B, C, H W)
        errors = ops.abs(truth - pixels_last(ops.softmax(logits, axis=-1)))
        weights = pixels_last(ops.expand_dims(weights, -1))  # (B, 1, H W)
        present = ops.sum(weights * truth, axis=-1) > 0
        order = ops.argsort(-errors, axis=-1)
        errors, inside, outside = (
            ops.take_along_axis(values, order, axis=-1) for values in (errors, weights * truth, weights * (1 - truth))
        )
        return mean_of_present(ops.sum(errors * jaccard_steps(inside, outside), axis=-1), present)


def counted(labels: Any, logits: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Labels, float32 logits, and weights that sum to 1 in each image, or to 0 where all are 0.

    Pixels of weight 0 get label 0 and logits 0. Multiplying by their weight would not do: 0 times an overflow is NaN,
    and their label IGNORE is no class.
    """
    from keras import ops

    inside = weights > 0
    labels = ops.where(inside, labels, 0)
    logits = ops.where(ops.expand_dims(inside, -1), ops.cast(logits, "float32"), 0.0)
    total = ops.sum(weights, axis=(1, 2), keepdims=True)
    return labels, logits, weights / ops.where(total > 0, total, 1.0)


def image_sum(values: Any) -> Any:
    """Sum over the pixels of each image, (B, H, W) to (B,)."""
    from keras import ops

    return ops.sum(values, axis=(1, 2))


def cross_entropies(labels: Any, logits: Any) -> Any:
    """Cross-entropy of each pixel (B, H, W), from logits, so that it is finite where probabilities are 0 or 1."""
    from keras import ops

    # Keras' sparse_categorical_crossentropy does the same by an operation that takes a quarter to a half longer.
    logits = logits - ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))  # so that no power overflows
    true = ops.sum(ops.one_hot(labels, logits.shape[-1], dtype="float32") * logits, axis=-1)
    return ops.log(ops.sum(ops.exp(logits), axis=-1)) - true


def dice_losses(labels: Any, logits: Any, weights: Any) -> Any:
    """One minus the mean soft Dice of the classes in each image's truth (B,); 0 without such a class.

    V-Net's form, 2 sum(p g) / (sum(p^2) + sum(g^2)). It needs no smoothing term, since g is not empty.
    """
    from keras import ops

    truth = ops.one_hot(labels, logits.shape[-1], dtype="float32")  # (B, H, W, C)
    predicted = ops.softmax(logits, axis=-1)
    weights = ops.expand_dims(weights, -1)
    area = image_sum(weights * truth)  # (B, C); g^2 = g
    squares = image_sum(weights * predicted**2) + area
    loss = 1 - 2 * image_sum(weights * predicted * truth) / ops.where(area > 0, squares, 1.0)
    return mean_of_present(loss, area > 0)


def mean_of_present(losses: Any, present: Any) -> Any:
    """The mean loss (B,) of the classes that are present, from losses (B, C); 0 without such a class."""
    from keras import ops

    counts = ops.sum(ops.cast(present, "float32"), axis=-1)
    return ops.sum(ops.where(present, losses, 0.0), axis=-1) / ops.maximum(counts, 1.0)


def pixels_last(values: Any) -> Any:
    """Values (B, H, W, C) as (B, C, H W)."""
    from keras import ops

    return ops.moveaxis(ops.reshape(values, (ops.shape(values)[0], -1, values.shape[-1])), -1, 1)


def jaccard_steps(inside: Any, outside: Any) -> Any:
    """By how much the Jaccard loss grows with each further wrong pixel (..., N), in the order of the pixels.

    A pixel has its weight in `inside` if it is of the class, else in `outside`. The steps are the gradient of the
    Lovász extension (equation 9 of the paper), written as quotients: differences of neighbouring losses would cancel.
    """
    from keras import ops

    intersection = ops.sum(inside, axis=-1, keepdims=True) - ops.cumsum(inside, axis=-1)
    before = ops.sum(inside, axis=-1, keepdims=True) + ops.cumsum(outside, axis=-1) - outside
    union = before + outside
    steps = inside + outside * intersection / ops.where(before > 0, before, 1.0)
    return steps / ops.where(union > 0, union, 1.0)
