"""Writing TIFF files in tiles, as rows come, with pages that grow beside each other.

Tiles are compressed and written as soon as their rows are there, and the directories that tell where they are come at
the end. So memory is bounded by a row of tiles of each page, and when offsets are written it is known whether they need
64 bits, as in a BigTIFF.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from imagecodecs import deflate_encode

if TYPE_CHECKING:
    from numpy.typing import NDArray

TILE = 256
"""Height and width of a tile in pixels."""
LAST_OFFSET = 2**32 - 1
"""The largest offset of 32 bits."""
LEVEL = 1
"""Of the compression by Deflate: higher ones take many times as long, and save a tenth."""
HEADER = 16
"""Bytes kept for the header, of which offsets of 32 bits need half."""
DEFLATE = 8
BLACK_IS_ZERO, PALETTE = 1, 3
UNSIGNED, FLOAT = 1, 3


class Layout(NamedTuple):
    """How a header and directories are laid out."""

    magic: bytes
    """The beginning of the file, up to the offset of the first directory."""
    entries: str
    """The type of the number of entries of a directory, as `struct` calls it."""
    offset: str
    """The type of offsets and of the numbers of values."""
    kind: int
    """The number of that type in an entry."""


CLASSIC = Layout(struct.pack("<2sH", b"II", 42), "H", "I", 4)
BIG = Layout(struct.pack("<2sHHH", b"II", 43, 8, 0), "Q", "Q", 16)


class TiledTiff:
    """A TIFF that is being written. Use it as a context manager; it is complete when the block has ended well."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._file.write(bytes(HEADER))
        self._pages: list[TiledPage] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        with self._file:
            if kind is None:
                self._finish()

    def page(
        self, size: tuple[int, int], dtype: Any, colours: NDArray[np.uint8] | None = None, **texts: str
    ) -> TiledPage:
        """A new page of that height and width, whose numbers are unsigned or of floating point.

        With `colours` (N, 3) they are indices of a palette. The texts are a `name` and a `description`.
        """
        self._pages.append(TiledPage(self, size, np.dtype(dtype), colours, texts))
        return self._pages[-1]

    def append(self, content: bytes | bytearray) -> int:
        """Write content at the end of the file; returns the offset where it lies."""
        offset = self._file.tell()
        self._file.write(content)
        return offset

    def _finish(self) -> None:
        """Write the directories, and the header that leads to the first of them."""
        for number, page in enumerate(self._pages):
            if not page.complete:
                raise ValueError(f"page {number} of a TIFF lacks rows")
        self.append(bytes(self._file.tell() % 2))  # directories begin at even offsets
        start = self._file.tell()
        layout, directories = BIG, self._directories(BIG, start)
        if start + len(directories) <= LAST_OFFSET:
            layout, directories = CLASSIC, self._directories(CLASSIC, start)
        self._file.write(directories)
        self._file.seek(0)
        self._file.write(layout.magic + struct.pack(f"<{layout.offset}", start))

    def _directories(self, layout: Layout, start: int) -> bytes:
        """The directories of all pages, the first of which begins at an offset."""
        out = bytearray()
        for number, page in enumerate(self._pages):
            out += _directory(page.tags(layout), layout, start + len(out), number == len(self._pages) - 1)
        return bytes(out)


class TiledPage:
    """A page of a TIFF that is being written."""

    def __init__(
        self,
        tiff: TiledTiff,
        size: tuple[int, int],
        dtype: np.dtype[Any],
        colours: NDArray[np.uint8] | None,
        texts: dict[str, str],
    ) -> None:
        self._tiff, self._size, self._colours, self._texts = tiff, size, colours, texts
        self._tiles = np.zeros((TILE, -(-size[1] // TILE) * TILE), dtype.newbyteorder("<"))
        """The row of tiles that is being filled, with zeros where the image ends."""
        self._filled = self._done = 0
        self._offsets: list[int] = []
        self._lengths: list[int] = []

    @property
    def complete(self) -> bool:
        """Whether all rows have come."""
        return self._done == self._size[0]

    def add(self, rows: NDArray[Any]) -> None:
        """Take the next rows (h, W)."""
        while len(rows):
            part = rows[: TILE - self._filled]
            self._tiles[self._filled : self._filled + len(part), : self._size[1]] = part
            rows, self._filled, self._done = rows[len(part) :], self._filled + len(part), self._done + len(part)
            if self._filled == TILE or self.complete:
                self._write_tiles()

    def _write_tiles(self) -> None:
        self._tiles[self._filled :] = 0
        for left in range(0, self._tiles.shape[1], TILE):
            content = deflate_encode(self._tiles[:, left : left + TILE].tobytes(), LEVEL)
            self._offsets.append(self._tiff.append(content))
            self._lengths.append(len(content))
        self._filled = 0

    def tags(self, layout: Layout) -> list[tuple[int, int, bytes]]:
        """The entries of its directory: tag, type and values."""
        height, width = self._size
        dtype = self._tiles.dtype
        entries = {
            256: _longs(width),
            257: _longs(height),
            258: _shorts(8 * dtype.itemsize),
            259: _shorts(DEFLATE),
            262: _shorts(BLACK_IS_ZERO if self._colours is None else PALETTE),
            277: _shorts(1),
            322: _shorts(TILE),
            323: _shorts(TILE),
            324: (layout.kind, struct.pack(f"<{len(self._offsets)}{layout.offset}", *self._offsets)),
            325: _longs(*self._lengths),
            339: _shorts(FLOAT if dtype.kind == "f" else UNSIGNED),
        }
        for tag, name in {270: "description", 285: "name"}.items():
            if text := self._texts.get(name):
                entries[tag] = 2, text.encode() + b"\0"
        if self._colours is not None:
            table = np.zeros((2 ** (8 * dtype.itemsize), 3), np.uint16)
            table[: len(self._colours)] = self._colours * np.uint16(257)
            entries[320] = _shorts(*table.T.ravel().tolist())
        return [(tag, *entries[tag]) for tag in sorted(entries)]


def _shorts(*values: int) -> tuple[int, bytes]:
    return 3, struct.pack(f"<{len(values)}H", *values)


def _longs(*values: int) -> tuple[int, bytes]:
    return 4, struct.pack(f"<{len(values)}I", *values)


def _directory(tags: list[tuple[int, int, bytes]], layout: Layout, start: int, last: bool) -> bytes:
    """A directory that begins at an offset, with the values that do not fit into it behind it."""
    count, inline = struct.calcsize(layout.entries), struct.calcsize(layout.offset)
    entries, values = b"", b""
    behind = start + count + len(tags) * (4 + 2 * inline) + inline
    for tag, kind, content in tags:
        number = len(content) // {2: 1, 3: 2, 4: 4, 16: 8}[kind]
        place = content.ljust(inline, b"\0")
        if len(content) > inline:
            place = struct.pack(f"<{layout.offset}", behind + len(values))
            values += content + bytes(len(content) % 2)
        entries += struct.pack(f"<HH{layout.offset}", tag, kind, number) + place
    link = 0 if last else behind + len(values)
    return struct.pack(f"<{layout.entries}", len(tags)) + entries + struct.pack(f"<{layout.offset}", link) + values
