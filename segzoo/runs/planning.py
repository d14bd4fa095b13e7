"""What a run is to do, from a configuration: plugins are made and every value is filled in, before any data is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segzoo import registry
from segzoo.data.faults import described
from segzoo.errors import ConfigError
from segzoo.files.cache import cache_folder
from segzoo.networks.encoders import with_resolved_encoders
from segzoo.networks.frame import Frame
from segzoo.plugin import Augmentation, Dataset, Info, Loss, Model, Tracker, Trainer
from segzoo.runs.config import STARTING, RunConfig, compose
from segzoo.runs.folder import RunFolder

MAY_CHANGE = ("epochs", "keep_checkpoint", "tracker")
"""Keys whose values may be others when a run goes on."""
KEPT = (*MAY_CHANGE, STARTING)
"""Keys that a run keeps where it is not told otherwise when it goes on."""


@dataclass(frozen=True)
class Experiment:
    """A configuration with every value filled in, and the plugins it names."""

    config: RunConfig
    model: Model
    dataset: Dataset
    augmentation: Augmentation
    trainer: Trainer
    loss: Loss
    trackers: tuple[Tracker, ...]
    info: Info
    epochs: int | None
    """None if only steps or seconds end the training."""
    frame: Frame


def plan(
    file: Path | None,
    words: Mapping[str, Any],
    settings: Mapping[str, Any],
    out: Path | None = None,
    resume: bool = False,
) -> Experiment:
    """What `compose` makes of its arguments, with every value filled in; what is not said, as in the run to go on with.

    Raises:
        SegzooError: as `compose` and `resolve`, or if the run in `out` was begun with other options.
    """
    if resume and out is None:
        raise ConfigError("--resume: say which run is to go on, with --out DIR")
    if not resume or out is None or not (folder := RunFolder(out)).begun:
        return resolve(compose(file, words, settings))
    earlier = resolve(folder.read_config())
    named = file or words.get("model") or words.get("dataset")
    config = compose(file if named else folder.config, words, settings)
    kept = {key: getattr(earlier.config, key) for key in KEPT if getattr(config, key) is None}
    experiment = resolve(config.model_copy(update=kept))
    _require_same(folder, earlier, experiment)
    return experiment


def _require_same(folder: RunFolder, earlier: Experiment, later: Experiment) -> None:
    if changed := earlier.config.differences(later.config.model_copy(update={"epochs": earlier.epochs})):
        raise ConfigError(
            f"the run in {folder.path} was begun with other options: {'; '.join(changed)}; give it the same ones, "
            "or begin a run with another --out"
        )
    longer = f"`segzoo run --config {folder.config} --epochs {later.epochs}"
    if later.epochs != earlier.epochs and later.trainer.depends_on_length:
        begun = f"with --epochs {earlier.epochs}" if earlier.epochs else "without --epochs"
        raise ConfigError(
            f"the run in {folder.path} was begun {begun}, and from its first step on it is trained by a plan for that, "
            f"as with a learning rate that falls to 0: {longer}` begins a new run"
        )
    if later.epochs and (done := len(folder.read_history())) > later.epochs:
        raise ConfigError(
            f"the run in {folder.path} has {done} epochs already; --epochs {later.epochs} is less than that"
        )
    if folder.finished and later.epochs != earlier.epochs and not folder.has_checkpoint:
        why, keep = "its checkpoint was not kept", " --keep-checkpoint"
        if earlier.config.keep_checkpoint:
            why, keep = f"its trainer '{earlier.config.trainer.name}' has left no checkpoint", ""
        raise ConfigError(
            f"the run in {folder.path} is finished, and {why}, so it cannot be trained longer: "
            f"{longer}{keep}` begins a new run"
        )


def resolve(config: RunConfig) -> Experiment:
    """The plugins that a configuration names, and every value it leaves open. Needs no data.

    TensorFlow is imported only if a plugin has to ask it about the machine.
    """
    model = with_resolved_encoders(registry.create(Model, config.model.name, config.model.options).resolved())
    dataset = registry.create(Dataset, config.dataset.name, config.dataset.options).resolved()
    augmentation = registry.create(Augmentation, config.augmentation.name, config.augmentation.options).resolved()
    trainer = registry.create(Trainer, config.trainer.name, config.trainer.options).resolved()
    loss = registry.create(Loss, config.loss.name, config.loss.options).resolved()
    trackers = {
        name: registry.create(Tracker, name, given).resolved() for name, given in (config.tracker or {}).items()
    }
    info = described(dataset, cache_folder())
    bounded = config.epochs or config.steps or config.seconds
    epochs, image_size = config.epochs if bounded else info.epochs, config.image_size or info.image_size
    view = config.view or info.view
    plugins = {"model": model, "dataset": dataset, "augmentation": augmentation, "trainer": trainer, "loss": loss}
    choices = {key: getattr(config, key).filled(plugin) for key, plugin in plugins.items()}
    followed = {name: tracker.model_dump(mode="json", exclude_none=True) for name, tracker in trackers.items()}
    choices |= {"tracker": followed or None}
    full = config.model_copy(update={**choices, "epochs": epochs, "image_size": image_size, "view": view})
    frame = Frame.around(image_size, model, view)
    return Experiment(full, model, dataset, augmentation, trainer, loss, (*trackers.values(),), info, epochs, frame)
