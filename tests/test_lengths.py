"""Lengths: what a hold reserves for an answer whose length nobody bounds."""

from __future__ import annotations

from meter.lengths import EXPECTED, RECENT, Lengths


def test_a_model_that_has_not_answered_is_expected_to_say_1_000_tokens() -> None:
    lengths = Lengths()
    lengths.saw("openai", "other", 5)
    assert lengths.expected("openai", "m") == EXPECTED == 1_000


def test_the_next_answer_is_expected_to_be_as_long_as_19_of_20() -> None:
    lengths = Lengths()
    for tokens in (*range(1, 96), *[5_000] * 5):
        lengths.saw("openai", "m", tokens)
    assert lengths.expected("openai", "m") == 95
    lengths.saw("openai", "m", 6_000)
    assert lengths.expected("openai", "m") == 5_000


def test_only_recent_answers_count() -> None:
    lengths = Lengths()
    for tokens in [9_000] * 50 + [7] * RECENT:
        lengths.saw("openai", "m", tokens)
    assert lengths.expected("openai", "m") == 7
