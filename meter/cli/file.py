"""A file as a command writes it: whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable


def put_file(name: str, parts: Iterable[str]) -> None:
    """Write text as UTF-8 into a file, or with `-` to stdout; one that is there is replaced once the text is whole."""
    path = Path(name)
    if name == "-":
        click.echo("".join(parts).encode(), nl=False)  # as UTF-8, whatever the terminal speaks
        return
    if path.is_dir():
        raise InputError(f"{name} is a folder; give a file in it, like {path / 'report.html'}.")
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent} to write {path.name} into; make it, or give another one.")
    text = "".join(parts)
    try:
        _write(path, text)
    except OSError as error:
        raise InputError(f"{name} cannot be written: {error.strerror}. Give another file, or - for stdout.") from error


def _write(path: Path, text: str) -> None:
    if path.exists() and not path.is_file():  # a pipe or a device is written to, not replaced
        path.write_text(text, "utf-8")
        return
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(13, os.strerror(13))
    target = path.resolve()  # what a link points to is replaced, not the link
    beside = target.with_name(f".{os.getpid()}.part")
    try:
        with beside.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        if target.exists():
            beside.chmod(target.stat().st_mode & 0o777)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
