"""The network `encoder_unet` on EfficientNet-Lite0 in PyTorch, layer by layer the same, for measurements of speed."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3))
STAGES += ((5, 2, 6, 192, 4), (3, 1, 6, 320, 1))
"""Kernel, stride, expansion, filters and blocks of each stage."""
LAST = (0, 1, 2, 4, 6)
"""The last stage of each resolution."""
DECODER = (256, 128, 64, 32, 16)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class EncoderUNet(nn.Module):
    """Pixel values (B, 3, H, W) to logits (B, classes, H, W); sides are multiples of 32."""

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(MEAN)[:, None, None])
        self.register_buffer("deviation", 255 * torch.tensor(DEVIATION)[:, None, None])
        self.stem = layer(3, 32, 3, stride=2, activation=nn.ReLU6)
        channels, stages = 32, []
        for kernel, stride, expansion, filters, blocks in STAGES:
            stage = []
            for block in range(blocks):
                stage.append(Block(channels, filters, kernel, stride if block == 0 else 1, expansion))
                channels = filters
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)
        skips = [3, *(STAGES[number][3] for number in LAST[:-1])]
        inputs = [channels, *DECODER[:-1]]
        self.decoder = nn.ModuleList(
            nn.Sequential(*(layer(inputs, filters, 3, bias=True, momentum=0.1) for inputs in (below + skip, filters)))
            for below, skip, filters in zip(inputs, reversed(skips), DECODER, strict=True)
        )
        self.head = nn.Conv2d(DECODER[-1], num_classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """See `EncoderUNet`."""
        x, maps = self.stem((images - self.mean) / self.deviation), [images / 127.5 - 1]
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in LAST[:-1]:
                maps.append(x)
        for stage, skip in zip(self.decoder, reversed(maps), strict=True):
            x = stage(torch.cat([skip, F.interpolate(x, scale_factor=2, mode="nearest")], dim=1))
        with torch.autocast("cpu", enabled=False):
            return self.head(x.float())


class Block(nn.Module):
    """An inverted residual block."""

    def __init__(self, channels: int, filters: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = channels * expansion
        parts = [layer(channels, width, 1, activation=nn.ReLU6)] if expansion > 1 else []
        parts.append(layer(width, width, kernel, stride=stride, groups=width, activation=nn.ReLU6))
        parts.append(layer(width, filters, 1, activation=nn.Identity))
        self.layers = nn.Sequential(*parts)
        self.adds = stride == 1 and channels == filters

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The maps, and what is added to them."""
        return x + self.layers(x) if self.adds else self.layers(x)


def layer(
    inputs: int,
    filters: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] = nn.ReLU,
    bias: bool = False,
    momentum: float = 0.01,
) -> nn.Sequential:
    """Convolution, batch normalization and activation; the momentum is one less that of Keras."""
    convolution = nn.Conv2d(inputs, filters, kernel, stride, kernel // 2, groups=groups, bias=bias)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters, eps=1e-3, momentum=momentum), activation())
