"""The tracker for TensorBoard."""

from __future__ import annotations

from importlib.util import find_spec

from segzoo.errors import ConfigError
from segzoo.plugin import Subscriber, Tracker


class TensorBoard(Tracker):
    """Writes curves, scores, options and pictures of samples for TensorBoard.

    They lie in the run's folder, in `tensorboard`; `tensorboard --logdir runs` shows all runs below `runs`. In the tab
    HPARAMS runs are compared by their options.
    """

    def subscriber(self) -> Subscriber:
        """See `Tracker.subscriber`."""
        if find_spec("tensorboard") is None:
            raise ConfigError(
                "tracker 'tensorboard' needs the package tensorboard; type: pip install 'segmentation-zoo[tensorboard]'"
            )
        from segzoo_tensorboard.writing import EventFiles

        return EventFiles()
