"""The diagram of a network: what it shows, and that nothing in it hides anything else."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from segzoo.errors import ConfigError
from segzoo.networks.diagram import LIMIT, diagram
from segzoo.networks.drawing import Block, Drawing
from segzoo_unet import UNet

SVG = "{http://www.w3.org/2000/svg}"


def blocks(svg, role=""):
    groups = (group for group in ET.fromstring(svg).iter(f"{SVG}g") if group.get("class", "").startswith("block"))
    return [group for group in groups if role in group.get("class", "").split() or not role]


def arrows(svg, kind):
    return [path for path in ET.fromstring(svg).iter(f"{SVG}path") if path.get("class", "").startswith(kind)]


def box(block):
    """Left, top, right, bottom."""
    rect, circle = block.find(f"{SVG}rect"), block.find(f"{SVG}circle")
    if rect is not None:
        x, y, width, height = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
        return x, y, x + width, y + height
    x, y, r = (float(circle.get(key)) for key in ("cx", "cy", "r"))
    return x - r, y - r, x + r, y + r


def pieces(path):
    """The straight pieces of an arrow, as left, top, right, bottom."""
    steps = re.findall(r"([MHV])([\d.]+)(?: ([\d.]+))?", path.get("d"))
    x, y = float(steps[0][1]), float(steps[0][2])
    for step, value, _ in steps[1:]:
        new = (float(value), y) if step == "H" else (x, float(value))
        yield min(x, new[0]), min(y, new[1]), max(x, new[0]), max(y, new[1])
        x, y = new


def touching(first, other):
    slack = 0.2  # coordinates are rounded to a tenth, and arrows end at the edges of blocks
    return all(first[i] + slack < other[i + 2] and other[i] + slack < first[i + 2] for i in (0, 1))


def image(size=32):
    return keras.Input((size, size, 3), name="image")


def convolve(x, filters=8, **options):
    return layers.Conv2D(filters, 3, padding="same", **options)(x)


@pytest.fixture(scope="module")
def unet():
    return diagram(UNet(filters=64).build((64, 64, 3), 3))


def test_picture_is_xml_with_a_size_and_the_name_of_the_network(unet):
    root = ET.fromstring(unet)
    assert root.tag == f"{SVG}svg"
    assert root.find(f"{SVG}title").text == "unet"
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"


def test_same_network_gives_the_same_picture(unet):
    assert diagram(UNet(filters=64).build((64, 64, 3), 3)) == unet


@pytest.mark.parametrize("depth", [1, 2, 4, 6])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_unet_has_one_arrow_for_each_skip_connection_and_few_blocks(depth, batch_norm):
    svg = diagram(UNet(filters=2, depth=depth, batch_norm=batch_norm).build((64, 64, 3), 3))
    assert len(arrows(svg, "skip concat")) == depth
    assert len(blocks(svg, "concat")) == len(blocks(svg, "down")) == len(blocks(svg, "up")) == depth
    assert len(blocks(svg)) == 5 * depth + 4


def test_skip_connections_of_the_unet_are_horizontal(unet):
    assert [len(list(pieces(arrow))) for arrow in arrows(unet, "skip")] == [1, 1, 1, 1]


def test_unpadded_unet_is_the_same_picture_as_the_padded_one():
    padded = UNet(filters=4).build((96, 96, 3), 3)
    unpadded = UNet(filters=4, padding="valid").build((204, 204, 3), 3)

    def drawn(model):
        return re.sub(r"<title>.*?</title>", "", diagram(model))

    assert drawn(padded) == drawn(unpadded)


def test_lower_resolution_is_lower_and_less_tall(unet):
    convolutions = [box(block) for block in blocks(unet, "conv")]
    down, up = convolutions[:5], convolutions[4:-1]
    assert [y for _, y, _, _ in down] == sorted(y for _, y, _, _ in down)
    assert [y for _, y, _, _ in up] == sorted((y for _, y, _, _ in up), reverse=True)
    heights = [bottom - top for _, top, _, bottom in down]
    assert all(first > other for first, other in pairwise(heights))


def test_width_grows_with_the_logarithm_of_the_channels(unet):
    widths = [right - left for left, _, right, _ in map(box, blocks(unet, "conv")[:5])]  # 64, 128, ... 1024 channels
    steps = [other - first for first, other in pairwise(widths)]
    assert steps == pytest.approx([steps[0]] * 4)
    assert steps[0] > 0


def test_labels_are_channels_convolutions_and_size(unet):
    labels = [[text.text for text in block.iter(f"{SVG}text")] for block in blocks(unet, "conv")]
    assert labels[:3] == [["2", "64"], ["2", "128", "H/2"], ["2", "256", "H/4"]]
    assert labels[-1] == ["1", "3"]


def test_pointing_at_a_block_tells_its_layers(unet):
    titles = [block.find(f"{SVG}title").text for block in blocks(unet, "conv")]
    assert titles[0] == "encoder1_conv1 … encoder1_relu2: 6 layers, 64x64x64"


def test_names_are_escaped():
    x = inputs = image()
    x = convolve(x, name="a<b>&c")
    (block,) = blocks(diagram(keras.Model(inputs, x)), "conv")
    assert block.find(f"{SVG}title").text.startswith("a<b>&c, ")


def test_residual_units_of_any_number_are_one_block():
    x = inputs = image()
    for _ in range(60):
        y = layers.ReLU()(layers.BatchNormalization()(convolve(x, 3)))
        x = layers.ReLU()(layers.Add()([x, layers.BatchNormalization()(convolve(y, 3))]))
    model = keras.Model(inputs, x)
    assert len(model.layers) > 400
    svg = diagram(model)
    assert len(blocks(svg)) <= 4
    assert sum(int(block.find(f"{SVG}text").text) for block in blocks(svg, "conv")) == 120


def test_dense_block_is_one_block_however_it_is_written():
    def network(flat):
        inputs = image()
        stack = [convolve(inputs)]
        for _ in range(10):
            x = layers.Concatenate()(stack) if len(stack) > 1 else stack[0]
            stack = [*stack, convolve(x, 4)] if flat else [x, convolve(x, 4)]
        return keras.Model(inputs, convolve(layers.Concatenate()(stack), 5))

    for flat in (True, False):
        texts = [block.find(f"{SVG}text").text for block in blocks(diagram(network(flat)), "conv")]
        assert texts == ["11", "1"]


def test_separable_convolution_is_one_block_and_not_part_of_the_pooling_before():
    x = layers.MaxPooling2D()(inputs := image())
    x = layers.ReLU()(layers.DepthwiseConv2D(3, padding="same")(x))
    x = layers.Conv2D(16, 1)(x)
    (block,) = blocks(diagram(keras.Model(inputs, x)), "conv")
    assert [text.text for text in block.iter(f"{SVG}text")] == ["2", "16", "H/2"]


def test_strided_residual_unit_is_a_block_with_an_edge():
    inputs = image()
    x = convolve(inputs)
    y = convolve(convolve(x, 16, strides=2), 16)
    x = layers.Add()([y, layers.Conv2D(16, 1, strides=2)(x)])
    (_, unit) = blocks(diagram(keras.Model(inputs, x)), "conv")
    assert len(list(unit.iter(f"{SVG}rect"))) == 2
    assert [text.text for text in unit.iter(f"{SVG}text")] == ["3", "16", "H/2"]


def test_gates_are_drawn_as_attention():
    inputs = image()
    x = convolve(inputs)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Dense(8, activation="sigmoid")(layers.Dense(2, activation="relu")(gate))
    svg = diagram(keras.Model(inputs, layers.Multiply()([x, gate])))
    assert len(blocks(svg, "multiply")) == len(blocks(svg, "attention")) == 1
    assert [text.text for text in blocks(svg, "attention")[0].iter(f"{SVG}text")] == ["8"]
    assert len(arrows(svg, "skip multiply")) == 1


def test_shared_layers_are_drawn_where_they_are_called():
    shared = layers.Conv2D(8, 3, padding="same", name="shared")
    inputs = image()
    x = first = shared(convolve(inputs))
    x = layers.UpSampling2D()(shared(layers.MaxPooling2D()(x)))
    svg = diagram(keras.Model(inputs, convolve(layers.Concatenate()([first, x]), 3)))
    assert [block.find(f"{SVG}text").text for block in blocks(svg, "conv")] == ["2", "1", "1"]
    assert len(arrows(svg, "skip concat")) == 1
    assert sum("shared" in block.find(f"{SVG}title").text for block in blocks(svg, "conv")) == 2


def test_layers_that_no_output_needs_data_from_are_left_out():
    inputs = image()
    x = convolve(inputs)
    blank = keras.ops.zeros_like(x)
    vector = layers.GlobalAveragePooling2D(keepdims=True)(x)
    svg = diagram(keras.Model(inputs, layers.Add()([vector, blank])))
    assert len(blocks(svg, "up")) == 1  # a vector and a size is all that the addition gets
    assert not blocks(svg, "add")


def test_network_that_ends_with_a_network_is_drawn():
    inner = image()
    inner = keras.Model(inner, convolve(inner))
    inputs = image()
    svg = diagram(keras.Model(inputs, inner(layers.Rescaling(2)(inputs))))
    assert len(blocks(svg, "image")) == 2
    assert len(blocks(svg, "conv")) == 1


def test_network_with_several_outputs_within_a_network_is_drawn_layer_by_layer():
    inner = image()
    first = convolve(inner)
    encoder = keras.Model(inner, [first, layers.MaxPooling2D()(first)], name="encoder")
    inputs = image()
    fine, coarse = encoder(inputs)
    svg = diagram(keras.Model(inputs, layers.Concatenate()([fine, layers.UpSampling2D()(coarse)])))
    assert len(blocks(svg, "conv")) == 1
    assert len(blocks(svg, "down")) == 1


def test_each_output_is_drawn():
    inputs = image()
    x = convolve(inputs)
    svg = diagram(keras.Model(inputs, [convolve(x, 3), layers.MaxPooling2D()(x)]))
    assert len(blocks(svg, "image")) == 3


def test_too_many_blocks_are_merged_though_their_channels_differ():
    x = inputs = image()
    for i in range(2 * LIMIT):
        x = convolve(x, 2 + i % 2)
    assert len(blocks(diagram(keras.Model(inputs, x)))) <= LIMIT


@pytest.mark.parametrize("shape", [(None, None, 3), (32, None, 3)])
def test_network_of_free_size_is_refused_with_a_way_out(shape):
    with pytest.raises(ConfigError, match=r"'image' has no fixed size: build the network for one"):
        diagram(UNet(filters=2, depth=1).build(shape, 2))


def test_network_that_is_not_functional_is_refused():
    class Subclassed(keras.Model):
        def __init__(self, width):
            super().__init__(name="subclassed")
            self.convolution = layers.Conv2D(width, 3)

        def call(self, x):
            return self.convolution(x)

    with pytest.raises(ConfigError, match="network 'subclassed' is not functional"):
        diagram(Subclassed(3))


@st.composite
def graphs(draw):
    """Blocks of all kinds, each of which reads up to three of those before."""
    made = [Block("image", ["image"], (256, 256), 3)]
    for i in range(draw(st.integers(1, 25))):
        inputs = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique=True))
        several = ["concat", "add", "multiply"]
        role = draw(st.sampled_from(several if len(inputs) > 1 else ["conv", "other", "down", "up", "attention"]))
        scale = 2 ** draw(st.integers(0, 6))
        block = Block(role, [f"layer{i}"], (256 // scale,) * 2, draw(st.integers(1, 2048)), scale, inputs=inputs)
        for source in inputs:
            source.readers.append(block)
        made.append(block)
    return made


@settings(max_examples=150)
@given(graphs())
def test_no_arrow_of_any_graph_runs_through_a_block_and_no_blocks_overlap(graph):
    svg = Drawing(graph).svg("graph")
    root = ET.fromstring(svg)
    boxes = [box(block) for block in blocks(svg)]
    lines = [piece for kind in ("skip", "flow") for arrow in arrows(svg, kind) for piece in pieces(arrow)]
    assert len(boxes) == len(graph)
    assert len(arrows(svg, "skip")) + len(arrows(svg, "flow")) == sum(len(block.inputs) for block in graph)
    assert not any(touching(line, other) for line in lines for other in boxes)
    assert not any(touching(first, other) for i, first in enumerate(boxes) for other in boxes[:i])
    width, height = float(root.get("width")), float(root.get("height"))
    assert all(x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height for x0, y0, x1, y1 in [*boxes, *lines])
