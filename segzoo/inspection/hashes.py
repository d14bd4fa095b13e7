"""Images that are the same, or look alike: by digests and perceptual hashes, a few bytes an image.

A perceptual hash is the difference hash (dHash): the image is averaged to 8 rows of 9 grey pixels, and each bit says
whether a pixel is brighter than its left neighbour. Scaling, compression and changes of brightness leave it as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

DISTANCE = 5
"""Hashes that differ in so many of their 64 bits, or fewer, are those of images that look alike."""
ROWS, COLUMNS = 8, 9
FLAT = 8 / 255
"""Contrast of the averaged image, of the largest that there can be, below which it is taken for empty."""
PARTS = 3
"""Parts of the hash that must agree before two are compared."""
FAR = np.uint64(2**63)
BITS = np.array([value.bit_count() for value in range(2**16)], np.uint8)


def digest(array: NDArray[Any], size: int = 16) -> bytes:
    """BLAKE2b of shape, type and values, in `size` bytes."""
    total = hashlib.blake2b(f"{array.shape}{array.dtype}".encode(), digest_size=size)
    total.update(np.ascontiguousarray(array).data)
    return total.digest()


def perceptual_hash(image: NDArray[Any]) -> int:
    """The difference hash of an image (H, W, C), 64 bits; 0 if it shows hardly anything, so that none is like it."""
    channels = [image] if image.dtype == np.uint8 and image.shape[2] == 3 else np.moveaxis(image, 2, 0)
    averaged = [np.asarray(_small(channel), np.float32).reshape(ROWS, COLUMNS, -1).mean(2) for channel in channels]
    grey = np.mean(averaged, axis=0)
    if np.ptp(grey) < FLAT * np.iinfo(image.dtype).max:
        return 0
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")


def _small(pixels: NDArray[Any]) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(pixels) if pixels.dtype == np.uint8 else pixels.astype(np.float32))
    return picture.resize((COLUMNS, ROWS), Image.Resampling.BOX)


def groups_of_equal(digests: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Groups of two and more rows of digests (N, 2) that are equal, as indices in ascending order."""
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    ordered = digests[order]
    starts = np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)])
    lengths = np.diff(np.r_[starts, len(order)])
    for start, length in zip(starts[lengths > 1].tolist(), lengths[lengths > 1].tolist(), strict=True):
        yield order[start : start + length]


def near_neighbours(hashes: NDArray[np.uint64], groups: NDArray[np.integer[Any]]) -> Iterator[tuple[int, int, int]]:
    """For each of N hashes the nearest of a higher group within DISTANCE: the two indices, and the distance.

    Hashes that are 0 are left out. Two hashes within the distance agree in at least PARTS of DISTANCE + PARTS equal
    parts. So for each choice of that many parts, only those are compared that agree in them: few, however many there
    are in all.
    """
    if not len(hashes):
        return
    pairs = np.stack([hashes, groups.astype(np.uint64)], axis=1)
    unique, firsts, members = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    nearest = np.full(len(unique), FAR)  # distance * 2^32 + row
    for mask in _masks():
        for first, second in _agreeing(unique[:, 0] & mask):
            _record(nearest, unique, first, second)
    best = nearest[members.ravel()]
    for index in np.flatnonzero(best < FAR).tolist():
        distance, row = divmod(int(best[index]), 2**32)
        yield index, int(firsts[row]), distance


def _masks() -> Iterator[np.uint64]:
    """The bits that each choice of PARTS parts of a hash takes."""
    edges = np.linspace(0, 64, DISTANCE + PARTS + 1).round().astype(int).tolist()
    parts = [sum(1 << bit for bit in range(low, high)) for low, high in pairwise(edges)]
    for chosen in combinations(parts, PARTS):
        yield np.uint64(sum(chosen))


def _agreeing(keys: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """All pairs of indices of equal keys, many at a time."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    places, step = np.arange(len(keys)), 1
    while len(places := places[places < len(keys) - step]):
        places = places[ordered[places] == ordered[places + step]]
        yield order[places], order[places + step]
        step += 1


def _record(
    nearest: NDArray[np.uint64], unique: NDArray[np.uint64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> None:
    """Record the hash of the higher group as the neighbour of the other, if it is the nearest so far."""
    differences = (unique[first, 0] ^ unique[second, 0]).view(np.uint16).reshape(-1, 4)
    distances = BITS[differences].sum(axis=1, dtype=np.uint64)
    present = (unique[first, 0] > 0) & (unique[second, 0] > 0)
    close = (distances <= DISTANCE) & (unique[first, 1] != unique[second, 1]) & present
    first, second, distances = first[close], second[close], distances[close]
    swap = unique[first, 1] > unique[second, 1]
    lower, higher = np.where(swap, second, first), np.where(swap, first, second)
    np.minimum.at(nearest, lower, distances * np.uint64(2**32) + higher.astype(np.uint64))
