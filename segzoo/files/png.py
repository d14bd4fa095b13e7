"""Writing PNG files as rows come, so that large ones take little memory."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB, PALETTE = 2, 3
"""Kinds of colour."""


class PngWriter:
    """A PNG of 8 bits that is being written. Use it as a context manager; it is complete when all rows have come."""

    def __init__(self, path: Path, size: tuple[int, int], colours: NDArray[np.uint8] | None = None) -> None:
        """Begin a file of that height and width, whose rows are RGB, or indices of `colours` (N, 3)."""
        self._file, self._left = path.open("wb"), size[0]
        # Labels are runs of equal values, for which that strategy is quicker and makes smaller files; of photos higher
        # levels take much longer, and save little.
        self._compressor = zlib.compressobj(1) if colours is None else zlib.compressobj(strategy=zlib.Z_RLE)
        self._file.write(SIGNATURE)
        kind = RGB if colours is None else PALETTE
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", size[1], size[0], 8, kind, 0, 0, 0))
        if colours is not None:
            self._chunk(b"PLTE", colours.tobytes())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._file.close()
        if kind is None and self._left:
            raise ValueError("a PNG lacks rows")

    def add(self, rows: NDArray[np.uint8]) -> None:
        """Take the next rows: (h, W, 3) of RGB, or (h, W) of indices."""
        lines = np.zeros((len(rows), 1 + rows[0].size), np.uint8)  # each begins with the number of its filter, none
        lines[:, 1:] = rows.reshape(len(rows), -1)
        self._left -= len(rows)
        content = self._compressor.compress(lines.tobytes())
        if not self._left:
            content += self._compressor.flush()
        if content:
            self._chunk(b"IDAT", content)
        if not self._left:
            self._chunk(b"IEND", b"")

    def _chunk(self, name: bytes, content: bytes) -> None:
        self._file.write(struct.pack(">I", len(content)) + name + content)
        self._file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(name))))
