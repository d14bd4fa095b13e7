"""Draws a network as a diagram in the shape of a U, as in the U-Net's paper, as SVG.

The graph is read without computing a tensor or even importing Keras, and then merged into few blocks, which
`segzoo.networks.drawing` puts on paper.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from segzoo.errors import ConfigError
from segzoo.networks.drawing import Block, Drawing, Role
from segzoo.networks.graph import Call, Graph, read_graph

if TYPE_CHECKING:
    import keras

LIMIT = 48
"""With more blocks than this, those of equal resolution are merged even where their channels differ."""

PRODUCTS = {"Multiply", "Dot", "Matmul", "Einsum"}
ATTENTION = {"Attention", "AdditiveAttention", "MultiHeadAttention", "GroupedQueryAttention"}
GATES = {"sigmoid", "hard_sigmoid", "softmax"}
SHAPES_ONLY = {"ZerosLike", "OnesLike"}


def diagram(model: keras.Model) -> str:
    """The network as an SVG picture; the same network always gives the same text.

    `model` is a functional network of images (B, H, W, C), built for one H and W. A block's place from top to bottom
    and its height tell the resolution, its width the logarithm of its channels, its colour what it does; below it stand
    its channels and its height relative to the image's, in it the number of its convolutions. Layers that neither
    branch nor change the shape are one block, and so are residual units and dense blocks; pointing at a block tells its
    layers. Raises `ConfigError` for a network that is not functional or was built for images of any size.
    """
    blocks = merge(read(model), {"concat", "add"}, equal=True)
    if len(blocks) > LIMIT:
        blocks = merge(blocks, {"concat", "add", "multiply"}, equal=False)
    for block in blocks:
        if block.gate and only_scales(block):
            block.role = "attention"
    return Drawing(blocks).svg(str(model.name))


def read(model: keras.Model) -> list[Block]:
    """A block for each call of a layer that an output depends on, in topological order, and for each output."""
    graph = without(SHAPES_ONLY, read_graph(model, "only functional networks can be drawn"))
    blocks: dict[Call, Block] = {}
    for call in graph.calls():
        inputs = [blocks[source] for source in graph.sources[call]]
        blocks[call] = make(graph.layers[call[0]], graph.shapes[call], inputs)
    last = [blocks[call] for call in graph.outputs]
    ends = [Block("image", ["output"], block.size, block.channels, inputs=[block]) for block in last]
    return [*blocks.values(), *map(connect, ends)]


def without(kinds: set[str], graph: Graph) -> Graph:
    """The graph in which nothing reads layers of these kinds."""
    sources = {
        call: [source for source in its if graph.layers[source[0]]["class_name"] not in kinds]
        for call, its in graph.sources.items()
    }
    return replace(graph, sources=sources)


def make(layer: dict[str, Any], shape: list[int | None], inputs: list[Block]) -> Block:
    """The block of one call of a layer."""
    kind, name = layer["class_name"], layer["name"]
    (height, width), channels = [*shape[1:-1], 1, 1][:2], shape[-1]
    if height is None or width is None or channels is None:
        raise ConfigError(f"'{name}' has no fixed size: build the network for one, such as (256, 256, 3), to draw it")
    block = Block(find_role(kind, inputs, height), [name], (height, width), channels, inputs=inputs)
    block.convolutions, block.depthwise = int(is_weighted(kind)), kind.startswith("Depthwise")
    block.gate = str(layer.get("config", {}).get("activation", kind.lower())) in GATES
    return connect(block)


def connect(block: Block) -> Block:
    """Makes a block known to those that it reads, and takes its scale from them."""
    for source in block.inputs:
        source.readers.append(block)
    if block.inputs:
        largest = max(block.inputs, key=lambda source: source.size)
        ratio = largest.size[0] / block.size[0] if block.role != "other" else 1
        block.scale = largest.scale * round(ratio) if ratio > 1 else largest.scale / round(1 / ratio)
    return block


def find_role(kind: str, inputs: list[Block], height: int) -> Role:
    """What a layer does, from its kind and from the heights around it."""
    if not inputs or kind in ATTENTION:
        return "attention" if inputs else "image"
    if len(inputs) > 1:
        return "concat" if kind == "Concatenate" else "multiply" if kind in PRODUCTS else "add"
    if kind.startswith(("Cropping", "ZeroPadding")):  # pixels stay as large as they were
        return "other"
    if round(inputs[0].size[0] / height) > 1:
        return "down"
    if round(height / inputs[0].size[0]) > 1:
        return "up"
    return "conv" if is_weighted(kind) else "other"


def is_weighted(kind: str) -> bool:
    """Whether a layer mixes channels or neighbours by weights of its own."""
    return "Conv" in kind or kind in {"Dense", "EinsumDense", "Functional", "Sequential"}


def merge(blocks: list[Block], kinds: set[Role], equal: bool) -> list[Block]:
    """Merges units that end where branches meet, and chains of convolutions, of `equal` channels only or of any."""
    blocks = bypass(chain(blocks, equal))
    for end in list(blocks):
        start, *between = find_unit(blocks, end, kinds) if end.role in kinds else [end]
        if start is not end:
            end.dense = end.role == "concat"
            end.role = "conv"
            end.edge = "down" if start.scale < end.scale else "up" if start.scale > end.scale else None
            end.names = [name for block in [*between, end] for name in block.names]
            end.convolutions += sum(block.convolutions for block in between)
            end.inputs = [start]
            start.readers = [*(reader for reader in start.readers if reader not in [*between, end]), end]
            blocks = [block for block in blocks if block not in between]
    return chain(blocks, equal)


def bypass(blocks: list[Block]) -> list[Block]:
    """Leaves out croppings, activations and the like between a branch and where it joins others."""
    kept = []
    for block in blocks:
        reader = block.readers[0] if len(block.readers) == 1 else block
        source = block.inputs[0] if block.inputs else block
        joins = reader.role in {"concat", "add", "multiply"} and source not in reader.inputs
        if block.role == "other" and not block.gate and joins:
            reader.inputs = [source if other is block else other for other in reader.inputs]
            source.readers = [reader if other is block else other for other in source.readers]
        else:
            kept.append(block)
    return kept


def find_unit(blocks: list[Block], end: Block, kinds: set[Role]) -> list[Block]:
    """The last block that all paths to `end` share, and those between; `end` alone if other sizes lie between."""
    place = {block: i for i, block in enumerate(blocks)}
    between: list[Block] = []
    ahead = set(end.inputs)
    while len(ahead) > 1:  # Whatever is last in topological order leads to none of the others, so that it lies between.
        block = max(ahead, key=place.__getitem__)
        if not block.inputs or (block.role == "multiply" and block.role not in kinds):
            return [end]
        between.insert(0, block)
        ahead = ahead - {block} | set(block.inputs)
    (start,) = ahead
    inside = {*between, end}
    closed = all(reader in inside for block in between for reader in block.readers)
    return [start, *between] if closed and all(b.scale in {start.scale, end.scale} for b in between) else [end]


def chain(blocks: list[Block], equal: bool) -> list[Block]:
    """Merges each block into the one before it where neither is a branch and the two are alike."""
    kept = []
    for block in blocks:
        before = block.inputs[0] if len(block.inputs) == 1 and len(block.inputs[0].readers) == 1 else None
        if before is None or not alike(before, block, equal):
            kept.append(block)
            continue
        if block.role != "other":
            before.role, before.depthwise = block.role, block.depthwise
        before.names += block.names
        before.size, before.channels, before.scale = block.size, block.channels, block.scale
        before.gate, before.dense = block.gate, block.dense
        before.convolutions += block.convolutions
        before.readers = block.readers
        for reader in block.readers:
            reader.inputs = [before if source is block else source for source in reader.inputs]
    return kept


def alike(before: Block, block: Block, equal: bool) -> bool:
    """Whether a block is drawn as one with the only block that it reads."""
    if block.role == "other" or before.role == "other":
        return before.role != "image" and block.role in {"other", "conv", "down", "up"}
    same = not equal or block.dense or before.depthwise or before.channels == block.channels
    return before.role == block.role == "conv" and before.scale == block.scale and same


def only_scales(block: Block) -> bool:
    """Whether all that a block computes ends up as a factor."""
    factors = [reader.role == "multiply" or (reader.role == "up" and only_scales(reader)) for reader in block.readers]
    return bool(factors) and all(factors)
