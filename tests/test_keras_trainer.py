"""The training loop: what it fits, what it keeps, what it tells."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from segzoo.errors import ConfigError, TrainingError
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import classify, predict
from segzoo.plugin import IGNORE, Events, Job
from segzoo.plugin_errors import lack_of_memory
from segzoo.scoring.overlap import confusion, mean_iou
from segzoo.training.batches import order
from segzoo.training.pipeline import decode
from segzoo_keras import KerasTrainer, engine
from segzoo_keras.steps import Steps
from segzoo_losses import CrossEntropy
from segzoo_shapes import Shapes
from segzoo_unet import UNet

CLASSES = 4


class Blocks(list):
    """Images whose left part is dark and right part bright, with masks of two classes; `ignore` masks some pixels."""

    def __init__(self, count=6, ignore=False):
        rng = np.random.default_rng(0)
        for i in range(count):
            mask = np.zeros((16, 16), np.uint8)
            mask[:, 4 + i :] = 1
            image = np.where(mask, 200, 50)[..., None] + rng.integers(0, 20, (16, 16, 3))
            if ignore:
                mask[8:] = IGNORE
            self.append((image.astype(np.uint8), mask))

    @property
    def ids(self):
        return [str(i) for i in range(len(self))]


def linear_network():
    """One 1x1 convolution: quick to train, and simple to reason about."""
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, keras.layers.Conv2D(CLASSES, 1, kernel_initializer="glorot_uniform")(inputs))


PLAIN = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "warmup": 0,
    "weight_decay": 0,
    "clip_norm": 0,
    "ema": 0,
    "half_size": 0,
    "precision": "float32",
}
"""Options of a training that is as simple as can be, and the same on any machine."""


class Recorder(Events):
    """A job, and the events that the trainer sends."""

    def __init__(self, folder, epochs=3, seed=0, frame=None, resume=False, augmentation=None):
        self.rows, self.times, self.images, self.counts, self.said, self.earlier = [], [], [], [], [], None
        self.job = Job(
            CrossEntropy(),
            CLASSES,
            frame or Frame((16, 16)),
            epochs,
            seed,
            folder,
            folder / "checkpoints",
            events=self,
            cache=folder / "cache",
            resume=resume,
            augmentation=augmentation,
        )

    def training_started(self, images):
        self.counts.append(images)

    def resumed(self, figures, times=(), images=0):
        self.earlier = (figures, times, images)

    def images_done(self, count):
        self.images.append(count)

    def epoch_ended(self, figures, times=None):
        self.rows.append(figures)
        self.times.append(times)

    def message(self, text):
        self.said.append(text)

    def fit(self, build=linear_network, train=None, val=None, **options):
        return KerasTrainer(**PLAIN | options).fit(build, train or Blocks(), val or Blocks(3), self.job)


def val_loss(model, recorder, samples):
    data = decode(samples, recorder.job.frame)
    images, labels, weights = data.batch(data.epoch(0, 0))
    return float(np.mean(recorder.job.loss(labels, model(images), weights)))


class Unequal(Blocks):
    """The same in larger images of different sizes."""

    def __init__(self, count=6):
        rng = np.random.default_rng(1)
        for i in range(count):
            mask = (rng.random((20 + 9 * i, 50 - 4 * i)) < 0.4).astype(np.uint8)
            self.append((np.where(mask, 200, 50)[..., None].repeat(3, -1).astype(np.uint8), mask))


def test_the_loss_falls_on_shapes(tmp_path):
    data, model = Shapes(size=32, train=24, val=8, test=1), UNet(filters=4, depth=2)
    recorder = Recorder(tmp_path, epochs=10, frame=Frame((32, 32), 4))
    recorder.fit(
        lambda: model.build((None, None, 3), CLASSES), data.open(tmp_path, "train"), data.open(tmp_path, "val")
    )
    losses = [row["loss"] for row in recorder.rows]
    assert losses[-1] < 0.9 * losses[0]


def test_each_epoch_is_reported_once_and_every_image_counted(tmp_path):
    recorder = Recorder(tmp_path)
    recorder.fit(batch_size=4)
    assert [set(row) for row in recorder.rows] == [{"loss", "val_loss", "val_mean_iou"}] * 3
    assert recorder.images == [4, 2] * 3
    assert recorder.counts == [6]


@pytest.mark.parametrize(
    ("epochs", "steps", "images"),
    [
        (None, 1, [4]),
        (None, 4, [4, 2, 4, 2]),  # two whole epochs
        (None, 5, [4, 2, 4, 2, 4]),
        (2, 5, [4, 2, 4, 2]),
    ],
)
def test_steps_end_the_training_within_an_epoch(tmp_path, epochs, steps, images):
    recorder = Recorder(tmp_path, epochs)
    recorder.job = replace(recorder.job, steps=steps)
    recorder.fit(batch_size=4)
    assert recorder.images == images
    assert [set(row) for row in recorder.rows] == [{"loss", "val_loss", "val_mean_iou"}] * -(-len(images) // 2)
    assert [times["images"] for times in recorder.times] == [sum(images[i : i + 2]) for i in range(0, len(images), 2)]


def test_the_loss_of_an_epoch_cut_short_is_the_mean_over_its_images(tmp_path):
    whole, cut = Recorder(tmp_path, epochs=1), Recorder(tmp_path, epochs=1)
    cut.job = replace(cut.job, steps=1)
    whole.fit(batch_size=3, learning_rate=1e-12)
    cut.fit(batch_size=3, learning_rate=1e-12)
    first = order(6, 0, 0)[:3]
    part = Recorder(tmp_path, epochs=1)
    samples = Blocks()
    samples[:] = [samples[index] for index in first]
    part.fit(train=samples, batch_size=3, learning_rate=1e-12)
    assert cut.rows[0]["loss"] == pytest.approx(part.rows[0]["loss"], rel=1e-5)
    assert cut.rows[0]["loss"] != pytest.approx(whole.rows[0]["loss"], rel=1e-5)


def test_seconds_of_training_end_it_and_seconds_of_anything_else_do_not(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(engine, "perf_counter", lambda: now[0])
    recorder = Recorder(tmp_path, None)

    def later(step, seconds):
        def call(*batch):
            now[0] += seconds
            return step(*batch)

        return call

    compiled = engine.compile_steps

    def slow(*words):
        train, predict = compiled(*words)
        return Steps({phase: later(step, 10) for phase, step in train.items()}, later(predict, 99))

    monkeypatch.setattr(engine, "compile_steps", slow)
    recorder.job = replace(recorder.job, seconds=45)
    recorder.fit(batch_size=2)
    assert len(recorder.images) == 5  # of three an epoch
    assert [times["training_seconds"] for times in recorder.times] == [30, 20]


def test_the_weights_of_the_best_epoch_are_kept_and_nothing_else_is(tmp_path):
    contrary = Blocks(3)
    contrary[:] = [(image, 1 - mask) for image, mask in contrary]  # the better it trains, the worse they get
    recorder = Recorder(tmp_path, epochs=6)
    model = recorder.fit(val=contrary, learning_rate=0.1, batch_size=2)
    losses = [row["val_loss"] for row in recorder.rows]
    assert losses[-1] > 1.1 * min(losses)
    assert val_loss(model, recorder, contrary) == pytest.approx(min(losses), rel=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]
    assert not model.compiled


def test_the_best_epoch_is_the_one_with_the_highest_iou_if_that_is_asked_for(tmp_path, monkeypatch):
    told = iter([(0.5, 0.2), (0.3, 0.6), (0.1, 0.4), (float("nan"), 0.9)])
    monkeypatch.setattr(
        engine, "validate", lambda *words: dict(zip(("val_loss", "val_mean_iou"), next(told), strict=True))
    )
    shorter, longer = Recorder(tmp_path, epochs=2), Recorder(tmp_path, epochs=4)
    kept = longer.fit(select="mean_iou").get_weights()
    told = iter([(0.5, 0.2), (0.3, 0.6)])
    for weight, expected in zip(kept, shorter.fit().get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"batch_size": 6}, "--set trainer.batch_size=3 --set trainer.accumulate=2 makes the same steps"),
        (
            {"batch_size": 3, "accumulate": 2},
            "--set trainer.batch_size=1 --set trainer.accumulate=6 makes the same steps",
        ),
        ({"batch_size": 1}, "take a smaller --image-size or network"),
    ],
)
def test_what_saves_memory_is_said_when_it_is_used_up(tmp_path, options, advice):
    def raising(values):
        raise MemoryError  # of which TensorFlow makes the error that it has for its own allocations

    class Hungry(keras.layers.Layer):
        def call(self, x, training=False):
            return tf.ensure_shape(tf.numpy_function(raising, [x], tf.float32), x.shape) + x if training else x

    def build():
        inputs = keras.Input((None, None, 3))
        return keras.Model(inputs, keras.layers.Conv2D(CLASSES, 1)(Hungry()(inputs)))

    with pytest.raises(TrainingError, match=r"^the memory is too small for ") as caught:
        Recorder(tmp_path).fit(build, **options)
    assert advice in str(caught.value)
    assert lack_of_memory(caught.value)


CROPS = Frame((16, 16), stride=8, margin=3, view="crop")


def unpadded_network():
    """Two convolutions that lose three pixels on each side."""
    x = inputs = keras.Input((None, None, 3))
    for size in (5, 3):
        x = keras.layers.Conv2D(CLASSES, size)(x)
    return keras.Model(inputs, x)


def test_crops_of_images_of_all_sizes_are_validated_as_they_are_scored(tmp_path):
    recorder, val = Recorder(tmp_path, epochs=4, frame=CROPS), Unequal(3)
    model = recorder.fit(unpadded_network, Unequal(), val, batch_size=4)
    assert recorder.images == [4] * 10 * 4  # an epoch is as many crops as have the pixels of the images
    assert recorder.counts == [40]
    assert [times["images"] for times in recorder.times] == [40] * 4
    losses = [row["val_loss"] for row in recorder.rows]
    assert losses[-1] < losses[0]
    best = recorder.rows[losses.index(min(losses))]
    logits, loss = predict(model, CROPS, [image for image, _ in val]), recorder.job.loss
    counts = sum(confusion(mask, classify(output), CLASSES) for (_, mask), output in zip(val, logits, strict=True))
    assert best["val_mean_iou"] == pytest.approx(mean_iou(counts), abs=1e-6)
    pairs = [(mask[None], output[None]) for (_, mask), output in zip(val, logits, strict=True)]
    whole = [loss(mask, output, np.ones(mask.shape, np.float32)) for mask, output in pairs]
    assert min(losses) == pytest.approx(np.mean(whole), rel=1e-4)


def test_crops_are_others_in_every_epoch(tmp_path):
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, images, training=False):
            if training:
                tf.py_function(lambda values: seen.append(values.numpy()), [images], [])
            return images

    def build():
        inputs = keras.Input((None, None, 3))
        return keras.Model(inputs, keras.layers.Conv2D(CLASSES, 1)(Spy()(inputs)))

    recorder = Recorder(tmp_path, epochs=3, frame=Frame((16, 16), view="crop"))
    recorder.fit(build, Unequal(1), Unequal(1), pixels="0..255")
    assert len({images.tobytes() for images in seen}) == 3
    (whole, _), *_ = Unequal(1)
    windows = np.lib.stride_tricks.sliding_window_view(whole, (16, 16, 3))
    for images in seen:
        assert (windows == images[0]).all(axis=(-1, -2, -3)).any()


def test_the_seed_decides_weights_and_order(tmp_path):
    def history(seed):
        recorder = Recorder(tmp_path, seed=seed)
        model = recorder.fit(batch_size=2)
        return recorder.rows, [weight.tolist() for weight in model.get_weights()]

    assert history(1) == history(1)
    assert history(1) != history(2)


def test_the_reported_loss_is_the_mean_over_images_whatever_the_batches(tmp_path):
    losses = []
    for batch_size in (6, 4):  # 4 and 2
        recorder = Recorder(tmp_path, epochs=1)
        recorder.fit(batch_size=batch_size, learning_rate=1e-12)
        losses.append(recorder.rows[0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_ignored_pixels_and_the_frame_do_not_count(tmp_path):
    plain, framed = Recorder(tmp_path, epochs=1), Recorder(tmp_path, epochs=1, frame=Frame((16, 16), stride=32))
    for recorder in (plain, framed):
        recorder.fit(train=Blocks(ignore=True), val=Blocks(3, ignore=True), learning_rate=1e-12)
    assert plain.rows[0] == pytest.approx(framed.rows[0], rel=1e-5)


def test_a_networks_own_penalties_are_added(tmp_path):
    def penalized():
        inputs = keras.Input((None, None, 3))
        layer = keras.layers.Conv2D(
            CLASSES, 1, kernel_initializer="ones", kernel_regularizer=keras.regularizers.L1(1.0)
        )
        return keras.Model(inputs, layer(inputs))

    recorder = Recorder(tmp_path, epochs=1)
    recorder.fit(penalized, learning_rate=1e-12)
    assert recorder.rows[0]["loss"] > 3 * CLASSES
    assert recorder.rows[0]["val_loss"] < 3 * CLASSES


@pytest.mark.parametrize("pixels", ["-1..1", "0..255"])
def test_the_network_sees_the_range_it_wants_and_the_model_takes_pixels(tmp_path, pixels):
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, x):
            if not isinstance(x, keras.KerasTensor):
                seen.append(x)
            return x

    def build():
        inputs = keras.Input((None, None, 3))
        return keras.Model(inputs, keras.layers.Conv2D(CLASSES, 1)(Spy()(inputs)))

    model = Recorder(tmp_path, epochs=1).fit(build, pixels=pixels)
    model(np.array([0, 255], np.float32).reshape(1, 1, 2, 1).repeat(3, -1))
    expected = {"-1..1": [-1, 1], "0..255": [0, 255]}[pixels]
    np.testing.assert_allclose(np.asarray(seen[-1])[0, 0, :, 0], expected, atol=1e-6)


def test_a_subclassed_network_trains(tmp_path):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = keras.layers.Conv2D(CLASSES, 1)

        def call(self, x):
            return self.head(x)

    model = Recorder(tmp_path, epochs=1).fit(Subclassed)
    assert model(np.zeros((2, 16, 16, 3), np.float32)).shape == (2, 16, 16, CLASSES)


@pytest.mark.parametrize(
    "optimizer", ["adam", "sgd", *(pytest.param(name, marks=pytest.mark.slow) for name in ("adamw", "rmsprop"))]
)
def test_every_optimizer_lowers_the_loss(tmp_path, optimizer):
    recorder = Recorder(tmp_path, epochs=5)
    recorder.fit(optimizer=optimizer, learning_rate=0.02)
    assert recorder.rows[-1]["loss"] < recorder.rows[0]["loss"]


def test_a_keras_set_up_otherwise_gets_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(
        ConfigError, match="needs Keras on TensorFlow, but it runs on jax: set KERAS_BACKEND=tensorflow"
    ):
        Recorder(tmp_path).fit()
    monkeypatch.undo()
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    with pytest.raises(ConfigError, match=r'set "image_data_format": "channels_last" in keras\.json'):
        Recorder(tmp_path).fit()


def test_pretrained_weights_want_the_pixel_values_that_they_know(tmp_path):
    recorder = Recorder(tmp_path)
    recorder.job = replace(recorder.job, pretrained=("encoder",))
    with pytest.raises(ConfigError, match=r"'pixels': the pretrained weights of 'encoder' expect -1\.\.1, which"):
        recorder.fit(pixels="0..255")
    assert recorder.counts == []
