"""What to say where masks leave open which classes there are: first what helps most likely."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set

from segzoo.errors import DataError
from segzoo.plugin import IGNORE
from segzoo_folder import IGNORED, ImageFolder
from segzoo_folder.index import Held
from segzoo_folder.reading import MaskFacts, hexadecimal, ignoring

Masks = Sequence[Held[MaskFacts]]

FOUND = 64
"""Classes that are believed to be such without a name; more may be shades of grey."""
FEW = 10
"""Values that are likelier classes; more without gaps are likelier numbers of objects."""
NEAR = 16
"""What values at smooth edges, or in a JPEG, may differ by from 0 or 255 if they are few."""
RARE = 3
"""Values that are likely to be left out, if they stand apart from the others."""
NAMED = 8
"""Values or colours that a message names."""
TO_NEAREST = "`--set 'dataset.values=[0, 255]' --set dataset.nearest=true`"
"""What brings back two classes of which the values were blurred."""
TO_OBJECTS = "`--set dataset.instances=foreground`, or `border` to keep objects apart that touch"
"""What makes classes of masks that number objects."""
ONE_HOT = {0, 0x000001, 0x000100, 0x010000}
"""The colours of masks with a channel for each of three classes."""


def number_objects(values: Set[int]) -> bool:
    """Whether values are likelier the numbers of objects than classes: more than FEW, without a gap."""
    numbers = values - {0}
    return len(numbers) > FEW and numbers - {IGNORE} == set(range(1, len(numbers - {IGNORE}) + 1))


def unclear(options: ImageFolder, masks: Masks) -> DataError:
    """What to say of grey masks whose values may mean several things, or nothing."""
    where = places(masks)
    texts = [f"{value} (in {files(where[value])})" for value in sorted(where)[:NAMED]]
    held = f"hold {', '.join(texts)}{' and more' if where.keys() - sorted(where)[:NAMED] else ''}"
    if len(where) < 2:
        return DataError(
            f"the masks below {options.folder()} {held}: there is nothing to tell apart. If classes are rare, name "
            """them: `--set 'dataset.classes=["background", "foreground"]'`"""
        )
    many = f"more than {FOUND} values. " if len(where) > FOUND else "which classes these are is not clear. "
    photos = ". If they are photos, these are no masks" if len(where) > FOUND else ""
    hints = "; or, ".join(_hints(where.keys(), options.ignore))
    return DataError(f"the masks below {options.folder()} {held}: {many}{hints[0].upper()}{hints[1:]}{photos}")


def _hints(values: Set[int], ignored: Collection[int | str]) -> Iterator[str]:
    """What these values may be, and what to add then; the likeliest first."""
    ends, inner = {0, IGNORE} <= values, [value for value in sorted(values) if 0 < value < IGNORE]
    to_nearest = f"if the edges of 0 and 255 are smooth, as after resizing or in a JPEG, add {TO_NEAREST}"
    smooth = ends and not number_objects(values) and (len(inner) > NAMED or all(_is_near(value) for value in inner))
    if smooth:
        yield to_nearest
    if len(values) > FOUND:
        yield f"if they number objects, add {TO_OBJECTS}"
        if ends and not smooth:
            yield to_nearest
        yield "if all are labels, name the classes with the option classes"
        return
    if smooth and len(inner) > NAMED:
        yield f"if they number objects, add {TO_OBJECTS}"
        yield "if all are classes, list the values with the option values"
        return
    yield from _if_classes(values, ignored)
    if ends and not smooth:
        yield to_nearest
    if len(values) > FEW:
        yield f"if they number objects, add {TO_OBJECTS}"


def _if_classes(values: Set[int], ignored: Collection[int | str]) -> Iterator[str]:
    """What to add if at least some of these values, which are not many, are classes."""
    binary = {0, IGNORE} <= values and 1 not in values
    written = sorted(values if binary else values - {IGNORE})
    beside = f" ({IGNORE} is left out unless it is there)" if IGNORE in values else ""
    yield f"say what each class is written as, in order: `--set 'dataset.values={written}'`{beside}"
    clear = {0, IGNORE} if binary else {value for value in values if set(range(value)) <= values}
    apart = sorted(values - clear - {IGNORE})
    if len(clear) > 1 and len(apart) <= RARE:
        out = " and ".join(map(str, apart))
        yield f"to leave {out} out of training and score, add {ignoring([*ignored, *apart])}"
    if max(values - {IGNORE}) < FOUND:
        yield "if some labels from 0 on do not occur, name all classes: `--set 'dataset.classes=[...]'`"


def _is_near(value: int) -> bool:
    return min(value, IGNORE - value) <= NEAR


def colored(options: ImageFolder, masks: Masks) -> DataError:
    """What to say of masks in colour for which there is no table."""
    own = [one for one in masks if one.facts.colored]
    changed = [one for one in own if one.facts.lossy]
    if changed or len(places(own)) > FOUND:
        first, what = (changed or own)[0].path, "in colour" if changed else f"in more than {FOUND} colours"
        objects = "" if changed else f"If each object has a colour, and the background is black, add {TO_OBJECTS}. "
        return DataError(
            f"the masks below {options.folder()} are {what}, such as {first}: are they photos? {objects}If they are "
            "masks, saved as JPEG or resized with smooth edges, name the colour of each class with the option colors, "
            "and add `--set dataset.nearest=true`: each pixel is taken for the nearest of them"
        )
    first = f"{files(own)} {'is' if sum(one.files for one in own) == 1 else 'are'} in colour:"
    if places(own).keys() <= ONE_HOT:
        first += " if they have a channel for each class, save the numbers of the classes, `mask.argmax(-1)`; else,"
    elif len(places(own)) > FEW and 0 in places(own):
        first += f" if each object has a colour, and the background is black, add {TO_OBJECTS}; else,"
    return DataError(
        f"of the masks below {options.folder()}, {first} name the class of each colour, such as "
        f"`--set 'dataset.colors={color_table(own)}'`, and `{IGNORED}` for what is to be left out"
    )


def color_table(masks: Masks) -> str:
    """The colours of masks in colour, or of those with palettes, each with a name; as it is typed."""
    found = {color for one in masks for color in (one.facts.palette or one.facts.values) if color >= 0}
    entries = [f'class{label} = "{hexadecimal(color)}"' for label, color in enumerate(sorted(found))]
    return f"{{{', '.join(entries)}}}"


def places(masks: Masks) -> Mapping[int, Masks]:
    """For each value the masks that hold it."""
    where: dict[int, list[Held[MaskFacts]]] = {}
    for one in masks:
        for value in one.facts.values:
            where.setdefault(value, []).append(one)
    return where


def files(masks: Masks) -> str:
    """How many masks, and one of them."""
    count = sum(one.files for one in masks)
    return f"{count:,} masks, such as {masks[0].path}" if count > 1 else masks[0].path
