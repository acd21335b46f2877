"""Which buckets make up a window, and that what they sum to is what is in it."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meter.entry import Entry, from_us, new_id, to_us
from meter.ledger import Query, open_ledger
from meter.ledger.rollups import DAY_US, QUARTER_US
from meter.ledger.windows import BEGIN_US, END_US, Piece, cover
from meter.usage import Usage
from tests.made import entry

if TYPE_CHECKING:
    from pathlib import Path

    from meter.ledger import Ledger

ZONES = sorted(available_timezones())
HARD_ZONES = ("Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu", "UTC")


def us(*when: int, zone: str = "UTC") -> int:
    return to_us(datetime(*when, tzinfo=ZoneInfo(zone)))  # type: ignore[arg-type, misc]  # year, month, day, …


def boundaries() -> st.SearchStrategy[int]:
    """Return instants near where something begins: a month, a day, a quarter-hour; and any others."""
    months = st.integers(0, 12 * 8_029).map(lambda n: us(1970 + n // 12, n % 12 + 1, 1))
    near = st.sampled_from((0, 1, -1, QUARTER_US, -QUARTER_US, DAY_US, -DAY_US, 37 * QUARTER_US, 12345))
    return st.builds(lambda at, step: min(max(at + step, BEGIN_US), END_US), months, near) | st.integers(
        BEGIN_US, END_US
    )


def times_counted(pieces: tuple[Piece, ...], at_us: int) -> int:
    return sum(piece.sign for piece in pieces if piece.since_us <= at_us < piece.until_us)


class TestCover:
    @settings(max_examples=1_000, deadline=None)
    @given(since=boundaries(), until=boundaries(), at=boundaries(), share=st.floats(0, 1))
    def test_an_instant_counts_once_inside_and_never_outside(
        self, since: int, until: int, at: int, share: float
    ) -> None:
        pieces = cover(since, until)
        inside = since + int((until - since) * share)
        for instant in (at, inside, since, since - 1, until, until - 1):
            assert times_counted(pieces, instant) == (since <= instant < until)

    @settings(max_examples=500, deadline=None)
    @given(since=boundaries(), until=boundaries())
    def test_pieces_lie_on_the_boundaries_of_their_level(self, since: int, until: int) -> None:
        for piece in cover(since, until):
            for edge in (piece.since_us, piece.until_us):
                at = from_us(edge)
                assert {
                    "months": (at.day, at.hour, at.minute, at.second, at.microsecond) == (1, 0, 0, 0, 0),
                    "days": edge % DAY_US == 0,
                    "quarters": edge % QUARTER_US == 0,
                    "rows": True,
                }[piece.level]

    @settings(max_examples=300, deadline=None)
    @given(since=boundaries(), until=boundaries())
    def test_no_more_than_two_half_quarters_are_read_as_rows(self, since: int, until: int) -> None:
        rows = [piece for piece in cover(since, until) if piece.level == "rows"]
        assert len(rows) <= 2
        assert all(piece.until_us - piece.since_us < QUARTER_US for piece in rows)

    def test_november_in_shanghai_is_november_and_eight_hours_at_each_end(self) -> None:
        begin, end = us(2026, 11, 1, zone="Asia/Shanghai"), us(2026, 12, 1, zone="Asia/Shanghai")
        assert cover(begin, end) == (
            Piece("months", us(2026, 11, 1), us(2026, 12, 1), 1),
            Piece("quarters", us(2026, 10, 31, 16), us(2026, 11, 1), 1),
            Piece("quarters", us(2026, 11, 30, 16), us(2026, 12, 1), -1),
        )

    def test_a_month_in_utc_is_one_bucket(self) -> None:
        assert cover(us(2026, 11, 1), us(2026, 12, 1)) == (Piece("months", us(2026, 11, 1), us(2026, 12, 1), 1),)

    def test_the_last_month_of_a_year_ends_in_the_next(self) -> None:
        (piece,) = cover(us(2026, 12, 1), us(2027, 1, 1))
        assert piece.buckets == (202612, 202701)

    def test_nearly_a_month_is_the_month_without_its_last_day(self) -> None:
        assert cover(us(2026, 11, 1), us(2026, 11, 30)) == (
            Piece("months", us(2026, 11, 1), us(2026, 12, 1), 1),
            Piece("days", us(2026, 11, 30), us(2026, 12, 1), -1),
        )

    def test_a_stretch_inside_a_quarter_hour_is_rows_alone(self) -> None:
        at = us(2026, 11, 24, 9, 30)
        assert cover(at + 1, at + 5) == (Piece("rows", at + 1, at + 5, 1),)

    def test_an_empty_or_reversed_window_has_no_pieces(self) -> None:
        assert cover(5, 5) == cover(6, 5) == ()

    def test_all_of_time_is_months_alone(self) -> None:
        assert cover(BEGIN_US, END_US) == (Piece("months", BEGIN_US, END_US, 1),)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of an empty ledger, to be copied: making one takes longer than most examples."""
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    open_ledger(path, zone="UTC").close()
    return path


