"""FLOPs of layers counted by hand, of whole networks by formula, and the figures of trainings from rows by hand."""

from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf

from segzoo import registry
from segzoo.errors import DISTRIBUTION, PluginError
from segzoo.networks.cost import flops, parameters, traced, training_cost
from segzoo.networks.frame import Frame
from segzoo.plugin import Model

layers = keras.layers
SIDE, CHANNELS = 12, 6


def counted(network, height=SIDE, width=SIDE, channels=CHANNELS, images=1):
    return flops(traced(network, (images, height, width, channels)))


def of_layer(layer):
    inputs = keras.Input((SIDE, SIDE, CHANNELS))
    return counted(keras.Model(inputs, layer(inputs)))


@pytest.mark.parametrize(
    ("layer", "products"),
    [
        # Products of one output, times outputs: kernel height x width x channels it sees, x places x filters.
        (layers.Conv2D(8, 3, padding="same"), 3 * 3 * 6 * 12 * 12 * 8),
        (layers.Conv2D(8, 3), 3 * 3 * 6 * 10 * 10 * 8),
        (layers.Conv2D(8, (5, 1), use_bias=False), 5 * 1 * 6 * 8 * 12 * 8),
        (layers.Conv2D(8, 3, strides=2, padding="same"), 3 * 3 * 6 * 6 * 6 * 8),
        (layers.Conv2D(8, 3, strides=2), 3 * 3 * 6 * 5 * 5 * 8),
        (layers.Conv2D(8, 3, groups=2), 3 * 3 * 3 * 10 * 10 * 8),
        (layers.Conv2D(8, 3, groups=2, dilation_rate=2), 3 * 3 * 3 * 8 * 8 * 8),
        (layers.Conv2D(8, 3, dilation_rate=2, padding="same"), 3 * 3 * 6 * 12 * 12 * 8),
        (layers.Conv2D(8, 3, dilation_rate=2), 3 * 3 * 6 * 8 * 8 * 8),
        (layers.Conv2D(8, 3, dilation_rate=5), 3 * 3 * 6 * 2 * 2 * 8),  # 12 is no multiple of 5: padded on the way
        (layers.Conv2D(8, 3, dilation_rate=5, padding="same"), 3 * 3 * 6 * 12 * 12 * 8),
        (layers.DepthwiseConv2D(3), 3 * 3 * 10 * 10 * 6),
        (layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2), 3 * 3 * 5 * 5 * 12),
        (layers.DepthwiseConv2D(3, dilation_rate=5, padding="same"), 3 * 3 * 12 * 12 * 6),
        (layers.SeparableConv2D(8, 3), 3 * 3 * 10 * 10 * 6 + 6 * 10 * 10 * 8),
        (layers.Conv2DTranspose(8, 2, strides=2), 12 * 12 * 6 * 2 * 2 * 8),
        (layers.Conv2DTranspose(8, 3, strides=2, padding="same"), 12 * 12 * 6 * 3 * 3 * 8),
        (layers.Dense(5), 6 * 12 * 12 * 5),
        (layers.EinsumDense("bhwc,cd->bhwd", (None, None, 5)), 6 * 12 * 12 * 5),
        (layers.EinsumDense("...c,cd->...d", 5), 6 * 12 * 12 * 5),
        (keras.Sequential([layers.Reshape((144, 6)), layers.Conv1D(8, 3)]), 3 * 6 * 142 * 8),
        (keras.Sequential([layers.Reshape((4, 6, 6, 6)), layers.Conv3D(8, 3)]), 27 * 6 * 2 * 4 * 4 * 8),
        (keras.Sequential([layers.Reshape((4, 6, 6, 6)), layers.Conv3DTranspose(8, 2)]), 4 * 6 * 6 * 6 * 8 * 8),
    ],
)
def test_layers_counted_by_hand(layer, products):
    assert of_layer(layer) == 2 * products


