"""The command line: a command's module is imported only when it runs."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, cast

import click

from meter.errors import MeterError, suggest

COMMANDS = {
    "chat": "Talk to a model from the terminal.",
    "demo": "Hold a dozen real chats and show what they cost.",
    "doctor": "Look for what is wrong, and say what to do.",
    "explain": "Show each line of a call's charge.",
    "fx": "Set and list exchange rates.",
    "ledger": "Look at the ledger and recover it.",
    "plan": "Add and list plans.",
    "price": "Show and set the rates of models.",
    "report": "Show what each user cost and paid.",
    "subscription": "Add and list users' subscriptions.",
}
"""Every command with its short help, so that `meter --help` imports none of them; a test keeps both the same."""


class Failure(click.ClickException):
    """An error of meter's as click shows it: one line on stderr, and the error's own exit status."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares a default on the class, meant to be replaced


class Lazy(click.Group):
    """A group that knows its commands by name and imports one when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the commands by name."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Return a command of its module, or None."""
        if cmd_name not in COMMANDS:
            return None
        return cast("click.Command", getattr(import_module(f"meter.cli.{cmd_name}"), cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that arguments name; offer the nearest one where none has that name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f'No such command "{args[0]}".{suggest(args[0], COMMANDS)} `meter --help` lists them.')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the short helps without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])

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


@click.group(
    cls=Lazy,
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
