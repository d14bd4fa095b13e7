"""Predicting files and folders into a folder, which another process of the same command goes on with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segzoo.errors import ConfigError
from segzoo.inference.ensemble import Blend, Ensemble, Manner, Precision
from segzoo.inference.outputs import Depth
from segzoo.inference.pipeline import Done, Pipeline
from segzoo.inference.record import Table, prediction_folder
from segzoo.inference.results import OBJECT_COLUMNS, Results
from segzoo.inference.sources import Source, Sources, find_sources
from segzoo.inference.trained import open_trained
from segzoo.networks.frame import Frame
from segzoo.networks.symmetries import Symmetries
from segzoo.processes.terminal import Bar, quiet
from segzoo.runs.finished import Run


@dataclass(frozen=True)
class Predictions:
    """A folder of predictions, and what a call has added to it."""

    folder: Path
    classes: tuple[str, ...]
    predicted: int
    """Files that were predicted."""
    skipped: int
    """Files whose predictions were there already."""
    failed: dict[str, str] = field(repr=False)
    """Why files could not be predicted, by their paths."""
    passed_over: int
    """Files in the folders that are no images."""
    table: Table = field(repr=False)
    """`predictions.csv`."""
    files: Sequence[str] = field(repr=False)
    """The paths of the image files, in order."""

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of these files in `predictions.csv`, a page each, with numbers as numbers."""
        for file in self.files:
            for row in self.table.rows(file) if file in self.table else ():
                yield {key: value if key in ("file", "name") else json.loads(value) for key, value in row.items()}

    def shares(self) -> dict[str, float]:
        """The share of each class in the pixels of these files."""
        pixels = {name: sum(row[f"pixels_{name}"] for row in self.rows()) for name in self.classes}
        total = sum(pixels.values())
        return {name: count / total for name, count in pixels.items()} if total else {}


def predict_files(
    run: Run | Path | str,
    images: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    also: Sequence[Run | Path | str] = (),
    frame: Frame | None = None,
    classes: Sequence[str] = (),
    tta: Symmetries | None = None,
    overlap: float | None = None,
    blend: Blend = "mean",
    scale: float | None = None,
    precision: Precision = "auto",
    overlays: bool = True,
    probabilities: Depth | None = None,
    objects: bool = False,
) -> Predictions:
    """Predict image files, and those in folders, into the folder `out`; what `segzoo predict` does.

    `images` are paths of files and folders, or a path.

    Files whose predictions are there are skipped, unless they have changed since. A file that cannot be read is noted,
    and the rest goes on. The probabilities of `run` and of those in `also` are averaged. For networks in `.keras` files
    `frame` and `classes` say what runs know. Which values the others may have, `segzoo predict --help` and the
    reference of the command line tell.

    Raises:
        SegzooError: if a network cannot be opened, `out` holds other predictions, or files cannot be written.
    """
    manner = Manner(tta, overlap, blend, scale, precision)
    paths = [images] if isinstance(images, Path | str) else images
    with quiet():
        members = [open_trained(source, frame, classes) for source in (run, *also)]
        results = Results(Path(out), members[0].classes, overlays, probabilities, objects)
        return _predict(Ensemble(members, manner), results, find_sources([*map(Path, paths)], results.out))


def _predict(ensemble: Ensemble, results: Results, sources: Sources) -> Predictions:
    out, order = results.out, [str(source.path) for source in sources.files]
    if not out.exists():
        ensemble.load()  # what is wrong with a network is told before anything is written
    with prediction_folder(out, ensemble.facts() | results.facts()):
        tables = [Table(out / "predictions.csv", results.columns())]
        tables += [Table(out / "objects.csv", OBJECT_COLUMNS)] if results.objects else []
        todo = _todo(sources, results, tables)
        with Bar(len(todo)) as bar, _to_go_on():
            failed = _work(ensemble, results, todo, tables, bar)
        for table in tables:
            table.tidy(order)
    done, skipped = len(todo) - len(failed), len(order) - len(todo)
    return Predictions(out, ensemble.first.classes, done, skipped, failed, sources.passed_over, tables[0], order)


@contextmanager
def _to_go_on() -> Iterator[None]:
    """Says on Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("to go on, repeat the command") from None


def _todo(sources: Sources, results: Results, tables: Sequence[Table]) -> list[Source]:
    """The files whose predictions are not there; nothing is left in the tables of files that are to be predicted."""
    predictions, names = tables[0], {str(source.path): source.name for source in sources.files}
    outdated = [file for file in predictions if not _is_current(file, names, results, predictions)]
    _remove(outdated, results, tables)
    taken = {predictions.rows(file)[0]["name"].casefold(): file for file in predictions if file not in names}
    for file, name in names.items():
        if other := taken.get(name.casefold()):
            raise ConfigError(
                f"{file} and {other}, which was predicted before, would both be called {name}; name both in the same "
                f"command, or choose another --out than {results.out}"
            )
    for table in tables:
        for file in table:
            if file not in predictions:
                table.remove(file)
        table.tidy()
    return [source for source in sources.files if str(source.path) not in predictions]


def _is_current(file: str, names: Mapping[str, str], results: Results, table: Table) -> bool:
    """Whether all of the predictions of a file are there, under its name, and newer than the file."""
    made = _made(table.rows(file), results)
    if not made or file not in names:
        return bool(made)
    try:
        newest = Path(file).stat().st_mtime_ns
        return table.rows(file)[0]["name"] == names[file] and all(path.stat().st_mtime_ns >= newest for path in made)
    except OSError:
        return False


def _made(rows: Sequence[Mapping[str, str]], results: Results) -> list[Path]:
    """The files that were made of an image file with these rows; none if the rows are incomplete or damaged."""
    try:
        sizes = [(int(row["height"]), int(row["width"])) for row in rows]
        complete = [int(row["page"]) for row in rows] == list(range(int(rows[0]["pages"])))
    except ValueError:
        return []
    return results.files(rows[0]["name"], sizes) if complete else []


def _remove(outdated: Iterable[str], results: Results, tables: Sequence[Table]) -> None:
    """Remove predictions, so that none stay that are called otherwise when they are made anew."""
    for file in outdated:
        for path in _made(tables[0].rows(file), results):
            path.unlink(missing_ok=True)
        for table in tables:
            table.remove(file)


def _work(
    ensemble: Ensemble, results: Results, todo: Sequence[Source], tables: Sequence[Table], bar: Bar
) -> dict[str, str]:
    """Predict files and write down what becomes of them; returns why some could not be predicted."""
    failed: dict[str, str] = {}

    def tell(rows: int, total: int) -> None:
        bar.advance(rows / total, "predicting")

    with Pipeline(ensemble, results, tell) as pipeline:
        for done in pipeline.run(todo):
            _note(done, tables, failed, bar)
    return failed


def _note(done: Done, tables: Sequence[Table], failed: dict[str, str], bar: Bar) -> None:
    file = str(done.source.path)
    if done.measured is None:
        failed[file] = done.error
        bar.line(f"warning: {done.error}")
        return
    # Those of objects first: the rows of predictions say that a file is done.
    for table, rows in zip(reversed(tables), [done.measured.objects, done.measured.rows][-len(tables) :], strict=True):
        table.append(file, rows)
