"""A comparison as a page: what changed, and the steps of price, volume and mix from one cost to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.lang import say, term
from meter.reports.comparison import PARTS
from meter.reports.comparison_page import lines, tables
from meter.reports.html_frame import drawings, facts, figures, foot, framed, head, text
from meter.reports.money import amount, shown
from meter.reports.steps import steps_chart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.reports.comparison import Comparison
    from meter.reports.money import Nanos


def write(comparison: Comparison, warn: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Yield the page of a comparison; what could not be drawn is told to `warn`."""
    told, ask = list(lines(comparison)), comparison.after.header.ask
    before, after = (each for name, each in told if name in {say("Before"), say("After")})
    yield from head(say("What changed"), say("{before} against {after}", before=before, after=after))
    yield figures(_figures(comparison))
    yield facts(told)
    chart = steps_chart(comparison)
    yield from drawings([chart] if chart else [], warn)
    yield from framed(say("What changed by model"), tables(comparison), sort=True, losses=False)
    yield f'<p class="dim">{text(_parts_said())}</p>\n'
    yield foot("meter report --compare", ask)


def _figures(comparison: Comparison) -> Iterator[tuple[str, str]]:
    code = comparison.after.header.ask.currency
    before, after = comparison.sum("before_nanos"), comparison.sum("after_nanos")
    yield f"{term('cost')}, {term('before')}, {code}", shown(amount(before))
    yield f"{term('cost')}, {term('after')}, {code}", shown(amount(after))
    yield f"{term('change')}, {code}", signed(after - before)
    for name in PARTS:
        yield f"{term(name)}, {code}", signed(comparison.sum(name))


def signed(nanos: Nanos) -> str:
    """Return a change with its sign."""
    return f"{'+' if nanos > 0 else ''}{shown(amount(nanos))}"


def _parts_said() -> str:
    """Return what price, volume and mix are."""
    return " ".join(
        (
            say("Price: the same tokens at what they cost now."),
            say("Volume: more or fewer tokens, at the shares and costs of before."),
            say("Mix: another share of dearer and cheaper models."),
            say("The three add up to the change."),
        )
    )
