from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

import pytest
from hypothesis import given

from meter.clock import first_instant, local_zone, wall_time, zone
from meter.errors import InvalidTime
from tests.test_period import instants, steady, zones

if TYPE_CHECKING:
    from pathlib import Path


class TestZone:
    def test_every_iana_name_is_a_zone(self) -> None:
        for name in sorted(available_timezones() - {"localtime"}):
            assert zone(name).key == name

    @pytest.mark.parametrize(
        ("name", "near"),
        [
            ("Asia/Shangai", "Asia/Shanghai"),
            ("shanghai", "Asia/Shanghai"),
            ("new york", "America/New_York"),
            ("Europe/Berlim", "Europe/Berlin"),
        ],
    )
    def test_unknown_zone_names_the_nearest(self, name: str, near: str) -> None:
        with pytest.raises(InvalidTime, match=f'"{name}" is no time zone. Did you mean "{near}"'):
            zone(name)

    @pytest.mark.parametrize(
        "name",
        ["", "../etc", "/etc/localtime", "America", "localtime", "right/UTC", "posix/UTC", "a\0b", "\ud800", "x" * 999],
    )
    def test_what_is_no_iana_name_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidTime, match="is no time zone"):
            zone(name)


class TestLocalZone:
    def test_value_of_tz_comes_first(self, tmp_path: Path) -> None:
        (tmp_path / "timezone").write_text("Europe/Berlin\n")
        assert local_zone("Asia/Shanghai", str(tmp_path)) == "Asia/Shanghai"
        assert local_zone(":Asia/Tokyo", str(tmp_path)) == "Asia/Tokyo"
        assert local_zone("/usr/share/zoneinfo/Asia/Tokyo", str(tmp_path)) == "Asia/Tokyo"

    def test_link_of_localtime_comes_before_timezone(self, tmp_path: Path) -> None:
        (tmp_path / "localtime").symlink_to("/var/db/timezone/zoneinfo/America/Sao_Paulo")
        (tmp_path / "timezone").write_text("Europe/Berlin\n")
        assert local_zone(etc=str(tmp_path)) == "America/Sao_Paulo"

    def test_timezone_is_read_where_localtime_is_no_link(self, tmp_path: Path) -> None:
        (tmp_path / "localtime").write_bytes(b"TZif")
        (tmp_path / "timezone").write_text("Europe/Berlin\n")
        assert local_zone("CST-8", str(tmp_path)) == "Europe/Berlin"

    def test_system_without_a_zone_is_utc(self, tmp_path: Path) -> None:
        assert local_zone(etc=str(tmp_path)) == "UTC"
        (tmp_path / "timezone").write_text("Etc/UTC")
        assert local_zone(etc=str(tmp_path)) == "UTC"

    def test_name_of_this_machine_is_a_zone(self) -> None:
        assert zone(local_zone())


class TestWallTime:
    @steady
    @given(zones, instants)
    def test_first_instant_that_shows_what_the_clock_shows_now_is_now_or_a_first_pass(
        self, name: str, at: datetime
    ) -> None:
        clock = zone(name)
        shown = wall_time(at, clock)
        first = first_instant(shown, clock)
        assert first <= at
        assert wall_time(first, clock) >= shown

    def test_clock_that_was_set_back_shows_an_hour_twice(self) -> None:
        clock = zone("Europe/Berlin")
        once, again = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
        assert wall_time(once, clock) == wall_time(again, clock) == datetime(2026, 10, 25, 2, 30, tzinfo=UTC)
        assert first_instant(wall_time(again, clock), clock) == once

    def test_time_that_a_zone_skips_is_the_first_instant_after_the_gap(self) -> None:
        skipped = datetime(2026, 3, 29, 2, 30, tzinfo=UTC)
        assert first_instant(skipped, zone("Europe/Berlin")) == datetime(2026, 3, 29, 1, tzinfo=UTC)
