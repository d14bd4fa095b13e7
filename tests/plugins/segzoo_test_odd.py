"""Datasets some of whose samples are wrong."""

from segzoo.plugin import Dataset, Info, Split

MARKUP = ("<script>alert(1)</script>", """a&b "c" 'd'.""", "wrong <b>", "worse <b>")


class OddSamples(list):
    """Five samples, two of which have labels that are no class and one of which cannot be read."""

    ids = tuple("abcde")

    def __getitem__(self, index):
        import numpy as np

        if index == 1:
            raise OSError("broken")
        return np.full((4, 4 + index, 1), 10 * index, np.uint16), np.full((4, 4 + index), index // 3 * 7, np.uint8)


class Odd(Dataset):
    """A dataset with samples that are wrong, and perhaps a split that cannot be opened."""

    unopened: Split | None = None

    def describe(self, cache):
        return Info(("a", "b"), 1, ("train", "val"))

    def open(self, cache, split):
        if split == self.unopened:
            raise OSError("no such disk")
        return OddSamples("abcde")


class MarkupSamples(list):
    """Names that look like HTML, two samples that are wrong, and ignored pixels."""

    ids = MARKUP

    def __getitem__(self, index):
        import numpy as np

        if index == 2:
            raise OSError("cannot read <wrong> & broken")
        image = np.linspace(0, 60000, 2 * 40 * 900).reshape(40, 900, 2).astype(np.uint16)
        mask = np.zeros((40, 900), np.uint8)
        mask[:, 500:] = 255 if index == 0 else 9 if index == 3 else 1
        return image, mask


class Markup(Dataset):
    """A dataset whose names look like HTML."""

    def describe(self, cache):
        return Info(("sky & sea", "<land>"), 2, ("train", "val"))

    def open(self, cache, split):
        return MarkupSamples(MARKUP)
