"""Pictures of an image beside its masks, with a legend."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, ImageOps

from segzoo.plugin import IGNORE

Pixels = npt.NDArray[np.uint8]

# Okabe and Ito 2008, Color Universal Design: told apart by colour-blind eyes too. Ordered so that the first three, all
# that most datasets need, differ in lightness as well as in hue.
OKABE_ITO = (
    (0, 114, 178),  # blue
    (230, 159, 0),  # orange
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (86, 180, 233),  # sky blue
    (213, 94, 0),  # vermilion
    (240, 228, 66),  # yellow
    (0, 0, 0),  # black
)
USUAL, LARGEST = 256, 512  # pixels of a panel's longer side
MARGIN, GAP, SWATCH = 24, 16, 16  # pixels
OPACITY = 0.5
"""Of a colour over the image."""
STRIPES = 150, 225
"""The greys of hatching."""
INK, FRAME = (45, 45, 45), (205, 205, 205)


@cache
def palette(n: int) -> Pixels:
    """Colours (n, 3) of n classes, all different; those of fewer classes are the first of more. Not to be changed."""
    colours = list(np.array(OKABE_ITO))
    steps = np.linspace(0, 255, 9)
    others = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    others = others[np.ptp(others, axis=1) > 90]  # grey is for ignored pixels
    gaps = np.min([distance(others, colour) for colour in colours], axis=0)
    while len(colours) < n:
        colours.append(others[np.argmax(gaps)])  # the colour farthest from all so far
        gaps = np.minimum(gaps, distance(others, colours[-1]))
    chosen = np.rint(colours[:n]).astype(np.uint8).reshape(n, 3)
    chosen.flags.writeable = False
    return chosen


def comparison(
    image: npt.NDArray[Any],
    truth: npt.NDArray[Any],
    prediction: npt.NDArray[Any],
    classes: Sequence[str],
    title: str = "",
) -> Image.Image:
    """Image (H, W, C), truth and prediction (H, W) side by side, with captions and a legend.

    Of the channels the first three are shown as red, green and blue, of fewer the first as grey, and 16 bits as a
    network sees them: what is dark to it is dark. Raises ValueError for shapes or labels that do not fit.
    """
    check(image, {"truth": truth, "prediction": prediction}, len(classes))
    photo, colours = photograph(image), palette(len(classes))
    ignored = bool((truth == IGNORE).any() or (prediction == IGNORE).any())
    plain = uncoloured(classes)
    masks = {"truth": truth, "prediction": prediction}
    row = panel_row({"image": photo} | {name: drawn(photo, mask, colours, plain) for name, mask in masks.items()})
    heading = [paragraph(title, row.width, 19)] if title else []
    return page([*heading, row, legend(explained(classes, ignored), row.width)])


def photograph(image: npt.NDArray[Any], largest: int = LARGEST) -> Image.Image:
    """Any image (H, W, C) to look at, its longer side at most `largest` pixels."""
    size = panel_size(image.shape[1], image.shape[0], largest)
    enlarged = size[0] > image.shape[1]
    return Image.fromarray(rgb(image)).resize(size, Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS)


def uncoloured(classes: Sequence[str]) -> int | None:
    """The class over which the image is left as it is: that of the background, or of two classes the first."""
    names = [name.strip().lower() for name in classes]
    return next(
        (label for label, name in enumerate(names) if name == "bg" or name.startswith("background")),
        0 if len(classes) == 2 else None,
    )


def swatches(classes: Sequence[str], ignored: bool) -> list[tuple[str, Pixels]]:
    """The entries of a legend: a colour for each class, and hatching if there are ignored pixels."""
    colours = zip(classes, palette(len(classes)), strict=True)
    entries = [(name, np.full((SWATCH, SWATCH, 3), colour, np.uint8)) for name, colour in colours]
    return [*entries, ("ignored", hatch(SWATCH, SWATCH))] if ignored else entries


def explained(classes: Sequence[str], ignored: bool) -> list[tuple[str, Pixels]]:
    """The entries of a legend where a class is not coloured."""
    entries, plain = swatches(classes, ignored), uncoloured(classes)
    if plain is not None:
        entries[plain] = f"{classes[plain]} (not coloured)", ramp(SWATCH, SWATCH)
    return entries


def check(image: npt.NDArray[Any], masks: dict[str, npt.NDArray[Any]], num_classes: int) -> None:
    """Raise ValueError for a mask of another size than the image, or with labels that are no class."""
    for name, mask in masks.items():
        if mask.shape != image.shape[:2]:
            raise ValueError(f"the {name} has the shape {mask.shape}, the image {image.shape}")
        wrong = np.unique(mask[((mask < 0) | (mask >= num_classes)) & (mask != IGNORE)])
        if wrong.size:
            raise ValueError(f"the {name} has the labels {wrong.tolist()}, which are none of the {num_classes} classes")


def distance(colours: npt.NDArray[Any], colour: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A rough perceptual distance of colours (n, 3) from a colour, weighted by the sensitivity of the eye."""
    return np.asarray(((colours - colour) ** 2) @ (2, 4, 3))


