"""A mask and what is predicted of it, by a network or by another tool: what every metric looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from segzoo.errors import SegzooError
from segzoo.networks.prediction import classify, softmax
from segzoo.scoring import overlap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NoProbabilitiesError(SegzooError):
    """A metric has asked for the probabilities of masks that another tool has made."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """An image as it is scored, at its original size."""

    mask: NDArray[Any]
    """The true classes (H, W), IGNORE where a pixel does not count."""
    predictions: NDArray[Any]
    """The predicted classes (H, W), those of the largest logits."""
    probabilities: NDArray[np.float32]
    """The softmax of the logits, (H, W, C); of masks that another tool has made there is none, and a metric that asks
    for it has no scores."""

    @classmethod
    def of(cls, mask: NDArray[Any], logits: NDArray[np.float32]) -> Self:
        """That of a mask (H, W) and logits (H, W, C)."""
        return cls(mask, classify(logits), softmax(logits))

    @property
    def num_classes(self) -> int:
        """How many classes the network knows."""
        return int(self.probabilities.shape[-1])

    @cached_property
    def confusion(self) -> overlap.Counts:
        """Labelled pixels by true class (rows) and predicted class (columns), counted when it is first asked for."""
        return overlap.confusion(self.mask, self.predictions, self.num_classes)


class LabelsOnly(Segmentation):
    """A mask that another tool has made, beside the true one."""

    def __init__(self, mask: NDArray[Any], predictions: NDArray[Any], num_classes: int) -> None:
        vars(self).update(mask=mask, predictions=predictions, _num_classes=num_classes)

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """None are known.

        Raises:
            NoProbabilitiesError: always.
        """
        raise NoProbabilitiesError("masks have no probabilities")

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return int(vars(self)["_num_classes"])
