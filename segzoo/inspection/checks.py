"""Checks of single samples: of their files, sizes and labels, with digests by which duplicates are found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from segzoo.data.faults import fault_of_form, fault_of_labels, label_counts, pair
from segzoo.data.image_files import FORMATS, opened
from segzoo.data.images import header
from segzoo.errors import DataError, LabelError
from segzoo.inspection.chunks import Chunk, error_text, without_warnings
from segzoo.inspection.hashes import digest, perceptual_hash
from segzoo.plugin import IGNORE, Info, Samples, Split

if TYPE_CHECKING:
    pass


KINDS = {suffix: format for format, suffixes in FORMATS.items() for suffix in suffixes}
"""Formats by the suffixes of their files."""
ANIMATED = "has several frames, of which only the first is read: save each as a file, if they are to be samples"
TURNED = "is to be turned when it is shown, and is not: does its mask lie on it as it is stored?"


class Remark(NamedTuple):
    """Something that should not be."""

    kind: str
    """One of `segzoo.inspection.findings.KINDS`."""
    file: str
    """The file that it is in, if one can be named."""
    what: str


class CheckResult(NamedTuple):
    """What the check of a sample gave, in a few bytes."""

    remarks: tuple[Remark, ...]
    image_digest: bytes = b""
    """Of the pixels, 16 bytes; empty if the sample could not be read."""
    mask_digest: bytes = b""
    """Of the labels, 8 bytes."""
    perceptual_hash: int = 0
    """Of the image."""
    type: str = ""
    """Of the image, `uint8` or `uint16`."""
    brightness: float = 0.0
    """The mean of all values of the image, 0 to 255."""
    labels: Mapping[int, int] = {}
    """Pixels of the mask by label, IGNORE among them."""


@dataclass(frozen=True)
class SampleChecker:
    """Checks chunks of a dataset."""

    samples: Mapping[Split, Samples]
    info: Info

    def __call__(self, chunk: Chunk) -> list[CheckResult]:
        """The result of each sample of a chunk."""
        samples = self.samples[chunk.split]
        with without_warnings():
            return [
                check_sample(samples, index, name, files, self.info, files_before)
                for index, name, files, files_before in zip(
                    chunk.indices, chunk.ids, chunk.files, (chunk.files_before, *chunk.files[:-1]), strict=True
                )
            ]


def check_sample(
    samples: Samples, index: int, name: str, files: Sequence[Path], info: Info, files_before: Sequence[Path] = ()
) -> CheckResult:
    """Check a sample; whatever is wrong with it becomes a remark, not an error.

    `files_before` are the files of the sample before, whose headers have been checked: the slices of a
    stack have the same file.
    """
    remarks = [remark for path in files if path not in files_before for remark in check_header(path)]
    try:
        image, mask = pair(samples[index], f"'{name}'")
    except (Exception, SystemExit) as error:  # plugins and decoders raise anything over broken files
        return CheckResult((*remarks, explain_refusal(error, files)))
    wrong, labels = fault_of_form(image, mask, info, f"'{name}'"), {}
    if not wrong:
        labels = label_counts(mask)
        wrong = fault_of_labels(labels, info, f"'{name}'")
    if wrong:
        return CheckResult((*remarks, Remark(wrong.kind, mask_file(files), str(wrong.error))))
    remarks += check_labels(labels, info, mask_file(files))
    brightness = float(image.mean()) * 255 / np.iinfo(image.dtype).max
    return CheckResult(
        tuple(remarks), digest(image), digest(mask, 8), perceptual_hash(image), image.dtype.name, brightness, labels
    )


def check_header(path: Path) -> Iterator[Remark]:
    """Whether an image file holds another format than its suffix says, is turned when shown, or has more frames."""
    expected = KINDS.get(path.suffix.lower())
    try:
        facts = header(path)
    except DataError:  # reading the sample tells that the file cannot be read
        return
    if expected and facts.format != expected:
        yield Remark("extension", str(path), f"is {facts.format} inside, not {expected}")
    if facts.turned:
        yield Remark("turned", str(path), TURNED)
    if facts.animated:
        yield Remark("animated", str(path), ANIMATED)


def explain_refusal(error: BaseException, files: Sequence[Path]) -> Remark:
    """Why a dataset gave no sample, as far as its files tell."""
    what, sizes = error_text(error), set()
    for path in files:
        if not path.exists():
            return Remark("missing", str(path), what)
        try:
            sizes.add(read_size(path))
        except Exception:
            return Remark("unreadable", str(path), what)
    culprits = [str(path) for path in files if str(path) in what] or [mask_file(files)]
    kind = "labels" if isinstance(error, LabelError) else "size" if len(sizes - {None}) > 1 else "invalid"
    return Remark(kind, culprits[-1], what)


def mask_file(files: Sequence[Path]) -> str:
    """The second of the files of a sample, if it has so many; see `Dataset.files`."""
    return str(files[:2][-1]) if files else ""


def read_size(path: Path) -> tuple[int, int] | None:
    """Height and width of an image file, all of which is read; None if its name is that of another kind of file."""
    if path.suffix.lower() not in KINDS:
        return None
    with opened(path) as image:
        image.read(look_up=False)
        return image.size


def check_labels(pixels: Mapping[int, int], info: Info, file: str) -> Iterator[Remark]:
    """What is odd about the labels of a mask, all of which are allowed, by the pixels that have them."""
    labels = [label for label in pixels if label != IGNORE]
    if not labels:
        yield Remark("unlabelled", file, "every pixel of the mask is left out: there is nothing to learn or to score")
    if len(labels) == 1 and len(info.classes) > 1:
        yield Remark("one class", file, f"the mask has one class only, {info.classes[labels[0]]}")