def panel_size(width: int, height: int, largest: int = LARGEST) -> tuple[int, int]:
    """Width and height in which an image is shown; enlarged only by whole factors, so that pixels stay square."""
    longest = max(width, height)
    factor = largest / longest if longest > largest else max(1, min(round(USUAL / longest), largest // longest))
    return max(1, round(width * factor)), max(1, round(height * factor))


def rgb(image: npt.NDArray[Any]) -> Pixels:
    """An image uint8 or uint16 (H, W, C) as uint8 (H, W, 3); not stretched, which would hide a narrow range."""
    shown = image[..., :3] if image.shape[-1] >= 3 else image[..., [0, 0, 0]]
    return np.ascontiguousarray(shown if shown.dtype == np.uint8 else np.rint(shown / 257).astype(np.uint8))


def drawn(photo: Image.Image, mask: npt.NDArray[Any], colours: Pixels, plain: int | None = None) -> Image.Image:
    """A mask as colour over the greyed photo, with outlines in full colour; where it is `plain`, the photo alone."""
    labels = fitted(mask, photo.size)
    return Image.fromarray(filled(photo, labels, outlines(labels), colours, plain))


def filled(
    photo: Image.Image, labels: Pixels, edges: npt.NDArray[np.bool_], colours: Pixels, plain: int | None = None
) -> Pixels:
    """Labels (H, W) of a photo as `drawn` shows them, with edges (H, W) in full colour: (H, W, 3)."""
    places = _places(labels)
    pixels: Pixels = _blends(colours.tobytes(), plain)[places, np.asarray(photo.convert("L"))]
    full = edges & (labels != plain)
    pixels[full] = _table(colours)[places[full]]
    return pixels


@lru_cache(maxsize=8)
def _blends(colours: bytes, plain: int | None) -> Pixels:
    """The pixel (3) of each place in `_table` over each grey (258, 256, 3)."""
    table = _table(np.frombuffer(colours, np.uint8).reshape(-1, 3))
    grey = np.arange(256, dtype=np.float32)[:, None]
    lifted = 96 + 0.6 * grey  # colours are hard to see on black
    pixels = OPACITY * table[:, None].astype(np.float64) + (1 - OPACITY) * lifted
    if plain is not None:
        pixels[plain] = grey
    return np.rint(pixels).astype(np.uint8)


def painted(size: tuple[int, int], mask: npt.NDArray[Any], colours: Pixels) -> Image.Image:
    """A mask as nothing but colour, of a width and height."""
    return Image.fromarray(coloured(fitted(mask, size), colours))


def fitted(mask: npt.NDArray[Any], size: tuple[int, int]) -> Pixels:
    """A mask (H, W) at a width and height, by the nearest pixel."""
    return np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(size, Image.Resampling.NEAREST))


def coloured(labels: Pixels, colours: Pixels) -> Pixels:
    """Labels (H, W) in the colours (n, 3) of their classes, ignored pixels hatched: (H, W, 3)."""
    pixels: Pixels = _table(colours)[_places(labels)]
    return pixels


def _table(colours: Pixels) -> Pixels:
    """The colours of all labels (n, 3), and behind them those of the stripes of ignored pixels: (258, 3)."""
    table = np.zeros((258, 3), np.uint8)
    table[: len(colours)], table[256:] = colours, np.array(STRIPES)[:, None]
    return table


def _places(labels: Pixels) -> npt.NDArray[np.integer[Any]]:
    """Where in `_table` the colour of each pixel (H, W) is."""
    ignored = labels == IGNORE
    return np.where(ignored, 256 + stripes(*labels.shape), labels) if ignored.any() else labels


def outlines(labels: Pixels) -> npt.NDArray[np.bool_]:
    """Pixels with a neighbour of another class, (H, W)."""
    edges = np.zeros(labels.shape, bool)
    for first, second in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differs = labels[first] != labels[second]
        edges[first] |= differs
        edges[second] |= differs
    return edges


def hatch(height: int, width: int) -> Pixels:
    """Grey diagonal stripes (H, W, 3), which no class looks like."""
    return np.repeat(np.array(STRIPES, np.uint8)[stripes(height, width)][..., None], 3, axis=-1)


def stripes(height: int, width: int) -> npt.NDArray[np.integer[Any]]:
    """Which of the two diagonal stripes a pixel (H, W) is in, 0 or 1."""
    return np.add.outer(np.arange(height), np.arange(width)) // 4 % 2


def ramp(height: int, width: int) -> Pixels:
    """Greys from dark to light (H, W, 3)."""
    greys = np.linspace(60, 200, width).astype(np.uint8)
    return np.broadcast_to(greys[None, :, None], (height, width, 3)).copy()


def panel_row(panels: dict[str, Image.Image]) -> Image.Image:
    """Panels of one size in a row, framed, each below its caption."""
    framed = {caption: ImageOps.expand(panel, border=1, fill=FRAME) for caption, panel in panels.items()}
    width, height = next(iter(framed.values())).size
    step = max(width, 100) + GAP  # captions want 100 pixels
    top = 26
    row = Image.new("RGB", (len(panels) * step - GAP, top + height), "white")
    for i, (caption, panel) in enumerate(framed.items()):
        row.paste(paragraph(caption, step, 15), (i * step, 0))
        row.paste(panel, (i * step, top))
    return row


def legend(swatches: list[tuple[str, Pixels]], width: int, scale: int = 1) -> Image.Image:
    """Names beside their colours, in as many rows as the width (pixels) asks for, enlarged by a factor."""
    side, gap = SWATCH * scale, 8 * scale
    x, y, bottom, spots = 0, 0, 0, []
    for name, swatch in swatches:
        text = paragraph(name, width - side - gap, 14 * scale)
        if x and x + side + gap + text.width > width:
            x, y = 0, bottom
        spots.append((x, y, swatch, text))
        x += side + gap + text.width + 20 * scale
        bottom = max(bottom, y + text.height + 4 * scale)
    picture = Image.new("RGB", (width, max(1, bottom)), "white")
    for x, y, swatch, text in spots:
        picture.paste(Image.fromarray(swatch.repeat(scale, 0).repeat(scale, 1)), (x, y + scale))
        picture.paste(text, (x + side + gap, y))
    return picture


def paragraph(text: str, width: int, size: int) -> Image.Image:
    """Text of a font size, broken into lines no wider than a width (both in pixels)."""
    font = ImageFont.load_default(size)
    lines = wrapped(text, font, width)
    line_height = round(1.35 * size)
    longest = max(int(font.getlength(line)) + 1 for line in lines)
    picture = Image.new("RGB", (longest, line_height * len(lines)), "white")
    draw = ImageDraw.Draw(picture)
    for i, line in enumerate(lines):
        draw.text((0, i * line_height), line, INK, font)
    return picture


def wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Lines no wider than a width in pixels, broken between words, or within a word that is wider by itself."""
    lines = [""]
    for word in text.split():
        if lines[-1] and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines[1:] or lines


def page(blocks: list[Image.Image], margin: int = MARGIN) -> Image.Image:
    """Blocks below each other on white, within a margin."""
    height = sum(block.height for block in blocks) + GAP * (len(blocks) - 1)
    sheet = Image.new("RGB", (max(block.width for block in blocks) + 2 * margin, height + 2 * margin), "white")
    y = margin
    for block in blocks:
        sheet.paste(block, (margin, y))
        y += block.height + GAP
    return sheet


def beside(blocks: Sequence[Image.Image], step: int) -> Image.Image:
    """Blocks beside each other on white, each so many pixels to the right of the one before."""
    width = (len(blocks) - 1) * step + blocks[-1].width
    row = Image.new("RGB", (width, max(block.height for block in blocks)), "white")
    for i, block in enumerate(blocks):
        row.paste(block, (i * step, 0))
    return row
