"""Worth, as it is written out in each form: its figures, the alternatives, and a verdict with its evidence."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.period import show
from meter.reports.alternatives import checked_on
from meter.reports.money import amount, decimal_of, shown, shown_percent
from meter.reports.render import Column, csv_lines, json_document, json_text, markdown, md_text, table, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from meter.reports.alternatives import Alternative
    from meter.reports.money import Nanos
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


def plans(made: Worth) -> str:
    """Return the names of the plans in the order they were held."""
    return ", ".join(dict.fromkeys(each.plan for each in made.subscriptions))


def verdict(made: Worth, found: Sequence[Alternative]) -> Iterator[str]:
    """Yield whether the fee was worth it and on what that rests, and what the use would have cost least on."""
    plan = plans(made)
    calls, come = ("1 call", "comes") if made.calls == 1 else (f"{made.calls:,} calls", "come")
    if not made.calls:
        yield f"Cannot say: there was no call on {plan} in this window."
        return
    if made.fee is None or made.equivalent is None:
        yield f"Cannot say: cost and fee of {plan} are in currencies without a rate; set it with `meter fx set`."
        return
    if made.totals[0].cost_nanos is None:
        yield f"Cannot say: of {calls} none has a price; `meter price missing` says how to set one."
        return
    fee = f"the {shown(amount(made.fee))} {made.currency} that {plan} cost{' so far' if made.is_running else ''}"
    said = f"{calls} {come} to {_range(made)} {made.currency} API-equivalent"
    if made.leverage is None:
        yield f"{plan} cost nothing; {said} ({_evidence(made)})."
    else:
        yield f"{_judged(made, found)}: {said}, {_times(made.leverage)} times {fee} ({_evidence(made)})."
    least = next((each for each in found if each.fits and each.fee is not None), None)
    open_ = sum(each.fits is None for each in found)
    if least is not None and least.fee is not None:
        # what cannot be said may be less: no limit that would tell is published
        beside = f" For {open_} {'other' if open_ == 1 else 'others'} that cannot be said." if open_ else ""
        models = "" if least.models_known else ", if it serves these models"
        cost = f"{shown(amount(least.fee))} {made.currency}{' so far' if made.is_running else ''}"
        yield f"Of what can be told, this use costs least {_place(least)}{models}: {cost}.{beside}"


def _judged(made: Worth, found: Sequence[Alternative]) -> str:
    assert made.leverage is not None  # noqa: S101  who calls has looked
    plan, (low, high) = plans(made), made.leverage
    if low > 1:
        return f"{plan} is worth its fee" if made.owned else f"{plan} would be worth its fee{_fitting(plan, found)}"
    if high is not None and high < 1:
        is_not = "is not" if made.owned else "would not be"
        return f"{plan} {is_not} worth its fee{' so far' if made.is_running else ''}"
    return f"{plan} comes to just its fee" if low == high == 1 else "Cannot say"


def _fitting(plan: str, found: Sequence[Alternative]) -> str:
    """Return on what condition a plan that nobody was on would have done for the use."""
    fits = next((each.fits for each in found if each.name == plan), None)
    return {True: "", None: ", if this use fits in it", False: ", but this use does not fit in it"}[fits]


def _place(each: Alternative) -> str:
    return "paid per token" if each.name.startswith("(") else f"on {each.name}"


def _range(made: Worth) -> str:
    assert made.equivalent is not None  # noqa: S101  who calls has looked
    low, high = made.equivalent.low, made.equivalent.high
    if high is None:
        return f"at least {shown(amount(low))}"
    return shown(amount(low)) if high == low else f"{shown(amount(low))} to {shown(amount(high))}"


def _times(leverage: tuple[Fraction, Fraction | None]) -> str:
    low, high = (None if each is None else shown(decimal_of(each)) for each in leverage)
    if high is None:
        return f"at least {low}"
    return f"{low}" if low == high else f"{low} to {high}"


def _evidence(made: Worth) -> str:
    """Return what the figures rest on, in one breath."""
    row = made.totals[0]
    parts = []
    if row.cost_nanos:
        counted = decimal_of(Fraction(row.counted_nanos) / row.cost_nanos)
        made_up = decimal_of(Fraction(row.mock_nanos) / row.cost_nanos)
        parts.append(f"{shown_percent(1 - counted - made_up)} by the provider's usage")
        parts += [f"{shown_percent(counted)} counted"] if counted else []
        parts += [f"{shown_percent(made_up)} made up"] if made_up else []
    count = made.header.count
    parts += [
        f"{count(f'{name}_calls'):,} {what}"
        for name, what in (("unpriced", "unpriced"), ("partial", "partly unpriced"), ("lost", "lost"))
        if count(f"{name}_calls")
    ]
    return ", ".join(parts)


def figures(made: Worth) -> list[dict[str, Any]]:
    """Return the figures as people are shown them, each worded where it is no amount."""
    equivalent, saving = made.equivalent, made.saving
    rows: list[tuple[str, object]] = [("calls", f"{made.calls:,}")]
    if not made.calls or equivalent is None or made.fee is None or saving is None:
        costs = [f"{_known(row.cost_nanos)} {row.cost_currency}" for row in made.totals if row.calls]
        rows += [("API-equivalent cost", cost) for cost in costs]
        rows += [(f"fee of {plans(made)}", f"{_known(fee)} {code}") for code, fee, _ in made.fees]
        return [{"what": what, "value": value} for what, value in rows]
    unknown = "unknown: some calls have no price or no bound"
    rows.append(("API-equivalent cost, low", _amount(equivalent.low)))
    rows.append(("API-equivalent cost, high", unknown if equivalent.high is None else _amount(equivalent.high)))
    rows.append((f"fee of {plans(made)}{' so far' if made.is_running else ''}", _amount(made.fee)))
    if made.is_running:
        rows.append(("fee of the whole window", _amount(made.whole_fee)))
    rows.append(("leverage, API-equivalent / fee", "-" if made.leverage is None else _times(made.leverage)))
    rows.append(("saving, API-equivalent - fee", ("≥ " if saving[1] is None else "") + shown(amount(saving[0]))))
    rows.append(("break-even per day", None if made.per_day is None else amount(made.per_day)))
    rows.append(("days over it", f"{made.days_over:,} of {made.begun_days:,}"))
    return [{"what": what, "value": value} for what, value in rows]


def _known(nanos: Nanos | None) -> str:
    return "unknown" if nanos is None else shown(amount(nanos))


def _screen(made: Worth, found: Sequence[Alternative], today: date) -> Iterator[str]:
    for name, text in _lines(made, found, today):
        yield f"{name:<10}{visible(text)}\n"
    yield "\n" + table(_figures(made), figures(made)) + "\n"
    if found:
        yield "\n" + table(_columns(made), [_shown(each) for each in listed(found)]) + "\n"
    yield "".join(f"{line}\n" for line in _notes(found))
    yield "\n" + "".join(f"{visible(line)}\n" for line in verdict(made, found))
    yield "API-equivalent is what the same calls would cost per token; it is no bill.\n"


def _markdown(made: Worth, found: Sequence[Alternative], today: date) -> Iterator[str]:
    lines = [
        f"{md_text(name)}: {md_text(text)}" if name else md_text(text) for name, text in _lines(made, found, today)
    ]
    yield "  \n".join(lines) + "\n\n"
    yield from (f"{line}\n" for line in markdown(_figures(made), figures(made)))
    if found:
        yield "\n"
        yield from (f"{line}\n" for line in markdown(_columns(made), [_shown(each) for each in listed(found)]))
    yield "".join(f"\n{line}\n" for line in _notes(found))
    yield "\n" + "".join(f"{md_text(line)}\n\n" for line in verdict(made, found))
    yield "API-equivalent is what the same calls would cost per token; it is no bill.\n"


def _notes(found: Sequence[Alternative]) -> Iterator[str]:
    unknown = sorted({each.vendor for each in listed(found) if each.vendor and not each.models_known})
    if unknown:
        yield f"Which models {' and '.join(unknown)} serve is not in the catalogue."
    left_out = len(found) - len(listed(found))
    if left_out:
        yield f"{left_out} more, dearer ones or ones that would not do, are left out; --json lists them."


def listed(found: Sequence[Alternative]) -> list[Alternative]:
    """Return what is shown to people: what costs least of that which fits and of that which may, and what they have."""
    fits, open_ = ([each for each in found if each.fits is fits] for fits in (True, None))
    own = [each for each in fits[LISTED:] if each.published is None]
    return [*fits[:LISTED], *own, *open_[:LISTED]]


def _lines(made: Worth, found: Sequence[Alternative], today: date) -> Iterator[tuple[str, str]]:
    yield from made.header.lines()
    begins = show(made.window.since, made.window.zone)
    if made.used and made.used[0] != begins[:10]:
        # nobody knows whether nothing was used before, or whether it was only not taken in
        yield "Calls", f"none is known before {made.used[0]}; the fee counts from {begins} on"
    day = checked_on(list(found))
    if day is not None:
        age = (today - day).days
        yield "Catalogue", f"checked on {day}, {'today' if age < 1 else 'a day ago' if age == 1 else f'{age} days ago'}"


def _figures(made: Worth) -> list[Column]:
    return [FIGURES[0], Column("value", made.currency or "value", "money")]


def _columns(made: Worth) -> list[Column]:
    fee = Column("fee", f"fee\n{made.currency}{' so far' if made.is_running else ''}", "money")
    return [fee if column.key == "fee" else column for column in ALTERNATIVES]


def _shown(each: Alternative) -> dict[str, Any]:
    return {
        "plan": each.name,
        "vendor": each.vendor,
        "fee": _amount(each.fee),
        "use": SAID[each.fits],
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
