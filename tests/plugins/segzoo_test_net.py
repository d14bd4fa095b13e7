"""A network that nobody builds."""

from pydantic import Field

from segzoo.plugin import Model


class Net(Model):
    """A network for tests."""

    filters: int = Field(8, ge=1, description="Filters.")

    def build(self, image_shape, num_classes):
        raise NotImplementedError
