"""Plugins: what others add to meter by its hooks. Only those that are enabled are loaded, when a hook is first called.

They are named by the setting `plugins`. Entry points are looked at by `meter plugins` alone: that costs half of what
importing click does.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from meter import settings
from meter.errors import MeterError, loggable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pluggy

log = logging.getLogger("meter")

GROUP = "meter"
"""The entry points in which a distribution names its plugins."""


@dataclass(slots=True)
class Plugins:
    """The plugins of this process."""

    manager: pluggy.PluginManager | None = None
    """None where none is enabled."""
    failures: dict[str, str] = field(default_factory=dict)
    """The plugins that could not be loaded, or raised, and the last thing that was wrong."""

    def call(self, hook: str, **values: Any) -> Iterator[Any]:
        """Call a hook of each plugin, the one that was enabled first before the others; yield what is not None."""
        if self.manager is None:
            return
        # pluggy calls the last one first, and lets one that raises keep the others from being called
        for implementation in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            try:
                result = implementation.function(*(values[name] for name in implementation.argnames))
            except Exception as error:  # noqa: BLE001  whatever a plugin does, meter goes on
                self.fails(implementation.plugin_name, f"{hook}: {loggable(error)}")
                continue
            if result is not None:
                yield result

    def tell(self, hook: str, **values: Any) -> None:
        """Call a hook that returns nothing."""
        if self.manager is not None:
            for _ in self.call(hook, **values):
                pass

    def fails(self, name: str, what: str) -> None:
        """Remember what went wrong with a plugin, and warn the first time."""
        log.log(logging.DEBUG if name in self.failures else logging.WARNING, "The plugin %s failed (%s).", name, what)
        self.failures[name] = what


@functools.cache
def enabled() -> Plugins:
    """Return the plugins that the settings enable, loaded."""
    try:
        names = named(settings.load().plugins)
    except MeterError:  # whoever needs the settings says what is wrong with them
        names = []
    return load(names)


def load(names: list[str]) -> Plugins:
    """Load plugins; one that cannot be loaded is a failure of its own, and the others are loaded."""
    found = Plugins()
    if not names:
        return found
    import pluggy

    from meter import hookspecs

    found.manager = manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for name in names:
        try:
            manager.register(importlib.import_module(module_of(name)), name)
            manager.check_pending()
        except Exception as error:  # noqa: BLE001  whatever a plugin does, meter goes on
            found.fails(name, f"{type(error).__name__}: {error}")
            if manager.has_plugin(name):
                manager.unregister(name=name)
    return found


def named(text: str | None) -> list[str]:
    """Return the names in a list with commas, each once."""
    return list(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def module_of(name: str) -> str:
    """Return the module of a plugin: `llm` is meter's own `meter_llm`, any other name is a module's."""
    own = f"meter_{name}"
    return own if name.isidentifier() and importlib.util.find_spec(own) else name
