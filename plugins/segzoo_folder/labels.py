"""Which classes there are: what the options say, and for the rest what the masks hold."""

from __future__ import annotations

from collections.abc import Mapping

from segzoo.errors import DataError
from segzoo.plugin import IGNORE
from segzoo_folder import IGNORED, ImageFolder
from segzoo_folder.reading import Labels, MaskFacts, hexadecimal

FOUND = 64
"""Classes that are believed to be such without a name; more may be shades of grey."""
BINARY = ("background", "foreground")
NAMED = 8
"""Values or colours that a message names."""


def labels(options: ImageFolder, masks: Mapping[str, MaskFacts]) -> Labels:
    """The classes and what the masks hold for each of them.

    Values 0, 1, 2, … are labels. 0 and 255 alone are two classes; besides labels, 255 is what is left out.

    Raises:
        DataError: if the masks leave open what is meant; the message names the option that says it.
    """
    if options.colors is not None:
        kept = [name for name in options.colors if name != IGNORED]
        table = {name: int.from_bytes(bytes(color)) for name, color in options.colors.items()}
        order = [*kept, *(name for name in table if name == IGNORED)]
        return Labels(tuple(kept), tuple(table[name] for name in order), colored=True)
    if options.values is not None:
        return Labels(options.classes or _names(len(options.values)), options.values)
    if any(facts.colored for facts in masks.values()):
        raise _colored(options, masks)
    values = _values(options, masks)
    return Labels(options.classes or _names(len(values)), values)


def _values(options: ImageFolder, masks: Mapping[str, MaskFacts]) -> tuple[int, ...]:
    """What the masks hold for each class, where no option says it."""
    found = {value for facts in masks.values() for value in facts.values}
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


def _require_one_meaning(options: ImageFolder, masks: Mapping[str, MaskFacts], plain: set[int]) -> None:
    """Raise if 255 stands beside 0 alone in some masks, as a foreground does, though there are other labels."""
    holders = [path for path, facts in masks.items() if IGNORE in facts.values]
    alone = [path for path in holders if set(masks[path].values) <= {0, IGNORE}]
    if alone and (plain == {0, 1} or alone == holders):
        other = next(path for path, facts in masks.items() if set(facts.values) - {0, IGNORE})
        beside = max(set(masks[other].values) - {IGNORE})
        raise DataError(
            f"the masks below {options.folder()} leave open what {IGNORE} means: it is all that {alone[0]} holds "
            f"besides 0, as a foreground, but {other} holds {beside}. If {IGNORE} is to be left out, add "
            f"`--set 'dataset.values={sorted(plain)}'`; if it is a class, name it there too, or write those masks anew"
        )


def _names(count: int) -> tuple[str, ...]:
    return BINARY if count == 2 else tuple(f"class{label}" for label in range(count))


def _unclear(options: ImageFolder, masks: Mapping[str, MaskFacts]) -> DataError:
    where = _where(masks)
    texts = [f"{value} (in {_files(where[value])})" for value in sorted(where)[:NAMED]]
    held = f"hold {', '.join(texts)}{' and more' if where.keys() - sorted(where)[:NAMED] else ''}"
    if len(where) > FOUND:
        return DataError(
            f"the masks below {options.folder()} {held}: more than {FOUND} values. Are they photos, saved as JPEG, or "
            "resized with smooth edges? If not, name the classes with the option classes"
        )
    if len(where) < 2:
        return DataError(
            f"the masks below {options.folder()} {held}: there is nothing to tell apart. If classes are rare, name "
            """them: `--set 'dataset.classes=["background", "foreground"]'`"""
        )
    values = sorted(where.keys() - {IGNORE})
    return DataError(
        f"the masks below {options.folder()} {held}: which classes these are is not clear. Say what each class is "
        f"written as, in order: `--set 'dataset.values={values}'`; or, if they are labels from 0 on of which some do "
        "not occur, name all classes: `--set 'dataset.classes=[...]'`"
    )


def _colored(options: ImageFolder, masks: Mapping[str, MaskFacts]) -> DataError:
    colored = {path: facts for path, facts in masks.items() if facts.colored}
    where = _where(colored)
    if len(where) > FOUND:
        return DataError(
            f"the masks below {options.folder()} are in more than {FOUND} colours, such as {next(iter(colored))}: are "
            "they photos, saved as JPEG, or resized with smooth edges? If not, name the colours with the option colors"
        )
    table = ", ".join(f'class{label} = "{hexadecimal(color)}"' for label, color in enumerate(sorted(where)))
    first = f"{_files(list(colored))} {'is' if len(colored) == 1 else 'are'} in colour"
    return DataError(
        f"of the masks below {options.folder()}, {first}: name the class of each, such as "
        f"`--set 'dataset.colors={{{table}}}'`, and `{IGNORED}` for what is to be left out"
    )


def _where(masks: Mapping[str, MaskFacts]) -> dict[int, list[str]]:
    """For each value the masks that hold it."""
    where: dict[int, list[str]] = {}
    for path, facts in masks.items():
        for value in facts.values:
            where.setdefault(value, []).append(path)
    return where


def _files(paths: list[str]) -> str:
    return f"{len(paths):,} masks, such as {paths[0]}" if len(paths) > 1 else paths[0]
