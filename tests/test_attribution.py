from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING

import pytest

from meter.attribution import Attribution, attribute, attribution_of, current
from meter.names import LONGEST, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def test_nobody_is_attributed_outside_a_block() -> None:
    """Pitfall 33: a call without a user has none, it is not given somebody else's."""
    assert current() == Attribution()
    assert attribution_of({"model": "m"}).user is None


def test_an_inner_block_overrides_what_it_names_and_keeps_the_rest() -> None:
    with attribute(user="alice", team="blue", tags=["a"]), attribute(user="bob", purpose="title", tags=["b", "a"]):
        assert current() == Attribution(user="bob", team="blue", purpose="title", tags=("a", "b"))
    assert current() == Attribution()


def test_a_block_that_raises_is_left() -> None:
    with pytest.raises(RuntimeError), attribute(user="alice"):
        raise RuntimeError
    assert current().user is None


def test_the_calls_own_user_goes_before_the_block_and_the_block_before_the_default() -> None:
    with attribute(user="block", team="blue"):
        assert attribution_of({"user": "own"}, "default").user == "own"
        assert attribution_of({"user": "own"}, "default").team == "blue"
        assert attribution_of({}, "default").user == "block"
    assert attribution_of({}, "default").user == "default"


def test_metadata_names_user_team_session_purpose_and_tags() -> None:
    metadata = {"user_id": "alice", "team": "blue", "session_id": 7, "purpose": "chat", "tags": ["x", None, "y", "x"]}
    got = attribution_of({"metadata": metadata})
    assert got == Attribution(user="alice", team="blue", session="7", purpose="chat", tags=("x", "y"))


@pytest.mark.parametrize("user", [None, "", "  ", True, {"id": 1}, ["alice"], 1.5])
def test_what_is_no_name_attributes_nothing(user: object) -> None:
    assert attribution_of({"user": user}).user is None


def test_a_number_is_a_user() -> None:
    assert attribution_of({"user": 4127}).user == "4127"


@pytest.mark.parametrize("metadata", [None, "text", 3, ["user"], {"user": {"deep": 1}}, {"tags": "abc"}, {"tags": 5}])
def test_metadata_of_any_shape_is_no_error(metadata: object) -> None:
    assert attribution_of({"metadata": metadata}) == Attribution()


def test_a_single_tag_may_be_given_as_text() -> None:
    with attribute(tags="one"):
        assert current().tags == ("one",)


def test_one_block_object_can_be_used_twice_and_within_itself() -> None:
    block = attribute(user="alice")
    with block, block:
        assert current().user == "alice"
    assert current().user is None


def test_a_decorated_function_is_attributed_and_keeps_its_name() -> None:
    @attribute(user="alice")
    def ask() -> str | None:
        return current().user

    assert ask() == "alice"
    assert ask.__name__ == "ask"
    assert current().user is None


async def test_a_decorated_coroutine_is_attributed_while_it_runs() -> None:
    @attribute(user="alice")
    async def ask() -> str | None:
        await asyncio.sleep(0)
        return current().user

    assert await ask() == "alice"
    assert current().user is None


def test_a_decorated_generator_is_attributed_in_its_steps_and_its_consumer_is_not() -> None:
    seen: list[object] = []

    @attribute(user="alice")
    def ask() -> Iterator[str | None]:
        try:
            got = yield current().user
            seen.append(got)
            yield current().user
        except ValueError:
            seen.append("thrown")
            yield current().user
        finally:
            seen.append(current().user)

    steps = ask()
    assert next(steps) == "alice"
    assert current().user is None
    assert steps.send("sent") == "alice"  # type: ignore[attr-defined]  # the annotation says Iterator
    assert steps.throw(ValueError) == "alice"  # type: ignore[attr-defined]  # the annotation says Iterator
    steps.close()  # type: ignore[attr-defined]  # the annotation says Iterator
    assert seen == ["sent", "thrown", "alice"]
    assert current().user is None