@pytest.mark.parametrize(
    "layer",
    [
        layers.MaxPooling2D(2),
        layers.AveragePooling2D(2),
        layers.GlobalAveragePooling2D(),
        layers.BatchNormalization(),
        layers.GroupNormalization(2),
        layers.ReLU(),
        layers.Softmax(),
        layers.Dropout(0.5),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.Rescaling(2.0),
        layers.Permute((2, 1, 3)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_is_no_product_of_convolutions_or_matrices_is_not_counted(layer):
    assert of_layer(layer) == 0


def test_attention_counts_its_projections_and_both_products():
    tokens, heads, dim = 9, 2, 4
    inputs = keras.Input((3, 3, CHANNELS))
    sequence = layers.Reshape((tokens, CHANNELS))(inputs)
    network = keras.Model(inputs, layers.MultiHeadAttention(heads, dim)(sequence, sequence))
    projections = 4 * tokens * CHANNELS * heads * dim  # query, key, value, and back
    scores = 2 * tokens * tokens * heads * dim  # queries with keys, weights with values
    assert counted(network, 3, 3) == 2 * (projections + scores)


@pytest.mark.parametrize(
    ("equation", "shapes", "expected"),
    [
        ("ij,jk->ik", [(2, 3), (3, 5)], 2 * 2 * 3 * 5),
        ("bij,bjk->bik", [(7, 2, 3), (7, 3, 5)], 2 * 7 * 2 * 3 * 5),
        ("...ij,...jk->...ik", [(7, 4, 2, 3), (1, 4, 3, 5)], 2 * 7 * 4 * 2 * 3 * 5),
        ("ij,ij->ij", [(2, 3), (2, 3)], 2 * 3),  # multiplications alone
        ("i,j->ij", [(2,), (3,)], 2 * 3),
        ("ij->ji", [(2, 3)], 0),
    ],
)
def test_einsum(equation, shapes, expected):
    function = tf.function(lambda *tensors: tf.einsum(equation, *tensors))
    assert flops(function.get_concrete_function(*(tf.TensorSpec(shape) for shape in shapes))) == expected


@pytest.mark.parametrize(("a", "b"), [(False, False), (True, False), (False, True)])
def test_matrix_products_with_transposed_factors(a, b):
    left, right = ((3, 2) if a else (2, 3)), ((5, 3) if b else (3, 5))
    for batch in ((), (7,)):
        function = tf.function(lambda x, y: tf.matmul(x, y, transpose_a=a, transpose_b=b))
        specs = tf.TensorSpec(batch + left), tf.TensorSpec(batch + right)
        assert flops(function.get_concrete_function(*specs)) == 2 * 2 * 3 * 5 * int(np.prod(batch))


def test_a_batch_costs_as_many_times_one_image():
    network = registry.create(Model, "unet", {"filters": 4, "depth": 2}).build((None, None, 3), 3)
    assert counted(network, 16, 24, 3, images=5) == 5 * counted(network, 16, 24, 3)


def test_a_layer_counts_each_time_it_is_called():
    inputs = keras.Input((SIDE, SIDE, CHANNELS))
    layer = layers.Conv2D(CHANNELS, 3, padding="same")
    network = keras.Model(inputs, layer(layer(layer(inputs))))
    assert counted(network) == 3 * 2 * 3 * 3 * CHANNELS * SIDE * SIDE * CHANNELS


def test_a_function_counts_each_time_it_is_called():
    product = tf.function(lambda x: tf.matmul(x, x))
    nested = tf.function(lambda x: product(product(x)))
    function = tf.function(lambda x: nested(x) + product(x))
    assert flops(function.get_concrete_function(tf.TensorSpec((4, 4)))) == 3 * 2 * 4**3


def test_a_subclassed_network_is_counted():
    class Twice(keras.Model):
        def __init__(self):
            super().__init__()
            self.convolution = layers.Conv2D(CHANNELS, 1)

        def call(self, images, training=False):
            return self.convolution(self.convolution(images))

    network = Twice()
    network(np.zeros((1, 4, 4, CHANNELS), np.float32))
    assert counted(network, 4, 4) == 2 * 2 * CHANNELS * CHANNELS * 16
    assert parameters(network) == CHANNELS * CHANNELS + CHANNELS


def unet_products(side, filters, depth, channels, classes):
    """The multiply-adds of a padded U-Net as figure 1 of the paper has them, stage by stage."""
    total = 0
    for stage in range(depth + 1):
        pixels, width = (side // 2**stage) ** 2, filters * 2**stage
        inputs = channels if stage == 0 else width // 2
        total += pixels * 9 * (inputs * width + width * width)  # down
        if stage < depth:
            below = pixels // 4
            total += below * (2 * width) * 4 * width  # the transposed convolution
            total += pixels * 9 * (2 * width * width + width * width)  # up, after concatenation
    return total + side * side * filters * classes


@pytest.mark.parametrize(("side", "filters", "depth"), [(32, 4, 1), (32, 8, 3), (64, 16, 4)])
def test_a_whole_unet_by_formula(side, filters, depth):
    network = registry.create(Model, "unet", {"filters": filters, "depth": depth}).build((None, None, 3), 5)
    assert counted(network, side, side, 3) == 2 * unet_products(side, filters, depth, 3, 5)


def test_r2unet_counts_its_recurrent_steps():
    """Each recurrent convolution of a unit works t + 1 times on maps of the unit's width, with the same parameters."""
    side, filters, depth = 16, 4, 2
    networks = [
        registry.create(Model, "r2unet", {"filters": filters, "depth": depth, "t": t}).build((None, None, 3), 3)
        for t in (1, 2, 3)
    ]
    units = [stage for stage in range(depth + 1) for _ in range(1 if stage == depth else 2)]
    step = sum(2 * 9 * (filters * 2**stage) ** 2 * (side // 2**stage) ** 2 for stage in units)
    costs = [counted(network, side, side, 3) for network in networks]
    assert [later - earlier for earlier, later in pairwise(costs)] == [2 * step, 2 * step]
    assert len({parameters(network) for network in networks}) == 1


SHIPPED = [entry.name for entry in registry.entries(Model) if entry.distribution == DISTRIBUTION]
QUICKLY_COUNTED = ("unet", "sliding_window")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICKLY_COUNTED else pytest.mark.slow) for name in SHIPPED]
)
def test_every_network_that_ships_can_be_counted(name):
    model = registry.load(Model, name).example()
    network = model.build((None, None, 3), 3)
    assert counted(network, *Frame.around((16, 16), model).input_size, 3) > parameters(network)


def test_the_profiler_of_tensorflow_agrees_where_it_counts_everything():
    """It adds the biases; its other sums are 0 here."""
    from tensorflow.python.profiler.model_analyzer import profile
    from tensorflow.python.profiler.option_builder import ProfileOptionBuilder

    inputs = keras.Input((SIDE, SIDE, CHANNELS))
    hidden = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    hidden = layers.DepthwiseConv2D(3, dilation_rate=2, padding="same", use_bias=False)(hidden)
    outputs = layers.Conv2DTranspose(4, 2, strides=2)(hidden)
    function = traced(keras.Model(inputs, outputs), (1, SIDE, SIDE, CHANNELS))
    options = ProfileOptionBuilder(ProfileOptionBuilder.float_operation()).with_empty_output().build()
    biases = 6 * 6 * 8 + 12 * 12 * 4
    assert profile(function.graph, options=options).total_float_ops == flops(function) + biases


def test_a_product_in_a_loop_of_unknown_length_is_refused():
    @tf.function
    def powers(x):
        while tf.reduce_sum(x) < 100:
            x = tf.matmul(x, x)
        return x

    with pytest.raises(PluginError, match=r"FLOPs cannot be counted: how often 'while' is at work"):
        flops(powers.get_concrete_function(tf.TensorSpec((4, 4))))


def test_a_shape_that_only_running_tells_is_refused():
    function = tf.function(lambda x: tf.matmul(tf.boolean_mask(x, x[:, 0] > 0), x))
    with pytest.raises(PluginError, match=r"FLOPs cannot be counted: the shape of '.*' is known only at run time"):
        flops(function.get_concrete_function(tf.TensorSpec((4, 4))))


def row(seconds, training=None, waiting=None, images=100):
    times = {"training_seconds": training, "waiting_seconds": waiting}
    return {"seconds": seconds, "images": images} | {key: value for key, value in times.items() if value is not None}


def test_training_cost_leaves_out_the_first_epoch():
    rows = [row(90, 80, 40), row(10, 8, 1), row(12, 10, 2), row(30, 20, 1)]
    cost = training_cost(rows)
    assert cost.seconds_per_epoch == 12
    assert cost.images_per_second == 100 / 10
    assert cost.waiting_share == pytest.approx(4 / 38)
    assert not cost.start_up


def test_training_cost_of_a_single_epoch_says_that_start_up_is_in_it():
    cost = training_cost([row(90, 80, 40)])
    assert (cost.seconds_per_epoch, cost.images_per_second, cost.waiting_share) == (90, 1.25, 0.5)
    assert cost.start_up


def test_training_cost_takes_rows_as_a_csv_file_has_them():
    text = [{key: str(value) for key, value in each.items()} for each in (row(90, 80, 40), row(10, 8, 2))]
    assert training_cost(text) == training_cost([row(90, 80, 40), row(10, 8, 2)])


@pytest.mark.parametrize("missing", [{}, {"training_seconds": "", "waiting_seconds": ""}])
def test_training_cost_of_a_trainer_that_measures_nothing(missing):
    cost = training_cost([row(90) | missing, row(10) | missing])
    assert (cost.seconds_per_epoch, cost.images_per_second, cost.waiting_share) == (10, None, None)


def test_training_cost_of_no_epoch():
    cost = training_cost([])
    assert (cost.seconds_per_epoch, cost.images_per_second, cost.waiting_share, cost.start_up) == (None,) * 3 + (False,)
