"""Session logs as Claude Code writes them, made up by the tests: a line for each thing that happened, text included."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SAID = "the text of somebody's work"
"""What was said and done, in every line: no ledger may hold it."""


def usage(output: int, input_tokens: int = 4, read: int = 0, write: int = 0, write_1h: int = 0) -> dict[str, Any]:
    """Return a usage as Anthropic's API gives it: what the cache was read for or written is not in the input."""
    return {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": write + write_1h,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": write, "ephemeral_1h_input_tokens": write_1h},
        "output_tokens": output,
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


def answer(message_id: str, used: dict[str, Any], at: str, session: str = "s1", **given: Any) -> dict[str, Any]:
    """Return a line that records an answer."""
    message = {
        "model": given.pop("model", "claude-sonnet-4-5-20250929"),
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": SAID}],
        "stop_reason": None,
        "usage": used,
    }
    return {
        "parentUuid": "p",
        "isSidechain": False,
        "userType": "external",
        "cwd": f"/home/{SAID}",
        "sessionId": session,
        "version": "2.0.1",
        "gitBranch": SAID,
        "message": message,
        "requestId": f"req_{message_id}",
        "type": "assistant",
        "uuid": f"u-{message_id}-{used.get('output_tokens')}",
        "timestamp": at,
        **given,
    }


def others(session: str = "s1", at: str = "2026-11-03T09:00:00.000Z") -> list[dict[str, Any]]:
    """Return lines about what is no answer."""
    return [
        {"type": "summary", "summary": SAID, "leafUuid": "u"},
        {"type": "user", "sessionId": session, "timestamp": at, "message": {"role": "user", "content": SAID}},
        {"type": "file-history-snapshot", "messageId": "m", "snapshot": {"trackedFileBackups": {}}},
        {"type": "user", "sessionId": session, "timestamp": at, "toolUseResult": {"usage": {"input_tokens": 9_999}}},
    ]


def write(folder: Path, name: str, *lines: dict[str, Any], end: str = "\n") -> Path:
    """Write the log of a session below a project's folder, and return it."""
    path = folder / "-home-you-project" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + end, "utf-8")
    return path


def subscriber(folder: Path, days: int = 20) -> int:
    """Write three weeks of somebody's work in November 2026, a session a day, and return how many answers it has."""
    calls = 0
    for day in range(1, days + 1):
        session = f"session-{day}"
        lines = others(session)
        for hour in range(8, 8 + day % 5 + 1):
            at = f"2026-11-{day:02}T{hour:02}:10:00.000Z"
            whole = usage(1_800 + 100 * hour, read=120_000, write=9_000, write_1h=1_000)
            lines += [answer(f"msg_{day}_{hour}", usage(3, read=120_000, write=9_000, write_1h=1_000), at, session)]
            lines += [answer(f"msg_{day}_{hour}", whole, at, session)] * 2
            calls += 1
        write(folder, session, *lines)
    return calls
