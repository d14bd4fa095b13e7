"""The checks of `segzoo.testing`, over everything registered."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from segzoo import registry
from segzoo.plugin import Encoder, Model, Plugin
from segzoo.testing import checks_for, parametrize_with_checks
from segzoo_folder import ImageFolder
from segzoo_isbi_em import IsbiEM
from segzoo_oxford_pets import OxfordPets

REAL = {OxfordPets: ("oxford_pets_small", {"allow_missing": True}), IsbiEM: ("isbi2012", {})}
"""Where the data of datasets lies that do not make it themselves, and what options it needs."""
REGISTERED = [registry.load(kind, entry.name) for kind in registry.KINDS for entry in registry.entries(kind)]

ON_JAX = """
import sys
from segzoo.testing import find, run_checks
outcomes = run_checks(find(sys.argv[1]))
assert any(outcome.result == 'passed' for outcome in outcomes)
sys.exit('\\n'.join(f'{o.check}: {o.message}' for o in outcomes if o.result == 'failed') or 0)
"""


def drawn(folder):
    """A folder of images with masks."""
    for number in range(12):
        rng = np.random.default_rng(number)
        for kind, pixels in {"images": rng.integers(0, 256, (9, 8, 3)), "masks": rng.integers(0, 3, (9, 8))}.items():
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / kind / f"{number}.png")
    return folder


@parametrize_with_checks(REGISTERED)
def test_plugin(plugin, check, request, tmp_path):
    if type(plugin) in REAL and check not in checks_for(Plugin):
        folder, options = REAL[type(plugin)]
        plugin = type(plugin)(root=request.getfixturevalue("test_data") / folder, **options)
    if type(plugin) is ImageFolder and check not in checks_for(Plugin):
        plugin = ImageFolder(root=drawn(tmp_path))
    check(plugin)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.parametrize(
    "name", [f"{kind.kind}s/{entry.name}" for kind in (Model, Encoder) for entry in registry.entries(kind)]
)
def test_network_on_jax(name):
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX, name],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
