"""One run, from a configuration to a folder with a trained network, its scores and pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo import metrics, network, registry
from segzoo.atomic import whole, write_text
from segzoo.config import RunConfig, cache_folder, compose
from segzoo.errors import ConfigError, PluginError, SegzooError
from segzoo.evaluation import classify, evaluate, predict
from segzoo.manifest import manifest
from segzoo.pictures import comparison
from segzoo.pipeline import Frame
from segzoo.plugin import Dataset, Info, Job, Loss, Model, Split, Trainer
from segzoo.records import History, csv_text
from segzoo.samples import CheckedSamples
from segzoo.terminal import Bar, chatter_to, messages_to

if TYPE_CHECKING:
    import keras

PICTURES = 8
"""Samples of the evaluated split that are drawn."""


@dataclass(frozen=True)
class Result:
    """What a run left behind."""

    folder: Path
    metrics: dict[str, Any]
    history: list[dict[str, float]]


@dataclass(frozen=True)
class Experiment:
    """A configuration with every value filled in, and the plugins it names."""

    config: RunConfig
    model: Model
    dataset: Dataset
    trainer: Trainer
    loss: Loss
    info: Info
    epochs: int
    frame: Frame


def run(
    model: str | None = None,
    dataset: str | None = None,
    *,
    trainer: str | None = None,
    loss: str | None = None,
    config: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    image_size: tuple[int, int] | None = None,
    seed: int | None = None,
    out: Path | None = None,
) -> Result:
    """Train a network on a dataset and score it; what `segzoo run` does.

    Options come from the TOML file `config`, then from the names and numbers given here and from `settings` such as
    `{"model.filters": 16}`. The results go to the new folder `out`, by default below `runs/`.

    Raises:
        SegzooError: if a name, an option, the data or the folder does not do; before the first epoch has ended,
            nothing is left behind then.
    """
    numbers = {"epochs": epochs, "image_size": image_size, "seed": seed}
    names = {"model": model, "dataset": dataset, "trainer": trainer, "loss": loss}
    return conduct(resolve(compose(config, names | numbers, settings or {})), out)


def resolve(config: RunConfig) -> Experiment:
    """The plugins that a configuration names, and every value it leaves open. Needs no data.

    TensorFlow is imported only if a plugin has to ask it about the machine.
    """
    model = registry.create(Model, config.model.name, config.model.options).resolved()
    dataset = registry.create(Dataset, config.dataset.name, config.dataset.options).resolved()
    trainer = registry.create(Trainer, config.trainer.name, config.trainer.options).resolved()
    loss = registry.create(Loss, config.loss.name, config.loss.options).resolved()
    info = dataset.describe(cache_folder())
    epochs, image_size = config.epochs or info.epochs, config.image_size or info.image_size
    plugins = {"model": model, "dataset": dataset, "trainer": trainer, "loss": loss}
    choices = {
        key: getattr(config, key).model_copy(update={"options": plugin.model_dump(mode="json", exclude_none=True)})
        for key, plugin in plugins.items()
    }
    full = config.model_copy(update={**choices, "epochs": epochs, "image_size": image_size})
    return Experiment(full, model, dataset, trainer, loss, info, epochs, Frame.around(image_size, model))


def conduct(experiment: Experiment, out: Path | None = None) -> Result:
    """Train, score and draw, into a new folder."""
    plugins = (experiment.model, experiment.dataset, experiment.trainer, experiment.loss)
    with (
        _new_folder(out, experiment.config) as folder,
        chatter_to(folder / "log.txt"),
        messages_to(folder / "log.txt", {type(plugin).__module__.partition(".")[0] for plugin in plugins}),
    ):
        return _conduct(experiment, folder)


def _conduct(experiment: Experiment, folder: Path) -> Result:
    splits = _open(experiment)
    scored: Split = "test" if "test" in splits else "val"
    # Training reads, and so checks, the other splits; this one should not turn out bad after hours.
    prints: dict[str, str] = {scored: splits[scored].fingerprint()} if scored == "test" else {}
    write_text(folder / "config.toml", experiment.config.to_toml())
    history = History(folder, experiment.epochs)
    total = experiment.epochs * len(splits["train"]) + len(splits[scored])
    with Bar(total) as bar:
        model = _train(experiment, splits, folder, history, bar)
        with whole(folder / "model.keras") as path:
            model.save(path)
        prints |= {split: splits[split].fingerprint() for split in ("train", "val")}
        write_text(folder / "manifest.json", _json(manifest(experiment.config.seed, prints)))
        scores = _score(experiment, model, splits[scored], scored, folder, bar)
    _draw(experiment, model, splits[scored], folder)
    return Result(folder, scores, history.rows)


def _open(experiment: Experiment) -> dict[Split, CheckedSamples]:
    dataset, info, cache = experiment.dataset, experiment.info, cache_folder()
    missing = {"train", "val"} - set(info.splits)
    if missing:
        raise PluginError(f"dataset '{experiment.config.dataset.name}' has no split '{missing.pop()}'")
    dataset.prepare(cache)
    return {split: CheckedSamples(dataset.open(cache, split), info, split) for split in info.splits}


def _train(
    experiment: Experiment, splits: Mapping[Split, CheckedSamples], folder: Path, history: History, bar: Bar
) -> keras.Model:
    def report(row: Mapping[str, float]) -> None:
        bar.line(history.add(row))

    def advance(images: int) -> None:
        history.images += images
        bar.advance(images, f"epoch {len(history.rows) + 1}/{experiment.epochs}")

    info, name = experiment.info, experiment.config.model.name

    def build() -> keras.Model:
        return network.build(experiment.model, name, experiment.frame, info.channels, len(info.classes))

    job = Job(
        loss=experiment.loss,
        num_classes=len(info.classes),
        frame=experiment.frame,
        epochs=experiment.epochs,
        seed=experiment.config.seed,
        folder=folder,
        report=report,
        advance=advance,
    )
    return experiment.trainer.fit(build, splits["train"], splits["val"], job)


def _score(
    experiment: Experiment, model: keras.Model, samples: CheckedSamples, split: Split, folder: Path, bar: Bar
) -> dict[str, Any]:
    classes = experiment.info.classes
    counts = np.zeros((len(classes), len(classes)), np.int64)
    rows = []
    matrices = evaluate(model, experiment.frame, samples, len(classes), lambda n: bar.advance(n, f"scoring {split}"))
    for name, matrix in zip(samples.ids, matrices, strict=True):
        counts += matrix
        ious = dict(zip(classes, metrics.iou(matrix), strict=True))
        rows.append({"id": name, "mean_iou": metrics.mean_iou(matrix)} | {f"iou_{c}": v for c, v in ious.items()})
    write_text(folder / "images.csv", csv_text(rows))
    each = metrics.mean(np.array([row["mean_iou"] for row in rows]))
    facts = {"split": split, "selected_on_this_split": split == "val", "images": len(samples)}
    scores = facts | metrics.scores(counts, classes) | {"image_mean_iou": metrics.number(each)}
    write_text(folder / "metrics.json", _json(scores))
    return scores


def _draw(experiment: Experiment, model: keras.Model, samples: CheckedSamples, folder: Path) -> None:
    (folder / "samples").mkdir()
    for index in np.linspace(0, len(samples) - 1, min(PICTURES, len(samples))).round().astype(int):
        image, truth = samples[int(index)]
        prediction = classify(predict(model, experiment.frame, [image])[0])
        picture = comparison(image, truth, prediction, experiment.info.classes)
        with whole(folder / "samples" / f"{samples.ids[index].replace('/', '-')}.png") as path:
            picture.save(path, "PNG")


@contextmanager
def _new_folder(out: Path | None, config: RunConfig) -> Iterator[Path]:
    """The run's own folder; gone again if the run fails before it has anything to show."""
    folder = _make_folder(out) if out else _next_folder(Path("runs"), f"{config.model.name}-{config.dataset.name}")
    try:
        yield folder
    except (SegzooError, KeyboardInterrupt):
        if not (folder / "history.csv").exists():
            shutil.rmtree(folder)
        raise


def _make_folder(folder: Path) -> Path:
    try:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        folder.mkdir(parents=True)
    except FileExistsError:
        raise ConfigError(f"{folder} exists already and is not empty; choose another --out") from None
    except OSError as error:
        raise ConfigError(f"cannot write to {folder} ({error.strerror}); choose another --out") from error
    return folder


def _next_folder(parent: Path, name: str) -> Path:
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        if not folder.exists():
            return _make_folder(folder)
    raise AssertionError


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