def filled(empty: Path, written: list[Entry]) -> Ledger:
    path = empty.with_name(f"{new_id()}.db")
    shutil.copy(empty, path)
    ledger = open_ledger(path)
    ledger.append(written)
    return ledger


def amounts(ledger: Ledger, since: datetime, until: datetime, by: tuple[str, ...] = ()) -> Counter[tuple[object, ...]]:
    found: Counter[tuple[object, ...]] = Counter()
    for each in ledger.summarize(Query(by=by, since=since, until=until)):
        found[each.currency, *each.key, "calls"] = each.calls
        found[each.currency, *each.key, "nanos"] = each.nanos
        found[each.currency, *each.key, "input"] = each.input_tokens
    return found


def counted(written: list[Entry], since: datetime, until: datetime) -> Counter[tuple[object, ...]]:
    """Add up the entries of a window one by one."""
    found: Counter[tuple[object, ...]] = Counter()
    for each in written:
        if since <= each.at < until:
            sign = -1 if each.kind == "reversal" else 1
            found[each.currency, each.user, "calls"] += sign
            found[each.currency, each.user, "nanos"] += sign * (each.nanos or 0)
            found[each.currency, each.user, "input"] += sign * (each.usage.input_tokens if each.usage else 0)
    return found


def nonzero(sums: Counter[tuple[object, ...]]) -> dict[tuple[object, ...], int]:
    return {key: amount for key, amount in sums.items() if amount}


