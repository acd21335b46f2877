"""Reading what a call consumed from what a provider, or litellm, answered: one mechanism over tables.

Nothing a response holds makes it fail. What breaks the rules of Usage is brought back inside them and flagged
(`clamped`): a count that is negative, text, no number, a fraction or beyond LIMIT, a part larger than its whole, a
list where names belong. None is what a library writes for "not said", so it is absent, not an error.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meter.usage.answer import bears
from meter.usage.holder import down, each, get, has_any, holder_of, text_of
from meter.usage.number import LIMIT, dollars, quantity, whole_number
from meter.usage.tables import MOST_NAMES, fitting, ordered
from meter.usage.value import Usage
from meter.usage.wholes import whole_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Set

    from meter.usage.paths import Step
    from meter.usage.table import Table

    Said = dict[str, int | None]

_LONGEST_TIER = 64
_COMMON_TIERS = frozenset({"default", "standard"})
"""Tiers that are not worth a word beside a special one."""
_NO_TIER = "auto"
"""What was asked for while nobody knows what will be served."""


def usage_of(payload: object, provider: str | None = None) -> Usage | None:
    """Return what a response, a stream or a bare usage says was consumed; None where it says nothing.

    Takes objects of any library and dicts, one event of a stream, a list of all its events, and a body as it came:
    JSON, server-sent events, a line of JSON per event. A usage of nothing but zeros says nothing: that is how a stream
    without usage is reported.
    """
    if isinstance(payload, Usage):
        return payload
    if isinstance(payload, list | str | bytes):
        from meter.usage.streams import usage_of_stream

        return usage_of_stream(payload, provider)
    root = holder_of(payload)
    if root is None:
        return None
    if type(root) is dict and root.get("usage") is not None:
        # that the first table fits is so common that it is tried before names are compared
        usage = read(root, ordered(provider)[0])
        if usage is not None:
            return usage
    usages = (read(root, table) for table in fitting(root, provider))
    return next((usage for usage in usages if usage is not None), None)


def read(payload: object, table: Table) -> Usage | None:
    """Return what a payload says in the shape of one table; None where it is not of this shape or says nothing."""
    found = find(holder_of(payload), table)
    return None if found is None else usage_from(*found, table)


def find(root: Any, table: Table) -> tuple[Any, Any] | None:
    """Return the response and the usage that stand in a payload of a table's shape; None where it is of another."""
    if root is None or (table.signed and not bears(root, table.answer)):
        return None
    for to_response, places in table.places:
        response = down(root, to_response) if to_response else root
        for to_usage in places if response is not None else ():
            usage = down(response, to_usage) if to_usage else response
            if usage is not None and has_any(usage, table.marks):
                return None if has_any(usage, table.strangers) else (response, usage)
    return None


def usage_from(
    response: Any, usage: Any, table: Table, seen: Mapping[str, Set[str]] | None = None, model: object = None
) -> Usage | None:
    """Return the Usage of a usage that stands in a response; `seen` are the texts that a stream had to be counted."""
    said, counts, broken = _figures(response, usage, table)
    if table.distinct:
        _count_distinct(counts, table, texts_seen(response, table) if seen is None else seen, response, model)
    for part, payers in table.unbilled_with.items():
        if any(counts.get(payer) for payer in payers):
            said.pop(part, None)
    tokens, shrunk = whole_tokens(said, table)
    named = tuple((name, count) for name, count in counts.items() if count) if counts else ()
    if not (tokens.get("input_tokens") or tokens.get("output_tokens") or named):
        return None
    return Usage(
        **tokens,
        counts=named,
        service_tier=tier_of((response, usage) if usage is not response else (usage,), table),
        stated_cost=_stated_cost(usage, table),
        clamped=shrunk or broken,
    )


def texts_seen(response: Any, table: Table) -> dict[str, set[str]]:
    """Return the different texts of a response that are counted, by the name they are counted under."""
    seen: dict[str, set[str]] = {}
    for name, distinct in table.distinct.items():
        found = {text for path in distinct.steps for text in each(response, path) if isinstance(text, str) and text}
        if found and not any(each(response, path) for path in distinct.unless_steps):
            seen[name] = found
    return seen


def _count_distinct(
    counts: dict[str, Decimal], table: Table, seen: Mapping[str, Set[str]], response: Any, model: object
) -> None:
    for name, found in seen.items():
        if not counts.get(name):
            limit = table.distinct[name].limit(model or _first_text(response, table.answer.model))
            counts[name] = Decimal(len(found) if limit is None else min(limit, len(found)))


