"""TIFF files byte by byte, with any tags: an oracle that shares no code with the reader."""

import struct

import numpy as np

SIZES = {"B": 1, "s": 1, "H": 2, "I": 4, "Q": 8}
TYPES = {"B": 1, "s": 2, "H": 3, "I": 4, "Q": 16}


def tags_of(array, photometric=None, planar=1, extra=(), **more):
    """The tags of a page (H, W) or (H, W, C), by their numbers: (type, values)."""
    height, width = array.shape[:2]
    channels = array.shape[2] if array.ndim == 3 else 1
    kind = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    if photometric is None:
        photometric = 2 if channels >= 3 else 1
    tags = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [8 * array.dtype.itemsize] * channels),
        259: ("H", [1]),
        262: ("H", [photometric]),
        277: ("H", [channels]),
        278: ("I", [height]),
        284: ("H", [planar]),
        339: ("H", [kind] * channels),
    }
    if extra:
        tags[338] = ("H", list(extra))
    return tags | {int(tag[1:]): value for tag, value in more.items()}


def page(array, order="<", **options):
    """The tags of a page and its strips."""
    tags = tags_of(array, **options)
    stored = array.astype(array.dtype.newbyteorder(order))
    if tags[284][1] == [2] and array.ndim == 3:
        return tags, [np.ascontiguousarray(stored[..., channel]).tobytes() for channel in range(array.shape[2])]
    return tags, [stored.tobytes()]


def written(pages, order="<", big=False):
    """The bytes of a file with these pages."""
    offset, count = ("Q", "Q") if big else ("I", "H")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    out = bytearray(head + (struct.pack(order + "HHQ", 8, 0, 0) if big else struct.pack(order + "I", 0)))
    link, inline = len(out) - struct.calcsize(offset), struct.calcsize(offset)
    for tags, strips in pages:
        starts = []
        for strip in strips:
            out += bytes(len(out) % 2)
            starts.append(len(out))
            out += strip
        tags = {**tags, 273: (offset, starts), 279: (offset, [len(strip) for strip in strips])}
        entries = b""
        for tag in sorted(tags):
            kind, values = tags[tag]
            raw = values if kind == "s" else struct.pack(f"{order}{len(values)}{kind}", *values)
            entries += struct.pack(f"{order}HH{offset}", tag, TYPES[kind], len(raw) // SIZES[kind])
            if len(raw) > inline:
                out += bytes(len(out) % 2)
                entries += struct.pack(order + offset, len(out))
                out += raw
            else:
                entries += raw.ljust(inline, b"\0")
        out += bytes(len(out) % 2)
        struct.pack_into(order + offset, out, link, len(out))
        out += struct.pack(order + count, len(tags)) + entries
        link = len(out)
        out += bytes(inline)
    return bytes(out)
