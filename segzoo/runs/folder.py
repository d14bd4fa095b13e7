"""The folder of a run: the names and formats of its files; made or reopened, and worked in by one process at a time."""

from __future__ import annotations

import json
import shutil
import tomllib
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segzoo.errors import ConfigError, PluginRaisedError, SegzooError
from segzoo.files.atomic import leftovers, remove_folder, remove_leftovers, write_text
from segzoo.files.locking import LOCK, alone
from segzoo.files.tables import csv_rows, csv_text
from segzoo.plugin import Split
from segzoo.runs.config import RunConfig
from segzoo.runs.evaluation import Evaluation


@dataclass(frozen=True)
class RunFolder:
    """The files of a run: how they are called, written and read.

    What cannot be read is a ConfigError that names the file and the command that repeats the run.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The configuration; written first."""
        return self.path / "config.toml"

    @property
    def log(self) -> Path:
        """What TensorFlow and the run's plugins have said."""
        return self.path / "log.txt"

    @property
    def splits(self) -> Path:
        """The samples of each split."""
        return self.path / "splits.csv"

    @property
    def history(self) -> Path:
        """The figures of each epoch."""
        return self.path / "history.csv"

    @property
    def timings(self) -> Path:
        """The times of each epoch."""
        return self.path / "timings.csv"

    @property
    def checkpoints(self) -> Path:
        """A folder with the states of the training, which the trainer writes."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The trained network, as Keras saves it."""
        return self.path / "model.keras"

    @property
    def metrics(self) -> Path:
        """The scores of the split."""
        return self.path / "metrics.json"

    @property
    def images(self) -> Path:
        """The scores of each image."""
        return self.path / "images.csv"

    @property
    def samples(self) -> Path:
        """A folder with pictures of images, masks and predictions."""
        return self.path / "samples"

    @property
    def manifest(self) -> Path:
        """Where, when and with what the run was made; written last."""
        return self.path / "manifest.json"

    @property
    def card(self) -> Path:
        """The model card."""
        return self.path / "README.md"

    @property
    def evaluation(self) -> Path:
        """What was evaluated, and how; only in the folder of an evaluation."""
        return self.path / "evaluation.json"

    @property
    def evaluations(self) -> Path:
        """A folder with the evaluations of the network on other data."""
        return self.path / "evaluations"

    @property
    def begun(self) -> bool:
        """Whether there is a run in the folder."""
        return self.config.is_file()

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return self.manifest.is_file()

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a state of the training to go on from."""
        return self.checkpoints.is_dir() and any(self.checkpoints.iterdir())

    @property
    def again(self) -> str:
        """What makes the files anew, for messages."""
        if self.evaluation.exists():
            return "evaluate it again with `segzoo evaluate`"
        return f"`segzoo run --config {self.config}` repeats the run"

    def read_config(self) -> RunConfig:
        """The configuration, with every value that the run has filled in."""
        with self.reading(self.config):
            return RunConfig.model_validate(tomllib.loads(self.config.read_text("utf-8")))

    def write_config(self, config: RunConfig) -> None:
        """Write the configuration."""
        write_text(self.config, config.to_toml())

    def read_splits(self) -> dict[str, tuple[str, ...]]:
        """The ids of the samples of each split."""
        splits: dict[str, list[str]] = {}
        with self.reading(self.splits):
            for row in self._dicts(self.splits):
                splits.setdefault(row["split"], []).append(row["id"])
        return {split: tuple(ids) for split, ids in splits.items()}

    def write_splits(self, ids: Mapping[Split, Sequence[str]]) -> None:
        """Write down the samples of each split, unless the run has finished an epoch."""
        if not self.history.exists():
            rows = [{"id": name, "split": split} for split, names in ids.items() for name in names]
            write_text(self.splits, csv_text(rows))

    def read_history(self) -> list[dict[str, float]]:
        """The figures of each epoch, with the exact values that were written; empty if there are none."""
        return self._epochs(self.history)

    def read_timings(self) -> list[dict[str, float]]:
        """The times of each epoch, those that were measured; empty if there are none."""
        return [{name: value for name, value in row.items() if value == value} for row in self._epochs(self.timings)]

    def write_history(self, figures: Sequence[Mapping[str, float]], times: Sequence[Mapping[str, float]]) -> None:
        """Write figures and times of the epochs, each with its number in `epoch`."""
        for path, rows in {self.history: figures, self.timings: times}.items():
            if rows:
                write_text(path, csv_text(rows))

    def read_images(self) -> Iterator[list[str]]:
        """The rows of the table of images as text, the names of the columns first."""
        return self._rows(self.images)

    def write_images(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the scores of each image, with its `id`."""
        write_text(self.images, csv_text(rows))

    def read_metrics(self) -> dict[str, Any]:
        """The scores of the split."""
        return self._json(self.metrics)

    def write_metrics(self, scores: Mapping[str, Any]) -> None:
        """Write the scores of the split."""
        write_text(self.metrics, _json_text(scores))

    def write_card(self, text: str) -> None:
        """Write the model card."""
        write_text(self.card, text)

    def read_evaluation(self) -> Evaluation | None:
        """What was evaluated, and how; None in the folder of a run."""
        if not self.evaluation.exists():
            return None
        table = self._json(self.evaluation)
        with self.reading(self.evaluation):
            return Evaluation.model_validate(table)

    def write_evaluation(self, evaluation: Evaluation) -> None:
        """Write what was evaluated, and how."""
        write_text(self.evaluation, _json_text(evaluation.model_dump(mode="json", exclude_none=True)))

    def read_manifest(self) -> dict[str, Any]:
        """Where, when and with what the run was made."""
        return self._json(self.manifest)

    def write_manifest(self, facts: Mapping[str, Any]) -> None:
        """Write where, when and with what the run was made; from then on it is finished."""
        write_text(self.manifest, _json_text(facts))

    @contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Inside, an error in reading one of the files or in its content is a ConfigError that says what to do."""
        try:
            yield
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ConfigError(f"cannot read {path} ({reason}); {self.again}") from error
        except (ValueError, KeyError) as error:  # those of TOML, JSON and Pydantic are ValueErrors
            raise ConfigError(f"{path} is damaged ({_reason(error)}); {self.again}") from error

    def remove_checkpoints(self) -> None:
        """Remove the states of the training."""
        remove_folder(self.checkpoints)

    def _json(self, path: Path) -> dict[str, Any]:
        with self.reading(path):
            table = json.loads(path.read_text("utf-8"))
            if not isinstance(table, dict):
                raise ValueError("it holds no table")
            return table

    def _rows(self, path: Path) -> Iterator[list[str]]:
        with self.reading(path):
            yield from csv_rows(path)

    def _dicts(self, path: Path) -> Iterator[dict[str, str]]:
        rows = self._rows(path)
        names = next(rows, [])
        for row in rows:
            yield dict(zip(names, row, strict=True))

    def _epochs(self, path: Path) -> list[dict[str, float]]:
        if not path.exists():
            return []
        with self.reading(path):
            return [
                {name: int(value) if name == "epoch" else float(value or "nan") for name, value in row.items()}
                for row in self._dicts(path)
            ]


@contextmanager
def run_folder(out: Path | None, name: str, resume: bool) -> Iterator[RunFolder]:
    """The folder of a run: `out`, which is new unless the run resumes in it; else the next free name below `runs`.

    Gone again if the run fails before it has anything to show. The traceback of a plugin's exception is added to its
    log; if the folder is gone, the log is beside it, as `NAME.failed.txt`.

    Raises:
        ConfigError: if it holds something else, cannot be written, or another process works in it.
    """
    folder = RunFolder(_make(out, resume) if out else _make(next_free(Path("runs"), name), resume=False))
    with alone(folder.path):
        begun = folder.begun
        remove_leftovers(folder.path)
        _failed(folder).unlink(missing_ok=True)
        try:
            yield folder
        except KeyboardInterrupt:
            if _removed(folder, begun):
                raise
            raise KeyboardInterrupt(f"to go on, repeat the command with --resume --out {folder.path}") from None
        except PluginRaisedError as error:
            log = folder.log.read_text("utf-8", "replace") if folder.log.exists() else ""
            removed = _removed(folder, begun)
            error.log = _failed(folder) if removed else folder.log
            with error.log.open("a", encoding="utf-8") as file:  # a benchmark holds the log of a cell open
                file.write((log if removed else "") + "".join(traceback.format_exception(error.exception)))
            raise
        except SegzooError:
            _removed(folder, begun)
            raise


def _removed(folder: RunFolder, begun: bool) -> bool:
    """Remove the folder of a run that has nothing to show nor to go on from; returns whether it is gone."""
    if not folder.path.is_dir():  # a plugin, or somebody else, has removed it
        return True
    if begun or not _names(folder.path) <= _early(folder):
        return False
    shutil.rmtree(folder.path)
    return True


def _failed(folder: RunFolder) -> Path:
    """The log of a run whose folder was removed."""
    return folder.path.with_name(f"{folder.path.name}.failed.txt")


def _early(folder: RunFolder) -> set[str]:
    """The names of what a run leaves before it has any result."""
    return {LOCK, folder.config.name, folder.log.name, folder.splits.name}


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _make(path: Path, resume: bool) -> Path:
    folder = RunFolder(path)
    try:
        if path.is_dir():
            names = _names(path)
            if resume and (folder.begun or names <= _early(folder) | {left.name for left in leftovers(path)}):
                return path
            if resume:
                raise ConfigError(f"{path} holds other files and no run that could go on; choose another --out")
            if not names:
                path.rmdir()
        path.mkdir(parents=True)
    except FileExistsError:
        raise ConfigError(f"{path} exists already and is not empty; choose another --out") from None
    except OSError as error:
        raise ConfigError(f"cannot write to {path} ({error.strerror}); choose another --out") from error
    return path


def next_free(parent: Path, name: str) -> Path:
    """The first of `name`, `name-2` and so on that is not there in a folder."""
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(parent / free for free in names if not (parent / free).exists())


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return f"no '{place}'" if first["type"] == "missing" else f"{place}: {first['msg']}"
    return f"no {error}" if isinstance(error, KeyError) else str(error)


def _json_text(value: Any) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
