"""The contract of every ledger: what is written, read, summed and refused, whatever engine keeps it."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meter.entry import Entry, new_id
from meter.errors import InvalidPlan, UnknownName
from meter.fx import FxRate
from meter.hold import is_gone
from meter.ledger import Ledger, Query, Stretch, Sum, open_ledger
from meter.period import Interval
from meter.plan import Conditions, Plan, Subscription
from meter.usage import Usage
from tests.made import AT, ERNIE, MINI, entries, entry, hold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from meter.hold import Hold

Opener = "Callable[..., Ledger]"


@pytest.fixture(params=["sqlite"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Ledger]]:
    """Return what opens the ledger of this test on one engine; each is closed at the end."""
    urls = {"sqlite": tmp_path / "ledger.db"}
    opened: list[Ledger] = []

    def again(**options: object) -> Ledger:
        opened.append(open_ledger(urls[request.param], **options))  # type: ignore[arg-type]  # as open_ledger has them
        return opened[-1]

    yield again
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(opener: Callable[..., Ledger]) -> Ledger:
    """Return a new ledger."""
    return opener(zone="Asia/Shanghai")


def all_of(ledger: Ledger, **query: object) -> list[Entry]:
    return list(ledger.entries(Query(**query)))  # type: ignore[arg-type]  # as Query has them


def never(_: Hold) -> bool:
    return False


def always(_: Hold) -> bool:
    return True


class TestEntries:
    def test_entries_are_found_by_the_keys_of_their_source(self, ledger: Ledger) -> None:
        keys = ["line-1", "None", "", "\ud800", "\x00", 'a "quoted" one']
        written = {key: entry(source="csv", source_key=key) for key in keys}
        others = [entry(source="jsonl", source_key="line-1"), entry(source="csv"), entry(source="csv", source_key="x")]
        assert ledger.append([*written.values(), *others]) == len(keys) + 3
        found = ledger.keyed("csv", [*keys, "nobody's"])
        assert {key: each.id for key, each in found.items()} == {key: each.id for key, each in written.items()}
        assert ledger.keyed("csv", []) == {}
        assert ledger.keyed("never heard of", keys) == {}

    def test_a_settled_entry_comes_back_unchanged(self, ledger: Ledger) -> None:
        written = entry(
            usage=Usage(
                input_tokens=1_200,
                cache_read_tokens=1_000,
                output_tokens=200,
                reasoning_tokens=20,
                machine_us=12,
                counts=(("web_search", Decimal("1.50")),),
                service_tier="flex",
                source="mixed",
                stated_cost=Decimal("0.000300"),
                clamped=True,
            ),
            tags=("b", "a", "b"),
            flags=("mock", "stream"),
            price=ERNIE,
        )
        ledger.settle(written)
        assert all_of(ledger) == [replace(written, seq=1)]

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(written=entries())
    def test_any_entry_survives_the_ledger(self, ledger: Ledger, written: Entry) -> None:
        written = replace(written, id=new_id(), source_key=written.source_key and str(new_id()))
        ledger.settle(written)
        (found,) = ledger.find(str(written.id))
        assert found == replace(written, seq=found.seq)

    def test_a_price_update_never_changes_a_closed_row(self, ledger: Ledger) -> None:
        """Pitfall 13: a new rate holds for new calls, and the old row still names the one it was priced at."""
        ledger.add_price(MINI)
        old = entry()
        ledger.settle(old)
        dearer = replace(MINI, rates={"input": Decimal(1), "output": Decimal(1)})
        ledger.add_price(dearer, actor="ops", reason="announced")
        ledger.settle(entry(price=dearer, nanos=1_400 * 10**9))
        assert all_of(ledger)[0] == replace(old, seq=1)
        assert [each.nanos for each in ledger.summarize(Query(by=("price",)))] == [300_000, 1_400 * 10**9]
        assert list(ledger.prices()) == [MINI, dearer]

    @pytest.mark.parametrize("response_id", ["chatcmpl-1", None, "None", "null", ""])
    def test_a_repeated_or_empty_response_id_drops_nothing(self, ledger: Ledger, response_id: str | None) -> None:
        """Pitfall 21: the key of a row is our own."""
        for _ in range(3):
            ledger.settle(entry(response_id=response_id))
        assert [each.response_id for each in all_of(ledger)] == [response_id] * 3
        assert ledger.summarize(Query())[0].nanos == 900_000

    def test_the_same_id_of_two_sources_is_two_rows(self, ledger: Ledger) -> None:
        for source in ("llm", "webui"):
            ledger.settle(entry(source=source, source_key="1"))
        assert len(all_of(ledger)) == 2

    def test_a_repeated_source_key_is_a_no_op(self, ledger: Ledger) -> None:
        """Pitfall 23: importing the same events again changes nothing, also after midnight."""
        first = entry(source="llm", source_key="a")
        ledger.settle(first)
        again = entry(source="llm", source_key="a", at=AT + timedelta(days=1), nanos=5)
        ledger.settle(again)
        assert ledger.append([again, entry(source="llm", source_key="b")]) == 1
        assert all_of(ledger)[0] == replace(first, seq=1)
        assert sum(each.nanos for each in ledger.summarize(Query())) == 600_000

    def test_a_repeated_source_key_still_frees_its_hold(self, ledger: Ledger) -> None:
        ledger.settle(entry(source="llm", source_key="a"))
        held = hold()
        ledger.reserve(held)
        ledger.settle(entry(id=held.id, source="llm", source_key="a"), held.id)
        assert ledger.holds() == []
        assert len(all_of(ledger)) == 1

    def test_settling_an_id_again_changes_nothing(self, ledger: Ledger) -> None:
        written = entry()
        ledger.settle(written)
        ledger.settle(replace(written, nanos=1))
        assert all_of(ledger) == [replace(written, seq=1)]

    def test_append_returns_how_many_were_new(self, ledger: Ledger) -> None:
        known = entry()
        ledger.settle(known)
        new = [entry() for _ in range(3)]
        assert ledger.append([known, *new, new[0]]) == 3
        assert ledger.append([]) == 0
        assert [each.id for each in all_of(ledger)] == [known.id, *(each.id for each in new)]

    def test_an_append_that_fails_writes_nothing(self, ledger: Ledger) -> None:
        """Pitfall 26: the key of a row and the row are one transaction; so are the names in it."""

        def broken() -> Iterator[Entry]:
            yield entry(user="carol", source="llm", source_key="a")
            raise RuntimeError("the file ended")

        with pytest.raises(RuntimeError):
            ledger.append(broken())
        assert all_of(ledger) == []
        assert ledger.summarize(Query()) == []
        # a key for carol that was rolled back must not be remembered
        ledger.settle(entry(user="carol", source="llm", source_key="a"))
        ledger.settle(entry(user="dave"))
        assert [each.user for each in all_of(ledger)] == ["carol", "dave"]

    def test_an_append_may_look_into_the_ledger_while_it_runs(self, ledger: Ledger) -> None:
        ledger.settle(entry(user="bob"))

        def copied() -> Iterator[Entry]:
            for found in ledger.find("last"):
                yield replace(found, id=new_id())

        assert ledger.append(copied()) == 1

    def test_texts_that_no_database_can_keep_stay_apart(self, ledger: Ledger) -> None:
        """A lone surrogate is no character; two different ones are still two users."""
        odd = [
            "a\ud800",
            "a\udfff",
            "a\x00b",
            "a",
            "\N{GRINNING FACE}" * 5_000,
            "None",
            "",
            "\N{COMBINING ACUTE ACCENT}",
        ]
        for user in odd:
            ledger.settle(entry(user=user, response_id=user, error=user, tags=(user,)))
        assert len(ledger.summarize(Query(by=("user",)))) == len(odd)
        kept = [each.user for each in all_of(ledger)]
        assert kept[2:] == odd[2:]
        assert kept[:2] == ["a\\ud800", "a\\udfff"]
        assert [each.user for each in all_of(ledger, where={"user": "a\ud800"})] == ["a\\ud800"]

    def test_entries_are_filtered_limited_and_in_the_order_of_commit(self, ledger: Ledger) -> None:
        for number in range(6):
            ledger.settle(
                entry(
                    at=AT - timedelta(hours=number),
                    user="alice" if number % 2 else None,
                    session=f"s{number}",
                    usage=Usage(input_tokens=number * 50_000),
                )
            )
        assert [each.session for each in all_of(ledger)] == ["s0", "s1", "s2", "s3", "s4", "s5"]
        newest = ledger.entries(Query(where={"user": None}), limit=2, newest_first=True)
        assert [each.session for each in newest] == ["s4", "s2"]
        assert [each.session for each in all_of(ledger, where={"session": "s3", "user": "alice"})] == ["s3"]
        assert [each.session for each in all_of(ledger, where={"bracket": "3"})] == ["s3", "s4"]
        window = {"since": AT - timedelta(hours=3), "until": AT - timedelta(hours=1)}
        assert [each.session for each in all_of(ledger, **window)] == ["s2", "s3"]
        assert all_of(ledger, where={"user": "nobody"}) == []

    def test_entries_may_be_read_while_others_are_written(self, ledger: Ledger) -> None:
        ledger.append(entry() for _ in range(2_500))
        reading = ledger.entries(Query())
        first = next(reading)
        ledger.settle(entry())
        assert [first.seq, *(each.seq for each in reading)] == list(range(1, 2_501))


class TestFind:
    def test_by_id_tail_response_id_and_last(self, ledger: Ledger) -> None:
        ledger.append(entry() for _ in range(20))
        wanted = entry(response_id="chatcmpl-x")
        ledger.settle(wanted)
        ledger.settle(entry())
        wanted = replace(wanted, seq=21)
        hexed = wanted.id.hex
        for key in (str(wanted.id), hexed, hexed.upper(), hexed[-8:], hexed[-9:], str(wanted.id)[-13:], "chatcmpl-x"):
            assert ledger.find(key) == [wanted], key
        assert ledger.find("last")[0].seq == 22

    def test_what_nobody_recorded_is_found_as_nothing(self, ledger: Ledger) -> None:
        assert ledger.find("last") == []
        ledger.settle(entry())
        for key in ("", "0000000", "zzzzzzzz", str(new_id()), "chatcmpl-x", "%", "last "):
            assert ledger.find(key) == [], key

    def test_a_response_id_that_repeats_or_looks_like_an_id_finds_all(self, ledger: Ledger) -> None:
        one = entry()
        ledger.settle(one)
        for _ in range(2):
            ledger.settle(entry(response_id=one.id.hex[-8:]))
        assert {each.seq for each in ledger.find(one.id.hex[-8:])} == {1, 2, 3}


class TestHolds:
    def test_a_hold_comes_back_unchanged(self, ledger: Ledger) -> None:
        written = hold(team="red", session="s", purpose="chat", tags=("x", "y"), price=ERNIE, environment="test")
        ledger.reserve(written)
        assert ledger.holds() == [written]

    def test_a_bare_hold_comes_back_unchanged(self, ledger: Ledger) -> None:
        written = hold(user=None, counted_input_tokens=None, price=None, low_nanos=None, high_nanos=None)
        ledger.reserve(written)
        assert ledger.holds() == [written]

    def test_holds_are_the_oldest_first(self, ledger: Ledger) -> None:
        held = [hold(at=AT - timedelta(seconds=number)) for number in range(3)]
        for each in held:
            ledger.reserve(each)
        assert ledger.holds() == held[::-1]

    def test_settling_removes_the_hold(self, ledger: Ledger) -> None:
        other = hold()
        ledger.reserve(other)
        for _ in range(2):  # the first call brings new names, the second does not
            held = hold()
            ledger.reserve(held)
            # ids made in one millisecond have no order
            assert {each.id: each for each in ledger.holds()} == {other.id: other, held.id: held}
            ledger.settle(entry(id=held.id), held.id)
            assert ledger.holds() == [other]

    def test_settling_under_another_id_removes_the_hold(self, ledger: Ledger) -> None:
        held = hold()
        ledger.reserve(held)
        ledger.settle(entry(), held.id)
        assert ledger.holds() == []
        assert len(all_of(ledger)) == 1

    def test_a_hold_counts_as_no_call(self, ledger: Ledger) -> None:
        ledger.reserve(hold())
        assert ledger.summarize(Query()) == []
        assert all_of(ledger) == []


class TestRecovery:
    def test_a_hold_that_is_gone_becomes_an_abandoned_entry(self, ledger: Ledger) -> None:
        held = hold(team="red", session="s", purpose="chat", tags=("x",), environment="test")
        ledger.reserve(held)
        assert ledger.recover(always) == 1
        assert ledger.holds() == []
        (found,) = all_of(ledger)
        assert found == Entry(
            id=held.id,
            at=held.at,
            recorded_at=found.recorded_at,
            outcome="abandoned",
            environment="test",
            host=held.host,
            user="alice",
            team="red",
            session="s",
            purpose="chat",
            tags=("x",),
            model_asked="gpt-4o-mini",
            model="gpt-4o-mini",
            provider="openai",
            counted_input_tokens=1_190,
            status="unpriced",
            currency="USD",
            price=MINI,
            low_nanos=178_500,
            high_nanos=778_500,
            seq=1,
        )
        (total,) = ledger.summarize(Query())
        assert (total.calls, total.lost_calls, total.unpriced_calls, total.nanos) == (1, 1, 0, 0)
        assert total.unbounded_calls == 0
        assert (total.low_nanos, total.high_nanos) == (178_500, 778_500)

    def test_an_unpriced_hold_is_abandoned_without_a_currency(self, ledger: Ledger) -> None:
        ledger.reserve(hold(price=None, low_nanos=None, high_nanos=None))
        ledger.recover(always)
        assert all_of(ledger)[0].currency is None

    def test_a_running_call_is_left_alone(self, ledger: Ledger) -> None:
        held = hold()
        ledger.reserve(held)
        assert ledger.recover(is_gone) == 0
        assert ledger.holds() == [held]

    def test_an_expired_hold_is_gone_whoever_owns_it(self, ledger: Ledger) -> None:
        ledger.reserve(hold(expires_at=AT - timedelta(days=365)))
        assert ledger.recover(never) == 1

    def test_recovering_twice_changes_nothing_more(self, ledger: Ledger) -> None:
        ledger.reserve(hold())
        assert ledger.recover(always) == 1
        assert ledger.recover(always) == 0
        assert len(all_of(ledger)) == 1

    def test_opening_for_writing_recovers_and_reading_does_not(
        self, ledger: Ledger, opener: Callable[..., Ledger]
    ) -> None:
        ledger.reserve(hold(expires_at=AT - timedelta(days=365)))
        assert len(opener(read_only=True).holds()) == 1
        assert ledger.holds() != []
        assert opener().holds() == []
        assert [each.outcome for each in all_of(ledger)] == ["abandoned"]

    def test_a_call_that_comes_back_late_reverses_and_replaces(self, ledger: Ledger) -> None:
        held = hold()
        ledger.reserve(held)
        ledger.recover(always)
        true = entry(id=held.id, at=held.at)
        ledger.settle(true, held.id)
        wrong, reversal, replaced = all_of(ledger)
        assert (wrong.id, wrong.outcome) == (held.id, "abandoned")
        assert reversal == replace(
            wrong, id=reversal.id, kind="reversal", corrects=held.id, recorded_at=reversal.recorded_at, seq=2
        )
        assert replaced == replace(true, id=replaced.id, corrects=held.id, recorded_at=replaced.recorded_at, seq=3)
        assert len({wrong.id, reversal.id, replaced.id}) == 3
        assert ledger.find(str(held.id)) == [wrong, reversal, replaced]
        (total,) = ledger.summarize(Query())
        assert (total.calls, total.lost_calls, total.nanos, total.high_nanos) == (1, 0, 300_000, 0)

    def test_coming_back_late_twice_counts_once(self, ledger: Ledger) -> None:
        held = hold()
        ledger.reserve(held)
        ledger.recover(always)
        for _ in range(2):
            ledger.settle(entry(id=held.id), held.id)
        assert len(all_of(ledger)) == 3


def brute(found: list[Entry], by: tuple[str, ...]) -> dict[tuple[object, ...], Counter[str]]:
    """Sum entries one by one, as the docstrings of Sum and Entry say."""
    groups: dict[tuple[object, ...], Counter[str]] = {}
    for each in found:
        key = tuple(getattr(each, name) or None if name != "bracket" else each.bracket for name in by)
        sign = -1 if each.kind == "reversal" else 1
        group = groups.setdefault((each.currency, *key), Counter())
        lost = each.outcome in ("lost", "abandoned")
        group["calls"] += sign * (each.outcome not in ("refused", "replayed"))
        group["refused"] += sign * (each.outcome == "refused")
        group["replayed"] += sign * (each.outcome == "replayed")
        group["attempts"] += sign * each.attempts
        if each.usage and each.outcome != "replayed":
            for name in ("input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning"):
                group[f"{name}_tokens"] += sign * getattr(each.usage, f"{name}_tokens")
            for name in ("input_audio", "input_image", "input_video", "output_audio", "output_image"):
                group["media_tokens"] += sign * getattr(each.usage, f"{name}_tokens")
        group["nanos"] += sign * (each.nanos or 0)
        mock, counted = "mock" in each.flags, bool(each.usage and each.usage.source != "provider")
        group["counted_nanos"] += sign * (each.nanos or 0) * (counted and not mock)
        group["mock_nanos"] += sign * (each.nanos or 0) * mock
        group["mock_calls"] += sign * (mock and each.outcome not in ("refused", "replayed"))
        group["lost_calls"] += sign * (lost and each.nanos is None)
        group["unbounded_calls"] += sign * (lost and each.nanos is None and each.high_nanos is None)
        group["partial_calls"] += sign * (each.status == "partial")
        group["unpriced_calls"] += sign * (each.status == "unpriced" and each.outcome in ("ok", "cancelled"))
        group["low_nanos"] += sign * lost * (each.low_nanos or 0)
        group["high_nanos"] += sign * lost * ((each.low_nanos if each.high_nanos is None else each.high_nanos) or 0)
        group["latency_ms"] += sign * (each.latency_ms or 0)
        group["machine_us"] += sign * ((each.usage and each.usage.machine_us) or 0)
    return {key: group for key, group in groups.items() if any(group.values())}


def as_brute(sums: list[Sum]) -> dict[tuple[object, ...], Counter[str]]:
    amounts = [name for name in Sum.__dataclass_fields__ if name not in ("key", "currency")]
    return {(each.currency, *each.key): Counter({name: getattr(each, name) for name in amounts}) for each in sums}


class TestSums:
    def test_an_empty_ledger_has_no_sums(self, ledger: Ledger) -> None:
        assert ledger.summarize(Query(by=("user",))) == []
        assert ledger.span() is None
        assert ledger.currencies() == set()

    def test_one_call_is_its_own_sum(self, ledger: Ledger) -> None:
        usage = Usage(
            input_tokens=1_000,
            cache_read_tokens=300,
            cache_write_tokens=200,
            cache_write_1h_tokens=100,
            output_tokens=50,
            reasoning_tokens=20,
            machine_us=7,
        )
        ledger.settle(entry(usage=usage, attempts=3, latency_ms=900))
        assert ledger.summarize(Query()) == [
            Sum(
                currency="USD",
                calls=1,
                attempts=3,
                input_tokens=1_000,
                cache_read_tokens=300,
                cache_write_tokens=200,
                cache_write_1h_tokens=100,
                output_tokens=50,
                reasoning_tokens=20,
                nanos=300_000,
                latency_ms=900,
                machine_us=7,
            )
        ]

    def test_calls_are_what_was_consumed_and_the_rest_stands_apart(self, ledger: Ledger) -> None:
        for outcome in ("ok", "cancelled", "lost", "abandoned", "refused", "replayed"):
            ledger.settle(entry(outcome=outcome))
            if outcome in {"lost", "abandoned"}:
                ledger.settle(entry(outcome=outcome, nanos=None))
        (total,) = ledger.summarize(Query())
        assert (total.calls, total.refused, total.replayed, total.lost_calls) == (6, 1, 1, 2)

    def test_a_replayed_call_does_not_use_its_tokens_again(self, ledger: Ledger) -> None:
        ledger.settle(entry(outcome="replayed", nanos=0))
        (total,) = ledger.summarize(Query())
        assert (total.replayed, total.input_tokens, total.output_tokens) == (1, 0, 0)

    def test_a_reversal_takes_its_call_back_in_every_sum(self, ledger: Ledger) -> None:
        wrong = entry(attempts=2, latency_ms=5)
        ledger.settle(wrong)
        ledger.settle(replace(wrong, id=new_id(), kind="reversal", corrects=wrong.id))
        assert ledger.summarize(Query()) == []
        assert {each.key: each.calls for each in ledger.summarize(Query(by=("kind",)))} == {
            ("call",): 1,
            ("reversal",): -1,
        }
        for where in ({"session": None}, {"user": "alice"}):  # from rows, from rollups
            assert ledger.summarize(Query(where=where)) == []

    def test_unpriced_partial_counted_and_lost_are_told_apart(self, ledger: Ledger) -> None:
        """Pitfalls 1 and 12: what has no price keeps its tokens and is a number of its own, never a cost of 0."""
        nothing = {"nanos": None, "currency": None, "price": None}
        ledger.settle(entry(status="unpriced", **nothing))
        ledger.settle(entry(status="unpriced", outcome="refused", **nothing))
        ledger.settle(entry(status="partial", nanos=7))
        ledger.settle(entry(usage=Usage(input_tokens=1, source="counted"), nanos=11))
        ledger.settle(entry(usage=Usage(input_tokens=1, source="mixed"), nanos=13))
        ledger.settle(
            entry(outcome="lost", status="unpriced", usage=None, nanos=None, low_nanos=3, high_nanos=17, attempts=1)
        )
        sums = {each.currency: each for each in ledger.summarize(Query())}
        assert (sums[None].calls, sums[None].refused, sums[None].unpriced_calls) == (1, 1, 1)
        assert (sums[None].input_tokens, sums[None].nanos) == (2_400, 0)
        usd = sums["USD"]
        assert (usd.calls, usd.partial_calls, usd.unpriced_calls, usd.lost_calls) == (4, 1, 0, 1)
        assert (usd.nanos, usd.counted_nanos, usd.low_nanos, usd.high_nanos) == (31, 24, 3, 17)

    def test_a_lost_call_without_an_upper_bound_is_a_number_of_its_own(self, ledger: Ledger) -> None:
        """Pitfall 18: what has no bound is not bound by 0; of it the least that it can have cost is known."""
        unknown = {"usage": None, "nanos": None, "status": "unpriced"}
        open_ended = entry(outcome="abandoned", low_nanos=5, high_nanos=None, **unknown)
        ledger.settle(entry(outcome="lost", low_nanos=3, high_nanos=17, **unknown))
        ledger.settle(open_ended)
        ledger.settle(entry(outcome="refused", low_nanos=None, high_nanos=None, **unknown))
        ledger.settle(entry(outcome="lost"))  # its cost is known
        for where in ({"session": None}, {"user": "alice"}):  # from rows, from rollups
            (total,) = ledger.summarize(Query(where=where))
            assert (total.lost_calls, total.unbounded_calls) == (2, 1)
            assert (total.low_nanos, total.high_nanos) == (8, 22)
        ledger.settle(replace(open_ended, id=new_id(), kind="reversal", corrects=open_ended.id))
        (total,) = ledger.summarize(Query())
        assert (total.lost_calls, total.unbounded_calls, total.high_nanos) == (1, 0, 17)

    def test_a_call_without_a_user_is_a_group_of_its_own(self, ledger: Ledger) -> None:
        """Pitfall 33: it is not dropped, and it is neither the user "None" nor the one with an empty name."""
        for user in ("alice", None, "None", ""):
            ledger.settle(entry(user=user))
        sums = {each.key[0]: each.calls for each in ledger.summarize(Query(by=("user",)))}
        assert sums == {"alice": 1, None: 1, "None": 1, "": 1}
        assert [each.calls for each in ledger.summarize(Query(where={"user": None}))] == [1]

    def test_many_users_are_summed_each_over_a_time_of_their_own(self, ledger: Ledger) -> None:
        """As each would be alone, under every name, beyond 64 bits, and more of them than one statement takes."""
        users = [*(f"u{number}" for number in range(600)), "alice"]
        ledger.append(entry(user=user, at=AT + timedelta(hours=n % 9)) for n, user in enumerate(users))
        ledger.append(
            [entry(user="cus_1", at=AT, currency=code, price=None, status="stated") for code in ("USD", "CNY")]
        )
        ledger.append([entry(user="big", nanos=2**62, at=AT) for _ in range(3)])
        ledger.append([entry(user="big", nanos=7, at=AT, session="s", environment="test")])
        names = [("u3", "cus_1"), ("nobody",), ("big",), *((user,) for user in users)]
        bounds = [(AT + timedelta(hours=n % 4), AT + timedelta(hours=n % 4 + n % 6)) for n in range(len(names))]
        stretches = [Stretch(user, *each) for user, each in zip(names, bounds, strict=True)]
        for where in ({}, {"environment": "test"}, {"session": None}, {"model": "none that was ever called"}):
            found = ledger.sum_each(stretches, where)
            for each, sums in zip(stretches, found, strict=True):
                query = Query(since=each.since, until=each.until, where={**where, "user": each.user})
                assert sorted(sums, key=str) == sorted(ledger.summarize(query), key=str)
        assert ledger.sum_each([]) == []
        (few,) = ledger.sum_each([Stretch(("big",), AT, AT + timedelta(hours=1))], fields=("calls", "nanos"))
        assert few == [Sum(currency="USD", calls=4, nanos=3 * 2**62 + 7)]

    def test_currencies_are_never_added_to_each_other(self, ledger: Ledger) -> None:
        ledger.settle(entry())
        ledger.settle(entry(currency="CNY", nanos=5, price=ERNIE))
        ledger.settle(entry(status="stated", price=None, nanos=9))
        assert {each.currency: each.nanos for each in ledger.summarize(Query())} == {"USD": 300_009, "CNY": 5}
        assert ledger.currencies() == {"USD", "CNY"}

    @pytest.mark.parametrize(
        ("dimension", "values"),
        [
            ("user", {"alice": 2, "bob": 1}),
            ("team", {"red": 1, None: 2}),
            ("session", {"s1": 1, None: 2}),
            ("model", {"gpt-4o-mini": 2, "ernie-4.0-8k": 1}),
            ("provider", {"openai": 1, "baidu": 1, None: 1}),
            ("purpose", {"title": 1, None: 2}),
            ("environment", {"default": 2, "test": 1}),
            ("outcome", {"ok": 2, "cancelled": 1}),
            ("kind", {"call": 2, "booked": 1}),
            ("price", {1: 2, 2: 1}),
            ("bracket", {0: 2, 7: 1}),
        ],
    )
    def test_every_dimension_groups_and_filters(
        self, ledger: Ledger, dimension: str, values: dict[str | int | None, int]
    ) -> None:
        ledger.settle(entry(team="red", session="s1", provider=""))
        ledger.settle(entry(purpose="title", kind="booked", usage=Usage(input_tokens=512_001)))
        ledger.settle(
            entry(
                user="bob",
                model="ernie-4.0-8k",
                provider="baidu",
                environment="test",
                outcome="cancelled",
                price=ERNIE,
            )
        )
        found = {each.key[0]: each.calls for each in ledger.summarize(Query(by=(dimension,)))}
        assert found == values
        for value, calls in values.items():
            where = {dimension: None if value is None else str(value)}
            assert sum(each.calls for each in ledger.summarize(Query(where=where))) == calls
            assert len(all_of(ledger, where=where)) == calls

    def test_a_group_of_prices_names_the_price(self, ledger: Ledger) -> None:
        ledger.settle(entry())
        ledger.settle(entry(price=ERNIE, currency="CNY"))
        keys = [each.key[0] for each in ledger.summarize(Query(by=("price",)))]
        assert {ledger.price_of(key).model for key in keys if isinstance(key, int)} == {"gpt-4o-mini", "ernie-4.0-8k"}
        with pytest.raises(UnknownName, match="99"):
            ledger.price_of(99)

    def test_what_nobody_recorded_sums_to_nothing(self, ledger: Ledger) -> None:
        ledger.settle(entry())
        assert ledger.summarize(Query(where={"user": "nobody"})) == []
        assert ledger.summarize(Query(where={"session": "nothing"})) == []
        assert ledger.summarize(Query(since=AT + timedelta(microseconds=1))) == []
        assert ledger.summarize(Query(since=AT, until=AT)) == []
        assert ledger.summarize(Query(since=AT, until=AT - timedelta(days=3))) == []

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ({"by": ("usr",)}, 'dimension "usr".*"user"'),
            ({"where": {"modle": "x"}}, 'dimension "modle".*"model"'),
            ({"where": {"outcome": "okay"}}, 'outcome "okay".*cancelled'),
            ({"where": {"price": "cheap"}}, 'price "cheap" is no number'),
        ],
    )
    def test_what_is_no_dimension_or_value_is_refused_with_what_is(
        self, ledger: Ledger, query: dict[str, object], words: str
    ) -> None:
        with pytest.raises(UnknownName, match=words):
            ledger.summarize(Query(**query))  # type: ignore[arg-type]  # as Query has them

    def test_sums_past_64_bits_stay_exact_integers(self, ledger: Ledger) -> None:
        most = 2**63 - 1
        huge = {"nanos": most, "latency_ms": most, "usage": Usage(input_tokens=most, output_tokens=most)}
        for _ in range(3):
            ledger.settle(entry(**huge))
        ledger.append(entry(**huge) for _ in range(2))
        ledger.settle(entry(nanos=-most, usage=Usage(input_tokens=5)))
        for where in ({}, {"session": None}):  # from rollups, from rows
            (total,) = ledger.summarize(Query(where=where))
            assert (total.nanos, type(total.nanos)) == (4 * most, int)
            assert total.input_tokens == 5 * most + 5
            assert total.latency_ms == 5 * most

    @pytest.mark.parametrize("by", [("user",), ("user", "session")])
    def test_of_the_fields_only_those_that_are_wanted_need_be_there(self, ledger: Ledger, by: tuple[str, ...]) -> None:
        ledger.append([entry(user=user, nanos=5, at=AT + timedelta(days=40 * n)) for n in range(3) for user in "ab"])
        wanted = ("calls", "nanos")
        whole = ledger.summarize(Query(by=by))
        assert [(each.key, each.calls, each.nanos) for each in whole] == [
            (each.key, each.calls, each.nanos) for each in ledger.summarize(Query(by=by, fields=wanted))
        ]
        assert all(each.input_tokens for each in whole)
        assert ledger.summarize(Query(by=by, fields=("unbounded_calls",))) == []
        with pytest.raises(UnknownName, match=r'"nanso".*"nanos"'):
            ledger.summarize(Query(by=by, fields=("nanso",)))

    def test_rows_users_and_days_sum_to_the_same_at_100_000_rows(self, ledger: Ledger) -> None:
        """Pitfall 31: the sum of rows, of users and of days is one number, exactly; 100,000 rows, appended at once."""
        chance = random.Random(31)  # noqa: S311  the same rows each time
        start = datetime(2026, 10, 31, 16, tzinfo=UTC)  # midnight in Shanghai

        def made() -> Iterator[Entry]:
            for _ in range(100_000):
                at = start + timedelta(microseconds=chance.randrange(30 * 86_400 * 10**6))
                user = chance.choice(("alice", "bob", "carol", None))
                yield entry(at=at, user=user, nanos=chance.randrange(10**9), usage=Usage(input_tokens=1))

        written = list(made())
        assert ledger.append(written) == 100_000
        rows = sum(each.nanos or 0 for each in written)
        until = start + timedelta(days=30)
        users = ledger.summarize(Query(by=("user",), since=start, until=until))
        days = [start + timedelta(days=day) for day in range(31)]
        by_day = [ledger.summarize(Query(since=since, until=end)) for since, end in itertools.pairwise(days)]
        by_session = ledger.summarize(Query(by=("session",), since=start, until=until))  # from rows
        assert sum(each.nanos for each in users) == rows
        assert sum(each.nanos for each in by_session) == rows
        assert sum(each.nanos for sums in by_day for each in sums) == rows
        assert sum(each.calls for sums in by_day for each in sums) == 100_000

    def test_span_is_the_first_and_the_last_instant(self, ledger: Ledger) -> None:
        for hours in (3, 1, 2):
            ledger.settle(entry(at=AT + timedelta(hours=hours)))
        assert ledger.span() == (AT + timedelta(hours=1), AT + timedelta(hours=3))

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        written=st.lists(entries(st.just(AT), most=10**15), max_size=8),
        by=st.lists(st.sampled_from(("user", "team", "model", "purpose", "outcome", "kind", "bracket")), max_size=3),
        rows=st.booleans(),
    )
    def test_rollups_and_rows_say_what_summing_one_by_one_says(
        self, ledger: Ledger, written: list[Entry], by: list[str], rows: bool
    ) -> None:
        # each example has an environment of its own in the ledger they share
        name = str(new_id())
        written = [
            replace(each, id=new_id(), source_key=None, environment=name, user=each.user or None) for each in written
        ]
        ledger.append(written)
        dimensions = (*by, "session") if rows else tuple(by)
        found = ledger.summarize(Query(by=dimensions, where={"environment": name}))
        assert as_brute(found) == brute(written, dimensions)


class TestReference:
    PLUS = Plan(name="plus", price_nanos=20 * 10**9, currency="USD", interval=Interval("month"))

    def subscribed(self, since: int, until: int | None = None, user: str = "alice", plan: str = "plus") -> Subscription:
        return Subscription(
            user=user,
            plan=plan,
            since=datetime(2026, since, 1, tzinfo=UTC),
            until=until and datetime(2026, until, 1, tzinfo=UTC),
            zone="Asia/Shanghai",
            price_nanos=20 * 10**9,
            currency="USD",
            interval=Interval("month"),
        )

    def test_words_that_are_no_text_are_kept_in_letters(self, ledger: Ledger) -> None:
        """A lone surrogate, as Python has what was no UTF-8, cannot be kept as it is."""
        odd = "\udcff"
        assert ledger.subscriptions(odd) == []
        ledger.add_price(MINI, actor=odd, reason=odd)
        ledger.add_fx_rate(FxRate("CNY", "USD", Decimal("0.14"), date(2026, 11, 1), odd), actor=odd, reason=odd)
        assert [rate.source for rate in ledger.fx_rates()] == [r"\udcff"]

    def test_plans_come_back_by_name_with_their_instant(self, ledger: Ledger) -> None:
        ledger.add_plan(self.PLUS, actor="ops", reason="launch")
        ledger.add_plan(replace(self.PLUS, name="basic", interval=Interval("week", 2)))
        basic, plus = ledger.plans()
        assert replace(plus, added_at=None) == self.PLUS
        assert (basic.name, str(basic.interval)) == ("basic", "2 weeks")
        assert plus.added_at is not None
        assert plus.added_at.tzinfo is UTC

    def test_a_plan_is_recorded_once(self, ledger: Ledger) -> None:
        ledger.add_plan(self.PLUS)
        with pytest.raises(InvalidPlan, match="plus"):
            ledger.add_plan(replace(self.PLUS, price_nanos=1))
        assert [each.price_nanos for each in ledger.plans()] == [20 * 10**9]

    def test_subscriptions_come_back_by_user_and_beginning(self, ledger: Ledger) -> None:
        ledger.add_plan(self.PLUS)
        written = [self.subscribed(5), self.subscribed(1, 3), self.subscribed(2, user="Bob")]
        for each in written:
            ledger.add_subscription(each)
        found = [replace(each, added_at=None) for each in ledger.subscriptions()]
        assert found == [written[2], written[1], written[0]]
        assert [each.since.month for each in ledger.subscriptions("alice")] == [1, 5]
        assert list(ledger.subscriptions("nobody")) == []

    def test_two_subscriptions_at_one_time_are_refused(self, ledger: Ledger) -> None:
        ledger.add_plan(self.PLUS)
        ledger.add_subscription(self.subscribed(1, 3))
        ledger.add_subscription(self.subscribed(3, 4))  # ends may touch
        ledger.add_subscription(self.subscribed(1, user="bob"))
        with pytest.raises(InvalidPlan, match="alice"):
            ledger.add_subscription(self.subscribed(2))
        assert len(ledger.subscriptions()) == 3

    def test_a_plan_has_versions_and_keeps_their_conditions(self, ledger: Ledger) -> None:
        conditions = Conditions(per_seat=True, min_seats=2, tax_percent=Decimal(19))
        dearer = replace(
            self.PLUS, price_nanos=24 * 10**9, since=datetime(2027, 1, 1, tzinfo=UTC), conditions=conditions
        )
        ledger.add_plan(dearer)
        ledger.add_plan(self.PLUS)
        assert [replace(each, added_at=None) for each in ledger.plans()] == [self.PLUS, dearer]

    def test_what_is_retired_holds_no_longer_and_stays_recorded(self, ledger: Ledger) -> None:
        ledger.add_plan(self.PLUS)
        ledger.add_subscription(self.subscribed(1))
        (old,) = ledger.subscriptions()
        ended = replace(old, until=datetime(2026, 3, 1, tzinfo=UTC))
        paused = replace(ended, since=datetime(2026, 3, 1, tzinfo=UTC), until=None, anchor=old.since, state="paused")
        ledger.revise_subscriptions(retire=[old], add=[ended, replace(paused, key="sub_1", channel="card", seats=3)])
        found = [replace(each, added_at=None) for each in ledger.subscriptions("alice")]
        assert found == [
            replace(ended, added_at=None),
            replace(paused, added_at=None, key="sub_1", channel="card", seats=3),
        ]

    def test_a_revision_that_fails_changes_nothing(self, ledger: Ledger) -> None:
        ledger.add_plan(self.PLUS)
        ledger.add_subscription(self.subscribed(1))
        (old,) = ledger.subscriptions()
        with pytest.raises(InvalidPlan, match="overlap"):
            ledger.revise_subscriptions(retire=[old], add=[self.subscribed(1), self.subscribed(2)])
        assert list(ledger.subscriptions()) == [old]

    def test_info_counts_the_subscriptions_that_hold(self, ledger: Ledger) -> None:
        ledger.add_plan(self.PLUS)
        ledger.add_subscription(self.subscribed(1))
        ledger.add_subscription(self.subscribed(1, user="bob"))
        ledger.revise_subscriptions(retire=ledger.subscriptions("alice"))
        assert ledger.info()["subscriptions"] == 1

    def test_a_plan_nobody_added_is_refused_with_the_nearest(self, ledger: Ledger) -> None:
        ledger.add_plan(self.PLUS)
        with pytest.raises(UnknownName, match=r'"plsu".*"plus"'):
            ledger.add_subscription(self.subscribed(1, plan="plsu"))

    def test_fx_rates_come_back_by_day_and_order_of_entry(self, ledger: Ledger) -> None:
        written = [
            FxRate("USD", "CNY", Decimal("7.10"), date(2026, 11, 2)),
            FxRate("USD", "CNY", Decimal("7.0500000000000000001"), date(2026, 11, 1), "pboc"),
            FxRate("USD", "CNY", Decimal("7.2"), date(2026, 11, 2)),
        ]
        for rate in written:
            ledger.add_fx_rate(rate, actor="ops")
        assert list(ledger.fx_rates()) == [written[1], written[0], written[2]]

    def test_a_price_may_be_set_again_as_it_was(self, ledger: Ledger) -> None:
        for price in (MINI, ERNIE, MINI):
            ledger.add_price(price)
        assert list(ledger.prices()) == [MINI, ERNIE, MINI]

    def test_the_zone_is_the_one_it_was_made_in(self, ledger: Ledger, opener: Callable[..., Ledger]) -> None:
        assert ledger.zone == "Asia/Shanghai"
        assert opener(zone="Europe/Berlin").zone == "Asia/Shanghai"
        assert opener(read_only=True).zone == "Asia/Shanghai"

    def test_info_counts_what_is_there(self, ledger: Ledger) -> None:
        ledger.settle(entry())
        ledger.reserve(hold())
        ledger.add_plan(self.PLUS)
        info = ledger.info()
        assert {name: info[name] for name in ("entries", "last_seq", "users", "holds", "plans", "zone")} == {
            "entries": 1,
            "last_seq": 1,
            "users": 1,
            "holds": 1,
            "plans": 1,
            "zone": "Asia/Shanghai",
        }
