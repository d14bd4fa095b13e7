"""What one look at a sample tells: whether it is as it should be, and a few bytes by which its like are found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.data.images import FORMATS, header, opened
from segzoo.data.samples import fault
from segzoo.errors import DataError, LabelError
from segzoo.inspection.chunks import Piece, described, silence
from segzoo.inspection.hashes import digest, perceptual_hash
from segzoo.plugin import IGNORE, Info, Samples, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray


KINDS = {suffix: format for format, suffixes in FORMATS.items() for suffix in suffixes}
"""The format that a suffix tells of."""
ANIMATED = "has several frames, of which only the first is read: save each as a file, if they are to be samples"
TURNED = "is to be turned when it is shown, and is not: does its mask lie on it as it is stored?"


class Remark(NamedTuple):
    """Something that should not be."""

    kind: str
    """One of `segzoo.inspection.findings.KINDS`."""
    file: str
    """The file that it is in, if one can be named."""
    what: str


class Seen(NamedTuple):
    """A sample in a few bytes."""

    remarks: tuple[Remark, ...]
    image: bytes = b""
    """A digest of its pixels, 16 bytes; empty if it could not be read."""
    mask: bytes = b""
    """A digest of its labels, 8 bytes."""
    look: int = 0
    """Its perceptual hash."""


@dataclass(frozen=True)
class Inspector:
    """Looks at pieces of a dataset."""

    samples: Mapping[Split, Samples]
    info: Info

    def __call__(self, piece: Piece) -> list[Seen]:
        """What each sample of a piece tells."""
        samples = self.samples[piece.split]
        with silence():
            return [
                inspect(samples, index, name, files, self.info, files_before)
                for index, name, files, files_before in zip(
                    piece.indices, piece.ids, piece.files, (piece.files_before, *piece.files[:-1]), strict=True
                )
            ]


def inspect(
    samples: Samples, index: int, name: str, files: Sequence[Path], info: Info, files_before: Sequence[Path] = ()
) -> Seen:
    """What one sample tells; whatever is wrong with it is a remark, and no error.

    `files_before` are the files of the sample before, whose headers have been looked at: of a stack, each slice has
    the same.
    """
    remarks = [remark for path in files if path not in files_before for remark in from_header(path)]
    try:
        image, mask = samples[index]
    except Exception as error:  # plugins and decoders raise anything over broken files
        return Seen((*remarks, refusal(error, files)))
    wrong = fault(image, mask, info, f"'{name}'")
    if wrong:
        return Seen((*remarks, Remark(wrong.kind, mask_file(files), str(wrong.error))))
    remarks += labelling(mask, info, mask_file(files))
    return Seen(tuple(remarks), digest(image), digest(mask, 8), perceptual_hash(image))


def from_header(path: Path) -> Iterator[Remark]:
    """Whether an image file holds another format than its suffix says, is turned when shown, or has more frames."""
    expected = KINDS.get(path.suffix.lower())
    try:
        facts = header(path)
    except DataError:  # that it cannot be read is for others to tell
        return
    if expected and facts.format != expected:
        yield Remark("extension", str(path), f"is {facts.format} inside, not {expected}")
    if facts.turned:
        yield Remark("turned", str(path), TURNED)
    if facts.animated:
        yield Remark("animated", str(path), ANIMATED)


def refusal(error: Exception, files: Sequence[Path]) -> Remark:
    """Why a dataset gave no sample, as far as its files tell."""
    what, sizes = described(error), set()
    for path in files:
        if not path.exists():
            return Remark("missing", str(path), what)
        try:
            sizes.add(size_of(path))
        except Exception:
            return Remark("unreadable", str(path), what)
    named = [str(path) for path in files if str(path) in what] or [mask_file(files)]
    kind = "labels" if isinstance(error, LabelError) else "size" if len(sizes - {None}) > 1 else "invalid"
    return Remark(kind, named[-1], what)


def mask_file(files: Sequence[Path]) -> str:
    """The second of the files of a sample, if it has so many; see `Dataset.files`."""
    return str(files[:2][-1]) if files else ""


def size_of(path: Path) -> tuple[int, int] | None:
    """Height and width of an image file, all of which is read; None if its name is that of another kind of file."""
    if path.suffix.lower() not in KINDS:
        return None
    with opened(path) as image:
        image.read(look_up=False)
        return image.size


def labelling(mask: NDArray[Any], info: Info, file: str) -> Iterator[Remark]:
    """What is odd about the labels of a mask, all of which are allowed."""
    pixels = np.bincount(mask.ravel(), minlength=IGNORE + 1)
    labels = [label for label in range(len(info.classes)) if pixels[label]]
    if not labels:
        yield Remark("unlabelled", file, "every pixel of the mask is left out: there is nothing to learn or to score")
    if len(labels) == 1 and len(info.classes) > 1:
        yield Remark("one class", file, f"the mask has one class only, {info.classes[labels[0]]}")
