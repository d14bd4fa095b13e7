"""Lists of samples to leave out: a CSV file with a column `id`, beside which others may say why."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from segzoo.errors import ConfigError
from segzoo.files.atomic import write_text
from segzoo.inspection.findings import Finding

COLUMNS = ("id", "split", "kind", "what")


def write_list(path: Path, findings: Iterable[Finding]) -> None:
    """Write findings of single samples as a list.

    Raises:
        SegzooError: if it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)  # an id may hold line ends of any kind
    writer.writerow(COLUMNS)
    writer.writerows([getattr(finding, column) for column in COLUMNS] for finding in findings if finding.id)
    write_text(path, text.getvalue())


def read_list(path: Path) -> tuple[str, ...]:
    """The ids of a list, each once, in their order.

    Raises:
        ConfigError: if it cannot be read, or has no column `id`.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets put a mark at the beginning
            rows = csv.DictReader(file)
            if "id" not in (rows.fieldnames or ()):
                raise ConfigError(f"{path} is no list of samples to leave out: its first line must name a column `id`")
            return tuple(dict.fromkeys(row["id"] for row in rows if row["id"]))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read the list of samples to leave out, {path}: {error}") from error
