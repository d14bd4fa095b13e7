"""Where the blocks and arrows of a network's diagram go, and how they look in SVG.

Each block has a column of its own, and a row by its resolution. Arrows run along rows, between columns, or in lanes
above a row, and so never through a block.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from itertools import takewhile
from math import log2
from typing import Literal

Role = Literal["image", "conv", "other", "down", "up", "concat", "add", "multiply", "attention"]

LEGEND: dict[Role, tuple[str, str]] = {
    "image": ("#bdbdbd", "image, logits"),
    "conv": ("#7db8e8", "convolutions, with their number"),
    "other": ("#dbe9f6", "other layers"),
    "down": ("#d55e00", "pooling, stride"),
    "up": ("#009e73", "upsampling"),
    "concat": ("#e69f00", "concatenation"),
    "add": ("#f0e442", "addition"),
    "multiply": ("#e8a6cb", "multiplication"),
    "attention": ("#b58ac9", "attention"),
}
"""Colour and name of each role; the colours are told apart by the colour-blind, too."""

CIRCLES: dict[Role, str] = {"add": "+", "multiply": "&#215;"}

BARS: set[Role] = {"down", "up", "concat"}

GAP, TRACK, LANE, LABELS, MARGIN, RADIUS, BAR = 15.0, 5.0, 7.0, 32.0, 16.0, 7.0, 8.0
"""Pixels: between columns, between arrows side by side, between lanes, for labels, around all; of circles, of bars."""

OFFSETS = (-0.25, 0.25, -0.38, 0.38)
"""Where arrows that pass other blocks run, as parts of a row's height from its middle."""

STYLE = """<style>
.network text { font: 11px sans-serif; text-anchor: middle; fill: #222 } .network text.legend { text-anchor: start }
.network text.channels { font-weight: bold } .network text.size { fill: #555 }
.network path { fill: none; stroke: #555; stroke-width: 1 } .network path.skip { stroke: #1f5fa8; stroke-width: 1.4 }
.network rect, .network circle { stroke: #333; stroke-width: 0.7 }
</style>
<defs><marker id="head" markerWidth="7" markerHeight="6" refX="6" refY="3" orient="auto" markerUnits="userSpaceOnUse">
<path d="M0 0L7 3L0 6z" style="fill: #333; stroke: none"/></marker></defs>
<rect width="100%" height="100%" style="fill: #fff; stroke: none"/>"""
"""The rules name the class of the picture, lest they change others on the page that it is embedded in."""


@dataclass(eq=False)
class Block:
    """Layers that are drawn as one, what they read, and who reads them."""

    role: Role
    names: list[str]
    size: tuple[int, int]
    """Height and width of the output, in pixels."""
    channels: int
    scale: float = 1
    """By what the image was made smaller; without the few pixels that unpadded convolutions take."""
    convolutions: int = 0
    edge: Literal["down", "up"] | None = None
    """Whether it is a group of convolutions of which the first changes the size."""
    dense: bool = False
    """True if channels grow by concatenation inside, as in a DenseNet."""
    depthwise: bool = False
    """True if the last convolution leaves channels apart, and so is half of a separable one."""
    gate: bool = False
    """True if the last thing done is to squeeze values into [0, 1]."""
    inputs: list[Block] = field(default_factory=list)
    readers: list[Block] = field(default_factory=list)

    @property
    def level(self) -> int:
        """Its row; upsampling stands in the row that it reads, below the skip connections that pass it."""
        return round(log2(self.inputs[0].scale if self.role == "up" else self.scale))

    @property
    def width(self) -> float:
        """In pixels: by the logarithm of the channels, except for bars and circles."""
        if self.role in CIRCLES:
            return 2 * RADIUS
        return BAR if self.role in BARS else 10 + 4 * log2(self.channels)

    def describe(self) -> str:
        """What it stands for, in words."""
        first, last = self.names[0], self.names[-1]
        layers = f"{first} … {last}: {len(self.names)} layers" if first != last else first
        return f"{layers}, {self.size[0]}x{self.size[1]}x{self.channels}"


