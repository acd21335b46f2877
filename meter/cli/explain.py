"""`meter explain`: one call's charge, line by line, or the lines that make up a cell of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import (
    form,
    form_options,
    ledger_option,
    note_unseen,
    put,
    reading,
    settings_for,
    window_options,
)
from meter.errors import UnknownName
from meter.lang import say, term

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.charge import Charge
    from meter.entry import Entry
    from meter.settings import Settings


@click.command(epilog="Example: meter explain last")
@click.argument("id_", metavar="[ID]", default="")
@window_options
@click.option("--currency", metavar="CODE", help="With a window: convert amounts, as `meter report` does.")
@ledger_option
@form_options
def explain(id_: str, ledger: str | None, **wanted: str | None) -> None:
    """Show each line of a call's charge.

    ID is a call's id, its last 8 digits or more, a provider's response id, or `last`. A line has quantity, rate and
    amount; where the rate is from and since when stands above. Without ID it is the calls of a window, like
    `--user alice --month 2026-11`: the lines, by model, price and item, whose sum `meter report` shows.
    """
    given = sorted(name for name, value in wanted.items() if value is not None and name != "tz")
    if bool(id_) is bool(given):
        raise click.UsageError("Give the ID of a call, or last; or which calls, like --user alice --month 2026-11.")
    settings = settings_for(ledger, zone=wanted["tz"])
    if id_:
        _one(id_, settings)
    else:
        _many(settings, wanted)


def _many(settings: Settings, wanted: dict[str, str | None]) -> None:
    from meter.cli.progress import Progress
    from meter.reports.ask import Wanted
    from meter.reports.explained import explain as explained
    from meter.reports.render import Column, json_document, write_list

    question = Wanted(**wanted)
    question.check(settings)
    with reading(settings) as opened, Progress() as told:
        made = explained(opened, question.ask(opened, settings), told)
        note_unseen(opened, made.header)
    if form() == "json":
        put(json_document(made.record()))
    elif form() == "table":
        put(made.screen())
    else:
        put(write_list(form(), [Column(name) for name in ("model", "item", "quantity", "amount")], made.records()))


def _one(id_: str, settings: Settings) -> None:
    from meter.reports.render import json_list

    if form() not in {"table", "json"}:
        raise click.UsageError(f"A single call is shown as text or with --json; there is no --{form()} of it.")
    with reading(settings) as opened:
        entries = opened.find(id_)
        zone = settings.zone or opened.zone
    if not entries:
        raise UnknownName(f'No call is known as "{id_}"; give its id, the last 8 digits of it, or last.')
    if form() == "json":
        put([*json_list(_record(each) for each in entries), "\n"])
        return
    for place, each in enumerate(entries):
        put(["\n"] if place else [])
        put(_screen(each, zone))


def recomputed(entry: Entry) -> Charge | None:
    """Return the charge that the entry's usage and price give now; None where it was not charged by them."""
    from meter.charge import price_call

    if entry.usage is None or entry.outcome not in {"ok", "cancelled"} or entry.kind not in {"call", "reversal"}:
        return None
    charge = price_call(entry.usage, entry.price)
    return None if entry.price is None and charge.status != entry.status else charge


def _screen(entry: Entry, zone_name: str) -> Iterator[str]:
    from meter.reports.render import Column, led, table

    for name, text in _facts(entry, zone_name):
        yield led(name, text)
    lines = _lines(entry)
    if lines:
        columns = [
            Column("item"),
            Column("quantity", kind="quantity"),
            Column("rate", kind="rate"),
            Column("per"),
            Column("amount", kind="exact"),
        ]
        total = {"item": say("total"), "amount": _amount(entry.nanos), "per": entry.currency}
        yield "\n" + table(columns, lines, [total]) + "\n"
    yield "".join(f"{line}\n" for line in _remarks(entry))


def _facts(entry: Entry, zone_name: str) -> Iterator[tuple[str, str]]:
    """Yield what identifies a call and what its charge rests on."""
    from meter.period import show
    from meter.reports.ask import label_shown
    from meter.reports.wording import joined

    yield say("Call"), str(entry.id)
    if entry.corrects:
        is_back = entry.kind == "reversal"
        what = "takes back {call}: it counts negative in every sum" if is_back else "stands in the place of {call}"
        yield "", say(what, call=entry.corrects)
    times = ((entry.latency_ms, "{ms:,} ms to the last token"), (entry.first_token_ms, "{ms:,} ms to the first"))
    took = [say(what, ms=ms) for ms, what in times if ms is not None]
    yield say("At"), joined([f"{show(entry.at.replace(microsecond=0), zone_name)} {zone_name}", *took])
    who = [label_shown("user", entry.user)]
    who += [f"{term(name)} {value}" for name in ("team", "session", "purpose") if (value := getattr(entry, name))]
    who += [say("claimed to be {user}", user=entry.claimed_user)] if entry.claimed_user else []
    yield say("User"), joined([*who, say("environment {name}", name=entry.environment)])
    same = entry.model_asked in {"", entry.model, f"{entry.provider}/{entry.model}"}
    asked = [] if same else [say("asked for as {model}", model=entry.model_asked)]
    at = say("{model} at {provider}", model=entry.model, provider=entry.provider or say("an unknown provider"))
    yield say("Model"), joined([at, *asked])
    error = f" ({entry.error})" if entry.error else ""
    attempts = [say("{count} attempts", count=entry.attempts)] if entry.attempts != 1 else []
    yield say("Outcome"), joined([f"{term(entry.outcome)}{error}", *attempts, *map(term, entry.flags)])
    yield say("Tokens"), _tokens(entry)
    yield say("Price"), _price(entry)


