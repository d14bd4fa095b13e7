"""The settings for benchmarks on a CPU: one file for each network, of comparable size."""

from pathlib import Path

import pytest

from segzoo import registry
from segzoo.errors import DISTRIBUTION
from segzoo.plugin import Model
from segzoo.runs.config import compose

FOLDER = Path(__file__).parent.parent / "benchmarks" / "small"
SHIPPED = [entry.name for entry in registry.entries(Model) if entry.distribution == DISTRIBUTION]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_small_setting_has_one_to_two_million_parameters_as_it_says(name):
    file = FOLDER / f"{name}.toml"
    config = compose(file, {"dataset": "shapes"})
    assert config.model.name == name
    network = registry.create(Model, name, config.model.options).build((None, None, 3), 3)
    assert 1e6 <= network.count_params() <= 2e6
    assert f"{network.count_params() / 1e6:.2f} M parameters at 3 classes and 3 channels" in file.read_text("utf-8")


def test_there_is_no_other_file():
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(SHIPPED)
