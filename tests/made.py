"""Entries and holds as the tests of the ledger make them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from meter.entry import KINDS, OUTCOMES, Entry, new_id
from meter.hold import Hold, this_host, this_process
from meter.price import Price, Tier
from meter.usage.value import INPUT_KINDS, INPUT_PARTS, OUTPUT_PARTS, Usage

AT = datetime(2026, 11, 24, 9, 30, 0, 123456, tzinfo=UTC)
MAX = 2**63 - 1

MINI = Price(
    model="gpt-4o-mini",
    provider="openai",
    currency="USD",
    rates={"input": Decimal("1.5E-7"), "output": Decimal("6E-7")},
)
ERNIE = Price(
    model="ernie-4.0-8k",
    provider="baidu",
    currency="CNY",
    rates={"input": Decimal("0.00012"), "output": Decimal("0.00012")},
    tiers=(Tier(rates={"input": Decimal("0.00024")}, above_input_tokens=8_000),),
    valid_from=datetime(2023, 10, 17, tzinfo=UTC),
    note="a price list",
)


def entry(**fields: Any) -> Entry:
    """Return a call of 1,200 and 200 tokens at MINI, or what the fields say instead."""
    return Entry(
        **{
            "id": new_id(),
            "at": AT,
            "recorded_at": AT + timedelta(seconds=1),
            "outcome": "ok",
            "user": "alice",
            "model_asked": "gpt-4o-mini",
            "model": "gpt-4o-mini",
            "provider": "openai",
            "usage": Usage(input_tokens=1_200, output_tokens=200),
            "status": "priced",
            "nanos": 300_000,
            "currency": "USD",
            "price": MINI,
            **fields,
        }
    )


def hold(**fields: Any) -> Hold:
    """Return a hold of this process, or what the fields say instead."""
    return Hold(
        **{
            "id": new_id(),
            "at": AT,
            "expires_at": datetime(9999, 1, 1, tzinfo=UTC),
            "owner": this_process(),
            "host": this_host(),
            "user": "alice",
            "model_asked": "gpt-4o-mini",
            "model": "gpt-4o-mini",
            "provider": "openai",
            "counted_input_tokens": 1_190,
            "price": MINI,
            "low_nanos": 178_500,
            "high_nanos": 778_500,
            **fields,
        }
    )


def counts(most: int = MAX) -> st.SearchStrategy[int]:
    """Return counts from 0 on, small ones and those at the edge."""
    return st.integers(0, 100_000) | st.integers(0, most) | st.just(most)


@st.composite
def usages(draw: st.DrawFn, most: int = MAX) -> Usage:
    """Return any usage that keeps the rules."""
    fields: dict[str, int] = {}
    for whole, groups in (("input_tokens", (INPUT_PARTS, INPUT_KINDS)), ("output_tokens", (OUTPUT_PARTS,))):
        fields[whole] = draw(counts(most))
        for parts in groups:
            left = fields[whole]
            for part in parts:
                fields[part] = draw(st.integers(0, left))
                left -= fields[part]
    return Usage(
        **fields,
        machine_us=draw(st.none() | counts(most)),
        counts=draw(st.lists(st.tuples(st.text(), amounts()), max_size=2).map(tuple)),
        service_tier=draw(texts()),
        source=draw(st.sampled_from(("provider", "counted", "mixed"))),
        stated_cost=draw(st.none() | amounts()),
        clamped=draw(st.booleans()),
    )


def amounts() -> st.SearchStrategy[Decimal]:
    """Return exact amounts from 0 on."""
    return st.decimals(0, 10**12, allow_nan=False, places=12)


def texts() -> st.SearchStrategy[str | None]:
    """Return any text that is text, and none."""
    return st.none() | st.text()


def instants(
    since: datetime = datetime(1970, 1, 1), until: datetime = datetime(9999, 11, 30)
) -> st.SearchStrategy[datetime]:
    """Return instants in UTC, to the microsecond."""
    return st.datetimes(since, until, timezones=st.just(UTC))


@st.composite
def entries(draw: st.DrawFn, at: st.SearchStrategy[datetime] | None = None, most: int = MAX) -> Entry:
    """Return any entry; ids and source keys are new each time."""
    nanos = st.none() | st.integers(-most, most)
    key = draw(texts())
    return Entry(
        id=new_id(),
        at=draw(instants() if at is None else at),
        recorded_at=draw(instants()),
        outcome=draw(st.sampled_from(OUTCOMES)),
        kind=draw(st.sampled_from(KINDS)),
        corrects=draw(st.none() | st.uuids()),
        source=draw(st.sampled_from(("meter", "llm", "", "\x00"))),
        source_key=None if key is None else f"{key}{new_id()}",
        environment=draw(st.sampled_from(("default", "test", ""))),
        host=draw(st.text()),
        user=draw(st.sampled_from(("alice", "bob", None, "")) | texts()),
        claimed_user=draw(texts()),
        team=draw(st.sampled_from((None, "red"))),
        session=draw(st.sampled_from((None, "s1", "s2"))),
        purpose=draw(st.sampled_from((None, "chat", "title"))),
        tags=draw(st.lists(st.text(max_size=3), max_size=3).map(tuple)),
        model_asked=draw(st.text()),
        model=draw(st.sampled_from(("gpt-4o-mini", "ernie-4.0-8k", ""))),
        provider=draw(st.sampled_from(("openai", "baidu", ""))),
        response_id=draw(texts()),
        attempts=draw(st.integers(0, 5)),
        usage=draw(st.none() | usages(most)),
        counted_input_tokens=draw(st.none() | counts()),
        counted_output_tokens=draw(st.none() | counts()),
        status=draw(st.sampled_from(("priced", "free", "partial", "unpriced", "stated"))),
        nanos=draw(nanos),
        currency=draw(st.sampled_from((None, "USD", "CNY"))),
        price=draw(st.sampled_from((None, MINI, ERNIE))),
        low_nanos=draw(nanos),
        high_nanos=draw(nanos),
        error=draw(texts()),
        latency_ms=draw(st.none() | counts(most)),
        first_token_ms=draw(st.none() | counts()),
        overhead_us=draw(st.none() | counts()),
        flags=draw(st.lists(st.text() | st.just("mock"), max_size=3).map(lambda flags: tuple(sorted(flags)))),
    )
