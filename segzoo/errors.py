"""The errors that segzoo raises on purpose, with messages for the user.

Every message names the culprit and what to type or do next. The command line prints it without a traceback and exits
with code 2; in Python it is an ordinary exception.
"""

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

DISTRIBUTION = "segmentation-zoo"
"""What to tell pip to install."""
OTHER_DISTRIBUTION = "segzoo"
"""What pip installs another program by, a tool for genomes, whose package and command have our names."""
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of system errors: the disk is full, or the user's share of it."""


class SegzooError(Exception):
    """Something the reader of the message can mend. Base of all errors that segzoo raises on purpose."""

    ag_pass_through = True
    """Has TensorFlow leave the error as it is where Python code that it translates raises it."""


class ConfigError(SegzooError):
    """A name, an option or a configuration file that does not fit."""


class PluginError(SegzooError):
    """A plugin that cannot be loaded, or breaks the interface it promised."""


class PluginRaisedError(PluginError):
    """An exception that code of a plugin raised."""

    def __init__(self, message: str, exception: BaseException) -> None:
        super().__init__(message, exception)
        self.exception = exception
        """What was raised, with its traceback; TensorFlow forgets the cause of an error."""
        self.log: Path | None = None
        """The file of the run that has the traceback, if it is in one."""

    def __str__(self) -> str:
        return str(self.args[0])


class DataError(SegzooError):
    """Images, masks or archives that are missing, unreadable or wrong."""


class LabelError(DataError):
    """A mask with labels that are no class."""


class TrainingError(SegzooError):
    """A training that cannot go on, such as a loss that is no longer a number."""


def with_article(noun: str) -> str:
    """`a model`, `an augmentation`."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'unet'?` for the nearest known word, else the known words, else nothing."""
    known = sorted(known)
    nearest = get_close_matches(word, known, n=1)
    if nearest:
        return f"; did you mean '{nearest[0]}'?"
    return f"; there are: {', '.join(known)}" if known else ""
