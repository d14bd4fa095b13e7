"""The folder in which datasets and prepared data are kept."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """Where datasets and prepared data are kept: `$SEGZOO_CACHE`, else the platform's cache folder."""
    return Path(os.environ.get("SEGZOO_CACHE") or user_cache_path("segzoo")).expanduser().absolute()
