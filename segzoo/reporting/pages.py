"""Pages of HTML from the templates in this folder; a page holds all its pictures, so that it is a single file."""

from __future__ import annotations

import base64
import io
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image


def html(template: str, **values: Any) -> str:
    """The page that a template such as `samples.html` makes of values; texts are escaped.

    Templates have the filter `data_url`, which turns an image into an address that holds it.
    """
    environment = Environment(
        loader=PackageLoader("segzoo", "reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["data_url"] = data_url
    return environment.get_template(template).render(values)


def data_url(image: Image.Image) -> str:
    """An address that holds the image itself, as PNG."""
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
