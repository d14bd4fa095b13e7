"""Trained networks that predict together, and how: in which precision, at which scale, over which tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import tee
from typing import TYPE_CHECKING, Any, Literal, get_args

from segzoo.data.rows import Rows
from segzoo.errors import ConfigError
from segzoo.inference.trained import Trained
from segzoo.networks.precision import fast_precision, in_bfloat16
from segzoo.networks.prediction import Predictor, mean_as_logits, predict_rows, softmax
from segzoo.networks.receptive_field import Reach, reach
from segzoo.networks.symmetries import Symmetric, Symmetries
from segzoo.networks.tiles import DEFAULT, Tiling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = Callable[[], Rows]
    """Gives the pixels (H, W, C) of an image, from the first row on, whenever it is called."""

Blend = Literal["mean", "cut"]
Precision = Literal["auto", "float32", "bfloat16"]
BLENDS, PRECISIONS = get_args(Blend), get_args(Precision)

WORDS = {"classes": "classes", "channels": "channels", "pixels": "way to read image files"}
"""What networks that predict together must have in common, as attributes, and what to call it."""
LARGEST_SCALE = 16
HEIGHT = 256
"""Rows of probabilities that are averaged at once."""
ENOUGH = 0.999
"""The share of pixels that bfloat16 must give the same class as float32 to be taken where it is quicker."""


@dataclass(frozen=True)
class Manner:
    """How networks predict.

    Raises:
        ConfigError: if a value is none of those that are possible, or two do not go together.
    """

    tta: Symmetries | None = None
    """Test-time augmentation: the symmetries of an image over which probabilities are averaged."""
    overlap: float | None = None
    """The part of a tile, at least 0 and below 1, by which it overlaps the next; None for the default."""
    blend: Blend = "mean"
    """Whether logits of tiles that overlap are averaged, or the borders of tiles are cut off: then tiles say what the
    whole image says, as far as the network sees no more of it than a tile holds."""
    scale: float | None = None
    """The factor by which images are resized before they are seen in tiles; None for the view of the training."""
    precision: Precision = "auto"
    """What networks compute in. `auto`: bfloat16 where this machine is quicker at it, and the run has found that 99.9 %
    of pixels get the same class, else float32."""

    def __post_init__(self) -> None:
        for name, known in {"tta": (None, *get_args(Symmetries)), "blend": BLENDS, "precision": PRECISIONS}.items():
            if (value := getattr(self, name)) not in known:
                raise ConfigError(f"{name} {value}: there are {', '.join(filter(None, known))}")
        if self.scale is not None and not 0 < self.scale <= LARGEST_SCALE:
            raise ConfigError(
                f"scale {self.scale}: images are resized by a factor above 0, and {LARGEST_SCALE} at most"
            )
        if self.blend == "cut" and self.overlap is not None:
            raise ConfigError("overlap: where tiles are cut, they overlap by what the network sees around a pixel")
        self.tiling()

    def tiling(self, reach: Reach | None = None) -> Tiling:
        """Of a network that sees so far."""
        return Tiling(DEFAULT.overlap if self.overlap is None else self.overlap, reach)


USUAL = Manner()


@dataclass(frozen=True)
class Ensemble:
    """Networks of the same classes and images, the probabilities of which are averaged.

    Raises:
        ConfigError: if they differ in their classes, channels, or in what values of files mean, or see no tiles
            though something is said of them.
    """

    members: Sequence[Trained]
    manner: Manner = USUAL

    def __post_init__(self) -> None:
        if self.at_once and (self.manner.blend == "cut" or self.manner.overlap is not None):
            name = "blend" if self.manner.blend == "cut" else "overlap"
            raise ConfigError(
                f"{name} is for tiles, but the view `resize` sees an image at once, unless --scale is given"
            )
        first = self.members[0]
        for other in self.members[1:]:
            for what in WORDS:
                values = getattr(first, what), getattr(other, what)
                if values[0] != values[1]:
                    raise ConfigError(
                        f"networks that predict together need the same {WORDS[what]}: {first.source} has {values[0]}, "
                        f"{other.source} {values[1]}"
                    )

    @property
    def first(self) -> Trained:
        """The member that says what holds for all: classes, and how images are read."""
        return self.members[0]

    @property
    def at_once(self) -> bool:
        """Whether each image is a single tile, so that its logits can be read after those of the next."""
        return not any(map(self._tiled, self.members))

    def facts(self) -> dict[str, Any]:
        """What its predictions depend on, ready for JSON."""
        networks = [
            {"sha256": member.fingerprint(), "precision": self._precision(member), **asdict(member.frame)}
            for member in self.members
        ]
        manner = {**asdict(self.manner), "overlap": self.manner.tiling().overlap}
        del manner["precision"]
        return {"networks": networks, "classes": self.first.classes, "pixels": asdict(self.first.pixels), **manner}

    def load(self) -> None:
        """Load the networks now, and not with the first image.

        Raises:
            SegzooError: if one cannot be loaded, or its tiles not be cut.
        """
        self._networks  # noqa: B018

    def logits(self, images: Iterable[Image]) -> Iterator[Rows]:
        """Logits (H, W, K) of each image at its size, in order, by rows; of several members logarithms of the means.

        Unless it is `at_once`, what has not been read of an image is lost when the next one is asked for.
        """
        copies = tee(images, len(self.members))
        streams = [
            predict_rows(network, member.frame, (image() for image in copy), tiling, self.manner.scale)
            for (network, tiling), member, copy in zip(self._networks, self.members, copies, strict=True)
        ]
        if len(streams) == 1:
            return streams[0]
        return (_mean(members) for members in zip(*streams, strict=True))

    @cached_property
    def _networks(self) -> Sequence[tuple[Predictor, Tiling]]:
        """The networks of the members, which are loaded when they are first asked for, and their tiles."""
        return [self._opened(member) for member in self.members]

    def _opened(self, member: Trained) -> tuple[Predictor, Tiling]:
        network, manner = member.network(), self.manner
        cut = manner.blend == "cut" and self._tiled(member)
        tiling = manner.tiling(reach(network, member.frame) if cut else None)
        if self._precision(member) == "bfloat16":
            in_bfloat16(network)
        return Symmetric(network, manner.tta) if manner.tta else network, tiling

    def _tiled(self, member: Trained) -> bool:
        return self.manner.scale is not None or not member.frame.resized_to

    def _precision(self, member: Trained) -> str:
        if self.manner.precision != "auto":
            return self.manner.precision
        alike = member.agreement is not None and member.agreement >= ENOUGH
        return "bfloat16" if alike and fast_precision() == "mixed_bfloat16" else "float32"


def _mean(members: Sequence[Rows]) -> Rows:
    """The logarithm of the mean of probabilities, of their logits (H, W, K)."""

    def chunks() -> Iterator[NDArray[np.float32]]:
        for logits in zip(*(member.in_chunks(HEIGHT) for member in members), strict=True):
            yield mean_as_logits(map(softmax, logits))

    return Rows(members[0].size, chunks())
