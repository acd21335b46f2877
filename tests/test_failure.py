from __future__ import annotations

import asyncio

import httpx
import pytest

from meter.failure import outcome_of


class StatusError(Exception):
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


def caused(outer: BaseException, inner: BaseException) -> BaseException:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429, 500, 503, 529])
def test_an_error_that_was_answered_is_refused(status: int) -> None:
    """Pitfall 18: a refused attempt costs nothing."""
    assert outcome_of(StatusError(status)) == "refused"


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_that_lost_the_answer_is_lost(status: int) -> None:
    assert outcome_of(StatusError(status)) == "lost"


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout(""), httpx.ReadError(""), httpx.RemoteProtocolError(""), ConnectionResetError()]
)
def test_an_answer_that_was_not_read_is_lost_whatever_wraps_it(error: Exception) -> None:
    """Pitfall 18: a timeout or dropped connection may be billed."""
    assert outcome_of(caused(StatusError(500), error)) == "lost"


@pytest.mark.parametrize("error", [httpx.ConnectError(""), httpx.ConnectTimeout(""), ConnectionRefusedError()])
def test_a_connection_that_never_came_about_is_refused(error: Exception) -> None:
    """Pitfall 18: nothing was sent, nothing is billed."""
    assert outcome_of(caused(StatusError(500), error)) == "refused"


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), TimeoutError()])
def test_a_caller_that_stops_waiting_loses_the_answer(error: BaseException) -> None:
    assert outcome_of(error) == "lost"


def test_a_wrong_argument_is_refused_and_anything_else_is_unknown() -> None:
    assert outcome_of(TypeError()) == "refused"
    assert outcome_of(RuntimeError()) == "lost"


def test_causes_in_a_circle_end() -> None:
    first, second = RuntimeError(), RuntimeError()
    first.__cause__, second.__cause__ = second, first
    assert outcome_of(first) == "lost"
