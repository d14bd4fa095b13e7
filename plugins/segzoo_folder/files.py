"""The files below a folder that may be images, by their suffixes; none is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unicodedata import normalize

import numpy as np

from segzoo.data.image_files import FORMATS
from segzoo.errors import DataError
from segzoo_folder.pairs import columns, decode, encode

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABSENT = 0
"""The stamp of a file that does not exist."""
FOLDER = b""
"""The name of a row that is a folder."""

READABLE, UNSUPPORTED, UNKNOWN, NO_IMAGE = range(4)
"""Formats that are read; image formats that are not; suffixes that are not known; files that are no images."""
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
"""Of the formats that are read."""

PICTURE = "save it as PNG or TIFF"
SLICES = "save its slices as PNG, or as the pages of a TIFF"
ARRAYS = "save the array as .npy, (height, width, channels)"
FRAMES = "save its frames as PNG"
TILES = "cut it into tiles, saved as PNG or TIFF"
UNSUPPORTED_FORMATS = {
    "HEIC": (PICTURE, "heic heif hif"),
    "JPEG XL": (PICTURE, "jxl"),
    "JPEG XR": (PICTURE, "jxr wdp hdp"),
    "OpenEXR": (PICTURE, "exr"),
    "FITS": (PICTURE, "fit fits fts"),
    "Photoshop": (PICTURE, "psd psb"),
    "a drawing of an image editor": (PICTURE, "xcf kra ora clip afphoto procreate"),
    "a vector drawing": (PICTURE, "svg svgz ai eps cdr"),
    "PDF": (PICTURE, "pdf djvu"),
    "DDS": (PICTURE, "dds"),
    "an icon": (PICTURE, "ico icns cur"),
    "camera raw": (
        PICTURE,
        "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf rw2 rwl sr2 srw x3f",
    ),
    "a map": (PICTURE, "ecw sid mrsid"),
    "NIfTI": (SLICES, "nii nia"),
    "Analyze": (SLICES, "img hdr"),
    "DICOM": (SLICES, "dcm dicom dic ima"),
    "MetaImage": (SLICES, "mha mhd"),
    "NRRD": (SLICES, "nrrd nhdr"),
    "MGH": (SLICES, "mgh mgz"),
    "MINC": (SLICES, "mnc"),
    "a volume": (SLICES, "mrc rec vtk vti"),
    "a microscope's own format": (SLICES, "czi lif nd2 oib oif oir vsi ims dv zvi ics ids lsm stk"),
    "a slide": (TILES, "svs ndpi scn mrxs bif isyntax"),
    "HDF5": (ARRAYS, "h5 hdf5 hdf he5"),
    "NetCDF": (ARRAYS, "nc nc4"),
    "MATLAB": (ARRAYS, "mat"),
    "an archive of arrays": (ARRAYS, "npz"),
    "a video": (FRAMES, "mp4 m4v avi mov mkv webm mpg mpeg wmv flv mts m2ts"),
}
"""For each name of a format how to convert it, and its suffixes in lower case."""
BY_SUFFIX = {
    suffix: (name, way) for name, (way, suffixes) in UNSUPPORTED_FORMATS.items() for suffix in suffixes.split()
}
PACKED = ("gz", "bz2", "xz", "zst")
TEXT = re.compile(
    "bak|bib|cfg|conf|csv|db|docx?|geojson|html?|ini|ipynb|jsonl?|lnk|lock|log|md5?|msg|od[st]|part|pptx?|prj|py|rst|rtf|"
    "sh|sha256|sqlite|sum|swp|tex|tmp|toml|tsv|txt|url|wld|xlsx?|xml|xmp|ya?ml"
)
NOTE = re.compile(
    "authors|change(log|s)|(md5|sha1|sha256|check)sums?|citation|copying|copyright|licen[cs]e|makefile|manifest|notice|"
    "readme|version"
)
"""Suffixes, and names without a suffix, of files beside images that are no images."""
SYSTEM_FOLDERS = frozenset(["@eaDir", "#recycle", "@Recycle", "__MACOSX", "$RECYCLE.BIN", "System Volume Information"])
"""Folders of storage devices, archives and systems, which may hold thumbnails of the images."""


class Stamps(NamedTuple):
    """Folders or tables with their stamps."""

    paths: NDArray[np.bytes_]
    """Relative to the root, or absolute."""
    stamps: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: Sequence[Stamps]) -> Stamps:
        """The stamps of several parts."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def unchanged(self, root: Path) -> bool:
        """Whether the stamps are still the same."""
        return all(stamp_of(root / decode(path)) == stamp for path, stamp in zip(*self, strict=True))


