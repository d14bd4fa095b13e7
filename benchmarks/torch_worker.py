"""Trains a network in PyTorch with the article's loss, optimizer and batches, one epoch a turn; see `turns.py`.

Needs PyTorch and NumPy, and nothing of segzoo or TensorFlow.
"""

from __future__ import annotations

import os

from turns import BATCH_SIZE, Pace, Training, main


def train(training: Training, pace: Pace) -> None:
    """Options: `bfloat16` and `compile`, each true or false."""
    import numpy as np
    import torch
    from torch.nn import functional as F
    from torch_encoder_unet import EncoderUNet
    from torch_unet import UNet

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))  # it would rather count cores
    torch.manual_seed(0)
    network = UNet(training.filters) if training.model == "unet" else EncoderUNet()
    model = network.to(memory_format=torch.channels_last).train()
    compiled = torch.compile(model) if training.options["compile"] else model
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)  # Keras' values

    rng = np.random.default_rng(0)
    shape = (training.batches * BATCH_SIZE, training.image_size, training.image_size)
    images = rng.integers(0, 256, (*shape, 3), np.uint8)
    masks = rng.integers(0, 3, shape, np.uint8)

    for _ in range(training.epochs):
        for indices in np.split(rng.permutation(len(images)), training.batches):
            # Channels last in memory, which is the faster way for PyTorch on a processor.
            batch = torch.from_numpy(images[indices].astype(np.float32)).permute(0, 3, 1, 2)
            labels = torch.from_numpy(masks[indices].astype(np.int64))
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=training.options["bfloat16"]):
                logits = compiled(batch)
            loss = F.cross_entropy(logits.float(), labels)
            loss.backward()
            optimizer.step()
            loss.item()
            pace.step(BATCH_SIZE)
        pace.epoch()


if __name__ == "__main__":
    main(train)
