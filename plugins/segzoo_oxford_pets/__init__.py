"""The Oxford-IIIT Pet dataset: cats and dogs, each pixel labelled as pet, background or the border between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from pydantic import Field

from segzoo.errors import ConfigError, DataError
from segzoo.plugin import Dataset, Folder, Info, Split

if TYPE_CHECKING:
    from segzoo_oxford_pets.files import Pairs


class Archive(NamedTuple):
    """A file to download, which holds a folder."""

    folder: str
    size: int
    """Bytes of the archive."""
    sha256: str

    @property
    def file(self) -> str:
        """Its name on the servers."""
        return f"{self.folder}.tar.gz"


ARCHIVES = (
    Archive("annotations", 19_173_078, "52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91"),
    Archive("images", 791_918_971, "67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d"),
)
SERVERS = ("https://www.robots.ox.ac.uk/~vgg/data/pets/data", "https://thor.robots.ox.ac.uk/~vgg/data/pets/data")

CLASSES = {
    "trimap": ("pet", "background", "border"),
    "binary_border_fg": ("background", "pet"),
    "binary_border_ignore": ("background", "pet"),
}


class OxfordPets(Dataset):
    """7,390 photos of cats and dogs of 37 breeds, segmented into pet, background and the border between them.

    811 MB are downloaded once, verified and unpacked into `oxford_pets` in the cache; the archives are then deleted.
    Archives that are put there by hand are used instead of a download.
    """

    paper: ClassVar[str] = "Parkhi, Vedaldi, Zisserman, Jawahar 2012, Cats and Dogs, doi:10.1109/CVPR.2012.6248092"

    root: Folder | None = Field(
        None,
        description="A folder with `images` and `annotations` in the official layout, to be used without download.",
    )
    split: Literal["official", "article"] = Field(
        "official",
        description="official: train and val from trainval.txt, test from test.txt. article: the split of the Keras "
        "example, all pairs of files shuffled with seed 1337, the last ones for val, no test.",
    )
    val_size: int | None = Field(
        None,
        ge=1,
        description="Number of validation images; unset, 1,000 of the article's split, and a tenth of the trainval "
        "images that are there of the official one.",
    )
    labels: Literal["trimap", "binary_border_fg", "binary_border_ignore"] = Field(
        "trimap",
        description="trimap: pet, background, border. binary_border_fg: background, pet; the border counts as pet. "
        "binary_border_ignore: background, pet; the border is left out.",
    )
    allow_missing: bool = Field(
        False, description="Take what is there of the files of a split, instead of asking for all."
    )
    mirror: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Address of a folder with both archives, to be tried before the official ones.",
    )

    def prepare(self, cache: Path) -> None:
        """See `Dataset.prepare`."""
        if self.root:
            return
        from segzoo.files.download import fetch_folder

        servers = (self.mirror.rstrip("/"), *SERVERS) if self.mirror else SERVERS
        for archive in ARCHIVES:
            urls = [f"{server}/{archive.file}" for server in servers]
            folder = cache / "oxford_pets" / archive.folder
            try:
                fetch_folder(urls, folder, archive.sha256, archive.size, inside=archive.folder)
            except DataError as error:
                needed = " and ".join(f"{archive.file} ({archive.size:,} bytes)" for archive in ARCHIVES)
                raise DataError(
                    f"{error}\nThe whole dataset is {needed}; `segzoo run unet shapes` needs no download."
                ) from error

    def describe(self, cache: Path) -> Info:
        """See `Dataset.describe`."""
        return Info(
            classes=CLASSES[self.labels],
            channels=3,
            splits=("train", "val", "test") if self.split == "official" else ("train", "val"),
            image_size=(160, 160),
            epochs=15,
            licence="CC-BY-SA-4.0",
        )

    def files(self, cache: Path, split: Split) -> Sequence[tuple[Path, ...]]:
        """See `Dataset.files`."""
        from segzoo.data.samples import OnDemand

        pairs = self.open(cache, split)
        return OnDemand(len(pairs), lambda index: pairs.files(pairs.names[index]))

    def missing(self, cache: Path) -> Sequence[str]:
        """See `Dataset.missing`. With `allow_missing`, pairs of which both files are absent are not missed."""
        from segzoo_oxford_pets.files import absent

        return absent(self.root or cache / "oxford_pets", self)

    def open(self, cache: Path, split: Split) -> Pairs:
        """See `Dataset.open`."""
        from segzoo_oxford_pets.files import Pairs, split_names

        if split not in self.describe(cache).splits:
            raise ConfigError(f"dataset 'oxford_pets' has no split '{split}' with the option split = '{self.split}'")
        folder = self.root or cache / "oxford_pets"
        return Pairs(folder, tuple(split_names(folder, split, self)), self.labels)
