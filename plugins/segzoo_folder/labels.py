"""Which classes there are: as the options say, else as the values of the masks tell, unless these are ambiguous."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set

from segzoo.data.images import LAST_LABEL
from segzoo.errors import DataError
from segzoo.plugin import IGNORE
from segzoo_folder import IGNORED, ImageFolder
from segzoo_folder.index import FileGroup, MaskFacts
from segzoo_folder.masks import Labels, hexadecimal, ignore_option, left_out, typed

Masks = Sequence[FileGroup[MaskFacts]]
"""Masks, grouped by what they hold."""

BINARY = ("background", "foreground")
"""The names of two classes, if no others are given."""

MOST_CLASSES = 64
"""The most values that are taken for classes without names; more may be shades of grey."""
FEW = 10
"""The most values that are likelier classes; more, without gaps, are likelier numbers of objects."""
NEAR = 16
"""How much a few values at smooth edges, or in a JPEG, may differ from 0 or 255."""
RARE = 3
"""The most values that are likely to be ignored, if there is a gap between them and the others."""
SHOWN = 8
"""Values or colours that a message lists."""
TO_NEAREST = "`--set 'dataset.values=[0, 255]' --set dataset.nearest=true`"
"""The options for masks of 0 and 255 whose values were blurred."""
TO_OBJECTS = "`--set dataset.instances=foreground`, or `border` to keep objects apart that touch"
"""The option for masks that number objects."""
ONE_HOT = {0, 0x000001, 0x000100, 0x010000}
"""The colours of masks with a channel for each of three classes."""


def find_labels(options: ImageFolder, masks: Masks) -> Labels:
    """The classes, and the values or colours of each in the masks.

    Values 0, 1, 2, … are labels. 0 and 255 alone are two classes; beside labels, 255 is ignored. Values of the option
    ignore do not count.

    Raises:
        DataError: if the values of the masks are ambiguous; the message names the option that tells.
    """
    if options.colors is not None:
        kept = [name for name in options.colors if name != IGNORED]
        table = {name: int.from_bytes(bytes(color)) for name, color in options.colors.items()}
        order = [*kept, *(name for name in table if name == IGNORED)]
        return Labels(tuple(kept), tuple(table[name] for name in order), True, options.nearest)
    ignored = left_out(options)
    if options.values is not None:
        names = options.classes or _names(len(options.values))
        return Labels(names, options.values, nearest=options.nearest, left_out=ignored)
    if any(group.facts.colored for group in masks):
        raise unclear_colors(options, masks)
    masks = [_without(ignored, group) for group in masks]
    _require_labels(options, masks, ignored)
    _require_one_palette(options, masks)
    _require_unchanged(options, masks)
    values = _values(options, masks)
    return Labels(options.classes or _names(len(values)), values, left_out=ignored)


def _without(left_out: Sequence[int], group: FileGroup[MaskFacts]) -> FileGroup[MaskFacts]:
    """Masks without the values that are ignored."""
    values, palette = group.facts.values, group.facts.palette
    kept = [place for place, value in enumerate(values) if value not in left_out]
    palette = [palette[place] for place in kept] if palette else palette
    return group._replace(facts=group.facts._replace(values=[values[place] for place in kept], palette=palette))


def _require_labels(options: ImageFolder, masks: Masks, left_out: Sequence[int]) -> None:
    """Raise if there are values that are no labels, which the user may want to ignore."""
    holders = groups_by_value(masks)
    wrong = [value for value in sorted(holders) if not 0 <= value <= LAST_LABEL]
    if wrong:
        texts = [f"{typed(value)} (in {count_and_example(holders[value])})" for value in wrong[:SHOWN]]
        raise DataError(
            f"the masks below {options.folder()} hold {', '.join(texts)}{' and more' if wrong[SHOWN:] else ''}, but "
            f"labels are whole numbers from 0 to {LAST_LABEL}. To leave that out of training and score, add "
            f"{ignore_option([*left_out, *wrong[:SHOWN]])}; if it is a class, write the masks anew"
        )


def _values(options: ImageFolder, masks: Masks) -> tuple[int, ...]:
    """The value of each class in the masks, where no option tells."""
    values = {value for group in masks for value in group.facts.values}
    plain = values - {IGNORE}
    two = options.classes is None or len(options.classes) == 2
    if two and values == {0, IGNORE}:
        return 0, IGNORE
    if plain - {0}:
        _require_one_meaning(options, masks, plain)
    if values == {0, IGNORE} and options.classes is not None:
        raise DataError(
            f"the masks below {options.folder()} hold 0 and {IGNORE} only, but classes names {len(options.classes)}; "
            """name two, such as `--set 'dataset.classes=["background", "foreground"]'`"""
        )
    if options.classes is not None:
        return tuple(range(len(options.classes)))
    if 2 <= len(plain) <= MOST_CLASSES and plain == set(range(len(plain))):
        return tuple(sorted(plain))
    raise unclear_values(options, masks)


def _require_one_palette(options: ImageFolder, masks: Masks) -> None:
    """Raise if an index has different colours in different masks: then the colours may be the classes."""
    first: dict[int, tuple[int, str]] = {}
    for group in sorted((group for group in masks if group.facts.palette), key=lambda group: group.path):
        for value, color in zip(group.facts.values, group.facts.palette, strict=True):
            first_color, first_path = first.setdefault(value, (color, group.path))
            if color != first_color:
                raise DataError(
                    f"the masks below {options.folder()} have palettes that differ: the index {value} is "
                    f"{_color(first_color)} in {first_path}, but {_color(color)} in {group.path}. If the colours "
                    "say what the classes are, name them with the option colors, such as "
                    f"`--set 'dataset.colors={color_table(masks)}'`; if the indices do, list them, such as "
                    f"`--set 'dataset.values={sorted(groups_by_value(masks).keys() - {IGNORE})}'`"
                )


def _require_unchanged(options: ImageFolder, masks: Masks) -> None:
    """Raise if a lossy format may have changed labels."""
    changed = [group for group in masks if group.facts.lossy and set(group.facts.values) - {0, IGNORE}]
    if changed:
        values = changed[0].facts.values
        raise DataError(
            f"of the masks below {options.folder()}, {count_and_example(changed)}, may not hold what was drawn, since "
            f"formats for photos, such as JPEG, change values a little: found are {', '.join(map(str, values[:SHOWN]))}"
            f"{' and more' if values[SHOWN:] else ''}. If 0 and 255 were drawn, add {TO_NEAREST}: each pixel is taken "
            "for the nearest of them. Labels such as 0, 1, 2 are lost: look for the originals. If nothing was changed, "
            "as in WEBP without loss, list the values with the option values"
        )


def _require_one_meaning(options: ImageFolder, masks: Masks, plain: set[int]) -> None:
    """Raise if some masks hold only 0 and 255, where 255 may be the foreground, though others hold labels."""
    holders = [group for group in masks if IGNORE in group.facts.values]
    alone = [group for group in holders if set(group.facts.values) <= {0, IGNORE}]
    if alone and (plain == {0, 1} or alone == holders):
        labeled = next(group for group in masks if set(group.facts.values) - {0, IGNORE})
        beside = max(set(labeled.facts.values) - {IGNORE})
        held = f"{beside}. If both are the foreground, of 8 and of 16 bits, write the masks anew"
        raise DataError(
            f"the masks below {options.folder()} leave open what {IGNORE} means: it is all that {alone[0].path} holds "
            f"besides 0, as a foreground, but {labeled.path} holds {held if beside == LAST_LABEL else beside}. If "
            f"{IGNORE} is to be left out, add `--set 'dataset.values={sorted(plain)}'`; if it is a class, name it "
            "there too, or write those masks anew"
        )


def _names(count: int) -> tuple[str, ...]:
    return BINARY if count == 2 else tuple(f"class{label}" for label in range(count))


def _color(color: int) -> str:
    return hexadecimal(color) if color >= 0 else "no colour"


def number_objects(values: Set[int]) -> bool:
    """Whether values are likelier the numbers of objects than classes: more than FEW, without a gap."""
    numbers = values - {0}
    return len(numbers) > FEW and numbers - {IGNORE} == set(range(1, len(numbers - {IGNORE}) + 1))


def unclear_values(options: ImageFolder, masks: Masks) -> DataError:
    """The error for grey masks whose values are ambiguous, or have a single value."""
    holders = groups_by_value(masks)
    texts = [f"{value} (in {count_and_example(holders[value])})" for value in sorted(holders)[:SHOWN]]
    held = f"hold {', '.join(texts)}{' and more' if holders.keys() - sorted(holders)[:SHOWN] else ''}"
    if len(holders) < 2:
        return DataError(
            f"the masks below {options.folder()} {held}: there is nothing to tell apart. If classes are rare, name "
            """them: `--set 'dataset.classes=["background", "foreground"]'`"""
        )
    many = (
        f"more than {MOST_CLASSES} values. "
        if len(holders) > MOST_CLASSES
        else "which classes these are is not clear. "
    )
    photos = ". If they are photos, these are no masks" if len(holders) > MOST_CLASSES else ""
    hints = "; or, ".join(_hints(holders.keys(), options.ignore))
    return DataError(f"the masks below {options.folder()} {held}: {many}{hints[0].upper()}{hints[1:]}{photos}")


def _hints(values: Set[int], ignored: Collection[int | str]) -> Iterator[str]:
    """What these values may be, and the option to add then; the likeliest first."""
    ends, inner = {0, IGNORE} <= values, [value for value in sorted(values) if 0 < value < IGNORE]
    to_nearest = f"if the edges of 0 and 255 are smooth, as after resizing or in a JPEG, add {TO_NEAREST}"
    smooth = ends and not number_objects(values) and (len(inner) > SHOWN or all(_is_near(value) for value in inner))
    if smooth:
        yield to_nearest
    if len(values) > MOST_CLASSES:
        yield f"if they number objects, add {TO_OBJECTS}"
        if ends and not smooth:
            yield to_nearest
        yield "if all are labels, name the classes with the option classes"
        return
    if smooth and len(inner) > SHOWN:
        yield f"if they number objects, add {TO_OBJECTS}"
        yield "if all are classes, list the values with the option values"
        return
    yield from _if_classes(values, ignored)
    if ends and not smooth:
        yield to_nearest
    if len(values) > FEW:
        yield f"if they number objects, add {TO_OBJECTS}"


def _if_classes(values: Set[int], ignored: Collection[int | str]) -> Iterator[str]:
    """The option to add if at least some of these few values are classes."""
    binary = {0, IGNORE} <= values and 1 not in values
    written = sorted(values if binary else values - {IGNORE})
    beside = f" ({IGNORE} is left out unless it is there)" if IGNORE in values else ""
    yield f"say what each class is written as, in order: `--set 'dataset.values={written}'`{beside}"
    clear = {0, IGNORE} if binary else {value for value in values if set(range(value)) <= values}
    apart = sorted(values - clear - {IGNORE})
    if len(clear) > 1 and len(apart) <= RARE:
        out = " and ".join(map(str, apart))
        yield f"to leave {out} out of training and score, add {ignore_option([*ignored, *apart])}"
    if max(values - {IGNORE}) < MOST_CLASSES:
        yield "if some labels from 0 on do not occur, name all classes: `--set 'dataset.classes=[...]'`"


def _is_near(value: int) -> bool:
    return min(value, IGNORE - value) <= NEAR


def unclear_colors(options: ImageFolder, masks: Masks) -> DataError:
    """The error for masks in colour without the option colors."""
    colored_groups = [group for group in masks if group.facts.colored]
    changed = [group for group in colored_groups if group.facts.lossy]
    if changed or len(groups_by_value(colored_groups)) > MOST_CLASSES:
        first = (changed or colored_groups)[0].path
        what = "in colour" if changed else f"in more than {MOST_CLASSES} colours"
        objects = "" if changed else f"If each object has a colour, and the background is black, add {TO_OBJECTS}. "
        return DataError(
            f"the masks below {options.folder()} are {what}, such as {first}: are they photos? {objects}If they are "
            "masks, saved as JPEG or resized with smooth edges, name the colour of each class with the option colors, "
            "and add `--set dataset.nearest=true`: each pixel is taken for the nearest of them"
        )
    colors = groups_by_value(colored_groups).keys()
    verb = "is" if sum(group.size for group in colored_groups) == 1 else "are"
    described = f"{count_and_example(colored_groups)} {verb} in colour:"
    if colors <= ONE_HOT:
        described += " if they have a channel for each class, save the numbers of the classes, `mask.argmax(-1)`; else,"
    elif len(colors) > FEW and 0 in colors:
        described += f" if each object has a colour, and the background is black, add {TO_OBJECTS}; else,"
    return DataError(
        f"of the masks below {options.folder()}, {described} name the class of each colour, such as "
        f"`--set 'dataset.colors={color_table(colored_groups)}'`, and `{IGNORED}` for what is to be left out"
    )


def color_table(masks: Masks) -> str:
    """The option colors for the colours of masks, or of their palettes, with names to replace; as it is typed."""
    colors = {color for group in masks for color in (group.facts.palette or group.facts.values) if color >= 0}
    entries = [f'class{label} = "{hexadecimal(color)}"' for label, color in enumerate(sorted(colors))]
    return f"{{{', '.join(entries)}}}"


def groups_by_value(masks: Masks) -> Mapping[int, Masks]:
    """The masks that hold each value."""
    holders: dict[int, list[FileGroup[MaskFacts]]] = {}
    for group in masks:
        for value in group.facts.values:
            holders.setdefault(value, []).append(group)
    return holders


def count_and_example(masks: Masks) -> str:
    """The number of masks and the path of an example; of a single mask its path."""
    count = sum(group.size for group in masks)
    return f"{count:,} masks, such as {masks[0].path}" if count > 1 else masks[0].path
