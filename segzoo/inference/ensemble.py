"""Trained networks that predict together, and how: in which precision, at which scale, over which tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import tee
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.rows import Rows
from segzoo.errors import ConfigError
from segzoo.inference.trained import Trained
from segzoo.networks.prediction import Predictor, predict_rows, softmax
from segzoo.networks.tiles import DEFAULT, Tiling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = Callable[[], Rows]
    """Gives the pixels (H, W, C) of an image, from the first row on, whenever it is called."""

HEIGHT = 256
"""Rows of probabilities that are averaged at once."""


@dataclass(frozen=True)
class Manner:
    """How networks predict."""

    tiling: Tiling = DEFAULT
    """Of images that are seen in tiles."""
    scale: float | None = None
    """The factor by which images are resized before they are seen in tiles; None for the view of the training."""

    def __post_init__(self) -> None:
        if self.scale is not None and not 0 < self.scale <= 16:
            raise ConfigError(f"images cannot be resized by {self.scale}: give a factor above 0 and up to 16")


USUAL = Manner()


@dataclass(frozen=True)
class Ensemble:
    """Networks of the same classes and images, the probabilities of which are averaged.

    Raises:
        ConfigError: if they differ in their classes, channels, or in what values of files mean.
    """

    members: Sequence[Trained]
    manner: Manner = USUAL

    def __post_init__(self) -> None:
        first = self.members[0]
        for other in self.members[1:]:
            for what in ("classes", "channels", "range"):
                values = getattr(first, what), getattr(other, what)
                if values[0] != values[1]:
                    raise ConfigError(
                        f"networks that predict together need the same {what}: {first.source} has {values[0]}, "
                        f"{other.source} {values[1]}"
                    )

    @property
    def first(self) -> Trained:
        """The member that says what holds for all: classes, and how images are read."""
        return self.members[0]

    @property
    def at_once(self) -> bool:
        """Whether each image is a single tile, so that its logits can be read after those of the next."""
        return self.manner.scale is None and all(member.frame.resized_to for member in self.members)

    def facts(self) -> dict[str, Any]:
        """What its predictions depend on, ready for JSON."""
        return {
            "networks": [{"sha256": member.fingerprint(), **asdict(member.frame)} for member in self.members],
            "classes": list(self.first.classes),
            "range": self.first.range,
            **asdict(self.manner.tiling),
            "scale": self.manner.scale,
        }

    @cached_property
    def networks(self) -> Sequence[Predictor]:
        """The networks of the members, which are loaded when they are first asked for."""
        return [member.network() for member in self.members]

    def logits(self, images: Iterable[Image]) -> Iterator[Rows]:
        """Logits (H, W, K) of each image at its size, in order, by rows; of several members logarithms of the means.

        Unless it is `at_once`, what has not been read of an image is lost when the next one is asked for.
        """
        copies = tee(images, len(self.members))
        streams = [
            predict_rows(network, member.frame, (image() for image in copy), self.manner.tiling, self.manner.scale)
            for network, member, copy in zip(self.networks, self.members, copies, strict=True)
        ]
        if len(streams) == 1:
            return streams[0]
        return (_mean(members) for members in zip(*streams, strict=True))


def _mean(members: Sequence[Rows]) -> Rows:
    """The logarithm of the mean of probabilities, of their logits (H, W, K)."""

    def chunks() -> Iterator[NDArray[np.float32]]:
        for logits in zip(*(member.in_chunks(HEIGHT) for member in members), strict=True):
            total = sum(map(softmax, logits[1:]), softmax(logits[0]))
            yield np.log(np.maximum(total / np.float32(len(members)), np.finfo(np.float32).tiny))

    return Rows(members[0].size, chunks())
