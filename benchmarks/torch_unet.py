"""The network of `article.py` in PyTorch, layer by layer the same, with logits for an output."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F


class UNet(nn.Module):
    """Pixel values (B, 3, H, W) to logits (B, classes, H, W); sides are multiples of 16."""

    def __init__(self, filters: int = 64, num_classes: int = 3) -> None:
        super().__init__()
        widths = [filters * 2**stage for stage in range(5)]
        self.encoder = nn.ModuleList(convolutions(a, b) for a, b in zip([3, *widths[:-1]], widths, strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(convolutions(2 * width, width) for width in widths[:-1])
        self.head = nn.Conv2d(filters, num_classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See `UNet`."""
        skips = []
        for stage in self.encoder[:-1]:
            x = stage(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.encoder[-1](x)
        for up, stage, skip in reversed(list(zip(self.up, self.decoder, skips, strict=True))):
            x = stage(torch.cat([up(x), skip], dim=1))
        return self.head(x)


def convolutions(channels: int, filters: int) -> nn.Sequential:
    """Twice: 3x3 convolution, batch normalization, ReLU."""
    layers: list[nn.Module] = []
    for inputs in (channels, filters):
        # Keras' epsilon; its momentum of 0.99 is 0.01 here.
        norm = nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01)
        layers += [nn.Conv2d(inputs, filters, 3, padding=1), norm, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
