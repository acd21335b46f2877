"""A conversation of `meter chat`: what was said, each answer as it streams, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import put
from meter.lang import say, term

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter import Meter
    from meter.cli.aware import Aware
    from meter.entry import Entry
    from meter.usage import Usage

LONGEST = 300
"""Characters of an error that are shown."""
ROUNDS = 4
"""Requests for one answer at the most; the last offers no tools, so that it is an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of one request."""

    entry: Entry | None
    text: str
    calls: list[dict[str, Any]]
    """The tools that the model calls."""
    failure: str
    """Why it is not whole; empty where it is."""

    @property
    def message(self) -> dict[str, Any]:
        """It as part of the conversation."""
        calls = {"tool_calls": self.calls} if self.calls else {}
        return {"role": "assistant", "content": self.text or None, **calls}


class Conversation:
    """What was said so far, and the verbs to go on. Answers go to stdout, all else to stderr."""

    def __init__(
        self,
        metered: Meter,
        route: dict[str, Any],
        *,
        user: str | None,
        system: str | None = None,
        aware: Aware | None = None,
    ) -> None:
        from meter.entry import new_id

        self.route = route
        """The part of a call that leads to the model."""
        self._metered = metered
        self._user = user
        self._system = system
        self._aware = aware
        self._session = aware.session if aware else str(new_id())
        self._entries: list[Entry] = []
        self._answers = 0
        self._hinted = False
        self.forget()

    def forget(self) -> None:
        """Begin anew, with the system's text alone."""
        self._messages: list[dict[str, Any]] = []

    def say(self, text: str) -> bool:
        """Show the answer to a text as it arrives, then what it cost; return False where it is not whole.

        An error of the backend is said in one line, and the text is taken back, so that the conversation can go on.
        """
        said: list[dict[str, Any]] = [{"role": "user", "content": text}]
        entries: list[Entry] = []
        standing = [part for part in (self._system, self._aware and self._aware.system()) if part]
        system = [{"role": "system", "content": "\n\n".join(standing)}] if standing else []
        for left in reversed(range(ROUNDS)):
            tools = self._aware.request(self.route["model"]) if self._aware and left else {}
            heard = self._heard([*system, *self._messages, *said], tools)
            entries += [heard.entry] if heard.entry and heard.entry.usage else []
            if heard.text:
                click.echo()
            if heard.failure or not heard.calls or not self._aware:
                break
            said += [heard.message, *self._aware.answers(heard.calls)]
        if heard.text:
            self._messages += [*said, {"role": "assistant", "content": heard.text}]
        if heard.failure:
            click.echo(heard.failure, err=True)
        self._account(entries)
        return not heard.failure

    def _heard(self, asked: list[dict[str, Any]], tools: dict[str, Any]) -> Heard:
        """Show an answer as it arrives, and return what came."""
        from meter import MeterError, attribute, entry_of
        from meter.cli.aware import joined_calls

        stream, pieces, calls, failure = None, list[str](), list[Any](), ""
        try:
            with attribute(user=self._user, session=self._session, purpose="chat"):
                stream = self._metered.completion(**self.route, **tools, messages=asked, stream=True)
            for text, called in _pieces(stream):
                calls += called
                if text:
                    pieces.append(text)
                    put([text])
        except MeterError:
            raise
        except KeyboardInterrupt:
            if stream is not None:
                stream.close()
            failure = say("Stopped.")
        except Exception as error:  # noqa: BLE001  whatever the backend raises, the conversation goes on
            failure = reason(error, can_forget=bool(self._messages))
        made = joined_calls(calls) if tools else []
        return Heard(entry=entry_of(stream), text="".join(pieces), calls=made, failure=failure)

    def cost(self) -> str:
        """Say what the conversation cost so far, and where the user's month stands."""
        from meter.reports.default import standing

        answers = self._answers
        tokens = [each.usage for each in self._entries if each.usage]
        cost = " + ".join(_sums(self._entries)) or say("nothing")
        said = say(
            "This conversation: 1 answer, {used}, {cost}."
            if answers == 1
            else "This conversation: {count:,} answers, {used}, {cost}.",
            count=answers,
            used=_tokens(tokens),
            cost=cost,
        )
        if not self._user:
            return f"{said}\n{say('Nobody is named as its user; --user NAME or METER_USER does.')}"
        return f"{said}\n{standing(self._user, ledger=self._metered.ledger)}"

    def _account(self, entries: list[Entry]) -> None:
        """Show the line under an answer: tokens, cost, the user's month so far and its share of the fee."""
        if not entries:
            return
        self._entries += entries
        self._answers += 1
        tokens = _tokens([each.usage for each in entries if each.usage])
        about = [say("{used}, {cost}", used=tokens, cost=" + ".join(_sums(entries)))]
        about.append(self._month() if self._user else term("(unattributed)"))
        click.secho(say("; ").join(about), dim=True, err=True)
        unpriced = next((each for each in entries if each.nanos is None), None)
        if unpriced and not self._hinted:
            self._hinted = True
            click.secho(_hint(unpriced), dim=True, err=True)

    def _month(self) -> str:
        from meter.reports.default import standing
        from meter.reports.money import amount, shown, shown_percent

        month = standing(self._user or "", ledger=self._metered.ledger)
        if month.cost_nanos is None:
            return say("this month unknown")
        cost = f"{'' if month.complete else '≥ '}{shown(amount(month.cost_nanos))} {month.cost_currency}"
        # what is held against a flat fee is no bill
        cost = say("{cost} API-equivalent", cost=cost) if month.plan else cost
        if month.share is None:
            return say("this month {cost}", cost=cost)
        return say("this month {cost}, {share} of the fee", cost=cost, share=shown_percent(month.share))


