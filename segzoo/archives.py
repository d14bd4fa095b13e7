"""Archives unpacked as what strangers sent."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from segzoo.atomic import ensure_room, unwritable
from segzoo.errors import DataError
from segzoo.locking import holding


def unpack(archive: Path, folder: Path) -> None:
    """Turn an archive into the folder of the name `folder.name` that it holds. The archive is deleted.

    Raises:
        DataError: if the archive is damaged, lacks the folder, or has members that are unsafe; it is deleted.
        SegzooError: if the place cannot be written or its disk is too full; the archive is kept.
    """
    temporary = folder.with_name(f"{folder.name}.part")
    with holding(folder.parent):
        ensure_room(folder.parent, archive.stat().st_size)
        shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
        try:
            _extract(archive, temporary)
            if not (temporary / folder.name).is_dir():
                raise DataError(f"the archive {archive} holds no folder '{folder.name}'")
            (temporary / folder.name).replace(folder)
        except OSError as error:
            raise unwritable(folder.parent, error, archive.stat().st_size) from error
        except DataError:
            archive.unlink()
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        archive.unlink()


def _extract(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive, "r:*") as tar:
            tar.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise DataError(f"the archive {archive} is refused: its member '{error.tarinfo.name}' is unsafe") from error
    except Exception as error:  # every compression has errors of its own
        if isinstance(error, OSError) and error.errno:
            raise
        raise DataError(f"the archive {archive} is damaged: {error}") from error
