"""What has been predicted into a folder, so that the same command goes on where it was interrupted.

`prediction.json` says with what, and never changes. The tables grow by the rows of a file after another, when all else
that is made of it is written. A process that is killed leaves at most a torn last line, which the next one repairs.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeGuard

from segzoo.errors import ConfigError
from segzoo.files.atomic import atomic_file, leftovers, remove_leftovers, unwritable, write_text
from segzoo.files.locking import LOCK, alone

FACTS = "prediction.json"
"""The file that says what predictions were made with."""
ENCODING = ("utf-8", "surrogateescape")
"""Of the tables; names of files need not be text."""


@contextmanager
def prediction_folder(out: Path, facts: Mapping[str, Any]) -> Iterator[None]:
    """The folder of predictions, new or of an earlier process that predicted with the same networks and options.

    Raises:
        ConfigError: if it holds something else, cannot be written, or another process works in it.
    """
    facts = json.loads(json.dumps(facts))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to {out} ({error.strerror}); choose another --out") from error
    with alone(out):
        file = out / FACTS
        if not file.exists():
            if {path.name for path in out.iterdir()} - {LOCK, *(path.name for path in leftovers(out))}:
                raise ConfigError(f"{out} exists already and holds no predictions; choose another --out")
            write_text(file, json.dumps(facts, indent=2) + "\n")
        elif changed := list(_differences(_facts(file), facts)):
            raise ConfigError(
                f"the predictions in {out} were made otherwise: {'; '.join(changed)}; give the same, or another --out"
            )
        remove_leftovers(out)
        yield


def _facts(file: Path) -> Mapping[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return dict(facts.items())
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"cannot read {file} ({error}); choose another --out, or remove {file.parent}") from error


def _differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for key in {**earlier, **now}:
        then, today = earlier.get(key), now.get(key)
        if then == today:
            continue
        if key == "sha256":
            yield "the network was another"
        elif not _mappings(then) or not _mappings(today):
            yield f"{key} was {_said(then)} and is {_said(today)}"
        elif len(then) != len(today):
            yield f"{key} were {len(then)} and are {len(today)}"
        else:
            yield from chain.from_iterable(map(_differences, then, today))


def _mappings(value: Any) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _said(value: Any) -> str:
    """A value as a user would type it."""
    return "not given" if value is None else value if isinstance(value, str) else json.dumps(value)


class Table:
    """A table of rows of files, each row with the path of its file in the first column."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        """Read what there is of the table; what is torn or damaged is left out."""
        self.path, self.columns = path, ("file", *columns)
        self._texts: dict[str, str] = {}
        """The rows of each file, as they are written: many files take less memory so."""
        for line in islice(_whole_rows(path), 1, None):
            if len(line) == len(self.columns):
                self._texts[line[0]] = self._texts.get(line[0], "") + _text([line])

    def __contains__(self, file: str) -> bool:
        return file in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter([*self._texts])

    def rows(self, file: str) -> list[dict[str, str]]:
        """The rows of a file, as text."""
        return [dict(zip(self.columns, row, strict=True)) for row in csv.reader(io.StringIO(self._texts[file]))]

    def remove(self, file: str) -> None:
        """Leave out the rows of a file, if there are any."""
        self._texts.pop(file, None)

    def tidy(self, order: Sequence[str] = ()) -> None:
        """Write the table anew if there is anything in it that should not, files in this order, others before them.

        Raises:
            SegzooError: if it cannot be written.
        """
        ranks = {file: rank for rank, file in enumerate(order)}
        self._texts = dict(sorted(self._texts.items(), key=lambda item: ranks.get(item[0], -1)))
        content = "".join([_text([self.columns]), *self._texts.values()]).encode(*ENCODING)
        if not self.path.exists() or self.path.read_bytes() != content:
            with atomic_file(self.path) as part:
                part.write_bytes(content)

    def append(self, file: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add the rows of a file to the end.

        Raises:
            SegzooError: if they cannot be written.
        """
        text = _text([file, *(row[column] for column in self.columns[1:])] for row in rows)
        try:
            with self.path.open("ab") as stream:
                stream.write(text.encode(*ENCODING))
        except OSError as error:
            raise unwritable(self.path.parent, error) from error
        self._texts[file] = text


def _whole_rows(path: Path) -> Iterator[list[str]]:
    """The rows of a table, if it is there, up to the first that is torn."""
    text = path.read_bytes().decode(*ENCODING) if path.exists() else ""
    reader = csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline=""), strict=True)
    with suppress(csv.Error):
        yield from reader


def _text(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
