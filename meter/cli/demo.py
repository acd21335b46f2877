"""`meter demo`: four users hold a dozen real chats, and what that costs is held against what they pay."""

from __future__ import annotations

import re
from contextlib import ExitStack
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meter.cli.demo_script import CNY_PER_USD, COMPARISONS, CUSTOMERS, MACHINE_USD_PER_HOUR
from meter.cli.demo_stage import MOCK, Stage
from meter.cli.options import put, settings_for
from meter.errors import LocalModelError
from meter.lang import say, term

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter import Meter
    from meter.cli.demo_script import Comparison
    from meter.entry import Entry
    from meter.ledger import Ledger
    from meter.period import Window

LEFT = re.compile(r"demo-\d{8}-\d{6}(-\d+)?\.(db|db-(wal|shm|journal)|([\w.-]+\.)?jsonl)")
"""The names of what demos leave: ledgers, and what stands beside them."""


@click.command(epilog="Example: meter demo article")
@click.argument("story", type=click.Choice(["article"]), required=False)
@click.option("--ledger", metavar="FILE", help="A new file for it, ending in .db; else one that --clean removes.")
@click.option("--clean", is_flag=True, help="Remove the ledgers that demos left, and do nothing else.")
def demo(story: str | None, ledger: str | None, clean: bool) -> None:
    """Hold a dozen real chats and show what they cost.

    Four users on four plans talk to a small model on this machine, which is fetched once (93 MB). Everything is written
    into a ledger of the demo's own, beside the default one, which is left alone.

    `article` plays another story, without a model: an assistant whose model becomes ten times as dear.
    """
    settings_for()  # says the language
    folder, default = _place()
    if clean:
        click.echo(_clean(folder, keep=default))
        return
    path = _new_name(folder, datetime.now().astimezone()) if ledger is None else _not_there(ledger)
    if story is not None:
        from meter.cli.demo_article import play

        put(play(path))
        return
    try:
        _run(path)
    except KeyboardInterrupt:
        stopped = "Stopped. What was called so far is in {path}." if path.exists() else "Stopped."
        click.echo(f"\n{say(stopped, path=path)}", err=True)
        raise SystemExit(1) from None


def _not_there(name: str) -> Path:
    """Return the path of a new ledger; raise InputError where there is a file: a demo adds to nobody's ledger."""
    from meter.errors import InputError
    from meter.ledger.place import place_of

    place = place_of(name)
    if place.exists:
        raise InputError(f"{name} is there already, and a demo has a ledger of its own; give a new file.")
    return Path(name)


def _place() -> tuple[Path, Path]:
    """Return the folder for demos' ledgers and the path of the default ledger in it."""
    from meter.ledger.place import place_of
    from meter.settings import load

    default = place_of(load().ledger).path
    return default.parent, default


def _new_name(folder: Path, at: datetime) -> Path:
    stem, number = f"demo-{at:%Y%m%d-%H%M%S}", 1
    path = folder / f"{stem}.db"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.db"
    return path


def _clean(folder: Path, keep: Path) -> str:
    """Remove what demos left in a folder and say how many ledgers that were."""
    beside = [path for path in folder.glob("demo-*") if LEFT.fullmatch(path.name) and path.stem != keep.stem]
    for path in beside:
        path.unlink(missing_ok=True)
    ledgers = sum(path.suffix == ".db" for path in beside)
    removed = (
        "Removed 1 demo ledger from {folder}." if ledgers == 1 else "Removed {count:,} demo ledgers from {folder}."
    )
    return say(removed, count=ledgers, folder=folder)


def _run(path: Path) -> None:
    from meter import Meter, open_ledger
    from meter.cli.local_model import served
    from meter.entry import now
    from meter.period import Window

    with ExitStack() as stack:
        try:
            request = stack.enter_context(served(parallel=4)).request
            put([say("Four users talk to SmolLM2-135M, a small model that runs on this machine.") + "\n"])
        except LocalModelError as error:
            request = MOCK
            put([say("The local model cannot be had: {why}", why=error) + "\n", say(NO_MODEL)])
        ledger = open_ledger(path)
        stage = Stage(Meter(ledger=ledger), request)
        stack.callback(stage.metered.close)
        stage.metered.warm()
        since = now()
        _set_up(ledger, since)
        put(_terms())
        stage.play()
        put(_report(ledger, Window(since, now(), ledger.zone)))
        put(_comparison(stage.metered, stage.entries))
        put(_next(path))


NO_MODEL = """
So the answers below are mock responses that litellm makes up: their entries are
flagged `mock`, their tokens and seconds stand for nothing.
"""


THE_REPORT = """The report of these {seconds:.0f} seconds: the fee that accrued in them against what the
calls cost in them. 1 USD = {rate} CNY is an assumption of this demo."""
AT_OTHERS = "The same tokens at other models' rates (which would count a few more or fewer):"