@dataclass
class Arrow:
    """From one block to another in up to three straight pieces, of which the second runs along a row, or above it."""

    source: Block
    target: Block
    level: int
    """The row that the second piece belongs to."""
    above: bool = False
    """True if it runs above the row's blocks."""
    track: int | None = None
    """Which of several such pieces side by side it is; None if its blocks are neighbours."""
    leaves: int | None = None
    """The column before which the first piece goes up or down to the second."""
    enters: int | None = None
    """The same for the third piece."""


class Drawing:
    """The positions of all blocks and arrows, in pixels."""

    def __init__(self, blocks: list[Block]) -> None:
        self.blocks = blocks
        self.column = {block: i for i, block in enumerate(blocks)}
        self.arrows = [self._route(source, block) for block in blocks for source in block.inputs]
        self._assign_tracks()
        self._place_columns()
        self._place_rows()

    def _route(self, source: Block, target: Block) -> Arrow:
        """An arrow that crosses no other block: along the row of its source or target, else above the source's."""
        first, last = self.column[source], self.column[target]
        between = {block.level for block in self.blocks[first + 1 : last]}
        arrow = Arrow(source, target, source.level, track=None if last == first + 1 else 0)
        if source.level not in between:
            arrow.leaves = first + 1 if arrow.track == 0 and source.role in CIRCLES else None
            turns = source.level != target.level or (arrow.track == 0 and target.role in CIRCLES)
            arrow.enters = last if turns else None
        elif target.level not in between:
            arrow.level, arrow.leaves, arrow.enters = target.level, first + 1, last if target.role in CIRCLES else None
        else:
            arrow.above, arrow.leaves, arrow.enters = True, first + 1, last
        return arrow

    def _assign_tracks(self) -> None:
        """Puts pieces that share a stretch of a row side by side."""
        done: list[Arrow] = []
        for arrow in self.arrows:
            if arrow.track is not None:
                near = [other for other in done if (other.level, other.above) == (arrow.level, arrow.above)]
                taken = {other.track for other in near if self._overlap(arrow, other)}
                arrow.track = next(track for track in range(len(taken) + 1) if track not in taken)
                done.append(arrow)

    def _overlap(self, arrow: Arrow, other: Arrow) -> bool:
        """Whether two arrows pass a column side by side."""
        start = max(self.column[arrow.source], self.column[other.source])
        return start < min(self.column[arrow.target], self.column[other.target])

    def _place_columns(self) -> None:
        """Left edges of the blocks, and where each arrow goes up or down between them."""
        self.left: dict[Block, float] = {}
        self.turns: dict[tuple[int, str], float] = {}
        x = MARGIN
        for i, block in enumerate(self.blocks):
            turns = [(j, "leaves") for j, arrow in enumerate(self.arrows) if arrow.leaves == i]
            turns += [(j, "enters") for j, arrow in enumerate(self.arrows) if arrow.enters == i]
            self.turns.update({turn: x + GAP / 2 + TRACK * k for k, turn in enumerate(turns)})
            x += GAP + TRACK * max(0, len(turns) - 1) if i else 0
            column = max([block.width, *(6.7 * len(label) for label in self._labels(block))])
            self.left[block] = x + (column - block.width) / 2
            x += column
        self.width = x + MARGIN

    def _labels(self, block: Block) -> list[str]:
        """Channels, and the size relative to the image for the first block with a label on a visit to a row."""
        if block.role in BARS or block.role in CIRCLES:
            return []
        before = self.blocks[: self.column[block]]
        visit = takewhile(lambda other: other.level == block.level, reversed(before))
        if any(other.role not in BARS and other.role not in CIRCLES for other in visit):
            return [str(block.channels)]
        size = f"H/{block.scale:g}" if block.scale > 1 else "H"
        return [str(block.channels), "1x1" if block.size == (1, 1) else size]

    def _place_rows(self) -> None:
        """Upper edges and heights of the rows."""
        self.rows: dict[int, tuple[float, float]] = {}
        y = MARGIN
        for level in sorted({block.level for block in self.blocks}):
            lanes = [arrow.track or 0 for arrow in self.arrows if arrow.level == level and arrow.above]
            y += LANE * (max(lanes) + 2) if lanes else 0
            self.rows[level] = y, max(24, 150 * 0.72**level)
            y += self.rows[level][1] + LABELS
        self.bottom = y

    def _middle(self, level: int) -> float:
        """The middle of a row, where arrows between neighbours run."""
        top, height = self.rows[level]
        return top + height / 2

    def _draw_arrow(self, i: int, arrow: Arrow) -> str:
        """An arrow; those that pass other blocks and end in the row that they start from are skips."""
        y = self._middle(arrow.level)
        if arrow.track is not None:
            top, height = self.rows[arrow.level]
            y = top - LANE * (arrow.track + 1) if arrow.above else y + height * OFFSETS[arrow.track % len(OFFSETS)]
        start = y if arrow.leaves is None else self._middle(arrow.source.level)
        path = f"M{self.left[arrow.source] + arrow.source.width:.1f} {start:.1f}"
        if arrow.leaves is not None:
            path += f"H{self.turns[i, 'leaves']:.1f}V{y:.1f}"
        if arrow.enters is not None:
            path += f"H{self.turns[i, 'enters']:.1f}V{self._middle(arrow.target.level):.1f}"
        skip = arrow.track is not None and arrow.source.level == arrow.target.level
        kind = f"skip {arrow.target.role}" if skip else "flow"
        return f'<path class="{kind}" d="{path}H{self.left[arrow.target]:.1f}" marker-end="url(#head)"/>'

    def _draw_block(self, block: Block) -> str:
        """A block with its labels, and the text that is shown when a pointer is on it."""
        (top, height), left = self.rows[block.level], self.left[block]
        centre, middle, colour = left + block.width / 2, self._middle(block.level), LEGEND[block.role][0]
        if block.role in CIRCLES:
            shapes = [f'<circle cx="{centre:.1f}" cy="{middle:.1f}" r="{RADIUS}" fill="{colour}"/>']
        else:
            shapes = [box(left, top, block.width, height, colour)]
        if block.edge:
            shapes.append(box(left, top, BAR / 2, height, LEGEND[block.edge][0]))
        inside = CIRCLES.get(block.role, str(block.convolutions) if block.role == "conv" else "")
        shapes.append(text(centre + (BAR / 4 if block.edge else 0), middle + 4, inside, "inside"))
        for k, (label, kind) in enumerate(zip(self._labels(block), ("channels", "size"), strict=False)):
            shapes.append(text(centre, top + height + 13 * (k + 1), label, kind))
        return f'<g class="block {block.role}"><title>{escape(block.describe())}</title>{"".join(shapes)}</g>'

    def _draw_legend(self) -> list[str]:
        """The roles that occur, below all rows."""
        items, x, y = [], MARGIN, self.bottom + 8
        for role, (colour, name) in LEGEND.items():
            if any(block.role == role or block.edge == role for block in self.blocks):
                length = 30 + 5.9 * len(name)
                if x > MARGIN and x + length > self.width:
                    x, y = MARGIN, y + 20
                items += [box(x, y, 12, 12, colour), text(x + 17, y + 10, name, "legend")]
                x += length
        self.bottom = y + 12 + MARGIN
        return items

    def svg(self, title: str) -> str:
        """The picture as SVG."""
        legend = self._draw_legend()
        width, height = round(self.width), round(self.bottom)
        size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" class="network" role="img" {size}>'
        arrows = [self._draw_arrow(i, arrow) for i, arrow in enumerate(self.arrows)]
        blocks = [self._draw_block(block) for block in self.blocks]
        return "\n".join([head, f"<title>{escape(title)}</title>", STYLE, *arrows, *blocks, *legend, "</svg>", ""])


def box(x: float, y: float, width: float, height: float, colour: str) -> str:
    """A filled rectangle."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} rx="1.5" fill="{colour}"/>'


def text(x: float, y: float, content: str, kind: str) -> str:
    """A line of text; empty if the content is."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{content}</text>' if content else ""
