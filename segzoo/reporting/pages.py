"""Pages of HTML and Markdown from the templates in this folder; a page of HTML is a single file with its pictures."""

from __future__ import annotations

import base64
import html as entities
import io
import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
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


def markdown(template: str, **values: Any) -> str:
    """The page that a template such as `leaderboard.md` makes of values; texts are escaped, each in a single line."""
    environment = Environment(
        loader=PackageLoader("segzoo", "reporting"),
        autoescape=True,  # so that what macros make counts as safe
        finalize=lambda value: value if isinstance(value, Markup) else Markup(escaped(str(value))),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    plain = entities.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", plain)


def data_url(image: Image.Image) -> str:
    """An address that holds the image itself, as PNG."""
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
