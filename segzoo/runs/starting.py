"""What the network of a run begins with: the weights of its encoder, those of another network, or random ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segzoo.errors import ConfigError
from segzoo.files.cache import cache_folder
from segzoo.files.stamps import sha256
from segzoo.networks.build import build_network, clean_state
from segzoo.networks.encoders import encoders_of
from segzoo.networks.saved import load, unreadable
from segzoo.networks.transfer import take, values_of
from segzoo.plugin import Encoder, StartingWeights
from segzoo.plugin_errors import title
from segzoo.processes.terminal import note
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
    """The names of the layers that begin with weights which their plugin has brought."""
    return tuple(name for name in experiment.config.starting_weights or {} if name != INIT)


def _of_network(place: Path) -> StartingWeights:
    file = _file(place)
    try:
        return StartingWeights(place.name, sha256(file))
    except OSError as error:
        raise unreadable(file, error) from error


def _file(place: Path) -> Path:
    """The file itself, or that in the folder of a run."""
    return RunFolder(place).model if place.is_dir() else place


@dataclass
class Start:
    """Builds the network of a run with the weights to begin with, and says at first which of it stay random."""

    experiment: Experiment
    weights: Mapping[str, StartingWeights]
    """Those that `fetched` has returned."""
    taken: dict[str, NDArray[Any]] = field(init=False, default_factory=dict)
    """Those of the network that the run was told to begin with."""
    told: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        if INIT in self.weights and self.experiment.config.init is not None:
            self.taken = values_of(load(_file(self.experiment.config.init), building(self.experiment)))

    def __call__(self) -> keras.Model:
        """A new network.

        Raises:
            SegzooError: if the weights cannot be put into it.
        """
        network = building(self.experiment)()
        for name, encoder in encoders_of(self.experiment.model).items():
            if name in self.weights:
                with clean_state():
                    encoder.load(self._layer(network, name, encoder), cache_folder())
        if self.taken:
            self._take(network)
        return network

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
            note(f"not in {init}, so they begin as random: {', '.join(kept[:SHOWN])}{more}")
        self.told = True
