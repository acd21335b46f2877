"""Hosts: what calls models in this environment, and what to paste there. Nothing of it is imported."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Way(NamedTuple):
    """How a host is metered."""

    name: str
    module: str
    needs: str
    """The module, or `meter COMMAND`, without which it cannot be done; empty where meter's own is enough."""
    how: str
    lines: tuple[str, ...]


WAYS = (
    Way("litellm", "litellm", "", "in the program", ("import litellm, meter", "meter.wrap(litellm)")),
    Way("litellm's proxy", "litellm", "meter serve", "in a shell, for any client in any language", ("meter serve",)),
    Way("openai", "openai", "", "in the program", ("import meter, openai", "client = meter.wrap(openai.OpenAI())")),
    Way(
        "anthropic",
        "anthropic",
        "",
        "in the program",
        ("import anthropic, meter", "client = meter.wrap(anthropic.Anthropic())"),
    ),
    Way("LangChain", "langchain_core", "meter_langchain", "in the program", ("import meter_langchain",)),
    Way("llm", "llm", "meter_llm", "in a shell", ("meter plugins enable llm",)),
    Way("MCP", "mcp", "meter_mcp", "in a shell, so that an assistant can ask", ("meter plugins enable mcp",)),
    Way(
        "Open WebUI",
        "open_webui",
        "meter_open_webui",
        "the text of this file, in its page Admin, Functions",
        ("{file}",),
    ),
)
"""In the order in which they are shown."""


class Host(NamedTuple):
    """A host that is installed here."""

    name: str
    how: str
    lines: tuple[str, ...]
    """What to paste."""


def found() -> Iterator[Host]:
    """Yield the hosts that are installed, each with a way that works here."""
    for way in WAYS:
        if _is_there(way.module) and _is_possible(way.needs):
            lines = tuple(_file_of(way.needs) if line == "{file}" else line for line in way.lines)
            yield Host(way.name, way.how, lines)


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _is_possible(needs: str) -> bool:
    from meter.cli import COMMANDS

    command = needs.removeprefix("meter ")
    return not needs or (command in COMMANDS if command != needs else _is_there(needs))


def _file_of(module: str) -> str:
    spec = find_spec(module)
    return "" if spec is None else str(spec.origin)
