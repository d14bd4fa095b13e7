"""Trains the article's network with the usual loop in PyTorch, and tells of each epoch how good it is.

AdamW with a cosine schedule, flips and crops, bfloat16, images in memory, and `torch.compile` if it is quicker. Needs
PyTorch and NumPy, and nothing of segzoo or TensorFlow; see `time_to_quality.py`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch_unet import UNet
from turns import BATCH_SIZE, Pace, Training, main

CLASSES = 3
TRIALS = 3
"""Steps of which the quickest counts, in finding out whether to compile."""

Network = Callable[[torch.Tensor], torch.Tensor]


def train(training: Training, pace: Pace) -> None:
    """Options: `data`, a file of NumPy arrays; `seed`, `learning_rate` and `seconds`."""
    options = training.options
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))  # it would rather count cores
    torch.manual_seed(options["seed"])
    with np.load(options["data"]) as arrays:
        images, masks, val_images, val_masks = (
            torch.from_numpy(arrays[name]) for name in ("images", "masks", "val_images", "val_masks")
        )
    model = UNet(training.filters, CLASSES).to(memory_format=torch.channels_last)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):  # PyTorch's defaults in place of Keras'
            layer.momentum, layer.eps = 0.1, 1e-5
    network, how = quicker(model, *augmented(images[:BATCH_SIZE], masks[:BATCH_SIZE]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=options["learning_rate"])
    spent = 0.0
    while spent < options["seconds"]:
        seen, begun = 0, time.perf_counter()
        for indices in torch.randperm(len(images)).split(BATCH_SIZE):
            done = (spent + time.perf_counter() - begun) / options["seconds"]
            if len(indices) < BATCH_SIZE or done >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = options["learning_rate"] * (1 + math.cos(math.pi * done)) / 2
            optimizer.zero_grad()
            loss_of(network, *augmented(images[indices], masks[indices])).backward()
            optimizer.step()
            seen += BATCH_SIZE
        ended = time.perf_counter()
        spent += ended - begun
        told = {"seconds": ended - begun, "images": seen, "how": how, **validate(model, val_images, val_masks)}
        pace.epoch(told | {"validating": time.perf_counter() - ended})


def augmented(images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 (B, H, W, 3) to -1..1 (B, 3, H, W) and masks (B, H, W), half of them flipped, each in a crop.

    The crop's sides are 0.5 to 1 of the image's, and it is resized to the size of the image.
    """
    count, height, width, _ = images.shape
    sides = torch.empty(count).uniform_(0.5, 1)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = sides * (torch.randint(0, 2, (count,)) * 2 - 1)
    theta[:, 1, 1] = sides
    theta[:, :, 2] = torch.empty(count, 2).uniform_(-1, 1) * (1 - sides)[:, None]
    grid = F.affine_grid(theta, [count, 3, height, width], align_corners=False)
    pixels = F.grid_sample(scaled(images), grid, padding_mode="border", align_corners=False)
    labels = F.grid_sample(masks[:, None].float(), grid, "nearest", padding_mode="border", align_corners=False)
    return pixels.contiguous(memory_format=torch.channels_last), labels[:, 0].long()


def scaled(images: torch.Tensor) -> torch.Tensor:
    """Pixel values uint8 (B, H, W, 3) to -1..1 (B, 3, H, W), with channels last in memory."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def loss_of(network: Network, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    return F.cross_entropy(logits.float(), labels)


def quicker(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> tuple[Network, str]:
    """The network as it is or compiled, whichever takes a step faster, and what it is then; weights stay."""
    state = {name: value.clone() for name, value in model.state_dict().items()}
    ways: dict[str, Network] = {"bfloat16": model, "bfloat16, compiled": torch.compile(model)}
    times = {}
    for how, network in ways.items():
        try:
            times[how] = min(seconds(network, images, labels) for _ in range(TRIALS + 1))
        except RuntimeError:  # there is no compiler
            continue
    model.zero_grad()
    model.load_state_dict(state)  # statistics of batches have changed
    best = min(times, key=lambda how: times[how])
    return ways[best], best


def seconds(network: Network, images: torch.Tensor, labels: torch.Tensor) -> float:
    """The time of a step, without the optimizer's part."""
    begun = time.perf_counter()
    loss_of(network, images, labels).backward()
    return time.perf_counter() - begun


@torch.no_grad()
def validate(model: nn.Module, images: torch.Tensor, masks: torch.Tensor) -> dict[str, float]:
    """Cross-entropy and mean IoU of images that are seen as they are, in float32."""
    model.eval()
    loss, counts = 0.0, np.zeros(CLASSES**2, np.int64)
    for pixels, labels in zip(images.split(BATCH_SIZE), masks.long().split(BATCH_SIZE), strict=True):
        logits = model(scaled(pixels))
        loss += float(F.cross_entropy(logits, labels)) * len(pixels)
        counts += np.bincount((labels * CLASSES + logits.argmax(1)).flatten(), minlength=CLASSES**2)
    model.train()
    table = counts.reshape(CLASSES, CLASSES)
    both = table.diagonal()
    return {"val_loss": loss / len(images), "mean_iou": float((both / (table.sum(0) + table.sum(1) - both)).mean())}


if __name__ == "__main__":
    main(train)
