"""Trains as `article.py` does, and tells of each epoch how good the network is; see `time_to_quality.py`."""

from __future__ import annotations

import time
from pathlib import Path

from turns import BATCH_SIZE, Pace, Training, main


def train(training: Training, pace: Pace) -> None:
    """Options: `seed`."""
    import keras
    import numpy as np
    from article import CLASSES, Pets, compiled, split

    from segzoo.training import confusion, mean_iou

    keras.utils.set_random_seed(training.options["seed"])
    size = (training.image_size, training.image_size)
    batches, val_batches = (Pets(pairs, size) for pairs in split(Path(training.root), training.val_size))
    model = compiled(size, training.filters)
    begun = ended = 0.0

    def validate() -> dict[str, float]:
        losses, counts = [], np.zeros((CLASSES, CLASSES), np.int64)
        for images, masks in map(val_batches.__getitem__, range(len(val_batches))):
            outputs = np.asarray(model.predict_on_batch(images), np.float64)
            shares = np.take_along_axis(outputs, masks.astype(int), -1) / outputs.sum(-1, keepdims=True)
            losses.append(-np.log(np.clip(shares, 1e-7, 1)).mean())  # as Keras' loss does it
            counts += confusion(masks[..., 0], outputs.argmax(-1), CLASSES)
        return {"val_loss": float(np.mean(losses)), "mean_iou": float(mean_iou(counts))}

    def epoch_begins(epoch: int, logs: object) -> None:
        nonlocal begun
        begun = time.perf_counter()

    def step_ends(batch: int, logs: object) -> None:
        nonlocal ended
        ended = time.perf_counter()

    def epoch_ends(epoch: int, logs: object) -> None:
        told = {"seconds": ended - begun, "images": len(batches) * BATCH_SIZE, "how": "float32", **validate()}
        pace.epoch(told | {"validating": time.perf_counter() - ended})

    in_turn = keras.callbacks.LambdaCallback(
        on_epoch_begin=epoch_begins, on_train_batch_end=step_ends, on_epoch_end=epoch_ends
    )
    model.fit(batches, epochs=training.epochs, callbacks=[in_turn], verbose=0)


if __name__ == "__main__":
    main(train)
