from __future__ import annotations

import asyncio

import httpx
import pytest

import meter
from meter.failure import outcome_of


class SdkError(Exception):
    """An SDK's, which says 500 of whatever it could not read."""

    status_code = 500


def caused(inner: BaseException) -> BaseException:
    outer = SdkError()
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429, 500, 503, 529])
def test_an_error_that_was_answered_is_refused(status: int) -> None:
    """Pitfall 18: a refused attempt costs nothing."""
    assert outcome_of(SdkError(), 1, status) == "refused"


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_that_lost_the_answer_is_lost(status: int) -> None:
    assert outcome_of(SdkError(), 1, status) == "lost"


@pytest.mark.parametrize("status", [200, 202, 301, 399, None])
def test_an_answer_that_was_no_error_and_could_not_be_read_is_lost(status: int | None) -> None:
    """Pitfall 18: it may be billed, whatever status the SDK's error bears."""
    assert outcome_of(SdkError(), 1, status) == "lost"


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout(""), httpx.ReadError(""), httpx.RemoteProtocolError(""), ConnectionResetError()]
)
@pytest.mark.parametrize("sent", [0, 1])
def test_an_answer_that_was_not_read_is_lost_whatever_wraps_it_and_sent_it(error: Exception, sent: int) -> None:
    """Pitfall 18: a timeout or dropped connection may be billed."""
    assert outcome_of(caused(error), sent) == "lost"


@pytest.mark.parametrize("error", [httpx.ConnectError(""), httpx.ConnectTimeout(""), ConnectionRefusedError()])
def test_a_connection_that_never_came_about_is_refused(error: Exception) -> None:
    """Pitfall 18: nothing was sent, nothing is billed."""
    assert outcome_of(caused(error), 1) == "refused"


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt()])
def test_a_caller_that_stops_waiting_loses_the_answer_of_what_was_sent(error: BaseException) -> None:
    assert outcome_of(error, 1) == "lost"
    assert outcome_of(error, 1, 200) == "lost"
    assert outcome_of(error, 0) == "refused"


@pytest.mark.parametrize("error", [TypeError(), RuntimeError(), SdkError(), meter.MissingPackage("")])
def test_where_nothing_was_sent_it_is_refused(error: Exception) -> None:
    assert outcome_of(error, 0) == "refused"


def test_causes_in_a_circle_end() -> None:
    first, second = RuntimeError(), RuntimeError()
    first.__cause__, second.__cause__ = second, first
    assert outcome_of(first, 1) == "lost"
