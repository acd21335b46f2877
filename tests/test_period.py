from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meter.errors import InvalidTime
from meter.period import (
    Interval,
    Window,
    boundary,
    month_of,
    month_window,
    nth_period,
    parse_instant,
    period_at,
    show,
    split,
    utc,
)

US = timedelta(microseconds=1)
HOUR = timedelta(hours=1)

# skipped midnights, a skipped day, clocks set back over midnight, half hours, and one without any of it
HARD_ZONES = (
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Beirut",
    "Pacific/Apia",
    "America/St_Johns",
    "America/Havana",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Asia/Shanghai",
    "UTC",
)

zones = st.one_of(st.sampled_from(HARD_ZONES), st.sampled_from(sorted(available_timezones() - {"localtime"})))
instants = st.datetimes(datetime(1971, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
steady = settings(deadline=None, max_examples=200)
intervals = st.builds(Interval, st.sampled_from(["day", "week", "month", "year"]), st.integers(1, 3))


def at(text: str) -> datetime:
    """Return a UTC instant; a text without offset is UTC."""
    return parse_instant(text, "UTC")


class TestParseInstant:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-11-24", "2026-11-23T16:00:00+00:00"),
            ("2026-11-24T10:00", "2026-11-24T02:00:00+00:00"),
            ("2026-11-24 10:00:30", "2026-11-24T02:00:30+00:00"),
            ("2026-11-24T10:00:30.25", "2026-11-24T02:00:30.250000+00:00"),
            ("2026-11-24T10:00Z", "2026-11-24T10:00:00+00:00"),
            ("2026-11-24T10:00-05:30", "2026-11-24T15:30:00+00:00"),
            ("1970-01-01", "1969-12-31T16:00:00+00:00"),
            ("9998-12-31T23:59-12:00", "9999-01-01T11:59:00+00:00"),
        ],
    )
    def test_dates_and_instants_are_read_in_the_zone_unless_they_say_their_own(self, text: str, expected: str) -> None:
        found = parse_instant(text, "Asia/Shanghai")
        assert found.isoformat() == expected
        assert found.tzinfo is UTC

    def test_now_is_this_instant(self) -> None:
        before = datetime.now(UTC)
        assert before <= parse_instant("now", "Asia/Shanghai") <= datetime.now(UTC)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "yesterday",
            "2026-11",
            "20261124",
            "2026-W48-2",
            "24.11.2026",
            "2026-1-1",
            "2026-11-24Z",
            "NOW",
            " 2026-11-24",
            "2026-11-24\n",
            "２０２６-11-24",
            "2026-11-24T10",
            "2026-11-24T10:00:00.1234567",
            "2026-11-24T10:00+8",
        ],
    )
    def test_other_text_is_refused_with_the_value_and_an_example(self, text: str) -> None:
        with pytest.raises(InvalidTime, match="give one like 2026-11-24") as caught:
            parse_instant(text, "UTC")
        assert f'"{text}"' in str(caught.value)

    @pytest.mark.parametrize("text", ["2026-02-29", "2026-13-01", "2026-11-24T24:01", "2026-11-24T10:00+24:00"])
    def test_dates_and_times_that_no_calendar_has_are_refused(self, text: str) -> None:
        with pytest.raises(InvalidTime, match="does not exist") as caught:
            parse_instant(text, "UTC")
        assert text in str(caught.value)

    @pytest.mark.parametrize("text", ["0000-01-01", "0001-01-01", "1969-12-31", "9999-01-01", "9999-12-31T23:59-12:00"])
    def test_years_outside_1970_to_9998_are_refused(self, text: str) -> None:
        with pytest.raises(InvalidTime, match="outside the years 1970 to 9998"):
            parse_instant(text, "UTC")

    def test_unknown_zone_is_refused(self) -> None:
        with pytest.raises(InvalidTime, match="no time zone"):
            parse_instant("2026-11-24", "Mars/Olympus")

    def test_skipped_local_time_is_the_first_instant_after_the_gap(self) -> None:
        # Berlin's clock jumps from 02:00 to 03:00 at 01:00 UTC, Sao Paulo's from 00:00 to 01:00 at 03:00 UTC
        assert parse_instant("2026-03-29T02:00", "Europe/Berlin") == at("2026-03-29T01:00")
        assert parse_instant("2026-03-29T02:30", "Europe/Berlin") == at("2026-03-29T01:00")
        assert parse_instant("2026-03-29T02:59:59.999999", "Europe/Berlin") == at("2026-03-29T01:00")
        assert parse_instant("2026-03-29T03:00", "Europe/Berlin") == at("2026-03-29T01:00")
        assert parse_instant("2018-11-04", "America/Sao_Paulo") == at("2018-11-04T03:00")

    def test_repeated_local_time_is_its_first_pass(self) -> None:
        assert parse_instant("2026-10-25T02:30", "Europe/Berlin") == at("2026-10-25T00:30")

    @steady
    @given(zones, instants, st.timedeltas(timedelta(), timedelta(days=2)))
    def test_local_time_is_the_first_instant_whose_clock_shows_it_or_later(
        self, name: str, near: datetime, earlier: timedelta
    ) -> None:
        """Pitfall 37: local times are never counted twice nor lost where the clock jumps."""
        wall = near.replace(tzinfo=None)
        found = parse_instant(wall.isoformat(), name)
        clock = ZoneInfo(name)
        assert found.astimezone(clock).replace(tzinfo=None) >= wall
        assert (found - US - earlier).astimezone(clock).replace(tzinfo=None) < wall


