"""Replay: the entries of calls whose process ended before it wrote them, from what their journal says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meter.charge import cost_of_outcome
from meter.entry import Entry, now, shortened
from meter.model import resolve
from meter.usage import usage_of
from meter.usage.gist import named
from meter.usage.streams import Reading

if TYPE_CHECKING:
    from meter.journal.lines import Begun, Ended, Head
    from meter.pricebook import PriceBook
    from meter.usage import Usage

RECOVERED = "recovered"
"""The flag of an entry that was made from a journal: its input was not counted by us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an answer said."""

    usage: Usage | None
    model: str | None
    id: str | None


def entry_from(begun: Begun, ended: Ended | None, head: Head, book: PriceBook) -> Entry:
    """Return the entry of a call: of one that did not end, an `abandoned` one, of which nobody knows what it cost."""
    facts = _facts(begun, head)
    flags = {RECOVERED, *(("stream",) if begun.streams else ())}
    if ended is None:
        return Entry(**facts, outcome="abandoned", model=shortened(begun.model.name), flags=tuple(sorted(flags)))
    told, who = _told(begun, ended), begun.who
    served = resolve(told.model, provider=begun.model.provider).name if told.model else begun.model.name
    model, price = book.served(begun.model, served, begun.at, user=who.user, team=who.team)
    usage = told.usage
    if usage and ended.machine_us is not None and ended.outcome != "replayed":
        usage = usage.with_machine(ended.machine_us)
    at_risk = price if ended.outcome == "lost" and usage is None else None
    cost = cost_of_outcome(ended.outcome, usage, price)
    if usage and usage.clamped:
        flags.add("clamped")
    return Entry(
        **facts,
        outcome=ended.outcome,
        model=shortened(model.name),
        response_id=shortened(told.id or "") or None,
        attempts=ended.attempts,
        usage=usage,
        status=cost.status,
        nanos=cost.nanos,
        currency=at_risk.currency if at_risk else cost.currency,
        price=at_risk or cost.price,
        low_nanos=0 if at_risk else None,
        error=ended.error,
        latency_ms=ended.latency_ms,
        first_token_ms=ended.first_token_ms,
        flags=tuple(sorted(flags)),
    )


def _facts(begun: Begun, head: Head) -> dict[str, Any]:
    who = begun.who
    return {
        "id": begun.id,
        "at": begun.at,
        "recorded_at": now(),
        "environment": head.environment,
        "host": head.host,
        "user": who.user,
        "claimed_user": who.claimed_user,
        "team": who.team,
        "session": who.session,
        "purpose": who.purpose,
        "tags": who.tags,
        "model_asked": shortened(begun.model.asked),
        "provider": begun.model.provider,
    }


def _told(begun: Begun, ended: Ended) -> Told:
    if ended.gist is None:
        return Told(usage=ended.usage, model=ended.model, id=ended.response_id)
    provider = begun.model.provider or None
    if not isinstance(ended.gist, list):  # a whole answer is read as it would have been; a stream is put together
        model, response_id = named(ended.gist)
        return Told(usage=usage_of(ended.gist, provider), model=model, id=response_id)
    reading = Reading(provider)
    for gist in ended.gist:
        reading.feed(gist)
    return Told(usage=reading.usage, model=reading.model, id=reading.response_id)
