"""Later: what is left is done once, in its order, whoever gives up waiting for it."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import TYPE_CHECKING

import pytest

from meter import later
from meter.later import Later, Until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ours() -> Iterator[Later]:
    """Give a Later, and end its thread."""
    made = Later()
    yield made
    made.finish()


class TestLater:
    def test_a_thread_is_ended_though_another_was_begun_meanwhile(self, ours: Later) -> None:
        busy, gate = threading.Event(), threading.Event()
        ours.put(lambda: busy.set() or gate.wait())
        ours.begin()
        busy.wait()
        ending = threading.Thread(target=ours.finish, daemon=True)
        ending.start()
        while ours._thread is not None:
            pass
        ours.begin()
        other = ours._thread
        assert other is not None
        other.join(0.2)  # time enough to take the end for its own
        gate.set()
        ending.join(10)
        assert not ending.is_alive()

    def test_jobs_are_done_in_their_order_by_one_thread(self, ours: Later) -> None:
        done: list[tuple[int, int]] = []
        for number in range(50):
            ours.put(lambda number=number: done.append((number, threading.get_ident())))
        ours.begin()
        ours.begin()
        ours.finish()
        assert [number for number, _ in done] == list(range(50))
        assert len({thread for _, thread in done}) == 1

    def test_what_was_put_before_the_thread_began_or_after_it_ended_is_done_by_finish(self, ours: Later) -> None:
        done: list[str] = []
        ours.put(lambda: done.append("before"))
        ours.finish()
        ours.put(lambda: done.append("after"))
        ours.finish()
        assert done == ["before", "after"]

    def test_a_job_that_fails_is_logged_and_the_next_is_done(
        self, ours: Later, caplog: pytest.LogCaptureFixture
    ) -> None:
        done: list[str] = []
        ours.put(lambda: 1 // 0)
        ours.put(lambda: done.append("next"))
        ours.begin()
        ours.finish()
        assert done == ["next"]
        assert "ZeroDivisionError" in caplog.text

    async def test_a_job_is_waited_for_and_its_result_or_error_handed_over(self, ours: Later) -> None:
        assert await ours.do(lambda: 5) == 5
        with pytest.raises(ZeroDivisionError):
            await ours.do(lambda: 1 // 0)

    async def test_a_job_whose_waiting_is_cancelled_is_done_and_then_given_up(self, ours: Later) -> None:
        """Pitfall 40: what frees a hold comes after what writes it."""
        go = threading.Event()
        done: list[str] = []
        ours.put(go.wait)
        task = asyncio.create_task(ours.do(lambda: done.append("written"), lambda: done.append("given up")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == []
        go.set()
        ours.finish()
        assert done == ["written", "given up"]

    async def test_a_job_that_failed_is_not_given_up(self, ours: Later) -> None:
        done: list[str] = []
        with pytest.raises(ZeroDivisionError):
            await ours.do(lambda: 1 // 0, lambda: done.append("given up"))
        ours.finish()
        assert done == []

    def test_a_job_whose_event_loop_is_closed_is_done(self, ours: Later) -> None:
        """Pitfall 27: a closing event loop loses nothing."""
        go = threading.Event()
        done: list[str] = []
        ours.put(go.wait)
        loop = asyncio.new_event_loop()
        waiting = ours.do(lambda: done.append("written"))
        task = loop.create_task(waiting)
        loop.run_until_complete(asyncio.sleep(0))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()
        go.set()
        ours.finish()
        assert done == ["written"]

    def test_a_finalizer_may_put_a_job_while_one_is_put(self, ours: Later) -> None:
        """Pitfall 17: garbage is collected anywhere."""
        done: list[int] = []

        class Dropped:
            def __del__(self) -> None:
                ours.put(lambda: done.append(1))

        threshold = gc.get_threshold()
        gc.set_threshold(1)
        try:
            for _ in range(200):
                cycle: list[object] = [Dropped()]
                cycle.append(cycle)
                del cycle
                ours.put(lambda: None)
        finally:
            gc.set_threshold(*threshold)
        gc.collect()
        ours.begin()
        ours.finish()
        assert len(done) == 200

    def test_a_thread_that_cannot_begin_leaves_the_jobs_to_finish(
        self, ours: Later, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: object) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        done: list[str] = []
        ours.put(lambda: done.append("done"))
        ours.begin()
        ours.finish()
        assert done == ["done"]

    def test_the_thread_ends_with_its_owner(self) -> None:
        made = Later()
        made.begin()
        thread = made._thread
        assert thread is not None
        alive = weakref.ref(made)
        del made
        gc.collect()
        assert alive() is None
        thread.join()


class TestUntil:
    def test_it_is_tried_until_it_can_be_done(self) -> None:
        tries: list[int] = []
        trying = Until(lambda: tries.append(1) or len(tries) == 3, 0.001)
        trying.begin()
        trying.begin()
        thread = trying._thread
        assert thread is not None
        thread.join()
        assert len(tries) == 3
        assert trying._thread is None

    def test_what_fails_is_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(later.log, "exception", lambda *_: None)
        results = iter([False, True])
        tries: list[int] = []

        def job() -> bool:
            tries.append(1)
            return bool(1 // next(results))

        trying = Until(job, 0.001)
        trying.begin()
        thread = trying._thread
        assert thread is not None
        thread.join()
        assert len(tries) == 2

    def test_who_asks_while_it_is_done_has_it_done_again(self) -> None:
        tries: list[int] = []

        def job() -> bool:
            tries.append(1)
            if len(tries) == 1:
                trying.begin()
            return True

        trying = Until(job, 0.001)
        trying.begin()
        thread = trying._thread
        assert thread is not None
        thread.join()
        assert len(tries) == 2

    def test_it_can_be_ended_before_it_could_be_done_and_begun_again(self) -> None:
        done: list[int] = []
        trying = Until(lambda: bool(done), 0.001)
        trying.begin()
        trying.finish()
        trying.finish()
        done.append(1)
        trying.begin()
        thread = trying._thread
        assert thread is not None
        thread.join()
