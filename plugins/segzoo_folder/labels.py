"""Which classes there are: what the options say, and for the rest what the masks hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set

from segzoo.data.images import LAST_LABEL
from segzoo.errors import DataError
from segzoo.plugin import IGNORE
from segzoo_folder import IGNORED, ImageFolder
from segzoo_folder.index import Held, MaskFacts
from segzoo_folder.masks import Labels, hexadecimal, ignoring, left_out, named

BINARY = ("background", "foreground")

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


def labels(options: ImageFolder, masks: Masks) -> Labels:
    """The classes and what the masks hold for each of them.

    Values 0, 1, 2, … are labels. 0 and 255 alone are two classes; besides labels, 255 is what is left out. What is to
    be ignored is passed over.

    Raises:
        DataError: if the masks leave open what is meant; the message names the option that says it.
    """
    if options.colors is not None:
        kept = [name for name in options.colors if name != IGNORED]
        table = {name: int.from_bytes(bytes(color)) for name, color in options.colors.items()}
        order = [*kept, *(name for name in table if name == IGNORED)]
        return Labels(tuple(kept), tuple(table[name] for name in order), True, options.nearest)
    void = left_out(options)
    if options.values is not None:
        names = options.classes or _names(len(options.values))
        return Labels(names, options.values, nearest=options.nearest, left_out=void)
    if any(one.facts.colored for one in masks):
        raise colored(options, masks)
    masks = [_without(void, one) for one in masks]
    _require_labels(options, masks, void)
    _require_one_palette(options, masks)
    _require_unchanged(options, masks)
    values = _values(options, masks)
    return Labels(options.classes or _names(len(values)), values, left_out=void)


def _without(left_out: Sequence[int], one: Held[MaskFacts]) -> Held[MaskFacts]:
    """What masks hold beside what is left out of them."""
    values, palette = one.facts.values, one.facts.palette
    kept = [place for place, value in enumerate(values) if value not in left_out]
    palette = [palette[place] for place in kept] if palette else palette
    return one._replace(facts=one.facts._replace(values=[values[place] for place in kept], palette=palette))


def _require_labels(options: ImageFolder, masks: Masks, left_out: Sequence[int]) -> None:
    """Raise if there are values that are no labels, which the user may want to leave out."""
    where = places(masks)
    wrong = [value for value in sorted(where) if not 0 <= value <= LAST_LABEL]
    if wrong:
        texts = [f"{named(value)} (in {files(where[value])})" for value in wrong[:NAMED]]
        raise DataError(
            f"the masks below {options.folder()} hold {', '.join(texts)}{' and more' if wrong[NAMED:] else ''}, but "
            f"labels are whole numbers from 0 to {LAST_LABEL}. To leave that out of training and score, add "
            f"{ignoring([*left_out, *wrong[:NAMED]])}; if it is a class, write the masks anew"
        )


def _values(options: ImageFolder, masks: Masks) -> tuple[int, ...]:
    """What the masks hold for each class, where no option says it."""
    found = {value for one in masks for value in one.facts.values}
    plain = found - {IGNORE}
    two = options.classes is None or len(options.classes) == 2
    if two and found == {0, IGNORE}:
        return 0, IGNORE
    if plain - {0}:
        _require_one_meaning(options, masks, plain)
    if found == {0, IGNORE} and options.classes is not None:
        raise DataError(
            f"the masks below {options.folder()} hold 0 and {IGNORE} only, but classes names {len(options.classes)}; "
            """name two, such as `--set 'dataset.classes=["background", "foreground"]'`"""
        )
    if options.classes is not None:
        return tuple(range(len(options.classes)))
    if 2 <= len(plain) <= FOUND and plain == set(range(len(plain))):
        return tuple(sorted(plain))
    raise unclear(options, masks)


def _require_one_palette(options: ImageFolder, masks: Masks) -> None:
    """Raise if an index stands for one colour here and for another one there: then the colours may be what counts."""
    first: dict[int, tuple[int, str]] = {}
    for one in sorted((one for one in masks if one.facts.palette), key=lambda one: one.path):
        for value, color in zip(one.facts.values, one.facts.palette, strict=True):
            other, where = first.setdefault(value, (color, one.path))
            if color != other:
                raise DataError(
                    f"the masks below {options.folder()} have palettes that differ: the index {value} is "
                    f"{_color(other)} in {where}, but {_color(color)} in {one.path}. If the colours say what the "
                    "classes are, name them with the option colors, such as "
                    f"`--set 'dataset.colors={color_table(masks)}'`; if the indices do, list them, such as "
                    f"`--set 'dataset.values={sorted(places(masks).keys() - {IGNORE})}'`"
                )


def _require_unchanged(options: ImageFolder, masks: Masks) -> None:
    """Raise if labels may not be what was drawn, since their format is one for photos."""
    changed = [one for one in masks if one.facts.lossy and set(one.facts.values) - {0, IGNORE}]
    if changed:
        values = changed[0].facts.values
        raise DataError(
            f"of the masks below {options.folder()}, {files(changed)}, may not hold what was drawn, since formats "
            f"for photos, such as JPEG, change values a little: found are {', '.join(map(str, values[:NAMED]))}"
            f"{' and more' if values[NAMED:] else ''}. If 0 and 255 were drawn, add {TO_NEAREST}: each pixel is taken "
            "for the nearest of them. Labels such as 0, 1, 2 are lost: look for the originals. If nothing was changed, "
            "as in WEBP without loss, list the values with the option values"
        )


def _require_one_meaning(options: ImageFolder, masks: Masks, plain: set[int]) -> None:
    """Raise if 255 stands beside 0 alone in some masks, as a foreground does, though there are other labels."""
    holders = [one for one in masks if IGNORE in one.facts.values]
    alone = [one for one in holders if set(one.facts.values) <= {0, IGNORE}]
    if alone and (plain == {0, 1} or alone == holders):
        other = next(one for one in masks if set(one.facts.values) - {0, IGNORE})
        beside = max(set(other.facts.values) - {IGNORE})
        held = f"{beside}. If both are the foreground, of 8 and of 16 bits, write the masks anew"
        raise DataError(
            f"the masks below {options.folder()} leave open what {IGNORE} means: it is all that {alone[0].path} holds "
            f"besides 0, as a foreground, but {other.path} holds {held if beside == LAST_LABEL else beside}. If "
            f"{IGNORE} is to be left out, add `--set 'dataset.values={sorted(plain)}'`; if it is a class, name it "
            "there too, or write those masks anew"
        )


def _names(count: int) -> tuple[str, ...]:
    return BINARY if count == 2 else tuple(f"class{label}" for label in range(count))


def _color(color: int) -> str:
    return hexadecimal(color) if color >= 0 else "no colour"


Masks = Sequence[Held[MaskFacts]]


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
