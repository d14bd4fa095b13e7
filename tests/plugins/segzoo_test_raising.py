"""Models whose code raises exceptions of Python."""

from pydantic import field_validator

from segzoo.plugin import Model


class Inner(Model):
    """A network that is a function, which fails when it is called."""

    def build(self, image_shape, num_classes):
        def network(images):
            raise ValueError("wrong shape")

        return network


class Options(Model):
    """A network whose check of its options has a mistake."""

    depth: int = 1

    @field_validator("depth")
    @classmethod
    def known(cls, depth):
        return {1: 1}[depth]

    def build(self, image_shape, num_classes):
        raise NotImplementedError
