"""How far networks see, and tiles that have all that they see."""

import keras
import numpy as np
import pytest
from keras import layers

from segzoo import registry
from segzoo.data.rows import Rows
from segzoo.errors import DISTRIBUTION, ConfigError
from segzoo.networks.frame import Frame, mirrored
from segzoo.networks.receptive_field import Reach, reach
from segzoo.networks.tiles import Tiling, logit_rows
from segzoo.plugin import Model
from segzoo.testing.networks import build, stirred

SMALL = {
    "attention_unet": {"filters": 2, "depth": 2},
    "dense_unet": {"layers": 56, "growth_rate": 2},
    "encoder_unet": {"encoder": {"weights": "none", "depth": 2}, "decoder_filters": (2, 2)},
    "laddernet": {"filters": 2, "depth": 2},
    "r2unet": {"filters": 2, "depth": 2},
    "resunet": {"filters": 2, "depth": 2},
    "sliding_window": {"filters": 2, "hidden": 2, "window": 65},
    "unet": {"filters": 2, "depth": 3},
    "unet, unpadded": {"filters": 2, "depth": 2, "padding": "valid", "batch_norm": False},
}
"""Small networks of all plugins that ship with segzoo, but for `canet`."""
SHIPPED = {entry.name for entry in registry.entries(Model) if entry.distribution == DISTRIBUTION}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow if name == "dense_unet" else ()) for name in SMALL])
def example(request):
    """A network and its frame."""
    model = registry.create(Model, request.param.partition(",")[0], SMALL[request.param])
    frame = Frame.around((24, 40), model, "crop")
    return stirred(build(model, frame)), frame


def test_no_network_that_ships_is_forgotten():
    assert {name.partition(",")[0] for name in SMALL} == SHIPPED - {"canet"}


def at_once(network, frame, image, around):
    """The logits of an image that is mirrored by `around` pixels or more, without tiles."""
    places = [mirrored(-around, frame.legal(side + 2 * around), side) for side in image.shape[:2]]
    logits = np.asarray(network(image[places[0]][:, places[1]][None].astype(np.float32)))[0]
    first = around - frame.margin
    return logits[first : first + image.shape[0], first : first + image.shape[1]]


def test_tiles_that_have_all_that_a_network_sees_say_what_the_image_says(example):
    network, frame = example
    its = reach(network, frame)
    _, before, tile = its.tile(frame, 0)
    image = np.random.default_rng(0).integers(0, 256, (2 * tile + 5, tile + 1, 3), np.uint8)
    network = keras.Sequential([layers.Rescaling(1 / 255), network])
    found = next(logit_rows(network.predict_on_batch, frame, [Rows.of(image)], 8, Tiling(reach=its))).array()
    assert np.ptp(found) > 0.01
    np.testing.assert_allclose(found, at_once(network, frame, image, before), atol=1e-4)


def seen_from(network, frame, period, least):
    """How far the change of a pixel is seen, in a network of positive weights and without biases."""
    for weight in network.trainable_weights:
        values = {"gamma": np.ones(weight.shape), "beta": np.zeros(weight.shape), "bias": np.zeros(weight.shape)}
        weight.assign(values.get(weight.name, np.abs(weight)))
    side = frame.legal(2 * least + 2 * frame.margin + 5 * period)
    nothing, middle, reached = np.zeros((1, side, side, 3), np.float32), side // 2, []
    before = network.predict_on_batch(nothing)[0]
    for place in (middle, middle + period - 1):
        image = nothing.copy()
        image[0, place, place] = 1
        changed = np.flatnonzero((network.predict_on_batch(image)[0] != before).any(axis=(1, 2))) + frame.margin
        reached += [place - changed.min(), changed.max() - place]
    return max(reached)


def test_no_more_is_cut_off_than_what_a_changed_pixel_changes(example):
    network, frame = example
    if network.name == "encoder_unet":
        pytest.skip("of positive weights its maps reach the end of ReLU6, where no change is seen")
    its = reach(network, frame)
    around = its.cut + frame.margin
    seen = seen_from(network, frame, its.period, around)
    assert abs(around - seen) < its.period


def refused(*between, size=(32, 32), **options):
    """What is said of a network with these layers."""
    inputs = x = keras.Input((*size, 3))
    for layer in between:
        x = layer(x)
    network = keras.Model(inputs, layers.Conv2D(2, 1, **options)(x), name="mine")
    with pytest.raises(ConfigError, match="take `--blend mean`") as caught:
        reach(network, Frame((32, 32), view="crop"))
    return str(caught.value)


