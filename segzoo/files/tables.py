"""Tables as CSV: with a header, and floats in full."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with a header; floats in full, so that they read back to the same bits."""
    text = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, fieldnames=list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def csv_rows(path: Path) -> Iterator[list[str]]:
    """The rows of a table as text, the header first; read while they are asked for.

    Raises:
        ValueError: if a row has not as many values as the header, or the text is no CSV in UTF-8.
        OSError: if the file cannot be read.
    """
    columns = 0
    with path.open(encoding="utf-8", newline="") as file:
        try:
            for row in filter(None, csv.reader(file)):
                columns = columns or len(row)
                if len(row) != columns:
                    raise ValueError(f"a row has {len(row)} values, the header {columns}")
                yield row
        except csv.Error as error:
            raise ValueError(str(error)) from error


def _cell(value: Any) -> Any:
    if value != value:  # NaN: no such score
        return ""
    return repr(float(value)) if hasattr(value, "dtype") else value
