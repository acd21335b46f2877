"""`meter plugins`: what is loaded beside meter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from meter.cli.options import form, form_options, put

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


@click.group(invoke_without_command=True, epilog="Example: meter plugins --json")
@form_options
@click.pass_context
def plugins(ctx: click.Context) -> None:
    """Enable, disable and list plugins.

    A plugin that is installed does nothing until it is enabled: its module is written into meter.toml, and is loaded
    from then on. METER_PLUGINS, names with commas, stands in the place of what is written there.
    """
    if ctx.invoked_subcommand is None:
        from meter.reports.installed import listed_plugins
        from meter.reports.render import Column, write_list

        columns = [Column(name, kind="fact") for name in ("module", "distribution", "state")]
        put(write_list(form(), [Column("plugin"), *columns], listed_plugins()))


@plugins.command(epilog="Example: meter plugins enable my_plugin")
@click.argument("name")
def enable(name: str) -> None:
    """Have a plugin loaded from now on; NAME is its own, or its module's."""
    from meter.errors import InputError, UnknownName, suggest
    from meter.plugins import load, module_of
    from meter.reports.installed import plugin_points

    known = {point.name: point.value for point in plugin_points()}
    module = known.get(name) or module_of(name)
    if module not in known.values() and not _exists(module):
        names = ", ".join(sorted(known)) or "none"
        raise UnknownName(f'No plugin "{name}" is installed.{suggest(name, known)} Installed are: {names}.')
    if failures := load([module]).failures:
        raise InputError(f"The plugin {name} cannot be loaded ({failures[module]}); nothing was changed.")
    _write(name, module, wanted=True)


@plugins.command(epilog="Example: meter plugins disable my_plugin")
@click.argument("name")
def disable(name: str) -> None:
    """Have a plugin loaded no longer."""
    from meter.cli import config
    from meter.errors import UnknownName, suggest
    from meter.plugins import module_of
    from meter.reports.installed import plugin_points

    known = {point.name: point.value for point in plugin_points()}
    module = known.get(name) or module_of(name)
    written = _written(config.written())
    if module not in map(module_of, written):
        raise UnknownName(f'"{name}" is not enabled.{suggest(name, written)} `meter plugins` lists what is.')
    _write(name, module, wanted=False)


def _exists(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _written(file: TOMLDocument) -> list[str]:
    """Return what meter.toml enables, whatever METER_PLUGINS says."""
    from meter.plugins import named

    return named(file.get("plugins"))


def _write(name: str, module: str, *, wanted: bool) -> None:
    """Write into meter.toml what is enabled, and leave all else in it as it is."""
    from meter import settings
    from meter.cli import config
    from meter.plugins import module_of

    path, file = settings.config_path(), config.written()
    written = _written(file)
    state = "enabled" if wanted else "disabled"
    if wanted == (module in map(module_of, written)):
        click.echo(f"{name} is {state} already.")
        return
    listed = [*written, module] if wanted else [each for each in written if module_of(each) != module]
    if listed:
        file["plugins"] = ",".join(listed)
    else:
        file.pop("plugins", None)
    config.write(file)
    click.echo(f"{name} is {state}, in {path}.")
