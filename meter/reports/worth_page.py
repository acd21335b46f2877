"""Worth, as it is written out in each form: its figures, the alternatives, and a verdict with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.period import show
from meter.reports.alternatives import PER_TOKEN, checked_on
from meter.reports.money import amount, decimal_of, shown
from meter.reports.render import (
    Column,
    csv_lines,
    facts,
    json_document,
    json_text,
    led,
    markdown,
    md_text,
    table,
    visible,
)
from meter.reports.verdict import plans, times_said, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from meter.reports.alternatives import Alternative
    from meter.reports.money import Nanos
    from meter.reports.render import Table
    from meter.reports.worth import Worth

LISTED = 5
"""Plans that fit, and plans of which that cannot be said, that people are shown."""
SAID = {True: "fits", False: "does not fit", None: "cannot say"}
FIGURES = (Column("what"), Column("value", kind="money"))
_WHY = Column("why", kind="fact")
ALTERNATIVES = (Column("plan"), Column("vendor"), Column("fee", kind="money"), Column("use"), _WHY)


def write(made: Worth, found: Sequence[Alternative], form: str, today: date) -> Iterator[str]:
    """Yield what a subscription is worth in one of render.FORMS."""
    record = record_of(made, found)
    if form == "json":
        yield from json_document(record)
    elif form == "nl":
        yield json_text(_flat(record)) + "\n"
    elif form in {"csv", "tsv"}:
        yield from csv_lines(list(_flat(record)), [_flat(record)], "," if form == "csv" else "\t")
    elif form == "md":
        yield from _markdown(made, found, today)
    else:
        yield from _screen(made, found, today)


def record_of(made: Worth, found: Sequence[Alternative]) -> dict[str, Any]:
    """Return what a subscription is worth as JSON has it; None is not known, never 0."""
    return {
        "header": made.header.record(),
        "user": made.header.ask.where.get("user"),
        "plans": plans(made),
        "owned": made.owned,
        "since": made.window.since,
        "until": made.window.until,
        "calls": made.calls,
        "unpriced_calls": made.header.count("unpriced_calls"),
        **_figures_of(made),
        "checked_on": checked_on(list(found)),
        "verdict": " ".join(verdict(made, found)),
        "by_day": [
            {"day": day.label, "low": _amount(day.equivalent.low), "high": _amount(day.equivalent.high)}
            for day in made.days
        ],
        "alternatives": [_alternative(each, made.currency) for each in found],
    }


def _figures_of(made: Worth) -> dict[str, Any]:
    saving, leverage, equivalent = made.saving, made.leverage, made.equivalent
    return {
        "currency": made.currency,
        "api_equivalent_low": None if equivalent is None else amount(equivalent.low),
        "api_equivalent_high": None if equivalent is None else _amount(equivalent.high),
        "fee": _amount(made.fee),
        "fee_whole": _amount(made.whole_fee),
        "leverage_low": leverage and decimal_of(leverage[0]),
        "leverage_high": None if leverage is None or leverage[1] is None else decimal_of(leverage[1]),
        "saving_low": _amount(saving and saving[0]),
        "saving_high": _amount(saving and saving[1]),
        "break_even_per_day": _amount(made.per_day),
        "days_over_break_even": made.days_over,
        "days": made.begun_days,
        "first_day_used": made.used and made.used[0],
        "last_day_used": made.used and made.used[1],
    }


def figures(made: Worth) -> list[dict[str, Any]]:
    """Return the figures as people are shown them, each worded where it is no amount."""
    equivalent, saving = made.equivalent, made.saving
    rows: list[tuple[str, object]] = [(term("calls"), f"{made.calls:,}")]
    if not made.calls or equivalent is None or made.fee is None or saving is None:
        costs = [f"{_known(row.cost_nanos)} {row.cost_currency}" for row in made.totals if row.calls]
        rows += [(say("API-equivalent cost"), cost) for cost in costs]
        rows += [(say("fee of {plan}", plan=plans(made)), f"{_known(fee)} {code}") for code, fee, _ in made.fees]
        return [{"what": what, "value": value} for what, value in rows]
    unknown = say("unknown: some calls have no price or no bound")
    rows.append((say("API-equivalent cost, low"), _amount(equivalent.low)))
    rows.append((say("API-equivalent cost, high"), unknown if equivalent.high is None else _amount(equivalent.high)))
    fee = say("fee of {plan} so far" if made.is_running else "fee of {plan}", plan=plans(made))
    rows.append((fee, _amount(made.fee)))
    if made.is_running:
        rows.append((say("fee of the whole window"), _amount(made.whole_fee)))
    rows.append((say("leverage, API-equivalent / fee"), "-" if made.leverage is None else times_said(made.leverage)))
    rows.append((say("saving, API-equivalent - fee"), ("≥ " if saving[1] is None else "") + shown(amount(saving[0]))))
    rows.append((say("break-even per day"), None if made.per_day is None else amount(made.per_day)))
    rows.append((say("days over it"), say("{over:,} of {days:,}", over=made.days_over, days=made.begun_days)))
    return [{"what": what, "value": value} for what, value in rows]


def _known(nanos: Nanos | None) -> str:
    return say("unknown") if nanos is None else shown(amount(nanos))


def _screen(made: Worth, found: Sequence[Alternative], today: date) -> Iterator[str]:
    for name, text in lines(made, found, today):
        yield led(name, text)
    yield "\n" + table(_figures(made), figures(made)) + "\n"
    if found:
        yield "\n" + table(_columns(made), [_shown(each) for each in listed(found)]) + "\n"
    yield "".join(f"{line}\n" for line in notes(found))
    yield "\n" + "".join(f"{visible(line)}\n" for line in verdict(made, found))
    yield api_equivalent_said() + "\n"


def _markdown(made: Worth, found: Sequence[Alternative], today: date) -> Iterator[str]:
    yield facts(lines(made, found, today)) + "\n"
    yield from (f"{line}\n" for line in markdown(_figures(made), figures(made)))
    if found:
        yield "\n"
        yield from (f"{line}\n" for line in markdown(_columns(made), [_shown(each) for each in listed(found)]))
    yield "".join(f"\n{line}\n" for line in notes(found))
    yield "\n" + "".join(f"{md_text(line)}\n\n" for line in verdict(made, found))
    yield api_equivalent_said() + "\n"


def notes(found: Sequence[Alternative]) -> Iterator[str]:
    """Yield what is to be known of the alternatives."""
    unknown = sorted({each.vendor for each in listed(found) if each.vendor and not each.models_known})
    if unknown:
        yield say("Which models {vendors} serve is not in the catalogue.", vendors=say(" and ").join(unknown))
    left_out = len(found) - len(listed(found))
    if left_out:
        yield say(
            "{count} more, dearer ones or ones that would not do, are left out; --json lists them.", count=left_out
        )


def api_equivalent_said() -> str:
    """Return what API-equivalent means."""
    return say("API-equivalent is what the same calls would cost per token; it is no bill.")


def figures_table(made: Worth) -> Table:
    """Return the columns of the figures and these; there is no total."""
    return _figures(made), figures(made), []


def alternatives_table(made: Worth, found: Sequence[Alternative]) -> Table:
    """Return the columns of the plans that people are shown, and these; there is no total."""
    return _columns(made), [_shown(each) for each in listed(found)], []


def listed(found: Sequence[Alternative]) -> list[Alternative]:
    """Return what is shown to people: what costs least of that which fits and of that which may, and what they have."""
    fits, open_ = ([each for each in found if each.fits is fits] for fits in (True, None))
    own = [each for each in fits[LISTED:] if each.published is None]
    return [*fits[:LISTED], *own, *open_[:LISTED]]


def lines(made: Worth, found: Sequence[Alternative], today: date) -> Iterator[tuple[str, str]]:
    """Yield what stands above the figures, each with its name."""
    yield from made.header.lines()
    begins = show(made.window.since, made.window.zone)
    if made.used and made.used[0] != begins[:10]:
        # nobody knows whether nothing was used before, or whether it was only not taken in
        told = say("none is known before {first}; the fee counts from {begins} on", first=made.used[0], begins=begins)
        yield say("Calls"), told
    day = checked_on(list(found))
    if day is not None:
        age = (today - day).days
        ago = say("today" if age < 1 else "a day ago" if age == 1 else "{count} days ago", count=age)
        yield say("Catalogue"), say("checked on {day}, {ago}", day=day, ago=ago)


def _figures(made: Worth) -> list[Column]:
    return [FIGURES[0], Column("value", made.currency or "value", "money")]


def _columns(made: Worth) -> list[Column]:
    code = str(made.currency)
    fee = Column("fee", f"fee\n{say('{amount} so far', amount=code) if made.is_running else code}", "money")
    return [fee if column.key == "fee" else column for column in ALTERNATIVES]


def _shown(each: Alternative) -> dict[str, Any]:
    return {
        "plan": term(each.name) if each.name == PER_TOKEN else each.name,
        "vendor": each.vendor,
        "fee": _amount(each.fee),
        "use": term(SAID[each.fits]),
        "why": each.why,
    }


def _alternative(each: Alternative, currency: str | None) -> dict[str, Any]:
    row = each.published
    return {
        "plan": each.name,
        "vendor": each.vendor,
        "fee": _amount(each.fee),
        "currency": currency,
        "fits": each.fits,
        "why": each.why,
        "models_known": each.models_known,
        "checked_on": row.checked_on if row else None,
        "certainty": row.certainty if row else None,
        "source": row.source if row else None,
    }


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Return the figures alone, as one row."""
    return {key: value for key, value in record.items() if not isinstance(value, dict | list)}


def _amount(nanos: Nanos | None) -> Any:
    return None if nanos is None else amount(nanos)
