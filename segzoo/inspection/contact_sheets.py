"""Samples of a dataset to look at: contact sheets, and a page of HTML that is one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from segzoo.data.samples import fault
from segzoo.errors import ConfigError, suggestion
from segzoo.files.atomic import whole as whole_file
from segzoo.files.atomic import whole_folder, write_text
from segzoo.inspection.chunks import described, silence
from segzoo.inspection.reading import named, whole
from segzoo.plugin import IGNORE, Info, Samples, Split
from segzoo.reporting import pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

PANEL = 224
"""Pixels of the longer side of a panel."""
ABREAST = 2
"""Samples beside each other on a sheet."""

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.4 system-ui, sans-serif; color: #2d2d2d; background: #fff; margin: 2rem; }}
main {{ display: flex; flex-wrap: wrap; gap: 2rem; }}
figure {{ margin: 0; max-width: 100%; }}
figcaption {{ overflow-wrap: anywhere; max-width: 46rem; }}
figcaption span, .legend {{ color: #595959; }}
img {{ border: 1px solid #cdcdcd; margin: 0.25rem 0.5rem 0 0; max-width: 100%; }}
.legend b {{ display: inline-block; width: 1em; height: 1em; vertical-align: -0.15em; margin: 0 0.3em 0 1em; }}
.wrong {{ color: #a40000; max-width: 46rem; overflow-wrap: anywhere; }}
</style>
<h1>{title}</h1>
<p class="legend">{legend}</p>
{body}
</html>
"""


@dataclass(frozen=True)
class Cell:
    """A sample to look at."""

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
    found = whole(*named(dataset, settings, config))
    if split and split not in found.samples:
        raise ConfigError(f"dataset '{found.name}' has no split '{split}'{suggestion(split, found.samples)}")
    with whole_folder(out) as folder:
        cells = {
            name: [_cell(samples, index, found.ids[name][index], found.info) for index in spread(len(samples), count)]
            for name, samples in found.samples.items()
            if split in (None, name)
        }
        for name, shown in cells.items():
            with whole_file(folder / f"{name}.png") as path:
                sheet(f"{found.name}, {name}", shown, found.info).save(path, "PNG")
        totals = {name: len(found.samples[name]) for name in cells}
        write_text(folder / "index.html", html(found.name, cells, totals, found.info))
    return out / "index.html"


def spread(length: int, count: int) -> list[int]:
    """Indices from the first to the last, evenly."""
    return sorted(set(np.linspace(0, length - 1, min(length, count)).round().astype(int).tolist()))


def sheet(title: str, cells: Sequence[Cell], info: Info) -> Image.Image:
    """A contact sheet of samples, with a title and a legend."""
    blocks = [_drawn(cell) for cell in cells]
    width = max(block.width for block in blocks)
    rows = [blocks[start : start + ABREAST] for start in range(0, len(blocks), ABREAST)]
    across = ABREAST * width + (ABREAST - 1) * 2 * pictures.GAP
    entries = pictures.swatches(_named(info), any(cell.ignored for cell in cells))
    legend = pictures.legend(entries, across)
    lines = [pictures.beside(row, width + 2 * pictures.GAP) for row in rows]
    return pictures.page([pictures.paragraph(title, across, 19), legend, *lines])


def html(dataset: str, cells: Mapping[Split, Sequence[Cell]], totals: Mapping[Split, int], info: Info) -> str:
    """A page with all its pictures in it."""
    legend = [
        f'<b style="background:rgb({red},{green},{blue})"></b>{escape(name)}'
        for name, (red, green, blue) in zip(_named(info), pictures.palette(len(info.classes)).tolist(), strict=True)
    ]
    if any(cell.ignored for shown in cells.values() for cell in shown):
        stripes = "repeating-linear-gradient(135deg,#e1e1e1 0 3px,#969696 3px 6px)"
        legend.append(f'<b style="background:{stripes}"></b>ignored')
    sections = [
        f"<h2>{escape(split)}: {len(shown)} of {totals[split]:,}</h2>\n<main>\n{''.join(map(_figure, shown))}</main>"
        for split, shown in cells.items()
    ]
    return PAGE.format(title=escape(dataset), legend=" ".join(legend), body="\n".join(sections))


def _named(info: Info) -> list[str]:
    """The classes as the legend names them."""
    plain = pictures.uncoloured(info.classes)
    return [
        f"{name} (not coloured in the overlay)" if label == plain else name for label, name in enumerate(info.classes)
    ]


def _cell(samples: Samples, index: int, name: str, info: Info) -> Cell:
    try:
        with silence():
            image, mask = samples[index]
    except Exception as error:  # plugins and decoders raise anything over broken files
        return Cell(name, "", wrong=described(error))
    if wrong := fault(image, mask, info, f"'{name}'"):
        return Cell(name, "", wrong=str(wrong.error))
    photo, colours = pictures.photograph(image, PANEL), pictures.palette(len(info.classes))
    panels = {
        "image": photo,
        "mask": pictures.painted(photo.size, mask, colours),
        "overlay": pictures.drawn(photo, mask, colours, pictures.uncoloured(info.classes)),
    }
    return Cell(name, _facts(image, mask, info), panels, bool((mask == IGNORE).any()))


def _facts(image: NDArray[Any], mask: NDArray[Any], info: Info) -> str:
    pixels = np.bincount(mask.ravel(), minlength=IGNORE + 1) / max(1, mask.size)
    names = dict(enumerate(info.classes)) | {IGNORE: "ignored"}
    shares = [f"{name} {100 * pixels[label]:.1f} %" for label, name in names.items() if pixels[label]]
    height, width, channels = image.shape
    return f"{width}x{height}, {channels} channels, {image.dtype}; {', '.join(shares)}"


def _drawn(cell: Cell) -> Image.Image:
    """A sample on a sheet: its id, and below it its panels or the reason why there are none."""
    width = 3 * PANEL + 2 * pictures.GAP
    title = pictures.paragraph(cell.id, width, 15)
    body = pictures.panel_row(cell.panels) if cell.panels else pictures.paragraph(cell.wrong, width, 14)
    return pictures.page([title, body], margin=0)


def _figure(cell: Cell) -> str:
    """A sample on the page."""
    images = "".join(
        f'<img src="{_data(panel)}" width="{panel.width}" height="{panel.height}" alt="{caption} of {escape(cell.id)}">'
        for caption, panel in cell.panels.items()
    )
    body = images or f'<p class="wrong">{escape(cell.wrong)}</p>'
    facts = f"<br><span>{escape(cell.facts)}</span>" if cell.facts else ""
    return f"<figure>\n<figcaption>{escape(cell.id)}{facts}</figcaption>\n{body}\n</figure>\n"


def _data(panel: Image.Image) -> str:
    """A picture as the address of itself."""
    file = io.BytesIO()
    panel.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
