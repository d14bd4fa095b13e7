"""Has a process end itself in the middle of its work, where a test wants it to; no clock is looked at."""

import os
from importlib import import_module
from itertools import count
from signal import SIGINT, default_int_handler
from signal import signal as handle


def die_at(place, calls, signal):
    """Send this process a signal when `module:name` is called for that time; with an empty place, never."""
    handle(SIGINT, default_int_handler)  # a shell starts what it runs in the background deaf to Ctrl-C
    if not place:
        return
    module, _, name = place.partition(":")
    owner = import_module(module)
    for part in name.split(".")[:-1]:
        owner = getattr(owner, part)
    name, turns = name.rpartition(".")[2], count(1)
    original = getattr(owner, name)

    def dying(*given, **words):
        if next(turns) == calls:  # in one thread, of several that may call at once
            os.kill(os.getpid(), signal)
        return original(*given, **words)

    setattr(owner, name, dying)
