"""Claude Code: the session logs that it keeps on disk, one JSON object a line.

An answer is a line of the type `assistant`, written several times while it grows: message id, model and usage are all
that is read of it. Where nothing else says so, see https://code.claude.com/docs and the logs themselves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from meter.errors import InputError
from meter.importing.cells import instant_in, is_nothing
from meter.importing.found import Aside, Found, size_of
from meter.model import resolve
from meter.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOURCE = "claude-code"
SYNTHETIC = "<synthetic>"
"""The model of a message that Claude Code wrote itself."""
MAY_HOLD_USAGE = b'"usage"'
"""Lines without it are not parsed: they are what was said and done."""


@dataclass(slots=True)
class Logs:
    """The logs in a folder, read once."""

    folder: Path
    told: Callable[[str, int], None]
    _read: list[Found | Aside] = field(default_factory=list)

    def records(self) -> Iterator[Found | Aside]:
        """Yield each answer once, as its last and largest record tells it, and what was set aside.

        The same message in two sessions is two answers. Raises InputError for a folder without logs.
        """
        if not self._read:
            answers: dict[str, Found] = {}
            asides = []
            for each in self._records():
                if isinstance(each, Found):
                    _keep(answers, each)
                else:
                    asides.append(each)
            self._read = [*answers.values(), *asides]
        yield from self._read

    def _records(self) -> Iterator[Found | Aside]:
        number = 0
        for path in self._files():
            name = path.name if path == self.folder else str(path.relative_to(self.folder))
            try:
                with path.open("rb") as file:
                    for at, line in enumerate(file, 1):
                        number += 1
                        self.told("lines read", number)
                        found = _record(line, f"{name}:{at}", path.stem)
                        if found is not None:
                            yield found
            except OSError as error:
                yield Aside(name, f"cannot be read: {error.strerror}")

    def _files(self) -> list[Path]:
        files = [self.folder] if self.folder.is_file() else sorted(self.folder.rglob("*.jsonl"))
        if not files:
            raise InputError(
                f"{self.folder} has no session log, no file that ends in .jsonl; Claude Code keeps them in "
                "~/.claude/projects, or in projects below the folder that CLAUDE_CONFIG_DIR names."
            )
        return files


def _keep(answers: dict[str, Found], found: Found) -> None:
    """Keep the larger of two records of an answer, of equal ones the later, with the instant of the first."""
    known = answers.get(found.key)
    if known is not None:
        larger = found if size_of(found.usage) >= size_of(known.usage) else known
        found = replace(larger, at=min(found.at, known.at))
    answers[found.key] = found


def _record(line: bytes, place: str, stem: str) -> Found | Aside | None:
    """Return the answer that a line records, why it is none, or None where it is about something else."""
    if MAY_HOLD_USAGE not in line:
        whole = not line.strip() or line.lstrip().startswith(b"{")
        return None if whole else Aside(place, "no JSON")
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        # the last line of a session that is going on may be half-written
        return Aside(place, "cut short" if not line.endswith(b"\n") else "no JSON")
    if not isinstance(said, dict) or said.get("type") != "assistant" or not isinstance(said.get("message"), dict):
        return None
    return _answer(said, said["message"], place, stem)


def _answer(said: dict[str, Any], message: dict[str, Any], place: str, stem: str) -> Found | Aside:
    model = message.get("model")
    if model == SYNTHETIC:
        return Aside(place, f"{SYNTHETIC}, no call")
    if is_nothing(model) or not isinstance(model, str):
        return Aside(place, "no model")
    usage = usage_of({"usage": message.get("usage"), "model": model}, resolve(model).provider or "anthropic")
    if usage is None:
        return Aside(place, "no usage")
    try:
        at = instant_in(said.get("timestamp"), "UTC")
    except InputError:
        return Aside(place, "no time")
    session = _text(said.get("sessionId")) or stem
    response_id = _text(message.get("id"))
    own = response_id or _text(said.get("requestId")) or _text(said.get("uuid")) or place
    return Found(
        place=place,
        key=f"{session} {own}",
        at=at,
        model=model,
        usage=usage,
        session=session,
        response_id=response_id,
    )


def _text(value: object) -> str | None:
    return value.strip() if isinstance(value, str) and not is_nothing(value) else None
