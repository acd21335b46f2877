"""Reading what a call consumed from what a provider, or litellm, answered: one mechanism over tables.

Nothing a response holds makes it fail. What breaks the rules of Usage is brought back inside them and flagged
(`clamped`): a count that is negative, text, no number, a fraction or beyond LIMIT, a part larger than its whole, a
list where names belong. None is what a library writes for "not said", so it is absent, not an error.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from meter.usage import openai
from meter.usage.table import ANY_CACHE_WRITE, TOTAL
from meter.usage.value import PARTS_OF, TOKEN_FIELDS, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meter.usage.table import Plan, StatedCost, Step, Steps, Table

LIMIT = 10**15
"""The largest count that is believed; sums of it stay far inside a ledger's 64 bits."""

TABLES: tuple[Table, ...] = (*openai.TABLES,)
"""Every table, in the order they are tried."""

_TOKENS = frozenset(TOKEN_FIELDS)
_NO_HOLDER = (str, bytes, bytearray, int, float, complex, Decimal, list, tuple, set, frozenset)
_LONGEST_NUMBER = 32
_LONGEST_TIER = 64
_COST_DIGITS = range(-18, 10)
"""Powers of ten of the first digit of a cost that is believed."""
_EXACT = Context(prec=60)


def usage_of(payload: object, provider: str | None = None) -> Usage | None:
    """Return what a response, a chunk of a stream or a bare usage says was consumed; None where it says nothing.

    Takes objects of any library and dicts. A usage of nothing but zeros says nothing: that is how a stream
    without usage is reported.
    """
    if isinstance(payload, Usage):
        return payload
    root = _holder(payload)
    for table in _order(provider) if root is not None else ():
        usage = _read(root, table)
        if usage is not None:
            return usage
    return None


def read(payload: object, table: Table) -> Usage | None:
    """Return what a payload says in the shape of one table; None where it is not of this shape or says nothing."""
    root = _holder(payload)
    return None if root is None else _read(root, table)


def _order(provider: str | None) -> Iterable[Table]:
    if provider is None:
        return TABLES
    return sorted(TABLES, key=lambda table: provider not in table.providers)


def _read(root: Any, table: Table) -> Usage | None:
    for to_response, to_usage in table.places:
        response = _down(root, to_response)
        usage = _down(response, to_usage)
        if usage is not None and _has_any(usage, table.marks):
            return None if _has_any(usage, table.strangers) else _read_usage(response, usage, table)
    return None


def _read_usage(response: Any, usage: Any, table: Table) -> Usage | None:
    said, counts, broken = _figures(usage, table.plan)
    total = said.pop(TOTAL, None) or 0
    shrunk = _split_cache_writes(said)
    values = {name: value or 0 for name, value in said.items()}
    values["input_tokens"], values["output_tokens"] = _wholes(
        said.get("input_tokens"), said.get("output_tokens"), total
    )
    _add_what_stands_beside(values, total, table)
    tokens = {name: value for name, value in values.items() if name in _TOKENS}
    shrunk = _fit(tokens) or shrunk
    if not tokens["input_tokens"] and not tokens["output_tokens"]:
        return None
    return Usage(
        **tokens,  # type: ignore[arg-type]  # the names of the dict are those of tokens
        counts=tuple((name, Decimal(count)) for name, count in counts.items() if count),
        service_tier=_tier((response, usage), table.tiers),
        stated_cost=_stated_cost(usage, table.costs),
        clamped=shrunk or broken,
    )


def _figures(usage: Any, plan: Plan) -> tuple[dict[str, int | None], dict[str, int | None], bool]:
    """Return the fields and the counts that a usage has, and whether anything in it was broken."""
    holders, broken = [usage], False
    for above, step in plan.holders:
        found = None if holders[above] is None else _get(holders[above], step)
        holders.append(_holder(found))
        broken = broken or (found is not None and holders[-1] is None)
    figures: tuple[dict[str, int | None], dict[str, int | None]] = ({}, {})
    for read_into, reads in zip(figures, plan.reads, strict=True):
        for name, paths in reads:
            said, exact = None, True
            for number, step in paths:
                holder = holders[number]
                if holder is None:
                    continue
                value = holder.get(step) if type(holder) is dict and type(step) is str else _get(holder, step)
                if value is None:
                    continue
                # the first figure above 0 counts, else 0 where there is one
                said, exact = _whole_number(value)
                broken = broken or not exact
                if said:
                    break
            if said is not None:
                read_into[name] = said
    return *figures, broken


def _split_cache_writes(said: dict[str, int | None]) -> bool:
    """Turn the sum of cache writes into those for 5 minutes; tell whether the hour's had to shrink to fit the sum."""
    together = said.pop(ANY_CACHE_WRITE, None)
    if not together:
        return False
    hour = said.get("cache_write_1h_tokens") or 0
    said["cache_write_1h_tokens"] = min(hour, together)
    said["cache_write_tokens"] = together - min(hour, together)
    return hour > together


