"""`meter chat`: talk to a model from the terminal and see what each answer costs."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import ledger_option, settings_for
from meter.lang import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.cli.conversation import Conversation
    from meter.settings import Settings

Route = dict[str, Any]
"""The part of a call that leads to a model."""

LOCAL = "local"
"""What --model and /model name the local model as."""
HELP = "/cost shows what this has cost, /model NAME changes the model, /new begins anew, /quit ends."
LOCAL_ANSWER_TOKENS = 256
"""So small a model may repeat itself for ever."""


@click.command(
    epilog='Example: meter chat --model local --user alice "Why is the sky blue?"',
)
@click.argument("words", metavar="[PROMPT]...", nargs=-1)
@click.option(
    "--model",
    "-m",
    metavar="NAME",
    help='As litellm names it, like openai/gpt-6-luna; "local" for a small '
    "model on this machine. Else that of the settings, else of the first vendor whose key is set.",
)
@click.option("--user", metavar="ID", help="Who pays; else the settings'.")
@click.option("--system", metavar="TEXT", help="Instructions that stand before the conversation.")
@click.option("--aware", is_flag=True, help="Tell the model what you have cost and where your plan stands.")
@click.option(
    "--tools/--no-tools",
    default=None,
    help="With --aware: let the model ask for more by tools; else where litellm's map says that it calls them.",
)
@click.option("--api-base", metavar="URL", help="Where an OpenAI-compatible server answers.")
@ledger_option
def chat(
    words: tuple[str, ...],
    system: str | None,
    api_base: str | None,
    aware: bool,
    tools: bool | None,
    **flags: str | None,
) -> None:
    """Talk to a model from the terminal.

    A line under each answer says what it cost and where the user's month stands. With a PROMPT, or text from a pipe,
    it answers once and ends; what is piped follows the PROMPT.

    With --aware the model knows what this conversation and your month have cost and what is left of your plan: it is
    told in the system message, anew with each turn. One that calls tools can ask for other months and models, too; each
    request that takes is an entry like any other.
    """
    from meter import Meter
    from meter.cli.aware import Aware
    from meter.cli.conversation import Conversation

    settings = settings_for(flags["ledger"], user=flags["user"])
    if aware and not settings.user:
        raise click.UsageError("--aware tells where a user stands; say who with --user or METER_USER.")
    if tools is not None and not aware:
        raise click.UsageError("--tools and --no-tools say how the model is made aware; give --aware too.")
    prompt = _prompt(" ".join(words))
    with ExitStack() as stack:
        router = Router(settings, stack, api_base)
        route = router.first(flags["model"])
        # it makes a ledger where there is none, so what was given comes first
        metered = Meter(ledger=settings.ledger)
        stack.callback(metered.close)
        told = Aware(metered, user=settings.user, calls_tools=tools) if aware and settings.user else None
        conversation = Conversation(metered, route, user=settings.user, system=system, aware=told)
        if prompt is None:
            click.secho(f"{route['model']}. {say(HELP)}", dim=True, err=True)
            converse(conversation, router.to, _lines())
        elif not conversation.say(prompt):
            raise SystemExit(1)


def _prompt(given: str) -> str | None:
    """Return what is asked once: the arguments, then what is piped; None for a conversation."""
    piped = "" if sys.stdin.isatty() else sys.stdin.read()
    if not given.strip() and not piped.strip():
        if sys.stdin.isatty():
            return None
        raise click.UsageError('Nothing was asked; give a prompt, like `meter chat "Why is the sky blue?"`.')
    return "\n\n".join(part.strip("\n") for part in (given, piped) if part.strip())


class Router:
    """Finds the way to a model; the local one is started when it is first named."""

    def __init__(self, settings: Settings, stack: ExitStack, api_base: str | None) -> None:
        self._settings = settings
        self._stack = stack
        self._api_base = api_base
        self._local: Route | None = None

    def first(self, named: str | None) -> Route:
        """Return the way to the model that a flag names, else the settings, a vendor's key, or a question."""
        from meter.settings import vendor_keys

        name = named or self._settings.model
        if name:
            return self.to(name)
        if self._api_base:
            raise click.UsageError("--api-base says where, not which model; give its name with --model.")
        keys = vendor_keys()
        if keys:
            return self.to(keys[0][1])
        if not sys.stdin.isatty():
            raise click.UsageError(NO_MODEL)
        click.confirm(say(LOCAL_OFFERED), default=True, abort=True)
        return self.to(LOCAL)

    def to(self, name: str) -> Route:
        """Return the way to a model; raises LocalModelError where the local one cannot be had."""
        if name == LOCAL:
            if self._local is None:
                from meter.cli.local_model import served

                model = self._stack.enter_context(served(parallel=1))
                self._local = {**model.request, "max_tokens": LOCAL_ANSWER_TOKENS}
            return self._local
        if not self._api_base:
            return {"model": name}
        # litellm calls an OpenAI-compatible server only by this prefix
        return {"model": name if "/" in name else f"openai/{name}", "api_base": self._api_base}


LOCAL_OFFERED = (
    "No model is named and no vendor's key is set. Talk to a small model on this machine (fetched once, 93 MB)?"
)
NO_MODEL = (
    "No model is named and no vendor's key is set. Name one with --model or METER_MODEL, set a key like "
    "OPENAI_API_KEY, or use the small one on this machine: --model local."
)


def _lines() -> Iterator[str]:
    """Yield what is typed, until Ctrl-D, or Ctrl-C at the prompt."""
    with suppress(ImportError):  # not on Windows
        import readline  # noqa: F401  it gives input() its editing and history
    while True:
        try:
            yield input("> ")
        except (EOFError, KeyboardInterrupt):
            click.echo(err=True)
            return


def converse(conversation: Conversation, to: Callable[[str], Route], lines: Iterator[str]) -> None:
    """Answer each line or do what it commands, until /quit or the last."""
    from meter.errors import LocalModelError

    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word == "/quit":
            return
        if word == "/cost":
            click.secho(conversation.cost(), dim=True, err=True)
        elif word == "/new":
            conversation.forget()
        elif word == "/model":
            try:
                conversation.route = to(rest.strip()) if rest.strip() else conversation.route
            except LocalModelError as error:
                click.echo(str(error), err=True)
            click.secho(say("The model is {model}.", model=conversation.route["model"]), dim=True, err=True)
        elif word.startswith("/") and word[1:].isalpha():
            click.secho(f"{say('{word} is no command.', word=word)} {say(HELP)}", dim=True, err=True)
        elif word:
            conversation.say(line)
