"""Your own images: a folder with images and their masks as a dataset, without a line of Python."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite, isnan
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from segzoo.data.splits import Folds, Rule, Shares, require_one_way
from segzoo.errors import ConfigError, DataError
from segzoo.plugin import IGNORE, Dataset, File, Folder, Info, Split

if TYPE_CHECKING:
    from segzoo_folder.collection import Collection, Samples

SHARE = 0.15
"""The share of the images for validation, and that for the test scores, by default."""
IGNORED = "ignore"
"""The name in the option colors of the colour of ignored pixels."""
OBJECTS = {"foreground": ("background", "foreground"), "border": ("background", "foreground", "border")}
"""The classes that each choice of the option instances makes of objects."""


def _parse_color(value: Any) -> Any:
    """`#rrggbb` as three numbers; any other value unchanged."""
    if isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value):
        return tuple(bytes.fromhex(value[1:]))
    return value


def _check_range(value: Any) -> Any:
    """The option range, if it is a word or two finite numbers of which the second is larger."""
    words = isinstance(value, str) and value in ("type", "data")
    numbers = isinstance(value, list | tuple) and all(
        type(number) in (int, float) and isfinite(number) for number in value
    )
    if not words and not (numbers and len(value) == 2 and value[0] < value[1]):
        raise ValueError("it must be type, data, or [low, high]: two numbers of which the second is larger")
    return value


def _check_ignored(value: Any) -> Any:
    """A value to ignore: a whole number, or the word `nan`, since JSON has no such number."""
    if value == "nan" or (isinstance(value, float) and isnan(value)):
        return "nan"
    if type(value) is not int:
        raise ValueError("it must be a whole number, or nan")
    return value


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"it is no regular expression: {error}") from error
    return pattern


def _check_region_folder(folder: str) -> str:
    path = PurePosixPath(folder.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or str(path) in (".", "images", "masks"):
        raise ValueError("it is no folder beside images and masks; give its name, such as regions")
    return str(path)


Level = Annotated[int, Field(ge=0, le=255)]
Color = Annotated[tuple[Level, Level, Level], BeforeValidator(_parse_color)]
Value = Annotated[int, Field(ge=0, le=2**16 - 1)]
Ignored = Annotated[int | Literal["nan"], BeforeValidator(_check_ignored)]


class ImageFolder(Dataset):
    """Your own images and masks, in a folder of yours.

    Files are matched by name: `images/NAME.*` and `masks/NAME.*`, or the same below `train`, `val` and `test`; or a
    table says which belong together. An image may have several masks, one for each object: `masks/NAME/*`, or
    `NAME/images/*` and `NAME/masks/*`, or `masks/NAME_mask.*`, `masks/NAME_mask_1.*` and so on. Classes, channels and
    sizes are found in the files, looked at once, and options decide what they leave open.
    """

    root: Folder | None = Field(
        None,
        description="A folder with `images` and `masks`, or with `train`, `val` and `test` that have them, or with the "
        "files of a `listing`.",
    )
    listing: str | None = Field(
        None,
        description="A table, CSV or TOML, with the columns `image` and `mask`, and `split`, `group` and `region` if "
        "you like; its paths are relative to `root`, and so is its own.",
    )
    allow_missing: bool = Field(
        False, description="Take the images that can be read and have a mask, instead of asking for all."
    )
    classes: tuple[str, ...] | None = Field(None, description="Names of the classes; unset, they are found.")
    values: tuple[Value, ...] | None = Field(
        None, description="What the masks hold for each class, in order; 255 is left out unless it is among them."
    )
    colors: dict[str, Color] | None = Field(
        None,
        description='Of masks in colour, the colour of each class as "#rrggbb" or [r, g, b]; that of `ignore` is left '
        "out.",
    )
    ignore: tuple[Ignored, ...] = Field(
        (),
        description="Values of masks that are left out beside 255: whole numbers, also below 0, and nan for what is "
        "not a number. With `colors`, name a colour `ignore` instead.",
    )
    nearest: bool = Field(
        False,
        description="Take what is not among `values` or `colors` for the nearest of them, as in masks saved as JPEG or "
        "resized with smooth edges.",
    )
    instances: Literal["foreground", "border"] | None = Field(
        None,
        description="Of masks that number objects, or draw one each: `foreground` makes all objects one class, and "
        "`border` makes pixels from which two objects are at most 2 pixels away another one. Unset, images with "
        "several masks are read as with `foreground`.",
    )
    regions: Annotated[str, AfterValidator(_check_region_folder)] | None = Field(
        None,
        description="A folder of regions of interest beside `images` and `masks`, with files of the same names: pixels "
        "that are 0 in them are left out. A `listing` has a column `region` instead.",
    )
    stack: Literal["samples", "channels"] | None = Field(
        None,
        description="What the pages of an image in TIFF are: a sample each, or channels of one image; unset, its axes "
        "tell, and plain pages are samples.",
    )
    channels: int | None = Field(None, ge=1, description="Channels that the images are read with; unset, as found.")
    range: Annotated[Literal["type", "data"] | tuple[float, float], BeforeValidator(_check_range)] = Field(
        "data",
        description="Which values of the files the smallest and the largest pixel value stand for, the others being "
        "clipped: those of the type; the least and the largest of the training images (data), if they have more than 8 "
        "bits; or given ones, [low, high], with which the files may hold any numbers.",
    )
    val: float | None = Field(
        None, gt=0, lt=1, description="Share for validation where no split is given; unset, 0.15 without `folds`."
    )
    test: float | None = Field(
        None, ge=0, lt=1, description="Share for the scores where no split is given; unset, 0.15 without `folds`."
    )
    folds: int | None = Field(None, ge=3, description="Number of parts for cross-validation, instead of shares.")
    fold: int = Field(0, ge=0, description="Which part the scores are of, from 0; the next one is for validation.")
    split_seed: int = Field(0, ge=0, description="The seed of the random split: another seed makes another split.")
    groups: Annotated[str, AfterValidator(_check_pattern)] | None = Field(
        None,
        description="A regular expression: images of which it finds the same in the id stay together in a split. What "
        "counts is its first group in brackets, if it has one.",
    )
    blocks: bool = Field(
        False,
        description="Split each file of several pages in blocks of consecutive ones: the first for the scores, the "
        "next for validation, the rest for training. Else they stay together.",
    )
    splits: File | None = Field(
        None,
        description="A table with the columns `id` and `split`, such as the `splits.csv` of a run, instead of shares "
        "or `folds`; images that it does not name are trained on.",
    )

    @model_validator(mode="after")
    def _split_options_agree(self) -> Self:
        require_one_way(self.folds, self.fold, {"val": self.val, "test": self.test}, "part")
        if self.blocks and self.groups is not None:
            raise ValueError("blocks takes apart what groups keeps together: use one of the two")
        if self.listing is not None and self.regions is not None:
            raise ValueError("regions is for folders: with a listing, give each image its own in the column region")
        if (self.val or SHARE) + (SHARE if self.test is None else self.test) >= 1:
            raise ValueError("val and test leave no share to train on")
        return self

    @model_validator(mode="after")
    def _class_options_agree(self) -> Self:
        if self.colors is not None and (self.classes is not None or self.values is not None):
            raise ValueError("colors names the classes already: leave out classes and values")
        names = self.classes if self.colors is None else [name for name in self.colors if name != IGNORED]
        for option, entries in {"classes": names, "values": self.values}.items():
            if entries is not None and not 2 <= len(entries) <= IGNORE:
                raise ValueError(f"{option if self.colors is None else 'colors'}: 2 to {IGNORE} classes are needed")
            if entries is not None and len(set(entries)) < len(entries):
                raise ValueError(f"{option} has an entry twice")
        if self.classes is not None and self.values is not None and len(self.classes) != len(self.values):
            raise ValueError(f"classes has {len(self.classes)} entries, but values {len(self.values)}")
        if self.colors is not None and len(set(self.colors.values())) < len(self.colors):
            raise ValueError("colors has a colour twice")
        if both := set(self.values or ()) & set(self.ignore):
            raise ValueError(f"values and ignore both have {both.pop()}: it is a class, or left out")
        if self.ignore and self.colors is not None:
            raise ValueError("ignore is for values: of masks in colour, name what is left out `ignore` in colors")
        if self.nearest and self.values is None and self.colors is None:
            raise ValueError("nearest needs values or colors, which say what it is that is near")
        return self

    @model_validator(mode="after")
    def _object_options_agree(self) -> Self:
        if self.instances is not None and (objection := self.objection(self.instances)):
            raise ValueError(f"instances takes all values but 0 for objects, but {objection}")
        return self

    def objection(self, instances: str) -> str:
        """Why other options do not go with masks of objects; empty if they do."""
        if self.values is not None or self.colors is not None:
            return f"{'colors' if self.values is None else 'values'} takes them for classes: leave it out"
        if self.classes is not None and len(self.classes) != len(names := OBJECTS[instances]):
            return (
                f"classes has {len(self.classes)} entries, where '{instances}' makes {len(names)}: {', '.join(names)}"
            )
        return ""

    def describe(self, cache: Path) -> Info:
        """See `Dataset.describe`. Looks at files that are new or have changed."""
        return self._collection(cache, refresh=True).info

    def open(self, cache: Path, split: Split) -> Samples:
        """See `Dataset.open`. Files that have changed since `describe` are taken for what they were."""
        return self._collection(cache).samples(split)

    def files(self, cache: Path, split: Split) -> Sequence[tuple[Path, ...]]:
        """See `Dataset.files`."""
        return self.open(cache, split).files

    def missing(self, cache: Path) -> Sequence[str]:
        """See `Dataset.missing`. With `allow_missing`, what has no partner or cannot be read is not missed."""
        from segzoo_folder.scan import scan

        try:
            result = scan(self.folder(), self.listing, self.regions)
        except DataError:  # which is for `open` to tell
            return ()
        incomplete = () if self.allow_missing else (*result.unsupported, *result.missing)
        return [*result.duplicates, *result.missing_regions, *incomplete]

    def warnings(self, cache: Path) -> Sequence[str]:
        """See `Dataset.warnings`. Of files that have changed since `describe`, what they were."""
        from segzoo_folder.warnings import find_warnings

        return tuple(find_warnings(self._collection(cache)))

    def notes(self, cache: Path) -> Sequence[str]:
        """See `Dataset.notes`: why images may change their splits."""
        return self._collection(cache).assignment.notes

    def stamp(self, cache: Path, split: Split) -> str:
        """See `Dataset.stamp`. The files of other splits may change what a mask means."""
        return f"{super().stamp(cache, split)} {self.open(cache, split).reading}"

    def folder(self) -> Path:
        """The root.

        Raises:
            ConfigError: if there is none.
        """
        if self.root is None:
            raise ConfigError(
                "dataset 'folder' reads a folder of yours: name it with `--set dataset.root=DIR`; it holds "
                "images/NAME.png and masks/NAME.png, for instance"
            )
        return self.root

    def rule(self) -> Rule:
        """The rule of the random split, for images without a given split."""
        if self.folds is not None:
            return Folds(self.folds, self.fold)
        return Shares(self.val or SHARE, SHARE if self.test is None else self.test)

    def _collection(self, cache: Path, refresh: bool = False) -> Collection:
        from segzoo_folder.collection import collection

        return collection(self, cache, refresh)
