"""Hookspecs: where a plugin can add to meter; the only place that says what hooks there are.

A plugin is a module whose functions bear `@meter.hookimpl` and the name of a hook. One that raises is told of and
passed over: a hook never breaks a call, a report or another plugin. docs/plugins.md has a plugin to begin with.
"""

from __future__ import annotations

from typing import Any

import pluggy

PROJECT = "meter"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_commands(cli: Any) -> None:
    """Add commands to `meter`: `cli` is its click.Group. A name that meter has itself stays meter's."""


@hookspec
def register_price_sources() -> Any:
    """Return a source of prices, or several; they are asked after the rates that the user set, before all others.

    A source has a `name`, `find(name, provider, at)`, which returns a meter.Price or None, `steady(name, provider,
    at)`, which returns from when to when that is the answer, and `names(provider)`, the models it knows.
    """


@hookspec
def register_ledgers() -> Any:
    """Return the ledgers that a plugin can open, by the scheme of their URL: `{"scheme": open}`.

    `open(url, read_only=…, create=…, zone=…, durability=…)` returns what has the methods of meter.ledger.Ledger.
    """


@hookspec
def register_importers() -> Any:
    """Return what reads calls that others recorded, by name: `{"name": read}`, for `meter ledger import NAME PATH`.

    `read(path)` yields a call as a mapping of the keywords of meter.record: `at`, `model`, `usage` and `source_key` are
    needed; `user`, `provider` and the rest may be there.
    """


@hookspec
def entry_recorded(entry: Any) -> None:
    """Hear of an entry (meter.Entry) that was written. It is part of a call: be quick, and send what you have later."""
