"""What is in files that are no images to be read, told by their names, and what to do with them."""

from __future__ import annotations

import re

from segzoo.data.images import FORMATS

READABLE, UNREADABLE, UNKNOWN, PLAIN = range(4)
"""Images that are read; images that are not; files that may be images; files that are certainly none."""
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
"""Of images that are read."""

PICTURE = "save it as PNG or TIFF"
SLICES = "save its slices as PNG, or as the pages of a TIFF"
ARRAYS = "save the array as .npy, (height, width, channels)"
FRAMES = "save its frames as PNG"
TILES = "cut it into tiles, saved as PNG or TIFF"
KINDS = {
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
"""What they are, the way out, and the suffixes in lower case."""
SPOKEN = {suffix: (name, way) for name, (way, suffixes) in KINDS.items() for suffix in suffixes.split()}
PACKED = ("gz", "bz2", "xz", "zst")
TEXT = re.compile(
    "bak|bib|cfg|conf|csv|db|docx?|geojson|html?|ini|ipynb|jsonl?|lnk|lock|log|md5?|msg|od[st]|part|pptx?|prj|py|rst|rtf|"
    "sh|sha256|sqlite|sum|swp|tex|tmp|toml|tsv|txt|url|wld|xlsx?|xml|xmp|ya?ml"
)
NOTE = re.compile(
    "authors|change(log|s)|(md5|sha1|sha256|check)sums?|citation|copying|copyright|licen[cs]e|makefile|manifest|notice|"
    "readme|version"
)
"""Suffixes, and names without one, of files that lie beside images and are none."""


def told(path: str) -> tuple[str, int]:
    """A path without its suffix, and which of the four its name says that the file is."""
    stem, dot, suffix = path.rpartition(".")
    if dot and f".{suffix.lower()}" in SUFFIXES:
        return stem, READABLE
    folder, slash, name = path.rpartition("/")
    stem, suffix, packed = _parts(name)
    if suffix in SPOKEN or packed:
        return f"{folder}{slash}{stem}", UNREADABLE
    plain = TEXT.fullmatch(suffix) if suffix else NOTE.fullmatch(stem.lower())
    return f"{folder}{slash}{stem}", PLAIN if plain else UNKNOWN


def reason(path: str) -> str:
    """Why an image is not read, and what to do."""
    _, suffix, packed = _parts(path.rpartition("/")[2])
    if suffix in SPOKEN:
        name, way = SPOKEN[suffix]
        return f"is {name}, which is not read: {way}"
    if packed:
        return "is packed: unpack it"
    if suffix:
        return f"has the suffix .{suffix}, which is not known: {PICTURE}"
    return "has no suffix: give it that of what it is, such as .png"


def _parts(name: str) -> tuple[str, str, bool]:
    """A name of a file without suffix, the suffix in lower case, and whether it is packed; a number is no suffix."""
    stem, dot, suffix = name.rpartition(".")
    if not dot or not stem or suffix.isdigit():
        return name, "", False
    suffix = suffix.lower()
    if suffix in PACKED:
        inner, _, own = stem.rpartition(".")
        if inner and (own.lower() in SPOKEN or f".{own.lower()}" in SUFFIXES):
            return inner, own.lower(), True
    return stem, suffix, False
