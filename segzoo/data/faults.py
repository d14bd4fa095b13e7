"""What is wrong with a sample, with a split, or with the splits of a dataset beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from PIL import Image

from segzoo.errors import DataError, PluginError, SegzooError
from segzoo.plugin import IGNORE, Dataset, FileReading, Info, Split, View
from segzoo.plugin_errors import title

if TYPE_CHECKING:
    from numpy.typing import NDArray


def described(dataset: Dataset, cache: Path) -> Info:
    """What a dataset says of itself.

    Raises:
        PluginError: if that cannot be.
    """
    info = dataset.describe(cache)
    for name, rule, kept in _rules(info):
        if not kept:
            value = getattr(info, name)
            raise PluginError(f"{title(type(dataset))}: `describe` gives {name} = {value!r}; {rule}")
    return info


def _rules(info: Info) -> Iterator[tuple[str, str, bool]]:
    """What holds for each value, and whether it does."""
    names = isinstance(info.classes, Sequence) and all(isinstance(name, str) and name for name in info.classes)
    yield "classes", "they must be texts, all different", names and 0 < len(info.classes) == len(set(info.classes))
    yield "channels", "it must be an integer from 1 on", _counts(info.channels)
    known = set(info.splits) <= set(get_args(Split)) and len(info.splits) == len(set(info.splits))
    yield "splits", f"they must be among {', '.join(get_args(Split))}, each once", known
    size = isinstance(info.image_size, Sequence) and len(info.image_size) == 2 and all(map(_counts, info.image_size))
    yield "image_size", "it must be a height and a width in pixels", size
    yield "epochs", "it must be an integer from 1 on", _counts(info.epochs)
    yield "view", f"it must be one of {', '.join(get_args(View))}", info.view in get_args(View)
    yield "reading", "it must be a FileReading or None", isinstance(info.reading, FileReading | None)
    yield "licence", "it must be a text", isinstance(info.licence, str)


def _counts(value: Any) -> bool:
    return isinstance(value, Integral) and int(value) >= 1


def lacking_split(info: Info) -> PluginError | None:
    """What is wrong with a dataset that cannot be both trained and validated on."""
    missing = [split for split in ("train", "val") if split not in info.splits]
    return (
        PluginError(f"it has no split '{missing[0]}': a run trains on `train` and validates on `val`")
        if missing
        else None
    )


def blaming(dataset: type[Dataset], error: SegzooError) -> SegzooError:
    """The same error, whose message begins with the name of the dataset."""
    return type(error)(f"{title(dataset)}: {error}")


class Fault(NamedTuple):
    """What is wrong with a sample."""

    kind: Literal["invalid", "size", "labels"]
    error: SegzooError


def pair(sample: Any, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """The image and the mask of a sample of that name, of any shape and type.

    Raises:
        PluginError: if it is no pair of arrays.
    """
    parts = sample if isinstance(sample, tuple | list) else ()
    if len(parts) != 2 or not all(isinstance(part, np.ndarray) for part in parts):
        types = f" of {', '.join(type(part).__name__ for part in parts[:5])}" if parts else ""
        what = "None" if sample is None else f"of the type {type(sample).__name__}{types}"
        raise PluginError(f"sample {name} is {what}; it must be a pair of NumPy arrays, an image and its mask")
    image, mask = parts
    return image, mask


def fault(image: NDArray[Any], mask: NDArray[Any], info: Info, name: str) -> Fault | None:
    """The first thing that is wrong with a sample of that name; None if it fits the description of its dataset."""
    return fault_of_form(image, mask, info, name) or fault_of_labels(label_counts(mask), info, name)


def fault_of_form(image: NDArray[Any], mask: NDArray[Any], info: Info, name: str) -> Fault | None:
    """The first thing that is wrong with the types and shapes of a sample of that name."""
    if image.dtype not in (np.uint8, np.uint16) or image.ndim != 3:
        text = f"image {name} is {image.dtype} {image.shape}, not uint8 or uint16 (H, W, C)"
        return Fault("invalid", PluginError(text))
    if mask.dtype != np.uint8 or mask.ndim != 2:
        return Fault("invalid", PluginError(f"the mask of {name} is {mask.dtype} {mask.shape}, not uint8 (H, W)"))
    if image.shape[2] != info.channels:
        text = f"image {name} has {image.shape[2]} channels, the dataset says {info.channels}"
        return Fault("invalid", DataError(text))
    if not image.size:
        return Fault("invalid", DataError(f"image {name} is {_size(image)} pixels, which is none at all"))
    if image.shape[:2] != mask.shape:
        return Fault("size", DataError(f"image {name} is {_size(image)} pixels, its mask {_size(mask)}"))
    return None


def fault_of_labels(labels: Mapping[int, int], info: Info, name: str) -> Fault | None:
    """What is wrong with the mask of a sample of that name, by its pixels of each label."""
    if unknown := [label for label in labels if len(info.classes) <= label != IGNORE]:
        wrong = outside(np.array(unknown), len(info.classes))
        text = (
            f"the mask of {name} has labels that are no class: {wrong}; allowed are 0 to {len(info.classes) - 1}, "
            f"and {IGNORE} for pixels to leave out"
        )
        return Fault("labels", DataError(text))
    return None


def fault_of_split(labels: Mapping[int, int], info: Info, split: Split) -> DataError | None:
    """Why nothing can be learned from a split, or scored on it, by the pixels of each label in all of its masks."""
    present = sorted(label for label, pixels in labels.items() if pixels and label != IGNORE)
    if not present:
        return DataError(
            f"every pixel of the split '{split}' is left out, by the label {IGNORE}: there is nothing to learn or to "
            f"score; give its masks the labels 0 to {len(info.classes) - 1}"
        )
    if split != "train" or len(present) > 1:
        return None
    if present == [0] and labels.get(IGNORE) and len(info.classes) == 2:
        return DataError(
            f"the masks of the split 'train' have the labels 0 and {IGNORE} only, and {IGNORE} leaves a pixel out: "
            f"give pixels of '{info.classes[1]}' the label 1"
        )
    return DataError(
        f"all pixels of the masks of the split 'train' have the label {present[0]}, '{info.classes[present[0]]}': "
        "there is nothing to learn; `segzoo data preview` shows them"
    )


def different_types(first: Mapping[str, str]) -> DataError | None:
    """What is wrong with images of several types, by each type with the name of an image that has it."""
    if len(first) < 2:
        return None
    (one, name), (other, other_name), *_ = first.items()
    return DataError(f"image {other_name} is {other}, but {name} {one}: save all images with the same number of bits")


def repeated_id(ids: Sequence[str], split: Split) -> PluginError | None:
    """What is wrong where an id is there twice in a split."""
    if len(set(ids)) == len(ids):
        return None
    name, times = Counter(ids).most_common(1)[0]
    return PluginError(f"the id '{name}' is there {times:,} times in the split '{split}': each sample needs another")


def shared_ids(ids: Mapping[Split, Iterable[str]]) -> DataError | None:
    """What is wrong where splits share ids: what was trained on would be scored."""
    splits: dict[str, Split] = {}
    shared: dict[str, tuple[Split, Split]] = {}
    for split, names in ids.items():
        for name in names:
            if (earlier := splits.setdefault(name, split)) != split:
                shared[name] = earlier, split
    if not shared:
        return None
    name, (one, other) = next(iter(shared.items()))
    others = f", and {len(shared) - 1:,} more ids are in two splits" if shared.keys() > {name} else ""
    return DataError(
        f"the sample '{name}' is in the splits '{one}' and '{other}'{others}: what is trained on must not be scored; "
        "leave each sample in one split, or give different samples different ids"
    )


def label_counts(mask: NDArray[np.uint8]) -> dict[int, int]:
    """How many pixels of a mask (H, W) have each label, those that occur."""
    # NumPy's bincount takes 8 times as long.
    counts = Image.fromarray(mask).histogram() if mask.size else []
    return {label: count for label, count in enumerate(counts) if count}


def outside(values: NDArray[Any], num_classes: int) -> str:
    """The first of the values that are no class, as text; empty if all are classes."""
    wrong = np.unique(values[(values < 0) | (values >= num_classes)])
    return ", ".join(map(str, wrong[:10])) + (", …" if len(wrong) > 10 else "")


def _size(array: NDArray[Any]) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
