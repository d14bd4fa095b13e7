"""Which classes there are: what the options say, and for the rest what the masks hold."""

from __future__ import annotations

from collections.abc import Sequence

from segzoo.data.images import LAST_LABEL, NOT_A_NUMBER
from segzoo.errors import DataError
from segzoo.plugin import IGNORE
from segzoo_folder import IGNORED, ImageFolder
from segzoo_folder.index import Held
from segzoo_folder.reading import Labels, MaskFacts, hexadecimal, ignoring, named
from segzoo_folder.unclear import FOUND, NAMED, TO_NEAREST, Masks, color_table, colored, files, places, unclear

BINARY = ("background", "foreground")


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


def left_out(options: ImageFolder) -> tuple[int, ...]:
    """The values of masks that the options leave out."""
    return tuple(NOT_A_NUMBER if value == "nan" else value for value in options.ignore)


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
