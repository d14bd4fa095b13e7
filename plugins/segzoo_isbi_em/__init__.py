"""The slices of the ISBI challenge of 2012: electron micrographs of neural tissue, segmented into membrane and cell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from segzoo.data.splits import require_one_way
from segzoo.errors import ConfigError
from segzoo.plugin import Dataset, Folder, Info, Split

if TYPE_CHECKING:
    from segzoo_isbi_em.challenge import Challenge
    from segzoo_isbi_em.slices import Slices

SLICES = 30
"""Slices with labels; the labels of the challenge's 30 test slices were never published."""
EPOCHS = 30
"""An epoch is four crops of each slice, as many as have its pixels: ten training steps of eight crops."""
SIZE = 5
"""Slices for validation and for the scores, unless others are asked for."""

LICENCE = (
    "free for generating or testing non-commercial image segmentation software; publications cite TrakEM2 and Cardona "
    "et al. 2010, doi:10.1371/journal.pbio.1000502"
)


class IsbiEM(Dataset):
    """30 electron micrographs of the nerve cord of a fly larva, 512x512, segmented into membrane and cell.

    They are consecutive slices of one block of tissue, 50 nm apart, and each resembles its neighbours. So splits are
    blocks of consecutive slices: the first for training, the next for validation, the last for the scores. There is no
    download, since the challenge's server asks who you are: register there, and name the folder with `root`.
    """

    paper: ClassVar[str] = (
        "Arganda-Carreras et al. 2015, Crowdsourcing the creation of image segmentation algorithms for connectomics, "
        "doi:10.3389/fnana.2015.00142"
    )

    root: Folder | None = Field(
        None,
        description="A folder with `train-volume.tif` and `train-labels.tif`, or else with `train/image/N.png` and "
        "`train/label/N.png`, N from 0 to 29.",
    )
    val_size: int | None = Field(None, ge=1, description="Number of slices for validation; unset, 5 without `folds`.")
    test_size: int | None = Field(None, ge=0, description="Number of slices for the scores; unset, 5 without `folds`.")
    folds: int | None = Field(
        None, ge=3, le=SLICES, description="Number of blocks for cross-validation, instead of the two sizes."
    )
    fold: int = Field(
        0, ge=0, description="Which block the scores are of, from 0; the next one, or the first, is for validation."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        require_one_way(self.folds, self.fold, {"val_size": self.val_size, "test_size": self.test_size}, "block")
        if not self.numbers("train"):
            raise ValueError(f"val_size and test_size leave none of the {SLICES} slices to train on")
        return self

    def prepare(self, cache: Path) -> None:
        """See `Dataset.prepare`. Only looks whether all is there."""
        self.open(cache, "train")

    def describe(self, cache: Path) -> Info:
        """See `Dataset.describe`."""
        return Info(
            classes=("membrane", "cell"),
            channels=1,
            splits=("train", "val", "test") if self.numbers("test") else ("train", "val"),
            image_size=(256, 256),
            epochs=EPOCHS,
            view="crop",
            licence=LICENCE,
        )

    def numbers(self, split: Split) -> list[int]:
        """The slices of a split, from 0."""
        size = SIZE if self.val_size is None else self.val_size, SIZE if self.test_size is None else self.test_size
        ends = [SLICES - sum(size), SLICES - size[1], SLICES]
        val, test = range(*ends[:2]), range(*ends[1:])
        if self.folds is not None:
            blocks = [range(SLICES * i // self.folds, SLICES * (i + 1) // self.folds) for i in range(self.folds)]
            val, test = blocks[(self.fold + 1) % self.folds], blocks[self.fold]
        others = [number for number in range(SLICES) if number not in val and number not in test]
        return {"train": others, "val": list(val), "test": list(test)}[split]

    def open(self, cache: Path, split: Split) -> Slices:
        """See `Dataset.open`."""
        from segzoo_isbi_em.slices import Slices, require_complete

        if split not in self.describe(cache).splits:
            raise ConfigError("dataset 'isbi_em' has no split 'test' with the option test_size = 0")
        require_complete(self._folder())
        return Slices(self._folder(), tuple(self.numbers(split)))

    def files(self, cache: Path, split: Split) -> Sequence[tuple[Path, ...]]:
        """See `Dataset.files`."""
        from segzoo_isbi_em.slices import pair

        return [pair(self._folder(), number)[:2] for number in self.numbers(split)]

    def missing(self, cache: Path) -> Sequence[str]:
        """See `Dataset.missing`."""
        from segzoo_isbi_em.slices import absent

        return [f"{path} is not there" for path in absent(self._folder())]

    def metric(self) -> Challenge:
        """See `Dataset.metric`: the foreground-restricted Rand and information scores of the challenge."""
        from segzoo_isbi_em.challenge import Challenge

        return Challenge()

    def _folder(self) -> Path:
        if self.root is None:
            raise ConfigError(
                "dataset 'isbi_em' cannot be downloaded, since its server asks who you are: register at "
                "http://brainiac2.mit.edu/isbi_challenge, put train-volume.tif and train-labels.tif into a folder, and "
                "add `--set dataset.root=FOLDER`; https://imagej.net/events/isbi-2012-segmentation-challenge tells more"
            )
        return self.root
