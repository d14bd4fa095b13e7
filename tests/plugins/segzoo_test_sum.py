"""A loss that is wrong: it gives one value for the batch."""

from segzoo.plugin import Loss


class Sum(Loss):
    """Sums over the whole batch."""

    def __call__(self, labels, logits, weights):
        from keras import ops

        return ops.sum(logits * 0)
