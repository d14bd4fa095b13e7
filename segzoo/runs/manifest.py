"""Where, when and with what a run was made, so that its numbers can be judged and repeated."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from segzoo.networks.frame import Frame
from segzoo.plugin import Info, StartingWeights
from segzoo.processes.processors import processor, threads
from segzoo.registry.installed import versions
from segzoo.runs.config import STARTING

SIZES = (
    "Legal heights and widths of the network's input are stride * k + offset for k >= 1; the output has margin pixels "
    "less on each side. input_size is the smallest legal size whose output covers image_size. An image of "
    "image_size lies in the middle of it, with (input - image) // 2 rows above and columns on the left, and is "
    "mirrored outwards without repeating the outermost pixels, as numpy.pad does with mode='reflect'. Of the output, "
    "what lies on the image is its prediction. Images of other sizes get through the network in the same way, unless "
    "its input shape is fixed."
)
RESIZED = (
    "Images are resized to image_size by Pillow: uint8 of three channels by Image.fromarray(image).resize((width, "
    "height), Image.Resampling.BILINEAR); else each channel by itself as float32 in the same way, then rounded by "
    "numpy.rint. The logits are resized to the image, each class by itself as float32 in the same way. The class of a "
    "pixel is that of its largest logit after that. What has the size already is left as it is."
)
CROPS = (
    "Images are not resized. Tiles of image_size cover an image: along a side that is longer than the tile there are "
    "n = 1 + ceil((side - tile) / (3 * tile // 4)), of which those of i = 0 to n - 1 begin at round(i * (side - "
    "tile) / (n - 1)); a shorter side lies in the middle of the tile. Around a tile the network sees the pixels of the "
    "image, mirrored beyond its border. The logits of tiles are averaged, each pixel weighted by its distance from the "
    "nearest border of the tile in rows times that in columns, from 1 on. The class of a pixel is that of its largest "
    "logit after that."
)
AGREEMENT = "bfloat16_agreement"
"""The key, in `network`, of the share of pixels that get the same class in bfloat16; None where it was not measured."""
PIXELS = "float32, 0 to 255; values of 16 bits times 255 / 65535"


def manifest(
    seed: int,
    fingerprints: Mapping[str, str],
    info: Info,
    frame: Frame | None,
    agreement: float | None = None,
    starting_weights: Mapping[str, StartingWeights] | None = None,
) -> dict[str, Any]:
    """The content of `manifest.json`.

    Args:
        seed: that of the run.
        fingerprints: those of the dataset, by split.
        info: what the dataset says of itself.
        frame: what the network sees; None where masks are scored that another tool has made.
        agreement: the share of pixels that get the same class in bfloat16, if it was measured.
        starting_weights: what the network began with, by what they are of.
    """
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "dataset_fingerprint": dict(fingerprints),
        "dataset": asdict(info),
        **({"network": _use(frame) | {AGREEMENT: agreement}} if frame else {}),
        **({STARTING: {name: asdict(known) for name, known in starting_weights.items()}} if starting_weights else {}),
        **environment(),
    }


def environment() -> dict[str, Any]:
    """The machine, and the versions of what a result comes from, ready for JSON."""
    return {
        "machine": _machine(),
        "python": platform.python_version(),
        "versions": versions(),
        "commit": _commit(),
    }


def _use(frame: Frame) -> dict[str, Any]:
    """What has to be known to use the trained network without segzoo."""
    texts = {"pixels": PIXELS, "sizes": SIZES, "resizing": CROPS if frame.view == "crop" else RESIZED}
    return {**asdict(frame), "input_size": frame.input_size, **texts}


def _machine() -> dict[str, Any]:
    """The computer, ready for JSON."""
    return {
        "platform": platform.platform(),
        "processor": processor(),
        "cores": psutil.cpu_count(logical=False),
        "threads": threads(),
        "memory_bytes": psutil.virtual_memory().total,
    }


def _commit() -> str | None:
    """The commit of segzoo's own source tree; None where it is installed from a wheel, or changed since the commit."""
    if "site-packages" in Path(__file__).parts:  # a repository around it is the user's
        return None
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
