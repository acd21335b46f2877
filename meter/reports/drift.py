"""Drift: how far our own count of tokens is from the provider's, model by model, and the factor that corrects it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meter.calibration import FEW, LAST, has_both, ratio
from meter.lang import say
from meter.ledger.query import Query
from meter.reports.render import Column, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from decimal import Decimal

    from meter.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The counts of one model's requests."""

    model: str
    provider: str
    calls: int
    """Calls that have both counts."""
    counted: int
    """Tokens of the requests by our own count."""
    stated: int
    """Tokens of the same requests by the provider's."""
    low: Decimal
    """The ratio of a call, the provider's count by ours, that 5 % of calls are below."""
    high: Decimal
    """The one that 5 % are above."""

    @property
    def factor(self) -> Decimal:
        """What our count is multiplied with to be the provider's, over all calls."""
        return ratio(self.stated, self.counted)

    def record(self) -> dict[str, Any]:
        """Return it as JSON and CSV have it."""
        return {
            "model": self.model or None,
            "provider": self.provider or None,
            "calls": self.calls,
            "counted_tokens": self.counted,
            "provider_tokens": self.stated,
            "factor": self.factor,
            "p5": self.low,
            "p95": self.high,
            "enough": self.calls >= FEW,
        }


def drift(ledger: Ledger) -> list[Drift]:
    """Return the models of the newest calls that have both counts, the most calls first."""
    pairs: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for entry in ledger.entries(Query(), limit=LAST, newest_first=True):
        if has_both(entry) and entry.usage and entry.counted_input_tokens:
            pairs[entry.model, entry.provider].append((entry.counted_input_tokens, entry.usage.input_tokens))
    found = [_of(model, provider, both) for (model, provider), both in pairs.items()]
    return sorted(found, key=lambda each: (-each.calls, each.model, each.provider))


def screen(found: Iterable[Drift]) -> Iterator[str]:
    """Yield it for people."""
    each = list(found)
    if not each:
        yield say("No call has both our count of its request and the provider's.") + "\n"
        return
    yield table(COLUMNS, [one.record() for one in each]) + "\n"
    yield say("The factor is the provider's count by ours; 5 % of calls are below p5, 5 % above p95.") + "\n"
    yield say("What is counted or reserved for a model is multiplied with its factor.") + "\n"
    if any(one.calls < FEW for one in each):
        yield say("With fewer than {calls} calls it says little, and no estimate uses it.", calls=FEW) + "\n"


COLUMNS = (
    Column("model"),
    Column("provider"),
    Column("calls", kind="count"),
    Column("counted_tokens", "counted\nby us", "count"),
    Column("provider_tokens", "by the\nprovider", "count"),
    Column("factor", kind="rate"),
    Column("p5", kind="rate"),
    Column("p95", kind="rate"),
)


def _of(model: str, provider: str, both: list[tuple[int, int]]) -> Drift:
    ratios = sorted(ratio(stated, counted) for counted, stated in both)
    return Drift(
        model=model,
        provider=provider,
        calls=len(both),
        counted=sum(counted for counted, _ in both),
        stated=sum(stated for _, stated in both),
        low=_percentile(ratios, 5),
        high=_percentile(ratios, 95),
    )


def _percentile(ordered: list[Decimal], percent: int) -> Decimal:
    """Return a percentile by nearest rank."""
    return ordered[max(0, (len(ordered) * percent - 1) // 100)]