def test_networks_that_see_all_of_an_image_are_refused():
    pool = layers.GlobalAveragePooling2D(keepdims=True, name="pool")
    assert "layer 'pool' (GlobalAveragePooling2D) sees all of the image" in refused(
        lambda x: layers.Multiply()([x, pool(x)])
    )
    assert "layer 'norm' (GroupNormalization)" in refused(layers.GroupNormalization(3, name="norm"))
    attention = layers.Attention(name="attention")
    assert "layer 'attention' (Attention)" in refused(lambda x: attention([x, x]))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Lambda(lambda x: x, name="odd"),
        layers.UpSampling2D(1, interpolation="bicubic", name="odd"),
        layers.Resizing(32, 32, name="odd"),
        layers.LayerNormalization(axis=(1, 2, 3), name="odd"),
        layers.Conv2DTranspose(3, 3, dilation_rate=2, padding="same", name="odd"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_without_a_rule_are_named(layer):
    assert f"layer 'odd' ({type(layer).__name__}) does not tell how far it sees" in refused(layer)


def test_networks_that_make_no_pixel_of_a_pixel_are_refused():
    assert "network 'mine' does not tell" in refused(layers.MaxPooling2D(2))


def test_networks_that_are_not_functional_are_refused():
    class Subclassed(keras.Model):
        def call(self, images):
            return images

    with pytest.raises(ConfigError, match=r"not functional.*take `--blend mean`"):
        reach(Subclassed(), Frame((32, 32), view="crop"))


def test_networks_of_a_fixed_size_are_refused_where_tiles_must_be_larger():
    said = refused(layers.Conv2D(3, 5, padding="same"))
    assert "network 'mine' takes 32x32 pixels alone; `--blend cut` needs 36x36" in said
    inputs = keras.Input((32, 32, 3))
    assert reach(keras.Model(inputs, layers.Conv2D(2, 1)(inputs)), Frame((32, 32))) == Reach(0, 1)


def test_networks_that_end_with_a_network_are_gone_through():
    inner = keras.Input((None, None, 3))
    inner = keras.Model(inner, layers.Conv2D(2, 3, padding="same")(inner))
    inputs = keras.Input((None, None, 3))
    assert reach(keras.Model(inputs, inner(layers.Rescaling(1 / 127.5)(inputs))), Frame((16, 16))) == Reach(1, 1)
    twice = keras.Model(inputs, layers.Add()([inner(inputs), inner(layers.Conv2D(3, 3, padding="same")(inputs))]))
    assert reach(twice, Frame((16, 16))) == Reach(2, 1)
    shared = layers.Conv2D(3, 5, padding="same")
    inner_shared = keras.Model(inputs, shared(inputs))
    assert reach(keras.Model(inputs, inner_shared(inner_shared(inputs))), Frame((16, 16))) == Reach(4, 1)


def test_networks_in_networks_and_shared_layers_are_gone_through():
    shared = layers.Conv2D(3, 3, padding="same")
    inner = keras.Sequential([layers.ZeroPadding2D(((1, 2), (0, 3))), layers.Conv2D(3, 4)])
    inputs = keras.Input((None, None, 3))
    x = shared(shared(layers.Rescaling(1 / 127.5)(inputs)))
    network = keras.Model(inputs, layers.Conv2D(2, 1)(inner(x) + x * 2))
    assert reach(network, Frame((16, 16))) == Reach(2 + 3, 1)  # of columns, since the padding is all on the right


def test_a_network_that_was_called_before_reaches_as_far(tmp_path):
    inputs = keras.Input((None, None, 3))
    inner = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 3, padding="same")])
    keras.Model(inputs, inner(layers.Rescaling(1 / 255)(inputs))).save(tmp_path / "network.keras")
    network = keras.saving.load_model(tmp_path / "network.keras")
    once = keras.Model(inputs, layers.Conv2D(2, 3, padding="same")(inputs))
    assert reach(network, Frame((16, 16))) == reach(once, Frame((16, 16)))


def test_a_network_within_may_have_several_outputs():
    def maps(x):
        first = layers.Conv2D(4, 3, strides=2, padding="same")(x)
        return [x, first, layers.Conv2D(4, 5, strides=2, padding="same")(first)]

    def decoded(x, first, second):
        second = layers.Concatenate()([first, layers.UpSampling2D(2)(second)])
        return layers.Conv2D(2, 3, padding="same")(layers.Concatenate()([x, layers.UpSampling2D(2)(second)]))

    inputs, inner = keras.Input((None, None, 3)), keras.Input((None, None, 3))
    encoder = keras.Model(inner, maps(inner), name="encoder")
    flat, nested = keras.Model(inputs, decoded(*maps(inputs))), keras.Model(inputs, decoded(*encoder(inputs)))
    frame = Frame((32, 32), stride=4)
    assert reach(nested, frame) == reach(flat, frame)
    deeper = keras.Model(inputs, nested(inputs))
    assert reach(deeper, frame) == reach(flat, frame)