def _wholes(whole_input: int | None, whole_output: int | None, total: int) -> tuple[int, int]:
    """Return input and output; one that is not said is what the total leaves, all of it input where neither is."""
    if not whole_input and not whole_output:
        return total, 0
    if whole_input is None:
        return max(total - (whole_output or 0), 0), whole_output or 0
    if whole_output is None:
        return whole_input, max(total - whole_input, 0)
    return whole_input, whole_output


def _add_what_stands_beside(values: dict[str, int], total: int, table: Table) -> None:
    for whole, part in table.beside_where_total_says.items():
        if total and total == values["input_tokens"] + values["output_tokens"] + values.get(part, 0):
            values[whole] += values.get(part, 0)
    for whole, parts in table.beside.items():
        values[whole] += sum(values.get(part, 0) for part in parts)


def _fit(values: dict[str, int]) -> bool:
    """Shrink wholes to LIMIT and parts to what their whole still holds, the first part first; tell whether any was."""
    shrunk = False
    for whole, parts in PARTS_OF:
        if values[whole] > LIMIT:
            values[whole], shrunk = LIMIT, True
        left = values[whole]
        for part in parts:
            if part in values:
                if values[part] > left:
                    values[part], shrunk = left, True
                left -= values[part]
    return shrunk


def _tier(holders: Iterable[Any], names: Iterable[str]) -> str | None:
    for holder in holders:
        for name in names:
            tier = _get(holder, name)
            if isinstance(tier, str) and 0 < len(tier) <= _LONGEST_TIER:
                return str(tier)
    return None


def _stated_cost(usage: Any, costs: Iterable[StatedCost]) -> Decimal | None:
    for cost in costs:
        above, name = _parted(cost.path)
        holder = _down(usage, above)
        value = None if holder is None else _get(holder, name)
        if value is None or (cost.beside and not _has_any(usage, cost.beside)):
            continue
        if any(_get(usage, name) is True for name in cost.unless):
            continue
        dollars = _dollars(value, cost.exponent)
        if dollars is not None:
            return dollars
    return None


@functools.cache
def _parted(path: str) -> tuple[Steps, str]:
    *above, name = path.split(".")
    return tuple(above), name


def _dollars(value: object, exponent: int) -> Decimal | None:
    """Return an exact amount; None for what cannot be the cost of a call."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, int) and abs(value) > LIMIT:
        return None
    text = str(value)
    try:
        amount = Decimal(text) if len(text) <= _LONGEST_NUMBER else None
    except InvalidOperation:
        return None
    if amount is None or not amount.is_finite() or amount < 0:
        return None
    if amount and amount.adjusted() + exponent not in _COST_DIGITS:
        return None
    return amount.scaleb(exponent, _EXACT)


def _holder(value: Any) -> Any:
    """Return what names can be looked up in: a mapping, an object, or None."""
    if type(value) is dict:
        return value
    if value is None or isinstance(value, _NO_HOLDER):
        return None
    try:
        # a dict answers several times faster than a pydantic model that is asked for what it does not have
        extra = getattr(value, "__pydantic_extra__", None)
        return {**extra, **vars(value)} if isinstance(extra, dict) else value
    except Exception:  # noqa: BLE001  whatever a foreign object does when it is asked, it says nothing
        return None


def _down(holder: Any, path: Steps) -> Any:
    for step in path:
        if holder is None:
            return None
        holder = _holder(_get(holder, step))
    return holder


def _has_any(holder: Any, names: Iterable[str]) -> bool:
    for name in names:  # noqa: SIM110  a generator costs every chunk without usage a microsecond
        if _get(holder, name) is not None:
            return True
    return False


def _get(holder: Any, step: Step) -> Any:
    if type(holder) is dict and type(step) is str:
        return holder.get(step)
    try:
        if isinstance(step, tuple):
            return _pick(_get(holder, step[0]), step[1], step[2])
        return holder.get(step) if isinstance(holder, Mapping) else getattr(holder, step, None)
    except Exception:  # noqa: BLE001  as above
        return None


def _pick(items: Any, key: str, value: str) -> Any:
    """Return the item of a list whose key has a value."""
    for item in items if isinstance(items, list | tuple) else ():
        holder = _holder(item)
        if holder is not None and _get(holder, key) == value:
            return item
    return None


def _whole_number(value: object) -> tuple[int, bool]:
    """Return a count from 0 to LIMIT, and whether the value was one; a fraction is rounded, what is no number is 0."""
    if type(value) is int and 0 <= value <= LIMIT:
        return value, True
    number = _number(value)
    return (LIMIT if number > LIMIT else max(round(number), 0)), False


def _number(value: object) -> int | float | Decimal:
    """Return the number that a value is, or that a text is if it is a whole one; else 0."""
    if isinstance(value, str):
        try:
            number = float(value) if len(value) <= _LONGEST_NUMBER else 0.0
        except ValueError:
            return 0
        return number if number.is_integer() else 0
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return 0
    finite = math.isfinite(value) if isinstance(value, float) else isinstance(value, int) or value.is_finite()
    return value if finite else 0