async def test_a_decorated_async_generator_is_attributed_in_its_steps_and_its_consumer_is_not() -> None:
    seen: list[object] = []

    @attribute(user="alice")
    async def ask() -> AsyncIterator[str | None]:
        try:
            yield current().user
            await asyncio.sleep(0)
            yield current().user
        finally:
            seen.append(current().user)

    steps = ask()
    assert await anext(steps) == "alice"
    assert current().user is None
    assert await anext(steps) == "alice"
    await steps.aclose()  # type: ignore[attr-defined]  # the annotation says AsyncIterator
    assert seen == ["alice"]


def test_decorated_generators_that_are_read_in_turn_keep_their_users() -> None:
    """Pitfall 32: two streams zipped together."""

    def ask() -> Iterator[str | None]:
        for _ in range(3):
            yield current().user

    alice, bob = attribute(user="alice")(ask)(), attribute(user="bob")(ask)()
    with attribute(user="consumer"):
        assert list(zip(alice, bob, strict=True)) == [("alice", "bob")] * 3
        assert current().user == "consumer"
    assert current() == Attribution()


async def test_decorated_async_generators_that_are_read_in_turn_keep_their_users() -> None:
    """Pitfall 32: in one task, also where they end in another order than they began."""

    async def ask(times: int) -> AsyncIterator[str | None]:
        for _ in range(times):
            await asyncio.sleep(0)
            yield current().user

    alice, bob = attribute(user="alice")(ask)(2), attribute(user="bob")(ask)(3)
    assert [await anext(each, None) for _ in range(4) for each in (alice, bob)] == ["alice", "bob"] * 2 + [
        None,
        "bob",
        None,
        None,
    ]
    assert current() == Attribution()


def test_blocks_that_are_left_in_another_order_take_away_their_own_and_it_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Blocks in the bodies of generators that are read in turn."""

    def ask(**who: str) -> Iterator[Attribution]:
        with attribute(**who):  # type: ignore[arg-type]  # tags are none of these
            yield current()

    alice, bob, carol = ask(user="alice", team="blue"), ask(user="bob", session="s"), ask(purpose="title")
    next(alice), next(bob), next(carol)
    assert current() == Attribution(user="bob", team="blue", session="s", purpose="title")
    assert next(alice, None) is None
    assert current() == Attribution(user="bob", session="s", purpose="title")
    assert "Decorate the generator" in caplog.text
    assert next(bob, None) is None
    assert current() == Attribution(purpose="title")
    assert next(carol, None) is None
    assert current() == Attribution()


def test_a_block_that_is_left_in_another_context_takes_away_nobody_elses() -> None:
    block = attribute(user="alice")
    contextvars.copy_context().run(block.__enter__)
    with attribute(user="bob"):
        block.__exit__(None, None, None)
        assert current().user == "bob"


async def test_tasks_do_not_see_each_others_users() -> None:
    """Pitfall 32: concurrent requests of different users never mix."""

    async def ask(user: str) -> str | None:
        with attribute(user=user):
            for _ in range(5):
                await asyncio.sleep(0)
            return current().user

    users = [f"u{n}" for n in range(20)]
    assert await asyncio.gather(*map(ask, users)) == users


def test_a_thread_begins_without_the_callers_user() -> None:
    seen: list[str | None] = []
    with attribute(user="alice"):
        thread = threading.Thread(target=lambda: seen.append(current().user))
        thread.start()
        thread.join()
    assert seen == [None]


@pytest.mark.parametrize("user", ["u" * 10_240, "\ud800" * 2_000, " " + "a b" * 4_000])
def test_a_name_too_long_to_be_one_is_cut_and_two_of_them_stay_two(user: str) -> None:
    """It may be a prompt, and of that nothing is kept whole."""
    cut, other = attribution_of({"user": user}).user, attribution_of({"user": f"{user}!"}).user
    assert cut is not None
    assert other is not None
    assert len(cut) == len(other) == LONGEST
    assert cut.startswith(user.strip()[:900])
    assert cut != other
    assert text_of(cut) == cut


def test_a_name_at_the_limit_is_kept_as_it_is() -> None:
    assert text_of("u" * LONGEST) == "u" * LONGEST


def test_a_number_that_python_cannot_write_out_is_no_name_and_no_error() -> None:
    assert attribution_of({"user": 10**5_000}).user is None
    with attribute(user=-(10**5_000), tags=[10**5_000]):  # type: ignore[arg-type, list-item]  # what a host may hand in
        assert current() == Attribution()
