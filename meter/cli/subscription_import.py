"""`meter subscription import`: the subscriptions of a billing system."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import (
    dates_option,
    form,
    form_options,
    known,
    ledger_option,
    map_option,
    put,
    settings_for,
    tz_option,
    writing,
    zone_in_force,
)
from meter.errors import InputError
from meter.lang import say, term

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from meter.billing.revision import Wanted
    from meter.billing.subscriptions import Given, Read
    from meter.ledger import Ledger
    from meter.plan import Plan, Subscription
    from meter.users import Users

LISTED = 20
"""Changed and skipped rows that are listed one by one."""


@click.command("import", epilog="Example: meter subscription import subs.csv --plan price_1=plus --dry-run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--from", "source", type=click.Choice(["stripe", "csv"]), help="Whose file it is; else as it looks.")
@map_option
@click.option("--plan", "plans", multiple=True, metavar="THEIRS=NAME", help="Which plan is meant by a price's id.")
@click.option("--coupon", "coupons", multiple=True, metavar="NAME=TERMS", help='Like "LAUNCH=20% for 3 months".')
@click.option("--channel", default="", metavar="NAME", help="How they are paid, as the plans' fees name it.")
@click.option("--past", type=click.Choice(["keep", "replace"]), default="keep", help="What was recorded of it.")
@click.option("--dry-run", is_flag=True, help="Say the same, and write nothing.")
@dates_option
@tz_option
@ledger_option
@form_options
def import_(file: Path, **given: Any) -> None:
    """Take in the subscriptions of a file, all of them or none.

    Stripe's is its export of subscriptions (CSV) or objects of its API (JSON). Another CSV has the columns user, plan,
    from, until, price, currency, per, seats, state, anchor, channel and key, of which the first three are needed, or
    team in the place of user.

    A subscription is known by its key (at Stripe its id). The same file again changes nothing. Where a row says
    something new, that holds from its running billing period on, or from the time it names; what was recorded of the
    time before stays, unless it lies before the beginning or after the end that the row has, or --past replace is
    given.
    """
    from meter.billing.file import read
    from meter.billing.matching import Matcher
    from meter.billing.subscriptions import read_subscriptions

    settings = settings_for(given["ledger"], zone=given["tz"])
    plans = _pairs(given["plans"])
    table = read(file, order=given["dates"])
    source = given["source"] or _looks_like(table)
    if given["mapped"]:
        table = read(file, _mapping(given["mapped"], source), order=given["dates"])
    there, recorded, users = known(settings, _recorded) or ((), (), None)
    matcher = Matcher(there, plans, by_price=source == "stripe")
    found = read_subscriptions(table, matcher, recorded, _given(given, zone_in_force(settings), users), source=source)
    add, retire = found.revision.add, found.revision.retire
    if (add or retire) and not given["dry_run"]:
        with writing(settings) as opened:
            opened.revise_subscriptions(add=add, retire=retire, reason=f"import of {file.name}")
    _say(found, dry_run=given["dry_run"])


def _looks_like(table: Any) -> str:
    from meter.billing.subscriptions import is_stripes

    return "stripe" if is_stripes(table) else "csv"


def _mapping(mapped: Iterable[str], source: str) -> dict[str, str]:
    from meter.billing import own, stripe
    from meter.importing.fields import mapping_of

    return mapping_of(mapped, stripe.FIELDS if source == "stripe" else own.FIELDS)


def _recorded(opened: Ledger) -> tuple[Sequence[Plan], Sequence[Subscription], Users | None]:
    return opened.plans(), opened.subscriptions(), opened.users()


def _given(given: dict[str, Any], zone: str, users: Users | None) -> Given:
    from meter.billing.coupon import coupon_given
    from meter.billing.subscriptions import Given

    return Given(
        zone=zone,
        channel=given["channel"],
        coupons=dict(map(coupon_given, given["coupons"])),
        replaces_past=given["past"] == "replace",
        users=users,
    )


def _pairs(given: Iterable[str]) -> dict[str, str]:
    found = {}
    for text in given:
        theirs, equals, name = text.rpartition("=")
        if not equals or not theirs or not name:
            raise InputError(f'--plan is "{text}"; give THEIRS=NAME, like price_1Abc=plus.')
        found[theirs] = name
    return found


def _say(found: Read, *, dry_run: bool) -> None:
    """Write what came of it."""
    from meter.reports.render import Column, json_document, write_list

    matched = [
        {"theirs": theirs.names[0], "plan": plan, "by": term(by), "rows": rows}
        for (theirs, plan, by), rows in found.matched.items()
    ]
    rows = list(_rows(found))
    if form() == "json":
        counts = {name: sum(row["outcome"] == name for row in rows) for name in _OUTCOMES}
        put(json_document({"dry_run": dry_run, **counts, "matched": matched, "rows": rows}))
    elif form() != "table":
        put(
            write_list(
                form(), [Column(name) for name in ("place", "key", "user", "team", "plan", "outcome", "why")], rows
            )
        )
    else:
        if matched:
            columns = [Column("theirs"), Column("plan"), Column("by"), Column("rows", kind="count")]
            put([*write_list("table", columns, matched), "\n"])
        put(f"{line}\n" for line in _sentences(found, rows, dry_run=dry_run))


_OUTCOMES = {
    "new": "{count:,} new",
    "changed": "{count:,} changed",
    "same": "{count:,} as recorded",
    "skipped": "{count:,} skipped",
}
"""What comes of a row, as files and as people have it."""


def _rows(found: Read) -> Iterator[dict[str, Any]]:
    """Yield what came of each row."""
    revision = found.revision
    for outcome, wanted in (("new", revision.new), ("changed", revision.changed), ("same", revision.same)):
        for each in wanted:
            last = each.phases[-1]
            who = {"user": None if last.team else last.user, "team": last.user if last.team else None}
            yield {"place": each.place, "key": each.key, **who, "plan": last.plan, "outcome": outcome, "why": None}
    for fault in found.skipped:
        nothing = dict.fromkeys(("key", "user", "team", "plan"))
        yield {"place": fault.place, **nothing, "outcome": "skipped", "why": fault.why}


def _sentences(found: Read, rows: list[dict[str, Any]], *, dry_run: bool) -> Iterator[str]:
    """Yield what came of it, in words."""
    from meter.reports.wording import joined

    counts = [
        say(said, count=number)
        for outcome, said in _OUTCOMES.items()
        if (number := sum(row["outcome"] == outcome for row in rows)) or outcome == "new"
    ]
    done = "Subscriptions: {counts}. Nothing was written." if dry_run else "Subscriptions: {counts}."
    yield say(done, counts=joined(counts))
    yield from _listed("and {count:,} more changed; --json lists them all.", found.revision.changed, _change)
    yield from _listed(
        "and {count:,} more skipped; --json lists them all.", found.skipped, lambda each: f"{each.place}: {each.why}"
    )
    if found.left_out:
        yield say("Columns that mean nothing here: {columns}.", columns=joined(found.left_out))


def _listed(more: str, each: list[Any], said: Any) -> Iterator[str]:
    from meter.reports.render import visible

    for one in each[:LISTED]:
        yield visible(said(one))
    if len(each) > LISTED:
        yield say(more, count=len(each) - LISTED)


def _change(wanted: Wanted) -> str:
    from meter.period import show
    from meter.reports.money import amount, shown
    from meter.reports.wording import joined

    last = wanted.phases[-1]
    price = f"{shown(amount(last.price_nanos))} {last.currency}"
    terms = [last.plan, say("{price} per {interval}", price=price, interval=str(last.interval)), last.state]
    terms += [say("until {end}", end=show(last.until, last.zone))] if last.until else []
    who = say('the team "{name}"', name=last.user) if last.team else last.user
    return say("{place}: {who} changes to {terms}", place=wanted.place, who=who, terms=joined(terms))
