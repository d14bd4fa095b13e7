"""Which classes there are: what the options say, and for the rest what the masks hold."""

from __future__ import annotations

from collections.abc import Sequence, Set

from segzoo.errors import DataError
from segzoo.images import LAST_LABEL, NOT_A_NUMBER
from segzoo.plugin import IGNORE
from segzoo_folder import IGNORED, ImageFolder
from segzoo_folder.index import Held
from segzoo_folder.reading import Labels, MaskFacts, hexadecimal, ignoring, named

Masks = Sequence[Held[MaskFacts]]

FOUND = 64
"""Classes that are believed to be such without a name; more may be shades of grey."""
FEW = 10
"""Values that are likelier classes; more without gaps are likelier numbers of objects."""
BINARY = ("background", "foreground")
NAMED = 8
"""Values or colours that a message names."""
TO_NEAREST = "`--set 'dataset.values=[0, 255]' --set dataset.nearest=true`"
"""What brings back two classes of which the values were blurred."""
TO_OBJECTS = "`--set dataset.instances=foreground`, or `border` to keep objects apart that touch"
"""What makes classes of masks that number objects."""


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
    left_out = tuple(NOT_A_NUMBER if value == "nan" else value for value in options.ignore)
    if options.values is not None:
        names = options.classes or _names(len(options.values))
        return Labels(names, options.values, nearest=options.nearest, left_out=left_out)
    if any(one.facts.colored for one in masks):
        raise _colored(options, masks)
    masks = [_without(left_out, one) for one in masks]
    _require_labels(options, masks, left_out)
    _require_one_palette(options, masks)
    _require_unchanged(options, masks)
    values = _values(options, masks)
    return Labels(options.classes or _names(len(values)), values, left_out=left_out)


def _without(left_out: Sequence[int], one: Held[MaskFacts]) -> Held[MaskFacts]:
    """What masks hold beside what is left out of them."""
    values, palette = one.facts.values, one.facts.palette
    kept = [place for place, value in enumerate(values) if value not in left_out]
    palette = [palette[place] for place in kept] if palette else palette
    return one._replace(facts=one.facts._replace(values=[values[place] for place in kept], palette=palette))


def _require_labels(options: ImageFolder, masks: Masks, left_out: Sequence[int]) -> None:
    """Raise if there are values that are no labels, which the user may want to leave out."""
    where = _where(masks)
    wrong = [value for value in sorted(where) if not 0 <= value <= LAST_LABEL]
    if wrong:
        texts = [f"{named(value)} (in {_files(where[value])})" for value in wrong[:NAMED]]
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
    raise _unclear(options, masks)


def number_objects(values: Set[int]) -> bool:
    """Whether values are likelier the numbers of objects than classes: more than FEW, without a gap."""
    numbers = values - {0}
    return len(numbers) > FEW and numbers - {IGNORE} == set(range(1, len(numbers - {IGNORE}) + 1))


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
                    f"classes are, name them with the option colors, such as `--set 'dataset.colors={_table(masks)}'`; "
                    "if the indices do, list them, such as "
                    f"`--set 'dataset.values={sorted(_where(masks).keys() - {IGNORE})}'`"
                )


