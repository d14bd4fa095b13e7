"""Samples of a dataset, drawn on contact sheets and on a page of HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from segzoo import registry
from segzoo.data.faults import fault, pair
from segzoo.data.samples import Subset, spread
from segzoo.defaults import EXAMPLES
from segzoo.errors import ConfigError, SegzooError, suggestion
from segzoo.files.atomic import atomic_file, atomic_folder, write_text
from segzoo.inspection.chunks import without_warnings
from segzoo.inspection.reading import OpenedDataset, create_dataset, open_complete
from segzoo.networks.frame import Frame
from segzoo.plugin import IGNORE, Augmentation, Info, Samples, Split
from segzoo.plugin_errors import Calling
from segzoo.reporting import pages, pictures
from segzoo.runs.config import compose, read_table
from segzoo.training.pipeline import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

PANEL = 224
"""Pixels of the longer side of a panel."""
ABREAST = 2
"""Samples beside each other on a sheet."""
DRAWS = 3
"""Augmented images of a sample that are shown."""
KINDS = ("image", "mask", "overlay")
"""The panels that a sample is shown in."""


@dataclass(frozen=True)
class ShownSample:
    """A sample as it is shown."""

    id: str
    facts: str
    """Its size and its classes."""
    panels: dict[str, Image.Image] = field(default_factory=dict)
    """By caption, in rows of the three kinds; empty if the sample is wrong."""
    ignored: bool = False
    """Whether the mask leaves out pixels."""
    wrong: str = ""
    """Why it cannot be shown."""


@dataclass(frozen=True)
class Training:
    """How a training sees samples."""

    augmentation: Augmentation
    frame: Frame

    def views(self, samples: Samples, index: int) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
        """A sample as it may be in a few epochs: the end of the caption, image and mask."""
        data = decode(Subset(samples, [index]), self.frame, augmentation=self.augmentation)
        for epoch in range(DRAWS):
            batch = data.batch(data.epoch(index, epoch)[:1])  # by its index, so that all samples differ
            yield f" {epoch + 1}", np.rint(batch.images[0]).astype(np.uint8), batch.labels[0].astype(np.uint8)


def preview(
    dataset: str | None,
    out: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    config: Path | None = None,
    split: str | None = None,
    count: int = 12,
    augmentation: str | None = None,
) -> Path:
    """Draw samples of each split, or of one, into a new folder; what `segzoo data preview` does.

    The folder gets a sheet `SPLIT.png` for each split, and `index.html`, whose path is returned. The samples are spread
    evenly over the split, from the first to the last. Settings are such as `{"dataset.root": "photos"}`; what is not
    said, be it the dataset (None), is taken from the run's file `config`.

    With an augmentation, named here or in the file, samples of `train` are shown as a training may see them, too, three
    times: resized or in crops, as the file or else the dataset says, and changed.

    Raises:
        SegzooError: if a name, a setting, the split or the folder does not do, or a split cannot be opened. A sample
            that is wrong is shown with the reason in its place.
    """
    settings = settings or {}
    of_augmentation = {key: value for key, value in settings.items() if key.startswith("augmentation.")}
    of_dataset = {key: value for key, value in settings.items() if key not in of_augmentation}
    opened = open_complete(*create_dataset(dataset, of_dataset, config))
    training = _training(opened, config, augmentation, of_augmentation)
    if split and split not in opened.samples:
        raise ConfigError(f"dataset '{opened.name}' has no split '{split}'{suggestion(split, opened.samples)}")
    with atomic_folder(out) as folder:
        shown = {
            name: _samples_of(opened, name, count, training if name == "train" else None)
            for name in opened.samples
            if split in (None, name)
        }
        for name, samples in shown.items():
            with atomic_file(folder / f"{name}.png") as path:
                sheet(f"{opened.name}, {name}", samples, opened.info).save(path, "PNG")
        totals = {name: len(opened.samples[name]) for name in shown}
        write_text(folder / "index.html", html(opened.name, shown, totals, opened.info))
    return out / "index.html"


def sheet(title: str, samples: Sequence[ShownSample], info: Info) -> Image.Image:
    """A contact sheet of samples, with a title and a legend."""
    blocks = [_drawn(sample) for sample in samples]
    width = max(block.width for block in blocks)
    rows = [blocks[start : start + ABREAST] for start in range(0, len(blocks), ABREAST)]
    across = ABREAST * width + (ABREAST - 1) * 2 * pictures.GAP
    entries = pictures.swatches(_legend_names(info), any(sample.ignored for sample in samples))
    legend = pictures.legend(entries, across)
    lines = [pictures.beside(row, width + 2 * pictures.GAP) for row in rows]
    return pictures.page([pictures.paragraph(title, across, 19), legend, *lines])


def html(dataset: str, samples: Mapping[Split, Sequence[ShownSample]], totals: Mapping[Split, int], info: Info) -> str:
    """A page with all its pictures in it."""
    return pages.html(
        "samples.html",
        title=dataset,
        legend=list(zip(_legend_names(info), pictures.palette(len(info.classes)).tolist(), strict=True)),
        ignored=any(sample.ignored for shown in samples.values() for sample in shown),
        splits=samples,
        totals=totals,
    )


def _legend_names(info: Info) -> list[str]:
    """The classes as the legend names them."""
    plain = pictures.uncoloured(info.classes)
    return [
        f"{name} (not coloured in the overlay)" if label == plain else name for label, name in enumerate(info.classes)
    ]


def _training(
    opened: OpenedDataset, config: Path | None, augmentation: str | None, settings: Mapping[str, Any]
) -> Training | None:
    """How a training sees samples; None if neither the arguments nor the file say anything of augmentation."""
    if not (augmentation or settings or (config and "augmentation" in read_table(config))):
        return None
    # The model makes no difference, but a configuration needs the name of one.
    words = {"model": EXAMPLES["model"], "dataset": opened.name, "augmentation": augmentation}
    run, info = compose(config, words, settings), opened.info
    plugin = registry.create(Augmentation, run.augmentation.name, run.augmentation.options).resolved()
    return Training(plugin, Frame(run.image_size or info.image_size, view=run.view or info.view))


def _samples_of(opened: OpenedDataset, split: Split, count: int, training: Training | None) -> list[ShownSample]:
    return [_shown(opened, split, index, training) for index in spread(len(opened.samples[split]), count)]


def _shown(opened: OpenedDataset, split: Split, index: int, training: Training | None) -> ShownSample:
    name, info = opened.ids[split][index], opened.info
    try:
        with without_warnings(), Calling(type(opened.dataset), f"reading sample '{name}' of the split '{split}'"):
            image, mask = pair(opened.samples[split][index], f"'{name}'")
    except SegzooError as error:
        return ShownSample(name, "", wrong=str(error))
    if wrong := fault(image, mask, info, f"'{name}'"):
        return ShownSample(name, "", wrong=str(wrong.error))
    views = [("", image, mask), *(training.views(opened.samples[split], index) if training else ())]
    panels = {
        f"{kind}{end}": panel
        for end, seen, labels in views
        for kind, panel in zip(KINDS, _panels(seen, labels, info), strict=True)
    }
    return ShownSample(name, _facts(image, mask, info), panels, any((labels == IGNORE).any() for *_, labels in views))


def _panels(image: NDArray[Any], mask: NDArray[np.uint8], info: Info) -> tuple[Image.Image, Image.Image, Image.Image]:
    """The pictures of a sample, those of KINDS."""
    photo, colours = pictures.photograph(image, PANEL), pictures.palette(len(info.classes))
    overlay = pictures.drawn(photo, mask, colours, pictures.uncoloured(info.classes))
    return photo, pictures.painted(photo.size, mask, colours), overlay


def _facts(image: NDArray[Any], mask: NDArray[Any], info: Info) -> str:
    pixels = np.bincount(mask.ravel(), minlength=IGNORE + 1) / max(1, mask.size)
    names = dict(enumerate(info.classes)) | {IGNORE: "ignored"}
    shares = [f"{name} {100 * pixels[label]:.1f} %" for label, name in names.items() if pixels[label]]
    height, width, channels = image.shape
    return f"{height}x{width}, {channels} channels, {image.dtype}; {', '.join(shares)}"


def _drawn(sample: ShownSample) -> Image.Image:
    """A sample on a sheet: its id, and below it its panels or the reason why there are none."""
    width = 3 * PANEL + 2 * pictures.GAP
    title = pictures.paragraph(sample.id, width, 15)
    panels = list(sample.panels.items())
    rows = [pictures.panel_row(dict(panels[start : start + len(KINDS)])) for start in range(0, len(panels), len(KINDS))]
    return pictures.page([title, *(rows or [pictures.paragraph(sample.wrong, width, 14)])], margin=0)