class TestWindow:
    def test_end_before_the_beginning_is_refused(self) -> None:
        with pytest.raises(InvalidTime, match="ends 2026-11-01 08:00 before it begins 2026-11-02 08:00"):
            Window(at("2026-11-02"), at("2026-11-01"), "Asia/Shanghai")

    def test_empty_window_holds_nothing(self) -> None:
        empty = Window(at("2026-11-02"), at("2026-11-02"), "UTC")
        assert at("2026-11-02") not in empty
        assert split(empty, "day") == []

    def test_window_is_half_open(self) -> None:
        day = Window(at("2026-11-01"), at("2026-11-02"), "UTC")
        assert day.since in day
        assert day.until - US in day
        assert day.until not in day

    def test_instants_become_utc_and_need_a_zone(self) -> None:
        shanghai = ZoneInfo("Asia/Shanghai")
        window = Window(datetime(2026, 11, 1, 8, tzinfo=shanghai), datetime(2026, 11, 1, 9, tzinfo=shanghai), "UTC")
        assert window.since == at("2026-11-01")
        assert window.since.tzinfo is UTC
        with pytest.raises(InvalidTime, match="has no zone"):
            utc(datetime(2026, 11, 1))

    def test_unknown_zone_is_refused(self) -> None:
        with pytest.raises(InvalidTime, match="no time zone"):
            Window(at("2026-11-01"), at("2026-11-02"), "Asia/Nowhere")

    @pytest.mark.parametrize(
        ("since", "until", "label"),
        [
            ("2026-11-01", "2026-12-01", "2026-11"),
            ("2026-11-01", "2026-11-02", "2026-11-01"),
            ("2026-11-23", "2026-11-30", "2026-W48"),
            ("2026-01-01", "2027-01-01", "2026"),
            ("2026-11-01", "2026-11-15", "2026-11-01 until 2026-11-15"),
            ("2026-11-01", "2026-11-24T10:30", "2026-11-01 until 2026-11-24 10:30"),
            ("2026-11-01T00:00:01", "2026-11-01T00:00:01.5", "2026-11-01 00:00:01 until 2026-11-01 00:00:01.500000"),
        ],
    )
    def test_label_is_the_shortest_true_name(self, since: str, until: str, label: str) -> None:
        name = "Asia/Shanghai"
        assert Window(parse_instant(since, name), parse_instant(until, name), name).label == label

    def test_instant_is_shown_as_the_zones_clock_shows_it(self) -> None:
        assert show(at("2026-10-31T16:00"), "Asia/Shanghai") == "2026-11-01"
        assert show(at("2026-10-31T16:00"), "UTC") == "2026-10-31 16:00"


