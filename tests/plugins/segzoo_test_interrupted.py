"""A trainer that the user interrupts at once."""

from segzoo.plugin import Trainer


class Interrupted(Trainer):
    """Stops as at Ctrl-C."""

    def fit(self, build, train, val, job):
        raise KeyboardInterrupt
