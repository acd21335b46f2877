"""Snapshot: a price as a ledger keeps it, for ever: JSON that names only what the price says."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from meter.errors import InvalidPrice, suggest
from meter.price.hours import Hours
from meter.price.rate import EXACT
from meter.price.value import Price, Tier

if TYPE_CHECKING:
    from collections.abc import Mapping

ALWAYS = ("model", "provider", "currency", "rates", "tiers", "valid_from", "valid_to", "source", "note")
"""Fields that stand in every snapshot; the others only where they say something."""
OTHERS = ("hours", "names_kinds", "least", "unknown", "discount", "published", "user", "team", "same_as")
TIER = ("above_input_tokens", "service_tier", "rates", "factor")


def written(price: Price) -> str:
    """Return the snapshot of a price: the same text for the same price."""
    return json.dumps(_data(price), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def read(text: str) -> Price:
    """Return the price of a snapshot; raise InvalidPrice for a text that is none."""
    try:
        return _price(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
        if isinstance(error, InvalidPrice):
            raise
        raise InvalidPrice(f"The price {text[:100]!r} cannot be read ({error!r}).") from None


def _data(price: Price) -> dict[str, Any]:
    data: dict[str, Any] = {
        "model": price.model,
        "provider": price.provider,
        "currency": price.currency,
        "rates": _rates_out(price.rates),
        "tiers": [_tier_out(tier) for tier in price.tiers],
        "valid_from": price.valid_from and price.valid_from.isoformat(),
        "valid_to": price.valid_to and price.valid_to.isoformat(),
        "source": price.source,
        "note": price.note,
    }
    others = {
        "hours": [hours.to_data() for hours in price.hours],
        "names_kinds": price.names_kinds,
        "least": _rates_out(price.least),
        "unknown": dict(price.unknown),
        "discount": None if price.discount is None else _plain(price.discount),
        "published": price.published and _data(price.published),
        "user": price.user,
        "team": price.team,
        "same_as": price.same_as,
    }
    return data | {name: value for name, value in others.items() if value}


def _price(data: dict[str, Any]) -> Price:
    _warn_of_unknown(data, (*ALWAYS, *OTHERS))
    published = data.get("published")
    return Price(
        **{name: data[name] for name in ("model", "provider", "currency", "source", "note")},
        **{name: data[name] for name in ("names_kinds", "unknown", "user", "team", "same_as") if name in data},
        rates=_rates_in(data["rates"]),
        tiers=tuple(map(_tier_in, data["tiers"])),
        least=_rates_in(data.get("least", {})),
        valid_from=_instant(data["valid_from"]),
        valid_to=_instant(data["valid_to"]),
        hours=tuple(map(Hours.from_data, data.get("hours", ()))),
        discount=Decimal(data["discount"]) if "discount" in data else None,
        published=_price(published) if published else None,
    )


def _tier_out(tier: Tier) -> dict[str, Any]:
    data = {
        "above_input_tokens": tier.above_input_tokens,
        "service_tier": tier.service_tier,
        "rates": _rates_out(tier.rates),
    }
    return data if tier.factor is None else data | {"factor": _plain(tier.factor)}


def _tier_in(data: dict[str, Any]) -> Tier:
    _warn_of_unknown(data, TIER)
    return Tier(
        above_input_tokens=data["above_input_tokens"],
        service_tier=data["service_tier"],
        rates=_rates_in(data["rates"]),
        factor=Decimal(data["factor"]) if "factor" in data else None,
    )


def _rates_out(rates: Mapping[str, Decimal]) -> dict[str, str]:
    return {item: _plain(rate) for item, rate in rates.items()}


def _rates_in(rates: Mapping[str, str]) -> dict[str, Decimal]:
    return {item: Decimal(rate) for item, rate in rates.items()}


def _plain(number: Decimal) -> str:
    # 0.150 and 0.15 are the same rate and leave the same text
    return format(number.normalize(EXACT), "f")


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _warn_of_unknown(data: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = [f'"{key}".{suggest(key, known)}' for key in sorted(data.keys() - set(known))]
    if unknown:
        import logging

        logging.getLogger("meter").warning(
            "A price says what this meter does not understand and leaves out: %s", " ".join(unknown)
        )