def _tokens(entry: Entry) -> str:
    from meter.reports.wording import joined

    usage = entry.usage
    if usage is None:
        said = say("usage unknown")
    else:
        sent, received = say("{count:,} in", count=usage.input_tokens), say("{count:,} out", count=usage.output_tokens)
        source = term("made up (mock)" if "mock" in entry.flags else SAID_BY[usage.source])
        how = [say("its input corrected by the drift of our counts")] if "calibrated" in entry.flags else []
        said = joined([sent, received, source, *how])
    ours = ((entry.counted_input_tokens, "{count:,} in"), (entry.counted_output_tokens, "{count:,} out"))
    counted = joined(say(way, count=count) for count, way in ours if count is not None)
    return say("{said}; our own count: {counted}", said=said, counted=counted) if counted else said


SAID_BY = {"provider": "said by the provider", "counted": "counted by us", "mixed": "in part counted by us"}
"""Who says the usage of a call, in words."""


def _price(entry: Entry) -> str:
    price = entry.price
    if price is None:
        name = f"{entry.model} --provider {entry.provider}" if entry.provider else entry.model
        remedy = f"`meter price set {name} --input 1.25 --output 10`"
        return say("none was known; set one for calls to come: {remedy}", remedy=remedy)
    told = say("{model} by {source}", model=price.model, source=price.source)
    told += say(" from {day:%Y-%m-%d}", day=price.valid_from) if price.valid_from else ""
    told += say(" until {day:%Y-%m-%d}", day=price.valid_to) if price.valid_to else ""
    note = f" ({price.note})" if price.note else ""
    return f"{told}{say(', ')}{price.currency}{note}"


def _lines(entry: Entry) -> list[dict[str, Any]]:
    """Return each line of the charge; what is kept is usage and price, the lines follow from them."""
    from meter.charge import price_call
    from meter.reports.money import per

    if entry.usage is None:
        return []
    records = []
    for line in price_call(entry.usage, entry.price).lines:
        rate, unit = (None, None) if line.rate is None else per(line.item, line.rate)
        records.append(
            {
                "item": term(line.item),
                "quantity": line.quantity,
                "rate": rate,
                "per": unit,
                "amount": _amount(line.nanos),
                "nanos": line.nanos,
            }
        )
    return records


def _remarks(entry: Entry) -> Iterator[str]:
    if entry.nanos is None and (entry.low_nanos is not None or entry.high_nanos is not None):
        low, high = _bound(entry.low_nanos), _bound(entry.high_nanos)
        bounds = {"low": low, "high": high, "code": entry.currency or ""}
        yield say("What it cost is not known: at least {low}, at most {high} {code}.", **bounds)
    elif entry.nanos is None:
        yield say("What it cost is not known.")
    elif entry.price is None and entry.status != "stated" and entry.outcome not in {"refused", "replayed"}:
        yield say("The amount was recorded without a price.")
    elif entry.status == "stated":
        yield say("No price was known; the amount is what the provider said.")
    elif entry.status == "partial":
        yield from _not_known(entry)
    elif entry.outcome in {"refused", "replayed"}:
        yield say("Nothing was consumed, so nothing was charged.")
    yield from _negotiated(entry)
    charge = recomputed(entry)
    if charge is not None and charge.nanos != entry.nanos:
        found = _bound(charge.nanos)
        yield say("Recomputed from usage and price it is {amount}, not the amount that was kept.", amount=found)
    elif charge is not None and charge.nanos is not None:
        yield say("Recomputed from usage and price: the same to the nano-unit.")


def _not_known(entry: Entry) -> Iterator[str]:
    """Yield why the total may not be what is billed."""
    charge = recomputed(entry)
    if charge is None or any(line.nanos is None for line in charge.lines):
        yield say("A line without a rate is not in the total.")
    for reason in charge.unknown if charge else ():
        yield say("Not known: {reason}.", reason=reason)


def published(entry: Entry) -> tuple[int | None, str | None]:
    """Return what the call would have cost everybody else, and its currency; None where nobody knows."""
    from meter.charge import list_charge

    if entry.usage is None or recomputed(entry) is None:
        return None, None
    charge = list_charge(entry.usage, entry.price)
    return charge.nanos, charge.currency


def _negotiated(entry: Entry) -> Iterator[str]:
    nanos, currency = published(entry)
    if nanos is not None and entry.price and entry.price.published:
        published_cost = f"{_bound(nanos)} {currency}"
        yield say("At the rates that are published it would be {cost}.", cost=published_cost)


def _record(entry: Entry) -> dict[str, Any]:
    """Return all that is known of a call."""
    from dataclasses import fields

    charge, (list_nanos, list_currency) = recomputed(entry), published(entry)
    plain = {
        field.name: getattr(entry, field.name) for field in fields(entry) if field.name not in {"usage", "price", "id"}
    }
    return {
        "id": str(entry.id),
        **{name: str(value) if name == "corrects" and value else value for name, value in plain.items()},
        "cost": _amount(entry.nanos),
        "usage": entry.usage and {field.name: getattr(entry.usage, field.name) for field in fields(entry.usage)},
        "lines": _lines(entry),
        "price": entry.price
        and {
            name: getattr(entry.price, name)
            for name in ("model", "provider", "currency", "source", "note", "valid_from", "valid_to", "discount")
        },
        "list_nanos": list_nanos,
        "list_cost": _amount(list_nanos),
        "list_currency": list_currency,
        "recomputed_nanos": charge and charge.nanos,
        "recomputed_equal": None if charge is None else charge.nanos == entry.nanos,
    }


def _amount(nanos: int | None) -> Any:
    from meter.reports.money import amount

    return None if nanos is None else amount(nanos)


def _bound(nanos: int | None) -> str:
    from meter.reports.money import shown_rate

    return say("an unknown amount") if nanos is None else shown_rate(_amount(nanos))
