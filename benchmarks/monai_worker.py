"""Predicts the classes of a large image with MONAI's sliding window, as it is commonly written; see `large_image.py`.

Needs PyTorch, MONAI, tifffile and NumPy, and nothing of segzoo or TensorFlow. The network's weights are random, which
changes nothing of what is measured.
"""

from __future__ import annotations

import argparse
import os


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("mask")
    parser.add_argument("--filters", type=int, required=True)
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("--tile", type=int, required=True)
    parser.add_argument("--overlap", type=float, required=True)
    parser.add_argument("--batch", type=int, required=True)
    predict(parser.parse_args())


def predict(options: argparse.Namespace) -> None:
    """Read the image, predict it, and write its mask."""
    import numpy as np
    import tifffile
    import torch
    from monai.inferers import sliding_window_inference
    from torch_unet import UNet

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))  # it would rather count cores
    network = UNet(options.filters, options.classes).to(memory_format=torch.channels_last).eval()
    image = torch.from_numpy(tifffile.imread(options.image)).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        logits = sliding_window_inference(
            image / 127.5 - 1,
            (options.tile, options.tile),
            options.batch,
            lambda tiles: network(tiles.to(memory_format=torch.channels_last)),
            overlap=options.overlap,
            mode="gaussian",
        )
    mask = logits.argmax(dim=1)[0].numpy().astype(np.uint8)
    tifffile.imwrite(options.mask, mask, tile=(256, 256), compression="deflate")


if __name__ == "__main__":
    main()
