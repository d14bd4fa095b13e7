"""Precision: which one a machine gets, and that weights, losses, scores and the saved network are float32 in any."""

import subprocess
import sys
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from segzoo.errors import ConfigError, PluginError, TrainingError
from segzoo.networks import precision
from segzoo.networks.frame import Frame
from segzoo.plugin import Events, Job
from segzoo.runs.config import compose
from segzoo.runs.planning import resolve
from segzoo_keras import KerasTrainer
from segzoo_losses import CrossEntropy
from segzoo_shapes import Shapes
from segzoo_unet import UNet

CLASSES = 4
POLICIES = ["float32", "mixed_bfloat16", "mixed_float16"]
WORDS = {"model": "unet", "dataset": "shapes"}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes this a machine with these processor flags, and GPUs of these compute capabilities."""

    def become(flags, gpus=()):
        cpuinfo, driver = tmp_path / "cpuinfo", tmp_path / "driver"
        cpuinfo.write_text(f"processor : 0\nmodel name : A Processor\nflags : {flags}\nbugs : amx_bf16\n")
        monkeypatch.setattr(precision, "CPUINFO", cpuinfo)
        monkeypatch.setattr(precision, "GPU_DRIVERS", (driver,))
        if gpus:
            driver.touch()
        details = dict(enumerate(gpus))
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(details))
        monkeypatch.setattr(tf.config.experimental, "get_device_details", details.__getitem__)

    return become


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f avx512_bf16 avx512_vnni", "mixed_bfloat16"),
        ("fpu avx2 amx_bf16 amx_tile amx_int8", "mixed_bfloat16"),
        ("fpu avx2 avx512f avx512_vnni", "float32"),
        ("fpu avx2", "float32"),
        ("fpu avx512_bf16x", "float32"),
        ("", "float32"),
    ],
)
def test_a_processor_gets_bfloat16_if_it_multiplies_in_it(machine, flags, expected):
    machine(flags)
    assert precision.fast_precision() == expected


def test_a_system_that_does_not_tell_gets_float32(machine, tmp_path, monkeypatch):
    machine("avx512_bf16")
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "nowhere")
    assert precision.fast_precision() == "float32"


AMPERE, TURING = {"compute_capability": (8, 0)}, {"compute_capability": (7, 5)}
HOPPER, UNKNOWN = {"compute_capability": (9, 0)}, {"device_name": "a GPU"}


@pytest.mark.parametrize(
    ("gpus", "flags", "expected"),
    [
        ([AMPERE], "avx2", "mixed_bfloat16"),
        ([HOPPER, AMPERE], "avx2", "mixed_bfloat16"),
        ([TURING], "avx512_bf16", "float32"),
        ([HOPPER, TURING], "avx512_bf16", "float32"),
        ([UNKNOWN], "avx512_bf16", "float32"),
    ],
)
def test_where_there_are_gpus_they_decide(machine, gpus, flags, expected):
    machine(flags, gpus)
    assert precision.fast_precision() == expected


def test_a_driver_without_a_gpu_that_tensorflow_sees_leaves_it_to_the_processor(machine, tmp_path):
    machine("avx512_bf16")
    (tmp_path / "driver").touch()
    assert precision.fast_precision() == "mixed_bfloat16"


@pytest.mark.parametrize(("flags", "decided"), [("avx512_bf16", "mixed_bfloat16"), ("avx2", "float32")])
def test_the_configuration_of_a_run_has_the_decision_and_keeps_it(machine, tmp_path, flags, decided):
    machine(flags)
    resolved = resolve(compose(words=WORDS))
    assert resolved.trainer.precision == decided
    assert f'precision = "{decided}"' in resolved.config.to_toml()
    (tmp_path / "config.toml").write_text(resolved.config.to_toml())
    machine("amx_bf16" if decided == "float32" else "sse")
    assert resolve(compose(tmp_path / "config.toml")).config == resolved.config


@pytest.mark.parametrize("policy", POLICIES)
def test_a_precision_that_the_user_names_stays(machine, policy):
    machine("avx512_bf16", [TURING])
    assert KerasTrainer(precision=policy).resolved().precision == policy


def test_to_decide_without_a_gpu_takes_no_tensorflow():
    code = (
        "import sys; from segzoo.networks import precision; from segzoo_keras import KerasTrainer\n"
        "precision.GPU_DRIVERS = ()\n"
        "assert KerasTrainer().resolved().precision in ('float32', 'mixed_bfloat16')\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Training(Events):
    """A training on a few drawn shapes, and the figures of its epochs."""

    def __init__(self, folder, build, loss=None, epochs=2, images=6, **options):
        self.rows = []
        data = Shapes(size=16, train=images, val=2, test=1)
        frame = Frame((16, 16), stride=2)
        job = Job(loss or CrossEntropy(), CLASSES, frame, epochs, 0, folder, folder / "checkpoints", events=self)
        splits = data.open(folder, "train"), data.open(folder, "val")
        self.model = KerasTrainer(**options).fit(build, *splits, job)

    def epoch_ended(self, figures, times=None):
        self.rows.append(figures)


def unet():
    return UNet(filters=4, depth=1, dropout=0.2).build((None, None, 3), CLASSES)


def convolution():
    """One layer, of whatever precision is asked for; its logits are not float32 by themselves."""
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1)(inputs))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.norm, self.head = layers.BatchNormalization(), layers.Conv2D(CLASSES, 1)

    def call(self, images):
        return self.head(self.norm(images))


def leaves(network):
    for layer in network.layers:
        yield from leaves(layer) if isinstance(layer, keras.Model) else [layer]


@pytest.fixture(scope="module")
def trained_in(tmp_path_factory):
    """The training of a network in a precision, which no test changes."""

    @cache
    def training(policy, build=unet):
        return Training(tmp_path_factory.mktemp("training"), build, precision=policy, **LONG)

    return training


LONG = {"epochs": 4, "learning_rate": 0.01}


@pytest.mark.parametrize("policy", POLICIES)
def test_what_comes_back_is_a_plain_float32_network(tmp_path, trained_in, policy):
    model = trained_in(policy).model
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype(np.float32)
    for network in (model, loaded):
        assert {layer.dtype_policy.name for layer in leaves(network)} == {"float32"}
        assert {type(layer).__module__.partition(".")[0] for layer in leaves(network)} == {"keras"}
        assert len([layer for layer in leaves(network) if type(layer) is layers.BatchNormalization]) == 6
        assert not network.compiled
        np.testing.assert_array_equal(network(images), model(images))
    inner = model.layers[-1]
    features = keras.Model(inner.inputs, inner.get_layer("bottom_relu2").output)  # and can be cut like any other
    assert features(images).shape == (2, 8, 8, 8)


@pytest.mark.parametrize(
    ("build", "policy"),
    [
        *((unet, policy) for policy in POLICIES),
        (Subclassed, "mixed_bfloat16"),
        *(pytest.param(Subclassed, policy, marks=pytest.mark.slow) for policy in ("float32", "mixed_float16")),
    ],
)
def test_it_is_the_network_that_was_trained(tmp_path, trained_in, policy, build):
    training = trained_in(policy, build)
    losses = [row["val_loss"] for row in training.rows]
    data = Shapes(size=16, val=2).open(tmp_path, "val")
    images, masks = (np.stack(part) for part in zip(*data, strict=True))
    logits = training.model(images.astype(np.float32))
    loss = np.mean(CrossEntropy()(masks.astype(np.int32), logits, np.ones(masks.shape, np.float32)))
    assert loss == pytest.approx(min(losses), rel=1e-5 if policy == "float32" else 0.02)
    assert training.rows[-1]["loss"] < training.rows[0]["loss"]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_same_seed_gives_the_same_bits(tmp_path, trained_in, policy):
    once, again = trained_in(policy), Training(tmp_path, unet, precision=policy, **LONG)
    assert once.rows == again.rows
    for first, second in zip(once.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_policy_is_in_force_where_the_network_is_made_and_gone_after(tmp_path, policy):
    seen = []

    def build():
        seen.append(keras.config.dtype_policy().name)
        return convolution()

    Training(tmp_path, build, epochs=1, precision=policy)
    assert seen == list(dict.fromkeys([policy, "float32"]))
    assert keras.config.dtype_policy().name == "float32"


def test_the_loss_sees_float32_logits_whatever_the_network_gives(tmp_path):
    seen = []

    class Spy(CrossEntropy):
        def __call__(self, labels, logits, weights):
            seen.append(logits.dtype.name)
            return CrossEntropy()(labels, logits, weights)

    Training(tmp_path, convolution, Spy(), epochs=1, precision="mixed_bfloat16")
    assert set(seen) == {"float32"}


def test_pixel_values_stay_apart_in_bfloat16(tmp_path):
    seen = []

    class Spy(layers.Layer):
        def call(self, images):
            if not isinstance(images, keras.KerasTensor):
                tf.numpy_function(lambda values: seen.append(np.unique(values)), [tf.cast(images, tf.float32)], [])
            return images

    def build():
        inputs = keras.Input((None, None, 3))
        return keras.Model(inputs, layers.Conv2D(CLASSES, 1)(Spy()(inputs)))

    class Ramp(list):
        ids = ("ramp",)

    ramp = Ramp([(np.arange(768, dtype=np.uint8).reshape(16, 16, 3), np.zeros((16, 16), np.uint8))])
    job = Job(CrossEntropy(), CLASSES, Frame((16, 16)), 1, 0, tmp_path, tmp_path / "checkpoints")
    KerasTrainer(precision="mixed_bfloat16").fit(build, ramp, ramp, job)
    assert len(seen[0]) == 256


def test_steps_that_loss_scaling_leaves_out_are_no_divergence(tmp_path):
    training = Training(
        tmp_path, convolution, epochs=16, images=4, precision="mixed_float16", pixels="0..255", learning_rate=0.01
    )
    losses = [row["loss"] for row in training.rows]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)  # the only step was left out
    assert losses[-1] < 0.99 * losses[0]


def test_gradients_that_overflow_for_good_end_with_advice(tmp_path):
    @tf.custom_gradient
    def steep(x):
        return x, lambda gradient: gradient * np.inf

    class Steep(layers.Layer):
        def call(self, x):
            return steep(x)

        def compute_output_shape(self, shape):
            return shape

    def build():
        inputs = keras.Input((None, None, 3))
        return keras.Model(inputs, Steep()(layers.Conv2D(CLASSES, 1)(inputs)))

    advice = r"the gradients overflow float16 at any loss scale; .*=0.0001, or take --set trainer.precision=float32"
    with pytest.raises(TrainingError, match=advice):
        Training(tmp_path, build, images=20, batch_size=1, learning_rate=1e-3, precision="mixed_float16")


def test_logits_that_float16_cannot_hold_name_the_precision_too(tmp_path):
    def build():
        inputs = keras.Input((None, None, 3))
        return keras.Model(inputs, layers.Conv2D(CLASSES, 1)(layers.Rescaling(1e6)(inputs)))

    advice = r"logits are not finite before the first training step.*, or take --set trainer.precision=float32"
    with pytest.raises(PluginError, match=advice):
        Training(tmp_path, build, precision="mixed_float16")


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"mixed_bfloat16"}, ConfigError, r"cannot be built in mixed_bfloat16; take .*precision=float32 \(raw"),
        ({"mixed_bfloat16", "float32"}, PluginError, "^raw operations$"),
    ],
)
def test_a_network_that_only_float32_can_build_gets_advice(tmp_path, wrong, error, message):
    def build():
        if keras.config.dtype_policy().name in wrong:
            raise PluginError("raw operations")
        return convolution()

    with pytest.raises(error, match=message):
        Training(tmp_path, build, precision="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"


def test_a_trained_network_computes_in_bfloat16_and_makes_logits_in_float32(tmp_path, trained_in):
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype(np.float32)
    plain = trained_in("float32").model
    plain.save(tmp_path / "model.keras")
    quick = precision.in_bfloat16(keras.saving.load_model(tmp_path / "model.keras"))
    of_layers = {layer.name: layer.dtype_policy.name for layer in leaves(quick)}
    plain_layers = [name for name, policy in of_layers.items() if policy == "float32"]
    assert plain_layers == ["pixels", "scale", "image", "encoder1_conv1", "logits"]
    assert set(of_layers.values()) == {"float32", "mixed_bfloat16"}
    assert {weight.dtype for weight in quick.weights if "seed" not in weight.name} == {"float32"}
    expected, logits = (network.predict_on_batch(images) for network in (plain, quick))
    assert logits.dtype == np.float32
    assert not np.array_equal(logits, expected)
    np.testing.assert_allclose(logits, expected, atol=0.05 * np.ptp(expected))


def test_logits_that_are_enlarged_at_the_end_are_made_in_float32():
    convolutions = [layers.Conv2D(4, 3, padding="same", name=name) for name in ("first", "middle", "logits")]
    network = keras.Sequential([keras.Input((16, 16, 3)), *convolutions, layers.UpSampling2D(2, name="enlarge")])
    policies = {layer.name: layer.dtype_policy.name for layer in precision.in_bfloat16(network).layers}
    assert policies == {"first": "float32", "middle": "mixed_bfloat16", "logits": "float32", "enlarge": "float32"}


class Threshold:
    """A network that tells apart pixels that are darker than a value, and others."""

    def __init__(self, border):
        self.border = border

    def predict_on_batch(self, images):
        bright = images[..., :1] >= self.border
        return np.concatenate([1.0 - bright, bright], axis=-1).astype(np.float32)


def test_agreement_is_the_share_of_pixels_of_the_same_class():
    images = [np.arange(256, dtype=np.uint8).reshape(16, 16, 1), np.zeros((16, 48, 1), np.uint8)]
    frame = Frame((16, 16), view="crop")
    assert precision.agreement(Threshold(100), Threshold(100), frame, images) == 1
    assert precision.agreement(Threshold(100), Threshold(164), frame, images) == 1 - 64 / 1024


def test_the_agreement_in_bfloat16_is_measured_where_it_is_fast_and_there_are_enough_pixels(monkeypatch):
    monkeypatch.setattr(precision, "fast_precision", lambda: "mixed_bfloat16")
    frame, large = Frame((128, 128), view="crop"), np.arange(2**18, dtype=np.uint8).reshape(512, 512, 1)
    network = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(2, 1), layers.ReLU(), layers.Conv2D(2, 1)])
    share = precision.bfloat16_agreement(network, lambda: keras.models.clone_model(network), frame, [large])
    assert 0 <= share <= 1
    assert precision.bfloat16_agreement(network, lambda: network, frame, [large[:64]]) is None
    assert precision.bfloat16_agreement(network, convolution_of_floats, frame, [large]) is None
    monkeypatch.setattr(precision, "fast_precision", lambda: "float32")
    assert precision.bfloat16_agreement(network, lambda: network, frame, [large]) is None


def convolution_of_floats():
    """A network with a layer that takes nothing but float32."""

    class Floats(layers.Layer):
        def call(self, values):
            return values + tf.constant(1.0)

    return keras.Sequential(
        [keras.Input((None, None, 1)), *(layers.Conv2D(2, 1), layers.ReLU(), Floats()), layers.Conv2D(2, 1)]
    )