def _set_up(ledger: Ledger, since: datetime) -> None:
    """Record the machine's price, the plans, who has which, and the exchange rate."""
    from meter.fx import FxRate
    from meter.period import Interval
    from meter.plan import Plan, to_nanos
    from meter.price import Price

    # 0.526 / 3600 does not end: 28 digits, as `meter price set --per-hour` has it
    per_second = Context(prec=28, rounding=ROUND_HALF_EVEN).divide(MACHINE_USD_PER_HOUR, Decimal(3600))
    note = f"{MACHINE_USD_PER_HOUR} USD per hour of the machine"
    ledger.add_price(
        Price(model="smollm2", provider="127.0.0.1", currency="USD", rates={"machine_second": per_second}, note=note)
    )
    ledger.add_fx_rate(FxRate("USD", "CNY", CNY_PER_USD, since.date(), "meter demo, an assumption"))
    for customer in CUSTOMERS:
        plan = Plan(
            name=customer.plan,
            price_nanos=to_nanos(customer.price),
            currency=customer.currency,
            interval=Interval("month"),
        )
        ledger.add_plan(plan)
        ledger.add_subscription(plan.subscribe(customer.user, since, zone=ledger.zone))


def _terms() -> Iterator[str]:
    for each in CUSTOMERS:
        price = f"{each.price} {each.currency}"
        yield f"{each.user:<8}{say('pays {price} a month for the plan {plan}', price=price, plan=each.plan)}\n"
    machine = "The machine is taken to cost {price} USD an hour, shared by the calls in flight."
    yield say(machine, price=MACHINE_USD_PER_HOUR) + "\n"


def _report(ledger: Ledger, window: Window) -> Iterator[str]:
    """Yield the report of the demo's own run, with the columns that 80 have room for."""
    from meter.reports.ask import Ask
    from meter.reports.render import Column, led, table
    from meter.reports.summary import summarize

    report = summarize(ledger, Ask(window=window, currency="USD", now=window.until))
    seconds = (window.until - window.since).total_seconds()
    yield f"\n{say(THE_REPORT, seconds=seconds, rate=CNY_PER_USD)}\n\n"
    yield from (led(name, text) for name, text in report.header.lines())
    columns = [
        Column("user"),
        Column("plan"),
        Column("calls", kind="count"),
        Column("input_tokens", "input\ntokens", "count"),
        Column("output_tokens", "output\ntokens", "count"),
        Column("cost", "cost\nUSD", "money"),
        Column("revenue", "fee\naccrued\nUSD", "money"),
        Column("gross_profit", "gross\nprofit\nUSD", "money"),
        Column("margin", kind="percent"),
    ]
    made = report.record()
    yield "\n" + table(columns, made["rows"], [{**made["totals"], "user": term("total")}]) + "\n"


def _comparison(metered: Meter, entries: list[Entry]) -> Iterator[str]:
    """Yield what the same tokens cost at other rates, by user."""
    from meter.reports.render import Column, table

    groups = {each.user: [entry for entry in entries if entry.user == each.user] for each in CUSTOMERS}
    groups[term("total")] = entries
    columns, records = [Column("user")], [dict[str, Any](user=name) for name in groups]
    for each in COMPARISONS:
        sums = [_total(metered, group, each) for group in groups.values()]
        day = f"{each.at:%Y-%m-%d}" if each.at else say("today")
        columns.append(Column(each.model, f"{each.heading}\n{day}\n{sums[-1][0] or say('no rate')}", "money"))
        for record, (_, cost) in zip(records, sums, strict=True):
            record[each.model] = cost
    yield f"\n{say(AT_OTHERS)}\n\n"
    yield table(columns, records[:-1], records[-1:]) + "\n"


def _total(metered: Meter, entries: list[Entry], at: Comparison) -> tuple[str | None, Decimal | None]:
    """Return the currency and the cost of calls at other rates; None where there is no rate."""
    from meter.reports.money import amount

    charges = [metered.cost(at.model, entry.usage, at.provider, at.at) for entry in entries if entry.usage]
    known = [charge.nanos for charge in charges if charge.nanos is not None]
    if len(known) < len(charges) or not charges:
        return None, None
    return charges[0].currency, amount(sum(known))


def _next(path: Path) -> Iterator[str]:
    import shlex

    ledger = shlex.quote(str(path))
    yield f"\n{say('Every call is one row in {path}', path=path)}\n{say('Try next:')}\n"
    for command in ("report", "explain last", "chat --model local --user alice"):
        yield f"  meter {command} --ledger {ledger}\n"
    yield say("`meter demo --clean` removes it.") + "\n"