class TestMonths:
    def test_month_ends_where_the_zone_says(self) -> None:
        """Pitfall 37: November in Shanghai begins eight hours before November in UTC."""
        month = month_window("2026-11", "Asia/Shanghai")
        assert (month.since, month.until) == (at("2026-10-31T16:00"), at("2026-11-30T16:00"))

    def test_december_ends_with_the_year(self) -> None:
        assert month_window("2026-12", "UTC").until == at("2027-01-01")

    @pytest.mark.parametrize(
        "text", ["2026-1", "2026-13", "2026-00", "2026", "2026-11-01", "11/2026", "", "２０２６-11"]
    )
    def test_what_is_no_month_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidTime, match="like 2026-11 or 2026-01") as caught:
            month_window(text, "UTC")
        assert f'"{text}"' in str(caught.value)

    @pytest.mark.parametrize("text", ["1969-12", "9999-01", "0000-01"])
    def test_month_outside_the_years_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidTime, match="outside the years"):
            month_window(text, "UTC")

    def test_month_of_a_repeated_midnight_follows_its_first_pass(self) -> None:
        # St John's set its clock back from 00:01 on 1 November 2009 to 23:01 on 31 October
        november = parse_instant("2009-11-01", "America/St_Johns")
        assert month_of(november - US, "America/St_Johns").label == "2009-10"
        for minutes in (0, 1, 30, 90):
            assert month_of(november + timedelta(minutes=minutes), "America/St_Johns").label == "2009-11"

    @steady
    @given(zones, instants)
    def test_every_instant_is_in_one_month(self, name: str, when: datetime) -> None:
        """Pitfall 37: months tile the time line in every zone."""
        month = month_of(when, name)
        assert when in month
        assert month_window(month.label, name) == month
        assert month_of(month.since - US, name).until == month.since
        assert month_of(month.until, name).since == month.until


class TestSplit:
    @pytest.mark.parametrize(
        ("name", "day", "hours"),
        [
            ("Europe/Berlin", "2026-03-29", 23),
            ("Europe/Berlin", "2026-10-25", 25),
            ("America/Sao_Paulo", "2018-11-04", 23),
            ("America/Sao_Paulo", "2018-02-17", 25),
            ("Africa/Cairo", "2024-04-26", 23),
            ("Africa/Cairo", "2024-10-31", 25),
            ("Asia/Beirut", "2024-03-31", 23),
            ("Australia/Lord_Howe", "2026-04-05", 24.5),
            ("Asia/Shanghai", "2026-03-29", 24),
        ],
    )
    def test_day_is_as_long_as_its_zone_makes_it(self, name: str, day: str, hours: float) -> None:
        """Pitfall 37: days of 23 and 25 hours, midnights that do not exist."""
        days = dict(split(month_window(day[:7], name), "day"))
        assert days[day].until - days[day].since == hours * HOUR

    def test_day_that_the_zone_skipped_has_no_piece(self) -> None:
        """Pitfall 37: Samoa had no 30 December 2011."""
        month = month_window("2011-12", "Pacific/Apia")
        labels = [label for label, _ in split(month, "day")]
        assert labels[-2:] == ["2011-12-29", "2011-12-31"]
        assert len(labels) == 30
        assert month.until - month.since == timedelta(days=30)

    def test_weeks_are_iso_weeks_clipped_to_the_window(self) -> None:
        # 30 December 2026 is a Wednesday
        pieces = split(Window(at("2026-12-30"), at("2027-01-13T12:00"), "UTC"), "week")
        assert [(label, show(piece.since, "UTC"), show(piece.until, "UTC")) for label, piece in pieces] == [
            ("2026-W53", "2026-12-30", "2027-01-04"),
            ("2027-W01", "2027-01-04", "2027-01-11"),
            ("2027-W02", "2027-01-11", "2027-01-13 12:00"),
        ]

    def test_first_piece_of_a_window_that_begins_on_a_repeated_date_is_the_next_day(self) -> None:
        repeated = parse_instant("2009-11-01", "America/St_Johns") + timedelta(minutes=30)
        assert show(repeated, "America/St_Johns") == "2009-10-31 23:30"
        assert [label for label, _ in split(Window(repeated, repeated + HOUR, "America/St_Johns"), "day")] == [
            "2009-11-01"
        ]

    @steady
    @given(zones, instants, st.timedeltas(US, timedelta(days=70)), st.sampled_from(["day", "week", "month"]))
    def test_pieces_tile_the_window(self, name: str, since: datetime, length: timedelta, unit: str) -> None:
        """Pitfall 37: the days add up to the month, daylight-saving days included."""
        window = Window(since, since + length, name)
        pieces = split(window, unit)  # type: ignore[arg-type]  # hypothesis gives plain text
        assert pieces[0][1].since == window.since
        assert pieces[-1][1].until == window.until
        for (label, piece), (next_label, following) in pairwise(pieces):
            assert piece.until == following.since
            assert label < next_label
        assert all(piece.since < piece.until for _, piece in pieces)

    @pytest.mark.parametrize("name", HARD_ZONES)
    def test_days_are_the_dates_of_the_zones_clock(self, name: str) -> None:
        """Pitfall 37: an hour is counted on the date that its user's clock shows."""
        window = Window(at("2009-01-01"), at("2012-03-01"), name)
        days = split(window, "day")
        noon = [piece.since + (piece.until - piece.since) / 2 for _, piece in days]
        assert [label for label, _ in days] == [show(when, name)[:10] for when in noon]


