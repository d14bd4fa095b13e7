"""What the network of a run begins with: the weights of its encoder, those of another network, or random ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segzoo.errors import ConfigError, PluginError
from segzoo.files.cache import cache_folder
from segzoo.files.stamps import sha256
from segzoo.networks.build import build_network, clean_state
from segzoo.networks.encoders import encoders_of
from segzoo.networks.saved import load, unreadable
from segzoo.networks.transfer import take, values_of
from segzoo.plugin import Encoder, StartingWeights
from segzoo.plugin_errors import title
from segzoo.processes.terminal import note
from segzoo.runs.finished import open_run
from segzoo.runs.folder import RunFolder
from segzoo.runs.planning import Experiment

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

INIT = "init"
"""What the weights of another network are called among the starting weights; those of encoders have their option's."""
SHOWN = 6
"""Weights that are named in the note on those that are not taken."""


def building(experiment: Experiment) -> Callable[[], keras.Model]:
    """Builds the network of the model, with random weights."""
    facts = (experiment.frame, experiment.info.channels, len(experiment.info.classes))
    return partial(build_network, experiment.model, experiment.config.model.name, *facts)


def fetched(experiment: Experiment) -> dict[str, StartingWeights]:
    """The weights that the network is to begin with, by what they are of, once they are there.

    Raises:
        SegzooError: if they cannot be had, or are others than those that the configuration names.
    """
    prepared = {name: encoder.prepare(cache_folder()) for name, encoder in encoders_of(experiment.model).items()}
    weights = {name: facts for name, facts in prepared.items() if facts is not None}
    if experiment.config.init is not None:
        weights[INIT] = _of_network(experiment.config.init)
    for name, known in (experiment.config.starting_weights or {}).items():
        if (now := weights.get(name)) is None or now.sha256 != known.sha256:
            found = f"{now.name}, whose SHA-256 is {now.sha256}" if now else "none"
            raise ConfigError(
                f"the configuration wants '{name}' to begin with {known.name}, whose SHA-256 is {known.sha256}, but "
                f"there is {found}: to take that, remove the table [starting_weights.{name}]"
            )
    return weights


def pretrained(experiment: Experiment) -> tuple[str, ...]:
    """The names of the encoders that begin with pretrained weights: those of their plugin, or of another network."""
    weights = experiment.config.starting_weights or {}
    return tuple(name for name in encoders_of(experiment.model) if name in weights or INIT in weights)


def _of_network(place: Path) -> StartingWeights:
    file = _file(place)
    try:
        return StartingWeights(place.name, sha256(file))
    except OSError as error:
        raise unreadable(file, error) from error


def _file(place: Path) -> Path:
    """The file itself, or that in the folder of a run."""
    return RunFolder(place).model if place.is_dir() else place


def _network(place: Path, experiment: Experiment) -> keras.Model:
    """The trained network of a run, or of a file.

    Raises:
        SegzooError: if it cannot be read; Keras does not know the layers of every network.
    """
    if place.is_dir():
        return load(_file(place), lambda: open_run(place).build())
    try:
        return load(place, building(experiment))
    except PluginError as error:
        raise ConfigError(
            f"--init {place}: Keras does not know all layers of that network, and it is not that of "
            f"{title(type(experiment.model))} with these options; give the folder of the run that has trained it"
        ) from error


@dataclass
class Start:
    """Builds the network of a run with the weights to begin with, and says at first which of it stay random."""

    experiment: Experiment
    weights: Mapping[str, StartingWeights]
    """Those that `fetched` has returned."""
    taken: dict[str, NDArray[Any]] = field(init=False, default_factory=dict)
    """Those of the network that the run was told to begin with."""
    loaded: dict[str, list[NDArray[Any]]] = field(init=False, default_factory=dict)
    """Those of encoders, once they are read: a trainer may build anew when their files are gone."""
    told: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        if INIT in self.weights and self.experiment.config.init is not None:
            self.taken = values_of(_network(self.experiment.config.init, self.experiment))

    def __call__(self) -> keras.Model:
        """A new network.

        Raises:
            SegzooError: if the weights cannot be put into it.
        """
        network = building(self.experiment)()
        for name, encoder in encoders_of(self.experiment.model).items():
            if name in self.weights:
                self._load(self._layer(network, name, encoder), name, encoder)
        if self.taken:
            self._take(network)
        return network

    def _load(self, layer: keras.Model, name: str, encoder: Encoder) -> None:
        if name in self.loaded:
            layer.set_weights(self.loaded[name])
            return
        with clean_state():
            encoder.load(layer, cache_folder())
        self.loaded[name] = layer.get_weights()

    def _layer(self, network: keras.Model, name: str, encoder: Encoder) -> keras.Model:
        layer = next((layer for layer in network.layers if layer.name == name), None)
        if layer is None:
            raise ConfigError(
                f"{title(type(self.experiment.model))}: its network has no layer called '{name}', into which "
                f"{title(type(encoder))} could put its weights"
            )
        return layer

    def _take(self, network: keras.Model) -> None:
        kept, init = take(self.taken, network), self.experiment.config.init
        if len(kept) == len(network.weights):
            raise ConfigError(
                f"--init {init}: no weight of it has the name and the shape of one of "
                f"{title(type(self.experiment.model))}; give a network of the same model"
            )
        if kept and not self.told:
            more = f" and {len(kept) - SHOWN:,} more" if len(kept) > SHOWN else ""
            note(f"not in {init}, so they begin as they would without it: {', '.join(kept[:SHOWN])}{more}")
        self.told = True
