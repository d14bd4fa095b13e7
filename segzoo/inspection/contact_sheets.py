"""Samples of a dataset, drawn on contact sheets and on a page of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from segzoo.data.faults import fault, pair
from segzoo.data.samples import spread
from segzoo.errors import ConfigError, SegzooError, suggestion
from segzoo.files.atomic import atomic_file, atomic_folder, write_text
from segzoo.inspection.chunks import without_warnings
from segzoo.inspection.reading import OpenedDataset, create_dataset, open_complete
from segzoo.plugin import IGNORE, Info, Split
from segzoo.plugin_errors import Calling
from segzoo.reporting import pages, pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

PANEL = 224
"""Pixels of the longer side of a panel."""
ABREAST = 2
"""Samples beside each other on a sheet."""


@dataclass(frozen=True)
class ShownSample:
    """A sample as it is shown."""

    id: str
    facts: str
    """Its size and its classes."""
    panels: dict[str, Image.Image] = field(default_factory=dict)
    """By caption; empty if the sample is wrong."""
    ignored: bool = False
    """Whether the mask leaves out pixels."""
    wrong: str = ""
    """Why it cannot be shown."""


def preview(
    dataset: str | None,
    out: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    config: Path | None = None,
    split: str | None = None,
    count: int = 12,
) -> Path:
    """Draw samples of each split, or of one, into a new folder; what `segzoo data preview` does.

    The folder gets a sheet `SPLIT.png` for each split, and `index.html`, whose path is returned. The samples are spread
    evenly over the split, from the first to the last. Settings are such as `{"dataset.root": "photos"}`; what is not
    said, be it the dataset (None), is taken from the run's file `config`.

    Raises:
        SegzooError: if the name, a setting, the split or the folder does not do, or a split cannot be opened. A sample
            that is wrong is shown with the reason in its place.
    """
    opened = open_complete(*create_dataset(dataset, settings, config))
    if split and split not in opened.samples:
        raise ConfigError(f"dataset '{opened.name}' has no split '{split}'{suggestion(split, opened.samples)}")
    with atomic_folder(out) as folder:
        shown = {name: _samples_of(opened, name, count) for name in opened.samples if split in (None, name)}
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


def _samples_of(opened: OpenedDataset, split: Split, count: int) -> list[ShownSample]:
    return [_shown(opened, split, index) for index in spread(len(opened.samples[split]), count)]


def _shown(opened: OpenedDataset, split: Split, index: int) -> ShownSample:
    name, info = opened.ids[split][index], opened.info
    try:
        with without_warnings(), Calling(type(opened.dataset), f"reading sample '{name}' of the split '{split}'"):
            image, mask = pair(opened.samples[split][index], f"'{name}'")
    except SegzooError as error:
        return ShownSample(name, "", wrong=str(error))
    if wrong := fault(image, mask, info, f"'{name}'"):
        return ShownSample(name, "", wrong=str(wrong.error))
    photo, colours = pictures.photograph(image, PANEL), pictures.palette(len(info.classes))
    panels = {
        "image": photo,
        "mask": pictures.painted(photo.size, mask, colours),
        "overlay": pictures.drawn(photo, mask, colours, pictures.uncoloured(info.classes)),
    }
    return ShownSample(name, _facts(image, mask, info), panels, bool((mask == IGNORE).any()))


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
    body = pictures.panel_row(sample.panels) if sample.panels else pictures.paragraph(sample.wrong, width, 14)
    return pictures.page([title, body], margin=0)