class TestInterval:
    def test_interval_is_said_in_words(self) -> None:
        assert str(Interval("month")) == "month"
        assert str(Interval("month", 3)) == "3 months"

    def test_unknown_unit_names_the_nearest(self) -> None:
        with pytest.raises(InvalidTime, match=r'"monthly" is no unit .* Did you mean "month"'):
            Interval("monthly")  # type: ignore[arg-type]  # as a command line may give it

    @pytest.mark.parametrize("count", [0, -1, 1001, 1.5, True, "2"])
    def test_count_that_is_no_whole_number_from_1_to_1000_is_refused(self, count: int) -> None:
        with pytest.raises(InvalidTime, match="whole number from 1 to 1000"):
            Interval("month", count)


class TestBoundary:
    def test_31st_becomes_the_last_day_of_short_months_and_the_31st_again(self) -> None:
        """Pitfall 38: boundaries are counted from the anchor, they do not creep to the 28th."""
        days = [show(boundary(at("2026-01-31"), Interval("month"), n, "UTC"), "UTC") for n in range(13)]
        assert days == [
            *("2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30", "2026-07-31"),
            *("2026-08-31", "2026-09-30", "2026-10-31", "2026-11-30", "2026-12-31", "2027-01-31"),
        ]

    def test_leap_day_comes_back_every_four_years(self) -> None:
        days = [show(boundary(at("2096-02-29"), Interval("year"), n, "UTC"), "UTC") for n in (1, 4, 8)]
        assert days == ["2097-02-28", "2100-02-28", "2104-02-29"]

    def test_anchors_day_is_the_zones_day(self) -> None:
        # midnight of 31 January in Shanghai is 30 January in UTC
        anchor = parse_instant("2026-01-31", "Asia/Shanghai")
        assert boundary(anchor, Interval("month"), 1, "Asia/Shanghai") == parse_instant("2026-02-28", "Asia/Shanghai")
        assert boundary(anchor, Interval("month"), 2, "Asia/Shanghai") == parse_instant("2026-03-31", "Asia/Shanghai")

    def test_local_time_of_day_stays_through_daylight_saving(self) -> None:
        anchor = parse_instant("2026-01-15T09:30", "Europe/Berlin")
        assert boundary(anchor, Interval("month"), 6, "Europe/Berlin") == at("2026-07-15T07:30")

    def test_boundary_in_a_gap_is_its_end_and_in_a_repeated_hour_the_first_pass(self) -> None:
        spring = parse_instant("2026-03-28T02:30", "Europe/Berlin")
        assert boundary(spring, Interval("day"), 1, "Europe/Berlin") == at("2026-03-29T01:00")
        assert boundary(spring, Interval("day"), 2, "Europe/Berlin") == at("2026-03-30T00:30")
        autumn = parse_instant("2026-10-24T02:30", "Europe/Berlin")
        assert boundary(autumn, Interval("day"), 1, "Europe/Berlin") == at("2026-10-25T00:30")

    def test_anchor_in_the_second_pass_of_a_repeated_hour_stays_itself(self) -> None:
        anchor = at("2026-10-25T01:30")
        assert boundary(anchor, Interval("day"), 0, "Europe/Berlin") == anchor
        assert period_at(anchor, Interval("day"), anchor, "Europe/Berlin").since == anchor
        assert boundary(anchor, Interval("day"), 1, "Europe/Berlin") == at("2026-10-26T01:30")

    def test_boundary_after_the_last_year_is_refused(self) -> None:
        for unit in ("day", "month", "year"):
            with pytest.raises(InvalidTime, match="after the year 9998"):
                boundary(at("9998-01-01"), Interval(unit, 1000), 1, "UTC")

    def test_instant_before_the_anchor_has_no_period(self) -> None:
        with pytest.raises(InvalidTime, match="before the first period"):
            period_at(at("2026-11-01"), Interval("month"), at("2026-11-01") - US, "UTC")

    def test_instants_at_a_boundary_are_in_the_period_that_begins(self) -> None:
        anchor, month = at("2026-01-31"), Interval("month")
        begins = at("2026-02-28")
        assert nth_period(anchor, month, begins - US, "UTC")[0] == 0
        assert nth_period(anchor, month, begins, "UTC") == (1, begins, at("2026-03-31"))
        assert nth_period(anchor, month, begins + US, "UTC")[0] == 1


