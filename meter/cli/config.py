"""Config: meter.toml as commands change it: what they do not touch stays as its owner wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter import settings
from meter.cli.file import put_file
from meter.errors import InputError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


def written() -> TOMLDocument:
    """Return meter.toml; raise SettingsError where something in it cannot be used."""
    import tomlkit

    settings.load()  # which says what is wrong with it
    path = settings.config_path()
    return tomlkit.parse(path.read_text("utf-8-sig")) if path.exists() else tomlkit.document()


def write(file: TOMLDocument) -> None:
    """Write meter.toml, whole or not at all, into a folder that is made where there is none."""
    import tomlkit

    path = settings.config_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent} cannot be made: {error.strerror}; name a file with METER_CONFIG.") from error
    put_file(str(path), [tomlkit.dumps(file)])
