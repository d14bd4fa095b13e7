"""One run of a benchmark, in the process that it has for itself: `python -m segzoo.benchmarking.cell FOLDER`.

It is `segzoo run --resume --out FOLDER` for the configuration that lies in the folder, but for two things: it waits for
a process of an earlier start that is about to end, and the last line it prints says what went wrong.
"""

from __future__ import annotations

import faulthandler
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from segzoo.errors import SegzooError
from segzoo.files.locking import wait_until_free

PATIENCE = 60.0
"""Seconds in which a process ends whose parent has ended."""
OUT_OF_MEMORY = ("MemoryError", "ResourceExhaustedError")
"""Python's, and TensorFlow's on a GPU."""


def repeating(folder: Path) -> list[str]:
    """The command that repeats the run in `OUT/cells/DATASET/MODEL/seed-N`, typed in OUT."""
    place = Path(*folder.parts[-4:])
    return ["segzoo", "run", "--config", str(place / "config.toml"), "--out", str(Path("repeated", *place.parts[1:]))]


def main() -> None:
    """Run the cell; exit code 2 for an error of segzoo's, 1 for any other."""
    from segzoo.runs.experiment import conduct, plan

    faulthandler.enable()  # what it was at when the system ended it, for the log
    folder = Path(sys.argv[1])
    sys.argv = repeating(folder)  # the manifest says how the run was made
    wait_until_free(folder, PATIENCE)
    try:
        conduct(plan(None, {}, {}, folder, resume=True), folder, resume=True)
    except Exception as error:
        lacking = next(filter(_is_lack_of_memory, _causes(error)), None)
        if isinstance(error, SegzooError) and not lacking:
            print(f"segzoo: {error}", file=sys.stderr)
            sys.exit(2)
        traceback.print_exc()
        what, culprit = "out of memory" if lacking else "it crashed", lacking or error
        print(f"segzoo: {what}: {type(culprit).__name__}: {culprit}", file=sys.stderr)
        sys.exit(1)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, that from which it was raised, and so on."""
    while error:
        yield error
        error = error.__cause__


def _is_lack_of_memory(error: BaseException) -> bool:
    return type(error).__name__ in OUT_OF_MEMORY


if __name__ == "__main__":
    main()