@st.composite
def calls(draw: st.DrawFn) -> list[Entry]:
    """Return calls close to each other and to boundaries, some of them reversals."""
    start = from_us(draw(st.integers(0, 100 * 12).map(lambda n: us(2000 + n // 12, n % 12 + 1, 1))))
    step = st.sampled_from((0, 1, -1, QUARTER_US, DAY_US, 27 * DAY_US, 30 * DAY_US, 31 * DAY_US, -DAY_US, 7 * 10**9))
    return [
        entry(
            at=start + timedelta(microseconds=draw(step) + draw(st.integers(-2, 2)) * draw(step)),
            user=draw(st.sampled_from(("alice", "bob", None))),
            kind=draw(st.sampled_from(("call", "call", "reversal"))),
            nanos=draw(st.none() | st.integers(0, 10**12)),
            currency=draw(st.sampled_from(("USD", "CNY"))),
            usage=draw(st.none() | st.integers(0, 600_000).map(lambda n: Usage(input_tokens=n))),
        )
        for _ in range(draw(st.integers(1, 12)))
    ]


class TestSums:
    @settings(max_examples=120, deadline=None)
    @given(written=calls(), data=st.data())
    def test_any_window_sums_to_what_lies_in_it(self, empty: Path, written: list[Entry], data: st.DataObject) -> None:
        ledger = filled(empty, written)
        instants = [each.at for each in written]
        edges = st.sampled_from(instants) | st.datetimes(
            min(instants).replace(tzinfo=None), max(instants).replace(tzinfo=None), timezones=st.just(UTC)
        )
        for _ in range(4):
            since, until = data.draw(edges), data.draw(edges) + data.draw(st.timedeltas(timedelta(0), timedelta(40)))
            expected = nonzero(counted(written, since, until))
            assert nonzero(amounts(ledger, since, until, ("user",))) == expected
            by_session = nonzero(amounts(ledger, since, until, ("user", "session")))  # from rows
            assert {(a, b, d): n for (a, b, _, d), n in by_session.items()} == expected
        ledger.close()

    @settings(max_examples=60, deadline=None)
    @given(written=calls(), zone=st.sampled_from(HARD_ZONES) | st.sampled_from(ZONES))
    @example(
        written=[entry(at=datetime(2026, 10, 25, hour, 30, tzinfo=UTC)) for hour in range(24)], zone="Europe/Berlin"
    )
    @example(written=[entry(at=datetime(2011, 12, 30, hour, tzinfo=UTC)) for hour in range(24)], zone="Pacific/Apia")
    def test_users_sum_to_the_whole_and_days_to_the_month_in_any_zone(
        self, empty: Path, written: list[Entry], zone: str
    ) -> None:
        ledger = filled(empty, written)
        first = min(each.at for each in written).astimezone(ZoneInfo(zone))
        begin = datetime(first.year, first.month, 1)
        days_later = (begin + timedelta(days=day) for day in range(32))
        dates = [day for day in days_later if day <= (begin + timedelta(days=31)).replace(day=1)]
        midnights = sorted({day.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for day in dates})
        month = amounts(ledger, midnights[0], midnights[-1])
        days: Counter[tuple[object, ...]] = Counter()
        for since, until in itertools.pairwise(midnights):
            days.update(amounts(ledger, since, until))
        assert nonzero(days) == nonzero(month)
        users: Counter[tuple[object, ...]] = Counter()
        for (currency, _, what), amount in amounts(ledger, midnights[0], midnights[-1], ("user",)).items():
            users[currency, what] += amount
        assert nonzero(users) == nonzero(month)
        assert nonzero(month) == nonzero(_without_users(counted(written, midnights[0], midnights[-1])))
        ledger.close()

    @settings(max_examples=60, deadline=None)
    @given(
        written=st.lists(calls(), min_size=1, max_size=4).map(lambda each: [call for some in each for call in some]),
        by=st.sampled_from(((), ("user",), ("user", "team"), ("user", "team", "model"), ("model",), ("user", "kind"))),
        most=st.sampled_from((10**9, 2**62)),
    )
    def test_years_sum_to_their_months_however_calls_are_grouped(
        self, empty: Path, written: list[Entry], by: tuple[str, ...], most: int
    ) -> None:
        """Months are summed apart first, in the order they are kept in; past 64 bits too."""
        teams = itertools.cycle(("red", "blue", None))
        written = [
            replace(each, team=next(teams), nanos=most - number, at=each.at.replace(year=2001 + number % 3, day=1))
            for number, each in enumerate(written)
        ]
        ledger = filled(empty, written)
        edges = [datetime(2001 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(37)]
        months: Counter[tuple[object, ...]] = Counter()
        for since, until in itertools.pairwise(edges):
            months.update(amounts(ledger, since, until, by))
        years = nonzero(amounts(ledger, edges[0], edges[-1], by))
        assert years == nonzero(months)
        assert sum(amount for key, amount in years.items() if key[-1] == "calls") == sum(
            -1 if each.kind == "reversal" else 1 for each in written
        )
        ledger.close()

    @pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "Asia/Kathmandu"])
    def test_an_hour_over_and_an_hour_short_of_a_month_are_told_apart(self, empty: Path, zone: str) -> None:
        begin = datetime(2026, 11, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        end = datetime(2026, 12, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        tick = timedelta(microseconds=1)
        written = [entry(at=at, nanos=1) for at in (begin - tick, begin, end - tick, end)]
        ledger = filled(empty, written)
        for since, until, expected in (
            (begin, end, 2),
            (begin - tick, end, 3),
            (begin, end + tick, 3),
            (begin + tick, end - tick, 0),
        ):
            assert sum(each.nanos for each in ledger.summarize(Query(since=since, until=until))) == expected
        ledger.close()


def _without_users(sums: Counter[tuple[object, ...]]) -> Counter[tuple[object, ...]]:
    total: Counter[tuple[object, ...]] = Counter()
    for (currency, _, what), amount in sums.items():
        total[currency, what] += amount
    return total


def test_the_first_and_the_last_instant_can_be_kept(empty: Path) -> None:
    edges = (from_us(BEGIN_US), from_us(END_US) - timedelta(microseconds=1))
    ledger = filled(empty, [replace(entry(), at=at) for at in edges])
    assert ledger.span() == edges
    assert ledger.summarize(Query())[0].calls == 2
    assert (
        ledger.summarize(Query(since=datetime(1, 1, 1, tzinfo=UTC), until=datetime.max.replace(tzinfo=UTC)))[0].calls
        == 2
    )
    ledger.close()
