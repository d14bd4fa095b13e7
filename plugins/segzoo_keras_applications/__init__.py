"""Networks of `keras.applications` as encoders, with the weights from ImageNet that Keras downloads."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

from pydantic import Field

from segzoo.plugin import Encoder, File, StartingWeights

if TYPE_CHECKING:
    import keras

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's images: red, green and blue, in [0, 1]."""
HALF = (0.5, 0.5, 0.5)
"""As mean and deviation: values in [-1, 1]."""


class Application(NamedTuple):
    """A network of `keras.applications`: where its maps and its weights are, and what these want images to be."""

    function: str
    """Its name in `keras.applications`."""
    blocks: str
    """A pattern of the names of the layers with which its blocks end; the last of each stride gives the map."""
    file: str
    """The weights from ImageNet, without a classifier, below the address that Keras downloads from."""
    digest: str
    """MD5 or SHA-256 of the file, as Keras verifies it; empty where Keras does not."""
    mean: tuple[float, float, float]
    """Of the images that the weights were trained on: red, green and blue, in [0, 1]."""
    deviation: tuple[float, float, float]
    """Standard deviation by which their values were divided, less the mean."""
    reversed: bool = False
    """Whether the weights expect the channels in the order blue, green, red."""
    finest: int = 1
    """Halvings of the resolution at the finest map."""


class KerasApplication(Encoder):
    """Base class of the encoders of `keras.applications`; each has a class that names its network and its weights."""

    weights: Literal["imagenet", "none"] | File = Field(
        "imagenet",
        description="What a training begins with: weights from ImageNet, which Keras downloads; none (random ones); or "
        "a file that Keras has saved of this network with include_top=False.",
    )
    depth: int = Field(
        5,
        ge=1,
        le=5,
        description="Halvings of the resolution: maps of the strides 2 to 2^depth; what is deeper is left out.",
    )

    @classmethod
    def example(cls) -> Self:
        """The finest maps, with random weights."""
        return cls(weights="none", depth=2)

    @property
    @abstractmethod
    def application(self) -> Application:
        """Which network it is."""

    @property
    def strides(self) -> tuple[int, ...]:
        """Powers of 2, from that of the finest map on."""
        return tuple(2**number for number in range(self.application.finest, self.depth + 1))

    def build(self, image_shape: tuple[int | None, int | None, int]) -> keras.Model:
        """See `Encoder.build`; the network takes images of any size."""
        from segzoo_keras_applications.network import encoder

        return encoder(self.application, image_shape[2], self.strides)

    def prepare(self, cache: Path) -> StartingWeights | None:
        """See `Encoder.prepare`; what Keras downloads is in its own cache."""
        from segzoo_keras_applications.weights import prepared

        return None if self.weights == "none" else prepared(self.application, self.weights, cache)

    def load(self, network: keras.Model, cache: Path) -> None:
        """See `Encoder.load`."""
        from segzoo_keras_applications.weights import load

        load(network, self.application, self.weights, cache)


class MobileNetV2(KerasApplication):
    """MobileNetV2, small and quick: maps of 16, 24, 32, 96 and 320 channels."""

    paper: ClassVar[str] = "Sandler, Howard, Zhu, Zhmoginov, Chen 2018, MobileNetV2, arXiv:1801.04381"

    @property
    def application(self) -> Application:
        """See `KerasApplication.application`."""
        file = "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
        return Application("MobileNetV2", r"project_BN$|_add$", file, "", HALF, HALF)


class MobileNetV3Large(KerasApplication):
    """MobileNetV3 in its large form, with squeeze-and-excitation: maps of 16, 24, 40, 112 and 160 channels."""

    paper: ClassVar[str] = "Howard, Sandler et al. 2019, MobileNetV3, arXiv:1905.02244"
    global_context: ClassVar[bool] = True

    @property
    def application(self) -> Application:
        """See `KerasApplication.application`."""
        file = "mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5"
        digest = "07fb09a5933dd0c8eaafa16978110389"
        return Application("MobileNetV3Large", r"project_bn$|_add$", file, digest, HALF, HALF)


EFFICIENT_NET_BLOCKS = r"project_bn$|project_activation$|_add$"


class EfficientNetV2B0(KerasApplication):
    """EfficientNetV2-B0, the smallest: maps of 16, 32, 48, 112 and 192 channels."""

    paper: ClassVar[str] = "Tan, Le 2021, EfficientNetV2, arXiv:2104.00298"
    global_context: ClassVar[bool] = True

    @property
    def application(self) -> Application:
        """See `KerasApplication.application`."""
        file, digest = "efficientnet_v2/efficientnetv2-b0_notop.h5", "893217f2bb855e2983157299931e43ff"
        return Application("EfficientNetV2B0", EFFICIENT_NET_BLOCKS, file, digest, MEAN, DEVIATION)


