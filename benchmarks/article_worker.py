"""Trains as `article.py` does, one epoch a turn; see `turns.py`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from turns import BATCH_SIZE, Pace, Training, main


def train(training: Training, pace: Pace) -> None:
    import keras
    import numpy as np
    from article import Pets, compiled, split

    keras.utils.set_random_seed(0)
    size = (training.image_size, training.image_size)
    batches, val_batches = (Pets(pairs, size) for pairs in split(Path(training.root), training.val_size))
    model = compiled(size, training.filters)
    in_turn = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: pace.step(BATCH_SIZE),
        on_epoch_end=lambda epoch, logs: pace.epoch(),
    )
    if training.whole:
        with tempfile.TemporaryDirectory() as folder:
            keep_best = keras.callbacks.ModelCheckpoint(Path(folder) / "best.keras", save_best_only=True)
            callbacks = [keep_best, in_turn]
            model.fit(batches, epochs=training.epochs, validation_data=val_batches, callbacks=callbacks, verbose=0)
    else:
        images, masks = (
            np.concatenate(part) for part in zip(*map(batches.__getitem__, range(len(batches))), strict=True)
        )
        model.fit(images, masks, BATCH_SIZE, epochs=training.epochs, callbacks=[in_turn], verbose=0)


if __name__ == "__main__":
    main(train)