def reason(error: Exception, *, can_forget: bool) -> str:
    """Say in one line why there is no answer; `can_forget` where there are earlier turns to leave behind."""
    from meter.reports.render import visible

    kind = type(error).__name__
    if kind == "ContextWindowExceededError" or (getattr(error, "status_code", 0) == 400 and "context" in str(error)):
        remedy = "begin anew with /new" if can_forget else "say it in fewer words"
        return f"That is more than the model's context takes; {remedy}."
    text = " ".join(str(error).split()).removeprefix(f"litellm.{kind}: ").removeprefix(f"{kind}: ")
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}…"
    return visible(f"{kind}: {text}" if text else kind)


def _pieces(stream: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield the text and the pieces of calls of tools in each chunk."""
    for chunk in stream:
        if chunk.choices:
            delta = chunk.choices[0].delta
            yield delta.content or "", list(getattr(delta, "tool_calls", None) or ())


def _sums(entries: list[Entry]) -> Iterator[str]:
    """Yield the cost of calls in each of their currencies, and how many cost an unknown amount."""
    from meter.reports.money import amount, shown

    known = [entry for entry in entries if entry.nanos is not None]
    for code in dict.fromkeys(entry.currency for entry in known):
        yield f"{shown(amount(sum(entry.nanos or 0 for entry in known if entry.currency == code)))} {code}"
    if len(known) < len(entries):
        yield say("cost unknown")


def _tokens(usages: list[Usage]) -> str:
    given, made = sum(each.input_tokens for each in usages), sum(each.output_tokens for each in usages)
    return say("{given:,} in, {made:,} out", given=given, made=made)


def _hint(entry: Entry) -> str:
    """Say how a model gets a price."""
    from meter.model import is_vendor

    name = f"{entry.model} --provider {entry.provider}" if entry.provider else entry.model
    rates = "--input 1.25 --output 10" if is_vendor(entry.provider) else "--per-hour 0.526"
    return say("No rate is known. For what comes: {remedy}", remedy=f"meter price set {name} {rates}")