class Unsupported(NamedTuple):
    """Files of unsupported or unknown formats, sorted by their names without folder and suffix."""

    names: NDArray[np.bytes_]
    """All different, also from those of the files that can be read."""
    paths: NDArray[np.bytes_]
    """Relative to the root."""
    kinds: NDArray[np.uint8]
    """UNSUPPORTED or UNKNOWN."""


class Files(NamedTuple):
    """The images below a folder, sorted by their names without folder and suffix."""

    names: NDArray[np.bytes_]
    """All different."""
    paths: NDArray[np.bytes_]
    """Relative to the root."""
    stamps: NDArray[np.int64]
    duplicates: tuple[str, ...]
    """Files that have the same name without suffix, a line for each two."""
    unsupported: Unsupported
    """Those that may be images and cannot be read."""
    folders: Stamps
    """All that were scanned."""

    @classmethod
    def below(cls, root: Path, folder: str) -> Files:
        """The files below a folder, whose path is relative to the root."""
        names, paths, stamps, kinds = columns(_rows(root, folder), (np.bytes_, np.bytes_, np.int64, np.uint8))
        folders = Stamps(*(column[names == FOLDER] for column in (paths, stamps)))
        order = np.lexsort((paths, kinds, names))[len(folders.paths) :]  # their name is the first
        names, paths, stamps, kinds = names[order], paths[order], stamps[order], kinds[order]
        repeated = np.flatnonzero(names[1:] == names[:-1]) + 1
        read = kinds == READABLE
        duplicates = tuple(
            f"{root / decode(paths[row - 1])} and {root / decode(paths[row])} are both {decode(names[row])}"
            for row in repeated[read[repeated]]
        )
        first = np.ones(len(names), bool)
        first[repeated] = False  # a raw image beside a JPEG of it is not missed
        unsupported = Unsupported(*(column[first & ~read] for column in (names, paths, kinds)))
        first &= read
        return cls(names[first], paths[first], stamps[first], duplicates, unsupported, folders)

    def take(self, rows: NDArray[np.integer[Any]]) -> Files:
        """The files of these rows, in this order."""
        return self._replace(names=self.names[rows], paths=self.paths[rows], stamps=self.stamps[rows])

    def names_and_paths(self) -> Iterator[tuple[str, str]]:
        """The name and the path of each."""
        for name, path in zip(self.names, self.paths, strict=True):
            yield decode(name), decode(path)


def _rows(root: Path, folder: str) -> Iterator[tuple[bytes, bytes, int, int]]:
    """Name, path, stamp and kind of the folders, which have none, and of the files that may be images.

    Below `*/images`, names begin with that of the folder in place of the star.
    """
    above, star, kind = folder.partition("*")
    if not star:
        yield from _below(root, folder)
        return
    yield FOLDER, encode(above), stamp_of(root / above), READABLE
    for sample in folders(root / above):
        yield from _below(root, f"{above}{sample}{kind}", f"{sample}/")


def _below(root: Path, folder: str, start: str = "") -> Iterator[tuple[bytes, bytes, int, int]]:
    """Rows of a folder and all below it; `start` precedes the names of files."""
    for path, stamp in _walk(root, folder):
        if path[-1] == "/":
            yield FOLDER, encode(path), stamp, READABLE
            continue
        stem, kind = stem_and_kind(path)
        if kind != NO_IMAGE:
            yield encode(_normalized(f"{start}{stem[len(folder) + 1 :]}", root, path)), encode(path), stamp, kind


