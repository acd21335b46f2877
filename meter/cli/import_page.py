"""What came of an import, as it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.reports.money import amount
from meter.reports.render import Column, visible
from meter.reports.wording import calls_said, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from meter.importing.taking import Taken


def outcome_columns() -> list[Column]:
    """Return the columns of outcome()."""
    return [Column("what"), Column("why"), Column("records", kind="count"), Column("first")]


def outcome(taken: Taken, *, dry_run: bool) -> list[dict[str, Any]]:
    """Return how many records were taken, how many were there, and how many were set aside and why."""
    rows: list[tuple[str, str | None, int, str | None]] = [
        (say("to take in" if dry_run else "taken in"), None, taken.new, None),
        (say("there already"), None, taken.there - taken.replaced - taken.attributed - taken.otherwise, None),
    ]
    if taken.replaced:
        done = say("to replace" if dry_run else "replaced")
        rows.append((done, say("larger than what was there"), taken.replaced, None))
    if taken.attributed:
        rows.append((say("to put right" if dry_run else "put right"), say("had no user"), taken.attributed, None))
    if taken.otherwise:
        rows.append((say("there already"), say("with another usage"), taken.otherwise, taken.otherwise_at[0]))
    rows += [(say("set aside"), term(why), number, place) for why, (number, place) in sorted(taken.aside.items())]
    return [dict(zip(("what", "why", "records", "first"), row, strict=True)) for row in rows]


def models_columns(taken: Taken) -> list[Column]:
    """Return the columns of models()."""
    currencies = {currency for _, _, currency in taken.models if currency}
    unit = f"cost\n{next(iter(currencies))}" if len(currencies) == 1 else "cost"
    several = [Column("currency")] if len(currencies) > 1 else []
    return [
        *(Column("model"), Column("provider"), Column("calls", kind="count")),
        *(Column("input_tokens", "input\ntokens", "count"), Column("output_tokens", "output\ntokens", "count")),
        *(Column("cost", unit, "money"), *several),
    ]


def models(taken: Taken) -> list[dict[str, Any]]:
    """Return the new calls by model, the most first."""
    return [
        {
            "model": model or None,
            "provider": provider or None,
            "calls": each.calls,
            "input_tokens": each.input_tokens,
            "output_tokens": each.output_tokens,
            "cost": None if each.nanos is None else amount(each.nanos),
            "currency": currency,
        }
        for (model, provider, currency), each in sorted(
            taken.models.items(), key=lambda item: (-item[1].calls, item[0][0], item[0][1], item[0][2] or "")
        )
    ]


def sentences(taken: Taken, facts: Mapping[str, Any], *, dry_run: bool) -> Iterator[str]:
    """Yield what there is to say of an import beside its figures."""
    if taken.first and taken.last:
        first, last = (f"{at:%Y-%m-%d %H:%M}" for at in (taken.first, taken.last))
        yield say("From {first} to {last} UTC, at the rates of each instant.", first=first, last=last)
    if facts:
        read = (_read(name, place) for name, place in facts["columns"].items())
        yield visible(say("Read {columns}.", columns=joined(read)))
        if facts["left_out"]:
            yield visible(say("Left out {columns}.", columns=joined(facts["left_out"])))
    if taken.unpriced:
        calls = say("1 call has" if taken.unpriced == 1 else "{count:,} calls have", count=taken.unpriced)
        yield say(
            "{calls} no price: `meter price missing` says how to set one, `meter ledger reprice` charges them anew.",
            calls=calls,
        )
    if taken.unattributed:
        calls = say("1 call names" if taken.unattributed == 1 else "{count:,} calls name", count=taken.unattributed)
        yield say("{calls} no user; the same import with --user, or with METER_USER set, gives them one.", calls=calls)
    if taken.clamped:
        calls = calls_said(taken.clamped)
        yield say(
            "The usage of {calls} broke its rules, was brought back inside them, and is flagged `clamped`.", calls=calls
        )
    if taken.otherwise:
        places = joined(taken.otherwise_at)
        yield say("What the ledger has stays as it is; that says otherwise: {places}.", places=places)
    if dry_run:
        yield say("Nothing was written; without --dry-run it is.")


def _read(name: str, place: str) -> str:
    return name if name == place else say("{name} from {place}", name=name, place=place)


def record(taken: Taken, facts: Mapping[str, Any], *, dry_run: bool) -> dict[str, Any]:
    """Return what came of an import as JSON has it."""
    return {
        "dry_run": dry_run,
        "records": taken.records,
        "taken": taken.new,
        "there": taken.there,
        "replaced": taken.replaced,
        "attributed": taken.attributed,
        "otherwise": taken.otherwise,
        "otherwise_at": taken.otherwise_at,
        "unpriced": taken.unpriced,
        "unattributed": taken.unattributed,
        "clamped": taken.clamped,
        "since": taken.first,
        "last": taken.last,
        **facts,
        "aside": [{"why": why, "records": number, "first": at} for why, (number, at) in sorted(taken.aside.items())],
        "models": models(taken),
    }
