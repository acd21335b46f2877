"""Calibration: our counts of requests become what the provider will say, once enough calls have both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter import backend
from meter.calibration import FEW, LAST, Calibration, Counts, has_both
from meter.ledger import Query, open_ledger
from meter.model import resolve
from meter.reports.drift import drift
from meter.through import pass_through
from meter.tokens import is_whole
from meter.usage import Usage
from tests.commands import run
from tests.made import entry
from tests.test_images import PNG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.entry import Entry

ASKED = resolve("gpt-4o-mini")
REQUEST: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
COUNTED = 8
"""Our count of it."""


def said(theirs: int = 10, ours: int | None = 8, **fields: Any) -> Entry:
    return entry(usage=Usage(input_tokens=theirs, output_tokens=1), counted_input_tokens=ours, **fields)


@pytest.fixture
def metered(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[meter.Meter]:
    """Give a Meter whose ledger knows that the provider counts a quarter more; litellm is not loaded."""
    monkeypatch.setattr(backend, "warm", lambda: None)
    ledger = open_ledger(fresh_db)
    ledger.append(replace(said(), id=entry().id) for _ in range(FEW))
    ledger.close()
    made = meter.Meter(ledger=fresh_db)
    yield made
    made.close()


def through(metered: meter.Meter, answer: Any) -> Entry:
    pass_through(metered._books, "completion", {**REQUEST}, lambda _: answer)
    *_, last = metered.ledger.entries(Query())
    return last


@pytest.mark.parametrize(("calls", "estimate"), [(FEW - 1, 100), (FEW, 125), (FEW + 1, 125)])
def test_a_factor_is_used_from_so_many_calls_on(calls: int, estimate: int) -> None:
    calibration = Calibration()
    for _ in range(calls):
        calibration.saw(said(), ASKED)
    assert calibration.estimate(ASKED, 100) == estimate
    assert calibration.is_known(ASKED) == (estimate != 100)
    assert calibration.estimate(resolve("gpt-4o"), 100) == 100


def test_a_factor_holds_for_the_name_that_was_asked_for_and_the_one_that_answered() -> None:
    calibration = Calibration()
    named = {"asked": "openai/gpt-4o-mini", "model": "gpt-4o-mini-2024-07-18", "provider": "openai"}
    calibration.learn([Counts(**named, calls=FEW, counted=400, stated=500)])  # type: ignore[arg-type]  # texts
    names = ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert [calibration.estimate(resolve(name, provider="openai"), 1_000) for name in names] == [1_250] * 2


def test_a_new_tokenizer_is_noticed_after_any_number_of_calls() -> None:
    calibration = Calibration()
    counts = {"asked": "gpt-4o-mini", "model": "gpt-4o-mini", "provider": "openai"}
    calibration.learn([Counts(**counts, calls=LAST * 9, counted=LAST * 90, stated=LAST * 90)])  # type: ignore[arg-type]
    for _ in range(LAST):
        calibration.saw(said(20, 10), ASKED)
    assert calibration.estimate(ASKED, 1_000) > 1_500


def test_the_ledger_sums_what_the_report_of_drift_shows(fresh_db: Path) -> None:
    """Two ways to the same calls: one statement of the ledger, and the rule in Python."""
    odd = [
        said(flags=("mock", "stream")),
        said(flags=("stream",)),
        said(outcome="cancelled"),
        said(ours=None),
        said(ours=0),
        said(theirs=0),
        entry(usage=None, counted_input_tokens=8),
        *(
            entry(usage=usage, counted_input_tokens=8)
            for usage in (
                Usage(input_tokens=9, source="counted"),
                Usage(input_tokens=9, input_image_tokens=5),
                Usage(input_tokens=9, clamped=True),
            )
        ),
        said(model="other", provider=""),
    ]
    ledger = open_ledger(fresh_db)
    ledger.append([*odd, said(30, 20)])
    shown = [(each.model, each.provider, each.calls, each.counted, each.stated) for each in drift(ledger)]
    summed = [(each.model, each.provider, each.calls, each.counted, each.stated) for each in ledger.counts(LAST)]
    assert sorted(summed) == sorted(shown)
    assert sum(each.calls for each in ledger.counts(LAST)) == sum(map(has_both, ledger.entries(Query()))) == 3
    assert [each.counted for each in ledger.counts(1)] == [20]
    ledger.close()


def test_a_reservation_takes_our_count_for_what_the_provider_will_say(metered: meter.Meter) -> None:
    held: list[Any] = []
    pass_through(metered._books, "completion", {**REQUEST}, lambda _: held.extend(metered.ledger.holds()))
    (hold,) = held
    assert (hold.counted_input_tokens, hold.low_nanos, hold.high_nanos) == (COUNTED, 10 * 150, 10 * 150 + 600)


def test_a_counted_figure_is_corrected_and_says_so(metered: meter.Meter) -> None:
    """Pitfall 20: our own count stays beside it."""
    found = through(metered, {"id": "a", "model": "gpt-4o-mini", "choices": []})
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.source, found.counted_input_tokens) == (10, "counted", COUNTED)
    assert found.flags == ("calibrated", "counted")
    shown = run("explain", "last", "--ledger", metered.ledger.url).stdout
    assert "10 in, 0 out, counted by us, its input corrected by the drift of our counts; our own count: 8 in" in shown
    # and it is no measure of itself
    assert not has_both(found)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/large.png"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/long.pdf"}},
        {"fileData": {"fileUri": "gs://bucket/film.mp4"}},
        {"type": "tool_result", "content": [{"type": "image", "source": {"type": "url", "url": "https://a.b/c.png"}}]},
    ],
    ids=lambda part: part.get("type", "gemini"),
)
def test_what_our_count_takes_for_nothing_teaches_no_factor(part: dict[str, Any], metered: meter.Meter) -> None:
    """The picture is 1,000 tokens by the provider and none by us: that says nothing of text."""
    request = {**REQUEST, "messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]}
    usage = {"prompt_tokens": 1_012, "completion_tokens": 5, "total_tokens": 1_017}
    for _ in range(FEW):
        pass_through(metered._books, "completion", dict(request), lambda _: {"id": "a", "model": "x", "usage": usage})
    *_, last = metered.ledger.entries(Query())
    assert (last.flags, has_both(last)) == (("uncounted",), False)
    assert metered._books.calibration.estimate(ASKED, 100) == 125
    assert sum(each.calls for each in metered.ledger.counts(LAST)) == FEW


def test_a_picture_whose_size_is_known_is_counted() -> None:
    url = f"data:image/png;base64,{PNG}"
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    request = {**REQUEST, "messages": [{"role": "user", "content": content}]}
    assert is_whole(request)
    assert not is_whole({**request, "model": "mistral-large"})
    assert is_whole(REQUEST)
    assert is_whole({**REQUEST, "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]})


def test_a_stated_figure_is_left_as_it_is(metered: meter.Meter) -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
    found = through(metered, {"id": "a", "model": "gpt-4o-mini", "usage": usage})
    assert found.usage is not None
    assert (found.usage.input_tokens, found.flags) == (12, ())


def test_a_model_that_nobody_called_is_counted_as_ever(metered: meter.Meter) -> None:
    pass_through(metered._books, "completion", {**REQUEST, "model": "gpt-4o"}, lambda _: {"model": "gpt-4o"})
    *_, found = metered.ledger.entries(Query())
    assert found.usage is not None
    assert (found.usage.input_tokens, found.flags) == (COUNTED, ("counted",))


def test_the_length_of_the_answers_is_known_under_the_name_that_is_asked_for(metered: meter.Meter) -> None:
    usage = {"prompt_tokens": 8, "completion_tokens": 77, "total_tokens": 85}
    through(metered, {"id": "a", "model": "gpt-4o-mini-2024-07-18", "usage": usage})
    assert metered._books.lengths.expected("openai", "gpt-4o-mini") == 77