class TestTiling:
    @steady
    @given(zones, instants, intervals, st.timedeltas(timedelta(), timedelta(days=2000)))
    def test_every_instant_is_in_exactly_one_period(
        self, name: str, anchor: datetime, interval: Interval, later: timedelta
    ) -> None:
        """Pitfall 38: periods tile the time line in every zone, no gap, no overlap."""
        when = anchor + later
        n, since, until = nth_period(anchor, interval, when, name)
        assert since <= when < until
        assert (since, until) == (boundary(anchor, interval, n, name), boundary(anchor, interval, n + 1, name))
        assert period_at(anchor, interval, since, name) == period_at(anchor, interval, until - US, name)
        assert period_at(anchor, interval, until, name).since == until
        if since > anchor:
            assert period_at(anchor, interval, since - US, name).until == since

    @steady
    @given(zones, instants, intervals, st.integers(0, 400))
    def test_boundaries_never_run_backwards(self, name: str, anchor: datetime, interval: Interval, n: int) -> None:
        """Pitfall 38: a later period never begins before an earlier one."""
        assert boundary(anchor, interval, n, name) <= boundary(anchor, interval, n + 1, name)

    @pytest.mark.parametrize("unit", ["day", "week", "month", "year"])
    @pytest.mark.parametrize("name", HARD_ZONES)
    def test_periods_tile_for_every_anchor_day(self, name: str, unit: str) -> None:
        """Pitfall 38: anchor days 1 to 31, one to three units each, over clock changes and a skipped day."""
        for day in range(1, 32):
            anchor = parse_instant(f"2009-10-{day:02}T00:30", name)
            for count in (1, 2, 3):
                interval = Interval(unit, count)  # type: ignore[arg-type]  # pytest gives plain text
                edges = [boundary(anchor, interval, n, name) for n in range(40)]
                assert edges[0] == anchor
                assert edges == sorted(edges)
                for since, until in pairwise(edges):
                    if since < until:
                        assert period_at(anchor, interval, since, name) == Window(since, until, name)
                        assert period_at(anchor, interval, until - US, name) == Window(since, until, name)

    @steady
    @given(zones, instants, st.integers(1, 3), st.integers(1, 100))
    def test_month_boundary_falls_on_the_anchors_day_or_the_last_of_the_month(
        self, name: str, anchor: datetime, count: int, n: int
    ) -> None:
        """Pitfall 38: a boundary is on the anchor's day and time wherever the calendar and the clock have them."""
        clock = ZoneInfo(name)
        first = anchor.astimezone(clock)
        found = boundary(anchor, Interval("month", count), n, name).astimezone(clock)
        midday = datetime(found.year, found.month, 1, 12)
        if found.day < first.day and found.time() == first.time():
            # the day after the boundary's is in another month
            assert (midday + timedelta(days=found.day)).month != found.month
        elif found.time() == first.time():
            assert found.day == first.day
        else:
            # the clock skipped that time: a moment before, it showed an earlier one
            before = (found.astimezone(UTC) - US).astimezone(clock)
            assert found.replace(tzinfo=None) - before.replace(tzinfo=None) > US
