"""Samples of all sizes, in memory or on the disk: the same ones, wherever they lie."""

import numpy as np
import psutil
import pytest
from test_batches import CROP, SIZES, Positions, Sized, native

from segzoo.errors import DataError
from segzoo.networks.frame import Frame
from segzoo.training.pipeline import decode


@pytest.fixture(params=["memory", "disk"])
def place(request, monkeypatch):
    """Where the samples will lie."""
    if request.param == "disk":
        monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10})())
    return request.param


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_samples_of_all_sizes_are_kept_as_they_are(place, depth, tmp_path):
    samples = Sized(depth=depth)
    data = native(samples, loss=Positions(), cache=tmp_path)
    assert isinstance(data.kept.images.flat, np.memmap) == (place == "disk")
    for index, (image, mask) in enumerate(samples):
        np.testing.assert_array_equal(data.kept.images[index], image)
        np.testing.assert_array_equal(data.kept.masks[index], mask)
        np.testing.assert_array_equal(data.maps[index], Positions().weight_map(mask))
    assert not list(tmp_path.rglob("*.raw"))  # these samples cannot say whether they have changed


def test_it_does_not_matter_where_they_lie(monkeypatch, tmp_path):
    found = native(loss=Positions())
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10})())
    again = native(loss=Positions(), cache=tmp_path)
    assert found.fingerprint == again.fingerprint
    picks = found.epoch(3, 4)
    for one, other in zip(vars(picks).values(), vars(again.epoch(3, 4)).values(), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(found.batch(picks), again.batch(picks), strict=True):
        np.testing.assert_array_equal(one, other)


def test_samples_that_turn_out_larger_than_the_first_ones_lie_on_the_disk(monkeypatch, tmp_path):
    sizes = [(10, 10)] * 20
    sizes[5] = (900, 900)  # is not one of those from whose sizes the whole is estimated
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 100_000})())
    data = native(Sized(sizes), cache=tmp_path)
    assert isinstance(data.kept.images.flat, np.memmap)
    np.testing.assert_array_equal(data.kept.images[5], Sized(sizes)[5][0])


def test_other_pixels_or_other_sizes_have_another_fingerprint():
    prints = {native(Sized(sizes)).fingerprint for sizes in (SIZES, SIZES[:-1], [(30, 40), *SIZES[1:]])}
    assert len(prints) == 3
    assert native().fingerprint in prints


def test_images_of_different_depths_are_refused():
    samples = Sized()
    mixed = [samples[0], (samples[1][0].astype(np.uint16), samples[1][1])]
    frames = Frame(CROP), Frame(CROP, view="crop")

    class Mixed(list):
        ids = ("a", "b")

    for frame in frames:
        with pytest.raises(DataError, match="image 'b' is uint16, but 'a' uint8"):
            decode(Mixed(mixed), frame)
