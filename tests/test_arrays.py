"""Single images predicted as arrays."""

import shutil

import numpy as np
import pytest
from PIL import Image

import segzoo
from segzoo.errors import ConfigError, DataError
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import classify, predict, softmax

IMAGE = np.kron(np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8), np.ones((8, 8, 1), np.uint8))


def expected(run, image):
    return predict(run.network(), run.frame, [image])[0]


def test_an_array_a_path_and_a_run_are_all_it_takes(trained, tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "image.png")
    logits = expected(trained, IMAGE)
    for run in (trained, trained.folder, str(trained.folder)):
        for image in (IMAGE, tmp_path / "image.png", str(tmp_path / "image.png"), IMAGE.tolist()):
            found = segzoo.predict(run, np.asarray(image, np.uint8) if isinstance(image, list) else image)
            np.testing.assert_array_equal(found.labels, classify(logits))
            np.testing.assert_allclose(found.probabilities, softmax(logits))
    assert (found.labels.dtype, found.labels.shape) == (np.uint8, IMAGE.shape[:2])


def test_grey_becomes_rgb_where_the_network_sees_that(trained):
    grey = IMAGE[..., 0]
    labels = classify(expected(trained, np.stack([grey] * 3, axis=-1)))
    np.testing.assert_array_equal(segzoo.predict(trained, grey).labels, labels)
    np.testing.assert_array_equal(segzoo.predict(trained, grey[..., None]).labels, labels)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (IMAGE[..., :2], r"has the shape \(32, 40, 2\), and an image \(height, width, 3\) is wanted$"),
        (np.moveaxis(IMAGE, -1, 0), r"seems to be \(channels, height, width\)"),
        (IMAGE[None], r"has the shape \(1, 32, 40, 3\)"),
        (IMAGE[:0], r"has the shape \(0, 40, 3\)"),
        (IMAGE / 255, "pixels are float64"),
    ],
)
def test_what_is_no_image_is_named(trained, image, message):
    with pytest.raises(DataError, match=message):
        segzoo.predict(trained, image)


def test_the_network_is_loaded_once_as_long_as_its_file_is_the_same(trained, tmp_path, monkeypatch):
    shutil.copytree(trained.folder, tmp_path / "run")
    loads = []
    original = segzoo.Run.network
    monkeypatch.setattr(segzoo.Run, "network", lambda run: loads.append(run.folder) or original(run))
    first = segzoo.predict(tmp_path / "run", IMAGE)
    segzoo.predict(tmp_path / "run", IMAGE[:20])
    assert len(loads) == 1
    network = original(trained)
    network.set_weights([weight * 2 for weight in network.get_weights()])
    network.save(tmp_path / "run" / "model.keras")
    assert (segzoo.predict(tmp_path / "run", IMAGE).probabilities != first.probabilities).any()
    assert len(loads) == 2


def test_a_file_of_keras_and_other_ways_to_predict(trained):
    frame, model = Frame((16, 16), stride=4, view="crop"), trained.folder / "model.keras"
    tiles = segzoo.predict(model, IMAGE, frame=frame)
    np.testing.assert_array_equal(tiles.labels, classify(predict(trained.network(), frame, [IMAGE])[0]))
    mirrored = segzoo.predict(trained, IMAGE[:, ::-1], tta="flips").probabilities[:, ::-1]
    np.testing.assert_allclose(segzoo.predict(trained, IMAGE, tta="flips").probabilities, mirrored, atol=1e-5)
    with pytest.raises(ConfigError, match="say how the network"):
        segzoo.predict(model, IMAGE)
