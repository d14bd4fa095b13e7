"""Layers of a network, by patterns of their names, that are not trained, or only later, or at another learning rate."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import keras

from segzoo.errors import ConfigError, suggestion
from segzoo_keras.steps import without_pixels

if TYPE_CHECKING:
    from segzoo_keras import KerasTrainer

logger = logging.getLogger(__name__)

SHOWN = 8
"""Layers that a message names if none is called nearly like a pattern."""

Place = tuple[str, keras.layers.Layer]
"""A layer, and its path through the networks that it is in, such as `encoder/stem_conv`."""


class Trainable:
    """What of a network is trained, from when on, and how fast.

    Layers are frozen only while a step is traced. Between steps the flags `trainable` are as the network was built, so
    there is nothing to restore in a training that goes on, nor in the network that is saved.
    """

    def __init__(self, options: KerasTrainer, model: keras.Model, pretrained: Sequence[str] = ()) -> None:
        self.model = model
        places = [*layers_with_weights(without_pixels(model))]
        self._layers = [layer for pattern in options.freeze for layer in matching(places, pattern, "freeze")]
        frozen, variables = {id(v) for layer in self._layers for v in layer.weights}, model.trainable_variables
        self._first = [variable for variable in variables if id(variable) not in frozen]
        if variables and not self._first:
            raise ConfigError("trainer 'keras', option 'freeze': it leaves nothing to train; name fewer layers")
        self.frozen_until = (options.unfreeze_after or math.inf) if self._layers else 0.0
        """Share of the training in which layers are frozen; infinite if they are until its end."""
        self.variables = self._first if self.frozen_until == math.inf else variables
        """All that are ever trained."""
        rates = {name: options.pretrained_rate for name in pretrained if name not in options.lr_multipliers}
        self.factors = factors(places, options.lr_multipliers | rates, self.variables)
        """What the learning rate of each of them is multiplied by."""
        if self._layers:
            logger.info("frozen parameters: %d of %d", size(variables) - size(self._first), size(variables))

    def at(self, frozen: bool) -> list[keras.Variable]:
        """The variables that are trained while layers are frozen, or after that."""
        return self._first if frozen else self.variables

    @property
    def late(self) -> frozenset[int]:
        """The places in `variables` of those that are not trained from the first step on."""
        first = {id(variable) for variable in self._first}
        return frozenset(place for place, variable in enumerate(self.variables) if id(variable) not in first)

    @property
    def alike(self) -> bool:
        """Whether all variables are trained from the first step on, at the same learning rate."""
        return not self.late and set(self.factors) <= {1.0}

    @contextmanager
    def freezing(self, wanted: bool) -> Iterator[None]:
        """A block in which layers are frozen, if that is wanted: batch normalizations keep to their moving statistics.

        Penalties of their weights do not count in it either.
        """
        layers = self._layers if wanted else []
        # A layer passes its flag on to those in it, and to its variables, so these come after it.
        parts = [part for layer in layers for part in (*layer._flatten_layers(), *layer.weights)]
        before = [part.trainable for part in parts]
        for layer in layers:
            layer.trainable = False
        try:
            yield
        finally:
            for part, flag in zip(parts, before, strict=True):
                part.trainable = flag


def check_patterns(options: KerasTrainer, network: keras.Model) -> None:
    """Refuse patterns that match no layer, unless the layers are made only when the network sees images.

    Raises:
        ConfigError: as `matching`.
    """
    if network.built:
        places = [*layers_with_weights(network)]
        for option in ("freeze", "lr_multipliers"):
            for pattern in getattr(options, option):
                matching(places, pattern, option)


def layers_with_weights(network: keras.layers.Layer, path: str = "") -> Iterator[Place]:
    """The layers in a network that have weights, those in networks and other layers in it too, each with its path."""
    # Keras has no public list of the layers in a layer that is no network.
    for layer in network._flatten_layers(include_self=False, recursive=False):
        if layer.weights:
            yield f"{path}{layer.name}", layer
            yield from layers_with_weights(layer, f"{path}{layer.name}/")


def matching(places: Sequence[Place], pattern: str, option: str) -> list[keras.layers.Layer]:
    """The layers whose name or path a pattern such as `encoder*` or `encoder/stem_*` matches.

    Raises:
        ConfigError: if there is none.
    """
    found = [layer for path, layer in places if fnmatchcase(layer.name, pattern) or fnmatchcase(path, pattern)]
    if not found:
        known = sorted((path for path, _ in places), key=lambda path: path.count("/"))
        few = known if len(known) <= SHOWN else [*known[:SHOWN], "…"]
        near = get_close_matches(pattern, known, n=1) or few
        raise ConfigError(
            f"trainer 'keras', option '{option}': no layer with weights is called '{pattern}'"
            f"{suggestion(pattern, near)}"
        )
    return found


def factors(
    places: Sequence[Place], multipliers: Mapping[str, float], variables: Sequence[keras.Variable]
) -> tuple[float, ...]:
    """The factor of each variable: that of the first pattern which its layer, or one around it, matches; else 1.

    Raises:
        ConfigError: if a pattern matches no layer.
    """
    given: dict[int, float] = {}
    for pattern, factor in multipliers.items():
        for layer in matching(places, pattern, "lr_multipliers"):
            for variable in layer.weights:
                given.setdefault(id(variable), factor)
    return tuple(given.get(id(variable), 1.0) for variable in variables)


def size(variables: Sequence[keras.Variable]) -> int:
    """How many numbers they hold."""
    return sum(math.prod(variable.shape) for variable in variables)
