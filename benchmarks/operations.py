"""What TensorFlow spends its time on: the operations between `start` and `stop`, by their type."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import tensorflow as tf

# TensorFlow's interface writes traces but has nothing to read them, except for their message type.
from tensorflow.tsl.profiler.protobuf import xplane_pb2
from turns import CONVOLUTION

OPERATION = re.compile(r"[^:]+:_?(?:MklNative|Mkl)?(\w+)")
"""How a trace names an operation, such as `unet/conv1/convolution:_MklNativeConv2D`."""

_folder = tempfile.TemporaryDirectory()


def start() -> None:
    """Begin to record."""
    tf.profiler.experimental.start(_folder.name)


def stop() -> dict[str, float]:
    """Seconds that operations of each type took, those of all threads together."""
    tf.profiler.experimental.stop()
    seconds: Counter[str] = Counter()
    for path in Path(_folder.name).rglob("*.xplane.pb"):
        for plane in xplane_pb2.XSpace.FromString(path.read_bytes()).planes:
            for line in plane.lines:
                seconds.update(own_times(line, plane.event_metadata))
        path.unlink()
    return dict(seconds)


def own_times(line: Any, names: Any) -> Counter[str]:
    """Seconds in the operations of one thread, without those that they called in it."""
    seconds: Counter[str] = Counter()
    open_until: list[tuple[int, str]] = []
    for event in sorted(line.events, key=lambda event: (event.offset_ps, -event.duration_ps)):
        match = OPERATION.fullmatch(names[event.metadata_id].name)
        if not match:
            continue
        while open_until and open_until[-1][0] <= event.offset_ps:
            open_until.pop()
        if open_until:
            seconds[open_until[-1][1]] -= event.duration_ps / 1e12
        kind = CONVOLUTION if "Conv2D" in match[1] else match[1]
        seconds[kind] += event.duration_ps / 1e12
        open_until.append((event.offset_ps + event.duration_ps, kind))
    return seconds
