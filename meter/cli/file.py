"""A file as a command writes it: whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def put_file(name: str, parts: Iterable[str]) -> None:
    """Write text as UTF-8 into a file, or with `-` to stdout; one that is there is replaced once the text is whole.

    It is written part by part, so that it may be of any size.
    """
    path = Path(name)
    if name == "-":
        for part in gathered(parts):
            click.echo(part.encode(), nl=False)  # as UTF-8, whatever the terminal speaks
        return
    if path.is_dir():
        raise InputError(f"{name} is a folder; give a file in it, like {path / 'report.html'}.")
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent} to write {path.name} into; make it, or give another one.")
    try:
        _write(path, gathered(parts))
    except OSError as error:
        raise InputError(f"{name} cannot be written: {error.strerror}. Give another file, or - for stdout.") from error


def _write(path: Path, parts: Iterable[str]) -> None:
    if path.exists() and not path.is_file():  # a pipe or a device is written to, not replaced
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(parts)
        return
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(13, os.strerror(13))
    target = path.resolve()  # what a link points to is replaced, not the link
    beside = target.with_name(f".{os.getpid()}.part")
    try:
        with beside.open("x", encoding="utf-8", newline="\n") as file:
            file.writelines(parts)
        if target.exists():
            beside.chmod(target.stat().st_mode & 0o777)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def gathered(parts: Iterable[str]) -> Iterator[str]:
    """Yield text a thousand parts at a time."""
    held: list[str] = []
    for part in parts:
        held.append(part)
        if len(held) == _GATHERED:
            yield "".join(held)
            held.clear()
    yield "".join(held)


_GATHERED = 1_000
