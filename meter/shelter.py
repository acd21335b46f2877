"""Shelter: where a user keeps what belongs beside a file whose folder cannot be written.

It is a folder of the user's own among the temporary ones, and a file has the same path in it as from the root.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from meter.settings import temporary_folder

if TYPE_CHECKING:
    from pathlib import Path


def places_of(beside: Path) -> list[Path]:
    """Return where a file may be: at its place, and in our shelter.

    The administrator, who recovers for others, looks into the shelter of the owner of the folder as well.
    """
    places = [beside]
    folder = temporary_folder()
    if folder is not None:
        users = {os.getuid()}
        if os.getuid() == 0:
            with contextlib.suppress(OSError):
                users.add(beside.parent.stat().st_uid)
        places += [_sheltered(beside, folder, user) for user in sorted(users) if _is_own(_of(folder, user), user)]
    return places


def shelter_for(beside: Path) -> Path | None:
    """Return the path to write to in place of one that cannot be written; None where we have no shelter."""
    folder = temporary_folder()
    if folder is None:
        return None
    user = os.getuid()
    with contextlib.suppress(FileExistsError):
        _of(folder, user).mkdir(mode=0o700)
    if not _is_own(_of(folder, user), user):
        return None
    file = _sheltered(beside, folder, user)
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _of(folder: Path, user: int) -> Path:
    return folder / f"meter-spill-{user}"


def _sheltered(beside: Path, folder: Path, user: int) -> Path:
    return _of(folder, user) / str(beside.absolute()).lstrip("/")


def _is_own(folder: Path, user: int) -> bool:
    """Tell whether a folder is a user's alone: what others put there is nobody's."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o077