def _first_text(root: Any, names: Iterable[str]) -> str | None:
    return next((text for name in names if (text := get(root, name)) and isinstance(text, str)), None)


def _figures(response: Any, usage: Any, table: Table) -> tuple[Said, dict[str, Decimal], bool]:
    """Return the fields and the counts that a usage has, and whether anything in it was broken."""
    said, counts, broken = _read_plan(usage, table)
    for path in table.further_steps if table.further else ():
        for more in each(usage, path):
            added, _, also_broken = _read_plan(holder_of(more), table)
            broken = broken or also_broken
            for name, value in added.items():
                said[name] = (said.get(name) or 0) + (value or 0)
    if table.counts_in_response:
        holders, broken = _holders(response, table.response_plan.holders, broken)
        broken = _quantities(holders, table.response_plan.reads[0], counts) or broken
    return said, counts, broken


def _read_plan(usage: Any, table: Table) -> tuple[Said, dict[str, Decimal], bool]:
    plan = table.plan_for(usage) if type(usage) is dict and len(usage) <= MOST_NAMES else table.plan
    holders, broken = _holders(usage, plan.holders, False) if plan.holders else ([usage], False)
    fields, counted = plan.reads
    said: Said = {}
    for name, paths in fields:
        for number, step in paths:
            holder = holders[number]
            if holder is None:
                continue
            value = holder.get(step) if type(holder) is dict else get(holder, step)
            if value is None:
                continue
            if type(value) is int and 0 <= value <= LIMIT:
                said[name] = value
            else:
                count, exact = whole_number(value, lenient=table.lenient)
                said[name], broken = count, broken or not exact
            if said[name]:
                break
    counts: dict[str, Decimal] = {}
    return said, counts, (bool(counted) and _quantities(holders, counted, counts)) or broken


def _holders(root: Any, wanted: Iterable[tuple[int, Step]], broken: bool) -> tuple[list[Any], bool]:
    """Return the holders of a plan, the root first, and whether something stood where one belongs."""
    holders = [root]
    for above, step in wanted:
        parent = holders[above]
        if parent is None:
            found = None
        elif isinstance(step, str):
            found = parent.get(step) if type(parent) is dict else get(parent, step)
        else:
            found = down(parent, (step,))
        if found is not None:
            found = holder_of(found)
            broken = broken or found is None
        holders.append(found)
    return holders, broken


def _quantities(holders: list[Any], reads: Iterable[tuple[str, Any]], counts: dict[str, Decimal]) -> bool:
    """Add the quantities of a plan to the counts; tell whether one of them was none."""
    broken = False
    for name, paths in reads:
        for number, step in paths:
            holder = holders[number]
            if holder is None:
                continue
            value = holder.get(step) if type(holder) is dict else get(holder, step)
            if value is None:
                continue
            count, exact = quantity(value)
            broken = broken or not exact
            if count:
                counts[name] = count
                break
    return broken


def tier_of(holders: Iterable[Any], table: Table) -> str | None:
    """Return the tier that served, as prices call it: every special one, in words, before a common one."""
    common, special = None, None
    for holder in holders:
        if type(holder) is dict and holder.keys().isdisjoint(table.tier_doors):
            continue
        for above, name in table.tier_steps:
            where = down(holder, above) if above else holder
            tier = None if where is None else get(where, name)
            if tier is None:
                continue
            tier = text_of(tier)
            tier = table.tier_names.get(tier, tier) if tier else None
            if not tier or tier == _NO_TIER or len(tier) > _LONGEST_TIER:
                continue
            if tier in _COMMON_TIERS:
                common = common or tier
            elif special is None:
                special = tier
            elif tier not in special.split():
                special = f"{special} {tier}"
    return special or common


def _stated_cost(usage: Any, table: Table) -> Decimal | None:
    if type(usage) is dict and table.cost_doors.isdisjoint(usage):
        return None
    for above, name, cost in table.cost_steps:
        holder = down(usage, above) if above else usage
        value = None if holder is None else get(holder, name)
        if value is None or (cost.beside and not has_any(usage, cost.beside)):
            continue
        if any(get(usage, name) is True for name in cost.unless):
            continue
        amount = dollars(value, cost.exponent)
        if amount is not None:
            return amount
    return None