def _normalized(name: str, root: Path, path: str) -> str:
    """A name in the normal form NFC, since macOS decomposes accented letters; a DataError if it is not UTF-8."""
    if name.isascii():
        return name
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(root / path).decode("utf-8", "backslashreplace")
        raise DataError(f"the name of {shown} is not in UTF-8; rename it, as the program convmv does") from error
    return normalize("NFC", name)


def _walk(root: Path, folder: str) -> Iterator[tuple[str, int]]:
    """Path and stamp of a folder and all below it, except for what is `hidden`; the paths of folders end in a slash.

    Links are followed, cycles of links only once.
    """
    try:
        waiting, seen = [(folder, (root / folder).stat())], set()
    except FileNotFoundError:
        yield f"{folder}/", ABSENT  # a split may have images only; each of them lacks its mask
        return
    while waiting:
        prefix, facts = waiting.pop()
        yield f"{prefix}/", _stamp(facts)
        if (facts.st_dev, facts.st_ino) in seen:
            continue
        seen.add((facts.st_dev, facts.st_ino))
        with os.scandir(f"{root}/{prefix}") as entries:
            for entry in entries:
                name = entry.name
                if hidden(name):
                    continue
                if is_folder(entry):
                    waiting.append((f"{prefix}/{name}", entry.stat()))
                else:
                    yield f"{prefix}/{name}", stamp_of(entry)


def stamp_of(file: os.DirEntry[str] | Path) -> int:
    """A hash of the size of a file and the times when its contents and its inode changed.

    ABSENT for a link that leads nowhere.
    """
    try:
        return _stamp(file.stat())
    except OSError:
        return ABSENT


def _stamp(facts: os.stat_result) -> int:
    # Of whole numbers Python's hash is the same in every process.
    return hash((facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns))


def stem_and_kind(path: str) -> tuple[str, int]:
    """A path without its suffix, and its kind: READABLE, UNSUPPORTED, UNKNOWN or NO_IMAGE."""
    stem, dot, suffix = path.rpartition(".")
    if dot and f".{suffix.lower()}" in SUFFIXES:
        return stem, READABLE
    folder, slash, name = path.rpartition("/")
    stem, suffix, packed = _split_suffix(name)
    if suffix in BY_SUFFIX or packed:
        return f"{folder}{slash}{stem}", UNSUPPORTED
    plain = TEXT.fullmatch(suffix) if suffix else NOTE.fullmatch(stem.lower())
    return f"{folder}{slash}{stem}", NO_IMAGE if plain else UNKNOWN


def why_unsupported(path: str) -> str:
    """Why an image cannot be read, and how to convert it."""
    _, suffix, packed = _split_suffix(path.rpartition("/")[2])
    if suffix in BY_SUFFIX:
        name, way = BY_SUFFIX[suffix]
        return f"is {name}, which is not read: {way}"
    if packed:
        return "is packed: unpack it"
    if suffix:
        return f"has the suffix .{suffix}, which is not known: {PICTURE}"
    return "has no suffix: give it that of what it is, such as .png"


def _split_suffix(name: str) -> tuple[str, str, bool]:
    """The name of a file without suffix, the suffix in lower case, and whether the file is compressed."""
    stem, dot, suffix = name.rpartition(".")
    if not dot or not stem or suffix.isdigit():
        return name, "", False
    suffix = suffix.lower()
    if suffix in PACKED:
        inner, _, inner_suffix = stem.rpartition(".")
        if inner and (inner_suffix.lower() in BY_SUFFIX or f".{inner_suffix.lower()}" in SUFFIXES):
            return inner, inner_suffix.lower(), True
    return stem, suffix, False


def hidden(name: str) -> bool:
    """Whether a name is that of a hidden file or of a folder of the system, such as the ._NAME.png of macOS."""
    return name[0] == "." or name in SYSTEM_FOLDERS


def is_image(path: Path) -> bool:
    """Whether a file has the suffix of an image that can be read."""
    return not hidden(path.name) and stem_and_kind(path.name)[1] == READABLE


def folders(folder: Path) -> list[str]:
    """The names of the folders in a folder, except for what is `hidden`."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not hidden(entry.name) and is_folder(entry))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to a folder."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that must not be read
        return False