def _require_unchanged(options: ImageFolder, masks: Masks) -> None:
    """Raise if labels may not be what was drawn, since their format is one for photos."""
    changed = [one for one in masks if one.facts.lossy and set(one.facts.values) - {0, IGNORE}]
    if changed:
        values = changed[0].facts.values
        raise DataError(
            f"of the masks below {options.folder()}, {_files(changed)}, may not hold what was drawn, since formats "
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
        raise DataError(
            f"the masks below {options.folder()} leave open what {IGNORE} means: it is all that {alone[0].path} "
            f"holds besides 0, as a foreground, but {other.path} holds {beside}. If {IGNORE} is to be left out, add "
            f"`--set 'dataset.values={sorted(plain)}'`; if it is a class, name it there too, or write those masks anew"
        )


def _names(count: int) -> tuple[str, ...]:
    return BINARY if count == 2 else tuple(f"class{label}" for label in range(count))


def _unclear(options: ImageFolder, masks: Masks) -> DataError:
    where = _where(masks)
    texts = [f"{value} (in {_files(where[value])})" for value in sorted(where)[:NAMED]]
    held = f"hold {', '.join(texts)}{' and more' if where.keys() - sorted(where)[:NAMED] else ''}"
    if len(where) > FOUND:
        hints = [f"If they number objects, add {TO_OBJECTS}", f"If the edges of 0 and 255 are smooth, add {TO_NEAREST}"]
        if {0, IGNORE} <= where.keys() and not number_objects(where.keys()):
            hints.reverse()
        return DataError(
            f"the masks below {options.folder()} {held}: more than {FOUND} values. {'. '.join(hints)}. If all are "
            "labels, name the classes with the option classes. If they are photos, these are no masks"
        )
    if len(where) < 2:
        return DataError(
            f"the masks below {options.folder()} {held}: there is nothing to tell apart. If classes are rare, name "
            """them: `--set 'dataset.classes=["background", "foreground"]'`"""
        )
    values = sorted(where.keys() - {IGNORE})
    left_out = f", with {IGNORE} among them unless it is to be left out" if IGNORE in where else ""
    smooth = f"; or, if the edges of 0 and 255 were smoothed, add {TO_NEAREST}" if {0, IGNORE} < where.keys() else ""
    objects = f"; or, if they number objects, add {TO_OBJECTS}" if len(values) > FEW else ""
    return DataError(
        f"the masks below {options.folder()} {held}: which classes these are is not clear. Say what each class is "
        f"written as, in order: `--set 'dataset.values={values}'`{left_out}; or, if they are labels from 0 on of which "
        f"some do not occur, name all classes: `--set 'dataset.classes=[...]'`{smooth}{objects}"
    )


def _colored(options: ImageFolder, masks: Masks) -> DataError:
    colored = [one for one in masks if one.facts.colored]
    changed = [one for one in colored if one.facts.lossy]
    if changed or len(_where(colored)) > FOUND:
        first, what = (changed or colored)[0].path, "in colour" if changed else f"in more than {FOUND} colours"
        objects = "" if changed else f"If each object has a colour, and the background is black, add {TO_OBJECTS}. "
        return DataError(
            f"the masks below {options.folder()} are {what}, such as {first}: are they photos? {objects}If they are "
            "masks, saved as JPEG or resized with smooth edges, name the colour of each class with the option colors, "
            "and add `--set dataset.nearest=true`: each pixel is taken for the nearest of them"
        )
    first = f"{_files(colored)} {'is' if sum(one.files for one in colored) == 1 else 'are'} in colour"
    return DataError(
        f"of the masks below {options.folder()}, {first}: name the class of each, such as "
        f"`--set 'dataset.colors={_table(colored)}'`, and `{IGNORED}` for what is to be left out"
    )


def _table(masks: Masks) -> str:
    """The colours of masks in colour, or of those with palettes, each with a name; as it is typed."""
    found = {color for one in masks for color in (one.facts.palette or one.facts.values) if color >= 0}
    entries = [f'class{label} = "{hexadecimal(color)}"' for label, color in enumerate(sorted(found))]
    return f"{{{', '.join(entries)}}}"


def _color(color: int) -> str:
    return hexadecimal(color) if color >= 0 else "no colour"


def _where(masks: Masks) -> dict[int, list[Held[MaskFacts]]]:
    """For each value the masks that hold it."""
    where: dict[int, list[Held[MaskFacts]]] = {}
    for one in masks:
        for value in one.facts.values:
            where.setdefault(value, []).append(one)
    return where


def _files(masks: Masks) -> str:
    count = sum(one.files for one in masks)
    return f"{count:,} masks, such as {masks[0].path}" if count > 1 else masks[0].path
