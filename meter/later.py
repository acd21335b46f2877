"""Later: threads that do what finalizers and event loops must not wait for, and what is tried until it can be done."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import weakref
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from meter.errors import loggable

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], object]

T = TypeVar("T")
log = logging.getLogger("meter")

PAUSE_S = 0.001
"""How long between two tries to hand its end to a thread that is busy."""


class Later:
    """Jobs, and the thread that does them one after the other, in the order in which they came.

    A job is done also where whoever waits for it gives up, is cancelled or loses its event loop; what is left at the
    end of the process is done by `finish`.
    """

    def __init__(self) -> None:
        # of the kinds of queue the one whose put() may be called anywhere, also by a finalizer within put()
        self._jobs: SimpleQueue[Job | threading.Thread | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        # the thread knows the queue alone, so that it does not keep alive whoever nobody else uses any more
        weakref.finalize(self, self._jobs.put, None).atexit = False

    def put(self, job: Job) -> None:
        """Add a job; a finalizer may do so, but it does not begin the thread."""
        self._jobs.put(job)

    def begin(self) -> None:
        """Begin the thread, if it is not running."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = _begun(_do_all, self._jobs)

    async def do(self, job: Callable[[], T], given_up: Callable[[], None] | None = None) -> T:
        """Wait for a job without holding the event loop; where the waiting is given up, `given_up` follows the job."""
        done: Future[T] = Future()
        done.set_running_or_notify_cancel()  # from here on nobody can cancel it
        self.put(lambda: _fulfil(done, job))
        self.begin()
        try:
            return await asyncio.wrap_future(done)
        except BaseException as error:
            if given_up is not None and not (done.done() and done.exception() is error):
                self.put(given_up)
            raise

    def finish(self) -> None:
        """Do what is left and end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            self._jobs.put(thread)
            thread.join()
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if isinstance(job, threading.Thread):  # somebody else ends that one: it does what is left
                self._jobs.put(job)
                return
            if job is not None:
                _try(job)


class Until:
    """A job that a thread tries every so often until it returns True."""

    def __init__(self, job: Callable[[], bool], every_s: float) -> None:
        self._job = job
        self._every_s = every_s
        self._asked = 0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._ending = threading.Event()

    def begin(self) -> None:
        """Begin, if the thread is not running; the first try is after the first pause."""
        with self._lock:
            self._asked += 1
            if self._thread is None:
                self._ending.clear()
                self._thread = _begun(self._run)

    def finish(self) -> None:
        """End the thread, whether the job could be done or not."""
        self._ending.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while not self._ending.wait(self._every_s):
            asked = self._asked
            if _try(self._job):
                with self._lock:
                    if asked == self._asked:  # nobody asked while it was done
                        self._thread = None
                        return


def _begun(target: Callable[..., None], *args: Any) -> threading.Thread | None:
    thread = threading.Thread(target=target, args=args, name="meter-later", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the process is ending, or can have no more threads: `finish` does what is left
        return None
    return thread


def _do_all(jobs: SimpleQueue[Job | threading.Thread | None]) -> None:
    while (job := jobs.get()) is not threading.current_thread() and job is not None:
        if isinstance(job, threading.Thread):  # the one that is to end was busy, and another was begun meanwhile
            jobs.put(job)
            time.sleep(PAUSE_S)
        else:
            _try(job)
        del job  # what it holds may be waiting for its finalizer


def _try(job: Job) -> object:
    try:
        return job()
    except Exception as error:  # noqa: BLE001  whatever it is, the next job is done
        log.error("What was left for later failed (%s).", loggable(error))
        return None


def _fulfil(done: Future[Any], job: Callable[[], Any]) -> None:
    try:
        result = job()
    except BaseException as error:  # noqa: BLE001  it is raised where the job is waited for
        done.set_exception(error)
    else:
        done.set_result(result)
