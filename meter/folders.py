"""Folders: where settings and data of a user are, and what a path in a setting means."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from meter.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_XDG = {"config": ("XDG_CONFIG_HOME", ".config"), "data": ("XDG_DATA_HOME", ".local/share")}
"""Kind of a folder to its variable on Linux, and where it is from home without that."""


def working_folder(folder: str | Path | None) -> Path:
    """Return the folder that relative paths are from; without one the process's own."""
    try:
        return Path(folder or "").absolute()
    except FileNotFoundError:
        # the folder the process stands in was removed
        return Path()


def is_same(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def path_of(value: str, what: str, folder: Path) -> Path:
    """Return the path that a setting names, `~` included; raise SettingsError where no home is known."""
    try:
        return folder / Path(value).expanduser()
    except RuntimeError:
        raise SettingsError(f'{what} is "{value}", whose home folder is not known; give an absolute path.') from None


def user_folder(kind: Literal["config", "data"], environ: Mapping[str, str]) -> Path | None:
    """Return the folder that platformdirs has for meter's configuration or data; None where no home is known."""
    if sys.platform == "linux":
        # its rule there, without its import, which would take longer than all the rest
        variable, usual = _XDG[kind]
        for base, rest in ((environ.get(variable, ""), ""), (environ.get("HOME", ""), usual)):
            if base.startswith("/"):
                return Path(base, rest, "meter")
    import platformdirs

    try:
        return Path(getattr(platformdirs, f"user_{kind}_dir")("meter", appauthor=False))
    except RuntimeError:
        return None
