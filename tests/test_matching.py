"""Widths at which networks are of one size: the nearest there is, whatever a plugin accepts."""

import random
from typing import ClassVar

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

from segzoo import registry
from segzoo.benchmarking.matching import Match, _accepted, _nearest, _widened, count_parameters, match_parameters
from segzoo.errors import DISTRIBUTION, PluginError
from segzoo.plugin import Model

SHIPPED = [entry.name for entry in registry.entries(Model) if entry.distribution == DISTRIBUTION]
WITH_WIDTH = [name for name in SHIPPED if registry.load(Model, name).width]
"""Without `encoder_unet`, most of whose weights are its encoder's."""


class Plain(Model):
    """One convolution without bias: 3 x 3 parameters for each filter of an image of one channel."""

    width: ClassVar[str | None] = "filters"
    filters: int = Field(8, ge=1)

    def build(self, image_shape, num_classes):
        """See `Model.build`."""
        inputs = keras.Input(image_shape)
        hidden = keras.layers.Conv2D(self.filters, 3, padding="same", use_bias=False)(inputs)
        outputs = hidden[..., :1] * keras.ops.ones((num_classes,))
        return keras.Model(inputs, outputs)


class InEights(Plain):
    """Takes multiples of 8 up to 64."""

    filters: int = Field(8, ge=8, le=64, multiple_of=8)


class Odd(Plain):
    """Takes odd numbers only, by a validator."""

    filters: int = Field(3, ge=3)

    @field_validator("filters")
    @classmethod
    def _odd(cls, filters):
        if filters % 2 == 0:
            raise ValueError("must be odd")
        return filters


class Unnamed(Plain):
    """Names no width."""

    width: ClassVar[str | None] = None


class Scaled(Plain):
    """Its width is a factor."""

    width: ClassVar[str | None] = "alpha"
    alpha: float = 0.5


class Flat(Plain):
    """Has a weight for each pixel of its one size."""

    fixed_size: ClassVar[bool] = True

    def build(self, image_shape, num_classes):
        """See `Model.build`."""
        inputs = keras.Input(image_shape)
        hidden = keras.layers.Dense(self.filters, use_bias=False)(keras.layers.Flatten()(inputs))
        outputs = hidden[:, None, None, :1] * keras.ops.ones((*image_shape[:2], num_classes))
        return keras.Model(inputs, outputs)


class Broken(Plain):
    """Accepts widths that it cannot build."""

    def build(self, image_shape, num_classes):
        """See `Model.build`."""
        if self.filters != 8:
            raise ValueError("8 filters or none")
        return super().build(image_shape, num_classes)


def match(model, target, image_size=(16, 16)):
    """The match of a model with a baseline of 9 x target parameters."""
    models = {"base": ("plain", Plain(filters=target)), "other": ("other", model)}
    return match_parameters(models, "base", 1, 2, image_size)["other"]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60).map(sorted), st.integers(-5, 60), st.integers(0, 59))
def test_the_nearest_of_growing_values_is_found_from_anywhere(values, target, start):
    nearest = _nearest(values.__getitem__, len(values), min(start, len(values) - 1), target)
    assert abs(values[nearest] - target) == min(abs(value - target) for value in values)


@given(st.integers(1, 10**6), st.integers(0, 9_999))
def test_little_is_built_and_nothing_far_too_large(target, start):
    seen = []
    _nearest(lambda index: seen.append(index) or (index + 1) ** 2, 10_000, start, target)
    assert len(set(seen)) <= 30
    assert max(seen) <= max(start, 3 * target**0.5 + 2)


def test_the_width_is_chosen_and_the_baseline_stays():
    models = {"a": ("plain", Plain(filters=20)), "b": ("plain", Plain(filters=3)), "c": ("plain", Plain(filters=300))}
    matches = match_parameters(models, "a", 1, 2, (16, 16))
    assert list(matches) == ["a", "b", "c"]
    assert all(each == Match(Plain(filters=20), 180, "") for each in matches.values())


@pytest.mark.slow
def test_only_widths_that_the_plugin_accepts_are_chosen():
    assert match(InEights(), 37).model == InEights(filters=40)
    assert match(InEights(), 35).model == InEights(filters=32)
    assert match(Odd(), 60).model == Odd(filters=59)  # as near as 61, and smaller
    assert match(Odd(), 61) == Match(Odd(filters=61), 9 * 61, "")


def test_counts_that_cannot_be_reached_are_noted():
    assert match(InEights(), 4) == Match(InEights(filters=8), 72, "filters = 8 comes nearest, with +100.0% parameters")
    assert match(InEights(), 640).note == "filters = 64 comes nearest, with -90.0% parameters"
    assert match(InEights(), 41).note == ""  # within 5 %


def test_networks_without_a_width_keep_their_size_and_say_so():
    assert match(Unnamed(), 20) == Match(Unnamed(), 72, "keeps its size: it names no option as its width")
    assert match(Scaled(), 20) == Match(Scaled(), 72, "keeps its size: its option 'alpha' is no whole number")


def test_networks_of_one_size_are_counted_at_it():
    assert match(Flat(), 64, (6, 6)) == Match(Flat(filters=16), 16 * 6 * 6, "")


def test_a_width_that_is_accepted_but_cannot_be_built_is_named():
    with pytest.raises(PluginError, match=r"with filters = \d+: model Broken: `build` raised .*8 filters or none"):
        match(Broken(), 20)


def test_keras_and_random_numbers_are_left_as_they_were():
    policy, state = keras.config.dtype_policy(), random.getstate()
    match(Plain(), 20)
    assert keras.config.dtype_policy() == policy
    assert random.getstate() == state


def assert_nearest(name, base):
    """No width beside the chosen one comes nearer."""
    model = registry.load(Model, name).example()
    matches = match_parameters({"base": ("unet", base), "it": (name, model)}, "base", 3, 3, (64, 64))
    target, chosen = matches["base"].parameters, matches["it"]
    widths, width = _accepted(model), getattr(chosen.model, model.width)
    position = widths.index(width)
    assert chosen.parameters == count_parameters(chosen.model, name, 3, 3)
    for neighbour in widths[max(position - 1, 0) : position + 2]:
        count = count_parameters(_widened(model, neighbour), name, 3, 3)
        assert abs(chosen.parameters - target) <= abs(count - target)
    assert bool(chosen.note) == (abs(chosen.parameters - target) > 0.05 * target)
    assert chosen.model.model_dump(exclude={model.width}) == model.model_dump(exclude={model.width})


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_WIDTH)
def test_every_network_that_ships_comes_as_near_as_it_can(name):
    assert_nearest(name, registry.create(Model, "unet", {"filters": 8, "depth": 2}))


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_WIDTH)
def test_every_network_that_ships_comes_as_near_as_it_can_to_a_large_one(name):
    assert_nearest(name, registry.create(Model, "unet", {}))