class EfficientNetV2B1(KerasApplication):
    """EfficientNetV2-B1, deeper than B0: maps of 16, 32, 48, 112 and 192 channels."""

    paper: ClassVar[str] = "Tan, Le 2021, EfficientNetV2, arXiv:2104.00298"
    global_context: ClassVar[bool] = True

    @property
    def application(self) -> Application:
        """See `KerasApplication.application`."""
        file, digest = "efficientnet_v2/efficientnetv2-b1_notop.h5", "0e80663031ca32d657f9caa404b6ec37"
        return Application("EfficientNetV2B1", EFFICIENT_NET_BLOCKS, file, digest, MEAN, DEVIATION)


class EfficientNetV2B2(KerasApplication):
    """EfficientNetV2-B2, deeper and wider than B1: maps of 16, 32, 56, 120 and 208 channels."""

    paper: ClassVar[str] = "Tan, Le 2021, EfficientNetV2, arXiv:2104.00298"
    global_context: ClassVar[bool] = True

    @property
    def application(self) -> Application:
        """See `KerasApplication.application`."""
        file, digest = "efficientnet_v2/efficientnetv2-b2_notop.h5", "1dfe2e7a5d45b6632553a8961ea609eb"
        return Application("EfficientNetV2B2", EFFICIENT_NET_BLOCKS, file, digest, MEAN, DEVIATION)


class EfficientNetV2B3(KerasApplication):
    """EfficientNetV2-B3, deeper and wider than B2: maps of 16, 40, 56, 136 and 232 channels."""

    paper: ClassVar[str] = "Tan, Le 2021, EfficientNetV2, arXiv:2104.00298"
    global_context: ClassVar[bool] = True

    @property
    def application(self) -> Application:
        """See `KerasApplication.application`."""
        file, digest = "efficientnet_v2/efficientnetv2-b3_notop.h5", "f6abf7b5849ac99a89b50dd3fd532856"
        return Application("EfficientNetV2B3", EFFICIENT_NET_BLOCKS, file, digest, MEAN, DEVIATION)


class EfficientNetV2S(KerasApplication):
    """EfficientNetV2-S, larger than B0 to B3: maps of 24, 48, 64, 160 and 256 channels."""

    paper: ClassVar[str] = "Tan, Le 2021, EfficientNetV2, arXiv:2104.00298"
    global_context: ClassVar[bool] = True

    @property
    def application(self) -> Application:
        """See `KerasApplication.application`."""
        file, digest = "efficientnet_v2/efficientnetv2-s_notop.h5", "af0682fb74e8c54910f2d4393339c070"
        middle = (128 / 255, 128 / 255, 128 / 255)
        return Application("EfficientNetV2S", EFFICIENT_NET_BLOCKS, file, digest, middle, middle)


class ResNet50(KerasApplication):
    """ResNet-50, in the form of 2015: maps of 64, 256, 512, 1024 and 2048 channels."""

    paper: ClassVar[str] = "He, Zhang, Ren, Sun 2015, ResNet, arXiv:1512.03385"

    @property
    def application(self) -> Application:
        """See `KerasApplication.application`."""
        file = "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
        digest, mean = "4d473c1dd8becc155b73f8504c6f6626", (123.68 / 255, 116.779 / 255, 103.939 / 255)
        scale = (1 / 255, 1 / 255, 1 / 255)  # values of 0 to 255, less their mean
        return Application("ResNet50", r"^conv1_relu$|_out$", file, digest, mean, scale, reversed=True)


class DenseNet121(KerasApplication):
    """DenseNet-121, whose layers see all before them: maps of 64, 128, 256, 512 and 1024 channels."""

    paper: ClassVar[str] = "Huang, Liu, van der Maaten, Weinberger 2016, DenseNet, arXiv:1608.06993"

    @property
    def application(self) -> Application:
        """See `KerasApplication.application`."""
        file = "densenet/densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5"
        digest, blocks = "30ee3e1110167f948a6b9946edeeb738", r"^conv1_relu$|^pool\d_conv$|^relu$"
        return Application("DenseNet121", blocks, file, digest, MEAN, DEVIATION)


class ConvNeXtTiny(KerasApplication):
    """ConvNeXt in its tiny form, whose finest map has the stride 4: maps of 96, 192, 384 and 768 channels."""

    paper: ClassVar[str] = "Liu, Mao, Wu, Feichtenhofer, Darrell, Xie 2022, ConvNeXt, arXiv:2201.03545"

    depth: int = Field(
        5,
        ge=2,
        le=5,
        description="Halvings of the resolution: maps of the strides 4 to 2^depth; what is deeper is left out.",
    )

    @property
    def application(self) -> Application:
        """See `KerasApplication.application`."""
        file, digest = (
            "convnext/convnext_tiny_notop.h5",
            "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
        )
        # Blocks end with sums that have no names but those that Keras counts.
        return Application("ConvNeXtTiny", r"^add", file, digest, MEAN, DEVIATION, finest=2)
