"""The command line: a command's module is imported only when it runs."""

from __future__ import annotations

import atexit
import gc
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click

from meter.errors import MeterError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS = {
    "breakeven": "Show at which use a plan stops paying.",
    "chat": "Talk to a model from the terminal.",
    "demo": "Hold a dozen real chats and show what they cost.",
    "doctor": "Look for what is wrong, and say what to do.",
    "economics": "Work out what models cost, from hardware and throughput.",
    "explain": "Show each line of a call's charge.",
    "export": "Write what the ledger holds for other tools.",
    "forecast": "Show what this month and the next ones will have cost, and who crosses their fee when.",
    "fx": "Set and list exchange rates.",
    "init": "Write meter.toml, say what to paste, wait for the first call.",
    "ledger": "Look at the ledger, prove it and recover it.",
    "plan": "Add and list plans.",
    "plugins": "Enable, disable and list plugins.",
    "price": "Show and set the rates of models.",
    "question": "Show what one question costs on a model, and how many a fee buys.",
    "report": "Show what each user cost and paid.",
    "serve": "Serve models to any OpenAI or Anthropic client, and write an entry for each call.",
    "statement": "Show one user's use, allowance and fee.",
    "revenue": "Take in and list what was really charged.",
    "subscription": "Add, change, end and list subscriptions of users and teams.",
    "status": "Show in one line what today and this month have cost.",
    "team": "Say who is in which team.",
    "user": "Say who is who: names of one user, kinds of users.",
    "whatif": "Imagine dearer models, other fees, caps: what becomes of the margin.",
    "worth": "Show whether a subscription is worth its fee to its user.",
}
"""Every command with its short help, so that `meter --help` imports none of them; a test keeps both the same."""


class Failure(click.ClickException):
    """An error of meter's as click shows it: one line on stderr, and the error's own exit status."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares a default on the class, meant to be replaced


class Lazy(click.Group):
    """A group that knows commands by name and imports one when it runs.

    `lazy` has their short helps by name. A command of the group `price` is in the module `price_<name>`, under its own
    name; commands that the group's own module defines stand beside them.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._lazy = lazy
        self._modules = "meter.cli." if lazy is COMMANDS else f"meter.cli.{self.name}_"

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands by name."""
        return sorted({*self._lazy, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, of its module where it is lazy, or None."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"{self._modules}{cmd_name}")
        # `import` is no name for a function
        return cast("click.Command", getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_"))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that arguments name; offer the nearest one where none has that name."""
        is_own = bool(args) and (args[0] in self._lazy or args[0].startswith("-"))
        if args and not is_own and args[0] not in (known := self.list_commands(ctx)):
            ctx.fail(f'No such command "{args[0]}".{suggest(args[0], known)} `{ctx.command_path} --help` lists them.')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        """Write the short helps without importing a lazy command."""
        helps = {name: command.get_short_help_str(limit=200) for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted({**helps, **self._lazy}.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of meter's becomes one line on stderr and its exit status."""
        try:
            return super().invoke(ctx)
        except MeterError as error:
            from meter.reports.render import visible

            raise Failure("\n".join(map(visible, str(error).splitlines())), error.exit_code) from error


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from meter import __version__

        click.echo(f"meter {__version__}")
        ctx.exit()


class Main(Lazy):
    """The group `meter`: its own commands, and those of plugins beside them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands by name."""
        self._add_plugins()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; plugins are loaded for names that are not meter's own."""
        if cmd_name not in self._lazy:
            self._add_plugins()
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the short helps."""
        self._add_plugins()
        super().format_commands(ctx, formatter)

    def _add_plugins(self) -> None:
        if not self._added:
            from meter.plugins import enabled

            self._added = True
            enabled().tell("register_commands", cli=self)

    _added = False


def run() -> None:
    """Run the command as the whole of its process.

    What is imported stays to the end: it is not looked through for garbage again and again, which took a tenth of a
    short command.
    """
    gc.freeze()
    gc.set_threshold(*STEADY)  # before the command's modules are imported
    atexit.register(gc.freeze)
    main(prog_name="meter")


STEADY = (100_000, 20, 20)
"""How seldom garbage is looked for: imports alone make some ten thousand objects that stay, and a report hundreds of
thousands; looking for cycles among these is a fifth of its time."""


@click.group(
    cls=Main,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: meter report --month 2026-11 --by model",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def main() -> None:
    """See what each user of a chat assistant costs, and whether their subscription pays for it."""
    for stream in (sys.stdout, sys.stderr):
        # a terminal that cannot show a character gets a question mark, not a traceback
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
